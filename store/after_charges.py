"""Postage charged too little that finance charges after all: asked for by one, agreed to by another, once each."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update

from billing.people import person
from store.refund_tables import after_charges
from store.transaction import Transaction


class AfterCharge(NamedTuple):
    """Who asked to charge a finding, and how much net, who agreed, and the invoice that came of it."""

    finding_id: str
    net_ore: int
    asked_by: str
    asked_at: datetime
    agreed_by: str | None
    agreed_at: datetime | None
    invoice: int | None


class AfterCharges:
    """What is charged after all."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def all(self) -> list[AfterCharge]:
        """Every one, by finding."""
        return self._read(None)

    def get(self, finding_id: str) -> AfterCharge | None:
        """That of a finding, held until the end of the transaction; None when nobody asked for it."""
        found = self._read(finding_id)
        return found[0] if found else None

    def _read(self, finding_id: str | None) -> list[AfterCharge]:
        query = select(*(after_charges.c[name] for name in AfterCharge._fields)).order_by(after_charges.c.finding_id)
        if finding_id is not None:
            query = query.where(after_charges.c.finding_id == finding_id).with_for_update()
        return [AfterCharge(*row) for row in self._tx.connection.execute(query)]

    def ask(self, finding_id: str, *, net_ore: int, by: str) -> bool:
        """Ask to charge `net_ore` for a finding, which then stands as it is. False when that was asked before."""
        row = {
            "finding_id": finding_id,
            "net_ore": net_ore,
            "asked_by": by,
            "asker": person(by),
            "asked_at": self._tx.now(),
        }
        return self._tx.insert_new(after_charges, row)

    def agree(self, finding_id: str, *, by: str, invoice: int) -> None:
        """Agree to it, with the invoice that is issued for it; it was asked for and nobody agreed yet."""
        here = (after_charges.c.finding_id == finding_id) & after_charges.c.agreed_by.is_(None)
        values = {"agreed_by": by, "agreer": person(by), "agreed_at": self._tx.now(), "invoice": invoice}
        self._tx.connection.execute(update(after_charges).where(here).values(**values))
