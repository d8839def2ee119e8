"""Every invariant over database and blobs, each with the rows that break it: an empty list is the proof of the day."""

from pydantic import BaseModel, ConfigDict

from store import (
    rules_of_cards,
    rules_of_encoding,
    rules_of_faults,
    rules_of_money,
    rules_of_numbers,
    rules_of_packing,
    rules_of_papers,
    rules_of_returns,
    rules_of_stock,
    rules_of_stripe,
)
from store.database import Store, UnitOfWork
from store.ports import Blobs

RULES = (
    *rules_of_cards.RULES,
    *rules_of_encoding.RULES,
    *rules_of_faults.RULES,
    *rules_of_stock.RULES,
    *rules_of_packing.RULES,
    *rules_of_numbers.RULES,
    *rules_of_returns.RULES,
    *rules_of_money.RULES,
    *rules_of_papers.RULES,
    *rules_of_stripe.RULES,
)


class Violation(BaseModel):
    """A broken rule: its name, what it says, and every row that breaks it, with what is wrong there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    message: str
    rows: list[str]


def violations(store: Store, blobs: Blobs) -> list[Violation]:
    """All rules over one snapshot; those that are broken, in the order of the rules. Reads every document's bytes."""
    with store.read() as uow:
        return examine(uow, blobs)


def examine(uow: UnitOfWork, blobs: Blobs) -> list[Violation]:
    """As `violations`, within a unit of work that is open already."""
    found = ((rule, list(rule.broken(uow, blobs))) for rule in RULES)
    return [Violation(rule=rule.name, message=rule.says, rows=rows) for rule, rows in found if rows]
