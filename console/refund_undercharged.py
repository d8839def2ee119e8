"""Postage charged too little, from the terminal: listed, and charged after all when two people say so."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from typing import Annotated

import typer

from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import bare, kroner, line, table
from console.work import at_work

app = typer.Typer(no_args_is_help=True, help="Postage charged too little: list, charge, agree.")
Finding = Annotated[str, typer.Argument(metavar="FINDING", help="The finding, as `list` shows it.")]


@app.command("list")
def list_undercharges(as_json: AsJson = False) -> int:
    """List what was charged too little. Nothing is charged before two people decide."""
    from flows.stages.after_charges import undercharges

    with at_work("reader") as house:
        found = undercharges(house)
    rows = [
        (
            one.finding.finding_id,
            one.finding.charge.payer_name,
            one.finding.charge.invoice_number,
            bare(one.missing_net_ore),
            one.charge.asked_by if one.charge else None,
            one.charge.invoice if one.charge else None,
        )
        for one in found
    ]
    heading = ("finding", "payer", "invoice", "too little", "asked by", "charged on")
    shown = [
        table("Charged too little, net, NOK", heading, rows, right=("too little",)),
        line(f"{kroner(sum(one.missing_net_ore for one in found))} net too little"),
    ]
    document = {
        "undercharged": [
            {
                "finding": one.finding.model_dump(mode="json"),
                "missing_net_ore": one.missing_net_ore,
                "charge": one.charge._asdict() if one.charge else None,
            }
            for one in found
        ]
    }
    return answer(document, shown, as_json=as_json)


@app.command()
def charge(finding: Finding, by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Ask to charge a finding after all. A second person agrees."""
    from flows.stages.after_charges import ask_to_charge

    with at_work(by, dry_run=dry_run) as house:
        asked = ask_to_charge(house, finding, by=by)
    words = f"{finding}: asked for by {asked.asked_by}; another agrees: `hsecard refunds undercharged agree`"
    return answer({"dry_run": dry_run, **asked._asdict()}, [line(words)], as_json=as_json)


@app.command()
def agree(finding: Finding, by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Agree to charge a finding; its invoice is issued. Never who asked for it."""
    from flows.stages.after_charges import agree_to_charge

    with at_work(by, dry_run=dry_run) as house:
        invoice = agree_to_charge(house, finding, by=by)
    done = "would be charged" if dry_run else "charged"
    words = f"{finding}: {done} on invoice {invoice.number}, {kroner(invoice.gross_ore)}"
    return answer({"dry_run": dry_run, "invoice": invoice.model_dump(mode="json")}, [line(words)], as_json=as_json)
