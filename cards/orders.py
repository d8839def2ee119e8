"""An approved order: the one JSON document by which work enters the house.

The shape is strict (unknown fields are refused) and its JSON Schema is published as docs/order.schema.json. It takes
no national identity number: the pipeline never needs one.
"""

import hashlib
import json
import unicodedata
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from cards.address import Address
from cards.errors import Refused
from cards.identifiers import OrgNumber

CARDS_PER_ORDER_MAX = 1000


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _plain_path(text: str) -> str:
    if text.startswith("s3://"):
        return text
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text:
        raise ValueError("must lie beside or below the order file (no leading /, no ..), or be an s3:// address")
    return text


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), AfterValidator(_nfc)]
Email = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]
OrderNumber = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{2,39}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Orderer(_Strict):
    """The employee or owner who ordered (construction regulation § 4)."""

    name: Name
    email: Email


class Business(_Strict):
    """The employer's main unit: the one whose number is printed on the card and who pays."""

    org_number: OrgNumber
    name: Name
    invoice_email: Email
    e_invoice: bool = False
    address: Address


class Unit(_Strict):
    """The sub-unit where the holders are employed."""

    org_number: OrgNumber
    name: Name


class CardLine(_Strict):
    """One holder's card. `photo` is relative to the order file, or an s3:// address."""

    line: Annotated[int, Field(ge=1, le=CARDS_PER_ORDER_MAX)]
    given_name: Name
    family_name: Name
    birth_date: date
    photo: Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_plain_path)]
    head_covering: bool = Field(default=False, description="A head covering is worn for religious reasons.")


class ApprovedOrder(_Strict):
    """A business's order whose cards the authority's registers have approved."""

    order_number: OrderNumber
    ordered_at: AwareDatetime
    approved_at: AwareDatetime
    ordered_by: Orderer
    business: Business
    unit: Unit | None = None
    deliver_to: Address
    card_kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{2,39}$")]
    cards: Annotated[tuple[CardLine, ...], Field(min_length=1, max_length=CARDS_PER_ORDER_MAX)]

    @model_validator(mode="after")
    def _lines_differ(self) -> Self:
        lines = [card.line for card in self.cards]
        if len(set(lines)) != len(lines):
            raise ValueError("cards: two cards have the same line number")
        if self.approved_at < self.ordered_at:
            raise ValueError("approved_at: lies before ordered_at")
        return self

    def digest(self) -> str:
        """SHA-256 of the order's content in canonical form: equal content, equal digest, however it was typed."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def parse_order(text: str | bytes, *, today: date) -> ApprovedOrder:
    """Read one order document. `today` is the Oslo day against which dates are judged.

    Raises Refused (`order.not_json`, `order.invalid`, `order.unknown_field`, `order.too_many_cards`,
    `order.in_future`) naming the field as it stands in the file; every fault is listed in the message.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as fault:  # also numbers of thousands of digits, and nesting without end
        raise Refused(
            "order.not_json", f"the file is not JSON: {fault}", fix="send the order as JSON in UTF-8"
        ) from None
    _refuse_flood(document)
    try:
        order = ApprovedOrder.model_validate(document)
    except ValidationError as fault:
        raise _refusal(fault) from None
    _refuse_future(order, today)
    return order


def _refuse_flood(document: Any) -> None:
    cards = document.get("cards") if isinstance(document, dict) else None
    if isinstance(cards, list) and len(cards) > CARDS_PER_ORDER_MAX:
        raise Refused(
            "order.too_many_cards",
            f"the order has {len(cards)} cards; at most {CARDS_PER_ORDER_MAX} are taken in one order",
            field="cards",
            fix="split it into several orders, each with its own order number",
        )


def _refusal(fault: ValidationError) -> Refused:
    problems = fault.errors(include_url=False, include_input=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (unknown or problems)[0]
    message = "; ".join(f"{_field(p['loc'])}: {p['msg']}".removeprefix(": ") for p in problems[:5])
    if len(problems) > 5:
        message += f"; and {len(problems) - 5} more"
    if unknown:
        return Refused(
            "order.unknown_field", message, field=_field(first["loc"]), fix="remove the field or correct its spelling"
        )
    return Refused(
        "order.invalid", message, field=_field(first["loc"]) or None, fix="correct the field and import the order again"
    )


def _field(loc: tuple[int | str, ...]) -> str:
    """`("cards", 3, "photo")` → `cards[3].photo`, as the author of the file would point at it."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _refuse_future(order: ApprovedOrder, today: date) -> None:
    days = {"ordered_at": order.ordered_at.date(), "approved_at": order.approved_at.date()}
    days |= {f"cards[{i}].birth_date": card.birth_date for i, card in enumerate(order.cards)}
    for field, day in days.items():
        if day > today:
            raise Refused(
                "order.in_future", f"{day} lies in the future", field=field, fix="correct the date and import again"
            )


def order_schema() -> dict[str, Any]:
    """The JSON Schema of an approved order, as published under docs/."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ApprovedOrder.model_json_schema()}
