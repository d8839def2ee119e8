"""A blank becomes a card: probe what is there, do what is left, commit with the last key, read back as a door would.

The state is asked from the chip every time and never remembered, so an attempt that was cut short anywhere goes on
where it stopped. The change of the application's key 0 is the commit point: a chip whose key 0 has our version is
complete. Nothing here raises for trouble with a chip: the outcome carries a verdict that says what to do.
"""

from dataclasses import dataclass, field

from cards.errors import Unavailable
from cards.ports import Entropy
from chip import verdicts
from chip.channel import Channel, Mode
from chip.job import SELECT_CARD, Bind, Job, attempts_at, key_service, span, version_byte
from chip.models import ChipContent, ChipOutcome, ChipVerdict
from chip.originality import is_genuine
from chip.ports import Encoder, Keys, Transport
from chip.profile import Profile, encode_content
from chip.verdicts import Halt

_FACTORY_VERSION = 0
_FACTORY_AES = bytes(16)
_APP_KEYS = 0x83  # three AES keys
_FULL = 0x03


@dataclass(frozen=True)
class _Card:
    """What this chip is to become. `app` holds the application's keys by number, `data` the file."""

    picc: bytes = field(repr=False)
    app: tuple[bytes, bytes, bytes] = field(repr=False)
    data: bytes = field(repr=False)


@dataclass
class _Encoding(Job):
    content: ChipContent = field(kw_only=True)


def personalise(
    transport: Transport, *, content: ChipContent, keys: Keys, entropy: Entropy, profile: Profile, bind: Bind
) -> ChipOutcome:
    """Brings the presented chip to the state of a finished card that says `content`, from wherever it stands.

    At most 26 exchanges on EV2/EV3 and 33 on EV1; at most 11 (13) for one that is finished already; one more each for
    a backup file and for the maker's signature. `bind(uid, key
    generation)` is called before the first write, and for a finished chip before it is called done; what it raises
    leaves this function with nothing written. Key-service trouble shows before the first write too.
    """
    job = _Encoding(Channel(transport, entropy), keys, profile, bind, content=content)
    return job.run(lambda: _bring_to_done(job))


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

    def attempt(transport: Transport) -> ChipOutcome:
        return personalise(transport, content=content, keys=keys, entropy=entropy, profile=profile, bind=bind)

    return attempts_at(encoder, tray, position, attempt)


def _bring_to_done(job: _Encoding) -> None:
    version = job.probe()
    if version == _FACTORY_VERSION:
        _refuse_used_chip(job)
        _refuse_fake_chip(job)
        _start_from_factory(job)
    elif version != job.generation:
        raise Halt(ChipVerdict.QUARANTINE, step="picc_key_version", cause="foreign_generation")
    elif not job.channel.select("select_app", job.profile.aid_wire):
        _go_on_at_card_level(job)
    else:
        _go_on_in_app(job)


def _refuse_used_chip(job: _Encoding) -> None:
    """A factory card key with applications on the chip: somebody else's card, or a trap for our keys."""
    if job.channel.expect("list_apps", 0x00, 0x6A):
        raise Halt(ChipVerdict.QUARANTINE, step="list_apps", cause="foreign_application")


def _refuse_fake_chip(job: _Encoding) -> None:
    """Before a key goes out: the maker's signature over the UID, where the profile names its keys and the chip has one.

    The UID is the one that the probe read, so a misread one is found out here as well.
    """
    points = job.profile.originality_points
    if not points or job.channel.ev1:
        return
    if not is_genuine(job.channel.read_signature("read_signature"), uid=job.known_uid(), points=points):
        raise Halt(ChipVerdict.QUARANTINE, step="read_signature", cause="not_genuine")


def _planned(job: _Encoding) -> _Card:
    """Every key and signature that the attempt will need, before it writes anything."""
    picc, app = job.picc_key(job.generation), job.app_keys(job.generation)
    try:
        data = encode_content(job.content, uid=job.known_uid(), keys=job.keys, profile=job.profile)
    except Unavailable as fault:
        raise key_service("sign_content", fault) from None
    return _Card(picc=picc, app=app, data=data)


def _start_from_factory(job: _Encoding) -> None:
    card = _planned(job)
    job.bind_chip()
    job.channel.replace_factory_key("change_picc_key", new=card.picc, version=job.generation)
    _create_app(job, card)


def _go_on_at_card_level(job: _Encoding) -> None:
    card = _planned(job)
    job.bind_chip()
    _create_app(job, card)


def _create_app(job: _Encoding, card: _Card) -> None:
    """At card level: prove the card key, close the card, make the application, and fill it."""
    channel, profile = job.channel, job.profile
    channel.authenticate("prove_picc_key", key_number=0, key=card.picc)
    settings = bytes.fromhex(profile.picc_settings)
    channel.command("picc_settings", 0x54, data=settings, mode=Mode.FULL_COMMAND)
    described = profile.aid_wire + bytes.fromhex(profile.app_settings) + bytes([_APP_KEYS])
    channel.command("create_app", 0xCA, header=described)
    _select_app(job)
    _enter_with_zeros(job)
    for number in (1, 2):
        _set_key(job, card, number)
    _create_file(job)
    _write(job, card.data)
    _commit_and_prove(job, card)


def _select_app(job: _Encoding) -> None:
    """It was there a moment ago."""
    if not job.channel.select("select_app", job.profile.aid_wire):
        raise verdicts.mismatch("select_app")


def _enter_with_zeros(job: _Encoding) -> None:
    """The application's first session, with the key that everybody knows: the chip has to be the same still."""
    job.channel.authenticate("enter_app", key_number=0, key=_FACTORY_AES)
    job.check_same_uid()


def _set_key(job: _Encoding, card: _Card, number: int) -> None:
    job.channel.change_key(
        f"change_key_{number}", key_number=number, new=card.app[number], version=job.generation, old=_FACTORY_AES
    )


def _create_file(job: _Encoding) -> None:
    file = job.profile.file
    header = bytes([file.number, _FULL]) + file.rights + file.size_bytes.to_bytes(3, "little")
    job.channel.command("create_file", 0xCB if file.backup else 0xCD, header=header)


def _write(job: _Encoding, data: bytes) -> None:
    ins = 0x3D if job.channel.ev1 else 0x8D
    header = bytes([job.profile.file.number]) + span(len(data))
    job.channel.command("write_file", ins, header=header, data=data, mode=Mode.FULL_COMMAND)
    if job.profile.file.backup:
        job.channel.command("commit_file", 0xC7)


def _go_on_in_app(job: _Encoding) -> None:
    step = "admin_key_version"
    version = job.key_version(step, 0)
    card = _planned(job)
    if version == job.generation:
        _prove_finished(job, card, fresh=False)
        job.bind_chip()
    elif version == _FACTORY_VERSION:
        job.bind_chip()
        _finish_app(job, card)
    else:
        raise Halt(ChipVerdict.QUARANTINE, step=step, cause="foreign_generation")


def _finish_app(job: _Encoding, card: _Card) -> None:
    """The application is there and not committed: ask what is left, and do only that.

    The card key is proved once more: the attempt that set it may have misread the UID.
    """
    job.channel.select("select_card", SELECT_CARD)
    job.channel.authenticate("prove_picc_key", key_number=0, key=card.picc)
    _select_app(job)
    _enter_with_zeros(job)
    for number in (1, 2):
        step = f"key_version_{number}"
        version = version_byte(job.channel.command(step, 0x64, header=bytes([number])), step=step)
        if version == _FACTORY_VERSION:
            _set_key(job, card, number)
        elif version != job.generation:
            raise Halt(ChipVerdict.QUARANTINE, step=step, cause="foreign_generation")
    if job.profile.file.number not in job.channel.command("list_files", 0x6F):
        _create_file(job)
        _write(job, card.data)
    elif not _says_it(job, job.read("read_file")):
        _write(job, card.data)
    _commit_and_prove(job, card)


def _says_it(job: _Encoding, data: bytes) -> bool:
    """Written whole by an attempt before. Not held against our own bytes: an HSM never signs the same twice."""
    statement = job.signed_statement(data)
    return statement is not None and statement.says(job.content)


def _commit_and_prove(job: _Encoding, card: _Card) -> None:
    job.channel.change_own_key("commit", key_number=0, new=card.app[0], version=job.generation)
    _prove_finished(job, card, fresh=True)


def _prove_finished(job: _Encoding, card: _Card, *, fresh: bool) -> None:
    """As a door reader: right read key, right data, signature holds; then that the admin key is ours."""
    read_key = job.profile.keys.read
    job.channel.authenticate("read_as_door", key_number=read_key, key=card.app[read_key])
    data = job.read("read_back")
    if not _says_it(job, data):
        if fresh or not job.holds_content(data):  # written by us and committed: the chip did not keep it
            raise verdicts.mismatch("read_back")
        raise Halt(ChipVerdict.QUARANTINE, step="read_back", cause="other_content")
    job.channel.authenticate("prove_admin_key", key_number=0, key=card.app[0])
