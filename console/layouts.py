"""Layouts of card faces: which design is printed when, and how any layout file will look before it is used."""
# ruff: noqa: PLC0415 -- the room of pictures is heavy: help must be quick

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cards.errors import HseCardError, Refused
from console.answer import answer, print_json
from console.documents import write_file
from console.options import AsJson
from console.show import line, table

if TYPE_CHECKING:
    from flows.stages.line import Problem
    from printing.layout import Look

app = typer.Typer(no_args_is_help=True, help="Card faces: designs by date, and previews.")

PICTURE_DPI = 300
Day = Annotated[
    datetime | None,
    typer.Option("--date", metavar="DAY", formats=["%Y-%m-%d"], help="Day of issue, today by default."),
]


@app.command("list")
def list_layouts(day: Day = None, as_json: AsJson = False) -> int:
    """Show every design with its dates, and every placeholder with its sample."""
    from printing.layout import SAMPLES, designs

    when = _day(day)
    rows = [(one.design, one.kind, one.valid_from, one.valid_until, one.faces, one.covers(when)) for one in designs()]
    columns = ("design", "kind", "from", "until", "faces", "in use")
    document = {
        "day": when,
        "designs": [dict(zip(columns, row, strict=True)) for row in rows],
        "placeholders": SAMPLES,
    }
    shown = [table(f"Designs on {when}", columns, rows), table("Placeholders", ("name", "sample"), SAMPLES.items())]
    return answer(document, shown, as_json=as_json)


@app.command()
def preview(
    *,
    kind: Annotated[str | None, typer.Option("--kind", metavar="K", help="One card kind; all by default.")] = None,
    day: Day = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="LAYOUT.json", help="A layout file: a design or faces.")
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="Fill in the longest names that cards must hold.")] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Write PDF and PNG here.")] = Path("."),
    as_json: AsJson = False,
) -> int:
    """Draw both sides with sample values, as PDF and PNG. What would spoil cards exits with 3."""
    written: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for look in _looks(kind, _day(day), file):
        paths, faults = _preview(look, _day(day), out, long=long)
        written.append({"design": look.design.design, "kind": look.design.kind, "files": paths})
        problems += faults
    rows = [(one["design"], path) for one in written for path in one["files"]]
    shown = [table("Previews", ("design", "file"), rows)]
    return answer({"previews": written}, shown, as_json=as_json, problems=problems)


@app.command()
def schema(as_json: AsJson = False) -> int:
    """Print the JSON schema of layout files."""
    from printing.layout import layout_schema

    document = layout_schema()
    if not as_json:
        return answer({}, [line("The schema is JSON:"), *_json_lines(document)], as_json=False)
    print_json(document)
    return 0


def _json_lines(document: dict[str, object]) -> list[Any]:
    import json

    return [line(json.dumps(document, ensure_ascii=False, indent=1))]


def _day(day: datetime | None) -> date:
    from cards.adapters.system import SystemClock
    from cards.days import oslo_day
    from flows.settings import read_settings

    if day is not None:
        return day.date()
    return oslo_day(read_settings().clock or SystemClock().now())


def _looks(kind: str | None, day: date, file: Path | None) -> "list[Look]":
    """What to draw: the file, or the bundled designs of the day."""
    from cards.kinds import card_kinds
    from printing.layout import design_for, look_of
    from printing.layout_check import load_look

    if file is not None:
        return [load_look(file, like=design_for(day, kind or "construction").design)]
    kinds = [kind] if kind else sorted(card_kinds(day))
    return [look_of(design_for(day, one).design) for one in kinds]


def _preview(look: "Look", day: date, out: Path, *, long: bool) -> "tuple[list[str], list[Problem]]":
    """Files written and what is wrong; a layout that cannot be drawn at all leaves no files."""
    from flows.stages.line import Problem
    from printing.layout_check import layout_faults
    from printing.pictures import page_png
    from printing.preview import draw_preview, sample_content

    name = look.design.design
    problems = [
        Problem.of(name, Refused("layout.fault", one.message, field=one.field, fix=one.fix))
        for one in layout_faults(look)
    ]
    try:
        pdf = draw_preview(look, sample_content(look, labels=_labels(look.design.kind, day), long=long))
    except HseCardError as fault:
        return [], problems or [Problem.of(name, fault)]
    pictures = {f"{name}-{side}.png": page_png(pdf, page, PICTURE_DPI) for page, side in enumerate(("front", "back"))}
    files = {f"{name}.pdf": pdf, **pictures}
    for file, data in files.items():
        write_file(out / file, data)
    return [str(out / file) for file in files], problems


def _labels(kind: str, day: date) -> tuple[str, str] | None:
    """What the kind is called; a kind that nobody knows yet has the samples."""
    from cards.kinds import card_kinds

    known = card_kinds(day).get(kind)
    return (known.label_no, known.label_en) if known else None
