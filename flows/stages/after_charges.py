"""Postage charged too little: listed, and charged after all on a new invoice when two people of finance decide so."""

from typing import NamedTuple

from billing.after_charges import after_charge
from billing.ledger import entries_of_invoice
from billing.models import Invoice
from billing.people import person
from billing.refund_roles import refuse_approver, refuse_proposer
from cards.days import oslo_day
from cards.errors import Refused
from flows.house import House
from flows.stages.delivery import plan_delivery
from flows.stages.invoice import buyer_of
from flows.stages.refund_postage import line_of_charge
from flows.stages.refund_roles import refuse_without_roles
from shipping.models import FindingKind, GivenBack, PostageFinding
from store.after_charges import AfterCharge
from store.database import UnitOfWork


class Undercharge(NamedTuple):
    """A finding of too little postage and what finance did about it so far."""

    finding: PostageFinding
    missing_net_ore: int
    charge: AfterCharge | None


def undercharges(house: House) -> list[Undercharge]:
    """Every finding of postage charged too little, by id."""
    with house.store.read() as uow:
        known = {one.finding_id: one for one in uow.after_charges.all()}
        findings = [one for one in uow.postage.findings() if one.kind is FindingKind.UNDERCHARGED]
        return [
            Undercharge(one, asked.net_ore if asked else _missing(uow, one), asked)
            for one in findings
            for asked in [known.get(one.finding_id)]
        ]


def _missing(uow: UnitOfWork, finding: PostageFinding) -> int:
    """Net øre due, less what was charged and stayed with us."""
    charge = finding.charge
    back = uow.postage.given_back([charge.charge_id]).get(charge.charge_id, GivenBack())
    kept = charge.charged_net_ore - charge.refunded_net_ore - back.net_ore
    return (finding.due_net_ore or 0) - kept


def ask_to_charge(house: House, finding_id: str, *, by: str) -> AfterCharge:
    """One person asks to charge what was too little. Asked before: that stands.

    Raises Refused `undercharge.unknown`, `undercharge.not_ours`, `refund.may_not_propose`, `refund.no_person`.
    """
    if not person(by):
        raise Refused("refund.no_person", "nobody is named", field="by", fix="say who does this")
    with house.store.begin() as uow:
        refuse_proposer(uow.refund_roles.all(), by)
        finding = _finding(uow, finding_id)
        if uow.after_charges.get(finding_id) is None:
            uow.after_charges.ask(finding_id, net_ore=_missing(uow, finding), by=by)
        return _asked(uow, finding_id)


def agree_to_charge(house: House, finding_id: str, *, by: str) -> Invoice:
    """A second person agrees, and the invoice is issued. Agreed to before: the invoice that was issued then.

    Raises Refused `undercharge.unknown`, `undercharge.not_asked`, `refund.same_person`, `refund.above_limit`,
    `refund.no_roles`, and what issuing raises.
    """
    with house.store.begin() as uow:
        finding, asked = _finding(uow, finding_id), _asked(uow, finding_id)
        if asked.invoice is not None:
            return uow.invoices.get(asked.invoice)
        if person(by) == person(asked.asked_by):
            raise Refused(
                "refund.same_person",
                f"{by} asked to charge {finding_id} and cannot agree to it",
                field="by",
                fix="ask a second person of finance to agree",
            )
        invoice, roles = _invoice(house, uow, finding, asked), uow.refund_roles.all()
        refuse_without_roles(house, roles)
        refuse_approver(roles, by, invoice.gross_ore)
        uow.invoices.add(invoice)
        uow.ledger.post(entries_of_invoice(invoice))
        uow.after_charges.agree(finding_id, by=by, invoice=invoice.number)
        plan_delivery(house, uow, invoice)
        return invoice


def _invoice(house: House, uow: UnitOfWork, finding: PostageFinding, asked: AfterCharge) -> Invoice:
    charge = finding.charge
    original = uow.invoices.get(int(charge.invoice_number))
    business = uow.orders.get(charge.order_number).business
    return after_charge(
        number=uow.series.next("invoice"),
        issued_on=oslo_day(house.clock.now()),
        original=original,
        line=line_of_charge(charge, [original]) or 1,
        net_ore=asked.net_ore,
        seller=house.settings.seller,
        buyer=buyer_of(business),
        days=house.settings.invoice_days,
    )


def _finding(uow: UnitOfWork, finding_id: str) -> PostageFinding:
    found = uow.postage.findings(among=[finding_id])
    if not found or found[0].kind is not FindingKind.UNDERCHARGED:
        raise Refused(
            "undercharge.unknown",
            f"{finding_id!r} is no finding of postage charged too little",
            field="finding",
            fix="see `hsecard refunds undercharged list`",
        )
    if found[0].charge.origin != "own":
        raise Refused(
            "undercharge.not_ours",
            f"{finding_id} is about an invoice of before this system",
            field="finding",
            fix="charge it where the first invoice was issued, so that both stand in one series",
        )
    return found[0]


def _asked(uow: UnitOfWork, finding_id: str) -> AfterCharge:
    asked = uow.after_charges.get(finding_id)
    if asked is None:
        raise Refused(
            "undercharge.not_asked",
            f"nobody asked to charge {finding_id}",
            field="finding",
            fix="one person asks with `hsecard refunds undercharged charge`, another agrees",
        )
    return asked
