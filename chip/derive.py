"""Card keys from master keys: AES-CMAC and the diversification of NXP's AN10922.

Every card has its own keys, so that one opened chip opens no other. The diversification input binds a key to the
chip (UID), the application (AID), the key number and the system.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 16
_ZERO = bytes(BLOCK)
_AES_128 = b"\x01"  # AN10922, table 1: the constant that heads M for an AES-128 key


def encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """AES-CBC over whole blocks."""
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """AES-CBC decryption over whole blocks."""
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def cmac_subkeys(key: bytes) -> tuple[bytes, bytes]:
    """K1 and K2 of RFC 4493, 2.3."""
    first = _doubled(encrypt(key, _ZERO, _ZERO))
    return first, _doubled(first)


def _doubled(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number = (number ^ 0x87) & ((1 << 128) - 1)
    return number.to_bytes(BLOCK, "big")


def cmac(key: bytes, message: bytes, iv: bytes = _ZERO) -> bytes:
    """16 bytes of AES-CMAC (RFC 4493). `iv` other than zero is DESFire EV1's chaining of CMACs through a session."""
    whole = bool(message) and len(message) % BLOCK == 0
    padded = message if whole else padded_80(message)
    return _last_block(key, padded, subkey=cmac_subkeys(key)[0 if whole else 1], iv=iv)


def _last_block(key: bytes, padded: bytes, *, subkey: bytes, iv: bytes) -> bytes:
    return encrypt(key, iv, padded[:-BLOCK] + xor(padded[-BLOCK:], subkey))[-BLOCK:]


def xor(left: bytes, right: bytes) -> bytes:
    """Byte by byte, of equal lengths."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def padded_80(data: bytes) -> bytes:
    """ISO 9797-1 method 2: 80 and zeros to the next block; a whole block more when it was full."""
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK)


def diversify(master: bytes, div_input: bytes) -> bytes:
    """The 16-byte AES-128 card key of `master` for a diversification input of 1 … 31 bytes (AN10922, 2.2).

    The message is always padded to 32 bytes, so for inputs under 16 bytes it is *not* plain CMAC (AN10957, p. 13).
    Raises ValueError for a master that is not 16 bytes or an input of another length.
    """
    if len(master) != BLOCK:
        raise ValueError("an AES-128 master key has 16 bytes")
    if not 1 <= len(div_input) <= 2 * BLOCK - 1:
        raise ValueError("a diversification input has 1 to 31 bytes")
    message = _AES_128 + div_input
    whole = len(message) == 2 * BLOCK
    padded = message if whole else (message + b"\x80").ljust(2 * BLOCK, b"\x00")
    return _last_block(master, padded, subkey=cmac_subkeys(master)[0 if whole else 1], iv=_ZERO)


def div_input(*, uid: bytes, aid: bytes = b"", key_number: int | None = None, system_id: bytes = b"") -> bytes:
    """UID ‖ AID (as written) ‖ key number ‖ system id, each left out when not given; 1 … 31 bytes (AN10922, 2.2).

    Ours is 7 + 3 + 1 + 5 = 16 bytes: from 16 on, any HSM's plain CMAC is right too. Raises ValueError.
    """
    number = b"" if key_number is None else bytes([key_number])
    joined = uid + aid + number + system_id
    if not 1 <= len(joined) <= 2 * BLOCK - 1:
        raise ValueError("a diversification input has 1 to 31 bytes")
    return joined
