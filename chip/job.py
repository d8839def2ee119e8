"""One attempt on one presented chip: what every job on a chip asks, derives, reads and reports in the same way."""

from collections.abc import Callable
from dataclasses import dataclass

from cards.errors import Refused, Unavailable
from chip import verdicts
from chip.channel import Channel, Mode
from chip.models import ChipOutcome, ChipVerdict
from chip.ports import Encoder, Keys, Transport
from chip.profile import Profile, Statement, parse_content, signature_holds
from chip.verdicts import Halt

Bind = Callable[[str, int], None]
SELECT_CARD = bytes(3)


@dataclass
class Job:
    """A channel with what is needed to work on it; `uid` is known once the chip was probed."""

    channel: Channel
    keys: Keys
    profile: Profile
    bind: Bind
    uid: bytes | None = None

    @property
    def generation(self) -> int:
        """The key generation that the chip is to have."""
        return self.profile.key_generation

    def run(self, work: Callable[[], None]) -> ChipOutcome:
        """Does the work and says how it ended. Raises only what `bind` raises."""
        try:
            work()
        except Halt as halt:
            return self._outcome(halt.verdict, halt)
        return self._outcome(ChipVerdict.DONE, None)

    def _outcome(self, verdict: ChipVerdict, halt: Halt | None) -> ChipOutcome:
        status = f"{halt.status:04X}" if halt is not None and halt.status is not None else None
        return ChipOutcome(
            verdict=verdict,
            uid=self.uid.hex().upper() if self.uid else None,
            exchanges=self.channel.exchanges,
            step=halt.step if halt else None,
            status=status,
            key_generation=self.generation if self.uid else None,
            cause=halt.cause if halt else None,
        )

    def known_uid(self) -> bytes:
        """The UID that the probe found."""
        if self.uid is None:
            raise verdicts.mismatch("get_version")
        return self.uid

    def bind_chip(self) -> None:
        """Before the first write: this chip is this card's."""
        self.bind(self.known_uid().hex().upper(), self.generation)

    def probe(self) -> int:
        """Who is there, without any key: type and UID, then the version of the card key."""
        chip = self.channel.get_version()
        if chip.generation is None:
            raise Halt(ChipVerdict.STOP_LINE, step="get_version", cause="unknown_chip_type")
        if chip.uid_is_random:
            raise Halt(ChipVerdict.QUARANTINE, step="get_version", cause="random_uid")
        self.uid = chip.uid
        return self.key_version("picc_key_version", 0)

    def key_version(self, step: str, number: int) -> int:
        """A key's version byte, asked outside a session."""
        return version_byte(self.channel.expect(step, 0x00, 0x64, bytes([number])), step=step)

    def picc_key(self, generation: int) -> bytes:
        """This card's own key of a generation."""
        return self._derived("picc", generation, self.profile.picc_input(self.known_uid()))

    def app_keys(self, generation: int) -> tuple[bytes, bytes, bytes]:
        """The application's keys of a generation, by key number."""
        names = {number: key_id for key_id, number in self.profile.keys.model_dump().items()}
        first, second, third = (self._app_key(names[number], number, generation) for number in (0, 1, 2))
        return first, second, third

    def _app_key(self, key_id: str, number: int, generation: int) -> bytes:
        return self._derived(key_id, generation, self.profile.app_input(self.known_uid(), number))

    def _derived(self, key_id: str, generation: int, div_input: bytes) -> bytes:
        try:
            return self.keys.derive(key_id, generation, div_input)
        except Unavailable as fault:
            raise key_service("derive_keys", fault) from None

    def check_same_uid(self) -> None:
        """The chip repeats its UID inside a session, so that one swapped by now is found out."""
        if self.channel.command("same_uid", 0x51, mode=Mode.FULL_ANSWER, size=7) != self.uid:
            raise Halt(ChipVerdict.QUARANTINE, step="same_uid", cause="uid_differs")

    def read(self, step: str) -> bytes:
        """The whole file, in a session that may read it."""
        return read_file(self.channel, self.profile, step=step)

    def holds_content(self, data: bytes) -> bool:
        """True when the file says something at all, signed or not."""
        try:
            parse_content(data)
        except Refused:
            return False
        return True

    def signed_statement(self, data: bytes) -> Statement | None:
        """What the file says, when it says something and its signature holds for this chip."""
        try:
            statement = parse_content(data)
            signed = signature_holds(statement, uid=self.known_uid(), keys=self.keys, profile=self.profile)
        except Refused:
            return None
        except Unavailable as fault:
            raise key_service("read_back", fault) from None
        return statement if signed else None


def attempts_at(
    encoder: Encoder, tray: str, position: int, attempt: Callable[[Transport], ChipOutcome]
) -> list[ChipOutcome]:
    """The chip at a place, presented again as the verdicts allow; the last outcome has the final word in `verdict`."""
    attempts: list[ChipOutcome] = []
    while True:
        with encoder.present(tray, position) as transport:
            attempts.append(attempt(transport))
        verdict = verdicts.settled(attempts)
        if verdict is not ChipVerdict.PRESENT_AGAIN:
            attempts[-1] = attempts[-1].model_copy(update={"verdict": verdict})
            return attempts


def version_byte(data: bytes, *, step: str) -> int:
    """The one byte that GetKeyVersion answers."""
    if len(data) != 1:
        raise verdicts.mismatch(step)
    return data[0]


def span(size: int) -> bytes:
    """Offset 0 and a length, as file commands take them."""
    return bytes(3) + size.to_bytes(3, "little")


def read_file(channel: Channel, profile: Profile, *, step: str) -> bytes:
    """The whole file, enciphered, in a session that may read it."""
    ins, size = 0xBD if channel.ev1 else 0xAD, profile.file.size_bytes
    header = bytes([profile.file.number]) + span(size)
    return channel.command(step, ins, header=header, mode=Mode.FULL_ANSWER, size=size)


def key_service(step: str, fault: Unavailable) -> Halt:
    """The key service does not answer; the cause is why (`key_service`, `keys_pin`, …)."""
    return Halt(ChipVerdict.KEY_SERVICE, step=step, cause=fault.code.rpartition(".")[2])
