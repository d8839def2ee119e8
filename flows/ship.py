"""The flow that posts: proved cards grouped by address, letters drawn, shipments booked, the manifest handed over.

It may run any number of times a day: each run takes what has become ready.
"""

from prefect import flow

from flows import conduct
from flows.conduct import RunRequest
from flows.stages.line import Tally
from flows.stages.ship import SHIP

LINE = conduct.Line("ship", SHIP)


@flow(name="ship", log_prints=False, persist_result=False)
async def ship(request: RunRequest) -> Tally:
    """Pack, letter, book and list every proved card."""
    return await conduct.run(LINE, request)
