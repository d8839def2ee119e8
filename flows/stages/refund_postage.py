"""Postage charged wrongly: found against the tariff of its day, proposed, approved by another person, given back.

Finding, proposing, approving and executing are separate acts with an actor each. The credit note, its ledger entries
and the refund's effects are one transaction; the money moves after it, once per key.
"""

from collections.abc import Iterable
from datetime import date
from itertools import groupby

from billing.credit_notes import issue_credit_note
from billing.ledger import entries_of_credit_note, entries_of_refund
from billing.models import Buyer, CreditNote, Invoice, Refund, RefundCase, RefundItem, RefundState
from billing.refunds import approve, propose, reject, start
from cards.days import oslo_day
from cards.effects import Effect
from cards.errors import Refused, Unavailable
from flows.house import House
from flows.stages.delivery import DELIVERY, plan_delivery
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person
from flows.stages.failed_refunds import came_back_before, is_open, refunds_of
from flows.stages.invoice import buyer_of
from flows.stages.line import Chunk, Problem, Stage, Tally, tally
from flows.stages.refund_money import close_when_back, own_invoices, plan_money, send_on_its_roads
from flows.stages.refund_roles import refuse_without_roles
from flows.stages.stripe_credits import AT_STRIPE
from shipping.earlier import read_earlier_charges
from shipping.models import PostageCharge, PostageFinding
from shipping.postage_audit import audit
from store.database import UnitOfWork
from store.shipping import FIRST_LETTER

LETTERS_PER_PAGE = 1000


def import_charges(house: House, text: str, *, name: str) -> Tally:
    """Charges of earlier orders from a CSV file, all or none. One already known with the same content changes nothing.

    Raises Refused `postage.columns`, `postage.row`, `postage.charge_changed`.
    """
    charges = read_earlier_charges(text, name=name)
    with house.store.begin() as uow:
        new = uow.postage.add_charges(charges)
    counts = {"imported": new, "already_known": len(charges) - new}
    return Tally(counts={outcome: count for outcome, count in counts.items() if count})


def find(
    house: House, *, posted_from: date | None = None, posted_until: date | None = None
) -> tuple[Tally, list[PostageFinding]]:
    """Audit the charges of a period (both days included; without days, all), a page of letters at a time.

    What is found is kept once, and what was found before is judged again as long as no case has taken it up. The list
    is of those findings of the period that no case has. Raises Refused `postage.period` when it ends before it begins.
    """
    if posted_from and posted_until and posted_until < posted_from:
        raise Refused(
            "postage.period",
            f"the period ends on {posted_until}, before it begins on {posted_from}",
            field="until",
            fix="give the first and the last posting day, in that order",
        )
    done, findings, last = Tally(), list[PostageFinding](), FIRST_LETTER
    while True:
        with house.store.read() as uow:
            charges = uow.postage.letters(
                after=last, limit=LETTERS_PER_PAGE, posted_from=posted_from, posted_until=posted_until
            )
        if not charges:
            return done, sorted(findings, key=lambda finding: finding.finding_id)
        outcomes, still_open = _judge(house, charges)
        done += tally(outcomes)
        findings += still_open
        last = (charges[-1].origin, charges[-1].shipment)


def _judge(house: House, charges: list[PostageCharge]) -> tuple[list[str], list[PostageFinding]]:
    ids = [charge.charge_id for charge in charges]
    with house.store.begin() as uow:
        found = audit(charges, rows=house.tariffs, given_back=uow.postage.given_back(ids))
        outcomes = uow.postage.judge(ids, found)
        return outcomes, uow.postage.findings(without_case=True, of=ids)


def propose_cases(house: House, *, by: str) -> tuple[Tally, list[RefundCase]]:
    """One case a payer from all findings that give something back and are in no case yet."""
    with house.store.begin() as uow:
        findings = [
            finding
            for finding in uow.postage.findings(without_case=True)
            if finding.refund_net_ore + finding.refund_vat_ore > 0
        ]
        cases = [
            _propose(house, uow, list(of_payer), by=by)
            for _, of_payer in groupby(sorted(findings, key=_by_payer), key=lambda f: f.charge.payer_org_number)
        ]
    return tally("proposed" for _ in cases), cases


def _by_payer(finding: PostageFinding) -> tuple[str, str]:
    return finding.charge.payer_org_number, finding.finding_id


def _propose(house: House, uow: UnitOfWork, findings: list[PostageFinding], *, by: str) -> RefundCase:
    originals = _own_invoices(uow, findings)
    case = propose(
        case_id=f"R-{uow.series.next('refund_case'):06d}",
        payer_org_number=findings[0].charge.payer_org_number,
        payer_name=findings[0].charge.payer_name,
        items=[_item(finding, originals) for finding in findings],
        by=by,
        at=house.clock.now(),
        originals=originals,
        earlier_credits=uow.credit_notes.on_invoices([original.number for original in originals]),
        roles=uow.refund_roles.all(),
    )
    uow.refunds.add(case)
    return case


def _own_invoices(uow: UnitOfWork, findings: Iterable[PostageFinding]) -> list[Invoice]:
    """The invoices of this house that some findings are about: no credit may go above them."""
    numbers = {finding.charge.invoice_number for finding in findings if finding.charge.origin == "own"}
    return [uow.invoices.get(int(number)) for number in sorted(numbers)]


def _item(finding: PostageFinding, originals: Iterable[Invoice]) -> RefundItem:
    charge = finding.charge
    return RefundItem(
        finding_id=finding.finding_id,
        invoice_number=charge.invoice_number,
        payment=charge.payment,
        text=f"Porto {charge.order_number}: {finding.kind.value.replace('_', ' ')}",
        net_ore=finding.refund_net_ore,
        vat_ore=finding.refund_vat_ore,
        vat_percent=charge.vat_percent,
        line=line_of_charge(charge, originals),
    )


def line_of_charge(charge: PostageCharge, originals: Iterable[Invoice]) -> int | None:
    """The place of a charge on its invoice, where that is ours."""
    places = (
        place
        for original in originals
        if charge.origin == "own" and str(original.number) == charge.invoice_number
        for place, line in enumerate(original.lines, start=1)
        if (line.shipment_id, original.delivery_of(line).order_number) == (charge.shipment, charge.order_number)
    )
    return next(places, None)


def approve_case(house: House, case_id: str, *, by: str, digest: str | None = None) -> RefundCase:
    """A second person approves payer and amounts as they stand, within their limit; `digest` says what they looked at.

    Raises Refused `refund.same_person`, `refund.above_limit`, `refund.no_roles`, `refund.changed`,
    `refund.wrong_state`.
    """
    with house.store.begin() as uow:
        now, roles = house.clock.now(), uow.refund_roles.all()
        refuse_without_roles(house, roles)
        approved = approve(uow.refunds.get(case_id), by=by, at=now, roles=roles)
        if not uow.refunds.approve(case_id, by, now, digest or approved.digest):
            approve(uow.refunds.get(case_id), by=by, at=now)  # somebody was quicker: says what the case is now
        return uow.refunds.get(case_id)


def reject_case(house: House, case_id: str, *, by: str) -> RefundCase:
    """Turn a case down that is not executed; its findings are free for another. Raises Refused
    `refund.wrong_state`."""
    with house.store.begin() as uow:
        reject(uow.refunds.get(case_id), by=by, at=house.clock.now())
        uow.refunds.reject(case_id, by=by)
        return uow.refunds.get(case_id)


# --- execution --------------------------------------------------------------------------------------------------


def _to_credit(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return [(case.case_id,) for case in uow.refunds.of_state(RefundState.APPROVED)]


def _credit(house: House, chunk: Chunk) -> Tally:
    outcomes, problems = [], []
    for case_id in chunk:
        try:
            outcomes.append(_credit_case(house, case_id))
        except (Refused, Unavailable) as fault:
            problems.append(Problem.of(case_id, fault))
    return tally(outcomes, problems)


def _credit_case(house: House, case_id: str) -> str:
    """The approved case becomes a credit note and planned refunds, all or nothing."""
    with house.store.begin() as uow:
        case = uow.refunds.get(case_id)
        if case.state is not RefundState.APPROVED:
            return "already_done"
        start(case)
        note = _credit_note(house, uow, case)
        uow.credit_notes.add(note)
        uow.ledger.post(entries_of_credit_note(note))
        roads = plan_money(uow, case)
        uow.refunds.execute(case_id, credit_note=note.number, roads=roads, by=house.actor)
        send_on_its_roads(uow, case, note, roads)
        plan_delivery(house, uow, note)
    return "credited"


def _credit_note(house: House, uow: UnitOfWork, case: RefundCase) -> CreditNote:
    credited = sorted(set(own_invoices(uow, case).values()))
    return issue_credit_note(
        number=uow.series.next("credit_note"),
        issued_on=oslo_day(house.clock.now()),
        case=case,
        seller=house.settings.seller,
        buyer=_payer(uow, case),
        other_originals=[uow.invoices.get(number) for number in credited],
        earlier_credits=uow.credit_notes.on_invoices(credited),
    )


def _payer(uow: UnitOfWork, case: RefundCase) -> Buyer:
    business = uow.orders.business(case.payer_org_number)
    if business is None:
        raise Refused(
            "refund.unknown_payer",
            f"no order of {case.payer_org_number} tells the address for the credit note",
            field="payer_org_number",
            fix="import an order of this business first, then execute again",
        )
    return buyer_of(business)


def _to_pay(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return [(case.case_id,) for case in uow.refunds.of_state(RefundState.EXECUTING)]


def _pay(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for case_id in chunk:
        with house.store.read() as uow:
            refunds = refunds_of(uow, case_id)
        for refund in refunds:
            if is_open(refund):
                total += carry_out(house, REFUNDING, refund.key)
        total += _close(house, case_id)
    return total


def _close(house: House, case_id: str) -> Tally:
    """A case is confirmed when all of its money is back."""
    with house.store.begin() as uow:
        return tally(["case_confirmed"] if close_when_back(uow, case_id) else [])


def _refund(house: House, effect: Effect) -> Answer:
    refund = house.payments.refund(
        effect.key, effect.request["payment"], effect.request["amount_ore"], effect.request["case"]
    )
    return {"refund": refund.reference}


def _look_up(house: House, effect: Effect) -> Answer | None:
    refund = house.payments.look_up(effect.key)
    return {"refund": refund.reference} if refund else None


def _refunded(house: House, uow: UnitOfWork, effect: Effect, answer: Answer) -> None:
    """The money is on its way back: the ledger says so under the refund's own key. It may have come back already."""
    refund = Refund(
        key=effect.key,
        reference=answer["refund"],
        payment=effect.request["payment"],
        amount_ore=effect.request["amount_ore"],
    )
    case = uow.refunds.get(effect.subject)
    uow.ledger.post(
        entries_of_refund(refund, booked_on=oslo_day(house.clock.now()), document=f"credit_note/{case.credit_note}")
    )
    came_back_before(uow, effect.key, refund.reference, today=oslo_day(house.clock.now()))


REFUNDING = Act(send=_refund, look_up=_look_up, apply=_refunded, refuse=leave_to_a_person)

REFUND_POSTAGE = (
    Stage("credit", _to_credit, _credit),
    Stage("refund", _to_pay, _pay),
    AT_STRIPE,
    *DELIVERY,
)
