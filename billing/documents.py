"""Invoice, credit note and refund statement as PDF, in Norwegian and English, with all that the law asks for.

What § 5-1-1 and § 5-1-2 of bokføringsforskriften ask: number and date, parties, nature, time and place of delivery,
price and due date, VAT in NOK, organisation number with MVA, Foretaksregisteret. Drawn from the issued document alone,
so a document can be drawn again with the same bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from billing.models import Buyer, CreditNote, Delivery, Invoice, RefundCase, RefundItem, Seller, VatLine
from billing.paper import ACCENT, INK, LEFT, RIGHT, SOFT, Column, Paper, Row, wrapped
from billing.refund_roads import RefundRoad, Road
from cards.address import Address
from cards.days import OSLO
from cards.errors import Refused
from cards.money import nok

_Fact = tuple[str, str, str]  # Norwegian label, English label, what it says
_FACTS_LEFT = 322.0
_FEW = 6  # more names than these do not stand beside each other

_INVOICE_COLUMNS = (
    Column("Nr.", "No.", LEFT, 22),
    Column("Beskrivelse", "Description", LEFT + 24, 218),
    Column("Referanse", "Reference", LEFT + 248, 84),
    Column("Antall", "Quantity", LEFT + 328, 34, right_aligned=True),
    Column("Pris", "Unit price", LEFT + 366, 46, right_aligned=True),
    Column("MVA", "VAT", LEFT + 414, 26, right_aligned=True),
    Column("Beløp NOK", "Amount NOK", RIGHT - 52, 52, right_aligned=True),
)
_CREDIT_COLUMNS = (
    Column("Nr.", "No.", LEFT, 24),
    Column("Beskrivelse", "Description", LEFT + 26, 200),
    Column("Gjelder faktura", "Credits invoice", LEFT + 232, 100),
    Column("MVA", "VAT", LEFT + 340, 30, right_aligned=True),
    Column("MVA NOK", "VAT NOK", LEFT + 374, 54, right_aligned=True),
    Column("Netto NOK", "Net NOK", RIGHT - 60, 60, right_aligned=True),
)
_STATEMENT_COLUMNS = (
    Column("Nr.", "No.", LEFT, 24),
    Column("Hva", "What", LEFT + 26, 206),
    Column("Faktura", "Invoice", LEFT + 238, 76),
    Column("Netto", "Net", LEFT + 318, 54, right_aligned=True),
    Column("MVA", "VAT", LEFT + 374, 54, right_aligned=True),
    Column("Tilbake NOK", "Refund NOK", RIGHT - 62, 62, right_aligned=True),
)

_EVIDENCE = {
    "shipment": "Sending",
    "orders_in_letter": "Bestillinger i brevet",
    "posted_on": "Postlagt",
    "zone": "Sone",
    "weight_g": "Vekt",
    "thickness_mm": "Tykkelse",
    "cards": "Kort",
    "charged_net": "Fakturert netto",
    "charged_vat": "Fakturert mva",
    "due_net": "Riktig netto",
    "cause": "Årsak",
    "letter_price_net": "Brevets pris netto",
    "letter_price_gross": "Brevets pris brutto",
    "tariff": "Takst",
    "source": "Kilde",
    "confidence": "Sikkerhet",
    "invoice_line": "Fakturalinje",
    "document": "Bilag",
}
_ROADS = {
    Road.PAYMENT: "Tilbakeført over betaling / Refunded over payment",
    Road.SET_OFF: "Trukket fra faktura / Set off against invoice",
    Road.PAY_OUT: "Utbetales til bankkonto / Paid out by bank",
}


def invoice_pdf(invoice: Invoice) -> bytes:
    """An issued invoice on A4."""
    paper = _paper(f"Faktura {invoice.number}", invoice.seller)
    facts = [
        ("Fakturanummer", "Invoice number", str(invoice.number)),
        ("Fakturadato", "Invoice date", invoice.issued_on.isoformat()),
        ("Forfallsdato", "Due date", invoice.due_on.isoformat()),
        _delivered(invoice),
        ("Bestilling", "Order", _few(invoice.order_numbers, "bestillinger")),
        ("KID", "Payment reference", invoice.kid),
    ]
    _head(paper, "Faktura", "Invoice", invoice.seller)
    place = invoice.places[0] if len(invoice.places) == 1 else None
    _parties(paper, invoice.buyer, facts, ("Leveringssted", "Place of delivery", place) if place else None)
    paper.table(_INVOICE_COLUMNS, _invoice_rows(invoice))
    _totals(paper, invoice.vat, invoice.gross_ore, ("Å betale", "Amount due"))
    _payment(paper, invoice)
    return paper.finished()


def credit_note_pdf(note: CreditNote) -> bytes:
    """An issued credit note on A4, each line with the invoice it credits (§ 5-2-8)."""
    paper = _paper(f"Kreditnota {note.number}", note.seller)
    facts = [
        ("Kreditnotanummer", "Credit note number", str(note.number)),
        ("Dato", "Date", note.issued_on.isoformat()),
        ("Sak", "Case", note.case_id),
        ("Gjelder faktura", "Credits invoice", _credited(note)),
    ]
    _head(paper, "Kreditnota", "Credit note", note.seller)
    _parties(paper, note.buyer, facts, None)
    paper.table(_CREDIT_COLUMNS, _credit_rows(note))
    _totals(paper, note.vat, note.gross_ore, ("Til gode", "Credited in your favour"))
    _closing(
        paper,
        "Beløpet betales tilbake samme vei som det ble betalt, eller trekkes fra det som er ubetalt.",
        "The amount is paid back the way it was paid, or set off against what is unpaid.",
    )
    return paper.finished()


def refund_statement_pdf(
    case: RefundCase, evidence: Mapping[str, Mapping[str, str]], roads: Sequence[RefundRoad] = ()
) -> bytes:
    """What one payer gets back and why: every item with its evidence (`finding id → {what: value}`), and the roads
    that the money takes, once they are planned.

    Raises Refused `refund.no_evidence` when an item has none.
    """
    paper = Paper(
        title=f"Tilbakebetaling {case.case_id}",
        author=case.payer_name,
        footer=(f"Sak / Case {case.case_id}", f"SHA-256 {case.digest}"),
    )
    _title(paper, "Tilbakebetaling", "Refund statement: every line with its evidence")
    _grid(paper, LEFT, _case_facts(case), width=RIGHT - LEFT)
    paper.y += 14
    paper.table(_STATEMENT_COLUMNS, _statement_rows(case, evidence))
    paper.need(70)
    _sum_line(paper, "Netto", "Net", case.net_ore)
    _sum_line(paper, "MVA", "VAT", case.vat_ore)
    _grand_total(paper, ("Tilbakebetales", "To be refunded"), case.gross_ore)
    _roads(paper, roads)
    return paper.finished()


def _roads(paper: Paper, roads: Sequence[RefundRoad]) -> None:
    if not roads:
        return
    paper.need(60)
    paper.text(LEFT, "Slik går beløpet tilbake / How the amount goes back", size=8.5, bold=True)
    paper.y += 15
    for road in roads:
        paper.need(14)
        words = f"{_ROADS[road.road]} {road.payment or road.invoice or ''}"
        paper.y = max(paper.lines(LEFT, [words], width=_FACTS_LEFT, y=paper.y, size=8.5), _amount_at(paper, road))


def _amount_at(paper: Paper, road: RefundRoad) -> float:
    paper.text(RIGHT, nok(road.amount_ore), size=8.5, right=True)
    return paper.y + 13


def _paper(title: str, seller: Seller) -> Paper:
    place = f"{seller.address.street}, {seller.address.postcode} {seller.address.city}"
    footer = (f"{seller.name} · {place}", f"Org.nr. {_vat_number(seller)} · {seller.register_note}")
    return Paper(title=title, author=seller.name, footer=footer)


def _vat_number(seller: Seller) -> str:
    """The form of § 5-1-2: the nine digits and MVA."""
    return f"NO {seller.org_number} MVA"


def _title(paper: Paper, title_no: str, title_en: str) -> None:
    paper.text(LEFT, title_no, size=22, bold=True, colour=ACCENT)
    paper.text(LEFT, title_en, y=paper.y + 30, size=11, colour=SOFT)
    paper.y += 62


def _head(paper: Paper, title_no: str, title_en: str, seller: Seller) -> None:
    below = _seller_block(paper, seller)
    _title(paper, title_no, title_en)
    paper.y = max(paper.y, below + 16)


def _seller_block(paper: Paper, seller: Seller) -> float:
    y = paper.y
    for part in wrapped(seller.name, RIGHT - _FACTS_LEFT, 10, True):
        paper.text(_FACTS_LEFT, part, y=y, size=10, bold=True)
        y += 13.5
    details = [
        *_address_lines(seller.address, without=seller.name),
        f"Org.nr. {_vat_number(seller)}",
        seller.register_note,
    ]
    return paper.lines(_FACTS_LEFT, details, width=RIGHT - _FACTS_LEFT, y=y, size=8.5)


def _parties(paper: Paper, buyer: Buyer, facts: Sequence[_Fact], place: tuple[str, str, Address] | None) -> None:
    top, width = paper.y, _FACTS_LEFT - LEFT - 24
    y = _label(paper, LEFT, top, "Kunde", "Customer")
    y = paper.lines(LEFT, [buyer.name, *_address_lines(buyer.address, without=buyer.name)], width=width, y=y, size=9.5)
    y = paper.lines(LEFT, [f"Org.nr. {buyer.org_number}"], width=width, y=y + 1, size=8.5)
    if place:
        y = _label(paper, LEFT, y + 9, place[0], place[1])
        y = paper.lines(LEFT, [", ".join(_address_lines(place[2], without=""))], width=width, y=y, size=8.5)
    _grid(paper, _FACTS_LEFT, facts, width=RIGHT - _FACTS_LEFT)
    paper.y = max(paper.y, y) + 16


def _label(paper: Paper, x: float, y: float, label_no: str, label_en: str) -> float:
    paper.text(x, f"{label_no} / {label_en}", y=y, size=7, colour=SOFT)
    return y + 11


def _grid(paper: Paper, left: float, facts: Sequence[_Fact], *, width: float) -> None:
    """Facts below each other, label left and value right of it; the cursor goes below them."""
    for label_no, label_en, value in facts:
        paper.text(left, label_no, size=8.5)
        paper.text(left, label_en, y=paper.y + 10.5, size=6.5, colour=SOFT)
        parts = wrapped(value, width - 92, 8.5, True)
        for place, part in enumerate(parts):
            paper.text(left + 92, part, y=paper.y + place * 11, size=8.5, bold=True)
        paper.y += max(20.5, len(parts) * 11 + 4)


def _address_lines(address: Address, *, without: str) -> list[str]:
    """The lines of an address as typed; the recipient goes when the name already stands above it."""
    lines = [
        address.recipient if address.recipient != without else None,
        f"v/ {address.attention}" if address.attention else None,
        f"c/o {address.care_of}" if address.care_of else None,
        address.street,
        f"{address.postcode} {address.city}",
        address.country if address.country != "NO" else None,
    ]
    return [line for line in lines if line]


def _delivered(invoice: Invoice) -> _Fact:
    if invoice.delivered_from == invoice.delivered_until:
        return "Leveringsdato", "Delivered on", invoice.delivered_from.isoformat()
    return "Levert", "Delivered", f"{invoice.delivered_from} – {invoice.delivered_until}"


def _few(names: Sequence[str], noun: str) -> str:
    """Names one after the other, or how many they are: then each stands in the lines."""
    return ", ".join(names) if len(names) <= _FEW else f"{len(names)} {noun}, se linjene / see the lines"


def _invoice_rows(invoice: Invoice) -> Iterable[Row]:
    """The lines; where there are several deliveries, each opens with its order, day and place."""
    shown = None
    for number, line in enumerate(invoice.lines, start=1):
        if len(invoice.deliveries) > 1 and line.delivery != shown:
            yield _delivery_row(invoice.delivery_of(line))
            shown = line.delivery
        yield Row(
            (
                str(number),
                line.text,
                line.card_id or line.shipment_id or "",
                str(line.quantity),
                nok(line.unit_net_ore),
                f"{line.vat_percent} %",
                nok(line.net_ore),
            )
        )


def _credit_rows(note: CreditNote) -> Iterable[Row]:
    for number, line in enumerate(note.lines, start=1):
        yield Row(
            (
                str(number),
                line.text,
                line.invoice_number,
                f"{line.vat_percent} %",
                nok(line.vat_ore),
                nok(line.net_ore),
            )
        )


def _delivery_row(delivery: Delivery) -> Row:
    place = ", ".join(_address_lines(delivery.address, without=""))
    order = f"Bestilling / Order {delivery.order_number}"
    below = f"Levert / Delivered {delivery.delivered_on}, {place}"
    return Row(("", order, "", "", "", "", ""), below=(below,))


def _credited(note: CreditNote) -> str:
    return _few(list(dict.fromkeys(line.invoice_number for line in note.lines)), "fakturaer")


def _statement_rows(case: RefundCase, evidence: Mapping[str, Mapping[str, str]]) -> Iterable[Row]:
    for number, item in enumerate(case.items, start=1):
        cells = (
            str(number),
            item.text,
            item.invoice_number,
            nok(item.net_ore),
            nok(item.vat_ore),
            nok(item.net_ore + item.vat_ore),
        )
        yield Row(cells, below=_evidence_lines(item, evidence))


def _evidence_lines(item: RefundItem, evidence: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    facts = evidence.get(item.finding_id)
    if not facts:
        raise Refused(
            "refund.no_evidence",
            f"finding {item.finding_id} has no evidence to show",
            field="evidence",
            fix="run the postage audit again, or reject the case: nothing is given back without evidence",
        )
    known = list(_EVIDENCE)  # the order in which a person reads it; what is not known comes first
    ordered = sorted(facts, key=lambda what: known.index(what) if what in known else -1)
    told = " · ".join(f"{_evidence_label(what)}: {facts[what]}" for what in ordered)
    way = f" · Betaling / Payment {item.payment}" if item.payment else ""
    return (f"Funn / Finding {item.finding_id}{way}", told)


def _evidence_label(what: str) -> str:
    english = what.replace("_", " ")
    return f"{_EVIDENCE[what]} / {english}" if what in _EVIDENCE else english


def _case_facts(case: RefundCase) -> list[_Fact]:
    proposed = f"{case.proposed_by}, {_day(case.proposed_at)}"
    approved = f"{case.approved_by}, {_day(case.approved_at)}" if case.approved_by and case.approved_at else "–"
    return [
        ("Sak", "Case", case.case_id),
        ("Betaler", "Payer", f"{case.payer_name}, org.nr. {case.payer_org_number}"),
        ("Foreslått av", "Proposed by", proposed),
        ("Godkjent av", "Approved by", approved),
        ("Kreditnota", "Credit note", str(case.credit_note) if case.credit_note else "–"),
    ]


def _day(at: datetime) -> str:
    """The Oslo day: the minute is in the case's acts, and the payer does not need it."""
    return at.astimezone(OSLO).date().isoformat()


def _totals(paper: Paper, vat: Sequence[VatLine], gross_ore: int, label: tuple[str, str]) -> None:
    """Net and VAT per rate, in NOK as the law wants it, and the sum."""
    paper.need(118 + 24 * len(vat))
    for line in vat:
        _sum_line(paper, f"Grunnlag MVA {line.percent} %", f"Net at {line.percent} % VAT", line.net_ore)
        _sum_line(paper, f"MVA {line.percent} %", f"VAT {line.percent} %", line.vat_ore)
        if line.percent == 0:
            _zero_rate_note(paper)
    _grand_total(paper, label, gross_ore)


def _zero_rate_note(paper: Paper) -> None:
    paper.text(RIGHT, "Levert utenfor merverdiavgiftsområdet, mval. § 6-21", size=7, colour=SOFT, right=True)
    paper.text(RIGHT, "Delivered outside the VAT area", y=paper.y + 9, size=7, colour=SOFT, right=True)
    paper.y += 21


def _sum_line(paper: Paper, label_no: str, label_en: str, amount_ore: int) -> None:
    paper.text(_FACTS_LEFT, label_no, size=8.5)
    paper.text(_FACTS_LEFT + 100, label_en, size=7, colour=SOFT, y=paper.y + 1.2)
    paper.text(RIGHT, nok(amount_ore), size=8.5, right=True)
    paper.y += 13


def _grand_total(paper: Paper, label: tuple[str, str], amount_ore: int) -> None:
    paper.y += 3
    paper.rule(left=_FACTS_LEFT, colour=INK, weight=0.9)
    paper.y += 5
    paper.text(_FACTS_LEFT, label[0], size=11, bold=True)
    paper.text(_FACTS_LEFT, label[1], y=paper.y + 14, size=7, colour=SOFT)
    paper.text(RIGHT, f"NOK {nok(amount_ore)}", size=13, bold=True, right=True, y=paper.y - 1.5)
    paper.y += 34


def _payment(paper: Paper, invoice: Invoice) -> None:
    paper.need(44)
    paper.tint(height=38)
    cells = (
        ("Til konto", "To account", _account(invoice.seller.bank_account), LEFT + 10),
        ("KID", "Payment reference", invoice.kid, LEFT + 130),
        ("Forfall", "Due", invoice.due_on.isoformat(), LEFT + 280),
        ("Beløp NOK", "Amount NOK", nok(invoice.gross_ore), LEFT + 390),
    )
    for label_no, label_en, value, left in cells:
        paper.text(left, f"{label_no} / {label_en}", y=paper.y + 6, size=7, colour=SOFT)
        paper.text(left, value, y=paper.y + 18, size=10.5, bold=True)
    paper.y += 44


def _account(text: str) -> str:
    """`86011117947` → `8601.11.17947`, as banks write it."""
    digits = text.replace(".", "").replace(" ", "")
    return f"{digits[:4]}.{digits[4:6]}.{digits[6:]}"


def _closing(paper: Paper, text_no: str, text_en: str) -> None:
    paper.need(26)
    paper.text(LEFT, text_no, size=8.5)
    paper.text(LEFT, text_en, y=paper.y + 12, size=7.5, colour=SOFT)
    paper.y += 26
