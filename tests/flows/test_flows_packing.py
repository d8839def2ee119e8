"""The packing bench on real paper: codes are read off the printed letters and card backs, and handed in at the door.

What a person can do wrong there is done wrong once: another letter's card, a foreign code, a forged tag, a bare number,
a spoiled blank, a card that fails in the field.
"""

import csv
import io
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
import zxingcpp
from pydantic import SecretStr

from cards.effects import EffectKind, EffectState
from cards.errors import HseCardError, Refused, Unavailable
from cards.life import CardState, Hold, HoldReason
from flows.house import House, open_house
from flows.settings import Settings, read_settings
from flows.stages.by_hand import receive_blanks
from flows.stages.encode import ENCODE
from flows.stages.fault_reports import report_fault
from flows.stages.intake import import_orders
from flows.stages.left_out import left_out
from flows.stages.line import run_line, run_stage
from flows.stages.outcomes import spoil
from flows.stages.pack import Packed, card_code, reopen, scan, waiting
from flows.stages.produce import PRODUCE
from flows.stages.ship import SHIP
from shipping.adapters.bring_standin import CUSTOMER, KEY, UID, BringStandIn
from shipping.models import MailHold
from store.audit import violations
from store.database import Store
from tests.console.terminal import PHOTOS, order, put
from tests.sim.fate import Fate, watched
from tests.store.small_world import a_shipment, accept, step

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ONE, TWO = "S-000001", "S-000002"  # a letter with one card, and one with two


@pytest.fixture(scope="module")
def packed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house whose letters are drawn and wait at the bench; two cards to one address, one to another."""
    base = tmp_path_factory.mktemp("packing")
    inbox = base / "inbox"
    inbox.mkdir()
    photos = sorted(PHOTOS.glob("*.jpg"))[:3]
    for number, photo in enumerate(photos):
        shutil.copy(photo, inbox / f"{number}.jpg")
    elsewhere = {"recipient": "Fjordbygg AS", "street": "Kirkegata 1", "postcode": "0153", "city": "Oslo"}
    put(inbox, "two.json", order("TWO", photos=["0.jpg", "1.jpg"]))
    put(inbox, "one.json", order("XONE", photos=["2.jpg"], deliver_to=elsewhere))
    with open_house(actor="kari", settings=_settings(base / "home")) as house:
        receive_blanks(house, lot="L-1", count=20)
        import_orders(house, str(inbox))
        for line in (PRODUCE, ENCODE, SHIP):
            run_line(house, line)
    return base / "home"


def _settings(home: Path, **changes: Any) -> Settings:
    given = {"environment": "test", "clock": NOW, "engine": "inline", "durable": False, "packing": "scan"}
    return Settings(home=home, **given | changes)


@pytest.fixture
def house(packed_home: Path, tmp_path: Path) -> Iterator[House]:
    home = shutil.copytree(packed_home, tmp_path / "home")
    with open_house(actor="kari", settings=_settings(home)) as opened:
        yield opened
        assert violations(opened.store, opened.blobs) == []


def _codes(pdf: bytes, page: int = 0) -> list[str]:
    """What a scanner reads from a page."""
    picture = pypdfium2.PdfDocument(pdf)[page].render(scale=300 / 72).to_numpy()
    return [code.text for code in zxingcpp.read_barcodes(np.asarray(picture))]


def _letter_code(house: House, shipment_id: str) -> str:
    with house.store.read() as uow:
        document = uow.documents.get(f"letter/{shipment_id}")
    assert document is not None
    (code,) = _codes(house.blobs.get(document.blob_key))
    return code


def _card_codes(house: House) -> dict[str, str]:
    """Card id → the QR code on the printed back, read off the print file."""
    with house.store.read() as uow:
        (batch,) = uow.batches.all()
    run = house.blobs.get(str(batch.print_file))
    backs = {place.card_id: _codes(run, 2 * place.position - 1) for place in batch.cards}
    return {card_id: next(text for text in codes if "://" in text) for card_id, codes in backs.items()}


def _outcomes(packed: Packed) -> list[str]:
    return [scan.problem.code if scan.problem else scan.outcome for scan in packed.scans]


def _states(house: House) -> dict[str, str]:
    with house.store.read() as uow:
        return {letter.shipment_id: letter.state.value for letter in uow.shipments.all()}


def _refusals(house: House) -> list[tuple[str, str | None, str | None, str | None]]:
    with house.store.read() as uow:
        return [(one.code, one.shipment_id, one.card_id, one.belongs_to) for one in uow.packing.refusals()]


def test_a_letter_is_packed_by_the_codes_on_its_paper_and_goes_only_then(house: House) -> None:
    codes, letter = _card_codes(house), _letter_code(house, TWO)
    assert run_line(house, SHIP).changed is False
    first = scan(house, letter, [codes["TWO-1"]])
    assert _outcomes(first) == ["scanned"]
    assert first.letter is not None
    assert [card.place for card in first.letter.missing] == [2]
    assert run_line(house, SHIP).changed is False
    again = scan(house, letter, [codes["TWO-1"], codes["TWO-2"]])
    assert _outcomes(again) == ["already_scanned", "scanned"]
    assert _states(house) == {TWO: "closed", ONE: "packed"}
    assert _outcomes(scan(house, letter, [codes["TWO-2"], codes["TWO-1"]])) == ["already_scanned", "already_scanned"]
    run_line(house, SHIP)
    assert _states(house) == {TWO: "posted", ONE: "packed"}
    late = scan(house, letter, [codes["TWO-1"]])
    assert [problem.code for problem in late.problems] == ["pack.letter_over"]
    assert [on_bench.shipment.shipment_id for on_bench in waiting(house)] == [ONE]


def test_the_codes_of_the_twin_are_those_on_the_paper(house: House) -> None:
    with house.store.read() as uow:
        cards = uow.cards.get_many(["TWO-1", "TWO-2", "XONE-1"])
    assert {card.card_id: card_code(house, card) for card in cards} == _card_codes(house)


def test_a_card_of_another_letter_is_turned_away_with_its_place_and_nothing_closes(house: House) -> None:
    codes = _card_codes(house)
    packed = scan(house, _letter_code(house, ONE), [codes["XONE-1"], codes["TWO-2"]])
    assert _outcomes(packed) == ["scanned", "pack.other_letter"]
    assert "letter S00000002 (S-000002), place 2 of 2" in packed.problems[0].message
    assert _states(house) == {TWO: "packed", ONE: "packed"}  # whole by its rows, but a stranger's card lay there
    assert _refusals(house) == [("pack.other_letter", ONE, "TWO-2", TWO)]
    assert scan(house, ONE).letter is not None  # the same envelope again, without that card
    assert _states(house) == {TWO: "packed", ONE: "closed"}


def test_codes_that_are_not_ours_are_turned_away_and_their_text_is_not_kept(house: House) -> None:
    ours = _card_codes(house)["XONE-1"]
    number = ours.split("/")[-2]
    foreign = "https://health.example/vaccination/KARI-MOEN-1990"
    copied = f"https://status.example.com/{number}/{ours.split('/')[-1]}"
    forged = ours[:-1] + ("2" if ours[-1] != "2" else "3")
    nobody = ours.replace(number, f"{(int(number) + 1) % 10_000_000:07d}")
    packed = scan(house, ONE, [foreign, nobody, copied, forged, number, ""])
    assert _outcomes(packed) == [
        "pack.unknown_code",
        "pack.unknown_code",
        "pack.bad_tag",
        "pack.bad_tag",
        "pack.no_tag",
        "pack.unknown_code",
    ]
    assert all(problem.fix for problem in packed.problems)
    with house.store.read() as uow:
        kept = str(uow.packing.refusals())
    assert "KARI" not in kept
    assert "://" not in kept
    assert [row[2] for row in _refusals(house)] == [None, None, "XONE-1", "XONE-1", None, None]


@pytest.mark.parametrize(("letter", "code"), [("S00000099", "pack.letter_unknown"), (None, "pack.no_letter")])
def test_cards_without_a_letter_of_ours_are_turned_away(house: House, letter: str | None, code: str) -> None:
    packed = scan(house, letter, [_card_codes(house)["XONE-1"]])
    assert [problem.code for problem in packed.problems] == [code]
    assert _refusals(house) == [(code, None, None if letter else "XONE-1", None)]


def test_a_blank_that_was_spoiled_is_turned_away(house: House) -> None:
    """The card went back to be made again; the blank in hand is the one that was counted as spoiled."""
    codes = _card_codes(house)
    with house.store.begin() as uow:
        uow.shipments.cancel(ONE)
        changes: dict[str, Any] = {"actor": "kari", "what": "unpacked", "shipment_id": None}
        uow.cards.advance("XONE-1", CardState.PACKED, CardState.PROVED, **changes)
    spoil(house, "XONE-1", cause="scratched", counted_good="seen late")
    assert _outcomes(scan(house, TWO, [codes["XONE-1"]])) == ["pack.spoiled_blank"]


def test_a_card_that_failed_in_the_field_is_turned_away(house: House) -> None:
    codes = _card_codes(house)
    scan(house, ONE, [codes["XONE-1"]])
    run_line(house, SHIP)
    with house.store.read() as uow:
        card = uow.cards.get("XONE-1")
    report_fault(house, card, symptom="dead", by="gate")
    assert _outcomes(scan(house, TWO, [codes["XONE-1"]])) == ["pack.card_void"]


def test_a_card_in_the_field_belongs_in_no_letter(house: House) -> None:
    codes = _card_codes(house)
    scan(house, ONE, [codes["XONE-1"]])
    run_line(house, SHIP)
    assert _outcomes(scan(house, TWO, [codes["XONE-1"]])) == ["pack.not_packed"]


def test_a_closed_letter_opens_again_until_it_is_booked(house: House) -> None:
    codes = _card_codes(house)
    scan(house, TWO, [codes["TWO-1"], codes["TWO-2"]])
    on_bench = reopen(house, TWO, [codes["TWO-2"]])
    assert [card.place for card in on_bench.missing] == [2]
    with pytest.raises(Refused, match=r"pack\.not_in_letter"):
        reopen(house, TWO, [codes["XONE-1"]])
    scan(house, TWO, [codes["TWO-2"]])
    assert len(reopen(house, TWO).missing) == 2
    scan(house, TWO, [codes["TWO-1"], codes["TWO-2"]])
    run_line(house, SHIP)
    with pytest.raises(Refused, match=r"pack\.letter_over"):
        reopen(house, TWO)


def test_a_letter_whose_booking_waits_may_be_opened_and_is_booked_once_whole(house: House) -> None:
    codes = _card_codes(house)
    scan(house, TWO, [codes["TWO-1"], codes["TWO-2"]])
    bookings = house.settings.home / "carrier"
    bookings.write_text("no folder")
    assert [problem.code for problem in run_line(house, SHIP).problems] == ["carrier.unavailable"]
    reopen(house, TWO, [codes["TWO-1"]])
    bookings.unlink()
    assert run_line(house, SHIP).changed is False
    assert _states(house)[TWO] == "packed"
    scan(house, TWO, [codes["TWO-1"]])
    run_line(house, SHIP)
    assert _states(house)[TWO] == "posted"


@pytest.mark.parametrize("commits", [1, 2])
def test_a_letter_that_is_opened_while_it_is_booked(house: House, commits: int) -> None:
    """After the booking is planned (1) it may be opened and is not booked; once it is sent (2), no more."""
    codes = _card_codes(house)
    scan(house, TWO, [codes["TWO-1"], codes["TWO-2"]])
    seen: list[str] = []

    def act(number: int, name: str) -> None:
        seen.append(name)
        if seen.count("after commit") == commits and name == "after commit":
            reopen(house, TWO)

    post = next(stage for stage in SHIP if stage.name == "post")
    if commits == 1:
        done = run_stage(watched(house, Fate(act)), post)
        assert [problem.code for problem in done.problems] == ["shipment.reopened"]
        assert _states(house)[TWO] == "packed"
        assert list((house.settings.home / "carrier").rglob("*.json")) == []
        return
    assert [problem.code for problem in run_stage(watched(house, Fate(act)), post).problems] == ["pack.booked"]
    assert _states(house)[TWO] == "closed"


def test_many_benches_at_one_letter_close_it_once(store: Store, tmp_path: Path) -> None:
    """On both databases: each bench has one of the cards; whoever brings the last one closes."""
    with open_house(actor="kari", settings=_settings(tmp_path / "home")) as opened:
        house = replace(opened, store=store)
        with store.begin() as uow:
            ids = accept(uow, "B-1", cards=6)
            for card_id in ids:
                step(uow, card_id, CardState.PICTURED, CardState.RENDERED, issued_on=date(2026, 11, 23))
                step(uow, card_id, CardState.PRINTED, CardState.ENCODED, CardState.PROVED)
                step(uow, card_id, CardState.PACKED, shipment_id="S-1")
            uow.shipments.add(a_shipment(1, ids))
            codes = [card_code(house, card) for card in uow.cards.get_many(ids)]
        start, packed = threading.Barrier(len(ids)), []

        def pack(code: str) -> None:
            start.wait()
            packed.append(scan(house, "S00000001", [code]))

        benches = [threading.Thread(target=pack, args=(code,)) for code in codes]
        for bench in benches:
            bench.start()
        for bench in benches:
            bench.join()
        assert [_outcomes(one) for one in packed] == [["scanned"]] * len(ids)
        assert sorted(one.letter is not None and one.letter.closed for one in packed) == [False] * 5 + [True]
        assert _states(house) == {"S-1": "closed"}


def test_the_twin_of_the_bench_packs_in_its_own_name_through_the_same_door(packed_home: Path, tmp_path: Path) -> None:
    home = shutil.copytree(packed_home, tmp_path / "home")
    with open_house(actor="twin", settings=_settings(home, packing="virtual")) as house:
        run_line(house, SHIP)
        assert set(_states(house).values()) == {"posted"}
        with house.store.read() as uow:
            assert uow.packing.scanned(TWO) == {"TWO-1", "TWO-2"}
        assert violations(house.store, house.blobs) == []


def test_production_packs_by_people() -> None:
    seller = {"name": "Kort AS", "org_number": "310149942", "bank_account": "15031234567"}
    address = {"recipient": "Kort AS", "street": "Storgata 5", "postcode": "0184", "city": "Oslo"}
    given = {
        "HSECARD_ENVIRONMENT": "production",
        "HSECARD_SECRET": "a secret",
        "HSECARD_ENCODERS": '["pcsc:reader"]',
        "HSECARD_KEYS": "pkcs11:token=cards?module-path=/lib/hsm.so",
        "HSECARD_SELLER": json.dumps({**seller, "address": address}),
    }
    with pytest.raises(Refused, match=r"settings\.unsafe") as refused:
        read_settings(given)
    assert refused.value.field == "HSECARD_PACKING"
    assert read_settings({**given, "HSECARD_PACKING": "scan"}).packing == "scan"


def test_the_label_that_bring_drew_is_kept_beside_ours(packed_home: Path, tmp_path: Path) -> None:
    home = shutil.copytree(packed_home, tmp_path / "home")
    with BringStandIn() as bring:
        at_bring = {"carrier": "bring", "carrier_url": bring.base_url, "carrier_client_url": "https://bureau.example"}
        secrets = {"carrier_uid": SecretStr(UID), "carrier_key": SecretStr(KEY), "carrier_customer": CUSTOMER}
        settings = _settings(home, packing="virtual", **at_bring, **secrets)
        with open_house(actor="twin", settings=settings) as house:
            run_line(house, SHIP)
            assert _states(house)[TWO] == "posted"
            with house.store.read() as uow:
                paper = uow.documents.get(f"carrier_label/{TWO}")
                booking = uow.shipments.get(TWO).booking
            assert paper is not None
            assert str(booking).encode() in house.blobs.get(paper.blob_key)


# --- the packing list ------------------------------------------------------------------------------------------


def test_each_run_has_one_list_of_its_letters_and_a_letter_stands_on_one(house: House) -> None:
    with house.store.read() as uow:
        (paper,) = uow.documents.of_subject(f"packing_list/{ONE}")
    assert sorted(_codes(house.blobs.get(paper.blob_key))) == ["S00000001", "S00000002"]
    run_line(house, SHIP)
    with house.store.read() as uow:
        assert [one.document_id for one in uow.documents.all() if one.kind == "packing_list"] == [paper.document_id]


# --- what stays behind -----------------------------------------------------------------------------------------


def _left_out(house: House, manifest: str = "M-000001") -> list[tuple[str, str, str]]:
    """What the kept CSV names as not handed over."""
    with house.store.read() as uow:
        paper = uow.documents.get(f"manifest/{manifest}.csv")
    assert paper is not None
    text = house.blobs.get(paper.blob_key).decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=";")
    named = [(row["shipment"], row["left_out_because"], row["left_out_detail"]) for row in rows]
    return [row for row in named if row[1]]


def test_the_manifest_names_the_letter_that_was_not_scanned(house: House) -> None:
    codes = _card_codes(house)
    scan(house, TWO, [codes["TWO-1"]])
    scan(house, ONE, [codes["XONE-1"]])
    run_line(house, SHIP)
    assert _left_out(house) == [("2", "not_scanned", "places 2")]
    scan(house, TWO, [codes["TWO-2"]])
    run_line(house, SHIP)
    assert _left_out(house, "M-000002") == []


def _boom(house: House, what: type[HseCardError], letter: str) -> House:
    """A house whose carrier ends the booking of one letter so."""

    def fail(number: int, name: str) -> None:
        with house.store.read() as uow:
            sent = [effect.subject for effect in uow.effects.in_state(EffectState.SENT)]
        if name == "before carrier.book" and sent == [letter]:
            raise what("carrier.city_refused" if what is Refused else "carrier.answer_lost", "no", fix="look")

    return watched(house, Fate(fail))


@pytest.mark.parametrize("what", [Refused, Unavailable])
def test_the_manifest_names_the_booking_that_failed(house: House, what: type[HseCardError]) -> None:
    codes = _card_codes(house)
    scan(house, TWO, [codes["TWO-1"], codes["TWO-2"]])
    scan(house, ONE, [codes["XONE-1"]])
    run_line(_boom(house, what, ONE), SHIP)
    said = {Refused: ("booking_refused", "carrier.city_refused"), Unavailable: ("not_booked", "")}
    assert _left_out(house) == [("1", *said[what])]


def test_the_manifest_names_the_booking_in_doubt_and_cards_that_are_held(house: House) -> None:
    codes = _card_codes(house)
    scan(house, TWO, [codes["TWO-1"], codes["TWO-2"]])
    with house.store.begin() as uow:
        uow.shipments.cancel(ONE)
        changes: dict[str, Any] = {"actor": "kari", "what": "unpacked", "shipment_id": None}
        uow.cards.advance("XONE-1", CardState.PACKED, CardState.PROVED, **changes)
        uow.cards.hold("XONE-1", CardState.PROVED, Hold(reason=HoldReason.BY_HAND, fix="ask"), actor="kari")
        holds = [MailHold(address_key="k", card_ids=("TWO-1",), until=date(2026, 11, 27), waits_for=("NEXT-1",))]
        uow.effects.plan(f"book:{TWO}", EffectKind.BOOK, TWO, {"shipment": TWO})
        assert uow.effects.start(f"book:{TWO}")
        named = [(one.subject, one.reason, one.detail) for one in left_out(house, uow, holds)]
    assert named == [
        (TWO, "booking_unsure", ""),
        ("XONE", "held", "by_hand"),
        ("TWO", "waits_for_company", "until 2026-11-27 for NEXT-1"),
    ]
