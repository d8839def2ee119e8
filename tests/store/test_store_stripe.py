"""What Stripe tells comes to the same books in any order; what it told stays; each difference with it is named.

Both databases, at the store's door.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from billing.ledger import CLEARING, entries_of_payment, entries_of_refund
from billing.models import Refund
from billing.reconcile_stripe import Difference, Movement, MovementKind
from billing.webhook import Told
from cards.effects import EffectKind
from cards.errors import Refused
from flows.stages.payments import keep
from store.audit import violations
from store.blobs import FolderBlobs
from store.database import Store, UnitOfWork
from store.payments import Fetch
from tests.store.small_world import NOON, TODAY, a_movement, confirm, move, paid, settle_world, told_refund

_KEY = "refund:R-1:pay-1"


@pytest.fixture
def world(store: Store, tmp_path: Any) -> Store:
    """Invoice 1 paid at Stripe; 150.00 each given back over pay-1 and pay-2."""
    settle_world(store, FolderBlobs(tmp_path, b"a key of thirty-two secret bytes", durable=False))
    return store


class _BackAgain(Exception):
    pass


def _after(store: Store, order: Sequence[Told]) -> dict[str, Any]:
    """What an order of events comes to; nothing of it is kept."""
    state: dict[str, Any] = {}
    with suppress(_BackAgain), store.begin() as uow:
        seen: set[str] = set()
        for told in order:
            assert keep(uow, told, today=TODAY) == (told.event_id not in seen)
            seen.add(told.event_id)
        state = _state(uow)
        raise _BackAgain
    return state


def _state(uow: UnitOfWork) -> dict[str, Any]:
    entries = [entry.model_dump() for entry in uow.ledger.entries()]
    return {
        "payments": [dict(row) for row in uow.stripe.payments()],
        "refunds": [dict(row) for row in uow.stripe.refunds()],
        "events": [{**row, "received_at": None} for row in uow.stripe.events()],
        "ledger": sorted(entries, key=lambda entry: (entry["posting"], entry["position"])),
        "cases": [case.model_dump() for case in uow.refunds.all()],
    }


def _later(seconds: int) -> dict[str, Any]:
    return {"happened_at": NOON + timedelta(seconds=seconds)}


SOME = (
    told_refund("re_pay-1", 15000, "evt_b", key=_KEY, kind="refund.failed", status="failed", **_later(8)),
    told_refund("re_pay-1", 15000, "evt_a", key=_KEY, kind="charge.refund.updated", status="failed", **_later(8)),
    told_refund("re_pay-1", 15000, "evt_c", key=_KEY, kind="refund.updated", **_later(9)),  # late, and wrong by now
    Told(event_id="evt_d", kind="invoice.voided", happened_at=NOON, about="void", reference="in_2", invoice=2),
    Told(event_id="evt_e", kind="customer.updated", happened_at=NOON, about="other", reference="cus_1"),
)
MORE = (
    *SOME,
    paid(4, 100, "evt_f", invoice=99),
    paid(4, 100, "evt_g", invoice=99, **_later(3)),
    paid(3, 100, "evt_h", currency="sek"),
    Told(event_id="evt_i", kind="invoice_payment.paid", happened_at=NOON, about="payment", reference="in_1",
         payment="pi_1"),
    told_refund("re_9", 70, "evt_j", kind="refund.failed", status="canceled"),
    told_refund("re_pay-2", 15000, "evt_k", payment="pay-2", key="refund:R-1:pay-2"),
    told_refund("re_old", 15000, "evt_l", key=_KEY, kind="refund.failed", status="failed"),  # not the one we have
)  # fmt: skip


def test_every_order_of_a_few_events_comes_to_the_same_books(world: Store) -> None:
    end = _after(world, SOME)
    back = [entry for entry in end["ledger"] if entry["posting"] == "refund_failed:re_pay-1"]
    assert [(entry["account"], entry["amount_ore"]) for entry in back] == [(CLEARING, 15000), ("2990", -15000)]
    assert {row["refund"]: row["status"] for row in end["refunds"]} == {"re_pay-1": "failed"}
    assert [case["state"] for case in end["cases"]] == ["executing", "proposed"]
    orders = list(permutations(SOME))
    assert len(orders) == 120
    assert [order for order in orders if _after(world, order) != end] == []


def test_check_9_many_events_told_up_to_three_times_in_a_random_order_come_to_the_same_books(world: Store) -> None:
    chance, end = random.Random(9), _after(world, MORE)
    for _ in range(60):
        order = [told for told in MORE for _ in range(chance.randrange(1, 4))]
        chance.shuffle(order)
        assert _after(world, order) == end


def test_a_refund_that_failed_before_it_was_settled_is_left_to_its_settling(world: Store) -> None:
    with world.begin() as uow:
        uow.effects.plan("refund:R-1:pay-9", EffectKind.REFUND, "R-1", {"payment": "pay-9", "amount_ore": 1})
        keep(uow, told_refund("re_n", 1, "evt_n", key="refund:R-1:pay-9", status="failed"), today=TODAY)
        assert uow.ledger.total(CLEARING, "refund_failed:") == 0


# --- what was told stays ----------------------------------------------------------------------------------------


def _decided(uow: UnitOfWork) -> None:
    keep(uow, SOME[0], today=TODAY)
    confirm(uow, f"{_KEY}:2", EffectKind.REFUND, "R-1", {"payment": "pay-1", "amount_ore": 15000})
    uow.refund_decisions.add(_KEY, "again", next_key=f"{_KEY}:2", by="kari")


def test_a_decision_is_made_once_and_rests_on_a_failed_refund(world: Store, tmp_path: Any) -> None:
    with world.begin() as uow:
        _decided(uow)
    with pytest.raises(Refused, match=r"refund\.decided"), world.begin() as uow:
        uow.refund_decisions.add(_KEY, "bank", next_key=None, by="ola")
    assert violations(world, FolderBlobs(tmp_path, b"a key of thirty-two secret bytes")) == []


BY_HAND = (
    *(f"DELETE FROM {table}" for table in ("stripe_events", "stripe_movements", "stripe_fetches")),
    *(f"DELETE FROM {table}" for table in ("stripe_payments", "stripe_refunds", "refund_decisions")),
    "UPDATE stripe_events SET kind = 'x'",
    "UPDATE stripe_movements SET amount_ore = amount_ore + 1",
    "UPDATE stripe_fetches SET balance_ore = 1",
    "UPDATE refund_decisions SET decided_by = 'x'",
    "UPDATE stripe_payments SET amount_ore = amount_ore + 1",
    "UPDATE stripe_payments SET invoice = NULL",
    "UPDATE stripe_payments SET paid_at = 'x'",
    "UPDATE stripe_refunds SET amount_ore = 1",
    "UPDATE stripe_refunds SET key = NULL",
    "UPDATE stripe_refunds SET status = 'succeeded' WHERE status = 'failed'",
)


def test_what_stripe_told_cannot_be_changed_by_hand(world: Store) -> None:
    with world.begin() as uow:
        _decided(uow)
        before = _state(uow)
    for change in BY_HAND:
        with pytest.raises(Refused, match=r"store\.rule_broken"), world.begin() as uow:
            uow.connection.exec_driver_sql(change)
    with world.read() as uow:
        assert _state(uow) == before


# --- what moved there and what is booked here -------------------------------------------------------------------


def _right(uow: UnitOfWork) -> None:
    """Forty payments with a fee each, ten of them given back, and a payout: as it should be."""
    for number in range(100, 140):
        _pay(uow, number, 13000)
        move(uow, _payment(number))
    for number in range(100, 110):
        _give_back(uow, number)
        move(uow, a_movement(f"txn_r{number}", MovementKind.REFUND, -6500, f"re_{number}"))
    move(
        uow, a_movement("txn_out", MovementKind.PAYOUT, -300_000, "po_9"), a_movement("txn_fee", MovementKind.FEE, -90)
    )


def _pay(uow: UnitOfWork, number: int, ore: int, reference: str | None = None) -> None:
    told = paid(number, ore, f"evt_{reference or number}", reference=reference or f"in_{number}", invoice=1)
    uow.stripe.take(told)
    name = f"stripe:{told.reference}"
    uow.ledger.post(entries_of_payment(name, amount_ore=ore, booked_on=TODAY, document="invoice/1", into=CLEARING))


def _payment(number: int, **changes: Any) -> Movement:
    content = {"transaction": f"txn_{number}", "kind": MovementKind.PAYMENT, "source": f"in_{number}", "fee_ore": 180}
    return Movement.model_validate({**content, "amount_ore": 13000, "currency": "nok", "moved_at": NOON, **changes})


def _give_back(uow: UnitOfWork, number: int, ore: int = 6500) -> None:
    key = f"refund:R-1:pi_{number}"
    request = {"case": "R-1", "payment": f"pi_{number}", "amount_ore": ore}
    confirm(uow, key, EffectKind.REFUND, "R-1", request, answer={"refund": f"re_{number}"})
    made = Refund(key=key, reference=f"re_{number}", payment=f"pi_{number}", amount_ore=ore)
    uow.ledger.post(entries_of_refund(made, booked_on=TODAY, document="credit_note/1"))


def _fetched(uow: UnitOfWork, minutes: int = 1) -> None:
    at = NOON + timedelta(minutes=minutes)
    net = "SELECT sum(amount_ore - fee_ore) FROM stripe_movements WHERE currency = 'nok'"
    stands = int(uow.connection.exec_driver_sql(net).scalar_one())
    uow.stripe.fetched(Fetch(fetched_at=at, movements=0, balance_ore=stands, fetched_by="test"))


def _unbooked(uow: UnitOfWork, movement: Movement) -> None:
    uow.stripe.add_movements([movement])


def _told_void(uow: UnitOfWork) -> None:
    told = Told(event_id="evt_v", kind="invoice.voided", happened_at=NOON, about="void", reference="in_120", invoice=1)
    uow.stripe.take(told)


PLANTS: dict[Difference, tuple[str, Callable[[UnitOfWork], None]]] = {
    Difference.MISSING_HERE: ("in_200", lambda uow: move(uow, _payment(200))),
    Difference.MISSING_THERE: ("in_201", lambda uow: _pay(uow, 201, 13000)),
    Difference.TWICE_THERE: ("in_100", lambda uow: move(uow, _payment(100, transaction="txn_again", fee_ore=0))),
    Difference.TWICE_HERE: (
        "in_101",
        lambda uow: (
            _pay(uow, 0, 13000, "in_copy"),
            uow.stripe.take(
                Told(event_id="e", kind="x", happened_at=NOON, about="payment", reference="in_copy", payment="in_101")
            ),
        )[0],
    ),
    Difference.OTHER_AMOUNT: ("in_202", lambda uow: (_pay(uow, 202, 13001), move(uow, _payment(202)))[0]),
    Difference.OTHER_CURRENCY: (
        "in_203",
        lambda uow: (_pay(uow, 203, 13000), move(uow, _payment(203, currency="sek")))[0],
    ),
    Difference.REFUND_BY_HAND: ("re_x", lambda uow: move(uow, a_movement("t1", MovementKind.REFUND, -70, "re_x"))),
    Difference.RETURN_UNBOOKED: (
        "re_100",
        lambda uow: move(uow, a_movement("t2", MovementKind.RETURNED, 6500, "re_100")),
    ),
    Difference.FEE_UNBOOKED: ("t3", lambda uow: _unbooked(uow, a_movement("t3", MovementKind.FEE, -40))),
    Difference.PAYOUT_UNBOOKED: ("t4", lambda uow: _unbooked(uow, a_movement("t4", MovementKind.PAYOUT, -40, "po_1"))),
    Difference.MOVEMENT_UNBOOKED: ("t5", lambda uow: move(uow, a_movement("t5", MovementKind.OTHER, -40, "dp_1"))),
    Difference.ON_VOID_INVOICE: ("in_120", _told_void),
}


def test_where_both_sides_say_the_same_nothing_is_found(world: Store) -> None:
    with world.begin() as uow:
        _right(uow)
        _fetched(uow)
    with world.read() as uow:
        found = uow.stripe_compared.compared()
    assert found.findings == ()
    assert found.tie.balance_ore == found.tie.clearing_ore != 0


def test_check_13_a_planted_difference_is_named_and_no_other(world: Store) -> None:
    with world.begin() as uow:
        _right(uow)
    for kind, (source, plant) in PLANTS.items():
        with suppress(_BackAgain), world.begin() as uow:
            plant(uow)
            _fetched(uow)
            found = uow.stripe_compared.compared()
            raise _BackAgain
        assert [(one.kind, one.source) for one in found.findings] == [(kind, source)]
        assert found.tie.left_over_ore == 0


def test_all_differences_at_once_are_named_and_explain_the_balance(world: Store) -> None:
    with world.begin() as uow:
        _right(uow)
        for _, plant in PLANTS.values():
            plant(uow)
        _fetched(uow)
    with world.read() as uow:
        found = uow.stripe_compared.compared()
    assert sorted((one.kind, one.source) for one in found.findings) == sorted((k, s) for k, (s, _) in PLANTS.items())
    assert found.tie.balance_ore != found.tie.clearing_ore


def test_a_balance_that_no_movement_explains_is_named(world: Store) -> None:
    with world.begin() as uow:
        fetch = Fetch(fetched_at=NOON + timedelta(minutes=1), movements=0, balance_ore=5, fetched_by="test")
        uow.stripe.fetched(fetch)
    with world.read() as uow:
        (finding,) = uow.stripe_compared.compared().findings
    assert (finding.kind, finding.there_ore, finding.here_ore) == (Difference.UNEXPLAINED, 5, 0)


def test_what_was_booked_after_the_fetch_waits_for_the_next_one(world: Store) -> None:
    """The clock of this store stands before the small world's noon; the fetch of the world is the later one."""
    with world.begin() as uow:
        _pay(uow, 300, 13000)
        uow.connection.exec_driver_sql(_LATE_ENTRY)
    with world.read() as uow:
        found = uow.stripe_compared.compared()
    assert [one.source for one in found.findings] == ["in_300"]
    assert found.tie.unfetched_ore == 700


_LATE_ENTRY = (
    "INSERT INTO ledger_entries (posting, position, booked_on, account, amount_ore, document, text, entered_at) "
    "VALUES ('refund_failed:re_late', 1, '2026-11-23', '1570', 700, 'x', 'y', '2026-11-23T12:00:01.000000Z'), "
    "('refund_failed:re_late', 2, '2026-11-23', '2990', -700, 'x', 'y', '2026-11-23T12:00:01.000000Z')"
)


def test_nothing_is_compared_before_something_was_fetched(store: Store) -> None:
    with pytest.raises(Refused, match=r"payments\.not_fetched"), store.read() as uow:
        uow.stripe_compared.compared()
