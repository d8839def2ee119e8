"""Letters and returned mail as an operator meets them: a scanner's lines, 80 columns, and machines that read along."""

import io
import json
import sys
from collections.abc import Iterator

import pytest

from flows.house import House, open_house
from flows.settings import read_settings
from shipping.adapters.bring_standin import CUSTOMER, KEY, UID, BringStandIn
from tests.console.terminal import Terminal
from tests.flows.mailroom import posted, prove


@pytest.fixture
def house(terminal: Terminal) -> Iterator[House]:
    with open_house(actor="a test", settings=read_settings()) as opened:
        yield opened


@pytest.fixture
def letters(house: House) -> list[str]:
    """Two letters with a card each, to one address."""
    return [posted(house, "A-1")[0], posted(house, "A-2")[0]]


def _types(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_a_tray_is_scanned_line_by_line(
    terminal: Terminal, letters: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _types(monkeypatch, "flyttet", "S00000001", "", "S00000001", "13", "nonsense", "S00000002")
    said = terminal("returns", "scan", "--json")
    told = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 3
    assert [(t.get("reason"), t.get("already"), t.get("error", {}).get("code")) for t in told] == [
        ("02", False, None),
        ("02", True, None),
        (None, None, "return.code_unknown"),
        ("13", False, None),
    ]


def test_a_tray_for_people_is_loud_about_a_stranger(
    terminal: Terminal, letters: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _types(monkeypatch, "S00000001", "somebody else's")
    said = terminal("returns", "scan", "--reason", "02")
    assert "S-000001 is back (02, addressee has moved): 1 returned; its address is flagged" in said.words
    assert "return.code_unknown" in said.words
    assert said.code == 3


def test_from_the_scan_to_the_end_of_a_card(terminal: Terminal, house: House, letters: list[str]) -> None:
    dry = terminal("returns", "scan", "S00000001", "--reason", "02", "--dry-run", "--json")
    assert (dry.json["counts"], terminal("returns", "list", "--json").json["returns"]) == ({"returned": 1}, [])
    assert terminal("returns", "scan", letters[0], "--reason", "02").code == 0
    prove(house, "A-3")
    assert terminal("ship", "--by", "kari").code == 0
    status = terminal("status", "--json").json
    assert status["returned_mail"] == {"letters": 1, "cards": 1, "to_destroy": 0, "flagged_addresses": 1}
    assert status["held"] == {"address_returned:02": 1}
    (flag,) = terminal("addresses", "flagged", "--json").json["flagged"]
    assert terminal("returns", "reship", letters[0], "--json").json["error"]["code"] == "return.address_flagged"
    cleared = terminal("addresses", "clear", flag["address_key"], "--why", "the orderer called", "--json")
    assert cleared.json["counts"] == {"lifted": 1, "released": 1}
    early = terminal("returns", "destroy", letters[0], "--witnessed-by", "per", "--json")
    assert early.json["error"]["code"] == "return.not_due"
    done = terminal("returns", "destroy", letters[0], "--witnessed-by", "per", "--why", "not wanted")
    assert "1 cards were destroyed" in done.words
    shown = terminal("shipments", "show", letters[0], "--json").json
    assert (shown["where"], shown["cards"]) == ("back", {"A-1-1": "blocked"})
    assert terminal("audit").code == 0


def test_a_new_address_from_the_envelope(terminal: Terminal, letters: list[str]) -> None:
    half = terminal("returns", "scan", letters[0], "--reason", "31", "--new-street", "Kirkegata 1", "--json")
    assert half.json["error"]["field"] == "--new-postcode"
    whole = ("--new-street", "Kirkegata 1", "--new-postcode", "0153", "--new-city", "Oslo")
    said = terminal("returns", "scan", letters[0], "--reason", "31", *whole, "--json")
    assert said.json["counts"] == {"returned": 1, "readdressed": 1, "sent_again": 1}
    assert terminal("orders", "show", "A-1", "--json").json["order"]["deliver_to"]["street"] == "Kirkegata 1"


def test_letters_are_listed_by_state_and_place(terminal: Terminal, letters: list[str]) -> None:
    assert len(terminal("shipments", "list", "--at", "posted", "--json").json["shipments"]) == 2
    assert terminal("shipments", "list", "--at", "back", "--json").json["shipments"] == []
    wrong = terminal("shipments", "list", "--state", "lost", "--json").json["error"]
    assert (wrong["code"], wrong["field"]) == ("shipment.unknown_state", "--state")
    said = terminal("shipments", "list")
    assert [row for row in said.out.splitlines() if len(row) > 80] == []


def test_a_card_is_blocked_with_a_reason(terminal: Terminal, letters: list[str]) -> None:
    assert terminal("cards", "block", "A-1-1", "--why", " ", "--json").json["error"]["code"] == "card.block_why"
    assert terminal("cards", "block", "A-1-1", "--why", "lost", "--json").json["card"]["state"] == "blocked"


# --- what the carrier is asked for ------------------------------------------------------------------------------


def test_without_a_carrier_to_ask_our_own_tables_answer(terminal: Terminal) -> None:
    said = terminal("postage", "quote", "--postcode", "0184", "--cards", "2", "--json").json
    assert (said["asked"], said["tariff_net_ore"]) == (False, 2240)
    assert "not asked" in terminal("postage", "quote", "--postcode", "0184").words
    place = terminal("postcodes", "ask", "0184", "--json").json
    assert (place["register_place"], place["asked"], place["differs"]) == ("OSLO", False, False)
    assert terminal("postcodes", "ask", "184", "--json").json["error"]["code"] == "postcode.malformed"
    gone = terminal("postage", "quote", "--postcode", "0184", "--on", "1990-01-01", "--json").json
    assert (gone["tariff_net_ore"], "no postage tariff" in gone["why_none"]) == (None, True)


def test_the_carrier_is_asked_for_its_price_and_place(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    with BringStandIn() as standin:
        settings = {"UID": UID, "KEY": KEY, "CLIENT_URL": "https://kort.example", "CUSTOMER": CUSTOMER}
        for name, value in {**settings, "URL": standin.base_url}.items():
            monkeypatch.setenv(f"HSECARD_CARRIER_{name}", value)
        monkeypatch.setenv("HSECARD_CARRIER", "bring")
        said = terminal("postage", "quote", "--postcode", "0184", "--json").json
        assert (said["product"], said["carrier_net_ore"]) == ("3634", 4000 + 10 * 18)
        assert "does not go there" in terminal("postage", "quote", "--postcode", "9990").words
        assert terminal("postcodes", "ask", "5003", "--json").json["carrier_place"] == "BERGEN"
        assert "load a new register" in terminal("postcodes", "ask", "0155").words
