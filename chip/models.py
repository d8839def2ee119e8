"""What goes in and out of the chip room: content, outcomes, readings."""

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from cards.identifiers import CardNumber


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChipContent(_Frozen):
    """What the chip is to say: the printed number and its validity. Signed together with the chip's UID."""

    card_number: CardNumber
    valid_until: date


class ChipVerdict(StrEnum):
    """What to do after an attempt to encode: the status words of the card, sorted by the act they call for."""

    DONE = "done"
    PRESENT_AGAIN = "present_again"
    WAIT = "wait"
    FAULTY = "faulty"
    QUARANTINE = "quarantine"
    NO_SPACE = "no_space"
    STOP_LINE = "stop_line"
    KEY_SERVICE = "key_service"


class ChipOutcome(_Frozen):
    """How an attempt ended. `uid` is hex when it was read; `step` names the step, `status` the status word (hex).

    `cause` is a word of ours for what stopped it (`lost`, `mismatch`, `key_refused`, `other_content` …): a lost card
    has no status word.
    """

    verdict: ChipVerdict
    uid: str | None
    exchanges: int
    step: str | None = None
    status: str | None = None
    key_generation: int | None = None
    cause: str | None = None


class ChipReading(_Frozen):
    """What a door reader sees: the content and whether its signature over (UID ‖ AID ‖ content) holds."""

    uid: str
    card_number: str
    valid_until: date
    signing_key_id: int
    signature_valid: bool
    key_generation: int
