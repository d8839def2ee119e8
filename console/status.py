"""Where the house stands, and whether it is whole: `status` counts, `audit` checks every invariant."""
# ruff: noqa: PLC0415 -- the store is imported by the command that needs it: help must be quick

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer
from rich.console import RenderableType

from console.answer import VIOLATIONS, answer, told_once
from console.options import HOUSE, WORK, AsJson
from console.show import facts, kroner, line, table
from console.work import at_work

if TYPE_CHECKING:
    from flows.house import House


def register(app: typer.Typer) -> None:
    """Put both on the root command."""
    app.command(rich_help_panel=WORK)(status)
    app.command(rich_help_panel=HOUSE)(audit)


def status(as_json: AsJson = False) -> int:
    """Count orders, cards, holds, batches, letters, invoices, refunds."""
    from flows.stages.numbers import shortage

    with at_work("reader") as house:
        counted = standing(house)
        warnings = shortage(house)
    document = {**counted, "warnings": [warning.model_dump(mode="json") for warning in warnings]}
    return answer(document, [*status_shown(counted), *told_once(warnings)], as_json=as_json)


def standing(house: "House") -> dict[str, Any]:
    """All that the store counts; cards that wait for company, orders for an invoice, and the first last day of each."""
    from flows.stages.planning import mail_holds
    from flows.stages.returns import returns_in_short
    from store.status import status as count

    holds = mail_holds(house)
    waits = {"cards": sum(len(hold.card_ids) for hold in holds), "addresses": len(holds)}
    until = min((hold.until.isoformat() for hold in holds), default=None)
    return {
        **count(house.store),
        "waiting_for_company": {**waits, "first_ends_on": until},
        "waiting_for_invoice": _uninvoiced(house),
        "returned_mail": returns_in_short(house),
    }


def _uninvoiced(house: "House") -> dict[str, Any]:
    """Posted and on no invoice: how many orders, and the last day for the invoice of the first of them."""
    from flows.stages.invoice_plan import invoices_to_come

    to_come = invoices_to_come(house)
    orders = {order_number for one in to_come for order_number in one.orders}
    return {"orders": len(orders), "first_invoice_by": to_come[0].issue_by.isoformat() if to_come else None}


def status_shown(counted: Mapping[str, Any]) -> list[RenderableType]:
    """What was counted, one line of words a noun."""
    return [facts("Status", {name.replace("_", " "): _told(name, value) for name, value in counted.items()})]


def _told(name: str, value: object) -> str:
    """`{"posted": 2, "held": 1}` → `2 posted, 1 held`; amounts in kroner; what is nought is left out."""
    if not isinstance(value, Mapping):
        return str(value)
    if name == "ledger":
        parts = [f"{account} {kroner(amount)}" for account, amount in value.items() if amount]
    else:
        parts = [part for key, count in value.items() if count for part in _parts(str(key), count)]
    return ", ".join(parts) or "none"


def _parts(key: str, value: object) -> list[str]:
    if key == "by_state" and isinstance(value, Mapping):
        return [f"{count} {state}" for state, count in value.items() if count]
    if isinstance(value, Mapping):
        return [f"{key}: {' '.join(part for name, each in value.items() for part in _parts(str(name), each))}"]
    if key.endswith("_ore") and isinstance(value, int):
        return [f"{kroner(value)} {key.removesuffix('_ore')}"]
    return [f"{value}" if key == "count" else f"{value} {key.replace('_', ' ')}"]


def audit(as_json: AsJson = False) -> int:
    """Check every invariant over database and blobs.

    Exits with 7 when one is broken and lists the rows concerned.
    """
    from store.audit import violations

    with at_work("reader") as house:
        found = violations(house.store, house.blobs)
    document = {
        "whole": not found,
        "violations": [{"rule": v.rule, "message": v.message, "rows": list(v.rows)} for v in found],
    }
    rows = [(violation.rule, violation.message, " ".join(map(str, violation.rows[:10]))) for violation in found]
    whole: list[RenderableType] = [line("the house is whole: every invariant holds", "green")]
    code = answer(document, [table("Violations", ("rule", "what", "rows"), rows)] if found else whole, as_json=as_json)
    return VIOLATIONS if found else code
