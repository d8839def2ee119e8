"""A carrier made of a folder: bookings, labels and manifests as files. The embedded default and the tests' twin.

It keeps what the real carrier keeps: one key is one booking, across restarts and however often it is asked for, and a
consignment number is given out once.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from cards.errors import Refused, Unavailable
from shipping.documents import label
from shipping.models import Booking, Shipment, ShipmentState
from shipping.numbers import check_digit
from shipping.tracking import TrackingEvent

CONSIGNMENT_PREFIX = "7099999"  # a made-up GS1 company prefix: no parcel of Bring carries it
_SERIALS = 10**9
_WEIGHT_MAX_G = 2000


class FolderCarrier:
    """Writes `bookings/<key>.json`, `labels/<consignment>.pdf`, `manifests/<key>.pdf|.csv` below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def book(self, key: str, shipment: Shipment) -> Booking:
        with self._reachable():
            made = self.look_up(key)
            if made is not None:
                return made
            _refuse_unbookable(shipment)
            consignment = self._consignment(key)
            printed = label(shipment)
            _write_once(self._file("labels", f"{consignment}.pdf"), printed)
            record = {"key": key, "consignment": consignment, "shipment": shipment.shipment_id}
            _write_once(self._booking_file(key), json.dumps(record, indent=2, sort_keys=True).encode() + b"\n")
            return Booking(key=key, consignment=consignment, label=printed)

    def look_up(self, key: str) -> Booking | None:
        with self._reachable():
            path = self._booking_file(key)
            if not path.exists():
                return None
            consignment = str(json.loads(path.read_bytes())["consignment"])
            printed = self._file("labels", f"{consignment}.pdf")
            return Booking(key=key, consignment=consignment, label=printed.read_bytes() if printed.exists() else None)

    def hand_over(self, key: str, manifest_pdf: bytes, manifest_csv: bytes) -> None:
        with self._reachable():
            _write_once(self._file("manifests", f"{_file_name(key)}.pdf"), manifest_pdf)
            _write_once(self._file("manifests", f"{_file_name(key)}.csv"), manifest_csv)

    def track(self, booking: str) -> list[TrackingEvent]:
        """From `tracking/<consignment>.json`, a list of events that whoever plays the carrier lays down."""
        with self._reachable():
            path = self._file("tracking", f"{_file_name(booking)}.json")
            return [TrackingEvent.model_validate(e) for e in json.loads(path.read_bytes())] if path.exists() else []

    def _booking_file(self, key: str) -> Path:
        return self._file("bookings", f"{_file_name(key)}.json")

    def _file(self, kind: str, name: str) -> Path:
        return self._folder / kind / name

    def _consignment(self, key: str) -> str:
        """The number that `key` holds: begun at its digest, moved on while another key holds it."""
        serial = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % _SERIALS
        while True:
            body = f"{CONSIGNMENT_PREFIX}{serial:09d}"
            number = body + check_digit(body)
            claim = self._file("consignments", number)
            _write_once(claim, key.encode())
            if claim.read_bytes() == key.encode():
                return number
            serial = (serial + 1) % _SERIALS

    @contextlib.contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError) as fault:
            raise Unavailable(
                "carrier.unavailable",
                f"the carrier's folder {self._folder} does not answer: {fault}",
                fix="check that the folder is there, may be written and has room, then run `hsecard ship` again",
            ) from fault


def _refuse_unbookable(shipment: Shipment) -> None:
    wrong = None
    if shipment.state is ShipmentState.CANCELLED:
        wrong = ("state", "it is cancelled")
    elif shipment.weight_g > _WEIGHT_MAX_G:
        wrong = ("weight_g", f"{shipment.weight_g:g} g is over the {_WEIGHT_MAX_G} g of a letter")
    elif not shipment.card_ids:
        wrong = ("card_ids", "it holds no card")
    if wrong is not None:
        raise Refused(
            "carrier.refused",
            f"shipment {shipment.number} is not taken: {wrong[1]}",
            field=wrong[0],
            fix="look at the shipment; its cards go back to waiting and are planned again",
        )


def _file_name(key: str) -> str:
    name = quote(key, safe="")
    return name if len(name) <= 120 else hashlib.sha256(key.encode()).hexdigest()


def _write_once(path: Path, content: bytes) -> None:
    """Whole or not at all, and never over what is there: a link fails when the name is taken."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
