"""What one thread draws does not depend on what another draws at the same moment."""

import io
from concurrent.futures import ThreadPoolExecutor

from reportlab.pdfgen.canvas import Canvas

from printing.run_sheet import draw_run_sheet


def plain_page() -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, invariant=1, pageCompression=1)
    canvas.drawString(20, 20, "another room's page")
    canvas.save()
    return file.getvalue()


def test_other_documents_have_the_same_bytes_while_a_run_is_drawn():
    alone = plain_page()
    assert b"ASCII85Decode" not in alone
    with ThreadPoolExecutor(2) as pool:
        sheets = [pool.submit(draw_run_sheet, "B-1", []) for _ in range(40)]
        beside = [plain_page() for _ in range(200)]
    assert set(beside) == {alone}
    assert len({sheet.result() for sheet in sheets}) == 1
