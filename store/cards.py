"""Cards: where each stands, and the journal that says how it came there.

A step is a compare-and-set on the state and one chained event in the same transaction. Losing the race answers False:
somebody else did it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import RowMapping, Select, and_, bindparam, exists, func, insert, or_, select, update

from cards.days import oslo_day
from cards.errors import Refused
from cards.identifiers import normalised_card_number
from cards.life import PRODUCTION, Card, CardEvent, CardState, Hold, HoldReason, chained, may_step
from shipping.models import ComingOrder, WaitingCard
from store.second_journeys import back_by_our_fault
from store.tables import batch_cards, card_events, cards, orders, prints, shipment_cards
from store.transaction import Transaction

NOTHING: Mapping[str, Any] = MappingProxyType({})
FOUND_MAX = 50
_IDS_A_QUERY = 500  # SQLite takes a limited number of parameters in one statement
_IN_PRODUCTION = PRODUCTION[: PRODUCTION.index(CardState.PROVED)]
_MAY_NOT_WAIT = or_(cards.c.replaces.is_not(None), exists().where(shipment_cards.c.card_id == cards.c.card_id))
_FIXED = {"card_id", "order_number", "line", "state", "hold", "resumes_in"}
_CHANGEABLE = frozenset(Card.model_fields) - _FIXED
_NOT_HELD = {"hold_reason": None, "hold_detail": None, "hold_field": None, "hold_fix": None, "resumes_in": None}

_ONE = select(cards).where(cards.c.card_id == bindparam("id"))
_LAST_EVENT = (
    select(card_events).where(card_events.c.card_id == bindparam("id")).order_by(card_events.c.position.desc()).limit(1)
)
_NEW_EVENT = insert(card_events)


def card_of(row: RowMapping) -> Card:
    """A row of `cards` as the house knows it."""
    content = dict(row)
    del content["search_name"]
    reason, detail = content.pop("hold_reason"), content.pop("hold_detail")
    field, fix = content.pop("hold_field"), content.pop("hold_fix")
    content["hold"] = Hold(reason=HoldReason(reason), detail=detail, field=field, fix=fix) if reason else None
    return Card.model_validate(content)


def event_of(row: RowMapping) -> CardEvent:
    """A row of `card_events` as the house knows it."""
    content = dict(row)
    content["before"], content["after"] = content.pop("state_before"), content.pop("state_after")
    return CardEvent.model_validate(content)


def _search_name(given_name: str, family_name: str) -> str:
    return f"{given_name} {family_name}".casefold()


def _hold_columns(hold: Hold, resumes_in: CardState) -> dict[str, Any]:
    return {
        "hold_reason": hold.reason,
        "hold_detail": hold.detail,
        "hold_field": hold.field,
        "hold_fix": hold.fix,
        "resumes_in": resumes_in,
    }


def _columns_of(card: Card) -> dict[str, Any]:
    content = card.model_dump(exclude={"hold", "resumes_in"})
    content["search_name"] = _search_name(card.given_name, card.family_name)
    held = _hold_columns(card.hold, card.resumes_in) if card.hold and card.resumes_in else _NOT_HELD
    return {**content, **held}


def _event_row(event: CardEvent) -> dict[str, Any]:
    row = event.model_dump(mode="json", exclude={"at", "before", "after"})
    return row | {"at": event.at, "state_before": event.before, "state_after": event.after}


_Step = tuple[str, CardState | None, CardState, Mapping[str, Any]]  # card id, from, to, details


class Cards:
    """Cards and their journals."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    # --- writing ------------------------------------------------------------------------------------------------

    def add(self, card: Card, *, actor: str, what: str, details: Mapping[str, Any] = NOTHING) -> None:
        """A new card and the first event of its journal. Raises Refused `card.known` (its id or number is taken)."""
        if not self._tx.insert_new(cards, _columns_of(card)):
            raise Refused(
                "card.known",
                f"card {card.card_id} or its number {card.number} is taken already",
                fix="run `hsecard audit`: the series of card numbers may have been set back by hand",
            )
        self._append(card.card_id, actor=actor, what=what, before=None, after=card.state, details=details)

    def advance(
        self,
        card_id: str,
        before: CardState,
        after: CardState,
        *,
        actor: str,
        what: str,
        details: Mapping[str, Any] = NOTHING,
        **changes: Any,
    ) -> bool:
        """Step from `before` to `after` with `changes` to the card's columns. False when it is no longer in `before`.

        Raises Refused `card.no_such_step` for a step that the life of a card does not allow.
        """
        if after is CardState.HELD:
            raise ValueError("a card is held by `hold`, with its reason")
        columns = self._changes(card_id, changes)
        if before is CardState.HELD:
            columns |= _NOT_HELD
        return self._step(card_id, before, after, actor=actor, what=what, details=details, columns=columns)

    def hold(self, card_id: str, before: CardState, hold: Hold, *, actor: str) -> bool:
        """Let the card wait for a person, to resume in `before`. False when it is no longer in `before`."""
        details = hold.model_dump(mode="json", exclude={"fix"}, exclude_none=True)
        columns = _hold_columns(hold, before)
        return self._step(card_id, before, CardState.HELD, actor=actor, what="held", details=details, columns=columns)

    def add_many(self, new: Sequence[Card], *, actor: str, what: str, details: Mapping[str, Mapping[str, Any]]) -> None:
        """Many new cards and the first event of each, as `add` does; `details` by card id.

        Raises Refused `store.rule_broken` when an id or number is taken; then none is added.
        """
        if not new:
            return
        self._tx.connection.execute(insert(cards), [_columns_of(card) for card in new])
        steps = [(card.card_id, None, card.state, details.get(card.card_id, NOTHING)) for card in new]
        self._append_many(steps, actor=actor, what=what)

    def advance_many(
        self,
        before: CardState,
        after: CardState,
        *,
        actor: str,
        what: str,
        details: Mapping[str, Mapping[str, Any]],
        changes: Mapping[str, Mapping[str, Any]] = NOTHING,
    ) -> list[str]:
        """As `advance`, for every card that `details` names by id, in a few statements; the ids that stepped.

        `changes` are columns by card id, the same ones for every card. Those no longer in `before` are left alone.
        """
        if not may_step(before, after):
            raise _no_such_step(next(iter(details), "?"), before, after)
        stepped = [card.card_id for card in self.locked_many(sorted(details)) if card.state is before]
        if not stepped:
            return []
        rows = [{"of": card_id, "state": after, **changes.get(card_id, NOTHING)} for card_id in stepped]
        columns: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "of"}
        change = update(cards).where(cards.c.card_id == bindparam("of")).values(columns)
        self._tx.connection.execute(change, rows)
        steps = [(card_id, before, after, details[card_id]) for card_id in stepped]
        self._append_many(steps, actor=actor, what=what)
        return stepped

    def release(self, card_id: str, *, actor: str, **changes: Any) -> bool:
        """A held card goes on where it was. False when it is not held."""
        card = self._locked(card_id)
        if card.state is not CardState.HELD or card.resumes_in is None:
            return False
        columns = {**self._changes(card_id, changes), **_NOT_HELD}
        details = {"reason": card.hold.reason.value} if card.hold else {}
        return self._step(
            card_id, CardState.HELD, card.resumes_in, actor=actor, what="released", details=details, columns=columns
        )

    def note(
        self, card_id: str, *, actor: str, what: str, details: Mapping[str, Any] = NOTHING, **changes: Any
    ) -> None:
        """A fact without a step, with changes to the card's columns. Raises Refused `card.unknown`."""
        state = self._locked(card_id).state
        columns = self._changes(card_id, changes)
        if columns:
            self._tx.connection.execute(update(cards).where(cards.c.card_id == card_id).values(columns))
        self._append(card_id, actor=actor, what=what, before=state, after=state, details=details)

    def _changes(self, card_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        unknown = changes.keys() - _CHANGEABLE
        if unknown:
            raise ValueError(f"no changeable columns of a card: {', '.join(sorted(unknown))}")
        if changes.keys() & {"given_name", "family_name"}:
            card = self.get(card_id).model_copy(update=changes)
            changes["search_name"] = _search_name(card.given_name, card.family_name)
        return changes

    def _step(
        self,
        card_id: str,
        before: CardState,
        after: CardState,
        *,
        actor: str,
        what: str,
        details: Mapping[str, Any],
        columns: dict[str, Any],
    ) -> bool:
        if not may_step(before, after):
            raise _no_such_step(card_id, before, after)
        change = update(cards).where(cards.c.card_id == card_id, cards.c.state == before).values(state=after, **columns)
        if self._tx.connection.execute(change).rowcount == 0:
            return False
        self._append(card_id, actor=actor, what=what, before=before, after=after, details=details)
        return True

    def _append(
        self,
        card_id: str,
        *,
        actor: str,
        what: str,
        before: CardState | None,
        after: CardState,
        details: Mapping[str, Any],
    ) -> None:
        event = chained(
            card_id=card_id,
            at=self._tx.now(),
            actor=actor,
            what=what,
            before=before,
            after=after,
            details=dict(details),
            last=self._last_event(card_id),
        )
        self._tx.connection.execute(_NEW_EVENT, _event_row(event))

    def _append_many(self, steps: Sequence[_Step], *, actor: str, what: str) -> None:
        """One event of each card, chained to its last."""
        last = self._last_events([card_id for card_id, *_ in steps])
        rows = []
        for card_id, before, after, details in steps:
            event = chained(
                card_id=card_id,
                at=self._tx.now(),
                actor=actor,
                what=what,
                before=before,
                after=after,
                details=dict(details),
                last=last.get(card_id),
            )
            rows.append(_event_row(event))
        self._tx.connection.execute(_NEW_EVENT, rows)

    def _last_events(self, card_ids: Sequence[str]) -> dict[str, CardEvent]:
        found: dict[str, CardEvent] = {}
        for start in range(0, len(card_ids), _IDS_A_QUERY):
            part = card_events.c.card_id.in_(card_ids[start : start + _IDS_A_QUERY])
            last = select(card_events.c.card_id, func.max(card_events.c.position).label("position"))
            of = last.where(part).group_by(card_events.c.card_id).subquery()
            both = and_(card_events.c.card_id == of.c.card_id, card_events.c.position == of.c.position)
            rows = self._tx.connection.execute(select(card_events).join(of, both)).mappings()
            found |= {row["card_id"]: event_of(row) for row in rows}
        return found

    def _last_event(self, card_id: str) -> CardEvent | None:
        row = self._tx.connection.execute(_LAST_EVENT, {"id": card_id}).mappings().one_or_none()
        return None if row is None else event_of(row)

    def _locked(self, card_id: str) -> Card:
        return self._one(_ONE.with_for_update(), card_id)

    # --- reading ------------------------------------------------------------------------------------------------

    def get(self, card_id: str) -> Card:
        """The card. Raises Refused `card.unknown`."""
        return self._one(_ONE, card_id)

    def _one(self, query: Select[Any], card_id: str) -> Card:
        row = self._tx.connection.execute(query, {"id": card_id}).mappings().one_or_none()
        if row is None:
            raise _unknown(card_id)
        return card_of(row)

    def _all(self, query: Select[Any]) -> list[Card]:
        return [card_of(row) for row in self._tx.connection.execute(query).mappings()]

    def get_many(self, card_ids: Sequence[str]) -> list[Card]:
        """The cards, in the order asked for. Raises Refused `card.unknown` for the first that is not there."""
        found: dict[str, Card] = {}
        for start in range(0, len(card_ids), _IDS_A_QUERY):
            part = list(card_ids[start : start + _IDS_A_QUERY])
            found |= {card.card_id: card for card in self._all(select(cards).where(cards.c.card_id.in_(part)))}
        missing = [card_id for card_id in card_ids if card_id not in found]
        if missing:
            raise _unknown(missing[0])
        return [found[card_id] for card_id in card_ids]

    def locked_many(self, card_ids: Sequence[str]) -> list[Card]:
        """Those of the cards that are there, by id, held until the end of the transaction."""
        found: list[Card] = []
        ordered = sorted(set(card_ids))  # everybody locks in one order
        for start in range(0, len(ordered), _IDS_A_QUERY):
            part = cards.c.card_id.in_(ordered[start : start + _IDS_A_QUERY])
            found += self._all(select(cards).where(part).order_by(cards.c.card_id).with_for_update())
        return found

    def named(self, names: Sequence[str]) -> dict[str, Card]:
        """Cards by name: a printed number, as people and gates write it, or a card id. Unknown ones are left out."""
        numbers = {name: normalised_card_number(name) for name in names}
        texts = sorted({*(name.strip() for name in names), *numbers.values()})
        by_number: dict[str, Card] = {}
        by_id: dict[str, Card] = {}
        for start in range(0, len(texts), _IDS_A_QUERY):
            part = texts[start : start + _IDS_A_QUERY]
            for card in self._all(select(cards).where(or_(cards.c.number.in_(part), cards.c.card_id.in_(part)))):
                by_number[card.number], by_id[card.card_id] = card, card
        found = {name: by_number.get(numbers[name]) or by_id.get(name.strip()) for name in names}
        return {name: card for name, card in found.items() if card is not None}

    def by_number(self, number: str) -> Card | None:
        """The card with this printed number, as people write it, or None."""
        found = self._all(select(cards).where(cards.c.number == normalised_card_number(number)))
        return found[0] if found else None

    def of_order(self, order_number: str) -> list[Card]:
        """The cards of an order, replacements after what they replace."""
        query = select(cards).where(cards.c.order_number == order_number)
        return self._all(query.order_by(cards.c.line, func.length(cards.c.card_id), cards.c.card_id))

    def in_state(self, state: CardState, *, limit: int | None = None, after: str = "") -> list[Card]:
        """Cards in `state` by card id, those past `after` only: page on with the last id seen."""
        query = select(cards).where(cards.c.state == state, cards.c.card_id > after)
        return self._all(query.order_by(cards.c.card_id).limit(limit))

    def ids_in_state(self, state: CardState, *, limit: int | None = None, after: str = "") -> list[str]:
        """As `in_state`, the ids alone."""
        query = select(cards.c.card_id).where(cards.c.state == state, cards.c.card_id > after)
        return list(self._tx.connection.scalars(query.order_by(cards.c.card_id).limit(limit)))

    def events(self, card_id: str) -> list[CardEvent]:
        """The journal of a card, oldest first."""
        query = select(card_events).where(card_events.c.card_id == card_id).order_by(card_events.c.position)
        return [event_of(row) for row in self._tx.connection.execute(query).mappings()]

    def counts(self) -> dict[CardState, int]:
        """How many cards stand in each state; states without a card are left out."""
        query = select(cards.c.state, func.count()).group_by(cards.c.state).order_by(cards.c.state)
        return {CardState(state): count for state, count in self._tx.connection.execute(query)}

    def held_counts(self) -> dict[str, int]:
        """Held cards by `reason` or `reason:detail`."""
        names = (cards.c.hold_reason, cards.c.hold_detail)
        query = select(*names, func.count()).where(cards.c.state == CardState.HELD).group_by(*names).order_by(*names)
        rows = self._tx.connection.execute(query)
        return {f"{reason}:{detail}" if detail else reason: count for reason, detail, count in rows}

    def find(self, text: str) -> list[Card]:
        """At most 50 cards by card number, card id, order number, or any part of the holder's name."""
        wanted = text.strip()
        if not wanted:
            return []
        matches = or_(
            cards.c.number == normalised_card_number(wanted),
            cards.c.card_id == wanted,
            cards.c.order_number == wanted,
            cards.c.search_name.contains(wanted.casefold(), autoescape=True),
        )
        return self._all(select(cards).where(matches).order_by(cards.c.card_id).limit(FOUND_MAX))

    def waiting_for_batch(self) -> list[Card]:
        """Rendered cards in no frozen batch and without a live print, those for one address side by side."""
        frozen = exists().where(and_(batch_cards.c.card_id == cards.c.card_id, batch_cards.c.waiting))
        printed = exists().where(and_(prints.c.card_id == cards.c.card_id, prints.c.live))
        query = (
            select(cards)
            .join(orders, orders.c.order_number == cards.c.order_number)
            .where(cards.c.state == CardState.RENDERED, ~frozen, ~printed)
            .order_by(orders.c.address_key, cards.c.order_number, cards.c.line, cards.c.card_id)
        )
        return self._all(query)

    def addresses_waiting(self) -> list[tuple[str, int]]:
        """(address key, proved cards for it) of every valid address with any, by key."""
        counted = select(orders.c.address_key, func.count()).join(cards, orders.c.order_number == cards.c.order_number)
        ready = counted.where(cards.c.state == CardState.PROVED, orders.c.address_valid)
        grouped = ready.group_by(orders.c.address_key).order_by(orders.c.address_key)
        return [(row[0], row[1]) for row in self._tx.connection.execute(grouped)]

    def waiting_for_shipment(self, keys: Sequence[str], *, at_once: Sequence[str] = ()) -> list[WaitingCard]:
        """Proved cards for these valid addresses, those for one address side by side.

        Cards of the businesses `at_once` (organisation numbers) may not wait for company.
        In a transaction that writes, the cards and their orders are held as they are until its end.
        """
        goes_now = or_(_MAY_NOT_WAIT, orders.c.org_number.in_(at_once)) if at_once else _MAY_NOT_WAIT
        query = (
            select(cards.c.card_id, cards.c.order_number, orders.c.address_key, orders.c.approved_at, goes_now)
            .join(orders, orders.c.order_number == cards.c.order_number)
            .where(cards.c.state == CardState.PROVED, orders.c.address_valid, orders.c.address_key.in_(keys))
            .order_by(orders.c.address_key, cards.c.order_number, cards.c.line, cards.c.card_id)
        )
        if self._tx.writing:
            query = query.with_for_update(of=[cards, orders], key_share=True)
        rows = self._tx.connection.execute(query).all()
        ours = back_by_our_fault(self._tx, [row[0] for row in rows if row[4]])
        day_of = cache(oslo_day)  # cards of one order have one instant
        return [WaitingCard(row[0], row[1], row[2], None if row[4] else day_of(row[3]), row[0] in ours) for row in rows]

    def coming_to_waiting(self) -> list[ComingOrder]:
        """Orders with cards in production, for addresses where other cards are proved already."""
        ready = select(orders.c.address_key).join(cards, orders.c.order_number == cards.c.order_number)
        waiting = ready.where(cards.c.state == CardState.PROVED, orders.c.address_valid)
        query = (
            select(orders.c.order_number, orders.c.address_key, orders.c.approved_at)
            .join(cards, orders.c.order_number == cards.c.order_number)
            .where(cards.c.state.in_(_IN_PRODUCTION), orders.c.address_valid, orders.c.address_key.in_(waiting))
            .distinct()
            .order_by(orders.c.address_key, orders.c.order_number)
        )
        return [
            ComingOrder(order_number=row[0], address_key=row[1], ordered_on=oslo_day(row[2]))
            for row in self._tx.connection.execute(query)
        ]

    def replacements_to_block(self) -> list[tuple[str, str]]:
        """(old card, its replacement) where the replacement is posted and the old card is not blocked yet."""
        old, new = cards.alias("old"), cards.alias("new")
        query = (
            select(old.c.card_id, new.c.card_id)
            .join(new, new.c.replaces == old.c.card_id)
            .where(new.c.state == CardState.POSTED, old.c.state != CardState.BLOCKED)
            .order_by(old.c.card_id)
        )
        return [(row[0], row[1]) for row in self._tx.connection.execute(query)]

    def blob_in_use(self, key: str, *, besides: str) -> bool:
        """True when another card than `besides` has this photo or portrait: its bytes must stay."""
        query = select(cards.c.card_id).where(
            or_(cards.c.photo == key, cards.c.portrait == key), cards.c.card_id != besides
        )
        return self._tx.connection.execute(query.limit(1)).first() is not None


def _no_such_step(card_id: str, before: CardState, after: CardState) -> Refused:
    return Refused(
        "card.no_such_step",
        f"card {card_id} cannot go from {before.value} to {after.value}",
        fix="look at the card with `hsecard cards show` and use the command for its state",
    )


def _unknown(card_id: str) -> Refused:
    return Refused(
        "card.unknown",
        f"there is no card {card_id!r}",
        field="card_id",
        fix="look for it with `hsecard cards find` by number, order or name",
    )
