"""From printed card to encoded card, by all encoders of the bench at once; the proof follows.

The cards of a batch are a queue in tray order. Each is taken under a lease, so that no two runs take the same one. A
chip that turns out faulty spoils its blank; the card goes back to be printed on another with the same number. Three
failures in a row mean the encoder: it stops, its cards go back untouched, nothing is reissued.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial

from cards.batch import Batch, BatchCard, BatchState
from cards.effects import EffectKind, EffectState
from cards.errors import HseCardError, Refused, Unavailable
from cards.life import Card, CardState, Hold, HoldReason
from chip.models import ChipContent, ChipOutcome, ChipVerdict
from chip.personalise import encode_at
from chip.ports import Encoder
from chip.verdicts import may_be_the_encoder
from flows.house import House
from flows.stages.encoders import Bench, abreast, bench, deal
from flows.stages.line import Chunk, Problem, Stage, Tally, tally
from flows.stages.prove import PROVE
from flows.stages.tray import cards_in, effect_key, spoil_card

FAILURES_IN_A_ROW_MAX = 3  # so many failures in a row are the encoder's fault, not the chips'
_MIXED_UP = {"chip.bound_elsewhere": "bound_elsewhere", "chip.swapped": "swapped"}


def _to_encode(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        batches = uow.batches.in_state(BatchState.PRINTED)
        states = {batch.batch_id: cards_in(uow, batch, CardState.PRINTED) for batch in batches}
    return [(batch_id,) for batch_id, cards in states.items() if cards]


def _encode(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for batch_id in chunk:
        total += _encode_batch(house, batch_id)
    return total


@dataclass
class _Run:
    """One run over one batch: the bench, the cards it leaves to a later run, and whether the line stands still."""

    house: House
    batch: Batch
    desk: Bench
    passed: set[str] = field(default_factory=set)
    halted: bool = False


@dataclass
class _Turn:
    """An encoder working through its share. A faulty chip is a suspect until a good one follows or the share ends."""

    run: _Run
    encoder: Encoder
    outcomes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    suspects: list[tuple[BatchCard, ChipOutcome]] = field(default_factory=list)

    @property
    def house(self) -> House:
        return self.run.house

    @property
    def holder(self) -> str:
        return self.run.desk.holder


def _encode_batch(house: House, batch_id: str) -> Tally:
    """Round after round until no card waits that an encoder of this run may take."""
    house.keys.check_value("picc", house.profile.key_generation)  # gone: the line pauses before the first write
    with house.store.read() as uow:
        batch = uow.batches.get(batch_id)
    total = Tally()
    with bench(house) as desk:
        run = _Run(house, batch, desk)
        while shares := _shares(run):
            total = sum(abreast(partial(_work_through, run), desk, shares), total)
    return total


def _shares(run: _Run) -> dict[str, list[BatchCard]]:
    if run.halted:
        return {}
    tried: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    with run.house.store.read() as uow:
        elsewhere = uow.encoding.taken(run.batch.batch_id, but_by=run.desk.holder) | run.passed
        waiting = [p for p, _ in cards_in(uow, run.batch, CardState.PRINTED) if p.card_id not in elsewhere]
        for attempt in uow.encoding.tries(run.batch.batch_id):
            tried[attempt.card_id] |= {attempt.encoder}
    return deal(run.house, run.batch, waiting, able=run.desk.able(), tried=tried)


def _work_through(run: _Run, encoder: Encoder, share: list[BatchCard]) -> Tally:
    """One encoder's share. What stops the encoder becomes a problem; what it leaves goes to the others."""
    turn = _Turn(run, encoder)
    try:
        for place in share:
            if run.halted:
                break
            _encode_next(turn, place)
        _judge(turn)
    except HseCardError as fault:
        run.desk.out.add(encoder.name)
        turn.outcomes.append("stopped")
        turn.problems.append(Problem.of(encoder.name, fault))
    return tally(turn.outcomes, turn.problems)


def _encode_next(turn: _Turn, place: BatchCard) -> None:
    card = _take(turn, place)
    if card is None:
        turn.run.passed.add(place.card_id)
        return
    outcome = _personalise(turn, place, card)
    match outcome.verdict:
        case ChipVerdict.DONE:
            _judge(turn)
            turn.outcomes.append(_record(turn, place, outcome))
        case ChipVerdict.FAULTY:
            _suspect(turn, place, outcome)
        case ChipVerdict.QUARANTINE | ChipVerdict.NO_SPACE:
            turn.outcomes.append(_quarantine(turn, place, outcome))
            _count_failure(turn, outcome)
        case ChipVerdict.WAIT:
            _set_aside(turn, place, outcome)
        case _:
            _halt(turn, place, outcome)


# --- taking and writing ----------------------------------------------------------------------------------------


def _take(turn: _Turn, place: BatchCard) -> Card | None:
    """The card, when it still waits and nobody else has it. Raises Unavailable when the encoder is ours no longer."""
    batch_id, name = turn.run.batch.batch_id, turn.encoder.name
    key = effect_key(place.card_id, batch_id)
    with turn.house.store.begin() as uow:
        turn.run.desk.keep(uow, name)
        card = uow.cards.get(place.card_id)
        if card.state is not CardState.PRINTED or card.batch_id != batch_id:
            return None
        if not uow.encoding.take(place.card_id, batch_id, encoder=name, holder=turn.holder):
            return None
        uow.effects.plan(key, EffectKind.ENCODE, place.card_id, {"batch": batch_id, "position": place.position})
        uow.effects.start(key)
    return card


def _personalise(turn: _Turn, place: BatchCard, card: Card) -> ChipOutcome:
    """Present the card until its chip is done or judged. Presenting again is how a lost outcome is looked up."""
    assert card.valid_until is not None  # noqa: S101 -- set when the face was rendered
    house, met = turn.house, list[str]()
    try:
        attempts = encode_at(
            turn.encoder,
            tray=turn.run.batch.batch_id,
            position=place.position,
            content=ChipContent(card_number=card.number, valid_until=card.valid_until),
            keys=house.keys,
            entropy=house.entropy,
            profile=house.profile,
            bind=partial(_bind, turn, card.card_id, met),
        )
    except Refused as fault:
        if fault.code not in _MIXED_UP:
            raise
        cause = _MIXED_UP[fault.code]
        return ChipOutcome(verdict=ChipVerdict.QUARANTINE, uid=met[-1], exchanges=0, step="bind", cause=cause)
    return attempts[-1]


def _bind(turn: _Turn, card_id: str, met: list[str], uid: str, generation: int) -> None:
    """Before the first write: this chip belongs to this card. Refused when it belongs to another, or when another chip
    lay here for this card before: one card of a tray was taken for the other."""
    met.append(uid)
    key = effect_key(card_id, turn.run.batch.batch_id)
    with turn.house.store.begin() as uow:
        planned_at = uow.effects.get(key).planned_at
        before = {binding.uid for binding in uow.chips.of_card(card_id) if binding.bound_at > planned_at}
        if len(before | set(met)) > 1:
            raise Refused(
                "chip.swapped",
                f"chip {uid} is not the one that lay here for card {card_id}",
                fix="put both cards aside",
            )
        uow.chips.bind(uid, card_id, generation, turn.encoder.name)


# --- what came of it -------------------------------------------------------------------------------------------


def _record(turn: _Turn, place: BatchCard, outcome: ChipOutcome) -> str:
    batch_id, name = turn.run.batch.batch_id, turn.encoder.name
    with turn.house.store.begin() as uow:
        if not uow.encoding.holds(place.card_id, turn.holder):
            return "already_done"
        uow.encoding.put_back(place.card_id, turn.holder)
        uow.encoding.count_success(name)
        uow.effects.settle(effect_key(place.card_id, batch_id), EffectState.CONFIRMED, {"uid": outcome.uid})
        assert outcome.uid is not None  # noqa: S101 -- a done chip has told its UID
        uow.chips.settle(outcome.uid, outcome)
        done = uow.cards.advance(
            place.card_id,
            CardState.PRINTED,
            CardState.ENCODED,
            actor=turn.house.actor,
            what="encoded",
            details={"uid": outcome.uid, "encoder": name, "key_generation": outcome.key_generation},
            chip_uid=outcome.uid,
        )
    return "encoded" if done else "already_done"


def _quarantine(turn: _Turn, place: BatchCard, outcome: ChipOutcome) -> str:
    """Whose chip it is nobody knows, so no key is tried on it again until two persons say so."""
    cause = outcome.cause or outcome.verdict.value
    hold = Hold(
        reason=HoldReason.CHIP_QUARANTINED,
        detail=f"{outcome.step}:{cause}",
        fix="put the card aside and find out whose chip it is; then two persons release it with "
        "`hsecard chips release`, or it is spoiled with `hsecard cards spoil`",
    )
    batch_id = turn.run.batch.batch_id
    with turn.house.store.begin() as uow:
        if not uow.encoding.holds(place.card_id, turn.holder):
            return "already_done"
        uow.encoding.put_back(place.card_id, turn.holder)
        uow.effects.settle(effect_key(place.card_id, batch_id), EffectState.UNSURE, None)
        held = uow.cards.hold(place.card_id, CardState.PRINTED, hold, actor=turn.house.actor)
        if held:
            uow.encoding.quarantine(
                place.card_id, batch_id, uid=outcome.uid, encoder=turn.encoder.name, step=outcome.step, cause=cause
            )
    return "held" if held else "already_done"


def _suspect(turn: _Turn, place: BatchCard, outcome: ChipOutcome) -> None:
    """A chip that would not be finished here. One that was only ever lost may do better on the next encoder."""
    batch_id, name = turn.run.batch.batch_id, turn.encoder.name
    with turn.house.store.begin() as uow:
        failed = {attempt.encoder for attempt in uow.encoding.tries(batch_id) if attempt.card_id == place.card_id}
        next_one = may_be_the_encoder(outcome) and set(turn.run.desk.able()) - failed - {name}
        if next_one:
            uow.encoding.note_try(place.card_id, batch_id, encoder=name, cause=outcome.cause or "lost")
            uow.encoding.put_back(place.card_id, turn.holder)
    if next_one:
        turn.outcomes.append("passed_on")
    else:
        turn.suspects.append((place, outcome))
    _count_failure(turn, outcome)


def _count_failure(turn: _Turn, outcome: ChipOutcome) -> None:
    """Too many in a row stop the encoder. Raises Unavailable `encoder.stopped`; the suspects stay printed."""
    name = turn.encoder.name
    with turn.house.store.begin() as uow:
        if uow.encoding.count_failure(name) < FAILURES_IN_A_ROW_MAX:
            return
        why = f"{FAILURES_IN_A_ROW_MAX} chips in a row failed, the last with {outcome.cause} at {outcome.step}"
        uow.encoding.stop(name, why=why, by=turn.house.actor)
        for place, _ in turn.suspects:
            uow.encoding.put_back(place.card_id, turn.holder)
    raise Unavailable(
        "encoder.stopped",
        f"{why}; the cards of {turn.run.batch.batch_id} that wait on {name} stay",
        fix=f"clean or change the encoder, try a sample card, then `hsecard encoders start '{name}'` and encode again",
    )


def _judge(turn: _Turn) -> None:
    """It was the chips, not the encoder: each suspect's blank is spoiled."""
    for suspect in turn.suspects:
        turn.outcomes.append(_spoil(turn, *suspect))
    turn.suspects.clear()


def _set_aside(turn: _Turn, place: BatchCard, outcome: ChipOutcome) -> None:
    """The chip asks for time after refused authentications, and keeps asking when it is pressed: a later run's card."""
    batch_id = turn.run.batch.batch_id
    turn.run.passed.add(place.card_id)
    with turn.house.store.begin() as uow:
        uow.encoding.note_try(place.card_id, batch_id, encoder=turn.encoder.name, cause=outcome.cause or "wait")
        uow.encoding.put_back(place.card_id, turn.holder)
    wait = Unavailable(
        "chip.wait",
        f"the chip at place {place.position} of {batch_id} asks for a pause before it authenticates again",
        fix="leave the card off the reader for some minutes, then run encode again",
    )
    turn.outcomes.append("set_aside")
    turn.problems.append(Problem.of(place.card_id, wait))
    _count_failure(turn, outcome)


def _halt(turn: _Turn, place: BatchCard, outcome: ChipOutcome) -> None:
    """Nothing that another card could do better: the line stands still. Raises Unavailable; the card stays printed."""
    run, name = turn.run, turn.encoder.name
    run.halted = True
    where = f"place {place.position} of {run.batch.batch_id}, card {place.card_id}, step {outcome.step}"
    if outcome.verdict is ChipVerdict.KEY_SERVICE:
        raise Unavailable(
            "chip.key_service", f"the key service does not answer ({outcome.cause}; {where})", fix="look at it first"
        )
    alone = outcome.cause == "unknown_chip_type"
    with turn.house.store.begin() as uow:
        uow.encoding.note_try(
            place.card_id, run.batch.batch_id, encoder=name, cause=outcome.cause or outcome.verdict.value
        )
        for encoder in [turn.encoder] if alone else turn.house.encoders:
            uow.encoding.stop(
                encoder.name, why=f"{outcome.cause} {outcome.status or ''} at {where}", by=run.house.actor
            )
    if alone:
        raise Unavailable(
            "chip.unknown_type",
            f"the chip on {name} is of no type that this house encodes ({where})",
            fix="wrong stock or a stranger's card: spoil it with `hsecard cards spoil`, look at the rest of the stock, "
            f"then `hsecard encoders start '{name}'`",
        )
    raise Unavailable(
        "chip.stop_line",
        f"the chip refuses what we send ({where}, status {outcome.status})",
        fix="stop: wrong chip type, or our mistake; report it before `hsecard encoders start --all`",
    )


def _spoil(turn: _Turn, place: BatchCard, outcome: ChipOutcome) -> str:
    """A faulty chip: its blank is counted as spoiled, the card waits for another one."""
    batch = turn.run.batch
    cause = f"chip_faulty:{outcome.step}:{outcome.cause}"
    with turn.house.store.begin() as uow:
        if not uow.encoding.holds(place.card_id, turn.holder):
            return "already_done"
        answered = {"verdict": outcome.verdict.value, "uid": outcome.uid}
        uow.effects.settle(effect_key(place.card_id, batch.batch_id), EffectState.REFUSED, answered)
        if outcome.uid and uow.chips.binding(outcome.uid):
            uow.chips.settle(outcome.uid, outcome)
        return spoil_card(turn.house, uow, batch, uow.cards.get(place.card_id), cause=cause)


ENCODE = (Stage("encode", _to_encode, _encode), PROVE)
