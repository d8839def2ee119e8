"""Roles in refunds: set by one person, in force once another agrees; production approves nothing without them."""

from collections.abc import Iterable

from billing.people import person
from billing.refund_roles import RefundRole, in_force, refuse_agreer
from cards.errors import Refused
from flows.house import House


def set_role(house: House, name: str, *, may_propose: bool, approve_up_to_ore: int, by: str) -> RefundRole:
    """What somebody may do in refunds, as asked for by `by`; it holds once a second person agrees.

    Raises Refused `refund.no_person`.
    """
    for field, text in (("name", name), ("by", by)):
        if not person(text):
            raise Refused(
                "refund.no_person", "nobody is named", field=field, fix="say whose role it is, and who sets it"
            )
    with house.store.begin() as uow:
        role = RefundRole(
            role_id=uow.series.next("refund_role"),
            name=name.strip(),
            may_propose=may_propose,
            approve_up_to_ore=approve_up_to_ore,
            set_by=by,
            set_at=house.clock.now(),
        )
        uow.refund_roles.set(role)
    return role


def agree_to_role(house: House, name: str, *, by: str) -> RefundRole:
    """A second person agrees to the newest role of `name`, which holds from now on.

    Raises Refused `refund.role_not_open`, `refund.role_alone`, `refund.role_unknown_person`.
    """
    with house.store.begin() as uow:
        role = uow.refund_roles.open_of(name)
        refuse_agreer(uow.refund_roles.all(), role, by)
        uow.refund_roles.agree(role, by=by)
        return next(one for one in uow.refund_roles.all() if one.role_id == role.role_id)


def refuse_without_roles(house: House, roles: Iterable[RefundRole]) -> None:
    """In production nobody approves before finance has set who may (`refund.no_roles`)."""
    if house.settings.environment == "production" and not in_force(roles):
        raise Refused(
            "refund.no_roles",
            "nobody has a role in refunds yet, and production approves nothing without",
            field="by",
            fix="set them with `hsecard refunds roles set`, and let a second person agree",
        )
