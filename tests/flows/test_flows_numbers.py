"""Labels with the carrier's numbers in a house: drawn once there is a number, waiting and named until then."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
import zxingcpp
from pydantic import SecretStr

from cards.effects import EffectKind
from cards.errors import Refused
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.by_hand import receive_blanks
from flows.stages.day import run_day
from flows.stages.line import run_line
from flows.stages.numbers import add_range, shortage
from flows.stages.ship import SHIP
from shipping.number_ranges import NumberKind
from store.audit import violations
from tests.console.terminal import PHOTOS, order, put


def _settings(home: Path, **changes: Any) -> Settings:
    now = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    given = {"environment": "test", "clock": now, "engine": "inline", "durable": False, "numbers_low": 1}
    return Settings(home=home, **given | changes)


@pytest.fixture
def two_letters(tmp_path: Path) -> Path:
    """An inbox with one card to each of two addresses."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    shutil.copy(sorted(PHOTOS.glob("*.jpg"))[0], folder / "face.jpg")
    elsewhere = {"recipient": "Fjordbygg AS", "street": "Kirkegata 1", "postcode": "0153", "city": "Oslo"}
    put(folder, "a.json", order("AAA", photos=["face.jpg"]))
    put(folder, "b.json", order("BBB", photos=["face.jpg"], deliver_to=elsewhere))
    return folder


def _bars(house: House, shipment_id: str, dpi: int) -> str:
    """What is in the bars of the label that was kept for the shipment."""
    with house.store.read() as uow:
        document = uow.documents.get(f"label/{shipment_id}")
    assert document is not None
    page = pypdfium2.PdfDocument(house.blobs.get(document.blob_key))[0]
    found = zxingcpp.read_barcodes(np.asarray(page.render(scale=dpi / 72).to_numpy()))
    (bars,) = [code.text for code in found if "matrix" not in str(code.format).lower()]
    return bars


RANGES = {
    "s10": ("RR", 47312482, ("RR473124829NO", "RR473124832NO")),
    "sscc": ("37043810", 126805853, ("370438101268058536", "370438101268058543")),
}


@pytest.mark.parametrize("kind", RANGES)
def test_a_letter_without_a_number_waits_undrawn_and_goes_once_there_is_one(
    tmp_path: Path, two_letters: Path, kind: str
) -> None:
    prefix, first, numbers = RANGES[kind]
    with open_house(actor="kari", settings=_settings(tmp_path / "home", carrier_numbers=kind)) as house:
        receive_blanks(house, lot="L", count=9)
        assert [problem.code for problem in shortage(house)] == ["numbers.low"]
        add_range(house, NumberKind(kind), prefix, first, first, source="letter")
        assert shortage(house) == []
        problems = run_day(house, str(two_letters))["ship"].problems
        assert [(problem.subject, problem.code) for problem in problems] == [("S-000002", "numbers.exhausted")]
        with house.store.read() as uow:
            assert uow.documents.of_subject("S-000002") == []
            assert uow.shipments.counts() == {"packed": 1, "posted": 1}
            (manifest,) = uow.effects.all_of(EffectKind.MANIFEST)
        behind = manifest.request["left_out"]
        assert [(one["subject"], one["reason"]) for one in behind] == [("S-000002", "no_number")]
        add_range(house, NumberKind(kind), prefix, first + 1, first + 9, source="another letter")
        run_line(house, SHIP)
        for shipment_id, number in zip(("S-000001", "S-000002"), numbers, strict=True):
            for dpi in (203, 300):
                assert number in "".join(filter(str.isalnum, _bars(house, shipment_id, dpi)))
        assert violations(house.store, house.blobs) == []


def test_bring_gives_its_own_numbers(tmp_path: Path) -> None:
    bring = {"carrier": "bring", "carrier_uid": SecretStr("u"), "carrier_key": SecretStr("k")}
    settings = _settings(tmp_path, carrier_numbers="sscc", carrier_client_url="https://bureau.example", **bring)
    with pytest.raises(Refused, match=r"settings\.invalid") as refused, open_house(actor="x", settings=settings):
        pass
    assert refused.value.field == "HSECARD_CARRIER_NUMBERS"
