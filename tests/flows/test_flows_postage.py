"""Postage judged at the flow's door: earlier charges from the sample file, and what this house charged itself."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cards.errors import Refused
from flows.house import House
from flows.stages.invoice import INVOICE
from flows.stages.line import Tally, run_line
from flows.stages.refund_postage import find, import_charges, propose_cases
from flows.stages.ship import SHIP
from shipping.models import FindingKind, PostageFinding
from shipping.tariffs import bundled_tariffs, known_tariffs
from tests.flows.fleet import a_house
from tests.flows.ready import make_ready
from tests.store.small_world import a_card

EARLIER = Path(__file__).parents[2] / "samples" / "earlier-charges.csv"


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    with a_house(tmp_path, database_url=database_url, hold_mail="never") as opened:
        yield opened


@pytest.fixture
def earlier(house: House) -> House:
    """A house that has taken in the sample file: 42 charges, 14 of them too high, one too low, three of 2023."""
    assert import_charges(house, EARLIER.read_text("utf-8"), name=EARLIER.name).counts == {"imported": 42}
    return house


def _back(findings: list[PostageFinding]) -> tuple[int, int]:
    return sum(f.refund_net_ore for f in findings), sum(f.refund_vat_ore for f in findings)


def test_what_the_sample_file_hides_is_found_once_and_given_back_once(earlier: House) -> None:
    done, findings = find(earlier)
    assert (done.counts, len(findings), _back(findings)) == ({"found": 18}, 18, (17280, 4410))
    assert {f.kind for f in findings} == set(FindingKind) - {FindingKind.OVERCHARGED}
    assert find(earlier)[0].counts == {"already_found": 18}
    _, cases = propose_cases(earlier, by="Kari")
    payers = Counter(case.payer_org_number for case in cases)
    assert set(payers.values()) == {1}
    assert sum(case.net_ore for case in cases) == 17280
    done, rest = find(earlier)
    assert done.counts == {"already_found": 4}  # too low, and the three of which nobody knows
    assert _back(rest) == (0, 0)
    assert propose_cases(earlier, by="Kari")[1] == []


def test_a_rejected_case_gives_its_findings_free_again(earlier: House) -> None:
    find(earlier)
    _, cases = propose_cases(earlier, by="Kari")
    with earlier.store.begin() as uow:
        assert uow.refunds.reject(cases[0].case_id, by="Ola")
    done, findings = find(earlier)
    assert set(done.counts) == {"already_found"}
    assert _back(findings)[0] == cases[0].net_ore


@pytest.mark.parametrize(
    ("first", "last", "charges"),
    [
        (date(2021, 1, 19), date(2021, 1, 19), {"ch-0009", "ch-0021"}),
        (date(2021, 9, 7), date(2023, 2, 14), {"ch-0033", "ch-0040", "ch-0021"}),
        (None, date(2020, 12, 29), {"ch-0006", "ch-0021"}),
    ],
)
def test_a_period_is_judged_alone(earlier: House, first: date | None, last: date, charges: set[str]) -> None:
    """The day itself counts, first and last; ch-0021 was never shipped and belongs to every period."""
    _, findings = find(earlier, posted_from=first, posted_until=last)
    assert {finding.charge.charge_id for finding in findings} == charges


def test_a_period_that_ends_before_it_begins_is_refused(house: House) -> None:
    with pytest.raises(Refused, match=r"postage\.period"):
        find(house, posted_from=date(2021, 2, 1), posted_until=date(2021, 1, 31))


def _tariff_of_2023(folder: Path, **changes: Any) -> Path:
    row = bundled_tariffs()[0].model_dump(mode="json") | {
        "tariff": "contract:2023", "product": "Brev", "zone": "NO", "valid_from": "2023-01-01",
        "valid_until": "2023-12-31", "max_weight_g": 2000, "max_thickness_mm": 20, "gross_ore": 2300,
    }  # fmt: skip
    path = folder / "2023.json"
    path.write_text(json.dumps([row | changes]), "utf-8")
    return path


def test_a_tariff_that_comes_later_turns_unknown_into_a_verdict(earlier: House, tmp_path: Path) -> None:
    find(earlier)
    informed = replace(earlier, tariffs=known_tariffs(_tariff_of_2023(tmp_path)))
    done, findings = find(informed)
    assert done.counts == {"already_found": 15, "found_otherwise": 1, "withdrawn": 2}
    of_2023 = [f for f in findings if f.charge.posted_on and f.charge.posted_on.year == 2023]
    assert [(f.charge.charge_id, f.due_net_ore, f.refund_net_ore) for f in of_2023] == [("ch-0041", 1840, 640)]


def test_a_charge_that_was_refunded_gets_the_difference_when_its_price_is_known_better(
    earlier: House, tmp_path: Path
) -> None:
    charged = replace(earlier, tariffs=known_tariffs(_tariff_of_2023(tmp_path)))
    find(charged)
    propose_cases(charged, by="Kari")
    cheaper = replace(earlier, tariffs=known_tariffs(_tariff_of_2023(tmp_path, gross_ore=2000)))
    _, findings = find(cheaper)
    again = {f.finding_id: f.refund_net_ore for f in findings if f.kind is not FindingKind.UNDERCHARGED}
    assert again == {"ch-0040/v1": 240, "ch-0041/v1.2": 240, "ch-0042/v1": 240}
    propose_cases(cheaper, by="Kari")
    assert _back(find(cheaper)[1]) == (0, 0)


def test_the_same_file_again_changes_nothing_and_a_changed_one_is_refused_whole(earlier: House) -> None:
    text = EARLIER.read_text("utf-8")
    assert import_charges(earlier, text, name="again.csv").counts == {"already_known": 42}
    heading, first, *others = text.splitlines()
    new = first.replace("ch-0001", "ch-0099")
    changed = [new, *others[:-1], others[-1].replace("18.40", "18.50")]
    with pytest.raises(Refused, match=r"charge ch-0042 .* 1840 there and 1850 here"):
        import_charges(earlier, "\n".join((heading, *changed)), name="changed.csv")
    with earlier.store.read() as uow:
        assert len(uow.postage.charges()) == 42


# --- our own charges -------------------------------------------------------------------------------------------


def _posted_and_invoiced(house: House) -> House:
    """A letter of two orders and a free replacement, one of seven cards, and one whose price leaves odd øre."""
    with house.store.begin() as uow:
        make_ready(uow, "B-1", cards=2, key="NO|a")
        make_ready(uow, "B-2", cards=1, key="NO|a")
        _free_replacement(uow, "B-2")
        make_ready(uow, "B-3", cards=7, key="NO|b")
        for number in ("B-4", "B-5", "B-6"):
            make_ready(uow, number, cards=1, key="NO|c")
    run_line(house, SHIP)
    run_line(house, INVOICE)
    return house


def _free_replacement(uow: Any, order: str) -> None:
    states = ("rendered", "printed", "encoded", "proved")
    replaced = {"card_id": f"{order}-1R1", "replaces": f"{order}-1"}
    new = a_card(order, 1, 77, state="pictured", issued_on=date(2026, 11, 23), **replaced)
    uow.cards.add(new, actor="test", what="ordered")
    for before, after in zip(("pictured", *states), states, strict=False):
        assert uow.cards.advance(new.card_id, before, after, actor="test", what=after)


def test_an_undisturbed_run_has_nothing_to_give_back(house: House) -> None:
    _posted_and_invoiced(house)
    with house.store.read() as uow:
        charges = uow.postage.charges()
        letters = {letter.shipment_id: letter.postage_net_ore for letter in uow.shipments.all()}
    charged = Counter[str]()
    for charge in charges:
        charged[charge.shipment] += charge.charged_net_ore
    assert charged == letters
    assert find(house) == (Tally(), [])


def test_a_letter_that_this_house_priced_wrongly_is_found(house: House) -> None:
    """Planned, posted and charged by a tariff that was typed wrongly: 38 kroner for 28."""
    typed_wrongly = tuple(row.model_copy(update={"gross_ore": row.gross_ore + 1000}) for row in house.tariffs)
    _posted_and_invoiced(replace(house, tariffs=typed_wrongly))
    _, findings = find(house)
    with house.store.read() as uow:
        letters = len(uow.shipments.all())
    assert {(f.kind, f.charge.origin) for f in findings} == {(FindingKind.OVERCHARGED, "own")}
    assert sum(f.refund_net_ore for f in findings) == letters * 800
    assert len(propose_cases(house, by="Kari")[1]) == 1


def test_a_letter_waits_for_its_verdict_until_all_its_orders_are_invoiced(house: House) -> None:
    with house.store.begin() as uow:
        make_ready(uow, "B-1", key="NO|a")
        make_ready(uow, "B-2", key="NO|a")
    run_line(house, SHIP)
    INVOICE[0].work(house, INVOICE[0].waiting(house)[0][:1])
    with house.store.read() as uow:
        assert [charge.order_number for charge in uow.postage.charges()] == ["B-1"]
    assert find(house)[1] == []  # half a letter's price, and rightly so
    run_line(house, INVOICE)
    with house.store.read() as uow:
        assert len(uow.postage.charges()) == 2
    assert find(house)[1] == []
