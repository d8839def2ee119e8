"""How our own Stripe tells what happened: signed events posted to an address, each until it is taken, in bad order.

Stripe promises no order, repeats an event that was taken, and goes on for three days with one that was not.
"""

import http.client
import json
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from billing.webhook import sign

_Json = dict[str, Any]
TRIES = 5


class FakeHooks:
    """A webhook endpoint as Stripe knows it: its address and secret; `now` is the time that signatures carry."""

    def __init__(self, url: str, secret: str, now: Callable[[], datetime]) -> None:
        self._address = urlsplit(url)
        self._secret = secret
        self._now = now
        self.answers: list[tuple[str, int]] = []

    def deliver(self, events: Sequence[_Json], chance: random.Random, *, times: int = 2) -> list[str]:
        """Post every event `times` over in random order, late ones of it again and again until they are taken.

        Answers the ids of events that were never taken.
        """
        waiting = [event for event in events for _ in range(times)]
        for _ in range(TRIES):
            chance.shuffle(waiting)
            waiting = [event for event in waiting if self.post(event) != http.client.OK]
        return sorted({event["id"] for event in waiting})

    def post(self, event: _Json, *, signature: str | None = None) -> int:
        """Post one event once; answers the HTTP status, 0 when nobody answers."""
        body = json.dumps(event).encode()
        said = signature or sign(body, secret=self._secret, at=self._now())
        connection = http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=10)
        try:
            connection.request("POST", self._address.path, body, {"Stripe-Signature": said})
            status = connection.getresponse().status
        except OSError:
            status = 0
        finally:
            connection.close()
        self.answers.append((event["id"], status))
        return status
