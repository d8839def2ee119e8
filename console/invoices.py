"""Invoices from the terminal: what waits for one, all that are issued, and one with its figures in every form."""
# ruff: noqa: PLC0415 -- the rooms are imported by the command that needs them: help must be quick

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.answer import answer
from console.documents import file_name, write_file
from console.options import AsJson
from console.show import bare, facts, kroner, line, table
from console.work import at_work

if TYPE_CHECKING:
    from billing.models import Invoice, PriceRow, TaxRow
    from flows.house import House

app = typer.Typer(no_args_is_help=True, help="Invoices: what waits for one, list, rates, export, free cards.")


@app.command("list")
def list_invoices(as_json: AsJson = False) -> int:
    """List issued invoices by number."""
    with at_work("reader") as house, house.store.read() as uow:
        found = uow.invoices.all()
    figures = ("net", "VAT", "gross")
    rows = [
        (one.number, one.issued_on, one.buyer.name, kroner(one.net_ore), kroner(one.vat_ore), kroner(one.gross_ore))
        for one in found
    ]
    shown = [table("Invoices", ("number", "issued", "buyer", *figures), rows, right=figures)]
    return answer({"invoices": [_figures(one) for one in found]}, shown, as_json=as_json)


@app.command()
def free(as_json: AsJson = False) -> int:
    """List free replacements: for which card, why, who decided, what each cost us.

    They have no invoice: this is the record in its place.
    """
    with at_work("reader") as house, house.store.read() as uow:
        found = uow.free_cards.all()
    rows = [
        (
            one.card_id,
            one.replaces,
            one.symptom,
            one.decided_by,
            oslo_day_of(one.posted_at),
            bare(one.cost_ore) if one.cost_ore is not None else None,
        )
        for one in found
    ]
    cost = sum(one.cost_ore or 0 for one in found)
    heading = ("card", "in place of", "fault", "decided by", "posted", "cost")
    shown = [
        table("Free replacements", heading, rows, right=("cost",)),
        line(f"{kroner(cost)} on account 4390"),
    ]
    document = {"free": [one.model_dump(mode="json") for one in found], "cost_ore": cost}
    return answer(document, shown, as_json=as_json)


def oslo_day_of(at: "datetime | None") -> "date | None":
    """The Oslo day of an instant that may not have come."""
    from cards.days import oslo_day

    return None if at is None else oslo_day(at)


@app.command()
def waiting(as_json: AsJson = False) -> int:
    """List what is posted and not invoiced, with the last day for its invoice.

    A delivery is invoiced within one month of it; what is past its day is marked. A business whose deliveries are
    collected (`hsecard businesses terms`) stands with its month and the day on which its invoice is issued.
    """
    from cards.days import oslo_day
    from flows.stages.invoice_plan import invoices_to_come

    with at_work("reader") as house:
        today = oslo_day(house.clock.now())
        to_come = invoices_to_come(house)
    waiting = [
        {
            "order_numbers": sorted(one.orders),
            "org_number": one.org_number,
            "month": one.month,
            "cards": one.cards,
            "first_posted_on": one.first_delivered_on.isoformat(),
            "issue_on": max(one.issue_on, today).isoformat(),
            "invoice_by": one.issue_by.isoformat(),
            "late": one.issue_by < today,
        }
        for one in to_come
    ]
    rows = [
        (_whose(each), each["cards"], *list(each.values())[4:7], "late" if each["late"] else "") for each in waiting
    ]
    heads = ("for", "cards", "first posted", "issued on", "invoice by", "")
    shown = [table("Posted, not invoiced", heads, rows, right=("cards",))]
    return answer({"waiting": waiting}, shown, as_json=as_json)


def _whose(waiting: dict[str, Any]) -> str:
    """`B-2026-000401`, or `310149942 2026-11, 3 orders`."""
    if waiting["month"] is None:
        return str(waiting["order_numbers"][0])
    count = len(waiting["order_numbers"])
    return f"{waiting['org_number']} {waiting['month']}, {count} order{'s' if count > 1 else ''}"


@app.command()
def rates(as_json: AsJson = False) -> int:
    """List prices and VAT rules by day, and who of finance confirmed each row.

    In production nothing is invoiced by a row that nobody confirmed. `--json` has the source of each row, too.
    """
    from billing.prices import price_rows, tax_rows

    prices = [
        (row.kind, kroner(row.net_ore), row.valid_from, row.valid_until or "", _confirmed(row)) for row in price_rows()
    ]
    taxes = [
        (row.delivery, f"{row.category} {row.percent} %", row.saft_code, row.valid_from, _confirmed(row))
        for row in tax_rows()
    ]
    shown = [
        table("Prices net of VAT", ("kind", "price", "from", "until", "confirmed"), prices, right=("price",)),
        table("VAT", ("delivery", "category", "SAF-T", "from", "confirmed"), taxes),
    ]
    content = {
        "prices": [row.model_dump(mode="json") for row in price_rows()],
        "vat": [row.model_dump(mode="json") for row in tax_rows()],
    }
    return answer(content, shown, as_json=as_json)


def _confirmed(row: "PriceRow | TaxRow") -> str:
    return f"{row.confirmed_by}, {row.confirmed_on}" if row.confirmed_by else "not confirmed"


@app.command()
def export(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The invoice's number.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write its PDF and EHF there, too.")] = None,
    as_json: AsJson = False,
) -> int:
    """Give one invoice's figures, with the hash of each of its documents."""
    with at_work("reader") as house:
        with house.store.read() as uow:
            invoice = uow.invoices.get(number)
            papers = uow.documents.of_subject(f"invoice/{number}")
        written = _write(house, out, [(paper.document_id, paper.blob_key) for paper in papers]) if out else []
    documents = {paper.document_id: paper.sha256 for paper in papers}
    content = {**_figures(invoice), "lines": _lines(invoice), "vat_lines": _vat(invoice), "documents": documents}
    shown = [
        facts(f"Invoice {number}", _readable(invoice)),
        *(line(f"written: {path}") for path in written),
    ]
    return answer({**content, "files": [str(path) for path in written]}, shown, as_json=as_json)


def _figures(invoice: "Invoice") -> dict[str, Any]:
    """What finance holds against the PDF, the EHF, the ledger and Stripe. Amounts in whole øre."""
    return {
        "number": invoice.number,
        "kid": invoice.kid,
        "order_numbers": list(invoice.order_numbers),
        "issued_on": invoice.issued_on.isoformat(),
        "delivered_from": invoice.delivered_from.isoformat(),
        "delivered_until": invoice.delivered_until.isoformat(),
        "due_on": invoice.due_on.isoformat(),
        "buyer": invoice.buyer.name,
        "buyer_org_number": invoice.buyer.org_number,
        "currency": "NOK",
        "net_ore": invoice.net_ore,
        "vat_ore": invoice.vat_ore,
        "gross_ore": invoice.gross_ore,
    }


def _readable(invoice: "Invoice") -> dict[str, object]:
    """The figures under words, amounts in kroner."""
    return {
        name.removesuffix("_ore").replace("_", " "): kroner(value) if name.endswith("_ore") else value
        for name, value in _figures(invoice).items()
    }


def _lines(invoice: "Invoice") -> list[dict[str, Any]]:
    return [each.model_dump(mode="json") for each in invoice.lines]


def _vat(invoice: "Invoice") -> list[dict[str, Any]]:
    return [each.model_dump(mode="json") for each in invoice.vat]


def _write(house: "House", folder: Path, papers: Sequence[tuple[str, str]]) -> list[Path]:
    written = []
    for document_id, key in papers:
        path = folder / file_name(document_id, key)
        write_file(path, house.blobs.get(key))
        written.append(path)
    return written
