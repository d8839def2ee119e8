"""Faults in the field as an operator and a site system meet them: commands, and the API with its token and errors."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from cards.life import CardState
from console.api import build_app
from flows.house import House, open_house
from flows.settings import read_settings
from tests.console.terminal import Terminal
from tests.flows.fleet import post

TOKEN = "a token of 24 letters, no".replace(" ", "-").replace(",", "")


@pytest.fixture
def house(terminal: Terminal) -> Iterator[House]:
    """The house of the terminal; L-1 has three cards in the field, L-2 thirty."""
    with open_house(actor="a test", settings=read_settings()) as opened:
        post(opened, "L-1", 3)
        post(opened, "L-2", 30, encoder="two", generation=2)
        yield opened


def state(house: House, card_id: str) -> str:
    with house.store.read() as uow:
        return uow.cards.get(card_id).state.value


# --- commands --------------------------------------------------------------------------------------------------


def test_a_list_on_the_command_line(terminal: Terminal, house: House) -> None:
    said = terminal("chips", "report-fault", "O-L-1-1", "O-L-1-2", "1", "--symptom", "dead", "--json")
    assert (said.code, said.json["counts"]) == (3, {"refused": 1, "reported": 2})
    assert [card["outcome"] for card in said.json["cards"]] == ["reported", "reported", "unknown"]
    assert said.json["problems"][0]["subject"] == "1"
    assert said.json["report_id"].startswith("FR-")


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv", "card,symptom\nO-L-1-1,dead\n,\n"), ("a.txt", "O-L-1-1\n"), ("a.json", '{"cards": ["O-L-1-1"]}')],
)
def test_a_list_in_a_file(terminal: Terminal, house: House, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    said = terminal("chips", "report-fault", "--file", tmp_path / name, "--json")
    assert (said.code, said.json["counts"]) == (0, {"reported": 1})
    assert state(house, "O-L-1-1") == "faulty"


def test_a_bad_row_is_told_and_counted(terminal: Terminal, house: House, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("card\nO-L-1-1\n" + "x" * 81 + "\n")
    said = terminal("chips", "report-fault", "--file", tmp_path / "a.csv", "--json")
    assert (said.code, said.json["counts"]) == (3, {"reported": 1, "unreadable": 1})
    assert said.json["problems"][0]["subject"] == "a.csv:3"


@pytest.mark.parametrize(
    "marks",
    [("--lot", "L-2"), ("--encoder", "two"), ("--key-generation", "2"), ("--encoded-on", "2026-11-23", "--lot", "L-2")],
    ids=" ".join,
)
def test_a_cohort_is_tried_counted_and_done(terminal: Terminal, house: House, marks: tuple[str, ...]) -> None:
    tried = terminal("chips", "report-fault", *marks, "--dry-run")
    assert "--expect 30" in tried.words
    assert "and 10 more" in tried.words
    refused = terminal("chips", "report-fault", *marks, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (3, "fault.count_missing")
    assert state(house, "O-L-2-1") == "posted"
    done = terminal("chips", "report-fault", *marks, "--expect", "30", "--json")
    assert (done.code, done.json["counts"]) == (0, {"reported": 30})
    assert (state(house, "O-L-2-1"), state(house, "O-L-1-1")) == ("faulty", "posted")


def test_cohorts_are_compared_and_the_bad_one_recalled(terminal: Terminal, house: House) -> None:
    terminal("chips", "report-fault", *(f"O-L-2-{line}" for line in range(1, 13)))
    post(house, "L-3", 300)
    said = terminal("chips", "cohorts", "--json").json
    assert [(row["name"], row["encoded"], row["reported"], row["stands_out"]) for row in said["cohorts"]] == [
        ("L-1", 3, 0, False), ("L-2", 30, 12, True), ("L-3", 300, 0, False),
    ]  # fmt: skip
    assert list(said["recall"]) == ["L-2"]
    words = terminal("chips", "cohorts")
    assert max(map(len, words.out.splitlines())) <= 80
    assert "40.00" in words.words
    assert said["recall"]["L-2"] in words.words
    recall = said["recall"]["L-2"].replace("WHY", "brittle").split()[1:]
    assert terminal(*recall, "--json").json["counts"] == {"already_reported": 12, "reported": 18}
    done = terminal("chips", "recall", "--lot", "L-2", "--reason", "brittle", "--expect", "18", "--json")
    assert (done.code, done.json["counts"]["reported"]) == (0, 18)
    for by in ("encoder", "generation", "day"):
        assert terminal("chips", "cohorts", "--by", by, "--json").json["house"]["encoded"] == 333
    assert terminal("chips", "cohorts", "--by", "colour", "--json").json["error"]["code"] == "cohorts.unknown_mark"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "fault.which_card"),
        (("1", "--lot", "L-1"), "fault.which_card"),
        (("1", "--file", "x.csv"), "fault.which_card"),
        (("--file", "nowhere.csv"), "file.unreadable"),
        (("--lot", "L-9"), "fault.empty_cohort"),
        (("--encoded-on", "yesterday"), "fault.document"),
        (("1", "--symptom", "x" * 201), "fault.document"),
    ],
)
def test_a_report_that_says_nothing_clear_is_refused(
    terminal: Terminal, house: House, words: tuple[str, ...], code: str
) -> None:
    said = terminal("chips", "report-fault", *words, "--json")
    assert (said.code, said.json["error"]["code"]) == (3, code)


# --- the API ---------------------------------------------------------------------------------------------------


class Site:
    """A site system that speaks HTTP to the API of a house, in this process."""

    def __init__(self, house: House, **headers: str) -> None:
        self._transport = httpx.ASGITransport(build_app(house, TOKEN), raise_app_exceptions=False)
        self._headers = headers

    def request(self, method: str, path: str = "/api/faults", **content: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://house") as client:
                return await client.request(method, path, headers=self._headers, **content)

        return asyncio.run(ask())

    def post(self, **content: Any) -> httpx.Response:
        return self.request("POST", **content)


@pytest.fixture
def site(house: House) -> Site:
    """A site system that holds the token."""
    return Site(house, Authorization=f"Bearer {TOKEN}")


def a_report(*cards: Any, **changes: Any) -> dict[str, Any]:
    return {"report_key": "gate-7:1", "reported_by": "gate 7", "cards": list(cards), "symptom": "dead"} | changes


def test_a_report_over_the_api_and_the_same_again(site: Site, house: House) -> None:
    report = a_report("O-L-1-1", {"card": "O-L-1-2", "symptom": "will not open"}, "9999999")
    first = site.post(json=report)
    assert (first.status_code, first.json()["counts"]) == (201, {"refused": 1, "reported": 2})
    (problem,) = first.json()["problems"]
    assert (problem["subject"], problem["code"], bool(problem["fix"])) == ("cards[2]", "card.unknown", True)
    again = site.post(json=report)
    assert again.status_code == 200
    assert again.json() == first.json() | {"repeated": True}
    with house.store.read() as uow:
        assert [fault.reported_by for fault, _, _ in uow.faults.faults()] == ["gate 7"] * 2


def test_a_cohort_over_the_api_is_counted_first(site: Site, house: House) -> None:
    cohort = {"report_key": "k", "reported_by": "bo", "cohort": {"lot": "L-2"}}
    tried = site.post(json=cohort | {"dry_run": True})
    assert (tried.status_code, tried.json()["counts"]) == (200, {"reported": 30})
    refused = site.post(json=cohort | {"expect": 29})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "fault.count_differs")
    assert site.post(json=cohort | {"expect": 30}).status_code == 201
    assert state(house, "O-L-2-30") == "faulty"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", (422, "fault.document", None)),
        (b"[]", (422, "fault.document", None)),
        (b'{"cards": ["1"]}', (422, "fault.document", "report_key")),
        (b'{"cards": ["1"], "report_key": "k"}', (422, "fault.document", "reported_by")),
        (b'{"cards": ["1"], "report_key": "a b", "reported_by": "x"}', (422, "fault.document", "report_key")),
        (b'{"cards": [7], "report_key": "k", "reported_by": "x"}', (422, "fault.document", "cards[0]")),
        (b'{"cards": ["1"], "report_key": "k", "reported_by": "x", "name": "y"}', (422, "fault.document", "name")),
        (b'{"cards": ["\\ud800"], "report_key": "k", "reported_by": "x"}', (422, "fault.document", None)),
        (b'{"cards": ["1", "2"], "report_key": "k", "reported_by": "x"}', (422, "fault.nothing_taken", "cards")),
        (b'{"cohort": {"lot": "no"}, "report_key": "k", "reported_by": "x"}', (422, "fault.empty_cohort", "cohort")),
        (b'{"cohort": {"lot": "L-1"}, "report_key": "k", "reported_by": "x"}', (409, "fault.count_missing", "expect")),
        (b" " * 5_000_001, (413, "api.too_large", None)),
    ],
)
def test_a_wrong_report_over_the_api_is_told_what_is_wrong(
    site: Site, house: House, body: bytes, told: tuple[int, str, str | None]
) -> None:
    said = site.post(content=body)
    error = said.json()["error"]
    assert (said.status_code, error["code"], error["field"]) == told
    assert error["fix"]
    with house.store.read() as uow:
        assert uow.faults.faults() == []


def test_a_key_that_stands_for_another_report_is_a_conflict(site: Site) -> None:
    site.post(json=a_report("O-L-1-1"))
    said = site.post(json=a_report("O-L-1-2"))
    assert (said.status_code, said.json()["error"]["code"]) == (409, "fault.report_key_reused")


@pytest.mark.parametrize("given", [None, "", "Bearer", f"Bearer {TOKEN}x", f"bearer {TOKEN}", f"Basic {TOKEN}"])
def test_without_the_token_nothing_is_read(house: House, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    said = Site(house, **headers).post(content=b"{")
    assert (said.status_code, said.json()["error"]["code"]) == (401, "api.unauthorized")
    assert said.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/faults"), ("POST", "/"), ("GET", "/docs"), ("GET", "/x")])
def test_there_is_nothing_else(site: Site, method: str, path: str) -> None:
    said = site.request(method, path)
    assert (said.status_code, said.json()["error"]["code"]) == (404, "api.no_such_path")


def test_a_house_that_cannot_answer_now_says_when_to_come_again(site: Site, house: House) -> None:
    (house.settings.home / "hsecard.sqlite").chmod(0o400)
    with ExitStack() as after:
        after.callback((house.settings.home / "hsecard.sqlite").chmod, 0o600)
        if os.access(house.settings.home / "hsecard.sqlite", os.W_OK):  # root writes everywhere: take the table away
            with house.store.begin() as uow:
                uow.connection.exec_driver_sql("ALTER TABLE fault_reports RENAME TO hidden")
        said = site.post(json=a_report("O-L-1-1"))
    assert (said.status_code, said.json()["error"]["family"]) == (503, "unavailable")
    assert said.headers["retry-after"] == "5"


@pytest.mark.parametrize(("token", "code"), [(None, "api.no_token"), ("short", "api.weak_token")])
def test_the_api_does_not_start_without_a_token(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, token: str | None, code: str
) -> None:
    if token:
        monkeypatch.setenv("HSECARD_API_TOKEN", token)
    said = terminal("api", "--json")
    assert (said.code, said.json["error"]["code"], said.json["error"]["field"]) == (3, code, "HSECARD_API_TOKEN")


def test_the_server_does_not_start_with_a_token_that_will_not_do(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSECARD_API_TOKEN", "with spaces in a long text")
    said = terminal("serve", "--json")
    assert (said.code, said.json["error"]["code"]) == (3, "api.weak_token")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_program_listens_on_loopback_until_it_is_stopped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSECARD_API_TOKEN", TOKEN)
    monkeypatch.setenv("HSECARD_API_PORT", str(_free_port()))
    command = [sys.executable, "-m", "console.cli", "api", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        try:
            assert program.stdout is not None
            lines = [program.stdout.readline() for _ in range(3)]
            address = json.loads(b"".join(lines))["api"]
            assert address.startswith("http://127.0.0.1:")
            headers = {"Authorization": f"Bearer {TOKEN}"}
            said = httpx.post(address, json=a_report("O-L-1-1"), headers=headers, timeout=20)
            second = subprocess.run(command, capture_output=True, check=False)
            program.send_signal(signal.SIGINT)
            _, errors = program.communicate(timeout=20)
        finally:
            program.kill()
    assert said.status_code == 201
    assert json.loads(second.stdout)["error"]["code"] == "api.port_taken"
    assert program.returncode in (0, 130)
    assert TOKEN.encode() not in errors
    assert state(house, "O-L-1-1") == CardState.FAULTY
