"""One device's connection: the Twisted protocol around the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import Refused
from ..push import OK, Answer, Peer, Trust
from .admission import Challenge
from .advice import ADVICE, NO_TLS
from .answers import BUSY, CONTINUE, render
from .closed import is_closed
from .deadlines import CONTENT_WAIT, body_deadline
from .exchange import Exchange, Fate
from .http1 import Data, End, Foreign, Head, Message, Reader, Refusal
from .inflight import Share
from .intake import Busy
from .line import BODY_READ, FIRST_READ, Line
from .watch import visible

if TYPE_CHECKING:
    from .connection import PushFactory

AHEAD = 65_536
"""Bytes of further requests that are taken while one is being handled."""
SEEN = 1_000
"""Bytes of something unreadable that are looked at for the log."""


@implementer(IProtocol, IHalfCloseableProtocol)
class Conversation(Line):
    """
    One device's connection, and what is said over it.

    `_advance` is the only loop: every event ends there, and `_rest` sets what
    may happen next.  Slots and no base class of Twisted, because thousands of
    these stand idle.
    """

    __slots__ = (
        "__weakref__",
        "_busy",
        "_exchange",
        "_heard",
        "_reader",
        "_since",
        "_told",
        "_wait",
        "deadline",
        "factory",
        "slot",
    )

    def __init__(self, factory: PushFactory) -> None:
        super().__init__()
        self.factory = factory
        self._reader = Reader(factory.mode, factory.limits, factory.heads)
        self._exchange: Exchange | None = None
        self._busy = False
        self._wait = ""
        self._since = self._heard = self.deadline = 0.0
        self.slot = self._told = 0

    # -- what Twisted calls -------------------------------------------------------

    def makeConnection(self, transport: ITransport) -> None:
        """It is open."""
        self.opened(transport)
        self.connectionMade()

    def connectionMade(self) -> None:
        """Count it, or close it when there are too many."""
        if self.factory.let_in(self):
            self._rest()
        else:
            self.state, self.lost = "close", True
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Bytes have come."""
        if self.state in ("linger", "close"):
            self.throw_away(len(data))
        else:
            self._heard = self.factory.now()
            if self._wait == "body" and self.state == "read" and self._reader.inside(len(data)):
                self._more(data)
            else:
                self._reader.feed(data)
                self._advance()

    def readConnectionLost(self) -> None:
        """The peer sends nothing more; it may still read."""
        self.ended = True
        if self.state in ("linger", "close"):
            self.state = "close"
            self.transport.loseConnection()
        else:
            self._reader.eof()
            self._advance()

    def writeConnectionLost(self) -> None:
        """We have closed our side, on purpose."""

    def connectionLost(self, reason: Failure) -> None:
        """It is gone: what has come is kept all the same."""
        if self.lost:
            return  # it was never let in
        self.lost = True
        self.factory.left(self)
        surplus = self._reader.dropped + self._thrown
        if surplus and self._told < 400:  # else a status has told it
            self.factory.intake.discarded(self.ip, surplus)
        if isinstance(reason.value, ConnectionDone):
            if self.state == "close":
                return  # as nearly always after an answer that said so
            self._reader.eof()
        elif str(getattr(reason.type, "__module__", "")).startswith("OpenSSL"):
            self.factory.intake.log.say(self.ip, "tls", NO_TLS)
        if self.state == "room":
            self.state = "read"
        self._advance()

    # -- the loop -----------------------------------------------------------------

    def _advance(self) -> None:
        if self._busy:
            return  # called from inside the loop below, which goes on by itself
        self._busy = True
        try:
            while self.state == "read":
                message = self._reader.next_event() or self._last()
                if message is None:
                    break
                self._take(message)
        finally:
            self._busy = False
        self._rest()

    def _last(self) -> Message | None:
        """What is made of the rest when no more will come."""
        if not (self.ended or self.lost):
            return None
        message = self._reader.salvage()
        if message is None:
            self.close()
        return message

    def _take(self, message: Message) -> None:
        if isinstance(message, Data):
            self._data(message.chunk)
        elif isinstance(message, Head):
            self._head(message)
        elif isinstance(message, End):
            self._end(message)
        elif isinstance(message, Refusal):
            self._unreadable(message)
        else:
            self._foreign(message)

    def _rest(self) -> None:
        """Wait for something to happen: set for how long, and whether to read meanwhile."""
        if self.lost:
            return
        state, factory = self.state, self.factory
        wait: str = self._reader.phase if state == "read" else state
        if wait == "idle" and not self._stays:
            wait = "fresh"
        if wait != self._wait:
            self._wait, self._since = wait, factory.now()
        if wait == "body":
            self._in_body()
        else:
            self.deadline = self._since + factory.spans[wait]
        factory.wheel.watch(self)
        pause = state == "room" or (state == "answer" and self._reader.buffered > AHEAD)
        if pause != self._paused:
            self.pause(pause)

    def _in_body(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return  # never: there is no body without a Head
        self.deadline = exchange.until(self._since, self._heard, self.factory.limits)
        if not exchange.acknowledged:
            exchange.acknowledged = True
            self.acknowledge()
            # No more than is announced: memory that is set aside in vain costs more than the read.
            self.read_at_once(min(BODY_READ, max(FIRST_READ, exchange.left)))

    # -- a request ------------------------------------------------------------------

    def _head(self, head: Head) -> None:
        try:
            trust = self.factory.intake.admit(head, self.ip)
        except Challenge as challenge:
            self._challenge(head, challenge)
        except Refused as refused:
            if refused.http_status == OK.status:
                self._throw_away(head, refused)
            else:
                self._refuse(refused)
        else:
            self._begin(head, trust, "keep")

    def _begin(self, head: Head, trust: Trust, fate: Fate) -> None:
        share = Share(self.factory.intake.budget.in_flight, self._room_found)
        self._exchange = Exchange(head, trust, fate, share)
        if head.expect_continue and fate != "answered" and not self._reader.buffered:
            self.write(CONTINUE)

    def _data(self, chunk: bytes) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.fate == "keep" and not exchange.take(chunk) and not self.lost:
            self.state = "room"

    def _more(self, chunk: bytes) -> None:
        """The same for what is *inside* a body; its deadline moves to later, so nobody need be told."""
        self._data(chunk)
        if self.state == "read":
            self._in_body()
        else:
            self._rest()

    def _room_found(self) -> None:
        if self.state == "room":
            self.state, self._wait = "read", ""
            self._advance()

    def _end(self, end: End) -> None:
        exchange = self._exchange
        if exchange is None:
            return  # never: an End follows a Head
        if exchange.fate != "keep":
            self._thrown_away(exchange, end)
        elif not exchange.size and end.complete and self.factory.intake.only_asks(exchange.head):
            self._reply(exchange, OK, end.keep_alive)
        elif end.complete:
            self._keep(exchange, end)
        else:
            self._salvage(exchange, end, Answer(408))

    def _keep(self, exchange: Exchange, end: End, otherwise: Answer | None = None) -> None:
        intake = self.factory.intake
        peer = Peer(self.ip, self.port, exchange.trust)
        push = intake.push(exchange.head, peer, exchange.body(), end.anomalies)
        exchange.chunks = []
        self.state = "answer"
        kept = intake.receive(push)
        kept.addBoth(self._kept, exchange, end.keep_alive, otherwise).addErrback(intake.log.bug)

    def _salvage(self, exchange: Exchange, end: End, otherwise: Answer) -> None:
        """
        Keep a request that was cut, or said nothing of its length; *otherwise* is the answer
        unless a whole document came.  A 400 stays one: what stands behind the fault is not kept.
        """
        intake = self.factory.intake
        whole = intake.is_whole(exchange.head, exchange.body())
        intake.watch.salvaged(self.ip, whole)
        if exchange.head.framing == "close":
            intake.log.say(
                self.ip,
                "no-length",
                f"a request said nothing of its length: {exchange.size} bytes were kept, until it closed "
                "or fell silent; where it can be set, let it send a Content-Length",
            )
        else:
            intake.log.say(
                self.ip,
                "salvaged",
                f"a request was cut after {exchange.size} bytes and kept as far as it came; "
                "see the device's network and its time-out",
            )
        self._keep(exchange, end, None if whole and otherwise.status != 400 else otherwise)

    def _kept(
        self, answer: Answer | Failure, exchange: Exchange, keep_alive: bool, otherwise: Answer | None
    ) -> None:
        if isinstance(answer, Failure):
            answer = self.factory.intake.not_kept(answer, self.ip)
        exchange.share.release()
        if self._exchange is exchange:  # else its time was up and it was told 503
            self._reply(exchange, otherwise if otherwise and answer.status < 400 else answer, keep_alive)

    def _reply(self, exchange: Exchange, answer: Answer, keep_alive: bool) -> None:
        head = exchange.head
        more = self._reader.buffered > 0
        keep = keep_alive and not answer.close and not self.factory.draining and (more or not self.ended)
        self.write(render(answer, keep=keep, body=head.method != "HEAD"))
        self._told = answer.status
        self.factory.intake.watch.answered(answer.status)
        self._go_on(keep, linger=keep_alive or head.keep_alive or head.framing == "close")

    def _go_on(self, keep: bool, linger: bool) -> None:
        self._exchange = None
        if not keep:
            self.close(linger)
        else:
            self.stay()
            self.read_at_once(FIRST_READ)
            self.state, self._wait = "read", ""
            self._reader.start_next()
        if self._reader.buffered or self.ended or self.lost:
            self._advance()
        elif not self._busy:
            self._rest()

    # -- what is not kept ---------------------------------------------------------------

    def _challenge(self, head: Head, challenge: Challenge) -> None:
        # The body is read and thrown away, so that the repeated request can use this connection.
        # Whoever waits for "100 Continue" may send it or not: then only closing is clear.
        keep = head.keep_alive and not head.expect_continue
        self.write(render(Answer(401), keep=keep, extra=challenge.lines))
        self._told = 401
        self.factory.intake.watch.answered(401)
        if keep:
            self._begin(head, "none", "answered")
        else:
            self.close(linger=True)

    def _throw_away(self, head: Head, refused: Refused) -> None:
        self.factory.intake.watch.thrown_away(self.ip, refused.reason)
        self.factory.intake.log.say(
            self.ip, "thrown-away", f"told 200, but nothing is kept: {refused.reason}"
        )
        self._begin(head, "none", "drop")

    def _thrown_away(self, exchange: Exchange, end: End) -> None:
        if exchange.fate == "drop":
            self._reply(exchange, OK, end.keep_alive)
        else:
            self._go_on(end.keep_alive and not self.ended, linger=True)

    def _refuse(self, refused: Refused) -> None:
        """Say no, before the body if there is one, and see to it that the device hears it."""
        intake, status = self.factory.intake, refused.http_status
        intake.watch.refused(self.ip, status, refused.reason)
        intake.log.say(self.ip, f"refused-{status}", f"refused with {status}: {refused.reason}")
        self._give_up(Answer(status, retry_after=refused.retry_after if isinstance(refused, Busy) else None))

    def _give_up(self, answer: Answer | None) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None and self.state != "answer":
            exchange.share.release()
        if answer is not None and (exchange is None or exchange.fate != "answered"):
            self.write(render(answer, keep=False))
            self._told = answer.status
            self.factory.intake.watch.answered(answer.status)
        self.close(linger=True)

    def _unreadable(self, refusal: Refusal) -> None:
        intake, exchange = self.factory.intake, self._exchange
        if exchange is not None and exchange.size and refusal.status == 400:
            self._salvage(exchange, End(refusal.anomalies, False, False), Answer(400))
            return
        if not intake.keep_unreadable(self.ip, self.port, refusal.raw, refusal.anomalies):
            self._thrown += len(refusal.raw)
        intake.watch.refused(self.ip, refusal.status, refusal.reason)
        seen = visible(intake.without_secrets(refusal.raw[:SEEN]))
        intake.log.say(
            self.ip, "unreadable", f"refused with {refusal.status}: {refusal.reason}; it sent: {seen}"
        )
        self._give_up(None if refusal.silent or self.lost else Answer(refusal.status))

    def _foreign(self, foreign: Foreign) -> None:
        intake, advice = self.factory.intake, ADVICE[foreign.kind]
        if not intake.keep_foreign(self.ip, self.port, foreign):
            self._thrown += len(foreign.raw)
        intake.watch.foreign(self.ip, foreign.kind, advice)
        intake.log.say(self.ip, "foreign", advice)
        self.close()

    # -- the end ------------------------------------------------------------------------

    def retire(self) -> None:
        """The receiver is stopping: close now if nothing is under way, else after the answer."""
        if self._wait in ("fresh", "idle"):
            self.close()
            self._rest()

    # -- deadlines ------------------------------------------------------------------------

    def overdue(self, now: float) -> None:
        """See :class:`~hikrecv.wire.deadlines.Watched`."""
        wait, exchange = self._wait, self._exchange
        if wait in ("linger", "close"):
            self.abort()
            return
        if wait in ("fresh", "idle"):
            self.close()
        elif wait == "room":
            self.factory.intake.watch.expired(self.ip, wait)
            self._refuse(Busy("there was no room for its body in time; see limits.in_flight"))
        elif wait == "answer":
            self.factory.intake.watch.expired(self.ip, wait)
            self._give_up(BUSY)
        elif wait != "body" or exchange is None or not self._waits_for_more(exchange, now):
            self._no_more(wait, now)
        self._advance()

    def _waits_for_more(self, exchange: Exchange, now: float) -> bool:
        """Whether a body without a length, whose sender paused for a moment, is not all there yet."""
        if now >= self._heard + CONTENT_WAIT or not self._in_time(now):
            return False
        exchange.looks += 1
        exchange.looked = exchange.size
        body = exchange.body()
        return not (is_closed(body) and self.factory.intake.is_whole(exchange.head, body))

    def _in_time(self, now: float) -> bool:
        """Whether a body is looked at because its sender is silent, and not because its time is up."""
        exchange = self._exchange
        return exchange is not None and now < body_deadline(self._since, exchange.size, self.factory.limits)

    def _no_more(self, wait: str, now: float) -> None:
        silent = wait == "body" and self._in_time(now)
        if not silent:
            self.factory.intake.watch.expired(self.ip, wait)
        message = self._reader.salvage(silent)
        if message is None:
            self.close()
        else:
            self._take(message)
