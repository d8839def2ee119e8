"""Refunds from the terminal: found or added by hand, proposed by one, approved by another, executed, proved."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from console import refund_payouts, refund_roles, refund_undercharged
from console.answer import answer
from console.documents import read_file, write_file
from console.line import run_named
from console.options import AsJson, By, DryRun, day_of, ore_of
from console.payments import followed_table
from console.show import bare, facts, kroner, line, table
from console.work import at_work

if TYPE_CHECKING:
    from billing.models import RefundCase, RefundItem
    from billing.refund_roads import RefundRoad
    from shipping.models import PostageFinding

app = typer.Typer(no_args_is_help=True, help="Refunds: found or by hand, proposed, approved, executed, proved.")
app.add_typer(refund_roles.app, name="roles")
app.add_typer(refund_payouts.app, name="payouts")
app.add_typer(refund_undercharged.app, name="undercharged")

_PROVED = (
    "found_ore",
    "by_hand_ore",
    "rounding_ore",
    "unproposed_ore",
    "proposed_ore",
    "approved_ore",
    "under_way_ore",
    "to_pay_out_ore",
    "refunded_ore",
    "paid_out_ore",
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
def approve(
    case: Which,
    by: By,
    digest: Annotated[str | None, typer.Option("--digest", metavar="SHA256", help="Only if it is this.")] = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Approve a case as it stands. Never the person who proposed it."""
    from flows.stages.refund_postage import approve_case

    with at_work(by, dry_run=dry_run) as house:
        approved = approve_case(house, case, by=by, digest=digest)
    shown = [cases_table("Would be approved" if dry_run else "Approved", [approved])]
    return answer({"dry_run": dry_run, "case": approved.model_dump(mode="json")}, shown, as_json=as_json)


@app.command()
def reject(case: Which, by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Turn a case down before it is executed; its findings are free again."""
    from flows.stages.refund_postage import reject_case

    with at_work(by, dry_run=dry_run) as house:
        rejected = reject_case(house, case, by=by)
    shown = [cases_table("Would be rejected" if dry_run else "Rejected", [rejected])]
    return answer({"dry_run": dry_run, "case": rejected.model_dump(mode="json")}, shown, as_json=as_json)


@app.command()
def add(  # noqa: PLR0917 -- typer hands options over by name
    by: By,
    invoice: Annotated[str, typer.Option("--invoice", metavar="N", help="The invoice that was wrong.")],
    net: Annotated[str, typer.Option("--net", metavar="NOK", help="What goes back, without VAT, e.g. 52.00.")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason; it stands on the credit note.")],
    evidence: Annotated[Path, typer.Option("--evidence", metavar="FILE", help="What proves it; kept.")],
    line_: Annotated[list[int] | None, typer.Option("--line", metavar="L", help="Its line; may be repeated.")] = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Propose a refund by hand: a wrong price, goodwill. A second person approves.

    VAT follows each line's rate. Without --line the amount is shared by what is
    left of every line of the invoice.
    """
    from flows.stages.refund_by_hand import propose_by_hand

    net_ore, data = ore_of(net, "net"), read_file(evidence)
    with at_work(by, dry_run=dry_run) as house:
        case = propose_by_hand(
            house,
            invoice=invoice,
            lines=line_ or (),
            net_ore=net_ore,
            why=why,
            evidence=(data, evidence.suffix),
            by=by,
        )
    shown = [cases_table("Would be proposed" if dry_run else "Proposed", [case])]
    return answer({"dry_run": dry_run, "case": case.model_dump(mode="json")}, shown, as_json=as_json)


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
    from flows.stages.failed_refunds import refunds_of

    with at_work("reader") as house, house.store.read() as uow:
        found, acts, roads = uow.refunds.get(case), uow.refunds.acts(case), uow.refunds.roads(case)
        refunds = refunds_of(uow, case)
    pairs = {
        "payer": f"{found.payer_name} ({found.payer_org_number})",
        "state": found.state.value,
        "net": kroner(found.net_ore),
        "VAT": kroner(found.vat_ore),
        "gross": kroner(found.gross_ore),
        "digest": found.digest,
        **{f"{act.act} by": f"{act.actor}, {act.at:%Y-%m-%d %H:%M} UTC" for act in acts},
        "credit note": found.credit_note,
    }
    rows = [(item.invoice_number, item.text, item.payment, kroner(item.net_ore + item.vat_ore)) for item in found.items]
    shown = [
        facts(f"Refund case {case}", pairs),
        table("What goes back", ("invoice", "why", "payment", "gross"), rows, right=("gross",)),
        table("How it goes back", ("road", "over", "amount"), _roads(roads), right=("amount",)),
        *([followed_table("Over which payments", refunds)] if refunds else []),
    ]
    document = {
        "case": found.model_dump(mode="json"),
        "acts": [act._asdict() for act in acts],
        "roads": [road.model_dump(mode="json") for road in roads],
        "refunds": [asdict(refund) for refund in refunds],
    }
    return answer(document, shown, as_json=as_json)


def _roads(roads: Sequence["RefundRoad"]) -> list[tuple[object, ...]]:
    return [
        (
            road.road.value.replace("_", " "),
            road.payment or (f"invoice {road.invoice}" if road.invoice else None),
            kroner(road.amount_ore),
        )
        for road in roads
    ]


@app.command()
def statement(
    case: Which,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.pdf", help="Write it there.")] = None,
    as_json: AsJson = False,
) -> int:
    """Give what one payer gets back, with the evidence of every line.

    Once the case is credited it is the statement that went with the credit note.
    """
    from flows.stages.refund_statement import evidence_of, statement_of

    with at_work("reader") as house:
        data = statement_of(house, case)
        with house.store.read() as uow:
            found, roads = uow.refunds.get(case), uow.refunds.roads(case)
            evidence = evidence_of(uow, found)
    if out is not None:
        write_file(out, data)
    document = {
        "case": found.model_dump(mode="json"),
        "evidence": evidence,
        "roads": [road.model_dump(mode="json") for road in roads],
        "sha256": hashlib.sha256(data).hexdigest(),
        "file": out,
    }
    shown = [
        *(_evidence_shown(item, evidence[item.finding_id]) for item in found.items),
        line(f"{kroner(found.gross_ore)} to {found.payer_name}" + (f", written: {out}" if out else "")),
    ]
    return answer(document, shown, as_json=as_json)


def _evidence_shown(item: "RefundItem", evidence: dict[str, str]) -> RenderableType:
    told = {what.replace("_", " "): value for what, value in evidence.items()}
    gross = kroner(item.net_ore + item.vat_ore)
    return facts(f"{item.finding_id}, invoice {item.invoice_number}", {"goes back": gross, "why": item.text, **told})


@app.command()
def proof(as_json: AsJson = False) -> int:
    """Prove that refunds equal errors: what was found wrong for each payer, and where each øre of it is."""
    from flows.stages.refund_proof import prove_refunds

    with at_work("reader") as house:
        found = prove_refunds(house)
    rows = [
        (
            one.name,
            bare(one.owed_ore),
            bare(one.waiting_ore),
            bare(one.under_way_ore + one.to_pay_out_ore),
            bare(one.refunded_ore + one.paid_out_ore),
            bare(one.set_off_ore),
            bare(one.difference_ore),
        )
        for one in found
    ]
    sums = {name: sum(getattr(one, name) for one in found) for name in _PROVED}
    figures = ("wrong", "waiting", "on its way", "paid back", "set off", "difference")
    wrong, back = sum(one.owed_ore for one in found), sum(one.given_back_ore for one in found)
    shown = [
        table("Charged wrongly, VAT included, NOK", ("payer", *figures), rows, right=figures),
        line(f"{kroner(wrong)} wrong, {kroner(back)} given back, {kroner(sums['difference_ore'])} off"),
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
