"""A business that is invoiced by the month: what stands on one invoice, on which day, and that nothing is late."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from billing.models import Collect, Uninvoiced
from billing.terms import collect_on, document_day
from cards.address import Address
from cards.errors import Refused
from cards.life import CardState
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.invoice import INVOICE
from flows.stages.invoice_plan import collected_on, planned_invoices
from flows.stages.line import run_line, run_stage
from flows.stages.terms import set_terms
from store.audit import violations
from tests.store.small_world import OSLO, a_card, a_reading, a_shipment, an_order, close, step

FJORDBYGG = "310149942"
SVALBARD = Address(recipient="Fjordbygg AS", street="Vei 501", postcode="9170", city="Longyearbyen")
_TO_PACKED = (
    CardState.PICTURED,
    CardState.RENDERED,
    CardState.PRINTED,
    CardState.ENCODED,
    CardState.PROVED,
    CardState.PACKED,
)


def _at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T11:00:00+00:00")


@contextmanager
def _house(home: Path, day: str) -> Iterator[House]:
    settings = Settings(home=home, environment="test", engine="inline", clock=_at(day), durable=False)
    with open_house(actor="anna", settings=settings) as house:
        yield house


def _post(house: House, number: int, at: datetime, *, cards: int = 2, to: Address = OSLO, order: str = "") -> str:
    """An order, its cards and their letter, posted at an instant; the letter's postage is 19.20."""
    order = order or f"B-{number}"
    with house.store.begin() as uow:
        key = house.blobs.put("order", order.encode(), "json")
        made = an_order(order, cards=cards, deliver_to=to)
        uow.orders.add(made, reading=a_reading(), document_key=key, received_at=at)
        serial = uow.series.next("card_number", cards)
        names = [f"{order}-{line}" for line in range(1, cards + 1)]
        for line, name in enumerate(names, start=1):
            uow.cards.add(a_card(order, line, serial + line - 1), actor="test", what="ordered")
            step(uow, name, *_TO_PACKED, shipment_id=f"S-{number}")
        uow.shipments.add(a_shipment(number, names, order=order, address=to))
        close(uow, f"S-{number}", names)
        uow.shipments.posted(f"S-{number}", f"C-{number}", at)
        for name in names:
            step(uow, name, CardState.POSTED)
    return order


def test_a_month_of_three_orders_is_one_invoice_of_the_next_months_first_days(tmp_path: Path) -> None:
    with _house(tmp_path, "2026-10-20") as house:
        set_terms(house, FJORDBYGG, Collect.MONTH, valid_from=date(2026, 10, 1), by="kari")
        _post(house, 1, _at("2026-10-05"))
        _post(house, 2, _at("2026-10-20"), cards=1, to=SVALBARD)
    with _house(tmp_path, "2026-10-30") as house:
        _post(house, 3, datetime(2026, 10, 31, 22, 59, tzinfo=UTC))  # 23:59 in Oslo
        _post(house, 4, datetime(2026, 10, 31, 23, 0, tzinfo=UTC))  # 1 November in Oslo
        assert run_line(house, INVOICE).counts == {}
    with _house(tmp_path, "2026-11-02") as house:
        assert run_line(house, INVOICE).counts["invoiced"] == 1
        assert run_line(house, INVOICE).counts == {}
        with house.store.read() as uow:
            (invoice,) = uow.invoices.all()
            charges = uow.postage.charges()
            assert [one.order_number for one in uow.uninvoiced.waiting()] == ["B-4"]
        assert [one.rule for one in violations(house.store, house.blobs) if one.rule.startswith(_MONEY)] == []
    assert invoice.order_numbers == ("B-1", "B-2", "B-3")
    assert (invoice.issued_on, invoice.due_on) == (date(2026, 10, 31), date(2026, 11, 16))
    assert (invoice.delivered_from, invoice.delivered_until) == (date(2026, 10, 5), date(2026, 10, 31))
    assert [(row.category, row.net_ore, row.vat_ore) for row in invoice.vat] == [("G", 15420, 0), ("S", 57840, 14460)]
    lines = [(invoice.delivery_of(line).order_number, line.card_id or line.shipment_id) for line in invoice.lines]
    assert lines == [
        ("B-1", "B-1-1"), ("B-1", "B-1-2"), ("B-1", "S-1"), ("B-2", "B-2-1"), ("B-2", "S-2"), ("B-3", "B-3-1"),
        ("B-3", "B-3-2"), ("B-3", "S-3"),
    ]  # fmt: skip
    assert sorted((one.order_number, one.charged_net_ore, one.vat_ore) for one in charges) == [
        ("B-1", 1920, 480), ("B-2", 1920, 0), ("B-3", 1920, 480),
    ]  # fmt: skip


_MONEY = ("invoice.", "number.", "ledger.", "credit.")


def test_a_month_whose_first_delivery_would_be_invoiced_too_late_is_issued_before_its_end(tmp_path: Path) -> None:
    """Delivered on 1 December, due by 1 January, which is a holiday: the last working day before is 31 December."""
    with _house(tmp_path, "2026-12-01") as house:
        set_terms(house, FJORDBYGG, Collect.MONTH, valid_from=date(2026, 12, 1), by="kari")
        _post(house, 1, _at("2026-12-01"))
        _post(house, 2, _at("2026-12-30"))
    with _house(tmp_path, "2026-12-30") as house:
        assert run_stage(house, INVOICE[0]).counts == {}
    with _house(tmp_path, "2026-12-31") as house:
        assert run_stage(house, INVOICE[0]).counts == {"invoiced": 1}
        _post(house, 3, _at("2026-12-31"))
        assert run_stage(house, INVOICE[0]).counts == {}
    with _house(tmp_path, "2027-01-04") as house:
        assert run_stage(house, INVOICE[0]).counts == {"invoiced": 1}
        with house.store.read() as uow:
            early, rest = uow.invoices.all()
    assert (early.order_numbers, early.issued_on) == (("B-1", "B-2"), date(2026, 12, 31))
    assert (rest.order_numbers, rest.issued_on) == (("B-3",), date(2026, 12, 31))


def test_terms_hold_for_what_is_delivered_from_their_day_on(tmp_path: Path) -> None:
    with _house(tmp_path, "2026-11-20") as house:
        set_terms(house, FJORDBYGG, Collect.MONTH, valid_from=date(2026, 11, 10), by="kari")
        set_terms(house, FJORDBYGG, Collect.ORDER, valid_from=date(2026, 11, 16), by="kari")
        for number, day in enumerate(("2026-11-09", "2026-11-10", "2026-11-16"), start=1):
            _post(house, number, _at(day))
        assert run_stage(house, INVOICE[0]).counts == {"invoiced": 2}
    with _house(tmp_path, "2026-12-01") as house:
        assert run_stage(house, INVOICE[0]).counts == {"invoiced": 1}
        with house.store.read() as uow:
            found = uow.invoices.all()
            terms = uow.terms.of(FJORDBYGG)
    assert [one.order_numbers for one in found] == [("B-1",), ("B-3",), ("B-2",)]
    assert [row.set_by for row in terms] == ["kari", "kari"]
    assert collect_on(terms, date(2026, 11, 9)) is Collect.ORDER


def test_an_invoice_that_is_refused_stops_no_other(tmp_path: Path) -> None:
    nowhere = OSLO.model_copy(update={"postcode": "184"})
    with _house(tmp_path, "2026-11-20") as house:
        _post(house, 1, _at("2026-11-19"), to=nowhere)
        _post(house, 2, _at("2026-11-20"))
        done = run_stage(house, INVOICE[0])
        with house.store.read() as uow:
            assert [one.order_numbers for one in uow.invoices.all()] == [("B-2",)]
            assert [one.order_number for one in uow.uninvoiced.waiting()] == ["B-1"]
    assert done.counts == {"refused": 1, "invoiced": 1}
    assert [(one.subject, one.code) for one in done.problems] == [("B-1", "tax.unknown_place")]


def test_in_production_nothing_is_invoiced_by_a_price_that_nobody_confirmed(tmp_path: Path) -> None:
    with _house(tmp_path, "2026-11-20") as house:
        _post(house, 1, _at("2026-11-19"))
        production = replace(house, settings=house.settings.model_copy(update={"environment": "production"}))
        done = run_stage(production, INVOICE[0])
        assert [one.code for one in done.problems] == ["price.not_confirmed"]
        assert run_stage(production, INVOICE[0]).counts == {"refused": 1}
        assert run_stage(house, INVOICE[0]).counts == {"invoiced": 1}  # a demo goes on


def test_a_price_and_a_tax_are_those_of_each_deliverys_day(tmp_path: Path) -> None:
    with _house(tmp_path, "2022-07-29") as house:
        set_terms(house, FJORDBYGG, Collect.MONTH, valid_from=date(2022, 7, 1), by="kari")
        _post(house, 1, _at("2022-07-29"), cards=1)
    with _house(tmp_path, "2022-08-01") as house:
        assert run_stage(house, INVOICE[0]).counts == {"invoiced": 1}
        _post(house, 2, _at("2022-08-01"), cards=1)
    with _house(tmp_path, "2022-09-01") as house:
        assert run_stage(house, INVOICE[0]).counts == {"invoiced": 1}
        with house.store.read() as uow:
            assert [one.lines[0].net_ore for one in uow.invoices.all()] == [10750, 12950]


@pytest.mark.parametrize(
    ("month", "first", "issued"),
    [
        ("2026-01", date(2026, 1, 31), date(2026, 2, 2)),  # due by 28 February
        ("2026-02", date(2026, 2, 28), date(2026, 3, 2)),
        ("2028-02", date(2028, 2, 29), date(2028, 3, 1)),
        ("2026-10", date(2026, 10, 1), date(2026, 10, 30)),  # 1 November is a Sunday, and the last day
        ("2026-10", date(2026, 10, 2), date(2026, 11, 2)),
        ("2026-12", date(2026, 12, 1), date(2026, 12, 31)),  # 1 January is a holiday
        ("2026-12", date(2026, 12, 4), date(2027, 1, 4)),
        ("2027-04", date(2027, 4, 2), date(2027, 4, 30)),  # 1 and 2 May: a holiday on a Saturday, and a Sunday
    ],
)
def test_the_day_of_a_collected_invoice(month: str, first: date, issued: date) -> None:
    assert collected_on(month, first) == issued


def test_no_month_is_ever_issued_late_whatever_its_first_delivery() -> None:
    for ordinal in range(date(2026, 1, 1).toordinal(), date(2032, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        some = Uninvoiced(order_number="B-1", org_number=FJORDBYGG, cards=1, posted_at=_at(day.isoformat()))
        ((one),) = planned_invoices([some], {})
        one.month = f"{day:%Y-%m}"
        assert day <= one.issue_on <= one.issue_by, day


@pytest.mark.parametrize(
    ("until", "today", "dated"),
    [
        (date(2026, 10, 31), date(2026, 11, 2), date(2026, 10, 31)),
        (date(2026, 10, 5), date(2026, 11, 15), date(2026, 10, 31)),
        (date(2026, 10, 5), date(2026, 11, 16), date(2026, 11, 16)),
        (date(2026, 10, 29), date(2026, 10, 30), date(2026, 10, 30)),
        (date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 2)),
        (date(2026, 9, 30), date(2026, 11, 2), date(2026, 11, 2)),  # late: no day of its month any more
        (date(2026, 12, 31), date(2027, 1, 4), date(2026, 12, 31)),
    ],
)
def test_the_date_of_a_collected_invoice(until: date, today: date, dated: date) -> None:
    assert document_day(until, today) == dated


def test_terms_of_nobody_are_refused(tmp_path: Path) -> None:
    with _house(tmp_path, "2026-11-20") as house, pytest.raises(Refused, match=r"terms\.org_number"):
        set_terms(house, "310149943", Collect.MONTH, valid_from=date(2026, 11, 10), by="kari")
