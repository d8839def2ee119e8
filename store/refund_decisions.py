"""What a person decided on a refund that came to nothing: tried again under a new key, or paid from the bank."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select

from cards.errors import Refused
from store.stripe_tables import refund_decisions
from store.transaction import Transaction

How = Literal["again", "bank"]


@dataclass(frozen=True, slots=True)
class RefundDecision:
    """`key` is the effect that came to nothing, `next_key` the one that tries again."""

    key: str
    how: How
    next_key: str | None
    decided_by: str
    decided_at: datetime


class RefundDecisions:
    """Decisions, each made once."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def get(self, key: str) -> RefundDecision | None:
        """What was decided on the effect, or None."""
        query = select(refund_decisions).where(refund_decisions.c.key == key)
        row = self._tx.connection.execute(query).mappings().one_or_none()
        return None if row is None else RefundDecision(**row)

    def add(self, key: str, how: How, *, next_key: str | None, by: str) -> None:
        """Keep a decision. Raises Refused `refund.decided` when there is one."""
        row = {"key": key, "how": how, "next_key": next_key, "decided_by": by, "decided_at": self._tx.now()}
        if not self._tx.insert_new(refund_decisions, row):
            raise Refused(
                "refund.decided",
                f"somebody decided on {key} before",
                fix="see `hsecard payments failed` for what still waits",
            )
