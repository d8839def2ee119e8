"""Which chip belongs to which card, written before the first write to the chip."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, select, update

from cards.errors import Refused
from chip.models import ChipOutcome
from store.tables import chip_bindings
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


class Chips:
    """Bindings of chips."""

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
