"""The folder printer keeps one job a key, over restarts, and takes nothing while it is stopped."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cards.errors import Refused, Unavailable
from printing.adapters.folder import FolderPrinter
from printing.models import PrintJobState
from printing.stoppages import stopping

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_one_key_is_one_job_over_restarts(tmp_path: Path):
    first = FolderPrinter(tmp_path).submit("print/B-1", "Batch 1", b"%PDF-1")
    again = FolderPrinter(tmp_path).submit("print/B-1", "Batch 1", b"%PDF-1")
    assert first == again == FolderPrinter(tmp_path).look_up("print/B-1", NOON)
    (printed,) = tmp_path.glob("*.pdf")
    assert printed.read_bytes() == b"%PDF-1"
    assert FolderPrinter(tmp_path).look_up("print/B-2", NOON) is None


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
    assert printer.look_up("k", NOON) is None
    (tmp_path / "STOPPED").unlink()
    assert printer.submit("k", "t", b"one").reference == "folder-1"


def test_a_damaged_journal_stops_printing(tmp_path: Path):
    FolderPrinter(tmp_path).submit("k", "t", b"one")
    (tmp_path / "jobs.json").write_text("[{")
    with pytest.raises(Unavailable, match=r"print\.journal_damaged"):
        FolderPrinter(tmp_path).submit("k", "t", b"one")


def test_a_jammed_printer_keeps_its_job_and_goes_on_when_it_is_cleared(tmp_path: Path):
    printer = FolderPrinter(tmp_path)
    (tmp_path / "JAMMED").write_text("media-jam\n")
    job = printer.submit("k", "t", b"one")
    assert (job.state, job.reason) == (PrintJobState.STOPPED, "media-jam")
    assert printer.status().reasons == ("media-jam",)
    (tmp_path / "JAMMED").unlink()
    assert printer.status().ready
    done = FolderPrinter(tmp_path).follow("k")
    assert done is not None
    assert (done.state, done.reference) == (PrintJobState.DONE, job.reference)


def test_a_job_given_up_stays_given_up(tmp_path: Path):
    printer = FolderPrinter(tmp_path, slow=True)
    assert printer.submit("k", "t", b"one").state is PrintJobState.ACCEPTED
    (tmp_path / "ABORT").write_text("card feeder broke\n")
    for _ in range(2):
        job = printer.follow("k")
        assert job is not None
        assert (job.state, job.reason) == (PrintJobState.ABORTED, "card feeder broke")
    assert not (tmp_path / "ABORT").exists()
    assert printer.follow("never sent") is None


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("media-jam", "print.jam"),
        ("marker-supply-empty", "print.ribbon_empty"),
        ("cover-open", "print.cover_open"),
        ("media-empty", "print.out_of_blanks"),
        ("offline", "print.printer_offline"),
        ("on fire", "print.printer_stopped"),
    ],
)
def test_each_stop_says_what_to_do(tmp_path: Path, reason: str, code: str):
    (tmp_path / "STOPPED").write_text(reason)
    with pytest.raises(Unavailable) as stopped:
        FolderPrinter(tmp_path).submit("k", "t", b"one")
    assert stopped.value.code == code
    assert stopped.value.fix


def test_severity_decides_only_for_reasons_that_nobody_knows():
    assert stopping(["media-jam-warning", "cover-open", "none"]) == ("media-jam", "cover-open")
    assert stopping(["marker-supply-low-warning", "media-low-report"]) == ()
    assert stopping(["lamp-failure-error"]) == ("lamp-failure",)
