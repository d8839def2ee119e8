"""Scans and camera pictures of printed cards held against their orders: the last look before a card goes on."""
# ruff: noqa: PLC0415 -- the room of pictures is heavy: help must be quick

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from cards.errors import Refused
from console.answer import answer
from console.documents import write_file
from console.options import ORDERS, AsJson, By, DryRun
from console.show import line, table
from console.work import at_work, card_named

if TYPE_CHECKING:
    from flows.stages.scans import Proof, ScanVerdict


def register(app: typer.Typer) -> None:
    """Put the command on the root command."""
    app.command(rich_help_panel=ORDERS)(proof)


def proof(
    *,
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN", help="PNG, JPEG, TIFF or PDF files.")],
    card: Annotated[str | None, typer.Option("--card", help="All scans are of this card (number or card id).")] = None,
    batch: Annotated[str | None, typer.Option("--batch", help="All cards have to be of this batch.")] = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Sides come two by two, front and back of one card each.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write a picture with marks for each side here.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Note in the journal which cards are right on both sides.")
    ] = False,
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Compare scans of printed cards with what was ordered. A mismatch exits with 5, an unreadable scan with 3."""
    from flows.stages.scans import complete_cards, problems_of, prove_scans
    from flows.stages.scans import record as note_seen

    files = [(str(path), _read(path)) for path in scans]
    with at_work(by, dry_run=dry_run) as house:
        named = card_named(house, card) if card else None
        proofs = prove_scans(house, files, card=named, batch_id=batch, pairs=pairs, pictures=out is not None)
        verdicts = [one.verdict for one in proofs]
        recorded = note_seen(house, verdicts) if record else []
    written = _write(out, proofs) if out else []
    document = {
        "scans": [verdict.model_dump(mode="json") for verdict in verdicts],
        "both_sides_match": sorted(complete_cards(verdicts)),
        "dry_run": dry_run,
        "recorded": recorded,
        "pictures": [str(path) for path in written],
    }
    shown = _shown(verdicts, sorted(complete_cards(verdicts)), recorded)
    return answer(document, shown, as_json=as_json, problems=problems_of(verdicts))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise Refused(
            "proof.no_file",
            f"{path} cannot be read: {fault.strerror}",
            field=str(path),
            fix="name a scan that this user may read",
        ) from None


def _write(folder: Path, proofs: Sequence["Proof"]) -> list[Path]:
    """`<scan's name>-<place>.png` for every side that was compared."""
    written = []
    for one in proofs:
        if one.picture is not None:
            path = folder / f"{Path(one.verdict.file).stem}-{one.verdict.place}.png"
            write_file(path, one.picture)
            written.append(path)
    return written


def _shown(verdicts: Sequence["ScanVerdict"], complete: Sequence[str], recorded: Sequence[str]) -> list[RenderableType]:
    rows = [(Path(one.file).name, one.side or "–", one.number or "–", one.verdict, one.detail) for one in verdicts]
    differences = [
        (one.number or "–", each.element, each.expected, each.seen, _measured(each.score, each.limit))
        for one in verdicts
        for each in one.differences
    ]
    shown = [table("Scans", ("file", "side", "card", "verdict", "why"), rows)]
    if differences:
        shown.append(table("Differences", ("card", "element", "ordered", "seen", "score / limit"), differences))
    shown.append(line(f"{len(complete)} cards are as ordered on both sides; {len(recorded)} noted in their journal"))
    return shown


def _measured(score: float | None, limit: float | None) -> str:
    return "" if score is None or limit is None else f"{score:.2f} / {limit:.2f}"
