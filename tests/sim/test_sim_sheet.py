"""The same days on ten-up sheets: drawn, read back and printed with no card held, since paper is only a setting."""

from dataclasses import replace
from pathlib import Path

from pypdf import PdfReader

from tests.sim.world import lay_out_inbox, live, open_world


def test_a_bureau_that_prints_on_sheets_lives_its_days(tmp_path: Path):
    inbox = tmp_path / "inbox"
    lay_out_inbox(inbox)
    with open_world(tmp_path / "house") as house:
        live(replace(house, settings=house.settings.model_copy(update={"sheet": "a4-10up"})), inbox)
        with house.store.read() as uow:
            places = [place for batch in uow.batches.all() for place in batch.cards]
    assert places
    assert [place for place in places if place.struck] == []
    (first, *_) = sorted((tmp_path / "house" / "printer").glob("*.pdf"))
    assert round(float(PdfReader(first).pages[0].mediabox.width) * 25.4 / 72) == 210
