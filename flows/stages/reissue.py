"""A chip that fails in the field is replaced by itself: reports are taken in, rung out, and answered with a new card.

The replacement is free of charge, has a new number and the portrait that is still held; the old card is blocked when
the new one is posted. At most one replacement a card, however often a fault is reported or this runs. A replacement
that fails itself is replaced once a person has looked, unless it was recalled, which a person decided.
"""

import hashlib
from collections.abc import Sequence

from cards.effects import Effect, EffectKind
from cards.errors import Refused
from cards.identifiers import card_number
from cards.life import Card, CardState, Hold, HoldReason
from flows.doorbell import QuietBell
from flows.house import House
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person
from flows.stages.fault_reports import Filed, file_report
from flows.stages.fault_requests import keyed, read_fault_file
from flows.stages.line import Chunk, Problem, Stage, Tally, chunks_of, run_stage, tally
from store.columns import canonical
from store.database import UnitOfWork
from store.fault_drop import FaultDrop
from store.field_faults import FaultReport

# --- reports that were dropped as files ------------------------------------------------------------------------


def _dropped(house: House) -> list[Chunk]:
    return [(name,) for name in FaultDrop(house.settings.faults).waiting()]


def _take_in(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for name in chunk:
        total += _take_file(house, name)
    return total


def _take_file(house: House, name: str) -> Tally:
    """One file: reported, answered beside it, put away. A crash in between finds its report known the next time."""
    drop = FaultDrop(house.settings.faults)
    data = drop.read(name)
    if data is None:
        return tally(["already_taken"])
    try:
        request, problems = read_fault_file(name, data, channel="file", by=f"file {name}")
        filed = file_report(house, keyed(request, data))
    except Refused as fault:
        filed = Filed(report_id=None, counts={"file_refused": 1}, cards=())
        problems = [Problem.of(name, fault)]
    filed = filed.model_copy(update={"problems": (*problems, *filed.problems)})
    answer = canonical(filed.model_dump(mode="json", exclude={"repeated"})).encode() + b"\n"
    drop.put_away(name, hashlib.sha256(data).hexdigest()[:8], answer)
    return Tally(counts=filed.counts, problems=filed.problems)


TAKE_IN = Stage("take in", _dropped, _take_in)


# --- the bell --------------------------------------------------------------------------------------------------


def _to_ring(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return chunks_of([effect.key for effect in uow.effects.open_of(EffectKind.FAULT_EVENT)], 50)


def _ring(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for key in chunk:
        total += carry_out(house, RINGING, key)
    return total


def _tell(house: House, effect: Effect) -> Answer:
    house.doorbell.ring(effect.request["event"], effect.subject)
    return {"rung": True}


def _never_heard(house: House, effect: Effect) -> Answer | None:
    """A bell cannot be asked whether it rang; ringing twice is harmless, so it is rung again."""
    return None


def _nothing_more(house: House, uow: UnitOfWork, effect: Effect, answer: Answer) -> None:
    """Whoever heard the bell looks in the database."""


RINGING = Act(send=_tell, look_up=_never_heard, apply=_nothing_more, refuse=leave_to_a_person)
RING = Stage("ring", _to_ring, _ring)


def ring_now(house: House) -> Tally:
    """Ring for what was just reported, where a server hears it; without one the bell waits for the next `reissue`."""
    return Tally() if isinstance(house.doorbell, QuietBell) else run_stage(house, RING)


# --- the replacement -------------------------------------------------------------------------------------------


def _to_replace(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return chunks_of([fault.fault_id for fault in uow.faults.open()], house.settings.chunk)


def _replace(house: House, chunk: Chunk) -> Tally:
    """All faults of a chunk in one transaction. Those that somebody else is deciding are waited for and left alone."""
    with house.store.begin() as uow:
        faults = {fault.card_id: fault for fault in uow.faults.open_among(chunk)}
        cards = uow.cards.locked_many(list(faults))
        faulty = [card for card in cards if card.state is CardState.FAULTY]
        replaced = _order_replacements(house, uow, faulty, faults)
        settled = [card for card in cards if card.state is not CardState.FAULTY]
        _settle_without(house, uow, settled, faults)
        return tally(
            ["reissued"] * replaced + ["not_replaced"] * len(settled) + ["already_done"] * _gone(chunk, faults)
        )


def _gone(chunk: Chunk, faults: dict[str, FaultReport]) -> int:
    return len(chunk) - len(faults)


def _order_replacements(house: House, uow: UnitOfWork, faulty: Sequence[Card], faults: dict[str, FaultReport]) -> int:
    """A new card for each faulty one; the two name each other, and the fault is decided."""
    if not faulty:
        return 0
    first = uow.series.next("card_number", len(faulty))
    new = {old.card_id: _replacement(house, old, first + place) for place, old in enumerate(faulty)}
    ordered = {card.card_id: {"replaces": old, "fault": faults[old].fault_id} for old, card in new.items()}
    uow.cards.add_many(list(new.values()), actor=house.actor, what="ordered", details=ordered)
    recalled = uow.faults.recalled([faults[old.card_id] for old in faulty])
    for old in faulty:
        card = new[old.card_id]
        if card.portrait is None:
            uow.cards.hold(card.card_id, CardState.ORDERED, _NO_PORTRAIT, actor=house.actor)
        elif old.replaces is not None and faults[old.card_id].fault_id not in recalled:
            uow.cards.hold(card.card_id, CardState.PICTURED, _SECOND, actor=house.actor)
    uow.cards.advance_many(
        CardState.FAULTY,
        CardState.REPLACED,
        actor=house.actor,
        what="replaced",
        details={old: {"replacement": card.card_id} for old, card in new.items()},
        changes={old: {"replaced_by": card.card_id} for old, card in new.items()},
    )
    decided: dict[str, str | None] = {faults[old].fault_id: card.card_id for old, card in new.items()}
    uow.faults.decide_many(decided, why="chip fault", decided_by=house.actor)
    return len(new)


def _settle_without(house: House, uow: UnitOfWork, settled: Sequence[Card], faults: dict[str, FaultReport]) -> None:
    """Cards that went another way since they were reported: their faults must not wait for ever."""
    for card in settled:
        uow.faults.decide_many(
            {faults[card.card_id].fault_id: None}, why=f"the card is {card.state.value}", decided_by=house.actor
        )


_NO_PORTRAIT = Hold(
    reason=HoldReason.NEW_PHOTO_NEEDED,
    field="photo",
    fix="ask the orderer for a new photo and give it with `hsecard cards correct --photo`",
)

_SECOND = Hold(
    reason=HoldReason.SECOND_REPLACEMENT,
    fix="find out why it failed again, then `hsecard cards release` (or `hsecard cards cancel`)",
)


def _replacement(house: House, old: Card, serial: int) -> Card:
    """The same holder's card again: new number, new dates, the portrait that is still held."""
    root, mark, count = old.card_id.rpartition("R")
    card_id = f"{root}R{int(count) + 1}" if mark and count.isdigit() else f"{old.card_id}R1"
    return Card(
        card_id=card_id,
        order_number=old.order_number,
        line=old.line,
        number=card_number(serial, house.settings.key("card-number")),
        kind=old.kind,
        given_name=old.given_name,
        family_name=old.family_name,
        birth_date=old.birth_date,
        head_covering=old.head_covering,
        photo=None,
        portrait=old.portrait,
        state=CardState.PICTURED if old.portrait else CardState.ORDERED,
        replaces=old.card_id,
    )


REPLACE = Stage("reissue", _to_replace, _replace)
REISSUE = (TAKE_IN, RING, REPLACE)
