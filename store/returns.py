"""Letters that came back, each once, and the addresses that nothing is sent to until somebody has looked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Text, and_, exists, or_, select, type_coerce, update

from cards.blanks import BlankAccount
from cards.effects import EffectKind
from cards.life import Card, CardState, HoldReason
from shipping.models import Shipment, ShipmentState
from shipping.returns import LetterReturn
from store.cards import card_of
from store.number_tables import carrier_numbers
from store.second_journeys import back_by_our_fault
from store.tables import blank_moves, cards, effects, orders, shipment_cards, shipments
from store.tracking_tables import letter_returns
from store.transaction import Transaction

_LIVE_FLAG = and_(letter_returns.c.flags, letter_returns.c.lifted_at.is_(None))
# A card that came back and is not on its way again; all but `returned` only wait to be destroyed.
_IN_CUSTODY = (
    CardState.RETURNED,
    CardState.FAULTY,
    CardState.REPLACED,
    CardState.BLOCKED,
    CardState.EXPIRED,
)


class Returns:
    """Returned letters and flagged addresses."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, came_back: LetterReturn) -> bool:
        """Keep a letter's return. False when it came back before."""
        return self._tx.insert_new(letter_returns, came_back.model_dump())

    def find(self, shipment_id: str) -> LetterReturn | None:
        """The return of this letter, or None."""
        found = self._all(select(letter_returns).where(letter_returns.c.shipment_id == shipment_id))
        return found[0] if found else None

    def all(self) -> list[LetterReturn]:
        """Every return, oldest first."""
        return self._all(select(letter_returns))

    def shipment_of(self, *, number: int | None, code: str) -> str | None:
        """The id of the letter with our `number`, or with the id or the carrier's booking `code`; None without one."""
        named = or_(shipments.c.shipment_id == code, shipments.c.booking == code)
        query = select(shipments.c.shipment_id).where(shipments.c.number == number if number is not None else named)
        return self._tx.connection.scalar(query.order_by(shipments.c.shipment_id).limit(1))

    def shipment_labelled(self, number: str) -> str | None:
        """The id of the letter whose label bears this number of the carrier's; None without one.

        On our label it is one of the ranges that we were given. On the carrier's own it stands in the answer to the
        booking alone: whoever holds a letter in their hand can wait for a look at all.
        """
        ours = select(carrier_numbers.c.shipment_id).where(carrier_numbers.c.number == number)
        given = self._tx.connection.scalar(ours)
        if given is not None:
            return str(given)
        told = type_coerce(effects.c.answer, Text).contains(f'"{number}"', autoescape=True)
        query = select(effects.c.subject).where(effects.c.kind == EffectKind.BOOK, told)
        return self._tx.connection.scalar(query.order_by(effects.c.subject).limit(1))

    def in_custody(self, shipment_id: str | None = None) -> list[Card]:
        """Cards of returned letters that lie in the house, by id: neither on their way again nor destroyed."""
        destroyed = exists().where(
            blank_moves.c.card_id == cards.c.card_id, blank_moves.c.target == BlankAccount.DESTROYED
        )
        query = (
            select(cards)
            .join(letter_returns, letter_returns.c.shipment_id == cards.c.shipment_id)
            .where(cards.c.state.in_(_IN_CUSTODY), ~destroyed)
            .order_by(cards.c.card_id)
        )
        if shipment_id is not None:
            query = query.where(cards.c.shipment_id == shipment_id)
        return [card_of(row) for row in self._tx.connection.execute(query).mappings()]

    def at_our_cost(self, shipment: Shipment) -> set[str]:
        """The cards of a letter that are in it because an earlier one came back by our fault."""
        return back_by_our_fault(self._tx, shipment.card_ids, before=shipment)

    def was_posted(self, card_id: str) -> bool:
        """True when the card left the house at least once."""
        query = (
            select(shipment_cards.c.card_id)
            .join(shipments, shipments.c.shipment_id == shipment_cards.c.shipment_id)
            .where(shipment_cards.c.card_id == card_id, shipments.c.state == ShipmentState.POSTED)
        )
        return self._tx.connection.execute(query.limit(1)).first() is not None

    # --- flags --------------------------------------------------------------------------------------------------

    def flagged(self, keys: Sequence[str]) -> dict[str, LetterReturn]:
        """Those of the address keys that are flagged, with the letter that says so (the last, when there are more)."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, LetterReturn] = {}
        for start in range(0, len(wanted), 500):
            part = letter_returns.c.address_key.in_(wanted[start : start + 500])
            found |= {each.address_key: each for each in self._all(select(letter_returns).where(part, _LIVE_FLAG))}
        return found

    def all_flags(self) -> list[LetterReturn]:
        """The returns that flag their address now, oldest first."""
        return self._all(select(letter_returns).where(_LIVE_FLAG))

    def lift(self, address_key: str, *, by: str, why: str, returned_before: datetime | None = None) -> int:
        """Lift the flags of an address; those of letters that came back later than `returned_before` stay.

        Answers how many were lifted.
        """
        flags = and_(letter_returns.c.address_key == address_key, _LIVE_FLAG)
        if returned_before is not None:
            flags = and_(flags, letter_returns.c.returned_at < returned_before)
        lifted = {"lifted_at": self._tx.now(), "lifted_by": by, "lifted_why": why}
        return self._tx.connection.execute(update(letter_returns).where(flags).values(lifted)).rowcount

    def rekey(self, shipment_id: str, address_key: str) -> None:
        """The flag of a returned letter follows its address to the key that today's rules give it."""
        this = letter_returns.c.shipment_id == shipment_id
        self._tx.connection.execute(update(letter_returns).where(this).values(address_key=address_key))

    def held_for(self, address_key: str) -> list[str]:
        """The cards that wait because their letter's address is flagged, by id."""
        query = (
            select(cards.c.card_id)
            .join(orders, orders.c.order_number == cards.c.order_number)
            .where(cards.c.hold_reason == HoldReason.ADDRESS_RETURNED, orders.c.address_key == address_key)
        )
        return list(self._tx.connection.scalars(query.order_by(cards.c.card_id)))

    def _all(self, query: Select[Any]) -> list[LetterReturn]:
        ordered = query.order_by(letter_returns.c.returned_at, letter_returns.c.shipment_id)
        return [LetterReturn.model_validate(dict(row)) for row in self._tx.connection.execute(ordered).mappings()]
