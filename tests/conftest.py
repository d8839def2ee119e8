"""Fixtures that several rooms share: a clock that stands still, both databases, and a real S3 server."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cards.adapters.system import SteadyClock
from store.database import Store, migrate, open_store
from store.s3 import S3Place
from tests.servers import Postgres, S3Server, running_postgres, running_s3


@pytest.fixture
def clock() -> SteadyClock:
    """Monday, 23 November 2026, eight o'clock in Oslo."""
    return SteadyClock(datetime(2026, 11, 23, 7, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started for the first test that asks for it."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server, started for the first test that asks for it."""
    with running_s3() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database to copy."""
    path = tmp_path_factory.mktemp("template") / "hsecard.sqlite"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database: each test runs on both."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        path = tmp_path / "hsecard.sqlite"
        path.write_bytes(template.read_bytes())
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop(url)


@pytest.fixture
def store(database_url: str, clock: SteadyClock) -> Iterator[Store]:
    """An open store on a fresh database; commits do not wait for the disk."""
    opened = open_store(database_url, clock=clock, durable=False)
    yield opened
    opened.close()


@dataclass(frozen=True)
class Bucket:
    """An empty bucket and how to speak to it."""

    place: S3Place
    reader: S3Place
    name: str


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket; the environment names the server, so that `s3://…` addresses work too."""
    name = "tests"
    s3_server.empty(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return Bucket(place=s3_server.place, reader=s3_server.reader, name=name)
