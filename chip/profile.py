"""What is on the chip, as data: the application, its keys and its one file, and the bytes of the content.

The content is written once and signed together with the chip's UID, so a copy on another chip does not verify. It fits
one radio frame of an EV2 (at most 128 bytes), which makes its write tear-safe there.
"""

import functools
import json
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from typing import Annotated, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from cards.errors import Refused
from chip.derive import div_input
from chip.models import ChipContent
from chip.ports import Keys

FORMAT = 1
_STATEMENT = 13  # format 1 ‖ card number 7 ‖ valid until 4 (BCD) ‖ signing key 1
_SIGNATURE = 64
CONTENT_SIZE = _STATEMENT + _SIGNATURE
_NO_AID = bytes(3)  # the card level

KeyNumber = Annotated[int, Field(ge=0, le=13)]
HexByte = Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{2}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeyNumbers(_Frozen):
    """Which key of the application is for what."""

    admin: KeyNumber
    read: KeyNumber
    write: KeyNumber


class FileProfile(_Frozen):
    """The data file, always enciphered. `size_bytes` ≤ 144; rights name key numbers.

    A standard file by default; as `backup` file it costs twice the room and one exchange (the commit) more.
    """

    number: Annotated[int, Field(ge=0, le=31)]
    size_bytes: Annotated[int, Field(ge=CONTENT_SIZE, le=144)]
    read_key: KeyNumber
    write_key: KeyNumber
    read_write_key: KeyNumber
    change_key: KeyNumber
    backup: bool = False

    @property
    def rights(self) -> bytes:
        """The two bytes on the wire, least byte first: read-write and change, then read and write."""
        return bytes([self.read_write_key << 4 | self.change_key, self.read_key << 4 | self.write_key])


class Profile(_Frozen):
    """Application, keys and file. `aid` is hex as written (the wire has it least byte first).

    `key_generation` (1 … 254) is the generation that new cards get; it stands on the chip as the key version. With
    `originality_points` (P-224, uncompressed, hex) a new chip of EV2 or EV3 has to show its maker's signature by one of
    them before it gets a key, in one exchange more.
    """

    aid: Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{6}$")]
    system_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{10}$")]
    key_generation: Annotated[int, Field(ge=1, le=0xFE)]
    picc_settings: HexByte
    app_settings: HexByte
    keys: KeyNumbers
    file: FileProfile
    originality_points: tuple[Annotated[str, StringConstraints(pattern=r"^04[0-9A-F]{112}$")], ...] = ()

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        if len({self.keys.admin, self.keys.read, self.keys.write}) != 3:
            raise ValueError("admin, read and write are three different keys")
        if self.keys.admin != 0 or {self.keys.read, self.keys.write} != {1, 2}:
            raise ValueError("the admin key is key 0, the other two are keys 1 and 2")
        return self

    @property
    def aid_bytes(self) -> bytes:
        """The AID as written."""
        return bytes.fromhex(self.aid)

    @property
    def aid_wire(self) -> bytes:
        """The AID as the card takes it."""
        return self.aid_bytes[::-1]

    def picc_input(self, uid: bytes) -> bytes:
        """Diversification input of the card's own key."""
        return div_input(uid=uid, aid=_NO_AID, key_number=0, system_id=bytes.fromhex(self.system_id))

    def app_input(self, uid: bytes, key_number: int) -> bytes:
        """Diversification input of a key of the application."""
        return div_input(uid=uid, aid=self.aid_bytes, key_number=key_number, system_id=bytes.fromhex(self.system_id))


@functools.cache
def default_profile() -> Profile:
    """The profile of chip/data/profile.json."""
    text = resources.files("chip").joinpath("data/profile.json").read_text(encoding="utf-8")
    return profile_of(text)


def profile_of(text: str) -> Profile:
    """A profile from JSON. Refused `chip.profile_invalid` with the field that is wrong."""
    try:
        return Profile.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        where, why = ".".join(str(part) for part in first["loc"]) or None, first["msg"]
    except ValueError:
        where, why = None, "is not JSON"
    raise Refused(
        "chip.profile_invalid",
        f"the chip profile {why}",
        fix="correct the profile; chip/data/profile.json is one that is right",
        field=where,
    )


@dataclass(frozen=True)
class Statement:
    """Content as it stands on a chip. `stated` are the signed bytes, `signature` is r ‖ s."""

    card_number: str
    valid_until: date
    signing_key_id: int
    stated: bytes
    signature: bytes

    def says(self, content: ChipContent) -> bool:
        """True when this is that card."""
        return (self.card_number, self.valid_until) == (content.card_number, content.valid_until)


def encode_content(content: ChipContent, *, uid: bytes, keys: Keys, profile: Profile) -> bytes:
    """The file's bytes: 01 ‖ card number (ASCII) ‖ valid until (BCD) ‖ signing key id ‖ signature ‖ zeros.

    The signature covers UID ‖ AID ‖ the 13 bytes before it. The key id is asked first, since it is signed as well.
    """
    head = bytes([FORMAT]) + content.card_number.encode() + bytes.fromhex(f"{content.valid_until:%Y%m%d}")
    key_id, signature = keys.sign(head)
    signed_by = None
    while signed_by != key_id:  # the signing key may change between two calls, once in years
        signed_by, stated = key_id, head + bytes([key_id])
        key_id, signature = keys.sign(uid + profile.aid_bytes + stated)
    return (stated + signature).ljust(profile.file.size_bytes, b"\x00")


def parse_content(data: bytes) -> Statement:
    """What the file says. Refused `chip.unreadable` when it is empty, of another format or not whole."""
    stated, signature, rest = data[:_STATEMENT], data[_STATEMENT:CONTENT_SIZE], data[CONTENT_SIZE:]
    number = stated[1:8].decode("ascii", "replace")
    try:
        valid_until = datetime.strptime(stated[8:12].hex(), "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        valid_until = None
    wrong = len(signature) != _SIGNATURE or stated[0] != FORMAT or not (number.isascii() and number.isdigit())
    if wrong or any(rest) or valid_until is None:
        raise Refused(
            "chip.unreadable",
            "the file on the chip does not hold a card's content",
            fix="present the card again; if it stays so, report the chip as faulty",
        )
    return Statement(number, valid_until, stated[12], stated, signature)


def signature_holds(statement: Statement, *, uid: bytes, keys: Keys, profile: Profile) -> bool:
    """True when the signature over UID ‖ AID ‖ content is that of the named key. Refused for an unknown signer."""
    point = keys.public_key(statement.signing_key_id)
    raw = statement.signature
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        public.verify(signature, uid + profile.aid_bytes + statement.stated, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
