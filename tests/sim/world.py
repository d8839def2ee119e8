"""A small world that lives two days, on real parts in one folder: what a crash leaves behind is that folder.

Five orders' worth of trouble in miniature: two spellings of one address, a photo without a face, a chip that fails
while encoded, one that fails in the field, and postage charged wrongly before this system.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from billing.models import RefundState
from cards.adapters.system import SeededEntropy
from cards.batch import BatchState
from cards.life import CardState
from flows.engine import Inline
from flows.house import House, build_house
from flows.settings import Settings
from flows.stages.by_hand import receive_blanks
from flows.stages.day import run_day
from flows.stages.fault_reports import report_fault
from flows.stages.intake import import_orders
from flows.stages.outcomes import Told, record_outcome
from flows.stages.refund_postage import approve_case, find, import_charges, propose_cases
from printing.adapters.folder import FolderPrinter

SAMPLES = Path(__file__).parents[2] / "samples"
MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
FAULTY_PLACE = "P-000001#2"  # the second blank of the first tray fails while it is encoded

EARLIER = """\
charge_id;payer_org_number;payer_name;order_number;invoice_number;shipment;posted_on;zone;weight_g;thickness_mm;cards;\
charged_net;vat;vat_percent;payment;fault_reship
E-1;310149942;Fjordbygg AS;2021-A;9001;L-1;2021-03-01;NO;17.4;1.5;1;14.40;3.60;25;pay-1;no
E-2;310149942;Fjordbygg AS;2021-B;9002;L-2;2021-03-02;NO;17.4;1.5;1;36.00;9.00;25;pay-2;no
"""
PAYMENTS = {"pay-1": 14_800, "pay-2": 17_500}


def settings_of(folder: Path) -> Settings:
    """The world's settings: everything under one folder, one process, a still clock."""
    return Settings(
        home=folder,
        environment="test",
        engine="inline",
        clock=MONDAY,
        durable=False,
        chunk=3,
        lease_s=1,
        virtual_faults={FAULTY_PLACE: "aborted"},
    )


@contextmanager
def open_world(folder: Path, *, minutes: int = 0) -> Iterator[House]:
    """A fresh process over the folder, `minutes` after the first one started."""
    settings = settings_of(folder)
    settings = settings.model_copy(update={"clock": MONDAY.replace(minute=minutes)})
    house = build_house(settings, actor="sim")
    printer = FolderPrinter(folder / "printer", slow=True)
    house = replace(house, entropy=SeededEntropy(b"sim"), engine=Inline(), printer=printer)
    try:
        yield house
    finally:
        house.store.close()


def lay_out_inbox(inbox: Path) -> None:
    """Order documents and photographs, as they would arrive."""
    photos = inbox / "photos"
    photos.mkdir(parents=True)
    faces = sorted((SAMPLES / "orders" / "photos").glob("*.jpg"))[:3]
    for index, face in enumerate(faces):
        shutil.copy(face, photos / f"{index}.jpg")
    (photos / "no-face.jpg").write_bytes(_no_face())
    _order(inbox, "SIM-A", street="Storgata 5", city="Oslo", photos=["0.jpg", "1.jpg"])
    _order(inbox, "SIM-B", street="Storgt. 5", city="OSLO", photos=["2.jpg"])
    _order(inbox, "SIM-C", street="Kirkegata 1", city="Oslo", photos=["no-face.jpg", "0.jpg"])


def _no_face() -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.linear_gradient("L").resize((600, 800)).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def _order(inbox: Path, number: str, *, street: str, city: str, photos: list[str]) -> None:
    address = {"recipient": "Fjordbygg AS", "street": street, "postcode": "0184", "city": city}
    document = {
        "order_number": number,
        "ordered_at": "2026-11-20T09:14:00+01:00",
        "approved_at": "2026-11-20T10:02:00+01:00",
        "ordered_by": {"name": "Kari Moen", "email": "kari@bygg.example"},
        "business": {
            "org_number": "310149942",
            "name": "Fjordbygg AS",
            "invoice_email": "faktura@bygg.example",
            "address": {"recipient": "Fjordbygg AS", "street": "Storgata 5", "postcode": "0184", "city": "Oslo"},
        },
        "deliver_to": address,
        "card_kind": "construction",
        "cards": [
            {
                "line": line,
                "given_name": f"Name{line}",
                "family_name": number.title(),
                "birth_date": "1990-02-28",
                "photo": f"photos/{photo}",
            }
            for line, photo in enumerate(photos, start=1)
        ],
    }
    (inbox / f"{number}.json").write_text(json.dumps(document))


def live(house: House, inbox: Path) -> None:
    """Two days of the bureau. Every act may be repeated: running it again finishes what a crash left."""
    receive_blanks(house, lot="LOT-1", count=30)
    for payment, amount in PAYMENTS.items():
        house.payments.add_payment(payment, amount)
    import_charges(house, EARLIER, name="earlier.csv")
    import_orders(house, str(inbox))
    run_day(house)
    tell_what_came_out(house)
    find(house)
    propose_cases(house, by="anna")
    with house.store.read() as uow:
        proposed = uow.refunds.of_state(RefundState.PROPOSED)
    for case in proposed:
        approve_case(house, case.case_id, by="bo")
    with house.store.read() as uow:
        card = uow.cards.get("SIM-A-1")
    if card.state is CardState.POSTED:
        report_fault(house, card, symptom="the gate does not open", by="kari")
    run_day(house)
    tell_what_came_out(house)


def tell_what_came_out(house: House) -> None:
    """A person looks at every run that is out and finds its cards good."""
    with house.store.read() as uow:
        out = [batch.batch_id for batch in uow.batches.all() if batch.state is not BatchState.FROZEN]
    for batch_id in out:
        record_outcome(house, batch_id, Told(rest="good"))


@dataclass(frozen=True)
class End:
    """What the world came to: everything that must be the same however the days were disturbed."""

    facts: dict[str, Any]

    def differences(self, other: "End") -> dict[str, tuple[Any, Any]]:
        """What is not the same in `other`, by fact: (here, there)."""
        both = {key: (value, other.facts.get(key)) for key, value in self.facts.items()}
        return {key: (here, there) for key, (here, there) in both.items() if here != there}


def end_of(house: House) -> End:
    """Cards, journals, batches, papers, money and every file that left the house. Times and attempts may differ."""
    with house.store.read() as uow:
        cards = [card for state in CardState for card in uow.cards.in_state(state)]
        facts: dict[str, Any] = {
            "cards": {card.card_id: card.model_dump(mode="json") for card in cards},
            "journals": {card.card_id: [event.what for event in uow.cards.events(card.card_id)] for card in cards},
            "batches": [batch.model_dump(mode="json", exclude={"frozen_at"}) for batch in uow.batches.all()],
            "blanks": {account.value: count for account, count in uow.blanks.balances().items()},
            "shipments": [s.model_dump(mode="json", exclude={"posted_at"}) for s in uow.shipments.all()],
            "invoices": [invoice.model_dump(mode="json") for invoice in uow.invoices.all()],
            "credit_notes": [note.model_dump(mode="json") for note in uow.credit_notes.all()],
            "refunds": [
                case.model_dump(mode="json", exclude={"proposed_at", "approved_at"}) for case in uow.refunds.all()
            ],
            "ledger": uow.ledger.balances(),
            "documents": {d.document_id: d.sha256 for d in uow.documents.all()},
            "effects": uow.effects.counts(),
            "print_jobs": uow.print_jobs.counts(),
            "outcomes": [
                (row["card_id"], row["attempt"], row["outcome"])
                for batch in uow.batches.all()
                for row in uow.prints.of_batch(batch.batch_id)
            ],
        }
    facts["files"] = files_that_left(house.settings.home)
    return End(facts)


def but_for_the_numbers(end: End) -> End:
    """The same end with what two processes at once may do in another order left out: whose invoice is the first, and
    how many manifests and packing lists the same letters stand on.

    Every other document and file must still be there, once.
    """
    facts = dict(end.facts)
    invoices = [{k: v for k, v in invoice.items() if k not in ("number", "kid")} for invoice in facts["invoices"]]
    facts["invoices"] = sorted(invoices, key=lambda invoice: str(invoice["deliveries"]))
    lists = ("manifest", "packing_list")
    facts["documents"] = sorted(name for name in facts["documents"] if not name.startswith(lists))
    facts["files"] = Counter(name.partition("/")[0] for name in facts["files"] if "manifest" not in name)
    facts["effects"] = dict.fromkeys(facts["effects"], 0)  # one more for each manifest
    return End(facts)


def files_that_left(home: Path) -> dict[str, str]:
    """SHA-256 of every file at the printer, the carrier, the payment service and in the mail."""
    found = {}
    for port in ("printer", "carrier", "payments", "mail"):
        for path in sorted((home / port).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                found[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
