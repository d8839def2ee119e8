"""A chip that fails in the field: the report marks the card faulty, and a new card is made by itself, free of charge.

The replacement has a new number and the portrait that is still held; the old card is blocked when the new one is
posted. At most one replacement a card, however often a fault is reported or this runs.
"""

import hashlib

from cards.effects import Effect, EffectKind
from cards.errors import Refused
from cards.identifiers import card_number
from cards.life import Card, CardState, Hold, HoldReason
from flows.doorbell import CHIP_FAULTY
from flows.house import House
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person
from flows.stages.line import Chunk, Stage, Tally, chunks_of, tally
from store.database import UnitOfWork
from store.field_faults import FaultReport


def report_fault(house: House, card: Card, *, symptom: str, by: str) -> str:
    """A chip fault seen in the field. Outcomes: `reported`, `already_reported`.

    Raises Refused `fault.not_in_the_field` for a card that is not posted.
    """
    fault_id = hashlib.sha256(f"{card.card_id}".encode()).hexdigest()[:16]
    with house.store.begin() as uow:
        card = uow.cards.get(card.card_id)
        if card.state in (CardState.FAULTY, CardState.REPLACED, CardState.BLOCKED) and uow.faults.faults(card.card_id):
            return "already_reported"
        if card.state not in (CardState.POSTED, CardState.RETURNED):
            raise Refused(
                "fault.not_in_the_field",
                f"card {card.number} is {card.state.value}: only a posted card can fail in the field",
                field="card",
                fix="check the number on the card; a card still in the bureau is spoiled, not reported",
            )
        report = FaultReport(
            fault_id=fault_id,
            card_id=card.card_id,
            reported_at=house.clock.now(),
            reported_by=by,
            symptom=symptom,
        )
        uow.faults.report(report)
        uow.cards.advance(
            card.card_id,
            card.state,
            CardState.FAULTY,
            actor=house.actor,
            what="reported_faulty",
            details={"fault": fault_id, "symptom": symptom},
        )
        uow.effects.plan(f"fault_event:{fault_id}", EffectKind.FAULT_EVENT, card.card_id, {"event": CHIP_FAULTY})
    return "reported"


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


def _to_replace(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return chunks_of([fault.fault_id for fault in uow.faults.open()], house.settings.chunk)


def _replace(house: House, chunk: Chunk) -> Tally:
    return tally(_replace_one(house, fault_id) for fault_id in chunk)


def _replace_one(house: House, fault_id: str) -> str:
    with house.store.begin() as uow:
        fault = next((fault for fault in uow.faults.open() if fault.fault_id == fault_id), None)
        if fault is None:
            return "already_done"
        old = uow.cards.get(fault.card_id)
        new = _replacement(house, uow, old)
        uow.cards.add(new, actor=house.actor, what="ordered", details={"replaces": old.card_id, "fault": fault_id})
        if new.portrait is None:
            hold = Hold(
                reason=HoldReason.NEW_PHOTO_NEEDED,
                field="photo",
                fix="ask the orderer for a new photo and give it with `hsecard cards correct --photo`",
            )
            uow.cards.hold(new.card_id, CardState.ORDERED, hold, actor=house.actor)
        uow.cards.advance(
            old.card_id,
            CardState.FAULTY,
            CardState.REPLACED,
            actor=house.actor,
            what="replaced",
            details={"replacement": new.card_id},
            replaced_by=new.card_id,
        )
        uow.faults.decide(fault_id, new.card_id, why="chip fault", decided_by=house.actor)
    return "reissued"


def _replacement(house: House, uow: UnitOfWork, old: Card) -> Card:
    """The same holder's card again: new number, new dates, the portrait that is still held."""
    root, mark, count = old.card_id.rpartition("R")
    card_id = f"{root}R{int(count) + 1}" if mark and count.isdigit() else f"{old.card_id}R1"
    return Card(
        card_id=card_id,
        order_number=old.order_number,
        line=old.line,
        number=card_number(uow.series.next("card_number"), house.settings.key("card-number")),
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


REISSUE = (Stage("reissue", _to_replace, _replace),)
