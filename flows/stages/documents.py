"""How an issued document is kept: its bytes as a blob, its hash in the register, once and unchanged."""

import hashlib
from dataclasses import dataclass

from flows.house import House


@dataclass(frozen=True)
class Shelved:
    """A document whose bytes are kept already and which only has to be registered."""

    document_id: str
    kind: str
    subject: str
    blob_key: str
    sha256: str
    size: int


def shelf(house: House, *, document_id: str, subject: str, data: bytes, suffix: str) -> Shelved:
    """Keep a document's bytes; its kind is the first part of its id (`letter/S-000001`).

    Nothing points at them until `keep`; bytes without a row are harmless.
    """
    kind = document_id.partition("/")[0]
    return Shelved(
        document_id=document_id,
        kind=kind,
        subject=subject,
        blob_key=house.blobs.put(kind, data, suffix),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )


def kept_bytes(house: House, document_id: str) -> bytes | None:
    """The bytes of a registered document, or None when it was not issued."""
    with house.store.read() as uow:
        row = uow.documents.get(document_id)
    return None if row is None else house.blobs.get(row.blob_key)


def keep(house: House, papers: list[Shelved], outcome: str) -> str:
    """Register documents in one transaction; `already_done` when they all were."""
    with house.store.begin() as uow:
        new = [uow.documents.add(**vars(paper)) for paper in papers]
    return outcome if any(new) else "already_done"
