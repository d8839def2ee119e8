"""The packing bench at the terminal: a scanner that types, one go, a wrong card that cannot be overheard."""

import io
import json
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader

from flows.house import open_house
from flows.stages.pack import card_code
from tests.console.terminal import PHOTOS, Said, Terminal, order, put


@pytest.fixture
def bench(terminal: Terminal, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A letter with two cards (S00000002) and one with one (S00000001), drawn and not packed."""
    monkeypatch.setenv("HSECARD_PACKING", "scan")
    (inbox / "second.jpg").write_bytes(sorted(PHOTOS.glob("*.jpg"))[1].read_bytes())
    put(inbox, "good.json", order("TWO", photos=["face.jpg", "second.jpg"]))
    elsewhere = {"recipient": "Fjordbygg AS", "street": "Kirkegata 1", "postcode": "0153", "city": "Oslo"}
    put(inbox, "one.json", order("ONE", photos=["face.jpg"], deliver_to=elsewhere))
    assert terminal("blanks", "receive", "--lot", "L-1", "--count", "20").code == 0
    assert terminal("day", "--inbox", inbox).code == 0
    return terminal


def _codes() -> dict[str, str]:
    with open_house(actor="test") as house, house.store.read() as uow:
        cards = uow.cards.get_many(["TWO-1", "TWO-2", "ONE-1"])
        return {card.card_id: card_code(house, card) for card in cards}


def _scanner(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, *typed: str, options: tuple[str, ...] = ()) -> Said:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{code}\n" for code in typed)))
    return terminal("pack", *options)


def test_a_scanner_packs_letter_after_letter(bench: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = _codes()
    waits = bench("pack", "--waiting", "--json").json["letters"]
    assert [(one["code"], len(one["missing"])) for one in waits] == [("S00000001", 1), ("S00000002", 2)]
    assert "2 letters, 3 cards missing" in bench("status").words
    said = _scanner(bench, monkeypatch, "S00000002", codes["TWO-2"], "", codes["TWO-1"], "S00000001", codes["ONE-1"])
    assert said.code == 0
    assert "1 of 2 missing: place 1" in said.words
    assert said.words.count("seal the envelope") == 2
    assert bench("pack", "--waiting", "--json").json == {"letters": []}
    assert bench("ship", "--json").json["lines"]["ship"]["post"] == {"confirmed": 2}
    assert bench("audit").code == 0


def test_after_a_wrong_card_the_letter_is_scanned_again(bench: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = _codes()
    wrong = ("S00000002", codes["TWO-1"], codes["ONE-1"], codes["TWO-2"])
    said = _scanner(bench, monkeypatch, *wrong)
    assert said.code == 3
    assert "belongs in letter S00000001 (S-000001), place 1 of 1" in said.words
    assert "pack.no_letter" in said.words  # the card after it does not count
    assert "seal the envelope" not in said.words
    assert _scanner(bench, monkeypatch, "S00000002", codes["TWO-2"]).code == 0
    assert [one["code"] for one in bench("pack", "--waiting", "--json").json["letters"]] == ["S00000001"]
    assert bench("status", "--json").json["packing"] == {"letters": 1, "cards_missing": 1, "refused_scans": 2}


def test_what_was_turned_away_is_listed(bench: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    _scanner(bench, monkeypatch, "S00000002", _codes()["ONE-1"], options=("--by", "ola"))
    (kept,) = bench("pack", "--refused", "--json").json["refused_scans"]
    assert (kept["refused_by"], kept["code"]) == ("ola", "pack.other_letter")
    assert (kept["shipment_id"], kept["card_id"], kept["belongs_to"]) == ("S-000002", "ONE-1", "S-000001")
    assert "2026-11-23 07:00:00 ola other letter S-000002 ONE-1 S-000001" in bench("pack", "--refused").words


def test_a_wrong_card_rings_in_red(bench: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = _scanner(bench, monkeypatch, "S00000002", _codes()["ONE-1"])
    assert said.out.count("\a") == 1
    assert "\x1b[1;37;41m" in said.out


def test_machines_get_one_line_a_scan(bench: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = _codes()
    said = _scanner(bench, monkeypatch, "S00000002", codes["TWO-1"], codes["ONE-1"], options=("--json",))
    first, second, third = (json.loads(text) for text in said.out.splitlines())
    assert (first["outcome"], first["letter"], len(first["missing"])) == ("letter", "S-000002", 2)
    assert (second["outcome"], second["card"]["place"], second["closed"]) == ("scanned", 1, False)
    assert (third["outcome"], third["problem"]["code"]) == ("refused", "pack.other_letter")
    once = bench("pack", "S-000002", codes["TWO-1"], codes["TWO-2"], "--json", "--by", "ola")
    assert [json.loads(text)["outcome"] for text in once.out.splitlines()] == ["already_scanned", "scanned"]
    assert json.loads(once.out.splitlines()[1])["closed"] is True


def test_a_try_changes_nothing_and_a_letter_opens_again(bench: Terminal) -> None:
    codes = _codes()
    both = ("pack", "S00000002", codes["TWO-1"], codes["TWO-2"])
    assert bench(*both, "--dry-run").words.endswith("seal the envelope Nothing was changed.")
    assert len(bench("pack", "--waiting", "--json").json["letters"]) == 2
    assert bench(*both).code == 0
    assert bench("pack", "S-000002", codes["TWO-2"], "--reopen", "--json").json["missing"][0]["place"] == 2
    assert "places 1 2 are to be scanned" in bench("pack", "S-000002", "--reopen").words
    nothing = bench("pack", "--reopen", "--json")
    assert (nothing.code, nothing.json["error"]["code"]) == (3, "pack.no_letter")


def test_a_code_of_no_letter_is_told(bench: Terminal) -> None:
    said = bench("pack", "S00000009", "--json")
    assert (said.code, json.loads(said.out)["problem"]["code"]) == (3, "pack.letter_unknown")
    assert bench("pack", "S00000009", "--reopen", "--json").json["error"]["code"] == "pack.letter_unknown"


def test_a_list_of_what_waits_is_written(bench: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "list.pdf"
    assert "would list 2 letters" in bench("pack", "--list", out, "--dry-run").words
    assert not out.exists()
    assert bench("pack", "--list", out, "--json").json["letters"] == 2
    assert "S00000002" in PdfReader(out).pages[0].extract_text()
