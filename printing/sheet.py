"""How cards lie on what the printer takes: one a page, or many on a sheet with cut marks and backs behind fronts.

A sheet is data: a bundled file under data/sheets or a file of the bureau's own. All is counted in dots of 1/300 inch
from the sheet's lower left corner, so that codes stay on whole dots wherever a card lies.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cards.errors import Refused
from printing.codes import DOT_MM, dots_op
from printing.layout import Side
from printing.page import BLEED_DOTS, PAGE_DOTS

_MARK_DOTS, _MARK_GAP_DOTS = 48, 6  # 4 mm long, half a millimetre off the bleed


class Spot(NamedTuple):
    """Where one side of one card lies: page of the file (from 0), lower left dot of its bleed on that page."""

    page: int
    left: int
    low: int


class Sheet(BaseModel):
    """A sheet: its size, how many cards in columns and rows, and how it is turned for the backs.

    Without a size it is as large as its cards. Fronts fill rows from the top left; the page after them holds their
    backs, mirrored along the edge over which the sheet is turned, so that each back lies behind its front.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sheet: str
    note: str = ""
    width_mm: float | None = Field(default=None, gt=0, le=1200)
    height_mm: float | None = Field(default=None, gt=0, le=1200)
    columns: int = Field(default=1, ge=1, le=12)
    rows: int = Field(default=1, ge=1, le=12)
    gap_mm: float = Field(default=0.0, ge=0, le=20, description="Between the bleeds of neighbouring cards.")
    turned_over: Literal["long_edge", "short_edge"] = "long_edge"
    cut_marks: bool = False

    @model_validator(mode="after")
    def _must_hold_its_cards(self) -> Self:
        wide, high = self._block()
        room_x, room_y = self.size[0] - wide, self.size[1] - high
        if room_x < 0 or room_y < 0:
            need = f"{wide * DOT_MM:.1f} x {high * DOT_MM:.1f} mm"
            raise ValueError(f"{self.columns} x {self.rows} cards need {need}; take fewer or a larger sheet")
        margin = 2 * (_MARK_DOTS + _MARK_GAP_DOTS)
        if self.cut_marks and (room_x < margin or room_y < margin):
            raise ValueError(f"cut marks need {margin / 2 * DOT_MM:.1f} mm of margin on every side")
        upright = self.size[1] >= self.size[0]
        if self.cells > 1 and upright != (self.turned_over == "long_edge"):
            raise ValueError(
                "turn the sheet like the page of a book: over its upright edge, or backs stand on their heads"
            )
        return self

    @property
    def cells(self) -> int:
        """How many cards it holds."""
        return self.columns * self.rows

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in dots."""
        wide, high = self._block()
        width = wide if self.width_mm is None else round(self.width_mm / DOT_MM)
        return width, high if self.height_mm is None else round(self.height_mm / DOT_MM)

    def pages(self, count: int) -> int:
        """How many pages `count` cards take, fronts and backs."""
        return 2 * -(-count // self.cells)

    def spot(self, index: int, side: Side) -> Spot:
        """Where side `side` of card `index` (from 0) of a run lies."""
        sheet, cell = divmod(index, self.cells)
        row, column = divmod(cell, self.columns)
        if side == "back":
            column = self.columns - 1 - column
        (wide, high), step = self._block(), self._step()
        left, low = (self.size[0] - wide) // 2, (self.size[1] - high) // 2
        up = self.rows - 1 - row
        return Spot(2 * sheet + (side == "back"), left + column * step[0], low + up * step[1])

    def place_name(self, index: int) -> str:
        """Where a person finds card `index`: sheet, row, column, all from 1; empty when a page is a card."""
        if self.cells == 1:
            return ""
        sheet, cell = divmod(index, self.cells)
        row, column = divmod(cell, self.columns)
        return f"{sheet + 1}-{row + 1}-{column + 1}"

    def marks(self) -> str:
        """Cut marks in the margins on the lines of the trimmed cards, as PDF operators; empty without."""
        if not self.cut_marks:
            return ""
        (wide, high), step = self._block(), self._step()
        left, low = (self.size[0] - wide) // 2, (self.size[1] - high) // 2
        cuts_x = [left + c * step[0] + edge for c in range(self.columns) for edge in _trim_dots(PAGE_DOTS[0])]
        cuts_y = [low + r * step[1] + edge for r in range(self.rows) for edge in _trim_dots(PAGE_DOTS[1])]
        off = _MARK_GAP_DOTS
        lines = [(x, y, x, y + _MARK_DOTS) for x in cuts_x for y in (low - off - _MARK_DOTS, low + high + off)]
        lines += [(x, y, x + _MARK_DOTS, y) for y in cuts_y for x in (left - off - _MARK_DOTS, left + wide + off)]
        drawn = [f"{dots_op(a)} {dots_op(b)} m {dots_op(c)} {dots_op(d)} l S" for a, b, c, d in lines]
        return " ".join(("q 0 G 0.24 w", *drawn, "Q"))

    def _step(self) -> tuple[int, int]:
        gap = round(self.gap_mm / DOT_MM)
        return PAGE_DOTS[0] + gap, PAGE_DOTS[1] + gap

    def _block(self) -> tuple[int, int]:
        """What all cards take together, in dots."""
        gap = round(self.gap_mm / DOT_MM)
        (step_x, step_y) = self._step()
        return self.columns * step_x - gap, self.rows * step_y - gap


def _trim_dots(length: int) -> tuple[int, int]:
    """The two edges of the trimmed card within its bleed."""
    return BLEED_DOTS, length - BLEED_DOTS


@cache
def bundled_sheets() -> dict[str, Sheet]:
    """The sheets that ship, by name."""
    folder = files("printing").joinpath("data", "sheets")
    found = [Sheet.model_validate_json(entry.read_text("utf-8")) for entry in folder.iterdir() if _is_json(entry.name)]
    return {one.sheet: one for one in sorted(found, key=lambda one: one.sheet)}


def _is_json(name: str) -> bool:
    return name.endswith(".json")


@cache
def sheet_named(name: str) -> Sheet:
    """The bundled sheet called `name`, or the one in the file `name`. Raises Refused `print.(no_)sheet`."""
    if name in bundled_sheets():
        return bundled_sheets()[name]
    try:
        return Sheet.model_validate_json(Path(name).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise Refused(
            "print.no_sheet",
            f"{name!r} is neither a bundled sheet nor a file that can be read",
            field="HSECARD_SHEET",
            fix=f"use one of {', '.join(bundled_sheets())}, or the path of a sheet file",
        ) from None
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Refused(
            "print.sheet",
            f"{name}: {field + ': ' if field else ''}{first['msg'].removeprefix('Value error, ')}",
            field="HSECARD_SHEET",
            fix="correct the sheet file; printing/data/sheets/a4-10up.json shows every field",
        ) from None


SINGLE = Sheet(sheet="card")
