"""From printed card to proved card: the chip personalised and read back, then order, face and chip compared.

A chip that turns out faulty spoils its blank; the card goes back to be printed on another with the same number. Three
faulty chips in a row mean the encoder: it stops, its cards go back untouched, nothing is reissued.
"""

from functools import partial

from cards.batch import Batch, BatchCard, BatchState
from cards.blanks import BlankAccount, BlankMove
from cards.effects import EffectKind, EffectState
from cards.errors import Refused, Unavailable
from cards.life import Card, CardState, Hold, HoldReason
from chip.errors import ChipLost
from chip.models import ChipContent, ChipOutcome, ChipReading, ChipVerdict
from chip.personalise import encode_at
from chip.verify import read_chip
from flows.house import House
from flows.stages.line import Chunk, Stage, Tally, tally
from flows.stages.produce import face_content
from printing.faces import lay_out
from printing.models import Face
from store.database import UnitOfWork

FAULTY_IN_A_ROW_MAX = 3  # so many faulty chips in a row are the encoder's fault, not the chips'

_LINE_STOPS = {
    ChipVerdict.WAIT: (
        "chip.wait",
        "the chip asks for a pause before it authenticates again",
        "run encode again later",
    ),
    ChipVerdict.NO_SPACE: ("chip.no_space", "the chip has no room", "the stock is of another type or used: change it"),
    ChipVerdict.STOP_LINE: ("chip.stop_line", "the chip refuses what we send", "stop: wrong chip type, or our mistake"),
    ChipVerdict.KEY_SERVICE: ("chip.key_service", "the key service does not answer", "look at the key service first"),
}


def _to_encode(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        batches = uow.batches.in_state(BatchState.PRINTED)
        states = {batch.batch_id: _cards_in(uow, batch, CardState.PRINTED) for batch in batches}
    return [(batch_id,) for batch_id, cards in states.items() if cards]


def _cards_in(uow: UnitOfWork, batch: Batch, state: CardState) -> list[tuple[BatchCard, Card]]:
    """The batch's cards that stand in `state` and still lie in this batch's tray, in tray order."""
    cards = uow.cards.get_many([place.card_id for place in batch.cards])
    return [
        (place, card)
        for place, card in zip(batch.cards, cards, strict=True)
        if card.state is state and card.batch_id == batch.batch_id
    ]


def _encode(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for batch_id in chunk:
        total += _encode_batch(house, batch_id)
    return total


def _encode_batch(house: House, batch_id: str) -> Tally:
    """Cards in tray order. Faulty chips are judged only when a good one follows or the tray ends."""
    with house.store.read() as uow:
        batch = uow.batches.get(batch_id)
        places = _cards_in(uow, batch, CardState.PRINTED)
    outcomes: list[str] = []
    suspects: list[tuple[BatchCard, ChipOutcome]] = []
    for place, card in places:
        outcome = _encode_card(house, batch, place, card)
        if outcome.verdict is ChipVerdict.FAULTY:
            suspects.append((place, outcome))
            if len(suspects) == FAULTY_IN_A_ROW_MAX:
                raise _encoder_stopped(house, batch_id)
            continue
        outcomes += [_spoil(house, batch, *suspect) for suspect in suspects]
        suspects = []
        outcomes.append(_record(house, batch, place, outcome))
    outcomes += [_spoil(house, batch, *suspect) for suspect in suspects]
    return tally(outcomes)


def _encoder_stopped(house: House, batch_id: str) -> Unavailable:
    return Unavailable(
        "encoder.stopped",
        f"{FAULTY_IN_A_ROW_MAX} chips in a row failed on {house.encoder.name}; the cards of {batch_id} stay",
        fix="clean or change the encoder, try a sample card, then run encode again",
    )


def effect_key(card_id: str, batch_id: str) -> str:
    """One encoding per card and blank: a made-good card lies in another batch."""
    return f"encode:{card_id}:{batch_id}"


def _encode_card(house: House, batch: Batch, place: BatchCard, card: Card) -> ChipOutcome:
    """Present the card until its chip is done or judged. Presenting again is how a lost outcome is looked up."""
    key = effect_key(card.card_id, batch.batch_id)
    with house.store.begin() as uow:
        uow.effects.plan(key, EffectKind.ENCODE, card.card_id, {"batch": batch.batch_id, "position": place.position})
        uow.effects.start(key)
    assert card.valid_until is not None  # noqa: S101 -- set when the face was rendered
    attempts = encode_at(
        house.encoder,
        tray=batch.batch_id,
        position=place.position,
        content=ChipContent(card_number=card.number, valid_until=card.valid_until),
        keys=house.keys,
        entropy=house.entropy,
        profile=house.profile,
        bind=partial(_bind, house, card.card_id),
    )
    outcome = attempts[-1]
    if outcome.verdict in _LINE_STOPS:
        code, message, fix = _LINE_STOPS[outcome.verdict]
        raise Unavailable(code, f"{message} (card {card.card_id}, step {outcome.step}, {outcome.status})", fix=fix)
    return outcome


def _bind(house: House, card_id: str, uid: str, generation: int) -> None:
    """Before the first write: this chip belongs to this card. Refused when it belongs to another."""
    with house.store.begin() as uow:
        uow.chips.bind(uid, card_id, generation, house.encoder.name)


def _record(house: House, batch: Batch, place: BatchCard, outcome: ChipOutcome) -> str:
    if outcome.verdict is ChipVerdict.QUARANTINE:
        return _quarantine(house, batch, place, outcome)
    key = effect_key(place.card_id, batch.batch_id)
    with house.store.begin() as uow:
        uow.effects.settle(key, EffectState.CONFIRMED, {"uid": outcome.uid})
        assert outcome.uid is not None  # noqa: S101 -- a done chip has told its UID
        uow.chips.settle(outcome.uid, outcome)
        done = uow.cards.advance(
            place.card_id,
            CardState.PRINTED,
            CardState.ENCODED,
            actor=house.actor,
            what="encoded",
            details={"uid": outcome.uid, "encoder": house.encoder.name, "key_generation": outcome.key_generation},
            chip_uid=outcome.uid,
        )
    return "encoded" if done else "already_done"


def _quarantine(house: House, batch: Batch, place: BatchCard, outcome: ChipOutcome) -> str:
    hold = Hold(
        reason=HoldReason.CHIP_QUARANTINED,
        detail=f"{outcome.step}:{outcome.cause}",
        fix="put the card aside; find out whose chip it is, then spoil it with `hsecard cards spoil`",
    )
    with house.store.begin() as uow:
        uow.effects.settle(
            effect_key(place.card_id, batch.batch_id), EffectState.REFUSED, {"verdict": outcome.verdict.value}
        )
        held = uow.cards.hold(place.card_id, CardState.PRINTED, hold, actor=house.actor)
    return "held" if held else "already_done"


def _spoil(house: House, batch: Batch, place: BatchCard, outcome: ChipOutcome) -> str:
    """A faulty chip: its blank is counted as spoiled, the card waits for another one."""
    key = effect_key(place.card_id, batch.batch_id)
    cause = f"chip_faulty:{outcome.step}:{outcome.cause}"
    with house.store.begin() as uow:
        uow.effects.settle(key, EffectState.REFUSED, {"verdict": outcome.verdict.value, "uid": outcome.uid})
        if outcome.uid:
            uow.chips.settle(outcome.uid, outcome)
        return spoil_card(house, uow, batch, uow.cards.get(place.card_id), cause=cause)


def spoil_card(house: House, uow: UnitOfWork, batch: Batch, card: Card, *, cause: str) -> str:
    """Count a card's blank as spoiled and send the card back to be printed on another, in the caller's transaction."""
    done = card.state is not CardState.RENDERED and uow.cards.advance(
        card.card_id,
        card.state,
        CardState.RENDERED,
        actor=house.actor,
        what="spoiled",
        details={"batch": batch.batch_id, "cause": cause},
        batch_id=None,
        chip_uid=None,
    )
    if done:
        uow.prints.spoil(card.card_id, cause)
        uow.blanks.move(blank_out(house, batch, card.card_id, BlankAccount.SPOILED, cause))
    return "spoiled" if done else "already_done"


def blank_out(house: House, batch: Batch, card_id: str, target: BlankAccount, cause: str | None = None) -> BlankMove:
    """The blank under a card leaves the machine, good or spoiled."""
    return BlankMove(
        move_key=f"{target.value}:{batch.batch_id}:{card_id}",
        at=house.clock.now(),
        actor=house.actor,
        lot=batch.lot,
        source=BlankAccount.MACHINE,
        target=target,
        count=1,
        batch_id=batch.batch_id,
        card_id=card_id,
        cause=cause,
    )


# --- proof: order = face = chip --------------------------------------------------------------------------------


def _to_prove(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        batches = uow.batches.in_state(BatchState.PRINTED)
        return [(batch.batch_id,) for batch in batches if _cards_in(uow, batch, CardState.ENCODED)]


def _prove(house: House, chunk: Chunk) -> Tally:
    outcomes: list[str] = []
    for batch_id in chunk:
        with house.store.read() as uow:
            batch = uow.batches.get(batch_id)
            places = _cards_in(uow, batch, CardState.ENCODED)
        outcomes += [_prove_card(house, batch, place, card) for place, card in places]
    return tally(outcomes)


def _prove_card(house: House, batch: Batch, place: BatchCard, card: Card) -> str:
    """Read the chip as a door reader would and compare it, and the frozen face, with what the order says now."""
    wrong = _chip_differs(house, batch, place, card) or _face_differs(house, place, card)
    if wrong:
        hold = Hold(reason=HoldReason.CHIP_MISMATCH, detail=wrong, fix="spoil the card with `hsecard cards spoil`")
        with house.store.begin() as uow:
            held = uow.cards.hold(card.card_id, CardState.ENCODED, hold, actor=house.actor)
        return "held" if held else "already_done"
    with house.store.begin() as uow:
        done = uow.cards.advance(
            card.card_id,
            CardState.ENCODED,
            CardState.PROVED,
            actor=house.actor,
            what="proved",
            details={"face": place.face_digest, "uid": card.chip_uid, "batch": batch.batch_id},
        )
        if done:
            uow.blanks.move(blank_out(house, batch, card.card_id, BlankAccount.GOOD))
    return "proved" if done else "already_done"


def _chip_differs(house: House, batch: Batch, place: BatchCard, card: Card) -> str | None:
    try:
        reading = _read(house, batch.batch_id, place.position)
    except (Refused, ChipLost):
        return "chip unreadable"
    says = {
        "uid": (reading.uid, card.chip_uid),
        "number": (reading.card_number, card.number),
        "valid until": (reading.valid_until, card.valid_until),
        "signature": (reading.signature_valid, True),
    }
    return ", ".join(what for what, (found, expected) in says.items() if found != expected) or None


def _read(house: House, tray: str, position: int) -> ChipReading:
    with house.encoder.present(tray, position) as transport:
        return read_chip(transport, keys=house.keys, entropy=house.entropy, profile=house.profile)


def _face_differs(house: House, place: BatchCard, card: Card) -> str | None:
    with house.store.read() as uow:
        order = uow.orders.get(card.order_number)
    face = lay_out(face_content(house, card, order))
    same = isinstance(face, Face) and face.digest == place.face_digest
    return None if same else "face"


ENCODE = (Stage("encode", _to_encode, _encode), Stage("prove", _to_prove, _prove))
