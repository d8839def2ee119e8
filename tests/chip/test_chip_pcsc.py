"""The PC/SC encoder without pyscard: it says what to install. All else: tests/system/test_system_readers.py."""

import sys

import pytest

from cards.errors import Refused
from chip.adapters.pcsc import PcscEncoder


def test_without_pyscard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    with pytest.raises(Refused, match=r"chip\.pcsc_missing.*make readers"):
        PcscEncoder("a", reader="ACME Reader 00 00")
