"""A drawn batch read back by all cores at once: parts of its pages go to the engine, findings come back in order."""

from dataclasses import dataclass

from flows.house import House
from printing.models import FaceContent, FaceMismatch
from printing.proof import read_back
from printing.sheet import Sheet
from store.ports import Blobs

_LEAST = 16  # cards a part: below, opening the file costs more than another core gains


@dataclass(frozen=True)
class PagesJob:
    """Some neighbouring cards of a drawn run for the engine; `first` counts from 0, `cards` are those of the run."""

    blobs: Blobs
    print_file: str
    first: int
    cards: int
    contents: tuple[FaceContent, ...]
    portraits: tuple[str, ...]
    sheet: Sheet


def read_pages(job: PagesJob) -> list[FaceMismatch]:
    """What differs in a part of a run. Runs in a worker process."""
    portraits = [job.blobs.get(key) for key in job.portraits]
    run = job.blobs.get(job.print_file)
    return read_back(run, job.contents, portraits, first=job.first, cards=job.cards, sheet=job.sheet)


def mismatches_of(
    house: House, print_file: str, contents: tuple[FaceContent, ...], portraits: tuple[str, ...], sheet: Sheet
) -> dict[str, str]:
    """Card id → what on it is not as ordered, of a run that lies under `print_file`; empty when all is right."""
    cards = len(contents)
    share = max(_LEAST, -(-cards // (2 * house.settings.workers)))
    share = -(-share // sheet.cells) * sheet.cells  # whole sheets: none is rasterised twice
    jobs = [
        PagesJob(house.blobs, print_file, at, cards, contents[at : at + share], portraits[at : at + share], sheet)
        for at in range(0, cards, share)
    ]
    return {found.card_id: found.what for part in house.engine.map(read_pages, jobs) for found in part}
