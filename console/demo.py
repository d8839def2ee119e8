"""The main job once over samples/: orders to posted cards, invoices and refunds, through the Prefect flows.

A day, the closing of its batches, refunds with two persons, a fault from the field, and the day again. The clock
stands still and every step may be repeated, so a second run changes nothing, and says so.
"""
# ruff: noqa: PLC0415 -- the stages bring the heavy rooms along: help must be quick

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cards.errors import Refused
from console.answer import VIOLATIONS, answer
from console.options import HOUSE, AsJson
from console.show import kroner, line

if TYPE_CHECKING:
    from flows.house import House
    from flows.settings import Settings
    from flows.stages.line import Problem

MORNING = "2026-11-23T07:00:00Z"  # a Monday, eight o'clock in Oslo
FAULTY_PLACE, FAULT = "P-000001#7", "aborted"  # the seventh chip of the first tray dies while it is encoded
LOTS = {"LOT-2026-01": 300, "LOT-2026-02": 100}
OPERATOR, FINANCE, SECOND = "kari", "anna", "bo"
_KEPT_SETTINGS = ("HSECARD_ENGINE", "HSECARD_WORKERS")


@dataclass
class Story:
    """What happened in this run, told at its end."""

    quiet: bool
    told: list[str] = field(default_factory=list)
    problems: dict[tuple[str, str], "Problem"] = field(default_factory=dict)

    def tell(self, words: str) -> None:
        """One step is done; say so while the next one runs."""
        self.told.append(words)
        if not self.quiet:
            Console(stderr=True, highlight=False).print(line(f"{len(self.told):2} {words}"))

    @contextmanager
    def doing(self, words: str) -> Iterator[None]:
        """Show that a long step is under way, where somebody watches."""
        if self.quiet or not sys.stderr.isatty():
            yield
            return
        with Console(stderr=True).status(line(words)):
            yield

    def remember(self, problems: "tuple[Problem, ...]") -> None:
        """Keep what a person should look at, once each."""
        self.problems |= {(problem.subject, problem.code): problem for problem in problems}


def register(app: typer.Typer) -> None:
    """Put it on the root command."""
    app.command(rich_help_panel=HOUSE)(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where everything goes.")] = Path("demo"),
    as_json: AsJson = False,
) -> int:
    """Run the main job once on samples/, through the Prefect flows.

    Takes in the sample orders, makes, encodes, posts and invoices the cards,
    refunds postage charged wrongly, replaces a faulty card, and writes
    pictures, documents and summary.json. A second run changes nothing.
    """
    from console.demo_results import show_results, write_results
    from flows.house import open_house

    story = Story(quiet=as_json)
    with open_house(actor=OPERATOR, settings=demo_settings(out)) as house:
        _live(house, _samples(), story)
        results = write_results(house, out)
        broken = _audit(house, story)
        story.tell("this run changed nothing" if results.unchanged else f"results are under {out}/")
        shown = [] if as_json else show_results(house, out, story, results)
    document = {"steps": story.told, "changed": not results.unchanged, "audit": broken, **results.summary}
    answer(document, shown, as_json=as_json)
    return VIOLATIONS if broken else 0


def demo_settings(out: Path) -> "Settings":
    """Settings of the demo's own house: the operator's are not touched, a misspelt one is still refused."""
    from flows.settings import read_settings

    read_settings()
    chosen = {name: os.environ[name] for name in _KEPT_SETTINGS if name in os.environ}
    return read_settings(
        chosen
        | {
            "HSECARD_HOME": str(out / "home"),
            "HSECARD_ENVIRONMENT": "demo",
            "HSECARD_CLOCK": MORNING,
            "HSECARD_VIRTUAL_FAULTS": json.dumps({FAULTY_PLACE: FAULT}),
        }
    )


def _samples() -> Path:
    """samples/, beside the packages. Raises Refused `demo.no_samples`."""
    folder = Path(__file__).resolve().parent.parent / "samples"
    if not (folder / "orders").is_dir():
        raise Refused(
            "demo.no_samples",
            f"there is no {folder / 'orders'}",
            fix="run the demo from a checkout of the repository, installed with `make`",
        )
    return folder


def _live(house: "House", samples: Path, story: Story) -> None:
    """The steps of the demo, each of which may be repeated."""
    _stock_up(house, story)
    _take_in_the_past(house, samples, story)
    _run_day(house, story, inbox=str(samples / "orders"), words="the day has run: intake to invoice")
    _close_batches(house, story)
    _refund(house, story)
    _report_fault(house, story)
    _run_day(house, story, inbox=None, words="the day has run again: the faulty card is replaced")
    _close_batches(house, story)


def _stock_up(house: "House", story: Story) -> None:
    from flows.stages.by_hand import receive_blanks

    for lot, count in LOTS.items():
        receive_blanks(house, lot=lot, count=count)
    story.tell(f"{sum(LOTS.values())} blanks in {len(LOTS)} lots are in the vault")


def _take_in_the_past(house: "House", samples: Path, story: Story) -> None:
    """Postage charged before this system, and the payments that a refund of it goes back over."""
    from billing.adapters.payments_twin import PaymentsTwin
    from flows.stages.refund_postage import import_charges

    if isinstance(house.payments, PaymentsTwin):
        for row in json.loads((samples / "earlier-payments.json").read_text("utf-8")):
            house.payments.add_payment(row["payment"], row["amount_ore"])
    path = samples / "earlier-charges.csv"
    done = import_charges(house, path.read_text("utf-8"), name=path.name)
    story.tell(f"{sum(done.counts.values())} postage charges of earlier orders are on record")


def _run_day(house: "House", story: Story, *, inbox: str | None, words: str) -> None:
    from console.through_prefect import run_day_flow

    with story.doing("the day runs through the Prefect flows; the first start takes half a minute"):
        done = run_day_flow(house, inbox=inbox, by=OPERATOR)
    story.remember(done.problems)
    story.tell(words)


def _close_batches(house: "House", story: Story) -> None:
    from cards.batch import BatchState
    from flows.stages.by_hand import close_batch

    with house.store.read() as uow:
        printed = uow.batches.in_state(BatchState.PRINTED)
    for batch in printed:
        count = close_batch(house, batch.batch_id, counted_by=OPERATOR, witnessed_by=SECOND)
        story.tell(
            f"batch {batch.batch_id} is closed by {OPERATOR} and {SECOND}: "
            f"{count.issued} issued = {count.good} good + {count.spoiled} spoiled + {count.returned} returned"
        )


def _refund(house: "House", story: Story) -> None:
    """Finance finds and proposes; the same person may not approve; another one does; the money goes back."""
    from billing.models import RefundState
    from flows.stages.line import run_line
    from flows.stages.refund_postage import REFUND_POSTAGE, approve_case, find, propose_cases

    finance = replace(house, actor=FINANCE)
    find(finance)
    _, proposed = propose_cases(finance, by=FINANCE)
    story.tell(f"{len(proposed)} refund cases are proposed by {FINANCE}")
    with house.store.read() as uow:
        waiting = uow.refunds.of_state(RefundState.PROPOSED)
    for case in waiting:
        try:
            approve_case(house, case.case_id, by=FINANCE)
        except Refused as refusal:
            story.tell(f"{case.case_id}: {FINANCE} may not approve it [{refusal.code}]")
        approved = approve_case(replace(house, actor=SECOND), case.case_id, by=SECOND)
        story.tell(f"{case.case_id}: {SECOND} approves {kroner(approved.gross_ore)} to {approved.payer_name}")
    done = run_line(finance, REFUND_POSTAGE)
    story.remember(done.problems)
    story.tell(f"{done.counts.get('case_confirmed', 0)} refunds are executed")


def _report_fault(house: "House", story: Story) -> None:
    """A posted card fails at a gate; which one was decided by the first run."""
    from cards.life import CardState
    from flows.stages.fault_reports import report_fault

    with house.store.read() as uow:
        reported = [report.card_id for report, _, _ in uow.faults.faults()]
        card_id = (reported or uow.cards.ids_in_state(CardState.POSTED, limit=1))[0]
        card = uow.cards.get(card_id)
    outcome = report_fault(house, card, symptom="the gate does not open", by="site-gate-4")
    story.tell(f"card {card.number} fails in the field: {outcome.replace('_', ' ')}")


def _audit(house: "House", story: Story) -> list[str]:
    from store.audit import violations

    broken = [violation.rule for violation in violations(house.store, house.blobs)]
    story.tell("audit: " + (f"BROKEN: {', '.join(broken)}" if broken else "every invariant holds"))
    return broken
