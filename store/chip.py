"""Which chip belongs to which card, written before the first write to the chip; and chips that fail in the field."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import RowMapping, Select, select, update

from cards.errors import Refused
from chip.models import ChipOutcome
from store.tables import cards, chip_bindings, chip_faults
from store.transaction import Transaction


class ChipBinding(BaseModel):
    """A chip (UID in hex) bound to a card before anything was written, and how the last attempt ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uid: str
    card_id: str
    generation: int
    encoder: str
    bound_at: datetime
    outcome: ChipOutcome | None = None
    settled_at: datetime | None = None


class FaultReport(BaseModel):
    """A chip that somebody saw fail in the field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault_id: str
    card_id: str
    reported_at: datetime
    reported_by: str
    symptom: str


_REPORT_COLUMNS = [chip_faults.c[name] for name in FaultReport.model_fields]


class Chips:
    """Bindings and faults of chips."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def bind(self, uid: str, card_id: str, generation: int, encoder: str) -> None:
        """Say, before the first write, which card a chip belongs to. The same card again is fine.

        Raises Refused `chip.bound_elsewhere` when the chip belongs to another card.
        """
        row = {"uid": uid, "card_id": card_id, "generation": generation, "encoder": encoder}
        if self._tx.insert_new(chip_bindings, {**row, "bound_at": self._tx.now()}):
            return
        again = update(chip_bindings).where(chip_bindings.c.uid == uid, chip_bindings.c.card_id == card_id)
        if self._tx.connection.execute(again.values(generation=generation, encoder=encoder)).rowcount == 0:
            raise Refused(
                "chip.bound_elsewhere",
                f"chip {uid} belongs to another card than {card_id}",
                fix="put both cards aside: two cards were mixed up in the tray, or a used blank was loaded",
            )

    def settle(self, uid: str, outcome: ChipOutcome) -> None:
        """Note how the attempt ended. Raises Refused `chip.unbound`."""
        values = {"outcome": outcome.model_dump(mode="json"), "settled_at": self._tx.now()}
        change = update(chip_bindings).where(chip_bindings.c.uid == uid).values(values)
        if self._tx.connection.execute(change).rowcount == 0:
            raise Refused(
                "chip.unbound", f"chip {uid} belongs to no card", fix="bind it first: report this fault of the program"
            )

    def binding(self, uid: str) -> ChipBinding | None:
        """Whose chip it is, or None."""
        found = self._bindings(select(chip_bindings).where(chip_bindings.c.uid == uid))
        return found[0] if found else None

    def of_card(self, card_id: str) -> list[ChipBinding]:
        """Every chip that was ever bound to the card, first to last."""
        return self._bindings(select(chip_bindings).where(chip_bindings.c.card_id == card_id))

    def _bindings(self, query: Select[Any]) -> list[ChipBinding]:
        ordered = query.order_by(chip_bindings.c.bound_at, chip_bindings.c.uid)
        return [ChipBinding.model_validate(dict(row)) for row in self._tx.connection.execute(ordered).mappings()]

    # --- faults in the field ------------------------------------------------------------------------------------

    def report_fault(self, fault: FaultReport) -> bool:
        """Keep a report. False when it is known. Raises Refused `fault.key_reused`, `card.unknown`."""
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

    def open_faults(self) -> list[FaultReport]:
        """Reports on which nothing is decided yet, oldest first."""
        query = select(*_REPORT_COLUMNS).where(chip_faults.c.decided_at.is_(None))
        rows = self._tx.connection.execute(query.order_by(chip_faults.c.reported_at, chip_faults.c.fault_id))
        return [FaultReport.model_validate(dict(row)) for row in rows.mappings()]

    def decide(self, fault_id: str, replacement_card_id: str | None, why: str, decided_by: str) -> None:
        """Decide a report: replaced by a card, or not, and why. The same decision again changes nothing.

        Raises Refused `fault.unknown`, `fault.decided` (otherwise), `fault.already_replaced` (by another report).
        """
        fault = self._fault(fault_id, lock=True)
        if fault["decided_at"] is not None:
            if fault["replacement_card_id"] != replacement_card_id:
                raise Refused(
                    "fault.decided", f"the report {fault_id} was decided otherwise", fix="a decision stands: look at it"
                )
            return
        if replacement_card_id is not None and self._replacement_of(fault["card_id"]) is not None:
            raise Refused(
                "fault.already_replaced",
                f"card {fault['card_id']} has a free replacement already",
                fix="a second replacement of one card is for a person to order",
            )
        values = {"replacement_card_id": replacement_card_id, "why": why, "decided_by": decided_by}
        change = update(chip_faults).where(chip_faults.c.fault_id == fault_id)
        self._tx.connection.execute(change.values({**values, "decided_at": self._tx.now()}))

    def faults(self, card_id: str | None = None) -> list[tuple[FaultReport, str | None, str | None]]:
        """(report, replacement card or None, why or None), oldest first, of one card when given."""
        query = select(*_REPORT_COLUMNS, chip_faults.c.replacement_card_id, chip_faults.c.why)
        if card_id is not None:
            query = query.where(chip_faults.c.card_id == card_id)
        rows = self._tx.connection.execute(query.order_by(chip_faults.c.reported_at, chip_faults.c.fault_id))
        found = []
        for row in rows.mappings():
            content = dict(row)
            replacement, why = content.pop("replacement_card_id"), content.pop("why")
            found.append((FaultReport.model_validate(content), replacement, why))
        return found

    def _replacement_of(self, card_id: str) -> str | None:
        query = select(chip_faults.c.replacement_card_id)
        decided = (chip_faults.c.card_id == card_id) & chip_faults.c.replacement_card_id.is_not(None)
        return self._tx.connection.scalar(query.where(decided))

    def _fault(self, fault_id: str, *, lock: bool = False) -> RowMapping:
        query = select(chip_faults).where(chip_faults.c.fault_id == fault_id)
        rows = self._tx.connection.execute(query.with_for_update() if lock else query)
        row = rows.mappings().one_or_none()
        if row is None:
            raise Refused("fault.unknown", f"there is no fault report {fault_id!r}", fix="see `hsecard status`")
        return row
