"""DESFire secure messaging as plain functions: EV2/EV3 sessions, EV1-AES sessions, and the factory DES hand-over.

Nothing here draws a random number or talks to a card: RndA comes in as an argument and RndB as the card's challenge
E(RndB), so every published vector can be put through. All arguments and results are bytes as they travel, `ins` and
`code` are numbers, `counter` is the command counter before the command. Sources: AN12196 and AN12343 (EV2), the
ElmüSoft EV1 examples and RevK's DESFire notes (EV1). Keys and challenges never appear in an exception.

| to put through a vector of             | call                                                                   |
|----------------------------------------|------------------------------------------------------------------------|
| AuthenticateEV2First / NonFirst        | `ev2_response`, then `ev2_first` / `ev2_non_first`                     |
| EV2 session keys from RndA and RndB    | `ev2_session_keys`                                                     |
| EV2 command, answer, their IV and MAC  | `ev2_command`, `ev2_answer`, `ev2_iv`, `ev2_mac`                       |
| EV2 ChangeKey                          | `ev2_key_body` (`old` for another key), then `ev2_command(full=True)`  |
| AuthenticateAES (AA)                   | `ev1_response`, then `ev1_session` (`ev1_session_key` from RndA, RndB) |
| EV1 CMAC chaining, enciphered data     | `ev1_plain_command`, `ev1_full_command`, `ev1_answer`, `ev1_full_answer` |
| EV1 ChangeKey                          | `ev1_key_body`, then `ev1_full_command(data=…, tail=…)`                |
| factory key (1A), its change to AES    | `des_response`, `des_session_key`, `des_to_aes_command`                |
| ISO 7816 wrapping, AF frames, CRC-32   | `wrapped`, `frames`, `crc32`                                           |
"""

import zlib
from dataclasses import dataclass, field

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from chip.derive import BLOCK, cmac, decrypt, encrypt, padded_80, xor

OK = 0x00
MORE = 0xAF
MAC_SIZE = 8
DES_BLOCK = 8
FRAME_SIZES = {1: 55, 2: 255, 3: 255}
"""Command data bytes of one frame by chip generation: EV1's native frame takes 55 whatever the wrapping; EV2 and EV3
take what fits a short APDU, which the reader chains by ISO-DEP."""
AES_PICC_KEY = 0x80  # ChangeKey at card level: this bit in the key number makes the key an AES key
_ZERO = bytes(BLOCK)


class MacMismatch(Exception):
    """An answer whose MAC, CRC or padding does not hold: not from this session's card, or damaged on its way."""


# --- framing --------------------------------------------------------------------------------------------------------


def wrapped(ins: int, data: bytes = b"") -> bytes:
    """A native command in ISO 7816 wrapping: 90 INS 00 00 [Lc data] 00."""
    body = bytes([len(data)]) + data if data else b""
    return bytes([0x90, ins, 0x00, 0x00]) + body + b"\x00"


def frames(ins: int, body: bytes, *, size: int) -> list[tuple[int, bytes]]:
    """(command byte, data) of each frame: the first under `ins`, the rest under AF, at most `size` bytes each."""
    parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    return [(MORE if number else ins, part) for number, part in enumerate(parts)]


def crc32(data: bytes) -> bytes:
    """DESFire CRC-32: the usual polynomial without the final inversion, least byte first."""
    return (zlib.crc32(data) ^ 0xFFFFFFFF).to_bytes(4, "little")


def rotated(challenge: bytes) -> bytes:
    """The first byte goes to the end."""
    return challenge[1:] + challenge[:1]


def unpadded_80(data: bytes) -> bytes:
    """Takes the 80 00… off. Raises MacMismatch when there is none."""
    bare = data.rstrip(b"\x00")
    if not bare.endswith(b"\x80"):
        raise MacMismatch("padding")
    return bare[:-1]


def padded_zero(data: bytes, block: int = BLOCK) -> bytes:
    """Zeros up to a whole block; none when it is whole."""
    return data + bytes(-len(data) % block)


# --- EV2 / EV3 ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ev2Session:
    """Session keys and transaction identifier (4 bytes). The command counter is told to each function."""

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    ti: bytes


def ev2_response(*, key: bytes, rnd_a: bytes, challenge: bytes) -> bytes:
    """Our answer to E(RndB), for First and NonFirst: E(RndA ‖ RndB'), 32 bytes."""
    rnd_b = decrypt(key, _ZERO, challenge)
    return encrypt(key, _ZERO, rnd_a + rotated(rnd_b))


def ev2_session_keys(*, key: bytes, rnd_a: bytes, rnd_b: bytes) -> tuple[bytes, bytes]:
    """(encryption key, MAC key) of a session: CMACs over SV1 and SV2 (AN12343, 6.2)."""
    context = rnd_a[:2] + xor(rnd_a[2:8], rnd_b[:6]) + rnd_b[6:] + rnd_a[8:]
    return cmac(key, bytes.fromhex("A55A00010080") + context), cmac(key, bytes.fromhex("5AA500010080") + context)


def ev2_first(*, key: bytes, rnd_a: bytes, challenge: bytes, answer: bytes) -> Ev2Session:
    """The session after AuthenticateEV2First: `answer` is E(TI ‖ RndA' ‖ PDcap2 ‖ PCDcap2).

    Raises MacMismatch when the card did not return our RndA: it does not hold the key.
    """
    plain = decrypt(key, _ZERO, _sized(answer, 2 * BLOCK))
    if plain[4:20] != rotated(rnd_a):
        raise MacMismatch("authentication")
    enc, mac = ev2_session_keys(key=key, rnd_a=rnd_a, rnd_b=decrypt(key, _ZERO, challenge))
    return Ev2Session(enc=enc, mac=mac, ti=plain[:4])


def ev2_non_first(*, key: bytes, rnd_a: bytes, challenge: bytes, answer: bytes, ti: bytes) -> Ev2Session:
    """The session after AuthenticateEV2NonFirst: `answer` is E(RndA'); TI and command counter go on."""
    if decrypt(key, _ZERO, _sized(answer, BLOCK)) != rotated(rnd_a):
        raise MacMismatch("authentication")
    enc, mac = ev2_session_keys(key=key, rnd_a=rnd_a, rnd_b=decrypt(key, _ZERO, challenge))
    return Ev2Session(enc=enc, mac=mac, ti=ti)


def _sized(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise MacMismatch("length")
    return data


def ev2_mac(session: Ev2Session, *, code: int, counter: int, content: bytes) -> bytes:
    """8 bytes: the odd bytes of CMAC(code ‖ counter ‖ TI ‖ content). `code` is the command or the answer's status."""
    message = bytes([code]) + counter.to_bytes(2, "little") + session.ti + content
    return cmac(session.mac, message)[1::2]


def ev2_iv(session: Ev2Session, *, counter: int, answer: bool = False) -> bytes:
    """The IV of a command (A55A) or of an answer (5AA5, its counter already one on)."""
    label = b"\x5a\xa5" if answer else b"\xa5\x5a"
    return encrypt(session.enc, _ZERO, label + session.ti + counter.to_bytes(2, "little") + bytes(8))


def ev2_command(
    session: Ev2Session, *, ins: int, counter: int, header: bytes = b"", data: bytes = b"", full: bool = False
) -> bytes:
    """What follows the command byte: header ‖ data ‖ MAC, with the data enciphered in full mode."""
    if full and data:
        data = encrypt(session.enc, ev2_iv(session, counter=counter), padded_80(data))
    content = header + data
    return content + ev2_mac(session, code=ins, counter=counter, content=content)


def ev2_answer(session: Ev2Session, *, counter: int, answer: bytes, status: int = OK, full: bool = False) -> bytes:
    """The plain data of an answer; `counter` is that of the command. Raises MacMismatch."""
    if len(answer) < MAC_SIZE:
        raise MacMismatch("length")
    content, mac = answer[:-MAC_SIZE], answer[-MAC_SIZE:]
    if mac != ev2_mac(session, code=status, counter=counter + 1, content=content):
        raise MacMismatch("mac")
    if not (full and content):
        return content
    if len(content) % BLOCK:
        raise MacMismatch("length")
    return unpadded_80(decrypt(session.enc, ev2_iv(session, counter=counter + 1, answer=True), content))


def ev2_key_body(*, new: bytes, version: int, old: bytes | None = None) -> bytes:
    """The plain body of ChangeKey. `old` is given for another key than the session's: XOR, and a CRC of the new key."""
    if old is None:
        return new + bytes([version])
    return xor(new, old) + bytes([version]) + crc32(new)


# --- EV1 with AES ---------------------------------------------------------------------------------------------------
# One IV runs through the whole session: every function takes it and gives the next one back.


@dataclass(frozen=True)
class Ev1Session:
    """The session key and the IV that the next message starts from."""

    key: bytes = field(repr=False)
    iv: bytes = field(repr=False, default=_ZERO)


def ev1_response(*, key: bytes, rnd_a: bytes, challenge: bytes) -> bytes:
    """Our answer to E(RndB) of AuthenticateAES: E(RndA ‖ RndB'), chained from the challenge."""
    rnd_b = decrypt(key, _ZERO, challenge)
    return encrypt(key, challenge, rnd_a + rotated(rnd_b))


def ev1_session(*, key: bytes, rnd_a: bytes, challenge: bytes, response: bytes, answer: bytes) -> Ev1Session:
    """The session after AuthenticateAES; `response` is what we sent. Raises MacMismatch: the card lacks the key."""
    if decrypt(key, response[-BLOCK:], _sized(answer, BLOCK)) != rotated(rnd_a):
        raise MacMismatch("authentication")
    return Ev1Session(key=ev1_session_key(rnd_a=rnd_a, rnd_b=decrypt(key, _ZERO, challenge)))


def ev1_session_key(*, rnd_a: bytes, rnd_b: bytes) -> bytes:
    """RndA[0:4] ‖ RndB[0:4] ‖ RndA[12:16] ‖ RndB[12:16]."""
    return rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:]


def ev1_plain_command(session: Ev1Session, *, ins: int, content: bytes = b"") -> Ev1Session:
    """A command in the clear still moves the IV on, by the CMAC that is not sent."""
    return Ev1Session(key=session.key, iv=cmac(session.key, bytes([ins]) + content, session.iv))


def ev1_full_command(
    session: Ev1Session, *, ins: int, header: bytes = b"", data: bytes, tail: bytes = b""
) -> tuple[bytes, Ev1Session]:
    """header ‖ E(data ‖ CRC(ins ‖ header ‖ data) ‖ tail), zero-padded. `tail` is ChangeKey's CRC of the new key."""
    plain = padded_zero(data + crc32(bytes([ins]) + header + data) + tail)
    sealed = encrypt(session.key, session.iv, plain)
    return header + sealed, Ev1Session(key=session.key, iv=sealed[-BLOCK:])


def ev1_answer(session: Ev1Session, *, answer: bytes, status: int = OK) -> tuple[bytes, Ev1Session]:
    """The data of an answer that ends in its CMAC. Raises MacMismatch."""
    if len(answer) < MAC_SIZE:
        raise MacMismatch("length")
    content, mac = answer[:-MAC_SIZE], answer[-MAC_SIZE:]
    chained = cmac(session.key, content + bytes([status]), session.iv)
    if mac != chained[:MAC_SIZE]:
        raise MacMismatch("mac")
    return content, Ev1Session(key=session.key, iv=chained)


def ev1_full_answer(session: Ev1Session, *, answer: bytes, size: int, status: int = OK) -> tuple[bytes, Ev1Session]:
    """The `size` bytes of an enciphered answer, whose CRC covers them and the status. Raises MacMismatch."""
    if not answer or len(answer) % BLOCK:
        raise MacMismatch("length")
    plain = decrypt(session.key, session.iv, answer)
    data, rest = plain[:size], plain[size:]
    if rest[:4] != crc32(data + bytes([status])):
        raise MacMismatch("crc")
    return data, Ev1Session(key=session.key, iv=answer[-BLOCK:])


def ev1_key_body(*, new: bytes, version: int, old: bytes | None = None) -> tuple[bytes, bytes]:
    """(data, tail) of ChangeKey for `ev1_full_command`."""
    if old is None:
        return new + bytes([version]), b""
    return xor(new, old) + bytes([version]), crc32(new)


# --- the factory's DES key ------------------------------------------------------------------------------------------
# A new chip's card key is single DES of zeros; it is used once, to put an AES key in its place.


def des_encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Single-DES CBC (8-byte key)."""
    encryptor = Cipher(TripleDES(key * 3), modes.CBC(iv)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def des_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Single-DES CBC decryption (8-byte key)."""
    decryptor = Cipher(TripleDES(key * 3), modes.CBC(iv)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def des_response(*, key: bytes, rnd_a: bytes, challenge: bytes) -> bytes:
    """Our answer to E(RndB) of AuthenticateISO (1A) with a single-DES key: 16 bytes, chained from the challenge."""
    rnd_b = des_decrypt(key, bytes(DES_BLOCK), challenge)
    return des_encrypt(key, challenge, rnd_a + rotated(rnd_b))


def des_session_key(*, key: bytes, rnd_a: bytes, challenge: bytes, response: bytes, answer: bytes) -> bytes:
    """The 8-byte session key RndA[0:4] ‖ RndB[0:4]. Raises MacMismatch when the card lacks the key.

    The lowest bit of each byte means nothing to DES; published traces print them cleared, and the eight bytes twice.
    """
    if des_decrypt(key, response[-DES_BLOCK:], _sized(answer, DES_BLOCK)) != rotated(rnd_a):
        raise MacMismatch("authentication")
    return rnd_a[:4] + des_decrypt(key, bytes(DES_BLOCK), challenge)[:4]


def des_to_aes_command(*, session_key: bytes, new: bytes, version: int, key_number: int = AES_PICC_KEY) -> bytes:
    """What follows C4 to turn the card key into an AES key: 80 ‖ E(new ‖ version ‖ CRC(C4 ‖ 80 ‖ new ‖ version))."""
    body = new + bytes([version])
    crc = crc32(bytes([0xC4, key_number]) + body)
    return bytes([key_number]) + des_encrypt(session_key, bytes(DES_BLOCK), padded_zero(body + crc, DES_BLOCK))
