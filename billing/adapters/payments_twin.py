"""The embedded payment service: remembers every payment and refund in a folder and is as strict as the real one.

One key is one refund for ever; nothing above what was paid; other parameters under a used key are refused. A payment's
file holds its refunds and is replaced in one rename, so a crash leaves it before or after, never between; a pointer
file, written first, leads from a key to its payment. A lock on the folder keeps processes apart.
"""

import fcntl
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from billing.models import Refund
from cards.errors import Refused, Unavailable

_Record = dict[str, Any]


class PaymentsTwin:
    """Implements `billing.ports.Payments` on a folder; without one, on a folder that goes with this object."""

    def __init__(self, folder: Path | None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="payments-") if folder is None else None
        self._folder = Path(self._temporary.name) if self._temporary else Path(folder or ".")
        self._thread_lock = threading.Lock()

    def add_payment(self, payment_id: str, amount_ore: int) -> None:
        """Remember that a payment came in. The same again changes nothing; another amount is Refused."""
        with self._locked():
            record = self._payment(payment_id)
            if record is not None and record["amount_ore"] == amount_ore:
                return
            if record is not None or amount_ore <= 0:
                raise Refused(
                    "payments.payment_differs",
                    f"payment {payment_id} of {amount_ore} øre is not the one on record",
                    field="amount_ore",
                    fix="a payment never changes: give the new one its own id, with a positive amount",
                )
            self._write(self._payment_file(payment_id), {"id": payment_id, "amount_ore": amount_ore, "refunds": []})

    def refund(self, key: str, payment: str, amount_ore: int, reference: str) -> Refund:
        wanted = {"key": key, "payment": payment, "amount_ore": amount_ore, "reference": reference}
        with self._locked():
            made = self._made(key)
            if made is not None:
                return _same_or_refused(made, wanted)
            record = self._known(payment)
            _refuse_over_refund(record, amount_ore)
            self._write(self._pointer_file(key), {"key": key, "payment": payment})
            self._write(self._payment_file(payment), {**record, "refunds": [*record["refunds"], wanted]})
        return _refund(wanted)

    def look_up(self, key: str) -> Refund | None:
        with self._locked():
            made = self._made(key)
        return _refund(made) if made else None

    def paid_ore(self, payment: str) -> int:
        with self._locked():
            return _left(self._known(payment))

    def received_ore(self, payment: str) -> int:
        """What was paid, whatever was given back since."""
        with self._locked():
            return int(self._known(payment)["amount_ore"])

    def return_refund(self, key: str) -> None:
        """The payer's bank sent a refund back: it stands no more, and what was paid can be given back again."""
        with self._locked():
            made = self._made(key)
            if made is not None:
                record = self._known(made["payment"])
                left = [row for row in record["refunds"] if row["key"] != key]
                self._write(self._payment_file(made["payment"]), {**record, "refunds": left})

    def refunds(self) -> list[Refund]:
        """Every refund that stands, by key: what reconciliation and tests compare with."""
        with self._locked():
            files = sorted((self._folder / "payments").glob("*.json"))
            made = [row for file in files for row in (_read(file) or {"refunds": []})["refunds"]]
        return sorted(map(_refund, made), key=lambda refund: refund.key)

    def _made(self, key: str) -> _Record | None:
        """The refund under `key`. The payment's file decides: a pointer may be left over from a crash before it."""
        pointer = _read(self._pointer_file(key))
        record = self._payment(pointer["payment"]) if pointer else None
        return next((row for row in record["refunds"] if row["key"] == key), None) if record else None

    def _payment(self, payment: str) -> _Record | None:
        return _read(self._payment_file(payment))

    def _known(self, payment: str) -> _Record:
        record = self._payment(payment)
        if record is None:
            raise Refused(
                "payments.unknown_payment",
                f"no payment {payment!r} is on record",
                field="payment",
                fix="correct the payment of the charge, or pay it back by bank",
            )
        return record

    def _payment_file(self, payment: str) -> Path:
        return self._folder / "payments" / f"{_name(payment)}.json"

    def _pointer_file(self, key: str) -> Path:
        return self._folder / "refund_keys" / f"{_name(key)}.json"

    def _write(self, file: Path, record: _Record) -> None:
        text = json.dumps(record, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
        fresh = file.with_suffix(".new")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(file)
        except OSError as fault:
            raise _no_room(fault) from fault

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process and one thread at a time."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = (self._folder / "lock").open("a")
        except OSError as fault:
            raise _no_room(fault) from fault
        with self._thread_lock, handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _name(text: str) -> str:
    """A file name for any id: a readable start and a digest that tells all ids apart."""
    readable = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in text)[:40]
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _read(file: Path) -> _Record | None:
    try:
        record: _Record = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise _no_room(fault) from fault
    return record


def _no_room(fault: OSError) -> Unavailable:
    return Unavailable(
        "payments.unavailable",
        f"the payments folder cannot be used: {fault.strerror}",
        fix="make room or correct the folder's rights, then run again",
    )


def _left(record: _Record) -> int:
    return int(record["amount_ore"]) - sum(int(row["amount_ore"]) for row in record["refunds"])


def _refuse_over_refund(record: _Record, amount_ore: int) -> None:
    if not 0 < amount_ore <= _left(record):
        raise Refused(
            "payments.over_refund",
            f"{amount_ore} øre asked back of payment {record['id']}, {_left(record)} øre are left",
            field="amount_ore",
            fix="look at what was already given back over this payment; refund a positive amount up to the rest",
        )


def _same_or_refused(made: _Record, wanted: _Record) -> Refund:
    if made != wanted:
        raise Refused(
            "payments.key_reused",
            f"key {wanted['key']} was used for another refund",
            field="key",
            fix="another amount, payment or case is another act: give it its own key",
        )
    return _refund(made)


def _refund(row: _Record) -> Refund:
    return Refund(
        key=row["key"],
        reference="re_" + hashlib.sha256(row["key"].encode()).hexdigest()[:24],
        payment=row["payment"],
        amount_ore=row["amount_ore"],
    )
