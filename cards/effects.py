"""An effect is a row before it is an act: whatever leaves the house is planned, sent with its key, then settled.

`unsure` is an honest state: asked, and the answer was lost. It is settled by looking it up at the other side, or by a
person; nothing is sent again on hope.
"""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class EffectState(StrEnum):
    """Where an effect stands between the decision and the other side's answer."""

    PLANNED = "planned"
    SENT = "sent"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNSURE = "unsure"


OPEN = (EffectState.PLANNED, EffectState.SENT, EffectState.UNSURE)

_STEPS: dict[EffectState, frozenset[EffectState]] = {
    EffectState.PLANNED: frozenset({EffectState.SENT}),
    # Back to planned only when the other side said that it took nothing (Unavailable).
    EffectState.SENT: frozenset({EffectState.CONFIRMED, EffectState.REFUSED, EffectState.UNSURE, EffectState.PLANNED}),
    # Looked up: it happened, it was refused, or it never arrived there and may be sent (again) with the same key.
    EffectState.UNSURE: frozenset({EffectState.CONFIRMED, EffectState.REFUSED, EffectState.PLANNED}),
    EffectState.CONFIRMED: frozenset(),
    EffectState.REFUSED: frozenset(),
}


def effect_may_step(before: EffectState, after: EffectState) -> bool:
    """True when an effect may go from `before` to `after`."""
    return after in _STEPS[before]


class EffectKind(StrEnum):
    """What leaves the house, one kind a port and verb."""

    PRINT = "print"
    ENCODE = "encode"
    BOOK = "book"
    MANIFEST = "manifest"
    MAIL = "mail"
    REFUND = "refund"
    STRIPE_INVOICE = "stripe_invoice"
    STRIPE_CREDIT = "stripe_credit"
    E_INVOICE = "e_invoice"
    FAULT_EVENT = "fault_event"
    RETURN_MAIL = "return_mail"


class Effect(BaseModel):
    """One act towards the outside. `key` names it for ever; `request` holds references and amounts, no personal data.

    `answer` is what the other side said (its reference); `digest` covers the request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    kind: EffectKind
    subject: str
    request: dict[str, Any]
    digest: str
    state: EffectState
    planned_at: datetime
    settled_at: datetime | None = None
    answer: dict[str, Any] | None = None
    attempts: int = 0


def request_digest(request: dict[str, Any]) -> str:
    """SHA-256 of a request in canonical JSON."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
