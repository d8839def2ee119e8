"""How a command answers: one JSON document for machines or tables for people, and the exit code of the gravest trouble.

Exit codes: 0 done · 1 a defect of ours · 2 wrong usage · 3 refused · 4 unavailable · 5 spoiled · 6 unsure · 7 audit
violations · 130 stopped by hand · 141 nobody reads on.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from cards.errors import HseCardError, Refused, Spoiled, Unavailable, Unsure

OK, DEFECT, VIOLATIONS, STOPPED, PIPE_CLOSED = 0, 1, 7, 130, 141
_GRAVEST_FIRST = (Unsure, Unavailable, Spoiled, Refused)


class Trouble(Protocol):
    """What a person should look at; `flows.stages.line.Problem` is one."""

    @property
    def subject(self) -> str:
        """What it concerns: a file, a card, a batch."""
        ...

    @property
    def family(self) -> str:
        """`refused`, `unavailable`, `spoiled` or `unsure`."""
        ...

    @property
    def code(self) -> str:
        """The stable code; a paragraph of docs/runbook.md."""
        ...

    @property
    def message(self) -> str:
        """What is wrong."""
        ...

    @property
    def fix(self) -> str:
        """The way out."""
        ...

    @property
    def field(self) -> str | None:
        """The offending field, as its author wrote it."""
        ...


def exit_code_of(problems: Iterable[Trouble]) -> int:
    """The exit code of the gravest family among the problems; 0 without any."""
    families = {problem.family for problem in problems}
    for family in _GRAVEST_FIRST:
        if family.__name__.lower() in families:
            return family.exit_code
    return OK


def answer(
    document: Mapping[str, Any],
    shown: Iterable[RenderableType],
    *,
    as_json: bool,
    problems: Iterable[Trouble] = (),
) -> int:
    """Print the answer of a command and give its exit code. `document` need not hold the problems: they are added."""
    listed = list(problems)
    if as_json:
        print_json({**document, "problems": [_plain(problem) for problem in listed]} if listed else document)
    else:
        out = Console(highlight=False)
        for part in (*shown, *told_once(listed)):
            out.print(part)
    return exit_code_of(listed)


def print_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """One JSON document on stdout, in UTF-8 whatever the terminal says."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=_plain) + "\n"
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    else:
        sys.stdout.write(text)


def _plain(value: object) -> object:
    """What JSON has no word for."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def told(problem: Trouble, *, others: int = 0) -> RenderableType:
    """A problem for a person: what it concerns (and how many `others`), the code, what is wrong, the way out."""
    head = Text("✗ ", style="red")
    head.append(problem.subject, style="bold default")
    head.append(f" and {others} more" if others else "", style="default")
    head.append(f"  {problem.family}  ")
    head.append(problem.code, style="dim")
    body = Text()
    if problem.field and not problem.message.startswith(problem.field):
        body.append("field ", style="dim")
        body.append(f"{problem.field}: ")
    body.append(f"{problem.message}\n")
    body.append("→ ", style="green")
    body.append(problem.fix)
    return Group(head, Padding(body, (0, 0, 0, 2)))


def told_once(problems: Iterable[Trouble]) -> list[RenderableType]:
    """Problems for a person; those that differ only in what they concern are told once."""
    groups: dict[tuple[str, ...], list[Trouble]] = {}
    for problem in problems:
        key = (problem.code, problem.message, problem.fix, problem.field or "")
        groups.setdefault(key, []).append(problem)
    return [told(same[0], others=len(same) - 1) for same in groups.values()]


def answer_error(fault: HseCardError, *, as_json: bool) -> int:
    """One of our errors ends the command: in JSON on stdout, in words on stderr; its family gives the exit code."""
    family = type(fault).__name__.lower()
    if as_json:
        error = {"code": fault.code, "message": fault.message, "field": fault.field, "fix": fault.fix, "family": family}
        print_json({"error": error})
    else:
        text = Text()
        text.append(f"{family}: ", style="bold red")
        text.append(f"{fault.field}: " if fault.field else "")
        text.append(fault.message)
        text.append(f"  [{fault.code}]\n", style="dim")
        text.append("→ ", style="green")
        text.append(fault.fix)
        Console(stderr=True, highlight=False).print(text)
    return fault.exit_code


def answer_words(code: str, message: str, *, fix: str, as_json: bool, exit_code: int) -> int:
    """A wrong usage or a defect ends the command; the same shape as an error of ours."""
    if as_json:
        error = {"code": code, "message": message, "field": None, "fix": fix, "family": code.partition(".")[0]}
        print_json({"error": error})
    else:
        Console(stderr=True, highlight=False).print(Text(f"{message}\n→ {fix}"))
    return exit_code
