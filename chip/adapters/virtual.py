"""The embedded chip encoder: a feeder full of virtual chips, each the same every time its place is presented.

With a folder, what happens to a chip outlives the process: another one, a reader at a door or the console, opens it by
place or by UID. Every change is on disk before its answer is given, as it would be on a chip.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cards.errors import Refused, Unavailable
from chip.adapters.virtual_card import VirtualCard
from chip.adapters.virtual_faults import Presented, shape
from chip.adapters.virtual_memory import Memory, factory_chip, seal_key, sealed, unsealed
from chip.faults import Fault, FaultKind

__all__ = ["Fault", "FaultKind", "VirtualCard", "VirtualEncoder"]


class _ChipEntropy:
    """Challenges of one presentation, from the chip's own seed."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._drawn = 0

    def draw(self, size: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(self._seed + self._drawn.to_bytes(4, "big")).digest(size)


class VirtualEncoder:
    """`chip.ports.Encoder` over virtual chips of EV`generation` (1, 2 or 3).

    Chips depend on `seed`, tray and position, not on the encoder's name, so a tray may go to another encoder. Without
    a `folder` they live as long as this object. `faults` strike by (tray, position).
    """

    def __init__(
        self,
        name: str,
        *,
        seed: bytes,
        folder: Path | None = None,
        faults: Mapping[tuple[str, int], Fault] | None = None,
        generation: int = 3,
        latency_s: float = 0.0,
    ) -> None:
        self._name = name
        self._seed = seed
        self._seal_key = seal_key(seed)
        self._folder = folder
        self._faults = dict(faults or {})
        self._generation = generation
        self._latency_s = latency_s
        self._in_memory: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"VirtualEncoder({self._name!r})"

    @property
    def name(self) -> str:
        return self._name

    def look(self) -> None:
        """It is always there; what its folder lacks shows when a chip is presented."""

    def uid_at(self, tray: str, position: int) -> str:
        """The UID (14 hex digits) of the chip at a place: 04, then six bytes that follow from seed, tray, position."""
        place = b"\x00".join([b"uid", self._seed, tray.encode(), str(position).encode()])
        return "04" + hashlib.sha256(place).hexdigest()[:12].upper()

    def plant(self, tray: str, position: int, fault: Fault | None) -> None:
        """From the next presentation on, this place has this fault, or none. Its presentations count from the first."""
        if fault is None:
            self._faults.pop((tray, position), None)
        else:
            self._faults[(tray, position)] = fault

    @contextmanager
    def present(self, tray: str, position: int) -> Iterator[Presented]:
        """Powers the chip at that place. Unavailable `chip.no_reader` when the folder cannot be used."""
        uid = self.uid_at(tray, position)
        memory = self._recalled(uid)
        fault = self._faults.get((tray, position))
        if memory is None:
            memory = factory_chip(bytes.fromhex(uid), generation=self._generation)
            if fault is not None:
                shape(memory, fault)
        with self._powered(memory, fault) as presented:
            yield presented

    @contextmanager
    def present_uid(self, uid: str) -> Iterator[Presented]:
        """Powers a chip that was presented before, by its UID. Refused `chip.no_such_chip` when there is none."""
        memory = self._recalled(uid.upper()) if _is_uid(uid) else None
        if memory is None:
            raise Refused(
                "chip.no_such_chip",
                f"no virtual chip {uid!r} was ever presented here",
                fix="give the 14 hex digits that `hsecard cards show` prints as the card's chip",
                field="uid",
            )
        with self._powered(memory, None) as presented:
            yield presented

    @contextmanager
    def _powered(self, memory: Memory, fault: Fault | None) -> Iterator[Presented]:
        memory.presentations += 1
        told = None
        if fault is not None and fault.presentations and memory.presentations > fault.presentations:
            fault = None
        if fault is not None and fault.kind is FaultKind.WRONG_UID:
            told = hashlib.sha256(b"wrong" + memory.uid).digest()[:7]
        chance = _ChipEntropy(self._seed + memory.uid + memory.presentations.to_bytes(4, "big"))
        card = VirtualCard(memory, chance, told_uid=told)
        presented = Presented(card, fault=fault, keep=self._keep, latency_s=self._latency_s)
        try:
            yield presented
        finally:
            presented.take_away()
            self._keep(card.memory)

    # --- what lasts -------------------------------------------------------------------------------------------------

    def _recalled(self, uid: str) -> Memory | None:
        data = self._in_memory.get(uid) if self._folder is None else self._loaded(self._folder, uid)
        return None if data is None else unsealed(data, uid=bytes.fromhex(uid), seal_key=self._seal_key)

    def _loaded(self, folder: Path, uid: str) -> bytes | None:
        try:
            return (folder / f"{uid}.chip").read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _no_reader(folder, error) from error

    def _keep(self, memory: Memory) -> None:
        uid, data = memory.uid.hex().upper(), sealed(memory, self._seal_key)
        if self._folder is None:
            self._in_memory[uid] = data
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = self._folder / f".{uid}.{os.getpid()}"
            unfinished.write_bytes(data)
            unfinished.replace(self._folder / f"{uid}.chip")
        except OSError as error:
            raise _no_reader(self._folder, error) from error


def _is_uid(text: str) -> bool:
    return len(text) == 14 and all(digit in "0123456789abcdefABCDEF" for digit in text)


def _no_reader(folder: Path, error: OSError) -> Unavailable:
    return Unavailable(
        "chip.no_reader",
        f"the folder of virtual chips {folder} cannot be used: {error.strerror}",
        fix="make the folder writable and the disk roomy, then encode again",
    )
