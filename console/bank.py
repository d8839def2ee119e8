"""The bank from the terminal: payments read from its file and booked on their invoices, and what fits none of them."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from console.answer import answer
from console.documents import read_file
from console.options import AsJson, By, DryRun
from console.show import bare, facts, kroner, table
from console.work import at_work

app = typer.Typer(no_args_is_help=True, help="Payments by bank: import, list.")
_HEADING = ("line", "what", "KID", "amount", "invoice", "on 2900")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="OCR giro as the bank sends it, or a CSV.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Book the payments of a bank file on their invoices, each once.

    A CSV has the columns reference, booked_on (2026-11-23), kid, amount (455.00), and currency where it is not NOK.
    The reference names the payment for ever. What fits no invoice is booked on account 2900 and named.
    """
    from flows.stages.bank import import_bank_file

    data = read_file(file)
    with at_work(by, dry_run=dry_run) as house:
        found = import_bank_file(house, _text(data), name=file.name)
    rows = [
        (
            one.line,
            one.difference.value.replace("_", " "),
            one.kid,
            bare(one.amount_ore),
            one.invoice,
            bare(one.unallocated_ore),
        )
        for one in found.differences
    ]
    words: dict[str, Any] = {
        "would book" if dry_run else "booked": found.booked,
        "known before": found.known,
        "amount": kroner(found.booked_ore),
        "on invoices": kroner(found.to_invoice_ore),
        "on 2900": kroner(found.unallocated_ore),
        "differences": len(found.differences),
    }
    shown = [
        facts(file.name, words),
        table("Differences", _HEADING, rows, right=("line", "amount", "on 2900")),
    ]
    return answer({"dry_run": dry_run, **asdict(found)}, shown, as_json=as_json)


@app.command("list")
def list_payments(
    differing: Annotated[bool, typer.Option("--differing", help="Those that something is wrong with.")] = False,
    as_json: AsJson = False,
) -> int:
    """List the payments that came by bank."""
    with at_work("reader") as house, house.store.read() as uow:
        found = uow.bank.all(differing=differing)
    rows = [
        (
            one.received_on,
            one.kid,
            bare(one.amount_ore) if one.currency == "NOK" else f"{bare(one.amount_ore)} {one.currency}",
            one.invoice,
            bare(one.unallocated_ore) if one.unallocated_ore else None,
            (one.difference or "").replace("_", " "),
        )
        for one in found
    ]
    heading = ("day", "KID", "amount", "invoice", "on 2900", "difference")
    shown = [table("Payments by bank", heading, rows, right=("amount", "on 2900"))]
    return answer({"payments": [asdict(one) for one in found]}, shown, as_json=as_json)


def _text(data: bytes) -> str:
    """UTF-8, or as banks' older systems write: free text of payers is not ASCII."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("iso-8859-1")
