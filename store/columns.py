"""Column types that read back the same from SQLite and PostgreSQL.

Text sorts by code point on both (PostgreSQL would otherwise follow the locale of its cluster, and a batch would be
ordered otherwise on another machine); instants are UTC text of fixed width; documents are canonical JSON.
"""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from cards.days import utc_text


def canonical(value: Any) -> str:
    """JSON in one spelling: sorted keys, no spaces, letters as they are."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _by_code_point(dialect: Dialect) -> TypeEngine[Any]:
    collation = "C" if dialect.name == "postgresql" else None
    return Text(collation=collation)


class Word(TypeDecorator[str]):
    """Text, also from a StrEnum (drivers do not agree on how to bind an enum)."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text by code point."""
        return _by_code_point(dialect)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Any string, as a plain one."""
        return None if value is None else str(value)


class Instant(TypeDecorator[datetime]):
    """An aware instant as `2026-11-23T08:00:00.000000Z`: microseconds, UTC, sorts as it should."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text by code point."""
        return _by_code_point(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To UTC text; a naive time has no place here."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a time zone cannot be kept")
        return utc_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Back to an aware instant in UTC."""
        return None if value is None else datetime.fromisoformat(value)


class Json(TypeDecorator[Any]):
    """A document as canonical JSON text. None is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To canonical text."""
        return None if value is None else canonical(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Back to dicts, lists and words."""
        return None if value is None else json.loads(value)
