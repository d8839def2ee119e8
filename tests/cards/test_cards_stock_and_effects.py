"""Blanks as double entry, batches by digest, effects by their steps, kinds by their day, errors by their family."""

import json
import pickle
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cards.batch import BatchCard, batch_digest
from cards.blanks import BatchCount, BlankAccount, BlankMove, balances
from cards.effects import EffectState, effect_may_step, request_digest
from cards.errors import HseCardError, Refused, Spoiled, Unavailable, Unsure
from cards.kinds import card_kind, card_kinds, issuer

ACCOUNTS = st.sampled_from(BlankAccount)


def _move(source: BlankAccount, target: BlankAccount, count: int) -> BlankMove:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    return BlankMove(move_key="k", at=at, actor="anna", lot="L", source=source, target=target, count=count)


@given(st.lists(st.tuples(ACCOUNTS, ACCOUNTS, st.integers(1, 1000))))
def test_blanks_are_never_made_or_lost(moves: list[tuple[BlankAccount, BlankAccount, int]]) -> None:
    assert sum(balances([_move(*move) for move in moves]).values()) == 0


def test_a_delivery_stands_mirrored_at_the_supplier() -> None:
    stock = balances([_move(BlankAccount.SUPPLIER, BlankAccount.VAULT, 500)])
    assert (stock[BlankAccount.VAULT], stock[BlankAccount.SUPPLIER]) == (500, -500)


@pytest.mark.parametrize("count", [0, -1])
def test_no_move_of_nothing(count: int) -> None:
    with pytest.raises(ValidationError):
        _move(BlankAccount.VAULT, BlankAccount.TRAY, count)


@pytest.mark.parametrize(("good", "balanced"), [(8, True), (7, False), (9, False)])
def test_a_batch_balances_or_not(good: int, balanced: bool) -> None:
    count = BatchCount(
        batch_id="P-1", issued=10, good=good, spoiled=1, returned=1, counted_by="anna", witnessed_by="bo"
    )
    assert count.balances() is balanced


def test_a_batch_digest_is_over_places_numbers_and_faces() -> None:
    card = BatchCard(position=1, card_id="B-1-1", number="1234567", face_digest="f")
    same = batch_digest((card.model_copy(update={"struck": "page"}),))
    assert batch_digest((card,)) == same
    for change in ({"position": 2}, {"number": "7654321"}, {"face_digest": "g"}):
        assert batch_digest((card.model_copy(update=change),)) != same


def test_a_settled_effect_stays_settled() -> None:
    for settled in (EffectState.CONFIRMED, EffectState.REFUSED):
        assert not any(effect_may_step(settled, after) for after in EffectState)


def test_nothing_is_confirmed_that_was_never_sent() -> None:
    assert {after for after in EffectState if effect_may_step(EffectState.PLANNED, after)} == {EffectState.SENT}
    assert not effect_may_step(EffectState.UNSURE, EffectState.SENT)


def test_request_digest_is_of_the_content() -> None:
    assert request_digest({"a": 1, "b": "å"}) == request_digest(json.loads('{"b": "\\u00e5", "a": 1}'))
    assert request_digest({"a": 1}) != request_digest({"a": 2})


@pytest.mark.parametrize(
    ("day", "known"),
    [
        (date(2007, 12, 31), set()),
        (date(2010, 6, 1), {"construction"}),
        (date(2015, 6, 1), {"construction", "cleaning"}),
        (date(2023, 6, 1), {"construction", "cleaning", "car_care"}),
        (date(2026, 11, 23), {"construction", "cleaning", "car_care", "goods_transport"}),
    ],
)
def test_kinds_come_with_their_day(day: date, known: set[str]) -> None:
    assert set(card_kinds(day)) == known


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(Refused) as caught:
        card_kind("astronaut", date(2026, 11, 23))
    assert caught.value.code == "order.unknown_kind"
    assert "construction" in caught.value.fix


def test_a_day_without_an_issuer_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        issuer(date(1999, 1, 1))
    assert caught.value.code == "policy.unknown_day"
    assert issuer(date(2026, 11, 23)).name


@pytest.mark.parametrize(("family", "exit_code"), [(Refused, 3), (Unavailable, 4), (Spoiled, 5), (Unsure, 6)])
def test_errors_keep_their_words_over_a_process_border(family: type[HseCardError], exit_code: int) -> None:
    fault = family("a.code", "what", fix="way out", field="cards[3].photo")
    back = pickle.loads(pickle.dumps(fault))
    assert type(back) is family
    assert (back.code, back.message, back.fix, back.field) == ("a.code", "what", "way out", "cards[3].photo")
    assert family.exit_code == exit_code
    assert str(back) == "cards[3].photo: what [a.code] → way out"
