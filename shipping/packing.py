"""Which card belongs in which letter: a scan at the packing bench is judged before it counts.

One wrong card in an envelope shows a person's name, portrait and birth date to a stranger. So a card is known by the
QR code on its back, whose tag only the issuer can make, and the letter by its DataMatrix; a name or a number that
somebody typed counts for nothing.
"""

import re

from pydantic import BaseModel, ConfigDict

from cards.errors import Refused
from cards.life import Card, CardState
from shipping.models import LetterCard, Shipment, ShipmentState
from shipping.numbers import shipment_code

_CARD_CODE = re.compile(r"https?://\S+/(\d{7})/[^/\s]+")
_VOID = (CardState.FAULTY, CardState.REPLACED, CardState.BLOCKED, CardState.CANCELLED, CardState.EXPIRED)
_LAY_ASIDE = "lay the card aside"


class LetterOnBench(BaseModel):
    """A letter as it lies on the bench: its cards in the order of their places, and which of them are scanned into it.

    `cards` and the shipment's `card_ids` are in the same order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shipment: Shipment
    cards: tuple[LetterCard, ...]
    scanned: frozenset[str]

    @property
    def code(self) -> str:
        """What its DataMatrix says."""
        return shipment_code(self.shipment.number)

    @property
    def closed(self) -> bool:
        """True once nothing is missing and the letter was closed on that."""
        return self.shipment.state is ShipmentState.CLOSED

    @property
    def missing(self) -> tuple[LetterCard, ...]:
        """The cards that are not scanned yet."""
        pairs = zip(self.shipment.card_ids, self.cards, strict=True)
        return tuple(card for card_id, card in pairs if card_id not in self.scanned)


def claimed_number(code: str) -> str | None:
    """The card number that a card's QR code claims, or None when the text is no such code. The tag is not looked at."""
    match = _CARD_CODE.fullmatch(code)
    return match.group(1) if match else None


def check_letter(shipment: Shipment) -> None:
    """Cards can be scanned into it. Raises Refused `pack.letter_over`."""
    if shipment.state not in (ShipmentState.PACKED, ShipmentState.CLOSED):
        raise Refused(
            "pack.letter_over",
            f"letter {shipment.shipment_id} is {shipment.state.value}",
            fix="lay the letter aside: its cards go, or went, with another one",
        )


def check_code(code: str, card: Card | None, expected: str | None) -> Card:
    """The card that a scanned code names; `expected` is the code that was printed on it.

    Raises Refused `pack.unknown_code`, `pack.no_tag`, `pack.bad_tag`.
    """
    if code.strip().isdigit():
        raise Refused(
            "pack.no_tag",
            "a bare number does not show that the card is here",
            fix="scan the square code on the back of the card, not the bars",
        )
    if card is None or expected is None:
        raise Refused(
            "pack.unknown_code",
            "this is the code of no card and no letter of ours",
            fix=f"{_LAY_ASIDE}; when no code at all is known, set the scanner to the keyboard of this computer",
        )
    if code != expected:
        raise Refused(
            "pack.bad_tag",
            f"the code names card {card.number}, and its tag is not ours",
            fix=f"{_LAY_ASIDE} and have it looked at: a code of ours was changed, copied or damaged",
        )
    return card


def check_card(card: Card, letter: Shipment, *, belongs: str | None, spoiled: bool) -> None:
    """The card goes into this letter. `belongs` says in words in which letter it lies, `spoiled` that its only blank so
    far was counted as spoiled.

    Raises Refused `pack.other_letter`, `pack.card_void`, `pack.spoiled_blank`, `pack.not_packed`.
    """
    if card.state is CardState.PACKED and card.shipment_id == letter.shipment_id:
        return
    if card.state is CardState.PACKED:
        raise Refused("pack.other_letter", f"card {card.number} belongs in {belongs}", fix="put it there")
    if card.state in _VOID:
        raise Refused(
            "pack.card_void",
            f"card {card.number} is {card.state.value}",
            fix=f"{_LAY_ASIDE} to be destroyed: it must not go out",
        )
    if spoiled:
        raise Refused(
            "pack.spoiled_blank",
            f"this blank of card {card.number} was counted as spoiled; the card is made on another",
            fix="put it with the spoiled blanks",
        )
    raise Refused(
        "pack.not_packed",
        f"card {card.number} is {card.state.value} and belongs in no letter that is to be packed",
        fix=f"{_LAY_ASIDE}; `hsecard cards show {card.number}` says where it stands",
    )
