"""The published values of NXP's application notes and of the EV1 examples, through the host side and the card side."""

import pytest

from chip import messaging
from chip.adapters import virtual_crypto
from chip.derive import cmac, cmac_subkeys, decrypt, div_input, diversify
from chip.messaging import Ev1Session, Ev2Session, MacMismatch


def h(text: str) -> bytes:
    return bytes.fromhex(text)


ZERO = bytes(16)

# --- AN10922, AN10957, RFC 4493 -------------------------------------------------------------------------------------


def test_an10922_table_2() -> None:
    key = h("00112233445566778899AABBCCDDEEFF")
    joined = div_input(uid=h("04782E21801D80"), aid=h("3042F5"), system_id=h("4E585020416275"))
    assert cmac_subkeys(key) == (h("FBC9F75C9413C041DFEE452D3F0706D1"), h("F793EEB928278083BFDC8A5A7E0E0D25"))
    assert diversify(key, joined) == h("A8DD63A3B89D54B37CA802473FDA9175")


def test_an10957_short_input_is_padded_to_two_blocks() -> None:
    key, uid = h("F3F9377698707B688EAF84ABE39E3791"), h("04DEADBEEFFEED")
    assert diversify(key, uid) == h("0BB408BAFF98B6EE9F2E1585777F6A51")
    assert diversify(key, uid) != cmac(key, b"\x01" + uid)


@pytest.mark.parametrize("size", range(16, 32))
def test_input_of_16_bytes_or_more_is_plain_cmac(size: int) -> None:
    key, joined = h("F3F9377698707B688EAF84ABE39E3791"), bytes(range(size))
    assert diversify(key, joined) == virtual_crypto.mac_of(key, b"\x01" + joined)


@pytest.mark.parametrize(("master", "joined"), [(15, 16), (17, 16), (16, 0), (16, 32)])
def test_wrong_sizes_are_refused(master: int, joined: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        diversify(bytes(master), bytes(joined))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "BB1D6929E95937287FA37D129B756746"),
        (16, "070A16B46B4D4144F79BDD9DD04A287C"),
        (40, "DFA66747DE9AE63030CA32611497C827"),
        (64, "51F0BEBF7E3B9D92FC49741779363CFE"),
    ],
)
def test_rfc_4493_examples(size: int, expected: str) -> None:
    key = h("2B7E151628AED2A6ABF7158809CF4F3C")
    message = h(
        "6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E51"
        "30C81C46A35CE411E5FBC1191A0A52EFF69F2445DF4F9B17AD2B417BE66C3710"
    )
    assert cmac_subkeys(key) == (h("FBEED618357133667C85E08F7236A8DE"), h("F7DDAC306AE266CCF90BC11EE46D513B"))
    assert cmac(key, message[:size]) == h(expected)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("00102030405060708090A0B0B0A09080", "BFE37919"),
        ("C4800000000000000000000000000000000001", "1DD9EAC2"),
        ("F3847D627727ED3BC9C4CC050489B966", "789DFADC"),
    ],
)
def test_desfire_crc(data: str, expected: str) -> None:
    assert messaging.crc32(h(data)) == virtual_crypto.checksum(h(data)) == h(expected)


# --- EV2: AN12196 ---------------------------------------------------------------------------------------------------

FIRST = [
    (
        "13C5DB8A5930439FC3DEF9A4C675360F",
        "A04C124213C186F22399D33AC2A30215",
        "35C3E05A752E0144BAC0DE51C1F22C56B34408A23D8AEA266CAB947EA8E0118D",
        "3FA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F08120663",
        "9D00C4DF",
        "1309C877509E5A215007FF0ED19CA564",
        "4C6626F5E72EA694202139295C7A7FC7",
    ),
    (
        "B98F4C50CF1C2E084FD150E33992B048",
        "B875CEB0E66A6C5CD00898DC371F92D1",
        "FF0306E47DFBC50087C4D8A78E88E62DE1E8BE457AA477C707E2F0874916A8B1",
        "0CC9A8094A8EEA683ECAAC5C7BF20584206D0608D477110FC6B3D5D3F65C3A6A",
        "7614281A",
        "7A93D6571E4B180FCA6AC90C9A7488D4",
        "FC4AF159B62E549B5812394CAB1918CC",
    ),
]


@pytest.mark.parametrize("published", FIRST)
def test_authenticate_first(published: tuple[str, ...]) -> None:
    rnd_a, challenge, response, answer, ti, enc, mac = published
    asked = messaging.ev2_response(key=ZERO, rnd_a=h(rnd_a), challenge=h(challenge))
    assert asked == h(response)
    session = messaging.ev2_first(key=ZERO, rnd_a=h(rnd_a), challenge=h(challenge), answer=h(answer))
    assert session == Ev2Session(enc=h(enc), mac=h(mac), ti=h(ti))
    with pytest.raises(MacMismatch):
        messaging.ev2_first(key=ZERO, rnd_a=h(rnd_a)[::-1], challenge=h(challenge), answer=h(answer))


def test_authenticate_non_first() -> None:
    rnd_a, challenge = h("60BE759EDA560250AC57CDDC11743CF6"), h("A6A2B3C572D06C097BB8DB70463E22DC")
    response = messaging.ev2_response(key=ZERO, rnd_a=rnd_a, challenge=challenge)
    assert response == h("BE7D45753F2CAB85F34BC60CE58B940763FE969658A532DF6D95EA2773F6E991")
    session = messaging.ev2_non_first(
        key=ZERO,
        rnd_a=rnd_a,
        challenge=challenge,
        answer=h("B888349C24B315EAB5B589E279C8263E"),
        ti=h("7614281A"),
    )
    assert session == CHANGING


# Table 23's session keys with Table 19's transaction identifier, as the two ChangeKey examples use them.
CHANGING = Ev2Session(
    enc=h("4CF3CB41A22583A61E89B158D252FC53"), mac=h("5529860B2FC5FB6154B7F28361D30BF9"), ti=h("7614281A")
)
WRITING = Ev2Session(
    enc=h("7A93D6571E4B180FCA6AC90C9A7488D4"), mac=h("FC4AF159B62E549B5812394CAB1918CC"), ti=h("7614281A")
)


def test_change_another_key() -> None:
    body = messaging.ev2_key_body(new=h("F3847D627727ED3BC9C4CC050489B966"), version=1, old=ZERO)
    sent = messaging.ev2_command(CHANGING, ins=0xC4, counter=2, header=b"\x02", data=body, full=True)
    assert messaging.wrapped(0xC4, sent) == h(
        "90C4000029022CF362B7BF4311FF3BE1DAA295E8C68DE09050560D19B9E16C2393AE9CD1FAC75D0CE20BCD1D06E600"
    )
    assert messaging.ev2_answer(CHANGING, counter=2, answer=h("203BB55D1089D587")) == b""


def test_change_own_key() -> None:
    assert messaging.ev2_iv(CHANGING, counter=3) == h("01602D579423B2797BE8B478B0B4D27B")
    body = messaging.ev2_key_body(new=h("5004BF991F408672B1EF00F08F9E8647"), version=1)
    sent = messaging.ev2_command(CHANGING, ins=0xC4, counter=3, header=b"\x00", data=body, full=True)
    assert messaging.wrapped(0xC4, sent) == h(
        "90C400002900C0EB4DEEFEDDF0B513A03A95A75491818580503190D4D05053FF75668A01D6FDA6610234BDED643200"
    )


def test_write_enciphered() -> None:
    sent = messaging.ev2_command(
        WRITING, ins=0x8D, counter=0, header=h("030000000A0000"), data=h("0102030405060708090A"), full=True
    )
    assert sent == h("030000000A00006B5E6804909962FC4E3FF5522CF0F8436C0C53315B9C73AA")
    assert messaging.ev2_answer(WRITING, counter=0, answer=h("C26D236E4A7C046D")) == b""


def test_write_of_whole_blocks_gets_a_block_of_padding() -> None:
    session = Ev2Session(
        enc=h("1309C877509E5A215007FF0ED19CA564"), mac=h("4C6626F5E72EA694202139295C7A7FC7"), ti=h("9D00C4DF")
    )
    data = h(
        "0051D1014D550463686F6F73652E75726C2E636F6D2F6E7461673432343F653D3030303030303030303030303030303030303030"
        "30303030303030303030303026633D30303030303030303030303030303030"
    )
    sent = messaging.ev2_command(
        session, ins=0x8D, counter=0, header=h("02000000800000"), data=data.ljust(128, b"\x00"), full=True
    )
    assert sent == h(
        "02000000800000421C73A27D827658AF481FDFF20A5025B559D0E3AA21E58D347F343CFFC768BFE596C706BC00F2176781D4B024"
        "2642A0FF5A42C461AAF894D9A1284B8C76BCFA658ACD40555D362E08DB15CF421B51283F9064BCBE20E96CAE545B407C9D651A33"
        "15B27373772E5DA2367D2064AE054AF996C6F1F669170FA88CE8C4E3A4A7BBBEF0FD971FF532C3A802AF745660F2B4D1D9A84996"
        "61EBF3"
    )
    assert messaging.ev2_answer(session, counter=0, answer=h("FC222E5F7A542452")) == b""


def test_mac_mode_command_and_answer() -> None:
    session = Ev2Session(enc=ZERO, mac=h("8248134A386E86EB7FAF54A52E536CB6"), ti=h("7A21085E"))
    assert messaging.ev2_command(session, ins=0xF5, counter=0, header=b"\x02") == h("026597A457C8CD442C")
    settings = "0040EEEE000100D1FE001F00004400004400002000006A0000"
    answer = h(settings + "2A474282E7A47986")
    assert messaging.ev2_answer(session, counter=0, answer=answer) == h(settings)
    for wrong in (bytes([answer[0] ^ 1]) + answer[1:], answer[:-1], answer[-8:], b""):
        with pytest.raises(MacMismatch):
            messaging.ev2_answer(session, counter=0, answer=wrong)
    with pytest.raises(MacMismatch):
        messaging.ev2_answer(session, counter=1, answer=answer)


UID_SESSION = Ev2Session(
    enc=h("2B4D963C014DC36F24F69A50A394F875"), mac=h("379D32130CE61705DD5FD8C36B95D764"), ti=h("DF055522")
)


def test_get_card_uid() -> None:
    assert messaging.ev2_command(UID_SESSION, ins=0x51, counter=0) == h("8E2C155ADDA99BE3")
    answer = h("70756055688505B52A5E26E59E329CD6595F672298EA41B7")
    assert messaging.ev2_answer(UID_SESSION, counter=0, answer=answer, full=True) == h("04958CAA5C5E80")


# --- EV1: the AES and DES examples ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "published",
    [
        (
            "00" * 16,
            "F44B26F5686F3A391CD38EBD10772281",
            "B969FDFE56FD91FC9DE6F6F213B8FD1E",
            "36AAD7DF6E436BA08D18613830A70D5AD43E3D3F4A8D47541EEE623A934E4774",
            "800DB680BC146BD121D6578F2D2E2059",
            "F44B26F5C05DDD7110772281C4D066E8",
        ),
        (
            "10182028303840485058606870788088",
            "40E7D27174CBA675E8EFBAB99C530E3D",
            "B351CB2465D4F33AC627FD6E87A168F2",
            "044B6CAC343A0865895149649CA8DDE1F5AC4EC67BD208900AF02F049E05F0B0",
            "A2EE144B1012FBEB7B2F11132D95A454",
            "40E7D271626FFBD49C530E3D304F5B17",
        ),
    ],
)
def test_ev1_authenticate(published: tuple[str, ...]) -> None:
    key, rnd_a, challenge, response, answer, session_key = published
    sent = messaging.ev1_response(key=h(key), rnd_a=h(rnd_a), challenge=h(challenge))
    assert sent == h(response)
    session = messaging.ev1_session(key=h(key), rnd_a=h(rnd_a), challenge=h(challenge), response=sent, answer=h(answer))
    assert session == Ev1Session(key=h(session_key))


@pytest.mark.parametrize(
    ("session_key", "number", "new", "old", "sent"),
    [
        (
            "F44B26F5C05DDD7110772281C4D066E8",
            0,
            "00102030405060708090A0B0B0A09080",
            None,
            "E9F85E219496C2B58C1090DC3935FAE9E840CF61B383D9531946256B1F110C10",
        ),
        (
            "C2A1E47B27104712FE6D00A71177A19B",
            0,
            "10182028303840485058606870788088",
            None,
            "2945E3760E60F4A4046BB8A505B31CF559A3A2E05213BC82942CA6AB5DBCECF5",
        ),
        (
            "C2A1E47BD8100044FE6D00A74D7AB17C",
            1,
            "00102030405060708090A0B0B0A09080",
            "00" * 16,
            "E7ECCB6BD1CA64BC161A12B1C024F71430337408C8A87EACAB7A1FF18951FCA3",
        ),
    ],
)
def test_ev1_change_key(session_key: str, number: int, new: str, old: str | None, sent: str) -> None:
    data, tail = messaging.ev1_key_body(new=h(new), version=0x10, old=h(old) if old else None)
    body, session = messaging.ev1_full_command(
        Ev1Session(key=h(session_key)), ins=0xC4, header=bytes([number]), data=data, tail=tail
    )
    assert body == bytes([number]) + h(sent)
    if old:
        empty, session = messaging.ev1_answer(session, answer=h("2128D3CD9C9ACFFF"))
        assert (empty, session.iv) == (b"", h("2128D3CD9C9ACFFFF6EB9546ADF35E17"))


def test_factory_des_authentication() -> None:
    rnd_a, challenge = h("849B36C5F8BF4A09"), h("5D994CE085F24089")
    response = messaging.des_response(key=bytes(8), rnd_a=rnd_a, challenge=challenge)
    assert response == h("21D0AD5F2FD97454A746CC80567F1B1C")
    session_key = messaging.des_session_key(
        key=bytes(8), rnd_a=rnd_a, challenge=challenge, response=response, answer=h("913C6DED84221C41")
    )
    assert session_key == h("849B36C54FD1B759")


# --- the card's side, from the same published frames ----------------------------------------------------------------


def test_card_side_reads_the_published_change_of_another_key() -> None:
    card = virtual_crypto.Ev2Channel(
        key=ZERO,
        rnd_a=h("60BE759EDA560250AC57CDDC11743CF6"),
        rnd_b=decrypt(ZERO, ZERO, h("A6A2B3C572D06C097BB8DB70463E22DC")),
        ti=h("7614281A"),
        counter=2,
    )
    plain, checked = card.opened_key(
        h("022CF362B7BF4311FF3BE1DAA295E8C68DE09050560D19B9E16C2393AE9CD1FAC75D0CE20BCD1D06E6")
    )
    assert (plain, checked) == (h("F3847D627727ED3BC9C4CC050489B96601789DFADC"), True)
    assert card.closed(b"", full=False) == h("203BB55D1089D587")


def test_card_side_reads_the_published_ev1_change_of_another_key() -> None:
    card = virtual_crypto.Ev1Channel(
        rnd_a=h("C2A1E47B" + "00" * 8 + "FE6D00A7"), rnd_b=h("D8100044" + "00" * 8 + "4D7AB17C")
    )
    plain, checked = card.opened_key(h("01E7ECCB6BD1CA64BC161A12B1C024F71430337408C8A87EACAB7A1FF18951FCA3"))
    assert (plain, checked) == (h("00102030405060708090A0B0B0A0908010BFE37919"), True)
    assert card.closed(b"", full=False) == h("2128D3CD9C9ACFFF")


def test_sessions_do_not_show_their_keys() -> None:
    assert "4cf3cb" not in repr(CHANGING).lower()
    assert "\\x" not in repr(CHANGING).split("ti=")[0]
    assert repr(Ev1Session(key=ZERO)) == "Ev1Session()"
