"""From photo to printed card: portrait, face, frozen batch, print run drawn and read back, handed to the printer.

Heavy work (decode, detect, draw, rasterise) goes to the engine; what it found is written per chunk in one transaction.
"""

from dataclasses import dataclass

from cards.batch import Batch, BatchCard, BatchState, batch_digest
from cards.blanks import BlankAccount, BlankMove
from cards.days import oslo_day, two_years_after
from cards.effects import EffectKind
from cards.errors import Unavailable
from cards.kinds import card_kind, issuer, status_address
from cards.life import Card, CardState, Hold, HoldReason
from flows.house import House
from flows.stages.line import Chunk, Stage, Tally, chunks_of, tally
from flows.stages.press import PRESS, from_tray, print_key
from flows.stages.read_back import mismatches_of
from printing.faces import design_on, lay_out
from printing.models import Face, FaceContent, FaceFault, PhotoFinding
from printing.portrait import make_portrait
from printing.run import draw_contact_sheet, draw_run, draw_run_sheet
from printing.sheet import Sheet, sheet_named
from store.database import UnitOfWork
from store.orders import StoredOrder
from store.ports import Blobs

# --- portraits -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PhotoJob:
    """One photo for the engine: where it lies, and what its order allows."""

    blobs: Blobs
    card_id: str
    photo: str
    head_covering: bool


@dataclass(frozen=True)
class PhotoResult:
    """The portrait's blob key, or why there is none."""

    card_id: str
    portrait: str | None
    findings: tuple[PhotoFinding, ...]


def picture(job: PhotoJob) -> PhotoResult:
    """One photo → one portrait, kept as a blob. Runs in a worker process."""
    verdict, portrait = make_portrait(job.blobs.get(job.photo), head_covering=job.head_covering)
    key = job.blobs.put("portrait", portrait.jpeg, "jpg") if portrait else None
    return PhotoResult(card_id=job.card_id, portrait=key, findings=verdict.findings)


def _to_picture(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return chunks_of(uow.cards.ids_in_state(CardState.ORDERED), house.settings.chunk)


def _picture(house: House, chunk: Chunk) -> Tally:
    with house.store.read() as uow:
        cards = [card for card in uow.cards.get_many(chunk) if card.state is CardState.ORDERED]
    jobs = [PhotoJob(house.blobs, card.card_id, card.photo, card.head_covering) for card in cards if card.photo]
    results = house.engine.map(picture, jobs)
    with house.store.begin() as uow:
        return tally(_record_picture(house, uow, result) for result in results)


def _record_picture(house: House, uow: UnitOfWork, result: PhotoResult) -> str:
    if result.portrait is None:
        held = uow.cards.hold(result.card_id, CardState.ORDERED, _photo_hold(result.findings), actor=house.actor)
        return "held" if held else "already_done"
    done = uow.cards.advance(
        result.card_id,
        CardState.ORDERED,
        CardState.PICTURED,
        actor=house.actor,
        what="pictured",
        details={"portrait": result.portrait},
        portrait=result.portrait,
    )
    return "pictured" if done else "already_done"


def _photo_hold(findings: tuple[PhotoFinding, ...]) -> Hold:
    return Hold(
        reason=HoldReason.PHOTO,
        detail=",".join(finding.reason.value for finding in findings),
        field="photo",
        fix=" ".join(finding.sentence_en for finding in findings)
        + " Give the new photo with `hsecard cards correct --photo`.",
    )


# --- faces -----------------------------------------------------------------------------------------------------


def _to_render(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return chunks_of(uow.cards.ids_in_state(CardState.PICTURED), house.settings.chunk)


def _render(house: House, chunk: Chunk) -> Tally:
    today = oslo_day(house.clock.now())
    with house.store.read() as uow:
        cards = [card for card in uow.cards.get_many(chunk) if card.state is CardState.PICTURED]
        orders = orders_of(uow, cards)
    issued = [card.model_copy(update={"issued_on": card.issued_on or today}) for card in cards]
    faces = [lay_out(face_content(house, card, orders[card.order_number])) for card in issued]
    with house.store.begin() as uow:
        return tally(_record_face(house, uow, card, face) for card, face in zip(issued, faces, strict=True))


def orders_of(uow: UnitOfWork, cards: list[Card]) -> dict[str, StoredOrder]:
    """The orders of some cards, by number."""
    return {number: uow.orders.get(number) for number in sorted({card.order_number for card in cards})}


def face_content(house: House, card: Card, order: StoredOrder) -> FaceContent:
    """What the faces of a pictured card say, on the day of its issue."""
    assert card.portrait is not None  # noqa: S101 -- a pictured card has one
    assert card.issued_on is not None  # noqa: S101 -- set by the caller at the latest
    kind = card_kind(card.kind, card.issued_on)
    by = issuer(card.issued_on)
    return FaceContent(
        card_id=card.card_id,
        number=card.number,
        kind=card.kind,
        kind_label_no=kind.label_no,
        kind_label_en=kind.label_en,
        given_name=card.given_name,
        family_name=card.family_name,
        birth_date=card.birth_date,
        employer=order.business.name,
        org_number=order.business.org_number,
        issued_on=card.issued_on,
        issuer=by.name,
        status_url=status_address(card.number, card.issued_on, house.settings.key("status-tag")),
        portrait_sha256=portrait_digest(card.portrait),
    )


def portrait_digest(key: str) -> str:
    """`portrait/<sha256>.jpg` → the digest in it."""
    return key.partition("/")[2].partition(".")[0]


def _record_face(house: House, uow: UnitOfWork, card: Card, face: Face | FaceFault) -> str:
    if isinstance(face, FaceFault):
        hold = Hold(reason=HoldReason(face.reason), detail=face.detail, field=face.field, fix=face.fix)
        return "held" if uow.cards.hold(card.card_id, CardState.PICTURED, hold, actor=house.actor) else "already_done"
    assert card.issued_on is not None  # noqa: S101 -- set by the caller
    done = uow.cards.advance(
        card.card_id,
        CardState.PICTURED,
        CardState.RENDERED,
        actor=house.actor,
        what="rendered",
        details={"face": face.digest, "design": face.design},
        design=design_on(card.issued_on, card.kind),
        issued_on=card.issued_on,
        valid_until=two_years_after(card.issued_on),
    )
    return "rendered" if done else "already_done"


# --- the batch -------------------------------------------------------------------------------------------------


def _to_freeze(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        waiting = [card.card_id for card in uow.cards.waiting_for_batch()]
    return chunks_of(waiting, house.settings.chunk)


def _freeze(house: House, chunk: Chunk) -> Tally:
    """One batch of what still waits of the chunk. A short vault freezes what there are blanks for."""
    with house.store.begin() as uow:
        cards = [c for c in uow.cards.get_many(chunk) if c.state is CardState.RENDERED and c.batch_id is None]
        if not cards:
            return tally(["already_done"])
        lot, stock = _fullest_lot(uow)
        cards = cards[:stock]
        faces = _faces(house, uow, cards)
        batch = _frozen_batch(house, uow, lot, faces)
        uow.batches.add(batch)
        for place in batch.cards:
            uow.cards.note(
                place.card_id,
                actor=house.actor,
                what="frozen",
                details={"batch": batch.batch_id, "position": place.position},
                batch_id=batch.batch_id,
            )
        uow.blanks.move(_issue_of_blanks(house, batch))
    return Tally(counts={"frozen": len(batch.cards), "batches": 1})


def _fullest_lot(uow: UnitOfWork) -> tuple[str, int]:
    lots = sorted((-stock[BlankAccount.VAULT], lot) for lot, stock in uow.blanks.lots().items())
    if not lots or lots[0][0] >= 0:
        raise Unavailable(
            "blanks.short", "there is no blank left in the vault", fix="receive a lot with `hsecard blanks receive`"
        )
    return lots[0][1], -lots[0][0]


def _faces(house: House, uow: UnitOfWork, cards: list[Card]) -> list[Face]:
    orders = orders_of(uow, cards)
    faces = [lay_out(face_content(house, card, orders[card.order_number])) for card in cards]
    return [face for face in faces if isinstance(face, Face)]


def _frozen_batch(house: House, uow: UnitOfWork, lot: str, faces: list[Face]) -> Batch:
    places = tuple(
        BatchCard(position=position, card_id=face.content.card_id, number=face.content.number, face_digest=face.digest)
        for position, face in enumerate(faces, start=1)
    )
    return Batch(
        batch_id=f"P-{uow.series.next('batch'):06d}",
        frozen_at=house.clock.now(),
        frozen_by=house.actor,
        state=BatchState.FROZEN,
        lot=lot,
        cards=places,
        digest=batch_digest(places),
    )


def _issue_of_blanks(house: House, batch: Batch) -> BlankMove:
    return BlankMove(
        move_key=f"issue:{batch.batch_id}",
        at=house.clock.now(),
        actor=house.actor,
        lot=batch.lot,
        source=BlankAccount.VAULT,
        target=BlankAccount.TRAY,
        count=len(batch.cards),
        batch_id=batch.batch_id,
    )


# --- drawing and reading back ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class DrawJob:
    """One batch for the engine: the faces in tray order and where their portraits lie."""

    blobs: Blobs
    batch_id: str
    contents: tuple[FaceContent, ...]
    portraits: tuple[str, ...]
    positions: tuple[int, ...]
    lot: str
    sheet: Sheet


@dataclass(frozen=True)
class DrawResult:
    """Blob keys of what was drawn, or which cards cannot be drawn or do not read back as ordered (card id → what)."""

    print_file: str | None
    run_sheet: str | None
    contact_sheet: str | None
    mismatches: dict[str, str]


def draw(job: DrawJob) -> DrawResult:
    """Draw a batch and its sheets. Runs in a worker process."""
    portraits = [job.blobs.get(key) for key in job.portraits]
    faces = {content.card_id: lay_out(content) for content in job.contents}
    unfit = {card_id: face.reason for card_id, face in faces.items() if isinstance(face, FaceFault)}
    if unfit:
        return DrawResult(None, None, None, unfit)
    fit = [face for face in faces.values() if isinstance(face, Face)]
    pdf = draw_run(fit, portraits, title=job.batch_id, sheet=job.sheet)
    rows = list(zip(job.positions, job.contents, strict=True))
    return DrawResult(
        print_file=job.blobs.put("run", pdf, "pdf"),
        run_sheet=job.blobs.put("run", draw_run_sheet(job.batch_id, rows, lot=job.lot, sheet=job.sheet), "pdf"),
        contact_sheet=job.blobs.put("run", draw_contact_sheet(pdf, sheet=job.sheet, count=len(fit)), "png"),
        mismatches={},
    )


def _to_draw(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return [(batch.batch_id,) for batch in uow.batches.in_state(BatchState.FROZEN) if batch.print_file is None]


def _draw(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for batch_id in chunk:
        total += _draw_batch(house, batch_id)
    return total


def _draw_batch(house: House, batch_id: str) -> Tally:
    """Draw until every page reads back as ordered; a card whose page does not is struck and held, unprinted."""
    struck = 0
    while True:
        with house.store.read() as uow:
            job = _draw_job(house, uow, uow.batches.get(batch_id))
        if not job.contents:
            return _give_up(house, batch_id, struck)
        result = _drawn_and_read(house, job)
        if not result.mismatches:
            break
        with house.store.begin() as uow:
            struck += sum(_strike(house, uow, batch_id, *found) for found in result.mismatches.items())
    with house.store.begin() as uow:
        uow.batches.drawn(batch_id, result.print_file, result.run_sheet, result.contact_sheet)
        uow.effects.plan(print_key(batch_id), EffectKind.PRINT, batch_id, {"document": result.print_file})
    return Tally(counts={"drawn": len(job.contents), "struck": struck})


def _drawn_and_read(house: House, job: DrawJob) -> DrawResult:
    """A batch drawn by one worker and read back by all of them; its files stay only when every page is as ordered."""
    drawn = house.engine.map(draw, [job])[0]
    if drawn.print_file is None:
        return drawn
    wrong = mismatches_of(house, drawn.print_file, job.contents, job.portraits, job.sheet)
    if not wrong:
        return drawn
    for key in (drawn.print_file, drawn.run_sheet, drawn.contact_sheet):
        house.blobs.delete(key or "")
    return DrawResult(None, None, None, wrong)


def _give_up(house: House, batch_id: str, struck: int) -> Tally:
    """Every card of the batch was struck: its blanks go back unused, nothing is printed."""
    with house.store.begin() as uow:
        batch = uow.batches.get(batch_id)
        if uow.batches.to_state(batch_id, BatchState.FROZEN, BatchState.PRINTED):
            from_tray(house, uow, batch, target=BlankAccount.RETURNED, count=len(batch.cards))
    return Tally(counts={"struck": struck})


def _draw_job(house: House, uow: UnitOfWork, batch: Batch) -> DrawJob:
    places = [place for place in batch.cards if place.struck is None]
    cards = uow.cards.get_many([place.card_id for place in places])
    orders = orders_of(uow, cards)
    return DrawJob(
        blobs=house.blobs,
        batch_id=batch.batch_id,
        contents=tuple(face_content(house, card, orders[card.order_number]) for card in cards),
        portraits=tuple(card.portrait or "" for card in cards),
        positions=tuple(place.position for place in places),
        lot=batch.lot,
        sheet=sheet_named(house.settings.sheet),
    )


def _strike(house: House, uow: UnitOfWork, batch_id: str, card_id: str, what: str) -> int:
    uow.batches.strike(batch_id, card_id, what)
    hold = Hold(
        reason=HoldReason.FACE_MISMATCH,
        detail=what,
        fix="compare the order with the run sheet; release the card to have it drawn again",
    )
    uow.cards.note(card_id, actor=house.actor, what="struck", details={"batch": batch_id, "why": what}, batch_id=None)
    return int(uow.cards.hold(card_id, CardState.RENDERED, hold, actor=house.actor))


PRODUCE = (
    Stage("portraits", _to_picture, _picture),
    Stage("faces", _to_render, _render),
    Stage("freeze", _to_freeze, _freeze),
    Stage("draw", _to_draw, _draw),
    *PRESS,
)
