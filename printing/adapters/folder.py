"""A card printer that is a folder: each job is a print-ready PDF, and a journal remembers what was taken.

It behaves as a printer does: one key is one job, whoever asks again and after whatever restart. Its faults are files
in the folder whose first line is the reason, an IPP keyword (`media-jam`) or free words: STOPPED takes nothing until
the file is gone; JAMMED takes a job and does not finish it until the file is gone; ABORT gives up one job and is gone.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cards.errors import Refused, Unavailable
from printing.models import PrinterStatus, PrintJob, PrintJobState
from printing.stoppages import stoppage

_JOURNAL = "jobs.json"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    reference: str
    title: str
    file: str
    sha256: str
    state: PrintJobState = PrintJobState.DONE
    reason: str | None = None


class FolderPrinter:
    """Implements `printing.ports.Printer` in one folder; safe for several processes at once."""

    def __init__(self, folder: Path, *, slow: bool = False) -> None:
        """`slow`: a job is only accepted when it is submitted, and done when it is asked about."""
        self._folder = folder
        self._slow = slow

    def submit(self, key: str, title: str, document: bytes) -> PrintJob:
        with self._alone():
            jobs = self._jobs()
            digest = hashlib.sha256(document).hexdigest()
            if key in jobs:
                return _same_job(jobs[key], digest)
            stopped = self._notice("STOPPED")
            if stopped is not None:
                raise stoppage([stopped])
            entry = _Entry(
                key=key,
                reference=f"folder-{len(jobs) + 1}",
                title=title,
                file=f"{_file_name(key)}.pdf",
                sha256=digest,
                state=PrintJobState.ACCEPTED,
            )
            _write_whole(self._folder / entry.file, document)
            return _job(self._keep(jobs, entry if self._slow else self._work_on(entry)))

    def look_up(self, key: str, asked_at: datetime) -> PrintJob | None:
        """As the port says; a folder forgets nothing, so `asked_at` makes no difference."""
        return self.follow(key)

    def follow(self, key: str) -> PrintJob | None:
        if key not in self._jobs():
            return None
        with self._alone():
            jobs = self._jobs()
            return _job(self._keep(jobs, self._work_on(jobs[key])))

    def status(self) -> PrinterStatus:
        self._jobs()
        reasons = tuple(reason for name in ("STOPPED", "JAMMED") if (reason := self._notice(name)) is not None)
        return PrinterStatus(ready=not reasons, reasons=reasons)

    def _work_on(self, entry: _Entry) -> _Entry:
        """What the faults in the folder make of a job now. One that has ended stays as it is."""
        if entry.state in (PrintJobState.DONE, PrintJobState.ABORTED):
            return entry
        jam, abort = self._notice("JAMMED"), self._notice("ABORT")
        if jam is not None:
            return entry.model_copy(update={"state": PrintJobState.STOPPED, "reason": jam})
        if abort is not None:
            (self._folder / "ABORT").unlink()
            return entry.model_copy(update={"state": PrintJobState.ABORTED, "reason": abort})
        return entry.model_copy(update={"state": PrintJobState.DONE, "reason": None})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One submitter at a time, across processes."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._folder / ".lock", os.O_CREAT | os.O_RDWR)
        except OSError as cause:
            raise _unusable(self._folder, cause) from cause
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        except OSError as cause:
            raise _unusable(self._folder, cause) from cause
        finally:
            os.close(lock)

    def _jobs(self) -> dict[str, _Entry]:
        journal = self._folder / _JOURNAL
        if not journal.exists():
            return {}
        try:
            rows = json.loads(journal.read_text("utf-8"))
            entries = [_Entry.model_validate(row) for row in rows]
        except ValueError as cause:
            raise Unavailable(
                "print.journal_damaged",
                f"{journal} cannot be read",
                fix="restore the journal from the backup; print nothing until then, since jobs might print twice",
            ) from cause
        return {entry.key: entry for entry in entries}

    def _keep(self, jobs: dict[str, _Entry], entry: _Entry) -> _Entry:
        """Remember `entry` among `jobs`, written only when it says something new."""
        if jobs.get(entry.key) != entry:
            rows = [each.model_dump(mode="json") for each in {**jobs, entry.key: entry}.values()]
            _write_whole(self._folder / _JOURNAL, json.dumps(rows, ensure_ascii=False, indent=1).encode())
        return entry

    def _notice(self, name: str) -> str | None:
        """The first line of a fault's file, or None when there is no such file."""
        notice = self._folder / name
        if not notice.exists():
            return None
        return (notice.read_text("utf-8").splitlines() or ["no reason given"])[0]


def _same_job(entry: _Entry, digest: str) -> PrintJob:
    if entry.sha256 != digest:
        raise Refused(
            "print.key_reused",
            f"job {entry.key} was already printed from another document",
            field="key",
            fix="look up the first job; a changed document needs a new print run of its own",
        )
    return _job(entry)


def _job(entry: _Entry) -> PrintJob:
    return PrintJob(key=entry.key, reference=entry.reference, state=entry.state, reason=entry.reason)


def _unusable(folder: Path, cause: OSError) -> Unavailable:
    return Unavailable(
        "print.folder_unusable",
        f"the print folder {folder} cannot be written: {cause.strerror}",
        fix="make room or give write access to the folder, then start the run again",
    )


def _file_name(key: str) -> str:
    """`key` as a safe file name; keys that had to be changed keep apart by a piece of their digest."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", key).lstrip(".")[:100]
    return safe if safe == key else f"{safe}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def _write_whole(path: Path, content: bytes) -> None:
    """All or nothing: readers see the old file or the new one, also after a power cut."""
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
