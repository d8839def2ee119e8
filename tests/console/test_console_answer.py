"""How trouble is answered: the gravest family decides the exit code; JSON and words say the same."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cards.errors import HseCardError, Refused, Spoiled, Unavailable, Unsure
from console.answer import answer, answer_error, exit_code_of
from console.show import kroner
from flows.stages.line import Problem


def _problem(family: type[HseCardError], subject: str = "B-1-1") -> Problem:
    return Problem.of(subject, family("a.code", "what [is] wrong", fix="the way out", field="cards[0].photo"))


@pytest.mark.parametrize(
    ("families", "code"),
    [
        ([], 0),
        ([Refused], 3),
        ([Refused, Spoiled], 5),
        ([Spoiled, Unavailable, Refused], 4),
        ([Unavailable, Refused, Unsure], 6),
    ],
)
def test_the_gravest_family_decides(families: list[type[HseCardError]], code: int) -> None:
    assert exit_code_of(map(_problem, families)) == code


def test_json_holds_the_problems_and_nothing_else_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    document = {"at": datetime(2026, 11, 23, tzinfo=UTC), "path": Path("a"), "name": "Żółć"}
    assert answer(document, ["words"], as_json=True, problems=[_problem(Unsure)]) == 6
    said = json.loads(capfd.readouterr().out)
    assert said["name"] == "Żółć"
    assert said["at"] == "2026-11-23T00:00:00+00:00"
    assert said["problems"][0]["field"] == "cards[0].photo"


def test_words_keep_brackets(capfd: pytest.CaptureFixture[str]) -> None:
    answer({}, [], as_json=False, problems=[_problem(Refused, subject="[bold]order.json")])
    said = capfd.readouterr().out
    for part in ("[bold]order.json", "cards[0].photo", "what [is] wrong", "a.code", "the way out"):
        assert part in said


@pytest.mark.parametrize("family", [Refused, Unavailable, Spoiled, Unsure])
def test_an_error_is_the_same_in_both_tongues(family: type[HseCardError], capfd: pytest.CaptureFixture[str]) -> None:
    fault = family("a.code", "what is wrong", fix="the way out", field="FIELD")
    assert answer_error(fault, as_json=True) == answer_error(fault, as_json=False) == family.exit_code
    out, err = capfd.readouterr()
    assert json.loads(out)["error"] == {
        "code": "a.code",
        "message": "what is wrong",
        "field": "FIELD",
        "fix": "the way out",
        "family": family.__name__.lower(),
    }
    assert "a.code" in err
    assert "FIELD: what is wrong" in err


@pytest.mark.parametrize(
    ("ore", "text"), [(0, "0.00 NOK"), (123456789, "1 234 567.89 NOK"), (-5, "-0.05 NOK"), (-123400, "-1 234.00 NOK")]
)
def test_kroner_are_told_with_two_decimals(ore: int, text: str) -> None:
    assert kroner(ore) == text


def test_a_reader_who_leaves_is_no_defect() -> None:
    run = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m console.cli --help | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() in {"0", "141"}
    assert run.stderr == ""
