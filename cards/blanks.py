"""Blank stock as double entry: every physical blank is in exactly one account and moves in pairs, like money.

Card production audits count blanks per step; a batch may close only when issued = good + spoiled + returned, and it
names who counted and who witnessed.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class BlankAccount(StrEnum):
    """Where a blank can be. `supplier` is the outside: what was ever delivered stands there as a negative."""

    SUPPLIER = "supplier"
    VAULT = "vault"
    TRAY = "tray"
    MACHINE = "machine"
    GOOD = "good"
    SPOILED = "spoiled"
    SAMPLE = "sample"
    RETURNED = "returned"
    DESTROYED = "destroyed"


class SpoilCause(StrEnum):
    """Why a blank was spoiled. What a chip says of itself is more exact and stands in the journal as it said it."""

    RIBBON = "ribbon"
    FEED = "feed"
    SMEAR = "smear"
    MISMATCH = "mismatch"
    OPERATOR = "operator"
    CHIP = "chip"


class BlankMove(BaseModel):
    """`count` blanks of one lot go from one account to another. `move_key` is unique: the same move happens once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    move_key: str
    at: datetime
    actor: str
    lot: str
    source: BlankAccount
    target: BlankAccount
    count: int = Field(gt=0)
    batch_id: str | None = None
    card_id: str | None = None
    cause: str | None = None


class BatchCount(BaseModel):
    """The closing count of a batch, by two people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_id: str
    issued: int
    good: int
    spoiled: int
    returned: int
    counted_by: str
    witnessed_by: str

    def balances(self) -> bool:
        return self.issued == self.good + self.spoiled + self.returned


def balances(moves: list[BlankMove]) -> dict[BlankAccount, int]:
    """Stock per account after `moves`. The sum over all accounts is always zero: the supplier holds the mirror."""
    stock = dict.fromkeys(BlankAccount, 0)
    for move in moves:
        stock[move.source] -= move.count
        stock[move.target] += move.count
    return stock
