"""Payments: one key is one refund, nothing above what was paid; the twin by itself, and Stripe's client over HTTP."""

import contextlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_client import API_VERSION
from billing.adapters.stripe_fake import Fault, StripeFake
from billing.adapters.stripe_payments import StripePayments
from billing.ports import Payments
from cards.errors import HseCardError, Refused, Unavailable, Unsure


@pytest.fixture
def twin(tmp_path: Path) -> PaymentsTwin:
    twin = PaymentsTwin(tmp_path / "payments")
    twin.add_payment("pi_1", 45500)
    return twin


@pytest.fixture
def fake(twin: PaymentsTwin, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with StripeFake(twin) as fake:
        yield fake


@pytest.fixture
def stripe(fake: StripeFake) -> StripePayments:
    return StripePayments("sk_test_none", fake.base_url)


@pytest.fixture(params=["twin", "stripe"])
def payments(request: pytest.FixtureRequest) -> Payments:
    return request.getfixturevalue(request.param)


def _code(fault: pytest.ExceptionInfo[HseCardError]) -> str:
    return fault.value.code


def test_one_key_is_one_refund(payments: Payments) -> None:
    first = payments.refund("refund:R-1:pi_1", "pi_1", 6500, "R-1")
    again = payments.refund("refund:R-1:pi_1", "pi_1", 6500, "R-1")
    assert again == first
    assert (first.key, first.payment, first.amount_ore) == ("refund:R-1:pi_1", "pi_1", 6500)
    assert payments.paid_ore("pi_1") == 45500 - 6500
    assert payments.look_up("refund:R-1:pi_1") == first
    assert payments.look_up("refund:R-2:pi_1") is None


@pytest.mark.parametrize(("amount", "case"), [(6600, "R-1"), (6500, "R-9")])
def test_a_used_key_with_other_parameters_is_refused(payments: Payments, amount: int, case: str) -> None:
    payments.refund("k", "pi_1", 6500, "R-1")
    with pytest.raises(Refused) as fault:
        payments.refund("k", "pi_1", amount, case)
    assert _code(fault) == "payments.key_reused"
    assert payments.paid_ore("pi_1") == 39000


def test_nothing_goes_back_above_what_was_paid(payments: Payments) -> None:
    payments.refund("k1", "pi_1", 40000, "R-1")
    with pytest.raises(Refused) as fault:
        payments.refund("k2", "pi_1", 5501, "R-2")
    assert _code(fault) == "payments.over_refund"
    payments.refund("k3", "pi_1", 5500, "R-3")
    assert payments.paid_ore("pi_1") == 0


@pytest.mark.parametrize("ask", ["refund", "paid"])
def test_an_unknown_payment_is_refused(payments: Payments, ask: str) -> None:
    with pytest.raises(Refused) as fault:
        payments.refund("k", "pi_none", 1, "R-1") if ask == "refund" else payments.paid_ore("pi_none")
    assert _code(fault) == "payments.unknown_payment"


def test_the_twin_remembers_after_a_restart(tmp_path: Path) -> None:
    first = PaymentsTwin(tmp_path)
    first.add_payment("pay/1 å", 1000)
    made = first.refund("k/ø", "pay/1 å", 400, "R-1")
    second = PaymentsTwin(tmp_path)
    assert second.look_up("k/ø") == made
    assert second.paid_ore("pay/1 å") == 600
    second.add_payment("pay/1 å", 1000)
    with pytest.raises(Refused, match="not the one on record"):
        second.add_payment("pay/1 å", 1001)


def test_a_crash_between_pointer_and_payment_leaves_no_refund(tmp_path: Path, twin: PaymentsTwin) -> None:
    """The payment's file decides; the pointer alone is a refund that never happened and may still be made."""
    twin.refund("k", "pi_1", 100, "R-1")
    (file,) = (tmp_path / "payments" / "payments").glob("*.json")
    file.write_text('{"amount_ore": 45500, "id": "pi_1", "refunds": []}')
    assert twin.look_up("k") is None
    assert twin.refund("k", "pi_1", 100, "R-1").amount_ore == 100
    assert twin.paid_ore("pi_1") == 45400


def _refund_from_another_process(folder: str, worker: int) -> None:
    payments = PaymentsTwin(Path(folder))
    for number in range(12):
        for key in (f"shared-{number}", f"own-{worker}-{number}"):
            with contextlib.suppress(Refused):  # the payment is used up at some point
                payments.refund(key, "pi_1", 900, "R-1")


def test_four_processes_on_one_payment_never_give_back_too_much(tmp_path: Path, twin: PaymentsTwin) -> None:
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_refund_from_another_process, args=(str(tmp_path / "payments"), n)) for n in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    made = twin.refunds()
    assert len({refund.key for refund in made}) == len(made) == 45500 // 900  # 60 were asked for
    assert twin.paid_ore("pi_1") == 45500 - 900 * len(made) >= 0


def test_an_unusable_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Unavailable) as fault:
        PaymentsTwin(tmp_path / "file").paid_ore("pi_1")
    assert _code(fault) == "payments.unavailable"


@pytest.mark.parametrize(
    "fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.ERROR_BEFORE, Fault.ERROR_AFTER, Fault.BUSY]
)
def test_a_lost_answer_is_unsure_and_ends_in_one_refund(fake: StripeFake, stripe: StripePayments, fault: Fault) -> None:
    """Whatever happened to the first try: look up, and only then ask again; one refund in the end, never two."""
    fake.faults.append(fault)
    with pytest.raises(Unsure) as lost:
        stripe.refund("k", "pi_1", 6500, "R-1")
    assert _code(lost) == "payments.answer_lost"
    seen = stripe.look_up("k")
    assert (seen is not None) == (fault in (Fault.LOST_AFTER, Fault.ERROR_AFTER))
    made = stripe.refund("k", "pi_1", 6500, "R-1")
    assert seen in (None, made)
    assert stripe.paid_ore("pi_1") == 39000


def test_every_stored_error_in_a_row_still_ends_in_one_refund(fake: StripeFake, stripe: StripePayments) -> None:
    """A stored 500 is replayed for ever: the next key version is tried, after one more look-up."""
    fake.faults.extend([Fault.ERROR_BEFORE, None, Fault.ERROR_AFTER])
    for _ in range(2):
        with pytest.raises(Unsure):
            stripe.refund("k", "pi_1", 6500, "R-1")
    assert stripe.refund("k", "pi_1", 6500, "R-1").amount_ore == 6500
    assert stripe.paid_ore("pi_1") == 39000


def test_after_a_day_the_key_is_gone_and_the_refund_is_not_made_twice(fake: StripeFake, stripe: StripePayments) -> None:
    first = stripe.refund("k", "pi_1", 6500, "R-1")
    fake.forget_keys()
    assert stripe.refund("k", "pi_1", 6500, "R-1") == first
    assert stripe.paid_ore("pi_1") == 39000


def test_too_many_requests_is_unavailable_and_nothing_happened(fake: StripeFake, stripe: StripePayments) -> None:
    fake.faults.append(Fault.SLOW_DOWN)
    with pytest.raises(Unavailable) as fault:
        stripe.refund("k", "pi_1", 6500, "R-1")
    assert _code(fault) == "payments.unavailable"
    assert stripe.paid_ore("pi_1") == 45500


def test_a_stripe_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(Unavailable) as fault:
        StripePayments("sk_test_none", "http://127.0.0.1:9").refund("k", "pi_1", 1, "R-1")
    assert _code(fault) == "payments.unavailable"


def test_only_case_and_key_leave_the_house(fake: StripeFake, stripe: StripePayments) -> None:
    stripe.refund("refund:R-1:pi_1", "pi_1", 6500, "R-1")
    ((_, path, form, key),) = [row for row in fake.requests if row[0] == "POST"]
    assert path == "/v1/refunds"
    assert form == {"payment_intent": "pi_1", "amount": "6500", "metadata": {"case": "R-1", "key": "refund:R-1:pi_1"}}
    assert key == "refund:R-1:pi_1/1"
    assert API_VERSION == "2026-10-28.endive"  # a new version is read about before it is pinned


def test_look_up_reads_past_the_first_page(fake: StripeFake, twin: PaymentsTwin, stripe: StripePayments) -> None:
    twin.add_payment("pi_2", 1000)
    wanted = stripe.refund("first", "pi_2", 10, "R-1")
    for number in range(105):
        answer, _ = fake.answer_post("/v1/refunds", {"payment_intent": "pi_1", "amount": "1"}, f"other-{number}")
        assert answer is not None
        assert answer[0] == 200
    assert stripe.look_up("first") == wanted
    assert stripe.paid_ore("pi_1") == 45500 - 105


def test_the_fake_errs_on_changed_parameters_and_unknown_ones(fake: StripeFake) -> None:
    fake.answer_post("/v1/refunds", {"payment_intent": "pi_1", "amount": "5"}, "k")
    changed, _ = fake.answer_post("/v1/refunds", {"payment_intent": "pi_1", "amount": "6"}, "k")
    unknown, _ = fake.answer_post("/v1/refunds", {"payment_intent": "pi_1", "reverse": "1"}, "k2")
    assert changed is not None
    assert changed[1]["error"]["type"] == "idempotency_error"
    assert unknown is not None
    assert unknown[1]["error"]["code"] == "parameter_unknown"


def test_the_fake_errs_while_the_twin_of_a_request_is_running(fake: StripeFake) -> None:
    fake.pause_s = 0.3
    form = {"payment_intent": "pi_1", "amount": "5"}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: fake.answer_post("/v1/refunds", form, "k")[0], range(2)))
    assert sorted(answer[0] for answer in answers if answer) == [200, 409]
    assert fake.answer_post("/v1/refunds", form, "k")[1]  # and then the first one's answer, again
    assert len(fake.back.refunds) == 1


def test_check_4_eight_workers_on_one_payment_never_give_back_more_than_was_paid(
    fake: StripeFake, twin: PaymentsTwin
) -> None:
    def give_back(worker: int) -> None:
        payments = StripePayments("sk_test_none", fake.base_url)
        for number in range(3):
            for key in (f"shared-{number}", f"own-{worker}-{number}"):
                with contextlib.suppress(Refused, Unsure):
                    payments.refund(key, "pi_1", 3000, "R-1")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(give_back, range(8)))
    assert len(twin.refunds()) == 45500 // 3000  # 27 were asked for
    assert twin.paid_ore("pi_1") == 45500 - 3000 * 15
