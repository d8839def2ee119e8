"""Every error code that the code can raise has its paragraph in the runbook, and every paragraph its code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("cards", "printing", "chip", "shipping", "billing", "store", "flows", "console")
FAMILIES = {"Refused", "Unavailable", "Spoiled", "Unsure"}
RUNBOOK = ROOT / "docs" / "runbook.md"
_CODE = re.compile(r"[a-z][a-z_]*(\.[a-z0-9_]+)+")


def _modules() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def _raisings(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FAMILIES:
            yield node


def _literals(node: ast.expr) -> set[str]:
    """The strings an expression can be: a literal, or one of the two sides of `a if b else c`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return _literals(node.body) | _literals(node.orelse)
    return set()


def _codes_in(path: Path) -> set[str]:
    """Codes raised as literals; where a code comes from a table of the module, every dotted string in that table."""
    codes: set[str] = set()
    for call in _raisings(path):
        named = _literals(call.args[0]) if call.args else set()
        codes |= named or _table_codes(path)
    return codes


def _table_codes(path: Path) -> set[str]:
    tables = [
        node
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict)
    ]
    strings = (
        node.value
        for table in tables
        for node in ast.walk(table)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in strings if _CODE.fullmatch(text)}


def _raised() -> dict[str, list[str]]:
    where: dict[str, list[str]] = {}
    for path in _modules():
        for code in _codes_in(path):
            where.setdefault(code, []).append(path.relative_to(ROOT).as_posix())
    return where


def _told() -> list[str]:
    return re.findall(r"^### (\S+)$", RUNBOOK.read_text("utf-8"), flags=re.MULTILINE)


def test_every_code_has_its_paragraph() -> None:
    told = set(_told())
    assert {code: places for code, places in _raised().items() if code not in told} == {}


def test_every_paragraph_has_its_code() -> None:
    assert set(_told()) - set(_raised()) == set()


def test_no_paragraph_stands_twice() -> None:
    told = _told()
    assert sorted(code for code in set(told) if told.count(code) > 1) == []


def test_a_code_belongs_to_one_family() -> None:
    families: dict[str, set[str]] = {}
    for call in (call for path in _modules() for call in _raisings(path)):
        for code in _literals(call.args[0]) if call.args else ():
            families.setdefault(code, set()).add(ast.unparse(call.func))
    assert {code: sorted(names) for code, names in families.items() if len(names) > 1} == {}


def test_codes_are_dotted_and_lower_case() -> None:
    assert [code for code in _raised() if not _CODE.fullmatch(code)] == []


def test_every_paragraph_names_its_family() -> None:
    bodies = re.findall(r"^### (\S+)\n+(\S+) · ", RUNBOOK.read_text("utf-8"), flags=re.MULTILINE)
    assert {code for code, family in bodies if family in FAMILIES} == set(_told())
