"""A virtual chip in the field: transmits, remembers what it was asked, and suffers the fault that was ordered."""

import copy
import time
from collections.abc import Callable

from chip.adapters.virtual_card import VirtualCard
from chip.adapters.virtual_memory import AES, Memory, StoredApp, StoredKey
from chip.errors import ChipLost
from chip.faults import Fault, FaultKind

FOREIGN_KEY = bytes.fromhex("0F1E2D3C4B5A69788796A5B4C3D2E1F0")


def shape(memory: Memory, fault: Fault) -> None:
    """Gives a chip that was never presented the nature that the fault says."""
    match fault.kind:
        case FaultKind.RANDOM_UID:
            memory.random_uid = True
        case FaultKind.FOREIGN_KEY:
            memory.picc_key = StoredKey(AES, FOREIGN_KEY, 1)
        case FaultKind.FOREIGN_APP:
            memory.apps["efcdab"] = StoredApp(0x0F, [StoredKey(AES, bytes(16))])
        case FaultKind.NO_ROOM:
            memory.free = 32
        case FaultKind.UNKNOWN_TYPE:
            memory.strange = True
        case FaultKind.KEY_LOCKED:
            memory.failures["picc/0"] = [0, 1000]
        case _:
            pass


class Presented:
    """`chip.ports.Transport`: a virtual card in the field, with its fault if it has one."""

    def __init__(
        self, card: VirtualCard, *, fault: Fault | None, keep: Callable[[Memory], None], latency_s: float = 0.0
    ) -> None:
        self.card = card
        self._fault = fault
        self._keep = keep
        self._latency_s = latency_s
        self._exchange = 0
        self._gone = False
        self.seen: list[tuple[int, int]] = []
        """(command byte, status word) of each exchange; no data."""

    def transmit(self, apdu: bytes) -> bytes:
        if self._gone:
            raise ChipLost
        if self._latency_s:
            time.sleep(self._latency_s)
        self._exchange += 1
        struck = self._fault is not None and self._fault.exchange == self._exchange
        answer = self._struck(self._fault, apdu) if struck and self._fault else self.card.process(apdu)
        self._store()
        self.seen.append((apdu[1], int.from_bytes(answer[-2:], "big")))
        return answer

    def take_away(self) -> None:
        """The card leaves the field."""
        self._gone = True

    def _store(self) -> None:
        if self.card.changed:
            self.card.changed = False
            self._keep(self.card.memory)

    def _struck(self, fault: Fault, apdu: bytes) -> bytes:
        match fault.kind:
            case FaultKind.CUT_BEFORE:
                self._lose()
            case FaultKind.CUT_AFTER:
                self.card.process(apdu)
                self._lose()
            case FaultKind.TORN:
                self._tear(apdu)
                self._lose()
            case FaultKind.LOST_ANSWER:
                self.card.process(apdu)
                self._store()
                raise ChipLost
            case FaultKind.EMPTY_ANSWER:
                self.card.process(apdu)
                return b""
            case FaultKind.BIT_FLIP:
                return _flipped(self.card.process(apdu))
            case FaultKind.NOT_WRITTEN:
                return self._undone(apdu, 0x91EE)
            case FaultKind.ABORTED:
                return self._undone(apdu, 0x91CA)
            case FaultKind.STATUS:
                return self._undone(apdu, fault.status)
            case FaultKind.INTEGRITY:
                self.card.memory.dead = self.card.changed = True
            case _:
                pass
        return self.card.process(apdu)

    def _lose(self) -> None:
        self._gone = True
        self._store()
        raise ChipLost

    def _tear(self, apdu: bytes) -> None:
        """Power fails in the middle of the write: the atomic rolls back, a standard file stays half written."""
        before = copy.deepcopy(self.card.memory)
        self.card.process(apdu)
        after, self.card.memory = self.card.memory, before
        for aid, app in before.apps.items():
            for number, file in app.files.items():
                written = after.apps[aid].files[number].data if aid in after.apps else file.data
                if not file.backup and written != file.data:
                    half = len(written) // 2
                    file.data = written[:half] + file.data[half:]

    def _undone(self, apdu: bytes, status: int) -> bytes:
        """The chip reports a failure and has rolled back; its session is over."""
        before = copy.deepcopy(self.card.memory)
        self.card.process(apdu)
        self.card.memory = before
        self.card.drop_session()
        return status.to_bytes(2, "big")


def _flipped(answer: bytes) -> bytes:
    """One bit of the data turned; an answer that is a status word only stays."""
    if len(answer) <= 2:
        return answer
    at = (len(answer) - 2) // 2
    return answer[:at] + bytes([answer[at] ^ 0x10]) + answer[at + 1 :]
