"""Mail that comes back: taken in once, its address flagged, its orderer asked, its cards sent again or destroyed.

A card that was blocked, replaced, reported faulty or has expired meanwhile is never sent again, whatever the moment.
"""

import email
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from email.policy import default
from pathlib import Path

import pytest
from sqlalchemy import update

from cards.address import Address
from cards.effects import EffectKind
from cards.errors import Refused, Unavailable
from cards.life import CardState
from flows.house import House
from flows.stages.block import block
from flows.stages.destroy import destroy
from flows.stages.fault_reports import report_fault
from flows.stages.flags import clear_address
from flows.stages.intake import import_orders
from flows.stages.invoice import INVOICE
from flows.stages.line import run_line, run_stage
from flows.stages.readdress import readdress
from flows.stages.reconcile import RECONCILE
from flows.stages.reissue import REISSUE
from flows.stages.rekey import rekey_addresses
from flows.stages.reship import reship
from flows.stages.returns import returns_in_short, scan_return, waiting_returns
from flows.stages.ship import SHIP
from shipping.number_ranges import NumberKind
from shipping.numbers import shipment_code
from store.tables import shipments
from tests.flows.mailroom import MONDAY, NEW, a_mailroom, posted, prove, ship, states, whole

PACK = SHIP[1]


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    with a_mailroom(tmp_path, database_url) as opened:
        yield opened


def _code(house: House, shipment_id: str) -> str:
    with house.store.read() as uow:
        return shipment_code(uow.shipments.get(shipment_id).number)


def _journal(house: House, card_id: str) -> list[str]:
    with house.store.read() as uow:
        return [event.what for event in uow.cards.events(card_id)]


def _key(house: House, number: str = "A-1") -> str:
    with house.store.read() as uow:
        return uow.orders.get(number).address_key


# --- the scan --------------------------------------------------------------------------------------------------


def test_a_returned_letter_is_taken_in_whole_and_once(house: House) -> None:
    letter, cards = posted(house, cards=2)
    scanned = scan_return(house, _code(house, letter), reason="02")
    assert (scanned.shipment_id, scanned.counts, scanned.flagged) == (letter, {"returned": 2}, True)
    assert states(house, cards) == ["returned", "returned"]
    again = scan_return(house, _code(house, letter), reason="flyttet")
    assert (again.already, again.counts) == (True, {})
    assert _journal(house, cards[0])[-1] == "returned"
    with house.store.read() as uow:
        assert [effect.subject for effect in uow.effects.all_of(EffectKind.RETURN_MAIL)] == [letter]
        assert sum(uow.blanks.balances().values()) == 0
    assert returns_in_short(house) == {"letters": 1, "cards": 2, "to_destroy": 0, "flagged_addresses": 1}
    assert whole(house)


def test_any_number_on_the_envelope_finds_the_letter(house: House) -> None:
    letter, _ = posted(house)
    with house.store.read() as uow:
        booking = str(uow.shipments.get(letter).booking)
    for code in (letter.lower(), f"00{booking}" if len(booking) == 18 else booking, f" {booking[:4]} {booking[4:]}"):
        assert scan_return(house, code).shipment_id == letter


def test_the_carriers_number_on_our_label_finds_the_letter(tmp_path: Path, database_url: str) -> None:
    with a_mailroom(tmp_path, database_url, carrier_numbers="s10") as house:
        with house.store.begin() as uow:
            uow.carrier_numbers.add(NumberKind.S10, "RR", 47312482, 47312490, source="a letter", by="kari")
        letter, _ = posted(house)
        with house.store.read() as uow:
            number = str(uow.carrier_numbers.of_shipment(letter))
        assert scan_return(house, f"{number}C", reason="02").shipment_id == letter  # as Code 39 is read, with its check


@pytest.mark.parametrize(
    ("code", "reason", "refusal"),
    [
        ("S00009999", "02", "return.code_unknown"),
        ("https://elsewhere.example/x", "02", "return.code_unknown"),
        (None, "77", "return.reason_unknown"),
    ],
)
def test_what_is_no_letter_of_ours_changes_nothing(house: House, code: str | None, reason: str, refusal: str) -> None:
    letter, cards = posted(house)
    with pytest.raises(Refused) as refused:
        scan_return(house, code or _code(house, letter), reason=reason)
    assert refused.value.code == refusal
    assert states(house, cards) == ["posted"]


def test_a_letter_that_never_left_cannot_come_back(house: House) -> None:
    (card,) = prove(house, "A-1")
    run_stage(house, PACK)
    with house.store.read() as uow:
        letter = str(uow.cards.get(card).shipment_id)
    with pytest.raises(Refused) as refused:
        scan_return(house, letter, reason="02")
    assert refused.value.code == "return.never_posted"
    assert states(house, [card]) == ["packed"]


def test_another_reason_for_the_same_letter_is_refused(house: House) -> None:
    letter, _ = posted(house)
    scan_return(house, letter, reason="02")
    with pytest.raises(Refused) as refused:
        scan_return(house, letter, reason="13")
    assert refused.value.code == "return.reason_differs"


# --- flagged addresses -----------------------------------------------------------------------------------------


def test_nothing_is_packed_for_a_flagged_address(house: House) -> None:
    letter, _ = posted(house, to=NEW)
    later = prove(house, "A-2", to=NEW)
    scan_return(house, letter, reason="11")
    assert run_stage(house, PACK).counts == {"already_done": 1}  # whoever looked before the flag was set
    ship(house)
    assert states(house, later) == ["held"]
    with house.store.read() as uow:
        hold = uow.cards.get(later[0]).hold
    assert hold is not None
    assert (hold.reason.value, hold.detail) == ("address_returned", "11")
    assert letter in hold.fix
    assert clear_address(house, _key(house), why="the receiver called").counts == {"lifted": 1, "released": 1}
    ship(house)
    assert states(house, later) == ["posted"]
    assert whole(house)


def test_a_new_order_to_a_flagged_address_waits_before_it_is_made(house: House, inbox: Path) -> None:
    document = json.loads((inbox / "B-2026-000401.json").read_text("utf-8"))
    letter, _ = posted(house, to=Address.model_validate(document["deliver_to"]))
    scan_return(house, letter, reason="02")
    import_orders(house, str(inbox))
    with house.store.read() as uow:
        new = uow.cards.of_order("B-2026-000401")
        others = uow.cards.of_order("B-2026-000407")
    assert {(card.state.value, card.resumes_in) for card in new} == {("held", CardState.ORDERED)}
    assert {card.state.value for card in others} == {"ordered"}
    readdress(house, "B-2026-000401", NEW)
    with house.store.read() as uow:
        assert {card.state.value for card in uow.cards.of_order("B-2026-000401")} == {"ordered"}


@pytest.mark.parametrize(("reason", "flagged"), [("01", True), ("93", True), ("13", False), ("49", False)])
def test_which_reasons_flag_is_a_rule(house: House, reason: str, flagged: bool) -> None:
    letter, _ = posted(house)
    assert scan_return(house, letter, reason=reason).flagged is flagged


def test_new_rules_or_a_new_register_lift_no_flag(house: House) -> None:
    letter, _ = posted(house)
    scan_return(house, letter, reason="02")
    with house.store.begin() as uow:
        uow.returns.rekey(letter, "the key of older rules")
    later = prove(house, "A-2")
    assert rekey_addresses(house).counts["flag_rekeyed"] == 1
    ship(house)
    assert states(house, later) == ["held"]


# --- sent again ------------------------------------------------------------------------------------------------


def test_the_new_address_of_the_order_sends_its_cards_again(house: House) -> None:
    letter, cards = posted(house, cards=2)
    waiting = prove(house, "A-2")
    scan_return(house, letter, reason="02")
    assert readdress(house, "A-1", NEW).counts == {"readdressed": 1, "sent_again": 2}
    ship(house)
    assert states(house, cards) == ["posted", "posted"]
    assert states(house, waiting) == ["held"]  # the other order still names the old address
    with house.store.read() as uow:
        second = uow.shipments.get(str(uow.cards.get(cards[0]).shipment_id))
    assert (second.address, second.shipment_id != letter) == (NEW, True)
    assert whole(house)


def test_a_new_address_on_the_envelope_is_used_at_once(house: House) -> None:
    letter, cards = posted(house)
    assert scan_return(house, letter, reason="31", new_address=NEW).counts == {
        "returned": 1,
        "readdressed": 1,
        "sent_again": 1,
    }
    ship(house)
    assert states(house, cards) == ["posted"]


def test_a_letter_that_was_not_collected_goes_again_once(house: House) -> None:
    letter, cards = posted(house)
    assert scan_return(house, letter, reason="49").counts == {"returned": 1, "sent_again": 1}
    ship(house)
    with house.store.read() as uow:
        second = str(uow.cards.get(cards[0]).shipment_id)
    assert scan_return(house, second, reason="49").counts == {"returned": 1}
    assert states(house, cards) == ["returned"]
    assert reship(house, second).counts == {"sent_again": 1}


def test_a_flagged_address_is_not_written_to_again_by_hand(house: House) -> None:
    letter, cards = posted(house)
    scan_return(house, letter, reason="01")
    with pytest.raises(Refused) as refused:
        reship(house, letter)
    assert refused.value.code == "return.address_flagged"
    assert states(house, cards) == ["returned"]


def test_cards_that_go_again_wait_for_no_company(tmp_path: Path) -> None:
    with a_mailroom(tmp_path, hold_mail="ready_by_deadline") as house:
        letter, cards = posted(house)
        prove(house, "A-2", cards=1)
        with house.store.begin() as uow:  # an order to the same address that is still being made
            uow.cards.advance("A-2-1", CardState.PROVED, CardState.RENDERED, actor="t", what="t", batch_id=None)
        scan_return(house, letter, reason="49")
        ship(house)
        assert states(house, cards) == ["posted"]


# --- who pays --------------------------------------------------------------------------------------------------


def _invoiced(house: House) -> list[list[tuple[str, str | None]]]:
    run_line(house, INVOICE)
    with house.store.read() as uow:
        return [[(line.kind.value, line.shipment_id) for line in invoice.lines] for invoice in uow.invoices.all()]


def test_the_payer_bears_the_second_postage_and_no_card_twice(house: House) -> None:
    letter, cards = posted(house)
    assert _invoiced(house) == [[("card", None), ("postage", letter)]]
    scan_return(house, letter, reason="49")
    ship(house)
    with house.store.read() as uow:
        second = str(uow.cards.get(cards[0]).shipment_id)
    assert _invoiced(house) == [[("card", None), ("postage", letter)], [("postage", second)]]
    assert len(_invoiced(house)) == 2
    with house.store.read() as uow:
        assert [charge.fault_reship for charge in uow.postage.charges()] == [False, False]
    assert whole(house)


def test_our_own_fault_costs_the_payer_nothing(house: House) -> None:
    letter, cards = posted(house)
    _invoiced(house)
    scanned = scan_return(house, letter, reason="01", our_fault=True)
    assert (scanned.flagged, scanned.counts) == (False, {"returned": 1, "sent_again": 1})
    ship(house)
    assert states(house, cards) == ["posted"]
    assert len(_invoiced(house)) == 1
    assert whole(house)


def test_the_first_postage_stays_the_payers_when_the_letter_came_back_by_our_fault(house: House) -> None:
    letter, _ = posted(house)
    scan_return(house, letter, our_fault=True)
    ship(house)
    assert [lines[-1] for lines in _invoiced(house)] == [("postage", letter)]
    with house.store.read() as uow:
        assert [charge.fault_reship for charge in uow.postage.charges()] == [False]


def test_company_in_the_letter_pays_its_own_share_only(house: House) -> None:
    letter, _ = posted(house)
    _invoiced(house)
    scan_return(house, letter, our_fault=True)
    prove(house, "A-2")
    ship(house)
    with house.store.read() as uow:
        second = uow.shipments.all()[-1]
    assert second.shares == (("A-2", second.postage_net_ore),)
    assert _invoiced(house)[1:] == [[("card", None), ("postage", second.shipment_id)]]


def test_an_address_that_we_did_not_print_as_ordered_is_our_fault(house: House) -> None:
    letter, cards = posted(house)
    with house.store.begin() as uow:  # the letter went elsewhere than its order says
        uow.connection.execute(update(shipments).values(address=NEW.model_dump(mode="json")))
    scanned = scan_return(house, letter, reason="01")
    with house.store.read() as uow:
        kept = uow.returns.find(letter)
    assert kept is not None
    assert (kept.at_our_cost, scanned.flagged, states(house, cards)) == (True, False, ["proved"])


def test_a_new_address_given_while_the_letter_was_in_the_post_is_not_our_fault(house: House) -> None:
    letter, cards = posted(house)
    readdress(house, "A-1", NEW)
    scanned = scan_return(house, letter, reason="02")
    with house.store.read() as uow:
        kept = uow.returns.find(letter)
    assert kept is not None
    assert (kept.at_our_cost, scanned.flagged) == (False, True)
    assert states(house, cards) == ["returned"]


# --- never sent again ------------------------------------------------------------------------------------------


def _report(house: House, card_id: str) -> None:
    with house.store.read() as uow:
        card = uow.cards.get(card_id)
    report_fault(house, card, symptom="dead", by="gate")


def _replace(house: House, card_id: str) -> None:
    _report(house, card_id)
    run_line(house, REISSUE)


def _block(house: House, card_id: str) -> None:
    block(house, card_id, why="stolen")


NEVER_AGAIN = {"faulty": _report, "replaced": _replace, "blocked": _block}


@pytest.mark.parametrize("what", NEVER_AGAIN)
@pytest.mark.parametrize("moment", ["before the scan", "after the scan"])
def test_a_card_that_failed_meanwhile_is_never_sent_again(house: House, what: str, moment: str) -> None:
    letter, (bad, good) = posted(house, cards=2)
    if moment == "before the scan":
        NEVER_AGAIN[what](house, bad)
    scan_return(house, letter, reason="02")
    if moment == "after the scan":
        NEVER_AGAIN[what](house, bad)
    readdress(house, "A-1", NEW)
    ship(house)
    assert states(house, [bad, good]) == [what, "posted"]
    assert "sent_again" not in _journal(house, bad)
    with pytest.raises(Refused):
        reship(house, letter)
    assert whole(house)


def test_an_expired_card_is_not_worth_a_stamp(tmp_path: Path) -> None:
    with a_mailroom(tmp_path) as house:
        letter, cards = posted(house)
    with a_mailroom(tmp_path, at=MONDAY + timedelta(days=800)) as house:
        assert scan_return(house, letter, reason="49").counts == {"returned": 1, "not_sent_again": 1}
        assert states(house, cards) == ["returned"]
        assert [each.due for each in waiting_returns(house)] == [(cards[0],)]


@pytest.mark.parametrize("stages", [0, 1, 2, 4, 5])
def test_a_card_blocked_on_its_way_out_again_stops_its_letter(house: House, stages: int) -> None:
    """Proved, planned, lettered, closed, or closed with its booking planned: the letter falls, the other card goes."""
    letter, (bad, good) = posted(house, cards=2)
    scan_return(house, letter, reason="49")
    for stage in SHIP[1 : 1 + min(stages, 4)]:
        run_stage(house, stage)
    if stages == 5:
        with house.store.begin() as uow:
            second = str(uow.cards.get(bad).shipment_id)
            uow.effects.plan(f"book:{second}", EffectKind.BOOK, second, {"shipment": second})
    block(house, bad, why="its holder has left")
    ship(house)
    assert states(house, [bad, good]) == ["blocked", "posted"]
    with house.store.read() as uow:
        assert all(bad not in s.card_ids for s in uow.shipments.all() if s.booking and s.shipment_id != letter)
    assert whole(house)


def test_a_letter_that_is_being_booked_is_not_stopped_on_hope(house: House) -> None:
    letter, (card,) = posted(house)
    scan_return(house, letter, reason="49")
    run_stage(house, PACK)
    with house.store.begin() as uow:
        second = str(uow.cards.get(card).shipment_id)
        uow.effects.plan(f"book:{second}", EffectKind.BOOK, second, {"shipment": second})
        assert uow.effects.start(f"book:{second}")
    with pytest.raises(Unavailable) as later:
        block(house, card, why="lost")
    assert later.value.code == "card.letter_leaving"
    assert states(house, [card]) == ["packed"]


def test_a_card_that_never_left_is_not_blocked(house: House) -> None:
    (card,) = prove(house, "A-1")
    with pytest.raises(Refused) as refused:
        block(house, card, why="lost")
    assert refused.value.code == "card.not_blockable"


def test_a_block_and_a_booking_at_the_same_moment(house: House) -> None:
    """Whoever is first: the card leaves and is blocked then, or it never leaves."""
    for round_ in range(3):
        letter, (bad, good) = posted(house, f"A-{round_}", cards=2)
        scan_return(house, letter, reason="49")
        with ThreadPoolExecutor(2) as two:
            shipping = two.submit(ship, house)
            blocking = two.submit(_block_at_last, house, bad)
            shipping.result(), blocking.result()
        ship(house)
        assert states(house, [bad, good]) == ["blocked", "posted"]
        with house.store.read() as uow:
            left = [s.shipment_id for s in uow.shipments.all() if s.booking and bad in s.card_ids]
        assert _journal(house, bad).count("posted") == len(left)
    assert whole(house)


def _block_at_last(house: House, card_id: str) -> None:
    """As a person does who is told that the letter is being booked at this moment."""
    while True:
        with suppress(Unavailable):
            block(house, card_id, why="lost")
            return


def test_two_benches_take_one_letter_back_once(house: House) -> None:
    letter, cards = posted(house, cards=2)
    with ThreadPoolExecutor(4) as benches:
        scans = list(benches.map(lambda _: scan_return(house, letter, reason="02"), range(4)))
    assert sorted(scan.already for scan in scans) == [False, True, True, True]
    assert [_journal(house, card).count("returned") for card in cards] == [1, 1]
    assert whole(house)


# --- the mail --------------------------------------------------------------------------------------------------


def test_the_orderer_is_asked_once_and_no_holder_is_named(house: House) -> None:
    letter, _ = posted(house, cards=2)
    scan_return(house, letter, reason="02")
    for _ in range(2):
        run_line(house, RECONCILE)
    (file,) = [p for p in (house.settings.home / "mail").iterdir() if not p.name.startswith(".")]
    mail = email.message_from_bytes(file.read_bytes(), policy=default)
    body = mail.get_content()
    assert mail["To"] == "kari@bygg.example"
    assert "adressaten har flyttet" in body
    assert "addressee has moved" in body
    assert "23.12.2026" in body
    assert "A-1" in body
    assert "Paweł" not in body


# --- destroyed -------------------------------------------------------------------------------------------------


def test_after_its_days_a_card_is_destroyed_by_two_people(tmp_path: Path, database_url: str) -> None:
    with a_mailroom(tmp_path, database_url) as house:
        letter, cards = posted(house, cards=2)
        scan_return(house, letter, reason="02")
        with pytest.raises(Refused) as early:
            destroy(house, letter, witnessed_by="Per")
        assert early.value.code == "return.not_due"
    with a_mailroom(tmp_path, database_url, at=MONDAY + timedelta(days=30)) as house:
        assert returns_in_short(house)["to_destroy"] == 2
        with pytest.raises(Refused) as alone:
            destroy(house, letter, witnessed_by=" A TEST")
        assert alone.value.code == "return.two_people"
        assert destroy(house, letter, witnessed_by="Per").counts == {"destroyed": 2}
        assert states(house, cards) == ["blocked", "blocked"]
        assert _journal(house, cards[0])[-1] == "destroyed"
        with house.store.read() as uow:
            stock = uow.blanks.balances(lot="L-1")
        assert (stock["good"], stock["destroyed"]) == (0, 2)  # type: ignore[index]  # a StrEnum is its word
        with pytest.raises(Refused) as gone:
            destroy(house, cards[0], witnessed_by="Per")
        assert gone.value.code == "return.unknown"
        assert whole(house)


def test_the_card_of_somebody_who_died_is_destroyed_at_once(house: House) -> None:
    letter, cards = posted(house)
    scan_return(house, letter, reason="999", new_address=NEW)
    assert states(house, cards) == ["returned"]
    assert destroy(house, cards[0], witnessed_by="Per").counts == {"destroyed": 1}
    assert whole(house)


def test_a_faulty_card_is_replaced_before_it_is_destroyed(house: House) -> None:
    letter, cards = posted(house)
    _report(house, cards[0])
    scan_return(house, letter, reason="02")
    with pytest.raises(Refused) as refused:
        destroy(house, letter, witnessed_by="Per")
    assert refused.value.code == "return.fault_open"
    run_line(house, REISSUE)
    destroy(house, letter, witnessed_by="Per")
    assert states(house, cards) == ["blocked"]
    with house.store.read() as uow:
        assert uow.cards.get(cards[0]).replaced_by == f"{cards[0]}R1"
    assert whole(house)
