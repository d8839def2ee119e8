"""What every test of this room starts from: a terminal, and an inbox with one good order."""

from pathlib import Path

import pytest

from tests.console.terminal import NOW, PHOTOS, Terminal, order, put


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Terminal:
    home = tmp_path / "home"
    settings = {"HOME": home, "ENVIRONMENT": "test", "ENGINE": "inline", "DURABLE": "false", "CLOCK": NOW}
    for name, value in settings.items():
        monkeypatch.setenv(f"HSECARD_{name}", str(value))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("USER", "kari")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return Terminal(capfd, home)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A folder with one good order of one card; the sample photo of a person lies beside it."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "face.jpg").write_bytes(sorted(PHOTOS.glob("*.jpg"))[0].read_bytes())
    put(folder, "good.json", order("GOOD-1", photos=["face.jpg"]))
    return folder
