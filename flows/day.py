"""The flow that runs the bureau's day: the other flows in their order, each a run of its own that can be looked at.

Production and encoding repeat while spoiled cards wait to be made good, as often as `flows.stages.day` allows.
"""

from prefect import flow
from pydantic import Field

from flows import conduct, encode, invoice, produce, reconcile, refund_postage, reissue, retain, ship
from flows.conduct import RunRequest
from flows.intake import IntakeRequest, OrderPath, intake
from flows.stages.day import DAY
from flows.stages.line import Tally

STEPS = {
    "reconcile": (reconcile.LINE, reconcile.reconcile),
    "reissue": (reissue.LINE, reissue.reissue),
    "produce": (produce.LINE, produce.produce),
    "encode": (encode.LINE, encode.encode),
    "ship": (ship.LINE, ship.ship),
    "invoice": (invoice.LINE, invoice.invoice),
    "refund_postage": (refund_postage.LINE, refund_postage.refund_postage),
    "retain": (retain.LINE, retain.retain),
}


class DayRequest(RunRequest):
    """A day, with the orders that came in before it when a path is given."""

    inbox: OrderPath | None = Field(default=None, description="Where new orders lie; without it, none are taken in.")


@flow(name="day", log_prints=False, persist_result=False)
async def day(request: DayRequest) -> Tally:
    """Run the whole day: settle, reissue, make, encode, make good, ship, invoice, refund, erase."""
    by = RunRequest(by=request.by)
    total = Tally()
    if request.inbox is not None:
        total += await intake(IntakeRequest(by=request.by, path=request.inbox))
    begun: set[str] = set()
    for name, _ in DAY:
        line, run = STEPS[name]
        if name not in begun or await conduct.anything_waits(line, by):
            begun.add(name)
            total += await run(by)
    return conduct.finished(total)
