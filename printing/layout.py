"""What a card looks like, as data: designs by kind and date, the boxes of both faces, labels in two languages.

A new design is a file under data/layouts, not code. Millimetres count from the card's top left corner as it is read;
a *placeholder* is a hole that the order fills, and each has a sample so that any design can be previewed.
"""

from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from cards.errors import Refused
from printing.models import CARD_HEIGHT_MM, CARD_WIDTH_MM

FontStyle = Literal["regular", "bold", "condensed", "condensed_bold"]
Placeholder = Literal[
    "kind_label_no",
    "kind_label_en",
    "family_name",
    "given_name",
    "birth_date",
    "employer",
    "org_number",
    "number",
    "issued_on",
    "issuer",
]
Side = Literal["front", "back"]
SIDES: tuple[Side, Side] = ("front", "back")
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9A-F]{6}$")]
Ink = Literal["black", "white", "dark", "main", "soft", "line", "paper"]

SAMPLES: dict[Placeholder, str] = {
    "kind_label_no": "Bygg og anlegg",
    "kind_label_en": "Construction",
    "family_name": "Żółkiewski-Nguyễn",
    "given_name": "Paweł",
    "birth_date": "28.02.1990",
    "employer": "Fjordbygg AS",
    "org_number": "310 149 942",
    "number": "4388261",
    "issued_on": "23.11.2026",
    "issuer": "Evry Card Services AS",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Box(_Frozen):
    """A rectangle on the card: left, top, width, height in mm from the top left corner of the trimmed card."""

    x: float
    y: float
    w: float = Field(gt=0, le=CARD_WIDTH_MM)
    h: float = Field(gt=0, le=CARD_HEIGHT_MM)


class ValueText(_Frozen):
    """Text from the order. It shrinks from `size_pt` to `min_pt`, then goes condensed, then into `max_lines` lines."""

    type: Literal["value"]
    placeholder: Placeholder
    box: Box
    style: FontStyle
    narrow: FontStyle | None = None
    size_pt: float
    min_pt: float = Field(ge=5.5)
    max_lines: int = Field(default=1, ge=1, le=2)
    align: Literal["left", "right", "centre"] = "left"
    ink: Ink = "black"


class Label(_Frozen):
    """A bilingual label: Norwegian in the first style, English after it in the second, on one baseline."""

    type: Literal["label"]
    no: str
    en: str
    x: float
    y: float
    size_pt: float = Field(ge=4.5)
    align: Literal["left", "right"] = "left"
    ink: Ink = "dark"


class Words(_Frozen):
    """Fixed text, wrapped into its box; the same on every card of the design."""

    type: Literal["words"]
    text: str
    box: Box
    style: FontStyle
    size_pt: float = Field(ge=4.5)
    leading: float = 1.2
    ink: Ink = "dark"


class Panel(_Frozen):
    """A plain area with an optional hairline round it: quiet ground for a portrait, a code or text."""

    type: Literal["panel"]
    box: Box
    fill: Ink
    edge: Ink | None = None
    radius_mm: float = 0.0


class PortraitBox(_Frozen):
    """Where the portrait goes."""

    type: Literal["portrait"]
    box: Box


class CodeBox(_Frozen):
    """Where a code goes. It is centred in the box on whole device dots; the quiet zone must fit into the box."""

    type: Literal["qr", "code128"]
    box: Box
    module_dots: int = Field(ge=2, le=12)  # of 1/300 inch; 2 is the least that prints
    bar_mm: float = 8.0


Element = Annotated[ValueText | Label | Words | Panel | PortraitBox | CodeBox, Field(discriminator="type")]


class Faces(_Frozen):
    """The two sides of a card in drawing order; designs that differ in colour only share one of these."""

    faces: str
    band_mm: dict[Side, float]
    front: tuple[Element, ...]
    back: tuple[Element, ...]

    def side(self, side: Side) -> tuple[Element, ...]:
        return self.front if side == "front" else self.back


class Guilloche(_Frozen):
    """The numbers of a design's line pattern: turns of the rosettes and waves of the ground."""

    petals: int = Field(ge=3, le=40)
    rings: int = Field(ge=1, le=30)
    waves: int = Field(ge=1, le=20)
    strands: int = Field(ge=4, le=60)


class Design(_Frozen):
    """One look of one card kind in a period. `valid_until` is the last day, inclusive."""

    design: str
    kind: str
    valid_from: date
    valid_until: date | None = None
    source: str
    faces: str
    palette: dict[Ink, Colour]
    guilloche: Guilloche

    def covers(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


class Look(NamedTuple):
    """A design with its boxes: all that is needed to draw a card of it."""

    design: Design
    faces: Faces


@cache
def designs() -> tuple[Design, ...]:
    """All designs that ship, in file order."""
    folder = files("printing").joinpath("data", "layouts")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".json"))
    return tuple(Design.model_validate_json(folder.joinpath(name).read_text("utf-8")) for name in names)


@cache
def design(name: str) -> Design:
    """The design called `name`. Raises Refused `print.no_design`."""
    for one in designs():
        if one.design == name:
            return one
    raise Refused("print.no_design", f"there is no design {name!r}", fix="add its file under printing/data/layouts")


@cache
def faces_of(name: str) -> Faces:
    """The boxes of both sides for the design called `name`."""
    folder = files("printing").joinpath("data", "layouts", "faces")
    return Faces.model_validate_json(folder.joinpath(f"{design(name).faces}.json").read_text("utf-8"))


@cache
def look_of(name: str) -> Look:
    """The bundled design called `name` with its boxes. Raises Refused `print.no_design`."""
    return Look(design(name), faces_of(name))


@cache
def design_for(day: date, kind: str) -> Design:
    """The one design of `kind` on `day`. Raises Refused `print.no_design`."""
    found = [one for one in designs() if one.kind == kind and one.covers(day)]
    if len(found) != 1:
        raise Refused(
            "print.no_design",
            f"{len(found)} designs are known for {kind!r} cards issued on {day}",
            field="kind",
            fix="correct the dates of the design files under printing/data/layouts so that one covers the day",
        )
    return found[0]


def layout_schema() -> dict[str, object]:
    """JSON schema of the two kinds of layout files, for people who draw a new design."""
    return TypeAdapter(Design | Faces).json_schema()


def placeholders() -> tuple[Placeholder, ...]:
    """Every hole that a design may leave for the order to fill."""
    return get_args(Placeholder)
