"""From posted card to invoice: issued from what is not invoiced, for each order or for a business's month, then drawn
and delivered.

The number, the rows, the ledger entries and the planned delivery are one transaction; no drawing and no sending inside
it. A free replacement has no invoice line; its postage is ours.
"""

from datetime import date

from billing.invoices import issue
from billing.ledger import entries_of_invoice
from billing.models import Buyer, Collect, Delivered, Invoice, InvoiceLine, LineKind
from billing.prices import refuse_unconfirmed
from billing.terms import collect_on, document_day, month_of
from cards.days import oslo_day
from cards.errors import Refused
from cards.money import vat_ore
from cards.orders import Business
from flows.house import House
from flows.stages.delivery import DELIVERY, plan_delivery
from flows.stages.free_replacements import BOOK_COST
from flows.stages.invoice_plan import invoices_to_come
from flows.stages.line import Chunk, Problem, Stage, Tally, chunks_of, tally
from shipping.countries import zone_of
from shipping.models import PostageCharge, Shipment
from shipping.planning import is_replacement
from store.database import UnitOfWork

INVOICES_PER_CHUNK = 100


def _to_issue(house: House) -> list[Chunk]:
    today = oslo_day(house.clock.now())
    due = [one.key for one in invoices_to_come(house) if one.issue_on <= today]
    return chunks_of(due, INVOICES_PER_CHUNK)


def _issue(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for key in chunk:
        total += _issue_planned(house, key)
    return total


def _issue_planned(house: House, key: str) -> Tally:
    """What the key of a planned invoice stands for, as far as nobody else has invoiced it.

    One that is refused waits for a person; the others go on.
    """
    org_number, _, month = key.partition("/")
    try:
        with house.store.begin() as uow:
            issued = _issue_month(house, uow, org_number, month) if month else _issue_order(house, uow, key)
    except Refused as fault:
        return tally(["refused"], [Problem.of(key, fault)])
    return tally(["invoiced"] * issued or ["already_done"])


def _issue_order(house: House, uow: UnitOfWork, order_number: str) -> int:
    order = uow.orders.get(order_number)
    terms = uow.terms.of(order.business.org_number)
    found = _uninvoiced(uow, [order_number])
    deliveries = [each for each in found if collect_on(terms, each.delivered_on) is Collect.ORDER]
    for delivered in deliveries:
        _issue_one(house, uow, order.business, [delivered], issued_on=oslo_day(house.clock.now()))
    return len(deliveries)


def _issue_month(house: House, uow: UnitOfWork, org_number: str, month: str) -> int:
    terms = uow.terms.of(org_number)
    deliveries = [
        each
        for each in _uninvoiced(uow, uow.uninvoiced.orders_of(org_number))
        if month_of(each.delivered_on) == month and collect_on(terms, each.delivered_on) is Collect.MONTH
    ]
    if not deliveries:
        return 0
    last = deliveries[-1]
    issued_on = document_day(last.delivered_on, oslo_day(house.clock.now()))
    _issue_one(house, uow, uow.orders.get(last.order_number).business, deliveries, issued_on=issued_on)
    return 1


def _uninvoiced(uow: UnitOfWork, order_numbers: list[str]) -> list[Delivered]:
    uow.uninvoiced.hold(order_numbers)
    return uow.uninvoiced.of(order_numbers)


def _issue_one(
    house: House, uow: UnitOfWork, business: Business, deliveries: list[Delivered], *, issued_on: date
) -> None:
    """Issue one invoice; it is due so many days from today, whatever day it carries."""
    if house.settings.environment == "production":
        refuse_unconfirmed(deliveries)
    letters = {name: uow.shipments.get(name) for each in deliveries for name, _ in each.postage}
    invoice = issue(
        number=uow.series.next("invoice"),
        issued_on=issued_on,
        seller=house.settings.seller,
        buyer=buyer_of(business),
        deliveries=deliveries,
        days_until_due=(oslo_day(house.clock.now()) - issued_on).days + house.settings.invoice_days,
    )
    uow.invoices.add(invoice)
    uow.ledger.post(entries_of_invoice(invoice))
    for line in invoice.lines:
        if line.kind is LineKind.POSTAGE and line.shipment_id:
            letter = letters[line.shipment_id]
            uow.postage.add_charge(_charge(invoice, line, letter, ours=uow.returns.at_our_cost(letter)))
    plan_delivery(house, uow, invoice)


def buyer_of(business: Business) -> Buyer:
    """The paying business as it stands on a document issued now."""
    return Buyer(
        name=business.name,
        org_number=business.org_number,
        address=business.address,
        email=business.invoice_email,
        e_invoice=business.e_invoice,
    )


def _charge(invoice: Invoice, line: InvoiceLine, shipment: Shipment, *, ours: set[str]) -> PostageCharge:
    """The postage of one order in one shipment, as charged now: what a later audit judges. `ours`: the cards that are
    in the letter only because an earlier one came back by our fault."""
    order_number = invoice.delivery_of(line).order_number
    cards = _cards_of_order(order_number, shipment)
    bearing = cards - ours
    return PostageCharge(
        charge_id=_charge_id(invoice, order_number, shipment),
        origin="own",
        payer_org_number=invoice.buyer.org_number,
        payer_name=invoice.buyer.name,
        order_number=order_number,
        invoice_number=str(invoice.number),
        shipment=shipment.shipment_id,
        posted_on=oslo_day(shipment.posted_at) if shipment.posted_at else None,
        zone=zone_of(shipment.address.country),
        weight_g=shipment.weight_g,
        thickness_mm=shipment.thickness_mm,
        cards=len(bearing or cards),
        charged_net_ore=line.net_ore,
        vat_ore=vat_ore(line.net_ore, line.vat_percent),
        vat_percent=line.vat_percent,
        fault_reship=bool(cards) and not bearing,
    )


def _charge_id(invoice: Invoice, order_number: str, shipment: Shipment) -> str:
    """Orders that a collected invoice holds may share a letter."""
    name = f"{invoice.number}/{shipment.shipment_id}"
    return name if len(invoice.order_numbers) == 1 else f"{name}/{order_number}"


def _cards_of_order(order_number: str, shipment: Shipment) -> set[str]:
    """The order's cards in a letter but for free replacements, which bear no postage."""
    of_order = {card_id for card_id in shipment.card_ids if card_id.rpartition("-")[0] == order_number}
    return {card_id for card_id in of_order if not is_replacement(card_id)}


INVOICE = (Stage("issue", _to_issue, _issue), BOOK_COST, *DELIVERY)
