"""A finished card goes over to the next generation of keys: the same probing and resuming as when it was made.

Each key's version byte says which generation it is of, so an attempt that was cut short goes on with the keys that are
left. The card's own key comes last and is the commit point. Door readers keep reading all the way through, because they
ask for the version of the read key first. The content and its signature stay as they are.
"""

from cards.ports import Entropy
from chip import verdicts
from chip.channel import Channel
from chip.job import SELECT_CARD, Bind, Job, attempts_at
from chip.models import ChipOutcome, ChipVerdict
from chip.ports import Encoder, Keys, Transport
from chip.profile import Profile
from chip.verdicts import Halt

_Versions = tuple[int, int, int]


def roll_over(transport: Transport, *, keys: Keys, entropy: Entropy, profile: Profile, bind: Bind) -> ChipOutcome:
    """Brings every key of a finished card from the last generation to `profile.key_generation`, wherever it stands.

    At most 26 exchanges on EV2/EV3. `bind(uid, key generation)` is called before the first write; what it raises leaves
    this function. A chip that is unfinished, or has a key of any other generation → QUARANTINE, without trying a key.
    """
    job = Job(Channel(transport, entropy), keys, profile, bind)
    return job.run(lambda: _bring_over(job))


def roll_over_at(
    encoder: Encoder, *, tray: str, position: int, keys: Keys, entropy: Entropy, profile: Profile, bind: Bind
) -> list[ChipOutcome]:
    """All attempts at one place, like `chip.personalise.encode_at`. Raises what the encoder and `bind` raise."""

    def attempt(transport: Transport) -> ChipOutcome:
        return roll_over(transport, keys=keys, entropy=entropy, profile=profile, bind=bind)

    return attempts_at(encoder, tray, position, attempt)


def _bring_over(job: Job) -> None:
    picc = _of_either(job, job.probe(), step="picc_key_version")
    if not job.channel.select("select_app", job.profile.aid_wire):
        raise Halt(ChipVerdict.QUARANTINE, step="select_app", cause="unfinished")
    versions = _app_versions(job)
    generations = {picc, *versions, job.generation}
    app_keys = {generation: job.app_keys(generation) for generation in generations}
    picc_keys = {generation: job.picc_key(generation) for generation in generations}
    job.bind_chip()
    if set(versions) != {job.generation}:
        _renew_app(job, versions, app_keys)
    if picc != job.generation:
        _renew_card(job, old=picc_keys[picc], new=picc_keys[job.generation])
    _prove(job, app_keys[job.generation])


def _of_either(job: Job, version: int, *, step: str) -> int:
    if version == 0 or version not in (job.generation - 1, job.generation):
        raise Halt(ChipVerdict.QUARANTINE, step=step, cause="foreign_generation")
    return version


def _app_versions(job: Job) -> _Versions:
    first, second, third = (
        _of_either(job, job.key_version(step, number), step=step)
        for number, step in enumerate(("admin_key_version", "key_version_1", "key_version_2"))
    )
    return first, second, third


def _renew_app(job: Job, versions: _Versions, keys: dict[int, tuple[bytes, bytes, bytes]]) -> None:
    """Keys 1 and 2 under the admin key that is there, then the admin key itself."""
    channel, admin = job.channel, versions[0]
    channel.authenticate("enter_app", key_number=0, key=keys[admin][0])
    job.check_same_uid()
    new = keys[job.generation]
    for number in (1, 2):
        old = versions[number]
        if old != job.generation:
            channel.change_key(
                f"change_key_{number}",
                key_number=number,
                new=new[number],
                version=job.generation,
                old=keys[old][number],
            )
    if admin != job.generation:
        channel.change_own_key("change_admin_key", key_number=0, new=new[0], version=job.generation)


def _renew_card(job: Job, *, old: bytes, new: bytes) -> None:
    channel = job.channel
    channel.select("select_card", SELECT_CARD)
    channel.authenticate("prove_old_picc_key", key_number=0, key=old)
    channel.change_own_key("commit", key_number=0, new=new, version=job.generation)
    channel.authenticate("prove_picc_key", key_number=0, key=new)
    if not channel.select("select_app", job.profile.aid_wire):
        raise verdicts.mismatch("select_app")


def _prove(job: Job, keys: tuple[bytes, bytes, bytes]) -> None:
    """As a door reader; then the admin key."""
    read_key = job.profile.keys.read
    job.channel.authenticate("read_as_door", key_number=read_key, key=keys[read_key])
    if job.signed_statement(job.read("read_back")) is None:
        raise Halt(ChipVerdict.QUARANTINE, step="read_back", cause="signature")
    job.channel.authenticate("prove_admin_key", key_number=0, key=keys[0])
