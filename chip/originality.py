"""Whether a chip was made by NXP: its signature over its own UID, held against the maker's public keys.

A fake blank in the hopper collects the keys that are sent to it under the factory's, so a line that wants to be sure
asks before the first write. ECDSA on P-224 over the bare UID, without a hash (AN12343, 9.2; AN11350).
"""

import functools
import json
from collections.abc import Iterable
from importlib import resources

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA224

_HALF = 28  # bytes of r and of s
_BARE = ec.ECDSA(Prehashed(SHA224()))  # no hash: the UID itself is the number that is signed


@functools.cache
def nxp_points() -> tuple[str, ...]:
    """NXP's public keys for DESFire chips, as uncompressed points in hex."""
    text = resources.files("chip").joinpath("data/originality.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["points"].values())


def is_genuine(signature: bytes, *, uid: bytes, points: Iterable[str]) -> bool:
    """True when the 56-byte signature r ‖ s over the UID is that of one of the keys."""
    if len(signature) != 2 * _HALF:
        return False
    r, s = (int.from_bytes(half, "big") for half in (signature[:_HALF], signature[_HALF:]))
    number = uid.rjust(_HALF, b"\x00")
    return any(_holds(point, encode_dss_signature(r, s), number) for point in points)


def _holds(point: str, signature: bytes, number: bytes) -> bool:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP224R1(), bytes.fromhex(point))
    try:
        key.verify(signature, number, _BARE)
    except InvalidSignature:
        return False
    return True
