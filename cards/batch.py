"""A batch: a frozen list of cards with a digest. What changes after the freeze goes into the next batch."""

import hashlib
import json
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

BATCH_CARDS_MAX = 500  # reportlab keeps a whole file in memory; files above this cost more than they save


class BatchState(StrEnum):
    """`frozen` → `printed` (all accepted by the printer) → `closed` (counted and witnessed)."""

    FROZEN = "frozen"
    PRINTED = "printed"
    CLOSED = "closed"


class BatchCard(BaseModel):
    """One place in a batch: position from 1, the card, and what its face says (`face_digest`).

    `struck` gives the reason why a card was taken out before printing; a struck card uses no blank.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: int
    card_id: str
    number: str
    face_digest: str
    struck: str | None = None


class Batch(BaseModel):
    """A frozen list of cards. `print_file`, `run_sheet`, `contact_sheet` are blob keys once drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_id: str
    frozen_at: datetime
    frozen_by: str
    state: BatchState
    lot: str
    cards: tuple[BatchCard, ...]
    digest: str
    print_file: str | None = None
    run_sheet: str | None = None
    contact_sheet: str | None = None


def batch_digest(cards: tuple[BatchCard, ...]) -> str:
    """SHA-256 over positions, numbers and faces: two batches with one digest print the same cards."""
    rows = [[card.position, card.card_id, card.number, card.face_digest] for card in cards]
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()
