"""The encoder and the key service, as the house sees them."""

from contextlib import AbstractContextManager
from typing import Protocol


class Transport(Protocol):
    """One presented chip. Exchanges APDUs in ISO 7816 wrapping (CLA 90)."""

    def transmit(self, apdu: bytes) -> bytes:
        """Send one command APDU, get data ‖ SW1 SW2. Raises chip.errors.ChipLost when the card went away:
        whether the command took effect is then unknown."""
        ...


class Encoder(Protocol):
    """A reader with a feeder. `tray` is the batch, `position` the place of the card in it, from 1."""

    @property
    def name(self) -> str:
        """The encoder's stable name."""
        ...

    def look(self) -> None:
        """See that it could be used now. Raises Unavailable as `present` does."""
        ...

    def present(self, tray: str, position: int) -> AbstractContextManager[Transport]:
        """Power the chip at that place for the length of the context, alone with it.

        Raises Unavailable: `chip.no_reader`, `chip.reader_service`, `chip.reader_busy`, `chip.not_presented`.
        """
        ...


class Keys(Protocol):
    """The key service: masters never leave it, except as derived card keys and signatures."""

    def derive(self, key_id: str, generation: int, div_input: bytes) -> bytes:
        """The 16-byte card key of master `key_id` (`picc`, `admin`, `read`, `write`) by AN10922 over `div_input`.

        Raises Unavailable (`chip.key_service`, or what the adapter knows better) as every method here may.
        """
        ...

    def check_value(self, key_id: str, generation: int) -> str:
        """Six hex digits that name a master without telling it."""
        ...

    def sign(self, message: bytes) -> tuple[int, bytes]:
        """(signing-key id, 64-byte raw ECDSA P-256 signature r ‖ s) over SHA-256 of `message`.

        Two calls need not give the same bytes: an HSM draws its own nonce.
        """
        ...

    def public_key(self, signing_key_id: int) -> bytes:
        """The 65-byte uncompressed public point of a signing key. Raises Refused (`chip.unknown_signer`)."""
        ...
