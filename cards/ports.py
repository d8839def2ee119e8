"""What the house takes from the world around it instead of reaching for it: the time and chance."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where every timestamp comes from."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class Entropy(Protocol):
    """Where every random byte comes from."""

    def draw(self, size: int) -> bytes:
        """`size` unpredictable bytes."""
        ...
