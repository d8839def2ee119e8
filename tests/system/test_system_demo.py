"""`make demo` as a newcomer runs it: twice, as its own process, on the sample world with its documented troubles."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _demo(out: Path) -> dict[str, Any]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("HSECARD_", "PREFECT_"))}
    run = subprocess.run(
        [sys.executable, "-m", "console.cli", "demo", "--out", str(out), "--json"],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    document: dict[str, Any] = json.loads(run.stdout)
    return document


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], bytes, dict[str, Any]]:
    """The folder, the first run, its summary.json, and the second run."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    first = _demo(out)
    summary = (out / "summary.json").read_bytes()
    return out, first, summary, _demo(out)


def test_the_main_job_is_done(twice: tuple[Path, dict[str, Any], bytes, dict[str, Any]]) -> None:
    _, first, _, _ = twice
    assert first["audit"] == []
    assert first["orders"] == 60
    assert first["cards"]["by_state"] == {"posted": 190, "held": 10, "blocked": 1}
    assert set(first["batches"]) == {"closed"}
    assert first["blanks"]["spoiled"] == 1
    assert first["faults"] == {"reported": 1, "open": 0, "replaced": 1}
    assert {state: count for state, count in first["effects"].items() if count and state != "confirmed"} == {
        "refused": 1  # the chip that failed while it was encoded
    }
    assert first["credit_notes"]["net_ore"] == 17_280  # samples/README.md: 172.80 and VAT 44.10
    assert first["credit_notes"]["vat_ore"] == 4_410
    assert any("refund.same_person" in step for step in first["steps"])


def test_what_a_person_has_to_do_is_told_by_reason(twice: tuple[Path, dict[str, Any], bytes, dict[str, Any]]) -> None:
    _, first, _, _ = twice
    by_reason: dict[str, int] = {}
    for reason, count in first["held"].items():
        word = reason.partition(":")[0]
        by_reason[word] = by_reason.get(word, 0) + count
    assert by_reason == {"photo": 1, "name_glyph": 1, "address_invalid": 2, "tariff_unknown": 6}


def test_every_file_is_listed_with_its_hash(twice: tuple[Path, dict[str, Any], bytes, dict[str, Any]]) -> None:
    import hashlib

    out, first, summary, _ = twice
    listed = {row["path"]: row["sha256"] for row in first["files"]}
    assert {"contact-sheet.png", "card-front.png", "card-back.png"} <= set(listed)
    kinds = {Path(path).parts[1] for path in listed if path.startswith("documents/")}
    assert kinds == {"letter", "label", "packing_list", "manifest", "invoice", "ehf", "credit_note", "statement"}
    assert {path: hashlib.sha256((out / path).read_bytes()).hexdigest() for path in listed} == listed
    assert json.loads(summary) == {
        key: value for key, value in first.items() if key not in {"steps", "changed", "audit"}
    }


def test_a_second_run_changes_nothing(twice: tuple[Path, dict[str, Any], bytes, dict[str, Any]]) -> None:
    out, first, summary, second = twice
    assert (first["changed"], second["changed"]) == (True, False)
    assert "this run changed nothing" in second["steps"]
    assert (out / "summary.json").read_bytes() == summary
