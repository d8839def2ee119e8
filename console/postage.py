"""Postage from the terminal: what a letter costs on a day, and what was charged before this system, to be audited."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from cards.errors import Refused
from console.answer import answer
from console.options import AsJson, By, DryRun, day_of
from console.show import bare, facts, kroner, line, table
from console.work import at_work

if TYPE_CHECKING:
    from shipping.models import TariffRow

app = typer.Typer(
    no_args_is_help=True,
    help="Postage: import earlier charges, tariffs of a day, mail that waits for company, quote a letter.",
)


@app.command("import")
def import_postage(
    path: Annotated[Path, typer.Argument(metavar="FILE.csv", help="One charge a row.")],
    by: By,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Take in what earlier orders were charged for postage: the whole file or nothing.

    Columns, in any order, with semicolons or commas between them: charge_id,
    payer_org_number, payer_name, order_number, invoice_number, shipment,
    posted_on, zone, weight_g, thickness_mm, cards, charged_net, vat, vat_percent;
    and when there is something to say, payment, fault_reship, refunded_net,
    refunded_vat. docs/postage-csv.md tells what each holds and how it is written;
    samples/earlier-charges.csv is one. The same file again changes nothing.
    """
    from flows.stages.refund_postage import import_charges

    text = read_text(path)
    with at_work(by, dry_run=dry_run) as house:
        done = import_charges(house, text, name=path.name)
    counts = {"would_import" if dry_run and name == "imported" else name: count for name, count in done.counts.items()}
    rows = [(outcome.replace("_", " "), count) for outcome, count in counts.items()]
    shown = [table("Postage charges", ("outcome", "count"), rows, right=("count",))]
    return answer({"dry_run": dry_run, "counts": counts}, shown, as_json=as_json)


@app.command()
def tariffs(
    on: Annotated[
        str | None, typer.Option("--on", metavar="DAY", help="The Oslo day of posting; today without it.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Show what postage costs on a day, where each price comes from, how sure it is.

    An agreement (a tariff named contract:NAME in a file of HSECARD_TARIFF_FILES)
    overrules the list for every letter that it takes. Letters to a zone without a
    known price on that day are held.
    """
    from cards.days import oslo_day
    from shipping.tariffs import ZONES, in_force

    with at_work("reader") as house:
        day = day_of(on, "on") if on else oslo_day(house.clock.now())
        found = in_force(house.tariffs, day=day)
    known = {row.zone for row, _ in found}
    document = {
        "day": day.isoformat(),
        "rows": [{**row.model_dump(mode="json"), "net_ore": row.net_ore, "overruled": by} for row, by in found],
        "without_price": [zone for zone in ZONES if zone not in known],
    }
    return answer(document, _tariffs_shown(day, found), as_json=as_json)


@app.command()
def holds(as_json: AsJson = False) -> int:
    """List the addresses whose ready cards wait for company, and until when.

    Each waits for orders already placed to the same address, until the last day on
    which posting keeps the promise. Replacements, cards that came back and those of
    the businesses in HSECARD_POST_AT_ONCE never wait; HSECARD_HOLD_MAIL=never lets
    nothing wait.
    """
    from flows.stages.planning import mail_holds

    with at_work("reader") as house:
        found = mail_holds(house)
    rows = [(hold.address_key, len(hold.card_ids), hold.until, ", ".join(hold.waits_for)) for hold in found]
    shown = [table("Ready cards that wait for company", ("address", "cards", "until", "waits for"), rows,
                   right=("cards",))]  # fmt: skip
    return answer({"holds": [hold.model_dump(mode="json") for hold in found]}, shown, as_json=as_json)


def _tariffs_shown(day: date, found: Sequence[tuple["TariffRow", bool]]) -> list[RenderableType]:
    from shipping.tariffs import ZONES

    figures = ("to g", "to mm", "gross", "net")
    rows = [
        (
            row.zone,
            row.max_weight_g,
            f"{row.max_thickness_mm:g}",
            bare(row.gross_ore),
            bare(row.net_ore),
            f"{row.tariff} (overruled)" if overruled else row.tariff,
        )
        for row, overruled in found
    ]
    known = {row.zone for row, _ in found}
    sources = dict.fromkeys(
        f"{row.tariff}: {row.source}, retrieved {row.retrieved}, confidence {row.confidence}" for row, _ in found
    )
    unknown = [f"{zone}: no known price on {day}; letters there are held" for zone in ZONES if zone not in known]
    return [
        table(f"Postage on {day}, NOK", ("zone", *figures, "tariff"), rows, right=figures),
        *(line(text, "dim") for text in sources),
        *(line(text, "yellow") for text in unknown),
    ]


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
        said = quote(house, to_postcode=postcode, cards=cards, day=day_of(day, "on") if day else None)
    pairs = {
        "letter": f"{cards} cards, {said.weight_g:g} g, {said.thickness_mm:g} mm",
        "our tariff": kroner(said.tariff_net_ore) if said.tariff_net_ore is not None else f"none: {said.why_none}",
        "row": said.tariff,
        "the carrier": said.carrier_words(kroner),
    }
    return answer(asdict(said), [facts(f"A letter to {postcode} on {said.day}", pairs)], as_json=as_json)


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
