"""The encoding queue: dealt in tray order, each card taken once, encoders that fail, chips put aside, trouble told."""

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cards.errors import Refused, Unavailable
from chip.adapters.software_keys import SoftwareKeys
from flows.house import House, build_house
from flows.settings import Settings
from flows.stages import encoders
from flows.stages.encode import ENCODE
from flows.stages.encoders import parts, release_chip, start_encoder, stop_encoder
from flows.stages.line import run_line
from flows.stages.outcomes import spoil
from store import rules_of_stock
from store.encoding import EncoderState
from tests.printed import bureau, encode, encoder_of, print_run, states

TRAY = "P-000001"


def _faults(**places: str) -> dict[str, str]:
    """`p3="aborted"` → the third place of the tray."""
    return {f"{TRAY}#{place[1:]}": fault for place, fault in places.items()}


def _whole(house: House) -> None:
    """The audit of stock: the run was made without papers, so the papers' rules do not apply."""
    with house.store.read() as uow:
        assert [(rule.name, row) for rule in rules_of_stock.RULES for row in rule.broken(uow, house.blobs)] == []


def test_a_run_is_dealt_in_order_one_tray_an_encoder(tmp_path: Path) -> None:
    with bureau(tmp_path) as house:
        ids = print_run(house, 7)
        done = run_line(house, ENCODE)
        assert (done.counts, done.problems) == ({"encoded": 7, "proved": 7}, ())
        assert [encoder_of(house, card_id) for card_id in ids] == ["a"] * 4 + ["b"] * 3
        assert encode(house).counts == {}
        _whole(house)


@pytest.mark.parametrize(("count", "names"), [(1, "ab"), (5, "ab"), (7, "abc"), (2, "abcde"), (250, "abcdefgh")])
def test_every_place_lies_in_one_tray(count: int, names: str) -> None:
    dealt = parts(count, list(names))
    assert [index for part in dealt.values() for index in part] == list(range(count))


def test_three_failures_in_a_row_stop_an_encoder_and_spoil_nothing(tmp_path: Path) -> None:
    faults = _faults(p1="integrity", p2="integrity", p3="integrity")
    with bureau(tmp_path, encoders=("virtual:a",), virtual_faults=faults) as house:
        ids = print_run(house, 5)
        done = encode(house)
        assert (done.counts, [problem.code for problem in done.problems]) == ({"stopped": 1}, ["encoder.stopped"])
        assert states(house, ids) == ["printed"] * 5
        again = encode(house)
        assert [problem.code for problem in again.problems] == ["encoder.stopped"]
        assert "3 chips in a row failed" in again.problems[0].message
        assert start_encoder(house, "a").failures_in_a_row == 0
        _whole(house)


def test_what_a_stopped_encoder_leaves_goes_to_the_others(tmp_path: Path) -> None:
    faults = {f"{TRAY}#{place}": "cut_before@4*3" for place in (1, 2, 3)}  # lost on the first encoder, not on the next
    with bureau(tmp_path, virtual_faults=faults) as house:
        ids = print_run(house, 8)
        done = encode(house)
        assert done.counts == {"passed_on": 3, "stopped": 1, "encoded": 8}
        assert [encoder_of(house, card_id) for card_id in ids] == ["b"] * 8
        with house.store.read() as uow:
            assert uow.encoding.encoder("a").state is EncoderState.STOPPED
            assert {(t.card_id, t.encoder, t.cause) for t in uow.encoding.tries(TRAY)} == {
                (card_id, "a", "lost") for card_id in ids[:3]
            }
        _whole(house)


def test_a_card_lost_on_two_encoders_is_faulty_and_made_good(tmp_path: Path) -> None:
    with bureau(tmp_path, virtual_faults=_faults(p2="cut_before@4*6")) as house:
        ids = print_run(house, 4)
        assert encode(house).counts == {"encoded": 3, "passed_on": 1, "spoiled": 1}
        assert states(house, ids) == ["encoded", "rendered", "encoded", "encoded"]
        with house.store.read() as uow:
            assert {account.value: n for account, n in uow.blanks.balances(batch_id=TRAY).items() if n > 0} == {
                "machine": 3,
                "spoiled": 1,
            }
        _whole(house)


BAD_BLANKS = [
    ("foreign_app", "list_apps:foreign_application"),
    ("foreign_key", "prove_picc_key:key_refused"),
    ("random_uid", "get_version:random_uid"),
    ("no_room", "create_app:no_room"),
    ("key_locked", ":permission_denied"),
]


@pytest.mark.parametrize(("fault", "detail"), BAD_BLANKS)
def test_a_bad_blank_is_put_aside_with_a_row(fault: str, detail: str, tmp_path: Path) -> None:
    with bureau(tmp_path, virtual_faults=_faults(p1=fault)) as house:
        ids = print_run(house, 2)
        assert encode(house).counts == {"held": 1, "encoded": 1}
        with house.store.read() as uow:
            hold = uow.cards.get(ids[0]).hold
            (aside,) = uow.encoding.quarantines()
        assert hold is not None
        assert str(hold.detail).endswith(detail)
        assert "chips release" in hold.fix
        assert (aside.card_id, aside.batch_id, aside.encoder) == (ids[0], TRAY, "a")
        spoil(house, ids[0], cause="bad blank")
        with house.store.read() as uow:
            assert uow.encoding.quarantines() == []
        _whole(house)


def test_a_chip_that_is_another_cards_is_put_aside(tmp_path: Path) -> None:
    with bureau(tmp_path) as house:
        ids = print_run(house, 2)
        other = print_run(house, 1, order="B-2", batch_id="P-000002")[0]
        chip: Any = house.encoder
        with house.store.begin() as uow:
            uow.chips.bind(chip.uid_at(TRAY, 1), other, 1, "a")
        encode(house)
        assert states(house, [*ids, other]) == ["held", "encoded", "encoded"]
        with house.store.read() as uow:
            assert [q.cause for q in uow.encoding.quarantines()] == ["bound_elsewhere"]


def test_two_persons_release_a_chip(tmp_path: Path) -> None:
    with bureau(tmp_path, virtual_faults=_faults(p1="foreign_key")) as house:
        ids = print_run(house, 1)
        encode(house)
        with pytest.raises(Refused, match=r"chip\.why_release"):
            release_chip(house, ids[0], by="Kari", why=" ")
        assert release_chip(house, ids[0], by="Kari", why="ours, from the sample box").state == "asked"
        with pytest.raises(Refused, match=r"chip\.same_person"):
            release_chip(house, ids[0], by=" kari ", why=None)
        alone = text("UPDATE chip_quarantines SET state = 'released', released_by = 'KARI', releaser = 'kari'")
        with pytest.raises(Refused, match=r"store\.rule_broken"), house.store.begin() as uow:
            uow.connection.execute(alone)
        assert states(house, ids) == ["held"]
        assert release_chip(house, ids[0], by="Bo", why=None).state == "released"
        assert states(house, ids) == ["printed"]
        with pytest.raises(Refused, match=r"chip\.not_quarantined"):
            release_chip(house, ids[0], by="Bo", why=None)
        _whole(house)


def test_a_chip_that_asks_for_a_pause_waits_and_the_others_go_on(tmp_path: Path) -> None:
    with bureau(tmp_path) as house:
        ids = print_run(house, 4)
        from chip.faults import Fault, FaultKind

        for encoder in house.encoders:
            planted: Any = encoder
            planted.plant(TRAY, 1, Fault(FaultKind.STATUS, exchange=12, status=0x91AD))
        done = encode(house)
        assert done.counts == {"set_aside": 1, "encoded": 3}
        assert [(p.subject, p.code) for p in done.problems] == [(ids[0], "chip.wait")]
        assert encode(house).counts == {"encoded": 1}


@pytest.mark.parametrize(
    ("fault", "code", "running"), [("unknown_type", "chip.unknown_type", ["b"]), ("status@12", "chip.stop_line", [])]
)
def test_a_chip_that_nobody_understands_stops_the_line(
    fault: str, code: str, running: list[str], tmp_path: Path
) -> None:
    with bureau(tmp_path, virtual_faults=_faults(p1=fault)) as house:
        ids = print_run(house, 2)
        done = encode(house)
        assert [problem.code for problem in done.problems] == [code]
        assert states(house, ids)[0] == "printed"
        assert [row.name for row in encoders.encoders_of(house) if row.state is EncoderState.RUNNING] == running
        with house.store.read() as uow:
            assert [(t.card_id, t.encoder) for t in uow.encoding.tries(TRAY)] == [(ids[0], "a")]
        _whole(house)


class _NoKeys(SoftwareKeys):
    def check_value(self, key_id: str, generation: int) -> str:
        raise Unavailable("chip.key_service", "the HSM does not answer", fix="wait")


def test_without_keys_no_chip_is_presented(tmp_path: Path) -> None:
    with bureau(tmp_path) as house:
        ids = print_run(house, 2)
        done = encode(replace(house, keys=_NoKeys(b"the seed of the tests", environment="test")))
        assert [problem.code for problem in done.problems] == ["chip.key_service"]
        assert states(house, ids) == ["printed", "printed"]
        assert not list((tmp_path / "chips").glob("*")), "a chip was touched"


def test_a_reader_that_is_gone_leaves_its_cards_to_the_other(tmp_path: Path) -> None:
    class Gone:
        name = "a"

        @contextmanager
        def present(self, tray: str, position: int) -> Any:
            raise Unavailable("chip.no_reader", "there is no reader", fix="plug it in")
            yield

    with bureau(tmp_path) as house:
        ids = print_run(house, 4)
        done = encode(replace(house, encoders=(Gone(), house.encoders[1])))
        assert done.counts == {"stopped": 1, "encoded": 4}
        assert [(p.subject, p.code) for p in done.problems] == [("a", "chip.no_reader")]
        assert states(house, ids) == ["encoded"] * 4


# --- claims and leases -------------------------------------------------------------------------------------------


def test_an_encoder_in_use_is_left_alone_until_its_run_is_dead(tmp_path: Path) -> None:
    with bureau(tmp_path, encoders=("virtual:a",)) as house:
        ids = print_run(house, 2)
        clock: Any = house.clock
        with house.store.begin() as uow:  # another run took the first card and died
            assert uow.encoding.claim("a", "elsewhere", clock.now() + timedelta(seconds=300))
            assert uow.encoding.take(ids[0], TRAY, encoder="a", holder="elsewhere")
        done = encode(house)
        assert [problem.code for problem in done.problems] == ["encoder.in_use"]
        assert "08:05:00" in done.problems[0].message
        other = replace(house, encoders=(_renamed(house, "c"),))
        assert encode(other).counts == {"encoded": 1}
        assert states(house, ids) == ["printed", "encoded"]
        clock.advance(timedelta(seconds=301))
        assert encode(house).counts == {"encoded": 1}


def test_a_card_is_taken_by_one_run_while_that_lives(tmp_path: Path) -> None:
    with bureau(tmp_path) as house:
        (card,) = print_run(house, 1)
        until = house.clock.now() + timedelta(seconds=300)
        with house.store.begin() as uow:
            assert uow.encoding.claim("a", "one", until)
            assert uow.encoding.claim("b", "two", until)
            assert not uow.encoding.claim("a", "two", until)
            assert uow.encoding.take(card, TRAY, encoder="a", holder="one")
            assert not uow.encoding.take(card, TRAY, encoder="b", holder="two")
            assert uow.encoding.taken(TRAY, but_by="two") == {card}
            uow.encoding.let_go("a", "one")
            assert uow.encoding.take(card, TRAY, encoder="b", holder="two")
            assert not uow.encoding.holds(card, "one")


def _renamed(house: House, name: str) -> Any:
    from chip.adapters.virtual import VirtualEncoder

    return VirtualEncoder(name, seed=house.settings.key("virtual-chips"), folder=house.settings.home / "chips")


def test_starting_an_encoder_frees_it_from_a_dead_run(tmp_path: Path) -> None:
    with bureau(tmp_path, encoders=("virtual:a",)) as house:
        ids = print_run(house, 1)
        with house.store.begin() as uow:
            assert uow.encoding.claim("a", "elsewhere", house.clock.now() + timedelta(seconds=300))
            assert uow.encoding.take(ids[0], TRAY, encoder="a", holder="elsewhere")
        start_encoder(house, "a")
        assert encode(house).counts == {"encoded": 1}
        with pytest.raises(Refused, match=r"encoder\.unknown"):
            start_encoder(house, "z")


def test_an_encoder_stopped_by_hand_takes_no_further_card(tmp_path: Path) -> None:
    class StopsAfterOne:
        """The person stops it while the first card lies on it."""

        def __init__(self, encoder: Any, house: House) -> None:
            self._encoder, self._house, self.name = encoder, house, encoder.name

        @contextmanager
        def present(self, tray: str, position: int) -> Any:
            with self._encoder.present(tray, position) as transport:
                stop_encoder(self._house, self.name, why="to be cleaned")
                yield transport

    with bureau(tmp_path, encoders=("virtual:a",)) as house:
        ids = print_run(house, 3)
        done = encode(replace(house, encoders=(StopsAfterOne(house.encoder, house),)))
        assert done.counts == {"encoded": 1, "stopped": 1}
        assert states(house, ids) == ["encoded", "printed", "printed"]
        assert "to be cleaned" in done.problems[0].message


def test_a_run_that_was_thought_dead_writes_nothing_over_the_next_ones_work(tmp_path: Path) -> None:
    class Slow:
        """While the chip lies on it, its claim runs out and another run does all the work."""

        def __init__(self, encoder: Any, house: House) -> None:
            self._encoder, self._house, self.name = encoder, house, encoder.name
            self.counts: dict[str, int] = {}

        @contextmanager
        def present(self, tray: str, position: int) -> Any:
            if not self.counts:
                clock: Any = self._house.clock
                clock.advance(timedelta(seconds=301))
                self.counts = encode(self._house).counts
            with self._encoder.present(tray, position) as transport:
                yield transport

    with bureau(tmp_path, encoders=("virtual:a",)) as house:
        ids = print_run(house, 3)
        slow = Slow(house.encoder, house)
        late = encode(replace(house, encoders=(slow,)))
        assert slow.counts == {"encoded": 3}
        assert late.counts == {"already_done": 1}
        with house.store.read() as uow:
            assert [[e.what for e in uow.cards.events(card_id)].count("encoded") for card_id in ids] == [1, 1, 1]
        _whole(house)


WORKER = """
import sys
from pathlib import Path
from tests.printed import bureau, encode
with bureau(Path(sys.argv[1]), encoders=tuple(sys.argv[2:]), clock=None) as house:
    print(encode(house).model_dump_json())
"""


def test_two_processes_share_a_run_and_no_card_is_taken_twice(tmp_path: Path) -> None:
    with bureau(tmp_path, clock=None) as house:
        ids = print_run(house, 30)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), *names], cwd=root, env=environment, stdout=subprocess.PIPE
        )
        for names in (("virtual:a", "virtual:b"), ("virtual:c", "virtual:d"), ("virtual:a", "virtual:d"))
    ]
    said = [json.loads(process.communicate(timeout=120)[0]) for process in started]
    encoded: Counter[str] = sum((Counter(done["counts"]) for done in said), Counter())
    assert (encoded["encoded"], encoded["already_done"]) == (30, 0)
    with bureau(tmp_path, clock=None) as house:
        assert states(house, ids) == ["encoded"] * 30
        with house.store.read() as uow:
            events = [Counter(event.what for event in uow.cards.events(card_id))["encoded"] for card_id in ids]
            assert uow.encoding.taken(TRAY) == frozenset()
        assert events == [1] * 30
        _whole(house)


# --- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [("virtual:a", "virtual:a"), ("usb:x",), ("pcsc:",), ("virtual",)])
def test_encoders_that_cannot_be_told_apart_are_refused(named: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(Refused, match="HSECARD_ENCODERS"):
        build_house(Settings(home=tmp_path, encoders=named), actor="a test")
