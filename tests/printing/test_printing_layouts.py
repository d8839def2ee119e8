"""Layouts as data: the bundled ones are fit to print, and each way to spoil one is told with its field."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdf
import pytest

from cards.errors import Refused
from printing.layout import SAMPLES, designs, look_of
from printing.layout_check import layout_faults, load_look
from printing.pictures import page_png
from printing.preview import LONG, draw_preview, sample_content

DATA = Path(__file__).parents[2] / "printing" / "data" / "layouts"
LOOKS = [one.design for one in designs()]
Layout = dict[str, Any]


def faces() -> Layout:
    return json.loads((DATA / "faces" / "id1-2026.json").read_text("utf-8"))


def written(folder: Path, layout: Layout) -> Path:
    path = folder / "own.json"
    path.write_text(json.dumps(layout), "utf-8")
    return path


def place_of(layout: Layout, side: str, **wanted: str) -> Layout:
    return next(one for one in layout[side] if wanted.items() <= one.items())


@pytest.mark.parametrize("name", LOOKS)
def test_what_ships_is_fit_to_print(name: str):
    assert layout_faults(look_of(name)) == ()


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("name", LOOKS)
def test_a_preview_says_every_sample(name: str, *, long: bool):
    pdf = draw_preview(look_of(name), sample_content(look_of(name), long=long))
    text = "".join("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())
    wanted = SAMPLES | (LONG if long else {})
    assert [one for one in wanted.values() if "".join(one.split()) not in text] == []
    assert page_png(pdf, 1, 100).startswith(b"\x89PNG")


def move(side: str, wanted: dict[str, str], **box: float) -> Callable[[Layout], None]:
    return lambda layout: place_of(layout, side, **wanted)["box"].update(box)


def drop(side: str, **wanted: str) -> Callable[[Layout], None]:
    return lambda layout: layout[side].remove(place_of(layout, side, **wanted))


SPOILED: dict[str, tuple[Callable[[Layout], None], str]] = {
    "text on the cut": (move("front", {"placeholder": "employer"}, x=1.0), "nearer to the cut"),
    "code on the cut": (move("back", {"type": "code128"}, x=0.5), "nearer to the cut"),
    "no quiet zone": (move("back", {"type": "qr"}, w=16, h=16), "larger than"),
    "code on the pattern": (drop("back", type="panel"), "line pattern"),
    "on each other": (move("front", {"placeholder": "given_name"}, y=18.0), "lies on that of"),
    "stretched face": (move("front", {"type": "portrait"}, h=26.0), "stretch the face"),
    "no birth date": (drop("front", placeholder="birth_date"), "does not say it"),
    "no portrait": (drop("front", type="portrait"), "0 of it"),
    "box too small": (move("front", {"placeholder": "issued_on"}, w=8.0), "does not fit"),
}


@pytest.mark.parametrize("way", SPOILED)
def test_each_way_to_spoil_a_card_is_told_with_its_field(way: str, tmp_path: Path):
    spoil, words = SPOILED[way]
    layout = faces()
    spoil(layout)
    found = layout_faults(load_look(written(tmp_path, layout), like=LOOKS[0]))
    assert any(words in one.message for one in found), found
    assert all(one.field and one.fix for one in found)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (lambda layout: layout["front"][3]["box"].update(w=-1), "front.3.value.box.w"),
        (lambda layout: layout["front"][3].update(placeholder="shoe_size"), "front.3.value.placeholder"),
        (lambda layout: layout["front"][3].update(min_pt=4), "front.3.value.min_pt"),
        (lambda layout: layout.update(font="Comic"), "font"),
        (lambda layout: layout.pop("back"), "back"),
    ],
)
def test_what_the_schema_forbids_is_refused_with_its_field(wrong: Callable[[Layout], None], field: str, tmp_path: Path):
    layout = faces()
    wrong(layout)
    with pytest.raises(Refused) as refused:
        load_look(written(tmp_path, layout), like=LOOKS[0])
    assert (refused.value.code, refused.value.field) == ("layout.invalid", field)


def test_a_design_finds_its_faces_beside_it_and_then_the_bundled_ones(tmp_path: Path):
    own = json.loads((DATA / "cleaning-2026a.json").read_text("utf-8")) | {"design": "cleaning-2027a"}
    assert load_look(written(tmp_path, own), like=LOOKS[0]).faces == look_of("cleaning-2026a").faces
    lower = faces() | {"band_mm": {"front": 10.0, "back": 6.0}}
    (tmp_path / "id1-2026.json").write_text(json.dumps(lower), "utf-8")
    assert load_look(tmp_path / "own.json", like=LOOKS[0]).faces.band_mm["front"] == 10.0
    with pytest.raises(Refused, match=r"layout\.invalid"):
        load_look(written(tmp_path, own | {"faces": "unheard-of"}), like=LOOKS[0])


def test_no_file_and_no_json_are_refused(tmp_path: Path):
    (tmp_path / "own.json").write_text("{", "utf-8")
    for path in (tmp_path / "own.json", tmp_path / "absent.json"):
        with pytest.raises(Refused, match=r"layout\.invalid"):
            load_look(path, like=LOOKS[0])


def test_a_box_that_cannot_hold_its_text_is_refused_before_drawing(tmp_path: Path):
    layout = faces()
    place_of(layout, "front", placeholder="family_name")["box"]["w"] = 12.0
    look = load_look(written(tmp_path, layout), like=LOOKS[0])
    with pytest.raises(Refused, match=r"layout\.too_small"):
        draw_preview(look, sample_content(look, long=True))
