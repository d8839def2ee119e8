"""Judging a layout before any card is drawn with it: what a schema cannot say, with the field and the way out.

Each rule is a card that went wrong somewhere: text on the cut, a code without its quiet zone, two names on each other,
a field that the law asks for left out.
"""

import json
from collections.abc import Iterator
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cards.errors import Refused
from printing.codes import bars_in
from printing.faces import fault_of
from printing.layout import (
    SAMPLES,
    SIDES,
    Box,
    CodeBox,
    Design,
    Element,
    Faces,
    Look,
    Panel,
    PortraitBox,
    Side,
    ValueText,
    Words,
    design,
    placeholders,
)
from printing.models import CARD_HEIGHT_MM, CARD_WIDTH_MM, PORTRAIT_HEIGHT_MM, PORTRAIT_WIDTH_MM

SAMPLE_STATUS_URL = "https://status.hsecard.example/4388261/K7Q2PMX4"
_SAFE_MM = 2.5  # from the cut to any text or code: card printers and knives wander by about a millimetre
_QUIET_INKS = ("white", "paper")
_LIKENESS = 0.01  # of height to width: a portrait must not be stretched


_Part = TypeVar("_Part", bound=BaseModel)


class LayoutFault(BaseModel):
    """What is wrong with a layout: the field as `side[index]`, what, and the way out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    message: str
    fix: str


def load_look(path: Path, *, like: str) -> Look:
    """The look in a file: a design (its faces beside it or bundled), or faces alone in the colours of design `like`.

    Raises Refused `layout.invalid` with the field as the file spells it, `print.no_design`.
    """
    document = _read(path)
    if "front" in document or "back" in document:
        return Look(design(like), _validated(Faces, document, path))
    own = _validated(Design, document, path)
    beside = next((place for place in _beside(path, own.faces) if place.exists()), None)
    if beside is not None:
        return Look(own, _validated(Faces, _read(beside), beside))
    if not files("printing").joinpath("data", "layouts", "faces", f"{own.faces}.json").is_file():
        raise _invalid(path, "faces", f"there are no faces {own.faces!r}", f"put {own.faces}.json beside the design")
    return Look(own, _validated(Faces, json.loads(_bundled_faces(own.faces)), path))


def layout_faults(look: Look) -> tuple[LayoutFault, ...]:
    """Everything that would spoil cards of this look, in drawing order; empty when it is fit to print."""
    found = [*_palette_faults(look), *_missing(look)]
    for side in SIDES:
        for index, element in enumerate(look.faces.side(side)):
            found += [
                LayoutFault(field=f"{side}[{index}]", message=words, fix=fix) for words, fix in _faults_of(element)
            ]
        found += _quiet_faults(look, side)
        found += _collisions(look, side)
    return tuple(found)


def _read(path: Path) -> dict[str, object]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as fault:
        raise _invalid(path, "", f"cannot be read: {fault.strerror}", "name a layout file") from None
    except ValueError:
        raise _invalid(path, "", "is no JSON text", "write it as JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise _invalid(path, "", "is no JSON object", "see `hsecard layouts schema`")
    return document


def _beside(path: Path, name: str) -> tuple[Path, Path]:
    return path.parent / "faces" / f"{name}.json", path.parent / f"{name}.json"


def _bundled_faces(name: str) -> str:
    return files("printing").joinpath("data", "layouts", "faces", f"{name}.json").read_text("utf-8")


def _validated(sort: type[_Part], document: dict[str, object], path: Path) -> _Part:
    try:
        return sort.model_validate_json(json.dumps(document))
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise _invalid(path, field, first["msg"], "see `hsecard layouts schema` for what may stand there") from None


def _invalid(path: Path, field: str, message: str, fix: str) -> Refused:
    return Refused("layout.invalid", f"{path.name}: {message}", field=field or str(path), fix=fix)


def _palette_faults(look: Look) -> Iterator[LayoutFault]:
    needed = {"paper", "soft", "line", "main", "black"}
    for side in SIDES:
        for element in look.faces.side(side):
            needed |= {ink for name in ("ink", "fill", "edge") if (ink := getattr(element, name, None))}
    for ink in sorted(needed - set(look.design.palette)):
        yield LayoutFault(field=f"palette.{ink}", message="the design has no such ink", fix="add it as #RRGGBB")


def _missing(look: Look) -> Iterator[LayoutFault]:
    """What a card must say by the regulations (construction § 7, cleaning § 12), and what our own readers need."""
    elements = [element for side in SIDES for element in look.faces.side(side)]
    said = {element.placeholder for element in elements if isinstance(element, ValueText)}
    for name in placeholders():
        if name not in said:
            yield LayoutFault(field=name, message="the card does not say it", fix="add a value with this placeholder")
    sorts = [element.type for element in elements]
    for sort in ("portrait", "qr", "code128"):
        if sorts.count(sort) != 1:
            words = f"the card has {sorts.count(sort)} of it"
            yield LayoutFault(field=sort, message=words, fix="keep exactly one on the two sides")


def _faults_of(element: Element) -> Iterator[tuple[str, str]]:
    if isinstance(element, ValueText | Words | CodeBox) and not _inside(element.box, _SAFE_MM):
        yield f"comes nearer to the cut than {_SAFE_MM} mm", "move or shrink its box"
    if isinstance(element, PortraitBox):
        if not _inside(element.box, 0):
            yield "leaves the card", "move or shrink its box"
        likeness = element.box.h / element.box.w * PORTRAIT_WIDTH_MM / PORTRAIT_HEIGHT_MM
        if abs(likeness - 1) > _LIKENESS:
            yield "would stretch the face", f"keep the box at {PORTRAIT_WIDTH_MM:g} to {PORTRAIT_HEIGHT_MM:g}"
    if isinstance(element, ValueText):
        if element.min_pt > element.size_pt:
            yield "its floor min_pt is above its size_pt", "lower min_pt"
        fault = fault_of(SAMPLES[element.placeholder], element)
        if fault is not None:
            yield f"even the sample {SAMPLES[element.placeholder]!r} does not fit", "enlarge the box"
    if isinstance(element, CodeBox):
        try:
            bars_in(SAMPLE_STATUS_URL if element.type == "qr" else SAMPLES["number"], element)
        except Refused as fault:
            yield fault.message, fault.fix


def _inside(box: Box, edge: float) -> bool:
    across = edge <= box.x and box.x + box.w <= CARD_WIDTH_MM - edge + 1e-6
    return across and edge <= box.y and box.y + box.h <= CARD_HEIGHT_MM - edge + 1e-6


def _quiet_faults(look: Look, side: Side) -> Iterator[LayoutFault]:
    """A code stands on plain ground: on a panel of a light ink that was laid before it."""
    elements = look.faces.side(side)
    for index, code in enumerate(elements):
        if not isinstance(code, CodeBox):
            continue
        grounds = [p for p in elements[:index] if isinstance(p, Panel) and p.fill in _QUIET_INKS]
        if not any(_holds(panel.box, code.box) for panel in grounds):
            yield LayoutFault(
                field=f"{side}[{index}]",
                message="the code lies on the line pattern",
                fix="lay a panel in white under its whole box, earlier in the file",
            )


def _holds(outer: Box, inner: Box) -> bool:
    across = outer.x <= inner.x + 1e-6 and inner.x + inner.w <= outer.x + outer.w + 1e-6
    return across and outer.y <= inner.y + 1e-6 and inner.y + inner.h <= outer.y + outer.h + 1e-6


def _collisions(look: Look, side: Side) -> Iterator[LayoutFault]:
    """Values, codes and the portrait keep to boxes of their own."""
    boxes = [
        (index, element.box)
        for index, element in enumerate(look.faces.side(side))
        if isinstance(element, ValueText | CodeBox | PortraitBox)
    ]
    for (first, one), (second, other) in combinations(boxes, 2):
        across = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
        down = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
        if across > 1e-6 and down > 1e-6:
            yield LayoutFault(
                field=f"{side}[{second}]",
                message=f"its box lies on that of {side}[{first}] by {across:.2f} x {down:.2f} mm",
                fix="move one of them",
            )
