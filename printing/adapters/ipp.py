"""A card printer that speaks IPP (RFC 8011), by `aioipp`, which imports as `pyipp`.

IPP has no idempotency key, so the job's name carries ours with a piece of the document's digest, and the printer's job
list is asked before anything is sent. A printer forgets its list: what it does not know counts as never sent only
while it provably remembers (its up-time, and how long it keeps ended jobs); after that a person decides.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import ClientConnectorError, ClientError
from pyipp import IPP, IPPError
from pyipp.enums import IppJobState, IppOperation, IppPrinterState
from pyipp.exceptions import IPPConnectionError
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, stop_after_delay, wait_fixed

from cards.errors import HseCardError, Refused, Unavailable, Unsure
from cards.ports import Clock
from printing.models import PrinterStatus, PrintJob, PrintJobState
from printing.stoppages import stems, stoppage, stopping

_BUSY = 0x0507
_TOOK_NOTHING = {0x0502, 0x0504, 0x0505, 0x0506, 0x050A}  # unavailable, device, temporary, not accepting, deactivated
_CLIENT_ERRORS = range(0x0400, 0x0500)
_STATUS = ("printer-state", "printer-state-reasons", "printer-is-accepting-jobs", "printer-up-time")
_JOB = ("job-id", "job-name", "job-state", "job-state-reasons")
_ASK_AGAIN = 3  # a request whose answer was lost may still be on its way into the printer


@dataclass(frozen=True)
class IppOptions:
    """How a printer is asked. `media` is a PWG name (`iso_id-1_53.98x85.6mm`), `sides` an IPP keyword.

    `patience_s`: how long a job is followed in one go, and a busy printer asked again. `memory_s`: how long the
    printer surely lists a job that has ended. `timeout_s`: for one answer. `pause_s`: between two questions.
    """

    media: str | None = None
    sides: str | None = None
    patience_s: int = 600
    memory_s: int = 50
    timeout_s: int = 60
    pause_s: float = 1.0
    user: str = "hsecard"


class IppPrinter:
    """Implements `printing.ports.Printer` on one IPP queue (`ipp://host:port/ipp/print`)."""

    def __init__(self, uri: str, *, clock: Clock, options: IppOptions | None = None) -> None:
        self._uri = uri
        self._clock = clock
        self._options = options or IppOptions()

    def submit(self, key: str, title: str, document: bytes) -> PrintJob:
        digest = hashlib.sha256(document).hexdigest()[:16]
        known = self._find(key)
        if known is not None:
            return self._same_job(key, digest, known)
        status = self.status()
        if not status.ready:
            raise stoppage(status.reasons)
        message: dict[str, Any] = {
            "operation-attributes-tag": {
                "requesting-user-name": self._options.user,
                "job-name": f"{key} {digest}",
                "document-name": title,
                "document-format": "application/pdf",
            },
            "job-attributes-tag": self._wishes(),
            "data": document,
        }
        return _job(key, self._send(message))

    def look_up(self, key: str, asked_at: datetime) -> PrintJob | None:
        asking = self._patiently(stop_after_attempt(_ASK_AGAIN), lambda job: job is None)
        job: dict[str, Any] | None = asking(self._find, key)
        if job is not None:
            return self._job(key, job)
        age_s = (self._clock.now() - asked_at).total_seconds()
        if age_s > min(self._options.memory_s, self._attributes()["printer-up-time"]):
            raise Unsure(
                "print.history_gone",
                f"the printer does not know job {key}, and no longer remembers the time when it was sent",
                fix="look what lies at the printer, then tell it with `hsecard prints outcome`",
            )
        return None

    def follow(self, key: str) -> PrintJob | None:
        under_way = self._patiently(
            stop_after_delay(self._options.patience_s),
            lambda job: job is not None and job.state is PrintJobState.ACCEPTED,
        )
        found: PrintJob | None = under_way(self._current, key)
        return found

    def status(self) -> PrinterStatus:
        attributes = self._attributes()
        reasons = _several(attributes.get("printer-state-reasons"))
        stopped = attributes.get("printer-state") == IppPrinterState.STOPPED
        accepting = attributes.get("printer-is-accepting-jobs", True) is not False
        ready = accepting and not stopped and not stopping(reasons)
        return PrinterStatus(ready=ready, reasons=stems(reasons))

    def _wishes(self) -> dict[str, str]:
        wishes = {"media": self._options.media, "sides": self._options.sides}
        return {name: value for name, value in wishes.items() if value}

    def _same_job(self, key: str, digest: str, job: dict[str, Any]) -> PrintJob:
        if not str(job["job-name"]).endswith(digest):
            raise Refused(
                "print.key_reused",
                f"job {key} was already printed from another document",
                field="key",
                fix="look up the first job; a changed document needs a new print run of its own",
            )
        return _job(key, job)

    def _find(self, key: str) -> dict[str, Any] | None:
        """The first job in the printer's list whose name carries `key`."""
        answer = self._ask(IppOperation.GET_JOBS, {"which-jobs": "all", "requested-attributes": list(_JOB)})
        ours = [job for job in answer["jobs"] if str(job.get("job-name", "")).rpartition(" ")[0] == key]
        return min(ours, key=lambda job: int(job["job-id"]), default=None)

    def _current(self, key: str) -> PrintJob | None:
        job = self._find(key)
        return None if job is None else self._job(key, job)

    def _job(self, key: str, job: dict[str, Any]) -> PrintJob:
        """The job, stopped when its printer is: few printers say so of the job itself."""
        found = _job(key, job)
        if found.state is not PrintJobState.ACCEPTED:
            return found
        stops = stopping(_several(self._attributes().get("printer-state-reasons")))
        stopped = {"state": PrintJobState.STOPPED, "reason": ",".join(stops)}
        return found.model_copy(update=stopped) if stops else found

    def _attributes(self) -> dict[str, Any]:
        answer = self._ask(IppOperation.GET_PRINTER_ATTRIBUTES, {"requested-attributes": list(_STATUS)})
        attributes: dict[str, Any] = answer["printers"][0]
        return attributes

    def _send(self, message: dict[str, Any]) -> dict[str, Any]:
        """Print-Job, again and again while the printer says that it is busy (it took nothing). Gives its job."""
        sending = self._patiently(stop_after_delay(self._options.patience_s), lambda answer: answer is None)
        answer: dict[str, Any] | None = sending(self._print, message)
        if answer is None:
            raise Unavailable(
                "print.printer_busy",
                f"the printer was busy with another job for {self._options.patience_s} s",
                fix="wait until its present job is out, then run `hsecard produce` again",
            )
        if not answer["jobs"]:
            raise _answer_lost(self._uri)
        job: dict[str, Any] = answer["jobs"][0]
        return job

    def _print(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to Print-Job, or None from a busy printer."""
        try:
            return self._execute(IppOperation.PRINT_JOB, message)
        except IPPConnectionError as fault:
            if isinstance(fault.__cause__, ClientConnectorError):
                raise _unreachable(self._uri) from fault
            raise _answer_lost(self._uri) from fault
        except IPPError as fault:
            code = _status_code(fault)
            if code == _BUSY:
                return None
            raise _told(code, self._uri) from fault

    def _ask(self, operation: IppOperation, attributes: dict[str, Any]) -> dict[str, Any]:
        """A question that changes nothing: whatever goes wrong with it, the printer cannot be asked now."""
        try:
            return self._execute(operation, {"operation-attributes-tag": attributes})
        except IPPError as fault:
            raise _unreachable(self._uri) from fault

    def _execute(self, operation: IppOperation, message: dict[str, Any]) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with IPP(self._uri, request_timeout=self._options.timeout_s, verify_ssl=True) as printer:
                return await printer.execute(operation, message)

        try:
            return asyncio.run(ask())
        except (ClientError, TimeoutError) as fault:  # the body of an answer that broke off; pyipp lets it through
            raise IPPConnectionError from fault

    def _patiently(self, stop: Any, again: Callable[[Any], bool]) -> Retrying:
        """Ask until the result is final or `stop` says so; then the last result stands."""
        return Retrying(
            stop=stop,
            wait=wait_fixed(self._options.pause_s),
            retry=retry_if_result(again),
            retry_error_callback=_last_result,
        )


def _last_result(state: RetryCallState) -> Any:
    return state.outcome.result() if state.outcome else None


def _several(value: object) -> tuple[str, ...]:
    """A 1setOf as `pyipp` gives it: one value bare, several in a list."""
    return tuple(map(str, value)) if isinstance(value, list) else (() if value is None else (str(value),))


def _job(key: str, job: dict[str, Any]) -> PrintJob:
    state, reason = _standing(job)
    return PrintJob(key=key, reference=str(job["job-id"]), state=state, reason=reason)


def _standing(job: dict[str, Any]) -> tuple[PrintJobState, str | None]:
    """Where a job stands by its own words; one that ended with errors is asked about like an aborted one."""
    reasons = stems(_several(job.get("job-state-reasons")))
    said = ",".join(reasons) or None
    match job["job-state"]:
        case IppJobState.COMPLETED if "job-completed-with-errors" not in reasons:
            return PrintJobState.DONE, None
        case IppJobState.COMPLETED | IppJobState.CANCELED | IppJobState.ABORTED:
            return PrintJobState.ABORTED, said
        case IppJobState.STOPPED:
            return PrintJobState.STOPPED, said
        case IppJobState.HELD:
            return PrintJobState.STOPPED, "job-held"
    return PrintJobState.ACCEPTED, None


def _status_code(fault: IPPError) -> int:
    """What the printer answered; 0 when the answer could not be read."""
    told = next((part for part in fault.args if isinstance(part, dict)), {})
    code = told.get("status-code", 0)
    return code if isinstance(code, int) else 0


def _told(code: int, uri: str) -> HseCardError:
    if code in _TOOK_NOTHING:
        return Unavailable(
            "print.printer_stopped",
            f"the printer takes no job now (IPP status 0x{code:04x})",
            fix="clear the cause at the printer and start the run again",
        )
    if code in _CLIENT_ERRORS:
        return Refused(
            "print.refused",
            f"the printer refused the job (IPP status 0x{code:04x})",
            field="HSECARD_PRINTER_MEDIA",
            fix="compare media and sides with what the printer supports; correct the settings",
        )
    return _answer_lost(uri)


def _answer_lost(uri: str) -> Unsure:
    return Unsure(
        "print.answer_lost",
        f"{uri} was sent a job and its answer was lost",
        fix="run `hsecard reconcile`: it asks the printer for the job; never send it again by hand",
    )


def _unreachable(uri: str) -> Unavailable:
    return Unavailable(
        "print.printer_unreachable",
        f"{uri} does not answer",
        field="HSECARD_PRINTER",
        fix="switch the printer on, check its cable and address, then run the same command again",
    )
