"""Personal data is kept as long as it is needed and no longer; what is erased is said in the card's journal.

Proposed periods (docs/decisions): the original photo goes 30 days after issue, print files 14 days after the freeze
of a batch that is closed, the portrait two months after the end of validity. Each is a setting.
"""

from datetime import date, timedelta

from cards.batch import BatchState
from cards.days import oslo_day
from cards.life import Card, CardState
from flows.house import House
from flows.stages.line import Chunk, Stage, Tally, chunks_of, tally

_OVER = (
    CardState.POSTED,
    CardState.RETURNED,
    CardState.FAULTY,
    CardState.REPLACED,
    CardState.BLOCKED,
    CardState.EXPIRED,
    CardState.CANCELLED,
)


def _due_cards(house: House) -> list[Chunk]:
    today = oslo_day(house.clock.now())
    with house.store.read() as uow:
        cards = [card for state in _OVER for card in uow.cards.in_state(state)]
    return chunks_of([card.card_id for card in cards if _erasable(house, card, today)], house.settings.chunk)


def _erasable(house: House, card: Card, today: date) -> list[str]:
    """Which of a card's pictures are past their time: `photo`, `portrait`."""
    issued = card.issued_on or today
    until = card.valid_until or today
    photo_due = card.state is CardState.CANCELLED or issued + timedelta(days=house.settings.photo_days) <= today
    portrait_due = card.state is CardState.CANCELLED or until + timedelta(days=house.settings.portrait_days) <= today
    due = {"photo": photo_due and card.photo, "portrait": portrait_due and card.portrait}
    return [name for name, is_due in due.items() if is_due]


def _erase(house: House, chunk: Chunk) -> Tally:
    today = oslo_day(house.clock.now())
    with house.store.read() as uow:
        cards = uow.cards.get_many(chunk)
    return tally(outcome for card in cards for outcome in _erase_card(house, card, today))


def _erase_card(house: House, card: Card, today: date) -> list[str]:
    """First it goes, then the journal says so: a crash between them is mended by the next run."""
    erased = []
    for name in _erasable(house, card, today):
        with house.store.read() as uow:
            shared = uow.cards.blob_in_use(getattr(card, name), besides=card.card_id)
        if not shared:
            house.blobs.delete(getattr(card, name))
        with house.store.begin() as uow:
            uow.cards.note(card.card_id, actor=house.actor, what=f"{name}_erased", details={}, **{name: None})
        erased.append(f"{name}_erased")
    return erased


def _due_batches(house: House) -> list[Chunk]:
    limit = oslo_day(house.clock.now()) - timedelta(days=house.settings.run_days)
    with house.store.read() as uow:
        closed = uow.batches.in_state(BatchState.CLOSED)
    return [(b.batch_id,) for b in closed if b.print_file and oslo_day(b.frozen_at) <= limit]


def _erase_run(house: House, chunk: Chunk) -> Tally:
    for batch_id in chunk:
        with house.store.read() as uow:
            batch = uow.batches.get(batch_id)
        for key in (batch.print_file, batch.run_sheet, batch.contact_sheet):
            if key:
                house.blobs.delete(key)
        with house.store.begin() as uow:
            uow.batches.drawn(batch_id, None, None, None)
    return tally("run_erased" for _ in chunk)


RETAIN = (Stage("pictures", _due_cards, _erase), Stage("runs", _due_batches, _erase_run))
