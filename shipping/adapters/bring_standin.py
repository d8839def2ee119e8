"""Bring on loopback: bookings, labels, tracking, prices and postcodes in the shapes of its APIs, with its unkindness.

It remembers all it was asked and every booking it made, and can lose an answer before or after the act, be slow, turn
away by 429, break, or not know of the look-up by correlationId (as the real API). Fields nobody asked for stand in
every answer; errors come with status 200 in both spellings; who is not let in is told so in plain text.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from shipping.numbers import check_digit

_Json = dict[str, Any]
UID, KEY, CUSTOMER = "post@kort.example", "stand-in-key", "5"
PLACES = {"0101": "OSLO", "0184": "OSLO", "5003": "BERGEN", "7010": "TRONDHEIM"}
SLOW_S = 1.0
_PREFIX = "7043810"
_FIELD_MAX, _WEIGHT_MAX_KG = 35, 2
_PUSHES_MAX = 4  # at once, and after 30, 30 and 60 minutes


class Fault(StrEnum):
    """What happens to one request."""

    LOST_BEFORE = "lost_before"  # the connection breaks, nothing is done
    LOST_AFTER = "lost_after"  # done, and the answer is lost
    SLOW = "slow"  # done, and answered after SLOW_S
    BROKEN_BEFORE = "broken_before"  # 500, nothing done
    BROKEN_AFTER = "broken_after"  # done, and answered with 500
    INTERNAL = "internal"  # done, and answered with 200 and BOOK-INTERNAL-002
    BUSY = "busy"  # 429 with Retry-After: nothing done
    NO_JSON = "no_json"  # done, and answered in words


def package_number(consignment: str) -> str:
    """The SSCC on the label of a consignment's one package."""
    body = f"3{consignment[:-1]}"
    return body + check_digit(body)


class _Reply:
    """Status, body and headers of an answer."""

    def __init__(self, status: int, body: Any, **headers: str) -> None:
        plain = isinstance(body, str | bytes)
        self.status = status
        self.body = (body.encode() if isinstance(body, str) else body) if plain else json.dumps(body).encode()
        self.headers = {"Content-Type": "text/plain" if plain else "application/json", **headers}


class BringStandIn:
    """A server on a free port of loopback while used as a context.

    `booking_faults` and `reading_faults` are taken one a request; `requests` holds (method, path, body or query).
    """

    def __init__(self, *, looks_up: bool = True) -> None:
        self.looks_up = looks_up
        self.booking_faults: deque[Fault | None] = deque()
        self.reading_faults: deque[Fault | None] = deque()
        self.requests: list[tuple[str, str, Any]] = []
        self.bookings: list[_Json] = []
        self.label_readers: list[bool] = []  # for each look at a label's storage: did our key come along?
        self._events: dict[str, list[_Json]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._storage = ThreadingHTTPServer(("127.0.0.1", 0), _storage_handler(self))
        self._storage_thread = threading.Thread(
            target=self._storage.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def base_url(self) -> str:
        """Where the client is to be sent."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._storage_thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server, thread in ((self._server, self._thread), (self._storage, self._storage_thread)):
            server.shutdown()
            server.server_close()
            thread.join()

    def see(self, consignment: str, status: str, at: str, *, unit: str = "001", description: str = "") -> None:
        """The carrier sees a consignment: `at` is dateIso, e.g. `2026-11-24T09:00:00+01:00`."""
        event = {"status": status, "dateIso": at, "unitId": unit, "description": description, "lmEventCode": "new"}
        self._events.setdefault(consignment, []).append(event | {"postalCode": "0184", "city": "OSLO"})

    def push(self, consignment: str, post: Callable[[bytes], int], *, late: bool = False) -> list[int]:
        """Tell every sighting by webhook, the newest first when `late`, each until it is taken (four times at most).

        `post` sends one body and answers its status.
        """
        events = self._events[consignment][:: -1 if late else 1]
        return [status for event in events for status in _pushed(_webhook(consignment, event), post)]

    # --- answers ------------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, body: Any, *, known: bool) -> _Reply | None:
        """One request; None when its answer is lost. `known`: it came with our uid, key and client URL."""
        parts = urlsplit(target)
        query = {name: each[-1] for name, each in parse_qs(parts.query).items()}
        booking = parts.path == "/booking/api/create"
        with self._lock:
            self.requests.append((method, parts.path, body if method == "POST" else query))
            faults = self.booking_faults if booking else self.reading_faults
            fault = faults.popleft() if faults else None
            if fault in (Fault.LOST_BEFORE, Fault.BROKEN_BEFORE, Fault.BUSY):
                return _turned_away(fault)
            if not known:
                return _Reply(401, "Authentication failed: invalid or missing API key")
            reply = self._book(body) if booking else self._read(parts.path, query, body)
        if fault is Fault.SLOW:
            time.sleep(SLOW_S)
        return _spoiled(fault, reply)

    def _read(self, path: str, query: _Json, body: Any) -> _Reply:
        if path == "/booking/api/consignments" and self.looks_up:
            made = [b["answer"] for b in self.bookings if b["correlationId"] == query.get("correlationId")]
            return _Reply(200, {"consignments": made, "page": 1})
        if path == "/tracking/api/v2/tracking.json":
            return self._track(query.get("q", ""))
        if path == "/shippingguide/api/v2/products":
            return _Reply(200, {"consignments": [_priced(body["consignments"][0])], "uniqueId": "u-1"})
        if path.startswith("/address/api/no/postal-codes/"):
            code = path.rpartition("/")[2]
            found = [{"postal_code": code, "city": PLACES[code], "po_box": False}] if code in PLACES else []
            return _Reply(200, {"postal_codes": found})
        if path.startswith("/labels/"):
            return _Reply(302, "", Location=f"http://127.0.0.1:{self._storage.server_port}{path}")
        return _Reply(404, {"message": "no such resource"})

    def _track(self, consignment: str) -> _Reply:
        if consignment not in self._events:
            error = {"code": 404, "message": "No shipments found"}
            return _Reply(200, {"apiVersion": "2", "consignmentSet": [{"error": error}]})
        package = {"packageNumber": "370438101268058536", "eventSet": self._events[consignment], "brand": "POSTEN"}
        told = {"consignmentId": consignment, "packageSet": [package], "somethingNew": {"a": 1}}
        return _Reply(200, {"apiVersion": "2", "consignmentSet": [told]})

    def _book(self, body: Any) -> _Reply:
        consignments = body.get("consignments", [])
        errors = _errors_of(body, consignments)
        key = consignments[0].get("correlationId") if consignments else None
        if errors:
            return _Reply(200, {"consignments": [{"confirmation": None, "errors": errors, "correlationId": key}]})
        number = f"{_PREFIX}{len(self.bookings) + 1:09d}"
        number += check_digit(number)
        confirmation = {
            "consignmentNumber": number,
            "productSpecificData": None,
            "links": {
                "labels": f"{self.base_url}/labels/{number}.pdf",
                "waybill": None,
                "tracking": "https://t.example",
            },
            "dateAndTimes": {"earliestPickup": None, "expectedDelivery": 1795600000000},
            "packages": [{"packageNumber": package_number(number), "correlationId": key}],
        }
        answer = {"confirmation": confirmation, "errors": None, "correlationId": key, "carbonFootprint": "0"}
        self.bookings.append(
            {"correlationId": key, "consignment": number, "request": consignments[0], "answer": answer}
        )
        return _Reply(200, {"consignments": [answer], "newField": True})


def _webhook(consignment: str, event: _Json) -> bytes:
    """An event as Event Cast writes it: UTC, with fields that nobody announced."""
    at = datetime.fromisoformat(event["dateIso"]).astimezone(UTC)
    package = package_number(consignment)
    told = {"status": event["status"], "id": "hook-1", "shipment": consignment, "package": package}
    times = {"created": f"{at:%Y-%m-%dT%H:%M:%SZ}", "pushed": f"{at + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"}
    return json.dumps(told | times | {"new": {"a": 1}}).encode()


def _pushed(body: bytes, post: Callable[[bytes], int]) -> list[int]:
    statuses: list[int] = []
    while len(statuses) < _PUSHES_MAX and not any(200 <= status < 300 for status in statuses):
        statuses.append(post(body))
    return statuses


def _turned_away(fault: Fault) -> _Reply | None:
    if fault is Fault.LOST_BEFORE:
        return None
    if fault is Fault.BUSY:
        return _Reply(429, "Too many requests", **{"Retry-After": "0"})
    return _Reply(500, "Internal Server Error")


def _spoiled(fault: Fault | None, reply: _Reply) -> _Reply | None:
    """What becomes of an answer on its way."""
    if fault is Fault.LOST_AFTER:
        return None
    if fault is Fault.BROKEN_AFTER:
        return _Reply(500, "Internal Server Error")
    if fault is Fault.NO_JSON:
        return _Reply(200, "<html>maintenance</html>")
    if fault is Fault.INTERNAL:
        return _Reply(200, {"consignments": [{"errors": [_error("BOOK-INTERNAL-002", "Internal error")]}]})
    return reply


def _error(code: str, words: str) -> _Json:
    return {"uniqueId": "e-1", "code": code, "messages": [{"lang": "en", "message": words}], "new": None}


def _errors_of(body: _Json, consignments: list[_Json]) -> list[_Json]:
    """What Bring's validation finds, in its own spellings."""
    if len(consignments) != 1:
        return [_error("BOOK-INPUT-005", "One consignment a request")]
    one = consignments[0]
    if one["product"]["customerNumber"] != CUSTOMER:
        return [_error("BOOK-INPUT-021", "Invalid customer number")]
    if not body.get("testIndicator"):
        return [_error("BOOK-INPUT-030", "testIndicator must be set for this customer")]
    found = [error for party in ("sender", "recipient") for error in _party_errors(party, one["parties"][party])]
    if sum(package["weightInKg"] for package in one["packages"]) > _WEIGHT_MAX_KG:
        found.append(_error("BOOK-INPUT-023", "Package is too big"))
    return found


def _party_errors(party: str, told: _Json) -> list[_Json]:
    fields = (("name", "014"), ("addressLine", "015"), ("city", "016"))
    found = [
        _error(f"BOOK-INPUT-{code}-{party.upper()}", f"Invalid {field}")
        for field, code in fields
        if not 1 <= len(told.get(field) or "") <= _FIELD_MAX
    ]
    if told.get("countryCode") != "NO":
        found.append(_error("BOOK-INPUT-024", "Outside of coverage"))
    elif told.get("postalCode") not in PLACES:
        found.append(_error(f"BOOK_INPUT-057-{party.upper()}", "Invalid postal code"))
    return found


def _priced(consignment: _Json) -> _Json:
    """A price by weight; a product that is not ours is an error with status 200, a place out of reach an empty list."""
    if consignment["toPostalCode"] not in PLACES:
        return {"products": []}
    product = consignment["products"][0]["id"]
    if product not in ("3584", "3634"):
        return {"products": [{"id": product, "errors": [{"code": "INVALID_ARGUMENT", "description": "Unknown id"}]}]}
    net = 4000 + 10 * consignment["packages"][0]["grossWeight"]
    vat = net // 4
    names = ("amountWithoutVAT", "vat", "amountWithVAT")
    amounts = {name: f"{ore // 100}.{ore % 100:02d}" for name, ore in zip(names, (net, vat, net + vat), strict=True)}
    price = {"listPrice": {"priceWithoutAdditionalServices": amounts, "currencyCode": "NOK"}}
    return {"products": [{"id": product, "price": price, "expectedDelivery": {"workingDays": "2"}}]}


def _send(handler: BaseHTTPRequestHandler, reply: _Reply) -> None:
    handler.send_response(reply.status)
    for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(reply.body)


def _is_known(handler: BaseHTTPRequestHandler) -> bool:
    given = (handler.headers.get("X-Mybring-API-Uid"), handler.headers.get("X-Mybring-API-Key"))
    return given == (UID, KEY) and bool(handler.headers.get("X-Bring-Client-URL"))


def _handler(standin: BringStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """HTTP to and from the stand-in."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(standin.answer("GET", self.path, None, known=_is_known(self)))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self._answer(standin.answer("POST", self.path, body, known=_is_known(self)))

        def _answer(self, reply: _Reply | None) -> None:
            if reply is None:
                self.close_connection = True
                return
            try:
                _send(self, reply)
            except ConnectionError:  # who asked has gone: a slow answer is a lost one
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the console."""

    return Handler


def _storage_handler(standin: BringStandIn) -> type[BaseHTTPRequestHandler]:
    class Storage(BaseHTTPRequestHandler):
        """Somebody else's storage, where the labels lie."""

        def do_GET(self) -> None:
            standin.label_readers.append("X-Mybring-API-Key" in self.headers)
            number = self.path.rpartition("/")[2].removesuffix(".pdf")
            _send(self, _Reply(200, f"%PDF-1.4\n% label {number}\n%%EOF\n"))

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the console."""

    return Storage
