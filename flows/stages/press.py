"""The printer: a frozen batch handed over once, its job followed to the end, and the cards that came out of it.

Accepted is not printed: a card steps on only when the printer says that its whole job is done. A job that was given up
or that the printer does not know any more waits for a person (`flows.stages.outcomes`); nothing is sent again on hope.
"""

from cards.batch import Batch, BatchCard, BatchState
from cards.blanks import BlankAccount, BlankMove
from cards.effects import Effect, EffectKind, EffectState
from cards.errors import HseCardError, Refused, Spoiled, Unsure
from cards.life import CardState
from flows.house import House
from flows.stages.effects import Act, Answer, carry_out, leave_to_a_person
from flows.stages.line import Chunk, Problem, Stage, Tally, tally
from printing.models import PrintJob, PrintJobState
from printing.stoppages import stoppage
from store.database import UnitOfWork
from store.printing import PressJob

_FOR_A_PERSON = (PrintJobState.ABORTED, PrintJobState.FORGOTTEN)


def _to_print(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        planned = [effect for effect in uow.effects.open_of(EffectKind.PRINT) if effect.state is EffectState.PLANNED]
    return [(effect.subject,) for effect in planned]


def _print(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for batch_id in chunk:
        total += carry_out(house, PRINTING, print_key(batch_id))
    return total


def print_key(batch_id: str) -> str:
    """A batch is printed by one job, under this key."""
    return f"print:{batch_id}"


def _submit(house: House, effect: Effect) -> Answer:
    """The instant before is kept: a printer that forgets can later say what it knows of the time since."""
    document = house.blobs.get(effect.request["document"])
    with house.store.begin() as uow:
        uow.print_jobs.ask(effect.key, effect.subject)
    return _answer(house.printer.submit(effect.key, effect.subject, document))


def _look_up(house: House, effect: Effect) -> Answer | None:
    with house.store.read() as uow:
        asked = uow.print_jobs.find(effect.key)
    job = house.printer.look_up(effect.key, asked.asked_at if asked else effect.planned_at)
    return _answer(job) if job else None


def _answer(job: PrintJob) -> Answer:
    return {"job": job.reference, "state": job.state.value, "reason": job.reason}


def _taken(house: House, uow: UnitOfWork, effect: Effect, answer: Answer) -> None:
    """The printer has the run, and it may be out already."""
    if uow.print_jobs.find(effect.key) is None:
        uow.print_jobs.ask(effect.key, effect.subject)
    state = PrintJobState(answer["state"])
    job = PrintJob(key=effect.key, reference=answer["job"], state=state, reason=answer["reason"])
    _note(house, uow, effect.subject, job)


def _note(house: House, uow: UnitOfWork, batch_id: str, job: PrintJob) -> str:
    """What the printer says of a job, and what follows from it; somebody else may have noted its end."""
    if not uow.print_jobs.note(job):
        return "already_noted"
    if job.state is PrintJobState.DONE:
        come_out(house, uow, uow.batches.get(batch_id))
        return "printed"
    return "printing" if job.state is PrintJobState.ACCEPTED else job.state.value


PRINTING = Act(send=_submit, look_up=_look_up, apply=_taken, refuse=leave_to_a_person)


# --- the job, to its end ---------------------------------------------------------------------------------------


def _to_follow(house: House) -> list[Chunk]:
    with house.store.read() as uow:
        return [(job.key,) for job in uow.print_jobs.unfinished()]


def _follow(house: House, chunk: Chunk) -> Tally:
    total = Tally()
    for key in chunk:
        with house.store.read() as uow:
            known = uow.print_jobs.find(key)
        if known is not None:
            total += _follow_job(house, known)
    return total


def _follow_job(house: House, known: PressJob) -> Tally:
    """Ask until the job ends or stops. One that only a person can settle is told again at every run."""
    if known.state in _FOR_A_PERSON:
        return tally([f"already_{known.state.value}"], _trouble(known.batch_id, known.state, known.reason))
    job = house.printer.follow(known.key)
    if job is None:
        job = PrintJob(key=known.key, reference=known.reference or "", state=PrintJobState.FORGOTTEN)
    with house.store.begin() as uow:
        outcome = _note(house, uow, known.batch_id, job)
    return tally([outcome], _trouble(known.batch_id, job.state, job.reason))


def _trouble(batch_id: str, state: PrintJobState, reason: str | None) -> list[Problem]:
    """What a person at the printer has to know of a job in `state`."""
    fault: HseCardError
    if state is PrintJobState.STOPPED:
        fault = stoppage((reason or "no reason given").split(","))
    elif state is PrintJobState.ABORTED:
        fault = Spoiled(
            "print.job_aborted",
            f"the printer gave up the job of {batch_id} ({reason or 'no reason given'}): some cards may be out",
            fix="look which cards came out and how, then tell it with `hsecard prints outcome`",
        )
    elif state is PrintJobState.FORGOTTEN:
        fault = Unsure(
            "print.job_forgotten",
            f"the printer took the job of {batch_id} and does not know it any more",
            fix="look which cards came out and how, then tell it with `hsecard prints outcome`",
        )
    else:
        return []
    return [Problem.of(batch_id, fault)]


def in_doubt(house: House) -> list[Problem]:
    """Every print job that only a person, or the printer's own list, can settle."""
    with house.store.read() as uow:
        waiting = [job for job in uow.print_jobs.unfinished() if job.state in _FOR_A_PERSON]
        unanswered = [
            effect
            for effect in uow.effects.in_state(EffectState.UNSURE, EffectState.REFUSED)
            if effect.kind is EffectKind.PRINT and uow.batches.get(effect.subject).state is BatchState.FROZEN
        ]
    problems = [problem for job in waiting for problem in _trouble(job.batch_id, job.state, job.reason)]
    return [*problems, *map(_unanswered, unanswered)]


def _unanswered(effect: Effect) -> Problem:
    fault: HseCardError
    if effect.state is EffectState.REFUSED:
        fault = Refused(
            "print.refused",
            f"the printer refused the run {effect.subject}: {(effect.answer or {}).get('message', 'no reason given')}",
            fix="correct the settings, then free its cards: `hsecard prints outcome BATCH --rest unprinted`",
        )
    else:
        fault = Unsure(
            "print.unsettled",
            f"the run {effect.subject} was sent and nobody knows whether the printer has it",
            fix="run `hsecard reconcile`; if it stays, look at the printer and tell it with `hsecard prints outcome`",
        )
    return Problem.of(effect.subject, fault)


# --- what came out ---------------------------------------------------------------------------------------------


def come_out(house: House, uow: UnitOfWork, batch: Batch) -> None:
    """Every card of the batch that was not struck is out: it uses a blank from now on."""
    if not uow.batches.to_state(batch.batch_id, BatchState.FROZEN, BatchState.PRINTED):
        return
    for place in batch.cards:
        if place.struck is None:
            _card_printed(house, uow, batch, place)
    struck = sum(place.struck is not None for place in batch.cards)
    from_tray(house, uow, batch, target=BlankAccount.MACHINE, count=len(batch.cards) - struck)
    from_tray(house, uow, batch, target=BlankAccount.RETURNED, count=struck)


def _card_printed(house: House, uow: UnitOfWork, batch: Batch, place: BatchCard) -> None:
    attempt = uow.prints.add(place.card_id, batch.batch_id, place.position)
    uow.cards.advance(
        place.card_id,
        CardState.RENDERED,
        CardState.PRINTED,
        actor=house.actor,
        what="printed",
        details={"batch": batch.batch_id, "position": place.position, "attempt": attempt, "face": place.face_digest},
    )


def from_tray(house: House, uow: UnitOfWork, batch: Batch, *, target: BlankAccount, count: int) -> None:
    """`count` blanks of a batch leave its tray, once a target."""
    if count:
        uow.blanks.move(
            BlankMove(
                move_key=f"{target.value}:{batch.batch_id}",
                at=house.clock.now(),
                actor=house.actor,
                lot=batch.lot,
                source=BlankAccount.TRAY,
                target=target,
                count=count,
                batch_id=batch.batch_id,
            )
        )


PRESS = (Stage("print", _to_print, _print), Stage("follow", _to_follow, _follow))
