"""Mail that came back, at the terminal: scanned letter by letter or a tray at once, sent again, or destroyed by two."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cards.errors import Refused
from console.answer import answer, exit_code_of, told
from console.options import AsJson, By, DryRun
from console.orders import address_given
from console.show import line, table
from console.work import at_work

if TYPE_CHECKING:
    from cards.address import Address
    from flows.house import House
    from flows.stages.line import Problem
    from flows.stages.returns import Scanned

app = typer.Typer(no_args_is_help=True, help="Mail that came back: scan, list, reship, destroy.")

Reason = Annotated[
    str | None, typer.Option("--reason", metavar="CODE", help="The carrier's code (02) or the stamp (flyttet).")
]


@app.command()
def scan(
    *,
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="The letter's square code, or its number.", show_default=False)
    ] = None,
    reason: Reason = None,
    our_fault: Annotated[bool, typer.Option("--our-fault", help="We spoiled it: sent again at our cost.")] = False,
    recipient: Annotated[str | None, typer.Option("--new-recipient", help="Receiver there; the same if none.")] = None,
    street: Annotated[str | None, typer.Option("--new-street", help="Street or box that the carrier names.")] = None,
    postcode: Annotated[str | None, typer.Option("--new-postcode", help="Its postcode.")] = None,
    city: Annotated[str | None, typer.Option("--new-city", help="Its city.")] = None,
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Take returned letters back in by their code.

    Without CODE a whole tray is read from standard input, a code a line, as a
    scanner types it; a reason alone on a line holds for the letters after it.
    The same letter again changes nothing. Give --new-street, --new-postcode and
    --new-city when the carrier names the new address: its cards go there.
    """
    with at_work(by, dry_run=dry_run) as house:
        if code is None:
            return _scan_tray(house, reason, as_json=as_json)
        address = _new_address(house, code, recipient, street=street, postcode=postcode, city=city)
        scanned = _scan_one(house, code, reason, new_address=address, our_fault=our_fault)
    document = scanned.model_dump(mode="json") | {"dry_run": dry_run}
    return answer(document, [line(_words(scanned))], as_json=as_json)


def _scan_one(
    house: "House", code: str, reason: str | None, *, new_address: "Address | None" = None, our_fault: bool = False
) -> "Scanned":
    from flows.stages.returns import scan_return

    return scan_return(house, code, reason=reason, new_address=new_address, our_fault=our_fault)


def _new_address(house: "House", code: str, recipient: str | None, **place: str | None) -> "Address | None":
    """The address of the options, in the country of the old one; None when none is given.

    Raises Refused `address.malformed`.
    """
    from flows.stages.returns import address_of_letter

    if not any([recipient, *place.values()]):
        return None
    known = address_of_letter(house, code)
    kept = {"recipient": recipient or known.recipient, "attention": known.attention, "country": known.country}
    return address_given("new-", **kept, **place)


def _words(scanned: "Scanned") -> str:
    from shipping.returns import read_reason

    why = f"{scanned.reason}, {read_reason(scanned.reason).english}"
    if scanned.already:
        return f"{scanned.shipment_id} was taken back before ({why}): nothing was changed"
    counts = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in scanned.counts.items())
    flag = "; its address is flagged" if scanned.flagged else ""
    return f"{scanned.shipment_id} is back ({why}): {counts}{flag}"


# --- a tray ----------------------------------------------------------------------------------------------------


def _scan_tray(house: "House", reason: str | None, *, as_json: bool) -> int:
    """Line by line, each its own transaction; what cannot be taken back is told at once and the rest goes on."""
    from flows.stages.line import Problem
    from shipping.returns import find_reason, read_reason

    said = read_reason(reason).code if reason else None
    out, problems = Console(highlight=False), list[Problem]()
    if sys.stdin.isatty():
        out.print(line("scan the letters, one after the other; a reason code first; Ctrl-D ends", "dim"))
    for code in _codes():
        found = find_reason(code)
        if found is not None:
            said = found.code
            continue
        try:
            scanned = _scan_one(house, code, said)
        except Refused as fault:
            problems.append(Problem.of(code[:40], fault))
            _tell_problem(out, problems[-1], as_json=as_json)
        else:
            _tell_scan(out, code, scanned, as_json=as_json)
    return exit_code_of(problems)


def _codes() -> Iterator[str]:
    for text in sys.stdin:
        if text.strip():
            yield text.strip()


def _tell_scan(out: Console, code: str, scanned: "Scanned", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"code": code, **scanned.model_dump(mode="json")}, ensure_ascii=False), flush=True)
    else:
        out.print(line(_words(scanned)))


def _tell_problem(out: Console, problem: "Problem", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"code": problem.subject, "error": problem.model_dump(mode="json")}), flush=True)
    else:
        out.bell()
        out.print(told(problem))


# --- what becomes of them --------------------------------------------------------------------------------------


@app.command("list")
def list_returns(as_json: AsJson = False) -> int:
    """List returned letters with cards in our hands, and which are to be destroyed."""
    from flows.stages.returns import waiting_returns

    with at_work("reader") as house:
        waiting = waiting_returns(house)
    rows = [
        (
            each.came_back.shipment_id,
            each.came_back.reason,
            card.card_id,
            card.state.value,
            "destroy" if card.card_id in each.due else f"until {each.came_back.destroy_from}",
        )
        for each in waiting
        for card in each.cards
    ]
    document = {
        "returns": [
            each.came_back.model_dump(mode="json")
            | {"cards": {card.card_id: card.state.value for card in each.cards}, "to_destroy": list(each.due)}
            for each in waiting
        ]
    }
    shown = [table("Returned mail in our hands", ("letter", "reason", "card", "state", "waits"), rows)]
    return answer(document, shown, as_json=as_json)


@app.command()
def reship(
    shipment: Annotated[str, typer.Argument(metavar="SHIPMENT", help="The returned letter, e.g. S-000001.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Send the cards of a returned letter again, to what their orders say now."""
    from flows.stages.reship import reship as send_again

    with at_work(by, dry_run=dry_run) as house:
        done = send_again(house, shipment)
    words = f"{shipment}: {done.counts.get('sent_again', 0)} cards wait for their next letter"
    return answer({"dry_run": dry_run, "counts": done.counts}, [line(words)], as_json=as_json)


@app.command()
def destroy(
    *,
    which: Annotated[str, typer.Argument(metavar="SHIPMENT|CARD", help="A returned letter, or one card of it.")],
    witnessed_by: Annotated[str, typer.Option("--witnessed-by", metavar="NAME", help="The second person.")],
    why: Annotated[str | None, typer.Option("--why", help="Why before its days are over.")] = None,
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Destroy returned cards before two people; they are blocked for ever."""
    from flows.stages.destroy import destroy as put_an_end_to

    with at_work(by, dry_run=dry_run) as house:
        done = put_an_end_to(house, which, witnessed_by=witnessed_by, why=why)
    verb = "would be" if dry_run else "were"
    words = f"{done.counts.get('destroyed', 0)} cards {verb} destroyed and their blanks counted out"
    return answer({"dry_run": dry_run, "counts": done.counts}, [line(words)], as_json=as_json)
