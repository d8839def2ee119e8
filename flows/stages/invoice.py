"""From posted card to invoice: issued per order from what is posted and not invoiced, then drawn, then mailed.

The number, the rows and the ledger entries are one transaction; no drawing and no mail inside it. A free replacement
has no invoice line; its postage is ours.
"""

from billing.documents import credit_note_pdf, invoice_pdf
from billing.ehf import credit_note_xml, invoice_xml
from billing.invoices import issue
from billing.ledger import entries_of_invoice
from billing.models import Buyer, Invoice, LineKind, Message
from cards.days import oslo_day
from cards.effects import Effect, EffectKind
from cards.life import Card
from cards.orders import Business
from flows.house import House
from flows.stages.documents import keep, shelf
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person
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
        key = f"mail:invoice:{invoice.number}"
        uow.effects.plan(key, EffectKind.MAIL, f"invoice/{invoice.number}", {"document": f"invoice/{invoice.number}"})
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


# --- drawn ------------------------------------------------------------------------------------------------------


def _to_draw(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        bare = [effect.key for effect in uow.effects.open_of(EffectKind.MAIL)]
        return chunks_of([key for key in bare if uow.documents.get(_document(key)) is None], ORDERS_PER_CHUNK)


def _document(mail_key: str) -> str:
    """`mail:invoice:7` → `invoice/7`."""
    return mail_key.removeprefix("mail:").replace(":", "/")


def _draw(house: House, chunk: Chunk) -> Tally:
    return tally(_draw_one(house, _document(key)) for key in chunk)


def _draw_one(house: House, document_id: str) -> str:
    """The document as a person reads it and as a program does (EHF, with the first inside), kept together."""
    kind, _, number = document_id.partition("/")
    with house.store.read() as uow:
        if kind == "invoice":
            invoice = uow.invoices.get(int(number))
            pdf = invoice_pdf(invoice)
            xml = invoice_xml(invoice, pdf=pdf)
        else:
            note = uow.credit_notes.get(int(number))
            pdf = credit_note_pdf(note)
            xml = credit_note_xml(note, pdf=pdf)
    papers = [
        shelf(house, document_id=document_id, subject=document_id, data=pdf, suffix="pdf"),
        shelf(house, document_id=f"ehf/{document_id}", subject=document_id, data=xml, suffix="xml"),
    ]
    return keep(house, papers, "drawn")


# --- mailed -----------------------------------------------------------------------------------------------------


def _to_mail(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return chunks_of([effect.key for effect in uow.effects.open_of(EffectKind.MAIL)], ORDERS_PER_CHUNK)


def _mail(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for key in chunk:
        total += carry_out(house, MAILING, key)
    return total


def _send(house: House, effect: Effect) -> Answer:
    kind, _, number = effect.subject.partition("/")
    with house.store.read() as uow:
        paper = uow.invoices.get(int(number)) if kind == "invoice" else uow.credit_notes.get(int(number))
        drawn = uow.documents.get(effect.subject)
        ehf = uow.documents.get(f"ehf/{effect.subject}") if paper.buyer.e_invoice else None
    name_no, name_en = ("Faktura", "Invoice") if kind == "invoice" else ("Kreditnota", "Credit note")
    assert drawn is not None  # noqa: S101 -- drawn by the stage before
    attached = [(f"{kind}-{number}.pdf", "application/pdf", house.blobs.get(drawn.blob_key))]
    if ehf is not None:
        attached.append((f"{kind}-{number}.xml", "application/xml", house.blobs.get(ehf.blob_key)))
    message = Message(
        to=paper.buyer.email,
        subject=f"{name_no} / {name_en} {number}",
        body=f"{name_no} {number} er vedlagt.\n{name_en} {number} is attached.\n\n{paper.seller.name}\n",
        attachments=tuple(attached),
    )
    return {"message": house.mail.send(effect.key, message)}


def _look_up(house: House, effect: Effect) -> Answer | None:
    message = house.mail.look_up(effect.key)
    return {"message": message} if message else None


def _nothing_more(house: House, uow: UnitOfWork, effect: Effect, answer: Answer) -> None:
    """A sent mail is its own record."""


MAILING = Act(send=_send, look_up=_look_up, apply=_nothing_more, refuse=leave_to_a_person)

DRAW_DOCUMENTS = Stage("documents", _to_draw, _draw)
MAIL_DOCUMENTS = Stage("mail", _to_mail, _mail)
INVOICE = (Stage("issue", _to_issue, _issue), DRAW_DOCUMENTS, MAIL_DOCUMENTS)
