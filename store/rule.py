"""What a rule of the audit is: a name, what it says, and how to find the rows that break it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from store.database import UnitOfWork
from store.ports import Blobs


@dataclass(frozen=True)
class Rule:
    """`says` is the invariant as a sentence; `broken` names every row that breaks it, with what is wrong there."""

    name: str
    says: str
    broken: Callable[[UnitOfWork, Blobs], Iterable[str]]
