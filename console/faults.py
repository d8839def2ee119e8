"""Faults in the field from the terminal: reported by card, by list or by cohort; cohorts compared and recalled."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from cards.errors import Refused
from console.answer import answer
from console.documents import read_file
from console.options import AsJson, By, DryRun
from console.show import line, table
from console.work import at_work

if TYPE_CHECKING:
    from flows.stages.cohorts import CohortRate, CohortView
    from flows.stages.fault_reports import Fate, Filed
    from flows.stages.fault_requests import FaultRequest
    from flows.stages.line import Problem

CARDS_SHOWN = 20

Lot = Annotated[str | None, typer.Option("--lot", metavar="LOT", help="All cards on blanks of this lot.")]
Encoder = Annotated[str | None, typer.Option("--encoder", metavar="NAME", help="All cards that this encoder wrote.")]
Generation = Annotated[
    int | None, typer.Option("--key-generation", metavar="N", help="All cards with keys of this generation.")
]
Day = Annotated[str | None, typer.Option("--encoded-on", metavar="DAY", help="All cards encoded on this day (Oslo).")]
Expect = Annotated[
    int | None, typer.Option("--expect", metavar="COUNT", help="How many cards the dry run showed; a cohort needs it.")
]


def register(app: typer.Typer) -> None:
    """Put the commands beside those for a single chip."""
    app.command("report-fault")(report_fault)
    app.command()(recall)
    app.command()(cohorts)


def report_fault(
    *,
    by: By,
    cards: Annotated[
        list[str] | None, typer.Argument(metavar="CARD", help="Card numbers, or card ids.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A list instead: .csv, .json, or one card a line.")
    ] = None,
    lot: Lot = None,
    encoder: Encoder = None,
    key_generation: Generation = None,
    encoded_on: Day = None,
    symptom: Annotated[str | None, typer.Option("--symptom", help="What was seen.")] = None,
    expect: Expect = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Report chips that fail in the field; their cards are reissued free.

    Name cards, or a file, or a cohort. A card is replaced at most once, however
    often its fault is reported. docs/faults.md tells the shapes of the files.
    """
    marks = _marks(lot, encoder, key_generation, encoded_on)
    request, problems = _requested(cards or [], file, marks, symptom=symptom, expect=expect, by=by)
    return _report(request, problems, by=by, as_json=as_json, dry_run=dry_run)


def recall(
    *,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why they are recalled; stands in the journals.")],
    lot: Lot = None,
    encoder: Encoder = None,
    key_generation: Generation = None,
    encoded_on: Day = None,
    expect: Expect = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Replace every card of a cohort that is not reported yet.

    It costs a card each: run it with --dry-run, then with --expect and the
    number of cards that it showed.
    """
    marks = _marks(lot, encoder, key_generation, encoded_on)
    request, problems = _requested([], None, marks, symptom=reason, expect=expect, by=by)
    return _report(request, problems, by=by, as_json=as_json, dry_run=dry_run)


def _marks(lot: str | None, encoder: str | None, generation: int | None, encoded_on: str | None) -> dict[str, Any]:
    marks = {"lot": lot, "encoder": encoder, "generation": generation, "encoded_on": encoded_on}
    return {mark: value for mark, value in marks.items() if value is not None}


def _requested(
    cards: Sequence[str],
    file: Path | None,
    marks: dict[str, Any],
    *,
    symptom: str | None,
    expect: int | None,
    by: str,
) -> tuple["FaultRequest", list["Problem"]]:
    from flows.stages.fault_requests import SYMPTOM, read_document, read_fault_file, request_of

    if [bool(cards), file is not None, bool(marks)].count(True) != 1:
        raise Refused(
            "fault.which_card",
            "name cards, or one file, or one cohort",
            fix="give CARD, or --file with a list, or a cohort by --lot, --encoder, --key-generation, --encoded-on",
        )
    said = symptom or SYMPTOM
    if file is not None:
        request, problems = read_fault_file(file.name, read_file(file), channel="command", by=by, symptom=said)
        return (replace(request, expect=expect) if expect is not None else request), problems
    content = {"cards": list(cards), "cohort": marks or None, "symptom": said, "expect": expect}
    request = request_of(read_document(content, name="the command"), channel="command", by=by)
    return replace(request, cards=tuple(replace(named, place=named.card) for named in request.cards)), []


def _report(request: "FaultRequest", unread: Sequence["Problem"], *, by: str, as_json: bool, dry_run: bool) -> int:
    from flows.stages.fault_reports import file_report
    from flows.stages.line import Tally
    from flows.stages.reissue import ring_now

    with at_work(by) as house:
        filed = file_report(house, request, dry_run=dry_run)
        rung = Tally() if dry_run else ring_now(house)
    counts = filed.counts | ({"unreadable": len(unread)} if unread else {})
    document = filed.model_dump(mode="json", include={"report_id", "dry_run", "cards"}) | {"counts": counts}
    problems = [*unread, *filed.problems, *rung.problems]
    return answer(document, _shown(filed, counts, dry_run=dry_run), as_json=as_json, problems=problems)


def _shown(filed: "Filed", counts: dict[str, int], *, dry_run: bool) -> list[RenderableType]:
    title = "Chip faults, if this were done" if dry_run else "Chip faults"
    rows = [(outcome.replace("_", " "), count) for outcome, count in counts.items()]
    shown = [table(title, ("outcome", "count"), rows, right=("count",))]
    told = [fate for fate in filed.cards if fate.card_id is not None]
    if told:
        shown.append(_cards_table(told[:CARDS_SHOWN]))
    if len(told) > CARDS_SHOWN:
        shown.append(line(f"… and {len(told) - CARDS_SHOWN} more: --json lists them all", "dim"))
    if dry_run and counts.get("reported"):
        shown.append(line(f"{counts['reported']} cards would be replaced: --expect {counts['reported']} does it"))
    return shown


def _cards_table(fates: Sequence["Fate"]) -> RenderableType:
    rows = [(fate.number, fate.card_id, fate.outcome.replace("_", " "), fate.replacement) for fate in fates]
    return table("Cards", ("number", "card", "outcome", "replaced by"), rows)


def cohorts(
    by: Annotated[str, typer.Option("--by", help="lot, encoder, generation or day.")] = "lot",
    as_json: AsJson = False,
) -> int:
    """Compare cohorts of chips: encoded, reported, rate with 95 % interval.

    The rate is of the cards posted. A cohort stands out when even the lower end
    of its interval lies above the rate of the house.
    """
    from flows.stages.cohorts import cohort_view
    from store.cohorts import CohortBy

    if by not in list(CohortBy):
        raise Refused(
            "cohorts.unknown_mark",
            f"cards are not told apart by {by!r}",
            field="--by",
            fix=f"name one of {', '.join(CohortBy)}",
        )
    with at_work("reader") as house:
        view = cohort_view(house, CohortBy(by))
    offers = {cohort.name: _offer(by, cohort.name) for cohort in view.cohorts if cohort.stands_out}
    document = view.model_dump(mode="json") | {"recall": offers}
    return answer(document, _view_shown(view, offers), as_json=as_json)


def _offer(by: str, name: str) -> str:
    option = {"lot": "--lot", "encoder": "--encoder", "generation": "--key-generation", "day": "--encoded-on"}[by]
    return f"hsecard chips recall {option} {shlex.quote(name)} --reason WHY --dry-run"


def _view_shown(view: "CohortView", offers: dict[str, str]) -> list[RenderableType]:
    columns = (view.by.value, "encoded", "posted", "reported", "recalled", "rate %", "95 %", "")
    rows = [_row(cohort) for cohort in (*view.cohorts, view.house)]
    shown = [table(f"Chips by {view.by.value}", columns, rows, right=columns[1:-1])]
    for cohort in view.cohorts:
        if cohort.name in offers:
            shown.append(line(f"{cohort.name} stands out; {cohort.unreported} posted cards of it are not reported:"))
            shown.append(line(f"  {offers[cohort.name]}"))
    return shown


def _row(cohort: "CohortRate") -> tuple[object, ...]:
    return (
        cohort.name,
        cohort.encoded,
        cohort.in_field,
        cohort.reported,
        cohort.recalled,
        None if cohort.rate_ppm is None else _percent(cohort.rate_ppm),
        f"{_percent(cohort.low_ppm)}–{_percent(cohort.high_ppm)}",
        "stands out" if cohort.stands_out else "",
    )


def _percent(ppm: int) -> str:
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d}"
