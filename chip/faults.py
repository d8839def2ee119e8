"""The troubles of the field by name, made to order for a virtual chip: a hasty hand, a dying chip, a used blank.

A fault is a value: it belongs to one place in one tray, and crosses a process pool or a settings file like any other.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from cards.errors import Refused

_SPELLING = re.compile(r"(?P<kind>[a-z_]+)(@(?P<exchange>\d{1,4}))?(\*(?P<presentations>\d{1,4}))?")


class FaultKind(StrEnum):
    """What goes wrong. The first ten strike at an exchange, the others are how the chip came."""

    CUT_BEFORE = "cut_before"
    CUT_AFTER = "cut_after"
    TORN = "torn"
    LOST_ANSWER = "lost_answer"
    EMPTY_ANSWER = "empty_answer"
    BIT_FLIP = "bit_flip"
    NOT_WRITTEN = "not_written"  # 91EE, rolled back
    ABORTED = "aborted"  # 91CA, rolled back
    INTEGRITY = "integrity"  # 91C1 from then on
    STATUS = "status"  # `Fault.status`, rolled back
    WRONG_UID = "wrong_uid"
    RANDOM_UID = "random_uid"
    FOREIGN_KEY = "foreign_key"
    FOREIGN_APP = "foreign_app"
    NO_ROOM = "no_room"
    UNKNOWN_TYPE = "unknown_type"
    KEY_LOCKED = "key_locked"  # the counter of refused authentications has run out: 919D


_UNTIL_SCRAPPED = (FaultKind.ABORTED, FaultKind.INTEGRITY, FaultKind.WRONG_UID)
_USUAL_EXCHANGE = 12  # while the application is made: the chip is bound, and not finished


@dataclass(frozen=True)
class Fault:
    """`exchange` counts from 1 in each presentation; `presentations` is how many of the first it strikes, 0 for all."""

    kind: FaultKind
    exchange: int = 1
    presentations: int = 1
    status: int = 0x911C

    @classmethod
    def named(cls, text: str) -> Self:
        """A fault as settings write it: `integrity`, `cut_after@17`, `not_written@12*2` (the first two presentations).

        Without numbers it strikes while the application is made, and as often as such a trouble does in life: once
        for a hasty hand, at every presentation for a chip that is going. Refused `chip.unknown_fault`.
        """
        found = _SPELLING.fullmatch(text.strip())
        if found is None or found["kind"] not in list(FaultKind):
            raise Refused(
                "chip.unknown_fault",
                f"{text!r} is no fault that a virtual chip can have",
                fix="write one of " + ", ".join(FaultKind) + ", with @exchange and *presentations if you like",
            )
        kind = FaultKind(found["kind"])
        usual = 0 if kind in _UNTIL_SCRAPPED else 1
        return cls(
            kind=kind,
            exchange=int(found["exchange"] or _USUAL_EXCHANGE),
            presentations=int(found["presentations"] or usual),
        )
