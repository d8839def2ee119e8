"""`hsecard proof`: scans of printed cards held against their orders, from the terminal."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.house import House, open_house
from flows.settings import read_settings
from flows.stages.produce import face_content
from printing.expected import drawn_sides
from printing.layout import Side
from tests.console.terminal import PHOTOS, Terminal, order, put


@pytest.fixture
def cards(terminal: Terminal, inbox: Path) -> list[str]:
    """Two cards of two people, in a printed batch; their numbers."""
    (inbox / "second.jpg").write_bytes(sorted(PHOTOS.glob("*.jpg"))[1].read_bytes())
    put(inbox, "two.json", order("TWO-1", photos=["second.jpg"]))
    assert terminal("blanks", "receive", "--lot", "L-1", "--count", "20").code == 0
    assert terminal("orders", "import", inbox).code == 0
    assert terminal("produce").code == 0
    found = terminal("cards", "find", "Holm", "--json").json["cards"]
    assert len(found) == 2
    return [card["number"] for card in found]


def printed(house: House, whose: str, side: Side, **changes: object) -> Image.Image:
    """A side of a card as it came out of the printer, with `changes` to what was ordered."""
    with house.store.read() as uow:
        card = uow.cards.by_number(whose)
        assert card is not None
        assert card.portrait is not None
        content = face_content(house, card, uow.orders.get(card.order_number))
    portrait = house.blobs.get(card.portrait)
    return Image.fromarray(drawn_sides(content.model_copy(update=changes), portrait)[side])


def scanned(folder: Path, name: str, *sides: Image.Image, turn: float = 2.0) -> Path:
    """A picture with sides one above another on a grey lid, each turned a little."""
    turned = [side.rotate(turn, expand=True, fillcolor=(235, 235, 235)) for side in sides]
    high = sum(side.height + 40 for side in turned) + 40
    sheet = Image.new("RGB", (max(side.width for side in turned) + 80, high), (235, 235, 235))
    at = 40
    for side in turned:
        sheet.paste(side, (40, at))
        at += side.height + 40
    path = folder / name
    sheet.save(path)
    return path


@pytest.fixture
def house(cards: list[str]) -> House:
    with open_house(actor="camera", settings=read_settings()) as opened:
        yield opened


def test_both_sides_in_one_picture_match_and_are_noted_once(
    terminal: Terminal, cards: list[str], house: House, tmp_path: Path
):
    picture = scanned(tmp_path, "a.png", printed(house, cards[0], "front"), printed(house, cards[0], "back"), turn=176)
    for noted in (1, 0):
        said = terminal("proof", picture, "--record", "--json")
        assert said.code == 0, said.out
        assert [(one["side"], one["number"], one["verdict"]) for one in said.json["scans"]] == [
            ("front", cards[0], "match"), ("back", cards[0], "match"),
        ]  # fmt: skip
        assert (len(said.json["both_sides_match"]), len(said.json["recorded"])) == (1, noted)
    events = terminal("cards", "show", cards[0], "--json").json["events"]
    assert [event["what"] for event in events].count("face_seen") == 1


def test_a_wrong_name_and_a_wrong_code_are_told_and_drawn_and_not_noted(
    terminal: Terminal, cards: list[str], house: House, tmp_path: Path
):
    front = scanned(tmp_path, "front.png", printed(house, cards[0], "front", family_name="Holm-3"))
    back = scanned(tmp_path, "back.png", printed(house, cards[0], "back", number=cards[1]))
    said = terminal("proof", front, back, "--record", "--out", tmp_path / "marks", "--json")
    assert said.code == 5
    assert [one["verdict"] for one in said.json["scans"]] == ["mismatch", "mismatch"]
    wrong = [{each["element"] for each in one["differences"]} for one in said.json["scans"]]
    assert wrong == [{"family_name"}, {"barcode", "number"}]
    assert said.json["recorded"] == []
    for name in ("front-1.png", "back-1.png"):
        drawn = np.asarray(Image.open(tmp_path / "marks" / name))
        assert (np.abs(drawn.astype(int) - (215, 25, 30)).sum(axis=2) == 0).sum() > 200  # a red box
    words = terminal("proof", front).words
    for told in ("family_name", "Holm-1", "proof.mismatch", f"cards spoil {cards[0]}"):
        assert told in words


def test_fronts_and_backs_of_two_cards_are_no_pair(terminal: Terminal, cards: list[str], house: House, tmp_path: Path):
    front = scanned(tmp_path, "front.png", printed(house, cards[0], "front"))
    back = scanned(tmp_path, "back.png", printed(house, cards[1], "back"))
    said = terminal("proof", front, back, "--json")
    assert (said.code, said.json["both_sides_match"]) == (0, [])  # each is right; no card was seen whole
    said = terminal("proof", front, back, "--pairs", "--json")
    assert said.code == 5
    assert [one["differences"][0]["element"] for one in said.json["scans"]] == ["pair", "pair"]
    said = terminal("proof", front, "--card", cards[1], "--json")
    assert said.code == 5
    assert {"number", "portrait"} <= {each["element"] for each in said.json["scans"][0]["differences"]}
    assert terminal("proof", front, "--batch", "P-000009", "--json").code == 3


def test_what_is_no_card_is_unreadable_and_stops_no_other(
    terminal: Terminal, cards: list[str], house: House, tmp_path: Path
):
    text, photo = tmp_path / "notes.txt", tmp_path / "face.jpg"
    text.write_text("no picture")
    photo.write_bytes(sorted(PHOTOS.glob("*.jpg"))[0].read_bytes())
    tiny = tmp_path / "tiny.png"
    printed(house, cards[0], "front").resize((430, 271)).save(tiny)
    right = io.BytesIO()
    printed(house, cards[0], "back").save(right, "PDF", resolution=300)
    (tmp_path / "back.pdf").write_bytes(right.getvalue())
    said = terminal("proof", text, photo, tiny, tmp_path / "back.pdf", "--json")
    assert said.code == 3
    assert [one["verdict"] for one in said.json["scans"]] == ["unreadable", "unreadable", "unreadable", "match"]
    assert {problem["code"] for problem in said.json["problems"]} == {"proof.unreadable"}
    assert terminal("proof", tmp_path / "none.png", "--json").json["error"]["code"] == "proof.no_file"
