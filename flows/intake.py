"""The flow that takes approved orders in from a file, a folder or an s3:// prefix.

An order that is refused stops no other; one that is known already changes nothing, so the same inbox may be read
again and again.
"""

from typing import Annotated

from prefect import flow
from pydantic import Field, StringConstraints

from flows import conduct
from flows.conduct import RunRequest
from flows.house import House
from flows.stages.intake import import_orders
from flows.stages.line import Chunk, Stage, Tally

OrderPath = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class IntakeRequest(RunRequest):
    """Where the orders lie."""

    path: OrderPath = Field(description="An order file, a folder of them, or s3://bucket/prefix.")


def line_of(path: str) -> conduct.Line:
    """Intake as a line of one stage: nothing tells beforehand which documents are new, so the path is the chunk."""

    def waiting(house: House) -> list[Chunk]:
        return [(path,)]

    def work(house: House, chunk: Chunk) -> Tally:
        return import_orders(house, chunk[0])

    return conduct.Line("intake", (Stage("import", waiting, work),))


@flow(name="intake", log_prints=False, persist_result=False)
async def intake(request: IntakeRequest) -> Tally:
    """Take in every order document under a path."""
    return await conduct.run(line_of(request.path), request)
