"""A payer with invoices of this house, one card and one letter each, and the charges that an audit judges.

What the production of the cards would leave behind is not needed here: the letters are posted and that is all.
"""

from datetime import date

from billing.invoices import issue
from billing.ledger import entries_of_invoice
from billing.models import Buyer, Delivered, Invoice, RefundCase, Seller
from billing.webhook import Told
from cards.address import Address
from cards.days import oslo_day
from flows.house import House
from flows.stages.bank import import_bank_file
from flows.stages.payments import keep
from flows.stages.refund_by_hand import propose_by_hand
from flows.stages.refund_postage import approve_case
from shipping.models import PostageCharge
from tests.bank_files import csv_file
from tests.store.small_world import a_card, a_charge, a_reading, a_shipment, an_order

DAY = date(2026, 11, 20)
ORG = "310149942"
OSLO = Address(recipient="Fjordbygg AS", street="Storgata 5", postcode="0184", city="Oslo")
SELLER = Seller(name="Card Bureau AS", org_number="314159268", address=OSLO, bank_account="86011117947")
BUYER = Buyer(name="Fjordbygg AS", org_number=ORG, address=OSLO, email="f@bygg.example", e_invoice=False)
WRONG_POSTAGE_ORE = 5200


def invoices(house: House, count: int, *, order: str = "B-1", postage_ore: int = WRONG_POSTAGE_ORE) -> list[Invoice]:
    """Issued invoices of one order, each over a card and a letter of its own whose postage was charged as told."""
    made = []
    with house.store.begin() as uow:
        key = house.blobs.put("order", order.encode(), "json")
        uow.orders.add(
            an_order(order, cards=count), reading=a_reading(), document_key=key, received_at=house.clock.now()
        )
        serial = uow.series.next("card_number", count)
        for line in range(1, count + 1):
            uow.cards.add(a_card(order, line, serial + line - 1), actor="test", what="ordered")
            number = uow.series.next("invoice")
            uow.shipments.add(a_shipment(number, [], order=order))
            invoice = issue(
                number=number,
                issued_on=DAY,
                seller=SELLER,
                buyer=BUYER,
                deliveries=[
                    Delivered(
                        order_number=order,
                        delivered_on=DAY,
                        address=OSLO,
                        cards=((f"{order}-{line}", "construction"),),
                        postage=((f"S-{number}", postage_ore),),
                    )
                ],
            )
            uow.invoices.add(invoice)
            uow.ledger.post(entries_of_invoice(invoice))
            uow.postage.add_charge(charge_of(invoice))
            made.append(invoice)
    return made


def charge_of(invoice: Invoice) -> PostageCharge:
    """The invoice's postage as the audit sees it."""
    line = invoice.lines[-1]
    return a_charge(
        f"{invoice.number}/{line.shipment_id}",
        origin="own",
        order_number=invoice.order_numbers[0],
        invoice_number=str(invoice.number),
        shipment=line.shipment_id,
        posted_on=DAY,
        charged_net_ore=line.net_ore,
        vat_ore=(line.net_ore * 25 + 50) // 100,
        payment=None,
    )


def by_hand(house: House, invoice: Invoice, net_ore: int, *, why: str = "wrong price", line: int = 1) -> RefundCase:
    """A case proposed by anna."""
    evidence = (f"{why} {net_ore}".encode(), ".txt")
    number, lines = str(invoice.number), [line] if line else []
    return propose_by_hand(house, invoice=number, lines=lines, net_ore=net_ore, why=why, evidence=evidence, by="anna")


def approved(house: House, case: RefundCase) -> RefundCase:
    """Approved by bo."""
    return approve_case(house, case.case_id, by="bo")


def pay_by_bank(house: House, invoice: Invoice, amount_ore: int, *, reference: str | None = None) -> list[str]:
    """The bank's file with one payment; what was found wrong with it."""
    name = reference or f"P-{invoice.number}"
    text = csv_file([(name, invoice.kid, amount_ore, "")], day=DAY)
    return [str(one.difference) for one in import_bank_file(house, text, name="bank.csv").differences]


def pay_at_stripe(house: House, invoice: Invoice, *, payment: str | None) -> None:
    """What Stripe tells of a payment of the whole invoice; without `payment`, which one it was is not told yet."""
    reference = f"in_{invoice.number}"
    told = {"event_id": f"evt_{reference}", "kind": "invoice.paid", "about": "paid", "reference": reference}
    paid = Told.model_validate(
        {
            **told,
            "happened_at": house.clock.now(),
            "paid_at": house.clock.now(),
            "invoice": invoice.number,
            "amount_ore": invoice.gross_ore,
            "currency": "nok",
        }
    )
    with house.store.begin() as uow:
        assert keep(uow, paid, today=oslo_day(house.clock.now()))
    if payment is not None:
        tell_payment(house, invoice, payment)


def tell_payment(house: House, invoice: Invoice, payment: str) -> None:
    """Stripe tells by which payment an invoice was paid; the payment service knows it."""
    house.payments.add_payment(payment, invoice.gross_ore)
    reference = f"in_{invoice.number}"
    linked = Told.model_validate(
        {
            "event_id": f"evt_{payment}",
            "kind": "invoice_payment.paid",
            "about": "payment",
            "reference": reference,
            "happened_at": house.clock.now(),
            "payment": payment,
        }
    )
    with house.store.begin() as uow:
        assert keep(uow, linked, today=oslo_day(house.clock.now()))
