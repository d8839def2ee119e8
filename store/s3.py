"""How we speak to S3: one client a place, few retries, short waits: a dead server is told of, not waited for."""

import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"max_attempts": 3, "mode": "standard"},
    max_pool_connections=16,
)


@dataclass(frozen=True)
class S3Place:
    """Where S3 is and as whom; what is None comes from the environment (AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, …)."""

    endpoint_url: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)


def connect(place: S3Place) -> "S3Client":
    """A client for that place. Making one takes a third of a second, so a process makes one for each place and
    environment; clients may be shared between threads, not between processes."""
    environment = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    return _client(place, environment, os.getpid())


@lru_cache(maxsize=8)
def _client(place: S3Place, _environment: tuple[tuple[str, str], ...], _process: int) -> "S3Client":
    # Its own session: boto3's default one is not safe to share between threads.
    session = boto3.session.Session(
        aws_access_key_id=place.access_key, aws_secret_access_key=place.secret_key, region_name=place.region
    )
    region = session.region_name or "us-east-1"
    return session.client("s3", endpoint_url=place.endpoint_url, region_name=region, config=_CONFIG)


def said(fault: ClientError) -> str:
    """The code in S3's answer."""
    return str(fault.response.get("Error", {}).get("Code", "unknown"))
