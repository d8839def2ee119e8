"""Photos judged before an order is sent: the same check as in production, without keeping anything."""
# ruff: noqa: PLC0415 -- the room of pictures is heavy: help must be quick

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cards.errors import Refused
from console.answer import answer
from console.cards import read_photo
from console.documents import write_file
from console.options import AsJson
from console.show import table
from console.work import progress

if TYPE_CHECKING:
    from flows.stages.line import Problem
    from printing.models import PhotoVerdict

app = typer.Typer(no_args_is_help=True, help="Photos: check before ordering.")

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".gif"}


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Photo files, or folders of them.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the finished portraits here.")] = None,
    head_covering: Annotated[
        bool, typer.Option("--head-covering", help="A head covering is worn for religious reasons.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Judge photos by the rules of the card. Refused ones exit with 3."""
    rows: list[tuple[str, str, str]] = []
    documents: list[dict[str, Any]] = []
    problems: list[Problem] = []
    with progress(quiet=as_json) as display:
        for path in display.track(_files(paths), description="photos"):
            verdict = _judge(path, out, head_covering=head_covering)
            reasons = ", ".join(finding.reason.value for finding in verdict.findings)
            documents.append({"file": str(path), **verdict.model_dump(mode="json")})
            rows.append((str(path), "ok" if verdict.accepted else "refused", reasons))
            problems += _problems(path, verdict)
    shown = [table("Photos", ("file", "verdict", "reasons"), rows)]
    return answer({"photos": documents}, shown, as_json=as_json, problems=problems)


def _files(paths: Sequence[Path]) -> list[Path]:
    """Files as named; of a folder, every picture in it."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [file for file in inside if file == path or file.suffix.lower() in _SUFFIXES]
    return found


def _judge(path: Path, out: Path | None, *, head_covering: bool) -> "PhotoVerdict":
    from printing.portrait import check as look_at
    from printing.portrait import make_portrait

    photo = read_photo(path)
    if out is None:
        return look_at(photo, head_covering=head_covering)
    verdict, portrait = make_portrait(photo, head_covering=head_covering)
    if portrait is not None:
        write_file(out / f"{path.stem}.jpg", portrait.jpeg)
    return verdict


def _problems(path: Path, verdict: "PhotoVerdict") -> "list[Problem]":
    from flows.stages.line import Problem

    if verdict.accepted:
        return []
    refusal = Refused(
        "photo.refused",
        ", ".join(finding.reason.value for finding in verdict.findings),
        fix=" ".join(finding.sentence_en for finding in verdict.findings),
    )
    return [Problem.of(str(path), refusal)]
