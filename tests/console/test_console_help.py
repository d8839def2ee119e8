"""What a newcomer reads first: help that fits 80 columns, and the same long flags everywhere."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from rich.cells import cell_len

from console.cli import app
from tests.console.terminal import Terminal

Words = tuple[str, ...]

# What only looks: everything else changes something and must be able to say what it would do.
LOOKS_ONLY = {
    ("orders", "show"),
    ("cards", "find"),
    ("cards", "show"),
    ("photos", "check"),
    ("layouts", "list"),
    ("layouts", "preview"),
    ("layouts", "schema"),
    ("addresses", "check"),
    ("businesses", "list"),
    ("addresses", "flagged"),
    ("shipments", "list"),
    ("postage", "quote"),
    ("postcodes", "ask"),
    ("shipments", "show"),
    ("returns", "list"),
    ("invoices", "list"),
    ("invoices", "waiting"),
    ("invoices", "free"),
    ("payments", "list"),
    ("payments", "fetch"),
    ("payments", "reconcile"),
    ("payments", "failed"),
    ("payments", "retry"),
    ("payments", "by-bank"),
    ("invoices", "export"),
    ("invoices", "rates"),
    ("batches", "list"),
    ("batches", "show"),
    ("prints", "list"),
    ("blanks", "list"),
    ("chips", "cohorts"),
    ("encoders", "list"),
    ("chips", "read"),
    ("chip", "derive"),
    ("chip", "read"),
    ("postage", "holds"),
    ("postage", "tariffs"),
    ("refunds", "list"),
    ("refunds", "proof"),
    ("refunds", "show"),
    ("refunds", "statement"),
    ("refunds", "roles", "list"),
    ("refunds", "payouts", "list"),
    ("refunds", "undercharged", "list"),
    ("documents", "list"),
    ("bank", "list"),
    ("numbers", "list"),
    ("ledger", "balances"),
    ("ledger", "export"),
    ("documents", "export"),
    ("status",),
    ("audit",),
}
RUNS_A_WORLD_OF_ITS_OWN = {("serve",), ("api",), ("demo",)}
# Where a person's name stands in the journal or on a case.
A_PERSON_ACTS = {
    ("businesses", "terms"),
    ("orders", "import"),
    ("orders", "readdress"),
    ("addresses", "rekey"),
    ("pack",),
    ("numbers", "add"),
    ("addresses", "clear"),
    ("returns", "scan"),
    ("returns", "reship"),
    ("returns", "destroy"),
    ("cards", "block"),
    ("cards", "correct"),
    ("cards", "release"),
    ("cards", "cancel"),
    ("cards", "spoil"),
    ("batches", "close"),
    ("prints", "outcome"),
    ("blanks", "receive"),
    ("chips", "report-fault"),
    ("chips", "release"),
    ("encoders", "start"),
    ("encoders", "stop"),
    ("chip", "roll-over"),
    ("chips", "recall"),
    ("refunds", "find"),
    ("refunds", "propose"),
    ("refunds", "approve"),
    ("refunds", "reject"),
    ("refunds", "add"),
    ("refunds", "roles", "set"),
    ("refunds", "roles", "agree"),
    ("refunds", "payouts", "done"),
    ("refunds", "undercharged", "charge"),
    ("refunds", "undercharged", "agree"),
    ("refunds", "execute"),
    ("postage", "import"),
    ("bank", "import"),
    ("day",),
}


def _commands() -> Iterator[tuple[Words, set[str]]]:
    """Every command with its long flags."""
    for words, leaf in _leaves((), typer.main.get_command(app)):
        yield words, {flag for parameter in leaf.params for flag in parameter.opts}


def _leaves(words: Words, command: Any) -> Iterator[tuple[Words, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
    for name, part in (inner or {}).items():
        yield from _leaves((*words, name), part)


COMMANDS = dict(_commands())


def test_the_commands_of_the_issue_are_there() -> None:
    groups = {words[0] for words in COMMANDS}
    named = "orders day produce encode ship invoice refunds chips cards batches status audit doctor serve demo"
    assert set(named.split()) <= groups
    assert {("refunds", verb) for verb in ("find", "propose", "approve", "execute", "list")} <= set(COMMANDS)


@pytest.mark.parametrize(
    "words", [(), *sorted({w[:n] for w in COMMANDS for n in (1, 2)} | set(COMMANDS))], ids=" ".join
)
def test_help_fits_80_columns(terminal: Terminal, words: Words) -> None:
    said = terminal(*words, "--help")
    assert said.code == 0
    assert "Usage" in said.out
    assert [row for row in said.out.splitlines() if cell_len(row) > 80] == []
    assert "…" not in said.out.replace("HSECARD_…", "").replace("s3://…", "").replace("PATH…", ""), "something was cut"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_speaks_to_machines(words: Words) -> None:
    assert "--json" in COMMANDS[words]


@pytest.mark.parametrize("words", sorted(set(COMMANDS) - LOOKS_ONLY - RUNS_A_WORLD_OF_ITS_OWN), ids=" ".join)
def test_what_changes_something_can_be_tried(words: Words) -> None:
    assert "--dry-run" in COMMANDS[words]


@pytest.mark.parametrize("words", sorted(A_PERSON_ACTS), ids=" ".join)
def test_who_acts_is_named(words: Words) -> None:
    assert "--by" in COMMANDS[words]


def test_flags_are_long() -> None:
    short = {
        flag for flags in COMMANDS.values() for flag in flags if flag.startswith("-") and not flag.startswith("--")
    }
    assert short == set()


def test_help_loads_no_room() -> None:
    heavy = {"cv2", "PIL", "reportlab", "sqlalchemy", "prefect", "boto3", "stripe", "flows.house"}
    program = f"import sys, console.cli; print(sorted({heavy!r} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"
