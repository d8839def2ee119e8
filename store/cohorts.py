"""Cards by what their chips have in common: blank lot, encoder, key generation, day of encoding.

A card belongs to the cohort of the chip that it carries now; chips of spoiled blanks count nowhere. The lot is that of
the batch the card was printed in, the day is Oslo's.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import ColumnElement, and_, case, func, literal_column, select

from cards.days import OSLO, oslo_day
from cards.life import CardState
from store.tables import batches, cards, chip_bindings, chip_faults, fault_reports
from store.transaction import Transaction

IN_THE_FIELD = (
    CardState.POSTED,
    CardState.RETURNED,
    CardState.FAULTY,
    CardState.REPLACED,
    CardState.BLOCKED,
    CardState.EXPIRED,
)
_HOUR = str(len("2026-11-23T08"))  # spelled out in SQL: PostgreSQL would take two parameters for two expressions


class Cohort(BaseModel):
    """What cards have in common; at least one of the four, and all that are given must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lot: str | None = Field(default=None, min_length=1, max_length=80)
    encoder: str | None = Field(default=None, min_length=1, max_length=120)
    generation: int | None = Field(default=None, ge=0, le=255)
    encoded_on: date | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Cohort":
        if not self.chosen():
            raise ValueError("a cohort names at least one of lot, encoder, generation, encoded_on")
        return self

    def chosen(self) -> dict[str, Any]:
        """The marks that are given."""
        return self.model_dump(mode="json", exclude_none=True)


class CohortBy(StrEnum):
    """By which mark cards are told apart."""

    LOT = "lot"
    ENCODER = "encoder"
    GENERATION = "generation"
    DAY = "day"


class CohortCount(BaseModel):
    """How a cohort fares: cards `encoded`, those ever posted (`in_field`), those of them that were `reported` because
    somebody saw them fail, and those `recalled` with their cohort."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    encoded: int
    in_field: int
    reported: int
    recalled: int


class Cohorts:
    """Cards by the marks of their chips."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def cards_of(self, cohort: Cohort) -> list[str]:
        """The ids of all cards that carry a chip of the cohort, wherever they stand."""
        query = select(cards.c.card_id).join(chip_bindings, _carries()).where(*_marks(cohort))
        if cohort.lot is not None:
            query = query.join(batches, batches.c.batch_id == cards.c.batch_id).where(batches.c.lot == cohort.lot)
        return list(self._tx.connection.scalars(query.order_by(cards.c.card_id)))

    def counts(self, by: CohortBy) -> list[CohortCount]:
        """Every cohort by one mark, in the order of its name."""
        mark = _MARKS[by]
        in_field = cards.c.state.in_(IN_THE_FIELD)
        seen = and_(chip_faults.c.card_id.is_not(None), fault_reports.c.cohort.is_(None))
        recalled = fault_reports.c.cohort.is_not(None)
        query = (
            select(mark, func.count(), *(func.sum(case((which, 1), else_=0)) for which in (in_field, seen, recalled)))
            .select_from(cards)
            .join(chip_bindings, _carries())
            .outerjoin(batches, batches.c.batch_id == cards.c.batch_id)
            .outerjoin(chip_faults, and_(chip_faults.c.card_id == cards.c.card_id, ~_told_before()))
            .outerjoin(fault_reports, fault_reports.c.report_id == chip_faults.c.report_id)
            .group_by(mark)
        )
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for row in self._tx.connection.execute(query):
            name = _name(by, row[0])
            sums[name] = [sum(pair) for pair in zip(sums[name], map(int, row[1:]), strict=True)]
        return [_count(name, figures) for name, figures in sorted(sums.items(), key=lambda item: _order(by, item[0]))]


def _carries() -> ColumnElement[bool]:
    return and_(chip_bindings.c.uid == cards.c.chip_uid, chip_bindings.c.card_id == cards.c.card_id)


def _told_before() -> ColumnElement[bool]:
    """An earlier fault of the same card is on record: a card counts once."""
    earlier = chip_faults.alias("earlier")
    first = and_(earlier.c.card_id == chip_faults.c.card_id, earlier.c.fault_id < chip_faults.c.fault_id)
    return select(earlier.c.fault_id).where(first).correlate(chip_faults).exists()


def _marks(cohort: Cohort) -> list[ColumnElement[bool]]:
    marks: list[ColumnElement[bool]] = []
    if cohort.encoder is not None:
        marks.append(chip_bindings.c.encoder == cohort.encoder)
    if cohort.generation is not None:
        marks.append(chip_bindings.c.generation == cohort.generation)
    if cohort.encoded_on is not None:
        marks.append(chip_bindings.c.settled_at >= _midnight(cohort.encoded_on))
        marks.append(chip_bindings.c.settled_at < _midnight(cohort.encoded_on + timedelta(days=1)))
    return marks


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), OSLO).astimezone(UTC)


# Oslo's days begin on a full hour of UTC, so cards are counted by the hour and the hours gathered into days.
_MARKS: Mapping[CohortBy, ColumnElement[Any]] = {
    CohortBy.LOT: batches.c.lot,
    CohortBy.ENCODER: chip_bindings.c.encoder,
    CohortBy.GENERATION: chip_bindings.c.generation,
    CohortBy.DAY: func.substr(chip_bindings.c.settled_at, literal_column("1"), literal_column(_HOUR)),
}


def _name(by: CohortBy, mark: object) -> str:
    if mark is None:
        return "unknown"
    if by is CohortBy.DAY:
        return oslo_day(datetime.fromisoformat(f"{mark}:00:00+00:00")).isoformat()
    return str(mark)


def _order(by: CohortBy, name: str) -> tuple[int, str]:
    return (int(name) if by is CohortBy.GENERATION and name.isdigit() else 0, name)


def _count(name: str, figures: list[int]) -> CohortCount:
    encoded, in_field, reported, recalled = figures
    return CohortCount(name=name, encoded=encoded, in_field=in_field, reported=reported, recalled=recalled)
