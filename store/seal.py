"""Personal data at rest: sealed with AES-SIV, so that equal bytes under one key give equal files.

A deterministic seal keeps content keys and byte-for-byte reruns; what it tells an onlooker (two blobs are equal) the
content key tells already. The blob's key is bound in: a sealed file moved under another name does not open.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cards.errors import Refused

SEALED_KINDS = frozenset({"photo", "portrait", "order"})
KEY_BYTES_MIN = 16
_MARK = b"HSE\x01"  # the seal's version; another cipher one day gets another


class Seal:
    """Seals and opens blobs under one key (at least 16 secret bytes; AES-256-SIV keys are derived from it)."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES_MIN:
            raise Refused(
                "blobs.weak_key",
                f"the key that seals personal data has {len(key)} bytes; at least {KEY_BYTES_MIN} are needed",
                fix="set the master secret of the settings (see `hsecard doctor`)",
            )
        derived = HKDF(algorithm=SHA256(), length=64, salt=None, info=b"hsecard blobs 1").derive(key)
        self._cipher = AESSIV(derived)

    def close(self, name: str, data: bytes) -> bytes:
        """Plain bytes → sealed bytes, bound to `name`."""
        # The cipher takes no empty message, so one byte stands in front.
        return _MARK + self._cipher.encrypt(b"\x00" + data, [name.encode()])

    def open(self, name: str, sealed: bytes) -> bytes:
        """Sealed bytes → plain bytes. Raises Refused `blobs.unsealable` (another key, or changed bytes)."""
        try:
            if not sealed.startswith(_MARK):
                raise InvalidTag
            return self._cipher.decrypt(sealed[len(_MARK) :], [name.encode()])[1:]
        except InvalidTag:
            raise Refused(
                "blobs.unsealable",
                f"{name} does not open with this key, or was changed",
                fix="check that the master secret is the one it was written with; else restore the blob from backup",
            ) from None


def sealed_kind(name: str) -> bool:
    """True when blobs of this key are personal data."""
    return name.partition("/")[0] in SEALED_KINDS
