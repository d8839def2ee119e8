"""A printed run on the bench: cards with faces and blanks in the machine, ready to be encoded, made without drawing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cards.batch import Batch, BatchCard, BatchState, batch_digest
from cards.life import CardState
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.encode import ENCODE
from flows.stages.line import Tally, run_stage
from flows.stages.produce import face_content
from printing.faces import lay_out
from printing.models import Face
from tests.store.small_world import NOON, a_batch, a_move, accept, step

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PORTRAIT = f"portrait/{'0' * 64}.jpg"


@contextmanager
def bureau(home: Path, **settings: Any) -> Iterator[House]:
    """A house with two virtual encoders that works in this process."""
    chosen: dict[str, Any] = {"environment": "test", "clock": NOW, "engine": "inline", "durable": False}
    chosen |= {"encoders": ("virtual:a", "virtual:b")}
    with open_house(actor="a test", settings=Settings(home=home, **(chosen | settings))) as house:
        yield house


def print_run(house: House, count: int, *, order: str = "B-1", batch_id: str = "P-000001") -> list[str]:
    """`count` cards of one order, printed as one run; their ids in tray order."""
    with house.store.begin() as uow:
        uow.blanks.move(a_move(f"receive {batch_id}", "supplier", "vault", count, lot=f"L {batch_id}"))
        ids = accept(uow, order, cards=count)
        for card_id in ids:
            step(uow, card_id, CardState.PICTURED, portrait=PORTRAIT)
            changes = {"issued_on": date(2026, 11, 23), "valid_until": date(2028, 11, 23), "design": "x"}
            step(uow, card_id, CardState.RENDERED, batch_id=batch_id, **changes)
        stored = uow.orders.get(order)
        faces = {card.card_id: lay_out(face_content(house, card, stored)) for card in uow.cards.get_many(ids)}
        digests = {card_id: face.digest for card_id, face in faces.items() if isinstance(face, Face)}
        batch = _with_faces(a_batch(batch_id, uow.cards.get_many(ids), lot=f"L {batch_id}"), digests)
        uow.batches.add(batch)
        lot = {"lot": batch.lot, "batch_id": batch_id}
        uow.blanks.move(a_move(f"issue {batch_id}", "vault", "tray", count, **lot))
        assert uow.batches.to_state(batch_id, BatchState.FROZEN, BatchState.PRINTED)
        for place in batch.cards:
            uow.prints.add(place.card_id, batch_id, place.position)
            step(uow, place.card_id, CardState.PRINTED)
        uow.blanks.move(a_move(f"load {batch_id}", "tray", "machine", count, **lot))
    return ids


def _with_faces(batch: Batch, digests: dict[str, str]) -> Batch:
    cards: tuple[BatchCard, ...] = tuple(
        place.model_copy(update={"face_digest": digests[place.card_id]}) for place in batch.cards
    )
    return batch.model_copy(update={"cards": cards, "digest": batch_digest(cards), "frozen_at": NOON})


def encode(house: House) -> Tally:
    """The encode stage over all that waits, without the proof."""
    return run_stage(house, ENCODE[0])


def states(house: House, ids: list[str]) -> list[str]:
    """The cards' states, in the order of `ids`."""
    with house.store.read() as uow:
        return [card.state.value for card in uow.cards.get_many(ids)]


def encoder_of(house: House, card_id: str) -> str:
    """Which encoder finished the card, by its journal."""
    with house.store.read() as uow:
        return next(str(e.details["encoder"]) for e in uow.cards.events(card_id) if e.what == "encoded")
