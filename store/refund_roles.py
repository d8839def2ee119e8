"""Roles in refunds as finance set them: rows that are agreed to once and then stay."""

from sqlalchemy import insert, select, update

from billing.people import person
from billing.refund_roles import RefundRole
from cards.errors import Refused
from store.refund_tables import refund_roles
from store.transaction import Transaction

_COLUMNS = [refund_roles.c[name] for name in RefundRole.model_fields]


class RefundRoles:
    """Who may propose and approve, and up to what amount."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def all(self) -> list[RefundRole]:
        """Every row ever set, oldest first."""
        rows = self._tx.connection.execute(select(*_COLUMNS).order_by(refund_roles.c.role_id)).mappings()
        return [RefundRole.model_validate(dict(row)) for row in rows]

    def set(self, role: RefundRole) -> None:
        """Keep a new row, which nobody has agreed to."""
        row = {**role.model_dump(), "person": person(role.name), "setter": person(role.set_by)}
        self._tx.connection.execute(insert(refund_roles), row)

    def open_of(self, name: str) -> RefundRole:
        """The newest row of a person, which waits for agreement. Raises Refused `refund.role_not_open`."""
        of_person = [role for role in self.all() if person(role.name) == person(name)]
        if not of_person or of_person[-1].agreed_by is not None:
            raise Refused(
                "refund.role_not_open",
                f"no role of {name} waits for agreement",
                field="name",
                fix="see `hsecard refunds roles list`; set the role first",
            )
        return of_person[-1]

    def agree(self, role: RefundRole, *, by: str) -> bool:
        """Let the role hold from now on. False when somebody else agreed first."""
        here = (refund_roles.c.role_id == role.role_id) & refund_roles.c.agreed_by.is_(None)
        values = {"agreed_by": by, "agreer": person(by), "agreed_at": self._tx.now()}
        return self._tx.connection.execute(update(refund_roles).where(here).values(**values)).rowcount == 1
