"""What happens at a boundary: the places where a process can die, lose an answer, or find that it runs twice.

Every port and every transaction of a House is watched. A boundary lies before each act towards the outside, after it,
before each commit and after it.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from flows.house import House

WATCHED_PORTS = ("blobs", "printer", "carrier", "payments", "mail", "doorbell")


@dataclass
class Fate:
    """Counts boundaries and lets `happens` act at each; `happens(number, name)` may copy, raise or run something."""

    happens: Callable[[int, str], None]
    reached: list[str] = field(default_factory=list)

    def reach(self, name: str) -> None:
        self.reached.append(name)
        self.happens(len(self.reached), name)


class WatchedPort:
    """A port whose calls pass through fate, before and after the act."""

    def __init__(self, port: Any, name: str, fate: Fate) -> None:
        self._port, self._name, self._fate = port, name, fate

    def __getattr__(self, method: str) -> Any:
        attribute = getattr(self._port, method)
        if not inspect.ismethod(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            self._fate.reach(f"before {self._name}.{method}")
            answer = attribute(*args, **kwargs)
            self._fate.reach(f"after {self._name}.{method}")
            return answer

        return call


class WatchedStore:
    """A store whose transactions pass through fate before and after their commit."""

    def __init__(self, store: Any, fate: Fate) -> None:
        self._store, self._fate = store, fate
        self.read, self.close = store.read, store.close

    @contextmanager
    def begin(self) -> Iterator[Any]:
        with self._store.begin() as uow:
            yield uow
            self._fate.reach("before commit")
        self._fate.reach("after commit")


class WatchedEncoder:
    """An encoder whose chips pass through fate at every exchange."""

    def __init__(self, encoder: Any, fate: Fate, *, every: int) -> None:
        self._encoder, self._fate, self._every = encoder, fate, every
        self.name = encoder.name

    @contextmanager
    def present(self, tray: str, position: int) -> Iterator[Any]:
        with self._encoder.present(tray, position) as transport:
            yield _WatchedTransport(transport, self._fate, self._every)


class _WatchedTransport:
    def __init__(self, transport: Any, fate: Fate, every: int) -> None:
        self._transport, self._fate, self._every, self._count = transport, fate, every, 0

    def transmit(self, apdu: bytes) -> bytes:
        self._count += 1
        watched = self._count % self._every == 0
        if watched:
            self._fate.reach(f"before chip exchange {self._count}")
        answer = self._transport.transmit(apdu)
        if watched:
            self._fate.reach(f"after chip exchange {self._count}")
        return answer


def watched(house: House, fate: Fate, *, chip_every: int = 5) -> House:
    """The same house, every port and transaction of it watched by `fate`; chips at each `chip_every`-th exchange."""
    ports = {name: WatchedPort(getattr(house, name), name, fate) for name in WATCHED_PORTS}
    encoders = tuple(WatchedEncoder(encoder, fate, every=chip_every) for encoder in house.encoders)
    return replace(house, store=WatchedStore(house.store, fate), encoders=encoders, **ports)
