"""From what a card answered to what a person or the line does about it.

The table keeps four things apart that look alike at the reader: a hasty hand, a faulty chip, a wrong key and our own
mistake. Only the second one may cost a blank. Source of the meanings: the status words of DESFire EV1–EV3 as the makers
of readers publish them.
"""

from collections.abc import Sequence

from chip.models import ChipOutcome, ChipVerdict

OUR_STATUS = 0x9100
LOST = "lost"
MISMATCH = "mismatch"
PRESENTATIONS = 3  # times a card that is lost in the field is presented before it counts as faulty

_BY_STATUS = {
    0xCA: (ChipVerdict.PRESENT_AGAIN, "aborted"),
    0xEE: (ChipVerdict.PRESENT_AGAIN, "not_written"),
    0xC1: (ChipVerdict.FAULTY, "integrity"),
    0xCD: (ChipVerdict.FAULTY, "disabled"),
    0xA1: (ChipVerdict.FAULTY, "integrity"),
    0xF1: (ChipVerdict.FAULTY, "integrity"),
    0xAE: (ChipVerdict.QUARANTINE, "key_refused"),
    0x9D: (ChipVerdict.QUARANTINE, "permission_denied"),
    0xAD: (ChipVerdict.WAIT, "authentication_delay"),
    0x0E: (ChipVerdict.NO_SPACE, "no_room"),
}


class Halt(Exception):
    """Ends an attempt with a verdict. `cause` is a word of ours, `status` the status word when there was one."""

    def __init__(self, verdict: ChipVerdict, *, step: str, cause: str, status: int | None = None) -> None:
        super().__init__(verdict, step, cause, status)
        self.verdict = verdict
        self.step = step
        self.cause = cause
        self.status = status


def halt_for_status(status: int, *, step: str) -> Halt:
    """What a status word (two bytes) means when it was not the one expected."""
    verdict, cause = ChipVerdict.STOP_LINE, "unexpected_status"
    if status & 0xFF00 == OUR_STATUS:
        verdict, cause = _BY_STATUS.get(status & 0xFF, (verdict, cause))
    return Halt(verdict, step=step, cause=cause, status=status)


def lost(step: str) -> Halt:
    """The card or its answer went away: nobody knows whether the step took effect."""
    return Halt(ChipVerdict.PRESENT_AGAIN, step=step, cause=LOST)


def mismatch(step: str) -> Halt:
    """A MAC, a proof or read-back data did not hold. Once is bad contact; twice in a row is the chip."""
    return Halt(ChipVerdict.PRESENT_AGAIN, step=step, cause=MISMATCH)


def settled(attempts: Sequence[ChipOutcome]) -> ChipVerdict:
    """The verdict over all attempts on one chip, oldest first: what still may be tried, and when it is the chip.

    Lost three times → faulty. Not written (91EE) or mismatched twice → faulty. Anything else: the last attempt's word.
    """
    last = attempts[-1]
    if last.verdict is not ChipVerdict.PRESENT_AGAIN:
        return last.verdict
    same = sum(attempt.cause == last.cause for attempt in attempts if attempt.verdict is ChipVerdict.PRESENT_AGAIN)
    patience = 2 if last.cause in {"not_written", MISMATCH} else PRESENTATIONS
    worn_out = same >= patience or len(attempts) > PRESENTATIONS
    return ChipVerdict.FAULTY if worn_out else ChipVerdict.PRESENT_AGAIN


def may_be_the_encoder(outcome: ChipOutcome) -> bool:
    """True when a chip counts as faulty only because it was lost each time: another encoder may hold it better."""
    return outcome.verdict is ChipVerdict.FAULTY and outcome.cause in {LOST, "aborted"}
