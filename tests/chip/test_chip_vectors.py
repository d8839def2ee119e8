"""More published values, and a whole recorded conversation with a real EV1 chip, put through the messaging functions.

Sources: "DESFire EV1 Communication Examples" (ElmüSoft; a PN532 log), AN12343 (DESFire Light features and hints; the
messaging of EV2), the test values of Proxmark3. The values are facts; errata are corrected as their MACs demand.
"""

import pytest

from chip import messaging
from chip.adapters import virtual_crypto
from chip.derive import cmac, decrypt
from chip.messaging import Ev1Session, Ev2Session, MacMismatch

ZERO = bytes(16)


def h(text: str) -> bytes:
    return bytes.fromhex(text)


# --- a real chip, recorded ------------------------------------------------------------------------------------------

_FIRST, _SECOND = "00102030405060708090A0B0B0A09080", "10182028303840485058606870788088"
KEYS = ["00" * 16, _FIRST, _SECOND, "00" * 16, _SECOND]
RND_A = [
    "F44B26F5686F3A391CD38EBD10772281",
    "C2A1E47B96A5589FAAE90C03FE6D00A7",
    "90F7A201C4DB760538FF8A49EC63DECD",
    "C2A1E47B96A5589FAAE90C03FE6D00A7",
    "40E7D27174CBA675E8EFBAB99C530E3D",
]
SESSION_KEYS = [
    "F44B26F5C05DDD7110772281C4D066E8",
    "C2A1E47B27104712FE6D00A71177A19B",
    "90F7A20191036845EC63DECD544B9931",
    "C2A1E47BD8100044FE6D00A74D7AB17C",
    "40E7D271626FFBD49C530E3D304F5B17",
]
DATA = bytes(range(0x50)).hex()
# Native frames: command and what was answered, the status first. Authentications, key changes, file commands.
TRACE = [
    ("AA00", "AFB969FDFE56FD91FC9DE6F6F213B8FD1E"),
    ("AF36AAD7DF6E436BA08D18613830A70D5AD43E3D3F4A8D47541EEE623A934E4774", "00800DB680BC146BD121D6578F2D2E2059"),
    ("C400E9F85E219496C2B58C1090DC3935FAE9E840CF61B383D9531946256B1F110C10", "00"),
    ("AA00", "AFCCC8316C2B2613FE9A189BAC9CC89D03"),
    ("AFC02E061E72E17726489CAEEC997C523758BF863EFE7671C55B4665D06ACCD97B", "0072ACCC0BDEA482B53185BB5AD0086246"),
    ("C4002945E3760E60F4A4046BB8A505B31CF559A3A2E05213BC82942CA6AB5DBCECF5", "00"),
    ("AA00", "AF3E2BE626C05E7798EE518355A751648E"),
    ("AFFABF71BB0DC45B8F31BAEDDFF7F3439652D4094DF12C17EF0C94353E6D7770C8", "001CE6C574E24923D404E18B6A240C1B08"),
    ("6400", "00108A8FA36F55CD210D"),
    ("C400635375E4919F8AF2E9E86B1C1BA55B0C0807EAF484D7A7EF6E0C3084160F5A61", "00"),
    ("AA00", "AFEDDAF0C5D9A7CF42B8808BE2013899A1"),
    ("AFD8105F874E2CA57B76C354A8066B0D7880B0C4EC399DBF253438DB46D75F8F60", "00459C76B71AB9F1736413F5ACD73E7DF9"),
    ("C401E7ECCB6BD1CA64BC161A12B1C024F71430337408C8A87EACAB7A1FF18951FCA3", "002128D3CD9C9ACFFF"),
    ("C4012841938C40A4BC2C33064482FEADA5F43EC535D34255B0286C2352CD173863C7", "00CAF3BF0B2836E9DE"),
    ("AA01", "AFB351CB2465D4F33AC627FD6E87A168F2"),
    ("AF044B6CAC343A0865895149649CA8DDE1F5AC4EC67BD208900AF02F049E05F0B0", "00A2EE144B1012FBEB7B2F11132D95A454"),
    ("CD05001100500000", "00A75316AD1596B953"),
    ("6F", "00052D5FF67FFEC9D2D3"),
    ("F505", "00000011005000002AAC7517024E09DC"),
    ("3D05000000340000" + DATA[:104], "00765C9DAA50ECB62F"),
    ("3D053400001C0000" + DATA[104:], "003E0AED986B8B0F37"),
    ("BD05000000300000", "00" + DATA[:96] + "4C65F1F842262BAC"),
    ("BD05300000200000", "00" + DATA[96:] + "F02205CF913C03C9"),
    ("DF05", "001BEF0D32B6D1D7F9"),
    ("6F", "00FC194EA93E3EF8E7"),
]  # fmt: skip
NEW_KEYS = [(1, None), (2, None), (0, None), (1, 0), (2, 1)]  # of KEYS, and which one it replaced when not its own
CHAINED = {
    "6400": ("257FC538618A944A3A20967B6F314348", "8A8FA36F55CD210DD8054658AC70D99A"),
    "CD05001100500000": ("F23B0368578C65AD705C52AFE76261B6", "A75316AD1596B95374EEF55FB7FA00EC"),
    "F505": ("6365D3B198DCA84043DF6DF8FE76DFD6", "2AAC7517024E09DC452857D5D56FD213"),
    "3D053400001C0000" + DATA[104:]: ("EDF32CB90997155F8C0A15BBCA118DA1", "3E0AED986B8B0F37F64D79B911A5A6C9"),
    "BD05000000300000": ("433303AB3CFFA758BF7EB16FFEC47A70", "4C65F1F842262BAC65FFBF61CF71FD06"),
    "BD05300000200000": ("C26BDE4EB965BC3C831C0771C42FD5B9", "F02205CF913C03C9354C8FF43D1C9E61"),
    "DF05": ("169188F617AE87D4ABEFD4D058361BFD", "1BEF0D32B6D1D7F9E6A832320919CE67"),
}  # the IV after the command and after its answer, where the log prints them


class _Replay:
    """Follows the conversation as the host: what it would send must be what was sent, what came back must hold."""

    def __init__(self) -> None:
        self.session = Ev1Session(key=ZERO)
        self.authentications = 0
        self.changes = 0
        self.heard: dict[str, bytes] = {}
        self._challenge = b""

    def follow(self, sent: bytes, answer: bytes) -> None:
        if sent[0] == 0xAA:
            self._challenge = answer[1:]
        elif sent[0] == messaging.MORE:
            self._authenticate(sent[1:], answer[1:])
        elif sent[0] == 0xC4:
            self._change_key(sent, answer[1:])
        else:
            self.session = messaging.ev1_plain_command(self.session, ins=sent[0], content=sent[1:])
            iv = self.session.iv
            self.heard[sent.hex().upper()], self.session = messaging.ev1_answer(self.session, answer=answer[1:])
            if sent.hex().upper() in CHAINED:
                assert (iv, self.session.iv) == tuple(map(h, CHAINED[sent.hex().upper()]))

    def _authenticate(self, response: bytes, proof: bytes) -> None:
        key, rnd_a = h(KEYS[self.authentications]), h(RND_A[self.authentications])
        assert messaging.ev1_response(key=key, rnd_a=rnd_a, challenge=self._challenge) == response
        self.session = messaging.ev1_session(
            key=key, rnd_a=rnd_a, challenge=self._challenge, response=response, answer=proof
        )
        assert self.session.key == h(SESSION_KEYS[self.authentications])
        self.authentications += 1

    def _change_key(self, sent: bytes, mac: bytes) -> None:
        new, old = NEW_KEYS[self.changes]
        data, tail = messaging.ev1_key_body(
            new=h(KEYS[new]), version=0x10 if new else 0, old=None if old is None else h(KEYS[old])
        )
        body, self.session = messaging.ev1_full_command(self.session, ins=0xC4, header=sent[1:2], data=data, tail=tail)
        assert body == sent[1:]
        if old is not None:
            empty, self.session = messaging.ev1_answer(self.session, answer=mac)
            assert empty == b""
        self.changes += 1


def _followed(trace: list[tuple[str, str]]) -> _Replay:
    replay = _Replay()
    for sent, answer in trace:
        replay.follow(h(sent), h(answer))
    return replay


def test_recorded_conversation_with_a_real_chip_is_understood() -> None:
    replay = _followed(TRACE)
    assert (replay.authentications, replay.changes, len(replay.heard)) == (5, 5, 9)
    assert replay.heard["BD05000000300000"] + replay.heard["BD05300000200000"] == bytes(range(0x50))
    assert replay.heard["F505"] == h("00001100500000")


@pytest.mark.parametrize("at", [8, 17, 19, 21, 23])
def test_recorded_conversation_with_a_bit_turned_or_a_frame_missing_is_not(at: int) -> None:
    for damaged in (
        [*TRACE[:at], (TRACE[at][0], _turned(TRACE[at][1])), *TRACE[at + 1 :]],
        TRACE[:at] + TRACE[at + 1 :],
    ):
        with pytest.raises((MacMismatch, AssertionError)):
            _followed(damaged)


def _turned(answer: str) -> str:
    return answer[:-1] + f"{int(answer[-1], 16) ^ 1:X}"


def test_card_side_answers_as_the_real_chip_did() -> None:
    challenge = h("B351CB2465D4F33AC627FD6E87A168F2")
    card = virtual_crypto.Ev1Channel(rnd_a=h(RND_A[4]), rnd_b=decrypt(h(KEYS[4]), ZERO, challenge))
    spoken = [(h(sent), h(answer)) for sent, answer in TRACE[16:]]
    for sent, answer in spoken:
        card.opened(sent[0], sent[1:], header=len(sent) - 1, size=None)
        assert card.closed(answer[1:-8], full=False) == answer[1:]


@pytest.mark.parametrize(
    ("challenge", "rnd_a", "response", "answer", "key"),
    [
        ("5D994CE085F24089", "849B36C5F8BF4A09", "21D0AD5F2FD97454A746CC80567F1B1C", "913C6DED84221C41",
         "849A36C44ED0B658"),
        ("8476D1CF3024B7C7", "49EC63DECDE00772", "DAC67AB743763DC9FAF8A0AE504E80C5", "13E9E4FA4388BF16",
         "48EC62DE3A3CFE62"),
        ("DE50F92310CAF5A5", "C96CE35E4D6087F2", "E00616668704D5549C8D6A13A0F8FCED", "1D9D2954697DE760", None),
        ("4415939B21D8EEE8", "6D00A79231348B66", "89D611809D605F8C917A18BF26DE2D6F", "21696214FDDA2504",
         "6C00A692144A72D2"),
    ],
)  # fmt: skip
def test_factory_key_authenticates(challenge: str, rnd_a: str, response: str, answer: str, key: str | None) -> None:
    given = {"key": bytes(8), "rnd_a": h(rnd_a), "challenge": h(challenge)}
    assert messaging.des_response(**given) == h(response)
    session_key = messaging.des_session_key(**given, response=h(response), answer=h(answer))
    if key:  # the low bits mean nothing, and the log clears them
        assert bytes(byte & 0xFE for byte in session_key) == h(key)
    with pytest.raises(MacMismatch):
        messaging.des_session_key(**given, response=h(response), answer=h(answer)[::-1])


# --- EV2: AN12343 ---------------------------------------------------------------------------------------------------


def test_session_keys_of_an12343() -> None:
    keys = messaging.ev2_session_keys(
        key=ZERO, rnd_a=h("B04D0787C93EE0CC8CACC8E86F16C6FE"), rnd_b=h("FA659AD0DCA738DD65DC7DC38612AD81")
    )
    assert keys == (h("63DC07286289A7A6C0334CA31C314A04"), h("774F26743ECE6AF5033B6AE8522946F6"))


@pytest.mark.parametrize(
    ("enc", "ti", "counter", "answer", "iv"),
    [
        ("66A8CB93269DC9BC2885B7A91B9C697B", "ED56F6E6", 0, False, "DA0F644A4986275957CF1EC3AF4CCE53"),
        ("445A8626B3338459321232FADF6ADE2B", "11223344", 5, False, "177494FCC4F1DAB2AFBE8FAE2057A9D2"),
        ("FFBCFE1F41840A09C9A88D0A4B10DF05", "CD73D8E5", 0, False, "871747AF36D72164A418BBFECCECD911"),
        ("E156C8522F7C8DC82B0C99BA847DE723", "94297F4D", 0, False, "BF4A2FB89311ED58E9DCBE56FC17794C"),
        ("C1D7BD9F60034D8432F9AF3403D573D0", "569D4B24", 1, True, "5A42ECB2111A9267FA5F2682523229AC"),
    ],
)
def test_ivs(enc: str, ti: str, counter: int, answer: bool, iv: str) -> None:
    session = Ev2Session(enc=h(enc), mac=ZERO, ti=h(ti))
    assert messaging.ev2_iv(session, counter=counter, answer=answer) == h(iv)


def test_card_uid_of_an12343() -> None:
    session = Ev2Session(
        enc=h("C1D7BD9F60034D8432F9AF3403D573D0"), mac=h("FD9E26C9766F07C1D07106C0F8F3671F"), ti=h("569D4B24")
    )
    assert cmac(session.mac, h("510000569D4B24")) == h("ED5CB7A932EF8D7C2E91B42A1139F11B")
    assert messaging.wrapped(0x51, messaging.ev2_command(session, ins=0x51, counter=0)) == h(
        "90510000085CA9EF7C912A391B00"
    )
    answer = h("CDFFBF6D34231DA2789DA9D3AB15D560CE75E39EDBE94C2F")
    assert messaging.ev2_answer(session, counter=0, answer=answer, full=True) == h("04DE5F1EACC040")


def test_write_and_read_in_mac_mode() -> None:
    session = Ev2Session(enc=ZERO, mac=h("9366FA195EB566F5BD2BAD4020B83002"), ti=h("E2D3AF69"))
    data = b"\x22" * 25
    sent = messaging.ev2_command(session, ins=0x8D, counter=0, header=h("00000000190000"), data=data)
    assert sent == h("00000000190000") + data + h("68F2C28C575A1628")
    assert messaging.ev2_answer(session, counter=0, answer=h("0820F68898C2A7F1")) == b""
    assert messaging.ev2_command(session, ins=0xAD, counter=1, header=h("00000000300000"))[7:] == h("0D9BE191D5960834")
    kept = data.ljust(48, b"\x00")
    assert messaging.ev2_answer(session, counter=1, answer=kept + h("A49A44222D926666")) == kept


def test_write_and_read_in_full_mode() -> None:
    session = Ev2Session(
        enc=h("FFBCFE1F41840A09C9A88D0A4B10DF05"), mac=h("37E7234B11BEBEFDE41A8F290090EF80"), ti=h("CD73D8E5")
    )
    sent = messaging.ev2_command(session, ins=0x8D, counter=0, header=h("00000000190000"), data=b"\x22" * 25, full=True)
    assert sent == h("00000000190000D7446FBC912580C0A65E738D28B609E43ADBB8FB2B4CA68744D1BBEBB37EBD32700ADF7BB9F62A6C")
    asked = messaging.ev2_command(session, ins=0xAD, counter=1, header=h("00000000300000"))
    assert messaging.wrapped(0xAD, asked) == h("90AD00000F000000003000007CF94F122B3DB05F00")


def test_change_of_the_own_key_is_of_the_key_that_its_cryptogram_holds() -> None:
    """The note prints 00…00 as the key; its cryptogram is of another (an erratum)."""
    session = Ev2Session(
        enc=h("E156C8522F7C8DC82B0C99BA847DE723"), mac=h("45D50C1570000D2F173DF949288E3CAD"), ti=h("94297F4D")
    )
    body = messaging.ev2_key_body(new=h("01234567890123456789012345678901"), version=0)
    sent = messaging.ev2_command(session, ins=0xC4, counter=0, header=b"\x00", data=body, full=True)
    assert sent == h("00BF5400DC97A1FBD65BE870716D6F11F8161BB4CA472856DB94AB94B2EC1A13E627CE07CF56C11091")


# --- checksums and frames -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        ("04440F3276318000", "99CE1AD4"),
        ("C40000102030405060708090A0B0B0A0908010", "D2C6E66B"),
        ("C4001018202830384048505860687078808810", "74856362"),
        ("C400" + "00" * 17, "0A0F861B"),
        ("C40100102030405060708090A0B0B0A0908010", "3370B484"),
        ("C4011008001870682038D0C8C0D8C0D8100810", "29EAE6E0"),
        ("10182028303840485058606870788088", "B36E762A"),
        ("540D", "ED09401E"),
    ],
)
def test_published_checksums(data: str, crc: str) -> None:
    assert messaging.crc32(h(data)) == virtual_crypto.checksum(h(data)) == h(crc)


@pytest.mark.parametrize("length", [0, 1, 54, 55, 56, 110, 111, 174])
def test_frames_hold_everything_once_and_in_order(length: int) -> None:
    body = bytes(index % 251 for index in range(length))
    for size in set(messaging.FRAME_SIZES.values()):
        parts = messaging.frames(0x3D, body, size=size)
        assert b"".join(part for _, part in parts) == body
        assert [ins for ins, _ in parts] == [0x3D] + [0xAF] * (len(parts) - 1)
        assert all(len(part) <= size for _, part in parts)
        assert len(parts) == max(1, -(-length // size))


def test_factory_key_becomes_an_aes_key() -> None:
    """80 for an AES key at card level, the checksum over command, number, key and version, zeros to the next block."""
    session_key, new = h("849B36C54FD1B759"), bytes(range(16))
    sent = messaging.des_to_aes_command(session_key=session_key, new=new, version=1)
    plain = messaging.des_decrypt(session_key, bytes(8), sent[1:])
    assert sent[:1] == b"\x80"
    assert plain == new + b"\x01" + virtual_crypto.checksum(h("C480") + new + b"\x01") + bytes(3)
