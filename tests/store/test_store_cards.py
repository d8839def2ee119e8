"""Orders, cards, effects and numbers at the repositories' door, on both databases."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from cards.adapters.system import SteadyClock
from cards.address import Address
from cards.effects import EffectKind, EffectState
from cards.errors import Refused, Unavailable
from cards.life import CardState, HoldReason, broken_links
from store.database import Store, UnitOfWork
from tests.store.small_world import (
    NOON,
    OSLO,
    a_batch,
    a_card,
    a_hold,
    a_reading,
    accept,
    an_order,
    step,
)


def _refused(code: str, act: Any, *args: Any, **names: Any) -> None:
    with pytest.raises((Refused, Unavailable)) as refused:
        act(*args, **names)
    assert refused.value.code == code
    assert refused.value.fix


# --- orders ----------------------------------------------------------------------------------------------------


def test_an_order_comes_back_as_it_was_accepted(store: Store) -> None:
    at = datetime(2026, 11, 20, 9, 14, 3, 123456, tzinfo=UTC)
    order = an_order("B-1", ordered_at=at, unit={"org_number": "313876144", "name": "avd. Ås"})
    with store.begin() as uow:
        uow.orders.add(order, reading=a_reading(), document_key="order/x", received_at=at)
    with store.read() as uow:
        kept = uow.orders.get("B-1")
        assert uow.orders.digest("B-1") == order.digest() == kept.digest
        assert (kept.ordered_at, kept.received_at, kept.document_key) == (at, at, "order/x")
        assert (kept.ordered_by, kept.business, kept.unit) == (order.ordered_by, order.business, order.unit)
        assert (kept.deliver_to, kept.label_lines) == (order.deliver_to, a_reading().label_lines)
        assert (uow.orders.count(), uow.orders.numbers()) == (1, ["B-1"])


def test_one_order_number_is_one_content(store: Store) -> None:
    with store.begin() as uow:
        uow.orders.add(an_order("B-1"), reading=a_reading(), document_key="", received_at=NOON)
        again = {"reading": a_reading(), "document_key": "", "received_at": NOON}
        _refused("order.raced", uow.orders.add, an_order("B-1"), **again)
        _refused("order.number_reused", uow.orders.add, an_order("B-1", cards=3), **again)
        assert uow.orders.digest("B-2") is None
        _refused("order.unknown", uow.orders.get, "B-2")


def test_a_corrected_address_takes_the_place_of_the_old(store: Store) -> None:
    new = Address(recipient="Fjordbygg AS", street="Kaia 1", postcode="3015", city="Drammen")
    with store.begin() as uow:
        accept(uow, "B-1", valid=False)
        assert uow.orders.get("B-1").address_reasons == ("postcode_unknown",)
        uow.orders.readdress("B-1", new, a_reading("NO|3015|kaia 1"))
        kept = uow.orders.get("B-1")
        assert (kept.deliver_to, kept.address_key, kept.address_valid) == (new, "NO|3015|kaia 1", True)
        _refused("order.unknown", uow.orders.readdress, "B-9", new, a_reading())


def test_a_business_is_told_as_its_latest_order_tells_it(store: Store) -> None:
    moved = {"org_number": "310149942", "name": "Fjord AS", "invoice_email": "f@b.example", "address": OSLO}
    with store.begin() as uow:
        uow.orders.add(an_order("B-1"), reading=a_reading(), document_key="", received_at=NOON)
        later = NOON + timedelta(days=1)
        uow.orders.add(an_order("B-2", business=moved), reading=a_reading(), document_key="", received_at=later)
        business = uow.orders.business("310149942")
        assert business is not None
        assert business.name == "Fjord AS"
        assert uow.orders.business("313876144") is None


# --- cards -----------------------------------------------------------------------------------------------------


def test_a_card_comes_back_whole(store: Store) -> None:
    card = a_card(
        given_name="Zoë",
        family_name="Żółkiewski-Nguyễn Åsmundsen",
        head_covering=True,
        portrait="portrait/x.jpg",
        issued_on=date(2026, 11, 23),
        valid_until=date(2028, 11, 23),
        design="d1",
        replaces=None,
    )
    with store.begin() as uow:
        uow.orders.add(an_order(), reading=a_reading(), document_key="", received_at=NOON)
        uow.cards.add(card, actor="intake", what="ordered", details={"a": [1, {"b": "æøå"}]})
        held = a_card("B-1", 2, 1, state=CardState.HELD, hold=a_hold(), resumes_in=CardState.ORDERED)
        uow.cards.add(held, actor="intake", what="ordered")
    with store.read() as uow:
        assert uow.cards.get("B-1-1") == card
        assert uow.cards.get("B-1-2") == held
        event = uow.cards.events("B-1-1")[0]
        assert (event.before, event.after, event.details) == (None, CardState.ORDERED, {"a": [1, {"b": "æøå"}]})


def test_a_number_or_an_id_is_taken_once(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
        _refused("card.known", uow.cards.add, a_card("B-1", 1, 77), actor="x", what="ordered")
        _refused("card.known", uow.cards.add, a_card("B-1", 2, 0), actor="x", what="ordered")
        _refused("card.unknown", uow.cards.get, "B-1-9")
        _refused("card.unknown", uow.cards.get_many, ["B-1-1", "B-1-9"])
        _refused("card.unknown", uow.cards.note, "B-1-9", actor="x", what="y")
        _refused("card.unknown", uow.cards.release, "B-1-9", actor="x")


def test_a_step_is_taken_once_and_only_where_life_allows(store: Store, clock: SteadyClock) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
        clock.advance(timedelta(seconds=5))
        changes = {"portrait": "portrait/a.jpg", "issued_on": date(2026, 11, 23)}
        go = (CardState.ORDERED, CardState.PICTURED)
        assert uow.cards.advance("B-1-1", *go, actor="run 7", what="pictured", details={"n": 1}, **changes)
        assert not uow.cards.advance("B-1-1", *go, actor="run 8", what="pictured")
        _refused(
            "card.no_such_step",
            uow.cards.advance,
            "B-1-1",
            CardState.PICTURED,
            CardState.POSTED,
            actor="x",
            what="posted",
        )
        card = uow.cards.get("B-1-1")
        assert (card.state, card.portrait, card.issued_on) == (CardState.PICTURED, "portrait/a.jpg", date(2026, 11, 23))
        events = uow.cards.events("B-1-1")
        assert [(event.actor, event.what) for event in events] == [("test", "ordered"), ("run 7", "pictured")]
        assert events[1].at == clock.at
        assert events[1].details == {"n": 1}
        assert broken_links(events) == []


@pytest.mark.parametrize("changes", [{"state": "posted"}, {"line": 2}, {"nonsense": 1}, {"card_id": "x"}])
def test_only_columns_of_a_card_are_changed(store: Store, changes: dict[str, Any]) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
        with pytest.raises((ValueError, TypeError)):
            uow.cards.note("B-1-1", actor="x", what="y", **changes)


def test_a_held_card_waits_and_resumes_where_it_was(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=2)
        step(uow, "B-1-1", CardState.PICTURED)
        assert uow.cards.hold("B-1-1", CardState.PICTURED, a_hold(HoldReason.NAME_GLYPH, None), actor="x")
        assert not uow.cards.hold("B-1-1", CardState.PICTURED, a_hold(), actor="x")
        held = uow.cards.get("B-1-1")
        assert (held.state, held.resumes_in) == (CardState.HELD, CardState.PICTURED)
        assert held.hold == a_hold(HoldReason.NAME_GLYPH, None)
        assert uow.cards.hold("B-1-2", CardState.ORDERED, a_hold(), actor="x")
        assert uow.cards.held_counts() == {"name_glyph": 1, "photo:no_face": 1}
        assert uow.cards.release("B-1-1", actor="Kari", given_name="Pawel")
        assert not uow.cards.release("B-1-1", actor="Kari")
        free = uow.cards.get("B-1-1")
        assert (free.state, free.hold, free.resumes_in, free.given_name) == (CardState.PICTURED, None, None, "Pawel")
        assert uow.cards.advance("B-1-2", CardState.HELD, CardState.CANCELLED, actor="x", what="cancelled")
        assert uow.cards.get("B-1-2").hold is None
        whats = [event.what for event in uow.cards.events("B-1-1")]
        assert whats == ["ordered", "pictured", "held", "released"]


def test_a_note_is_a_fact_without_a_step(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
        uow.cards.note("B-1-1", actor="x", what="seen", details={"by": "Kari"}, photo=None, batch_id="P-1")
        event = uow.cards.events("B-1-1")[-1]
        assert (event.before, event.after, event.what) == (CardState.ORDERED, CardState.ORDERED, "seen")
        assert uow.cards.get("B-1-1").batch_id == "P-1"


def test_cards_are_listed_in_pages_and_counted(store: Store) -> None:
    with store.begin() as uow:
        ids = accept(uow, "B-1", cards=12)
        step(uow, "B-1-3", CardState.PICTURED)
        waiting = sorted(set(ids) - {"B-1-3"})
        assert uow.cards.ids_in_state(CardState.ORDERED) == waiting
        first = uow.cards.in_state(CardState.ORDERED, limit=5)
        assert [card.card_id for card in first] == waiting[:5]
        rest = uow.cards.ids_in_state(CardState.ORDERED, after=first[-1].card_id)
        assert rest == waiting[5:]
        assert [card.card_id for card in uow.cards.get_many(ids[::-1])] == ids[::-1]
        assert [card.line for card in uow.cards.of_order("B-1")] == list(range(1, 13))
        assert uow.cards.counts() == {CardState.ORDERED: 11, CardState.PICTURED: 1}


def test_many_cards_are_read_at_once(store: Store) -> None:
    with store.begin() as uow:
        ids = accept(uow, "B-1", cards=600)
        assert [card.card_id for card in uow.cards.get_many(ids)] == ids


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0000001", ["B-1-2"]),
        (" 00 00 00 1 ", ["B-1-2"]),
        ("00000001", ["B-1-2"]),
        ("B-1-2", ["B-1-2"]),
        ("B-1", ["B-1-1", "B-1-2"]),
        ("PAWEŁ NR1", ["B-1-1"]),
        ("nr", ["B-1-1", "B-1-2"]),
        ("%", []),
        ("_", []),
        ("", []),
        ("B-9", []),
    ],
)
def test_cards_are_found_as_people_ask_for_them(store: Store, text: str, found: list[str]) -> None:
    with store.begin() as uow:
        accept(uow, "B-1")
        assert [card.card_id for card in uow.cards.find(text)] == found


def test_a_corrected_name_is_found(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1", cards=1)
        uow.cards.note("B-1-1", actor="x", what="corrected", family_name="ØRJASÆTER")
        assert [card.card_id for card in uow.cards.find("ørjasæter")] == ["B-1-1"]
        assert uow.cards.find("nr1") == []
        found = uow.cards.by_number("0000000")
        assert found is not None
        assert found.card_id == "B-1-1"
        assert uow.cards.by_number("9999999") is None


def _rendered(uow: UnitOfWork, number: str, *, key: str, valid: bool = True) -> None:
    for card_id in accept(uow, number, key=key, valid=valid):
        step(uow, card_id, CardState.PICTURED, CardState.RENDERED)


def test_what_waits_for_a_batch_lies_by_address(store: Store) -> None:
    with store.begin() as uow:
        _rendered(uow, "B-1", key="b")
        _rendered(uow, "B-2", key="A")
        _rendered(uow, "B-3", key="Å")
        waiting = [card.card_id for card in uow.cards.waiting_for_batch()]
        assert waiting == ["B-2-1", "B-2-2", "B-1-1", "B-1-2", "B-3-1", "B-3-2"]  # by code point, on any machine
        uow.batches.add(a_batch("P-1", uow.cards.get_many(["B-2-1", "B-1-1"])))
        uow.batches.strike("P-1", "B-1-1", "text")
        assert [card.card_id for card in uow.cards.waiting_for_batch()] == ["B-2-2", "B-1-1", "B-1-2", "B-3-1", "B-3-2"]


def test_what_waits_for_a_shipment_has_a_valid_address(store: Store) -> None:
    with store.begin() as uow:
        for number, valid in (("B-1", True), ("B-2", False)):
            _rendered(uow, number, key=f"key {number}", valid=valid)
            step(uow, f"{number}-1", CardState.PRINTED, CardState.ENCODED, CardState.PROVED)
        waiting = uow.cards.waiting_for_shipment(["key B-1", "key B-2"])
        assert uow.cards.addresses_waiting() == [("key B-1", 1)]
    assert [(card.card_id, card.order_number, card.address_key) for card in waiting] == [("B-1-1", "B-1", "key B-1")]


def test_only_orders_on_their_way_to_a_waiting_address_are_company(store: Store) -> None:
    with store.begin() as uow:
        for number, key in (("B-1", "a"), ("B-2", "a"), ("B-3", "b")):
            _rendered(uow, number, key=key)
        step(uow, "B-1-1", CardState.PRINTED, CardState.ENCODED, CardState.PROVED)
        coming = uow.cards.coming_to_waiting()
        (ready,) = uow.cards.waiting_for_shipment(["a"])
        assert [order.order_number for order in coming] == ["B-1", "B-2"]  # the other card of its own order, too
        assert ready.ordered_on == coming[0].ordered_on
        for card_id in ("B-1-2", "B-2-1", "B-2-2"):
            assert uow.cards.hold(card_id, CardState.RENDERED, a_hold(), actor="test")
        assert uow.cards.coming_to_waiting() == []


def test_a_replacement_may_not_wait_for_company(store: Store) -> None:
    with store.begin() as uow:
        _rendered(uow, "B-1", key="a")
        new = a_card("B-1", 1, 77, card_id="B-1-1R1", replaces="B-1-1", state=CardState.RENDERED)
        uow.cards.add(new, actor="x", what="ordered")
        step(uow, "B-1-1R1", CardState.PRINTED, CardState.ENCODED, CardState.PROVED)
        (ready,) = uow.cards.waiting_for_shipment(["a"])
    assert ready.ordered_on is None


def test_a_replaced_card_is_to_be_blocked_once_the_new_one_is_posted(store: Store) -> None:
    to_post = (CardState.PRINTED, CardState.ENCODED, CardState.PROVED, CardState.PACKED, CardState.POSTED)
    with store.begin() as uow:
        _rendered(uow, "B-1", key="a")
        step(uow, "B-1-1", *to_post, CardState.FAULTY, CardState.REPLACED, replaced_by="B-1-1R1")
        new = a_card("B-1", 1, 77, card_id="B-1-1R1", replaces="B-1-1", state=CardState.RENDERED)
        uow.cards.add(new, actor="x", what="ordered")
        assert uow.cards.replacements_to_block() == []
        step(uow, "B-1-1R1", *to_post)
        assert uow.cards.replacements_to_block() == [("B-1-1", "B-1-1R1")]
        step(uow, "B-1-1", CardState.BLOCKED)
        assert uow.cards.replacements_to_block() == []


def test_a_picture_that_another_card_has_is_in_use(store: Store) -> None:
    with store.begin() as uow:
        accept(uow, "B-1")
        uow.cards.note("B-1-1", actor="x", what="y", photo="photo/a")
        assert not uow.cards.blob_in_use("photo/a", besides="B-1-1")
        uow.cards.note("B-1-2", actor="x", what="y", portrait="photo/a")
        assert uow.cards.blob_in_use("photo/a", besides="B-1-1")


# --- effects and numbers ---------------------------------------------------------------------------------------


def test_an_effect_is_planned_once_a_key(store: Store) -> None:
    with store.begin() as uow:
        assert uow.effects.plan("k", EffectKind.BOOK, "S-1", {"a": 1, "b": [2]})
        assert not uow.effects.plan("k", EffectKind.BOOK, "S-1", {"b": [2], "a": 1})
        for other in (
            ("k", EffectKind.BOOK, "S-1", {"a": 2, "b": [2]}),
            ("k", EffectKind.MAIL, "S-1", {"a": 1, "b": [2]}),
            ("k", EffectKind.BOOK, "S-2", {"a": 1, "b": [2]}),
        ):
            _refused("effect.key_reused", uow.effects.plan, *other)
        assert uow.effects.get("k").request == {"a": 1, "b": [2]}
        _refused("effect.unknown", uow.effects.get, "other")
        _refused("effect.unknown", uow.effects.settle, "other", EffectState.CONFIRMED, None)
        assert not uow.effects.start("other")


def test_an_effect_goes_its_way_and_never_back_from_an_answer(store: Store, clock: SteadyClock) -> None:
    with store.begin() as uow:
        uow.effects.plan("k", EffectKind.BOOK, "S-1", {})
        assert not uow.effects.settle("k", EffectState.CONFIRMED, {})  # nobody asked yet
        assert uow.effects.start("k")
        assert not uow.effects.start("k")
        assert uow.effects.settle("k", EffectState.UNSURE, None)
        assert uow.effects.settle("k", EffectState.PLANNED, None)
        assert uow.effects.start("k")
        clock.advance(timedelta(minutes=1))
        assert uow.effects.settle("k", EffectState.CONFIRMED, {"reference": "C-1"})
        for state in EffectState:
            assert not uow.effects.settle("k", state, {"reference": "C-2"})
        effect = uow.effects.get("k")
        assert (effect.state, effect.attempts, effect.answer) == (EffectState.CONFIRMED, 2, {"reference": "C-1"})
        assert effect.settled_at == clock.at


def test_effects_are_listed_by_state_kind_and_age(store: Store, clock: SteadyClock) -> None:
    with store.begin() as uow:
        for n, kind in enumerate((EffectKind.MAIL, EffectKind.BOOK, EffectKind.BOOK)):
            uow.effects.plan(f"k{n}", kind, "s", {"n": n})
            clock.advance(timedelta(minutes=1))
        uow.effects.start("k0")
        uow.effects.start("k1")
        uow.effects.settle("k1", EffectState.REFUSED, {"code": "x"})
        assert [effect.key for effect in uow.effects.in_state(EffectState.PLANNED, EffectState.SENT)] == ["k0", "k2"]
        assert [effect.key for effect in uow.effects.open_of(EffectKind.BOOK)] == ["k2"]
        assert uow.effects.sent_before(clock.at) == []
        assert [effect.key for effect in uow.effects.sent_before(clock.at + timedelta(seconds=1))] == ["k0"]
        assert uow.effects.counts() == {"planned": 1, "refused": 1, "sent": 1}


def test_series_count_from_one_and_card_numbers_from_zero(store: Store) -> None:
    with store.begin() as uow:
        assert (uow.series.last("letter"), uow.series.last("card_number")) == (0, -1)
        assert [uow.series.next("letter"), uow.series.next("letter", 5), uow.series.next("letter")] == [1, 2, 7]
        assert [uow.series.next("card_number", 3), uow.series.next("card_number")] == [0, 3]
        assert (uow.series.last("letter"), uow.series.last("card_number")) == (7, 3)


# --- documents -------------------------------------------------------------------------------------------------


def test_a_document_is_registered_once_and_never_changes(store: Store) -> None:
    with store.begin() as uow:
        assert uow.documents.add("letter/S-1", "letter", "S-1", "letter/aa.pdf", "aa", 5)
        assert not uow.documents.add("letter/S-1", "letter", "S-1", "letter/aa.pdf", "aa", 5)
        _refused("document.changed", uow.documents.add, "letter/S-1", "letter", "S-1", "letter/bb.pdf", "bb", 5)
        uow.documents.add("label/S-1", "label", "S-1", "label/cc.pdf", "cc", 5)
        assert [paper.document_id for paper in uow.documents.of_subject("S-1")] == ["label/S-1", "letter/S-1"]
        assert [paper.document_id for paper in uow.documents.all()] == ["label/S-1", "letter/S-1"]
        assert uow.documents.get("letter/S-2") is None
