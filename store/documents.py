"""The register of documents: what was issued, for whom, which bytes. A registered document never changes."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, select

from cards.errors import Refused
from store.tables import documents
from store.transaction import Transaction


class StoredDocument(BaseModel):
    """One issued document: `kind` and `subject` say what and whose, `blob_key` where its bytes lie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document_id: str
    kind: str
    subject: str
    blob_key: str
    sha256: str
    size: int


class Documents:
    """Issued documents."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def add(  # noqa: PLR0917 -- the order of the columns; callers name them
        self, document_id: str, kind: str, subject: str, blob_key: str, sha256: str, size: int
    ) -> bool:
        """Register a document once. False when it is known with the same bytes.

        Raises Refused `document.changed` when it was issued before with other bytes.
        """
        new = StoredDocument(
            document_id=document_id, kind=kind, subject=subject, blob_key=blob_key, sha256=sha256, size=size
        )
        if self._tx.insert_new(documents, new.model_dump()):
            return True
        if self.get(document_id) != new:
            raise Refused(
                "document.changed",
                f"document {document_id} was issued before with other bytes",
                fix="an issued document stays as it is; correct it with a new one (a credit note, a new letter)",
            )
        return False

    def get(self, document_id: str) -> StoredDocument | None:
        """The document, or None when it was not issued."""
        found = self._all(select(documents).where(documents.c.document_id == document_id))
        return found[0] if found else None

    def all(self) -> list[StoredDocument]:
        """Every document, by id."""
        return self._all(select(documents))

    def of_subject(self, subject: str) -> list[StoredDocument]:
        """The documents about one thing (a shipment, an invoice), by id."""
        return self._all(select(documents).where(documents.c.subject == subject))

    def _all(self, query: Select[Any]) -> list[StoredDocument]:
        rows = self._tx.connection.execute(query.order_by(documents.c.document_id)).mappings()
        return [StoredDocument.model_validate(dict(row)) for row in rows]
