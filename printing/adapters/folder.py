"""A card printer that is a folder: each job is a print-ready PDF, and a journal remembers what was taken.

It behaves as a printer does: one key is one job, whoever asks again and after whatever restart; a file named STOPPED
in the folder (its first line is the reason) is a printer that takes nothing until the file is gone.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cards.errors import Refused, Unavailable
from printing.models import PrintJob, PrintJobState

_JOURNAL = "jobs.json"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    reference: str
    title: str
    file: str
    sha256: str


class FolderPrinter:
    """Implements `printing.ports.Printer` in one folder; safe for several processes at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def submit(self, key: str, title: str, document: bytes) -> PrintJob:
        with self._alone():
            jobs = self._jobs()
            digest = hashlib.sha256(document).hexdigest()
            if key in jobs:
                return _same_job(jobs[key], digest)
            self._refuse_when_stopped()
            entry = _Entry(
                key=key, reference=f"folder-{len(jobs) + 1}", title=title, file=f"{_file_name(key)}.pdf", sha256=digest
            )
            _write_whole(self._folder / entry.file, document)
            self._remember({**jobs, key: entry})
            return _job(entry)

    def look_up(self, key: str) -> PrintJob | None:
        entry = self._jobs().get(key)
        return None if entry is None else _job(entry)

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

    def _remember(self, jobs: dict[str, _Entry]) -> None:
        rows = [entry.model_dump() for entry in jobs.values()]
        _write_whole(self._folder / _JOURNAL, json.dumps(rows, ensure_ascii=False, indent=1).encode())

    def _refuse_when_stopped(self) -> None:
        notice = self._folder / "STOPPED"
        if notice.exists():
            reason = (notice.read_text("utf-8").splitlines() or ["no reason given"])[0]
            raise Unavailable(
                "print.printer_stopped",
                f"the printer is stopped: {reason}",
                fix="clear the cause at the printer, remove the file STOPPED and start the run again",
            )


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
    return PrintJob(key=entry.key, reference=entry.reference, state=PrintJobState.DONE)


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
