"""Scans of printed cards held against the orders of the house: found, read, looked up by number, compared, told.

The heavy halves (finding and reading; comparing) go to the engine, the look-up between them stays here. Nothing is
written but, when it is asked for, the fact that both sides of a card were seen and are as ordered.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cards.errors import Refused, Spoiled
from cards.life import Card
from flows.engine import Inline
from flows.house import House
from flows.stages.line import Problem
from flows.stages.produce import face_content
from printing.expected import drawn_sides
from printing.likeness import NUMBER_LIMIT, Check, Codes, checks_of, read_codes, read_number
from printing.models import FaceContent
from printing.scan import FoundSide, find_sides, open_scan
from printing.scan_view import draw_verdict
from store.database import UnitOfWork
from store.ports import Blobs

_FEW = 4  # scans that are looked at before a pool of workers would have started
_STATUS_URL = re.compile(r"/(\d{7})/[^/]+$")
PROVED_BY_SCAN = "face_seen"

Verdict = Literal["match", "mismatch", "unreadable"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Difference(_Frozen):
    """One element that is not as ordered or cannot be read; `score` against `limit` where it is measured."""

    element: str
    expected: str
    seen: str
    score: float | None = None
    limit: float | None = None


class ScanVerdict(_Frozen):
    """One side in one scan: whose card it is, whether it is as ordered. `place` counts the sides of a file from 1."""

    file: str
    sha256: str
    place: int
    side: Literal["front", "back"] | None
    number: str | None
    card_id: str | None
    verdict: Verdict
    detail: str
    differences: tuple[Difference, ...] = ()
    checked: tuple[str, ...] = ()
    dpi: int | None = None


@dataclass(frozen=True)
class Proof:
    """A verdict, and the picture for the operator when one was asked for."""

    verdict: ScanVerdict
    picture: bytes | None = None


@dataclass(frozen=True)
class ScanJob:
    """One file for the engine."""

    file: str
    data: bytes


@dataclass(frozen=True)
class SideSeen:
    """A side as it was found and read, before anybody asked whose it is; without `found`, why there is none."""

    file: str
    sha256: str
    place: int
    found: FoundSide | None
    numbers: tuple[str, ...] = ()
    codes: Codes | None = None
    trouble: str = ""


@dataclass(frozen=True)
class CompareJob:
    """A side and the order that it is held against, for the engine."""

    seen: SideSeen
    card_id: str
    content: FaceContent
    portrait: str
    blobs: Blobs
    picture: bool


def prove_scans(
    house: House,
    files: Sequence[tuple[str, bytes]],
    *,
    card: Card | None = None,
    batch_id: str | None = None,
    pairs: bool = False,
    pictures: bool = False,
) -> list[Proof]:
    """A verdict for every side of a card in every file, in order.

    The card is found by its printed number, QR code or bar code, or is `card`; with `batch_id` it has to be of that
    batch. With `pairs`, the sides are taken two by two and must be of one card. Raises Refused `batch.unknown`.
    """
    engine = Inline() if len(files) < _FEW else house.engine
    sides = [side for part in engine.map(see, [ScanJob(*file) for file in files]) for side in part]
    known = _batch_cards(house, batch_id)
    work = [_job_or_verdict(house, side, card, known, pictures=pictures) for side in sides]
    judged = iter(engine.map(compare, [one for one in work if isinstance(one, CompareJob)]))
    proofs = [next(judged) if isinstance(one, CompareJob) else Proof(one) for one in work]
    return _paired(proofs) if pairs else proofs


def see(job: ScanJob) -> list[SideSeen]:
    """Every side in a file, or the one reason why there is none. Runs in a worker process."""
    digest = hashlib.sha256(job.data).hexdigest()
    try:
        found = [side for picture in open_scan(job.data) for side in find_sides(picture)]
    except Refused as fault:
        return [SideSeen(job.file, digest, 1, None, trouble=fault.message)]
    if not found:
        return [SideSeen(job.file, digest, 1, None, trouble="no card of the house was found in the picture")]
    return [_read(job.file, digest, place, side) for place, side in enumerate(found, start=1)]


def _read(file: str, digest: str, place: int, found: FoundSide) -> SideSeen:
    codes = read_codes(found)
    printed, likeness = read_number(found)
    numbers = [match[1] for text in codes.qr or () if (match := _STATUS_URL.search(text))]
    numbers += [text for text in codes.barcode or () if text]
    numbers += [printed] if printed and likeness >= NUMBER_LIMIT else []
    return SideSeen(file, digest, place, found, tuple(dict.fromkeys(numbers)), codes)


def _batch_cards(house: House, batch_id: str | None) -> set[str] | None:
    if batch_id is None:
        return None
    with house.store.read() as uow:
        return {place.card_id for place in uow.batches.get(batch_id).cards}


def _job_or_verdict(
    house: House, side: SideSeen, card: Card | None, known: set[str] | None, *, pictures: bool
) -> CompareJob | ScanVerdict:
    """What has to be compared, or the verdict where there is nothing to compare with."""
    if side.found is None:
        return _verdict(side, None, "unreadable", side.trouble)
    if card is None and not side.numbers:
        return _verdict(side, None, "unreadable", "no number could be read: name the card with --card")
    with house.store.read() as uow:
        whose = card or next((found for number in side.numbers if (found := uow.cards.by_number(number))), None)
        if whose is None:
            wrong = Difference(element="number", expected="a card of this house", seen=", ".join(side.numbers))
            return _verdict(side, None, "mismatch", "no card of this house has this number", (wrong,))
        if known is not None and whose.card_id not in known:
            wrong = Difference(element="batch", expected="a card of this batch", seen=whose.number)
            return _verdict(side, whose, "mismatch", "the card is not in this batch", (wrong,))
        if whose.portrait is None or whose.issued_on is None or not house.blobs.exists(whose.portrait):
            return _verdict(side, whose, "unreadable", "the house has no portrait of this card to compare with")
        content = face_content(house, whose, uow.orders.get(whose.order_number))
    return CompareJob(side, whose.card_id, content, whose.portrait, house.blobs, pictures)


def compare(job: CompareJob) -> Proof:
    """One side against its order. Runs in a worker process."""
    assert job.seen.found is not None  # noqa: S101 -- a side without one is never compared
    portrait = job.blobs.get(job.portrait)
    checks = checks_of(job.seen.found, job.content, portrait, job.seen.codes)
    wrong = [check for check in checks if check.outcome == "differs"]
    faint = [check for check in checks if check.outcome == "illegible"]
    word: Verdict = "mismatch" if wrong else "unreadable" if faint else "match"
    verdict = ScanVerdict(
        file=job.seen.file,
        sha256=job.seen.sha256,
        place=job.seen.place,
        side=job.seen.found.side,
        number=job.content.number,
        card_id=job.card_id,
        verdict=word,
        detail=_told(wrong or faint, word),
        differences=tuple(_difference(check) for check in (*wrong, *faint)),
        checked=tuple(check.element for check in checks),
        dpi=round(job.seen.found.dpi),
    )
    if not job.picture:
        return Proof(verdict)
    title = f"{job.content.number}  {job.seen.found.side}  {word}"
    ordered = drawn_sides(job.content, portrait)[job.seen.found.side]
    return Proof(verdict, draw_verdict(title, job.seen.found.pixels, ordered, checks))


def _told(checks: Sequence[Check], word: Verdict) -> str:
    names = ", ".join(check.element for check in checks)
    return {"match": "as ordered", "mismatch": f"not as ordered: {names}", "unreadable": f"not legible: {names}"}[word]


def _difference(check: Check) -> Difference:
    seen = "not legible" if check.outcome == "illegible" else check.seen
    return Difference(element=check.element, expected=check.expected, seen=seen, score=check.score, limit=check.limit)


def _verdict(
    side: SideSeen, card: Card | None, word: Verdict, detail: str, differences: tuple[Difference, ...] = ()
) -> ScanVerdict:
    return ScanVerdict(
        file=side.file,
        sha256=side.sha256,
        place=side.place,
        side=side.found.side if side.found else None,
        number=card.number if card else next(iter(side.numbers), None),
        card_id=card.card_id if card else None,
        verdict=word,
        detail=detail,
        differences=differences,
        dpi=round(side.found.dpi) if side.found else None,
    )


def _paired(proofs: Sequence[Proof]) -> list[Proof]:
    """Two by two: a front and a back that are not of one card are both wrong, however right each is by itself."""
    paired: list[Proof] = []
    for at in range(0, len(proofs), 2):
        pair = proofs[at : at + 2]
        if {one.verdict.side for one in pair} != {"front", "back"} or len({one.verdict.number for one in pair}) != 1:
            seen = " and ".join(f"{one.verdict.side or 'nothing'} of {one.verdict.number or '?'}" for one in pair)
            wrong = Difference(element="pair", expected="front and back of one card", seen=seen)
            pair = [Proof(_not_a_pair(one.verdict, wrong), one.picture) for one in pair]
        paired += pair
    return paired


def _not_a_pair(verdict: ScanVerdict, wrong: Difference) -> ScanVerdict:
    detail = "front and back are not of one card"
    changed = {"verdict": "mismatch", "detail": detail, "differences": (*verdict.differences, wrong)}
    return verdict.model_copy(update=changed)


def problems_of(verdicts: Iterable[ScanVerdict]) -> list[Problem]:
    """What a person has to do about the verdicts that are no match."""
    return [_problem(verdict) for verdict in verdicts if verdict.verdict != "match"]


def _problem(verdict: ScanVerdict) -> Problem:
    subject = verdict.file if verdict.place == 1 else f"{verdict.file} ({verdict.place})"
    if verdict.verdict == "unreadable":
        return Problem.of(
            subject,
            Refused(
                "proof.unreadable",
                verdict.detail,
                fix="scan the card again: sharp, evenly lit, at 200 dpi or more, the whole card in the picture",
            ),
        )
    return Problem.of(
        subject,
        Spoiled(
            "proof.mismatch",
            verdict.detail,
            fix="look at both with --out; "
            f"when the card is wrong, run `hsecard cards spoil {verdict.number or 'CARD'} --cause mismatch`",
        ),
    )


def complete_cards(verdicts: Sequence[ScanVerdict]) -> dict[str, dict[str, str]]:
    """Card id → digests of the scans by side, of the cards of which both sides were seen and all seen matches."""
    sides: dict[str, dict[str, str]] = {}
    for verdict in verdicts:
        if verdict.card_id and verdict.side:
            sides.setdefault(verdict.card_id, {})[verdict.side] = verdict.sha256
    spoilt = {verdict.card_id for verdict in verdicts if verdict.verdict != "match"}
    return {card_id: seen for card_id, seen in sides.items() if len(seen) == 2 and card_id not in spoilt}


def record(house: House, verdicts: Sequence[ScanVerdict]) -> list[str]:
    """Write into the journals which cards were seen as ordered on both sides; the same scans are written once."""
    recorded = []
    with house.store.begin() as uow:
        for card_id, scans in sorted(complete_cards(verdicts).items()):
            if not _is_recorded(uow, card_id, scans):
                uow.cards.note(card_id, actor=house.actor, what=PROVED_BY_SCAN, details=dict(scans))
                recorded.append(card_id)
    return recorded


def _is_recorded(uow: UnitOfWork, card_id: str, scans: dict[str, Any]) -> bool:
    return any(event.what == PROVED_BY_SCAN and event.details == scans for event in uow.cards.events(card_id))
