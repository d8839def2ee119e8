"""Letters that came back: why, by the carrier's codes or the stamp on the paper, and what the house does about it.

What follows from a reason is a dated rule in data/returns.json: whether the address is flagged, whether the letter is
sent again, kept while its orderer is asked, or destroyed, for how many days it is kept, and who pays for a second
journey. Posten's own list gives the codes; `unstated` is ours, for an envelope that says nothing.
"""

import json
import re
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cards.errors import Refused

UNSTATED = "unstated"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReturnReason(_Frozen):
    """Why a letter came back: the carrier's code, the sentence in both languages, the stamps that mean it."""

    code: str
    norwegian: str
    english: str
    stamps: tuple[str, ...]


class ReturnRule(_Frozen):
    """What follows from a reason in the days from – until. `payer` bears the postage of a second journey."""

    reason: str
    valid_from: date
    valid_until: date | None
    flags_address: bool
    then: Literal["ask", "send_again", "destroy"]
    keep_days: int = Field(ge=0)
    payer: Literal["customer", "house"]

    def destroy_from(self, returned_on: date) -> date:
        """The day from which the cards wait for no answer any more."""
        return returned_on + timedelta(days=self.keep_days)


class _File(_Frozen):
    source: str
    reasons: tuple[ReturnReason, ...]
    rules: tuple[ReturnRule, ...]


class LetterReturn(_Frozen):
    """A letter that is back: why, when and by whose hand. `flags`: nothing goes to its address until that is lifted.

    `at_our_cost`: a second journey is ours to pay. `destroy_from`: the day from which its cards wait for no answer.
    """

    shipment_id: str
    address_key: str
    reason: str
    returned_at: datetime
    returned_by: str
    at_our_cost: bool
    destroy_from: date
    flags: bool
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lifted_why: str | None = None

    @property
    def flagged(self) -> bool:
        """True while nothing may be sent to the address because of this letter."""
        return self.flags and self.lifted_at is None


@cache
def _bundled() -> _File:
    return _File.model_validate(json.loads(files("shipping").joinpath("data", "returns.json").read_bytes()))


def return_reasons() -> tuple[ReturnReason, ...]:
    """Every reason, in the order of the carrier's list."""
    return _bundled().reasons


def find_reason(text: str) -> ReturnReason | None:
    """The reason with this code (leading noughts may be missing) or stamp, None when there is none such."""
    wanted = " ".join(text.casefold().split())
    for reason in return_reasons():
        if wanted in (reason.code, *reason.stamps) or (wanted.isdigit() and wanted.zfill(2) == reason.code):
            return reason
    return None


def read_reason(text: str) -> ReturnReason:
    """As `find_reason`. Raises Refused `return.reason_unknown`."""
    reason = find_reason(text)
    if reason is None:
        known = ", ".join(f"{each.code} {each.english}" for each in return_reasons())
        raise Refused(
            "return.reason_unknown",
            f"{text!r} is neither a reason code of the carrier nor a stamp that is known",
            field="--reason",
            fix=f"give one of: {known}",
        )
    return reason


def rule_of(reason: str, day: date) -> ReturnRule:
    """What follows from `reason` (a code) for a letter that came back on `day` (Oslo).

    Raises Refused `return.no_rule`.
    """
    for rule in _bundled().rules:
        if rule.reason == reason and rule.valid_from <= day and (rule.valid_until is None or day <= rule.valid_until):
            return rule
    raise Refused(
        "return.no_rule",
        f"no rule says what follows from reason {reason} on {day}",
        field="--reason",
        fix="add a row with its first day to shipping/data/returns.json",
    )


_GS1 = re.compile(r"^(\]C1)?00(\d{18})$")
_S10_CHECKED = re.compile(r"^([A-Z]{2}\d{9}[A-Z]{2})[0-9A-Z\-. $/+%]$")


def carriers_number(code: str) -> str:
    """A scanned number of the carrier's as it was booked: without blanks, GS1's identifier 00, Code 39's check."""
    text = "".join(code.upper().split())
    for shape, group in ((_GS1, 2), (_S10_CHECKED, 1)):
        found = shape.match(text)
        if found:
            return found.group(group)
    return text
