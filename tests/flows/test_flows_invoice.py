"""What is posted and not invoiced is shown with its last day, and each delivery is invoiced as of its own day."""

from datetime import UTC, date, datetime
from pathlib import Path

from billing.models import LineKind
from console.status import standing
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.by_hand import receive_blanks
from flows.stages.day import DAY, run_day
from flows.stages.intake import import_orders
from flows.stages.line import run_line
from store.audit import violations

FIRST = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LATER = datetime(2026, 12, 28, 8, 0, tzinfo=UTC)


def _settings(home: Path, clock: datetime) -> Settings:
    return Settings(
        home=home, environment="test", engine="inline", clock=clock, durable=False, hold_mail="never", promised_days=60
    )


def _post_without_invoice(house: House) -> None:
    for name, line in DAY:
        if name in ("produce", "encode", "ship"):
            run_line(house, line)


def test_cards_posted_on_two_days_are_invoiced_by_day(tmp_path: Path, inbox: Path) -> None:
    with open_house(actor="test", settings=_settings(tmp_path, FIRST)) as house:
        receive_blanks(house, lot="L-1", count=1)
        import_orders(house, str(inbox))
        _post_without_invoice(house)
        assert standing(house)["waiting_for_invoice"] == {"orders": 1, "first_invoice_by": "2026-12-23"}
    with open_house(actor="test", settings=_settings(tmp_path, LATER)) as house:
        receive_blanks(house, lot="L-2", count=20)
        _post_without_invoice(house)
        with house.store.read() as uow:
            waiting = uow.uninvoiced.waiting()
            assert uow.invoices.all() == []
        run_day(house)
        with house.store.read() as uow:
            invoices = uow.invoices.all()
            cards = {card_id for letter in uow.shipments.all() for card_id in letter.card_ids}
        assert standing(house)["waiting_for_invoice"] == {"orders": 0, "first_invoice_by": None}
        assert violations(house.store, house.blobs) == []
    assert waiting[0].posted_at == FIRST
    assert waiting[0].posted_at < waiting[1].posted_at
    days = [(one.order_numbers == (waiting[0].order_number,), one.delivered_from) for one in invoices]
    assert days == [(True, date(2026, 11, 23)), (True, date(2026, 12, 28)), (False, date(2026, 12, 28))]
    lines = [line for one in invoices for line in one.lines]
    assert sorted(line.card_id for line in lines if line.card_id) == sorted(cards)
    assert all([line.kind for line in one.lines].count(LineKind.POSTAGE) == 1 for one in invoices)
