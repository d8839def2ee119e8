"""The flow that settles what was sent and never answered, by asking the other side.

It runs often and mostly finds nothing, so it is quick to say so.
"""

from prefect import flow

from flows import conduct
from flows.conduct import RunRequest
from flows.stages.line import Tally
from flows.stages.reconcile import RECONCILE

LINE = conduct.Line("reconcile", RECONCILE)


@flow(name="reconcile", log_prints=False, persist_result=False)
async def reconcile(request: RunRequest) -> Tally:
    """Settle every effect whose answer was lost."""
    return await conduct.run(LINE, request)
