"""A card goes over to the next generation of keys from any cut, and is read all the way through."""

import dataclasses
from datetime import date

import pytest

from cards.adapters.system import SeededEntropy
from cards.errors import Refused
from chip.adapters.software_keys import SoftwareKeys
from chip.adapters.virtual import VirtualEncoder
from chip.adapters.virtual_memory import Memory
from chip.faults import Fault, FaultKind
from chip.models import ChipContent, ChipOutcome, ChipVerdict
from chip.personalise import personalise
from chip.profile import default_profile
from chip.rollover import roll_over
from chip.verify import read_chip

KEYS = SoftwareKeys(b"the seed of the tests", environment="test", generation=3)
OLD = default_profile()
NEW = OLD.model_copy(update={"key_generation": 2})
CONTENT = ChipContent(card_number="0417388", valid_until=date(2028, 11, 23))
PLACE = ("P-000001", 1)
LONGEST = {1: 27, 2: 26, 3: 26}


def _finished(generation: int = 3) -> VirtualEncoder:
    encoder = VirtualEncoder("encoder-1", seed=b"blanks", generation=generation)
    with encoder.present(*PLACE) as transport:
        outcome = personalise(
            transport,
            content=CONTENT,
            keys=KEYS,
            entropy=SeededEntropy(b"host"),
            profile=OLD,
            bind=lambda uid, key_generation: None,
        )
    assert outcome.verdict is ChipVerdict.DONE
    return encoder


def _roll(encoder: VirtualEncoder, profile: object = NEW) -> ChipOutcome:
    with encoder.present(*PLACE) as transport:
        return roll_over(
            transport,
            keys=KEYS,
            entropy=SeededEntropy(b"host"),
            profile=NEW if profile is NEW else OLD.model_copy(update={"key_generation": profile}),
            bind=lambda uid, generation: None,
        )


def _kept(encoder: VirtualEncoder) -> Memory:
    with encoder.present(*PLACE) as presented:
        assert not any(any(counts) for counts in presented.card.memory.failures.values())
        return dataclasses.replace(presented.card.memory, presentations=0, failures={})


def _generation_read(encoder: VirtualEncoder) -> int:
    with encoder.present(*PLACE) as transport:
        reading = read_chip(transport, keys=KEYS, entropy=SeededEntropy(b"door"), profile=OLD)
    assert reading.signature_valid
    assert reading.card_number == "0417388"
    return reading.key_generation


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_card_goes_over_and_stays_over(generation: int) -> None:
    encoder = _finished(generation)
    first = _roll(encoder)
    assert (first.verdict, first.exchanges, first.key_generation) == (ChipVerdict.DONE, LONGEST[generation], 2)
    kept = _kept(encoder)
    assert {key.version for app in kept.apps.values() for key in app.keys} | {kept.picc_key.version} == {2}
    assert _roll(encoder).verdict is ChipVerdict.DONE
    assert _kept(encoder) == kept
    assert _generation_read(encoder) == 2


@pytest.mark.parametrize("generation", [1, 3])
@pytest.mark.parametrize("kind", [FaultKind.CUT_BEFORE, FaultKind.CUT_AFTER, FaultKind.TORN, FaultKind.NOT_WRITTEN])
def test_every_cut_goes_on_and_doors_read_meanwhile(kind: FaultKind, generation: int) -> None:
    whole = _finished(generation)
    _roll(whole)
    expected = _kept(whole)
    for exchange in range(1, LONGEST[generation] + 1):
        encoder = _finished(generation)
        encoder.plant(*PLACE, Fault(kind, exchange=exchange, presentations=0))
        assert _roll(encoder).verdict is ChipVerdict.PRESENT_AGAIN
        encoder.plant(*PLACE, None)
        assert _generation_read(encoder) in (1, 2)
        assert _roll(encoder).verdict is ChipVerdict.DONE, exchange
        assert _kept(encoder) == expected, exchange


def test_only_the_last_generation_goes_over() -> None:
    encoder = _finished()
    before = _kept(encoder)
    outcome = _roll(encoder, 3)
    assert (outcome.verdict, outcome.cause) == (ChipVerdict.QUARANTINE, "foreign_generation")
    assert _kept(encoder) == before


def test_blank_and_half_finished_card_do_not_go_over() -> None:
    blank = VirtualEncoder("encoder-1", seed=b"blanks")
    assert _roll(blank).verdict is ChipVerdict.QUARANTINE
    assert _roll(blank, 1).verdict is ChipVerdict.QUARANTINE


def test_refused_binding_leaves_the_keys() -> None:
    encoder = _finished()
    before = _kept(encoder)

    def refuse(uid: str, generation: int) -> None:
        raise Refused("test.bound", "another card's", fix="none")

    with encoder.present(*PLACE) as transport, pytest.raises(Refused):
        roll_over(transport, keys=KEYS, entropy=SeededEntropy(b"host"), profile=NEW, bind=refuse)
    assert _kept(encoder) == before
