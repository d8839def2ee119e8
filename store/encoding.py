"""The encoding queue in the database: whose encoder it is now, who works on which card, who failed on it.

A run claims an encoder for a time and renews the claim with every card; a card is taken under such a claim. A run that
dies lets its claims and cards go when that time is over, or when a person starts the encoder anew.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Exists, Select, delete, exists, func, select, update

from cards.errors import Refused
from store.encoder_tables import chip_quarantines, encode_leases, encode_tries, encoders
from store.transaction import Transaction


class EncoderState(StrEnum):
    """A stopped encoder takes no card until a person starts it."""

    RUNNING = "running"
    STOPPED = "stopped"


class EncoderRow(BaseModel):
    """How an encoder stands; `holder` is the run that has it until `held_until`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: EncoderState = EncoderState.RUNNING
    failures_in_a_row: int = 0
    why: str | None = None
    changed_by: str | None = None
    changed_at: datetime | None = None
    holder: str | None = None
    held_until: datetime | None = None


class Try(BaseModel):
    """An encoder that could not finish a card of a batch, how often, and why the last time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card_id: str
    batch_id: str
    encoder: str
    tries: int
    cause: str
    last_at: datetime


class QuarantineState(StrEnum):
    """Open until a person asks for its release and another one grants it, or until the blank is spoiled."""

    OPEN = "open"
    ASKED = "asked"
    RELEASED = "released"
    SPOILED = "spoiled"


class Quarantine(BaseModel):
    """A card put aside since its chip is not what it should be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card_id: str
    round: int
    batch_id: str
    uid: str | None
    encoder: str
    step: str | None
    cause: str
    state: QuarantineState
    found_at: datetime
    asked_by: str | None
    asked_at: datetime | None
    why: str | None
    released_by: str | None
    closed_at: datetime | None


_QUARANTINE = [chip_quarantines.c[name] for name in Quarantine.model_fields]


def _person(name: str) -> str:
    return " ".join(name.split()).casefold()


class Encoding:
    """Encoders, who has them, who has which card, and what came of it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    # --- encoders ---------------------------------------------------------------------------------------------------

    def encoder(self, name: str) -> EncoderRow:
        """How the encoder stands; one that was never used is running."""
        row = self._tx.connection.execute(select(encoders).where(encoders.c.name == name)).mappings().one_or_none()
        return EncoderRow.model_validate(dict(row)) if row else EncoderRow(name=name)

    def _known(self, name: str) -> None:
        self._tx.insert_new(encoders, {"name": name, "state": EncoderState.RUNNING, "failures_in_a_row": 0})

    def claim(self, name: str, holder: str, until: datetime) -> bool:
        """Have the encoder, or have it for longer. False when it is stopped, or another run has it."""
        self._known(name)
        e = encoders.c
        free = e.holder.is_(None) | (e.holder == holder) | (e.held_until < self._tx.now())
        change = update(encoders).where(e.name == name, e.state == EncoderState.RUNNING, free)
        return self._tx.connection.execute(change.values(holder=holder, held_until=until)).rowcount == 1

    def let_go(self, name: str, holder: str) -> None:
        """Give the encoder back, and with it every card that was taken on it."""
        mine = (encoders.c.name == name) & (encoders.c.holder == holder)
        self._tx.connection.execute(update(encoders).where(mine).values(holder=None, held_until=None))
        leases = encode_leases.c
        gone = delete(encode_leases).where(leases.encoder == name, leases.holder == holder)
        self._tx.connection.execute(gone)

    def stop(self, name: str, *, why: str, by: str) -> bool:
        """No card any more on this encoder until somebody starts it. False when it is stopped already."""
        self._known(name)
        here = (encoders.c.name == name) & (encoders.c.state == EncoderState.RUNNING)
        values = {"state": EncoderState.STOPPED, "why": why, "changed_by": by, "changed_at": self._tx.now()}
        return self._tx.connection.execute(update(encoders).where(here).values(values)).rowcount == 1

    def start(self, name: str, *, by: str) -> None:
        """Let the encoder work: its failures are forgotten, and a run that still seems to have it has lost it."""
        self._known(name)
        values = {"state": EncoderState.RUNNING, "why": None, "changed_by": by, "changed_at": self._tx.now()}
        free = {"failures_in_a_row": 0, "holder": None, "held_until": None}
        self._tx.connection.execute(update(encoders).where(encoders.c.name == name).values(**values, **free))

    def count_failure(self, name: str) -> int:
        """One card more in a row failed on this encoder; how many it is now."""
        more = update(encoders).where(encoders.c.name == name)
        self._tx.connection.execute(more.values(failures_in_a_row=encoders.c.failures_in_a_row + 1))
        return self.encoder(name).failures_in_a_row

    def count_success(self, name: str) -> None:
        """A card was finished on this encoder: it is not the encoder that fails."""
        here = (encoders.c.name == name) & (encoders.c.failures_in_a_row > 0)
        self._tx.connection.execute(update(encoders).where(here).values(failures_in_a_row=0))

    # --- cards ------------------------------------------------------------------------------------------------------

    def take(self, card_id: str, batch_id: str, *, encoder: str, holder: str) -> bool:
        """Take a card to an encoder. False while another run has it that is alive."""
        row: dict[str, Any] = {"card_id": card_id, "batch_id": batch_id, "encoder": encoder, "holder": holder}
        row["taken_at"] = self._tx.now()
        if self._tx.insert_new(encode_leases, row):
            return True
        leases = encode_leases.c
        free = (leases.card_id == card_id) & ((leases.holder == holder) | ~self._alive())
        return self._tx.connection.execute(update(encode_leases).where(free).values(row)).rowcount == 1

    def _alive(self) -> Exists:
        """The run that took the card still has the encoder on which it took it."""
        same = (encoders.c.name == encode_leases.c.encoder) & (encoders.c.holder == encode_leases.c.holder)
        return exists().where(same & (encoders.c.held_until >= self._tx.now()))

    def holds(self, card_id: str, holder: str) -> bool:
        """True while the card is this run's: nobody took it over."""
        mine = (encode_leases.c.card_id == card_id) & (encode_leases.c.holder == holder)
        return self._tx.connection.scalar(select(encode_leases.c.card_id).where(mine).with_for_update()) is not None

    def put_back(self, card_id: str, holder: str) -> None:
        """The card lies in the queue again, or is done."""
        mine = (encode_leases.c.card_id == card_id) & (encode_leases.c.holder == holder)
        self._tx.connection.execute(delete(encode_leases).where(mine))

    def taken(self, batch_id: str, *, but_by: str = "") -> frozenset[str]:
        """Cards of the batch that other runs than `but_by` work on now."""
        others = (encode_leases.c.batch_id == batch_id) & (encode_leases.c.holder != but_by) & self._alive()
        return frozenset(self._tx.connection.scalars(select(encode_leases.c.card_id).where(others)))

    def note_try(self, card_id: str, batch_id: str, *, encoder: str, cause: str) -> None:
        """The encoder could not finish the card, which goes back to the queue."""
        row = {"card_id": card_id, "batch_id": batch_id, "encoder": encoder}
        t = encode_tries.c
        if self._tx.insert_new(encode_tries, {**row, "tries": 1, "cause": cause, "last_at": self._tx.now()}):
            return
        here = (t.card_id == card_id) & (t.batch_id == batch_id) & (t.encoder == encoder)
        values = {"tries": t.tries + 1, "cause": cause, "last_at": self._tx.now()}
        self._tx.connection.execute(update(encode_tries).where(here).values(values))

    def tries(self, batch_id: str) -> list[Try]:
        """Who failed on which card of the batch."""
        query = select(encode_tries).where(encode_tries.c.batch_id == batch_id)
        rows = self._tx.connection.execute(query.order_by(encode_tries.c.card_id, encode_tries.c.encoder))
        return [Try.model_validate(dict(row)) for row in rows.mappings()]

    # --- quarantine -------------------------------------------------------------------------------------------------

    def quarantine(
        self, card_id: str, batch_id: str, *, uid: str | None, encoder: str, step: str | None, cause: str
    ) -> None:
        """Put a card aside. One that is in quarantine stays as it is."""
        query = select(func.count()).where(chip_quarantines.c.card_id == card_id)
        row: dict[str, Any] = {"card_id": card_id, "batch_id": batch_id, "uid": uid, "encoder": encoder}
        row |= {"step": step, "cause": cause, "round": int(self._tx.connection.scalar(query) or 0) + 1}
        self._tx.insert_new(chip_quarantines, {**row, "state": QuarantineState.OPEN, "found_at": self._tx.now()})

    def quarantined(self, card_id: str) -> Quarantine | None:
        """The card's quarantine that is not closed, or None."""
        found = self._quarantines(select(*_QUARANTINE).where(self._unclosed(card_id)))
        return found[0] if found else None

    def quarantines(self) -> list[Quarantine]:
        """All that are not closed, oldest first."""
        return self._quarantines(select(*_QUARANTINE).where(chip_quarantines.c.closed_at.is_(None)))

    def ask_release(self, card_id: str, *, by: str, why: str) -> None:
        """The first of two persons. Asked again, the later word counts."""
        values = {"state": QuarantineState.ASKED, "asked_by": by, "asker": _person(by), "why": why}
        change = update(chip_quarantines).where(self._unclosed(card_id))
        self._tx.connection.execute(change.values(**values, asked_at=self._tx.now()))

    def release(self, card_id: str, *, by: str) -> bool:
        """The second person. False when nobody has asked yet. Raises Refused `chip.same_person`; the database itself
        refuses one who asked."""
        found = self.quarantined(card_id)
        if found is None or found.asked_by is None:
            return False
        if _person(by) == _person(found.asked_by):
            raise Refused(
                "chip.same_person",
                f"{by} asked for the release of {card_id} and cannot grant it",
                field="by",
                fix="let another person look at the chip and release it",
            )
        values = {"state": QuarantineState.RELEASED, "released_by": by, "releaser": _person(by)}
        here = self._unclosed(card_id) & (chip_quarantines.c.state == QuarantineState.ASKED)
        change = update(chip_quarantines).where(here).values(**values, closed_at=self._tx.now())
        return self._tx.connection.execute(change).rowcount == 1

    def forget(self, card_id: str) -> None:
        """The card's blank is gone: nobody works on it any more, and nothing is left to release."""
        self._tx.connection.execute(delete(encode_leases).where(encode_leases.c.card_id == card_id))
        values = {"state": QuarantineState.SPOILED, "closed_at": self._tx.now()}
        self._tx.connection.execute(update(chip_quarantines).where(self._unclosed(card_id)).values(values))

    def _unclosed(self, card_id: str) -> Any:
        return (chip_quarantines.c.card_id == card_id) & chip_quarantines.c.closed_at.is_(None)

    def _quarantines(self, query: Select[Any]) -> list[Quarantine]:
        ordered = query.order_by(chip_quarantines.c.found_at, chip_quarantines.c.card_id)
        return [Quarantine.model_validate(dict(row)) for row in self._tx.connection.execute(ordered).mappings()]
