"""The carrier's numbers: ranges that it gave us, and the one number that a shipment gets, for ever."""

from sqlalchemy import func, select, update

from cards.errors import Refused, Unavailable
from shipping.number_ranges import NumberKind, NumberRange, number_of, overlap
from store.effects import Series
from store.number_tables import carrier_numbers, number_ranges
from store.transaction import Transaction


class CarrierNumbers:
    """Ranges, used up from the oldest on. A serial that was given is never given again, whatever becomes of it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, kind: NumberKind, prefix: str, first: int, last: int, *, source: str, by: str) -> NumberRange:
        """A new range. Raises Refused `numbers.overlap`."""
        serial = Series(self._tx).next("number_range")  # two at once take turns here, and the second sees the first
        new = NumberRange(
            range_id=f"N-{serial:04d}",
            kind=kind,
            prefix=prefix,
            first_serial=first,
            last_serial=last,
            next_serial=first,
            source=source,
            added_at=self._tx.now(),
            added_by=by,
        )
        known = next((old for old in self.ranges() if overlap(old, new)), None)
        if known is not None:
            raise Refused(
                "numbers.overlap",
                f"the range shares numbers with {known.range_id} ({known.prefix} {known.first_serial} to "
                f"{known.last_serial}, {known.source})",
                field="first",
                fix="compare with the carrier's letter: a number is in one range only",
            )
        self._tx.insert_new(number_ranges, new.model_dump())
        return new

    def ranges(self) -> list[NumberRange]:
        """Every range, in the order in which they are used up."""
        rows = self._tx.connection.execute(select(number_ranges).order_by(number_ranges.c.range_id)).mappings()
        return [NumberRange.model_validate(dict(row)) for row in rows]

    def left(self) -> dict[str, int]:
        """How many numbers of each kind that we have ranges of were not given yet."""
        r = number_ranges.c
        query = select(r.kind, func.sum(r.last_serial - r.next_serial + 1)).group_by(r.kind).order_by(r.kind)
        return {row[0]: int(row[1]) for row in self._tx.connection.execute(query)}

    def of_shipment(self, shipment_id: str) -> str | None:
        """The number that the shipment has, or None."""
        query = select(carrier_numbers.c.number).where(carrier_numbers.c.shipment_id == shipment_id)
        return self._tx.connection.scalar(query)

    def give(self, shipment_id: str, kind: NumberKind) -> str:
        """The shipment's number: the one that it has, or the next of its kind. The caller holds the shipment.

        Raises Unavailable `numbers.exhausted`.
        """
        known = self.of_shipment(shipment_id)
        if known is not None:
            return known
        while (chosen := self._open_range(kind)) is not None:
            serial = self._next_serial(chosen)
            if serial is not None:
                return self._keep(chosen, serial, shipment_id)
        raise Unavailable(
            "numbers.exhausted",
            f"no {kind.value.upper()} number is left: the shipment waits, and nothing was printed",
            fix="ask the carrier for a new range, add it with `hsecard numbers add`, and run `hsecard ship` again",
        )

    def _open_range(self, kind: NumberKind) -> NumberRange | None:
        return next((one for one in self.ranges() if one.kind is kind and one.left > 0), None)

    def _next_serial(self, chosen: NumberRange) -> int | None:
        """The next serial of the range, whose row is held from here on; None when others took its last meanwhile."""
        r = number_ranges.c
        taking = update(number_ranges).where(r.range_id == chosen.range_id, r.next_serial <= r.last_serial)
        taken = taking.values(next_serial=r.next_serial + 1).returning(r.next_serial)
        after = self._tx.connection.scalar(taken)
        return None if after is None else int(after) - 1

    def _keep(self, chosen: NumberRange, serial: int, shipment_id: str) -> str:
        number = number_of(chosen.kind, chosen.prefix, serial)
        row = {"number": number, "range_id": chosen.range_id, "serial": serial, "shipment_id": shipment_id}
        if not self._tx.insert_new(carrier_numbers, {**row, "given_at": self._tx.now()}):
            raise Refused(
                "numbers.given_twice",
                f"{number} was given before",
                fix="the rows of the ranges were changed by hand: run `hsecard audit` and report it",
            )
        return number
