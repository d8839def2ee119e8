"""How Bring is spoken to over HTTP: its headers, its limits, and what each silence or refusal means to us.

Reading may be tried again; acting may not, unless the request surely never arrived or was turned away unread (429).
Our key goes to Bring alone: a label's redirect is followed without it, since it leads to a storage of somebody else.
"""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from cards.address import Address
from cards.errors import Unavailable, Unsure

CONNECT_S = 5
_REDIRECTS_MAX = 3
_FIX_LATER = "nothing was changed; run `hsecard ship` again later"


@dataclass(frozen=True)
class BringOptions:
    """Who we are at Bring and how we send. `product` is Bring's id; `services` its additional services (VAS).

    `test` books nothing for real. `looks_up` says that bookings can be asked for by correlationId (see `bring`).
    """

    sender: Address
    uid: str
    key: str = field(repr=False)
    customer: str
    client_url: str
    product: str
    services: tuple[str, ...] = ()
    base_url: str = "https://api.bring.com"
    test: bool = True
    looks_up: bool = False
    answer_s: float = 30
    tries: int = 3
    pause_max_s: float = 20


class _TryAgain(Exception):
    """Turned away or not reached: nothing was done over there. `pause_s` as the other side asks, when it does."""

    def __init__(self, said: str, pause_s: float | None = None) -> None:
        super().__init__(said)
        self.pause_s = pause_s


class BringDoor:
    """Three ways through: `read` (repeatable), `act` (once), `fetch` (a file behind redirects)."""

    def __init__(self, options: BringOptions) -> None:
        self._options = options
        self._ours = {
            "X-Mybring-API-Uid": options.uid,
            "X-Mybring-API-Key": options.key,
            "X-Bring-Client-URL": options.client_url,
            "Accept": "application/json",
        }
        limits = httpx.Timeout(options.answer_s, connect=CONNECT_S)
        self._client = httpx.Client(base_url=options.base_url, timeout=limits, follow_redirects=False)

    def read(self, path: str, *, params: dict[str, str] | None = None, body: Any = None) -> Any:
        """The JSON of a question that changes nothing; None for 404. Amounts written with a point come as Decimal.

        Raises Unavailable `carrier.unavailable`, `carrier.not_authorised`.
        """
        return self._patiently(lambda: self._read(path, params=params, body=body))

    def act(self, path: str, body: Any) -> Any:
        """The JSON answer to an order. Raises as `read`, and Unsure `carrier.answer_lost` when it may be done."""
        return self._patiently(lambda: self._act(path, body))

    def fetch(self, url: str) -> bytes | None:
        """A file, None when it is not to be had now."""
        try:
            found: bytes | None = self._patiently(lambda: self._fetch(url))
        except Unavailable:
            return None
        return found

    def _patiently(self, ask: Any) -> Any:
        """Tries again what was not done, after the pause that the other side asks for or a growing one of ours."""
        tries = Retrying(
            retry=retry_if_exception_type(_TryAgain),
            stop=stop_after_attempt(self._options.tries),
            wait=self._pause,
            reraise=True,
        )
        try:
            return tries(ask)
        except _TryAgain as fault:
            raise Unavailable("carrier.unavailable", f"Bring does not serve us: {fault}", fix=_FIX_LATER) from fault

    def _pause(self, call: RetryCallState) -> float:
        fault = call.outcome.exception() if call.outcome else None
        asked = fault.pause_s if isinstance(fault, _TryAgain) else None
        return min(2.0 ** (call.attempt_number - 2) if asked is None else asked, self._options.pause_max_s)

    def _read(self, path: str, *, params: dict[str, str] | None, body: Any) -> Any:
        method = "GET" if body is None else "POST"
        try:
            answer = self._client.request(method, path, params=params, json=body, headers=self._ours)
        except httpx.TransportError as fault:
            raise _TryAgain(type(fault).__name__) from fault
        if answer.status_code >= 500:
            raise _TryAgain(f"status {answer.status_code}")
        _refuse_turned_away(answer)
        if answer.status_code == 404:
            return None
        try:
            return _json(answer)
        except ValueError as fault:
            raise _TryAgain("an answer that is no JSON") from fault

    def _act(self, path: str, body: Any) -> Any:
        headers = {**self._ours, "X-Bring-Test-Indicator": str(self._options.test).lower()}
        try:
            answer = self._client.post(path, json=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as fault:
            raise _TryAgain(type(fault).__name__) from fault
        except httpx.TransportError as fault:
            raise answer_lost(type(fault).__name__) from fault
        _refuse_turned_away(answer)
        if answer.status_code >= 500:
            raise answer_lost(f"status {answer.status_code}")
        try:
            return _json(answer)
        except ValueError as fault:
            raise answer_lost(f"status {answer.status_code} with an answer that is no JSON") from fault

    def _fetch(self, url: str) -> bytes | None:
        ours = urlsplit(self._options.base_url).netloc
        place = httpx.URL(self._options.base_url).join(url)
        for _ in range(_REDIRECTS_MAX + 1):
            headers = self._ours if place.netloc.decode() == ours else {}
            try:
                answer = self._client.get(place, headers={**headers, "Accept": "application/pdf"})
            except httpx.TransportError as fault:
                raise _TryAgain(type(fault).__name__) from fault
            if answer.status_code == 429 or answer.status_code >= 500:
                raise _TryAgain(f"status {answer.status_code}", _pause_asked(answer))
            if not answer.has_redirect_location:
                return answer.content if answer.status_code == 200 else None
            place = place.join(answer.headers["Location"])
        return None


def answer_lost(why: str) -> Unsure:
    """The booking may have been made."""
    return Unsure(
        "carrier.answer_lost",
        f"Bring was asked for a booking and its answer is lost ({why})",
        fix="nothing is booked again on hope: `hsecard reconcile` looks it up, or a person settles it",
    )


def _refuse_turned_away(answer: httpx.Response) -> None:
    """429 and 401/403 did nothing. The latter are plain text, not JSON."""
    if answer.status_code == 429:
        raise _TryAgain("too many requests (429)", _pause_asked(answer))
    if answer.status_code in (401, 403):
        raise not_authorised(" ".join(answer.text.split())[:200] or f"status {answer.status_code}")


def not_authorised(said: str) -> Unavailable:
    """Our name or key is not taken."""
    return Unavailable(
        "carrier.not_authorised",
        f"Bring does not let us in: {said}",
        field="HSECARD_CARRIER_KEY",
        fix="correct HSECARD_CARRIER_UID and HSECARD_CARRIER_KEY, or have Mybring give them the right to book",
    )


def _pause_asked(answer: httpx.Response) -> float | None:
    asked = answer.headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdigit() else None


def _json(answer: httpx.Response) -> Any:
    return json.loads(answer.content, parse_float=Decimal)
