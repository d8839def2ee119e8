"""Postage refunds from the terminal: found, proposed by one person, approved by another, executed, each on its own."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from console.answer import answer
from console.line import run_named
from console.options import AsJson, By, DryRun, day_of
from console.payments import roads_table
from console.show import bare, facts, kroner, line, table
from console.work import at_work

if TYPE_CHECKING:
    from billing.models import RefundCase
    from shipping.models import PostageFinding

app = typer.Typer(no_args_is_help=True, help="Postage refunds: find, propose, approve, execute, list, show, proof.")

_PROVED = (
    "found_ore",
    "unproposed_ore",
    "proposed_ore",
    "approved_ore",
    "under_way_ore",
    "refunded_ore",
    "set_off_ore",
    "difference_ore",
)
Which = Annotated[str, typer.Argument(metavar="CASE", help="The refund case, e.g. R-000001.")]


@app.command()
def find(
    by: By,
    posted_from: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First posting day.")] = None,
    posted_until: Annotated[str | None, typer.Option("--until", metavar="DAY", help="Last posting day.")] = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Hold every postage charge of a period against the tariff of its day.

    Without days, every charge. What was charged and never shipped has no day and is
    always among them; a letter of our own is judged once all its orders are
    invoiced. Run again it finds nothing new, and judges again what no case has taken
    up, so that a tariff file that came later counts.
    """
    from flows.stages.refund_postage import find as look_for

    first = day_of(posted_from, "from") if posted_from else None
    last = day_of(posted_until, "until") if posted_until else None
    with at_work(by, dry_run=dry_run) as house:
        done, findings = look_for(house, posted_from=first, posted_until=last)
    document: dict[str, Any] = {
        "dry_run": dry_run,
        "from": posted_from,
        "until": posted_until,
        "counts": done.counts,
        "findings": [finding.model_dump(mode="json") for finding in findings],
    }
    return answer(document, _findings_shown(findings), as_json=as_json, problems=done.problems)


def _findings_shown(findings: Sequence["PostageFinding"]) -> list[RenderableType]:
    rows = [
        (
            finding.charge.charge_id,
            finding.charge.payer_name,
            finding.kind.value.replace("_", " "),
            kroner(finding.charge.charged_net_ore),
            kroner(finding.due_net_ore) if finding.due_net_ore is not None else None,
            kroner(finding.refund_net_ore),
        )
        for finding in findings
    ]
    figures = ("charged net", "due net", "refund net")
    total = sum(finding.refund_net_ore for finding in findings)
    return [
        table("Findings in no case yet", ("charge", "payer", "finding", *figures), rows, right=figures),
        line(f"{len(findings)} findings, {kroner(total)} net to give back"),
    ]


@app.command()
def propose(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Propose one refund case a payer from all open findings."""
    from flows.stages.refund_postage import propose_cases

    with at_work(by, dry_run=dry_run) as house:
        done, cases = propose_cases(house, by=by)
    shown = [cases_table("Would be proposed" if dry_run else "Proposed", cases)]
    return answer({"dry_run": dry_run, "counts": done.counts, "cases": _plain(cases)}, shown, as_json=as_json)


@app.command()
def approve(case: Which, by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Approve a case as it stands. Never the person who proposed it."""
    from flows.stages.refund_postage import approve_case

    with at_work(by, dry_run=dry_run) as house:
        approved = approve_case(house, case, by=by)
    shown = [cases_table("Would be approved" if dry_run else "Approved", [approved])]
    return answer({"dry_run": dry_run, "case": approved.model_dump(mode="json")}, shown, as_json=as_json)


@app.command()
def execute(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Issue the credit notes of approved cases and give the money back."""
    return run_named("refund_postage", by=by, as_json=as_json, dry_run=dry_run)


@app.command("list")
def list_cases(as_json: AsJson = False) -> int:
    """List all refund cases."""
    with at_work("reader") as house, house.store.read() as uow:
        cases = uow.refunds.all()
    return answer({"cases": _plain(cases)}, [cases_table("Refund cases", cases)], as_json=as_json)


@app.command()
def show(case: Which, as_json: AsJson = False) -> int:
    """Show a case: payer, amounts, findings, who proposed and approved."""
    from flows.stages.failed_refunds import roads_of

    with at_work("reader") as house, house.store.read() as uow:
        found, roads = uow.refunds.get(case), roads_of(uow, case)
    pairs = {
        "payer": f"{found.payer_name} ({found.payer_org_number})",
        "state": found.state.value,
        "net": kroner(found.net_ore),
        "VAT": kroner(found.vat_ore),
        "gross": kroner(found.gross_ore),
        "proposed by": f"{found.proposed_by}, {found.proposed_at:%Y-%m-%d %H:%M} UTC",
        "approved by": found.approved_by,
        "credit note": found.credit_note,
    }
    rows = [(item.invoice_number, item.text, item.payment, kroner(item.net_ore + item.vat_ore)) for item in found.items]
    shown = [
        facts(f"Refund case {case}", pairs),
        table("What goes back", ("invoice", "why", "payment", "gross"), rows, right=("gross",)),
        roads_table("Over which payments", roads),
    ]
    document = {"case": found.model_dump(mode="json"), "refunds": [asdict(road) for road in roads]}
    return answer(document, shown, as_json=as_json)


@app.command()
def proof(as_json: AsJson = False) -> int:
    """Prove that refunds equal errors: what was found wrong for each payer, and where each øre of it is."""
    from flows.stages.refund_proof import prove_refunds

    with at_work("reader") as house:
        found = prove_refunds(house)
    rows = [
        (
            one.name,
            bare(one.found_ore),
            bare(one.unproposed_ore + one.proposed_ore + one.approved_ore),
            bare(one.under_way_ore),
            bare(one.refunded_ore),
            bare(one.set_off_ore),
            bare(one.difference_ore),
        )
        for one in found
    ]
    sums = {name: sum(getattr(one, name) for one in found) for name in _PROVED}
    figures = ("found", "waiting", "on its way", "refunded", "set off", "difference")
    back = sums["refunded_ore"] + sums["set_off_ore"]
    shown = [
        table("Charged wrongly, VAT included, NOK", ("payer", *figures), rows, right=figures),
        line(f"{kroner(sums['found_ore'])} found, {kroner(back)} given back, {kroner(sums['difference_ore'])} off"),
    ]
    payers = [{**asdict(one), "difference_ore": one.difference_ore} for one in found]
    return answer({"whole": not any(one.difference_ore for one in found), "sums": sums, "payers": payers}, shown,
                  as_json=as_json)  # fmt: skip


def cases_table(title: str, cases: Sequence["RefundCase"]) -> RenderableType:
    """Refund cases, one a row."""
    rows = [
        (
            case.case_id,
            case.payer_name,
            case.state.value,
            len(case.items),
            kroner(case.gross_ore),
            case.proposed_by,
            case.approved_by,
        )
        for case in cases
    ]
    columns = ("case", "payer", "state", "items", "gross", "proposed", "approved")
    return table(title, columns, rows, right=("items", "gross"))


def _plain(cases: Sequence["RefundCase"]) -> list[dict[str, Any]]:
    return [case.model_dump(mode="json") for case in cases]
