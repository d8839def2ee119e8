"""Real readers: virtual cards behind vsmartcard's readers, through a real pcscd and pyscard, several at once.

The programs come by `make system-packages` and pyscard by `make readers`; where they are missing the tests are
skipped, except in CI, which has them.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cards.adapters.system import SeededEntropy
from cards.errors import Unavailable
from chip.adapters.software_keys import SoftwareKeys
from chip.adapters.virtual import VirtualEncoder
from chip.faults import Fault
from chip.models import ChipContent, ChipVerdict
from chip.personalise import encode_at
from chip.profile import default_profile
from flows.stages.encode import ENCODE
from flows.stages.line import run_line
from tests import readers
from tests.printed import bureau, encode, encoder_of, print_run, states
from tests.readers import Hopper, Readers

ABSENT = readers.MISSING or importlib.util.find_spec("smartcard") is None
pytestmark = pytest.mark.skipif(
    ABSENT and os.environ.get("CI") is None, reason="no pcscd with virtual readers here; CI installs it"
)

BENCH = ("Bench A", "Bench B", "Bench C", "Bench D")
NAMES = tuple(f"{name} 00 00" for name in BENCH)
TRAY = "P-000001"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    """Four readers; pcsc-lite remembers the socket of the first call, so they stay for all tests of the process."""
    with readers.running_pcscd(tmp_path_factory.mktemp("pcscd") / "run", BENCH) as running:
        os.environ["PCSCLITE_CSOCK_NAME"] = running.socket
        yield running
        del os.environ["PCSCLITE_CSOCK_NAME"]


def _chips(**faults: str) -> VirtualEncoder:
    planted = {(TRAY, int(place[1:])): Fault.named(fault) for place, fault in faults.items()}
    return VirtualEncoder("chips", seed=b"blanks", faults=planted)


def _pcsc(name: str, *, patience_s: float = 20.0) -> Any:
    from chip.adapters.pcsc import PcscEncoder

    return PcscEncoder(name, reader=name, patience_s=patience_s)


def test_four_readers_encode_and_prove_a_run_though_cards_are_pulled(bench: Readers, tmp_path: Path) -> None:
    chips = _chips(p2="cut_after@14", p5="cut_before@18", p8="torn@21")
    places = [(TRAY, place) for place in range(1, 9)]
    with bureau(tmp_path, encoders=tuple(f"pcsc:{name}" for name in NAMES)) as house, ExitStack() as hoppers:
        ids = print_run(house, 8)
        laid = [
            hoppers.enter_context(Hopper(bench.ports[name], chips, places[2 * at : 2 * at + 2], rounds=2))
            for at, name in enumerate(NAMES)
        ]
        done = run_line(house, ENCODE)
        assert (done.counts, done.problems) == ({"encoded": 8, "proved": 8}, ())
        assert [encoder_of(house, card_id) for card_id in ids] == [name for name in NAMES for _ in range(2)]
        with house.store.read() as uow:
            uids = [card.chip_uid for card in uow.cards.get_many(ids)]
        assert uids == [chips.uid_at(*place) for place in places]
        assert sum(hopper.pulled for hopper in laid) == 3


def test_a_chip_laid_on_for_another_is_refused_and_stays_blank(bench: Readers, tmp_path: Path) -> None:
    chips = _chips(p1="cut_after@14")
    hopper = Hopper(bench.ports[NAMES[0]], chips, [(TRAY, 1)], swaps={(TRAY, 1): (TRAY, 2)})
    with bureau(tmp_path, encoders=(f"pcsc:{NAMES[0]}",)) as house, hopper:
        ids = print_run(house, 1)
        assert encode(house).counts == {"held": 1}
        with house.store.read() as uow:
            assert [(q.cause, q.uid) for q in uow.encoding.quarantines()] == [("swapped", chips.uid_at(TRAY, 2))]
        assert states(house, ids) == ["held"]
    with chips.present(TRAY, 2) as untouched:
        assert untouched.card.memory.apps == {}


def _attempt(encoder: Any, position: int) -> ChipVerdict:
    outcomes = encode_at(
        encoder,
        tray=TRAY,
        position=position,
        content=ChipContent(card_number=f"041738{position}", valid_until=date(2028, 11, 23)),
        keys=SoftwareKeys(b"the seed of the tests", environment="test"),
        entropy=SeededEntropy(b"host"),
        profile=default_profile(),
        bind=lambda uid, generation: None,
    )
    return outcomes[-1].verdict


def test_a_card_that_lies_still_is_not_the_next_one(bench: Readers) -> None:
    class NeverFed(Hopper):
        def _answer(self, line: Any, place: tuple[str, int]) -> bool:
            while not self._stopped.is_set():
                super()._answer(line, place)
            return False

    encoder = _pcsc(NAMES[1], patience_s=2.0)
    with NeverFed(bench.ports[NAMES[1]], _chips(), [(TRAY, 1)]):
        assert _attempt(encoder, 1) is ChipVerdict.DONE
        assert _attempt(encoder, 1) is ChipVerdict.DONE
        with pytest.raises(Unavailable, match=r"place 2 of P-000001 .*chip\.not_presented"):
            _attempt(encoder, 2)


def test_trouble_at_the_reader_is_told_with_the_way_out(bench: Readers) -> None:
    with pytest.raises(Unavailable, match=r"no reader 'ACME 00 00'; there is 'Bench A 00 00', .*chip\.no_reader"):
        _attempt(_pcsc("ACME 00 00"), 1)
    with pytest.raises(Unavailable, match=r"there is 'Bench A 00 00', .*chip\.no_reader"):
        _pcsc("Bench A").look()
    _pcsc(NAMES[2]).look()
    with pytest.raises(Unavailable, match=r"within 0\.5 s .*chip\.not_presented"):
        _attempt(_pcsc(NAMES[2], patience_s=0.5), 1)
    holder, other = _pcsc(NAMES[3]), _pcsc(NAMES[3])
    with (
        Hopper(bench.ports[NAMES[3]], _chips(), [(TRAY, 1)]),
        holder.present(TRAY, 1),
        pytest.raises(Unavailable, match=r"chip\.reader_busy"),
    ):
        _attempt(other, 1)


LOOK = """
from chip.adapters.pcsc import PcscEncoder
from cards.errors import Unavailable
try:
    with PcscEncoder("x", reader="ACME 00 00", patience_s=1.0).present("P-1", 1):
        pass
except Unavailable as fault:
    print(fault)
"""


def _said(socket: str) -> str:
    environment = {**os.environ, "PCSCLITE_CSOCK_NAME": socket}
    looked = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return looked.stdout


def test_a_pcscd_without_readers_and_one_that_is_gone_are_told_apart(tmp_path: Path) -> None:
    with readers.running_pcscd(tmp_path / "run", ()) as running:
        assert "there is none at all [chip.no_reader]" in _said(running.socket)
    gone = _said(running.socket)
    assert "[chip.reader_service]" in gone
    assert "pcscd -f" in gone
