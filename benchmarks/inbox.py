"""Orders for a benchmark: as many cards as wanted, on the sample photographs in turn."""

import json
import os
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "samples" / "orders"
CARDS_PER_ORDER = 4


def photographs() -> list[Path]:
    """The sample photographs that show a face, as files."""
    without_a_face = {"000407-01.jpg"}
    found = sorted(path for path in (SAMPLES / "photos").iterdir() if path.name not in without_a_face)
    return [path for path in found if path.suffix in (".jpg", ".png", ".webp")]


def make_inbox(folder: Path, cards: int) -> list[Path]:
    """`cards` cards in orders of four under `folder`; the photographs they use, one a card, in order."""
    photos = photographs()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "photos").mkdir()
    for photo in photos:
        os.link(photo, folder / "photos" / photo.name)
    used = [photos[index % len(photos)] for index in range(cards)]
    template = json.loads((SAMPLES / "B-2026-000417.json").read_text("utf-8"))
    for start in range(0, cards, CARDS_PER_ORDER):
        order = _order(template, start, used[start : start + CARDS_PER_ORDER])
        (folder / f"{order['order_number']}.json").write_text(json.dumps(order), "utf-8")
    return used


def _order(template: dict[str, object], start: int, photos: list[Path]) -> dict[str, object]:
    number = start // CARDS_PER_ORDER
    address = {"recipient": "Fjordbygg AS", "street": f"Storgata {1 + number % 90}", "postcode": "0184", "city": "Oslo"}
    cards = [
        {
            "line": line,
            "given_name": f"Given {start + line}",
            "family_name": "Testesen",
            "birth_date": "1990-02-28",
            "photo": f"photos/{photo.name}",
        }
        for line, photo in enumerate(photos, start=1)
    ]
    return template | {"order_number": f"BENCH-{number:06d}", "deliver_to": address, "cards": cards}
