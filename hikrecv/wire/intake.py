"""What one listener has in common for all its requests: who may send, what is kept, what is said about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain
from typing import Protocol

from twisted.internet.defer import Deferred, fail
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from ..errors import JournalError, Refused
from ..push import Anomaly, Answer, Peer, Push
from .admission import Admission, Asked, Sender
from .answers import BUSY, RETRY_AFTER
from .budget import HOUR_USED, Budget
from .messages import RAW_MOST, Foreign
from .quota import HOUR
from .rate import Rate
from .redaction import from_raw, without_secrets, without_token
from .watch import SenderLog, Watch

Receive = Callable[[Push], Deferred[Answer]]
Complete = Callable[[Push], "bool | Deferred[bool]"]
"""Judges whether a push that broke off holds a whole document; a Deferred when that takes a while."""

UNREADABLE_A_MINUTE = 10
"""How many things that are no request are kept of one address."""

NOT_PUSHED = ("GET", "HEAD", "OPTIONS")
"""Methods that, without a body and an event in the query, only ask whether we are there."""

RECORD = 160
"""Bytes that a push takes in the journal beside what its sender said, about."""

_ENDS = (b"}", b"]", b">", b"--")


def looks_complete(push: Push) -> bool:
    """
    Whether a cut body ends like a whole document: JSON, XML, or a closed multipart.

    The service passes a better judge, which reads the documents.
    """
    return push.body[-64:].rstrip(b" \t\r\n\0").endswith(_ENDS)


class Read(Asked, Protocol):
    """The head of a request that is over."""

    @property
    def version(self) -> str:
        """``1.0`` or ``1.1``."""
        ...


def cost_of(head: Asked) -> int:
    """Bytes that a push without a body takes: with long headers strangers fill a disk, too."""
    # Without a call of Python for each header.
    return RECORD + len(head.target) + sum(map(len, chain.from_iterable(head.headers)))


class Busy(Refused):
    """
    Not now.

    :param retry_after: seconds.
    """

    def __init__(self, reason: str, retry_after: int = RETRY_AFTER) -> None:
        super().__init__(503, reason)
        self.retry_after = retry_after


class Intake:
    """
    The way from a request to `receive`, the same for our own port and for a Twisted `Site`.

    :param receive: keeps a push and gives the answer.
    :param complete: judges a cut push: answered 200 when it holds a whole document.
    :param wall: our clock, nanoseconds since 1970 (UTC).
    """

    def __init__(
        self,
        receive: Receive,
        admission: Admission,
        budget: Budget,
        watch: Watch,
        log: SenderLog,
        *,
        complete: Complete = looks_complete,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self._receive, self.admission, self.budget = receive, admission, budget
        self.watch, self.log, self.complete, self._wall = watch, log, complete, wall
        self._kept = Rate(UNREADABLE_A_MINUTE, 60, budget.now)
        self._alarmed = Rate(1, HOUR, budget.now)

    def admit(self, head: Asked, ip: str, size: int) -> Sender:
        """
        Judge a request by its *head*, and take what it announces from its sender's hour.

        :param size: bytes that it will take: `cost_of` it, and what is announced of the body.
        :raises Challenge: it must log in.
        :raises Refused: 403, or 200 (to be thrown away).
        :raises Busy: there is no room, or its hour's quota is used up.
        """
        sender = self.admission.check(head, ip)
        self.make_room(sender, ip, size)
        return sender

    def make_room(self, sender: Sender, ip: str, size: int) -> None:
        """
        The second half of :meth:`admit`.

        :raises Busy: there is no room, or its hour's quota is used up.
        """
        if self.budget.rooms[sender.standing].full:
            raise Busy("more is being received at once than limits.in_flight allows")
        self.take_quota(sender, ip, size)

    def push(self, head: Read, peer: Peer, body: bytes, anomalies: tuple[Anomaly, ...]) -> Push:
        """A request as a value, without its secrets."""
        return Push(
            received=self._wall(),
            peer=peer,
            method=head.method,
            target=without_token(head.target, self.admission.token),
            version=head.version,
            headers=without_secrets(head.headers),
            body=body,
            anomalies=anomalies,
        )

    def take(self, push: Push) -> Deferred[Answer]:
        """Hand *push* over; the answer is always one, 503 when it could not be kept."""
        return self.receive(push).addErrback(self.not_kept, push.peer.ip)

    def receive(self, push: Push) -> Deferred[Answer]:
        """The same for who asks :meth:`not_kept` itself."""
        try:
            return self._receive(push)
        except Exception:  # whatever went wrong in there, the device is answered
            return fail(Failure())

    def keep_unreadable(self, ip: str, port: int, raw: bytes, anomalies: tuple[Anomaly, ...]) -> bool:
        """
        Keep what is no request, for a person to look at.  Returns whether it did.

        Only of senders that need no secret, within their quota, and ten a minute:
        else a stranger could fill the journal with noise.
        """
        try:
            sender = self.admission.stranger(ip)
            if self._kept.take(ip) is None:
                return False
            body = from_raw(raw[:RAW_MOST], self.admission.token)
            self.take_quota(sender, ip, RECORD + len(body))
        except Refused:
            return False
        peer = Peer(ip, port, sender.trust)
        push = Push(
            received=self._wall(),
            peer=peer,
            method="",
            target=b"",
            version="",
            body=body,
            anomalies=anomalies,
        )
        self.take(push)
        return True

    def discarded(self, ip: str, size: int) -> None:
        """Count and name *size* bytes behind the last request of a connection."""
        self.watch.discarded(ip, size)
        self.log.say(
            ip,
            "discarded",
            f"{size} bytes behind the last request of a connection were thrown away: its Content-Length is "
            "too small, or it sends on behind a request after which the connection closes",
        )

    def keep_foreign(self, ip: str, port: int, foreign: Foreign) -> bool:
        """The same for what is not HTTP at all."""
        return self.keep_unreadable(ip, port, foreign.raw, (Anomaly("not-http", foreign.kind),))

    def is_whole(self, head: Read, body: bytes) -> bool | Deferred[bool]:
        """Whether a whole document is in the *body* so far, or in the query; it never errs."""
        push = Push(
            received=0,
            peer=Peer("", 0, "none"),
            method=head.method,
            target=head.target,
            headers=head.headers,
            body=body,
        )
        try:
            whole = self.complete(push)
        except Exception:
            return self._cannot_judge(Failure())
        return whole.addErrback(self._cannot_judge) if isinstance(whole, Deferred) else whole

    def _cannot_judge(self, failure: Failure) -> bool:
        # The push is kept all the same, and a device that is told 408 sends it again.
        self.log.bug(failure)
        return False

    def only_asks(self, head: Read) -> bool:
        """
        Whether a request without a body brings nothing that is worth keeping.

        Some firmware can be set to send events as URL parameters (`parameterFormatType`
        querystring), and then perhaps with GET.
        """
        return head.method in NOT_PUSHED and not (
            b"=" in head.target and self.is_whole(head, b"") is not False
        )

    def without_secrets(self, raw: bytes) -> bytes:
        """The same bytes, fit for a log."""
        return from_raw(raw, self.admission.token)

    def not_kept(self, failure: Failure, ip: str) -> Answer:
        """What a device is told when its push could not be kept."""
        if failure.check(JournalError):
            self.log.say(ip, "not-kept", f"an event could not be kept and was answered 503: {failure.value}")
        else:
            self.log.log.failure("{ip}: receiving failed, answered 503", failure=failure, ip=ip)
        return BUSY

    def take_quota(self, sender: Sender, ip: str, size: int, pushes: int = 1) -> None:
        """
        Take so much from what *sender* may still send.

        :raises Busy: there is not so much left; an alarm says so once an hour.
        """
        if self.budget.only_for_known(sender):
            raise Busy("the journal is nearly full: the rest is for known devices; see `hikrecv reactions`")
        refused = self.budget.take(sender, size, pushes)
        if refused is None:
            return
        reason, wait = refused
        # The share of a class is one thing to look at, however many senders meet its end.
        if self._alarmed.take(reason if reason != HOUR_USED else sender.key) is not None:
            self.watch.alarm(ip, reason)
            self.log.say(ip, "alarm", f"ALARM: {reason}", LogLevel.critical)
        raise Busy(reason, wait)
