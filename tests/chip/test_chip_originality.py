"""Genuine chips of every kind are known, others are not, and a line that asks gives no key to a chip that is none."""

from datetime import date

import pytest

from cards.adapters.system import SeededEntropy
from chip.adapters.software_keys import SoftwareKeys
from chip.adapters.virtual import VirtualEncoder
from chip.adapters.virtual_card import MAKER
from chip.faults import Fault, FaultKind
from chip.models import ChipContent, ChipOutcome, ChipVerdict
from chip.originality import is_genuine, nxp_points
from chip.personalise import personalise
from chip.ports import Transport
from chip.profile import Profile, default_profile

# UID and signature of genuine chips, as the Proxmark3 project publishes them.
GENUINE = [
    ("0439556ACB6480", "D5BD0978106E1E38B513642335966AB21E9F950DCFCFAB45FF13D0DC"
     "3CA4C2AE7E0D671DF1240937D040DAC4601C5F66ED62C546EE03ED08"),
    ("043B156ACB6480", "76B46932BF2FCF4931A24C755F5CB1686B914F1856177686B864BDAD"
     "58EFA6A7493E5C2232F3ADDAA434EA4647BFD1D385BDA6115E77D74C"),
    ("042A41CAE45380", "B2769F8DDB575AEA2A680ADCA8FFED4FAB81A1E9908E2B82FE0FABB6"
     "97BBD9B23835C416970E75768F12902ACA491349E94E6589EAF4F508"),
    ("045640CAE45380", "D34B53A8C2C100D700DEA1C4C0D0DE4409F3A418CD8D57C4F41F146E"
     "42AD9A55F014199ABBF5CA259C7799DB0AE20D5E77D4950AC7E95D33"),
    ("040D259A965B80", "B158073A7100C88C3726F4299FA58311FC3CB18744686DE3F234928A"
     "D74578F5CAD7FCEC1DCB962ECC7CC000B8557B37F45B76DC6573A58F"),
    ("044CA092806480", "9D86DACD3866058B1CF122FF5FC80E997251D99179BC1F996ACF6ED7"
     "D495DA5C39DDE699E2760C08D747EF08487B9897D48957E5AFD755E2"),
    ("045793D28A6380", "E509576A484B4F93B5B97FFA04CB297CAE97CFF1071BDEFD23D50545"
     "13E3036203FDD1CDD2CDEAD0AEAD88DF24FFE7CDAAFEE1E58A55A745"),
    ("044BA492806480", "517B2931355BD9B9F35D72ED90BDAB6212D05853ABCF9DD45A79D5CE"
     "B91D8939C2C90D3A630A4D18A33903A3E23950A7580CF4CA34D03A90"),
    ("04448BD2DB6B80", "5CBB5632795C8F15263FEFB095B51C7B541AFD914A1AE44EF6FB8AF6"
     "05EDF13DBFEE6C3A2DB372245E671DFE0D42CB1F0D0B8FE67A89D2F6"),
    ("04445DD2DB6B80", "166BFD9F9BFAA451172566101580DF9894F582C4A4E258C15037AD2F"
     "35A475CF1D7FB817618623A6569F991931AFB2766984E21A18512A6D"),
    ("042468222F5C80", "B9211E320F321BD1D0E158E10FF15109B389638BAE15D9909D7725BF"
     "1250ED236D66F1AF75C94D60330E4E92535F5E6997675281A5687173"),
    ("042938222F5C80", "18B642797D1FD71806146A7A6EC778D3FDD04F39C4A3B36A592BD1A1"
     "14DC44E5528380FA766C0B7EA32B284AFBE84300B620369F0686D8CC"),
]  # fmt: skip
PLACE = ("P-000001", 1)
KEYS = SoftwareKeys(b"the seed of the tests", environment="test")
ASKING = default_profile().model_copy(update={"originality_points": (MAKER,)})


@pytest.mark.parametrize(("uid", "signature"), GENUINE)
def test_genuine_chips_are_known(uid: str, signature: str) -> None:
    known = {"uid": bytes.fromhex(uid), "points": nxp_points()}
    raw = bytes.fromhex(signature)
    assert is_genuine(raw, **known)
    assert not is_genuine(raw[:-1] + bytes([raw[-1] ^ 1]), **known)
    assert not is_genuine(raw[:-1], **known)
    assert not is_genuine(bytes(56), **known)
    assert not is_genuine(raw, uid=bytes.fromhex(uid)[::-1], points=nxp_points())


def test_each_genuine_chip_is_known_by_one_key_only() -> None:
    for uid, signature in GENUINE:
        held = [is_genuine(bytes.fromhex(signature), uid=bytes.fromhex(uid), points=[point]) for point in nxp_points()]
        assert held.count(True) == 1


def _made(encoder: VirtualEncoder, profile: Profile) -> tuple[ChipOutcome, set[int]]:
    with encoder.present(*PLACE) as transport:
        outcome = _personalised(transport, profile)
        return outcome, {ins for ins, _ in transport.seen}


def _personalised(transport: Transport, profile: Profile) -> ChipOutcome:
    return personalise(
        transport,
        content=ChipContent(card_number="0417388", valid_until=date(2028, 11, 23)),
        keys=KEYS,
        entropy=SeededEntropy(b"host"),
        profile=profile,
        bind=lambda uid, generation: None,
    )


@pytest.mark.parametrize(("generation", "exchanges"), [(1, 28), (2, 27), (3, 27)])
def test_line_that_asks_takes_one_exchange_more(generation: int, exchanges: int) -> None:
    """EV1 has no such command: it is not asked."""
    outcome, _ = _made(VirtualEncoder("encoder-1", seed=b"blanks", generation=generation), ASKING)
    assert (outcome.verdict, outcome.exchanges) == (ChipVerdict.DONE, exchanges)


def test_chip_of_another_maker_gets_no_key() -> None:
    profile = ASKING.model_copy(update={"originality_points": nxp_points()})
    outcome, sent = _made(VirtualEncoder("encoder-1", seed=b"blanks"), profile)
    assert (outcome.verdict, outcome.cause) == (ChipVerdict.QUARANTINE, "not_genuine")
    assert not sent & {0x1A, 0xC4, 0xCA, 0x71}


def test_chip_that_tells_another_uid_than_it_signed_gets_no_key() -> None:
    encoder = VirtualEncoder("encoder-1", seed=b"blanks", faults={PLACE: Fault(FaultKind.WRONG_UID)})
    outcome, sent = _made(encoder, ASKING)
    assert (outcome.verdict, outcome.cause) == (ChipVerdict.QUARANTINE, "not_genuine")
    assert not sent & {0x1A, 0xC4, 0xCA, 0x71}


class _SaysSigned:
    """Real chips answer this one command with a status of its own."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    def transmit(self, apdu: bytes) -> bytes:
        answer = self._inner.transmit(apdu)
        return answer[:-1] + b"\x90" if apdu[1] == 0x3C else answer


def test_both_words_for_done_are_understood() -> None:
    with VirtualEncoder("encoder-1", seed=b"blanks").present(*PLACE) as transport:
        assert _personalised(_SaysSigned(transport), ASKING).verdict is ChipVerdict.DONE
