"""A mail server in a thread, on a port that the system chooses, and certificates made for the test."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as MAIL
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

TURNS = 20
"""Of the loop, at the end: more than a connection needs to go through TLS down to its socket."""
USER, PASSWORD = "gate", "Mail-1234 ö"


class Mailbox:
    """
    Takes mails, or answers to a command as it was told.

    :ivar answers: what is said to a command instead, by "MAIL", "RCPT <address>" or "DATA".
    """

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.logins: list[bytes] = []
        self.answers: dict[str, str] = {}

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(each.content, policy=MAIL) for each in self.envelopes]

    async def handle_MAIL(self, server, session, envelope, address, options) -> str:
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        answer = self.answers.get(f"RCPT {address}", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope) -> str:
        answer = self.answers.get("DATA", "250 OK")
        if answer == "break":
            session.loop.call_soon(server.transport.abort)
        if answer == "break" or answer.startswith("250"):
            self.envelopes.append(envelope)
        return answer

    def login(self, server, session, envelope, mechanism, auth_data) -> AuthResult:
        assert isinstance(auth_data, LoginPassword)
        self.logins.append(auth_data.login)
        right = auth_data == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)


class Post:
    """A mail server on loopback; it has a thread and an event loop of its own."""

    def __init__(self, mailbox: Mailbox, tls: ssl.SSLContext | None = None, **options: object) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

        # Of a connection that changes to TLS both: the one below is closed only by its own.
        transports: list[asyncio.BaseTransport] = []
        self.transports = transports

        class Talk(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                transports.append(transport)
                super().connection_made(transport)

        def talk() -> SMTP:
            return Talk(mailbox, loop=self.loop, hostname="mail.example", **options)

        opening = self.loop.create_server(talk, "127.0.0.1", 0, ssl=tls)
        self.server = asyncio.run_coroutine_threadsafe(opening, self.loop).result(10)
        self.port = self.server.sockets[0].getsockname()[1]

    def close(self) -> None:
        async def end() -> None:
            self.server.close()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            for transport in self.transports:
                transport.abort()
            await self.server.wait_closed()
            # What was cancelled or aborted closes its socket in one of the next turns of the loop.
            for _ in range(TURNS):
                await asyncio.sleep(0)

        if self.loop.is_closed():
            return

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def post(mailbox: Mailbox) -> Iterator[type]:
    """Opens mail servers: ``post(require_starttls=True).port``."""
    opened: list[Post] = []

    def open_one(tls: ssl.SSLContext | None = None, **options: object) -> Post:
        opened.append(Post(mailbox, tls, **options))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1 in one file, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "mail.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
