"""docs/order.schema.json is what the models say.

After a change of the models: `PYTHONPATH=. python tests/cards/test_order_schema_is_current.py`.
"""

import json
from pathlib import Path

from cards.orders import order_schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "order.schema.json"


def schema_text() -> str:
    return json.dumps(order_schema(), indent=2, ensure_ascii=False) + "\n"


def test_order_schema_is_current() -> None:
    assert PUBLISHED.read_text("utf-8") == schema_text(), f"run `python {Path(__file__).name}` in tests/cards"


def test_schema_takes_no_unknown_field_and_no_national_id() -> None:
    text = schema_text()
    objects = [order_schema(), *order_schema()["$defs"].values()]
    assert all(shape["additionalProperties"] is False for shape in objects if shape["type"] == "object")
    assert "national" not in text.lower()
    assert "fnr" not in text.lower()


if __name__ == "__main__":
    PUBLISHED.write_text(schema_text(), "utf-8")
