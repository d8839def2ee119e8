"""A fault report as it comes in: from a command, over the API, or as a file; read and checked before anything happens.

JSON documents have one shape everywhere (docs/faults.md). In a CSV list or a plain list each row stands for itself: a
bad one is named by its line, and the rest goes on.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from cards.errors import Refused
from flows.stages.line import Problem
from store.cohorts import Cohort

CARDS_MAX = 10_000  # in one report
BYTES_MAX = 5_000_000
SYMPTOM = "the chip does not answer"
_COLUMNS = ("card", "symptom")

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_PRINTABLE)]
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=_PRINTABLE)]
_Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,79}$")]


class FaultyCard(BaseModel):
    """A card that was seen to fail: its printed number or card id, and what was seen when it differs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: _Name
    symptom: _Text | None = None


def _card_alone(value: object) -> object:
    return {"card": value} if isinstance(value, str) else value


class FaultDocument(BaseModel):
    """A fault report in JSON: cards that were seen to fail, or a cohort to be recalled, never both.

    `report_key` is the reporter's own name for this report: the same report sent twice is one. A cohort needs
    `expect`, the number of cards that a dry run counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    report_key: _Key | None = Field(default=None, description="The reporter's own key; letters, digits, . _ : -")
    reported_by: _Text | None = Field(default=None, description="Who saw it: a person, a gate, a system.")
    symptom: _Text = SYMPTOM
    cards: tuple[Annotated[FaultyCard, BeforeValidator(_card_alone)], ...] = Field(default=(), max_length=CARDS_MAX)
    cohort: Cohort | None = None
    expect: int | None = Field(default=None, ge=0)
    dry_run: bool = False

    @model_validator(mode="after")
    def _cards_or_cohort(self) -> "FaultDocument":
        if bool(self.cards) == (self.cohort is not None):
            raise ValueError("name cards or a cohort, one of the two")
        return self


@dataclass(frozen=True)
class NamedCard:
    """A card as the reporter named it, and the `place` where: `cards[3]`, `faults.csv:7`."""

    card: str
    place: str
    symptom: str | None = None


@dataclass(frozen=True)
class FaultRequest:
    """What is asked: a fault of each of `cards`, or the recall of `cohort`.

    `channel` is the road it came by (`command`, `api`, `file`); `key` makes the same request twice one; `expect` is
    the number of cards that must be hit.
    """

    channel: str
    by: str
    symptom: str
    cards: tuple[NamedCard, ...] = ()
    cohort: Cohort | None = None
    key: str | None = None
    expect: int | None = None

    def digest(self) -> str:
        """SHA-256 of what is reported: which cards, what was seen; not of who sent it by which road."""
        content = {
            "symptom": self.symptom,
            "cards": [[named.card, named.symptom] for named in self.cards],
            "cohort": self.cohort.chosen() if self.cohort else None,
            "expect": self.expect,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_document(content: bytes | dict[str, Any], *, name: str = "the report") -> FaultDocument:
    """A fault document from JSON. Raises Refused `fault.document` with the first wrong field."""
    try:
        if isinstance(content, bytes):
            return FaultDocument.model_validate_json(content)
        return FaultDocument.model_validate(content)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        raise Refused(
            "fault.document",
            f"{name}: {first['msg'].removeprefix('Value error, ')}",
            field=_field(first["loc"]) or None,
            fix="correct the field and send the report again: nothing of it was taken (docs/faults.md has the shape)",
        ) from None


def _field(loc: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def request_of(document: FaultDocument, *, channel: str, by: str, prefix: str = "") -> FaultRequest:
    """The request of a document; cards are placed by their index behind `prefix`."""
    return FaultRequest(
        channel=channel,
        by=document.reported_by or by,
        symptom=document.symptom,
        cards=tuple(
            NamedCard(card=row.card, place=f"{prefix}cards[{index}]", symptom=row.symptom)
            for index, row in enumerate(document.cards)
        ),
        cohort=document.cohort,
        key=document.report_key,
        expect=document.expect,
    )


# --- files -----------------------------------------------------------------------------------------------------


def read_fault_file(
    name: str, data: bytes, *, channel: str, by: str, symptom: str = SYMPTOM
) -> tuple[FaultRequest, list[Problem]]:
    """A `.json` document, a `.csv` list under its heading, or a plain list (one card a line, # begins a remark).

    Rows that cannot be read come back as problems, named by file and line. Raises Refused `fault.document`,
    `fault.columns`.
    """
    if len(data) > BYTES_MAX:
        raise Refused(
            "fault.document",
            f"{name}: a report has at most {BYTES_MAX // 1_000_000} MB",
            fix="split the file into several reports",
        )
    suffix = PurePath(name).suffix.casefold()
    if suffix == ".json":
        return request_of(read_document(data, name=name), channel=channel, by=by, prefix=f"{name}: "), []
    rows = _csv_rows(name, _text(name, data)) if suffix == ".csv" else _plain_rows(_text(name, data))
    cards: list[NamedCard] = []
    problems: list[Problem] = []
    for line, cells in rows:
        place = f"{name}:{line}"
        try:
            cards.append(_named(cells, place))
        except Refused as fault:
            problems.append(Problem.of(place, fault))
    request = FaultRequest(channel=channel, by=by, symptom=symptom, cards=tuple(cards))
    return _not_too_many(request, name), problems


def _not_too_many(request: FaultRequest, name: str) -> FaultRequest:
    if len(request.cards) > CARDS_MAX:
        raise Refused(
            "fault.document",
            f"{name}: a report names at most {CARDS_MAX} cards, this one {len(request.cards)}",
            fix="split the file into several reports, or name the cohort instead",
        )
    return request


def keyed(request: FaultRequest, data: bytes) -> FaultRequest:
    """The request under a key of its own, or one made from the bytes of its file: the same file twice is one report."""
    return replace(request, key=request.key or hashlib.sha256(data).hexdigest()[:32])


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(
            "fault.document", f"{name}: the file is not UTF-8", fix="save it as UTF-8 and hand it in again"
        ) from None


def _plain_rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    for line, row in enumerate(text.splitlines(), start=1):
        card = row.partition("#")[0].strip()
        if card:
            yield line, {"card": card}


def _csv_rows(name: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line on which the row begins, cells by column), empty rows left out. A row of another width lacks its card."""
    heading_line = text.split("\n", 1)[0]
    delimiter = next((mark for mark in ";\t" if mark in heading_line), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    heading = [cell.strip().casefold() for cell in next(reader, [])]
    _check_heading(heading, name)
    begins = reader.line_num + 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield begins, dict(zip(heading, cells, strict=True)) if len(cells) == len(heading) else {}
        begins = reader.line_num + 1


def _check_heading(heading: list[str], name: str) -> None:
    wrong = [column for column in heading if column not in _COLUMNS]
    if wrong or "card" not in heading or len(set(heading)) != len(heading):
        raise Refused(
            "fault.columns",
            f"{name}: the heading is not the documented one: {', '.join(map(repr, heading)) or 'the file is empty'}",
            field=(wrong or ["card"])[0],
            fix="give the file the heading card;symptom (the symptom may be left out); docs/faults.md tells more",
        )


def _named(cells: dict[str, str], place: str) -> NamedCard:
    """Raises Refused `fault.row`."""
    given = {column: cell for column, cell in cells.items() if cell.strip() or column == "card"}
    try:
        row = FaultyCard.model_validate(given)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        raise Refused(
            "fault.row",
            first["msg"] if cells else "the row has another number of cells than the heading",
            field=_field(first["loc"]),
            fix="correct the row and hand it in again: the other rows were taken",
        ) from None
    return NamedCard(card=row.card, place=place, symptom=row.symptom)
