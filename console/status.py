"""Where the house stands, and whether it is whole: `status` counts, `audit` checks every invariant."""
# ruff: noqa: PLC0415 -- the store is imported by the command that needs it: help must be quick

from collections.abc import Mapping
from typing import Any

import typer
from rich.console import RenderableType

from console.answer import VIOLATIONS, answer
from console.options import HOUSE, WORK, AsJson
from console.show import facts, kroner, line, table
from console.work import at_work


def register(app: typer.Typer) -> None:
    """Put both on the root command."""
    app.command(rich_help_panel=WORK)(status)
    app.command(rich_help_panel=HOUSE)(audit)


def status(as_json: AsJson = False) -> int:
    """Count orders, cards, holds, batches, letters, invoices, refunds."""
    from store.status import status as count

    with at_work("reader") as house:
        counted = count(house.store)
    return answer(counted, status_shown(counted), as_json=as_json)


def status_shown(counted: Mapping[str, Any]) -> list[RenderableType]:
    """What was counted, one block a noun; what is counted by state is a line of words."""
    return [facts("Status", {name.replace("_", " "): _words(name, value) for name, value in counted.items()})]


def _words(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        parts = [f"{_figure(str(key), count)} {_plain(str(key))}" for key, count in value.items() if count]
        return ", ".join(parts) or "none"
    return _figure(name, value)


def _figure(name: str, value: object) -> str:
    if isinstance(value, int) and name.endswith("_ore"):
        return kroner(value)
    return _words(name, value) if isinstance(value, Mapping) else str(value)


def _plain(name: str) -> str:
    return name.removesuffix("_ore").replace("_", " ")


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
