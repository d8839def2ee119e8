"""The ledger as SAF-T Financial 1.30, the file that the tax authority asks of every bookkeeping system.

Element order, lengths and fixed values are those of Skatteetaten's schema `Norwegian_SAF-T_Financial_Schema_v_1.30`
(github.com/Skatteetaten/saf-t, SAF-T_Financial_1.3); accounts name their grouping, VAT codes their standard code.
Transactions are written one by one: a year of them never stands in memory as XML. Source documents are no part of it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, BinaryIO

from lxml import etree

from billing.chart import account_named
from billing.ledger import RECEIVABLE, VAT_OUTPUT
from billing.models import LedgerEntry, Seller, TaxRow
from billing.prices import tax_rows
from cards.address import Address
from cards.errors import Refused
from cards.money import nok, share_ore

NAMESPACE = "urn:StandardAuditFile-Taxation-Financial:NO"
VERSION = "1.30"
_COMMENT = "The ledger of card production alone: results are not carried to equity at the turn of the year."
_JOURNALS = {
    "invoice": ("SI", "Salgsfakturaer"),
    "credit_note": ("CN", "Kreditnotaer"),
    "payment": ("P", "Innbetalinger"),
    "refund": ("R", "Tilbakebetalinger"),
    "payout": ("R", "Tilbakebetalinger"),
    "set_off": ("SO", "Motregninger"),
    "replacement": ("RE", "Gratis erstatningskort"),
}
_OTHER_JOURNAL = ("GL", "Andre bilag")
_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what no XML document may hold
_SHORT, _MIDDLE, _LONGER, _LONG = 18, 35, 70, 256  # the schema's text types

_Element = Any  # lxml ships no types


@dataclass(frozen=True, slots=True)
class Customer:
    """A business that owed us something at the start, in or at the end of the export."""

    org_number: str
    name: str
    address: Address
    opening_ore: int
    closing_ore: int


@dataclass(frozen=True, slots=True)
class Paper:
    """What an entry's document adds to it: whose it is, its number and KID, and when it is due."""

    org_number: str
    number: str
    kid: str | None = None
    due_on: date | None = None


@dataclass(frozen=True, slots=True)
class LedgerExport:
    """One seller's ledger over booking days `since` … `until`, both included.

    `opening` is øre per account before `since`; `papers` are by the entries' `document`.
    """

    seller: Seller
    since: date
    until: date
    created_on: date
    created_by: str
    software_version: str
    opening: Mapping[str, int]
    entries: Sequence[LedgerEntry]
    papers: Mapping[str, Paper]
    customers: Sequence[Customer]

    @property
    def debit_ore(self) -> int:
        """All debits of the period; the credits are as much."""
        return sum(entry.amount_ore for entry in self.entries if entry.amount_ore > 0)

    @property
    def closing(self) -> dict[str, int]:
        """Øre per account at the end of the period; accounts that only moved before are in it, too."""
        sums = dict(self.opening)
        for entry in self.entries:
            sums[entry.account] = sums.get(entry.account, 0) + entry.amount_ore
        return dict(sorted(sums.items()))


def write_saft(export: LedgerExport, out: BinaryIO) -> None:
    """Write the file, UTF-8; the same export gives the same bytes. Raises Refused `ledger.account_unknown`."""
    with etree.xmlfile(out, encoding="utf-8") as xml:
        xml.write_declaration()
        with xml.element(_name("AuditFile"), nsmap={None: NAMESPACE}):
            _write(xml, _header(export))
            _write(xml, _master_files(export))
            with xml.element(_name("GeneralLedgerEntries")):
                for total in _totals(export):
                    _write(xml, total)
                for journal in _journals(export.entries):
                    _write_journal(xml, export, journal)


def check_saft(data: bytes, schema: bytes) -> None:
    """Hold a file against a schema (Skatteetaten's XSD). Raises Refused `ledger.saft_invalid` with the first fault,
    `ledger.schema_unreadable` when the schema is none: a check that cannot be made is not passed."""
    try:
        rules = etree.XMLSchema(etree.fromstring(schema, etree.XMLParser(resolve_entities=False, no_network=True)))
    except (etree.XMLSyntaxError, etree.XMLSchemaParseError) as fault:
        raise Refused(
            "ledger.schema_unreadable",
            f"the schema cannot be read: {fault}",
            field="schema",
            fix="name the XSD file of SAF-T Financial 1.30 as Skatteetaten publishes it",
        ) from None
    if not rules.validate(etree.fromstring(data)):
        first = rules.error_log[0]
        raise Refused(
            "ledger.saft_invalid",
            f"line {first.line}: {first.message}",
            fix="do not hand the file in; report this fault of the program with the message",
        )


# --- header -----------------------------------------------------------------------------------------------------


def _header(export: LedgerExport) -> _Element:
    root = _element("Header")
    _text(root, "AuditFileVersion", VERSION)
    _text(root, "AuditFileCountry", "NO")
    _text(root, "AuditFileDateCreated", export.created_on.isoformat())
    _text(root, "SoftwareCompanyName", export.seller.name, _LONGER)
    _text(root, "SoftwareID", "hsecard")
    _text(root, "SoftwareVersion", export.software_version, _SHORT)
    _company(_child(root, "Company"), export.seller)
    _text(root, "DefaultCurrencyCode", "NOK")
    criteria = _child(root, "SelectionCriteria")
    _text(criteria, "SelectionStartDate", export.since.isoformat())
    _text(criteria, "SelectionEndDate", export.until.isoformat())
    _text(root, "HeaderComment", _COMMENT)
    _text(root, "TaxAccountingBasis", "A")
    _text(root, "UserID", export.created_by, _LONG)
    return root


def _company(company: _Element, seller: Seller) -> None:
    _text(company, "RegistrationNumber", seller.org_number, _MIDDLE)
    _text(company, "Name", seller.name, _LONG)
    _address(company, seller.address)
    person = _child(_child(company, "Contact"), "ContactPerson")
    _text(person, "FirstName", "NotUsed")  # the schema's own word for a name that is not in parts
    _text(person, "LastName", seller.address.attention or seller.name, _LONGER)
    registration = _child(company, "TaxRegistration")
    _text(registration, "TaxRegistrationNumber", seller.org_number, _MIDDLE)
    _text(registration, "TaxAuthority", "Skatteetaten")
    account = _child(company, "BankAccount")
    _text(account, "BankAccountNumber", seller.bank_account, _MIDDLE)


def _address(party: _Element, address: Address) -> None:
    place = _child(party, "Address")
    _text(place, "StreetName", address.street, _LONG)
    if address.care_of:
        _text(place, "AdditionalAddressDetail", f"c/o {address.care_of}", _LONG)
    _text(place, "City", address.city, _LONG)
    _text(place, "PostalCode", address.postcode, _LONGER)
    _text(place, "Country", address.country)
    _text(place, "AddressType", "PostalAddress")


# --- master files -----------------------------------------------------------------------------------------------


def _master_files(export: LedgerExport) -> _Element:
    root = _element("MasterFiles")
    closing = export.closing
    if closing:
        accounts = _child(root, "GeneralLedgerAccounts")
        for number, closing_ore in closing.items():
            _account(_child(accounts, "Account"), number, export.opening.get(number, 0), closing_ore)
    if export.customers:
        customers = _child(root, "Customers")
        for customer in export.customers:
            _customer(_child(customers, "Customer"), customer)
    table = _child(_child(root, "TaxTable"), "TaxTableEntry")
    _text(table, "TaxType", "MVA")
    _text(table, "Description", "Merverdiavgift")
    for row in tax_rows():
        _tax_code(_child(table, "TaxCodeDetails"), row)
    return root


def _account(element: _Element, number: str, opening_ore: int, closing_ore: int) -> None:
    account = account_named(number)
    _text(element, "AccountID", number, _LONGER)
    _text(element, "AccountDescription", account.name, _LONG)
    _text(element, "GroupingCategory", account.grouping_category, _LONG)
    _text(element, "GroupingCode", account.grouping_code, _MIDDLE)
    _text(element, "AccountType", "GL")
    _balances(element, opening_ore, closing_ore)


def _balances(element: _Element, opening_ore: int, closing_ore: int) -> None:
    for name, ore in (("Opening", opening_ore), ("Closing", closing_ore)):
        _text(element, f"{name}{'Credit' if ore < 0 else 'Debit'}Balance", nok(abs(ore)))


def _customer(element: _Element, customer: Customer) -> None:
    _text(element, "RegistrationNumber", customer.org_number, _MIDDLE)
    _text(element, "Name", customer.name, _LONG)
    _address(element, customer.address)
    _text(element, "CustomerID", customer.org_number, _MIDDLE)
    balance = _child(element, "BalanceAccount")
    _text(balance, "AccountID", RECEIVABLE)
    _balances(balance, customer.opening_ore, customer.closing_ore)


def _tax_code(element: _Element, row: TaxRow) -> None:
    _text(element, "TaxCode", row.saft_code, _LONGER)
    _text(element, "EffectiveDate", row.valid_from.isoformat())
    if row.valid_until is not None:
        _text(element, "ExpirationDate", row.valid_until.isoformat())
    _text(element, "Description", "Utgående merverdiavgift" if row.percent else "Utførsel av varer og tjenester")
    _text(element, "TaxPercentage", str(row.percent))
    _text(element, "Country", "NO")
    _text(element, "StandardTaxCode", row.saft_code)
    _text(element, "BaseRate", "100")


# --- entries ----------------------------------------------------------------------------------------------------


def _totals(export: LedgerExport) -> Iterator[_Element]:
    yield _leaf("NumberOfEntries", str(len({entry.posting for entry in export.entries})))
    yield _leaf("TotalDebit", nok(export.debit_ore))
    yield _leaf("TotalCredit", nok(-sum(entry.amount_ore for entry in export.entries if entry.amount_ore < 0)))


def _journals(entries: Iterable[LedgerEntry]) -> list[tuple[tuple[str, str], list[LedgerEntry]]]:
    of_journal: dict[tuple[str, str], list[LedgerEntry]] = {}
    for entry in entries:
        kind = entry.posting.partition(":")[0]
        of_journal.setdefault(_JOURNALS.get(kind, _OTHER_JOURNAL), []).append(entry)
    return sorted(of_journal.items())


def _write_journal(xml: Any, export: LedgerExport, journal: tuple[tuple[str, str], list[LedgerEntry]]) -> None:
    (code, name), entries = journal
    with xml.element(_name("Journal")):
        for tag, text in (("JournalID", code), ("Description", name), ("Type", code)):
            _write(xml, _leaf(tag, text))
        for _, sides in groupby(entries, key=lambda entry: entry.posting):
            _write(xml, _transaction(export, list(sides), name))


def _transaction(export: LedgerExport, sides: Sequence[LedgerEntry], journal: str) -> _Element:
    first = sides[0]
    own_day = (first.dated_on or first.booked_on).isoformat()
    element = _element("Transaction")
    _text(element, "TransactionID", _unique(first.posting))
    _text(element, "Period", str(first.booked_on.month))
    _text(element, "PeriodYear", str(first.booked_on.year))
    _text(element, "TransactionDate", own_day)
    _text(element, "SourceID", "hsecard")
    _text(element, "VoucherType", _JOURNALS.get(first.posting.partition(":")[0], _OTHER_JOURNAL)[0])
    _text(element, "VoucherDescription", journal, _LONGER)
    _text(element, "Description", first.posting, _LONG)
    _text(element, "SystemEntryDate", first.booked_on.isoformat())
    _text(element, "GLPostingDate", first.booked_on.isoformat())
    taxes = _taxes(sides)
    for side in sides:
        _line(_child(element, "Line"), side, taxes.get(side.position), export.papers.get(side.document))
    return element


def _unique(posting: str) -> str:
    """A posting's name within the schema's 70 characters; a longer one ends in a digest of the whole."""
    if len(posting) <= _LONGER:
        return posting
    return f"{posting[:53]}~{hashlib.sha256(posting.encode()).hexdigest()[:16]}"


def _line(element: _Element, side: LedgerEntry, tax_ore: int | None, paper: Paper | None) -> None:
    owed = side.account == RECEIVABLE and paper is not None
    _text(element, "RecordID", str(side.position), _SHORT)
    _text(element, "AccountID", side.account, _LONGER)
    _text(element, "SourceDocumentID", side.document, _MIDDLE)
    if owed and paper is not None:
        _text(element, "CustomerID", paper.org_number, _MIDDLE)
    _text(element, "Description", side.text, _LONG)
    _amount(element, "Amount", side.amount_ore, debit=side.amount_ore > 0)
    if tax_ore is not None and side.vat_code is not None:
        _tax(element, side, tax_ore)
    if paper is not None:
        _text(element, "ReferenceNumber", paper.number, _MIDDLE)
        if paper.kid is not None:
            _text(element, "CID", paper.kid, _MIDDLE)
        if owed and paper.due_on is not None:
            _text(element, "DueDate", paper.due_on.isoformat())


def _amount(element: _Element, name: str, ore: int, *, debit: bool) -> None:
    _text(_child(element, f"{'Debit' if debit else 'Credit'}{name}"), "Amount", nok(abs(ore)))


def _taxes(sides: Sequence[LedgerEntry]) -> dict[int, int]:
    """Position of each net line → its share of the posting's VAT at its code; the shares sum to what was booked."""
    shares: dict[int, int] = {}
    for code in {side.vat_code for side in sides if side.vat_code is not None}:
        of_code = [side for side in sides if side.vat_code == code]
        nets = [side for side in of_code if side.account != VAT_OUTPUT]
        if nets:
            total = abs(sum(side.amount_ore for side in of_code if side.account == VAT_OUTPUT))
            parts = share_ore(total, [abs(side.amount_ore) for side in nets])
            shares |= {side.position: part for side, part in zip(nets, parts, strict=True)}
    return shares


def _tax(element: _Element, side: LedgerEntry, tax_ore: int) -> None:
    code = side.vat_code or ""
    tax = _child(element, "TaxInformation")
    _text(tax, "TaxType", "MVA")
    _text(tax, "TaxCode", code, _LONGER)
    _text(tax, "TaxPercentage", str(_percent(code, side.dated_on or side.booked_on)))
    _text(tax, "Country", "NO")
    _text(tax, "TaxBase", nok(abs(side.amount_ore)))
    _amount(tax, "TaxAmount", tax_ore, debit=side.amount_ore > 0)


def _percent(code: str, day: date) -> int:
    for row in tax_rows():
        if row.saft_code == code and row.valid_from <= day and (row.valid_until is None or day <= row.valid_until):
            return row.percent
    raise Refused(
        "ledger.vat_code_unknown",
        f"VAT code {code} is in the ledger, and no VAT rule has it on {day}",
        field="vat_code",
        fix="let finance add the rule to billing/data/taxes.json",
    )


# --- XML --------------------------------------------------------------------------------------------------------


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _element(name: str) -> _Element:
    return etree.Element(_name(name), nsmap={None: NAMESPACE})


def _leaf(name: str, text: str) -> _Element:
    element = _element(name)
    element.text = text
    return element


def _child(parent: _Element, name: str) -> _Element:
    return etree.SubElement(parent, _name(name))


def _text(parent: _Element, name: str, text: str, longest: int | None = None) -> None:
    """A child with a text, cut to what the schema takes; characters that XML cannot hold become �."""
    _child(parent, name).text = _UNWRITABLE.sub("�", text)[:longest]


def _write(xml: Any, element: _Element) -> None:
    etree.indent(element, space=" ")
    xml.write(element)
    xml.write("\n")
