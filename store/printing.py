"""Batches and prints: which cards lie where in a frozen batch, and on which attempt a card has a live print."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import RowMapping, Select, func, select, update

from cards.batch import Batch, BatchCard, BatchState
from cards.blanks import BatchCount
from cards.errors import Refused
from printing.models import PrintJob, PrintJobState
from store.blanks import Blanks
from store.tables import batch_cards, batches, print_jobs, prints
from store.transaction import Transaction

_BATCH_COLUMNS = [batches.c[name] for name in Batch.model_fields if name != "cards"]
_PLACE_COLUMNS = [batch_cards.c[name] for name in BatchCard.model_fields]


class Batches:
    """Frozen batches, from the freeze to the closing count by two people."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, batch: Batch) -> None:
        """Keep a frozen batch. Raises Refused `batch.card_taken` when one of its cards lies in another frozen batch,
        `batch.known` when the id is taken."""
        waiting = batch.state is BatchState.FROZEN
        with self._tx.whole():
            if not self._tx.insert_new(batches, batch.model_dump(exclude={"cards"})):
                raise Refused(
                    "batch.known", f"batch {batch.batch_id} exists already", fix="freeze again with a new number"
                )
            for place in batch.cards:
                row = {**place.model_dump(), "batch_id": batch.batch_id}
                if not self._tx.insert_new(batch_cards, {**row, "waiting": waiting and place.struck is None}):
                    raise _taken(place.card_id)

    def get(self, batch_id: str) -> Batch:
        """The batch with its places. Raises Refused `batch.unknown`."""
        found = self._all(select(*_BATCH_COLUMNS).where(batches.c.batch_id == batch_id))
        if not found:
            raise _unknown(batch_id)
        return found[0]

    def in_state(self, state: BatchState) -> list[Batch]:
        """Batches in `state`, by id."""
        return self._all(select(*_BATCH_COLUMNS).where(batches.c.state == state))

    def all(self) -> list[Batch]:
        """Every batch, by id."""
        return self._all(select(*_BATCH_COLUMNS))

    def counts(self) -> dict[str, int]:
        """How many batches stand in each state."""
        query = select(batches.c.state, func.count()).group_by(batches.c.state).order_by(batches.c.state)
        return {row[0]: row[1] for row in self._tx.connection.execute(query)}

    def _all(self, query: Select[Any]) -> list[Batch]:
        rows = self._tx.connection.execute(query.order_by(batches.c.batch_id)).mappings().all()
        places = self._places(query.with_only_columns(batches.c.batch_id))
        return [Batch.model_validate({**row, "cards": tuple(places[row["batch_id"]])}) for row in rows]

    def _places(self, ids: Select[Any]) -> dict[str, list[BatchCard]]:
        query = select(batch_cards.c.batch_id, *_PLACE_COLUMNS).where(batch_cards.c.batch_id.in_(ids))
        found: dict[str, list[BatchCard]] = defaultdict(list)
        for row in self._tx.connection.execute(
            query.order_by(batch_cards.c.batch_id, batch_cards.c.position)
        ).mappings():
            place = dict(row)
            found[place.pop("batch_id")].append(BatchCard.model_construct(**place))
        return found

    def strike(self, batch_id: str, card_id: str, why: str) -> None:
        """Take a card out of a frozen batch, with the reason. Striking it again changes nothing.

        Raises Refused `batch.not_frozen`, `batch.no_such_card`.
        """
        if self.get(batch_id).state is not BatchState.FROZEN:
            raise Refused(
                "batch.not_frozen",
                f"batch {batch_id} has been printed: no card can be struck from it",
                fix="spoil the card with `hsecard cards spoil` instead",
            )
        place = (batch_cards.c.batch_id == batch_id) & (batch_cards.c.card_id == card_id)
        strike = update(batch_cards).where(place).values(struck=func.coalesce(batch_cards.c.struck, why), waiting=False)
        if self._tx.connection.execute(strike).rowcount == 0:
            raise Refused(
                "batch.no_such_card",
                f"card {card_id} does not lie in batch {batch_id}",
                fix="look at the batch with `hsecard batches show`",
            )

    def drawn(self, batch_id: str, print_file: str | None, run_sheet: str | None, contact_sheet: str | None) -> None:
        """Note the blob keys of what was drawn (or, erased, None). Raises Refused `batch.unknown`."""
        files = {"print_file": print_file, "run_sheet": run_sheet, "contact_sheet": contact_sheet}
        change = update(batches).where(batches.c.batch_id == batch_id).values(files)
        if self._tx.connection.execute(change).rowcount == 0:
            raise _unknown(batch_id)

    def to_state(self, batch_id: str, before: BatchState, after: BatchState) -> bool:
        """Compare-and-set. False when the batch is no longer in `before`. A batch is closed by `close` alone."""
        if after is BatchState.CLOSED:
            raise ValueError("a batch is closed by its count")
        change = update(batches).where(batches.c.batch_id == batch_id, batches.c.state == before).values(state=after)
        if self._tx.connection.execute(change).rowcount == 0:
            return False
        if after is not BatchState.FROZEN:
            release = update(batch_cards).where(batch_cards.c.batch_id == batch_id, batch_cards.c.waiting)
            self._tx.connection.execute(release.values(waiting=False))
        return True

    def close(self, count: BatchCount) -> None:
        """Close a printed batch with its count. Raises Refused `batch.unknown`, `batch.same_person`,
        `batch.does_not_balance` (with itself, or with the blank ledger) and `batch.not_printed`."""
        self.get(count.batch_id)
        if count.counted_by.strip().casefold() == count.witnessed_by.strip().casefold():
            raise Refused(
                "batch.same_person",
                f"{count.counted_by} cannot witness their own count",
                field="witnessed_by",
                fix="let a second person count the blanks and sign as witness",
            )
        self._compare(count)
        change = update(batches).where(batches.c.batch_id == count.batch_id, batches.c.state == BatchState.PRINTED)
        values = count.model_dump(exclude={"batch_id"}) | {"state": BatchState.CLOSED, "closed_at": self._tx.now()}
        if self._tx.connection.execute(change.values(values)).rowcount == 0:
            raise Refused(
                "batch.not_printed",
                f"batch {count.batch_id} is not open for counting",
                fix="count a batch after its run is printed, and once",
            )

    def _compare(self, count: BatchCount) -> None:
        ledger = Blanks(self._tx).tally(count.batch_id)
        counted = count.model_dump(include=set(ledger))
        if not count.balances() or counted != ledger:
            says = ", ".join(f"{name} {number}" for name, number in ledger.items())
            raise Refused(
                "batch.does_not_balance",
                f"the count of {count.batch_id} is not what the blank ledger says ({says})",
                fix="count again; a blank that cannot be found is moved to spoiled with its cause first",
            )


class Prints:
    """Attempts to print a card. At most one of them is live."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, card_id: str, batch_id: str, position: int) -> int:
        """A card lies printed at this place: answers which attempt it is, from 1.

        Raises Refused `print.already_live` when an earlier print was not spoiled.
        """
        last = select(func.coalesce(func.max(prints.c.attempt), 0)).where(prints.c.card_id == card_id)
        attempt = int(self._tx.connection.scalar(last) or 0) + 1
        row = {"card_id": card_id, "attempt": attempt, "batch_id": batch_id, "position": position, "live": True}
        if not self._tx.insert_new(prints, row):
            raise Refused(
                "print.already_live",
                f"card {card_id} has a printed blank already",
                fix="spoil that blank first with `hsecard cards spoil`",
            )
        return attempt

    def spoil(self, card_id: str, cause: str) -> None:
        """The live print of the card is no good any more. Raises Refused `print.none_live`."""
        change = update(prints).where(prints.c.card_id == card_id, prints.c.live)
        spoiled = change.values(live=False, spoiled_cause=cause, outcome="spoiled", outcome_at=self._tx.now())
        if self._tx.connection.execute(spoiled).rowcount == 0:
            raise Refused(
                "print.none_live", f"card {card_id} has no printed blank", fix="look at it with `hsecard cards show`"
            )

    def judge_good(self, batch_id: str, positions: Collection[int], *, by: str) -> int:
        """Somebody looked at the live prints at these places and found them good. How many had not been judged."""
        here = (prints.c.batch_id == batch_id) & prints.c.position.in_(positions)
        unjudged = update(prints).where(here, prints.c.live, prints.c.outcome.is_(None))
        good = unjudged.values(outcome="good", outcome_by=by, outcome_at=self._tx.now())
        return self._tx.connection.execute(good).rowcount

    def of_batch(self, batch_id: str) -> list[RowMapping]:
        """The prints of a batch by place (card_id, attempt, position, live, spoiled_cause, outcome, …)."""
        query = select(prints).where(prints.c.batch_id == batch_id).order_by(prints.c.position)
        return list(self._tx.connection.execute(query).mappings())

    def live(self, card_id: str) -> RowMapping | None:
        """The live print (card_id, attempt, batch_id, position, live, spoiled_cause), or None."""
        query = select(prints).where(prints.c.card_id == card_id, prints.c.live)
        return self._tx.connection.execute(query).mappings().one_or_none()

    def attempts(self, card_id: str) -> list[RowMapping]:
        """Every print of the card, first to last."""
        query = select(prints).where(prints.c.card_id == card_id).order_by(prints.c.attempt)
        return list(self._tx.connection.execute(query).mappings())


def _taken(card_id: str) -> Refused:
    return Refused(
        "batch.card_taken",
        f"card {card_id} lies in another frozen batch",
        fix="nothing to do: the other batch prints it",
    )


def _unknown(batch_id: str) -> Refused:
    return Refused("batch.unknown", f"there is no batch {batch_id!r}", fix="see `hsecard batches list`")


JOB_OVER = (PrintJobState.DONE, PrintJobState.TOLD)
"""Nothing more is to be found out about such a job."""
_JOB_OPEN = (PrintJobState.ASKED, PrintJobState.ACCEPTED, PrintJobState.STOPPED)
_JOB_UNFINISHED = (*_JOB_OPEN[1:], PrintJobState.ABORTED, PrintJobState.FORGOTTEN)


class PressJob(BaseModel):
    """What the house knows of a batch's job at the printer. `asked_at` is the instant before it was last sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    batch_id: str
    asked_at: datetime
    state: PrintJobState
    reference: str | None = None
    reason: str | None = None
    seen_at: datetime | None = None


class PrintJobs:
    """The jobs at the printer, one a batch, from the asking to the end."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def ask(self, key: str, batch_id: str) -> None:
        """The batch is about to be sent; again only when the printer took nothing the last time."""
        row = {"key": key, "batch_id": batch_id, "asked_at": self._tx.now(), "state": PrintJobState.ASKED}
        if not self._tx.insert_new(print_jobs, row):
            asked = update(print_jobs).where(print_jobs.c.key == key, print_jobs.c.state == PrintJobState.ASKED)
            self._tx.connection.execute(asked.values(asked_at=self._tx.now()))

    def note(self, job: PrintJob) -> bool:
        """What the printer says of an open job. False when its end was noted before."""
        change = update(print_jobs).where(print_jobs.c.key == job.key, print_jobs.c.state.in_(_JOB_OPEN))
        values = {"state": job.state, "reference": job.reference, "reason": job.reason, "seen_at": self._tx.now()}
        return self._tx.connection.execute(change.values(values)).rowcount == 1

    def told(self, key: str) -> bool:
        """A person told what came out of a job that has no end of its own. False when it has."""
        without_end = print_jobs.c.state.not_in(JOB_OVER)
        change = update(print_jobs).where(print_jobs.c.key == key, without_end)
        return self._tx.connection.execute(change.values(state=PrintJobState.TOLD, seen_at=self._tx.now())).rowcount > 0

    def find(self, key: str) -> PressJob | None:
        """The job, or None when nothing was ever sent under `key`."""
        row = self._tx.connection.execute(select(print_jobs).where(print_jobs.c.key == key)).mappings().one_or_none()
        return None if row is None else PressJob.model_validate(dict(row))

    def all(self) -> list[PressJob]:
        """Every job, by batch."""
        return self._all(select(print_jobs))

    def unfinished(self) -> list[PressJob]:
        """Jobs that the printer took and that are neither done nor told, by batch."""
        return self._all(select(print_jobs).where(print_jobs.c.state.in_(_JOB_UNFINISHED)))

    def counts(self) -> dict[str, int]:
        """How many jobs stand in each state."""
        query = select(print_jobs.c.state, func.count()).group_by(print_jobs.c.state).order_by(print_jobs.c.state)
        return {row[0]: row[1] for row in self._tx.connection.execute(query)}

    def _all(self, query: Select[Any]) -> list[PressJob]:
        rows = self._tx.connection.execute(query.order_by(print_jobs.c.batch_id)).mappings()
        return [PressJob.model_validate(dict(row)) for row in rows]
