"""Content, keys and the door reader: what is signed, what is refused, and that no secret is ever shown."""

import io
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from pathlib import Path

import pytest

from cards.adapters.system import SeededEntropy
from cards.errors import HseCardError, Refused, Unavailable
from chip.adapters.software_keys import KEY_IDS, SoftwareKeys
from chip.adapters.virtual import VirtualEncoder
from chip.derive import cmac
from chip.errors import ChipLost
from chip.faults import Fault, FaultKind
from chip.models import ChipContent, ChipVerdict
from chip.personalise import personalise
from chip.ports import Transport
from chip.profile import Profile, default_profile, encode_content, parse_content, profile_of, signature_holds
from chip.verify import read_chip

SEED = b"the seed of the tests"
KEYS = SoftwareKeys(SEED, environment="test")
PROFILE = default_profile()
CONTENT = ChipContent(card_number="0417388", valid_until=date(2028, 11, 23))
UID = bytes.fromhex("04A1B2C3D4E5F6")
PLACE = ("P-000001", 1)


def _encoded(uid: bytes = UID) -> bytes:
    return encode_content(CONTENT, uid=uid, keys=KEYS, profile=PROFILE)


# --- content --------------------------------------------------------------------------------------------------------


def test_content_is_what_the_layout_says() -> None:
    data = _encoded()
    assert len(data) == PROFILE.file.size_bytes == 80
    assert data[:13] == b"\x01" + b"0417388" + bytes.fromhex("20281123") + b"\x01"
    assert data[77:] == bytes(3)
    assert _encoded() == data
    statement = parse_content(data)
    assert (statement.card_number, statement.valid_until, statement.signing_key_id) == (
        "0417388",
        date(2028, 11, 23),
        1,
    )
    assert statement.says(CONTENT)
    assert signature_holds(statement, uid=UID, keys=KEYS, profile=PROFILE)


def test_signature_holds_for_no_other_chip_content_or_application() -> None:
    statement = parse_content(_encoded())
    other_app = PROFILE.model_copy(update={"aid": "F5A111"})
    assert not signature_holds(statement, uid=UID[:-1] + b"\x00", keys=KEYS, profile=PROFILE)
    assert not signature_holds(statement, uid=UID, keys=KEYS, profile=other_app)
    for at in range(1, 12):
        data = _encoded()
        changed = parse_content(data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]) if at < 8 else None
        assert changed is None or not signature_holds(changed, uid=UID, keys=KEYS, profile=PROFILE)
    stranger = SoftwareKeys(b"another key service", environment="test")
    assert not signature_holds(statement, uid=UID, keys=stranger, profile=PROFILE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(80),
        b"\x02" + _encoded()[1:],
        _encoded()[:76],
        _encoded()[:79] + b"\x01",
        b"\x01" + b"04173x8" + _encoded()[8:],
        _encoded()[:8] + bytes.fromhex("20281323") + _encoded()[12:],
        _encoded()[:8] + bytes.fromhex("2028FFFF") + _encoded()[12:],
    ],
)
def test_content_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as unreadable:
        parse_content(data)
    assert unreadable.value.code == "chip.unreadable"


# --- profile --------------------------------------------------------------------------------------------------------


def test_rights_on_the_wire_are_those_of_the_source() -> None:
    assert PROFILE.file.rights == bytes.fromhex("0012")
    assert PROFILE.aid_wire == PROFILE.aid_bytes[::-1]
    assert PROFILE.app_input(UID, 1) == UID + PROFILE.aid_bytes + b"\x01" + bytes.fromhex(PROFILE.system_id)
    assert len(PROFILE.picc_input(UID)) == 16


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"aid": "F5A1"}, "aid"),
        ({"key_generation": 0}, "key_generation"),
        ({"key_generation": 255}, "key_generation"),
        ({"surprise": 1}, "surprise"),
        ({"keys": {"admin": 0, "read": 1, "write": 1}}, None),
        ({"keys": {"admin": 1, "read": 0, "write": 2}}, None),
        ({"file": {**json.loads(PROFILE.model_dump_json())["file"], "size_bytes": 60}}, "file.size_bytes"),
    ],
)
def test_profile_that_would_make_a_bad_card_is_refused(change: dict[str, object], field: str | None) -> None:
    text = json.dumps({**json.loads(PROFILE.model_dump_json()), **change})
    with pytest.raises(Refused) as invalid:
        profile_of(text)
    assert (invalid.value.code, invalid.value.field) == ("chip.profile_invalid", field)


def test_profile_that_is_no_json_is_refused() -> None:
    with pytest.raises(Refused, match="not JSON"):
        profile_of("{")


# --- keys -----------------------------------------------------------------------------------------------------------


def test_software_keys_refuse_production_and_short_seeds() -> None:
    for environment in ("production", "Production "):
        with pytest.raises(Refused) as refused:
            SoftwareKeys(SEED, environment=environment)
        assert refused.value.code == "chip.software_keys_in_production"
    with pytest.raises(Refused) as short:
        SoftwareKeys(b"short", environment="test")
    assert short.value.code == "chip.seed_too_short"


def test_masters_differ_by_purpose_and_generation() -> None:
    keys = SoftwareKeys(SEED, environment="test", generation=3)
    names = [(key_id, generation) for key_id in KEY_IDS for generation in (1, 2, 3)]
    assert len({keys.derive(*name, bytes(16)) for name in names}) == 12
    assert len({keys.check_value(*name) for name in names}) == 12
    assert all(re.fullmatch("[0-9A-F]{6}", keys.check_value(*name)) for name in names)
    assert keys.derive("read", 1, UID * 2) == KEYS.derive("read", 1, UID * 2)


@pytest.mark.parametrize("name", [("read", 2), ("read", 0), ("sam", 1)])
def test_unknown_master_is_unavailable(name: tuple[str, int]) -> None:
    with pytest.raises(Unavailable) as unavailable:
        KEYS.derive(*name, bytes(16))
    assert unavailable.value.code == "chip.key_service"


def test_unknown_signer_is_refused() -> None:
    with pytest.raises(Refused) as unknown:
        KEYS.public_key(2)
    assert unknown.value.code == "chip.unknown_signer"


def test_keys_cross_a_process_pool_and_sign_the_same() -> None:
    assert pickle.loads(pickle.dumps(KEYS)).sign(b"message") == KEYS.sign(b"message")
    assert len(KEYS.public_key(1)) == 65


# --- the door reader ------------------------------------------------------------------------------------------------


def _encoder(fault: Fault | None = None) -> VirtualEncoder:
    return VirtualEncoder("encoder-1", seed=b"blanks", faults={PLACE: fault} if fault else None)


def _finish(encoder: VirtualEncoder, keys: SoftwareKeys = KEYS) -> None:
    with encoder.present(*PLACE) as transport:
        outcome = personalise(
            transport,
            content=CONTENT,
            keys=keys,
            entropy=SeededEntropy(b"host"),
            profile=PROFILE,
            bind=lambda uid, generation: None,
        )
    assert outcome.verdict is ChipVerdict.DONE


class _ReadMasterOnly(SoftwareKeys):
    """What a reader in the field holds."""

    def derive(self, key_id: str, generation: int, div_input: bytes) -> bytes:
        assert key_id == "read"
        return super().derive(key_id, generation, div_input)

    def sign(self, message: bytes) -> tuple[int, bytes]:
        raise AssertionError("a reader signs nothing")


def test_reader_needs_the_read_master_only() -> None:
    encoder = _encoder()
    _finish(encoder)
    with encoder.present(*PLACE) as transport:
        reading = read_chip(
            transport, keys=_ReadMasterOnly(SEED, environment="test"), entropy=SeededEntropy(b"d"), profile=PROFILE
        )
        assert not {ins for ins, _ in transport.seen} & {0xC4, 0x54, 0xCA, 0xCD, 0x8D}
    assert reading.signature_valid


def _refusal(encoder: VirtualEncoder, keys: SoftwareKeys = KEYS, profile: Profile = PROFILE) -> str:
    with encoder.present(*PLACE) as transport, pytest.raises(Refused) as refused:
        read_chip(transport, keys=keys, entropy=SeededEntropy(b"door"), profile=profile)
    return refused.value.code


def test_chips_that_are_not_ours() -> None:
    finished = _encoder()
    _finish(finished)
    assert _refusal(_encoder()) == "chip.not_ours"
    assert _refusal(_encoder(Fault(FaultKind.RANDOM_UID))) == "chip.not_ours"
    assert _refusal(_encoder(Fault(FaultKind.UNKNOWN_TYPE))) == "chip.not_ours"
    assert _refusal(_encoder(Fault(FaultKind.FOREIGN_APP))) == "chip.not_ours"
    assert _refusal(finished, keys=SoftwareKeys(b"another key service", environment="test")) == "chip.not_ours"
    assert _refusal(finished, profile=PROFILE.model_copy(update={"aid": "F5A111"})) == "chip.not_ours"


@pytest.mark.parametrize("exchange", range(1, 9))
@pytest.mark.parametrize("kind", [FaultKind.CUT_BEFORE, FaultKind.EMPTY_ANSWER, FaultKind.NOT_WRITTEN])
def test_chip_pulled_away_is_unreadable(kind: FaultKind, exchange: int) -> None:
    encoder = _encoder()
    _finish(encoder)
    encoder.plant(*PLACE, Fault(kind, exchange=exchange, presentations=0))
    assert _refusal(encoder) == "chip.unreadable"


def test_damaged_answer_is_unreadable_not_believed() -> None:
    encoder = _encoder()
    _finish(encoder)
    encoder.plant(*PLACE, Fault(FaultKind.BIT_FLIP, exchange=8, presentations=0))
    assert _refusal(encoder) == "chip.unreadable"


def test_content_of_another_signer_reads_as_not_signed() -> None:
    class _ForgedSignature(SoftwareKeys):
        def sign(self, message: bytes) -> tuple[int, bytes]:
            return SoftwareKeys(b"the forger's own seed", environment="test").sign(message)

        def public_key(self, signing_key_id: int) -> bytes:
            return SoftwareKeys(b"the forger's own seed", environment="test").public_key(signing_key_id)

    encoder = _encoder()
    _finish(encoder, _ForgedSignature(SEED, environment="test"))
    with encoder.present(*PLACE) as transport:
        reading = read_chip(transport, keys=KEYS, entropy=SeededEntropy(b"door"), profile=PROFILE)
    assert not reading.signature_valid
    again = _outcome(encoder)
    assert again.verdict is ChipVerdict.QUARANTINE


def _outcome(encoder: VirtualEncoder) -> object:
    with encoder.present(*PLACE) as transport:
        return personalise(
            transport,
            content=CONTENT,
            keys=KEYS,
            entropy=SeededEntropy(b"host"),
            profile=PROFILE,
            bind=lambda uid, generation: None,
        )


# --- no secret is shown ---------------------------------------------------------------------------------------------


class _Recorder:
    """Notes every command and answer, as somebody who listens would."""

    def __init__(self, inner: Transport, heard: list[bytes]) -> None:
        self._inner, self._heard = inner, heard

    def transmit(self, apdu: bytes) -> bytes:
        self._heard.append(apdu[5:-1])
        answer = self._inner.transmit(apdu)
        self._heard.append(answer[:-2])
        return answer


class _NotedEntropy:
    def __init__(self, noted: list[bytes]) -> None:
        self._inner, self._noted = SeededEntropy(b"host"), noted

    def draw(self, size: int) -> bytes:
        self._noted.append(self._inner.draw(size))
        return self._noted[-1]


def _all_faults() -> list[Fault | None]:
    kinds = [kind for kind in FaultKind if kind is not FaultKind.STATUS]
    return [None, *(Fault(kind, exchange=exchange) for kind in kinds for exchange in (2, 7, 10, 17, 21, 24))]


def _wrote(act: Callable[[], object]) -> str:
    """Everything that came out: what it returned, printed, logged or raised, with tracebacks."""
    out, handler = io.StringIO(), logging.StreamHandler()
    handler.setStream(out)
    logging.getLogger().addHandler(handler)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        with redirect_stdout(out), redirect_stderr(out):
            print(repr(act()))
    except (HseCardError, ChipLost) as error:
        print(repr(error), str(error), traceback.format_exception(error), file=out)
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(level)
    return out.getvalue()


def _secrets_of(uid: str, drawn: list[bytes], heard: list[bytes]) -> list[bytes]:
    chip = bytes.fromhex(uid)
    keys = [KEYS.derive("picc", 1, PROFILE.picc_input(chip))]
    keys += [
        KEYS.derive(key_id, 1, PROFILE.app_input(chip, number)) for key_id, number in PROFILE.keys.model_dump().items()
    ]
    sealed = [frame for frame in heard if len(frame) >= 16]
    return [SEED, *keys, *drawn, *sealed]


def _shown(secrets: list[bytes], text: str) -> list[str]:
    bare = re.sub(r"[\s:_-]", "", text).lower()
    return [secret.hex() for secret in secrets if secret.hex() in bare or repr(secret)[2:-1] in text]


def test_a_full_faulty_run_shows_no_secret(tmp_path: Path) -> None:
    for number, fault in enumerate(_all_faults()):
        drawn: list[bytes] = []
        heard: list[bytes] = []
        encoder = VirtualEncoder(
            "encoder-1", seed=b"blanks", folder=tmp_path / str(number), faults={PLACE: fault} if fault else None
        )

        def run(encoder: VirtualEncoder = encoder, drawn: list[bytes] = drawn, heard: list[bytes] = heard) -> object:
            with encoder.present(*PLACE) as transport:
                outcome = personalise(
                    _Recorder(transport, heard),
                    content=CONTENT,
                    keys=KEYS,
                    entropy=_NotedEntropy(drawn),
                    profile=PROFILE,
                    bind=lambda uid, generation: None,
                )
            return outcome, encoder, transport, transport.seen, transport.card, KEYS

        def read(encoder: VirtualEncoder = encoder, drawn: list[bytes] = drawn, heard: list[bytes] = heard) -> object:
            with encoder.present(*PLACE) as transport:
                return read_chip(_Recorder(transport, heard), keys=KEYS, entropy=_NotedEntropy(drawn), profile=PROFILE)

        text = _wrote(run) + _wrote(read)
        secrets = _secrets_of(encoder.uid_at(*PLACE), drawn, heard)
        assert not _shown(secrets, text)
        stored = b"".join(path.read_bytes() for path in (tmp_path / str(number)).iterdir())
        assert not [secret for secret in secrets if secret in stored or secret.hex().encode() in stored]


def test_a_planted_secret_is_found() -> None:
    key = KEYS.derive("read", 1, UID + bytes(9))
    planted = _wrote(lambda: logging.getLogger("chip").debug("session key %s", key.hex()))
    assert _shown([key], planted)
    assert _shown([key], _wrote(lambda: key))
    assert not _shown([cmac(key, b"other")], planted)


def test_models_with_secrets_keep_them_from_their_repr() -> None:
    from chip.adapters.virtual_memory import AES, Memory, StoredKey
    from chip.personalise import _Card

    key = KEYS.derive("read", 1, UID + bytes(9))
    card_keys = _Card(picc=key, app=(key, key, key), data=key)
    memory = Memory(UID, 3, 4096, StoredKey(AES, key, 1))
    assert not _shown([key], repr((card_keys, memory)))
