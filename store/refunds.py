"""Refund cases: proposed by one person, approved by another, executed once. A finding is in one live case at most."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, select, update

from billing.models import RefundCase, RefundItem, RefundState
from billing.refunds import person
from cards.errors import Refused
from store.tables import refund_cases, refund_items
from store.transaction import Transaction

_CASE_COLUMNS = [refund_cases.c[name] for name in RefundCase.model_fields if name != "items"]


class Refunds:
    """Cases of money to give back."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, case: RefundCase) -> None:
        """Keep a proposed case. Raises Refused `refund.known`, `refund.finding_taken` (it is in another live case)."""
        row = {**case.model_dump(exclude={"items"}), "proposer": person(case.proposed_by)}
        row["approver"] = None if case.approved_by is None else person(case.approved_by)
        with self._tx.whole():
            if not self._tx.insert_new(refund_cases, row):
                raise Refused("refund.known", f"case {case.case_id} exists already", fix="propose again: a new number")
            for position, item in enumerate(case.items, start=1):
                live = case.state is not RefundState.REJECTED
                if not self._tx.insert_new(refund_items, _item_row(case.case_id, position, item, live=live)):
                    raise Refused(
                        "refund.finding_taken",
                        f"finding {item.finding_id} is in another case",
                        field="finding_id",
                        fix="nothing to do: the other case gives it back; reject that one to take it up here",
                    )

    def get(self, case_id: str) -> RefundCase:
        """The case with its items. Raises Refused `refund.unknown`."""
        found = self._all(select(*_CASE_COLUMNS).where(refund_cases.c.case_id == case_id))
        if not found:
            raise Refused("refund.unknown", f"there is no refund case {case_id!r}", fix="see `hsecard refunds find`")
        return found[0]

    def all(self) -> list[RefundCase]:
        """Every case, by id."""
        return self._all(select(*_CASE_COLUMNS))

    def of_state(self, state: RefundState) -> list[RefundCase]:
        """Cases in `state`, by id."""
        return self._all(select(*_CASE_COLUMNS).where(refund_cases.c.state == state))

    def _all(self, query: Select[Any]) -> list[RefundCase]:
        rows = self._tx.connection.execute(query.order_by(refund_cases.c.case_id)).mappings().all()
        return [self._case(row) for row in rows]

    def _case(self, row: RowMapping) -> RefundCase:
        query = select(refund_items.c.content).where(refund_items.c.case_id == row["case_id"])
        items = self._tx.connection.scalars(query.order_by(refund_items.c.position)).all()
        return RefundCase.model_validate({**row, "items": items})

    def approve(self, case_id: str, by: str, at: datetime, digest: str) -> bool:
        """Proposed → approved for exactly the payer and amounts of `digest`. False when it is not proposed any more.

        Raises Refused `refund.same_person`, `refund.changed`, `refund.unknown`. The database itself refuses an
        approver who proposed.
        """
        case = self.get(case_id)
        if person(by) == person(case.proposed_by):
            raise Refused(
                "refund.same_person",
                f"{by} proposed case {case_id} and cannot approve it",
                field="by",
                fix="let another person of finance approve it",
            )
        if digest != case.digest:
            raise Refused(
                "refund.changed",
                f"case {case_id} is not what was approved: its payer or amounts differ",
                fix="look at the case again and approve what it says now",
            )
        values = {"approved_by": by, "approver": person(by), "approved_at": at}
        return self._step(case_id, RefundState.PROPOSED, RefundState.APPROVED, values)

    def to_state(
        self,
        case_id: str,
        before: RefundState,
        after: RefundState,
        credit_note: int | None = None,
        *,
        rejected_by: str | None = None,
    ) -> bool:
        """Compare-and-set, with the credit note when there is one now. A rejected case releases its findings.

        False when the case is no longer in `before`.
        """
        if after is RefundState.APPROVED:
            raise ValueError("a case is approved by `approve`")
        values: dict[str, Any] = {} if credit_note is None else {"credit_note": credit_note}
        if after is RefundState.REJECTED:
            values |= {"rejected_by": rejected_by, "rejected_at": self._tx.now()}
        if not self._step(case_id, before, after, values):
            return False
        if after is RefundState.REJECTED:
            release = update(refund_items).where(refund_items.c.case_id == case_id).values(live=False)
            self._tx.connection.execute(release)
        return True

    def _step(self, case_id: str, before: RefundState, after: RefundState, values: dict[str, Any]) -> bool:
        here = (refund_cases.c.case_id == case_id) & (refund_cases.c.state == before)
        return self._tx.connection.execute(update(refund_cases).where(here).values(state=after, **values)).rowcount == 1


def _item_row(case_id: str, position: int, item: RefundItem, *, live: bool) -> dict[str, Any]:
    row = item.model_dump(include={"finding_id", "net_ore", "vat_ore"})
    return {**row, "case_id": case_id, "position": position, "content": item.model_dump(mode="json"), "live": live}
