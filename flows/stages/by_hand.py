"""What a person does to a card, a batch or the stock: correct, release, cancel, receive, count.

Each is one transaction with the person's name in the journal. What would break an invariant is refused with the way
that does not.
"""

import unicodedata

from cards.batch import BatchState
from cards.blanks import BatchCount, BlankAccount, BlankMove
from cards.errors import Refused
from cards.life import Card, CardState, HoldReason
from flows.house import House
from flows.stages.intake import PHOTO_BYTES_MAX

_NEEDS_MORE_THAN_A_WORD = (
    HoldReason.ADDRESS_INVALID,
    HoldReason.ADDRESS_RETURNED,
    HoldReason.NEW_PHOTO_NEEDED,
    HoldReason.CHIP_QUARANTINED,
)


def correct(
    house: House,
    card_id: str,
    *,
    photo: bytes | None = None,
    given_name: str | None = None,
    family_name: str | None = None,
) -> Card:
    """Give a held, unprinted card a new photo or another spelling, and let it go on.

    A new photo is judged like the first one. Raises Refused `card.not_correctable` for a card that is printed or not
    held: its face is out already.
    """
    if photo is not None and len(photo) > PHOTO_BYTES_MAX:
        raise Refused("photo.too_large", "the photo is over 10 MB", field="photo", fix="save it as JPEG and try again")
    changes: dict[str, object] = {}
    if photo is not None:
        changes |= {"photo": house.blobs.put("photo", photo, "bin"), "portrait": None}
    for field, name in {"given_name": given_name, "family_name": family_name}.items():
        if name is not None:
            changes[field] = _name(field, name)
    with house.store.begin() as uow:
        card = uow.cards.get(card_id)
        _refuse_uncorrectable(card)
        uow.cards.note(card_id, actor=house.actor, what="corrected", details={"fields": sorted(changes)}, **changes)
        if photo is not None:
            uow.cards.advance(card_id, CardState.HELD, CardState.ORDERED, actor=house.actor, what="released")
        else:
            uow.cards.release(card_id, actor=house.actor)
        return uow.cards.get(card_id)


def _name(field: str, name: str) -> str:
    text = unicodedata.normalize("NFC", name.strip())
    if not 1 <= len(text) <= 120:
        raise Refused("card.bad_name", "a name has 1 to 120 characters", field=field, fix="shorten the name")
    return text


def _refuse_uncorrectable(card: Card) -> None:
    unprinted = (CardState.ORDERED, CardState.PICTURED, CardState.RENDERED)
    if card.state is not CardState.HELD or card.resumes_in not in unprinted:
        raise Refused(
            "card.not_correctable",
            f"card {card.card_id} is {card.state.value}: only a held card that is not printed can be corrected",
            fix="a printed card is spoiled with `hsecard cards spoil`; a posted one is ordered anew",
        )


def release(house: House, card_id: str) -> Card:
    """Let a held card go on where it was. Raises Refused `card.not_held`, `card.still_wrong` where only a correction
    can help."""
    with house.store.begin() as uow:
        card = uow.cards.get(card_id)
        if card.hold is None:
            raise Refused("card.not_held", f"card {card_id} is {card.state.value}", fix="nothing needs to be done")
        if card.hold.reason in _NEEDS_MORE_THAN_A_WORD:
            raise Refused("card.still_wrong", f"card {card_id} is held: {card.hold.reason.value}", fix=card.hold.fix)
        uow.cards.release(card_id, actor=house.actor)
        return uow.cards.get(card_id)


def cancel(house: House, card_id: str, *, why: str) -> Card:
    """Cancel a card that no batch holds. Raises Refused `card.not_cancellable`."""
    with house.store.begin() as uow:
        card = uow.cards.get(card_id)
        waiting = (CardState.ORDERED, CardState.PICTURED, CardState.RENDERED, CardState.HELD)
        if card.state not in waiting or card.batch_id is not None:
            raise Refused(
                "card.not_cancellable",
                f"card {card_id} is {card.state.value} and in the works",
                fix="spoil it with `hsecard cards spoil` once it is printed, then cancel it",
            )
        uow.cards.advance(
            card_id,
            card.state,
            CardState.CANCELLED,
            actor=house.actor,
            what="cancelled",
            details={"why": why},
        )
        return uow.cards.get(card_id)


def receive_blanks(house: House, *, lot: str, count: int) -> dict[BlankAccount, int]:
    """A delivery of blanks goes into the vault. The same lot is received once; a second part needs its own name."""
    with house.store.begin() as uow:
        uow.blanks.move(
            BlankMove(
                move_key=f"receive:{lot}",
                at=house.clock.now(),
                actor=house.actor,
                lot=lot,
                source=BlankAccount.SUPPLIER,
                target=BlankAccount.VAULT,
                count=count,
            )
        )
        return uow.blanks.balances(lot=lot)


def close_batch(house: House, batch_id: str, *, counted_by: str, witnessed_by: str) -> BatchCount:
    """Two people close a batch whose blanks are all accounted for; unused ones go back into the vault.

    Raises Refused `batch.not_finished` while cards of it are in the machine, and what the store refuses.
    """
    with house.store.begin() as uow:
        batch = uow.batches.get(batch_id)
        stock = uow.blanks.balances(batch_id=batch_id)
        if batch.state is BatchState.FROZEN or stock[BlankAccount.MACHINE] or stock[BlankAccount.TRAY]:
            raise Refused(
                "batch.not_finished",
                f"{stock[BlankAccount.MACHINE]} blanks of {batch_id} are in the machine, {stock[BlankAccount.TRAY]} in "
                "the tray",
                fix="encode the rest of the batch, or spoil the cards that cannot be encoded",
            )
        count = BatchCount(
            batch_id=batch_id,
            issued=len(batch.cards),
            good=stock[BlankAccount.GOOD],
            spoiled=stock[BlankAccount.SPOILED],
            returned=stock[BlankAccount.RETURNED],
            counted_by=counted_by,
            witnessed_by=witnessed_by,
        )
        uow.batches.close(count)
        return count
