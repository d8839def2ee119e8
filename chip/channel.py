"""One presented chip, spoken to: framing, chaining, sessions, and the count of exchanges.

A channel never repeats a command: after a loss nobody knows what the card did, so the answer is to present it again and
probe. Every authentication key is tried once per presentation, because a chip that is asked too often slows down and
in the end locks its key for ever.
"""

from dataclasses import dataclass
from enum import Enum

from cards.ports import Entropy
from chip import messaging, verdicts
from chip.errors import ChipLost
from chip.messaging import MORE, OK, MacMismatch
from chip.ports import Transport

GENERATIONS = {0x01: 1, 0x12: 2, 0x22: 2, 0x33: 3}  # by hardware major version
_DESFIRE = 0x01
_NXP = 0x04


class Mode(Enum):
    """How the data of a command and of its answer travel: MACed at least, or enciphered."""

    MAC = "mac"
    FULL_COMMAND = "full_command"
    FULL_ANSWER = "full_answer"


@dataclass(frozen=True)
class ChipType:
    """What GetVersion tells. `generation` is 1, 2 or 3 (EV1 …), or None for a chip that is no DESFire that we know."""

    generation: int | None
    uid: bytes

    @property
    def uid_is_random(self) -> bool:
        """A chip with random UID keeps its true one for sessions and shows zeros here."""
        return not any(self.uid)


class Channel:
    """A presented chip. Every method may raise `verdicts.Halt`; nothing else leaves it."""

    def __init__(self, transport: Transport, entropy: Entropy) -> None:
        self.exchanges = 0
        self.ev1 = False
        self._transport = transport
        self._entropy = entropy
        self._ev2: messaging.Ev2Session | None = None
        self._ev1: messaging.Ev1Session | None = None
        self._counter = 0

    # --- one exchange -----------------------------------------------------------------------------------------------

    def exchange(self, step: str, ins: int, data: bytes = b"") -> tuple[int, bytes]:
        """(status word, data) of one command APDU. An answer shorter than a status word counts as lost."""
        self.exchanges += 1
        try:
            answer = self._transport.transmit(messaging.wrapped(ins, data))
        except ChipLost:
            raise verdicts.lost(step) from None
        if len(answer) < 2:
            raise verdicts.lost(step)
        return int.from_bytes(answer[-2:], "big"), answer[:-2]

    def expect(self, step: str, expected: int, ins: int, data: bytes = b"") -> bytes:
        """The data of one exchange that must end in status 91 `expected`."""
        status, answer = self.exchange(step, ins, data)
        if status != verdicts.OUR_STATUS | expected:
            raise verdicts.halt_for_status(status, step=step)
        return answer

    def _chained(self, step: str, ins: int, data: bytes) -> bytes:
        """Sends long data in frames, gathers an answer of several frames. EV2 takes both in one."""
        *heads, last = messaging.frames(ins, data, size=messaging.FRAME_SIZES[1 if self.ev1 else 2])
        for head in heads:
            self.expect(step, MORE, *head)
        status, answer = self.exchange(step, *last)
        while status == verdicts.OUR_STATUS | MORE:
            status, part = self.exchange(step, MORE)
            answer += part
        if status != verdicts.OUR_STATUS | OK:
            raise verdicts.halt_for_status(status, step=step)
        return answer

    # --- without a session ------------------------------------------------------------------------------------------

    def get_version(self) -> ChipType:
        """Hardware, software and production data, in three frames. Sets the dialect of this channel."""
        step = "get_version"
        hardware = self.expect(step, MORE, 0x60)
        software = self.expect(step, MORE, MORE)
        production = self.expect(step, OK, MORE)
        if len(hardware) != 7 or len(software) != 7 or len(production) != 14:
            raise verdicts.mismatch(step)
        desfire = hardware[0] == _NXP and hardware[1] & 0x0F == _DESFIRE
        generation = GENERATIONS.get(hardware[3]) if desfire else None
        self.ev1 = generation == 1
        return ChipType(generation=generation, uid=production[:7])

    def read_signature(self, step: str) -> bytes:
        """The maker's signature over the UID. Chips end this command in 9190 where others end in 9100."""
        status, answer = self.exchange(step, 0x3C, b"\x00")
        if status not in (0x9100, 0x9190):
            raise verdicts.halt_for_status(status, step=step)
        return answer

    def select(self, step: str, aid_wire: bytes) -> bool:
        """True when the application is there and now selected. Ends any session."""
        self._ev1 = self._ev2 = None
        status, _ = self.exchange(step, 0x5A, aid_wire)
        if status not in (0x9100, 0x91A0):
            raise verdicts.halt_for_status(status, step=step)
        return status == 0x9100

    # --- sessions ---------------------------------------------------------------------------------------------------

    def authenticate(self, step: str, *, key_number: int, key: bytes) -> None:
        """Opens a session with an AES key: EV2 messaging where the chip has it, else EV1's."""
        self._ev1 = self._ev2 = None
        if self.ev1:
            self._authenticate_ev1(step, key_number, key)
        else:
            self._authenticate_ev2(step, key_number, key)

    def _authenticate_ev2(self, step: str, key_number: int, key: bytes) -> None:
        challenge = self._challenge(step, 0x71, bytes([key_number, 0x00]), size=16)
        rnd_a = self._entropy.draw(16)
        response = messaging.ev2_response(key=key, rnd_a=rnd_a, challenge=challenge)
        answer = self.expect(step, OK, MORE, response)
        try:
            self._ev2 = messaging.ev2_first(key=key, rnd_a=rnd_a, challenge=challenge, answer=answer)
        except MacMismatch:
            raise verdicts.mismatch(step) from None
        self._counter = 0

    def _authenticate_ev1(self, step: str, key_number: int, key: bytes) -> None:
        challenge = self._challenge(step, 0xAA, bytes([key_number]), size=16)
        rnd_a = self._entropy.draw(16)
        response = messaging.ev1_response(key=key, rnd_a=rnd_a, challenge=challenge)
        answer = self.expect(step, OK, MORE, response)
        try:
            self._ev1 = messaging.ev1_session(
                key=key, rnd_a=rnd_a, challenge=challenge, response=response, answer=answer
            )
        except MacMismatch:
            raise verdicts.mismatch(step) from None

    def _challenge(self, step: str, ins: int, data: bytes, *, size: int) -> bytes:
        challenge = self.expect(step, MORE, ins, data)
        if len(challenge) != size:
            raise verdicts.mismatch(step)
        return challenge

    def replace_factory_key(self, step: str, *, new: bytes, version: int) -> None:
        """The card key from single DES of zeros to AES, in three exchanges. The session ends with it."""
        key = bytes(messaging.DES_BLOCK)
        challenge = self._challenge(step, 0x1A, b"\x00", size=messaging.DES_BLOCK)
        rnd_a = self._entropy.draw(messaging.DES_BLOCK)
        response = messaging.des_response(key=key, rnd_a=rnd_a, challenge=challenge)
        answer = self.expect(step, OK, MORE, response)
        try:
            session_key = messaging.des_session_key(
                key=key, rnd_a=rnd_a, challenge=challenge, response=response, answer=answer
            )
        except MacMismatch:
            raise verdicts.mismatch(step) from None
        self.expect(step, OK, 0xC4, messaging.des_to_aes_command(session_key=session_key, new=new, version=version))

    # --- inside a session -------------------------------------------------------------------------------------------

    def command(
        self, step: str, ins: int, *, header: bytes = b"", data: bytes = b"", mode: Mode = Mode.MAC, size: int = 0
    ) -> bytes:
        """The plain data of a command in the present session; `size` is that of an enciphered EV1 answer."""
        try:
            if self._ev2 is not None:
                return self._ev2_command(self._ev2, step, ins, header=header, data=data, mode=mode)
            if self._ev1 is not None:
                return self._ev1_command(self._ev1, step, ins, header=header, data=data, mode=mode, size=size)
        except MacMismatch:
            raise verdicts.mismatch(step) from None
        raise verdicts.mismatch(step)

    def _ev2_command(
        self, session: messaging.Ev2Session, step: str, ins: int, *, header: bytes, data: bytes, mode: Mode
    ) -> bytes:
        counter = self._counter
        body = messaging.ev2_command(
            session, ins=ins, counter=counter, header=header, data=data, full=mode is Mode.FULL_COMMAND
        )
        answer = self._chained(step, ins, body)
        self._counter += 1
        return messaging.ev2_answer(session, counter=counter, answer=answer, full=mode is Mode.FULL_ANSWER)

    def _ev1_command(
        self, session: messaging.Ev1Session, step: str, ins: int, *, header: bytes, data: bytes, mode: Mode, size: int
    ) -> bytes:
        if mode is Mode.FULL_COMMAND:
            body, session = messaging.ev1_full_command(session, ins=ins, header=header, data=data)
        else:
            body = header + data
            session = messaging.ev1_plain_command(session, ins=ins, content=body)
        answer = self._chained(step, ins, body)
        if mode is Mode.FULL_ANSWER:
            plain, self._ev1 = messaging.ev1_full_answer(session, answer=answer, size=size)
        else:
            plain, self._ev1 = messaging.ev1_answer(session, answer=answer)
        return plain

    def change_key(self, step: str, *, key_number: int, new: bytes, version: int, old: bytes) -> None:
        """Another key than the session's, whose present value is `old`."""
        header = bytes([key_number])
        if self._ev1 is not None:
            data, tail = messaging.ev1_key_body(new=new, version=version, old=old)
            body, session = messaging.ev1_full_command(self._ev1, ins=0xC4, header=header, data=data, tail=tail)
            try:
                _, self._ev1 = messaging.ev1_answer(session, answer=self.expect(step, OK, 0xC4, body))
            except MacMismatch:
                raise verdicts.mismatch(step) from None
            return
        data = messaging.ev2_key_body(new=new, version=version, old=old)
        self.command(step, 0xC4, header=header, data=data, mode=Mode.FULL_COMMAND)

    def change_own_key(self, step: str, *, key_number: int, new: bytes, version: int) -> None:
        """The key of this session. The answer has no MAC and the session is gone: only a new one proves it."""
        header = bytes([key_number])
        if self._ev1 is not None:
            data, tail = messaging.ev1_key_body(new=new, version=version)
            body, _ = messaging.ev1_full_command(self._ev1, ins=0xC4, header=header, data=data, tail=tail)
        elif self._ev2 is not None:
            data = messaging.ev2_key_body(new=new, version=version)
            body = messaging.ev2_command(
                self._ev2, ins=0xC4, counter=self._counter, header=header, data=data, full=True
            )
        else:
            raise verdicts.mismatch(step)
        self._ev1 = self._ev2 = None
        self.expect(step, OK, 0xC4, body)
