"""Payments at Stripe from the terminal: what it told us, refunds that came back, and both sides compared."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import facts, kroner, line, table
from console.work import at_work

if TYPE_CHECKING:
    from flows.stages.failed_refunds import FollowedRefund

app = typer.Typer(no_args_is_help=True, help="Payments at Stripe: list, fetch, reconcile, failed, retry, by-bank.")
Case = Annotated[str, typer.Argument(metavar="CASE", help="The refund case, e.g. R-000001.")]
Payment = Annotated[str, typer.Argument(metavar="PAYMENT", help="The payment it goes back over, e.g. pi_1.")]


@app.command("list")
def list_payments(as_json: AsJson = False) -> int:
    """List what Stripe told of payments, and of refunds."""
    with at_work("reader") as house, house.store.read() as uow:
        paid = [
            {**row, "paid_at": _text(row["paid_at"]), "void_at": _text(row["void_at"])} for row in uow.stripe.payments()
        ]
        back = [{**row, "told_at": _text(row["told_at"])} for row in uow.stripe.refunds()]
    rows = [(one["invoice"], one["reference"], one["payment"], kroner(one["amount_ore"] or 0)) for one in paid]
    returned = [(one["refund"], one["payment"], one["status"], kroner(one["amount_ore"])) for one in back]
    shown = [
        table("Paid at Stripe", ("invoice", "at Stripe", "payment", "amount"), rows, right=("amount",)),
        table("Given back at Stripe", ("refund", "payment", "state", "amount"), returned, right=("amount",)),
    ]
    return answer({"payments": paid, "refunds": back}, shown, as_json=as_json)


@app.command()
def failed(as_json: AsJson = False) -> int:
    """List refunds that came back or were refused, and wait for a person."""
    from flows.stages.failed_refunds import failed_refunds

    with at_work("reader") as house, house.store.read() as uow:
        found = failed_refunds(uow)
    return answer({"failed": [asdict(one) for one in found]}, [followed_table("Refunds to decide on", found)],
                  as_json=as_json)  # fmt: skip


@app.command()
def retry(case: Case, payment: Payment, by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Try a failed refund once more, as a new act under a key of its own."""
    from flows.stages.failed_refunds import try_again

    with at_work(by, dry_run=dry_run) as house:
        road = try_again(house, case, payment, by=by)
    return _decided(road, "Would be planned again" if dry_run else "Planned again", dry_run=dry_run, as_json=as_json)


@app.command("by-bank")
def by_bank(case: Case, payment: Payment, by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Tell that a failed refund was paid from the bank instead; books it."""
    from flows.stages.failed_refunds import paid_by_bank

    with at_work(by, dry_run=dry_run) as house:
        road = paid_by_bank(house, case, payment, by=by)
    return _decided(road, "Would be booked" if dry_run else "Paid from the bank", dry_run=dry_run, as_json=as_json)


def _decided(road: "FollowedRefund", title: str, *, dry_run: bool, as_json: bool) -> int:
    shown = [followed_table(title, [road])]
    if not dry_run and road.state == "planned":
        shown.append(line("it goes out with the next `hsecard refunds execute`"))
    return answer({"dry_run": dry_run, "refund": asdict(road)}, shown, as_json=as_json)


def followed_table(title: str, roads: "Sequence[FollowedRefund]") -> RenderableType:
    """Amounts that go back over payments, one a row, with the act that each stands at."""
    rows = [(one.case_id, one.payment, one.attempt, one.state, one.refund, kroner(one.amount_ore)) for one in roads]
    return table(title, ("case", "payment", "try", "state", "at Stripe", "gross"), rows, right=("try", "gross"))


@app.command()
def fetch(by: By, as_json: AsJson = False, dry_run: DryRun = False) -> int:
    """Fetch what moved at Stripe; books its fees and payouts."""
    from flows.stages.payments import fetch_movements

    with at_work(by, dry_run=dry_run) as house:
        done = fetch_movements(house, by=by)
    shown = [line(f"new movements: {done.counts.get('fetched', 0)}")]
    return answer({"dry_run": dry_run, "counts": done.counts}, shown, as_json=as_json)


@app.command()
def reconcile(as_json: AsJson = False) -> int:
    """Compare what moved at Stripe, up to the last fetch, with the ledger and the invoices."""
    from flows.stages.payments import compare_with_stripe

    with at_work("reader") as house:
        found = compare_with_stripe(house)
    rows = [
        (one.kind.value.replace("_", " "), one.source, _kroner(one.there_ore), _kroner(one.here_ore))
        for one in found.findings
    ]
    tie = found.tie
    pairs = {
        "fetched": f"{tie.fetched_at:%Y-%m-%d %H:%M} UTC",
        "balance at Stripe": kroner(tie.balance_ore),
        "clearing account": kroner(tie.clearing_ore),
        "explained by differences": kroner(tie.differences_ore),
        "booked since the fetch": kroner(-tie.unfetched_ore),
        "left over": kroner(tie.left_over_ore),
    }
    shown = [
        table("Differences", ("what", "at Stripe", "there", "here"), rows, right=("there", "here")),
        facts("The balance", pairs),
        line(f"differences: {len(rows)}"),
    ]
    document = {
        "differences": [one.model_dump(mode="json") for one in found.findings],
        "balance": tie.model_dump(mode="json") | {"left_over_ore": tie.left_over_ore},
    }
    return answer(document, shown, as_json=as_json)


def _text(at: object) -> str | None:
    return None if at is None else str(at)


def _kroner(amount_ore: int | None) -> str | None:
    return None if amount_ore is None else kroner(amount_ore)
