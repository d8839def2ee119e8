"""Every bad input of a bureau's life: named by file, field and way out, in words and in JSON, with its exit code."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.console.terminal import Terminal, order, put

Spoil = Callable[[dict[str, Any]], object]


def _cards(count: int) -> list[dict[str, Any]]:
    card = order("X-1", photos=["face.jpg"])["cards"][0]
    return [{**card, "line": line} for line in range(1, count + 1)]


BAD_ORDERS: dict[str, tuple[Spoil, str, str]] = {
    "unknown field": (lambda d: d["cards"][0].update(nationality="NO"), "order.unknown_field", "cards[0].nationality"),
    "wrong check digit": (
        lambda d: d["business"].update(org_number="310149943"),
        "order.invalid",
        "business.org_number",
    ),
    "date in the future": (
        lambda d: d["cards"][0].update(birth_date="2031-01-01"),
        "order.in_future",
        "cards[0].birth_date",
    ),
    "missing photo": (lambda d: d["cards"][0].update(photo="gone.jpg"), "photo.missing", "cards[0].photo"),
    "oversized photo": (lambda d: d["cards"][0].update(photo="huge.jpg"), "photo.too_large", "cards[0].photo"),
    "10,000 cards": (lambda d: d.update(cards=_cards(10_000)), "order.too_many_cards", "cards"),
    "unknown kind": (lambda d: d.update(card_kind="astronaut"), "order.unknown_kind", "card_kind"),
}


@pytest.fixture
def bad_inbox(inbox: Path, request: pytest.FixtureRequest) -> Path:
    """The good order, and before it in the alphabet one with the trouble of this test."""
    spoil, _, _ = BAD_ORDERS[request.param]
    (inbox / "huge.jpg").write_bytes(bytes(10_000_001))
    document = order("BAD-1", photos=["face.jpg"])
    spoil(document)
    put(inbox, "bad.json", document)
    return inbox


@pytest.mark.parametrize(
    ("bad_inbox", "code", "field"),
    [(name, code, field) for name, (_, code, field) in BAD_ORDERS.items()],
    ids=list(BAD_ORDERS),
    indirect=["bad_inbox"],
)
def test_a_bad_order_is_named_and_the_rest_goes_on(terminal: Terminal, bad_inbox: Path, code: str, field: str) -> None:
    said = terminal("orders", "import", bad_inbox)
    assert said.code == 3
    for part in ("bad.json", code, field, "→"):
        assert part in said.words
    again = terminal("orders", "import", bad_inbox, "--json")
    assert again.code == 3
    assert again.json["counts"] == {"already_known": 1, "refused": 1}
    (problem,) = again.json["problems"]
    assert (problem["subject"], problem["code"], problem["field"]) == ("bad.json", code, field)
    assert problem["family"] == "refused"
    assert problem["fix"]


def test_a_file_that_is_no_json_is_named(terminal: Terminal, inbox: Path) -> None:
    (inbox / "broken.json").write_text('{"order_number": ')
    said = terminal("orders", "import", inbox, "--json")
    assert said.code == 3
    assert said.json["counts"] == {"refused": 1, "accepted": 1, "cards": 1}
    assert [(p["subject"], p["code"]) for p in said.json["problems"]] == [("broken.json", "order.not_json")]
    words = terminal("orders", "import", inbox).words
    assert "broken.json" in words
    assert "UTF-8" in words


def test_a_check_without_keeping_names_the_same(terminal: Terminal, inbox: Path) -> None:
    (inbox / "broken.json").write_text("{")
    said = terminal("orders", "import", inbox, "--dry-run", "--json")
    assert said.code == 3
    assert said.json["changed"] is False
    assert terminal("status", "--json").json["orders"] == 0


def test_nothing_there_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal("orders", "import", tmp_path / "nowhere", "--json")
    assert said.code == 3
    assert said.json["error"]["code"] == "source.missing"
    assert "nowhere" in said.json["error"]["message"]


@contextmanager
def _small_disk(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of its own at `folder`; needs the rights that CI has."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root, which CI has")


@needs_root
def test_a_full_disk_is_said_and_leaves_nothing_half(
    terminal: Terminal, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "big.jpg").write_bytes(bytes(3_000_000))
    put(inbox, "also.json", order("ALSO-1", photos=["big.jpg"]))
    with _small_disk(tmp_path / "small", "size=2m") as disk:
        monkeypatch.setenv("HSECARD_HOME", str(disk / "home"))
        said = terminal("orders", "import", inbox, "--json")
        assert said.code == 4
        (problem,) = said.json["problems"]
        assert (problem["subject"], problem["family"]) == ("also.json", "unavailable")
        assert problem["code"] in {"blobs.no_room", "store.no_room"}
        assert "room" in problem["fix"] or "space" in problem["fix"]
        assert said.json["counts"]["accepted"] == 1  # the small order still fits
        assert terminal("audit", "--json").json["whole"] is True
        (disk / "fill").write_bytes(b"")
        words = terminal("orders", "import", inbox).words
        assert "also.json" in words


@needs_root
def test_a_read_only_folder_is_said(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _small_disk(tmp_path / "still", "size=4m,ro") as disk:
        monkeypatch.setenv("HSECARD_HOME", str(disk / "home"))
        said = terminal("status", "--json")
        assert said.code == 4
        assert said.json["error"]["code"] == "home.not_writable"
        assert str(disk) in said.json["error"]["message"]
        assert str(disk) in "".join(terminal("status").err.split())


def test_a_home_under_a_file_is_said(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HSECARD_HOME", str(tmp_path / "file" / "home"))
    said = terminal("status", "--json")
    assert said.code == 4
    assert said.json["error"] | {"message": ""} == {
        "code": "home.not_writable",
        "message": "",
        "field": "HSECARD_HOME",
        "fix": "name a folder that this user may write, with room on its disk",
        "family": "unavailable",
    }


def test_a_database_of_a_newer_version_is_left_alone(terminal: Terminal) -> None:
    assert terminal("status").code == 0
    database = terminal.home / "hsecard.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    said = terminal("orders", "import", terminal.home, "--json")
    assert said.code == 3
    assert said.json["error"]["code"] == "store.schema_new"
    assert "newer" in terminal("status").words
    assert terminal("doctor", "--migrate", "--json").code == 3


def test_a_wrong_setting_name_is_refused(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSECARD_WORKRES", "2")
    said = terminal("status", "--json")
    assert said.code == 3
    assert (said.json["error"]["code"], said.json["error"]["field"]) == ("settings.unknown", "HSECARD_WORKRES")
    words = terminal("status").words
    assert "HSECARD_WORKRES" in words
    assert "HSECARD_WORKERS" in words


@pytest.mark.parametrize(("name", "value"), [("WORKERS", "0"), ("CLOCK", "yesterday"), ("VIRTUAL_FAULTS", "{")])
def test_a_wrong_setting_value_is_refused(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"HSECARD_{name}", value)
    said = terminal("status", "--json")
    assert said.code == 3
    assert said.json["error"]["code"] == "settings.invalid"
    assert name in json.dumps(said.json).upper()


def test_production_refuses_what_a_demo_may(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSECARD_ENVIRONMENT", "production")
    assert terminal("status", "--json").json["error"]["code"] == "settings.unsafe"


def test_wrong_usage_is_two(terminal: Terminal) -> None:
    assert terminal("orders", "imprt").code == 2
    said = terminal("blanks", "receive", "--lot", "L", "--count", "none", "--json")
    assert said.code == 2
    assert said.json["error"]["code"] == "usage.wrong"


def test_a_defect_is_one_line_and_a_file(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect is planted: what must not happen is that it spills over the terminal."""
    assert terminal("status").code == 0
    monkeypatch.setattr("store.status.status", lambda store: 1 / 0)
    said = terminal("status", "--json")
    assert said.code == 1
    assert said.json["error"]["code"] == "defect.unexpected"
    assert "Traceback" not in said.out + said.err
    assert "ZeroDivisionError" in terminal("status").words
    assert "ZeroDivisionError" in (terminal.home / "last-defect.txt").read_text()
