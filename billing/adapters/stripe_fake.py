"""Our own Stripe on loopback: the payments twin, spoken to over HTTP in Stripe's shapes, as unkind as the real one.

It keeps idempotency keys (stored 500s are replayed too), errs on changed parameters, refuses over-refunds, can lose
answers before or after the act and can forget its keys as Stripe does after a day. No stand-in on the index does this.
"""

import json
import threading
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from billing.adapters.payments_twin import PaymentsTwin
from billing.adapters.stripe_fake_invoices import FakeInvoices, form_of
from cards.errors import Refused

_Json = dict[str, Any]
_Answer = tuple[int, _Json]


class Fault(StrEnum):
    """What happens to one POST."""

    LOST_BEFORE = "lost_before"  # the connection breaks, nothing is done
    LOST_AFTER = "lost_after"  # done, and the answer is lost
    ERROR_BEFORE = "error_before"  # 500 and nothing done; stored under the key
    ERROR_AFTER = "error_after"  # done, and answered with 500; stored under the key
    BUSY = "busy"  # 409: another request with the key is under way; not stored
    SLOW_DOWN = "slow_down"  # 429; not stored


class StripeFake:
    """A server on a free port of loopback while used as a context. `requests` remembers all it was asked."""

    def __init__(self, twin: PaymentsTwin) -> None:
        self._twin = twin
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[_Json, _Answer]] = {}
        self._refunds: list[_Json] = []
        self.books = FakeInvoices()
        self.faults: deque[Fault | None] = deque()
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

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer_get(self, path: str, query: Mapping[str, str]) -> _Answer:
        """GET of a payment or of refunds."""
        self.requests.append(("GET", path, dict(query), None))
        if path == "/v1/refunds":
            return self._list(query)
        if path.startswith("/v1/payment_intents/"):
            return self._payment_intent(path.rpartition("/")[2])
        with self._lock:
            found = self.books.get(path, query)
        if found is not None:
            return found
        return _error(404, "invalid_request_error", f"Unrecognized request URL (GET: {path})")

    def answer_post(self, path: str, form: _Json, key: str | None) -> tuple[_Answer | None, bool]:
        """POST with its faults: (answer or None when it is lost, whether it is a replay)."""
        with self._lock:
            self.requests.append(("POST", path, form, key))
            fault = self.faults.popleft() if self.faults else None
            if fault is Fault.LOST_BEFORE:
                return None, False
            if fault in (Fault.BUSY, Fault.SLOW_DOWN):
                return _busy(fault is Fault.BUSY), False
            if key is not None and key in self._kept:
                return self._replayed(key, form), True
            answer = self._act(path, form, fault)
            if key is not None and answer[0] in (200, 500):  # a request that failed validation is not kept
                self._kept[key] = (form, answer)
            return (None if fault is Fault.LOST_AFTER else answer), False

    def _replayed(self, key: str, form: _Json) -> _Answer:
        before, answer = self._kept[key]
        if before == form:
            return answer
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        return _error(400, "idempotency_error", message)

    def _act(self, path: str, form: _Json, fault: Fault | None) -> _Answer:
        broken = _error(500, "api_error", "Something went wrong on Stripe's end.")
        if fault is Fault.ERROR_BEFORE:
            return broken
        answer = self._create_refund(form) if path == "/v1/refunds" else self.books.post(path, form)
        if answer is None:
            return _error(404, "invalid_request_error", f"Unrecognized request URL (POST: {path})")
        return broken if fault is Fault.ERROR_AFTER and answer[0] == 200 else answer

    def _create_refund(self, form: _Json) -> _Answer:
        unknown = sorted(set(form) - {"payment_intent", "amount", "metadata", "reason"})
        if unknown:
            return _error(
                400, "invalid_request_error", f"Received unknown parameter: {unknown[0]}", "parameter_unknown"
            )
        payment, number = str(form.get("payment_intent")), len(self._refunds) + 1
        try:
            amount = int(form["amount"]) if "amount" in form else self._twin.paid_ore(payment)
            made = self._twin.refund(f"stripe-fake-{number}", payment, amount, f"refund {number}")
        except Refused as refusal:
            return _stripe_refusal(refusal)
        refund = {
            "id": made.reference,
            "object": "refund",
            "amount": amount,
            "charge": None,
            "created": number,
            "currency": "nok",
            "metadata": form.get("metadata", {}),
            "payment_intent": payment,
            "reason": form.get("reason"),
            "status": "succeeded",
        }
        self._refunds.append(refund)
        return 200, refund

    def _list(self, query: Mapping[str, str]) -> _Answer:
        """Newest first, a page at a time."""
        with self._lock:
            rows = [
                row for row in reversed(self._refunds) if query.get("payment_intent") in (None, row["payment_intent"])
            ]
        if "payment_intent" in query:
            status, found = self._payment_intent(query["payment_intent"])
            if status != 200:
                return status, found
        ids = [row["id"] for row in rows]
        begin = ids.index(query["starting_after"]) + 1 if "starting_after" in query else 0
        end = begin + int(query.get("limit", "10"))
        return 200, {"object": "list", "url": "/v1/refunds", "data": rows[begin:end], "has_more": end < len(rows)}

    def _payment_intent(self, payment: str) -> _Answer:
        try:
            amount = self._twin.received_ore(payment)
        except Refused as refusal:
            return _stripe_refusal(refusal)
        return 200, {
            "id": payment,
            "object": "payment_intent",
            "amount": amount,
            "amount_received": amount,
            "currency": "nok",
            "metadata": {},
            "status": "succeeded",
        }


def _stripe_refusal(refusal: Refused) -> _Answer:
    """The twin's refusal in Stripe's words."""
    if refusal.code == "payments.unknown_payment":
        return _error(404, "invalid_request_error", "No such payment_intent", "resource_missing")
    return _error(400, "invalid_request_error", "Refund amount is greater than unrefunded amount on charge")


def _busy(conflict: bool) -> _Answer:
    if conflict:
        return _error(409, "invalid_request_error", "There is currently another in-progress request.", "lock_timeout")
    return _error(429, "invalid_request_error", "Too many requests", "rate_limit")


def _error(status: int, kind: str, message: str, code: str | None = None) -> _Answer:
    return status, {"error": {"type": kind, "message": message, **({"code": code} if code else {})}}


def _handler(fake: StripeFake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """HTTP to and from the fake."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._send(fake.answer_get(parts.path, {name: each[-1] for name, each in parse_qs(parts.query).items()}))

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
