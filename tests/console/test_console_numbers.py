"""The carrier's number ranges at the terminal, and the warning before they run out."""

import pytest

from tests.console.terminal import Terminal

RR = ("numbers", "add", "s10", "--prefix", "RR", "--source", "Posten 2026-11-01")


def test_a_range_is_added_and_listed(terminal: Terminal) -> None:
    tried = terminal(*RR, "--first", "47312482", "--last", "47312999", "--dry-run")
    assert "518 numbers would be added, RR473124829NO to RR473129993NO" in tried.words
    assert terminal("numbers", "list", "--json").json == {"ranges": []}
    said = terminal(*RR, "--first", "47312482", "--last", "47312999", "--by", "ola", "--json").json["range"]
    assert (said["range_id"], said["added_by"], said["left"]) == ("N-0001", "ola", 518)
    assert "RR473124829NO" in terminal("numbers", "list").words
    assert "518 s10" in terminal("status").words


@pytest.mark.parametrize(
    ("words", "code", "field"),
    [
        (("--first", "1", "--last", "9", "--prefix", "rr"), "numbers.invalid", "prefix"),
        (("--first", "9", "--last", "1"), "numbers.invalid", "last"),
        (("--first", "1", "--last", "9", "--source", " "), "numbers.invalid", "source"),
        (("--first", "100", "--last", "101"), "numbers.overlap", "first"),
    ],
)
def test_what_is_no_new_range_is_refused(terminal: Terminal, words: tuple[str, ...], code: str, field: str) -> None:
    assert terminal(*RR, "--first", "100", "--last", "199").code == 0
    said = terminal(*RR, *words, "--json")
    assert (said.code, said.json["error"]["code"], said.json["error"]["field"]) == (3, code, field)
    assert len(terminal("numbers", "list", "--json").json["ranges"]) == 1


def test_running_short_is_told_in_time(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal(*RR, "--first", "1", "--last", "150").code == 0
    assert terminal("status", "--json").json["warnings"] == []  # our labels carry none
    monkeypatch.setenv("HSECARD_CARRIER_NUMBERS", "s10")
    assert "150 S10 numbers are left" in terminal("status").words
    said = terminal("doctor", "--json")
    assert (said.code, said.json["problems"][0]["code"]) == (4, "numbers.low")
    monkeypatch.setenv("HSECARD_NUMBERS_LOW", "150")
    assert terminal("doctor", "--json").code == 0
