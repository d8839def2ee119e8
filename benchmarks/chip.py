"""Chips on the virtual card: exchanges a card, the host's time beside bare cryptography, and eight readers beside one.

The host's time is the processor time of our side of the conversation: what the virtual card takes is timed apart and
taken off. The floor does the same cipher runs and signatures with the same library and nothing else.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from statistics import median

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256

from cards.adapters.system import SeededEntropy
from chip import derive, messaging
from chip.adapters.software_keys import SoftwareKeys
from chip.adapters.virtual import VirtualEncoder
from chip.models import ChipContent, ChipOutcome, ChipVerdict
from chip.personalise import personalise
from chip.ports import Encoder, Transport
from chip.profile import Profile, default_profile

CARDS = 200
READERS = 8
CARDS_A_READER = 6
LATENCY_S = 0.020
KEYS = SoftwareKeys(b"the seed of the benchmark", environment="test")
PROFILE = default_profile()
BACKUP = PROFILE.model_copy(update={"file": PROFILE.file.model_copy(update={"backup": True})})
CONTENT = ChipContent(card_number="0417388", valid_until=date(2028, 11, 23))


class Timed:
    """A transport that knows how long the card took."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.card_s = 0.0

    def transmit(self, apdu: bytes) -> bytes:
        began = time.process_time()
        answer = self._inner.transmit(apdu)
        self.card_s += time.process_time() - began
        return answer


def made(transport: Transport, profile: Profile = PROFILE) -> ChipOutcome:
    """One card from wherever it stands."""
    outcome = personalise(
        transport,
        content=CONTENT,
        keys=KEYS,
        entropy=SeededEntropy(b"benchmark"),
        profile=profile,
        bind=lambda uid, generation: None,
    )
    if outcome.verdict is not ChipVerdict.DONE:
        raise SystemExit(f"a card was not made: {outcome}")
    return outcome


def exchanges(generation: int, profile: Profile) -> tuple[int, int]:
    """(of a blank, of the finished card presented again)."""
    encoder = VirtualEncoder("bench", seed=b"bench", generation=generation)
    with encoder.present("T", 1) as blank:
        first = made(blank, profile).exchanges
    with encoder.present("T", 1) as finished:
        return first, made(finished, profile).exchanges


def host_ms(generation: int) -> float:
    """Median milliseconds of our side for one blank."""
    encoder = VirtualEncoder("bench", seed=b"bench", generation=generation)
    return median(_host_s(encoder, position) for position in range(1, CARDS + 1)) * 1000


def _host_s(encoder: VirtualEncoder, position: int) -> float:
    with encoder.present("T", position) as presented:
        timed = Timed(presented)
        began = time.process_time()
        made(timed)
        return time.process_time() - began - timed.card_s


def block_operations(generation: int) -> list[int]:
    """Lengths in blocks of every cipher run that our side makes for one card."""
    lengths: list[int] = []
    encrypt, decrypt = derive.encrypt, derive.decrypt

    def counted(run: Callable[[bytes, bytes, bytes], bytes]) -> Callable[[bytes, bytes, bytes], bytes]:
        def counting(key: bytes, iv: bytes, data: bytes) -> bytes:
            lengths.append(len(data) // 16)
            return run(key, iv, data)

        return counting

    places = [(derive, "encrypt", encrypt), (derive, "decrypt", decrypt), (messaging, "encrypt", encrypt)]
    places.append((messaging, "decrypt", decrypt))
    for module, name, run in places:
        setattr(module, name, counted(run))
    try:
        with VirtualEncoder("bench", seed=b"bench", generation=generation).present("T", 1) as blank:
            made(blank)
    finally:
        for module, name, run in places:
            setattr(module, name, run)
    return lengths


def floor_ms(lengths: list[int]) -> float:
    """The same cipher runs bare, one signature and its check."""
    key, iv = bytes(range(16)), bytes(16)
    signer = ec.derive_private_key(7, ec.SECP256R1())
    scheme = ec.ECDSA(SHA256(), deterministic_signing=True)
    times = []
    for _ in range(CARDS):
        began = time.process_time()
        for length in lengths:
            run = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
            run.update(bytes(16 * length))
            run.finalize()
        for _ in range(2):  # the signing key's number is asked for by a signature, then the content is signed
            signature = signer.sign(key, scheme)
        signer.public_key().verify(signature, key, ec.ECDSA(SHA256()))
        times.append(time.process_time() - began)
    return median(times) * 1000


def cards_a_second(readers: int) -> float:
    """With a card that takes 20 ms to answer, so many readers at once, one thread each."""
    encoders = [
        VirtualEncoder(f"bench-{number}", seed=b"bench %d" % number, latency_s=LATENCY_S) for number in range(readers)
    ]
    began = time.perf_counter()
    with ThreadPoolExecutor(readers) as pool:
        list(pool.map(_feed, encoders))
    return readers * CARDS_A_READER / (time.perf_counter() - began)


def _feed(encoder: Encoder) -> None:
    for position in range(1, CARDS_A_READER + 1):
        with encoder.present("T", position) as presented:
            made(presented)


def main() -> None:
    for generation in (1, 2, 3):
        for name, profile in (("standard", PROFILE), ("backup", BACKUP)):
            first, again = exchanges(generation, profile)
            print(f"EV{generation} {name} file: {first} exchanges, {again} for the finished card again")
    for generation in (1, 3):
        ours, floor = host_ms(generation), floor_ms(block_operations(generation))
        print(f"EV{generation}: host {ours:.2f} ms a card, bare cryptography {floor:.2f} ms: {floor / ours:.2f}")
    one, many = cards_a_second(1), cards_a_second(READERS)
    print(f"{READERS} readers with a 20 ms card: {many:.1f} cards/s, one {one:.2f} cards/s: {many / one:.2f} x")


if __name__ == "__main__":
    main()
