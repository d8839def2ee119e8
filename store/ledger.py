"""The ledger: postings that sum to zero and never change, and the months that take none any more.

A month is locked with all before it, once it is over. What is dated into a locked month is booked on the first open
day and keeps its own (bokføringsloven § 7: what was reported stays as it was reported).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Select, func, insert, or_, select, text

from billing.models import LedgerEntry
from cards.days import oslo_day
from cards.errors import Refused
from store.ledger_tables import ledger_locks
from store.tables import ledger_entries
from store.transaction import Transaction

_POSTING_LOCK = 4_711_2027  # the triggers of PostgreSQL take the same one
_IN_ONE_QUESTION = 500


@dataclass(frozen=True, slots=True)
class PeriodLock:
    """A locked month (`2026-10`): no day up to `until` takes a posting. Who locked it, and when."""

    month: str
    until: date
    locked_by: str
    locked_at: datetime


class Ledger:
    """Double entry: postings that sum to zero and never change."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def post(self, entries: Sequence[LedgerEntry]) -> None:
        """Post whole postings; what is dated into a locked month is booked on the first open day, its own kept.

        Raises Refused `ledger.unbalanced`, `ledger.posted_before`; then nothing is posted.
        """
        rows = [entry.model_dump() for entry in sorted(entries, key=lambda entry: (entry.posting, entry.position))]
        if not rows:
            return
        for posting, sides in groupby(rows, key=lambda row: row["posting"]):
            _refuse_unbalanced(posting, sum(side["amount_ore"] for side in sides))
        self._refuse_repeated(sorted({row["posting"] for row in rows}))
        self._hold("pg_advisory_xact_lock_shared")
        open_from, entered_at = self.open_from(), self._tx.now()
        for row in rows:
            row["entered_at"] = entered_at
            if open_from is not None and row["booked_on"] < open_from:
                row |= {"dated_on": row["dated_on"] or row["booked_on"], "booked_on": open_from}
        self._tx.connection.execute(insert(ledger_entries), rows)

    def _hold(self, lock: str) -> None:
        """Postings share a lock that locking a month waits for; SQLite has one writer anyway."""
        if self._tx.connection.dialect.name == "postgresql":
            self._tx.connection.execute(text(f"SELECT {lock}({_POSTING_LOCK})"))

    def _refuse_repeated(self, postings: Sequence[str]) -> None:
        for start in range(0, len(postings), _IN_ONE_QUESTION):
            some = postings[start : start + _IN_ONE_QUESTION]
            known = select(ledger_entries.c.posting).where(ledger_entries.c.posting.in_(some)).limit(1)
            if (posting := self._tx.connection.scalar(known)) is not None:
                raise Refused(
                    "ledger.posted_before",
                    f"posting {posting} was made before",
                    fix="nothing to do: it is in the ledger; a correction is a new posting",
                )

    def entries(
        self, account: str | None = None, *, since: date | None = None, until: date | None = None
    ) -> list[LedgerEntry]:
        """The entries in the order of day, posting and position; of one account, of booking days, when given."""
        query = _between(select(*_ENTRY), since, until)
        if account is not None:
            query = query.where(ledger_entries.c.account == account)
        order = (ledger_entries.c.booked_on, ledger_entries.c.posting, ledger_entries.c.position)
        rows = self._tx.connection.execute(query.order_by(*order)).mappings()
        return [LedgerEntry.model_validate(dict(row)) for row in rows]

    def balances(self, *, until: date | None = None) -> dict[str, int]:
        """Øre per account, up to and with a booking day when given; debits positive. They sum to zero."""
        return dict(self._sums(ledger_entries.c.account, None, until))

    def total(self, account: str, *kinds: str) -> int:
        """Øre on an account from postings of these kinds: the words before a posting's first colons (`refund:`)."""
        entry = ledger_entries.c
        named = or_(*(entry.posting.startswith(kind, autoescape=True) for kind in kinds))
        query = select(func.coalesce(func.sum(entry.amount_ore), 0)).where(entry.account == account, named)
        return int(self._tx.connection.scalar(query) or 0)

    def by_document(self, account: str, *, until: date | None = None, kind: str | None = None) -> dict[str, int]:
        """Øre per document of one account, where it is not nothing; of one kind of posting (`set_off`) when given."""
        found = self._sums(ledger_entries.c.document, account, until, kind)
        return {document: ore for document, ore in found if ore}

    def by_day_and_code(self, account: str, *, until: date | None = None) -> dict[tuple[date, str | None], int]:
        """Øre per booking day and VAT code of one account."""
        key = (ledger_entries.c.booked_on, ledger_entries.c.vat_code)
        query = _between(select(*key, func.sum(ledger_entries.c.amount_ore)), None, until)
        grouped = query.where(ledger_entries.c.account == account).group_by(*key).order_by(*key)
        return {(day, code): int(ore) for day, code, ore in self._tx.connection.execute(grouped)}

    def _sums(
        self, key: Any, account: str | None, until: date | None, kind: str | None = None
    ) -> Iterable[tuple[str, int]]:
        query = _between(select(key, func.sum(ledger_entries.c.amount_ore)), None, until)
        if account is not None:
            query = query.where(ledger_entries.c.account == account)
        if kind is not None:
            query = query.where(ledger_entries.c.posting.startswith(f"{kind}:", autoescape=True))
        grouped = query.group_by(key).order_by(key)
        return ((name, int(ore)) for name, ore in self._tx.connection.execute(grouped))

    # --- months ------------------------------------------------------------------------------------------------

    def lock(self, month: str, *, by: str) -> PeriodLock:
        """Lock a month that is over, and all before it, for ever. A month that is locked stays as it was locked.

        Raises Refused `ledger.month_unknown` (`2026-10` is how a month is written), `ledger.month_running`.
        """
        until = _last_day(month)
        month = f"{until:%Y-%m}"
        today = oslo_day(self._tx.now())
        if until >= today:
            raise Refused(
                "ledger.month_running",
                f"{month} is not over: its last day is {until}, today is {today}",
                field="month",
                fix="lock it from the first day of the next month on",
            )
        self._hold("pg_advisory_xact_lock")
        covering = [lock for lock in self.locks() if lock.until >= until]
        if covering:
            return covering[0]
        made = PeriodLock(month=month, until=until, locked_by=by, locked_at=self._tx.now())
        values = {"month": month, "until": until, "locked_by": by, "locked_at": made.locked_at}
        self._tx.connection.execute(insert(ledger_locks), values)
        return made

    def locks(self) -> list[PeriodLock]:
        """Every lock, earliest month first."""
        rows = self._tx.connection.execute(select(ledger_locks).order_by(ledger_locks.c.until)).mappings()
        return [PeriodLock(**row) for row in rows]

    def open_from(self) -> date | None:
        """The first day that takes a posting; None while no month is locked."""
        until = self._tx.connection.scalar(select(func.max(ledger_locks.c.until)))
        return None if until is None else until + timedelta(days=1)


_ENTRY = tuple(column for column in ledger_entries.c if column.name in LedgerEntry.model_fields)


def _between(query: Select[Any], since: date | None, until: date | None) -> Select[Any]:
    if since is not None:
        query = query.where(ledger_entries.c.booked_on >= since)
    return query if until is None else query.where(ledger_entries.c.booked_on <= until)


def _refuse_unbalanced(posting: str, total_ore: int) -> None:
    if total_ore != 0:
        raise Refused(
            "ledger.unbalanced",
            f"posting {posting} is off by {total_ore} øre",
            fix="debits and credits of one posting must be equal: report this fault of the program",
        )


def _last_day(month: str) -> date:
    try:
        first = datetime.strptime(month, "%Y-%m").date()  # noqa: DTZ007 -- a month has no zone
    except ValueError:
        raise Refused(
            "ledger.month_unknown",
            f"{month!r} is no month",
            field="month",
            fix="write year and month, as in 2026-10",
        ) from None
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
