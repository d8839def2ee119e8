"""The whole act at Stripe: invoice, payment, refund, credit note. Whatever happens to any POST of it, the same end."""

import json
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import pytest
import stripe

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_client import API_VERSION
from billing.adapters.stripe_fake import Fault, StripeFake
from billing.adapters.stripe_parameters import wrong_parameter
from cards.effects import EffectKind
from flows.house import House, open_house
from flows.stages.delivery import DELIVERY
from flows.stages.failed_refunds import failed_refunds, paid_by_bank, try_again
from flows.stages.line import run_line
from flows.stages.payments import compare_with_stripe
from flows.stages.reconcile import RECONCILE
from flows.stages.refund_postage import REFUND_POSTAGE
from flows.stages.refund_proof import prove_refunds
from store.audit import violations
from store.database import UnitOfWork
from tests.store.small_world import an_order
from tests.stripe_acts import PAYMENT, begin, drive, stripe_settings, tell

POSTS = ("customer", "create", "lines", "finalize", "send", "refund", "credit note")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with StripeFake(PaymentsTwin(None)) as fake:
        yield fake


def _opened(home: Path, fake: StripeFake, *, later: int = 0) -> AbstractContextManager[House]:
    return open_house(actor="test", settings=stripe_settings(home, fake, later=later))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with invoice 1 issued and its postage found wrong: 52.00 net too much, approved to go back."""
    home = tmp_path_factory.mktemp("begun") / "home"
    with (
        StripeFake(PaymentsTwin(None)) as fake,
        _opened(home, fake) as house,
    ):
        begin(house)
    return home


@pytest.fixture
def home(begun: Path, tmp_path: Path) -> Path:
    shutil.copytree(begun, tmp_path / "home")
    return tmp_path / "home"


def _end(house: House, fake: StripeFake) -> dict[str, Any]:
    with house.store.read() as uow:
        ledger = uow.ledger.balances()
        case = uow.refunds.get("R-1")
        credit = uow.effects.get("stripe_credit:1:1")
    assert violations(house.store, house.blobs) == []
    return {
        "refunds": [(one["id"], one["amount"], one["status"]) for one in fake.back.refunds],
        "notes": [
            (name, note["metadata"], note["subtotal"], note["total"], note["refunds"], note["lines"]["data"])
            for name, note in fake.back.credit_notes.items()
        ],
        "invoices": [(name, one["total"], one["status"]) for name, one in fake.books.invoices.items()],
        "customers": len(fake.books.customers),
        "sent": sum(event["type"] == "invoice.sent" for event in fake.books.events),
        "ledger": ledger,
        "case": case.state.value,
        "answer": credit.answer,
        "differences": compare_with_stripe(house).findings,
    }


def _posts(fake: StripeFake) -> list[tuple[str, dict[str, Any], str | None]]:
    return [(path, form, key) for verb, path, form, key in fake.requests if verb == "POST"]


@pytest.fixture(scope="module")
def undisturbed(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Where the act ends when nothing happens."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(begun, home)
    os.environ["NO_PROXY"] = "127.0.0.1"
    with (
        StripeFake(PaymentsTwin(None)) as fake,
        _opened(home, fake) as house,
    ):
        drive(house, fake)
        assert len(_posts(fake)) == len(POSTS)
        return _end(house, fake)


def test_a_credit_note_at_stripe_has_our_figures_and_our_refund(undisturbed: dict[str, Any]) -> None:
    assert undisturbed["refunds"] == [("re_1", 6500, "succeeded")]
    ((name, metadata, net, gross, refunds, lines),) = undisturbed["notes"]
    assert (name, net, gross) == ("cn_1", 5200, 6500)
    assert metadata == {"key": "stripe_credit:1:1", "credit_note": "1", "invoice": "1"}
    assert refunds == [{"type": "refund", "refund": "re_1", "amount_refunded": 6500}]
    assert [(line["invoice_line_item"], line["amount"], line["taxes"][0]["amount"]) for line in lines] == [
        ("il_in_1_4", 5200, 1300)  # the postage line
    ]
    assert undisturbed["invoices"] == [("in_1", 45500, "paid")]
    assert undisturbed["ledger"] == {
        "1500": 0,
        "1570": 45500 - 6500 - 300,
        "2700": -9100 + 1300,
        "2990": 0,
        "3000.construction": -31200,
        "3000.postage": 0,
        "7770": 300,
    }
    assert (undisturbed["case"], undisturbed["answer"]) == ("confirmed", {"stripe_credit_note": "cn_1"})
    assert undisturbed["differences"] == ()


@pytest.mark.parametrize("at", range(len(POSTS)), ids=POSTS)
@pytest.mark.parametrize(
    "fault", [Fault.LOST_AFTER, Fault.LOST_BEFORE, Fault.ERROR_AFTER, Fault.ERROR_BEFORE, Fault.BUSY]
)
def test_a_fault_at_any_post_of_the_whole_act_ends_the_same(
    home: Path, fake: StripeFake, undisturbed: dict[str, Any], at: int, fault: Fault
) -> None:
    fake.faults.extend([*[None] * at, fault])
    with _opened(home, fake) as house:
        for _ in range(3):
            drive(house, fake)
        assert _end(house, fake) == undisturbed


@pytest.mark.parametrize("at", range(len(POSTS)), ids=POSTS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_post_of_the_whole_act_ends_the_same(
    home: Path, fake: StripeFake, undisturbed: dict[str, Any], at: int, when: Literal["before", "after"]
) -> None:
    """The program is killed by the operating system while Stripe has its request; Stripe forgets our keys meanwhile."""
    _killed(home, fake, (at + 1, when))
    fake.forget_keys()
    with _opened(home, fake, later=10) as house:
        for _ in range(3):
            drive(house, fake)
        assert _end(house, fake) == undisturbed


def _killed(home: Path, fake: StripeFake, moment: tuple[int, Literal["before", "after"]]) -> None:
    def work() -> None:
        with _opened(home, fake) as house:
            run_line(house, REFUND_POSTAGE if fake.books.events else DELIVERY)

    if moment[0] > POSTS.index("send") + 1:
        assert _run(fake, work, None) == 0
        fake.pay("in_1", fee_ore=300)
    assert _run(fake, work, moment) == -signal.SIGKILL


def _run(
    fake: StripeFake, work: Callable[[], None], moment: tuple[int, Literal["before", "after"]] | None
) -> int | None:
    def alone() -> None:
        work()
        os._exit(0)  # what other tests left in this process for its end is not the child's to do

    child = multiprocessing.get_context("fork").Process(target=alone)
    if moment:
        fake.moments[moment] = child.kill
    child.start()
    child.join(30)
    return child.exitcode


def test_a_credit_note_on_an_unpaid_invoice_lowers_what_it_owes(tmp_path: Path, fake: StripeFake) -> None:
    with _opened(tmp_path, fake) as house:
        begin(house, payment=None)
        drive(house, fake, pays=False)
        drive(house, fake, pays=False)
        (invoice,), (note,) = fake.books.invoices.values(), fake.back.credit_notes.values()
        assert (invoice["amount_remaining"], invoice["status"]) == (39000, "open")
        assert (note["pre_payment_amount"], note["post_payment_amount"], note["refunds"]) == (6500, 0, [])
        fake.pay("in_1")
        drive(house, fake)
        with house.store.read() as uow:
            balances = uow.ledger.balances()
        assert (balances["1500"], balances["1570"], balances["2990"]) == (0, 39000, 0)
        assert compare_with_stripe(house).findings == ()


# --- a refund that comes back -----------------------------------------------------------------------------------


def _fails(house: House, fake: StripeFake, refund: str = "re_1") -> None:
    fake.back.fail(refund)
    tell(house, fake)
    run_line(house, RECONCILE)


def _owed(uow: UnitOfWork) -> int:
    return -uow.ledger.balances()["2990"]


@pytest.mark.parametrize("how", ["again", "bank"])
def test_a_refund_that_comes_back_is_owed_again_until_a_person_decides(
    home: Path, fake: StripeFake, undisturbed: dict[str, Any], how: str
) -> None:
    with _opened(home, fake) as house:
        drive(house, fake)
        _fails(house, fake)
        run_line(house, REFUND_POSTAGE)  # nothing goes out again by itself
        with house.store.read() as uow:
            (waiting,) = failed_refunds(uow)
            assert (waiting.case_id, waiting.payment, waiting.state, _owed(uow)) == ("R-1", PAYMENT, "failed", 6500)
            assert uow.refunds.get("R-1").state.value == "executing"
        assert compare_with_stripe(house).findings == ()
        assert [one.difference_ore for one in prove_refunds(house)] == [0]
        {"again": try_again, "bank": paid_by_bank}[how](house, "R-1", PAYMENT, by="Ola")
        for _ in range(2):
            run_line(house, REFUND_POSTAGE)
        run_line(house, RECONCILE)
        with house.store.read() as uow:
            assert (failed_refunds(uow), _owed(uow)) == ([], 0)
            assert uow.refunds.get("R-1").state.value == "confirmed"
            balances = uow.ledger.balances()
            keys = [effect.key for effect in uow.effects.all_of(EffectKind.REFUND)]
        assert balances["1570"] + balances.get("1920", 0) == undisturbed["ledger"]["1570"]
        assert len(fake.back.refunds) == len(keys) == (2 if how == "again" else 1)
        assert (violations(house.store, house.blobs), compare_with_stripe(house).findings) == ([], ())
        assert [one.difference_ore for one in prove_refunds(house)] == [0]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_failure_told_before_or_while_its_refund_is_settled_is_booked_back(
    tmp_path: Path, fake: StripeFake, database_url: str, at_once: bool
) -> None:
    """The payer's bank is quicker than Stripe's answer to us: its webhook comes while we still wait."""
    threads: list[threading.Thread] = []
    with open_house(actor="test", settings=stripe_settings(tmp_path, fake, database_url=database_url)) as house:
        begin(house)
        run_line(house, DELIVERY)
        fake.pay("in_1")
        tell(house, fake)

        def fail() -> None:
            fake.back.fail("re_1")
            threads.append(threading.Thread(target=tell, args=(house, fake)))
            threads[0].start()
            if not at_once:
                threads[0].join()

        fake.moments[POSTS.index("refund") + 1, "after"] = fail
        run_line(house, REFUND_POSTAGE)
        threads[0].join()
        with house.store.read() as uow:
            assert [one.state for one in failed_refunds(uow)] == ["failed"]
            assert (_owed(uow), uow.refunds.get("R-1").state.value) == (6500, "executing")
        assert violations(house.store, house.blobs) == []


def test_a_second_failure_is_decided_again(home: Path, fake: StripeFake) -> None:
    with _opened(home, fake) as house:
        drive(house, fake)
        for number in (1, 2):
            _fails(house, fake, f"re_{number}")
            try_again(house, "R-1", PAYMENT, by="Ola")
            run_line(house, REFUND_POSTAGE)
        with house.store.read() as uow:
            assert [one.key for one in uow.effects.all_of(EffectKind.REFUND)][-1] == f"refund:R-1:{PAYMENT}:3"
            assert (uow.refunds.get("R-1").state.value, _owed(uow)) == ("confirmed", 0)
        assert violations(house.store, house.blobs) == []


# --- every request ----------------------------------------------------------------------------------------------


def test_check_8_every_request_of_ours_is_known_to_the_pinned_api_and_names_no_holder(
    home: Path, fake: StripeFake
) -> None:
    with _opened(home, fake) as house:
        drive(house, fake)
        _fails(house, fake)
        try_again(house, "R-1", PAYMENT, by="Ola")
        run_line(house, REFUND_POSTAGE)
        with house.store.read() as uow:
            people = [word for card in an_order().cards for word in (card.given_name, card.family_name)]
            people += [str(card.birth_date) for card in an_order().cards]
            planned = {effect.key for kind in EffectKind for effect in uow.effects.all_of(kind)}
    assert stripe.api_version == API_VERSION  # the types are those of the version that is pinned
    assert [path for verb, path, form, _ in fake.requests if wrong_parameter(verb, path, form)] == []
    keys = [key or "" for _, _, key in _posts(fake)]
    assert len(set(keys)) == len(keys) == len(POSTS) + 1
    assert all(any(key.startswith(known) for known in planned) for key in keys)  # each act was a row before
    said = json.dumps([form for _, _, form, _ in fake.requests], ensure_ascii=False)
    assert [word for word in (*people, "birth", "A-1-1") if word in said] == []
    assert {form["currency"] for _, form, _ in _posts(fake) if "currency" in form} == {"nok"}
