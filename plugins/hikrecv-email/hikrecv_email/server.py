"""The mail server: where it is, how it is spoken to, and what its answers mean for the events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from hikrecv import Hold, Reject, Retry

from .settings import Settings, address, certificates

if TYPE_CHECKING:
    from twisted.mail.smtp import SMTPClientError

    from .smtp import Sender, SenderFactory

CONNECT = 15.0
"""Seconds until a server that does not answer is given up."""
BUSY = 60.0
"""Seconds after which a server that said "later" is asked again: greylisting takes minutes."""
LOCKED = 300.0
"""The same when it does not let us in at all, or we it: what a person has to put right takes minutes."""
REFUSED = frozenset({530, 534, 535, 538})
"""What a server says of a login (RFC 4954, 6)."""

Refusals = dict[str, tuple[int, str]]
"""What the server said to recipients that it did not take."""


class Server:
    """
    Delivers mails, each over a connection of its own.

    :param clock: for the time-outs within a session.
    """

    def __init__(self, settings: Settings, clock: IReactorTime) -> None:
        self._settings = settings
        self._clock = clock
        self._name = "the mail server {}:{}".format(*settings.server)

    async def deliver(self, content: bytes, to: list[str]) -> Refusals:
        """
        Send the mail; returns when the server has taken it for all of *to* but those that are returned.

        :param content: lines end with a single line feed.
        :raises Retry: when the server is not there, or says "later".
        :raises Hold: when it does not let us in.
        :raises Reject: when it will never take this mail.
        """
        from twisted.mail.smtp import SMTPClientError

        own = self._settings
        names = {address(each).addr_spec: each for each in to}
        factory = self._factory(address(own.sender).addr_spec, list(names), content)
        talk = await self._connect(factory)
        try:
            said = (await factory.sent)[1]
        except SMTPClientError as error:
            said = cast("list[tuple[bytes, int, bytes]]", error.addresses or [])
            if not said or any(code < 300 for _, code, _ in said):
                raise self._failure(error, talk) from None
        return {names[who.decode()]: (code, _words(text)) for who, code, text in said if code >= 300}

    def endpoint(self) -> IStreamClientEndpoint:
        """How to get there."""
        from twisted.internet import reactor
        from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS

        host, port = self._settings.server
        plain = HostnameEndpoint(reactor, host, port, timeout=CONNECT)
        return wrapClientTLS(self._tls(), plain) if self._settings.security == "tls" else plain

    def _factory(self, sender: str, to: list[str], content: bytes) -> SenderFactory:
        from .smtp import SenderFactory

        own = self._settings
        login = None if own.password is None else (own.user.encode(), own.password.encode())
        context = self._tls() if own.security == "starttls" else None
        return SenderFactory(self._clock, sender, to, content, login, context)

    async def _connect(self, factory: SenderFactory) -> Sender:
        try:
            talk: Any = await self.endpoint().connect(factory)
        except (ConnectError, DNSLookupError) as error:
            raise Retry(f"{self._name} cannot be reached: {_words(str(error))}") from None
        return cast("Sender", talk)

    def _tls(self) -> Any:
        from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

        host = self._settings.host
        if self._settings.ca is None:
            return optionsForClientTLS(host)
        trusted = [Certificate.loadPEM(each.encode()) for each in certificates(self._settings.ca)]
        return optionsForClientTLS(host, trustRoot=trustRootFromCertificates(trusted))

    def _failure(self, error: SMTPClientError, talk: Sender) -> Retry | Reject | Hold:
        """What *error* means for the events; its own text would hold the session."""
        cause = error.__cause__ or error
        if isinstance(cause, SSL.Error | VerificationError):
            why = f"{self._name} has no certificate for this name that is trusted"
            return Retry(f"{why}: {_words(str(cause))}; give its authority as ca", after=LOCKED)
        answer = f"{error.code} {_words(error.resp)}" if error.code > 0 else _words(error.resp)
        if error.code < 0:
            return Retry(f"{self._name} broke off: {answer}", certain=not talk.handed_over)
        if not talk.began:
            why = f"{self._name} does not let us in: {answer}"
            if error.code in REFUSED:
                return Hold(f"{why}; correct user and password")
            return Retry(why, after=LOCKED)
        if error.code < 500:
            return Retry(f"{self._name} says later: {answer}", after=BUSY)
        return Reject(f"{self._name} refuses the mail: {answer}")


def _words(said: bytes | str) -> str:
    """What a server said, as one bounded line of a log."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:200]
