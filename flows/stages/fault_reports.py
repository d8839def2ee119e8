"""A report of chips that fail in the field: judged card by card, then kept whole in one transaction.

Each card that is hit is marked faulty and gets one fault, from which `reissue` makes its replacement. One report rings
once, however many cards it names; the same report under the same key is answered as it was the first time.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date

from pydantic import BaseModel, ConfigDict

from cards.days import oslo_day
from cards.effects import EffectKind
from cards.errors import Refused, Unavailable
from cards.life import Card, CardState
from flows.doorbell import CHIP_FAULTY
from flows.house import House
from flows.stages.fault_requests import FaultRequest, NamedCard
from flows.stages.line import Problem
from store.database import UnitOfWork
from store.field_faults import FaultReport, FiledReport

HIT = "reported"
_REPLACEABLE = (CardState.POSTED, CardState.RETURNED)
_KNOWN = ("already_reported", "already_replaced", "named_twice")


class Fate(BaseModel):
    """What becomes of one card of a report. `place` is where it was named; `replacement` a card id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str
    card_id: str | None = None
    number: str | None = None
    outcome: str
    replacement: str | None = None


class Filed(BaseModel):
    """The answer to a report: its id (None when nothing was kept), counts by outcome, every card, every problem.

    `repeated`: the report was made before, and this is the answer of then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    report_id: str | None
    repeated: bool = False
    dry_run: bool = False
    counts: dict[str, int]
    cards: tuple[Fate, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def nothing_taken(self) -> bool:
        """True when every single card was refused."""
        return not any(count for outcome, count in self.counts.items() if outcome != "refused")


class _Raced(Exception):
    """Another process filed the same report in the same moment."""


def file_report(house: House, request: FaultRequest, *, dry_run: bool = False) -> Filed:
    """Report faults. Cards that cannot be replaced free of charge are problems of the answer; the rest is kept.

    With `dry_run` nothing is kept. A cohort, which replaces many cards at our cost, must expect its count. Raises
    Refused `fault.report_key_reused`, `fault.empty_cohort`, `fault.count_missing`, `fault.count_differs`; Unavailable
    `fault.report_raced`.
    """
    if dry_run:
        with house.store.read() as uow:
            return _known(uow, request) or _answer(_judge(house, uow, request), request, None, dry_run=True)
    try:
        with house.store.begin() as uow:
            return _known(uow, request) or _file(house, uow, request)
    except _Raced:
        raise Unavailable(
            "fault.report_raced",
            "the same report was made in the same moment by another process",
            fix="send it again: it will be recognised",
        ) from None


def report_fault(house: House, card: Card, *, symptom: str, by: str) -> str:
    """The fault of one card: `reported`, or why not again. Raises Refused for a card that cannot be replaced free."""
    named = NamedCard(card=card.card_id, place=card.card_id)
    filed = file_report(house, FaultRequest(channel="command", by=by, symptom=symptom, cards=(named,)))
    outcome = filed.cards[0].outcome
    if filed.problems:
        raise refusal(card, outcome)
    return outcome


# --- keeping ---------------------------------------------------------------------------------------------------


def _known(uow: UnitOfWork, request: FaultRequest) -> Filed | None:
    """The answer that was given to this report before."""
    key = _key(request)
    filed = uow.faults.filed(key) if key else None
    if filed is None:
        return None
    if filed.digest != request.digest():
        raise Refused(
            "fault.report_key_reused",
            f"the report key {request.key} stands for another report, made {filed.reported_at:%Y-%m-%d %H:%M} UTC",
            field="report_key",
            fix="give a new report a key of its own; the same report is sent again unchanged",
        )
    return Filed.model_validate(filed.answer).model_copy(update={"repeated": True})


def _key(request: FaultRequest) -> str | None:
    return f"{request.channel}:{request.key}" if request.key else None


def _file(house: House, uow: UnitOfWork, request: FaultRequest) -> Filed:
    judged = _judge(house, uow, request, to_keep=True)
    hit = [(named, card) for named, card, outcome in judged if outcome == HIT and card is not None]
    _check_count(request, len(hit))
    report_id = _report_id(request, [card for _, card in hit])
    answer = _answer(judged, request, report_id)
    if report_id is None or answer.nothing_taken:
        return answer.model_copy(update={"report_id": None})
    faults = [_fault(house, request, report_id, named, card) for named, card in hit]
    if not uow.faults.file(_filed(house, request, report_id, answer), faults):
        raise _Raced
    _mark(house, uow, request, faults)
    if faults:
        uow.effects.plan(f"fault_event:{report_id}", EffectKind.FAULT_EVENT, report_id, {"event": CHIP_FAULTY})
    return answer


def _report_id(request: FaultRequest, hit: Sequence[Card]) -> str | None:
    """From the key; without one, from the cards that it hits: each is hit once, so no two reports hit the same."""
    if not request.key and not hit:
        return None
    text = _key(request) or "cards:" + " ".join(sorted(card.card_id for card in hit))
    return f"FR-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _filed(house: House, request: FaultRequest, report_id: str, answer: Filed) -> FiledReport:
    return FiledReport(
        report_id=report_id,
        report_key=_key(request),
        digest=request.digest(),
        channel=request.channel,
        reported_at=house.clock.now(),
        reported_by=request.by,
        symptom=request.symptom,
        cohort=request.cohort.chosen() if request.cohort else None,
        answer=answer.model_dump(mode="json"),
    )


def _fault(house: House, request: FaultRequest, report_id: str, named: NamedCard, card: Card) -> FaultReport:
    return FaultReport(
        fault_id=hashlib.sha256(card.card_id.encode()).hexdigest()[:16],
        card_id=card.card_id,
        reported_at=house.clock.now(),
        reported_by=request.by,
        symptom=named.symptom or request.symptom,
        report_id=report_id,
    )


def _mark(house: House, uow: UnitOfWork, request: FaultRequest, faults: Sequence[FaultReport]) -> None:
    details = {
        fault.card_id: {"fault": fault.fault_id, "report": fault.report_id, "symptom": fault.symptom}
        for fault in faults
    }
    what = "recalled" if request.cohort else "reported_faulty"
    for state in _REPLACEABLE:
        uow.cards.advance_many(state, CardState.FAULTY, actor=house.actor, what=what, details=details)


def _check_count(request: FaultRequest, hit: int) -> None:
    """A recall whose cards are all reported already may be asked for again: it does nothing."""
    if request.cohort is not None and request.expect is None and hit:
        raise Refused(
            "fault.count_missing",
            f"this replaces {hit} cards at our cost",
            field="expect",
            fix=f"look at them with a dry run, then say that you expect {hit} (--expect {hit})",
        )
    if request.expect is not None and request.expect != hit and hit:
        raise Refused(
            "fault.count_differs",
            f"{request.expect} cards were expected, {hit} would be replaced",
            field="expect",
            fix="look again with a dry run: the cohort is another than you saw; nothing was changed",
        )


# --- judging ---------------------------------------------------------------------------------------------------

_Judged = list[tuple[NamedCard, Card | None, str]]


def _judge(house: House, uow: UnitOfWork, request: FaultRequest, *, to_keep: bool = False) -> _Judged:
    """Every card of the report with what becomes of it; `to_keep` holds the cards until the transaction ends."""
    named, found = _cards_of(uow, request)
    ids = sorted({card.card_id for card in found.values()})
    standing = {card.card_id: card for card in (uow.cards.locked_many(ids) if to_keep else uow.cards.get_many(ids))}
    reported, replaced = uow.faults.known(ids), uow.faults.replacements(ids)
    today = oslo_day(house.clock.now())
    judged: _Judged = []
    seen: set[str] = set()
    for one in named:
        known = found.get(one.card)
        card = standing[known.card_id] if known else None
        if card is None:
            judged.append((one, None, "unknown"))
        elif card.card_id in seen:
            judged.append((one, card, "named_twice"))
        else:
            seen.add(card.card_id)
            judged.append((one, card, _outcome(card, reported, replaced, today)))
    return judged


def _cards_of(uow: UnitOfWork, request: FaultRequest) -> tuple[Sequence[NamedCard], dict[str, Card]]:
    if request.cohort is None:
        return request.cards, uow.cards.named([named.card for named in request.cards])
    ids = uow.cohorts.cards_of(request.cohort)
    if not ids:
        marks = ", ".join(f"{mark} {value}" for mark, value in request.cohort.chosen().items())
        raise Refused(
            "fault.empty_cohort",
            f"no card has a chip of {marks}",
            field="cohort",
            fix="look at what there is with `hsecard chips cohorts --by lot` (encoder, generation, day)",
        )
    cards = {card.card_id: card for card in uow.cards.get_many(ids)}
    return [NamedCard(card=card_id, place=card_id) for card_id in ids], cards


def _outcome(card: Card, reported: set[str], replaced: dict[str, str], today: date) -> str:
    if card.card_id in replaced:
        return "already_replaced"
    if card.card_id in reported:
        return "already_reported"
    if card.state is CardState.EXPIRED or (
        card.state in _REPLACEABLE and card.valid_until and card.valid_until < today
    ):
        return "expired"
    if card.state in _REPLACEABLE:
        return HIT
    if card.state in (CardState.BLOCKED, CardState.CANCELLED):
        return card.state.value
    return "in_the_house"


def refusal(card: Card, outcome: str) -> Refused:
    """Why a card that was named is not replaced free of charge, and the way that is open instead."""
    if outcome == "expired":
        return Refused(
            "fault.card_expired",
            f"card {card.number} was valid until {card.valid_until}",
            field="card",
            fix="the holder needs a new card: the employer orders one",
        )
    if outcome == "blocked":
        return Refused(
            "fault.card_blocked",
            f"card {card.number} is blocked",
            field="card",
            fix="look at its journal with `hsecard cards show`: a blocked card opens no gate and is not replaced free",
        )
    if outcome == "cancelled":
        return Refused(
            "fault.card_cancelled",
            f"card {card.number} was cancelled and never posted",
            field="card",
            fix="check the number on the card with whoever reported it",
        )
    return Refused(
        "fault.not_in_the_field",
        f"card {card.number} is {card.state.value}: only a posted card can fail in the field",
        field="card",
        fix="check the number on the card; a card still in the bureau is spoiled (`hsecard cards spoil`), not reported",
    )


def _answer(judged: _Judged, request: FaultRequest, report_id: str | None, *, dry_run: bool = False) -> Filed:
    fates: list[Fate] = []
    problems: list[Problem] = []
    for named, card, outcome in judged:
        fault = _problem(named, card, outcome, recall=request.cohort is not None)
        if fault is not None:
            problems.append(Problem.of(named.place, fault))
        fates.append(
            Fate(
                place=named.place,
                card_id=card.card_id if card else None,
                number=card.number if card else None,
                outcome=outcome,
                replacement=card.replaced_by if card else None,
            )
        )
    refused = {problem.subject for problem in problems}
    counts = Counter("refused" if fate.place in refused else fate.outcome for fate in fates)
    return Filed(
        report_id=report_id,
        dry_run=dry_run,
        counts=dict(sorted(counts.items())),
        cards=tuple(fates),
        problems=tuple(problems),
    )


def _problem(named: NamedCard, card: Card | None, outcome: str, *, recall: bool) -> Refused | None:
    """What a person must look at. In a recall only the cards that are still here: the others need nothing."""
    if card is None:
        return Refused(
            "card.unknown",
            f"there is no card {named.card!r}",
            field="card",
            fix="look for it with `hsecard cards find` by number, order or name",
        )
    if outcome == HIT or outcome in _KNOWN or (recall and outcome != "in_the_house"):
        return None
    return refusal(card, outcome)
