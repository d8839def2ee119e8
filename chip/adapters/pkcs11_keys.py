"""Keys in an HSM by PKCS#11: the masters and the signing keys never leave it.

A card key is one AES-CMAC inside the token; the signature over a card's content is made there too. Modules are not to
be trusted with threads (unlocked ones crashed the process), so one lock guards the whole process. The module is opened
at the first need and again after a fork, and logged in to once: a wrong PIN is never tried twice, since a token locks.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote

from cards.errors import Refused, Unavailable

if TYPE_CHECKING:
    from pkcs11 import Session

KEY_IDS = ("picc", "admin", "read", "write")
_AES_128 = b"\x01"  # AN10922, table 1
_SHORTEST, _LONGEST = 16, 31  # bytes of input for which a plain CMAC is AN10922: shorter ones need its own padding


@dataclass
class _Process:
    """What the module knows is the process's, whatever the number of stores and threads: sessions opened before a
    fork or before trouble are void, so each remembers the `epoch` in which it was opened."""

    lock: Lock = field(default_factory=Lock)
    opened_by: int = 0
    in_trouble: bool = False
    epoch: int = 0


_PROCESS = _Process()


@dataclass(frozen=True)
class TokenAddress:
    """Which token of which module, as a PKCS#11 URI (RFC 7512) names it."""

    module: str
    token: str

    @classmethod
    def parsed(cls, uri: str) -> Self:
        """`pkcs11:token=LABEL?module-path=FILE`. Refused `chip.keys_address`; a PIN has no place in it."""
        scheme, _, rest = uri.partition(":")
        path, _, query = rest.partition("?")
        named = dict(part.partition("=")[::2] for part in path.split(";"))
        asked = dict(parse_qsl(query))
        if scheme != "pkcs11" or set(named) != {"token"} or set(asked) != {"module-path"}:
            raise Refused(
                "chip.keys_address",
                "the address of the key service does not name one token of one module, and only that",
                fix="write pkcs11:token=LABEL?module-path=/path/of/the/module.so; the PIN is a setting of its own",
            )
        return cls(module=asked["module-path"], token=unquote(named["token"]))


@dataclass
class Pkcs11Keys:
    """`chip.ports.Keys` over the token at `address`. `generation` signs; any that the token holds is derived from.

    Objects are found by label: `hsecard picc 1` (AES-128) for purpose and generation, `hsecard sign 1` (P-256). Every
    method raises Unavailable: `chip.keys_module`, `chip.keys_token`, `chip.keys_pin`, `chip.keys_missing`, or
    `chip.key_service` for what the token itself reports. Signatures differ each time: the token draws its own nonce.
    """

    address: TokenAddress
    generation: int
    pin: str = field(repr=False)
    _session: "Session | None" = field(default=None, init=False, repr=False)
    _epoch: int = field(default=0, init=False, repr=False)
    _pin_is_wrong: bool = field(default=False, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """A session belongs to its process: another one opens its own."""
        return {**self.__dict__, "_session": None}

    # --- the port ---------------------------------------------------------------------------------------------------

    def derive(self, key_id: str, generation: int, div_input: bytes) -> bytes:
        """By AN10922, for inputs of 16 to 31 bytes: others would not be a plain CMAC, which is all that an HSM has."""
        if not _SHORTEST <= len(div_input) <= _LONGEST:
            raise ValueError(f"a diversification input for an HSM has {_SHORTEST} to {_LONGEST} bytes")
        return self._mac(key_id, generation, _AES_128 + div_input)

    def check_value(self, key_id: str, generation: int) -> str:
        """The first three bytes of the CMAC of a block of zeros (ANSI X9.24-1)."""
        return self._mac(key_id, generation, bytes(16))[:3].hex().upper()

    def sign(self, message: bytes) -> tuple[int, bytes]:
        from pkcs11 import Mechanism, ObjectClass  # noqa: PLC0415 -- an extra, needed only where an HSM is

        with self._talking() as session:
            key = _held(session, ObjectClass.PRIVATE_KEY, _signer(self.generation))
            digest = hashlib.sha256(message).digest()
            return self.generation, bytes(key.sign(digest, mechanism=Mechanism.ECDSA))

    def public_key(self, signing_key_id: int) -> bytes:
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 -- see sign

        with self._talking() as session:
            keys = list(
                session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: _signer(signing_key_id)})
            )
            if len(keys) == 1:
                return bytes(keys[0][Attribute.EC_POINT][-65:])  # an octet string around the point
        raise Refused(
            "chip.unknown_signer",
            f"there is no signing key {signing_key_id}",
            fix="check the card: it was not signed here, or by a newer key than this service holds",
        )

    def _mac(self, key_id: str, generation: int, message: bytes) -> bytes:
        from pkcs11 import Mechanism, ObjectClass  # noqa: PLC0415 -- see sign

        with self._talking() as session:
            master = _held(session, ObjectClass.SECRET_KEY, _master(key_id, generation))
            return bytes(master.sign(message, mechanism=Mechanism.AES_CMAC))

    # --- making keys ------------------------------------------------------------------------------------------------

    @property
    def masters(self) -> tuple[str, ...]:
        """What there is a master for."""
        return KEY_IDS

    def labels_of(self, generation: int) -> list[str]:
        """The labels that the objects of a generation have."""
        return [*(_master(key_id, generation) for key_id in KEY_IDS), _signer(generation)]

    def existing(self, generation: int) -> list[str]:
        """Those of them that the token holds already."""
        from pkcs11 import Attribute  # noqa: PLC0415 -- see sign

        with self._talking() as session:
            return [
                label
                for label in self.labels_of(generation)
                if next(iter(session.get_objects({Attribute.LABEL: label})), None) is not None
            ]

    def create(self, generation: int) -> list[str]:
        """Makes the four masters and the signing key of a generation inside the token, and gives their labels.

        Masters are AES-128, sensitive, not extractable, and may do nothing but sign. Refused `chip.keys_exist` when
        one is there: overwriting it would lose every card that hangs on it.
        """
        there = self.existing(generation)
        if there:
            raise Refused(
                "chip.keys_exist",
                f"the token holds {', '.join(there)}",
                fix="make the next generation; what a token holds is never overwritten here",
                field="--generation",
            )
        with self._talking(write=True) as session:
            for key_id in KEY_IDS:
                _make_master(session, _master(key_id, generation))
            _make_signer(session, _signer(generation))
        return self.labels_of(generation)

    # --- the session ------------------------------------------------------------------------------------------------

    @contextmanager
    def _talking(self, *, write: bool = False) -> "Iterator[Session]":
        """The session, alone in the process. What the module reports becomes one of our errors, and ends the session:
        a token that was taken out and put back is opened anew."""
        with _PROCESS.lock:
            try:
                from pkcs11 import exceptions  # noqa: PLC0415 -- see sign
            except ImportError:
                raise _module_missing(self.address.module, "python-pkcs11 is not installed") from None
            try:
                yield self._opened(write=write)
            except exceptions.PKCS11Error as fault:
                self._close()
                _PROCESS.in_trouble = True
                raise self._told(fault) from None
            if write:
                self._close()

    def _opened(self, *, write: bool) -> "Session":
        import pkcs11  # noqa: PLC0415 -- see sign

        if self._pin_is_wrong:
            raise _pin_refused()
        module = pkcs11.lib(self.address.module)
        if _PROCESS.in_trouble or _PROCESS.opened_by not in (0, os.getpid()):
            module.reinitialize()
            _PROCESS.epoch += 1
        _PROCESS.in_trouble, _PROCESS.opened_by = False, os.getpid()
        if write:
            self._close()
        if self._session is None or self._epoch != _PROCESS.epoch:
            token = module.get_token(token_label=self.address.token)
            self._session, self._epoch = _logged_in(token, self.pin, write=write), _PROCESS.epoch
        return self._session

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(RuntimeError):  # what is gone cannot be closed
                session.close()

    def _told(self, fault: Exception) -> Unavailable:
        from pkcs11 import exceptions  # noqa: PLC0415 -- see sign

        if isinstance(fault, exceptions.PinIncorrect | exceptions.PinLocked | exceptions.PinInvalid):
            self._pin_is_wrong = True
            return _pin_refused()
        if isinstance(fault, exceptions.NoSuchToken | exceptions.TokenNotPresent | exceptions.DeviceRemoved):
            return Unavailable(
                "chip.keys_token",
                f"no token labelled {self.address.token!r} answers",
                fix="put the HSM back or start it, compare the label in HSECARD_KEYS, then encode again",
            )
        if type(fault) is exceptions.PKCS11Error:  # the class itself: the module could not be loaded
            return _module_missing(self.address.module, "it cannot be loaded")
        return Unavailable(
            "chip.key_service",
            f"the HSM reports {type(fault).__name__}",
            fix="look at the HSM's own log; encode again when it answers",
        )


def _logged_in(token: Any, pin: str, *, write: bool) -> "Session":
    from pkcs11 import exceptions  # noqa: PLC0415 -- see Pkcs11Keys.sign

    try:
        session = token.open(rw=write, user_pin=pin)
    except exceptions.UserAlreadyLoggedIn:  # by another store of this process: a login is the process's
        session = token.open(rw=write)
    return session  # type: ignore[no-any-return]  # the package has no types for what open gives


def _make_master(session: "Session", label: str) -> None:
    from pkcs11 import Attribute, KeyType, MechanismFlag  # noqa: PLC0415 -- see Pkcs11Keys.sign

    kept_inside = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
    session.generate_key(
        KeyType.AES, 128, label=label, store=True, capabilities=MechanismFlag.SIGN, template=kept_inside
    )


def _make_signer(session: "Session", label: str) -> None:
    from pkcs11 import Attribute, KeyType, MechanismFlag  # noqa: PLC0415 -- see Pkcs11Keys.sign
    from pkcs11.util.ec import encode_named_curve_parameters  # noqa: PLC0415 -- see Pkcs11Keys.sign

    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    domain = session.create_domain_parameters(KeyType.EC, curve, local=True)
    domain.generate_keypair(
        store=True,
        label=label,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
    )


def _master(key_id: str, generation: int) -> str:
    return f"hsecard {key_id} {generation}"


def _signer(generation: int) -> str:
    return f"hsecard sign {generation}"


def _held(session: "Session", kind: Any, label: str) -> Any:
    from pkcs11 import NoSuchKey  # noqa: PLC0415 -- see Pkcs11Keys.sign

    try:
        return session.get_key(object_class=kind, label=label)
    except NoSuchKey:
        raise Unavailable(
            "chip.keys_missing",
            f"the token holds no key labelled {label!r}",
            fix="make the generation with `hsecard chip create-keys`, or correct HSECARD_KEY_GENERATION",
        ) from None


def _module_missing(module: str, why: str) -> Unavailable:
    return Unavailable(
        "chip.keys_module",
        f"the PKCS#11 module {module} cannot be used: {why}",
        fix="install the HSM's module and the extra `hsecard[pkcs11]`, and correct the path in HSECARD_KEYS",
    )


def _pin_refused() -> Unavailable:
    return Unavailable(
        "chip.keys_pin",
        "the HSM refuses the PIN; it was tried once and will not be tried again",
        fix="correct HSECARD_KEYS_PIN and start again; if the token is locked, its officer unlocks it",
    )
