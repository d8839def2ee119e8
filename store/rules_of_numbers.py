"""What must hold of the carrier's numbers: each out of the range it was given from, each on one label only."""

from collections.abc import Iterator

from sqlalchemy import func, select

from shipping.number_ranges import NumberKind, number_of, overlap
from store.database import UnitOfWork
from store.number_tables import carrier_numbers, number_ranges
from store.ports import Blobs
from store.rule import Rule
from store.rules_of_cards import rows


def _out_of_range(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    query = select(carrier_numbers, number_ranges).join(
        number_ranges, number_ranges.c.range_id == carrier_numbers.c.range_id
    )
    for row in rows(uow, query.order_by(carrier_numbers.c.number)):
        given = row.first_serial <= row.serial < row.next_serial <= row.last_serial + 1
        if not given or number_of(NumberKind(row.kind), row.prefix, row.serial) != row.number:
            yield f"{row.number} on {row.shipment_id} (serial {row.serial} of {row.range_id})"


def _given_twice(uow: UnitOfWork, _blobs: Blobs) -> Iterator[str]:
    for name in ("shipment_id", "number"):
        column = carrier_numbers.c[name]
        query = select(column).group_by(column).having(func.count() > 1)
        for row in rows(uow, query.order_by(column)):
            yield f"{row[0]} (more than one row)"
    ranges = uow.carrier_numbers.ranges()
    for place, one in enumerate(ranges):
        for other in ranges[place + 1 :]:
            if overlap(one, other):
                yield f"{one.range_id} and {other.range_id} share numbers"


RULES = (
    Rule("carrier_number.range", "a carrier's number is the one of its serial, given out of its range", _out_of_range),
    Rule("carrier_number.once", "no carrier's number is given twice, and no shipment has two", _given_twice),
)
