"""A few orders through the whole house by the repositories alone: every table has rows and every rule holds."""

import hashlib
from datetime import UTC, date, datetime
from typing import Any

from billing.ledger import (
    CLEARING,
    entries_of_credit_note,
    entries_of_invoice,
    entries_of_movement,
    entries_of_payment,
    entries_of_refund,
)
from billing.models import (
    Buyer,
    CreditLine,
    CreditNote,
    Delivery,
    Invoice,
    InvoiceLine,
    LineKind,
    Refund,
    RefundCase,
    RefundItem,
    RefundState,
    Seller,
    VatLine,
)
from billing.reconcile_stripe import Movement, MovementKind
from billing.refund_roads import RefundRoad, Road
from billing.refunds import case_digest
from billing.webhook import Told
from cards.address import Address
from cards.batch import Batch, BatchCard, BatchState, batch_digest
from cards.blanks import BatchCount, BlankMove
from cards.effects import EffectKind, EffectState
from cards.life import Card, CardState, Hold, HoldReason
from cards.orders import ApprovedOrder
from chip.models import ChipOutcome, ChipVerdict
from printing.models import PrintJob, PrintJobState
from shipping.models import (
    AddressReading,
    FindingKind,
    PostageCharge,
    PostageFinding,
    Shipment,
    ShipmentState,
)
from shipping.number_ranges import NumberKind
from store.database import Store, UnitOfWork
from store.field_faults import FaultReport
from store.payments import Fetch
from store.ports import Blobs

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
OSLO = Address(recipient="Fjordbygg AS", street="Storgata 5", postcode="0184", city="Oslo")


def an_order(number: str = "B-1", *, cards: int = 2, **changes: Any) -> ApprovedOrder:
    content = {
        "order_number": number,
        "ordered_at": NOON,
        "approved_at": NOON,
        "ordered_by": {"name": "Kari Moen", "email": "kari@bygg.example"},
        "business": {
            "org_number": "310149942",
            "name": "Fjordbygg AS",
            "invoice_email": "f@bygg.example",
            "address": OSLO,
        },
        "deliver_to": OSLO,
        "card_kind": "construction",
        "cards": [
            {"line": n, "given_name": "Paweł", "family_name": f"Nr{n}", "birth_date": "1990-02-28", "photo": "p.jpg"}
            for n in range(1, cards + 1)
        ],
    }
    return ApprovedOrder.model_validate({**content, **changes})


def a_reading(key: str = "NO|0184|storgata 5", *, valid: bool = True) -> AddressReading:
    reasons = () if valid else ("postcode_unknown",)
    return AddressReading(valid=valid, key=key, rule_version=1, reasons=reasons, label_lines=("Fjordbygg AS", "Oslo"))


def a_card(order: str = "B-1", line: int = 1, serial: int = 0, **changes: Any) -> Card:
    content = {
        "card_id": f"{order}-{line}",
        "order_number": order,
        "line": line,
        "number": f"{serial:07d}",
        "kind": "construction",
        "given_name": "Paweł",
        "family_name": f"Nr{line}",
        "birth_date": date(1990, 2, 28),
        "photo": None,
        "state": CardState.ORDERED,
    }
    return Card.model_validate({**content, **changes})


def a_hold(reason: HoldReason = HoldReason.PHOTO, detail: str | None = "no_face") -> Hold:
    return Hold(reason=reason, detail=detail, field="photo", fix="send another photo")


def accept(
    uow: UnitOfWork, number: str = "B-1", *, cards: int = 2, key: str = "NO|0184|a", valid: bool = True
) -> list[str]:
    """An order and its cards, `ordered`."""
    uow.orders.add(
        an_order(number, cards=cards), reading=a_reading(key, valid=valid), document_key="", received_at=NOON
    )
    serial = uow.series.next("card_number", cards)
    made = [a_card(number, line, serial + line - 1) for line in range(1, cards + 1)]
    for card in made:
        uow.cards.add(card, actor="test", what="ordered")
    return [card.card_id for card in made]


def step(uow: UnitOfWork, card_id: str, *states: CardState, **changes: Any) -> None:
    """Through `states`, one after the other; `changes` with the last step."""
    for state in states:
        before = uow.cards.get(card_id).state
        last = changes if state is states[-1] else {}
        assert uow.cards.advance(card_id, before, state, actor="test", what=state.value, **last)


def a_batch(batch_id: str, cards: list[Card], lot: str = "L-1") -> Batch:
    places = tuple(
        BatchCard(position=n, card_id=card.card_id, number=card.number, face_digest=f"face {card.card_id}")
        for n, card in enumerate(cards, start=1)
    )
    return Batch(
        batch_id=batch_id,
        frozen_at=NOON,
        frozen_by="test",
        state=BatchState.FROZEN,
        lot=lot,
        cards=places,
        digest=batch_digest(places),
    )


def a_move(key: str, source: str, target: str, count: int, **changes: Any) -> BlankMove:
    content = {"move_key": key, "at": NOON, "actor": "test", "lot": "L-1", "count": count}
    return BlankMove.model_validate({**content, "source": source, "target": target, **changes})


def a_shipment(number: int, card_ids: list[str], *, order: str = "B-1", **changes: Any) -> Shipment:
    content = {
        "shipment_id": f"S-{number}",
        "number": number,
        "address_key": "NO|0184|a",
        "address": OSLO,
        "label_lines": ("Fjordbygg AS", "Storgata 5", "0184 OSLO"),
        "card_ids": tuple(card_ids),
        "weight_g": 17.3,
        "thickness_mm": 1.9,
        "product": "letter",
        "tariff": "list",
        "postage_net_ore": 1920,
        "vat_percent": 25,
        "shares": ((order, 1920),),
        "state": ShipmentState.PACKED,
        "planned_on": TODAY,
    }
    return Shipment.model_validate({**content, **changes})


def an_invoice(number: int, card_ids: list[str], postage: list[tuple[str, int]], *, order: str = "B-1") -> Invoice:
    lines = [_line(LineKind.CARD, 10400, card_id=card_id, card_kind="construction") for card_id in card_ids]
    lines += [_line(LineKind.POSTAGE, net, shipment_id=shipment) for shipment, net in postage]
    net = sum(line.net_ore for line in lines)
    vat = (net * 25 + 50) // 100
    return Invoice(
        number=number,
        kid=f"{number:07d}",
        issued_on=TODAY,
        due_on=date(2026, 12, 7),
        deliveries=(Delivery(order_number=order, delivered_on=TODAY, address=OSLO),),
        seller=_seller(),
        buyer=_buyer(),
        lines=tuple(lines),
        vat=(VatLine(category="S", percent=25, saft_code="3", net_ore=net, vat_ore=vat),),
        net_ore=net,
        vat_ore=vat,
        gross_ore=net + vat,
    )


def _line(kind: LineKind, net: int, **names: Any) -> InvoiceLine:
    text = kind.value
    return InvoiceLine(
        kind=kind, text=text, quantity=1, unit_net_ore=net, net_ore=net, vat_percent=25, vat_category="S", **names
    )


def _seller() -> Seller:
    return Seller(name="Card Bureau AS", org_number="310149942", address=OSLO, bank_account="15031234567")


def _buyer() -> Buyer:
    return Buyer(name="Fjordbygg AS", org_number="310149942", address=OSLO, email="f@bygg.example", e_invoice=False)


def a_charge(charge_id: str = "E-1", **changes: Any) -> PostageCharge:
    content = {
        "charge_id": charge_id,
        "origin": "earlier",
        "payer_org_number": "310149942",
        "payer_name": "Fjordbygg AS",
        "order_number": "2021-A",
        "invoice_number": "9001",
        "shipment": "L-1",
        "posted_on": date(2021, 3, 1),
        "zone": "NO",
        "weight_g": 17.4,
        "thickness_mm": 1.5,
        "cards": 1,
        "charged_net_ore": 36000,
        "vat_ore": 9000,
        "vat_percent": 25,
        "payment": "pay-1",
    }
    return PostageCharge.model_validate({**content, **changes})


def a_finding(charge: PostageCharge, refund: int = 12000) -> PostageFinding:
    return PostageFinding(
        finding_id=f"{charge.charge_id}/v1",
        charge=charge,
        kind=FindingKind.CHARGED_PER_CARD,
        due_net_ore=charge.charged_net_ore - refund,
        refund_net_ore=refund,
        refund_vat_ore=refund // 4,
        evidence={"tariff": "list 2021"},
    )


def a_case(case_id: str, findings: list[PostageFinding], *, by: str = "Kari") -> RefundCase:
    items = tuple(
        RefundItem(
            finding_id=finding.finding_id,
            invoice_number=finding.charge.invoice_number,
            payment=finding.charge.payment,
            text="postage",
            net_ore=finding.refund_net_ore,
            vat_ore=finding.refund_vat_ore,
            vat_percent=25,
        )
        for finding in findings
    )
    net, vat = sum(item.net_ore for item in items), sum(item.vat_ore for item in items)
    return RefundCase(
        case_id=case_id,
        payer_org_number="310149942",
        payer_name="Fjordbygg AS",
        items=items,
        net_ore=net,
        vat_ore=vat,
        gross_ore=net + vat,
        digest=case_digest("310149942", items),
        state=RefundState.PROPOSED,
        proposed_by=by,
        proposed_at=NOON,
    )


def a_credit_note(number: int, case: RefundCase) -> CreditNote:
    lines = tuple(
        CreditLine(
            text=item.text,
            invoice_number=item.invoice_number,
            net_ore=item.net_ore,
            vat_percent=25,
            vat_category="S",
            finding_id=item.finding_id,
            vat_ore=item.vat_ore,
        )
        for item in case.items
    )
    return CreditNote(
        number=number,
        issued_on=TODAY,
        case_id=case.case_id,
        seller=_seller(),
        buyer=_buyer(),
        lines=lines,
        vat=(VatLine(category="S", percent=25, saft_code="3", net_ore=case.net_ore, vat_ore=case.vat_ore),),
        net_ore=case.net_ore,
        vat_ore=case.vat_ore,
        gross_ore=case.gross_ore,
    )


def an_outcome(uid: str) -> ChipOutcome:
    return ChipOutcome(verdict=ChipVerdict.DONE, uid=uid, exchanges=30, key_generation=1)


def close(uow: UnitOfWork, shipment_id: str, card_ids: list[str]) -> None:
    """Every card scanned into the letter, and the letter closed."""
    for card_id in card_ids:
        assert uow.packing.scan(shipment_id, card_id, by="test")
    assert uow.shipments.close(shipment_id)


def confirm(
    uow: UnitOfWork,
    key: str,
    kind: EffectKind,
    subject: str,
    request: dict[str, Any],
    *,
    answer: dict[str, Any] | None = None,
) -> None:
    """An effect, planned, sent and confirmed."""
    uow.effects.plan(key, kind, subject, request)
    assert uow.effects.start(key)
    assert uow.effects.settle(key, EffectState.CONFIRMED, answer or {"ok": key})


# --- the world --------------------------------------------------------------------------------------------------


def settle_world(store: Store, blobs: Blobs) -> None:
    """B-1: two cards posted and invoiced, the first found faulty and replaced by B-1-1R1, which is posted too. B-2: one
    card spoiled once and made good, one held, one waiting. Postage of 2021 refunded. One batch closed, one open."""
    with store.begin() as uow:
        uow.blanks.move(a_move("receive", "supplier", "vault", 20))
        uow.carrier_numbers.add(NumberKind.S10, "RR", 47312482, 47312999, source="Posten 2026-11-01", by="test")
        for number, cards in (("B-1", 2), ("B-2", 3)):
            key = blobs.put("order", number.encode(), "json")
            order = an_order(number, cards=cards)
            uow.orders.add(order, reading=a_reading(), document_key=key, received_at=NOON)
            serial = uow.series.next("card_number", cards)
            for line in range(1, cards + 1):
                photo = blobs.put("photo", f"{number}-{line}".encode(), "bin")
                uow.cards.add(a_card(number, line, serial + line - 1, photo=photo), actor="test", what="ordered")
        step(uow, "B-1-1", CardState.PICTURED, portrait=blobs.put("portrait", b"B-1-1", "jpg"))
        step(uow, "B-1-1", CardState.RENDERED)
        for card_id in ("B-1-2", "B-2-1"):
            step(uow, card_id, CardState.PICTURED, CardState.RENDERED)
        uow.cards.hold("B-2-2", CardState.ORDERED, a_hold(), actor="test")
        _print(uow, blobs, "P-1", ["B-1-1", "B-1-2", "B-2-1"])
        _spoil(uow, "P-1", "B-2-1")
        _make(uow, "P-1", ["B-1-1", "B-1-2"])
        uow.batches.close(
            BatchCount(batch_id="P-1", issued=3, good=2, spoiled=1, returned=0, counted_by="Ola", witnessed_by="Per")
        )
        _post(uow, blobs, 1, ["B-1-1", "B-1-2"])
        _invoice(uow, blobs)
    with store.begin() as uow:
        _replace(uow, blobs)
        _print(uow, blobs, "P-2", ["B-2-1", "B-1-1R1"])
        _make(uow, "P-2", ["B-1-1R1"])
        _post(uow, blobs, 2, ["B-1-1R1"], shares=())
        step(uow, "B-1-1", CardState.BLOCKED)
    with store.begin() as uow:
        _refund(uow, blobs)
        _stripe(uow)


def _print(uow: UnitOfWork, blobs: Blobs, batch_id: str, card_ids: list[str]) -> None:
    batch = a_batch(batch_id, uow.cards.get_many(card_ids))
    uow.batches.add(batch)
    uow.blanks.move(a_move(f"issue {batch_id}", "vault", "tray", len(card_ids), batch_id=batch_id))
    for card_id in card_ids:
        uow.cards.note(card_id, actor="test", what="frozen", batch_id=batch_id)
    run = blobs.put("run", batch_id.encode(), "pdf")
    uow.batches.drawn(batch_id, run, run, run)
    key = f"print:{batch_id}"
    confirm(uow, key, EffectKind.PRINT, batch_id, {"document": run})
    uow.print_jobs.ask(key, batch_id)
    assert uow.print_jobs.note(PrintJob(key=key, reference="7", state=PrintJobState.DONE))
    assert uow.batches.to_state(batch_id, BatchState.FROZEN, BatchState.PRINTED)
    for place in batch.cards:
        uow.prints.add(place.card_id, batch_id, place.position)
        step(uow, place.card_id, CardState.PRINTED)
    uow.blanks.move(a_move(f"load {batch_id}", "tray", "machine", len(card_ids), batch_id=batch_id))


def _spoil(uow: UnitOfWork, batch_id: str, card_id: str) -> None:
    step(uow, card_id, CardState.RENDERED, batch_id=None)
    uow.prints.spoil(card_id, "jam")
    uow.blanks.move(a_move(f"spoiled {card_id}", "machine", "spoiled", 1, batch_id=batch_id, card_id=card_id))


def _make(uow: UnitOfWork, batch_id: str, card_ids: list[str]) -> None:
    for card_id in card_ids:
        uid = hashlib.sha256(card_id.encode()).hexdigest()[:14]
        uow.chips.bind(uid, card_id, 1, "virtual-1")
        uow.chips.settle(uid, an_outcome(uid))
        step(uow, card_id, CardState.ENCODED, CardState.PROVED, chip_uid=uid)
        uow.blanks.move(a_move(f"good {card_id}", "machine", "good", 1, batch_id=batch_id, card_id=card_id))


def finish_cards(uow: UnitOfWork, blobs: Blobs, batch_id: str, card_ids: list[str]) -> None:
    """Rendered cards in a batch of their own: printed, encoded, proved."""
    _print(uow, blobs, batch_id, card_ids)
    _make(uow, batch_id, card_ids)


def _post(
    uow: UnitOfWork, blobs: Blobs, number: int, card_ids: list[str], shares: tuple[tuple[str, int], ...] | None = None
) -> None:
    changes: dict[str, Any] = {} if shares is None else {"shares": shares}
    shipment = a_shipment(number, card_ids, **changes)
    for card_id in card_ids:
        step(uow, card_id, CardState.PACKED, shipment_id=shipment.shipment_id)
    uow.shipments.add(shipment)
    uow.carrier_numbers.give(shipment.shipment_id, NumberKind.S10)
    _keep(uow, blobs, f"letter/{shipment.shipment_id}", shipment.shipment_id)
    close(uow, shipment.shipment_id, card_ids)
    confirm(uow, f"book:{shipment.shipment_id}", EffectKind.BOOK, shipment.shipment_id, {"n": number})
    assert uow.shipments.posted(shipment.shipment_id, f"C-{number}", NOON)
    for card_id in card_ids:
        step(uow, card_id, CardState.POSTED)


def _keep(uow: UnitOfWork, blobs: Blobs, document_id: str, subject: str) -> None:
    data = document_id.encode()
    kind = document_id.partition("/")[0]
    digest = hashlib.sha256(data).hexdigest()
    uow.documents.add(document_id, kind, subject, blobs.put(kind, data, "pdf"), digest, len(data))


def _invoice(uow: UnitOfWork, blobs: Blobs) -> None:
    (waiting,) = uow.uninvoiced.of(["B-1"])
    cards = [card_id for card_id, _kind in waiting.cards]
    invoice = an_invoice(uow.series.next("invoice"), cards, list(waiting.postage))
    uow.invoices.add(invoice)
    uow.ledger.post(entries_of_invoice(invoice))
    _keep(uow, blobs, f"invoice/{invoice.number}", f"invoice/{invoice.number}")


def _replace(uow: UnitOfWork, blobs: Blobs) -> None:
    report = FaultReport(fault_id="F-1", card_id="B-1-1", reported_at=NOON, reported_by="site", symptom="dead chip")
    uow.faults.report(report)
    step(uow, "B-1-1", CardState.FAULTY)
    serial = uow.series.next("card_number")
    portrait = blobs.put("portrait", b"B-1-1", "jpg")
    new = a_card("B-1", 1, serial, card_id="B-1-1R1", replaces="B-1-1", portrait=portrait, state=CardState.PICTURED)
    uow.cards.add(new, actor="test", what="ordered")
    step(uow, "B-1-1R1", CardState.RENDERED)
    step(uow, "B-1-1", CardState.REPLACED, replaced_by="B-1-1R1")
    uow.faults.decide("F-1", "B-1-1R1", "chip fault", "test")


def _refund(uow: UnitOfWork, blobs: Blobs) -> None:
    findings = [a_finding(a_charge("E-1")), a_finding(a_charge("E-2", payment="pay-2"))]
    for finding in findings:
        uow.postage.add_charge(finding.charge)
        uow.postage.judge([finding.charge.charge_id], [finding])
    case = a_case("R-1", findings)
    uow.refunds.add(case)
    uow.refunds.approve("R-1", "Ola", NOON, case.digest)
    note = a_credit_note(uow.series.next("credit_note"), case)
    uow.credit_notes.add(note)
    uow.ledger.post(entries_of_credit_note(note))
    roads = [
        RefundRoad(road=Road.PAYMENT, payment=item.payment, amount_ore=item.net_ore + item.vat_ore)
        for item in case.items
    ]
    uow.refunds.execute("R-1", credit_note=note.number, roads=roads, by="test")
    for item in case.items:
        amount = item.net_ore + item.vat_ore
        request = {"case": "R-1", "payment": item.payment, "amount_ore": amount}
        key = f"refund:R-1:{item.payment}"
        confirm(uow, key, EffectKind.REFUND, "R-1", request, answer={"refund": f"re_{item.payment}"})
        refund = Refund(key=key, reference=f"re_{item.payment}", payment=str(item.payment), amount_ore=amount)
        uow.ledger.post(entries_of_refund(refund, booked_on=TODAY, document="credit_note/1"))
    assert uow.refunds.confirm("R-1")
    uow.refunds.add(a_case("R-2", [a_finding(a_charge("E-3"))]))


def paid(number: int, amount_ore: int, event: str = "evt_1", **changes: Any) -> Told:
    """Stripe tells that an invoice of ours was paid."""
    content = {"event_id": event, "kind": "invoice.paid", "happened_at": NOON, "about": "paid", "paid_at": NOON}
    content |= {"reference": f"in_{number}", "invoice": number, "amount_ore": amount_ore, "currency": "nok"}
    return Told.model_validate(content | changes)


def told_refund(refund: str, amount_ore: int, event: str, **changes: Any) -> Told:
    """Stripe tells of a refund."""
    content = {"event_id": event, "kind": "refund.created", "happened_at": NOON, "about": "refund", "currency": "nok"}
    content |= {"reference": refund, "payment": "pay-1", "amount_ore": amount_ore, "status": "succeeded"}
    return Told.model_validate(content | changes)


def a_movement(name: str, kind: MovementKind, amount_ore: int, source: str = "", **changes: Any) -> Movement:
    """A balance transaction at Stripe."""
    content = {"transaction": name, "kind": kind, "source": source or name, "amount_ore": amount_ore}
    return Movement.model_validate({**content, "currency": "nok", "moved_at": NOON, **changes})


def move(uow: UnitOfWork, *movements: Movement) -> None:
    """Movements fetched, with what the ledger has of them."""
    for one in uow.stripe.add_movements(movements):
        uow.ledger.post(entries_of_movement(one, booked_on=TODAY))


def _stripe(uow: UnitOfWork) -> None:
    """Invoice 1 is paid at Stripe, which keeps its fee and pays out what the refunds leave."""
    uow.stripe.take(paid(1, 28400))
    payment = {"amount_ore": 28400, "booked_on": TODAY, "document": "invoice/1", "into": CLEARING}
    uow.ledger.post(entries_of_payment("stripe:in_1", **payment))  # type: ignore[arg-type]  # øre and days beside words
    uow.stripe.take(told_refund("re_pay-1", 15000, "evt_2", key="refund:R-1:pay-1"))
    move(
        uow,
        a_movement("txn_1", MovementKind.PAYMENT, 28400, "in_1", fee_ore=200),
        a_movement("txn_2", MovementKind.REFUND, -15000, "re_pay-1"),
        a_movement("txn_3", MovementKind.REFUND, -15000, "re_pay-2"),
        a_movement("txn_4", MovementKind.PAYOUT, 1800, "po_1"),
    )
    uow.stripe.fetched(Fetch(fetched_at=NOON, movements=4, balance_ore=0, fetched_by="test"))
