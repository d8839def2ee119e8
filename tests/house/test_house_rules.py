"""The house's rules that no linter knows, each as a test: what a room may import, call, hold and be called."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("cards", "printing", "chip", "shipping", "billing", "store", "flows", "console")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts)

# What only an adapter may call, by the dotted name it is called with.
_WORLD = re.compile(
    r"^(time\.(time|time_ns|localtime|gmtime)"
    r"|(datetime\.)?datetime\.(now|utcnow|today)|(datetime\.)?date\.today"
    r"|random\..*|secrets\..*|uuid\.uuid[14]|uuid[14]|os\.urandom|socket\..*)$"
)
_WORLD_MODULES = {"random", "secrets", "socket", "socketserver"}
# Module → why it may nevertheless.
_EXCEPTIONS: dict[str, str] = {}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def _world_calls(tree: ast.Module) -> list[str]:
    calls = [_dotted(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if _WORLD.match(call)]


def _importers(package: str) -> list[str]:
    return [
        _name(path)
        for path in MODULES
        if any(name == package or name.startswith(f"{package}.") for name in _imports(_tree(path)))
    ]


def test_there_are_modules_to_judge() -> None:
    assert len(MODULES) > 50


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_opens_with_why_it_exists(path: Path) -> None:
    assert ast.get_docstring(_tree(path)) or not path.read_text("utf-8").strip(), "no docstring"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_modules_and_functions_stay_short(path: Path) -> None:
    text = path.read_text("utf-8")
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 60
    ]
    assert not long
    assert text.count("\n") < 500


def test_no_module_is_named_for_nothing() -> None:
    forbidden = {"utils", "util", "common", "core", "helpers", "misc"}
    assert [_name(path) for path in MODULES if forbidden & {*path.parts[-2:], path.stem}] == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_clock_and_chance_come_from_adapters_only(path: Path) -> None:
    if "adapters" in path.parts or _name(path) in _EXCEPTIONS:
        return
    tree = _tree(path)
    assert _world_calls(tree) == []
    assert {name.partition(".")[0] for name in _imports(tree)} & _WORLD_MODULES == set()


def test_exceptions_are_still_needed() -> None:
    needless = [
        name
        for name in _EXCEPTIONS
        if not _world_calls(_tree(ROOT / name)) and not {*_imports(_tree(ROOT / name))} & _WORLD_MODULES
    ]
    assert needless == []


def test_stripe_stays_in_the_adapters_of_billing() -> None:
    assert [name for name in _importers("stripe") if not name.startswith("billing/adapters/")] == []


def test_prefect_stays_in_the_flow_files() -> None:
    misplaced = [name for name in _importers("prefect") if not re.fullmatch(r"flows/[^/]+\.py", name)]
    assert misplaced == []


def _floats(tree: ast.Module) -> list[str]:
    literals = [
        f"line {node.lineno}: {node.value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    ]
    calls = [
        f"line {node.lineno}: float()"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _dotted(node.func) == "float"
    ]
    divisions = [
        f"line {node.lineno}: /"
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and not any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, node.right))
    ]
    return literals + calls + divisions


# Drawing and the file system know no money: millimetres may be fractions, and `/` joins paths.
_NO_MONEY = {"billing/documents.py", "billing/paper.py"}


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.parts[-2] == "billing" and _name(path) not in _NO_MONEY],
    ids=_name,
)
def test_no_float_comes_near_money(path: Path) -> None:
    assert _floats(_tree(path)) == []


def test_money_itself_has_no_float() -> None:
    assert _floats(_tree(ROOT / "cards" / "money.py")) == []


@pytest.mark.parametrize("lock", sorted(ROOT.glob("*.lock")), ids=lambda path: path.name)
def test_locks_name_no_host(lock: Path) -> None:
    assert "://" not in lock.read_text("utf-8")


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_suppression_says_why(path: Path) -> None:
    bare = [
        f"line {number}: {line.strip()}"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if (found := re.search(r"#\s*(noqa|type:\s*ignore|ruff:\s*noqa)[^#]*(#.*)?$", line))
        and not re.search(r"(noqa|ignore)(:\s*[A-Z0-9, ]+|\[[a-z, -]+\])?\s*(--?|—|#).{8,}", found.group(0))
    ]
    assert bare == []


@pytest.mark.parametrize("line", ["x = 1.5", "x = float(net)", "x = net / 2"])
def test_the_money_rule_can_fail(line: str) -> None:
    assert _floats(ast.parse(line))


@pytest.mark.parametrize(
    "line", ["datetime.now(UTC)", "datetime.datetime.now()", "time.time()", "uuid.uuid4()", "os.urandom(8)"]
)
def test_the_clock_rule_can_fail(line: str) -> None:
    assert _world_calls(ast.parse(line))
