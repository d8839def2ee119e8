"""The ledger from the terminal: what stands on its accounts, months locked for ever, files for the tax authority."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

import hashlib
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.answer import answer
from console.documents import write_file
from console.options import AsJson, By, DryRun, day_of
from console.postage import read_text
from console.show import facts, kroner, line, table
from console.work import at_work

if TYPE_CHECKING:
    from flows.stages.ledger import LedgerFile

app = typer.Typer(no_args_is_help=True, help="The ledger: balances, export, lock.")


class Format(StrEnum):
    """How a ledger leaves the house."""

    CSV = "csv"
    SAFT = "saft"


@app.command()
def balances(
    until: Annotated[str | None, typer.Option("--until", metavar="DAY", help="At the end of this day.")] = None,
    as_json: AsJson = False,
) -> int:
    """Show what stands on each account, output VAT per term, and which months are locked."""
    from billing.chart import account_named
    from flows.stages.ledger import trial_balance

    with at_work("reader") as house:
        found = trial_balance(house, until=day_of(until, "until") if until else None)
    accounts = [(number, account_named(number).name, kroner(ore)) for number, ore in found.accounts.items()]
    vat = [(term, code, kroner(ore)) for (term, code), ore in sorted(found.vat.items())]
    locks = [(lock.month, lock.locked_by, f"{lock.locked_at:%Y-%m-%d %H:%M}") for lock in found.locks]
    document = {
        "until": until,
        "accounts": found.accounts,
        "sum_ore": sum(found.accounts.values()),
        "vat": [{"term": term, "vat_code": code, "ore": ore} for (term, code), ore in sorted(found.vat.items())],
        "locks": [_lock(lock) for lock in found.locks],
    }
    shown = [
        table("Accounts", ("account", "name", "balance"), accounts, right=("balance",)),
        table("Output VAT", ("term", "code", "owed"), vat, right=("owed",)),
        table("Locked months", ("month", "by", "at"), locks),
    ]
    return answer(document, shown, as_json=as_json)


@app.command()
def lock(
    month: Annotated[str, typer.Argument(metavar="MONTH", help="A month that is over, e.g. 2026-10.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Lock a month and all before it, for ever.

    What is dated into it later is booked on the first open day and keeps its own date.
    """
    from flows.stages.ledger import lock_month

    with at_work(by, dry_run=dry_run) as house:
        made, new = lock_month(house, month, by=by)
    done = "would be locked" if dry_run else "locked"
    words = f"{made.month}: {done} until {made.until}" if new else f"{made.month} was locked by {made.locked_by}"
    return answer({"dry_run": dry_run, "new": new, **_lock(made)}, [line(words)], as_json=as_json)


@app.command()
def export(  # noqa: PLR0917 -- typer hands options over by name
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="First booking day, e.g. 2026-10-01.")],
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Last booking day.")],
    kind: Annotated[Format, typer.Option("--format", help="For a spreadsheet, or SAF-T 1.30.")] = Format.CSV,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to; else to stdout.")] = None,
    schema: Annotated[Path | None, typer.Option("--schema", metavar="XSD", help="Hold the SAF-T to it.")] = None,
    as_json: AsJson = False,
) -> int:
    """Write the entries of some days as CSV or SAF-T Financial 1.30."""
    from billing.saft import check_saft
    from flows.stages.ledger import export_csv, export_saft

    rules = read_text(schema).encode() if schema else None
    with at_work("reader") as house:
        make = export_saft if kind is Format.SAFT else export_csv
        made = make(house, since=day_of(since, "from"), until=day_of(until, "until"))
    if rules is not None and kind is Format.SAFT:
        check_saft(made.data, rules)
    if out is not None:
        write_file(out, made.data)
    elif not as_json:
        sys.stdout.flush()
        sys.stdout.buffer.write(made.data)
        sys.stdout.buffer.flush()
        return 0
    document = {"format": kind.value, "from": since, "until": until, "file": out, "schema": schema, **_figures(made)}
    words = {"file": out, "postings": made.postings, "debit": kroner(made.debit_ore), "credit": kroner(made.credit_ore)}
    return answer(document, [facts(f"Ledger {since} … {until}", words)], as_json=as_json)


def _figures(made: "LedgerFile") -> dict[str, Any]:
    return {
        "sha256": hashlib.sha256(made.data).hexdigest(),
        "postings": made.postings,
        "entries": made.entries,
        "debit_ore": made.debit_ore,
        "credit_ore": made.credit_ore,
        "balances": made.balances,
    }


def _lock(lock: Any) -> dict[str, Any]:
    return {"month": lock.month, "until": lock.until, "locked_by": lock.locked_by, "locked_at": lock.locked_at}
