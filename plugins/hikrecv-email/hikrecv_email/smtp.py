"""One mail over one connection; imports the reactor, so it is imported when the first mail is sent."""

from __future__ import annotations

from io import BytesIO
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.mail.smtp import ESMTPSender, ESMTPSenderFactory, SMTPClientError
from twisted.python.failure import Failure

SILENCE = 20.0
"""Seconds without a word of the server after which it is given up."""


class Sender(ESMTPSender):
    """
    Twisted's, with what an endpoint, a secret and a long mail need beside it.

    :ivar began: the server took the greeting and the login; what fails from here on is about the mail.
    :ivar handed_over: the mail itself was sent; without an answer it is perhaps delivered.
    """

    # A log of the session would hold the login, and end in the text of errors.
    debug = False
    factory: SenderFactory
    began = False
    handed_over = False
    _at_line_start = True

    def callLater(self, period: float, func: Any) -> IDelayedCall:
        """On the clock that was given, see `TimeoutMixin`."""
        return self.factory.clock.callLater(period, func)

    def esmtpState_starttls(self, code: int, resp: bytes) -> None:
        """What somebody slipped in before TLS began is not the server's answer."""
        self.clearLineBuffer()  # type: ignore[no-untyped-call]
        super().esmtpState_starttls(code, resp)  # type: ignore[no-untyped-call]

    def getMailFrom(self) -> str | None:
        """See `SMTPClient`: all is well so far."""
        self.began = True
        sender: str | None = super().getMailFrom()  # type: ignore[no-untyped-call]
        return sender

    def getMailData(self) -> Any:
        """See `SMTPClient`: the server wants the mail."""
        self.handed_over = True
        return super().getMailData()  # type: ignore[no-untyped-call]

    def transformChunk(self, chunk: bytes) -> bytes:
        """Twice the dot that begins a line, also where the line begins with the chunk (RFC 5321, 4.5.2)."""
        dotted = b"." + chunk if self._at_line_start and chunk.startswith(b".") else chunk
        self._at_line_start = chunk.endswith(b"\n")
        done: bytes = super().transformChunk(dotted)  # type: ignore[no-untyped-call]
        return done

    def break_off(self) -> None:
        """Close the connection without a word more."""
        cast("ITCPTransport", self.transport).abortConnection()

    def sendError(self, exc: SMTPClientError) -> None:
        """After the mail is sent nobody waits for what else goes wrong."""
        if self.factory.sendFinished:
            self.break_off()
        else:
            super().sendError(exc)  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """An endpoint tells only the protocol."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        self.factory.clientConnectionLost(None, reason)  # type: ignore[no-untyped-call]


class SenderFactory(ESMTPSenderFactory):
    """
    Sends one mail once.

    :ivar sent: fires when the server has answered: with how many recipients it took, and what it said
        to each of them as (address, code, text); or fails with an SMTPClientError.
    :param login: user and password, or None.
    :param context: for STARTTLS, which is then insisted on; None sends over the connection as it is.
    """

    protocol = Sender
    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        sender: str,
        to: list[str],
        content: bytes,
        login: tuple[bytes, bytes] | None,
        context: Any,
    ) -> None:
        self.clock = clock
        self.sent: Deferred[tuple[int, list[tuple[bytes, int, bytes]]]] = Deferred(self._give_up)
        user, password = login or (None, None)
        super().__init__(  # type: ignore[no-untyped-call]
            user,
            password,
            sender,
            to,
            BytesIO(content),
            self.sent,
            retries=0,
            timeout=SILENCE,
            contextFactory=context,
            heloFallback=login is None and context is None,
            requireAuthentication=login is not None,
            requireTransportSecurity=context is not None,
        )

    def _give_up(self, sent: Deferred[Any]) -> None:
        self.sendFinished = True
        if self.currentProtocol is not None:
            self.currentProtocol.break_off()
