"""From posted card to invoice: issued per order and posting day from what is not invoiced, drawn, then delivered.

The number, the rows, the ledger entries and the planned delivery are one transaction; no drawing and no sending inside
it. A free replacement has no invoice line; its postage is ours.
"""

from collections import defaultdict
from datetime import date

from billing.invoices import issue
from billing.ledger import entries_of_invoice
from billing.models import Buyer, Delivered, Invoice, LineKind
from cards.days import oslo_day
from cards.orders import Business
from flows.house import House
from flows.stages.delivery import DELIVERY, plan_delivery
from flows.stages.line import Chunk, Stage, Tally, chunks_of, tally
from shipping.countries import zone_of
from shipping.models import PostageCharge, Shipment
from store.database import UnitOfWork
from store.orders import StoredOrder

ORDERS_PER_CHUNK = 100


def _to_issue(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return chunks_of(uow.invoices.to_invoice(), ORDERS_PER_CHUNK)


def _issue(house: House, chunk: Chunk) -> Tally:
    return tally(outcome for order_number in chunk for outcome in _issue_order(house, order_number))


def _issue_order(house: House, order_number: str) -> list[str]:
    with house.store.begin() as uow:
        order = uow.orders.get(order_number)
        deliveries = _deliveries(house, uow, order)
        for delivered in deliveries:
            _issue_one(house, uow, order, delivered)
    return ["invoiced"] * len(deliveries) or ["already_done"]


def _deliveries(house: House, uow: UnitOfWork, order: StoredOrder) -> list[Delivered]:
    """What of an order is on no invoice, by the Oslo day on which it was posted first."""
    found = uow.invoices.uninvoiced_cards(order.order_number)
    if not found:
        return []
    cards: dict[date, list[tuple[str, str]]] = defaultdict(list)
    posted = uow.invoices.first_posted([card.card_id for card in found])
    for card in found:
        cards[oslo_day(posted.get(card.card_id, house.clock.now()))].append((card.card_id, card.kind))
    postage: dict[date, list[tuple[str, int]]] = defaultdict(list)
    for shipment_id, net_ore, at in uow.invoices.uninvoiced_postage(order.order_number):
        postage[oslo_day(at)].append((shipment_id, net_ore))
    return [
        Delivered(
            order_number=order.order_number,
            delivered_on=day,
            address=order.deliver_to,
            cards=tuple(cards[day]),
            postage=tuple(postage[day]),
        )
        for day in sorted({*cards, *postage})
    ]


def _issue_one(house: House, uow: UnitOfWork, order: StoredOrder, delivered: Delivered) -> None:
    invoice = issue(
        number=uow.series.next("invoice"),
        issued_on=oslo_day(house.clock.now()),
        seller=house.settings.seller,
        buyer=buyer_of(order.business),
        deliveries=[delivered],
        days_until_due=house.settings.invoice_days,
    )
    uow.invoices.add(invoice)
    uow.ledger.post(entries_of_invoice(invoice))
    for line in invoice.lines:
        if line.kind is LineKind.POSTAGE and line.shipment_id:
            shipment = uow.shipments.get(line.shipment_id)
            uow.postage.add_charge(_charge(order, invoice, shipment, line.net_ore, line.vat_percent))
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


def _charge(order: StoredOrder, invoice: Invoice, shipment: Shipment, net_ore: int, vat_percent: int) -> PostageCharge:
    """The postage of one order in one shipment, as charged now: what a later audit judges."""
    return PostageCharge(
        charge_id=f"{invoice.number}/{shipment.shipment_id}",
        origin="own",
        payer_org_number=order.business.org_number,
        payer_name=order.business.name,
        order_number=order.order_number,
        invoice_number=str(invoice.number),
        shipment=shipment.shipment_id,
        posted_on=oslo_day(shipment.posted_at) if shipment.posted_at else None,
        zone=zone_of(shipment.address.country),
        weight_g=shipment.weight_g,
        thickness_mm=shipment.thickness_mm,
        cards=_cards_of_order(order.order_number, shipment),
        charged_net_ore=net_ore,
        vat_ore=(net_ore * vat_percent + 50) // 100,
        vat_percent=vat_percent,
    )


def _cards_of_order(order_number: str, shipment: Shipment) -> int:
    return sum(card_id.rpartition("-")[0] == order_number for card_id in shipment.card_ids)


INVOICE = (Stage("issue", _to_issue, _issue), *DELIVERY)
