"""Batches, prints, blanks, chips, shipments, postage, invoices, ledger and refunds at the repositories' door."""

from datetime import date
from typing import Any

import pytest

from billing.ledger import entries_of_invoice
from billing.models import RefundState
from billing.refund_roads import RefundRoad, Road
from cards.adapters.system import SteadyClock
from cards.batch import BatchState
from cards.blanks import BatchCount, BlankAccount
from cards.errors import Refused, Unavailable
from cards.life import CardState
from shipping.models import GivenBack, PostageCharge, ShipmentState
from store.database import Store, UnitOfWork
from store.field_faults import FaultReport
from tests.store.small_world import (
    NOON,
    TODAY,
    a_batch,
    a_card,
    a_case,
    a_charge,
    a_credit_note,
    a_finding,
    a_move,
    a_shipment,
    accept,
    an_invoice,
    an_outcome,
    close,
    step,
)

TO_PROVED = (CardState.PICTURED, CardState.RENDERED, CardState.PRINTED, CardState.ENCODED, CardState.PROVED)


def _refused(code: str, act: Any, *args: Any, **names: Any) -> None:
    with pytest.raises((Refused, Unavailable)) as refused:
        act(*args, **names)
    assert refused.value.code == code
    assert refused.value.fix


# --- batches and prints ----------------------------------------------------------------------------------------


def test_a_batch_comes_back_as_it_was_frozen(store: Store) -> None:
    with store.begin() as uow:
        batch = a_batch("P-1", uow.cards.get_many(accept(uow, "B-1", cards=3)))
        uow.batches.add(batch)
        assert uow.batches.get("P-1") == batch
        uow.batches.drawn("P-1", "run/a", "run/b", "run/c")
        uow.batches.strike("P-1", "B-1-2", "qr")
        uow.batches.strike("P-1", "B-1-2", "again")
        struck = uow.batches.get("P-1")
        assert [place.struck for place in struck.cards] == [None, "qr", None]
        assert (struck.print_file, struck.run_sheet, struck.contact_sheet) == ("run/a", "run/b", "run/c")
        uow.batches.drawn("P-1", None, None, None)
        assert uow.batches.in_state(BatchState.FROZEN) == uow.batches.all() == [uow.batches.get("P-1")]
        assert uow.batches.get("P-1").print_file is None


def test_a_card_is_frozen_in_one_batch_at_a_time(store: Store) -> None:
    with store.begin() as uow:
        first, second, third = uow.cards.get_many(accept(uow, "B-1", cards=3))
        uow.batches.add(a_batch("P-1", [first, second]))
        _refused("batch.known", uow.batches.add, a_batch("P-1", [third]))
        _refused("batch.card_taken", uow.batches.add, a_batch("P-2", [third, second]))
        assert [batch.batch_id for batch in uow.batches.all()] == ["P-1"]  # nothing of the second one stayed
        uow.batches.strike("P-1", second.card_id, "text")
        uow.batches.add(a_batch("P-3", [second]))
        assert uow.batches.to_state("P-1", BatchState.FROZEN, BatchState.PRINTED)
        assert not uow.batches.to_state("P-1", BatchState.FROZEN, BatchState.PRINTED)
        uow.batches.add(a_batch("P-4", [first]))
        _refused("batch.not_frozen", uow.batches.strike, "P-1", first.card_id, "late")
        _refused("batch.no_such_card", uow.batches.strike, "P-3", first.card_id, "where")
        _refused("batch.unknown", uow.batches.get, "P-9")
        _refused("batch.unknown", uow.batches.drawn, "P-9", None, None, None)


def _printed_batch(uow: UnitOfWork) -> None:
    uow.batches.add(a_batch("P-1", uow.cards.get_many(accept(uow, "B-1", cards=3))))
    uow.blanks.move(a_move("receive", "supplier", "vault", 10))
    uow.blanks.move(a_move("issue", "vault", "tray", 4, batch_id="P-1"))
    uow.blanks.move(a_move("load", "tray", "machine", 3, batch_id="P-1"))
    uow.blanks.move(a_move("back", "tray", "returned", 1, batch_id="P-1"))
    uow.batches.to_state("P-1", BatchState.FROZEN, BatchState.PRINTED)
    uow.blanks.move(a_move("good", "machine", "good", 2, batch_id="P-1"))


def _count(**changes: Any) -> BatchCount:
    content = {"batch_id": "P-1", "issued": 4, "good": 2, "spoiled": 1, "returned": 1}
    return BatchCount.model_validate({**content, "counted_by": "Ola", "witnessed_by": "Per", **changes})


def test_a_batch_closes_when_two_people_count_what_the_ledger_says(store: Store) -> None:
    with store.begin() as uow:
        _printed_batch(uow)
        _refused("batch.does_not_balance", uow.batches.close, _count())  # one blank is still in the machine
        uow.blanks.move(a_move("bad", "machine", "spoiled", 1, batch_id="P-1", cause="jam"))
        _refused("batch.same_person", uow.batches.close, _count(witnessed_by=" OLA"))
        _refused("batch.does_not_balance", uow.batches.close, _count(good=3))
        _refused("batch.does_not_balance", uow.batches.close, _count(good=1, spoiled=2))
        _refused("batch.unknown", uow.batches.close, _count(batch_id="P-9"))
        uow.batches.close(_count())
        assert uow.batches.get("P-1").state is BatchState.CLOSED
        _refused("batch.not_printed", uow.batches.close, _count())


def test_a_card_has_one_live_print(store: Store) -> None:
    with store.begin() as uow:
        uow.batches.add(a_batch("P-1", uow.cards.get_many(accept(uow, "B-1"))))
        assert uow.prints.add("B-1-1", "P-1", 1) == 1
        _refused("print.already_live", uow.prints.add, "B-1-1", "P-1", 1)
        uow.prints.spoil("B-1-1", "jam")
        _refused("print.none_live", uow.prints.spoil, "B-1-1", "jam")
        assert uow.prints.live("B-1-1") is None
        assert uow.prints.add("B-1-1", "P-1", 1) == 2
        live = uow.prints.live("B-1-1")
        assert live is not None
        assert (live["attempt"], live["batch_id"], live["position"]) == (2, "P-1", 1)
        assert [row["spoiled_cause"] for row in uow.prints.attempts("B-1-1")] == ["jam", None]


# --- blanks ----------------------------------------------------------------------------------------------------


def test_a_move_of_blanks_happens_once(store: Store) -> None:
    with store.begin() as uow:
        assert uow.blanks.move(a_move("a", "supplier", "vault", 10))
        later = a_move("a", "supplier", "vault", 10, at="2026-11-24T00:00:00Z", actor="another run")
        assert not uow.blanks.move(later)
        _refused("blank.key_reused", uow.blanks.move, a_move("a", "supplier", "vault", 11))
        assert uow.blanks.balances()[BlankAccount.VAULT] == 10
        assert uow.blanks.moves() == [a_move("a", "supplier", "vault", 10)]


def test_no_account_but_the_suppliers_goes_below_zero(store: Store) -> None:
    with store.begin() as uow:
        uow.blanks.move(a_move("a", "supplier", "vault", 3))
        uow.blanks.move(a_move("b", "supplier", "vault", 9, lot="L-2"))
        _refused("blanks.short", uow.blanks.move, a_move("c", "vault", "tray", 4))
        uow.blanks.move(a_move("d", "vault", "tray", 3, batch_id="P-1"))
        _refused("blanks.short", uow.blanks.move, a_move("e", "machine", "good", 1))
        stock = uow.blanks.lots()
        assert list(stock) == ["L-1", "L-2"]
        assert {account: count for account, count in stock["L-1"].items() if count} == {
            BlankAccount.SUPPLIER: -3,
            BlankAccount.TRAY: 3,
        }
        assert sum(uow.blanks.balances().values()) == 0
        assert uow.blanks.balances(lot="L-2")[BlankAccount.VAULT] == 9
        assert uow.blanks.balances(batch_id="P-1")[BlankAccount.TRAY] == 3
        assert [move.move_key for move in uow.blanks.moves(batch_id="P-1")] == ["d"]


# --- chips -----------------------------------------------------------------------------------------------------


def test_a_chip_belongs_to_one_card(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1")
        uow.chips.bind("04AA", "B-1-1", 1, "virtual")
        uow.chips.bind("04AA", "B-1-1", 2, "virtual")
        _refused("chip.bound_elsewhere", uow.chips.bind, "04AA", "B-1-2", 1, "virtual")
        uow.chips.settle("04AA", an_outcome("04AA"))
        _refused("chip.unbound", uow.chips.settle, "04BB", an_outcome("04BB"))
        binding = uow.chips.binding("04AA")
        assert binding is not None
        assert (binding.card_id, binding.generation, binding.outcome) == ("B-1-1", 2, an_outcome("04AA"))
        assert uow.chips.binding("04BB") is None
        assert uow.chips.of_card("B-1-1") == [binding]


def _report(fault_id: str, card_id: str = "B-1-1") -> FaultReport:
    return FaultReport(fault_id=fault_id, card_id=card_id, reported_at=NOON, reported_by="site", symptom="dead")


def test_a_faulty_card_is_replaced_at_most_once(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1")
        uow.cards.add(a_card("B-1", 1, 70, card_id="B-1-1R1"), actor="x", what="ordered")
        assert uow.faults.report(_report("F-1"))
        assert not uow.faults.report(_report("F-1"))
        _refused("fault.key_reused", uow.faults.report, _report("F-1", "B-1-2"))
        _refused("card.unknown", uow.faults.report, _report("F-2", "B-9-9"))
        uow.faults.report(_report("F-2"))
        assert [fault.fault_id for fault in uow.faults.open()] == ["F-1", "F-2"]
        uow.faults.decide("F-1", "B-1-1R1", why="chip fault", decided_by="run")
        uow.faults.decide("F-1", "B-1-1R1", why="chip fault", decided_by="another run")
        _refused("fault.decided", uow.faults.decide, "F-1", None, why="no", decided_by="x")
        _refused("fault.already_replaced", uow.faults.decide, "F-2", "B-1-2", why="again", decided_by="x")
        _refused("fault.unknown", uow.faults.decide, "F-9", None, why="no", decided_by="x")
        uow.faults.decide("F-2", None, why="replaced already", decided_by="Kari")
        assert uow.faults.open() == []
        assert [(fault.fault_id, new, why) for fault, new, why in uow.faults.faults("B-1-1")] == [
            ("F-1", "B-1-1R1", "chip fault"),
            ("F-2", None, "replaced already"),
        ]


# --- shipments -------------------------------------------------------------------------------------------------


def test_a_shipment_comes_back_and_goes_its_way(store: Store) -> None:
    with store.begin() as uow:
        card_ids = accept(uow, "B-1", cards=3)
        shipment = a_shipment(1, card_ids[::-1])
        uow.shipments.add(shipment)
        assert uow.shipments.get("S-1") == shipment
        _refused("shipment.known", uow.shipments.add, a_shipment(1, [], shares=()))
        _refused("shipment.known", uow.shipments.add, a_shipment(1, [], shipment_id="S-9", shares=()))
        _refused("shipment.card_taken", uow.shipments.add, a_shipment(2, card_ids[:1]))
        _refused("shipment.unknown", uow.shipments.get, "S-2")
        assert not uow.shipments.posted("S-1", "C-1", NOON)  # nothing is scanned into it
        close(uow, "S-1", card_ids)
        assert uow.shipments.posted("S-1", "C-1", NOON)
        assert not uow.shipments.posted("S-1", "C-2", NOON)
        assert not uow.shipments.cancel("S-1")
        posted = uow.shipments.get("S-1")
        assert (posted.state, posted.booking, posted.posted_at) == (ShipmentState.POSTED, "C-1", NOON)
        assert uow.shipments.in_state(ShipmentState.PACKED) == []


def test_cards_of_a_cancelled_or_returned_letter_go_in_another(store: Store) -> None:
    with store.begin() as uow:
        card_ids = accept(uow, "B-1")
        uow.shipments.add(a_shipment(1, card_ids))
        assert uow.shipments.cancel("S-1")
        uow.shipments.add(a_shipment(2, card_ids))
        close(uow, "S-2", card_ids)
        assert uow.shipments.posted("S-2", "C-2", NOON)
        assert uow.shipments.came_back(card_ids[0])
        assert not uow.shipments.came_back(card_ids[0])
        uow.shipments.add(a_shipment(3, card_ids[:1]))
        _refused("shipment.card_taken", uow.shipments.add, a_shipment(4, card_ids[1:]))
        assert uow.shipments.counts() == {"cancelled": 1, "packed": 1, "posted": 1}


def test_a_posted_letter_stands_on_one_manifest(store: Store) -> None:
    with store.begin() as uow:
        first, second = accept(uow, "B-1")
        uow.shipments.add(a_shipment(1, [first]))
        uow.shipments.add(a_shipment(2, [second]))
        assert uow.shipments.without_manifest() == []
        close(uow, "S-1", [first])
        assert uow.shipments.posted("S-1", "C-1", NOON)
        assert [shipment.shipment_id for shipment in uow.shipments.without_manifest()] == ["S-1"]
        uow.shipments.listed(["S-1"], "M-1")
        uow.shipments.listed(["S-1"], "M-2")
        assert uow.shipments.without_manifest() == uow.shipments.of_manifest("M-2") == []
        assert [shipment.shipment_id for shipment in uow.shipments.of_manifest("M-1")] == ["S-1"]


# --- postage ---------------------------------------------------------------------------------------------------


def test_a_charge_is_kept_once_and_found_by_its_day(store: Store) -> None:
    charges = [
        a_charge("E-1"),
        a_charge("E-2", posted_on=date(2021, 3, 2)),
        a_charge("E-3", posted_on=None, weight_g=0.1 + 0.2),
    ]
    with store.begin() as uow:
        assert all(uow.postage.add_charge(charge) for charge in charges)
        assert not uow.postage.add_charge(a_charge("E-1"))
        _refused("postage.charge_changed", uow.postage.add_charge, a_charge("E-1", charged_net_ore=1))
        assert uow.postage.charges() == charges


def test_many_charges_are_kept_all_or_none(store: Store) -> None:
    many = [a_charge(f"E-{n:04d}") for n in range(1200)]
    with store.begin() as uow:
        assert uow.postage.add_charges(many[:700]) == 700
        assert uow.postage.add_charges(many) == 500
        assert uow.postage.add_charges(many) == 0
    with pytest.raises(Refused, match=r"charge E-1199 .*: cards 1 there and 2 here"), store.begin() as uow:
        uow.postage.add_charges([a_charge("E-NEW"), many[-1].model_copy(update={"cards": 2})])
    with store.read() as uow:
        assert uow.postage.charges() == many


def test_charges_are_read_letter_by_letter(store: Store) -> None:
    march, april = date(2021, 3, 31), date(2021, 4, 1)
    days = {"L-1": march, "L-2": april, "L-3": None, "L-4": april}
    charges = [
        a_charge(f"E-{order}-{letter}", shipment=letter, order_number=order, posted_on=day)
        for order in ("A", "B")
        for letter, day in days.items()
    ]
    charges.append(a_charge("E-C-L-1", shipment="L-1", order_number="C", posted_on=april))  # disagrees with its letter
    with store.begin() as uow:
        uow.postage.add_charges(charges)
        first = uow.postage.letters(limit=2)
        rest = uow.postage.letters(after=("earlier", "L-2"), limit=9)
        assert [charge.charge_id for charge in first] == ["E-A-L-1", "E-B-L-1", "E-C-L-1", "E-A-L-2", "E-B-L-2"]
        assert [charge.shipment for charge in rest] == ["L-3", "L-3", "L-4", "L-4"]
        assert uow.postage.letters(after=("earlier", "L-4"), limit=9) == []
        assert _letters(uow.postage.letters(limit=9, posted_until=march)) == ["L-1", "L-3"]
        assert _letters(uow.postage.letters(limit=9, posted_from=april)) == ["L-1", "L-2", "L-3", "L-4"]
        assert len(uow.postage.letters(limit=1, posted_from=april)) == 3  # a letter is never parted


def _letters(charges: list[PostageCharge]) -> list[str]:
    return sorted({charge.shipment for charge in charges})


def test_a_letter_of_ours_is_judged_when_all_its_orders_are_invoiced(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
        accept(uow, "B-2", cards=1)
        uow.shipments.add(a_shipment(1, ["B-1-1", "B-2-1"], shares=(("B-1", 960), ("B-2", 960))))
        own = {"origin": "own", "shipment": "S-1", "posted_on": TODAY}
        uow.postage.add_charge(a_charge("1/S-1", order_number="B-1", **own))
        assert uow.postage.letters(limit=9) == []
        uow.postage.add_charge(a_charge("2/S-1", order_number="B-2", **own))
        assert len(uow.postage.letters(limit=9)) == 2


def test_a_finding_is_kept_once_and_waits_until_a_live_case_takes_it(store: Store) -> None:
    finding = a_finding(a_charge("E-1"))
    with store.begin() as uow:
        uow.postage.add_charge(finding.charge)
        assert uow.postage.judge(["E-1"], [finding]) == ["found"]
        assert uow.postage.judge(["E-1"], [finding]) == ["already_found"]
        assert uow.postage.findings() == uow.postage.findings(without_case=True) == [finding]
        uow.refunds.add(a_case("R-1", [finding]))
        assert uow.postage.findings(without_case=True) == []
        assert uow.postage.given_back(["E-1", "E-2"]) == {"E-1": GivenBack(12000, 3000, 1)}
        assert uow.postage.judge(["E-1"], []) == []  # it stands while its case lives
        assert uow.postage.findings() == [finding]
        assert uow.refunds.reject("R-1", by="Ola")
        assert uow.postage.findings(without_case=True) == [finding]
        assert uow.postage.given_back(["E-1"]) == {}
        uow.refunds.add(a_case("R-2", [finding]))
        assert uow.refunds.get("R-1").rejected_by == "Ola"


def test_a_finding_in_no_case_gives_way_to_a_better_one(store: Store) -> None:
    charge = a_charge("E-1")
    with store.begin() as uow:
        uow.postage.add_charge(charge)
        uow.postage.judge(["E-1"], [a_finding(charge)])
        other = a_finding(charge, 500)
        assert uow.postage.judge(["E-1"], [other]) == ["found_otherwise"]
        assert uow.postage.findings() == [other]
        assert uow.postage.judge(["E-1"], []) == ["withdrawn"]
        assert uow.postage.findings() == []


# --- invoices and the ledger -----------------------------------------------------------------------------------


def _posted(uow: UnitOfWork, number: int, card_ids: list[str], **changes: Any) -> None:
    for card_id in card_ids:
        before = TO_PROVED if uow.cards.get(card_id).state is CardState.ORDERED else TO_PROVED[1:]
        step(uow, card_id, *before, CardState.PACKED, shipment_id=f"S-{number}")
    uow.shipments.add(a_shipment(number, card_ids, **changes))
    close(uow, f"S-{number}", card_ids)
    assert uow.shipments.posted(f"S-{number}", f"C-{number}", NOON)
    for card_id in card_ids:
        step(uow, card_id, CardState.POSTED)


def test_posted_cards_and_their_postage_are_invoiced_once(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=3)
        accept(uow, "B-2", cards=1)
        assert uow.uninvoiced.waiting() == []
        _posted(uow, 1, ["B-1-1", "B-1-2", "B-2-1"], shares=(("B-1", 1280), ("B-2", 640)))
        assert [(one.order_number, one.cards) for one in uow.uninvoiced.waiting()] == [("B-1", 2), ("B-2", 1)]
        both = uow.uninvoiced.of(["B-1", "B-2"])
        assert [(one.delivered_on, one.cards, one.postage) for one in both] == [
            (TODAY, (("B-1-1", "construction"), ("B-1-2", "construction")), (("S-1", 1280),)),
            (TODAY, (("B-2-1", "construction"),), (("S-1", 640),)),
        ]
        invoice = an_invoice(uow.series.next("invoice"), ["B-1-1", "B-1-2"], [("S-1", 1280)])
        uow.invoices.add(invoice)
        assert uow.invoices.get(1) == invoice
        assert uow.uninvoiced.of(["B-1", "B-2"]) == both[1:]
        _refused("invoice.known", uow.invoices.add, invoice)
        assert uow.series.next("invoice") == 2
        _refused("invoice.card_invoiced", uow.invoices.add, an_invoice(2, ["B-1-3", "B-1-1"], []))
        _refused("invoice.postage_invoiced", uow.invoices.add, an_invoice(2, ["B-1-3"], [("S-1", 1)]))
        _refused("invoice.unknown", uow.invoices.get, 2)
        assert uow.invoices.all() == [invoice]
        step(uow, "B-2-1", CardState.FAULTY)
        assert uow.uninvoiced.of(["B-1", "B-2"]) == both[1:]  # it was delivered, and is owed for


def test_a_free_replacement_and_its_postage_are_not_invoiced(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=2)
        new = a_card("B-1", 1, 70, card_id="B-1-1R1", replaces="B-1-1", state=CardState.PICTURED)
        uow.cards.add(new, actor="x", what="ordered")
        _posted(uow, 1, ["B-1-1R1"])
        assert uow.uninvoiced.waiting() == uow.uninvoiced.of(["B-1"]) == []
        another = a_card("B-1", 1, 71, card_id="B-1-1R2", replaces="B-1-1R1", state=CardState.PICTURED)
        uow.cards.add(another, actor="x", what="ordered")
        _posted(uow, 2, ["B-1-2", "B-1-1R2"])
        (waiting,) = uow.uninvoiced.of(["B-1"])
        assert (waiting.cards, waiting.postage) == ((("B-1-2", "construction"),), (("S-2", 1920),))


def test_the_ledger_takes_whole_postings_once(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1")
        entries = entries_of_invoice(an_invoice(1, ["B-1-1"], []))
        _refused("ledger.unbalanced", uow.ledger.post, entries[:-1])
        uow.ledger.post(entries)
        uow.ledger.post([])
        _refused("ledger.posted_before", uow.ledger.post, entries)
        assert uow.ledger.entries() == list(entries)
        assert uow.ledger.balances() == {"1500": 13000, "2700": -2600, "3000.construction": -10400}
        assert [entry.amount_ore for entry in uow.ledger.entries("1500")] == [13000]


def test_money_larger_than_thirty_two_bits_comes_back(store: Store) -> None:
    with store.begin() as uow:
        charge = a_charge("E-1", charged_net_ore=9_000_000_000_000)
        uow.postage.add_charge(charge)
        assert uow.postage.charges() == [charge]


# --- refunds ---------------------------------------------------------------------------------------------------

_PAID_OUT = (RefundRoad(road=Road.PAY_OUT, amount_ore=30000),)


def test_a_case_goes_from_two_people_to_its_credit_note(store: Store, clock: SteadyClock) -> None:
    case = a_case("R-1", [a_finding(a_charge("E-1")), a_finding(a_charge("E-2"))], by="Kåre Moen")
    with store.begin() as uow:
        uow.refunds.add(case)
        assert uow.refunds.get("R-1") == case
        _refused("refund.known", uow.refunds.add, case)
        _refused("refund.unknown", uow.refunds.get, "R-9")
        for same in ("Kåre Moen", " kåre  moen", "KÅRE MOEN", "Ka\u030are Moen"):
            _refused("refund.same_person", uow.refunds.approve, "R-1", same, NOON, case.digest)
        _refused("refund.changed", uow.refunds.approve, "R-1", "Ola", NOON, "another digest")
        assert not uow.refunds.execute("R-1", credit_note=1, roads=_PAID_OUT, by="run")
        assert uow.refunds.approve("R-1", "Ola", NOON, case.digest)
        assert not uow.refunds.approve("R-1", "Per", NOON, case.digest)
        note = a_credit_note(uow.series.next("credit_note"), case)
        uow.credit_notes.add(note)
        _refused("credit_note.known", uow.credit_notes.add, note)
        assert uow.series.next("credit_note") == 2
        _refused("credit_note.known", uow.credit_notes.add, a_credit_note(2, case))
        _refused("credit_note.unknown", uow.credit_notes.get, 2)
        assert uow.credit_notes.get(1) == note
        assert uow.credit_notes.all() == [note]
        assert uow.refunds.execute("R-1", credit_note=1, roads=_PAID_OUT, by="run")
        kept = uow.refunds.get("R-1")
        assert (kept.state, kept.approved_by, kept.approved_at, kept.credit_note) == (
            RefundState.EXECUTING,
            "Ola",
            NOON,
            1,
        )
        assert uow.refunds.of_state(RefundState.EXECUTING) == uow.refunds.all() == [kept]
