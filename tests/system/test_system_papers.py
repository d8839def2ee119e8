"""Papers opened by another program than the one that drew them: poppler reads what reportlab wrote.

The programs come by `make system-packages`; where they are missing the tests are skipped, except in CI, which has them.
"""

import os
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from billing.documents import invoice_pdf
from billing.invoices import issue
from billing.models import Buyer, Delivered
from cards.address import Address
from flows.settings import Settings

MISSING = shutil.which("pdftotext") is None and os.environ.get("CI") is None
pytestmark = pytest.mark.skipif(MISSING, reason="poppler is not installed here; CI installs it and fails without")

ADDRESS = Address(recipient="Łódź Bygg AS", street="Storgata 5", postcode="0184", city="Oslo")


@pytest.fixture
def invoice(tmp_path: Path) -> Path:
    path = tmp_path / "invoice.pdf"
    issued = issue(
        number=7,
        issued_on=date(2026, 11, 23),
        seller=Settings().seller,
        buyer=Buyer(
            name="Łódź Bygg AS", org_number="310149942", address=ADDRESS, email="a@bygg.example", e_invoice=False
        ),
        deliveries=[
            Delivered(
                order_number="B-1",
                delivered_on=date(2026, 11, 23),
                address=ADDRESS,
                cards=[("B-1-1", "construction")],
                postage=[("S-000001", 2240)],
            )
        ],
    )
    path.write_bytes(invoice_pdf(issued))
    return path


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_poppler_reads_what_the_invoice_says(invoice: Path) -> None:
    text = _said("pdftotext", "-layout", str(invoice), "-")
    for word in ("Łódź Bygg AS", "Foretaksregisteret", "314159268 MVA", "22.40", "KID"):
        assert word in text


def test_every_font_travels_with_the_invoice(invoice: Path) -> None:
    rows = _said("pdffonts", str(invoice)).splitlines()[2:]
    assert rows
    assert all(row.split()[-5:-2] == ["yes", "yes", "yes"] for row in rows), rows  # embedded, subset, to Unicode
