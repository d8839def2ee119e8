"""The machine's clock and random source, and twins that give the same answers every time.

This is the only module outside other adapters that may read the wall clock or draw randomness.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class SteadyClock:
    """Stands still at `at` until told to move: the twin for tests, the demo and replays."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def advance(self, step: timedelta) -> None:
        self.at += step


class SystemEntropy:
    """The operating system's random source."""

    def draw(self, size: int) -> bytes:
        return secrets.token_bytes(size)


@dataclass
class SeededEntropy:
    """Reproducible bytes from a seed: the twin for tests and the simulator. Never for a real chip."""

    seed: bytes
    _drawn: int = field(default=0, init=False)

    def draw(self, size: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(self.seed + self._drawn.to_bytes(8, "big")).digest(size)
