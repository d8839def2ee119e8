"""Chips that fail in the field: reports as they were made, one fault a card, and what was decided on each.

A report may name one card or thousands: whatever it does, it does in one transaction, so it is there whole or not at
all. A replacement is for one fault, and a faulty card has at most one: the database holds both.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import RowMapping, bindparam, insert, select, update

from cards.errors import Refused
from store.tables import cards, chip_faults, fault_reports
from store.transaction import Transaction

_IDS_A_QUERY = 500  # SQLite takes a limited number of parameters in one statement


class FiledReport(BaseModel):
    """A report as it was made: who said what, by which road (`channel`), and the answer that was given.

    `report_key` is the reporter's own; `digest` covers what was reported; `cohort` is what recalled cards have in
    common, None when the cards themselves were seen to fail.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    report_id: str
    report_key: str | None
    digest: str
    channel: str
    reported_at: datetime
    reported_by: str
    symptom: str
    cohort: dict[str, Any] | None = None
    answer: dict[str, Any]


class FaultReport(BaseModel):
    """The fault of one card; `report_id` names the report that told it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault_id: str
    card_id: str
    reported_at: datetime
    reported_by: str
    symptom: str
    report_id: str | None = None


_FAULT_COLUMNS = [chip_faults.c[name] for name in FaultReport.model_fields]


class FieldFaults:
    """Fault reports and the faults of single cards."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    # --- reports ------------------------------------------------------------------------------------------------

    def filed(self, report_key: str) -> FiledReport | None:
        """The report made under this key, or None."""
        query = select(fault_reports).where(fault_reports.c.report_key == report_key)
        row = self._tx.connection.execute(query).mappings().one_or_none()
        return None if row is None else FiledReport.model_validate(dict(row))

    def file(self, report: FiledReport, faults: Sequence[FaultReport]) -> bool:
        """Keep a report with its faults. False when a report of that id or key is known: then nothing is kept."""
        if not self._tx.insert_new(fault_reports, report.model_dump()):
            return False
        if faults:
            self._tx.connection.execute(insert(chip_faults), [fault.model_dump() for fault in faults])
        return True

    # --- faults -------------------------------------------------------------------------------------------------

    def report(self, fault: FaultReport) -> bool:
        """Keep the fault of one card. False when it is known. Raises Refused `fault.key_reused`, `card.unknown`."""
        if self._tx.connection.scalar(select(cards.c.card_id).where(cards.c.card_id == fault.card_id)) is None:
            raise Refused(
                "card.unknown", f"there is no card {fault.card_id!r}", field="card_id", fix="check the card's number"
            )
        if self._tx.insert_new(chip_faults, fault.model_dump()):
            return True
        if self._fault(fault.fault_id)["card_id"] != fault.card_id:
            raise Refused(
                "fault.key_reused",
                f"the report {fault.fault_id} was made before for another card",
                fix="give the new report its own id",
            )
        return False

    def open(self) -> list[FaultReport]:
        """Faults on which nothing is decided yet, oldest first."""
        query = select(*_FAULT_COLUMNS).where(chip_faults.c.decided_at.is_(None))
        rows = self._tx.connection.execute(query.order_by(chip_faults.c.reported_at, chip_faults.c.fault_id))
        return [FaultReport.model_validate(dict(row)) for row in rows.mappings()]

    def open_among(self, fault_ids: Sequence[str]) -> list[FaultReport]:
        """Those of the faults that are still open, by id, held until the end of the transaction."""
        found: list[FaultReport] = []
        ordered = sorted(set(fault_ids))
        for start in range(0, len(ordered), _IDS_A_QUERY):
            part = chip_faults.c.fault_id.in_(ordered[start : start + _IDS_A_QUERY])
            query = select(*_FAULT_COLUMNS).where(part, chip_faults.c.decided_at.is_(None))
            rows = self._tx.connection.execute(query.order_by(chip_faults.c.fault_id).with_for_update())
            found += [FaultReport.model_validate(dict(row)) for row in rows.mappings()]
        return found

    def decide(self, fault_id: str, replacement_card_id: str | None, why: str, decided_by: str) -> None:
        """Decide a fault: replaced by a card, or not, and why. The same decision again changes nothing.

        Raises Refused `fault.unknown`, `fault.decided` (otherwise), `fault.already_replaced` (by another fault).
        """
        fault = self._fault(fault_id, lock=True)
        if fault["decided_at"] is not None:
            if fault["replacement_card_id"] != replacement_card_id:
                raise Refused(
                    "fault.decided", f"the report {fault_id} was decided otherwise", fix="a decision stands: look at it"
                )
            return
        if replacement_card_id is not None and self.replacements([fault["card_id"]]):
            raise Refused(
                "fault.already_replaced",
                f"card {fault['card_id']} has a free replacement already",
                fix="a second replacement of one card is for a person to order",
            )
        self.decide_many({fault_id: replacement_card_id}, why=why, decided_by=decided_by)

    def decide_many(self, replacements: Mapping[str, str | None], *, why: str, decided_by: str) -> None:
        """Decide open faults, held by `open_among`: fault → replacement card or None.

        Raises Refused `store.rule_broken` when a card has a replacement already or a card replaces two.
        """
        if not replacements:
            return
        change = update(chip_faults).where(
            chip_faults.c.fault_id == bindparam("of"), chip_faults.c.decided_at.is_(None)
        )
        values = change.values(
            replacement_card_id=bindparam("by_card"), why=why, decided_by=decided_by, decided_at=self._tx.now()
        )
        rows = [{"of": fault_id, "by_card": card_id} for fault_id, card_id in replacements.items()]
        self._tx.connection.execute(values, rows)

    def faults(self, card_id: str | None = None) -> list[tuple[FaultReport, str | None, str | None]]:
        """(fault, replacement card or None, why or None), oldest first, of one card when given."""
        query = select(*_FAULT_COLUMNS, chip_faults.c.replacement_card_id, chip_faults.c.why)
        if card_id is not None:
            query = query.where(chip_faults.c.card_id == card_id)
        rows = self._tx.connection.execute(query.order_by(chip_faults.c.reported_at, chip_faults.c.fault_id))
        found = []
        for row in rows.mappings():
            content = dict(row)
            replacement, why = content.pop("replacement_card_id"), content.pop("why")
            found.append((FaultReport.model_validate(content), replacement, why))
        return found

    def recalled(self, faults: Sequence[FaultReport]) -> set[str]:
        """Those of the faults whose report recalled a cohort, rather than told of cards that were seen to fail."""
        named = sorted({fault.report_id for fault in faults if fault.report_id is not None})
        recalls: set[str | None] = set()
        for start in range(0, len(named), _IDS_A_QUERY):
            part = fault_reports.c.report_id.in_(named[start : start + _IDS_A_QUERY])
            query = select(fault_reports.c.report_id).where(part, fault_reports.c.cohort.is_not(None))
            recalls.update(self._tx.connection.scalars(query))
        return {fault.fault_id for fault in faults if fault.report_id in recalls}

    def known(self, card_ids: Sequence[str]) -> set[str]:
        """Those of the cards that were ever reported."""
        return {card_id for card_id, _ in self._of_cards(card_ids)}

    def replacements(self, card_ids: Sequence[str]) -> dict[str, str]:
        """Faulty card → its free replacement, for those of the cards that have one."""
        return {card_id: replacement for card_id, replacement in self._of_cards(card_ids) if replacement is not None}

    def _of_cards(self, card_ids: Sequence[str]) -> list[tuple[str, str | None]]:
        found: list[tuple[str, str | None]] = []
        for start in range(0, len(card_ids), _IDS_A_QUERY):
            part = chip_faults.c.card_id.in_(card_ids[start : start + _IDS_A_QUERY])
            query = select(chip_faults.c.card_id, chip_faults.c.replacement_card_id).where(part)
            found += [(row[0], row[1]) for row in self._tx.connection.execute(query)]
        return found

    def _fault(self, fault_id: str, *, lock: bool = False) -> RowMapping:
        query = select(chip_faults).where(chip_faults.c.fault_id == fault_id)
        rows = self._tx.connection.execute(query.with_for_update() if lock else query)
        row = rows.mappings().one_or_none()
        if row is None:
            raise Refused("fault.unknown", f"there is no fault report {fault_id!r}", fix="see `hsecard status`")
        return row
