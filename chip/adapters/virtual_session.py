"""A virtual chip's frames, sessions and counters: everything that happens before a command means something.

Frame sizes and chaining, the two halves of an authentication, the end of a session on error, select and power-off, and
the counters of refused authentications that slow a chip down and in the end lock a key.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from cards.ports import Entropy
from chip.adapters.virtual_crypto import (
    CardChannel,
    Comm,
    DesChannel,
    Ev1Channel,
    Ev2Channel,
    IntegrityError,
    aes_cbc,
    des_cbc,
    shifted_left,
)
from chip.adapters.virtual_memory import AES, DES, Memory, StoredApp, StoredFile, StoredKey

OK, MORE = 0x00, 0xAF
NO_CHANGES, NO_ROOM, ILLEGAL, INTEGRITY, NO_KEY = 0x0C, 0x0E, 0x1C, 0x1E, 0x40
LENGTH, DENIED, PARAMETER, NO_APP, DELAY, NO_AUTH = 0x7E, 0x9D, 0x9E, 0xA0, 0xAD, 0xAE
BOUNDARY, DEAD, DUPLICATE, NO_FILE = 0xBE, 0xC1, 0xDE, 0xF0
FRAME_EV1 = 59  # answer data bytes of one native EV1 frame
COMMAND_EV1 = 55
FREE = 14  # 15 is never
PATIENCE, LIMIT = 50, 1000  # refused authentications in a row before the delay; in all before the key is locked


class Refusal(Exception):
    """Ends a command with a status byte; the session ends with it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class _Started:
    """Between the two halves of an authentication."""

    ins: int
    key_number: int
    rnd_b: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


@dataclass
class Volatile:
    """What power-off forgets."""

    aid: str | None = None
    channel: CardChannel | None = None
    key_number: int = 0
    started: _Started | None = None
    outgoing: list[bytes] = field(default_factory=list)
    incoming: tuple[int, bytes] | None = None
    pending: dict[int, bytes] = field(default_factory=dict)


class CardSession:
    """The part of a chip that talks. `_commands` are filled up by what the chip can do besides."""

    def __init__(self, memory: Memory, entropy: Entropy) -> None:
        self.memory = memory
        self.changed = False
        self._entropy = entropy
        self._now = Volatile()
        self._commands: dict[int, Callable[[bytes], bytes]] = {
            0x5A: self._select,
            0x1A: self._start_des,
            0xAA: self._start_aes,
            0x71: self._start_first,
            0x77: self._start_non_first,
        }

    def drop_session(self) -> None:
        """The session is over, as after any error; the selection stays."""
        self._now = Volatile(aid=self._now.aid)

    # --- framing ----------------------------------------------------------------------------------------------------

    def process(self, apdu: bytes) -> bytes:
        """One wrapped command, answered with data ‖ SW1 SW2."""
        if len(apdu) < 5 or apdu[0] != 0x90:
            return b"\x6e\x00"
        body = apdu[5:-1] if len(apdu) > 5 else b""
        if apdu[2:4] != b"\x00\x00" or (body and apdu[4] != len(body)) or (len(apdu) > 5 and not body):
            return b"\x67\x00"
        if self.memory.dead:
            return bytes([0x91, DEAD])
        try:
            return self._answered(apdu[1], body)
        except Refusal as refusal:
            status = refusal.status
        except IntegrityError:
            status = INTEGRITY
        self.drop_session()
        return bytes([0x91, status])

    def _answered(self, ins: int, body: bytes) -> bytes:
        if self.memory.generation == 1 and len(body) > COMMAND_EV1:
            raise Refusal(LENGTH)
        if ins == MORE:
            return self._go_on(body)
        now = self._now
        now.started, now.outgoing, now.incoming = None, [], None
        if ins not in self._commands:
            raise Refusal(ILLEGAL)
        if self._continues(ins, body):
            now.incoming = (ins, body)
            return bytes([0x91, MORE])
        return self._framed(self._commands[ins](body))

    def _continues(self, ins: int, body: bytes) -> bool:
        """A write says how long it is: more frames come until that is there (AF chaining)."""
        return ins == 0x3D and len(body) >= 7 and len(body) < self._written_size(body)

    def _written_size(self, body: bytes) -> int:
        length = int.from_bytes(body[4:7], "little")
        if self._now.channel is None or self._comm(body[0]) is Comm.PLAIN:
            return 7 + length
        if isinstance(self._now.channel, Ev1Channel):
            return 7 + -(-(length + 4) // 16) * 16
        full = self._comm(body[0]) is Comm.FULL
        return 7 + (length // 16 + 1) * 16 + 8 if full else 7 + length + 8

    def _go_on(self, body: bytes) -> bytes:
        now = self._now
        if now.started is not None:
            started, now.started = now.started, None
            return self._finish(started, body)
        if now.incoming is not None:
            ins, gathered = now.incoming
            gathered += body
            if len(gathered) < self._written_size(gathered):
                now.incoming = (ins, gathered)
                return bytes([0x91, MORE])
            now.incoming = None
            return self._framed(self._commands[ins](gathered))
        if now.outgoing and not body:
            return self._next_frame()
        raise Refusal(ILLEGAL)

    def _framed(self, answer: bytes) -> bytes:
        """An answer in frames where it is too long for one; answers that carry their own status end in `91 xx`."""
        limit = FRAME_EV1 if self.memory.generation == 1 else 240
        if self._now.started is not None:
            return answer + bytes([0x91, MORE])
        if not self._now.outgoing:
            self._now.outgoing = [answer[at : at + limit] for at in range(0, len(answer), limit)] or [b""]
        return self._next_frame()

    def _next_frame(self) -> bytes:
        frame = self._now.outgoing.pop(0)
        return frame + bytes([0x91, MORE if self._now.outgoing else OK])

    # --- sessions ---------------------------------------------------------------------------------------------------

    def _key(self, number: int) -> StoredKey:
        app = self._app_or_none()
        if app is None:
            if number != 0:
                raise Refusal(NO_KEY)
            return self.memory.picc_key
        if number >= len(app.keys):
            raise Refusal(NO_KEY)
        return app.keys[number]

    def _app_or_none(self) -> StoredApp | None:
        return self.memory.apps[self._now.aid] if self._now.aid is not None else None

    def _app(self) -> StoredApp:
        app = self._app_or_none()
        if app is None:
            raise Refusal(DENIED)
        return app

    def _select(self, body: bytes) -> bytes:
        if len(body) != 3:
            raise Refusal(LENGTH)
        self._now = Volatile()
        if any(body):
            if body.hex() not in self.memory.apps:
                raise Refusal(NO_APP)
            self._now.aid = body.hex()
        return b""

    def _file(self, number: int) -> StoredFile:
        file = self._app().files.get(number)
        if file is None:
            raise Refusal(NO_FILE)
        return file

    def _comm(self, number: int) -> Comm:
        return Comm(self._file(number).comm)

    def _start_des(self, body: bytes) -> bytes:
        return self._start(0x1A, body, kind=DES, size=1)

    def _start_aes(self, body: bytes) -> bytes:
        return self._start(0xAA, body, kind=AES, size=1)

    def _start_first(self, body: bytes) -> bytes:
        if len(body) < 2 or len(body) != 2 + body[1]:
            raise Refusal(LENGTH)
        return self._start(0x71, body[:1], kind=AES, size=1)

    def _start_non_first(self, body: bytes) -> bytes:
        if not isinstance(self._now.channel, Ev2Channel):
            raise Refusal(DENIED)
        return self._start(0x77, body, kind=AES, size=1)

    def _start(self, ins: int, body: bytes, *, kind: str, size: int) -> bytes:
        if len(body) != size:
            raise Refusal(LENGTH)
        number = body[0] & 0x3F
        key = self._key(number)
        if key.kind != kind:
            raise Refusal(NO_AUTH)
        self._check_patience(number)
        if ins != 0x77:
            self._now.channel = None
        cbc, block = (des_cbc, 8) if kind == DES else (aes_cbc, 16)
        rnd_b = self._entropy.draw(block)
        sealed = cbc(key.value, bytes(block), rnd_b)
        self._now.started = _Started(ins, number, rnd_b, sealed)
        return sealed

    def _finish(self, started: _Started, body: bytes) -> bytes:
        key = self._key(started.key_number)
        cbc, block = (des_cbc, 8) if key.kind == DES else (aes_cbc, 16)
        if len(body) != 2 * block:
            raise Refusal(LENGTH)
        chained = started.ins in (0x1A, 0xAA)
        plain = cbc(key.value, started.sealed if chained else bytes(block), body, back=True)
        rnd_a, returned = plain[:block], plain[block:]
        if returned != shifted_left(started.rnd_b):
            self._count_refused(started.key_number)
            raise Refusal(NO_AUTH)
        self._count_accepted(started.key_number)
        self._now.key_number = started.key_number
        return self._open_channel(started, key, rnd_a, body[-block:]) + bytes([0x91, OK])

    def _open_channel(self, started: _Started, key: StoredKey, rnd_a: bytes, last: bytes) -> bytes:
        now, proof = self._now, shifted_left(rnd_a)
        if started.ins == 0x1A:
            now.channel = DesChannel(rnd_a=rnd_a, rnd_b=started.rnd_b)
            return des_cbc(key.value, last, proof)
        if started.ins == 0xAA:
            now.channel = Ev1Channel(rnd_a=rnd_a, rnd_b=started.rnd_b)
            return aes_cbc(key.value, last, proof)
        if started.ins == 0x77 and isinstance(now.channel, Ev2Channel):
            ti, counter = now.channel.ti, now.channel.counter
            now.channel = Ev2Channel(key=key.value, rnd_a=rnd_a, rnd_b=started.rnd_b, ti=ti, counter=counter)
            return aes_cbc(key.value, bytes(16), proof)
        ti = self._entropy.draw(4)
        now.channel = Ev2Channel(key=key.value, rnd_a=rnd_a, rnd_b=started.rnd_b, ti=ti)
        return aes_cbc(key.value, bytes(16), ti + proof + bytes(12))

    def _failures(self, number: int) -> list[int]:
        return self.memory.failures.setdefault(f"{self._now.aid or 'picc'}/{number}", [0, 0])

    def _check_patience(self, number: int) -> None:
        in_row, total = self._failures(number)
        if total >= LIMIT:
            raise Refusal(DENIED)
        if in_row >= PATIENCE:
            self._failures(number)[0] = PATIENCE - 1  # the delay has passed by the time of the next attempt
            self.changed = True
            raise Refusal(DELAY)

    def _count_refused(self, number: int) -> None:
        counts = self._failures(number)
        counts[0], counts[1] = counts[0] + 1, counts[1] + 1
        self.changed = True

    def _count_accepted(self, number: int) -> None:
        counts = self._failures(number)
        if any(counts):
            counts[0], counts[1] = 0, max(0, counts[1] - 10)
            self.changed = True

    def _opened(self, ins: int, body: bytes, *, header: int, size: int | None = None) -> tuple[bytes, bytes]:
        if self._now.channel is None:
            return body[:header], body[header:]
        return self._now.channel.opened(ins, body, header=header, size=size)

    def _closed(self, data: bytes, *, full: bool = False) -> bytes:
        return data if self._now.channel is None else self._now.channel.closed(data, full=full)

    def _require_key(self, *numbers: int) -> None:
        if self._now.channel is None or self._now.key_number not in numbers:
            raise Refusal(NO_AUTH)
