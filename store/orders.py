"""Orders as they were accepted, with the reading of their delivery address; the document itself lies in the blobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict
from sqlalchemy import bindparam, desc, func, select, update

from cards.address import Address
from cards.errors import Refused, Unavailable
from cards.orders import ApprovedOrder, Business, Orderer, Unit
from shipping.models import AddressReading
from store.tables import orders
from store.transaction import Transaction

_NUMBERS_A_QUERY = 500  # SQLite takes a limited number of parameters in one statement


class StoredOrder(BaseModel):
    """An accepted order without its card lines (those are cards now). `document_key` is the blob of the document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_number: str
    digest: str
    document_key: str
    received_at: datetime
    ordered_at: datetime
    approved_at: datetime
    ordered_by: Orderer
    business: Business
    unit: Unit | None
    deliver_to: Address
    address_key: str
    address_valid: bool
    address_reasons: tuple[str, ...]
    address_suggestion: str | None
    label_lines: tuple[str, ...]
    rule_version: int
    card_kind: str


class Destination(NamedTuple):
    """Where an order's cards go: the address as typed, and as the letter shows it."""

    address: Address
    label_lines: tuple[str, ...]


_ONE = select(orders).where(orders.c.order_number == bindparam("order_number"))
_DIGEST = select(orders.c.digest).where(orders.c.order_number == bindparam("order_number"))


def _reading_columns(reading: AddressReading) -> dict[str, Any]:
    return {
        "address_key": reading.key,
        "address_valid": reading.valid,
        "address_reasons": list(reading.reasons),
        "address_suggestion": reading.suggestion,
        "label_lines": list(reading.label_lines),
        "rule_version": reading.rule_version,
    }


def _order_columns(order: ApprovedOrder) -> dict[str, Any]:
    return {
        "order_number": order.order_number,
        "digest": order.digest(),
        "ordered_at": order.ordered_at,
        "approved_at": order.approved_at,
        "org_number": order.business.org_number,
        "card_kind": order.card_kind,
        "ordered_by": order.ordered_by.model_dump(mode="json"),
        "business": order.business.model_dump(mode="json"),
        "unit": order.unit.model_dump(mode="json") if order.unit else None,
        "deliver_to": order.deliver_to.model_dump(mode="json"),
    }


class Orders:
    """Accepted orders. One number is one content, for ever."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(self, order: ApprovedOrder, *, reading: AddressReading, document_key: str, received_at: datetime) -> None:
        """Accept an order. Ask `digest` first.

        Raises Refused `order.number_reused` when the number stands for other content, Unavailable `order.raced` when
        another import took the same order in the same moment.
        """
        row = {**_order_columns(order), **_reading_columns(reading)}
        if not self._tx.insert_new(orders, {**row, "document_key": document_key, "received_at": received_at}):
            raise self._known(order)

    def _known(self, order: ApprovedOrder) -> Refused | Unavailable:
        if self.digest(order.order_number) == order.digest():
            return Unavailable(
                "order.raced",
                f"another import took order {order.order_number} in the same moment",
                fix="import again: the order will be recognised",
            )
        return Refused(
            "order.number_reused",
            f"order {order.order_number} was accepted before with other content",
            field="order_number",
            fix="give the changed order a new number, or cancel the cards of the old one",
        )

    def digest(self, order_number: str) -> str | None:
        """The digest of the content accepted under this number, or None."""
        return self._tx.connection.scalar(_DIGEST, {"order_number": order_number})

    def get(self, order_number: str) -> StoredOrder:
        """The order. Raises Refused `order.unknown`."""
        row = self._tx.connection.execute(_ONE, {"order_number": order_number}).mappings().one_or_none()
        if row is None:
            raise _unknown(order_number)
        content = dict(row)
        del content["org_number"]
        return StoredOrder.model_validate(content)

    def destinations(self, order_numbers: Sequence[str]) -> dict[str, Destination]:
        """Where the cards of these orders go. Those that are not there are left out."""
        found: dict[str, Destination] = {}
        for start in range(0, len(order_numbers), _NUMBERS_A_QUERY):
            part = orders.c.order_number.in_(order_numbers[start : start + _NUMBERS_A_QUERY])
            query = select(orders.c.order_number, orders.c.deliver_to, orders.c.label_lines).where(part)
            for number, address, lines in self._tx.connection.execute(query):
                found[number] = Destination(Address.model_validate(address), tuple(lines))
        return found

    def readdress(self, order_number: str, address: Address, reading: AddressReading) -> None:
        """Put another delivery address in the place of the old one. Raises Refused `order.unknown`."""
        columns = {"deliver_to": address.model_dump(mode="json"), **_reading_columns(reading)}
        change = update(orders).where(orders.c.order_number == order_number).values(columns)
        if self._tx.connection.execute(change).rowcount == 0:
            raise _unknown(order_number)

    def business(self, org_number: str) -> Business | None:
        """The business as its latest order tells it, or None when it never ordered."""
        latest = (
            select(orders.c.business)
            .where(orders.c.org_number == org_number)
            .order_by(desc(orders.c.received_at), desc(orders.c.order_number))
            .limit(1)
        )
        content = self._tx.connection.scalar(latest)
        return None if content is None else Business.model_validate(content)

    def count(self) -> int:
        """How many orders were accepted."""
        return self._tx.connection.scalar(select(func.count()).select_from(orders)) or 0

    def numbers(self) -> list[str]:
        """All order numbers, in order."""
        return list(self._tx.connection.scalars(select(orders.c.order_number).order_by(orders.c.order_number)))


def _unknown(order_number: str) -> Refused:
    return Refused(
        "order.unknown",
        f"there is no order {order_number!r}",
        field="order_number",
        fix="look for it with `hsecard cards find`",
    )
