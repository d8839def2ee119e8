"""Mail by SMTP to a real mail server (aiosmtpd): TLS or nothing, each answer in its family, one Message-ID a key."""

import asyncio
import datetime
import email
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from billing.adapters.smtp_mail import MailServer, SmtpMail
from billing.models import Message
from cards.errors import HseCardError, Refused, Unavailable, Unsure

# It does not count TLS at once as TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")

MAIL = Message(
    to="faktura@fjordbygg.example",
    subject="Faktura 17",
    body="Vedlagt følger faktura 17.\n.\nØystein Å. Kort",
    attachments=(("invoice-17.pdf", "application/pdf", bytes(range(256))),),
)
SENDER, USER, PASSWORD = "kort@utsteder.example", "kort", "hemmelig-passord"
EMAIL_DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Post:
    """A mail server's mind: what it took, and how it answers the next receiver and the next message."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.rcpt = "250 OK"
        self.data = "250 taken"
        self.goes_away = False

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd looks the name up
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- as above
        if self.data.startswith("2"):
            self.taken.append(envelope)
        if self.goes_away:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return self.data


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, EMAIL_DAY, EMAIL_DAY.replace(year=2099))
        .add_extension(host, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "server.crt", folder / "server.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def _may_enter(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    assert isinstance(data, LoginPassword)
    right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=right)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture(params=["smtp", "smtps"])
def server(request: pytest.FixtureRequest, post: Post, tmp_path: Path) -> Iterator[MailServer]:
    certificate, private = _certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, private)
    at_once = request.param == "smtps"
    controller = Controller(
        post,
        hostname="127.0.0.1",
        port=_free_port(),
        ssl_context=tls if at_once else None,
        tls_context=None if at_once else tls,
        require_starttls=not at_once,
        authenticator=_may_enter,
        auth_required=True,
        auth_require_tls=not at_once,
    )
    controller.start()
    url = f"{request.param}://127.0.0.1:{controller.port}"
    yield MailServer(url=url, sender=SENDER, user=USER, password=PASSWORD, authority=str(certificate))
    controller.stop()


def _raised(server: MailServer, family: type[HseCardError]) -> HseCardError:
    with pytest.raises(family) as raised:
        SmtpMail(server).send("mail:invoice/17", MAIL)
    assert PASSWORD not in str(raised.value)
    return raised.value


def test_a_mail_arrives_whole(server: MailServer, post: Post) -> None:
    sent = SmtpMail(server).send("mail:invoice/17", MAIL)
    (envelope,) = post.taken
    assert isinstance(envelope.content, bytes)
    mail = email.message_from_bytes(envelope.content, policy=default)
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, [MAIL.to])
    assert (mail["From"], mail["To"], mail["Subject"], mail["Message-ID"]) == (SENDER, MAIL.to, MAIL.subject, sent)
    body = mail.get_body()
    assert body is not None
    assert body.get_content().replace("\r\n", "\n").strip() == MAIL.body
    (attached,) = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("invoice-17.pdf", bytes(range(256)))


def test_sent_twice_under_one_key_it_is_the_same_mail(server: MailServer, post: Post) -> None:
    assert SmtpMail(server).look_up("k") is None
    first, second = SmtpMail(server).send("k", MAIL), SmtpMail(server).send("k", MAIL)
    other = SmtpMail(server).send("another", MAIL)
    assert first == second != other
    assert first.endswith("@utsteder.example>")
    assert post.taken[0].content == post.taken[1].content != post.taken[2].content


def test_a_server_that_goes_away_with_the_message_leaves_it_unsure(server: MailServer, post: Post) -> None:
    post.goes_away = True
    assert _raised(server, Unsure).code == "mail.answer_lost"
    assert len(post.taken) == 1


@pytest.mark.parametrize("at", ["rcpt", "data"])
@pytest.mark.parametrize(
    ("said", "family", "code"),
    [
        ("550 no such mailbox", Refused, "mail.refused"),
        ("552 too big", Refused, "mail.refused"),
        ("451 come back later", Unavailable, "mail.unavailable"),
    ],
)
def test_what_the_server_says_decides_the_family(
    server: MailServer, post: Post, *, at: str, said: str, family: type[HseCardError], code: str
) -> None:
    setattr(post, at, said)
    fault = _raised(server, family)
    assert fault.code == code
    assert said[4:] in fault.message
    assert post.taken == []


def test_a_wrong_password_is_told_and_not_shown(server: MailServer, post: Post) -> None:
    fault = _raised(replace(server, password="geheim-passwort"), Unavailable)
    assert (fault.code, fault.field) == ("mail.not_authorised", "HSECARD_MAIL_PASSWORD")
    assert "geheim-passwort" not in repr(fault)
    assert post.taken == []


def test_a_server_nobody_vouches_for_gets_nothing(server: MailServer, post: Post) -> None:
    assert _raised(replace(server, authority=None), Unavailable).code == "mail.unavailable"
    assert post.taken == []


def test_a_server_without_tls_gets_nothing(post: Post) -> None:
    controller = Controller(post, hostname="127.0.0.1", port=_free_port())
    controller.start()
    try:
        fault = _raised(MailServer(url=f"smtp://127.0.0.1:{controller.port}", sender=SENDER), Unavailable)
    finally:
        controller.stop()
    assert fault.code == "mail.unavailable"
    assert post.taken == []


def test_nobody_at_the_port_is_unavailable() -> None:
    nobody = MailServer(url=f"smtp://127.0.0.1:{_free_port()}", sender=SENDER)
    assert _raised(nobody, Unavailable).code == "mail.unavailable"
    with pytest.raises(Unavailable, match="cannot be reached"):
        SmtpMail(nobody).look_up("k")


def test_a_password_that_smtp_cannot_carry_is_refused() -> None:
    with pytest.raises(Refused) as raised:
        MailServer(url="smtp://mail.example", sender=SENDER, user=USER, password="påskelilje")
    assert raised.value.field == "HSECARD_MAIL_PASSWORD"
    assert "påskelilje" not in str(raised.value)


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://u:p@mail.example"])
def test_a_server_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Refused) as raised:
        MailServer(url=url, sender=SENDER)
    assert (raised.value.code, raised.value.field) == ("settings.invalid", "HSECARD_MAIL")
