"""What a repository works with: one open transaction, the clock, and the two ways of writing that both databases share.

PostgreSQL ends a transaction at the first error, SQLite does not; so a repository never runs into an index to find out
that a row exists, it inserts where nothing is and looks at the count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, NestedTransaction, Table
from sqlalchemy.dialects import postgresql, sqlite

from cards.ports import Clock


@dataclass(frozen=True, slots=True)
class Transaction:
    """One open database transaction, the clock that stamps what is written in it, and whether it may write."""

    connection: Connection
    clock: Clock
    writing: bool

    def now(self) -> datetime:
        """The present instant."""
        return self.clock.now()

    def insert_new(self, table: Table, values: dict[str, Any]) -> bool:
        """Insert a row unless a unique index already holds one like it. True when it is new."""
        dialect = postgresql if self.connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
        return self.connection.execute(statement, values).rowcount == 1

    def insert_many_new(self, table: Table, rows: Sequence[dict[str, Any]]) -> bool:
        """Insert rows at once. False when a unique index held one like any of them: those were left out."""
        dialect = postgresql if self.connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
        return not rows or self.connection.execute(statement, list(rows)).rowcount == len(rows)

    def whole(self) -> NestedTransaction:
        """A savepoint for writes of several rows: an error inside leaves none of them, even when it is caught."""
        return self.connection.begin_nested()
