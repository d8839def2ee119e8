"""Postage at the terminal: what was charged before this system, taken in to be audited, and what a letter costs."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from cards.errors import Refused
from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import facts, kroner, table
from console.work import at_work

app = typer.Typer(no_args_is_help=True, help="Postage: import what was charged before this system, quote.")


@app.command("import")
def import_postage(
    path: Annotated[Path, typer.Argument(metavar="FILE.csv", help="One charge a row, as docs/ describes it.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Take in what earlier orders were charged for postage."""
    from flows.stages.refund_postage import import_charges

    text = read_text(path)
    with at_work(by) as house:
        done = import_charges(house, text, name=path.name, dry_run=dry_run)
    rows = [(outcome.replace("_", " "), count) for outcome, count in done.counts.items()]
    shown = [table("Postage charges", ("outcome", "count"), rows, right=("count",))]
    return answer({"dry_run": dry_run, "counts": done.counts}, shown, as_json=as_json, problems=done.problems)


@app.command("quote")
def quote_postage(
    *,
    postcode: Annotated[str, typer.Option("--postcode", help="Where to: a Norwegian postcode, as text.")],
    cards: Annotated[int, typer.Option("--cards", min=1, max=1000, help="How many cards the letter holds.")] = 1,
    day: Annotated[str | None, typer.Option("--on", metavar="DAY", help="The posting day; today if none.")] = None,
    as_json: AsJson = False,
) -> int:
    """Say what a letter to Norway costs, by our tariff and by the carrier.

    The carrier is asked where HSECARD_CARRIER is bring, for the product in
    HSECARD_CARRIER_PRODUCT. Amounts are net of VAT.
    """
    from flows.stages.quote import quote

    with at_work("reader") as house:
        said = quote(house, to_postcode=postcode, cards=cards, day=_day(day))
    pairs = {
        "letter": f"{cards} cards, {said.weight_g:g} g, {said.thickness_mm:g} mm",
        "our tariff": kroner(said.tariff_net_ore) if said.tariff_net_ore is not None else f"none: {said.why_none}",
        "row": said.tariff,
        "the carrier": said.carrier_words(kroner),
    }
    return answer(asdict(said), [facts(f"A letter to {postcode} on {said.day}", pairs)], as_json=as_json)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Refused("postage.bad_day", f"{text!r} is no day", field="--on", fix="write it as 2026-11-23") from None


def read_text(path: Path) -> str:
    """A text file in UTF-8. Raises Refused `file.unreadable` naming it."""
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise Refused(
            "file.unreadable",
            f"{path} cannot be read: {why}",
            field=str(path),
            fix="name a text file in UTF-8 that this user may read",
        ) from None
