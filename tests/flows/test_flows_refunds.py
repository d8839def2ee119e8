"""Refund cases on both databases: who may, how much, on which road the money goes back, and what the books say then."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from billing.ledger import BANK, REFUNDS_PAYABLE, UNALLOCATED, balanced
from billing.models import Invoice, RefundCase, RefundState
from cards.effects import EffectKind, EffectState
from cards.errors import Refused
from console.api import build_app
from console.cli import main
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.after_charges import agree_to_charge, ask_to_charge, undercharges
from flows.stages.line import Tally, run_line, run_stage
from flows.stages.refund_money import tell_paid_out
from flows.stages.refund_postage import REFUND_POSTAGE, approve_case, find, propose_cases, reject_case
from flows.stages.refund_proof import prove_refunds
from flows.stages.refund_roles import agree_to_role, set_role
from store.audit import violations
from tests.refund_world import (
    approved,
    by_hand,
    invoices,
    pay_at_stripe,
    pay_by_bank,
    tell_payment,
)

PEOPLE = {"anna": SecretStr("a-token-of-anna-alone"), "bo": SecretStr("a-token-of-bo-alone-1")}
CREDIT, *AFTER_CREDIT = REFUND_POSTAGE


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    settings = Settings(
        home=tmp_path / "home",
        environment="test",
        clock=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
        engine="inline",
        durable=False,
        database_url=database_url,
        api_token=SecretStr("the-token-of-the-gates"),
        api_people=PEOPLE,
    )
    with open_house(actor="the flow", settings=settings) as house:
        yield house


def _execute(house: House) -> Tally:
    return run_line(house, REFUND_POSTAGE)


def _case(house: House, case_id: str) -> RefundCase:
    with house.store.read() as uow:
        return uow.refunds.get(case_id)


def _roads(house: House, case_id: str) -> list[tuple[str, str | int | None, int]]:
    with house.store.read() as uow:
        return [(str(road.road), road.payment or road.invoice, road.amount_ore) for road in uow.refunds.roads(case_id)]


def _open(house: House, invoice: Invoice) -> int:
    with house.store.read() as uow:
        return uow.bank.owed([invoice.kid])[invoice.kid].open_ore


def _balances(house: House) -> dict[str, int]:
    with house.store.read() as uow:
        assert balanced(uow.ledger.entries())
        return uow.ledger.balances()


def _broken(house: House) -> list[str]:
    """Broken rules of money; the cards on these invoices were never made."""
    rooms = ("number.", "credit.", "ledger.", "bank.", "refund.", "effect.refunded", "document.")
    return [one.rule for one in violations(house.store, house.blobs) if one.rule.startswith(rooms)]


def _proof(house: House) -> dict[str, int]:
    """Sums over all payers; nothing may be off."""
    proofs = prove_refunds(house)
    assert [proof.difference_ore for proof in proofs] == [0] * len(proofs)
    names = ("owed_ore", "waiting_ore", "under_way_ore", "to_pay_out_ore", "given_back_ore")
    return {name: sum(getattr(proof, name) for proof in proofs) for name in names}


def _code(act: Any) -> str:
    with pytest.raises(Refused) as fault:
        act()
    return fault.value.code


# --- where the money goes ----------------------------------------------------------------------------------------


def test_what_is_unpaid_is_set_off_on_the_invoice_itself(house: House) -> None:
    first, second = invoices(house, 2)
    case = approved(house, by_hand(house, second, 1000))
    assert _execute(house).counts["case_confirmed"] == 1
    assert _roads(house, case.case_id) == [("set_off", second.number, 1250)]
    assert (_open(house, first), _open(house, second)) == (first.gross_ore, second.gross_ore - 1250)
    assert _case(house, case.case_id).state is RefundState.CONFIRMED
    assert _balances(house)[REFUNDS_PAYABLE] == 0
    assert _broken(house) == []


def test_what_was_paid_at_stripe_goes_back_over_that_payment(house: House) -> None:
    (invoice, _) = invoices(house, 2)
    pay_at_stripe(house, invoice, payment="pi_1")
    case = approved(house, by_hand(house, invoice, 1000))
    _execute(house)
    assert _roads(house, case.case_id) == [("payment", "pi_1", 1250)]
    assert house.payments.paid_ore("pi_1") == invoice.gross_ore - 1250
    assert _case(house, case.case_id).state is RefundState.CONFIRMED
    assert _proof(house)["given_back_ore"] == 1250
    assert _broken(house) == []


def test_what_was_paid_by_bank_is_set_off_on_the_oldest_open_invoice_of_the_payer(house: House) -> None:
    first, paid, third = invoices(house, 3)
    pay_by_bank(house, paid, paid.gross_ore)
    pay_by_bank(house, first, first.gross_ore - 200)
    case = approved(house, by_hand(house, paid, 1000))
    _execute(house)
    assert _roads(house, case.case_id) == [("set_off", first.number, 200), ("set_off", third.number, 1050)]
    assert [_open(house, one) for one in (first, paid, third)] == [0, 0, third.gross_ore - 1050]
    assert _broken(house) == []


def test_nothing_is_set_off_on_another_invoice_that_stripe_collects(house: House) -> None:
    """Stripe would not know of it, and the payer would pay that invoice in full."""
    at_stripe, paid = invoices(house, 2)
    pay_by_bank(house, paid, paid.gross_ore)
    with house.store.begin() as uow:
        request = {"invoice": at_stripe.number}
        key = f"deliver:invoice:{at_stripe.number}"
        uow.effects.plan(key, EffectKind.STRIPE_INVOICE, f"invoice/{at_stripe.number}", request)
    case = approved(house, by_hand(house, paid, 1000))
    run_stage(house, CREDIT)
    assert _roads(house, case.case_id) == [("pay_out", None, 1250)]


def test_what_has_no_other_road_waits_until_finance_tells_that_it_is_paid_out(house: House) -> None:
    (invoice,) = invoices(house, 1)
    pay_by_bank(house, invoice, invoice.gross_ore)
    case = approved(house, by_hand(house, invoice, 1000))
    for _ in range(2):
        _execute(house)
    assert _roads(house, case.case_id) == [("pay_out", None, 1250)]
    assert _case(house, case.case_id).state is RefundState.EXECUTING
    assert _balances(house)[REFUNDS_PAYABLE] == -1250
    assert _proof(house) == {
        "owed_ore": 1250, "waiting_ore": 0, "under_way_ore": 0, "to_pay_out_ore": 1250, "given_back_ore": 0,
    }  # fmt: skip

    assert _code(lambda: tell_paid_out(house, case.case_id, reference=" ", by="kari")) == "refund.no_reference"
    for _ in range(2):
        assert tell_paid_out(house, case.case_id, reference="NB-77", by="kari").reference == "NB-77"
    assert _code(lambda: tell_paid_out(house, case.case_id, reference="NB-78", by="kari")) == "refund.paid_out"
    assert _case(house, case.case_id).state is RefundState.CONFIRMED
    assert (_balances(house)[REFUNDS_PAYABLE], _balances(house)[BANK]) == (0, invoice.gross_ore - 1250)
    assert _proof(house)["given_back_ore"] == 1250
    assert _broken(house) == []
    with pytest.raises(Refused, match="append-only"), house.store.begin() as uow:
        uow.connection.execute(text("UPDATE refund_payouts SET reference = 'another'"))
    with pytest.raises(Refused, match="planned"), house.store.begin() as uow:
        uow.connection.execute(
            text("INSERT INTO refund_payouts SELECT 'R-000009', 1, 'x', told_by, told_at FROM refund_payouts")
        )


def test_one_case_may_take_every_road(house: House) -> None:
    """Part paid, paid at Stripe, paid by bank: each øre goes where it came from, the rest to what is open, or out."""
    part, at_stripe, by_bank = invoices(house, 3)
    pay_by_bank(house, part, part.gross_ore - 500)
    pay_at_stripe(house, at_stripe, payment="pi_1")
    pay_by_bank(house, by_bank, by_bank.gross_ore)
    find(house)
    _, (case,) = propose_cases(house, by="anna")
    approved(house, case)
    _execute(house)
    roads = _roads(house, case.case_id)
    each = case.gross_ore // 3
    assert case.gross_ore == 3 * each
    assert roads == [
        ("set_off", part.number, 500),
        ("payment", "pi_1", each),
        ("pay_out", None, 2 * each - 500),
    ]
    assert _open(house, part) == 0
    tell_paid_out(house, case.case_id, reference="NB-1", by="kari")
    assert _case(house, case.case_id).state is RefundState.CONFIRMED
    assert _broken(house) == []


def test_two_cases_do_not_share_what_is_open_once(house: House) -> None:
    (invoice,) = invoices(house, 1)
    pay_by_bank(house, invoice, invoice.gross_ore - 1300)
    cases = [approved(house, by_hand(house, invoice, 1000, why=why)) for why in ("first", "second")]
    _execute(house)
    assert [_roads(house, case.case_id) for case in cases] == [
        [("set_off", invoice.number, 1250)],
        [("set_off", invoice.number, 50), ("pay_out", None, 1200)],
    ]
    assert _open(house, invoice) == 0


def test_two_cases_do_not_give_back_more_than_one_payment_was(house: House) -> None:
    (invoice,) = invoices(house, 1)
    pay_at_stripe(house, invoice, payment="pi_1")
    whole = [line.net_ore for line in invoice.lines]
    cases = [
        approved(house, by_hand(house, invoice, net, line=place, why=f"line {place}"))
        for place, net in enumerate(whole, start=1)
    ]
    _execute(house)
    over_payment = [road for case in cases for road in _roads(house, case.case_id)]
    assert {road for road, _, _ in over_payment} == {"payment"}
    assert sum(ore for _, _, ore in over_payment) == invoice.gross_ore
    assert house.payments.paid_ore("pi_1") == 0
    assert {_case(house, case.case_id).state for case in cases} == {RefundState.CONFIRMED}


def test_a_payment_that_arrives_between_plan_and_execution_does_no_harm(house: House) -> None:
    (invoice,) = invoices(house, 1)
    case = approved(house, by_hand(house, invoice, 1000))
    run_stage(house, CREDIT)
    assert pay_by_bank(house, invoice, invoice.gross_ore) == ["overpaid"]
    run_line(house, AFTER_CREDIT)
    assert _roads(house, case.case_id) == [("set_off", invoice.number, 1250)]
    assert _open(house, invoice) == 0
    assert _balances(house)[UNALLOCATED] == -1250  # named, and owed to the payer
    assert _proof(house)["given_back_ore"] == 1250
    assert _broken(house) == []


def test_a_payment_that_arrives_before_the_plan_changes_the_road(house: House) -> None:
    (invoice,) = invoices(house, 1)
    case = approved(house, by_hand(house, invoice, 1000))
    pay_by_bank(house, invoice, invoice.gross_ore)
    _execute(house)
    assert _roads(house, case.case_id) == [("pay_out", None, 1250)]


def test_a_payment_that_stripe_has_not_named_yet_is_waited_for(house: House) -> None:
    (invoice,) = invoices(house, 1)
    pay_at_stripe(house, invoice, payment=None)
    case = approved(house, by_hand(house, invoice, 1000))
    done = _execute(house)
    assert [problem.code for problem in done.problems] == ["refund.payment_untold"]
    assert _case(house, case.case_id).state is RefundState.APPROVED
    tell_payment(house, invoice, "pi_9")
    _execute(house)
    assert _roads(house, case.case_id) == [("payment", "pi_9", 1250)]


# --- check 3: credits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_check_3_credits_in_any_split_end_at_exactly_the_invoice(house: House, seed: int) -> None:
    """Net, VAT and gross, each line and the whole; what closes the invoice takes the remainder, and then nothing."""
    chance = random.Random(seed)
    (invoice,) = invoices(house, 1, postage_ore=chance.randrange(101, 999))
    left = {place: line.net_ore for place, line in enumerate(invoice.lines, start=1)}
    splits = 0
    while any(left.values()):
        place = chance.choice([place for place, net in left.items() if net])
        net = min(left[place], chance.randrange(1, 4000))
        splits += 1
        assert _code(lambda n=left[place] + 1, p=place: by_hand(house, invoice, n, line=p)) == "credit.above_invoice"
        approved(house, by_hand(house, invoice, net, line=place, why=f"split {splits}"))
        assert _execute(house).problems == ()
        left[place] -= net
    with house.store.read() as uow:
        notes = uow.credit_notes.all()
    assert len(notes) == splits
    sums = Counter[str]()
    by_line = Counter[int | None]()
    for note in notes:
        sums.update(net=note.net_ore, vat=note.vat_ore, gross=note.gross_ore)
        by_line.update({line.line: line.net_ore for line in note.lines})
    assert dict(sums) == {"net": invoice.net_ore, "vat": invoice.vat_ore, "gross": invoice.gross_ore}
    assert dict(by_line) == {place: line.net_ore for place, line in enumerate(invoice.lines, start=1)}
    assert _code(lambda: by_hand(house, invoice, 1, line=0)) == "credit.above_invoice"
    assert {account: ore for account, ore in _balances(house).items() if ore} == {}
    assert _broken(house) == []


def test_check_3_a_credit_is_never_credited(house: House) -> None:
    (invoice,) = invoices(house, 1)
    approved(house, by_hand(house, invoice, 1000))
    _execute(house)
    with house.store.read() as uow:
        (note,) = uow.credit_notes.all()
    for name in (f"credit_note/{note.number}", f"Kreditnota {note.number}"):
        assert _code(lambda name=name: by_hand(house, _Named(name), 100)) == "credit.of_credit"
    assert _code(lambda: by_hand(house, _Named("77"), 100)) == "invoice.unknown"


class _Named:
    """Whatever somebody types for an invoice's number."""

    def __init__(self, number: str) -> None:
        self.number = number


def test_an_amount_without_a_line_is_shared_by_what_is_left_of_each(house: House) -> None:
    (invoice,) = invoices(house, 1)
    case = by_hand(house, invoice, 1001, line=0)
    assert [item.line for item in case.items] == [1, 2]
    assert sum(item.net_ore for item in case.items) == 1001
    approved(house, case)
    _execute(house)
    revenue = {account: ore for account, ore in _balances(house).items() if account.startswith("3")}
    assert set(revenue) == {"3000.construction", "3000.postage"}
    assert sum(revenue.values()) == -(invoice.net_ore - 1001)


def test_the_same_proposal_twice_is_one(house: House) -> None:
    (invoice,) = invoices(house, 1)
    case = by_hand(house, invoice, 1000)
    assert _code(lambda: by_hand(house, invoice, 1000)) == "refund.finding_taken"
    reject_case(house, case.case_id, by="bo")
    assert by_hand(house, invoice, 1000).case_id == "R-000002"


# --- check 10: a postage error -----------------------------------------------------------------------------------


def test_check_10_a_postage_error_is_found_approved_and_given_back_once(house: House) -> None:
    """Wrong charges are found and no others, each with its evidence; run again, nothing; Σ refunds = Σ errors."""
    wrong = invoices(house, 5, postage_ore=5333)
    find(house)
    with house.store.read() as uow:
        due = {finding.due_net_ore for finding in uow.postage.findings()}
    (right_ore,) = due
    assert right_ore is not None
    invoices(house, 3, order="B-2", postage_ore=right_ore)
    invoices(house, 2, order="B-3", postage_ore=right_ore - 100)
    _, findings = find(house)
    errors = [finding for finding in findings if finding.refund_net_ore]
    assert {finding.charge.invoice_number for finding in errors} == {str(one.number) for one in wrong}
    assert Counter(finding.kind.value for finding in findings)["undercharged"] == 2

    _, (case,) = propose_cases(house, by="anna")
    assert case.net_ore == sum(finding.refund_net_ore for finding in errors)
    assert case.vat_ore == (case.net_ore * 25 + 50) // 100
    assert _code(lambda: approve_case(house, case.case_id, by="Anna")) == "refund.same_person"
    approved(house, case)
    _execute(house)
    again = [find(house)[0].changed, propose_cases(house, by="anna")[1], _execute(house).changed]
    assert again == [False, [], False]
    assert _proof(house) == {
        "owed_ore": case.gross_ore, "waiting_ore": 0, "under_way_ore": 0, "to_pay_out_ore": 0,
        "given_back_ore": case.gross_ore,
    }  # fmt: skip
    assert {"tariff", "source", "weight_g", "charged_net", "due_net"} <= set(errors[0].evidence)
    assert _broken(house) == []


def test_what_was_charged_too_little_becomes_a_new_invoice_when_two_people_decide(house: House) -> None:
    (invoice,) = invoices(house, 1, postage_ore=900)
    find(house)
    ((finding, missing, _),) = undercharges(house)
    assert propose_cases(house, by="anna")[1] == []
    name = finding.finding_id
    assert _code(lambda: agree_to_charge(house, name, by="bo")) == "undercharge.not_asked"
    assert _code(lambda: ask_to_charge(house, "E-1/v1", by="anna")) == "undercharge.unknown"
    for by in ("anna", "eva"):
        assert ask_to_charge(house, name, by=by).asked_by == "anna"
    assert _code(lambda: agree_to_charge(house, name, by="ANNA ")) == "refund.same_person"
    agree = "UPDATE after_charges SET agreed_by = '{}', agreer = '{}', agreed_at = asked_at, invoice = 1"
    for pair in (("Anna", "somebody"), ("somebody", "anna")):
        _refused_by_the_database(house, agree.format(*pair))
    new = agree_to_charge(house, name, by="bo")
    assert agree_to_charge(house, name, by="cid") == new
    (line,) = new.lines
    assert (new.number, line.net_ore, line.vat_percent) == (invoice.number + 1, missing, 25)
    assert f"invoice {invoice.number}" in line.text
    assert (_open(house, invoice), _open(house, new)) == (invoice.gross_ore, new.gross_ore)
    _execute(house)
    with house.store.read() as uow:
        assert {paper.document_id for paper in uow.documents.of_subject("invoice/2")} == {"invoice/2", "ehf/invoice/2"}
    assert find(house)[0].changed is False
    assert _broken(house) == []


# --- check 12: four eyes, roles ----------------------------------------------------------------------------------


def test_check_12_proposal_approval_and_execution_are_three_rows_with_actor_and_time(house: House) -> None:
    (invoice,) = invoices(house, 1)
    case = approved(house, by_hand(house, invoice, 1000))
    _execute(house)
    with house.store.read() as uow:
        acts = uow.refunds.acts(case.case_id)
    assert {(act.act, act.actor, act.digest) for act in acts} == {
        ("proposed", "anna", case.digest),
        ("approved", "bo", case.digest),
        ("executed", "the flow", case.digest),
    }
    assert all(act.at.tzinfo is not None for act in acts)


@pytest.mark.parametrize("door", ["console", "api", "command line", "sql"])
@pytest.mark.parametrize("spelling", ["anna", " ANNA "])
def test_check_12_nobody_approves_their_own_by_any_door(
    house: House, door: str, spelling: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (invoice,) = invoices(house, 1)
    case = by_hand(house, invoice, 1000)
    if door == "console":
        assert _code(lambda: approve_case(house, case.case_id, by=spelling)) == "refund.same_person"
    elif door == "api":
        people = {spelling: PEOPLE["anna"], "bo": PEOPLE["bo"]}
        spelt = replace(house, settings=house.settings.model_copy(update={"api_people": people}))
        answer = _asked(spelt, f"/api/refunds/{case.case_id}/approve", token="anna", json={"digest": case.digest})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "refund.same_person")
    elif door == "command line":
        for name, value in house.settings.model_dump(include={"home", "database_url", "environment"}).items():
            monkeypatch.setenv(f"HSECARD_{name.upper()}", str(value))
        assert main(["refunds", "approve", case.case_id, "--by", spelling, "--json"]) == 3
        assert "refund.same_person" in capfd.readouterr().out
    else:
        for statement in _approvals_by_sql(spelling):
            _refused_by_the_database(house, statement)
    assert _case(house, case.case_id).state is RefundState.PROPOSED


def _approvals_by_sql(spelling: str) -> list[str]:
    act = "INSERT INTO refund_acts SELECT case_id, 'approved', '{}', '{}', proposed_at, digest FROM refund_cases"
    step = "UPDATE refund_cases SET state = 'approved', approved_at = proposed_at, approved_by = '{}', approver = '{}'"
    pairs = [(spelling, "anna"), (spelling, "somebody"), ("somebody", "anna")]
    return [*(act.format(*pair) for pair in pairs), *(step.format(*pair) for pair in pairs)]


def _refused_by_the_database(house: House, *statements: str) -> None:
    with pytest.raises(Refused, match=r"store\.rule_broken"):
        _by_sql(house, *statements)


def _by_sql(house: House, *statements: str) -> None:
    with house.store.begin() as uow:
        for statement in statements:
            uow.connection.execute(text(statement))


def _asked(house: House, path: str, *, token: str = "", json: Any = None, method: str = "POST") -> httpx.Response:
    transport = httpx.ASGITransport(build_app(house, "the-token-of-the-gates"))
    word = PEOPLE[token].get_secret_value() if token in PEOPLE else token

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
            return await client.request(method, path, json=json, headers={"Authorization": f"Bearer {word}"})

    return asyncio.run(ask())


def test_check_12_an_approval_falls_when_amount_or_payee_changes(house: House) -> None:
    """By SQL nothing that the digest covers can be changed, before or after; and no other digest is approved."""
    (invoice,) = invoices(house, 1)
    case = by_hand(house, invoice, 1000)
    approve = (
        "INSERT INTO refund_acts SELECT case_id, 'approved', 'bo', 'bo', proposed_at, {} FROM refund_cases",
        "UPDATE refund_cases SET state = 'approved', approved_at = proposed_at, approved_by = 'bo', approver = 'bo'",
    )
    _refused_by_the_database(house, approve[0].format("'another digest'"))
    for change in (
        "UPDATE refund_cases SET net_ore = net_ore + 1, gross_ore = gross_ore + 1",
        "UPDATE refund_cases SET payer_org_number = '314159268'",
        "UPDATE refund_cases SET digest = 'another'",
        "UPDATE refund_items SET net_ore = net_ore + 1",
        "UPDATE refund_items SET content = '{}'",
        "DELETE FROM refund_items",
    ):
        _refused_by_the_database(house, change)
    more = (
        "INSERT INTO refund_items (case_id, position, finding_id, net_ore, vat_ore, content, live) "
        "SELECT case_id, 9, 'x', net_ore, vat_ore, content, live FROM refund_items"
    )
    _refused_by_the_database(house, more, approve[0].format("digest"))
    approved(house, case)
    _refused_by_the_database(house, more)
    _refused_by_the_database(house, "UPDATE refund_cases SET approved_by = 'per', approver = 'per'")
    _refused_by_the_database(house, "UPDATE refund_cases SET state = 'confirmed'")
    assert _case(house, case.case_id).approved_by == "bo"


def test_check_12_limits_hold_by_role_in_the_program_and_in_the_database(house: House) -> None:
    for name, limit in (("anna", 0), ("bo", 1249), ("cid", 1250)):
        set_role(house, name, may_propose=name == "anna", approve_up_to_ore=limit, by="eva")
    for name in ("anna", "bo", "cid"):
        agree_to_role(house, name, by="dag" if name == "anna" else "anna")
    (invoice,) = invoices(house, 1)
    case = by_hand(house, invoice, 1000)
    for name in ("bo", "stranger"):
        assert _code(lambda name=name: approve_case(house, case.case_id, by=name)) == "refund.above_limit"
        act = f"INSERT INTO refund_acts SELECT case_id, 'approved', '{name}', '{name}', proposed_at, digest "
        _refused_by_the_database(house, act + "FROM refund_cases")
    assert approve_case(house, case.case_id, by="cid").approved_by == "cid"
    find(house)
    assert _code(lambda: propose_cases(house, by="bo")) == "refund.may_not_propose"
    assert len(propose_cases(house, by="anna")[1]) == 1


def test_a_role_takes_two_people_and_stays_on_record(house: House) -> None:
    set_role(house, "Anna", may_propose=True, approve_up_to_ore=500_000, by="anna")
    assert _code(lambda: agree_to_role(house, "anna", by="ANNA ")) == "refund.role_alone"
    assert agree_to_role(house, "anna", by="bo").agreed_by == "bo"
    set_role(house, "anna2", may_propose=False, approve_up_to_ore=500_000, by="anna")
    assert agree_to_role(house, "anna2", by="eva").agreed_by == "eva"  # nobody else holds a role yet
    set_role(house, "bo", may_propose=False, approve_up_to_ore=100, by="bo")
    assert _code(lambda: agree_to_role(house, "bo", by="eva")) == "refund.role_unknown_person"
    _refused_by_the_database(house, "UPDATE refund_roles SET agreed_by = 'x', agreer = setter, agreed_at = set_at")
    _refused_by_the_database(house, "UPDATE refund_roles SET approve_up_to_ore = 999 WHERE agreed_by IS NULL")
    _refused_by_the_database(house, "DELETE FROM refund_roles")
    assert agree_to_role(house, "bo", by="anna").approve_up_to_ore == 100
    assert _code(lambda: agree_to_role(house, "bo", by="anna")) == "refund.role_not_open"
    with house.store.read() as uow:
        assert [(role.name, role.set_by, role.agreed_by) for role in uow.refund_roles.all()] == [
            ("Anna", "anna", "bo"),
            ("anna2", "anna", "eva"),
            ("bo", "bo", "anna"),
        ]


def test_production_approves_nothing_before_finance_has_set_roles(house: House) -> None:
    (invoice,) = invoices(house, 1)
    case = by_hand(house, invoice, 1000)
    production = replace(house, settings=house.settings.model_copy(update={"environment": "production"}))
    assert _code(lambda: approve_case(production, case.case_id, by="bo")) == "refund.no_roles"
    set_role(production, "bo", may_propose=False, approve_up_to_ore=5000, by="eva")
    agree_to_role(production, "bo", by="dag")
    assert approve_case(production, case.case_id, by="bo").approved_by == "bo"


def test_over_the_api_each_person_has_a_token_and_says_what_they_approve(house: House) -> None:
    (invoice,) = invoices(house, 1)
    case = by_hand(house, invoice, 1000)
    path = f"/api/refunds/{case.case_id}/approve"
    for token in ("", "the-token-of-the-gates"):
        answer = _asked(house, path, token=token, json={"digest": case.digest})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "api.no_person")
    codes = {
        "refund.no_digest": _asked(house, path, token="bo", json=[]),
        "refund.changed": _asked(house, path, token="bo", json={"digest": "what it was before"}),
        "refund.unknown": _asked(house, "/api/refunds/R-9/approve", token="bo", json={"digest": "x"}),
        "api.no_such_path": _asked(house, f"/api/refunds/{case.case_id}/burn", token="bo", json={}),
    }
    assert {code: answer.json()["error"]["code"] for code, answer in codes.items()} == {code: code for code in codes}
    (listed,) = _asked(house, "/api/refunds", token="anna", method="GET").json()["cases"]
    assert _asked(house, path, token="bo", json={"digest": listed["digest"]}).json()["case"]["approved_by"] == "bo"
    done = _asked(house, f"/api/refunds/{case.case_id}/reject", token="anna", json={})
    assert done.json()["case"]["state"] == "rejected"


@pytest.mark.parametrize(
    ("people", "code"),
    [
        ({"anna": "a-token-of-anna-alone", "bo": "a-token-of-anna-alone"}, "api.shared_login"),
        ({"anna": "a-token-of-anna-alone", "Anna ": "another-token-of-anna"}, "api.shared_login"),
        ({"anna": "the-token-of-the-gates"}, "api.shared_login"),
        ({"anna": "short"}, "api.weak_token"),
    ],
)
def test_a_shared_login_is_refused_at_the_start(house: House, people: dict[str, str], code: str) -> None:
    tokens = {name: SecretStr(token) for name, token in people.items()}
    shared = replace(house, settings=house.settings.model_copy(update={"api_people": tokens}))
    assert _code(lambda: build_app(shared, "the-token-of-the-gates")) == code


# --- the statement -----------------------------------------------------------------------------------------------


def test_the_statement_is_kept_with_the_credit_note_and_goes_with_its_mail(house: House) -> None:
    (invoice,) = invoices(house, 1)
    case = approved(house, by_hand(house, invoice, 1000))
    _execute(house)
    with house.store.read() as uow:
        kept = {document.document_id for document in uow.documents.of_subject("credit_note/1")}
        evidence = uow.documents.get(f"evidence/{case.case_id}")
        mailed = uow.effects.get("mail:credit_note:1")
    assert kept == {"credit_note/1", "ehf/credit_note/1", "statement/1"}
    assert evidence is not None
    assert mailed.state is EffectState.CONFIRMED
    (letter,) = (house.settings.home / "mail").rglob("*.eml")
    assert b"statement-1.pdf" in letter.read_bytes()
