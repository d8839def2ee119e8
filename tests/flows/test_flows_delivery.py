"""Each document reaches its payer by one road, chosen when it is issued, and not before its bytes are kept."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydantic import SecretStr

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_fake import StripeFake
from cards.effects import EffectKind
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.by_hand import receive_blanks
from flows.stages.day import run_day
from flows.stages.delivery import DELIVERY, plan_delivery
from flows.stages.line import run_line
from store.audit import violations
from tests.billing.test_billing_stripe_figures import an_invoice
from tests.store.small_world import a_reading, an_order

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SBDH = {"s": "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"}
ROADS = (EffectKind.MAIL, EffectKind.STRIPE_INVOICE, EffectKind.E_INVOICE)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with StripeFake(PaymentsTwin(None)) as fake:
        yield fake


def _settings(home: Path, **changes: Any) -> Settings:
    base: dict[str, Any] = {"environment": "test", "engine": "inline", "clock": NOW, "durable": False}
    return Settings(home=home, **base | changes)


def _stripe(fake: StripeFake) -> dict[str, Any]:
    return {"payments": "stripe", "stripe_key": SecretStr("sk_test_none"), "stripe_url": fake.base_url}


def _planned(house: House) -> list[tuple[str, str]]:
    with house.store.read() as uow:
        return [(effect.key, effect.state.value) for road in ROADS for effect in uow.effects.all_of(road)]


def _issue(house: House, *, e_invoice: bool = False, cards: int = 3) -> None:
    """An invoice whose cards are elsewhere: it is its delivery that is looked at."""
    with house.store.begin() as uow:
        uow.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        uow.orders.add(an_order("A-1"), reading=a_reading(), document_key="", received_at=NOW)
        invoice = an_invoice(uow.series.next("invoice"), postage=(5200,) if cards else (2,), cards=cards)
        lines = [line.model_copy(update={"card_id": None, "shipment_id": None}) for line in invoice.lines]
        buyer = invoice.buyer.model_copy(update={"e_invoice": e_invoice})
        invoice = invoice.model_copy(update={"buyer": buyer, "lines": tuple(lines)})
        uow.invoices.add(invoice)
        plan_delivery(house, uow, invoice)


def test_a_whole_day_with_stripe_sends_each_invoice_once(tmp_path: Path, inbox: Path, fake: StripeFake) -> None:
    with open_house(actor="test", settings=_settings(tmp_path, **_stripe(fake))) as house:
        receive_blanks(house, lot="L-1", count=20)
        run_day(house, str(_without_e_invoice(inbox, tmp_path / "inbox")))
        run_day(house)
        assert _planned(house) == [("deliver:invoice:1", "confirmed"), ("deliver:invoice:2", "confirmed")]
        with house.store.read() as uow:
            kept = [paper.document_id for paper in uow.documents.of_subject("invoice/1")]
        assert violations(house.store, house.blobs) == []
    assert sorted(kept) == ["ehf/invoice/1", "invoice/1"]
    assert [one["type"] for one in fake.books.events].count("invoice.sent") == 2
    assert list((tmp_path / "mail").glob("*")) == []


def _without_e_invoice(inbox: Path, copy: Path) -> Path:
    shutil.copytree(inbox, copy)
    for order in copy.glob("*.json"):
        order.write_text(order.read_text("utf-8").replace('"e_invoice": true', '"e_invoice": false'), "utf-8")
    return copy


def test_an_e_invoice_goes_through_the_access_point_and_nowhere_else(tmp_path: Path, fake: StripeFake) -> None:
    settings = _settings(tmp_path, access_point="folder", **_stripe(fake))
    with open_house(actor="test", settings=settings) as house:
        _issue(house, e_invoice=True)
        for _ in range(2):
            run_line(house, DELIVERY)
        assert _planned(house) == [("peppol:invoice:1", "confirmed")]
        with house.store.read() as uow:
            row = uow.documents.get("ehf/invoice/1")
        assert row is not None
        document = etree.fromstring(house.blobs.get(row.blob_key))
    (file,) = (tmp_path / "access-point").iterdir()
    envelope = etree.fromstring(file.read_bytes())
    said = envelope.xpath("//s:Identifier[@Authority]/text()", namespaces=SBDH)
    assert said == ["0192:314159268", f"0192:{an_invoice().buyer.org_number}"]
    scopes = envelope.xpath("//s:Scope/s:Type/text()", namespaces=SBDH)
    assert scopes == ["DOCUMENTID", "PROCESSID", "COUNTRY_C1"]
    assert etree.tostring(envelope[1], method="c14n") == etree.tostring(document, method="c14n")
    assert fake.books.invoices == {}
    assert list((tmp_path / "mail").glob("*")) == []


def test_an_e_invoice_without_an_access_point_is_mailed_with_its_ehf_though_stripe_takes_payments(
    tmp_path: Path, fake: StripeFake
) -> None:
    """Stripe sends no EHF: by it the payer would never get what they asked for."""
    with open_house(actor="test", settings=_settings(tmp_path, **_stripe(fake))) as house:
        _issue(house, e_invoice=True)
        for _ in range(2):
            run_line(house, DELIVERY)
        assert _planned(house) == [("mail:invoice:1", "confirmed")]
        with house.store.read() as uow:
            row = uow.documents.get("ehf/invoice/1")
        assert row is not None
        kept = house.blobs.get(row.blob_key)
    (file,) = (tmp_path / "mail").iterdir()
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    attached = {part.get_content_type(): part.get_payload(decode=True) for part in message.iter_attachments()}
    assert attached["application/xml"] == kept
    assert set(attached) == {"application/pdf", "application/xml"}
    assert fake.books.invoices == {}


@pytest.mark.parametrize(("e_invoice", "attached"), [(False, 1), (True, 2)])
def test_without_stripe_and_access_point_it_is_mailed(tmp_path: Path, e_invoice: bool, attached: int) -> None:
    with open_house(actor="test", settings=_settings(tmp_path)) as house:
        _issue(house, e_invoice=e_invoice)
        run_line(house, DELIVERY)
        assert _planned(house) == [("mail:invoice:1", "confirmed")]
    (file,) = (tmp_path / "mail").iterdir()
    assert file.read_text("utf-8").count("Content-Disposition: attachment") == attached


def test_an_invoice_below_stripe_s_smallest_sum_is_mailed(tmp_path: Path, fake: StripeFake) -> None:
    with open_house(actor="test", settings=_settings(tmp_path, **_stripe(fake))) as house:
        _issue(house, cards=0)
        run_line(house, DELIVERY)
        assert _planned(house) == [("mail:invoice:1", "confirmed")]


def test_nothing_leaves_before_its_documents_are_kept(tmp_path: Path) -> None:
    drawing, sending = DELIVERY
    with open_house(actor="test", settings=_settings(tmp_path)) as house:
        _issue(house)
        run_line(house, (sending,))
        assert _planned(house) == [("mail:invoice:1", "planned")]
        run_line(house, (drawing, sending))
        assert _planned(house) == [("mail:invoice:1", "confirmed")]


def test_a_road_that_was_closed_keeps_what_was_planned_for_it(tmp_path: Path, fake: StripeFake) -> None:
    with open_house(actor="test", settings=_settings(tmp_path, **_stripe(fake))) as house:
        _issue(house)
    with open_house(actor="test", settings=_settings(tmp_path)) as house:
        done = run_line(house, DELIVERY)
        assert [problem.code for problem in done.problems] == ["delivery.road_closed"]
        assert _planned(house) == [("deliver:invoice:1", "planned")]
    with open_house(actor="test", settings=_settings(tmp_path, **_stripe(fake))) as house:
        run_line(house, DELIVERY)
        assert _planned(house) == [("deliver:invoice:1", "confirmed")]
