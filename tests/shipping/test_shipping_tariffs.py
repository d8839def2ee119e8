"""A bureau's own tariff files: an agreement overrules the list on its days and no others; a slip in a file is named."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cards.errors import Refused
from shipping.models import FindingKind, PostageCharge, TariffRow
from shipping.postage_audit import audit
from shipping.tariffs import bundled_tariffs, in_force, known_tariffs, price

AGREED = {
    "tariff": "contract:Posten 4711",
    "product": "Brev avtale",
    "zone": "NO",
    "valid_from": "2021-03-01",
    "valid_until": "2021-06-30",
    "max_weight_g": 100,
    "max_thickness_mm": 20,
    "gross_ore": 1500,
    "vat_percent": 25,
    "source": "agreement 4711, appendix 2",
    "retrieved": "2026-11-23",
    "confidence": "primary",
}


def _file(folder: Path, *rows: dict[str, Any], name: str = "agreement.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(rows), "utf-8")
    return path


def _priced(rows: tuple[TariffRow, ...], day: str, weight_g: float = 17.4) -> TariffRow:
    return price(rows, day=date.fromisoformat(day), zone="NO", weight_g=weight_g, thickness_mm=1.8)


@pytest.mark.parametrize(
    ("day", "weight_g", "tariff", "gross_ore"),
    [
        ("2021-02-28", 17.4, "posten-2021", 1800),
        ("2021-03-01", 17.4, "contract:Posten 4711", 1500),
        ("2021-06-30", 100.0, "contract:Posten 4711", 1500),
        ("2021-06-30", 100.01, "posten-2021", 4500),  # the agreement does not take it
        ("2021-07-01", 17.4, "posten-2021", 1800),
    ],
)
def test_an_agreement_holds_on_its_days_and_the_list_on_all_others(
    tmp_path: Path, day: str, weight_g: float, tariff: str, gross_ore: int
) -> None:
    row = _priced(known_tariffs(_file(tmp_path, AGREED)), day, weight_g)
    assert (row.tariff, row.gross_ore) == (tariff, gross_ore)


def test_a_day_with_neither_agreement_nor_list_has_no_price_and_no_verdict(tmp_path: Path) -> None:
    rows = known_tariffs(_file(tmp_path, AGREED))
    charge = PostageCharge(
        charge_id="c", origin="earlier", payer_org_number="310149942", payer_name="Fjordbygg AS", order_number="O",
        invoice_number="F", shipment="S", posted_on=date(2022, 1, 1), zone="NO", weight_g=17.4, thickness_mm=1.8,
        cards=1, charged_net_ore=9900, vat_ore=2475, vat_percent=25,
    )  # fmt: skip
    with pytest.raises(Refused, match=r"tariff\.unknown_day"):
        _priced(rows, "2022-01-01")
    (finding,) = audit([charge], rows=rows)
    assert (finding.kind, finding.due_net_ore, finding.refund_net_ore) == (FindingKind.UNKNOWN_TARIFF, None, 0)


def test_what_holds_on_a_day_says_which_rows_the_agreement_overrules(tmp_path: Path) -> None:
    found = in_force(known_tariffs(_file(tmp_path, AGREED)), day=date(2021, 3, 1))
    overruled = [(row.max_weight_g, row.max_thickness_mm) for row, by_agreement in found if by_agreement]
    assert overruled == [(20, 20), (50, 20), (100, 20)]
    assert len(found) == 31
    assert in_force(bundled_tariffs(), day=date(2023, 1, 1)) == []


NEXT = AGREED | {"valid_from": "2021-07-01", "valid_until": None, "gross_ore": 1600}


def test_periods_that_follow_each_other_are_taken(tmp_path: Path) -> None:
    rows = known_tariffs(_file(tmp_path, AGREED), _file(tmp_path, NEXT, name="next.json"))
    assert [_priced(rows, day).gross_ore for day in ("2021-06-30", "2021-07-01", "2031-01-01")] == [1500, 1600, 1600]


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        (NEXT | {"valid_from": "2021-06-30"}, "row 1, valid_from", "row 1 of agreement.json"),
        (NEXT | {"valid_from": "2021-07-02"}, "row 1, valid_from", "without a price in NO after 2021-06-30"),
        (
            NEXT | {"tariff": "contract:another", "valid_from": "2021-05-01"},
            "row 1, valid_from",
            "row 1 of agreement.json",
        ),
        (
            NEXT | {"tariff": "my-list", "max_weight_g": 20, "valid_from": "2021-12-31"},
            "row 1, valid_from",
            "posten-2021",
        ),
        (NEXT | {"valid_until": "2021-06-30"}, "row 1, valid_until", "ends before it begins"),
        (NEXT | {"gross_ore": -1}, "row 1, gross_ore", "greater than or equal to 0"),
        (NEXT | {"zone": "MARS"}, "row 1, zone", "'NO', 'EUROPE' or 'WORLD'"),
        (NEXT | {"colour": "red"}, "row 1, colour", "not permitted"),
        ({key: NEXT[key] for key in NEXT if key != "source"}, "row 1, source", "required"),
    ],
)
def test_a_slip_is_named_by_file_row_and_field(tmp_path: Path, row: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(Refused, match=r"tariff\.invalid_file") as refusal:
        known_tariffs(_file(tmp_path, AGREED), _file(tmp_path, row, name="next.json"))
    assert refusal.value.field == field
    assert "next.json" in refusal.value.message
    assert words in refusal.value.message


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[{"])
def test_what_is_no_list_of_rows_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text, "utf-8")
    with pytest.raises(Refused, match=r"tariff\.invalid_file"):
        known_tariffs(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        known_tariffs(tmp_path / "nowhere.json")
