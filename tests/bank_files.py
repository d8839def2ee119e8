"""Bank files for tests, written from the record layouts and not from our reader."""

from collections.abc import Iterable, Sequence
from datetime import date

ACCOUNT = "86011117947"


def ocr_file(payments: Sequence[tuple[str, int]], *, day: date, assignment: int = 1) -> str:
    """An OCR giro transmission with one assignment; a payment is a KID and øre, and fills two records."""
    posted = f"{day:%d%m%y}"
    records = [f"NY00001000008080{7:07d}00008080", f"NY090020{'':0<9}{assignment:07d}{ACCOUNT}"]
    for number, (kid, ore) in enumerate(payments, start=1):
        sign = "-" if ore < 0 else "0"
        records.append(f"NY091330{number:07d}{posted}0123014{'':0>3}{sign}{abs(ore):017d}{kid:>25}")
        records.append(f"NY091331{number:07d}{'':0<19}{'':0<7}{posted}{'':0<11}")
    total = sum(ore for _, ore in payments)
    end = f"{len(payments):08d}{{records:08d}}{total:017d}{posted}"
    records.append("NY090088" + end.format(records=len(records)) + posted * 2)
    records.append("NY000089" + end.format(records=len(records) + 1))
    return "".join(f"{record:<80}\r\n".replace(" " * 33, "0" * 33) for record in records)


def csv_file(payments: Iterable[tuple[str, str, int, str]], *, day: date) -> str:
    """Reference, KID, øre and currency a payment."""
    rows = [f"{ref};{day};{kid};{_kroner(ore)};{currency}" for ref, kid, ore, currency in payments]
    return "\n".join(["reference;booked_on;kid;amount;currency", *rows]) + "\n"


def _kroner(ore: int) -> str:
    return f"{'-' if ore < 0 else ''}{abs(ore) // 100}.{abs(ore) % 100:02d}"
