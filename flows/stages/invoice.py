"""From posted card to invoice: issued per order from what is posted and not invoiced, then drawn, then delivered.

The number, the rows, the ledger entries and the planned delivery are one transaction; no drawing and no sending inside
it. A free replacement has no invoice line; its postage is ours.
"""

from billing.invoices import issue
from billing.ledger import entries_of_invoice
from billing.models import Buyer, Invoice, LineKind
from cards.days import oslo_day
from cards.life import Card
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
    return tally(_issue_one(house, order_number) for order_number in chunk)


def _issue_one(house: House, order_number: str) -> str:
    with house.store.begin() as uow:
        cards = uow.invoices.uninvoiced_cards(order_number)
        if not cards:
            return "already_done"
        order = uow.orders.get(order_number)
        invoice = _invoice(house, uow, order, cards)
        uow.invoices.add(invoice)
        uow.ledger.post(entries_of_invoice(invoice))
        for line in invoice.lines:
            if line.kind is LineKind.POSTAGE and line.shipment_id:
                shipment = uow.shipments.get(line.shipment_id)
                uow.postage.add_charge(_charge(order, invoice, shipment, line.net_ore, line.vat_percent))
        plan_delivery(house, uow, invoice)
    return "invoiced"


def _invoice(house: House, uow: UnitOfWork, order: StoredOrder, cards: list[Card]) -> Invoice:
    today = oslo_day(house.clock.now())
    shipments = [uow.shipments.get(card.shipment_id) for card in cards if card.shipment_id]
    delivered = max((oslo_day(s.posted_at) for s in shipments if s.posted_at), default=today)
    return issue(
        number=uow.series.next("invoice"),
        order_number=order.order_number,
        issued_on=today,
        delivered_on=delivered,
        seller=house.settings.seller,
        buyer=buyer_of(order.business),
        delivery_address=order.deliver_to,
        cards=[(card.card_id, card.kind) for card in cards],
        postage=uow.invoices.uninvoiced_postage(order.order_number),
        days_until_due=house.settings.invoice_days,
    )


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
