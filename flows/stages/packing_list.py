"""One packing list a run: the letters that were drawn and stand on no list yet, kept like the other papers.

A list is named after its first letter. It is drawn first and registered with its letters in one transaction; two runs
at once cannot put a letter on two lists.
"""

from cards.days import oslo_day
from flows.house import House
from flows.stages.documents import shelf
from flows.stages.letters import letters_ready
from flows.stages.line import Chunk, Stage, Tally, chunks_of, tally
from flows.stages.pack import waiting
from shipping.models import ShipmentState
from shipping.packing_list import packing_list

LETTERS_A_LIST = 200


class _Listed(Exception):
    """Another run has put one of the letters on its list: this list is not kept."""


def _to_list(house: House) -> list[Chunk]:
    drawn = set(letters_ready(house, ShipmentState.PACKED))
    with house.store.read() as uow:
        unlisted = [shipment_id for shipment_id in uow.packing.unlisted() if shipment_id in drawn]
    return chunks_of(unlisted, LETTERS_A_LIST)


def _list(house: House, chunk: Chunk) -> Tally:
    list_id = f"packing_list/{chunk[0]}"
    letters = [on_bench.model_copy(update={"scanned": frozenset()}) for on_bench in waiting(house, chunk)]
    drawn = packing_list(list_id.partition("/")[2], oslo_day(house.clock.now()), letters)
    paper = shelf(house, document_id=list_id, subject=list_id, data=drawn, suffix="pdf")
    try:
        with house.store.begin() as uow:
            if not uow.packing.listed(chunk, list_id):
                raise _Listed(list_id)
            uow.documents.add(**vars(paper))
    except _Listed:
        return tally(["already_done"])
    return tally(["listed"] * len(chunk))


def list_now(house: House) -> tuple[bytes, int]:
    """A list of all letters that are not closed now, with what is scanned crossed; how many they are."""
    letters = waiting(house)
    return packing_list("nå / now", oslo_day(house.clock.now()), letters), len(letters)


PACKING_LIST = Stage("packing list", _to_list, _list)
