"""Outgoing mail as files: one .eml a key, with the same bytes whenever it is written.

The embedded default of the mail port and what tests read. No Date header (a mail server adds its own) and a boundary
from the key, so nothing in the file depends on when or how often it was sent.
"""

from email.errors import HeaderParseError
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from billing.adapters.outbox import key_digest, outbox_file, write_once
from billing.models import Message
from cards.errors import Refused, Unavailable

_SENDER = "hsecard@hsecard.example"


class FolderMail:
    """Implements `billing.ports.Mail` on a folder."""

    def __init__(self, folder: Path, sender: str = _SENDER) -> None:
        self._folder = folder
        self._sender = sender

    def send(self, key: str, message: Message) -> str:
        data = eml(key, message, sender=self._sender)
        try:
            write_once(outbox_file(self._folder, key, "eml"), data)
        except OSError as fault:
            raise Unavailable(
                "mail.unavailable",
                f"the mail folder cannot be written: {fault.strerror}",
                fix="make room or correct the folder's rights, then run again",
            ) from fault
        return message_id(key, sender=self._sender)

    def look_up(self, key: str) -> str | None:
        return message_id(key, sender=self._sender) if outbox_file(self._folder, key, "eml").exists() else None


def message_id(key: str, *, sender: str = _SENDER) -> str:
    """The Message-ID under which a key's mail is known, at the sender's domain."""
    return f"<{key_digest(key)}@{sender.rpartition('@')[2]}>"


def eml(key: str, message: Message, *, sender: str = _SENDER) -> bytes:
    """The mail as it goes over the wire. Raises Refused `mail.bad_header`."""
    mail = EmailMessage(policy=SMTP)
    try:
        mail["From"] = sender
        mail["To"] = message.to
        mail["Subject"] = message.subject
        mail["Message-ID"] = message_id(key, sender=sender)
    except (ValueError, IndexError, HeaderParseError) as fault:
        raise _bad_header(message, str(fault)) from fault
    if mail["To"].defects or not mail["To"].addresses:
        raise _bad_header(message, "is no address")
    mail.set_content(message.body)
    for name, media_type, data in message.attachments:
        main, _, sub = media_type.partition("/")
        mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
    if mail.is_multipart():
        mail.set_boundary(f"=_{key_digest(key)}")
    try:
        return mail.as_bytes()
    except (ValueError, UnicodeError) as fault:
        raise _bad_header(message, str(fault)) from fault


def _bad_header(message: Message, why: str) -> Refused:
    return Refused(
        "mail.bad_header",
        f"{message.to!r} / {message.subject!r}: {why}",
        field="to",
        fix="correct the invoice address of the business (one plain e-mail address) and send again",
    )
