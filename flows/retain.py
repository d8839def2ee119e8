"""The flow that erases personal data whose time is over.

It runs at night; what it erases is said in the journal of the card.
"""

from prefect import flow

from flows import conduct
from flows.conduct import RunRequest
from flows.stages.line import Tally
from flows.stages.retain import RETAIN

LINE = conduct.Line("retain", RETAIN)


@flow(name="retain", log_prints=False, persist_result=False)
async def retain(request: RunRequest) -> Tally:
    """Erase photos, portraits and print files that are past their period."""
    return await conduct.run(LINE, request)
