"""Addresses from the terminal: what the house makes of them, line by line, before an order or a list is sent in."""
# ruff: noqa: PLC0415 -- the register and the rules come along when they are needed: help must be quick

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer
from rich.console import Console

from cards.errors import Refused
from console.answer import OK, answer
from console.options import AsJson, By, DryRun
from console.show import line, table
from console.work import at_work

if TYPE_CHECKING:
    from shipping.register import Register

app = typer.Typer(no_args_is_help=True, help="Delivery addresses: check, rekey, flagged, clear.")
_NOT_JSON = "give one JSON object a line with recipient, attention, care_of, street, postcode, city, country"
_LINE_MAX = 65_536  # bytes: far more than seven fields need, and little to hold at a time
_ROWS = 200  # addresses a table: a long list is shown as it is read


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
    --json each line is answered by one line, in order: valid, key (equal for the same place and receiver), reasons,
    label_lines, suggestion, and `ignored` with the names of other fields. A blank line is answered with the reason
    `empty_line`, one that is no JSON object with `not_json`, one of more than 64 kB with `line_too_long`.

    Exit code 0 when every line could be read, whether its address is valid or not; 3 when a line was no JSON object
    or too long, or the file cannot be read.
    """
    register = _register(register_file)
    answers = (_answer(typed, number, register) for number, typed in enumerate(_lines(path), start=1))
    unreadable = _print_lines(answers) if as_json else _print_tables(answers)
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


@app.command("flagged")
def flagged(as_json: AsJson = False) -> int:
    """List the addresses that letters came back from: nothing is sent there."""
    from cards.days import oslo_day

    with at_work("reader") as house, house.store.read() as uow:
        flags = uow.returns.all_flags()
    rows = [(flag.address_key, flag.reason, flag.shipment_id, oslo_day(flag.returned_at)) for flag in flags]
    document = {"flagged": [flag.model_dump(mode="json") for flag in flags]}
    return answer(document, [table("Flagged", ("key", "reason", "letter", "back on"), rows)], as_json=as_json)


@app.command("clear")
def clear(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The address key, from `addresses flagged`.")],
    why: Annotated[str, typer.Option("--why", help="How you know that the address is right.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Lift the flag of an address that is right after all; its cards go on."""
    from flows.stages.flags import clear_address

    with at_work(by, dry_run=dry_run) as house:
        done = clear_address(house, key, why=why)
    shown = [table("Address", ("outcome", "count"), list(done.counts.items()), right=("count",))]
    return answer({"dry_run": dry_run, "counts": done.counts}, shown, as_json=as_json)


def _register(path: Path | None) -> "Register":
    from flows.settings import read_settings
    from flows.stages.postcodes import register_of
    from shipping.register import load_register

    return load_register(path) if path else register_of(read_settings().home)


def _lines(path: Path) -> Iterator[bytes | None]:
    """The lines as they are read, one at a time; None for a line beyond the limit. Raises Refused `file.unreadable`."""
    try:
        with _opened(path) as stream:
            first = True
            while typed := stream.readline(_LINE_MAX):
                whole = _is_whole(typed, stream)
                yield (typed.removeprefix(b"\xef\xbb\xbf") if first else typed) if whole else None
                first = False
    except OSError as fault:
        raise Refused(
            "file.unreadable",
            f"{path} cannot be read: {fault.strerror}",
            field=str(path),
            fix="name a file of JSON lines that this user may read, or `-` for standard input",
        ) from None


def _opened(path: Path) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb")


def _is_whole(typed: bytes, stream: BinaryIO) -> bool:
    """False for the beginning of a line that is too long; the rest of that line is passed over."""
    if len(typed) < _LINE_MAX or typed.endswith(b"\n"):
        return True
    while (rest := stream.readline(_LINE_MAX)) and not rest.endswith(b"\n"):
        pass
    return False


def _answer(typed: bytes | None, number: int, register: "Register") -> dict[str, Any]:
    from shipping.addresses import FIELDS, read_typed

    where = f"line {number}"
    if typed is None:
        long = f"{where} has more than {_LINE_MAX} bytes"
        return _unreadable(Refused("address.line_too_long", long, field=where, fix=_NOT_JSON))
    if not typed.strip():
        return _nothing("empty_line", _NOT_JSON)
    fields = _loaded(typed)
    if isinstance(fields, str):
        none = f"{where} is no JSON object: {fields}"
        return _unreadable(Refused("address.not_json", none, field=where, fix=_NOT_JSON))
    reading = read_typed(fields, register=register)
    said = reading.model_dump(mode="json", include={"valid", "key", "reasons", "label_lines", "suggestion"})
    ignored = [name for name in fields if name not in FIELDS]
    return said | {"ignored": ignored} if ignored else said


def _loaded(typed: bytes) -> dict[str, object] | str:
    """The fields of a line, or why it holds none."""
    try:
        fields = json.loads(typed.decode("utf-8"))
    except UnicodeDecodeError as fault:
        return f"byte {fault.start + 1} is not UTF-8"
    except json.JSONDecodeError as fault:
        return f"{fault.msg} at character {fault.pos + 1}"
    except (ValueError, RecursionError):
        return "a number with too many digits, or brackets within brackets without end"
    return fields if isinstance(fields, dict) else f"a JSON {type(fields).__name__}, not an object"


def _nothing(reason: str, fix: str) -> dict[str, Any]:
    """The answer to a line that holds no address, in the shape of the others."""
    return {"valid": False, "key": "", "reasons": [reason], "label_lines": [], "suggestion": fix}


def _unreadable(fault: Refused) -> dict[str, Any]:
    """The same with an error that names the line."""
    error = {"code": fault.code, "message": fault.message, "field": fault.field, "fix": fault.fix}
    return _nothing(fault.code.removeprefix("address."), fault.fix) | {"error": error}


def _print_lines(answers: Iterable[dict[str, Any]]) -> int:
    """One JSON line an answer; how many lines could not be read. A lone surrogate goes out as it came in, escaped."""
    unreadable = 0
    for said in answers:
        unreadable += "error" in said
        sys.stdout.buffer.write(json.dumps(said, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.flush()
    return unreadable


def _print_tables(answers: Iterable[dict[str, Any]]) -> int:
    """Tables of some hundred lines each, and how many there were; how many lines could not be read."""
    console = Console(highlight=False)
    numbered = iter(enumerate(answers, start=1))
    count = valid = unreadable = 0
    while page := list(islice(numbered, _ROWS)):
        rows = [_row(number, said) for number, said in page]
        console.print(table("Addresses", ("line", "valid", "on the letter", "what is wrong"), rows, right=("line",)))
        count = page[-1][0]
        valid += sum(said["valid"] for _, said in page)
        unreadable += sum("error" in said for _, said in page)
    console.print(line(f"{count} lines: {valid} valid, {count - valid} to correct"))
    return unreadable


def _row(number: int, said: dict[str, Any]) -> tuple[int, str, str, str]:
    way_out = said["error"]["message"] if "error" in said else said["suggestion"] or ""
    unread = f"not read: {', '.join(said['ignored'])}" if "ignored" in said else ""
    wrong = "\n".join(filter(None, [", ".join(said["reasons"]), way_out, unread]))
    return number, "yes" if said["valid"] else "no", "\n".join(said["label_lines"]), wrong
