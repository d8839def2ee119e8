"""The flow that invoices: what is posted and not invoiced yet, issued, drawn and mailed.

Numbers are taken one after the other, so invoices never go abreast.
"""

from prefect import flow

from flows import conduct
from flows.conduct import RunRequest
from flows.stages.invoice import INVOICE
from flows.stages.line import Tally

LINE = conduct.Line("invoice", INVOICE)


@flow(name="invoice", log_prints=False, persist_result=False)
async def invoice(request: RunRequest) -> Tally:
    """Issue, draw and mail the invoices of everything posted."""
    return await conduct.run(LINE, request)
