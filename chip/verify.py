"""A finished chip, read as a door reader reads it: with the read key only, trusting nothing but the signature."""

from cards.errors import Refused
from cards.ports import Entropy
from chip.channel import Channel
from chip.job import read_file
from chip.models import ChipReading, ChipVerdict
from chip.ports import Keys, Transport
from chip.profile import Profile, parse_content, signature_holds
from chip.verdicts import Halt

_NO_VERSION = (0x00, 0xFF)


def read_chip(transport: Transport, *, keys: Keys, entropy: Entropy, profile: Profile) -> ChipReading:
    """What the chip says, and whether its signature over UID ‖ AID ‖ content holds. Eight exchanges on EV2/EV3.

    Refused `chip.not_ours` for another chip, another application or another read key, `chip.unreadable` for one that
    went away, answers damaged or holds no content; Unavailable when the key service does not answer.
    """
    try:
        return _reading(Channel(transport, entropy), keys=keys, profile=profile)
    except Halt as halt:
        problem = halt
    if problem.verdict in (ChipVerdict.QUARANTINE, ChipVerdict.STOP_LINE):
        raise _not_ours(problem.cause)
    raise Refused(
        "chip.unreadable",
        f"the chip could not be read: {problem.cause} at {problem.step}",
        fix="hold the card still on the reader and read it again; if it stays so, report the chip as faulty",
    )


def _reading(channel: Channel, *, keys: Keys, profile: Profile) -> ChipReading:
    chip = channel.get_version()
    if chip.generation is None or chip.uid_is_random:
        raise _not_ours("unknown chip type or random UID")
    if not channel.select("select_app", profile.aid_wire):
        raise _not_ours("our application is not on it")
    number = profile.keys.read
    version = channel.expect("read_key_version", 0x00, 0x64, bytes([number]))
    if len(version) != 1 or version[0] in _NO_VERSION:
        raise _not_ours("its read key is not set")
    key = keys.derive("read", version[0], profile.app_input(chip.uid, number))
    channel.authenticate("read_as_door", key_number=number, key=key)
    statement = parse_content(read_file(channel, profile, step="read_file"))
    return ChipReading(
        uid=chip.uid.hex().upper(),
        card_number=statement.card_number,
        valid_until=statement.valid_until,
        signing_key_id=statement.signing_key_id,
        signature_valid=signature_holds(statement, uid=chip.uid, keys=keys, profile=profile),
        key_generation=version[0],
    )


def _not_ours(why: str) -> Refused:
    return Refused(
        "chip.not_ours",
        f"this chip is not one of our finished cards: {why}",
        fix="check that the right card lies on the reader; an unfinished card goes back to `hsecard encode`",
    )
