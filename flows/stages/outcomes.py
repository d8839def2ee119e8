"""How each printed card came out: good, spoiled with a cause, or not printed at all, as a person tells it.

For a batch whose job came to no end of its own (given up, forgotten, unsure, refused) this is also what settles the
job: every place must be told, and what was not printed goes into the next batch on its own blank. A spoiled blank is
made good on another with the same card number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cards.batch import Batch, BatchCard, BatchState
from cards.blanks import BlankAccount, SpoilCause
from cards.effects import EffectState
from cards.errors import Refused
from cards.life import Card, CardState
from flows.house import House
from flows.stages.press import come_out, print_key
from flows.stages.tray import blank_out, spoil_card
from printing.models import PrintJobState
from store.database import UnitOfWork

_IN_MACHINE = (CardState.PRINTED, CardState.ENCODED)
_WITHOUT_END = (PrintJobState.ABORTED, PrintJobState.FORGOTTEN)


@dataclass(frozen=True)
class Told:
    """What a person says of the places of a batch; `rest` speaks for every place that is not named."""

    good: frozenset[int] = frozenset()
    spoiled: Mapping[int, SpoilCause] = field(default_factory=dict)
    unprinted: frozenset[int] = frozenset()
    rest: Literal["good", "unprinted"] | None = None


def record_outcome(house: House, batch_id: str, told: Told, *, printer_gone: bool = False) -> dict[str, int]:
    """Write down how the cards of a batch came out; counts of what was new: `good`, `spoiled`, `unprinted`.

    Telling the same again changes nothing. `printer_gone` settles a job that a dead printer still holds. Raises
    Refused: `print.no_such_place`, `print.told_twice`, `print.under_way` (the job may still go on),
    `print.outcome_incomplete` (a job is settled for all its places at once), `print.already_out`, and what
    `spoil` refuses.
    """
    with house.store.begin() as uow:
        batch = uow.batches.get(batch_id)
        told = _every_place(batch, told)
        if batch.state is BatchState.FROZEN:
            batch = _settle_run(house, uow, batch, told, printer_gone=printer_gone)
            unprinted = len(told.unprinted)
        else:
            unprinted = 0
            _refuse_unprinted(uow, batch, told)
        at = {place.position: place.card_id for place in batch.cards}
        live = {row["position"] for row in uow.prints.of_batch(batch_id) if row["live"]}
        spoiled = 0
        for position, cause in sorted(told.spoiled.items()):
            if position in live:
                _spoil(house, uow, uow.cards.get(at[position]), cause=cause.value, counted_good=None)
                spoiled += 1
        good = uow.prints.judge_good(batch_id, told.good, by=house.actor)
    return {"good": good, "spoiled": spoiled, "unprinted": unprinted}


def _every_place(batch: Batch, told: Told) -> Told:
    """`told` with its rest spelled out. Refuses places that the batch does not have, or that are told twice."""
    printable = {place.position for place in batch.cards if place.struck is None}
    known = printable if batch.state is BatchState.FROZEN else {place.position for place in batch.cards}
    named = [*told.good, *told.spoiled, *told.unprinted]
    strange = sorted(set(named) - known)
    if strange:
        raise Refused(
            "print.no_such_place",
            f"batch {batch.batch_id} has no card to judge at {_listed(strange)}",
            fix="look at the run sheet or `hsecard batches show`; a struck place was never printed",
        )
    twice = sorted(position for position in set(named) if named.count(position) > 1)
    if twice:
        raise Refused("print.told_twice", f"{_listed(twice)} told in two ways", fix="name each place once")
    rest = frozenset(printable - set(named)) if told.rest else frozenset()
    return Told(
        good=told.good | rest if told.rest == "good" else told.good,
        spoiled=told.spoiled,
        unprinted=told.unprinted | rest if told.rest == "unprinted" else told.unprinted,
    )


def _settle_run(house: House, uow: UnitOfWork, batch: Batch, told: Told, *, printer_gone: bool) -> Batch:
    """The job is over by a person's word: what came out is printed, what did not waits for another batch."""
    _refuse_under_way(uow, batch, printer_gone=printer_gone)
    places = {place.position: place for place in batch.cards if place.struck is None}
    untold = sorted(places.keys() - told.good - told.spoiled.keys() - told.unprinted)
    if untold:
        raise Refused(
            "print.outcome_incomplete",
            f"nothing is told of {_listed(untold)} of {batch.batch_id}",
            fix="tell every place: --good, --spoiled, --unprinted, and --rest for all others",
        )
    for position in sorted(told.unprinted):
        _not_printed(house, uow, batch, places[position])
    batch = uow.batches.get(batch.batch_id)
    come_out(house, uow, batch)
    came_out = bool(told.good or told.spoiled)
    settled = EffectState.CONFIRMED if came_out else EffectState.REFUSED
    uow.effects.settle(print_key(batch.batch_id), settled, {"told_by": house.actor, "came_out": came_out})
    uow.print_jobs.told(print_key(batch.batch_id))
    return batch


def _refuse_under_way(uow: UnitOfWork, batch: Batch, *, printer_gone: bool) -> None:
    job = uow.print_jobs.find(print_key(batch.batch_id))
    if job is None:
        open_to_a_word = False
    elif job.state is PrintJobState.ASKED:
        effect = uow.effects.get(job.key)
        open_to_a_word = effect.state in (EffectState.UNSURE, EffectState.REFUSED)
    else:
        open_to_a_word = job.state in _WITHOUT_END or printer_gone
    if not open_to_a_word:
        raise Refused(
            "print.under_way",
            f"the job of {batch.batch_id} is not over: its cards may still come out",
            fix="run `hsecard produce`; or cancel the job at the printer first. --printer-gone if it is out of service",
        )


def _not_printed(house: House, uow: UnitOfWork, batch: Batch, place: BatchCard) -> None:
    uow.batches.strike(batch.batch_id, place.card_id, "not printed")
    details = {"batch": batch.batch_id, "position": place.position}
    uow.cards.note(place.card_id, actor=house.actor, what="not_printed", details=details, batch_id=None)


def _refuse_unprinted(uow: UnitOfWork, batch: Batch, told: Told) -> None:
    """Of a run that is over, a place can be unprinted only when it was told so before."""
    out = {row["position"] for row in uow.prints.of_batch(batch.batch_id)}
    claimed = sorted(told.unprinted & out)
    if claimed:
        raise Refused(
            "print.already_out",
            f"{_listed(claimed)} of {batch.batch_id} came out of the printer by its own word: a blank was used there",
            fix="find the blank; where there is none or an empty one, tell the place as spoiled with the cause `feed`",
        )


def _listed(positions: list[int]) -> str:
    """`place 7`, `places 1, 2, 5`, cut after ten."""
    words = ", ".join(map(str, positions[:10])) + (", …" if len(positions) > 10 else "")
    return f"place {words}" if len(positions) == 1 else f"places {words}"


# --- one card --------------------------------------------------------------------------------------------------


def spoil(house: House, card_id: str, *, cause: str, counted_good: str | None = None) -> Card:
    """Count a printed card's blank as spoiled; the card is made good on another.

    `cause` opens with one of `SpoilCause`. A blank that was counted good already becomes spoiled only with the reason
    in `counted_good`, as a correction of its own in the ledger and the journal. Raises Refused
    `card.no_blank_to_spoil`, `card.counted_good`.
    """
    with house.store.begin() as uow:
        _spoil(house, uow, uow.cards.get(card_id), cause=cause, counted_good=counted_good)
        return uow.cards.get(card_id)


def _spoil(house: House, uow: UnitOfWork, card: Card, *, cause: str, counted_good: str | None) -> None:
    stands_in = card.resumes_in or card.state
    if card.batch_id is None or stands_in not in (*_IN_MACHINE, CardState.PROVED):
        raise Refused(
            "card.no_blank_to_spoil",
            f"card {card.card_id} is {card.state.value}: no blank of it is in the bureau's hands",
            fix="look at it with `hsecard cards show`",
        )
    batch = uow.batches.get(card.batch_id)
    if stands_in in _IN_MACHINE:
        spoil_card(house, uow, batch, card, cause=cause)
    elif counted_good:
        _correct(house, uow, batch, card, cause=cause, why=counted_good)
    else:
        raise Refused(
            "card.counted_good",
            f"the blank of card {card.card_id} was counted good",
            fix="say why that count was wrong: `hsecard cards spoil CARD --cause CAUSE --counted-good REASON`",
        )


def _correct(house: House, uow: UnitOfWork, batch: Batch, card: Card, *, cause: str, why: str) -> None:
    """Good → spoiled, a move of its own: the count of a closed batch stays as it was signed."""
    uow.cards.advance(
        card.card_id,
        card.state,
        CardState.RENDERED,
        actor=house.actor,
        what="spoiled",
        details={"batch": batch.batch_id, "cause": cause, "counted_good": why},
        batch_id=None,
        chip_uid=None,
    )
    uow.prints.spoil(card.card_id, cause)
    move = blank_out(house, batch, card.card_id, BlankAccount.SPOILED, f"{cause}; counted good before: {why}")
    key = f"correct:{batch.batch_id}:{card.card_id}"
    uow.blanks.move(move.model_copy(update={"source": BlankAccount.GOOD, "move_key": key}))
