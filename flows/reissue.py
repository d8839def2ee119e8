"""The flow that replaces cards whose chips failed in the field: started by the fault report, caught up by a schedule.

It takes in reports that were dropped as files, rings for those that could not ring themselves, then replaces every
reported card once.
"""

from prefect import flow

from flows import conduct
from flows.conduct import RunRequest
from flows.stages.line import Tally
from flows.stages.reissue import REISSUE

LINE = conduct.Line("reissue", REISSUE)


@flow(name="reissue", log_prints=False, persist_result=False)
async def reissue(request: RunRequest) -> Tally:
    """Make a replacement, free of charge, for every card reported faulty."""
    return await conduct.run(LINE, request)
