"""What the demo leaves behind: pictures, documents, summary.json, and the tables that tell what happened."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from cards.life import Card, CardState
from console.answer import told_once
from console.documents import export_documents, write_file
from console.refunds import cases_table
from console.show import kroner, line, table
from console.status import standing
from flows.house import House
from printing.pictures import page_png
from shipping.models import Shipment, ShipmentState
from store.database import UnitOfWork

if TYPE_CHECKING:
    from console.demo import Story

PICTURE_DPI = 300


@dataclass(frozen=True)
class Results:
    """`summary` as it stands in summary.json; `unchanged` when the run before left exactly the same."""

    summary: dict[str, Any]
    unchanged: bool


def write_results(house: House, out: Path) -> Results:
    """Write everything under `out` and say whether anything differs from what was there."""
    written = [*_write_pictures(house, out), *export_documents(house, out / "documents")]
    summary = {**standing(house), "files": _listed(written, out)}
    text = json.dumps(summary, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    path = out / "summary.json"
    before = path.read_bytes() if path.exists() else b""
    write_file(path, text.encode())
    return Results(summary=summary, unchanged=before == text.encode())


def _listed(paths: Iterable[Path], out: Path) -> list[dict[str, Any]]:
    """Files by path relative to `out`, with size and hash."""
    rows = []
    for path in sorted(paths):
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        rows.append({"path": path.relative_to(out).as_posix(), "bytes": len(data), "sha256": digest})
    return rows


def _write_pictures(house: House, out: Path) -> list[Path]:
    """A contact sheet a batch (the first without a number), and the two sides of the first card."""
    with house.store.read() as uow:
        batches = [batch for batch in uow.batches.all() if batch.print_file and batch.contact_sheet]
    pictures: dict[str, bytes] = {}
    for batch in batches:
        name = f"contact-sheet-{batch.batch_id}.png" if pictures else "contact-sheet.png"
        pictures[name] = house.blobs.get(str(batch.contact_sheet))
    if batches:
        run = house.blobs.get(str(batches[0].print_file))
        pictures["card-front.png"] = page_png(run, 0, PICTURE_DPI)
        pictures["card-back.png"] = page_png(run, 1, PICTURE_DPI)
    for name, data in pictures.items():
        write_file(out / name, data)
    return [out / name for name in pictures]


# --- the tables at the end -------------------------------------------------------------------------------------


def show_results(house: House, out: Path, story: "Story", results: Results) -> list[RenderableType]:
    """What happened, for a person."""
    with house.store.read() as uow:
        shown = [
            _cards_table(uow, results.summary),
            _held_table(uow.cards.in_state(CardState.HELD)),
            _batches_table(uow),
            _shipments_table(uow.shipments.all()),
            _money_table(results.summary),
            cases_table("Postage refunds", uow.refunds.all()),
            _reissue_table(uow),
        ]
    problems = told_once(story.problems.values())
    return [line("\nWhat a person should look at", "bold"), *problems, *shown, *_paths(out, results)]


def _cards_table(uow: UnitOfWork, summary: dict[str, Any]) -> RenderableType:
    rows = [(state, count) for state, count in summary["cards"]["by_state"].items() if count]
    return table(f"Cards of {uow.orders.count()} orders", ("state", "cards"), rows, right=("cards",))


def _held_table(held: Sequence[Card]) -> RenderableType:
    rows: dict[tuple[str, str], list[str]] = {}
    for card in held:
        if card.hold is not None:
            reason = f"{card.hold.reason.value} {card.hold.detail or ''}".strip()
            rows.setdefault((reason, card.hold.fix), []).append(card.card_id)
    shown = [(reason, len(ids), ids[0], fix) for (reason, fix), ids in sorted(rows.items())]
    return table("Cards that wait for a person", ("reason", "cards", "first", "way out"), shown, right=("cards",))


def _batches_table(uow: UnitOfWork) -> RenderableType:
    rows = []
    for batch in uow.batches.all():
        stock = {account.value: count for account, count in uow.blanks.balances(batch_id=batch.batch_id).items()}
        counts = (stock.get(name, 0) for name in ("good", "spoiled", "returned"))
        rows.append((batch.batch_id, batch.state.value, batch.lot, len(batch.cards), *counts))
    figures = ("issued", "good", "spoiled", "returned")
    return table("Batches and their blanks", ("batch", "state", "lot", *figures), rows, right=figures)


def _shipments_table(shipments: Sequence[Shipment]) -> RenderableType:
    """Letters by product, with what they cost."""
    products: dict[tuple[str, int], list[Shipment]] = {}
    for shipment in shipments:
        if shipment.state is ShipmentState.POSTED:
            products.setdefault((shipment.product, shipment.postage_net_ore), []).append(shipment)
    rows = [
        (product, len(letters), sum(len(s.card_ids) for s in letters), kroner(each), kroner(each * len(letters)))
        for (product, each), letters in sorted(products.items())
    ]
    figures = ("letters", "cards", "each net", "postage net")
    return table("Posted letters", ("product", *figures), rows, right=figures)


def _money_table(summary: dict[str, Any]) -> RenderableType:
    rows = [
        (
            name.replace("_", " "),
            summary[name]["count"],
            *(kroner(summary[name][f"{part}_ore"]) for part in ("net", "vat", "gross")),
        )
        for name in ("invoices", "credit_notes")
    ]
    figures = ("count", "net", "VAT", "gross")
    return table("Invoices and credit notes", ("document", *figures), rows, right=figures)


def _reissue_table(uow: UnitOfWork) -> RenderableType:
    rows = []
    for report, replacement, _ in uow.faults.faults():
        old = uow.cards.get(report.card_id)
        new = uow.cards.get(replacement) if replacement else None
        rows.append((old.card_id, old.state.value, new and new.card_id, new and new.state.value, report.symptom))
    columns = ("faulty card", "is now", "replaced by", "which is", "symptom")
    return table("Reissue", columns, rows)


def _paths(out: Path, results: Results) -> list[RenderableType]:
    pictures = [str(out / row["path"]) for row in results.summary["files"] if row["path"].endswith(".png")]
    documents = len(results.summary["files"]) - len(pictures)
    return [
        line("\nLook at", "bold"),
        *(line(f"  {path}") for path in pictures),
        line(f"  {out / 'documents'}/  ({documents} letters, labels, lists, invoices, credit notes)"),
        line(f"  {out / 'summary.json'}"),
        *([line("This run changed nothing: summary.json has the same bytes as before.", "green")] * results.unchanged),
    ]
