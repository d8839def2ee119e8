"""The flow that pays back: approved refund cases become credit notes and refunds.

It has no schedule: a person starts it after the second person's approval. Nothing that is not approved is touched.
"""

from prefect import flow

from flows import conduct
from flows.conduct import RunRequest
from flows.stages.line import Tally
from flows.stages.refund_postage import REFUND_POSTAGE

LINE = conduct.Line("refund_postage", REFUND_POSTAGE)


@flow(name="refund_postage", log_prints=False, persist_result=False)
async def refund_postage(request: RunRequest) -> Tally:
    """Credit and refund every approved case of wrongly charged postage."""
    return await conduct.run(LINE, request)
