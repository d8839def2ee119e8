"""The folder printer keeps one job a key, over restarts, and takes nothing while it is stopped."""

from pathlib import Path

import pytest

from cards.errors import Refused, Unavailable
from printing.adapters.folder import FolderPrinter


def test_one_key_is_one_job_over_restarts(tmp_path: Path):
    first = FolderPrinter(tmp_path).submit("print/B-1", "Batch 1", b"%PDF-1")
    again = FolderPrinter(tmp_path).submit("print/B-1", "Batch 1", b"%PDF-1")
    assert first == again == FolderPrinter(tmp_path).look_up("print/B-1")
    (printed,) = tmp_path.glob("*.pdf")
    assert printed.read_bytes() == b"%PDF-1"
    assert FolderPrinter(tmp_path).look_up("print/B-2") is None


def test_a_key_used_again_for_another_document_is_refused(tmp_path: Path):
    printer = FolderPrinter(tmp_path)
    printer.submit("k", "t", b"one")
    with pytest.raises(Refused, match=r"print\.key_reused"):
        printer.submit("k", "t", b"two")
    assert (tmp_path / "k.pdf").read_bytes() == b"one"


def test_keys_that_look_alike_as_files_stay_apart(tmp_path: Path):
    printer = FolderPrinter(tmp_path)
    printer.submit("a/b", "t", b"one")
    printer.submit("a:b", "t", b"two")
    printer.submit("../a", "t", b"three")
    assert {file.read_bytes() for file in tmp_path.glob("*.pdf")} == {b"one", b"two", b"three"}


def test_a_stopped_printer_takes_nothing_and_says_why(tmp_path: Path):
    printer = FolderPrinter(tmp_path)
    (tmp_path / "STOPPED").write_text("card jam\n")
    with pytest.raises(Unavailable, match="card jam"):
        printer.submit("k", "t", b"one")
    assert printer.look_up("k") is None
    (tmp_path / "STOPPED").unlink()
    assert printer.submit("k", "t", b"one").reference == "folder-1"


def test_a_damaged_journal_stops_printing(tmp_path: Path):
    FolderPrinter(tmp_path).submit("k", "t", b"one")
    (tmp_path / "jobs.json").write_text("[{")
    with pytest.raises(Unavailable, match=r"print\.journal_damaged"):
        FolderPrinter(tmp_path).submit("k", "t", b"one")
