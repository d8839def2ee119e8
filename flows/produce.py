"""The flow that makes cards: portraits, faces, a frozen batch, a print run drawn, read back and printed.

One print run at a time goes to a printer, whoever started it.
"""

from prefect import flow

from flows import conduct
from flows.conduct import RunRequest
from flows.stages.line import Tally
from flows.stages.produce import PRODUCE

LINE = conduct.Line("produce", PRODUCE, devices={"print": "printer"})


@flow(name="produce", log_prints=False, persist_result=False)
async def produce(request: RunRequest) -> Tally:
    """Portraits, faces, batches and print runs of every card that waits for one."""
    return await conduct.run(LINE, request)
