"""One chip from the terminal: published keys come out, wrong values are named by field, and a door's view of a card."""

import io
import json
from pathlib import Path

import pytest

from tests.console.terminal import Terminal

MASTER = "00112233445566778899AABBCCDDEEFF"


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (
            ["--master", MASTER, "--uid", "04782E21801D80", "--aid", "3042F5", "--system-id", "4E585020416275"],
            "A8DD63A3B89D54B37CA802473FDA9175",
        ),
        (
            ["--master", "F3F9377698707B688EAF84ABE39E3791", "--uid", "04:DE:AD:BE:EF:FE:ED"],
            "0BB408BAFF98B6EE9F2E1585777F6A51",
        ),
    ],
)
def test_published_keys_come_out(terminal: Terminal, options: list[str], key: str) -> None:
    said = terminal("chip", "derive", *options, "--json")
    assert (said.code, said.json["key"]) == (0, key)
    assert key in terminal("chip", "derive", *options).words


def test_the_input_of_our_cards_is_in_the_order_of_the_profile(terminal: Terminal) -> None:
    options = ["--uid", "04A1B2C3D4E5F6", "--aid", "F5A110", "--key-number", "1", "--system-id", "4853454E4F"]
    said = terminal("chip", "derive", "--master", MASTER, *options, "--json")
    assert said.json["input"] == "04A1B2C3D4E5F6" + "F5A110" + "01" + "4853454E4F"


def test_master_may_come_from_stdin(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{MASTER}\n"))
    said = terminal("chip", "derive", "--master", "-", "--uid", "04782E21801D80", "--json")
    assert said.json == terminal("chip", "derive", "--master", MASTER, "--uid", "04782E21801D80", "--json").json


@pytest.mark.parametrize(
    ("changed", "value", "code"),
    [
        ("--master", MASTER[:-2], "chip.wrong_length"),
        ("--master", "secret words", "chip.not_hex"),
        ("--uid", "04782", "chip.not_hex"),
        ("--uid", "", "chip.wrong_length"),
        ("--aid", "30.2F5", "chip.not_hex"),
        ("--system-id", "ÆØÅ", "chip.not_hex"),
        ("--system-id", "00" * 22, "chip.wrong_length"),
    ],
)
def test_wrong_value_is_named_by_its_field_and_not_repeated(
    terminal: Terminal, changed: str, value: str, code: str
) -> None:
    options = {"--master": MASTER, "--uid": "04782E21801D80", "--aid": "3042F5", "--system-id": "4E58", changed: value}
    said = terminal("chip", "derive", *(word for pair in options.items() for word in pair), "--json")
    assert said.code == 3
    assert (said.json["error"]["code"], said.json["error"]["field"]) == (code, changed)
    assert not value or value not in said.out


def test_a_card_is_read_as_a_door_reads_it(terminal: Terminal, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal("blanks", "receive", "--lot", "L", "--count", "5").code == 0
    for words in (("orders", "import", inbox), ("produce",), ("encode",)):
        assert terminal(*words).code == 0
    said = terminal("chip", "read", "--tray", "P-000001", "--position", "1", "--json")
    number = json.loads(terminal("cards", "show", "GOOD-1-1", "--json").out)
    assert said.code == 0
    assert said.json["card_number"] in json.dumps(number)
    assert (said.json["signature_valid"], said.json["expired"], said.json["key_generation"]) == (True, False, 1)
    assert len(said.json["uid"]) == 14
    monkeypatch.setenv("HSECARD_CLOCK", "2029-01-01T07:00:00Z")
    assert "expired" in terminal("chip", "read", "--tray", "P-000001", "--position", "1").words
    assert terminal("chip", "read", "--tray", "P-000001", "--position", "4").code == 3
    assert terminal("chip", "read", "--tray", "P-000009", "--position", "1").code == 3


def test_a_card_goes_over_to_the_next_keys(terminal: Terminal, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal("blanks", "receive", "--lot", "L", "--count", "5").code == 0
    for words in (("orders", "import", inbox), ("produce",), ("encode",)):
        assert terminal(*words).code == 0
    place = ("--tray", "P-000001", "--position", "1")
    monkeypatch.setenv("HSECARD_KEY_GENERATION", "2")
    tried = terminal("chip", "roll-over", *place, "--dry-run", "--json").json
    assert (tried["from"], tried["to"]) == (1, 2)
    assert terminal("chip", "read", *place, "--json").json["key_generation"] == 1
    assert terminal("chip", "roll-over", *place).code == 0
    read = terminal("chip", "read", *place, "--json").json
    assert (read["key_generation"], read["signing_key_id"], read["signature_valid"]) == (2, 1, True)
    assert terminal("chip", "roll-over", *place, "--json").json["from"] == 2
    assert "keys_rolled_over" in terminal("cards", "show", "GOOD-1-1", "--json").out
    assert terminal("audit").code == 0
    monkeypatch.setenv("HSECARD_KEY_GENERATION", "4")
    assert terminal("chip", "roll-over", *place, "--json").json["error"]["code"] == "chip.not_rolled_over"


@pytest.mark.parametrize("words", [(), ("--tray", "P-000001"), ("--reader", "R", "--tray", "P-000001")])
def test_which_chip_has_to_be_said(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal("chip", "read", *words, "--json").json["error"]["code"] == "chip.which_reader"


def test_software_keys_are_not_made(terminal: Terminal) -> None:
    said = terminal("chip", "create-keys", "--generation", "2", "--json")
    assert (said.code, said.json["error"]["code"]) == (3, "chip.no_hsm")
