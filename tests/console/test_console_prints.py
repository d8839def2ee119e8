"""The printer from the terminal: its jobs, its troubles, and how the cards came out, told place by place."""

from pathlib import Path

import pytest

from tests.console.terminal import Terminal, order, put


@pytest.fixture
def bureau(terminal: Terminal, inbox: Path) -> Terminal:
    """Three cards that are ready to be made."""
    put(inbox, "good.json", order("GOOD-1", photos=["face.jpg"] * 3))
    assert terminal("blanks", "receive", "--lot", "L-1", "--count", "20").code == 0
    assert terminal("orders", "import", inbox).code == 0
    return terminal


def printer_file(terminal: Terminal, name: str, reason: str) -> Path:
    file = terminal.home / "printer" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(reason)
    return file


def test_a_night_at_the_printer(bureau: Terminal) -> None:
    jam = printer_file(bureau, "JAMMED", "media-jam")
    said = bureau("produce", "--json")
    assert (said.code, said.json["problems"][0]["code"]) == (4, "print.jam")
    listed = bureau("prints", "list", "--json").json
    assert (listed["printer"]["state"], listed["jobs"][0]["state"]) == ("stopped", "stopped")
    assert bureau("doctor", "--json").json["ports"]["printer"]["state"] == "print.jam"
    jam.unlink()
    assert bureau("produce", "--json").json["lines"]["produce"]["follow"] == {"printed": 1}

    words = ("prints", "outcome", "P-000001", "--spoiled", "2-3=feed", "--rest", "good", "--json")
    assert bureau(*words, "--dry-run").json["counts"] == {"good": 1, "spoiled": 2, "unprinted": 0}
    assert bureau(*words).json["counts"] == {"good": 1, "spoiled": 2, "unprinted": 0}
    assert bureau(*words).json["counts"] == {"good": 0, "spoiled": 0, "unprinted": 0}
    assert "spoiled" in bureau("batches", "show", "P-000001").words
    assert bureau("day").code == 0
    for batch in ("P-000001", "P-000002"):
        assert bureau("batches", "close", batch, "--by", "anna", "--witness", "bo").code == 0
    assert bureau("audit").code == 0


def test_a_job_given_up_shows_until_somebody_tells_it(bureau: Terminal) -> None:
    printer_file(bureau, "ABORT", "feeder broke")
    assert bureau("produce", "--json").code == 5
    said = bureau("doctor", "--json")
    assert said.code == 5
    assert said.json["ports"]["printer"]["state"] == "ok, 1 of its jobs in doubt"
    assert bureau("status", "--json").json["print_jobs"] == {"aborted": 1}
    assert "print.outcome_incomplete" in bureau("prints", "outcome", "P-000001", "--good", "1").words
    assert bureau("prints", "outcome", "P-000001", "--good", "1", "--rest", "unprinted").code == 0
    assert bureau("doctor").code == 0


@pytest.mark.parametrize(
    "words",
    [("--good", "3-1"), ("--good", "one"), ("--spoiled", "3"), ("--spoiled", "3=weather"), ("--unprinted", "1-99999")],
)
def test_places_that_cannot_be_read_are_refused(terminal: Terminal, words: tuple[str, str]) -> None:
    said = terminal("prints", "outcome", "P-000001", *words, "--json")
    assert (said.code, said.json["error"]["code"]) == (3, "print.places_unreadable")
    assert said.json["error"]["field"] == words[0]


def test_a_card_counted_good_is_spoiled_with_a_reason_only(bureau: Terminal) -> None:
    assert bureau("produce").code == 0
    assert bureau("encode").code == 0
    words = ("cards", "spoil", "GOOD-1-1", "--cause", "smear", "--json")
    assert bureau(*words).json["error"]["code"] == "card.counted_good"
    spoiled = bureau(*words, "--counted-good", "seen when packing").json["card"]
    assert spoiled["state"] == "rendered"
    assert bureau("cards", "spoil", "GOOD-1-1", "--cause", "weather").code == 2
