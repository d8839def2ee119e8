"""How an issued invoice or credit note reaches its payer: drawn and kept, then sent by one road.

The road is chosen and its effect planned in the transaction that issues the document, so no payer ever gets two; and
nothing leaves before its documents are kept. A business with e-invoice gets its EHF through the access point where
there is one, else as a file with the mail: Stripe would send it none. Other invoices go by Stripe where it takes our
payments; everything else goes by mail.
"""

from billing.documents import credit_note_pdf, invoice_pdf
from billing.ehf import credit_note_xml, invoice_xml
from billing.models import CreditNote, Invoice, Message
from billing.ports import AccessPoint, Invoicing
from billing.stripe_invoice import SMALLEST_ORE
from cards.effects import Effect, EffectKind
from flows.house import House
from flows.stages.documents import keep, kept_bytes, shelf
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person, road_closed
from flows.stages.line import Chunk, Stage, Tally, chunks_of, tally
from flows.stages.refund_statement import draw_statement, statement_id
from store.database import UnitOfWork

PAPERS_PER_CHUNK = 100
_PREFIX = {EffectKind.E_INVOICE: "peppol", EffectKind.STRIPE_INVOICE: "deliver", EffectKind.MAIL: "mail"}


def plan_delivery(house: House, uow: UnitOfWork, paper: Invoice | CreditNote) -> None:
    """Choose the road of a document in the transaction that issues it."""
    kind = "invoice" if isinstance(paper, Invoice) else "credit_note"
    road = _road(house, paper)
    document = f"{kind}/{paper.number}"
    request = {"invoice": paper.number} if road is EffectKind.STRIPE_INVOICE else {"document": document}
    uow.effects.plan(f"{_PREFIX[road]}:{kind}:{paper.number}", road, document, request)


def _road(house: House, paper: Invoice | CreditNote) -> EffectKind:
    """Stripe sends no document of ours but invoices, none below its smallest sum, and no EHF with them."""
    if paper.buyer.e_invoice:
        return EffectKind.MAIL if house.access_point is None else EffectKind.E_INVOICE
    if house.invoicing is not None and isinstance(paper, Invoice) and paper.gross_ore >= SMALLEST_ORE:
        return EffectKind.STRIPE_INVOICE
    return EffectKind.MAIL


def _open(uow: UnitOfWork) -> list[Effect]:
    return [effect for road in _PREFIX for effect in uow.effects.open_of(road)]


# --- drawn ------------------------------------------------------------------------------------------------------


def _to_draw(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        subjects = [effect.subject for effect in _open(uow)]
        return chunks_of([subject for subject in subjects if uow.documents.get(subject) is None], PAPERS_PER_CHUNK)


def _draw(house: House, chunk: Chunk) -> Tally:
    return tally(_draw_one(house, document_id) for document_id in chunk)


def _draw_one(house: House, document_id: str) -> str:
    """The document as a person reads it and as a program does (EHF, with the first inside), kept together."""
    paper = _paper(house, document_id)
    if isinstance(paper, Invoice):
        pdf = invoice_pdf(paper)
        xml = invoice_xml(paper, pdf=pdf)
        drawn = {document_id: (pdf, "pdf"), f"ehf/{document_id}": (xml, "xml")}
    else:
        pdf, statement = credit_note_pdf(paper), draw_statement(house, paper.case_id)
        xml = credit_note_xml(paper, pdf=pdf, statement=statement)
        drawn = {
            document_id: (pdf, "pdf"),
            f"ehf/{document_id}": (xml, "xml"),
            statement_id(paper.number): (statement, "pdf"),
        }
    papers = [
        shelf(house, document_id=name, subject=document_id, data=data, suffix=suffix)
        for name, (data, suffix) in drawn.items()
    ]
    return keep(house, papers, "drawn")


def _paper(house: House, document_id: str) -> Invoice | CreditNote:
    kind, _, number = document_id.partition("/")
    with house.store.read() as uow:
        return uow.invoices.get(int(number)) if kind == "invoice" else uow.credit_notes.get(int(number))


def _kept(house: House, document_id: str) -> bytes:
    data = kept_bytes(house, document_id)
    assert data is not None  # noqa: S101 -- nothing is sent that was not drawn before
    return data


# --- sent -------------------------------------------------------------------------------------------------------


def _to_send(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        drawn = [effect.key for effect in _open(uow) if uow.documents.get(effect.subject) is not None]
        return chunks_of(drawn, PAPERS_PER_CHUNK)


def _send(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for key in chunk:
        with house.store.read() as uow:
            road = uow.effects.get(key).kind
        total += carry_out(house, ROADS[road], key)
    return total


def _mail(house: House, effect: Effect) -> Answer:
    kind, _, number = effect.subject.partition("/")
    paper = _paper(house, effect.subject)
    name_no, name_en = ("Faktura", "Invoice") if kind == "invoice" else ("Kreditnota", "Credit note")
    attached = [(f"{kind}-{number}.pdf", "application/pdf", _kept(house, effect.subject))]
    statement = kept_bytes(house, statement_id(paper.number)) if kind == "credit_note" else None
    if statement is not None:
        attached.append((f"statement-{number}.pdf", "application/pdf", statement))
    if paper.buyer.e_invoice:
        attached.append((f"{kind}-{number}.xml", "application/xml", _kept(house, f"ehf/{effect.subject}")))
    message = Message(
        to=paper.buyer.email,
        subject=f"{name_no} / {name_en} {number}",
        body=f"{name_no} {number} er vedlagt.\n{name_en} {number} is attached.\n\n{paper.seller.name}\n",
        attachments=tuple(attached),
    )
    return {"message": house.mail.send(effect.key, message)}


def _mailed(house: House, effect: Effect) -> Answer | None:
    message = house.mail.look_up(effect.key)
    return {"message": message} if message else None


def _send_by_stripe(house: House, effect: Effect) -> Answer:
    return {"stripe_invoice": _stripe(house).deliver(effect.key, _invoice(house, effect))}


def _sent_by_stripe(house: House, effect: Effect) -> Answer | None:
    found = _stripe(house).delivered(effect.key, _invoice(house, effect))
    return {"stripe_invoice": found} if found else None


def _invoice(house: House, effect: Effect) -> Invoice:
    with house.store.read() as uow:
        return uow.invoices.get(effect.request["invoice"])


def _hand_over(house: House, effect: Effect) -> Answer:
    paper, document = _paper(house, effect.subject), _kept(house, f"ehf/{effect.subject}")
    parties = {"sender": paper.seller.org_number, "receiver": paper.buyer.org_number}
    return {"e_invoice": _access_point(house).send(effect.key, document, **parties)}


def _handed_over(house: House, effect: Effect) -> Answer | None:
    name = _access_point(house).look_up(effect.key)
    return {"e_invoice": name} if name else None


def _stripe(house: House) -> Invoicing:
    if house.invoicing is None:
        raise road_closed("Stripe", "HSECARD_PAYMENTS", "stripe")
    return house.invoicing


def _access_point(house: House) -> AccessPoint:
    if house.access_point is None:
        raise road_closed("the access point", "HSECARD_ACCESS_POINT", "folder")
    return house.access_point


def _nothing_more(house: House, uow: UnitOfWork, effect: Effect, answer: Answer) -> None:
    """What was sent is its own record."""


ROADS: dict[EffectKind, Act] = {
    EffectKind.E_INVOICE: Act(send=_hand_over, look_up=_handed_over, apply=_nothing_more, refuse=leave_to_a_person),
    EffectKind.STRIPE_INVOICE: Act(
        send=_send_by_stripe, look_up=_sent_by_stripe, apply=_nothing_more, refuse=leave_to_a_person
    ),
    EffectKind.MAIL: Act(send=_mail, look_up=_mailed, apply=_nothing_more, refuse=leave_to_a_person),
}
DELIVERY = (Stage("documents", _to_draw, _draw), Stage("deliver", _to_send, _send))
