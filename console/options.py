"""The options that every command spells alike, so that a person learns them once."""

import getpass
import os
from datetime import date
from typing import Annotated

import typer

ORDERS = "Orders and cards"
WORK = "The bureau's day"
MONEY = "Money"
HOUSE = "The house"


def _who() -> str:
    """Who sits at this terminal; `unknown` where the system has no name for them (a bare container)."""
    try:
        return os.environ.get("USER") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]
By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="NAME",
        help="The person who does this; stands in the journal.",
        default_factory=_who,
        show_default="$USER",
    ),
]


def day_of(text: str, field: str) -> date:
    """A day as `2026-10-31`. Raises a usage error that names the option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day: write 2026-10-31", param_hint=f"--{field}") from None
