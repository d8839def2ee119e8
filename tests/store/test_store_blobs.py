"""Blobs in a folder and on a real S3 server: the same bytes, the same keys, the same refusals."""

import hashlib
import os
import pickle
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cards.errors import Refused, Unavailable
from store.blobs import FolderBlobs, S3Blobs, open_blobs
from store.ports import Blobs
from store.s3 import S3Place, connect

KEY = b"a key of thirty-two secret bytes"


@dataclass
class Place:
    """Blobs under test, and a back door to the bytes as they lie there."""

    open: Callable[[bytes], Blobs]
    raw: Callable[[str], bytes]
    spoil: Callable[[str, bytes], None]


def _folder(root: Path) -> Place:
    def spoil(key: str, data: bytes) -> None:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)

    return Place(open=lambda key: FolderBlobs(root, key), raw=lambda key: (root / key).read_bytes(), spoil=spoil)


def _bucket(bucket: Any) -> Place:
    client = connect(bucket.place)
    at = bucket.place

    def blobs(key: bytes) -> Blobs:
        return S3Blobs(bucket.name, "blobs", key, at.endpoint_url, access_key=at.access_key, secret_key=at.secret_key)

    return Place(
        open=blobs,
        raw=lambda key: client.get_object(Bucket=bucket.name, Key=f"blobs/{key}")["Body"].read(),
        spoil=lambda key, data: _ignore(client.put_object(Bucket=bucket.name, Key=f"blobs/{key}", Body=data)),
    )


def _ignore(_answer: object) -> None:
    return None


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return _folder(tmp_path) if request.param == "folder" else _bucket(request.getfixturevalue("s3"))


@pytest.fixture
def blobs(place: Place) -> Blobs:
    return place.open(KEY)


@pytest.mark.parametrize("kind", ["photo", "invoice"])
@pytest.mark.parametrize("data", [b"", b"abc", bytes(range(256)) * 5000])
def test_bytes_come_back_under_their_content_key(blobs: Blobs, kind: str, data: bytes) -> None:
    key = blobs.put(kind, data, "bin")
    assert key == f"{kind}/{hashlib.sha256(data).hexdigest()}.bin"
    assert blobs.get(key) == data
    assert blobs.exists(key)


def test_personal_data_lies_sealed_and_the_rest_as_it_is(place: Place, blobs: Blobs) -> None:
    plain = b"Kari Moen 1990-02-28"
    for kind in ("photo", "portrait", "order"):
        assert plain not in place.raw(blobs.put(kind, plain, "bin"))
    assert place.raw(blobs.put("invoice", plain, "bin")) == plain


def test_equal_bytes_lie_as_equal_files_and_different_keys_do_not(place: Place, blobs: Blobs) -> None:
    key = blobs.put("photo", b"the same", "bin")
    first = place.raw(key)
    blobs.put("photo", b"the same", "bin")
    assert place.raw(key) == first
    other = place.open(b"another key of thirty-two bytes!")
    with pytest.raises(Refused, match=r"blobs\.unsealable"):
        other.get(key)


def test_a_changed_file_does_not_come_back(place: Place, blobs: Blobs) -> None:
    key = blobs.put("invoice", b"455.00", "pdf")
    place.spoil(key, b"999.00")
    with pytest.raises(Refused) as corrupt:
        blobs.get(key)
    sealed = blobs.put("photo", b"face", "bin")
    kept = bytearray(place.raw(sealed))
    kept[-1] ^= 1
    place.spoil(sealed, bytes(kept))
    with pytest.raises(Refused) as changed:
        blobs.get(sealed)
    assert (corrupt.value.code, changed.value.code) == ("blobs.corrupt", "blobs.unsealable")


def test_a_sealed_file_does_not_open_under_another_name(place: Place, blobs: Blobs) -> None:
    mine, other = blobs.put("photo", b"mine", "bin"), blobs.put("photo", b"other", "bin")
    place.spoil(other, place.raw(mine))
    with pytest.raises(Refused, match=r"blobs\.unsealable"):
        blobs.get(other)


def test_what_is_not_there_is_refused_and_erasing_it_is_not(blobs: Blobs) -> None:
    key = blobs.put("photo", b"x", "bin")
    blobs.delete(key)
    blobs.delete(key)
    assert not blobs.exists(key)
    with pytest.raises(Refused, match=r"blobs\.missing"):
        blobs.get(key)


def test_keys_are_listed_in_order_by_prefix(blobs: Blobs) -> None:
    photos = sorted(blobs.put("photo", bytes([n]), "bin") for n in range(5))
    invoice = blobs.put("invoice", b"x", "pdf")
    assert list(blobs.keys()) == [invoice, *photos]
    assert list(blobs.keys("photo/")) == photos
    assert list(blobs.keys(photos[0][:10])) == [key for key in photos if key.startswith(photos[0][:10])]


def test_many_keys_come_in_several_pages(blobs: Blobs) -> None:
    if isinstance(blobs, FolderBlobs):
        return  # a folder has no pages
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: blobs.put("run", str(n).encode(), "txt"), range(1050)))
    assert list(blobs.keys("run/")) == sorted(made)


def test_workers_carry_blobs_with_them(blobs: Blobs) -> None:
    key = blobs.put("portrait", b"jpeg", "jpg")
    blobs.get(key)
    assert pickle.loads(pickle.dumps(blobs)).get(key) == b"jpeg"
    assert KEY.decode() not in repr(blobs)


def test_ten_writers_of_the_same_bytes_leave_one_blob(blobs: Blobs) -> None:
    data = bytes(range(256)) * 400
    with ThreadPoolExecutor(10) as pool:
        keys = set(pool.map(lambda _: blobs.put("photo", data, "bin"), range(10)))
    assert list(blobs.keys()) == list(keys)
    assert blobs.get(keys.pop()) == data


@pytest.mark.parametrize("key", ["../secret", "photo/../../x", "photo/abc.bin", "/etc/passwd", ""])
def test_only_blob_keys_are_looked_up(blobs: Blobs, key: str) -> None:
    for act in (blobs.get, blobs.exists, blobs.delete):
        with pytest.raises(Refused, match=r"blobs\.key_invalid"):
            act(key)


def test_a_kind_cannot_lead_out_of_the_place(blobs: Blobs) -> None:
    with pytest.raises(ValueError, match="no blob key"):
        blobs.put("../x", b"", "bin")


# --- the folder's own troubles ---------------------------------------------------------------------------------


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Root may write anywhere; a read-only folder is only read-only to others."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o555)
    with _as_nobody(), pytest.raises(Unavailable, match=r"blobs\.read_only"):
        FolderBlobs(folder, KEY).put("photo", b"x", "bin")
    folder.rmdir()


def test_a_full_disk_is_told_and_leaves_no_half_file(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path, KEY)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(Unavailable, match=r"blobs\.no_room"):
            blobs.put("photo", bytes(200_000), "bin")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_truncated_file_is_written_again(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path, KEY)
    key = blobs.put("invoice", b"whole", "pdf")
    (tmp_path / key).write_bytes(b"who")
    blobs.put("invoice", b"whole", "pdf")
    assert blobs.get(key) == b"whole"


def test_half_written_files_are_no_blobs(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path, KEY)
    key = blobs.put("invoice", b"whole", "pdf")
    (tmp_path / "invoice" / ".abc.part").write_bytes(b"half")
    assert list(blobs.keys()) == [key]


# --- S3's own troubles -----------------------------------------------------------------------------------------


def test_s3_without_the_right_to_write(s3: Any) -> None:
    at: S3Place = s3.reader
    reader = S3Blobs(s3.name, "p", KEY, at.endpoint_url, access_key=at.access_key, secret_key=at.secret_key)
    with pytest.raises(Unavailable, match=r"blobs\.read_only"):
        reader.put("photo", b"x", "bin")


def test_s3_that_does_not_answer() -> None:
    gone = S3Blobs("b", "", KEY, "http://127.0.0.1:9", region="us-east-1", access_key="a", secret_key="b")
    with pytest.raises(Unavailable, match=r"blobs\.unavailable"):
        gone.put("photo", b"x", "bin")


def test_s3_without_the_bucket(s3: Any) -> None:
    at: S3Place = s3.place
    lost = S3Blobs("no-such-bucket", "", KEY, at.endpoint_url, access_key=at.access_key, secret_key=at.secret_key)
    with pytest.raises(Unavailable, match=r"blobs\.unavailable"):
        lost.put("photo", b"x", "bin")


# --- by address ------------------------------------------------------------------------------------------------


def test_blobs_open_by_address(tmp_path: Path, s3: Any) -> None:
    for url in (str(tmp_path / "a b"), (tmp_path / "a b").as_uri(), f"s3://{s3.name}/some/prefix"):
        blobs = open_blobs(url, seal_key=KEY)
        key = blobs.put("letter", b"dear", "pdf")
        assert open_blobs(url, seal_key=KEY).get(key) == b"dear"
    assert (tmp_path / "a b" / key).read_bytes() == b"dear"


@pytest.mark.parametrize("url", ["ftp://x/y", "s3://", "", "http://x"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(Refused, match=r"blobs\.url_invalid"):
        open_blobs(url, seal_key=KEY)


def test_a_weak_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"blobs\.weak_key"):
        open_blobs(tmp_path, seal_key=b"short")
