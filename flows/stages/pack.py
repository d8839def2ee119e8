"""The packing bench: cards are scanned into their letter, and only a whole letter closes; only a closed one is booked.

One call is one envelope as it lies there: while a card that does not belong was among the scans of a call, the letter
does not close by it. Whoever scans (a person with a scanner, a page, the twin of the embedded default) comes through
the same door, and what is turned away is kept as a row.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cards.effects import EffectState
from cards.errors import Refused
from cards.kinds import status_address
from cards.life import Card, CardState
from flows.house import House
from flows.stages.letters import letter_cards, letters_ready
from flows.stages.line import Chunk, Problem, Stage, Tally, chunks_of, tally
from shipping.models import LetterCard, Shipment, ShipmentState
from shipping.numbers import shipment_code, shipment_number
from shipping.packing import LetterOnBench, check_card, check_code, check_letter, claimed_number
from store.database import UnitOfWork

LETTERS_PER_CHUNK = 50
_NOT_SENT = (EffectState.PLANNED, EffectState.REFUSED)


class Scan(BaseModel):
    """What one scan of a card came to; the card where the code named one, the place where it counts."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["scanned", "already_scanned", "refused"]
    card: LetterCard | None = None
    problem: Problem | None = None


class Packed(BaseModel):
    """What a call at the bench came to. `letter` is None when there is no such letter; `problem` says why."""

    model_config = ConfigDict(frozen=True)

    letter: LetterOnBench | None
    scans: tuple[Scan, ...] = ()
    problem: Problem | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that was turned away."""
        scans = tuple(scan.problem for scan in self.scans if scan.problem)
        return (self.problem, *scans) if self.problem else scans


# --- the door --------------------------------------------------------------------------------------------------


def scan(house: House, letter: str | None, cards: Sequence[str] = ()) -> Packed:
    """Scan cards into a letter, by the codes printed on them; close the letter when nothing is missing.

    A card that does not belong is turned away and kept as a row, and the letter stays open until a call brings no such
    card. The same card again changes nothing. `letter` may also be a shipment id; None: no letter was scanned yet.
    """
    with house.store.begin() as uow:
        try:
            on_bench = _letter_named(uow, letter)
            check_letter(on_bench)
        except Refused as fault:
            return _turned_away(house, uow, letter, fault, cards)
        scans = tuple(_scan_card(house, uow, on_bench, code.strip()) for code in cards)
        if not any(scan.outcome == "refused" for scan in scans):
            uow.shipments.close(on_bench.shipment_id)
        return Packed(letter=_standing(uow, on_bench.shipment_id), scans=scans)


def _letter_named(uow: UnitOfWork, letter: str | None) -> Shipment:
    """The letter, held for this transaction: two benches at one letter take turns."""
    if letter is None:
        raise Refused("pack.no_letter", "no letter is on the bench", fix="scan the square code of the letter first")
    number = shipment_number(letter)
    found = uow.shipments.by_number(number) if number is not None else None
    try:
        return uow.shipments.locked(found.shipment_id if found else letter.strip())
    except Refused:
        raise Refused(
            "pack.letter_unknown",
            "this is the code of no letter of ours",
            field="LETTER",
            fix="scan the square code in the letter's window; a card is scanned after its letter",
        ) from None


def _turned_away(house: House, uow: UnitOfWork, letter: str | None, fault: Refused, cards: Sequence[str]) -> Packed:
    """Without a letter no card is judged; the one row says which letter it was, or which card lay there without one."""
    number = shipment_number(letter or "")
    known = uow.shipments.by_number(number) if number is not None else None
    card, expected = _card_of(house, uow, cards[0].strip()) if cards and letter is None else (None, None)
    named = card.card_id if card and cards[0].strip() == expected else None
    shipment_id = known.shipment_id if known else None
    uow.packing.refuse(fault.code, by=house.actor, shipment_id=shipment_id, card_id=named)
    return Packed(letter=None, problem=Problem.of(shipment_id or "bench", fault))


def _scan_card(house: House, uow: UnitOfWork, letter: Shipment, code: str) -> Scan:
    card, expected = _card_of(house, uow, code)
    belongs = card.shipment_id if card and card.state is CardState.PACKED else None
    try:
        genuine = check_code(code, card, expected)
        elsewhere = _place_in_words(uow, genuine) if belongs not in (None, letter.shipment_id) else None
        spoiled = belongs is None and _has_spoiled_only(uow, genuine)
        check_card(genuine, letter, belongs=elsewhere, spoiled=spoiled)
    except Refused as fault:
        named = card.card_id if card else None
        kept = {"shipment_id": letter.shipment_id, "card_id": named, "belongs_to": belongs}
        uow.packing.refuse(fault.code, by=house.actor, **kept)
        return Scan(outcome="refused", problem=Problem.of(card.number if card else "a code", fault))
    new = uow.packing.scan(letter.shipment_id, genuine.card_id, by=house.actor)
    place = letter_cards([genuine])[0].model_copy(update={"place": letter.card_ids.index(genuine.card_id) + 1})
    return Scan(outcome="scanned" if new else "already_scanned", card=place)


def _card_of(house: House, uow: UnitOfWork, code: str) -> tuple[Card | None, str | None]:
    """The card whose number the code claims, and the code that its back has; a card never drawn has none."""
    number = claimed_number(code)
    card = uow.cards.by_number(number) if number else None
    return card, card_code(house, card) if card and card.issued_on else None


def card_code(house: House, card: Card) -> str:
    """What a scanner reads from the back of a printed card."""
    assert card.issued_on is not None  # noqa: S101 -- a printed card has a day of issue
    return status_address(card.number, card.issued_on, house.settings.key("status-tag"))


def _place_in_words(uow: UnitOfWork, card: Card) -> str:
    letter = uow.shipments.get(str(card.shipment_id))
    place = letter.card_ids.index(card.card_id) + 1
    return f"letter {shipment_code(letter.number)} ({letter.shipment_id}), place {place} of {len(letter.card_ids)}"


def _has_spoiled_only(uow: UnitOfWork, card: Card) -> bool:
    return uow.prints.live(card.card_id) is None and bool(uow.prints.attempts(card.card_id))


def _standing(uow: UnitOfWork, shipment_id: str) -> LetterOnBench:
    shipment = uow.shipments.get(shipment_id)
    cards = letter_cards(uow.cards.get_many(shipment.card_ids))
    return LetterOnBench(shipment=shipment, cards=tuple(cards), scanned=uow.packing.scanned(shipment_id))


def waiting(house: House, among: Sequence[str] | None = None) -> list[LetterOnBench]:
    """The letters that are not closed yet (`among` these, when given), by number, with what each still needs."""
    with house.store.read() as uow:
        ids = [letter.shipment_id for letter in uow.shipments.in_state(ShipmentState.PACKED)]
        return [_standing(uow, shipment_id) for shipment_id in ids if among is None or shipment_id in among]


def missing_places(uow: UnitOfWork, shipment: Shipment) -> list[int]:
    """The places of a letter whose cards are not scanned into it."""
    scanned = uow.packing.scanned(shipment.shipment_id)
    return [place for place, card_id in enumerate(shipment.card_ids, start=1) if card_id not in scanned]


# --- opened again ----------------------------------------------------------------------------------------------


def booking_key(shipment_id: str) -> str:
    """The key of the effect that books a shipment."""
    return f"book:{shipment_id}"


def reopen(house: House, letter: str, cards: Sequence[str] = ()) -> LetterOnBench:
    """Cards (by code or number; all when none is named) were taken out of a letter that is not booked.

    They have to be scanned again before it closes. Raises Refused `pack.letter_unknown`, `pack.letter_over`,
    `pack.booked`, `pack.not_in_letter`.
    """
    with house.store.begin() as uow:
        shipment = _letter_named(uow, letter)
        check_letter(shipment)
        _refuse_booked(uow, shipment)
        card_ids = [_card_inside(uow, shipment, card) for card in cards] or list(shipment.card_ids)
        uow.packing.take_out(shipment.shipment_id, card_ids, by=house.actor)
        uow.shipments.reopen(shipment.shipment_id)
        return _standing(uow, shipment.shipment_id)


def _refuse_booked(uow: UnitOfWork, shipment: Shipment) -> None:
    """The effect is held too: a booking that is started meanwhile finds the letter open and puts itself back."""
    booking = uow.effects.find(booking_key(shipment.shipment_id), hold=True)
    if booking is not None and booking.state not in _NOT_SENT:
        raise Refused(
            "pack.booked",
            f"letter {shipment.shipment_id} is booked, or its booking is under way",
            fix="a booking without an answer is settled first (`hsecard reconcile`, `hsecard booked`)",
        )


def _card_inside(uow: UnitOfWork, shipment: Shipment, text: str) -> str:
    card = uow.cards.by_number(claimed_number(text.strip()) or text)
    if card is None or card.card_id not in shipment.card_ids:
        raise Refused(
            "pack.not_in_letter",
            f"this card does not belong to letter {shipment.shipment_id}",
            field="CARD",
            fix="name a card of this letter, or none to take them all out",
        )
    return card.card_id


# --- the twin of the bench -------------------------------------------------------------------------------------


def _to_close(house: House) -> list[Chunk]:
    """Nothing where a person packs: the letters wait for the bench."""
    if house.settings.packing == "scan":
        return []
    return chunks_of(letters_ready(house, ShipmentState.PACKED), LETTERS_PER_CHUNK)


def _close(house: House, chunk: Chunk) -> Tally:
    return sum((_scan_by_twin(house, shipment_id) for shipment_id in chunk), Tally())


def _scan_by_twin(house: House, shipment_id: str) -> Tally:
    """Hand in what a scanner would read from this letter and from each of its cards."""
    with house.store.read() as uow:
        shipment = uow.shipments.get(shipment_id)
        cards = uow.cards.get_many(shipment.card_ids)
    packed = scan(house, shipment_code(shipment.number), [card_code(house, card) for card in cards])
    if packed.problems:
        return tally(["refused"], packed.problems)
    fresh = any(scan.outcome == "scanned" for scan in packed.scans)
    return tally(["closed" if fresh else "already_done"])


CLOSE = Stage("close", _to_close, _close)
