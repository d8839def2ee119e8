"""The virtual card holds what a real chip holds to: rights, sessions, frames, files, counters, and its own memory."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cards.adapters.system import SeededEntropy
from cards.errors import Refused, Unavailable
from chip.adapters.virtual import VirtualEncoder
from chip.adapters.virtual_faults import Presented
from chip.channel import Channel, Mode
from chip.errors import ChipLost
from chip.faults import Fault, FaultKind
from chip.verdicts import Halt

ZERO = bytes(16)
AID = bytes.fromhex("10A1F5")
PICC = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
PLACE = ("P-000001", 1)


def h(text: str) -> bytes:
    return bytes.fromhex(text)


@contextmanager
def _opened(encoder: VirtualEncoder) -> Iterator[tuple[Channel, Presented]]:
    with encoder.present(*PLACE) as presented:
        channel = Channel(presented, SeededEntropy(b"host"))
        channel.get_version()
        yield channel, presented


def _with_app(generation: int, *, app_settings: str = "0B") -> VirtualEncoder:
    """A chip with our card key and an application of three zero keys."""
    encoder = VirtualEncoder("encoder-1", seed=b"blanks", generation=generation)
    with _opened(encoder) as (channel, _):
        channel.replace_factory_key("key", new=PICC, version=1)
        channel.authenticate("picc", key_number=0, key=PICC)
        channel.command("settings", 0x54, data=h("0B"), mode=Mode.FULL_COMMAND)
        channel.command("create", 0xCA, header=AID + h(app_settings) + h("83"))
    return encoder


def _in_app(channel: Channel, number: int = 0) -> None:
    assert channel.select("select", AID)
    channel.authenticate("app", key_number=number, key=ZERO)


def _status(channel: Channel, ins: int, **sent: object) -> int | None:
    """The status that a command in the session is refused with."""
    with pytest.raises(Halt) as refused:
        channel.command("test", ins, **sent)  # type: ignore[arg-type]  # passed through as written in the test
    return refused.value.status


GENERATIONS = pytest.mark.parametrize("generation", [1, 2, 3])
FILE = h("0103 0012 500000")  # standard or backup file 1, enciphered, read 1, write 2, admin 0, 80 bytes
WHOLE = h("01 000000 500000")


@GENERATIONS
def test_only_the_right_key_writes_or_reads(generation: int) -> None:
    encoder, data = _with_app(generation), bytes(range(80))
    write, read = (0x3D, 0xBD) if generation == 1 else (0x8D, 0xAD)
    with _opened(encoder) as (channel, _):
        _in_app(channel)
        channel.command("create", 0xCD, header=FILE)
        _in_app(channel, 2)
        channel.command("write", write, header=WHOLE, data=data, mode=Mode.FULL_COMMAND)
        assert _status(channel, read, header=WHOLE, mode=Mode.FULL_ANSWER, size=80) == 0x919D
        _in_app(channel, 1)
        assert channel.command("read", read, header=WHOLE, mode=Mode.FULL_ANSWER, size=80) == data
        assert _status(channel, write, header=WHOLE, data=data, mode=Mode.FULL_COMMAND) == 0x919D
        assert channel.select("again", AID)
        status, answer = channel.exchange("no session", read, WHOLE)
        assert (status, answer) == (0x91AE, b"")


@GENERATIONS
def test_error_ends_the_session(generation: int) -> None:
    with _opened(_with_app(generation)) as (channel, _):
        _in_app(channel)
        assert _status(channel, 0xCD, header=h("2003001 2500000".replace(" ", ""))) == 0x919E
        assert _status(channel, 0xCD, header=FILE) == 0x91AE


@GENERATIONS
def test_closed_card_lets_nobody_create_or_delete(generation: int) -> None:
    with _opened(_with_app(generation)) as (channel, _):
        assert channel.exchange("create", 0xCA, h("CCBBAA0B83"))[0] == 0x91AE
        assert channel.exchange("delete", 0xDA, AID)[0] == 0x91AE
        assert channel.exchange("format", 0xFC)[0] == 0x91AE
        assert channel.expect("list", 0x00, 0x6A) == AID


@GENERATIONS
def test_status_words_of_the_table(generation: int) -> None:
    read = 0xBD if generation == 1 else 0xAD
    with _opened(_with_app(generation)) as (channel, _):
        channel.authenticate("picc", key_number=0, key=PICC)
        assert _status(channel, 0xCA, header=AID + h("0B83")) == 0x91DE
        _in_app(channel)
        assert _status(channel, read, header=WHOLE, size=80) == 0x91F0
        _in_app(channel)
        channel.command("create", 0xCD, header=FILE)
        assert _status(channel, read, header=h("01 000000 510000"), mode=Mode.FULL_ANSWER, size=81) == 0x91BE
        assert not channel.select("unknown", h("010203"))
        assert channel.exchange("select", 0x5A, AID)[0] == 0x9100
        assert channel.exchange("key 9", 0x64, b"\x09")[0] == 0x9140
        assert channel.exchange("unknown command", 0xE1)[0] == 0x911C
        assert channel.exchange("too short", 0x5A, b"\x01")[0] == 0x917E
        _in_app(channel)
        assert _status(channel, 0xC7) == 0x910C


@pytest.mark.parametrize("apdu", ["00A4040000", "9060", "905A000003F5A100", "905A010003F5A11000"])
def test_malformed_wrapping_is_refused(apdu: str) -> None:
    with VirtualEncoder("encoder-1", seed=b"blanks").present(*PLACE) as presented:
        assert presented.transmit(h(apdu)) in (h("6E00"), h("6700"))


@GENERATIONS
def test_backup_file_keeps_the_old_until_commit(generation: int) -> None:
    encoder, first = _with_app(generation), bytes([7]) * 80
    write, read = (0x3D, 0xBD) if generation == 1 else (0x8D, 0xAD)

    def content() -> bytes:
        with _opened(encoder) as (channel, _):
            _in_app(channel, 1)
            return channel.command("read", read, header=WHOLE, mode=Mode.FULL_ANSWER, size=80)

    with _opened(encoder) as (channel, _):
        _in_app(channel)
        channel.command("create", 0xCB, header=FILE)
        channel.command("write", write, header=WHOLE, data=first, mode=Mode.FULL_COMMAND)
    assert content() == bytes(80)
    with _opened(encoder) as (channel, _):
        _in_app(channel)
        channel.command("write", write, header=WHOLE, data=first, mode=Mode.FULL_COMMAND)
        channel.command("commit", 0xC7)
    assert content() == first


def test_ev1_frames_are_short_both_ways() -> None:
    with _opened(_with_app(1)) as (channel, presented):
        assert presented.transmit(h("90CD000038") + bytes(56) + b"\x00") == h("917E")
        _in_app(channel)
        channel.command("create", 0xCD, header=FILE)
        before = channel.exchanges
        channel.command("write", 0x3D, header=WHOLE, data=bytes(range(80)), mode=Mode.FULL_COMMAND)
        assert channel.exchanges - before == 2
        channel.command("read", 0xBD, header=WHOLE, mode=Mode.FULL_ANSWER, size=80)
        assert channel.exchanges - before == 4


def test_ev1_knows_no_ev2_messaging() -> None:
    with _opened(_with_app(1)) as (channel, _):
        assert channel.exchange("first", 0x71, b"\x00\x00")[0] == 0x911C


class _NoisyAir:
    """Turns the lowest bit of one byte of every command of a kind on its way to the chip."""

    def __init__(self, presented: Presented, ins: int, at: int) -> None:
        self._presented, self._ins, self._at = presented, ins, at

    def transmit(self, apdu: bytes) -> bytes:
        if apdu[1] == self._ins:
            apdu = apdu[: self._at] + bytes([apdu[self._at] ^ 1]) + apdu[self._at + 1 :]
        return self._presented.transmit(apdu)


@pytest.mark.parametrize("at", range(5, 20))
def test_turned_bit_in_a_command_is_noticed(at: int) -> None:
    with _with_app(3).present(*PLACE) as presented:
        channel = Channel(_NoisyAir(presented, 0xCD, at), SeededEntropy(b"host"))
        channel.get_version()
        _in_app(channel)
        assert _status(channel, 0xCD, header=FILE) == 0x911E
        assert not presented.card.memory.apps[AID.hex()].files


def test_refused_authentications_slow_the_chip_and_then_lock_the_key() -> None:
    encoder = _with_app(3)
    with _opened(encoder) as (channel, presented):
        statuses = []
        for _ in range(52):
            with pytest.raises(Halt) as refused:
                channel.authenticate("guess", key_number=0, key=ZERO)
            statuses.append(refused.value.status)
        assert statuses[:50] == [0x91AE] * 50
        assert statuses[50] == 0x91AD
        presented.card.memory.failures["picc/0"] = [0, 1000]
        with pytest.raises(Halt) as locked:
            channel.authenticate("right", key_number=0, key=PICC)
        assert locked.value.status == 0x919D


def test_delay_outlives_power_off_and_success_forgives() -> None:
    encoder = _with_app(3)
    with _opened(encoder) as (channel, _):
        for _ in range(50):
            with pytest.raises(Halt):
                channel.authenticate("guess", key_number=0, key=ZERO)
    with _opened(encoder) as (channel, presented):
        with pytest.raises(Halt) as refused:
            channel.authenticate("right", key_number=0, key=PICC)
        assert refused.value.status == 0x91AD
        channel.authenticate("right", key_number=0, key=PICC)
        assert presented.card.memory.failures["picc/0"] == [0, 40]


def test_key_that_may_not_change_does_not() -> None:
    with _opened(_with_app(3, app_settings="0A")) as (channel, _):
        _in_app(channel)
        with pytest.raises(Halt) as refused:
            channel.change_own_key("own", key_number=0, new=PICC, version=1)
        assert refused.value.status == 0x919D


def test_change_of_another_key_needs_the_old_one_and_the_admin() -> None:
    with _opened(_with_app(3)) as (channel, _):
        _in_app(channel)
        with pytest.raises(Halt) as wrong_old:
            channel.change_key("wrong old", key_number=1, new=PICC, version=1, old=PICC)
        assert wrong_old.value.status == 0x911E
        _in_app(channel, 2)
        with pytest.raises(Halt) as not_admin:
            channel.change_key("not admin", key_number=1, new=PICC, version=1, old=ZERO)
        assert not_admin.value.status == 0x91AE


def test_deleting_gives_no_room_back_but_formatting_does() -> None:
    with _opened(_with_app(3)) as (channel, presented):
        _in_app(channel)
        channel.command("create", 0xCD, header=FILE)
        full = presented.card.memory.free
        assert not channel.select("card", h("000000")) or True
        channel.authenticate("picc", key_number=0, key=PICC)
        channel.command("delete", 0xDA, header=AID)
        assert presented.card.memory.free == full
        channel.command("create", 0xCA, header=AID + h("0B83"))
        channel.command("format", 0xFC)
        assert not presented.card.memory.apps


# --- what lasts ---------------------------------------------------------------------------------------------------


def test_chip_lives_on_in_its_folder_for_another_process(tmp_path: Path) -> None:
    one = VirtualEncoder("encoder-1", seed=b"blanks", folder=tmp_path / "chips")
    with _opened(one) as (channel, _):
        channel.replace_factory_key("key", new=PICC, version=1)
    other = VirtualEncoder("encoder-2", seed=b"blanks", folder=tmp_path / "chips")
    uid = one.uid_at(*PLACE)
    with other.present_uid(uid.lower()) as presented:
        channel = Channel(presented, SeededEntropy(b"host"))
        assert channel.get_version().uid.hex().upper() == uid
        channel.authenticate("picc", key_number=0, key=PICC)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "chips").iterdir())
    assert PICC not in stored
    assert PICC.hex().encode() not in stored


def test_change_is_stored_before_the_answer(tmp_path: Path) -> None:
    encoder = VirtualEncoder("encoder-1", seed=b"blanks", folder=tmp_path)
    with encoder.present(*PLACE) as presented:
        channel = Channel(presented, SeededEntropy(b"host"))
        channel.get_version()
        channel.replace_factory_key("key", new=PICC, version=1)
        bystander = VirtualEncoder("encoder-2", seed=b"blanks", folder=tmp_path)
        with bystander.present_uid(encoder.uid_at(*PLACE)) as seen:
            assert Channel(seen, SeededEntropy(b"host")).expect("version", 0x00, 0x64, b"\x00") == b"\x01"


def test_same_place_is_the_same_chip_and_others_are_not() -> None:
    encoder = VirtualEncoder("encoder-1", seed=b"blanks")
    uids = {encoder.uid_at(tray, position) for tray in ("P-000001", "P-000002") for position in range(1, 500)}
    assert len(uids) == 998
    assert all(uid.startswith("04") and len(uid) == 14 for uid in uids)
    assert VirtualEncoder("encoder-9", seed=b"blanks").uid_at(*PLACE) == encoder.uid_at(*PLACE)
    assert VirtualEncoder("encoder-1", seed=b"other").uid_at(*PLACE) != encoder.uid_at(*PLACE)


def test_memory_of_another_seed_or_damaged_is_refused(tmp_path: Path) -> None:
    encoder = VirtualEncoder("encoder-1", seed=b"blanks", folder=tmp_path)
    with encoder.present(*PLACE):
        pass
    file = tmp_path / f"{encoder.uid_at(*PLACE)}.chip"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Refused) as damaged, encoder.present(*PLACE):
        pass
    assert damaged.value.code == "chip.virtual_memory_damaged"


@pytest.mark.parametrize("uid", ["04000000000000", "nonsense", "", "../../etc/passwd", "04" * 8])
def test_unknown_uid_is_refused(uid: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as unknown, VirtualEncoder("e", seed=b"x", folder=tmp_path).present_uid(uid):
        pass
    assert unknown.value.code == "chip.no_such_chip"


def test_folder_that_is_none_is_no_reader(tmp_path: Path) -> None:
    (tmp_path / "chips").write_text("in the way")
    encoder = VirtualEncoder("encoder-1", seed=b"blanks", folder=tmp_path / "chips")
    with pytest.raises(Unavailable) as no_reader, encoder.present(*PLACE):
        pass
    assert no_reader.value.code == "chip.no_reader"


def test_encoder_and_faults_cross_a_process_pool(tmp_path: Path) -> None:
    faults = {PLACE: Fault(FaultKind.CUT_BEFORE, exchange=2)}
    encoder = pickle.loads(pickle.dumps(VirtualEncoder("encoder-1", seed=b"blanks", folder=tmp_path, faults=faults)))
    with encoder.present(*PLACE) as presented:
        presented.transmit(h("9060000000"))
        with pytest.raises(ChipLost):
            presented.transmit(h("90AF000000"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("aborted", Fault(FaultKind.ABORTED, exchange=12, presentations=0)),
        ("cut_after@17", Fault(FaultKind.CUT_AFTER, exchange=17, presentations=1)),
        (" not_written@8*2 ", Fault(FaultKind.NOT_WRITTEN, exchange=8, presentations=2)),
    ],
)
def test_faults_by_name(text: str, fault: Fault) -> None:
    assert Fault.named(text) == fault


@pytest.mark.parametrize("text", ["", "broken", "cut_after@", "cut_after@x", "CUT_AFTER"])
def test_unknown_fault_is_refused(text: str) -> None:
    with pytest.raises(Refused) as unknown:
        Fault.named(text)
    assert unknown.value.code == "chip.unknown_fault"
