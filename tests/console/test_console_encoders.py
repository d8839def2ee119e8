"""The bench from the terminal: seen, stopped and started; a quarantined chip released by two persons."""

import pytest

from tests.console.terminal import Terminal
from tests.printed import bureau, encode, print_run

FAULTS = {"P-000001#1": "foreign_key"}


@pytest.fixture
def bench(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Two encoders and a printed run of five cards, the first of which has a stranger's chip."""
    monkeypatch.setenv("HSECARD_ENCODERS", '["virtual:a", "virtual:b"]')
    with bureau(terminal.home, virtual_faults=FAULTS) as house:
        print_run(house, 5)
        encode(house)
    return terminal


def test_encoders_are_listed_with_the_trays_that_go_to_them(bench: Terminal) -> None:
    said = bench("encoders", "list", "--json").json
    assert [(row["name"], row["state"]) for row in said["encoders"]] == [("a", "running"), ("b", "running")]
    assert said["trays"] == {"P-000001": {"a": [1, 3], "b": [4, 5]}}
    assert [(item["card_id"], item["cause"]) for item in said["quarantine"]] == [("B-1-1", "key_refused")]
    words = bench("encoders", "list")
    assert [row for row in words.out.splitlines() if len(row) > 80] == []
    assert "1–3" in words.words


def test_an_encoder_is_stopped_and_started(bench: Terminal) -> None:
    assert bench("encoders", "stop", "a", "--why", "cleaning", "--dry-run").code == 0
    assert bench("encoders", "list", "--json").json["encoders"][0]["state"] == "running"
    assert "a is stopped: cleaning" in bench("encoders", "stop", "a", "--why", "cleaning").words
    row = bench("encoders", "list", "--json").json["encoders"][0]
    assert (row["state"], row["why"], row["changed_by"]) == ("stopped", "cleaning", "kari")
    assert bench("encoders", "start", "--all").code == 0
    assert bench("encoders", "list", "--json").json["encoders"][0]["state"] == "running"
    assert bench("encoders", "start", "z", "--json").json["error"]["code"] == "encoder.unknown"
    assert bench("encoders", "start", "--json").json["error"]["code"] == "encoder.which"


def test_a_chip_is_released_by_two(bench: Terminal) -> None:
    assert bench("cards", "release", "B-1-1", "--json").json["error"]["code"] == "card.still_wrong"
    assert "another person" in bench("chips", "release", "B-1-1", "--why", "ours").words
    alone = bench("chips", "release", "B-1-1", "--by", "KARI", "--json")
    assert (alone.code, alone.json["error"]["code"]) == (3, "chip.same_person")
    assert bench("chips", "release", "B-1-1", "--by", "bo", "--dry-run").code == 0
    assert bench("cards", "show", "B-1-1", "--json").json["card"]["state"] == "held"
    assert bench("chips", "release", "B-1-1", "--by", "bo").code == 0
    assert bench("cards", "show", "B-1-1", "--json").json["card"]["state"] == "printed"


def test_a_reader_that_cannot_be_used_is_told_by_encode(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSECARD_ENCODERS", '["reader:x"]')
    said = terminal("encode", "--json")
    assert (said.code, said.json["error"]["field"]) == (3, "HSECARD_ENCODERS")
