"""The flow that encodes chips and proves cards: order = face = chip, for every single card.

Encoding and proving both lay cards on the encoder; one job at a time does.
"""

from prefect import flow

from flows import conduct
from flows.conduct import RunRequest
from flows.stages.encode import ENCODE
from flows.stages.line import Tally

LINE = conduct.Line("encode", ENCODE, devices={"encode": "encoder", "prove": "encoder"})


@flow(name="encode", log_prints=False, persist_result=False)
async def encode(request: RunRequest) -> Tally:
    """Encode and prove every card of the printed batches; faulty chips are spoiled and made good."""
    return await conduct.run(LINE, request)
