"""A blank becomes a card from wherever it stands: the sequence, every cut, every bad blank."""

import dataclasses
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from cards.adapters.system import SeededEntropy
from cards.errors import Refused, Unavailable
from chip.adapters.software_keys import SoftwareKeys
from chip.adapters.virtual import VirtualEncoder
from chip.adapters.virtual_memory import Memory
from chip.errors import ChipLost
from chip.faults import Fault, FaultKind
from chip.models import ChipContent, ChipOutcome, ChipVerdict
from chip.personalise import encode_at, personalise
from chip.ports import Encoder, Transport
from chip.profile import Profile, default_profile
from chip.rollover import roll_over
from chip.verify import read_chip

KEYS = SoftwareKeys(b"the seed of the tests", environment="test")
PROFILE = default_profile()
CONTENT = ChipContent(card_number="0417388", valid_until=date(2028, 11, 23))
OTHER = ChipContent(card_number="0417389", valid_until=date(2028, 11, 23))
EXCHANGES = {1: 28, 2: 26, 3: 26}
PLACE = ("P-000001", 1)


def _encoder(fault: Fault | None = None, *, generation: int = 3) -> VirtualEncoder:
    faults = {PLACE: fault} if fault else None
    return VirtualEncoder("encoder-1", seed=b"blanks", faults=faults, generation=generation)


BACKUP = PROFILE.model_copy(update={"file": PROFILE.file.model_copy(update={"backup": True})})


def _attempt(
    encoder: Encoder,
    content: ChipContent = CONTENT,
    bind: Callable[[str, int], None] = lambda uid, generation: None,
    profile: Profile = PROFILE,
) -> ChipOutcome:
    with encoder.present(*PLACE) as transport:
        return _personalise(transport, content, bind, profile)


def _personalise(
    transport: Transport,
    content: ChipContent,
    bind: Callable[[str, int], None] = lambda uid, generation: None,
    profile: Profile = PROFILE,
) -> ChipOutcome:
    return personalise(
        transport, content=content, keys=KEYS, entropy=SeededEntropy(b"host"), profile=profile, bind=bind
    )


def _kept(encoder: VirtualEncoder) -> Memory:
    """The chip's lasting memory without what only counts how often it was touched."""
    with encoder.present(*PLACE) as presented:
        return dataclasses.replace(presented.card.memory, presentations=0, failures={})


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_blank_becomes_card_that_door_reads(generation: int) -> None:
    encoder, bound = _encoder(generation=generation), []
    outcome = _attempt(encoder, bind=lambda uid, key_generation: bound.append((uid, key_generation)))
    assert outcome.verdict is ChipVerdict.DONE
    assert outcome.exchanges == EXCHANGES[generation]
    assert bound == [(encoder.uid_at(*PLACE), 1)]
    with encoder.present(*PLACE) as transport:
        reading = read_chip(transport, keys=KEYS, entropy=SeededEntropy(b"door"), profile=PROFILE)
    assert (reading.uid, reading.card_number, reading.valid_until) == (outcome.uid, "0417388", date(2028, 11, 23))
    assert reading.signature_valid
    assert reading.key_generation == 1
    assert len(transport.seen) == (9 if generation == 1 else 8)


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_finished_card_is_done_again_and_never_another_card(generation: int) -> None:
    encoder = _encoder(generation=generation)
    _attempt(encoder)
    before = _kept(encoder)
    again = _attempt(encoder)
    assert again.verdict is ChipVerdict.DONE
    assert again.exchanges == (12 if generation == 1 else 11)
    other = _attempt(encoder, OTHER)
    assert (other.verdict, other.cause) == (ChipVerdict.QUARANTINE, "other_content")
    assert _kept(encoder) == before


RANDOM_CUTS = 3600
CUTS = [FaultKind.CUT_BEFORE, FaultKind.CUT_AFTER, FaultKind.TORN]


@pytest.mark.parametrize("profile", [PROFILE, BACKUP], ids=["standard", "backup"])
@pytest.mark.parametrize("generation", [1, 2, 3])
@pytest.mark.parametrize("kind", [*CUTS, FaultKind.LOST_ANSWER, FaultKind.EMPTY_ANSWER, FaultKind.NOT_WRITTEN])
def test_every_single_cut_ends_in_the_same_bytes(kind: FaultKind, generation: int, profile: Profile) -> None:
    whole = _encoder(generation=generation)
    longest = _attempt(whole, profile=profile).exchanges
    expected = _kept(whole)
    assert longest == EXCHANGES[generation] + (profile is BACKUP)
    for exchange in range(1, longest + 1):
        encoder = _encoder(Fault(kind, exchange=exchange), generation=generation)
        first = _attempt(encoder, profile=profile)
        assert first.verdict is ChipVerdict.PRESENT_AGAIN, (exchange, first)
        assert first.exchanges == exchange
        second = _attempt(encoder, profile=profile)
        assert second.verdict is ChipVerdict.DONE, (exchange, second)
        assert second.exchanges <= (33 if generation == 1 else 26 + (profile is BACKUP))
        assert _kept(encoder) == expected, exchange
        with encoder.present(*PLACE) as presented:
            assert not any(any(counts) for counts in presented.card.memory.failures.values()), "a key was guessed"


class _ManyCuts:
    """An encoder whose every presentation but the last few is cut somewhere."""

    def __init__(self, chance: random.Random, generation: int, profile: Profile) -> None:
        self._chance = chance
        self._profile = profile
        self.encoder = _encoder(generation=generation)

    def present_cut(self) -> ChipOutcome:
        fault = Fault(self._chance.choice(CUTS), exchange=self._chance.randint(1, 29), presentations=0)
        self.encoder.plant(*PLACE, fault)
        return _attempt(self.encoder, profile=self._profile)


@pytest.mark.parametrize("profile", [PROFILE, BACKUP], ids=["standard", "backup"])
@pytest.mark.parametrize("generation", [1, 2, 3])
def test_random_cuts_in_a_row_end_in_the_same_bytes(generation: int, profile: Profile) -> None:
    whole = _encoder(generation=generation)
    _attempt(whole, profile=profile)
    expected = _kept(whole)
    chance = random.Random(417)
    for _ in range(RANDOM_CUTS // 6):
        cut = _ManyCuts(chance, generation, profile)
        for _ in range(chance.randint(1, 6)):
            assert cut.present_cut().verdict in (ChipVerdict.PRESENT_AGAIN, ChipVerdict.DONE)
        cut.encoder.plant(*PLACE, None)
        assert _attempt(cut.encoder, profile=profile).verdict is ChipVerdict.DONE
        assert _kept(cut.encoder) == expected


@pytest.mark.parametrize("exchange", range(4, 27))
def test_bit_flip_is_never_done_at_once_nor_hidden(exchange: int) -> None:
    encoder = _encoder(Fault(FaultKind.BIT_FLIP, exchange=exchange))
    first = _attempt(encoder)
    if first.verdict is not ChipVerdict.DONE:  # an answer without data has nothing to flip
        assert first.verdict in (ChipVerdict.PRESENT_AGAIN, ChipVerdict.QUARANTINE)
        second = _attempt(encoder)
        assert second.verdict is ChipVerdict.DONE, (first, second)


def test_misread_uid_is_found_before_the_application_gets_keys() -> None:
    encoder = _encoder(Fault(FaultKind.WRONG_UID))
    assert _attempt(encoder).cause == "uid_differs"
    assert {key.value for key in _kept(encoder).apps[PROFILE.aid_wire.hex()].keys} == {bytes(16)}
    assert _attempt(encoder).verdict is ChipVerdict.QUARANTINE


BAD_BLANKS = [
    (Fault(FaultKind.RANDOM_UID), ChipVerdict.QUARANTINE, "random_uid"),
    (Fault(FaultKind.FOREIGN_KEY), ChipVerdict.QUARANTINE, "key_refused"),
    (Fault(FaultKind.FOREIGN_APP), ChipVerdict.QUARANTINE, "foreign_application"),
    (Fault(FaultKind.KEY_LOCKED), ChipVerdict.QUARANTINE, "permission_denied"),
    (Fault(FaultKind.NO_ROOM), ChipVerdict.NO_SPACE, "no_room"),
    (Fault(FaultKind.UNKNOWN_TYPE), ChipVerdict.STOP_LINE, "unknown_chip_type"),
    (Fault(FaultKind.WRONG_UID), ChipVerdict.QUARANTINE, "uid_differs"),
    (Fault(FaultKind.INTEGRITY, exchange=9), ChipVerdict.FAULTY, "integrity"),
    (Fault(FaultKind.STATUS, exchange=12, status=0x91AD), ChipVerdict.WAIT, "authentication_delay"),
    (Fault(FaultKind.STATUS, exchange=12, status=0x911C), ChipVerdict.STOP_LINE, "unexpected_status"),
    (Fault(FaultKind.STATUS, exchange=12, status=0x6A82), ChipVerdict.STOP_LINE, "unexpected_status"),
]


@pytest.mark.parametrize(("fault", "verdict", "cause"), BAD_BLANKS)
def test_each_trouble_has_its_own_verdict(fault: Fault, verdict: ChipVerdict, cause: str) -> None:
    outcome = _attempt(_encoder(fault))
    assert (outcome.verdict, outcome.cause) == (verdict, cause)


def test_dead_chip_stays_dead() -> None:
    encoder = _encoder(Fault(FaultKind.INTEGRITY, exchange=9, presentations=1))
    assert [_attempt(encoder).verdict for _ in range(3)] == [ChipVerdict.FAULTY] * 3


def _settle(encoder: Encoder, keys: SoftwareKeys = KEYS) -> list[ChipOutcome]:
    return encode_at(
        encoder,
        tray=PLACE[0],
        position=PLACE[1],
        content=CONTENT,
        keys=keys,
        entropy=SeededEntropy(b"host"),
        profile=PROFILE,
        bind=lambda uid, generation: None,
    )


@pytest.mark.parametrize(
    ("fault", "verdicts"),
    [
        (None, ["done"]),
        (Fault(FaultKind.CUT_AFTER, exchange=21), ["present_again", "done"]),
        (Fault(FaultKind.CUT_BEFORE, exchange=4, presentations=2), ["present_again", "present_again", "done"]),
        (Fault(FaultKind.CUT_BEFORE, exchange=4, presentations=0), ["present_again", "present_again", "faulty"]),
        (Fault(FaultKind.NOT_WRITTEN, exchange=8, presentations=0), ["present_again", "faulty"]),
        (Fault(FaultKind.BIT_FLIP, exchange=7, presentations=0), ["present_again", "faulty"]),
        (Fault.named("aborted"), ["present_again", "present_again", "faulty"]),
        (Fault.named("integrity"), ["faulty"]),
    ],
)
def test_patience_ends_where_the_taxonomy_says(fault: Fault | None, verdicts: list[str]) -> None:
    assert [attempt.verdict.value for attempt in _settle(_encoder(fault))] == verdicts


class _Forgetful:
    """An encoder whose chip acknowledges what is written to its file and keeps nothing of it."""

    name = "encoder-1"

    def __init__(self) -> None:
        self._encoder = _encoder()

    @contextmanager
    def present(self, tray: str, position: int) -> Iterator[Transport]:
        with self._encoder.present(tray, position) as presented:
            self._presented = presented
            yield self

    def transmit(self, apdu: bytes) -> bytes:
        answer = self._presented.transmit(apdu)
        for app in self._presented.card.memory.apps.values():
            for file in app.files.values():
                file.data = bytes(len(file.data))
        return answer


def test_chip_that_keeps_no_data_is_faulty_and_no_case_for_quarantine() -> None:
    attempts = _settle(_Forgetful())
    assert [(attempt.verdict.value, attempt.cause) for attempt in attempts] == [
        ("present_again", "mismatch"),
        ("faulty", "mismatch"),
    ]


class _Restless(SoftwareKeys):
    """Signs as an HSM does: never twice the same."""

    def sign(self, message: bytes) -> tuple[int, bytes]:
        key_id, _ = super().sign(message)
        r, s = decode_dss_signature(self._signer(key_id).sign(message, ec.ECDSA(SHA256())))
        return key_id, r.to_bytes(32, "big") + s.to_bytes(32, "big")


@pytest.mark.parametrize("generation", [1, 3])
@pytest.mark.parametrize("kind", CUTS)
def test_keys_that_never_sign_the_same_twice_resume_as_well(kind: FaultKind, generation: int) -> None:
    keys = _Restless(b"the seed of the tests", environment="test")
    for exchange in range(1, EXCHANGES[generation] + 1):
        encoder = _encoder(Fault(kind, exchange=exchange), generation=generation)
        attempts = _settle(encoder, keys)
        assert [attempt.verdict.value for attempt in attempts] == ["present_again", "done"], exchange
        with encoder.present(*PLACE) as transport:
            assert read_chip(transport, keys=KEYS, entropy=SeededEntropy(b"door"), profile=PROFILE).signature_valid


def test_refused_binding_stops_before_any_write() -> None:
    encoder = _encoder()
    before = _kept(encoder)

    def refuse(uid: str, generation: int) -> None:
        raise Refused("test.bound", f"{uid} belongs to another card", fix="take another blank")

    with pytest.raises(Refused, match="belongs to another"):
        _attempt(encoder, bind=refuse)
    assert _kept(encoder) == before


WRITES = {0xC4, 0x54, 0xCA, 0xCD, 0x8D}


@pytest.mark.parametrize("exchange", range(1, 27))
def test_binding_comes_before_the_first_write_from_every_state(exchange: int) -> None:
    encoder, seen_at_bind = _encoder(Fault(FaultKind.CUT_AFTER, exchange=exchange)), []
    _attempt(encoder)
    with encoder.present(*PLACE) as presented:
        _personalise(
            presented, CONTENT, lambda uid, generation: seen_at_bind.append({ins for ins, _ in presented.seen})
        )
    assert len(seen_at_bind) == 1
    assert not seen_at_bind[0] & WRITES


class _Swap:
    """A transport whose chip is changed for another one at an exchange, with nobody noticing."""

    def __init__(self, first: Transport, second: Transport, at: int) -> None:
        self._first, self._second, self._left = first, second, at - 1

    def transmit(self, apdu: bytes) -> bytes:
        if self._left > 0:
            self._left -= 1
            return self._first.transmit(apdu)
        return self._second.transmit(apdu)


@pytest.mark.parametrize("second_is", ["blank", "begun"])
@pytest.mark.parametrize("at", range(2, 27))
def test_card_swapped_in_the_middle_is_never_done(at: int, second_is: str) -> None:
    encoder = VirtualEncoder("encoder-1", seed=b"blanks", faults={("P-000001", 2): Fault(FaultKind.CUT_BEFORE, 16)})
    if second_is == "begun":
        with encoder.present("P-000001", 2) as begun:
            _personalise(begun, OTHER)
    with encoder.present("P-000001", 1) as first, encoder.present("P-000001", 2) as second:
        if second_is == "blank":
            second.card.memory.presentations = 2
        outcome = _personalise(_Swap(first, second, at), CONTENT)
        wrote_on_second = {ins for ins, status in second.seen if status == 0x9100} & {0x8D, 0xCD}
    assert outcome.verdict is not ChipVerdict.DONE
    assert not wrote_on_second


def test_wrong_key_is_tried_once_per_presentation() -> None:
    strangers = SoftwareKeys(b"some other key service", environment="test")
    encoder = _encoder()
    _attempt(encoder)
    for count in (1, 2, 3):
        with encoder.present(*PLACE) as presented:
            outcome = personalise(
                presented,
                content=CONTENT,
                keys=strangers,
                entropy=SeededEntropy(b"host"),
                profile=PROFILE,
                bind=lambda uid, generation: None,
            )
            assert outcome.verdict is ChipVerdict.QUARANTINE
            assert sum(total for _, total in presented.card.memory.failures.values()) == count


@pytest.mark.parametrize("generation", [1, 3])
def test_wrong_keys_are_tried_once_whatever_is_left_to_do(generation: int) -> None:
    """From every state that a cut leaves behind, by whoever presents the card: encoder, roll-over, door."""
    strangers = SoftwareKeys(b"some other key service", environment="test", generation=2)
    newer = PROFILE.model_copy(update={"key_generation": 2})
    given = {"keys": strangers, "entropy": SeededEntropy(b"host")}
    tried = 0
    for exchange in range(1, EXCHANGES[generation] + 1):
        encoder = _encoder(Fault(FaultKind.CUT_AFTER, exchange=exchange), generation=generation)
        _attempt(encoder)
        for act in (
            lambda chip: personalise(chip, content=CONTENT, profile=PROFILE, bind=lambda uid, made: None, **given),
            lambda chip: roll_over(chip, profile=newer, bind=lambda uid, made: None, **given),
            lambda chip: read_chip(chip, profile=PROFILE, **given),
        ):
            before = _refused_keys(encoder)
            with encoder.present(*PLACE) as presented, suppress(Refused):
                act(presented)
            assert _refused_keys(encoder) - before <= 1, exchange
        tried += _refused_keys(encoder)
    assert tried > EXCHANGES[generation]  # they were not just put aside unasked


def _refused_keys(encoder: VirtualEncoder) -> int:
    with encoder.present(*PLACE) as presented:
        return sum(total for _, total in presented.card.memory.failures.values())


class _NoKeys(SoftwareKeys):
    def derive(self, key_id: str, generation: int, div_input: bytes) -> bytes:
        raise Unavailable("chip.key_service", "the HSM does not answer", fix="wait")


def test_key_service_gone_stops_before_the_first_write() -> None:
    encoder = _encoder()
    before = _kept(encoder)
    with encoder.present(*PLACE) as presented:
        outcome = personalise(
            presented,
            content=CONTENT,
            keys=_NoKeys(b"the seed of the tests", environment="test"),
            entropy=SeededEntropy(b"host"),
            profile=PROFILE,
            bind=lambda uid, generation: None,
        )
    assert outcome.verdict is ChipVerdict.KEY_SERVICE
    assert _kept(encoder) == before


def test_card_of_another_key_generation_is_put_aside_untried() -> None:
    encoder = _encoder()
    _attempt(encoder)
    newer = PROFILE.model_copy(update={"key_generation": 2})
    with encoder.present(*PLACE) as presented:
        outcome = personalise(
            presented,
            content=CONTENT,
            keys=SoftwareKeys(b"the seed of the tests", environment="test", generation=2),
            entropy=SeededEntropy(b"host"),
            profile=newer,
            bind=lambda uid, generation: None,
        )
        tried = {ins for ins, _ in presented.seen} & {0x71, 0x1A, 0xAA}
    assert (outcome.verdict, outcome.cause) == (ChipVerdict.QUARANTINE, "foreign_generation")
    assert not tried


def test_transport_that_lost_its_card_says_so_for_ever() -> None:
    encoder = _encoder()
    with encoder.present(*PLACE) as presented:
        pass
    with pytest.raises(ChipLost):
        presented.transmit(bytes.fromhex("9060000000"))
