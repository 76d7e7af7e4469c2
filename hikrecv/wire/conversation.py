"""One device's connection: the Twisted protocol around the reader."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import Refused
from ..push import OK, Answer, Peer
from .admission import Challenge, Sender
from .advice import ADVICE, NO_TLS
from .answers import BUSY, CONTINUE, render
from .closed import is_closed
from .deadlines import CONTENT_WAIT
from .exchange import Exchange, Fate
from .http1 import Data, End, Foreign, Head, Message, Reader, Refusal
from .intake import Busy, cost_of
from .line import BODY_READ, FIRST_READ, Line
from .watch import visible

if TYPE_CHECKING:
    from .connection import PushFactory

Otherwise = Answer | None | Deferred[Answer | None]
"""What is said instead of 200; while it is not clear yet whether a cut body was whole, a Deferred."""
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
        "sender",
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
        self.sender: Sender = self.factory.intake.admission.at_the_door(self.ip)
        self.connectionMade()

    def connectionMade(self) -> None:
        """Count it, or close it when there are too many."""
        if self.factory.let_in(self):
            self._rest()
        else:
            self.state, self.lost = "close", True
            self.close_at_once()

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
        try:
            self._lost(reason)
        finally:
            # Last of all: when it was the last connection, what is told here closes the journal.
            self.factory.left(self)

    def _lost(self, reason: Failure) -> None:
        if isinstance(reason.value, ConnectionDone):
            if self.state == "close":
                self._name_surplus()
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
            if self._exchange is None:
                self._name_surplus()
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
        size, cost = head.length or 0, cost_of(head)
        try:
            sender = self.factory.intake.admit(head, self.ip, size + cost)
        except Challenge as challenge:
            self._challenge(head, challenge)
        except Refused as refused:
            if refused.http_status == OK.status:
                self._throw_away(head, refused)
            else:
                self._refuse(refused)
        else:
            if sender is not self.sender:
                self.factory.intake.budget.connections.know(self, sender)
            self._begin(head, sender, "keep", size, cost)

    def _begin(self, head: Head, sender: Sender, fate: Fate, taken: int = 0, cost: int = 0) -> None:
        share = self.factory.intake.budget.share(sender, self._room_found)
        self._exchange = Exchange(head, sender, fate, share, taken, cost)
        if head.expect_continue and fate != "answered" and not self._reader.buffered:
            self.write(CONTINUE)

    def _data(self, chunk: bytes) -> None:
        exchange = self._exchange
        if exchange is None or exchange.fate != "keep":
            return
        if exchange.size + len(chunk) > exchange.taken and not self._take_more(exchange, len(chunk)):
            return
        if not exchange.take(chunk) and not self.lost:
            self.state = "room"

    def _take_more(self, exchange: Exchange, size: int) -> bool:
        """Of a body that did not announce its length each piece is taken from its sender's hour."""
        try:
            self.factory.intake.take_quota(exchange.sender, self.ip, size, pushes=0)
        except Busy as busy:
            self._refuse(busy)
            return False
        exchange.taken += size
        return True

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
            self._give_back(exchange, kept=False)
            self._reply(exchange, OK, end.keep_alive)
        elif end.complete:
            self._keep(exchange, end)
        else:
            self._salvage(exchange, end, Answer(408))

    def _keep(self, exchange: Exchange, end: End, otherwise: Otherwise = None) -> None:
        intake = self.factory.intake
        sender = exchange.sender
        peer = Peer(self.ip, self.port, sender.trust, sender.login)
        push = intake.push(exchange.head, peer, exchange.body(), end.anomalies)
        exchange.chunks = []
        self.state = "answer"
        kept = intake.receive(push)
        if isinstance(otherwise, Deferred):
            # It is being kept already, whatever happens to the connection; only the answer waits.
            kept.addBoth(self._once_judged, otherwise, exchange, end.keep_alive).addErrback(intake.log.bug)
            return
        kept.addBoth(self._kept, exchange, end.keep_alive, otherwise).addErrback(intake.log.bug)

    def _salvage(self, exchange: Exchange, end: End, otherwise: Answer) -> None:
        """
        Keep a request that was cut, or said nothing of its length; *otherwise* is the answer
        unless a whole document came.  A 400 stays one: what stands behind the fault is not kept.
        """
        intake = self.factory.intake
        whole = intake.is_whole(exchange.head, exchange.body())
        judged: Otherwise
        if isinstance(whole, Deferred):
            judged = whole.addCallback(self._judged, otherwise)
        else:
            judged = self._judged(whole, otherwise)
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
        self._keep(exchange, end, judged)

    def _judged(self, whole: bool, otherwise: Answer) -> Answer | None:
        self.factory.intake.watch.salvaged(self.ip, whole)
        return None if whole and otherwise.status != 400 else otherwise

    def _once_judged(
        self, answer: Answer | Failure, judged: Deferred[Answer | None], exchange: Exchange, keep_alive: bool
    ) -> Deferred[None]:
        return judged.addCallback(lambda otherwise: self._kept(answer, exchange, keep_alive, otherwise))

    def _kept(
        self, answer: Answer | Failure, exchange: Exchange, keep_alive: bool, otherwise: Answer | None
    ) -> None:
        if isinstance(answer, Failure):
            answer = self.factory.intake.not_kept(answer, self.ip)
        self._give_back(exchange, kept=answer.status < 400)
        if self._exchange is exchange:  # else its time was up and it was told 503
            self._reply(exchange, otherwise if otherwise and answer.status < 400 else answer, keep_alive)

    def _give_back(self, exchange: Exchange, *, kept: bool) -> None:
        """A request is over: its room, and what was taken from its sender's hour in vain."""
        exchange.share.release()
        size = exchange.size if kept else 0
        if exchange.fate == "keep" and (not kept or size < exchange.taken):
            budget = self.factory.intake.budget
            back = exchange.taken - size
            if kept:
                budget.give_back(exchange.sender, back)
            else:
                budget.give_back(exchange.sender, back + exchange.cost, pushes=1)
            exchange.taken = size

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
            self._begin(head, self.sender, "answered")
        else:
            self.close(linger=True)

    def _throw_away(self, head: Head, refused: Refused) -> None:
        self.factory.intake.watch.thrown_away(self.ip, refused.reason)
        self.factory.intake.log.say(
            self.ip, "thrown-away", f"told 200, but nothing is kept: {refused.reason}"
        )
        self._begin(head, self.sender, "drop")

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
            self._give_back(exchange, kept=False)
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

    @property
    def expendable(self) -> bool:
        """See :class:`~hikrecv.wire.crowd.Connected`."""
        return self.state != "answer"

    @property
    def resting(self) -> float:
        """See :class:`~hikrecv.wire.crowd.Connected`."""
        return self._since if self._wait in ("fresh", "idle") else math.inf

    def make_way(self) -> None:
        """See :class:`~hikrecv.wire.crowd.Connected`; what has come of a request is kept."""
        intake = self.factory.intake
        intake.watch.expired(self.ip, "crowd")
        intake.log.say_once(
            self.ip, "made-way", "its connection was closed for another one; see limits.connections"
        )
        if self.state in ("linger", "close"):
            self.abort()
        elif self._wait in ("fresh", "idle"):
            self.close()
        else:
            self.state = "read"  # if it waited for room, there is no need of any now
            self._no_more(self._wait, self.factory.now())
            self._advance()

    def retire(self) -> None:
        """The receiver is stopping: close now if nothing is under way, else after the answer."""
        if self._wait in ("fresh", "idle"):
            self.close()
            self._rest()

    def _name_surplus(self) -> None:
        """It is gone, and nothing is under way: say how much came behind its last request."""
        surplus = self._reader.dropped + self._thrown
        self._reader.dropped = self._thrown = 0
        if surplus and self._told < 400:  # else a status has told it
            self.factory.intake.discarded(self.ip, surplus)

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
        if not is_closed(body):
            return True
        whole = self.factory.intake.is_whole(exchange.head, body)
        if isinstance(whole, Deferred):
            whole.addCallback(self._looked, exchange, exchange.size).addErrback(self.factory.intake.log.bug)
            return True
        return not whole

    def _looked(self, whole: bool, exchange: Exchange, size: int) -> None:
        """It took a while to see whether the first *size* bytes are all: perhaps something came meanwhile."""
        if whole and self._exchange is exchange and exchange.size == size and self.state == "read":
            self._no_more("body", self.factory.now())
            self._advance()

    def _in_time(self, now: float) -> bool:
        """Whether a body is looked at because its sender is silent, and not because its time is up."""
        exchange = self._exchange
        return exchange is not None and now < exchange.due(self._since, self._heard, self.factory.limits)

    def _no_more(self, wait: str, now: float) -> None:
        silent = wait == "body" and self._in_time(now)
        if not silent:
            self.factory.intake.watch.expired(self.ip, wait)
        message = self._reader.salvage(silent)
        if message is None:
            self.close()
        else:
            self._take(message)
