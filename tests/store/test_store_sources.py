"""Order sources: a file, a folder and S3 give the same documents and photos, and the same refusals."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cards.errors import Refused, Unavailable
from store.s3 import connect
from store.sources import open_source

FILES = {
    "in/b.json": b'{"b": 1}',
    "in/a.json": b'{"a": 1}',
    "in/north/c.json": b"not json",
    "in/photos/a-1.jpg": b"jpeg",
    "in/north/photos/c-1.jpg": b"north",
    "in/readme.txt": b"no order",
    "inbox/other.json": b"{}",
}


@pytest.fixture(params=["folder", "s3"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """FILES laid out; turns a path among them into an address."""
    if request.param == "folder":
        for name, data in FILES.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
        return lambda name: str(tmp_path / name)
    bucket: Any = request.getfixturevalue("s3")
    for name, data in FILES.items():
        connect(bucket.place).put_object(Bucket=bucket.name, Key=name, Body=data)
    return lambda name: f"s3://{bucket.name}/{name}"


def test_documents_come_by_name_from_a_folder_and_below(at: Callable[[str], str]) -> None:
    assert list(open_source(at("in")).documents()) == [
        ("a.json", FILES["in/a.json"]),
        ("b.json", FILES["in/b.json"]),
        ("north/c.json", FILES["in/north/c.json"]),
    ]


def test_one_file_is_a_source_too(at: Callable[[str], str]) -> None:
    source = open_source(at("in/a.json"))
    assert list(source.documents()) == [("a.json", FILES["in/a.json"])]
    assert source.photo("a.json", "photos/a-1.jpg", max_bytes=10) == b"jpeg"


def test_photos_lie_beside_their_document(at: Callable[[str], str]) -> None:
    source = open_source(at("in"))
    assert source.photo("a.json", "photos/a-1.jpg", max_bytes=4) == b"jpeg"
    assert source.photo("north/c.json", "photos/c-1.jpg", max_bytes=10) == b"north"


@pytest.mark.parametrize("ref", ["photos/none.jpg", "photos", "../photos/a-1.jpg", "/etc/passwd", "north/../../x"])
def test_a_photo_that_is_not_there(at: Callable[[str], str], ref: str) -> None:
    with pytest.raises(Refused, match=r"photo\.missing"):
        open_source(at("in")).photo("north/c.json", ref, max_bytes=10)


def test_a_photo_that_is_too_large_says_how_large_it_may_be(at: Callable[[str], str]) -> None:
    with pytest.raises(Refused, match=r"photo\.too_large.* at most 3 bytes"):
        open_source(at("in")).photo("a.json", "photos/a-1.jpg", max_bytes=3)


def test_a_source_that_is_not_there(at: Callable[[str], str]) -> None:
    with pytest.raises(Refused, match=r"source\.missing"):
        list(open_source(at("nothing-here")).documents())


def test_photos_may_lie_in_s3_by_their_own_address(s3: Any, tmp_path: Path) -> None:
    connect(s3.place).put_object(Bucket=s3.name, Key="faces/1.jpg", Body=b"in s3")
    (tmp_path / "a.json").write_bytes(b"{}")
    source = open_source(tmp_path)
    assert source.photo("a.json", f"s3://{s3.name}/faces/1.jpg", max_bytes=10) == b"in s3"
    with pytest.raises(Refused, match=r"photo\.missing"):
        source.photo("a.json", f"s3://{s3.name}/faces/2.jpg", max_bytes=10)
    with pytest.raises(Refused, match=r"photo\.too_large"):
        source.photo("a.json", f"s3://{s3.name}/faces/1.jpg", max_bytes=4)


def test_a_file_that_may_not_be_read_is_told() -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    (folder / "a.json").write_bytes(b"{}")
    (folder / "a.json").chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may read anything
    try:
        with pytest.raises(Unavailable, match=r"source\.unavailable"):
            list(open_source(folder).documents())
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)
