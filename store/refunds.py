"""Refund cases: proposed by one person, approved by another, executed once. A finding is in one live case at most.

Each step is an act of its own, kept with its actor and the digest that it was for; the money's roads are planned with
the credit note and stay.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, Select, func, insert, select, update

from billing.models import RefundCase, RefundItem, RefundState
from billing.people import person
from billing.refund_roads import RefundRoad, Road
from cards.errors import Refused
from store.refund_tables import refund_acts, refund_payouts, refund_roads
from store.tables import refund_cases, refund_items
from store.transaction import Transaction

_ROAD_COLUMNS = [refund_roads.c[name] for name in RefundRoad.model_fields]
_CASE_COLUMNS = [refund_cases.c[name] for name in RefundCase.model_fields if name != "items"]


class RefundAct(NamedTuple):
    """A step of a case: what (proposed, approved, rejected, executed), who, when, for which digest."""

    act: str
    actor: str
    at: datetime
    digest: str


class Payout(NamedTuple):
    """What of a case goes back by bank: øre, and the bank's reference and who told it, once it is paid."""

    case_id: str
    amount_ore: int
    reference: str | None
    told_by: str | None
    told_at: datetime | None


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
            self._act(case, "proposed", by=case.proposed_by, at=case.proposed_at)

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

    # --- steps --------------------------------------------------------------------------------------------------

    def approve(self, case_id: str, by: str, at: datetime, digest: str) -> bool:
        """Proposed → approved for exactly the payer and amounts of `digest`. False when it is not proposed any more.

        Raises Refused `refund.same_person`, `refund.changed`, `refund.unknown`. The database itself refuses an
        approver who proposed, or whose limit is lower.
        """
        case = self._locked(case_id)
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
        if case.state is not RefundState.PROPOSED:
            return False
        self._act(case, "approved", by=by, at=at)
        return self._step(case, RefundState.APPROVED, approved_by=by, approver=person(by), approved_at=at)

    def reject(self, case_id: str, *, by: str) -> bool:
        """Proposed or approved → rejected; its findings are free again. False when it is executed or rejected."""
        case = self._locked(case_id)
        if case.state not in (RefundState.PROPOSED, RefundState.APPROVED):
            return False
        self._act(case, "rejected", by=by, at=self._tx.now())
        self._step(case, RefundState.REJECTED, rejected_by=by, rejected_at=self._tx.now())
        release = update(refund_items).where(refund_items.c.case_id == case_id).values(live=False)
        self._tx.connection.execute(release)
        return True

    def execute(self, case_id: str, *, credit_note: int, roads: Sequence[RefundRoad], by: str) -> bool:
        """Approved → executing under its credit note, with the roads that its money takes. False when it is not
        approved (any more)."""
        case = self._locked(case_id)
        if case.state is not RefundState.APPROVED:
            return False
        self._act(case, "executed", by=by, at=self._tx.now())
        rows = [{**road.model_dump(), "case_id": case_id, "position": n} for n, road in enumerate(roads, start=1)]
        self._tx.connection.execute(insert(refund_roads), rows)
        return self._step(case, RefundState.EXECUTING, credit_note=credit_note)

    def confirm(self, case_id: str) -> bool:
        """Executing → confirmed: all of its money is back. False when it is not executing (any more)."""
        case = self._locked(case_id)
        return case.state is RefundState.EXECUTING and self._step(case, RefundState.CONFIRMED)

    def reopen(self, case_id: str) -> bool:
        """Confirmed → executing: money of it came back. False when it is not confirmed."""
        case = self._locked(case_id)
        return case.state is RefundState.CONFIRMED and self._step(case, RefundState.EXECUTING)

    def _locked(self, case_id: str) -> RefundCase:
        """The case, which nobody else steps on until the transaction ends."""
        lock = select(refund_cases.c.case_id).where(refund_cases.c.case_id == case_id)
        self._tx.connection.execute(lock.with_for_update())
        return self.get(case_id)

    def _act(self, case: RefundCase, act: str, *, by: str, at: datetime) -> None:
        row = {"case_id": case.case_id, "act": act, "actor": by, "person": person(by), "at": at, "digest": case.digest}
        self._tx.connection.execute(insert(refund_acts), row)

    def _step(self, case: RefundCase, after: RefundState, **values: Any) -> bool:
        here = (refund_cases.c.case_id == case.case_id) & (refund_cases.c.state == case.state)
        return self._tx.connection.execute(update(refund_cases).where(here).values(state=after, **values)).rowcount == 1

    def acts(self, case_id: str) -> list[RefundAct]:
        """The steps of a case, oldest first."""
        columns = (refund_acts.c[name] for name in RefundAct._fields)
        query = select(*columns).where(refund_acts.c.case_id == case_id)
        rows = self._tx.connection.execute(query.order_by(refund_acts.c.at, refund_acts.c.act))
        return [RefundAct(*row) for row in rows]

    # --- money --------------------------------------------------------------------------------------------------

    def roads(self, case_id: str) -> list[RefundRoad]:
        """The roads that the money of a credited case takes, as planned."""
        query = select(*_ROAD_COLUMNS).where(refund_roads.c.case_id == case_id)
        rows = self._tx.connection.execute(query.order_by(refund_roads.c.position)).mappings()
        return [RefundRoad.model_validate(dict(row)) for row in rows]

    def planned_over(self, payment: str) -> int:
        """Øre that cases give back over a payment, given back already or not."""
        query = select(func.sum(refund_roads.c.amount_ore)).where(refund_roads.c.payment == payment)
        return int(self._tx.connection.scalar(query) or 0)

    def payouts(self, case_id: str | None = None) -> list[Payout]:
        """What goes back by bank, by case; of one case when given."""
        told, road = refund_payouts.c, refund_roads.c
        query = (
            select(road.case_id, func.sum(road.amount_ore), told.reference, told.told_by, told.told_at)
            .outerjoin(refund_payouts, told.case_id == road.case_id)
            .where(road.road == Road.PAY_OUT)
            .group_by(road.case_id, told.reference, told.told_by, told.told_at)
        )
        if case_id is not None:
            query = query.where(road.case_id == case_id)
        rows = self._tx.connection.execute(query.order_by(road.case_id))
        return [Payout(row[0], int(row[1]), *row[2:]) for row in rows]

    def paid_out(self, payout: Payout, *, reference: str, by: str) -> bool:
        """Keep that finance paid it by bank. False when that was told before."""
        row = {"case_id": payout.case_id, "amount_ore": payout.amount_ore, "reference": reference}
        return self._tx.insert_new(refund_payouts, {**row, "told_by": by, "told_at": self._tx.now()})


def _item_row(case_id: str, position: int, item: RefundItem, *, live: bool) -> dict[str, Any]:
    row = item.model_dump(include={"finding_id", "net_ore", "vat_ore", "invoice_number"})
    return {**row, "case_id": case_id, "position": position, "content": item.model_dump(mode="json"), "live": live}
