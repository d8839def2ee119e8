"""The packing bench at the terminal: a scanner types what it reads, a letter first and then its cards.

A wrong card must be noticed by somebody who looks at envelopes and not at the screen: it rings, it stands in red, and
the letter has to be scanned again before another card counts.
"""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cards.errors import Refused
from console.answer import answer, exit_code_of
from console.options import WORK, AsJson, By, DryRun
from console.show import line, table
from console.work import at_work

if TYPE_CHECKING:
    from flows.house import House
    from flows.stages.line import Problem
    from flows.stages.pack import Packed
    from shipping.models import LetterCard
    from shipping.packing import LetterOnBench

_SHOWN_MISSING = 6

Letter = Annotated[str | None, typer.Argument(metavar="LETTER", help="The code of the letter, or the shipment.")]
CardCodes = Annotated[list[str] | None, typer.Argument(metavar="CARD", help="The codes on the cards' backs.")]


def register(root: typer.Typer) -> None:
    """Put it on the root command."""
    root.command(rich_help_panel=WORK)(pack)


def pack(
    *,
    letter: Letter = None,
    cards: CardCodes = None,
    by: By,
    waiting: Annotated[bool, typer.Option("--waiting", help="List the letters that are not closed.")] = False,
    refused: Annotated[bool, typer.Option("--refused", help="List the scans that were turned away.")] = False,
    reopen: Annotated[
        bool, typer.Option("--reopen", help="These cards (or all) were taken out of the letter again.")
    ] = False,
    list_to: Annotated[
        Path | None, typer.Option("--list", metavar="FILE", help="Write a packing list (PDF) of what is not closed.")
    ] = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Scan cards into their letters; a letter with all its cards closes.

    Without a letter, codes are read from stdin as a scanner types them: a
    letter, then its cards, then the next letter. After a wrong card the letter
    is scanned again. With --json, one line a scan.
    """
    if reopen and letter is None:
        raise Refused("pack.no_letter", "no letter was named", field="LETTER", fix="name the letter to open again")
    with at_work("reader" if waiting or refused or list_to else by, dry_run=dry_run) as house:
        if waiting:
            return _tell_waiting(house, as_json=as_json)
        if refused:
            return _tell_refused(house, as_json=as_json)
        if list_to is not None:
            return _write_list(house, list_to, as_json=as_json, dry_run=dry_run)
        if reopen:
            return _reopen(house, str(letter), cards or [], as_json=as_json, dry_run=dry_run)
        if letter is not None:
            return _pack_once(house, letter, cards or [], as_json=as_json, dry_run=dry_run)
        return _pack_by_scanner(house, sys.stdin, as_json=as_json, dry_run=dry_run)


# --- scanning --------------------------------------------------------------------------------------------------


def _pack_once(house: "House", letter: str, cards: Sequence[str], *, as_json: bool, dry_run: bool) -> int:
    from flows.stages.pack import scan

    packed = scan(house, letter, cards)
    _tell(packed, as_json=as_json, dry_run=dry_run)
    return exit_code_of(packed.problems)


def _pack_by_scanner(house: "House", lines: Iterable[str], *, as_json: bool, dry_run: bool) -> int:
    from flows.stages.pack import scan

    if sys.stdin.isatty():
        Console(stderr=True).print("Scan a letter, then its cards. Ctrl-D ends.", style="dim")
    letter: str | None = None
    problems: list[Problem] = []
    for code in filter(None, map(str.strip, lines)):
        is_letter = code.startswith("S")  # a card's code is a web address
        packed = scan(house, code) if is_letter else scan(house, letter, [code])
        _tell(packed, as_json=as_json, dry_run=dry_run)
        if packed.problems:
            letter = None
        elif is_letter:
            letter = code
        problems += packed.problems
    return exit_code_of(problems)


def _tell(packed: "Packed", *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        for told in _lines_of(packed):
            sys.stdout.write(json.dumps({"dry_run": dry_run, **told}, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    out = Console(highlight=False)
    if packed.letter is not None and not packed.scans:
        out.print(_head(packed.letter))
    for scan in packed.scans:
        if scan.card is not None:
            again = "  (scanned before)" if scan.outcome == "already_scanned" else ""
            out.print(line(f"  ✓ {_named(scan.card)}{again}", "green"))
    if packed.letter is not None:
        out.print(_needs(packed.letter))
    for problem in packed.problems:
        out.bell()
        out.print(_loud(problem, at_letter=packed.letter is not None))
    if dry_run:
        out.print(line("Nothing was changed.", "dim"))


def _named(card: "LetterCard") -> str:
    return f"place {card.place}  {card.card_number}  {card.holder}"


def _head(on_bench: "LetterOnBench") -> Text:
    """Whose letter it is, and the first cards to look for."""
    shipment, missing = on_bench.shipment, on_bench.missing
    text = Text(f"{on_bench.code}  ", style="bold")
    text.append(f"{shipment.label_lines[0]}, {shipment.address.postcode} {shipment.address.city}", style="default")
    for card in missing[:_SHOWN_MISSING]:
        text.append(f"\n  · {_named(card)}", style="default")
    return text.append(f"\n  · and {len(missing) - _SHOWN_MISSING} more" if len(missing) > _SHOWN_MISSING else "")


def _needs(on_bench: "LetterOnBench") -> Text:
    if on_bench.closed:
        return line("  ✓ every card is in it: seal the envelope", "bold green")
    if not on_bench.missing:
        return line("  every card is in it: scan the letter again, then it closes", "yellow")
    left = f"{len(on_bench.missing)} of {len(on_bench.cards)} missing"
    return line(f"  {left}: place {' '.join(str(card.place) for card in on_bench.missing[:20])}", "yellow")


def _loud(problem: "Problem", *, at_letter: bool) -> Text:
    text = Text(" ✗ WRONG ", style="bold white on red")
    text.append(f" {problem.message}  ", style="bold red")
    text.append(f"{problem.code}\n", style="dim")
    text.append("→ ", style="green")
    return text.append(f"{problem.fix}{'; then scan the letter again' if at_letter else ''}", style="default")


def _lines_of(packed: "Packed") -> list[dict[str, Any]]:
    """One document a scan: what it came to, and where the letter stands after it."""
    standing = _document(packed.letter) if packed.letter else {"letter": None}
    if not packed.scans:
        problem = packed.problem.model_dump(mode="json") if packed.problem else None
        return [{"outcome": "refused" if problem else "letter", **standing, "card": None, "problem": problem}]
    return [
        {
            "outcome": scan.outcome,
            **standing,
            "card": scan.card.model_dump(mode="json") if scan.card else None,
            "problem": scan.problem.model_dump(mode="json") if scan.problem else None,
        }
        for scan in packed.scans
    ]


def _document(on_bench: "LetterOnBench") -> dict[str, Any]:
    return {
        "letter": on_bench.shipment.shipment_id,
        "code": on_bench.code,
        "cards": len(on_bench.cards),
        "closed": on_bench.closed,
        "missing": [card.model_dump(mode="json") for card in on_bench.missing],
    }


# --- what waits, and what is opened again ----------------------------------------------------------------------


def _tell_waiting(house: "House", *, as_json: bool) -> int:
    from flows.stages.pack import waiting

    letters = waiting(house)
    rows = [
        (
            on_bench.code,
            on_bench.shipment.label_lines[0],
            f"{on_bench.shipment.address.postcode} {on_bench.shipment.address.city}",
            len(on_bench.cards),
            _places(on_bench) or "none: scan the letter",
        )
        for on_bench in letters
    ]
    heading = ("letter", "recipient", "place", "cards", "missing places")
    shown = [table("Letters that are not closed", heading, rows, right=("cards",))]
    return answer({"letters": [_document(on_bench) for on_bench in letters]}, shown, as_json=as_json)


def _tell_refused(house: "House", *, as_json: bool) -> int:
    with house.store.read() as uow:
        scans = uow.packing.refusals()
    rows = [
        (
            one.refused_at.strftime("%Y-%m-%d %H:%M:%S"),
            one.refused_by,
            one.code.removeprefix("pack.").replace("_", " "),
            one.shipment_id,
            one.card_id,
            one.belongs_to,
        )
        for one in scans
    ]
    heading = ("at (UTC)", "who", "why", "letter", "card", "belongs in")
    shown = [table("Scans that were turned away", heading, rows)]
    return answer({"refused_scans": [one.model_dump(mode="json") for one in scans]}, shown, as_json=as_json)


def _write_list(house: "House", path: Path, *, as_json: bool, dry_run: bool) -> int:
    from console.documents import write_file
    from flows.stages.packing_list import list_now

    drawn, letters = list_now(house)
    if not dry_run:
        write_file(path, drawn)
    shown = [line(f"{path} {'would list' if dry_run else 'lists'} {letters} letters")]
    return answer({"dry_run": dry_run, "file": path, "letters": letters}, shown, as_json=as_json)


def _places(on_bench: "LetterOnBench") -> str:
    return " ".join(str(card.place) for card in on_bench.missing)


def _reopen(house: "House", letter: str, cards: Sequence[str], *, as_json: bool, dry_run: bool) -> int:
    from flows.stages.pack import reopen

    on_bench = reopen(house, letter, cards)
    verb = "would be" if dry_run else "is"
    shown = [line(f"{on_bench.code} {verb} open: places {_places(on_bench)} are to be scanned again")]
    return answer({"dry_run": dry_run, **_document(on_bench)}, shown, as_json=as_json)
