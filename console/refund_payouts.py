"""What refunds give back by bank, from the terminal: listed until finance tells that it is paid."""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

from typing import Annotated

import typer

from console.answer import answer
from console.options import AsJson, By, DryRun
from console.show import kroner, line, table
from console.work import at_work

app = typer.Typer(no_args_is_help=True, help="What refunds give back by bank: list, done.")


@app.command("list")
def list_payouts(
    every: Annotated[bool, typer.Option("--all", help="Also what is paid.")] = False, as_json: AsJson = False
) -> int:
    """List what is to be paid out by bank: to whom, how much, for which case."""
    with at_work("reader") as house, house.store.read() as uow:
        payouts = [payout for payout in uow.refunds.payouts() if every or payout.reference is None]
        cases = {payout.case_id: uow.refunds.get(payout.case_id) for payout in payouts}
    rows = [
        (
            payout.case_id,
            cases[payout.case_id].payer_name,
            cases[payout.case_id].credit_note,
            kroner(payout.amount_ore),
            payout.reference,
        )
        for payout in payouts
    ]
    waiting = sum(payout.amount_ore for payout in payouts if payout.reference is None)
    document = {
        "payouts": [
            {
                **payout._asdict(),
                "payer": cases[payout.case_id].payer_name,
                "payer_org_number": cases[payout.case_id].payer_org_number,
                "credit_note": cases[payout.case_id].credit_note,
            }
            for payout in payouts
        ],
        "waiting_ore": waiting,
    }
    shown = [
        table("To pay out by bank", ("case", "payer", "credit note", "amount", "paid as"), rows, right=("amount",)),
        line(f"{kroner(waiting)} to pay out"),
    ]
    return answer(document, shown, as_json=as_json)


@app.command()
def done(
    case: Annotated[str, typer.Argument(metavar="CASE", help="The refund case, e.g. R-000001.")],
    by: By,
    reference: Annotated[str, typer.Option("--reference", metavar="TEXT", help="The bank's reference.")],
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> int:
    """Tell that a case was paid out by bank, in full. Booked once."""
    from flows.stages.refund_money import tell_paid_out

    with at_work(by, dry_run=dry_run) as house:
        told = tell_paid_out(house, case, reference=reference, by=by)
    words = f"{case}: {kroner(told.amount_ore)} {'would be booked as ' if dry_run else ''}paid out, {told.reference}"
    return answer({"dry_run": dry_run, **told._asdict()}, [line(words)], as_json=as_json)
