"""Keys in a real PKCS#11 token (SoftHSM): what never leaves it, what goes wrong, and cards made with it.

The program comes by `make system-packages`; where it is missing the tests are skipped, except in CI, which has it.
"""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from cards.adapters.system import SeededEntropy
from cards.errors import Refused, Unavailable
from chip.adapters.pkcs11_keys import KEY_IDS, Pkcs11Keys, TokenAddress
from chip.adapters.virtual import VirtualEncoder
from chip.derive import cmac, diversify
from chip.models import ChipContent, ChipOutcome, ChipVerdict
from chip.personalise import personalise
from chip.ports import Keys
from chip.profile import default_profile
from chip.rollover import roll_over
from chip.verify import read_chip
from console.cli import main
from flows.house import open_house
from tests.console.terminal import NOW, PHOTOS, order, put

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
MISSING = (shutil.which("softhsm2-util") is None or not Path(MODULE).exists()) and os.environ.get("CI") is None
pytestmark = pytest.mark.skipif(MISSING, reason="SoftHSM is not installed here; CI installs it and fails without")

PIN = "271828"
URI = f"pkcs11:token=hsecard?module-path={MODULE}"
INPUT = bytes.fromhex("04A1B2C3D4E5F6F5A110014853454E4F")
KNOWN = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
CONTENT = ChipContent(card_number="0417388", valid_until=date(2028, 11, 23))
PLACE = ("P-000001", 1)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module", autouse=True)
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A token of its own; the module reads its folder from the environment once for the whole process."""
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    _run("softhsm2-util", "--init-token", "--free", "--label", "hsecard", "--so-pin", "31415926", "--pin", PIN)
    _keys().create(1)
    yield folder
    if before is None:
        os.environ.pop("SOFTHSM2_CONF")
    else:
        os.environ["SOFTHSM2_CONF"] = before


def _keys(generation: int = 1, *, pin: str = PIN, uri: str = URI) -> Pkcs11Keys:
    return Pkcs11Keys(TokenAddress.parsed(uri), generation, pin)


def _import_known_master(label: str) -> None:
    from pkcs11 import Attribute, KeyType, ObjectClass

    with _keys()._talking(write=True) as session:
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.AES,
                Attribute.VALUE: KNOWN,
                Attribute.LABEL: label,
                Attribute.TOKEN: True,
                Attribute.SIGN: True,
            }
        )


# --- what the token gives -------------------------------------------------------------------------------------------


def test_derivation_inside_the_token_is_an10922() -> None:
    _import_known_master("hsecard read 77")
    keys = _keys()
    assert keys.derive("read", 77, INPUT) == diversify(KNOWN, INPUT)
    published = bytes.fromhex("04782E21801D803042F54E585020416275")
    assert keys.derive("read", 77, published) == bytes.fromhex("A8DD63A3B89D54B37CA802473FDA9175")
    assert keys.check_value("read", 77) == cmac(KNOWN, bytes(16))[:3].hex().upper()


@pytest.mark.parametrize("size", [0, 7, 15, 32])
def test_inputs_for_which_a_plain_cmac_would_be_wrong_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 to 31"):
        _keys().derive("read", 1, bytes(size))


def test_masters_differ_and_never_leave_the_token() -> None:
    from pkcs11 import Attribute, AttributeSensitive, ObjectClass

    keys = _keys()
    assert len({keys.derive(key_id, 1, INPUT) for key_id in KEY_IDS}) == 4
    with keys._talking() as session:
        masters = [session.get_key(object_class=ObjectClass.SECRET_KEY, label=f"hsecard {name} 1") for name in KEY_IDS]
        for master in masters:
            assert (master[Attribute.SENSITIVE], master[Attribute.EXTRACTABLE]) == (True, False)
            assert not any(master[name] for name in (Attribute.ENCRYPT, Attribute.WRAP, Attribute.DERIVE))
            with pytest.raises(AttributeSensitive):
                master[Attribute.VALUE]


def test_signature_is_made_inside_and_holds_for_the_public_key() -> None:
    keys = _keys()
    key_id, raw = keys.sign(b"what the card says")
    assert (key_id, len(raw)) == (1, 64)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), keys.public_key(key_id))
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public.verify(signature, b"what the card says", ec.ECDSA(SHA256()))
    with pytest.raises(Refused) as unknown:
        keys.public_key(9)
    assert unknown.value.code == "chip.unknown_signer"


def test_four_threads_and_two_stores_share_the_module() -> None:
    stores = [_keys(), _keys()]
    expected = {key_id: stores[0].derive(key_id, 1, INPUT) for key_id in KEY_IDS}

    def work(number: int) -> None:
        store = stores[number % 2]
        for key_id in KEY_IDS * 25:
            assert store.derive(key_id, 1, INPUT) == expected[key_id]
            assert len(store.sign(bytes([number]))[1]) == 64

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_another_process_and_a_forked_child_open_it_anew() -> None:
    keys = _keys()
    expected = keys.derive("read", 1, INPUT)
    assert pickle.loads(pickle.dumps(keys)).derive("read", 1, INPUT) == expected
    script = (
        "import os, sys, pickle\n"
        "keys = pickle.load(sys.stdin.buffer)\n"
        f"mine = keys.derive('read', 1, bytes.fromhex('{INPUT.hex()}'))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        f"    os._exit(0 if keys.derive('read', 1, bytes.fromhex('{INPUT.hex()}')) == mine else 1)\n"
        "print(mine.hex(), os.waitpid(child, 0)[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(keys), capture_output=True, check=True)
    assert done.stdout.decode().split() == [expected.hex(), "0"]


# --- what goes wrong ------------------------------------------------------------------------------------------------


def _trouble(keys: Pkcs11Keys) -> str:
    with pytest.raises(Unavailable) as unavailable:
        keys.derive("read", 1, INPUT)
    assert PIN not in str(unavailable.value)
    return unavailable.value.code


def test_each_trouble_with_the_token_has_its_own_way_out() -> None:
    assert _trouble(_keys(uri="pkcs11:token=hsecard?module-path=/nowhere/module.so")) == "chip.keys_module"
    assert _trouble(_keys(uri=f"pkcs11:token=another?module-path={MODULE}")) == "chip.keys_token"
    with pytest.raises(Unavailable) as missing:
        _keys().derive("read", 42, INPUT)
    assert missing.value.code == "chip.keys_missing"
    with pytest.raises(Unavailable) as unsigned:
        _keys(42).sign(b"message")
    assert unsigned.value.code == "chip.keys_missing"


def test_wrong_pin_is_told_once_to_the_token_and_never_again(token: Path) -> None:
    script = (
        "import sys, pickle\n"
        "from cards.errors import Unavailable\n"
        "keys = pickle.load(sys.stdin.buffer)\n"
        "for pin in ('000000', '271828'):\n"
        "    keys.pin = pin\n"
        "    try:\n"
        "        keys.derive('read', 1, bytes(16))\n"
        "    except Unavailable as fault:\n"
        "        print(fault.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(_keys()), capture_output=True, check=True)
    assert done.stdout.decode().split() == ["chip.keys_pin"] * 2


def test_token_that_went_away_and_came_back(token: Path) -> None:
    keys = _keys()
    expected = keys.derive("read", 1, INPUT)
    keys._close()
    (token / "tokens").rename(token / "away")
    try:
        with pytest.raises(Unavailable) as gone:
            keys.derive("read", 1, INPUT)
        assert gone.value.code in {"chip.keys_token", "chip.key_service", "chip.keys_missing"}
    finally:
        (token / "away").rename(token / "tokens")
    assert keys.derive("read", 1, INPUT) == expected


def test_a_generation_is_made_once() -> None:
    with pytest.raises(Refused) as exists:
        _keys().create(1)
    assert exists.value.code == "chip.keys_exist"


@pytest.mark.parametrize(
    "uri",
    ["pkcs11:", "pkcs11:token=a", "pkcs11:token=a?module-path=m&pin-value=1", "pkcs11:slot-id=1?module-path=m", "hsm"],
)
def test_address_that_names_no_token_is_refused(uri: str) -> None:
    with pytest.raises(Refused) as refused:
        TokenAddress.parsed(uri)
    assert refused.value.code == "chip.keys_address"


def test_the_pin_is_not_shown() -> None:
    assert PIN not in repr(_keys())


# --- cards ----------------------------------------------------------------------------------------------------------


def _made(encoder: VirtualEncoder, keys: Keys) -> ChipOutcome:
    with encoder.present(*PLACE) as transport:
        return personalise(
            transport,
            content=CONTENT,
            keys=keys,
            entropy=SeededEntropy(b"host"),
            profile=default_profile(),
            bind=lambda uid, generation: None,
        )


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_card_made_with_the_token_reads_at_a_door_and_goes_over_to_the_next_keys(generation: int) -> None:
    encoder = VirtualEncoder("encoder-1", seed=b"blanks", generation=generation)
    keys = _keys()
    assert _made(encoder, keys).verdict is ChipVerdict.DONE
    assert _made(encoder, keys).verdict is ChipVerdict.DONE
    if not keys.existing(2):
        keys.create(2)
    newer = default_profile().model_copy(update={"key_generation": 2})
    with encoder.present(*PLACE) as transport:
        outcome = roll_over(
            transport, keys=_keys(2), entropy=SeededEntropy(b"host"), profile=newer, bind=lambda uid, generation: None
        )
    assert outcome.verdict is ChipVerdict.DONE
    with encoder.present(*PLACE) as transport:
        reading = read_chip(transport, keys=_keys(2), entropy=SeededEntropy(b"door"), profile=newer)
    assert (reading.card_number, reading.key_generation, reading.signing_key_id) == ("0417388", 2, 1)
    assert reading.signature_valid


def test_token_without_the_keys_stops_before_the_first_write() -> None:
    encoder = VirtualEncoder("encoder-1", seed=b"blanks")
    with encoder.present(*PLACE) as transport:
        outcome = personalise(
            transport,
            content=CONTENT,
            keys=_keys(42),
            entropy=SeededEntropy(b"host"),
            profile=default_profile().model_copy(update={"key_generation": 42}),
            bind=lambda uid, generation: None,
        )
        assert not {ins for ins, _ in transport.seen} & {0xC4, 0x54, 0xCA, 0x1A}
    assert (outcome.verdict, outcome.cause) == (ChipVerdict.KEY_SERVICE, "keys_missing")


def test_keys_are_made_and_the_house_opens_with_them_from_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"HOME": tmp_path / "home", "ENVIRONMENT": "test", "ENGINE": "inline", "KEYS": URI, "KEY_GENERATION": 7}
    for name, value in settings.items():
        monkeypatch.setenv(f"HSECARD_{name}", str(value))
    assert main(["doctor", "--json"]) == 3
    assert "HSECARD_KEYS_PIN" in capsys.readouterr().out
    monkeypatch.setenv("HSECARD_KEYS_PIN", PIN)
    assert main(["chip", "create-keys", "--generation", "7", "--dry-run"]) == 0
    assert _keys().existing(7) == []
    capsys.readouterr()
    assert main(["chip", "create-keys", "--generation", "7", "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)["check_values"]
    assert checks == {name: _keys().check_value(name, 7) for name in KEY_IDS}
    assert main(["chip", "create-keys", "--generation", "7", "--json"]) == 3
    said = capsys.readouterr().out
    assert PIN not in said
    with open_house(actor="test") as house:
        assert house.profile.key_generation == 7
        assert house.keys.check_value("read", 7) == _keys().check_value("read", 7)


def test_line_waits_for_the_keys_and_loses_no_blank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"HOME": tmp_path / "home", "ENVIRONMENT": "test", "ENGINE": "inline", "CLOCK": NOW, "DURABLE": "false"}
    for name, value in {**settings, "KEYS": URI, "KEYS_PIN": PIN, "KEY_GENERATION": 99}.items():
        monkeypatch.setenv(f"HSECARD_{name}", str(value))
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "face.jpg").write_bytes(sorted(PHOTOS.glob("*.jpg"))[0].read_bytes())
    put(inbox, "one.json", order("ONE-1", photos=["face.jpg"]))
    assert [main(["blanks", "receive", "--lot", "L", "--count", "5"]), main(["orders", "import", str(inbox)])] == [0, 0]
    assert main(["produce"]) == 0
    capsys.readouterr()
    assert main(["encode", "--json"]) == 4
    assert "chip.keys_missing" in capsys.readouterr().out
    assert main(["cards", "show", "ONE-1-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["card"]["state"] == "printed"
    if not _keys().existing(7):
        _keys().create(7)
    monkeypatch.setenv("HSECARD_KEY_GENERATION", "7")
    assert main(["encode", "--json"]) == 0
    assert main(["chip", "read", "--tray", "P-000001", "--position", "1"]) == 0
    assert main(["audit"]) == 0
