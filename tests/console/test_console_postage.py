"""Postage at the terminal: what a day costs, what waits for company, and files of earlier charges with their slips."""

import json
from pathlib import Path

import pytest

from tests.console.terminal import SAMPLES, Terminal, order, put


def test_the_tariffs_of_a_day_come_with_source_and_confidence(terminal: Terminal) -> None:
    said = terminal("postage", "tariffs", "--on", "2020-07-02")
    assert said.code == 0
    assert "NO 20 20 17.00 13.60 posten-2020" in said.words
    assert "newsinenglish.no 2020-07-02" in said.words
    assert "confidence partial" in said.words
    assert max(len(line) for line in said.out.splitlines()) <= 80


def test_a_day_without_a_tariff_says_so_for_every_zone(terminal: Terminal) -> None:
    said = terminal("postage", "tariffs", "--on", "2023-01-01", "--json").json
    assert (said["rows"], said["without_price"]) == ([], ["NO", "EUROPE", "WORLD"])
    assert "NO: no known price on 2023-01-01" in terminal("postage", "tariffs", "--on", "2023-01-01").words


def test_today_is_the_day_without_one(terminal: Terminal) -> None:
    said = terminal("postage", "tariffs", "--json").json
    assert said["day"] == "2026-11-23"
    assert [(row["gross_ore"], row["net_ore"], row["overruled"]) for row in said["rows"]] == [(2800, 2240, False)]


def test_an_agreement_stands_beside_what_it_overrules(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = terminal("postage", "tariffs", "--json").json["rows"][0]
    del row["net_ore"], row["overruled"]
    file = tmp_path / "agreement.json"
    file.write_text(json.dumps([row | {"tariff": "contract:4711", "gross_ore": 2500}]), "utf-8")
    monkeypatch.setenv("HSECARD_TARIFF_FILES", json.dumps([str(file)]))
    words = terminal("postage", "tariffs").words
    assert "25.00 20.00 contract:4711" in words
    assert "posten-2026-02 (overruled)" in words
    file.write_text(json.dumps([row]), "utf-8")
    refused = terminal("postage", "tariffs")
    assert refused.code == 3
    assert "agreement.json" in refused.words.replace(" ", "")  # a long path is broken anywhere
    assert "row 1, valid_from" in refused.words


def test_what_waits_for_company_is_listed_with_its_last_day(terminal: Terminal, inbox: Path) -> None:
    assert terminal("blanks", "receive", "--lot", "L-1", "--count", "1").code == 0
    put(inbox, "second.json", order("GOOD-2", photos=["face.jpg"]))
    terminal("orders", "import", inbox)
    terminal("produce")
    terminal("encode")
    (hold,) = terminal("postage", "holds", "--json").json["holds"]
    assert (hold["card_ids"], hold["waits_for"], hold["until"]) == (["GOOD-1-1"], ["GOOD-2"], "2026-11-25")
    assert "2026-11-25" in terminal("postage", "holds").words


def test_a_file_of_charges_with_slips_names_each_and_takes_in_nothing(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "ledger.csv"
    text = (SAMPLES / "earlier-charges.csv").read_text("utf-8")
    file.write_text(text.replace("2020-02-11", "31.02.2020").replace(";27.2;", ";27,2 g;"), "utf-8-sig")
    refused = terminal("postage", "import", file)
    assert refused.code == 3
    assert "row 3, posted_on: '31.02.2020' is no day" in refused.words
    assert "row 6, weight_g: '27,2 g' is no measure" in refused.words
    assert terminal("refunds", "find", "--json").json["findings"] == []
    file.write_bytes("charge_id;vær".encode("cp1252"))
    assert terminal("postage", "import", file, "--json").json["error"]["code"] == "file.unreadable"


def test_a_period_is_asked_for_by_its_days(terminal: Terminal) -> None:
    assert terminal("postage", "import", SAMPLES / "earlier-charges.csv").code == 0
    asked = terminal("refunds", "find", "--from", "2021-01-19", "--until", "2021-01-19", "--json").json
    assert [one["charge"]["charge_id"] for one in asked["findings"]] == ["ch-0009", "ch-0021"]
    assert terminal("refunds", "find", "--from", "2021-02-30").code == 2
    backwards = terminal("refunds", "find", "--from", "2021-02-01", "--until", "2021-01-01", "--json")
    assert (backwards.code, backwards.json["error"]["code"]) == (3, "postage.period")
