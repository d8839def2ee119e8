"""Two days of a bureau with every sort of chip trouble, and a search through all that it wrote for what nobody may see.

What is looked for: masters and card keys, RndA and RndB, session keys, the frames of authentications and key changes.
Where: every logger at its most talkative, the terminal, what the stages answered, and each file under the home folder.
"""

import base64
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from cards.errors import HseCardError
from cards.ports import Entropy
from chip import messaging
from chip.adapters.software_keys import KEY_IDS, SoftwareKeys
from chip.derive import decrypt
from chip.ports import Encoder, Transport
from chip.profile import Profile
from flows.engine import Inline
from flows.house import House, build_house
from tests.sim.world import lay_out_inbox, live, settings_of

TROUBLES = {
    "P-000001#1": "cut_after@21",
    "P-000001#2": "aborted",
    "P-000001#3": "bit_flip@18",
    "P-000002#1": "foreign_key",
    "P-000002#2": "not_written@16*2",
    "P-000002#3": "lost_answer@7",
    "P-000003#1": "integrity@17",
}
_SECRET_FRAMES = {0x1A, 0xAA, 0x71, 0x77, 0xAF, 0xC4}


@dataclass
class Heard:
    """What somebody who listens at the reader, and one who sits in the machine, would know."""

    uids: set[bytes] = field(default_factory=set)
    drawn: list[bytes] = field(default_factory=list)
    challenges: list[bytes] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    presenting: bool = False

    def secrets(self, keys: SoftwareKeys, profile: Profile) -> set[bytes]:
        card_keys = {bytes(16)}
        for uid in self.uids:
            card_keys.add(keys.derive("picc", 1, profile.picc_input(uid)))
            card_keys |= {
                keys.derive(key_id, 1, profile.app_input(uid, number))
                for key_id, number in profile.keys.model_dump().items()
            }
        masters = {keys._master(key_id, 1) for key_id in KEY_IDS}
        found = masters | card_keys | set(self.drawn) | {frame for frame in self.frames if len(frame) >= 8}
        for challenge, rnd_a in zip(self.challenges, [draw for draw in self.drawn if len(draw) == 16], strict=False):
            for key in card_keys:
                rnd_b = decrypt(key, bytes(16), challenge)
                found |= {rnd_b, *messaging.ev2_session_keys(key=key, rnd_a=rnd_a, rnd_b=rnd_b)}
        return found - {bytes(16), bytes(8)}


class _Noting:
    """Entropy that notes what is drawn while a card lies on the reader: other draws are card numbers and the like."""

    def __init__(self, inner: Entropy, heard: Heard) -> None:
        self._inner, self._heard = inner, heard

    def draw(self, size: int) -> bytes:
        drawn = self._inner.draw(size)
        if self._heard.presenting:
            self._heard.drawn.append(drawn)
        return drawn


@dataclass
class _Listening:
    """An encoder with somebody listening at it."""

    inner: Encoder
    heard: Heard = field(repr=False)

    @property
    def name(self) -> str:
        return self.inner.name

    @contextmanager
    def present(self, tray: str, position: int) -> Iterator[Transport]:
        with self.inner.present(tray, position) as transport:
            self.heard.presenting = True
            try:
                yield _Tapped(transport, self.heard)
            finally:
                self.heard.presenting = False


class _Tapped:
    def __init__(self, inner: Transport, heard: Heard) -> None:
        self._inner, self._heard = inner, heard

    def transmit(self, apdu: bytes) -> bytes:
        answer = self._inner.transmit(apdu)
        if apdu[1] == messaging.MORE and len(answer) == 16 and answer[-2:] == b"\x91\x00":
            self._heard.uids.add(answer[:7])  # the third frame of GetVersion
        elif apdu[1] in _SECRET_FRAMES:
            self._heard.frames += [apdu[5:-1], answer[:-2]]
            if answer[-2:] == b"\x91\xaf" and len(answer) == 18:
                self._heard.challenges.append(answer[:16])
        return answer


@contextmanager
def _all_that_is_said() -> Iterator[io.StringIO]:
    """Logs of everybody at every level, stdout and stderr."""
    out, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(out), root.level
    quiet = {name: logger.level for name, logger in logging.Logger.manager.loggerDict.items()
             if isinstance(logger, logging.Logger)}  # fmt: skip
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        with redirect_stdout(out), redirect_stderr(out):
            yield out
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for name, before in quiet.items():
            logging.getLogger(name).setLevel(before)


def _spellings(secret: bytes) -> list[bytes]:
    """As bytes, as hex of either case and with blanks between, as base64, as Python or JSON would write it."""
    spaced = [secret.hex(mark).encode() for mark in (" ", ":")]
    written = [secret.hex().encode(), *spaced, base64.b64encode(secret).rstrip(b"="), repr(secret)[2:-1].encode()]
    listed = str(list(secret))[1:-1].encode()
    return [secret, *written, *(text.upper() for text in (written[0], *spaced)), listed]


class Search:
    """Looks for many secrets in many bytes at once: first for their beginnings, then for what began."""

    def __init__(self, secrets: set[bytes]) -> None:
        self._spelled: dict[int, list[tuple[bytes, bytes]]] = {}
        for secret in secrets:
            for spelling in _spellings(secret):
                self._spelled.setdefault(int.from_bytes(spelling[:4], "little"), []).append((spelling, secret))
        self._beginnings = np.array(sorted(self._spelled), dtype=np.uint32)

    def shown(self, written: bytes) -> set[bytes]:
        """Those of the secrets that stand there, in whatever spelling."""
        every = np.frombuffer(written, dtype=np.uint8).astype(np.uint32)
        if len(every) < 4:
            return set()
        quartets = every[:-3] | every[1:-2] << 8 | every[2:-1] << 16 | every[3:] << 24
        begun = self._beginnings[np.isin(self._beginnings, quartets)]
        return {secret for at in begun for spelling, secret in self._spelled[int(at)] if spelling in written}


def _files(home: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())


@dataclass
class Lived:
    """A house after two bad days: what it said and wrote, and what may not be in it."""

    home: Path
    said: str
    secrets: set[bytes]
    heard: Heard
    search: Search


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("secrets")
    lay_out_inbox(folder / "inbox")
    settings = settings_of(folder / "home").model_copy(update={"virtual_faults": TROUBLES})
    heard = Heard()
    house = build_house(settings, actor="sim")
    with _all_that_is_said() as out:
        watched = replace(
            house,
            entropy=_Noting(house.entropy, heard),
            encoders=tuple(_Listening(encoder, heard) for encoder in house.encoders),
            engine=Inline(),
        )
        for _ in range(2):
            _live_through(watched, folder / "inbox")
        print(repr(watched), repr(watched.keys), watched.settings.model_dump(), file=out)
    assert isinstance(house.keys, SoftwareKeys)
    secrets = heard.secrets(house.keys, house.profile)
    house.store.close()
    return Lived(folder / "home", out.getvalue(), secrets, heard, Search(secrets))


def _live_through(house: House, inbox: Path) -> None:
    try:
        live(house, inbox)
    except HseCardError as fault:  # a stopped encoder ends the day; what it says is looked through as well
        print(repr(fault), fault)


def test_the_days_were_bad_enough(lived: Lived) -> None:
    assert len(lived.heard.uids) >= 4
    assert len(lived.heard.challenges) > 20
    assert len(lived.secrets) > 200
    assert len(lived.said) > 1000


def test_nothing_secret_was_said_or_written(lived: Lived) -> None:
    assert lived.search.shown(lived.said.encode()) == set()
    assert lived.search.shown(_files(lived.home)) == set()


def test_a_planted_secret_is_found_in_every_spelling(lived: Lived) -> None:
    secret = sorted(lived.secrets, key=len)[-1]
    key = next(secret for secret in lived.secrets if len(secret) == 16)
    for planted in (secret, key):
        for spelling in _spellings(planted):
            assert lived.search.shown(b"before " + spelling + b" after") >= {planted}
    with _all_that_is_said() as out:
        logging.getLogger("chip.channel").debug("sent %s", key.hex(" "))
    assert lived.search.shown(out.getvalue().encode()) == {key}
    leak = lived.home / "blobs" / "leak.bin"
    leak.parent.mkdir(exist_ok=True)
    leak.write_bytes(b"\x00\x01" + key)
    try:
        assert lived.search.shown(_files(lived.home)) == {key}
    finally:
        leak.unlink()
