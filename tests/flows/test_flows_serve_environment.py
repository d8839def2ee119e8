"""The environment of the house's Prefect server: offline, under its home, the same settings in every process."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from cards.errors import Unavailable
from flows import serve
from flows.settings import Settings, read_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home",
        prefect_port=4999,
        secret=SecretStr("a secret of its own"),
        api_token=SecretStr("a-token-of-its-own"),
        api_people={"anna": SecretStr("a-token-of-anna-alone")},
        clock=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
        durable=False,
        tariff_files=(tmp_path / "tariff.csv",),
        virtual_faults={"P-000001#7": "aborted"},
    )


def test_everything_prefect_writes_lies_under_the_home(settings: Settings) -> None:
    environment = serve.prefect_environment(settings)
    home = str(settings.home.resolve())
    assert environment["PREFECT_HOME"].startswith(home)
    assert environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"].startswith(f"sqlite+aiosqlite:///{home}")
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4999/api"


def test_every_name_is_a_setting_that_prefect_knows(settings: Settings) -> None:
    """A misspelt variable would be ignored without a word."""
    from prefect.settings import get_current_settings
    from prefect.settings.legacy import _get_settings_fields

    known = set(_get_settings_fields(type(get_current_settings())))
    named = {name for name in serve.prefect_environment(settings) if name.startswith("PREFECT_")}
    assert named <= known


def test_one_certificate_is_enough_for_a_tls_context(settings: Settings) -> None:
    for _ in range(2):
        context = ssl.create_default_context(cafile=serve.prefect_environment(settings)["PREFECT_API_SSL_CERT_FILE"])
        assert len(context.get_ca_certs()) == 1


def test_another_process_reads_the_same_settings(settings: Settings) -> None:
    again = read_settings(serve.house_environment(settings))
    assert again == settings
    assert again.secret.get_secret_value() == "a secret of its own"


def test_a_relative_home_is_the_same_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = serve.house_environment(Settings(home=Path("house")))
    assert here["HSECARD_HOME"] == str(tmp_path / "house")


def test_no_other_prefect_server_is_ever_talked_to(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "https://elsewhere.example/api")
    monkeypatch.setenv("PREFECT_API_KEY", "key of elsewhere")
    environment = serve._environment(settings)
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4999/api"
    assert "PREFECT_API_KEY" not in environment


def test_a_home_that_is_a_file_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(Unavailable) as caught:
        serve.prefect_environment(Settings(home=tmp_path / "home"))
    assert caught.value.code == "home.not_writable"
