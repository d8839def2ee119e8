"""How things look in a terminal of 80 columns: tables, states in colour, money with two decimals.

Text from orders is never read as markup: a name may hold brackets.
"""

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cards.money import nok

_STYLES = {
    "held": "yellow",
    "refused": "red",
    "unsure": "bold magenta",
    "sent": "magenta",
    "cancelled": "dim",
    "spoiled": "red",
    "faulty": "red",
    "blocked": "red",
    "replaced": "dim",
    "posted": "green",
    "proved": "green",
    "packed": "green",
    "printed": "cyan",
    "encoded": "cyan",
    "frozen": "cyan",
    "closed": "green",
    "confirmed": "green",
    "approved": "cyan",
    "proposed": "yellow",
    "ok": "green",
    "stopped": "red",
    "postponed": "yellow",
}


def state(word: str) -> Text:
    """A state in its colour."""
    return Text(word, style=_STYLES.get(word, ""))


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
) -> RenderableType:
    """Rows under a heading; `right` names the columns that hold figures. Words for a state come in colour."""
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in columns:
        drawn.add_column(name, justify="right" if name in right else "left", overflow="fold")
    count = 0
    for row in rows:
        drawn.add_row(*(cell if isinstance(cell, Text) else state(_words(cell)) for cell in row))
        count += 1
    return Group(Text(f"\n{title}", style="bold"), drawn) if count else Text(f"\n{title}: none", style="dim")


def _words(cell: object) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return str(cell)


def facts(title: str, pairs: Mapping[str, object]) -> RenderableType:
    """Names and values, one a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        grid.add_row(name, value if isinstance(value, Text) else state(_words(value)))
    return Group(Text(f"\n{title}", style="bold"), grid)


def kroner(amount_ore: int) -> str:
    """`123456` → `1 234.56 NOK`."""
    whole, _, fraction = nok(amount_ore).partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}".replace(",", " ") + f".{fraction} NOK"


def bare(amount_ore: int) -> str:
    """Kroner without their name, where a heading has it or a column is narrow."""
    return kroner(amount_ore).removesuffix(" NOK")


def line(text: str, style: str = "") -> Text:
    """One sentence, free of markup."""
    return Text(text, style=style)
