"""Layouts from the terminal: what is in use on a day, and a preview of any layout before cards are drawn with it."""

import json
from pathlib import Path

from tests.console.terminal import Terminal

DATA = Path(__file__).parents[2] / "printing" / "data" / "layouts"


def test_designs_of_a_day_and_placeholders_are_listed(terminal: Terminal):
    listed = terminal("layouts", "list", "--date", "2011-01-01", "--json").json
    in_use = {one["design"]: one["in use"] for one in listed["designs"]}
    assert in_use["construction-2026a"] is True
    assert in_use["cleaning-2026a"] is False
    assert listed["placeholders"]["number"] == "4388261"


def test_a_preview_of_every_kind_is_written(terminal: Terminal, tmp_path: Path):
    said = terminal("layouts", "preview", "--date", "2026-11-23", "--out", str(tmp_path / "p"), "--json")
    assert said.code == 0
    assert len(said.json["previews"]) == 4
    for one in said.json["previews"]:
        assert [Path(file).suffix for file in one["files"]] == [".pdf", ".png", ".png"]
        assert all(Path(file).stat().st_size > 5_000 for file in one["files"])


def test_a_file_that_would_spoil_cards_is_drawn_and_told(terminal: Terminal, tmp_path: Path):
    layout = json.loads((DATA / "faces" / "id1-2026.json").read_text("utf-8"))
    next(one for one in layout["back"] if one["type"] == "code128")["box"]["x"] = 0.5
    own = tmp_path / "own.json"
    own.write_text(json.dumps(layout), "utf-8")
    said = terminal("layouts", "preview", "--file", str(own), "--out", str(tmp_path), "--json")
    assert said.code == 3
    assert {one["code"] for one in said.json["problems"]} == {"layout.fault"}
    assert len(said.json["previews"][0]["files"]) == 3
    own.write_text(json.dumps(layout | {"front": []}), "utf-8")
    said = terminal("layouts", "preview", "--file", str(own), "--out", str(tmp_path))
    assert "family_name" in said.words
    own.write_text("no json", "utf-8")
    assert terminal("layouts", "preview", "--file", str(own), "--json").json["error"]["code"] == "layout.invalid"


def test_the_schema_names_the_elements(terminal: Terminal):
    assert "ValueText" in terminal("layouts", "schema", "--json").json["$defs"]
