"""Invoice and credit note as EHF Billing 3.0, which is Peppol BIS Billing 3.0 with Norway's rules: UBL 2.1 as bytes.

Written from the issued document alone, like the PDF, so both say the same and either can be made again byte for byte.
Where the published rules let a wrong document through (VAT off by a krone, no reference to the credited invoice), this
module does not: it writes what was issued, and the issuing checks are exact.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from lxml import etree

from billing.models import Buyer, CreditLine, CreditNote, Delivery, Invoice, InvoiceLine, LineKind, Seller, VatLine
from cards.address import Address
from cards.money import nok

CUSTOMIZATION = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
PROFILE = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
ORGANISATIONS = "0192"  # the Norwegian register of legal units, as ISO 6523 numbers it
_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
_CAC = f"{_UBL}CommonAggregateComponents-2"
_CBC = f"{_UBL}CommonBasicComponents-2"
_OUTSIDE_REASON = "Levert utenfor merverdiavgiftsområdet, mval. § 6-21 / Delivered outside the VAT area"
_OUTSIDE_CODES = {"G": "VATEX-EU-G"}
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNREADABLE = "\ufffd"  # an issued document must not fail on a stray sign: the organisation number names a party
_EACH = "EA"  # `stk` is no code of the list, and `STK` is a cigarette

_Element = Any  # lxml ships no types


def invoice_xml(invoice: Invoice, *, pdf: bytes | None = None) -> bytes:
    """An issued invoice as UBL 2.1, UTF-8. `pdf` is the same invoice drawn, carried inside when given.

    A sign that XML cannot hold (a control character) stands as �, as it stands as ? in the drawing.
    """
    root = _document("Invoice", str(invoice.number), invoice.issued_on)
    _cbc(root, "DueDate", invoice.due_on.isoformat())
    _cbc(root, "InvoiceTypeCode", "380")
    _cbc(root, "DocumentCurrencyCode", "NOK")
    _orders(root, invoice)
    _attach(root, f"invoice-{invoice.number}.pdf", pdf)
    _parties(root, invoice.seller, invoice.buyer)
    _delivery(root, invoice)
    _payment(root, invoice)
    _tax(root, invoice.vat, invoice.vat_ore)
    _sums(root, invoice.net_ore, invoice.gross_ore)
    for place, line in enumerate(invoice.lines, start=1):
        _invoice_line(root, place, line, invoice.delivery_of(line) if len(invoice.deliveries) > 1 else None)
    return _bytes(root)


def credit_note_xml(note: CreditNote, *, pdf: bytes | None = None, statement: bytes | None = None) -> bytes:
    """An issued credit note as UBL 2.1, UTF-8: positive amounts, every credited invoice named once.

    `pdf` is the same note drawn, `statement` the evidence of its lines: carried inside when given.
    """
    root = _document("CreditNote", str(note.number), note.issued_on)
    _cbc(root, "CreditNoteTypeCode", "381")
    _cbc(root, "DocumentCurrencyCode", "NOK")
    _cbc(root, "BuyerReference", note.case_id)
    for number in dict.fromkeys(line.invoice_number for line in note.lines):
        _cbc(_cac(_cac(root, "BillingReference"), "InvoiceDocumentReference"), "ID", number)
    _attach(root, f"credit-note-{note.number}.pdf", pdf)
    _attach(root, f"statement-{note.number}.pdf", statement)
    _parties(root, note.seller, note.buyer)
    _tax(root, note.vat, note.vat_ore)
    _sums(root, note.net_ore, note.gross_ore)
    for place, line in enumerate(note.lines, start=1):
        _credit_line(root, place, line)
    return _bytes(root)


# --- elements ---------------------------------------------------------------------------------------------------


def _document(kind: str, number: str, issued_on: date) -> _Element:
    root = etree.Element(f"{{{_UBL}{kind}-2}}{kind}", nsmap={None: f"{_UBL}{kind}-2", "cac": _CAC, "cbc": _CBC})
    _cbc(root, "CustomizationID", CUSTOMIZATION)
    _cbc(root, "ProfileID", PROFILE)
    _cbc(root, "ID", number)
    _cbc(root, "IssueDate", issued_on.isoformat())
    return root


def _cac(parent: _Element, name: str) -> _Element:
    return etree.SubElement(parent, f"{{{_CAC}}}{name}")


def _cbc(parent: _Element, name: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, f"{{{_CBC}}}{name}", attributes).text = _NO_XML.sub(_UNREADABLE, text)


def _amount(parent: _Element, name: str, amount_ore: int) -> None:
    _cbc(parent, name, nok(amount_ore), currencyID="NOK")


def _bytes(root: _Element) -> bytes:
    data: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return data


# --- the head ---------------------------------------------------------------------------------------------------


def _attach(root: _Element, name: str, pdf: bytes | None) -> None:
    if pdf is None:
        return
    reference = _cac(root, "AdditionalDocumentReference")
    _cbc(reference, "ID", name)
    content = base64.b64encode(pdf).decode()
    _cbc(
        _cac(reference, "Attachment"),
        "EmbeddedDocumentBinaryObject",
        content,
        mimeCode="application/pdf",
        filename=name,
    )


def _parties(root: _Element, seller: Seller, buyer: Buyer) -> None:
    party = _party(_cac(root, "AccountingSupplierParty"), seller.org_number, seller.name, seller.address)
    _tax_scheme(party, f"NO{seller.org_number}MVA", "VAT")  # NO-R-001
    _tax_scheme(party, seller.register_note, "TAX")  # NO-R-002, foretaksregisterloven § 10-2
    _legal_entity(party, seller.org_number, seller.name)
    party = _party(_cac(root, "AccountingCustomerParty"), buyer.org_number, buyer.name, buyer.address)
    _legal_entity(party, buyer.org_number, buyer.name)
    if buyer.email:
        _cbc(_cac(party, "Contact"), "ElectronicMail", buyer.email)


def _party(parent: _Element, org_number: str, name: str, address: Address) -> _Element:
    party = _cac(parent, "Party")
    _cbc(party, "EndpointID", org_number, schemeID=ORGANISATIONS)
    _cbc(_cac(party, "PartyName"), "Name", name)
    _address(_cac(party, "PostalAddress"), address)
    return party


def _address(place: _Element, address: Address) -> None:
    """The street first; c/o and attention go where UBL has room for them."""
    _cbc(place, "StreetName", address.street)
    beside = [f"c/o {address.care_of}" if address.care_of else "", address.attention or ""]
    if any(beside):
        _cbc(place, "AdditionalStreetName", ", ".join(part for part in beside if part))
    _cbc(place, "CityName", address.city)
    _cbc(place, "PostalZone", address.postcode)
    _cbc(_cac(place, "Country"), "IdentificationCode", address.country)


def _tax_scheme(party: _Element, company: str, scheme: str) -> None:
    tax = _cac(party, "PartyTaxScheme")
    _cbc(tax, "CompanyID", company)
    _cbc(_cac(tax, "TaxScheme"), "ID", scheme)


def _legal_entity(party: _Element, org_number: str, name: str) -> None:
    entity = _cac(party, "PartyLegalEntity")
    _cbc(entity, "RegistrationName", name)
    _cbc(entity, "CompanyID", org_number, schemeID=ORGANISATIONS)


def _orders(root: _Element, invoice: Invoice) -> None:
    """Peppol has room for one order in the head: a collected invoice names its month there, its orders on the lines."""
    orders = invoice.order_numbers
    collected = f"Samlefaktura / Collected invoice {invoice.delivered_from:%Y-%m}"
    _cbc(root, "BuyerReference", orders[0] if len(orders) == 1 else collected)
    if invoice.delivered_from != invoice.delivered_until:
        _period(root, invoice.delivered_from, invoice.delivered_until)
    if len(orders) == 1:
        _cbc(_cac(root, "OrderReference"), "ID", orders[0])


def _period(parent: _Element, first: date, last: date) -> None:
    period = _cac(parent, "InvoicePeriod")
    _cbc(period, "StartDate", first.isoformat())
    _cbc(period, "EndDate", last.isoformat())


def _delivery(root: _Element, invoice: Invoice) -> None:
    """No rule of Peppol asks for it; bokføringsforskriften § 5-1-1 does: time and place of delivery.

    UBL has room for one day and one place in the head; where they are several, each line tells its own.
    """
    one_day, one_place = invoice.delivered_from == invoice.delivered_until, len(invoice.places) == 1
    if not one_day and not one_place:
        return
    delivery = _cac(root, "Delivery")
    if one_day:
        _cbc(delivery, "ActualDeliveryDate", invoice.delivered_from.isoformat())
    if one_place:
        _place(delivery, invoice.places[0])


def _place(delivery: _Element, address: Address) -> None:
    _address(_cac(_cac(delivery, "DeliveryLocation"), "Address"), address)
    _cbc(_cac(_cac(delivery, "DeliveryParty"), "PartyName"), "Name", address.recipient)


def _payment(root: _Element, invoice: Invoice) -> None:
    """Credit transfer with the KID to a Norwegian account; a BBAN takes no branch."""
    means = _cac(root, "PaymentMeans")
    _cbc(means, "PaymentMeansCode", "30")
    _cbc(means, "PaymentID", invoice.kid)
    account = invoice.seller.bank_account.replace(".", "").replace(" ", "")
    _cbc(_cac(means, "PayeeFinancialAccount"), "ID", account)


# --- the sums and the lines -------------------------------------------------------------------------------------


def _tax(root: _Element, lines: Sequence[VatLine], vat_ore: int) -> None:
    total = _cac(root, "TaxTotal")
    _amount(total, "TaxAmount", vat_ore)
    for line in lines:
        part = _cac(total, "TaxSubtotal")
        _amount(part, "TaxableAmount", line.net_ore)
        _amount(part, "TaxAmount", line.vat_ore)
        category = _cac(part, "TaxCategory")
        _cbc(category, "ID", line.category)
        _cbc(category, "Percent", str(line.percent))
        if line.category in _OUTSIDE_CODES:
            _cbc(category, "TaxExemptionReasonCode", _OUTSIDE_CODES[line.category])
            _cbc(category, "TaxExemptionReason", _OUTSIDE_REASON)
        _cbc(_cac(category, "TaxScheme"), "ID", "VAT")


def _sums(root: _Element, net_ore: int, gross_ore: int) -> None:
    sums = _cac(root, "LegalMonetaryTotal")
    _amount(sums, "LineExtensionAmount", net_ore)
    _amount(sums, "TaxExclusiveAmount", net_ore)
    _amount(sums, "TaxInclusiveAmount", gross_ore)
    _amount(sums, "PayableAmount", gross_ore)


def _invoice_line(root: _Element, place: int, line: InvoiceLine, delivery: Delivery | None) -> None:
    """`delivery` where the head cannot tell it, since there are several."""
    element = _cac(root, "InvoiceLine")
    _cbc(element, "ID", str(place))
    if line.card_id or line.shipment_id:
        _cbc(element, "Note", line.card_id or line.shipment_id or "")
    _cbc(element, "InvoicedQuantity", str(line.quantity), unitCode=_EACH)
    _amount(element, "LineExtensionAmount", line.net_ore)
    if delivery is not None:
        _period(element, delivery.delivered_on, delivery.delivered_on)
    code = line.card_kind if line.kind is LineKind.CARD else line.kind.value
    item = _item(element, line.text, code, category=line.vat_category, percent=line.vat_percent)
    if delivery is not None:
        _property(item, "Bestilling / Order", delivery.order_number)
        _property(item, "Leveringssted / Place of delivery", _told(delivery.address))
    _amount(_cac(element, "Price"), "PriceAmount", line.unit_net_ore)


def _property(item: _Element, name: str, value: str) -> None:
    told = _cac(item, "AdditionalItemProperty")
    _cbc(told, "Name", name)
    _cbc(told, "Value", value)


def _told(address: Address) -> str:
    beside = f"c/o {address.care_of}" if address.care_of else None
    place = f"{address.postcode} {address.city}"
    parts = (address.recipient, address.attention, beside, address.street, place, address.country)
    return ", ".join(part for part in parts if part)


def _credit_line(root: _Element, place: int, line: CreditLine) -> None:
    element = _cac(root, "CreditNoteLine")
    _cbc(element, "ID", str(place))
    _cbc(element, "Note", f"Gjelder faktura / Credits invoice {line.invoice_number}")
    _cbc(element, "CreditedQuantity", "1", unitCode=_EACH)
    _amount(element, "LineExtensionAmount", line.net_ore)
    _item(element, line.text, None, category=line.vat_category, percent=line.vat_percent)
    _amount(_cac(element, "Price"), "PriceAmount", line.net_ore)


def _item(line: _Element, text: str, code: str | None, *, category: str, percent: int) -> _Element:
    item = _cac(line, "Item")
    _cbc(item, "Name", text)
    if code:
        _cbc(_cac(item, "SellersItemIdentification"), "ID", code)
    tax = _cac(item, "ClassifiedTaxCategory")
    _cbc(tax, "ID", category)
    _cbc(tax, "Percent", str(percent))
    _cbc(_cac(tax, "TaxScheme"), "ID", "VAT")
    return item


def figures(xml: bytes) -> dict[str, str]:
    """Number, net, VAT, gross and KID as a UBL document says them, to hold against the PDF and the database."""
    root = etree.fromstring(xml)
    wanted: Iterable[tuple[str, str]] = (
        ("number", "cbc:ID"),
        ("net", "cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount"),
        ("vat", "cac:TaxTotal/cbc:TaxAmount"),
        ("gross", "cac:LegalMonetaryTotal/cbc:PayableAmount"),
        ("kid", "cac:PaymentMeans/cbc:PaymentID"),
    )
    spaces = {"cac": _CAC, "cbc": _CBC}
    return {name: root.findtext(path, "", spaces) for name, path in wanted}
