"""The same over real sockets."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import hikrecv_forward
import pytest
import pytest_twisted
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet import reactor, ssl
from twisted.web.server import Site

from hikrecv import Hold, Retry
from hikrecv.testing.door import DigestDevice
from hikrecv.testing.server import Answered, Asked

pytestmark = pytest.mark.functional


class Guarded(DigestDevice):
    """A web server with a Digest login."""

    def answer(self, asked: Asked) -> Answered:
        return Answered()


async def send(loopback: Any, event: Any, **table: Any) -> None:
    context = loopback.context(hikrecv_forward, **{"url": f"{loopback.server.url}/in", **table})
    await hikrecv_forward.Plugin(context).hikrecv_event(event, context.for_attempt(1))


@pytest_twisted.ensureDeferred
async def test_an_event_with_its_pictures_arrives(loopback: Any, make_event: Any) -> None:
    event = make_event("face-match")

    await send(loopback, event, pictures=True)

    parts = loopback.server.accepted[0].parts()
    assert [parts[f"picture-{each.n}"].content for each in event.pictures] == [
        each.content() for each in event.pictures
    ]


@pytest_twisted.ensureDeferred
async def test_a_server_in_trouble_is_a_retry(loopback: Any, make_event: Any) -> None:
    loopback.server.drop()
    loopback.server.fail(status=503, headers={"Retry-After": "7"})

    with pytest.raises(Retry, match="lost"):
        await send(loopback, make_event("io"))
    with pytest.raises(Retry) as busy:
        await send(loopback, make_event("io"))

    assert busy.value.after == 7.0


@pytest_twisted.ensureDeferred
async def test_nobody_there_is_a_retry(loopback: Any, make_event: Any) -> None:
    await loopback.server.close()

    with pytest.raises(Retry, match="cannot connect"):
        await send(loopback, make_event("io"))


@pytest_twisted.ensureDeferred
async def test_a_digest_login_is_answered(loopback: Any, make_event: Any) -> None:
    guarded = Guarded(reactor)
    url = await guarded.listen(reactor)
    try:
        await send(loopback, make_event("face-match"), url=url, digest=guarded.login, pictures=True)
        with pytest.raises(Hold, match="401"):
            await send(loopback, make_event("io"), url=url, digest={"user": "admin", "password": "guess"})
    finally:
        await guarded.close()

    assert len(guarded.accepted) == 1
    assert guarded.accepted[0].headers["authorization"].startswith("Digest ")


@pytest_twisted.ensureDeferred
async def test_a_private_address_is_refused_when_asked(loopback: Any, make_event: Any) -> None:
    by_name = loopback.server.url.replace("127.0.0.1", "localhost")

    for url in (loopback.server.url, by_name):
        with pytest.raises(Retry, match="is not a public address"):
            await send(loopback, make_event("io"), url=url, public_only=True)

    assert loopback.server.requests == []


@pytest_twisted.ensureDeferred
async def test_a_certificate_is_verified(
    loopback: Any, make_event: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path)
    factory = ssl.DefaultOpenSSLContextFactory(str(key), str(certificate))
    port = reactor.listenSSL(0, Site(loopback.server), factory, interface="127.0.0.1")
    url = f"https://localhost:{port.getHost().port}/in"
    try:
        with pytest.raises(Retry, match="TLS"):
            await send(loopback, make_event("io"), url=url)

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await send(loopback, make_event("io"), url=url)
    finally:
        await port.stopListening()

    assert len(loopback.server.requests) == 1


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """For localhost, signed by itself: the files of the certificate and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    return folder / "certificate.pem", folder / "key.pem"
