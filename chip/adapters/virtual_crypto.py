"""The card's side of secure messaging, written anew from the notes.

It shares nothing with the host but the block cipher. Were it to share more, a mistake would be made on both
sides and cancel itself out.
"""

import secrets
from enum import IntEnum
from typing import Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA224
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Comm(IntEnum):
    """Communication settings of a file or command, as on the wire."""

    PLAIN = 0
    MAC = 1
    FULL = 3


class IntegrityError(Exception):
    """A command whose MAC, CRC or padding does not hold."""


def aes_cbc(key: bytes, iv: bytes, data: bytes, *, back: bool = False) -> bytes:
    """Either way through AES-CBC."""
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
    run = cipher.decryptor() if back else cipher.encryptor()
    return run.update(data) + run.finalize()


def des_cbc(key: bytes, iv: bytes, data: bytes, *, back: bool = False) -> bytes:
    """Either way through single-DES CBC."""
    cipher = Cipher(TripleDES(key + key + key), modes.CBC(iv))
    run = cipher.decryptor() if back else cipher.encryptor()
    return run.update(data) + run.finalize()


def mac_of(key: bytes, message: bytes) -> bytes:
    """AES-CMAC by the library."""
    run = CMAC(algorithms.AES(key))
    run.update(message)
    return run.finalize()


def shifted_left(data: bytes) -> bytes:
    """RndX' of RndX."""
    return bytes([*data[1:], data[0]])


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0xEDB88320 if value & 1 else value >> 1  # noqa: PLW2901 - the polynomial division
        table.append(value)
    return table


_CRC = _crc_table()


def checksum(data: bytes) -> bytes:
    """CRC-32 with all-one start and no inversion at the end, low byte first."""
    register = 0xFFFFFFFF
    for byte in data:
        register = register >> 8 ^ _CRC[(register ^ byte) & 0xFF]
    return bytes([register & 0xFF, register >> 8 & 0xFF, register >> 16 & 0xFF, register >> 24])


def exclusive_or(left: bytes, right: bytes) -> bytes:
    """Bitwise, of one length."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


_MAKER = ec.derive_private_key(0xD00DFEED, ec.SECP224R1())  # no secret: nobody is to take a virtual chip for a real one
MAKER = _MAKER.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex().upper()
"""The public key of the maker of virtual chips, as profiles name it."""


def signed_by_maker(uid: bytes) -> bytes:
    """56 bytes: what a chip brings along from its maker to show that it is genuine."""
    signature = _MAKER.sign(bytes(28 - len(uid)) + uid, ec.ECDSA(Prehashed(SHA224()), deterministic_signing=True))
    return b"".join(half.to_bytes(28, "big") for half in decode_dss_signature(signature))


class CardChannel(Protocol):
    """A session as the card keeps it."""

    def opened(self, ins: int, body: bytes, *, header: int, size: int | None) -> tuple[bytes, bytes]:
        """(header, data) of a command; `size` is what enciphered data must measure. Raises IntegrityError."""
        ...

    def closed(self, data: bytes, *, full: bool) -> bytes:
        """The answer's bytes for status 00."""
        ...

    def opened_key(self, body: bytes) -> tuple[bytes, bool]:
        """(plain key block, True when it carries a CRC of the new key) of ChangeKey. Raises IntegrityError."""
        ...


class Ev2Channel:
    """EV2 messaging, card side."""

    def __init__(self, *, key: bytes, rnd_a: bytes, rnd_b: bytes, ti: bytes, counter: int = 0) -> None:
        mixed = exclusive_or(rnd_a[2:8], rnd_b[0:6])
        vector = b"\x00\x01\x00\x80" + rnd_a[0:2] + mixed + rnd_b[6:16] + rnd_a[8:16]
        self._enc = mac_of(key, b"\xa5\x5a" + vector)
        self._mac = mac_of(key, b"\x5a\xa5" + vector)
        self.ti = ti
        self.counter = counter

    def _signed(self, lead: int, content: bytes) -> bytes:
        full = mac_of(self._mac, bytes([lead, self.counter & 0xFF, self.counter >> 8]) + self.ti + content)
        return bytes(full[index] for index in range(1, 16, 2))

    def _vector(self, label: bytes) -> bytes:
        block = label + self.ti + bytes([self.counter & 0xFF, self.counter >> 8]) + bytes(8)
        return aes_cbc(self._enc, bytes(16), block)

    def opened(self, ins: int, body: bytes, *, header: int, size: int | None) -> tuple[bytes, bytes]:
        content, mac = body[:-8], body[-8:]
        if len(body) < header + 8 or not secrets.compare_digest(mac, self._signed(ins, content)):
            raise IntegrityError
        head, data = content[:header], content[header:]
        if size is not None:
            data = self._plain(data)
            if len(data) != size:
                raise IntegrityError
        return head, data

    def _plain(self, data: bytes) -> bytes:
        if len(data) % 16:
            raise IntegrityError
        plain = aes_cbc(self._enc, self._vector(b"\xa5\x5a"), data, back=True)
        end = plain.rfind(b"\x80")
        if end < 0 or any(plain[end + 1 :]):
            raise IntegrityError
        return plain[:end]

    def closed(self, data: bytes, *, full: bool) -> bytes:
        self.counter += 1
        if full and data:
            room = 16 - len(data) % 16
            data = aes_cbc(self._enc, self._vector(b"\x5a\xa5"), data + b"\x80" + bytes(room - 1))
        return data + self._signed(0, data)

    def opened_key(self, body: bytes) -> tuple[bytes, bool]:
        _, data = self.opened(0xC4, body, header=1, size=None)
        plain = self._plain(data)
        if len(plain) not in (17, 21):
            raise IntegrityError
        return plain, len(plain) == 21


class Ev1Channel:
    """EV1-AES messaging, card side: one IV through the session."""

    def __init__(self, *, rnd_a: bytes, rnd_b: bytes) -> None:
        self._key = rnd_a[0:4] + rnd_b[0:4] + rnd_a[12:16] + rnd_b[12:16]
        self._iv = bytes(16)
        zero = aes_cbc(self._key, bytes(16), bytes(16))
        self._whole = self._twice(zero)
        self._part = self._twice(self._whole)

    @staticmethod
    def _twice(block: bytes) -> bytes:
        carry, value = block[0] >> 7, int.from_bytes(block, "big") * 2
        return ((value & (1 << 128) - 1) ^ 0x87 * carry).to_bytes(16, "big")

    def _advance(self, message: bytes) -> bytes:
        *_, last = range(0, max(len(message), 1), 16)
        body, tail = message[:last], message[last:]
        if len(tail) == 16:
            tail = exclusive_or(tail, self._whole)
        else:
            tail = exclusive_or(tail + b"\x80" + bytes(15 - len(tail)), self._part)
        self._iv = aes_cbc(self._key, self._iv, body + tail)[-16:]
        return self._iv

    def _deciphered(self, data: bytes) -> bytes:
        if not data or len(data) % 16:
            raise IntegrityError
        plain = aes_cbc(self._key, self._iv, data, back=True)
        self._iv = data[-16:]
        return plain

    def opened(self, ins: int, body: bytes, *, header: int, size: int | None) -> tuple[bytes, bytes]:
        if size is None:
            self._advance(bytes([ins]) + body)
            return body[:header], body[header:]
        head, plain = body[:header], self._deciphered(body[header:])
        data, rest = plain[:size], plain[size:]
        if rest[:4] != checksum(bytes([ins]) + head + data) or any(rest[4:]):
            raise IntegrityError
        return head, data

    def closed(self, data: bytes, *, full: bool) -> bytes:
        if full and data:
            plain = data + checksum(data + b"\x00")
            sealed = aes_cbc(self._key, self._iv, plain + bytes(-len(plain) % 16))
            self._iv = sealed[-16:]
            return sealed
        return data + self._advance(data + b"\x00")[:8]

    def opened_key(self, body: bytes) -> tuple[bytes, bool]:
        plain = self._deciphered(body[1:])
        if checksum(b"\xc4" + body[:1] + plain[:17]) != plain[17:21]:
            raise IntegrityError
        return plain[:17] + plain[21:25], any(plain[21:25])


class DesChannel:
    """The factory's single-DES session. It knows one command: the change of the card key to AES."""

    def __init__(self, *, rnd_a: bytes, rnd_b: bytes) -> None:
        self._key = rnd_a[0:4] + rnd_b[0:4]

    def opened(self, ins: int, body: bytes, *, header: int, size: int | None) -> tuple[bytes, bytes]:
        raise IntegrityError

    def closed(self, data: bytes, *, full: bool) -> bytes:
        raise IntegrityError

    def opened_key(self, body: bytes) -> tuple[bytes, bool]:
        if len(body) != 25:
            raise IntegrityError
        plain = des_cbc(self._key, bytes(8), body[1:], back=True)
        if checksum(b"\xc4" + body[:1] + plain[:17]) != plain[17:21]:
            raise IntegrityError
        return plain[:17], False
