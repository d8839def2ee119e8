"""Posted orders by bare SQL, for what is measured or killed after them: only what invoicing reads is real."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, insert

from store.tables import cards, orders, shipment_cards, shipment_shares, shipments

POSTED_AT = datetime(2026, 11, 2, 11, 0, tzinfo=UTC)
PLACE = {"recipient": "Fjordbygg AS", "street": "Storgata 5", "postcode": "0184", "city": "Oslo", "country": "NO"}
NOWHERE = {**PLACE, "postcode": "184"}
BUSINESS = {
    "org_number": "310149942",
    "name": "Fjordbygg AS",
    "invoice_email": "f@bygg.example",
    "e_invoice": False,
    "address": PLACE,
}
_ROWS_AT_ONCE = 20_000


def fill(url: str, count: int, *, cards_each: int = 2, nowhere_each: int = 0) -> None:
    """Orders `B-0000001` … with their cards in one posted letter each, a minute apart.

    Every `nowhere_each`-th goes to a place without a VAT rule, so that its invoice is refused.
    """
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for table, rows in (
            (orders, (_order(n, nowhere_each) for n in range(count))),
            (cards, (_card(n, line, cards_each) for n in range(count) for line in range(cards_each))),
            (shipments, (_letter(n) for n in range(count))),
            (shipment_cards, (_place(n, line) for n in range(count) for line in range(cards_each))),
            (shipment_shares, (_share(n) for n in range(count))),
        ):
            for some in _portions(rows):
                connection.execute(insert(table), some)
    engine.dispose()


def _portions(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    some: list[dict[str, Any]] = []
    for row in rows:
        some.append(row)
        if len(some) == _ROWS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _order(n: int, nowhere_each: int) -> dict[str, Any]:
    at = POSTED_AT - timedelta(days=3)
    return {
        "order_number": f"B-{n:07d}",
        "digest": "",
        "document_key": f"order/{'0' * 64}.json",
        "received_at": at,
        "ordered_at": at,
        "approved_at": at,
        "org_number": BUSINESS["org_number"],
        "card_kind": "construction",
        "ordered_by": {"name": "Kari Moen", "email": "kari@bygg.example"},
        "business": BUSINESS,
        "unit": None,
        "deliver_to": NOWHERE if nowhere_each and n % nowhere_each == nowhere_each - 1 else PLACE,
        "address_key": "NO|0184|storgata 5",
        "address_valid": True,
        "address_reasons": [],
        "label_lines": ["Fjordbygg AS"],
        "rule_version": 1,
    }


def _card(n: int, line: int, cards_each: int) -> dict[str, Any]:
    return {
        "card_id": f"B-{n:07d}-{line + 1}",
        "order_number": f"B-{n:07d}",
        "line": line + 1,
        "number": f"{n * cards_each + line:07d}",
        "kind": "construction",
        "given_name": "Paweł",
        "family_name": f"Nr{line}",
        "search_name": "",
        "birth_date": POSTED_AT.date().replace(year=1990),
        "head_covering": False,
        "state": "posted",
        "shipment_id": f"S-{n:07d}",
    }


def _letter(n: int) -> dict[str, Any]:
    return {
        "shipment_id": f"S-{n:07d}",
        "number": n,
        "address_key": "NO|0184|storgata 5",
        "address": PLACE,
        "label_lines": ["Fjordbygg AS"],
        "weight_g": 17.3,
        "thickness_mm": 1.9,
        "product": "letter",
        "tariff": "list",
        "postage_net_ore": 1920 + n % 7,
        "vat_percent": 25,
        "state": "posted",
        "planned_on": POSTED_AT.date(),
        "posted_at": POSTED_AT + timedelta(minutes=n % 600),
        "booking": f"C-{n}",
    }


def _place(n: int, line: int) -> dict[str, Any]:
    return {"shipment_id": f"S-{n:07d}", "place": line + 1, "card_id": f"B-{n:07d}-{line + 1}", "live": True}


def _share(n: int) -> dict[str, Any]:
    return {"shipment_id": f"S-{n:07d}", "order_number": f"B-{n:07d}", "place": 1, "net_ore": 1920 + n % 7}
