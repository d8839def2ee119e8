"""Photos judged before an order is sent: the same check as in production, without keeping anything."""
# ruff: noqa: PLC0415 -- the room of pictures is heavy: help must be quick

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cards.errors import Refused
from console.answer import answer, exit_code_of, print_json
from console.cards import read_photo
from console.documents import write_file
from console.options import AsJson
from console.show import table
from console.work import progress

if TYPE_CHECKING:
    from flows.stages.line import Problem
    from printing.models import PhotoFinding, PhotoVerdict, Portrait

app = typer.Typer(no_args_is_help=True, help="Photos: check before ordering.")

_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".heic", ".heif", ".hif", ".avif"}
_SUFFIXES |= {".tif", ".tiff", ".bmp", ".gif"}


class Resolution(Enum):
    """Resolutions of the card printers that are in use."""

    DPI_300 = "300"
    DPI_600 = "600"


@dataclass(frozen=True)
class Judged:
    """A file, what was found of it, and where its portrait lies; `fault` when it could not be read at all."""

    file: str
    verdict: "PhotoVerdict | None"
    portrait: Path | None = None
    fault: Refused | None = None

    @property
    def accepted(self) -> bool:
        return self.verdict is not None and self.verdict.accepted

    @property
    def findings(self) -> "tuple[PhotoFinding, ...]":
        return self.verdict.findings if self.verdict else ()

    @property
    def reasons(self) -> list[str]:
        return [found.reason.value for found in self.findings] if self.verdict else ["not_an_image"]


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Photo files, or folders of them.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the finished portraits here.")] = None,
    dpi: Annotated[Resolution, typer.Option("--dpi", help="Resolution of the portraits.")] = Resolution.DPI_600,
    head_covering: Annotated[
        bool, typer.Option("--head-covering", help="A head covering is worn for religious reasons.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Judge photos by the rules of the card: one line, or one element of the JSON array, a file.

    Exits with 0 when all are accepted, with 3 when one is refused; no file stops the others.
    """
    found: list[Judged] = []
    taken: set[Path] = set()
    with progress(quiet=as_json) as display:
        for path in display.track(_files(paths), description="photos"):
            verdict, portrait, fault = _judge(path, head_covering=head_covering, dpi=int(dpi.value) if out else None)
            target = None
            if out is not None and portrait is not None:
                target = _free_name(out, path, taken)
                write_file(target, portrait.jpeg)
            found.append(Judged(str(path), verdict, target, fault))
    problems = [problem for judged in found for problem in _problems(judged)]
    if as_json:
        print_json([_told(judged) for judged in found])
        return exit_code_of(problems)
    rows = [(one.file, "ok" if one.accepted else "refused", ", ".join(one.reasons)) for one in found]
    shown = [table("Photos", ("file", "verdict", "reasons"), rows)]
    return answer({}, shown, as_json=False, problems=problems)


def _told(judged: Judged) -> dict[str, Any]:
    """One file in JSON. `reasons` refuse; `warnings` do not; the sentences for the orderer stand in `findings`."""
    verdict = judged.verdict
    return {
        "file": judged.file,
        "verdict": "accept" if judged.accepted else "reject",
        "reasons": [] if judged.accepted else judged.reasons,
        "warnings": judged.reasons if judged.accepted else [],
        "measures": verdict.measures if verdict else {},
        "eyes": verdict.eyes if verdict else None,
        "findings": [found.model_dump(mode="json") for found in judged.findings],
        "portrait": str(judged.portrait) if judged.portrait else None,
        "error": judged.fault.message if judged.fault else None,
    }


def _files(paths: Sequence[Path]) -> list[Path]:
    """Files as named; of a folder, every picture in it."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [file for file in inside if file == path or (file.suffix.lower() in _SUFFIXES and file.is_file())]
    return found


def _judge(
    path: Path, *, head_covering: bool, dpi: int | None
) -> "tuple[PhotoVerdict | None, Portrait | None, Refused | None]":
    """The verdict, the portrait where a resolution is given, and what kept the file from being read."""
    from printing.portrait import check as look_at
    from printing.portrait import make_portrait

    try:
        photo = read_photo(path)
    except Refused as fault:
        return None, None, fault
    if dpi is None:
        return look_at(photo, head_covering=head_covering), None, None
    return *make_portrait(photo, head_covering=head_covering, dpi=dpi), None


def _free_name(out: Path, path: Path, taken: set[Path]) -> Path:
    """`face.jpg` for `face.heic`; a second one of that name becomes `face-heic.jpg`, then `face-heic-2.jpg`."""
    stem = f"{path.stem}-{path.suffix[1:].lower()}"
    names = [f"{path.stem}.jpg", f"{stem}.jpg", *(f"{stem}-{count}.jpg" for count in range(2, len(taken) + 3))]
    target = next(out / name for name in names if out / name not in taken)
    taken.add(target)
    return target


def _problems(judged: Judged) -> "list[Problem]":
    from flows.stages.line import Problem

    if judged.accepted:
        return []
    refusal = judged.fault or Refused(
        "photo.refused", ", ".join(judged.reasons), fix=" ".join(found.sentence_en for found in judged.findings)
    )
    return [Problem.of(judged.file, refusal)]
