"""A terminal over a house in a temporary folder: real commands, real rooms, one process; and order documents for it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.cli import main

SAMPLES = Path(__file__).parents[2] / "samples"
PHOTOS = SAMPLES / "orders" / "photos"
NOW = "2026-11-23T07:00:00Z"


@dataclass(frozen=True)
class Said:
    """What a command left on the terminal and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """Everything that was said, on one line: wrapping at 80 columns is not what is tested."""
        return " ".join(f"{self.out} {self.err}".split())


class Terminal:
    """Runs `hsecard …` as the console script does."""

    def __init__(self, capfd: pytest.CaptureFixture[str], home: Path) -> None:
        self._capfd = capfd
        self.home = home

    def __call__(self, *words: str | Path) -> Said:
        self._capfd.readouterr()
        code = main([str(word) for word in words])
        out, err = self._capfd.readouterr()
        return Said(code, out, err)


def order(number: str, *, photos: list[str], **changes: Any) -> dict[str, Any]:
    """An order document with one card a photo."""
    address = {"recipient": "Fjordbygg AS", "street": "Storgata 5", "postcode": "0184", "city": "Oslo"}
    return {
        "order_number": number,
        "ordered_at": "2026-11-20T09:14:00+01:00",
        "approved_at": "2026-11-20T10:02:00+01:00",
        "ordered_by": {"name": "Kari Moen", "email": "kari@bygg.example"},
        "business": {
            "org_number": "310149942",
            "name": "Fjordbygg AS",
            "invoice_email": "faktura@bygg.example",
            "address": address,
        },
        "deliver_to": address,
        "card_kind": "construction",
        "cards": [
            {
                "line": line,
                "given_name": "Åse",
                "family_name": f"Holm-{line}",
                "birth_date": "1990-02-28",
                "photo": photo,
            }
            for line, photo in enumerate(photos, start=1)
        ],
    } | changes


def put(folder: Path, name: str, document: dict[str, Any]) -> None:
    (folder / name).write_text(json.dumps(document, ensure_ascii=False), "utf-8")
