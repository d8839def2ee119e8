"""Outgoing mail by SMTP submission: only over TLS, with the mail server's word that it took the message.

SMTP has no question "do you have this message?". So a message whose last answer was lost is sent again, under the same
Message-ID and with the same bytes: the second copy of an invoice claims nothing twice, and a lost one is never paid.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from billing.adapters.folder_mail import eml, message_id
from billing.models import Message
from cards.errors import Refused, Unavailable, Unsure

_PATIENCE_S = 30
_SUBMISSION, _SUBMISSIONS = 587, 465
_TAKEN, _FOR_EVER = 250, 500


@dataclass(frozen=True)
class MailServer:
    """`url`: smtp://host[:port] (TLS by STARTTLS, RFC 3207) or smtps://host[:port] (TLS at once, RFC 8314).

    `authority`: a file of certificates to trust instead of the system's.
    """

    url: str
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    authority: str | None = None

    def __post_init__(self) -> None:
        """Raises Refused `settings.invalid`."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path or parts.username:
            raise Refused(
                "settings.invalid",
                "the mail server is no smtp://host:port or smtps://host:port",
                field="HSECARD_MAIL",
                fix="give `folder`, or the server alone; user and password are settings of their own",
            )
        if not f"{self.user}{self.password}".isascii():
            raise Refused(
                "settings.invalid",
                "user and password of the mail server go over the wire as ASCII",
                field="HSECARD_MAIL_PASSWORD",
                fix="have the mail server give a password of plain letters and digits",
            )


class SmtpMail:
    """Implements `billing.ports.Mail`."""

    def __init__(self, server: MailServer) -> None:
        self._server = server

    def send(self, key: str, message: Message) -> str:
        """Raises, beside the port's, Refused `mail.refused` (this receiver) and Unavailable `mail.not_authorised`."""
        data = eml(key, message, sender=self._server.sender)
        with self._session() as session:
            self._address(session, message.to)
            self._hand_over(session, key, data)
        return message_id(key, sender=self._server.sender)

    def look_up(self, key: str) -> str | None:
        """Nobody can tell, as said above; Unavailable when not even the server is there."""
        with self._session():
            return None

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        try:
            session = self._connected()
        except smtplib.SMTPAuthenticationError as fault:
            raise Unavailable(
                "mail.not_authorised",
                f"the mail server does not accept the user or password ({fault.smtp_code})",
                field="HSECARD_MAIL_PASSWORD",
                fix="correct HSECARD_MAIL_USER and HSECARD_MAIL_PASSWORD, then run again",
            ) from None  # the answer may repeat what was sent
        except (OSError, smtplib.SMTPException) as fault:
            raise _unavailable(fault) from fault
        try:
            yield session
        finally:
            session.close()

    def _connected(self) -> smtplib.SMTP:
        parts = urlsplit(self._server.url)
        host, trust = str(parts.hostname), ssl.create_default_context(cafile=self._server.authority)
        session: smtplib.SMTP
        if parts.scheme == "smtps":
            session = smtplib.SMTP_SSL(host, parts.port or _SUBMISSIONS, timeout=_PATIENCE_S, context=trust)
        else:
            session = smtplib.SMTP(host, parts.port or _SUBMISSION, timeout=_PATIENCE_S)
        try:
            if parts.scheme == "smtp":
                session.starttls(context=trust)
            if self._server.user:
                session.login(self._server.user, self._server.password or "")
        except BaseException:
            session.close()
            raise
        return session

    def _address(self, session: smtplib.SMTP, to: str) -> None:
        """Sender and receiver, before any of the message leaves."""
        try:
            session.ehlo_or_helo_if_needed()
            options = ["BODY=8BITMIME"] if session.has_extn("8bitmime") else []
            _check(*session.mail(self._server.sender, options))
            _check(*session.rcpt(to))
        except (OSError, smtplib.SMTPException) as fault:
            raise _unavailable(fault) from fault

    @staticmethod
    def _hand_over(session: smtplib.SMTP, key: str, data: bytes) -> None:
        try:
            _check(*session.data(data))
        except smtplib.SMTPDataError as fault:  # answered before a byte of the message left
            _check(fault.smtp_code, fault.smtp_error)
        except (OSError, smtplib.SMTPException) as fault:
            raise Unsure(
                "mail.answer_lost",
                f"the mail server went away while it was given {key}: {fault}",
                fix="nothing to do: it is sent again under the same Message-ID by the next run",
            ) from fault


def _check(code: int, said: bytes | str) -> None:
    """2xx goes on, 4xx is for later, 5xx for ever (RFC 5321, 4.2.1)."""
    words = said.decode(errors="replace") if isinstance(said, bytes) else said
    if _TAKEN <= code < _TAKEN + 50:
        return
    if code < _FOR_EVER:
        raise _unavailable(f"{code} {words}")
    raise Refused(
        "mail.refused",
        f"the mail server does not take the message: {code} {words}",
        field="to",
        fix="correct the invoice address of the business, or our sender address, and send again",
    )


def _unavailable(why: object) -> Unavailable:
    return Unavailable(
        "mail.unavailable",
        f"the mail server cannot be reached or turns us away for now: {why}",
        fix="see whether HSECARD_MAIL is right and the server up; what waits goes with the next run",
    )
