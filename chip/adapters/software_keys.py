"""Keys without a key service: masters and the signing key come from one seed, in this process.

For the embedded default, the demo and the tests. Whoever holds the seed holds every card, so it refuses to start where
the environment is production; there an HSM does this work.
"""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cards.errors import Refused, Unavailable
from chip.derive import cmac, diversify

KEY_IDS = ("picc", "admin", "read", "write")
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_RFC_6979 = ec.ECDSA(SHA256(), deterministic_signing=True)


class SoftwareKeys:
    """`chip.ports.Keys` from a seed of at least 16 bytes. `generation` is the newest that it holds; it signs with that.

    Refused `chip.software_keys_in_production` where `environment` is "production", `chip.seed_too_short`.
    """

    def __init__(self, seed: bytes, *, environment: str, generation: int = 1) -> None:
        if environment.strip().lower() == "production":
            raise Refused(
                "chip.software_keys_in_production",
                "software keys are for trials: they lie in this process's memory",
                fix="configure the HSM as key service, or set the environment to what it is",
                field="environment",
            )
        if len(seed) < 16:
            raise Refused(
                "chip.seed_too_short",
                f"the key seed has {len(seed)} bytes",
                fix="give a seed of 16 bytes or more",
                field="seed",
            )
        self._generation = generation
        self._seed = seed
        self._masters: dict[tuple[str, int], bytes] = {}
        self._signers: dict[int, ec.EllipticCurvePrivateKey] = {}

    def __repr__(self) -> str:
        return f"SoftwareKeys(generation={self._generation})"

    def __getstate__(self) -> dict[str, object]:
        """Crosses a process pool by its seed; key objects are made anew."""
        return {"_generation": self._generation, "_seed": self._seed, "_masters": {}, "_signers": {}}

    def derive(self, key_id: str, generation: int, div_input: bytes) -> bytes:
        return diversify(self._master(key_id, generation), div_input)

    def check_value(self, key_id: str, generation: int) -> str:
        return cmac(self._master(key_id, generation), bytes(16))[:3].hex().upper()

    def sign(self, message: bytes) -> tuple[int, bytes]:
        r, s = decode_dss_signature(self._signer(self._generation).sign(message, _RFC_6979))
        return self._generation, r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def public_key(self, signing_key_id: int) -> bytes:
        if not 1 <= signing_key_id <= self._generation:
            raise Refused(
                "chip.unknown_signer",
                f"there is no signing key {signing_key_id}",
                fix="check the card: it was not signed here, or by a newer key than this service holds",
            )
        public = self._signer(signing_key_id).public_key()
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def _master(self, key_id: str, generation: int) -> bytes:
        if key_id not in KEY_IDS or not 1 <= generation <= self._generation:
            raise Unavailable(
                "chip.key_service",
                f"there is no master key {key_id!r} of generation {generation}",
                fix="check the key generation of the chip profile against that of the key service",
            )
        name = (key_id, generation)
        if name not in self._masters:
            self._masters[name] = self._expanded(f"master {key_id} {generation}", 16)
        return self._masters[name]

    def _signer(self, key_id: int) -> ec.EllipticCurvePrivateKey:
        if key_id not in self._signers:
            wide = int.from_bytes(self._expanded(f"signer {key_id}", 48), "big")
            self._signers[key_id] = ec.derive_private_key(wide % (_P256_ORDER - 1) + 1, ec.SECP256R1())
        return self._signers[key_id]

    def _expanded(self, purpose: str, size: int) -> bytes:
        return HKDF(algorithm=SHA256(), length=size, salt=b"hsecard", info=purpose.encode()).derive(self._seed)
