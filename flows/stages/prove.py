"""Proof of every single card: order = face = chip. The chip is read as a door reader would, by all encoders at once."""

from dataclasses import dataclass
from functools import partial

from cards.batch import Batch, BatchCard, BatchState
from cards.blanks import BlankAccount
from cards.errors import HseCardError, Refused
from cards.life import Card, CardState, Hold, HoldReason
from chip.errors import ChipLost
from chip.models import ChipReading
from chip.ports import Encoder
from chip.verdicts import PRESENTATIONS
from chip.verify import read_chip
from flows.house import House
from flows.stages.encoders import Bench, abreast, bench, deal
from flows.stages.line import Chunk, Problem, Stage, Tally, tally
from flows.stages.produce import face_content
from flows.stages.tray import blank_out, cards_in
from printing.faces import lay_out
from printing.models import Face


@dataclass(frozen=True)
class _Proof:
    """One run over the encoded cards of a batch; `waiting` by card id."""

    house: House
    batch: Batch
    desk: Bench
    waiting: dict[str, tuple[BatchCard, Card]]


def _to_prove(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        batches = uow.batches.in_state(BatchState.PRINTED)
        return [(batch.batch_id,) for batch in batches if cards_in(uow, batch, CardState.ENCODED)]


def _prove(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for batch_id in chunk:
        with house.store.read() as uow:
            batch = uow.batches.get(batch_id)
            waiting = {place.card_id: (place, card) for place, card in cards_in(uow, batch, CardState.ENCODED)}
        with bench(house) as desk:
            proof = _Proof(house, batch, desk, waiting)
            shares = deal(house, batch, [place for place, _ in waiting.values()], able=desk.able())
            total = sum(abreast(partial(_prove_share, proof), desk, shares), total)
    return total


def _prove_share(proof: _Proof, encoder: Encoder, share: list[BatchCard]) -> Tally:
    """One encoder's share, in tray order. What stops the encoder leaves the rest for a later run."""
    outcomes: list[str] = []
    try:
        for place in share:
            outcomes.append(_prove_card(proof, encoder, place))
    except HseCardError as fault:
        return tally([*outcomes, "stopped"], [Problem.of(encoder.name, fault)])
    return tally(outcomes)


def _prove_card(proof: _Proof, encoder: Encoder, place: BatchCard) -> str:
    """Read the chip as a door reader would and compare it, and the frozen face, with what the order says now."""
    house, batch, card = proof.house, proof.batch, proof.waiting[place.card_id][1]
    wrong = _chip_differs(proof, encoder, place) or _face_differs(house, place, card)
    with house.store.begin() as uow:
        proof.desk.keep(uow, encoder.name)
        if wrong:
            hold = Hold(reason=HoldReason.CHIP_MISMATCH, detail=wrong, fix="spoil the card with `hsecard cards spoil`")
            held = uow.cards.hold(card.card_id, CardState.ENCODED, hold, actor=house.actor)
            return "held" if held else "already_done"
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


def _chip_differs(proof: _Proof, encoder: Encoder, place: BatchCard) -> str | None:
    card = proof.waiting[place.card_id][1]
    try:
        reading = _read(proof, encoder, place)
    except Refused:
        reading = None
    if reading is None:
        return "chip unreadable"
    says = {
        "uid": (reading.uid, card.chip_uid),
        "number": (reading.card_number, card.number),
        "valid until": (reading.valid_until, card.valid_until),
        "signature": (reading.signature_valid, True),
    }
    return ", ".join(what for what, (found, expected) in says.items() if found != expected) or None


def _read(proof: _Proof, encoder: Encoder, place: BatchCard) -> ChipReading | None:
    """What the chip says; None when the card was lost each time. Raises Refused for one that cannot be read."""
    house = proof.house
    for _ in range(PRESENTATIONS):
        try:
            with encoder.present(proof.batch.batch_id, place.position) as transport:
                return read_chip(transport, keys=house.keys, entropy=house.entropy, profile=house.profile)
        except ChipLost:
            continue
    return None


def _face_differs(house: House, place: BatchCard, card: Card) -> str | None:
    with house.store.read() as uow:
        order = uow.orders.get(card.order_number)
    face = lay_out(face_content(house, card, order))
    same = isinstance(face, Face) and face.digest == place.face_digest
    return None if same else "face"


PROVE = Stage("prove", _to_prove, _prove)
