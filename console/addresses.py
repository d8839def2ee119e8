"""Addresses from the terminal: what the house makes of them, line by line, before an order or a list is sent in."""
# ruff: noqa: PLC0415 -- the register and the rules come along when they are needed: help must be quick

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cards.errors import Refused
from console.answer import OK, answer
from console.options import AsJson, By, DryRun
from console.show import table
from console.work import at_work

if TYPE_CHECKING:
    from shipping.register import Register

app = typer.Typer(no_args_is_help=True, help="Delivery addresses: check, rekey.")
_NOT_JSON = "give one JSON object a line with recipient, attention, care_of, street, postcode, city, country"


@app.command("check")
def check_addresses(
    path: Annotated[Path, typer.Argument(metavar="FILE|-", help="JSON lines; `-` reads standard input.")] = Path("-"),
    register_file: Annotated[
        Path | None,
        typer.Option("--register", metavar="FILE", help="Judge by this postcode register instead of the house's own."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Read addresses as JSON lines and say of each whether a letter would arrive, and where.

    Fields, all optional: recipient, attention, care_of, street, postcode, city, country (Norway when missing). With
    --json one line is answered a line: valid, key (equal for the same place and receiver), reasons, label_lines,
    suggestion. Blank lines are passed over; a line that is no JSON object is answered with the reason `not_json`.

    Exit code 0 when every line could be read, whether its address is valid or not; 3 when a line was no JSON object
    or the file cannot be read.
    """
    register = _register(register_file)
    answers = (_answer(line, number, register) for number, line in _lines(path))
    unreadable = _print_lines(answers) if as_json else _print_table(answers)
    return Refused.exit_code if unreadable else OK


@app.command("rekey")
def rekey(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Read the addresses of all orders on the way again: after `postcodes import`, or a version with other rules.

    Each order keeps its address as typed; its key, label and verdict are made anew, its cards held or released.
    """
    from flows.stages.rekey import rekey_addresses

    with at_work(by, dry_run=dry_run) as house:
        done = rekey_addresses(house)
    shown = [table("Addresses", ("outcome", "count"), list(done.counts.items()), right=("count",))]
    return answer({"dry_run": dry_run, "counts": done.counts}, shown, as_json=as_json, problems=done.problems)


def _register(path: Path | None) -> "Register":
    from flows.settings import read_settings
    from flows.stages.postcodes import register_of
    from shipping.register import load_register

    return load_register(path) if path else register_of(read_settings().home)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, numbered as an editor numbers them. Raises Refused `file.unreadable`."""
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as fault:
        raise Refused(
            "file.unreadable",
            f"{path} cannot be read: {fault.strerror}",
            field=str(path),
            fix="name a file of JSON lines that this user may read, or `-` for standard input",
        ) from None
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _answer(line: bytes, number: int, register: "Register") -> dict[str, Any]:
    from shipping.addresses import read_typed

    try:
        fields = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as fault:
        return _unreadable(number, str(fault) or type(fault).__name__)
    if not isinstance(fields, dict):
        return _unreadable(number, f"a JSON {type(fields).__name__}, not an object")
    reading = read_typed(fields, register=register)
    return reading.model_dump(mode="json", include={"valid", "key", "reasons", "label_lines", "suggestion"})


def _unreadable(number: int, why: str) -> dict[str, Any]:
    """The answer to a line that holds no address: in the same shape, with an error that names the line."""
    fault = Refused(
        "address.not_json", f"line {number} is no JSON object: {why}", field=f"line {number}", fix=_NOT_JSON
    )
    error = {"code": fault.code, "message": fault.message, "field": fault.field, "fix": fault.fix}
    nothing: dict[str, Any] = {"valid": False, "key": "", "reasons": ["not_json"], "label_lines": []}
    return {**nothing, "suggestion": _NOT_JSON, "error": error}


def _print_lines(answers: Iterable[dict[str, Any]]) -> int:
    """One JSON line an answer; how many lines were no JSON. A lone surrogate goes out as the escape it came in as."""
    unreadable = 0
    for said in answers:
        unreadable += "error" in said
        sys.stdout.buffer.write(json.dumps(said, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.flush()
    return unreadable


def _print_table(answers: Iterable[dict[str, Any]]) -> int:
    listed = list(answers)
    rows = [
        (
            "yes" if said["valid"] else "no",
            "\n".join(said["label_lines"]),
            "\n".join([", ".join(said["reasons"]), said["suggestion"] or ""]).strip(),
        )
        for said in listed
    ]
    Console(highlight=False).print(table("Addresses", ("valid", "on the letter", "what is wrong"), rows))
    return sum("error" in said for said in listed)
