"""Our own Stripe on loopback: the payments twin, spoken to over HTTP in Stripe's shapes, as unkind as the real one.

It keeps idempotency keys (stored 500s are replayed too), errs on changed parameters and on those that the pinned API
does not know, refuses over-refunds and over-credits, answers 409 to a request whose twin is still running, can lose
answers before or after the act and can forget its keys as Stripe does after a day. No stand-in on the index does this.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_fake_invoices import FakeInvoices, error, form_of
from billing.adapters.stripe_fake_refunds import FakeRefunds
from billing.adapters.stripe_parameters import known_path, wrong_parameter

_Json = dict[str, Any]
_Answer = tuple[int, _Json]
_Moment = tuple[int, Literal["before", "after"]]


class Fault(StrEnum):
    """What happens to one POST."""

    LOST_BEFORE = "lost_before"  # the connection breaks, nothing is done
    LOST_AFTER = "lost_after"  # done, and the answer is lost
    ERROR_BEFORE = "error_before"  # 500 and nothing done; stored under the key
    ERROR_AFTER = "error_after"  # done, and answered with 500; stored under the key
    BUSY = "busy"  # 409: another request with the key is under way; not stored
    SLOW_DOWN = "slow_down"  # 429; not stored


class StripeFake:
    """A server on a free port of loopback while used as a context. `requests` remembers all it was asked.

    `moments` runs something before or after the n-th POST is done, from 1: a test kills its client there.
    """

    def __init__(self, twin: PaymentsTwin) -> None:
        self._twin = twin
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[str, _Json, _Answer]] = {}
        self._running: set[str] = set()
        self._posts = 0
        self.books = FakeInvoices()
        self.back = FakeRefunds(twin, self.books)
        self.faults: deque[Fault | None] = deque()
        self.moments: dict[_Moment, Callable[[], None]] = {}
        self.pause_s = 0.0  # how long a POST takes
        self.requests: list[tuple[str, str, _Json, str | None]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base_url(self) -> str:
        """Where the client is to be sent."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def forget_keys(self) -> None:
        """A day passes: Stripe keeps no key longer."""
        with self._lock:
            self._kept.clear()

    def pay(self, invoice: str, *, fee_ore: int = 0) -> str:
        """A payer pays an open invoice; answers the payment intent."""
        with self._lock:
            payment = f"pi_{invoice}"
            self._twin.add_payment(payment, self.books.invoices[invoice]["amount_remaining"])
            self.books.pay(invoice, payment, fee_ore=fee_ore)
        return payment

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer_get(self, path: str, query: _Json) -> _Answer:
        """GET of an object or a list."""
        with self._lock:
            self.requests.append(("GET", path, query, None))
            refused = _refused("GET", path, query)
            found = refused or self.back.get(path, query) or self.books.get(path, query)
        return found or _unrecognised("GET", path)

    def answer_post(self, path: str, form: _Json, key: str | None) -> tuple[_Answer | None, bool]:
        """POST with its faults: (answer or None when it is lost, whether it is a replay)."""
        with self._lock:
            self._posts += 1
            number = self._posts
            self.requests.append(("POST", path, form, key))
            fault = self.faults.popleft() if self.faults else None
            if fault is Fault.LOST_BEFORE:
                return None, False
            if fault in (Fault.BUSY, Fault.SLOW_DOWN) or key in self._running:
                return _busy(fault is not Fault.SLOW_DOWN), False
            if key is not None and key in self._kept:
                return self._replayed(key, path, form), True
            self._running |= {key} if key else set()
        try:
            self._pass(number, "before")
            time.sleep(self.pause_s)
            answer = self._done(path, form, key, fault)
            self._pass(number, "after")
        finally:
            with self._lock:
                self._running.discard(key or "")
        return (None if fault is Fault.LOST_AFTER else answer), False

    def _pass(self, number: int, when: Literal["before", "after"]) -> None:
        self.moments.pop((number, when), lambda: None)()

    def _done(self, path: str, form: _Json, key: str | None, fault: Fault | None) -> _Answer:
        with self._lock:
            answer = self._act(path, form, fault)
            if key is not None and answer[0] in (200, 500):  # a request that failed validation is not kept
                self._kept[key] = (path, form, answer)
        return answer

    def _replayed(self, key: str, path: str, form: _Json) -> _Answer:
        *before, answer = self._kept[key]
        if before == [path, form]:
            return answer
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        return 400, {"error": {"type": "idempotency_error", "message": message}}

    def _act(self, path: str, form: _Json, fault: Fault | None) -> _Answer:
        broken = 500, {"error": {"type": "api_error", "message": "Something went wrong on Stripe's end."}}
        if fault is Fault.ERROR_BEFORE:
            return broken
        refused = _refused("POST", path, form)
        answer = refused or self.back.post(path, form) or self.books.post(path, form)
        if answer is None:
            return _unrecognised("POST", path)
        return broken if fault is Fault.ERROR_AFTER and answer[0] == 200 else answer


def _refused(verb: str, path: str, form: _Json) -> _Answer | None:
    if not known_path(verb, path):
        return _unrecognised(verb, path)
    wrong = wrong_parameter(verb, path, form)
    if wrong is None:
        return None
    words = {"unknown": "Received unknown parameter", "missing": "Missing required param", "invalid": "Invalid value"}
    return error(400, f"{words[wrong.how]}: {wrong.place}", f"parameter_{wrong.how}")


def _unrecognised(verb: str, path: str) -> _Answer:
    return error(404, f"Unrecognized request URL ({verb}: {path})", "url_invalid")


def _busy(conflict: bool) -> _Answer:
    if conflict:
        return error(409, "There is currently another in-progress request using this key.", "idempotency_key_in_use")
    return error(429, "Too many requests", "rate_limit")


def _handler(fake: StripeFake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """HTTP to and from the fake."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._send(fake.answer_get(parts.path, form_of(parse_qs(parts.query))))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            form = form_of(parse_qs(body.decode(), keep_blank_values=True))
            answer, replayed = fake.answer_post(urlsplit(self.path).path, form, self.headers.get("Idempotency-Key"))
            if answer is None:
                self.close_connection = True
            else:
                self._send(answer, replayed=replayed)

        def _send(self, answer: _Answer, *, replayed: bool = False) -> None:
            body = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if replayed:
                self.send_header("Idempotent-Replayed", "true")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the console."""

    return Handler
