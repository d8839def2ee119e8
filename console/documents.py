"""Issued documents from the terminal: listed, and copied out under names that a person reads."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from cards.errors import Refused, Unavailable
from console.answer import answer
from console.options import AsJson
from console.show import line, table
from console.work import at_work

if TYPE_CHECKING:
    from flows.house import House
    from store.documents import StoredDocument

app = typer.Typer(no_args_is_help=True, help="Issued documents: list, export.")

Kind = Annotated[str | None, typer.Option("--kind", help="Only letter, label, manifest, invoice or credit_note.")]


@app.command("list")
def list_documents(kind: Kind = None, as_json: AsJson = False) -> int:
    """List issued documents with size and hash."""
    with at_work("reader") as house:
        found = _documents(house, kind)
    rows = [(document.document_id, document.subject, document.size, document.sha256[:16]) for document in found]
    shown = [table("Documents", ("document", "about", "bytes", "sha256 (first 16)"), rows, right=("bytes",))]
    return answer({"documents": [document.model_dump(mode="json") for document in found]}, shown, as_json=as_json)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made when it is not there.")],
    kind: Kind = None,
    as_json: AsJson = False,
) -> int:
    """Write issued documents as files, one folder a kind."""
    with at_work("reader") as house:
        written = export_documents(house, folder, kind=kind)
    shown = [line(f"{len(written)} documents are under {folder}")]
    return answer({"folder": str(folder), "files": [str(path) for path in written]}, shown, as_json=as_json)


def _documents(house: "House", kind: str | None) -> Sequence["StoredDocument"]:
    with house.store.read() as uow:
        return [document for document in uow.documents.all() if kind in (None, document.kind)]


def export_documents(house: "House", folder: Path, *, kind: str | None = None) -> list[Path]:
    """Write documents as `<folder>/<document id>.<suffix>`; their paths, in order of the ids."""
    written = []
    for document in _documents(house, kind):
        path = folder / file_name(document.document_id, document.blob_key)
        write_file(path, house.blobs.get(document.blob_key))
        written.append(path)
    return written


def file_name(document_id: str, blob_key: str) -> str:
    """`letter/S-000001` kept as PDF → `letter/S-000001.pdf`; an id that tells its format stays as it is."""
    suffix = PurePosixPath(blob_key).suffix
    return document_id if document_id.endswith(suffix) else document_id + suffix


def read_file(path: Path) -> bytes:
    """A file's bytes. Raises Refused `file.unreadable` naming it."""
    try:
        return path.read_bytes()
    except OSError as fault:
        raise Refused(
            "file.unreadable",
            f"{path} cannot be read: {fault.strerror}",
            field=str(path),
            fix="name a file that this user may read",
        ) from None


def write_file(path: Path, data: bytes) -> None:
    """Write a file, its folders with it. Raises Unavailable `file.not_written` (no room, no right)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)
    except OSError as fault:
        raise Unavailable(
            "file.not_written",
            f"{path} cannot be written: {fault.strerror}",
            field=str(path),
            fix="name a folder that this user may write, with room on its disk",
        ) from None
