"""Who of finance may propose refunds and approve them up to what amount: dated rows, each agreed to by a second person.

A role holds from the moment somebody agrees to it who neither set it nor is meant by it. Without any role (the
embedded demo) whoever did not propose may approve; production refuses that.
"""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from billing.people import person
from cards.errors import Refused
from cards.money import nok


class RefundRole(BaseModel):
    """What one person may do from `agreed_at` on, in øre with VAT; the newest agreed row of a person holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role_id: int
    name: str
    may_propose: bool
    approve_up_to_ore: int = Field(ge=0)
    set_by: str
    set_at: datetime
    agreed_by: str | None = None
    agreed_at: datetime | None = None


def in_force(rows: Iterable[RefundRole]) -> dict[str, RefundRole]:
    """Person → the role that holds now."""
    agreed = (row for row in rows if row.agreed_by is not None)
    return {person(row.name): row for row in sorted(agreed, key=lambda row: row.role_id)}


def refuse_proposer(rows: Iterable[RefundRole], by: str) -> None:
    """Refuse who may not propose refunds (`refund.may_not_propose`); without any role, nobody is."""
    roles = in_force(rows)
    if roles and not (person(by) in roles and roles[person(by)].may_propose):
        raise Refused(
            "refund.may_not_propose",
            f"{by} may not propose refunds",
            field="by",
            fix="let somebody propose who may, or have the role set: `hsecard refunds roles set`",
        )


def refuse_approver(rows: Iterable[RefundRole], by: str, gross_ore: int) -> None:
    """Refuse who may not approve this much (`refund.above_limit`); without any role, nobody is."""
    roles = in_force(rows)
    if not roles:
        return
    limit = roles[person(by)].approve_up_to_ore if person(by) in roles else 0
    if gross_ore > limit or limit == 0:
        raise Refused(
            "refund.above_limit",
            f"{by} may approve up to {nok(limit)} NOK, the case gives back {nok(gross_ore)} NOK",
            field="by",
            fix="let somebody approve whose limit holds it: `hsecard refunds roles list`",
        )


def refuse_agreer(rows: Iterable[RefundRole], role: RefundRole, by: str) -> None:
    """Refuse who may not agree to a role: its setter, the one it is for, and, while there are others, who has none.

    Raises Refused `refund.role_alone`, `refund.role_unknown_person`.
    """
    parties = {person(role.set_by), person(role.name)}
    if person(by) in parties:
        raise Refused(
            "refund.role_alone",
            f"{by} set the role of {role.name} or is meant by it, and cannot agree to it",
            field="by",
            fix="let another person of finance agree to it",
        )
    others = in_force(rows).keys() - parties
    if others and person(by) not in others:
        raise Refused(
            "refund.role_unknown_person",
            f"{by} has no role in refunds, and others have",
            field="by",
            fix="let somebody agree who has a role: `hsecard refunds roles list`",
        )
