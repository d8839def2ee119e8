"""A small real house and one Prefect server for all tests of this folder that need one."""

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.house import House, open_house
from flows.settings import Settings
from flows.stages.by_hand import receive_blanks

SAMPLES = Path(__file__).resolve().parent.parent.parent / "samples" / "orders"
ORDERS = ("B-2026-000401", "B-2026-000407")  # 407 has a photo of a rocket and nobody


@pytest.fixture(scope="session")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two orders of the samples with their photos."""
    folder = tmp_path_factory.mktemp("inbox")
    for number in ORDERS:
        order = SAMPLES / f"{number}.json"
        shutil.copy(order, folder)
        for card in order_document(number)["cards"]:
            (folder / card["photo"]).parent.mkdir(exist_ok=True)
            shutil.copy(SAMPLES / card["photo"], folder / card["photo"])
    return folder


def order_document(number: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SAMPLES / f"{number}.json").read_text("utf-8"))
    return document


@contextmanager
def small_house(home: Path, *, blanks: int = 50, faults: dict[str, str] | None = None) -> Iterator[House]:
    """A house that works in this process; `blanks` in the vault, `faults` planted in its virtual chips."""
    settings = Settings(
        home=home,
        environment="test",
        clock=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
        engine="inline",
        chunk=3,
        durable=False,
        virtual_faults=faults or {},
    )
    with open_house(actor="a test", settings=settings) as house:
        if blanks:
            receive_blanks(house, lot="L-1", count=blanks)
        yield house


@pytest.fixture(scope="session")
def open_small_house() -> Callable[..., AbstractContextManager[House]]:
    """`small_house`, handed out as a fixture: test files here cannot import from one another."""
    return small_house


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prefect with a server and a database of its own; it takes ten seconds to come up, so once a session."""
    os.environ["PREFECT_HOME"] = str(tmp_path_factory.mktemp("prefect"))
    from prefect.testing.utilities import prefect_test_harness

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with prefect_test_harness(server_startup_timeout=120):
            yield
