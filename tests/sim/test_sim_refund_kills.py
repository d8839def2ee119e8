"""Refunds executed by two processes at once that are killed with SIGKILL at seeded moments and lose answers.

Whatever is cut off, the end is that of an undisturbed run: one credit note a case, one refund a case and payment,
numbers whole, the ledger balanced, Σ refunds = Σ errors. More kills than the suite has time for: REFUND_KILLS=500.
"""

import multiprocessing
import os
import random
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from billing.adapters.payments_twin import PaymentsTwin
from billing.ledger import CLEARING, REFUNDS_PAYABLE, balanced
from billing.models import RefundState
from cards.effects import EffectKind, EffectState
from cards.errors import Unsure
from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.line import run_line
from flows.stages.reconcile import RECONCILE
from flows.stages.refund_postage import REFUND_POSTAGE
from flows.stages.refund_proof import prove_refunds
from store.audit import violations
from tests.refund_world import approved, by_hand, invoices, pay_at_stripe
from tests.sim.fate import Fate, watched

KILLS = int(os.environ.get("REFUND_KILLS", "18"))  # on each database
START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
NET_ORE = 1001  # with 250.25 øre of VAT: rounding is part of the game
FAST = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
_IN_ONE_GO = 16


def _settings(home: Path, database_url: str, minutes: int) -> Settings:
    """A process of its own minute: what another one left as sent then counts as lost."""
    return Settings(
        home=home,
        environment="test",
        engine="inline",
        durable=False,
        clock=START + timedelta(minutes=minutes),
        lease_s=1,
        database_url=database_url,
    )


def work(home: Path, database_url: str, minutes: int, dies_at: int) -> None:
    """The life of one process: settle what is open, credit, refund, deliver; many an answer is lost, and a moment after
    its boundary `dies_at` it is gone, without a chance to clean up."""
    chance = random.Random(minutes)

    def happens(number: int, name: str) -> None:
        if number == dies_at:
            moment_s = chance.choice((0.0, chance.uniform(0.0, 0.01)))
            threading.Timer(moment_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
        if name.partition(" ")[2] == "payments.refund" and chance.random() < 0.3:
            raise Unsure("sim.answer_lost", "the answer was lost", fix="look it up")

    with open_house(actor=f"process {minutes}", settings=_settings(home, database_url, minutes)) as house:
        run_line(watched(house, Fate(happens)), (*RECONCILE, *REFUND_POSTAGE))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = (FAST or tmp_path) / f"hsecard-refunds-{os.getpid()}"
    yield folder
    shutil.rmtree(folder)


class _Bureau:
    """Cases that wait to be executed, and processes that die over it."""

    def __init__(self, home: Path, database_url: str, seed: int) -> None:
        self._home, self._url, self._chance = home, database_url, random.Random(seed)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])
        self.cases = self.minutes = self.kills = 0

    def house(self) -> Any:
        return open_house(actor="test", settings=_settings(self._home, self._url, self.minutes))

    def propose_more(self, house: House) -> None:
        """Every other invoice is paid at Stripe; the others are open, so that their refund is set off."""
        self.cases += _IN_ONE_GO
        for place, invoice in enumerate(invoices(house, _IN_ONE_GO, order=f"B-{self.cases}")):
            if place % 2:
                pay_at_stripe(house, invoice, payment=f"pi_{invoice.number}")
            approved(house, by_hand(house, invoice, NET_ORE, line=place % 3))

    def start(self) -> Any:
        """A process that dies after some of its work; it lives when there is less to do."""
        self.minutes += 1
        dies_at = self._chance.randrange(1, 60)
        process = self._context.Process(target=work, args=(self._home, self._url, self.minutes, dies_at), daemon=True)
        process.start()
        return process

    def bury(self, process: Any) -> None:
        process.join(120)
        assert process.exitcode in (0, -signal.SIGKILL)
        self.kills += process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("seed", [1])
def test_check_4_two_at_once_killed_and_losing_answers_refund_each_case_once(
    home: Path, database_url: str, seed: int
) -> None:
    bureau = _Bureau(home, database_url, seed)
    with bureau.house() as house:
        bureau.propose_more(house)
    running = [bureau.start(), bureau.start()]
    while bureau.kills < KILLS:
        bureau.bury(running.pop(0))
        running.append(bureau.start())
        with bureau.house() as house:
            if not _waiting(house):
                bureau.propose_more(house)
    for process in running:
        bureau.bury(process)
    _finish(bureau)
    with bureau.house() as house:
        _each_once(house, bureau.cases)


def _waiting(house: House) -> int:
    with house.store.read() as uow:
        return len(uow.refunds.of_state(RefundState.APPROVED)) + len(uow.refunds.of_state(RefundState.EXECUTING))


def _finish(bureau: _Bureau) -> None:
    for _ in range(3):
        bureau.minutes += 1
        with bureau.house() as house:
            run_line(house, (*RECONCILE, *REFUND_POSTAGE))


def _each_once(house: House, count: int) -> None:
    payments = cast(PaymentsTwin, house.payments)
    with house.store.read() as uow:
        cases, notes = uow.refunds.all(), uow.credit_notes.all()
        effects, entries = uow.effects.all_of(EffectKind.REFUND), uow.ledger.entries()
        planned = [road for case in cases for road in uow.refunds.roads(case.case_id)]
        mails = uow.effects.all_of(EffectKind.MAIL)
    assert len(cases) == count
    assert {case.state for case in cases} == {RefundState.CONFIRMED}
    assert [note.number for note in notes] == list(range(1, count + 1))
    assert Counter(note.case_id for note in notes) == dict.fromkeys((case.case_id for case in cases), 1)
    refunds = payments.refunds()
    over_payments = {road.payment: road.amount_ore for road in planned if road.payment}
    assert {refund.payment: refund.amount_ore for refund in refunds} == over_payments
    assert len(refunds) == len(effects) == len(over_payments) == count // 2
    assert {effect.state for effect in (*effects, *mails)} == {EffectState.CONFIRMED}
    assert max(effect.attempts for effect in effects) > 1, "nothing was disturbed"
    assert len(list((house.settings.home / "mail").rglob("*.eml"))) == len(mails) == count
    assert balanced(entries)
    back = sum(case.gross_ore for case in cases)
    assert sum(road.amount_ore for road in planned) == back
    assert sum(entry.amount_ore for entry in entries if entry.account == REFUNDS_PAYABLE) == 0
    given = -sum(e.amount_ore for e in entries if e.account == CLEARING and e.posting.startswith("refund:"))
    assert given == sum(refund.amount_ore for refund in refunds)
    (proof,) = prove_refunds(house)
    assert (proof.difference_ore, proof.given_back_ore) == (0, back)
    broken = [v for v in violations(house.store, house.blobs) if v.rule.startswith(("refund.", "effect.", "ledger."))]
    assert broken == []
