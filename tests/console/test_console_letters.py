"""An address that the window cannot hold: its cards are held, the other letters go, and a shorter one lets it go on."""

from pathlib import Path

from tests.console.terminal import Terminal, order, put

SHORT = ("--recipient", "W-verk AS", "--street", "Storgata 5", "--postcode", "0184", "--city", "Oslo")


def test_an_address_too_wide_for_the_window_is_held_and_corrected(terminal: Terminal, inbox: Path) -> None:
    wide = {"recipient": "W" * 35, "street": "Storgata 5", "postcode": "0184", "city": "Oslo"}
    put(inbox, "wide.json", order("WIDE", photos=["face.jpg"], deliver_to=wide))
    assert terminal("blanks", "receive", "--lot", "L-1", "--count", "20").code == 0
    said = terminal("day", "--inbox", inbox, "--json")
    assert [problem["code"] for problem in said.json["problems"]] == ["letter.address_too_large"]
    assert said.json["lines"]["ship"]["post"] == {"confirmed": 1}
    card = terminal("cards", "show", "WIDE-1", "--json").json["card"]
    assert (card["state"], card["hold"]["reason"], card["shipment_id"]) == ("held", "address_invalid", None)
    assert card["hold"]["detail"] == "letter.address_too_large"
    assert terminal("orders", "readdress", "WIDE", *SHORT).code == 0
    assert terminal("day", "--json").json["lines"]["ship"]["post"] == {"confirmed": 1}
    assert terminal("cards", "show", "WIDE-1", "--json").json["card"]["state"] == "posted"
    assert terminal("audit").code == 0
