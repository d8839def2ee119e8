"""The options that every command spells alike, so that a person learns them once."""

import getpass
import os
import re
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


def ore_of(text: str, field: str) -> int:
    """Kroner as people write them (`5000`, `1 234,50`) in øre. Raises a usage error that names the option."""
    plain = text.replace(" ", "").replace("\u00a0", "").replace(",", ".")
    found = re.fullmatch(r"(\d{1,12})(?:\.(\d{1,2}))?", plain, re.ASCII)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no amount: write 1234.50", param_hint=f"--{field}")
    return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


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
