"""A contactless reader by PC/SC (pcscd and pyscard): one encoder is one reader, named exactly, held exclusively.

The reader is held for the length of one presentation and powers the card down at its end, so that a feeder brings the
next blank. Whatever goes wrong in the middle of an exchange leaves the outcome unknown: pcscd reports success with an
empty answer when a card vanishes under a command. No card monitor of pyscard is used: it is not made for threads.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from cards.errors import Refused, Unavailable
from chip.errors import ChipLost
from chip.ports import Transport

_SLICE_S = 1.0  # how long one wait for a change at the reader lasts
_COUNTER_SHIFT = 16  # the upper half of an event state counts the cards that came and went

Place = tuple[str, int]


class _Scard(Protocol):
    """What of `smartcard.scard` is used here; every call answers its result code first."""

    def __getattr__(self, name: str) -> Any: ...


def _load() -> _Scard:
    """pyscard is an extra: nobody with another reader has to build it."""
    try:
        from smartcard import scard  # noqa: PLC0415 -- as said
    except ImportError:
        raise Refused(
            "chip.pcsc_missing",
            "an encoder is a PC/SC reader, and pyscard is not installed",
            field="HSECARD_ENCODERS",
            fix="install the pcsc extra (`make readers`), or name virtual encoders only",
        ) from None
    module: _Scard = scard
    return module


class PcscEncoder:
    """`chip.ports.Encoder` over the reader called `reader` in `pcscd`; `name` is what the house calls it.

    A place is presented as soon as a card lies there; one that lay there for the place before has to go first.
    `patience_s` is how long that may take. Raises Refused `chip.pcsc_missing`.
    """

    def __init__(self, name: str, *, reader: str, patience_s: float = 30.0) -> None:
        self._name = name
        self._reader = reader
        self._patience_s = patience_s
        self._scard = _load()
        self._last: tuple[Place, int] | None = None

    def __repr__(self) -> str:
        return f"PcscEncoder({self._name!r})"

    @property
    def name(self) -> str:
        return self._name

    def look(self) -> None:
        scard = self._scard
        with self._service() as context:
            result, readers = scard.SCardListReaders(context, [])
            if result != scard.SCARD_S_SUCCESS:
                raise self._unusable(context, result)
            if self._reader not in readers:
                raise self._no_reader(sorted(readers))

    @contextmanager
    def present(self, tray: str, position: int) -> Iterator[Transport]:
        """The card laid for that place, alone with it. Raises Unavailable: `chip.reader_service`, `chip.no_reader`,
        `chip.reader_busy`, `chip.not_presented`.
        """
        with self._service() as context:
            laid = self._connected(context, (tray, position))
            try:
                yield laid
            finally:
                laid.take_away()

    @contextmanager
    def _service(self) -> Iterator[int]:
        """A connection of this thread to pcscd."""
        scard = self._scard
        result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        if result != scard.SCARD_S_SUCCESS:
            raise self._unusable(context, result)
        try:
            yield context
        finally:
            scard.SCardReleaseContext(context)

    def _connected(self, context: int, place: Place) -> "_Laid":
        """Waits for the place's card and connects; a card that came and went again is waited for anew."""
        scard = self._scard
        until = time.monotonic() + self._patience_s
        while True:
            counter = self._wait_for_card(context, place, until)
            result, handle, protocol = scard.SCardConnect(
                context, self._reader, scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
            )
            if result == scard.SCARD_S_SUCCESS:
                self._last = (place, counter)
                return _Laid(scard, handle, protocol)
            if result in (scard.SCARD_W_UNRESPONSIVE_CARD, scard.SCARD_W_UNPOWERED_CARD, scard.SCARD_E_PROTO_MISMATCH):
                self._last = (place, counter)
                return _Laid(scard, None, protocol)  # it lies there and does not wake up: the verdicts judge that
            if result not in (scard.SCARD_W_REMOVED_CARD, scard.SCARD_E_NO_SMARTCARD):
                raise self._unusable(context, result)

    def _wait_for_card(self, context: int, place: Place, until: float) -> int:
        """Waits until a card lies there that can be this place's; the number of the coming it came with."""
        scard, known = self._scard, self._scard.SCARD_STATE_UNAWARE
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise self._not_presented(place)
            slice_ms = int(1000 * min(left, _SLICE_S)) + 1
            result, states = scard.SCardGetStatusChange(context, slice_ms, [(self._reader, known)])
            if result == scard.SCARD_E_TIMEOUT:
                continue
            if result != scard.SCARD_S_SUCCESS:
                raise self._unusable(context, result)
            event = int(states[0][1])
            if event & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE):
                raise self._unusable(context, scard.SCARD_E_UNKNOWN_READER)
            if event & scard.SCARD_STATE_PRESENT and self._may_be(place, event >> _COUNTER_SHIFT):
                return event >> _COUNTER_SHIFT
            known = event & ~scard.SCARD_STATE_CHANGED

    def _may_be(self, place: Place, counter: int) -> bool:
        """The card of the place before does not become this one's by lying still."""
        return self._last is None or self._last[0] == place or self._last[1] != counter

    # --- what to tell a person ---------------------------------------------------------------------------------------

    def _not_presented(self, place: Place) -> Unavailable:
        what = f"no card for place {place[1]} of {place[0]} was laid on {self._reader!r}"
        return Unavailable(
            "chip.not_presented",
            f"{what} within {self._patience_s:g} s",
            fix="take the last card away and lay this one on, then run encode again; nothing was written",
        )

    def _unusable(self, context: int, result: int) -> Unavailable:
        scard = self._scard
        if result in (scard.SCARD_E_UNKNOWN_READER, scard.SCARD_E_READER_UNAVAILABLE):
            return self._no_reader(self._readers(context))
        if result == scard.SCARD_E_NO_READERS_AVAILABLE:
            return self._no_reader([])
        if result == scard.SCARD_E_SHARING_VIOLATION:
            return Unavailable(
                "chip.reader_busy",
                f"another program holds the reader {self._reader!r}",
                fix="end the other program (a second encode, a card tool), then run encode again",
            )
        return Unavailable(
            "chip.reader_service",
            f"pcscd does not serve us: {str(scard.SCardGetErrorMessage(result)).rstrip('.')}",
            fix="start pcscd (`systemctl start pcscd`, or `pcscd -f`) and look at its log, then run encode again",
        )

    def _readers(self, context: int) -> list[str]:
        result, readers = self._scard.SCardListReaders(context, [])
        return sorted(readers) if result == self._scard.SCARD_S_SUCCESS else []

    def _no_reader(self, readers: list[str]) -> Unavailable:
        there = ", ".join(map(repr, readers)) or "none at all"
        return Unavailable(
            "chip.no_reader",
            f"there is no reader {self._reader!r}; there is {there}",
            field="HSECARD_ENCODERS",
            fix="plug the reader in, or write its name exactly as it is listed",
        )


class _Laid:
    """`chip.ports.Transport`: the card on the reader, until it is lost or taken away. Without a handle it is mute."""

    def __init__(self, scard: _Scard, handle: int | None, protocol: int) -> None:
        self._scard = scard
        self._handle = handle
        self._protocol = protocol
        self._lost = handle is None

    def transmit(self, apdu: bytes) -> bytes:
        if self._lost:
            raise ChipLost
        result, answer = self._scard.SCardTransmit(self._handle, self._protocol, list(apdu))
        if result != self._scard.SCARD_S_SUCCESS or len(answer) < 2:
            self._lost = True
            raise ChipLost
        return bytes(byte & 0xFF for byte in answer)

    def take_away(self) -> None:
        """Powers the card down and lets the reader go."""
        self._lost = True
        if self._handle is not None:
            self._scard.SCardDisconnect(self._handle, self._scard.SCARD_UNPOWER_CARD)
            self._handle = None
