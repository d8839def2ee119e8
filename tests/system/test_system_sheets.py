"""A run on sheets and a preview, opened by another program than the one that drew them: poppler reads every card."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from printing.faces import lay_out
from printing.layout import designs, look_of
from printing.models import Face
from printing.preview import LONG, draw_preview, sample_content, sample_portrait
from printing.run import draw_run
from printing.sheet import sheet_named

MISSING = shutil.which("pdftotext") is None and os.environ.get("CI") is None
pytestmark = pytest.mark.skipif(MISSING, reason="poppler is not installed here; CI installs it and fails without")


def said(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", [one.design for one in designs()])
def test_poppler_reads_the_longest_names_of_every_design(name: str, tmp_path: Path) -> None:
    look = look_of(name)
    (tmp_path / "p.pdf").write_bytes(draw_preview(look, sample_content(look, long=True)))
    text = "".join(said("pdftotext", tmp_path / "p.pdf", "-").split())
    assert [one for one in LONG.values() if "".join(one.split()) not in text] == []


def test_poppler_draws_ten_cards_on_a_sheet(tmp_path: Path) -> None:
    one = sample_content(look_of("construction-2026a"))
    faces = [
        face
        for index in range(10)
        if isinstance(face := lay_out(one.model_copy(update={"number": f"{4388261 + index}"})), Face)
    ]
    run = draw_run(faces, [sample_portrait()] * 10, title="t", sheet=sheet_named("a4-10up"))
    (tmp_path / "s.pdf").write_bytes(run)
    text = said("pdftotext", "-f", "2", "-l", "2", tmp_path / "s.pdf", "-")
    assert [index for index in range(10) if f"{4388261 + index}" not in text] == []
    assert "595.2 x 841.92 pts" in said("pdfinfo", tmp_path / "s.pdf")
