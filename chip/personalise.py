"""A blank becomes a card: probe what is there, do what is left, commit with the last key, read back as a door would.

The state is asked from the chip every time and never remembered, so an attempt that was cut short anywhere goes on
where it stopped. The change of the application's key 0 is the commit point: a chip whose key 0 has our version is
complete. Nothing here raises for trouble with a chip: the outcome carries a verdict that says what to do.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from cards.errors import Refused, Unavailable
from cards.ports import Entropy
from chip import verdicts
from chip.channel import Channel, Mode
from chip.models import ChipContent, ChipOutcome, ChipVerdict
from chip.ports import Encoder, Keys, Transport
from chip.profile import Profile, encode_content, parse_content, signature_holds
from chip.verdicts import Halt

_FACTORY_VERSION = 0
_FACTORY_AES = bytes(16)
_APP_KEYS = 0x83  # three AES keys
_FULL = 0x03

Bind = Callable[[str, int], None]


@dataclass(frozen=True)
class _CardKeys:
    picc: bytes = field(repr=False)
    app: tuple[bytes, bytes, bytes] = field(repr=False)  # by key number


@dataclass
class _Job:
    channel: Channel
    content: ChipContent
    keys: Keys
    profile: Profile
    bind: Bind
    uid: bytes | None = None

    @property
    def generation(self) -> int:
        return self.profile.key_generation

    def outcome(self, verdict: ChipVerdict, halt: Halt | None = None) -> ChipOutcome:
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


def personalise(
    transport: Transport, *, content: ChipContent, keys: Keys, entropy: Entropy, profile: Profile, bind: Bind
) -> ChipOutcome:
    """Brings the presented chip to the state of a finished card that says `content`, from wherever it stands.

    At most 26 exchanges on EV2/EV3 and 33 on EV1; at most 11 (13) for one that is finished already. `bind(uid, key
    generation)` is called before the first write, and for a finished chip before it is called done; what it raises
    leaves this function with nothing written. Key-service trouble shows before the first write too.
    """
    job = _Job(Channel(transport, entropy), content, keys, profile, bind)
    try:
        _bring_to_done(job)
    except Halt as halt:
        return job.outcome(halt.verdict, halt)
    return job.outcome(ChipVerdict.DONE)


def encode_at(
    encoder: Encoder,
    *,
    tray: str,
    position: int,
    content: ChipContent,
    keys: Keys,
    entropy: Entropy,
    profile: Profile,
    bind: Bind,
) -> list[ChipOutcome]:
    """All attempts at one place of a tray, the chip presented again as the verdicts allow; the last one has the final
    word in `verdict` (lost three times, or unwritten twice, is faulty). Raises what the encoder and `bind` raise.
    """
    attempts: list[ChipOutcome] = []
    while True:
        with encoder.present(tray, position) as transport:
            attempts.append(
                personalise(transport, content=content, keys=keys, entropy=entropy, profile=profile, bind=bind)
            )
        verdict = verdicts.settled(attempts)
        if verdict is not ChipVerdict.PRESENT_AGAIN:
            attempts[-1] = attempts[-1].model_copy(update={"verdict": verdict})
            return attempts


def _bring_to_done(job: _Job) -> None:
    version = _probe(job)
    if version == _FACTORY_VERSION:
        _refuse_used_chip(job)
        _start_from_factory(job)
    elif version != job.generation:
        raise Halt(ChipVerdict.QUARANTINE, step="picc_key_version", cause="foreign_generation")
    elif not job.channel.select("select_app", job.profile.aid_wire):
        _go_on_at_card_level(job)
    else:
        _go_on_in_app(job)


def _probe(job: _Job) -> int:
    """Who is there, without any key: type and UID, then the version of the card key."""
    chip = job.channel.get_version()
    if chip.generation is None:
        raise Halt(ChipVerdict.STOP_LINE, step="get_version", cause="unknown_chip_type")
    if chip.uid_is_random:
        raise Halt(ChipVerdict.QUARANTINE, step="get_version", cause="random_uid")
    job.uid = chip.uid
    return _version_byte(job.channel.expect("picc_key_version", 0x00, 0x64, b"\x00"), step="picc_key_version")


def _version_byte(data: bytes, *, step: str) -> int:
    if len(data) != 1:
        raise verdicts.mismatch(step)
    return data[0]


def _refuse_used_chip(job: _Job) -> None:
    """A factory card key with applications on the chip: somebody else's card, or a trap for our keys."""
    if job.channel.expect("list_apps", 0x00, 0x6A):
        raise Halt(ChipVerdict.QUARANTINE, step="list_apps", cause="foreign_application")


def _secrets(job: _Job) -> tuple[_CardKeys, bytes]:
    """Every key and signature that the attempt will need, before it writes anything."""
    uid, profile = _known_uid(job), job.profile
    try:
        picc = job.keys.derive("picc", job.generation, profile.picc_input(uid))
        by_number = {
            number: job.keys.derive(key_id, job.generation, profile.app_input(uid, number))
            for key_id, number in profile.keys.model_dump().items()
        }
        data = encode_content(job.content, uid=uid, keys=job.keys, profile=profile)
    except Unavailable:
        raise Halt(ChipVerdict.KEY_SERVICE, step="derive_keys", cause="key_service") from None
    return _CardKeys(picc=picc, app=(by_number[0], by_number[1], by_number[2])), data


def _known_uid(job: _Job) -> bytes:
    if job.uid is None:
        raise verdicts.mismatch("get_version")
    return job.uid


def _bind(job: _Job) -> None:
    job.bind(_known_uid(job).hex().upper(), job.generation)


def _start_from_factory(job: _Job) -> None:
    keys, data = _secrets(job)
    _bind(job)
    job.channel.replace_factory_key("change_picc_key", new=keys.picc, version=job.generation)
    _create_app(job, keys, data)


def _go_on_at_card_level(job: _Job) -> None:
    keys, data = _secrets(job)
    _bind(job)
    _create_app(job, keys, data)


def _create_app(job: _Job, keys: _CardKeys, data: bytes) -> None:
    """At card level: prove the card key, close the card, make the application, and fill it."""
    channel, profile = job.channel, job.profile
    channel.authenticate("prove_picc_key", key_number=0, key=keys.picc)
    settings = bytes.fromhex(profile.picc_settings)
    channel.command("picc_settings", 0x54, data=settings, mode=Mode.FULL_COMMAND)
    described = profile.aid_wire + bytes.fromhex(profile.app_settings) + bytes([_APP_KEYS])
    channel.command("create_app", 0xCA, header=described)
    if not channel.select("select_app", profile.aid_wire):
        raise verdicts.mismatch("select_app")
    _enter_with_zeros(job)
    for number in (1, 2):
        _set_key(job, keys, number)
    _create_file(job)
    _write(job, data)
    _commit_and_prove(job, keys)


def _enter_with_zeros(job: _Job) -> None:
    """The application's first session; the chip repeats its UID under it, so a chip swapped by now is found out."""
    job.channel.authenticate("enter_app", key_number=0, key=_FACTORY_AES)
    if job.channel.command("same_uid", 0x51, mode=Mode.FULL_ANSWER, size=7) != job.uid:
        raise Halt(ChipVerdict.QUARANTINE, step="same_uid", cause="uid_differs")


def _set_key(job: _Job, keys: _CardKeys, number: int) -> None:
    job.channel.change_key(
        f"change_key_{number}", key_number=number, new=keys.app[number], version=job.generation, old=_FACTORY_AES
    )


def _create_file(job: _Job) -> None:
    file = job.profile.file
    header = bytes([file.number, _FULL]) + file.rights + file.size_bytes.to_bytes(3, "little")
    job.channel.command("create_file", 0xCD, header=header)


def _span(size: int) -> bytes:
    return bytes(3) + size.to_bytes(3, "little")


def _write(job: _Job, data: bytes) -> None:
    ins = 0x3D if job.channel.ev1 else 0x8D
    header = bytes([job.profile.file.number]) + _span(len(data))
    job.channel.command("write_file", ins, header=header, data=data, mode=Mode.FULL_COMMAND)


def _read(job: _Job, step: str) -> bytes:
    ins, size = 0xBD if job.channel.ev1 else 0xAD, job.profile.file.size_bytes
    header = bytes([job.profile.file.number]) + _span(size)
    return job.channel.command(step, ins, header=header, mode=Mode.FULL_ANSWER, size=size)


def _go_on_in_app(job: _Job) -> None:
    step = "admin_key_version"
    version = _version_byte(job.channel.expect(step, 0x00, 0x64, b"\x00"), step=step)
    keys, data = _secrets(job)
    if version == job.generation:
        _prove_finished(job, keys, fresh=False)
        _bind(job)
    elif version == _FACTORY_VERSION:
        _bind(job)
        _finish_app(job, keys, data)
    else:
        raise Halt(ChipVerdict.QUARANTINE, step=step, cause="foreign_generation")


def _finish_app(job: _Job, keys: _CardKeys, data: bytes) -> None:
    """The application is there and not committed: ask what is left, and do only that."""
    _enter_with_zeros(job)
    for number in (1, 2):
        step = f"key_version_{number}"
        version = _version_byte(job.channel.command(step, 0x64, header=bytes([number])), step=step)
        if version == _FACTORY_VERSION:
            _set_key(job, keys, number)
        elif version != job.generation:
            raise Halt(ChipVerdict.QUARANTINE, step=step, cause="foreign_generation")
    if job.profile.file.number not in job.channel.command("list_files", 0x6F):
        _create_file(job)
        _write(job, data)
    elif _read(job, "read_file") != data:
        _write(job, data)
    _commit_and_prove(job, keys)


def _commit_and_prove(job: _Job, keys: _CardKeys) -> None:
    job.channel.change_own_key("commit", key_number=0, new=keys.app[0], version=job.generation)
    _prove_finished(job, keys, fresh=True)


def _prove_finished(job: _Job, keys: _CardKeys, *, fresh: bool) -> None:
    """As a door reader: right read key, right data, signature holds; then that the admin key is ours."""
    read_key = job.profile.keys.read
    job.channel.authenticate("read_as_door", key_number=read_key, key=keys.app[read_key])
    if not _says_so(job, _read(job, "read_back")):
        if fresh:  # we wrote it a moment ago: the chip did not keep it
            raise verdicts.mismatch("read_back")
        raise Halt(ChipVerdict.QUARANTINE, step="read_back", cause="other_content")
    job.channel.authenticate("prove_admin_key", key_number=0, key=keys.app[0])


def _says_so(job: _Job, data: bytes) -> bool:
    try:
        statement = parse_content(data)
        signed = signature_holds(statement, uid=_known_uid(job), keys=job.keys, profile=job.profile)
    except Refused:
        return False
    except Unavailable:
        raise Halt(ChipVerdict.KEY_SERVICE, step="read_back", cause="key_service") from None
    return signed and statement.says(job.content)
