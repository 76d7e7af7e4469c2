"""The broker: one connection after the other, in paho's thread, seen from the reactor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode
from twisted.application.internet import backoffPolicy
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from hikrecv import Hold, Reject, Retry

PATIENCE = 10.0
"""Seconds that a message waits for a connection, and then for its acknowledgement."""
CONNECT = 15.0
"""Seconds from the first packet of a connection until the broker must have accepted it."""
GOODBYE = 2.0
"""Seconds for the last message."""
REFUSED = frozenset({"Bad user name or password", "Not authorized", "Bad authentication method", "Banned"})
"""What a broker says of a login (MQTT 3.1.1, 3.2.2.3, and 5, 3.2.2.2)."""
ONLINE, OFFLINE = b"online", b"offline"
MOST_HEARD = 64
"""Bytes of what we listen to: one word."""
_OVERHEAD = 64
"""Bytes of a packet beside topic and payload, at most."""


class Message(NamedTuple):
    """What is published."""

    topic: str
    payload: bytes
    retain: bool = False


class Broker:
    """
    Keeps a connection, and publishes over it.

    The journal is the queue: nothing is given to paho while there is no connection, and each
    connection has a client of its own, so that nothing of the last one is sent again behind
    our back.  Everything here happens on the reactor; only paho's callbacks do not, and they
    hand over at once.

    :param make: gives a client that has its login, its TLS and its last will, and does not reconnect.
    :param status: the topic that says whether we are there.
    :param from_thread: calls a function on the reactor from any thread.
    :ivar connections: how many there were; another one means that the broker may have forgotten.
    """

    def __init__(
        self,
        make: Callable[[], Client],
        server: tuple[str, int],
        keepalive: float,
        status: str,
        clock: IReactorTime,
        from_thread: Callable[..., Any],
        log: Logger,
    ) -> None:
        self.connections = 0
        self._make = make
        self._server = server
        self._keepalive = int(keepalive)
        self._status = status
        self._clock = clock
        self._from_thread = from_thread
        self._log = log
        self._name = "the broker {}:{}".format(*server)
        self._client: Client | None = None
        self._ready = False
        self._most: int | None = None
        self._problem = "not connected yet"
        self._refused = False
        self._heard: dict[str, Callable[[bytes], object]] = {}
        self._failures = 0
        self._delay = backoffPolicy(initialDelay=1.0, maxDelay=30.0)
        self._next: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []
        self._unanswered: dict[int, Deferred[Any]] = {}

    # -- what is asked of it --------------------------------------------------

    def hear(self, topic: str, told: Callable[[bytes], object]) -> None:
        """From the next connection on, call *told* on the reactor with what is published to *topic*."""
        self._heard[topic] = told

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._cancel()
        host, port = self._server
        self._client = client = self._make()
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.connect_async(host, port, keepalive=self._keepalive)
        client.loop_start()
        self._next = self._clock.callLater(CONNECT, self._drop, client, "it does not answer")

    async def publish(self, messages: Sequence[Message], qos: int) -> None:
        """
        Publish the *messages* in that order; returns when all are acknowledged, or sent with *qos* 0.

        :raises Retry: when there is no connection, or no acknowledgement.
        :raises Hold: when the broker refuses our login.
        :raises Reject: when the broker will never take one of them.
        """
        client = await self._connected()
        for message in messages:
            self._fits(message)
        answers: list[Deferred[Any]] = []
        try:
            # When one of them raises, those before it are in the list, and let go of below.
            answers.extend(
                self._send(client, message, qos).addTimeout(PATIENCE, self._clock) for message in messages
            )
            for message, answer in zip(messages, answers, strict=True):
                reason = await answer
                if reason.is_failure:
                    raise Reject(f"{self._name} does not take {message.topic!r}: {reason}")
        except TimeoutError:
            self._drop(client, "it does not acknowledge")
            raise Retry(f"{self._name} does not acknowledge", certain=False) from None
        finally:
            for answer in answers:
                answer.addErrback(lambda failure: None)
                answer.cancel()

    async def stop(self) -> None:
        """Say that we go, and go."""
        client, ready = self._client, self._ready
        if client is not None and ready:
            goodbye = Message(self._status, OFFLINE, retain=True)
            with suppress(TimeoutError, Retry):
                await self._send(client, goodbye, 1).addTimeout(GOODBYE, self._clock)
        self._problem = "we have stopped"
        self._lost(client, self._problem)
        self._cancel()
        if client is not None:
            client.disconnect()

    # -- a message ------------------------------------------------------------

    async def _connected(self) -> Client:
        if not self._ready:
            if self._refused and self._client is None:
                # Every wrong login counts: only who asks has it tried again.
                self.start()
            waiting: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(waiting)
            with suppress(TimeoutError):
                await waiting.addTimeout(PATIENCE, self._clock)
        # Who waited beside us may have lost it again before it is our turn.
        if self._client is None or not self._ready:
            if self._refused:
                raise Hold(f"{self._name} {self._problem}; correct user and password, or its rights there")
            raise Retry(f"{self._name} is not connected: {self._problem}")
        return self._client

    def _fits(self, message: Message) -> None:
        size = len(message.topic.encode()) + len(message.payload) + _OVERHEAD
        if self._most is not None and size > self._most:
            raise Reject(f"{self._name} takes {self._most} bytes, and {message.topic!r} has {size}")

    def _send(self, client: Client, message: Message, qos: int) -> Deferred[Any]:
        info = client.publish(message.topic, message.payload, qos=qos, retain=message.retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._drop(client, str(info.rc.name))
            raise Retry(f"{self._name} is not connected: {info.rc.name}")
        # The callback cannot be here before: it comes over the reactor, where we are.
        answer: Deferred[Any] = Deferred(lambda _: self._forget(info.mid))
        self._unanswered[info.mid] = answer
        return answer

    def _forget(self, mid: int) -> None:
        self._unanswered.pop(mid, None)

    # -- paho's thread --------------------------------------------------------

    def _on_connect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        most = getattr(properties, "MaximumPacketSize", None)
        self._from_thread(self._accepted, client, reason, most)

    def _on_connect_fail(self, client: Client, data: Any) -> None:
        # paho calls this where it has caught the reason.
        self._from_thread(self._lost, client, str(sys.exception() or "the connection failed"))

    def _on_disconnect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._from_thread(self._lost, client, f"the connection was lost: {reason}")

    def _on_publish(self, client: Client, data: Any, mid: int, reason: Any, properties: Any) -> None:
        self._from_thread(self._acknowledged, client, mid, reason)

    def _on_message(self, client: Client, data: Any, message: Any) -> None:
        if len(message.payload) <= MOST_HEARD:
            self._from_thread(self._say, client, message.topic, bytes(message.payload))

    # -- the reactor's --------------------------------------------------------

    def _accepted(self, client: Client, reason: Any, most: int | None) -> None:
        if client is not self._client:
            # Given up while it was connecting; with our name it would push the next one out.
            client.disconnect()
            return
        if reason.is_failure:
            self._refused = reason.getName() in REFUSED
            self._lost(client, f"does not let us in: {reason}")
            return
        self._refused = False
        self._cancel()
        for topic in self._heard:
            client.subscribe(topic, qos=1)
        client.publish(self._status, ONLINE, qos=1, retain=True)
        self._ready, self._most = True, most
        self._problem, self._failures = "", 0
        self.connections += 1
        self._log.info("{name} is connected", name=self._name)
        waiting, self._waiting = self._waiting, []
        for each in tuple(waiting):
            if not each.called:
                each.callback(None)

    def _say(self, client: Client, topic: str, payload: bytes) -> None:
        if client is self._client and topic in self._heard:
            self._heard[topic](payload)

    def _acknowledged(self, client: Client, mid: int, reason: Any) -> None:
        answer = self._unanswered.pop(mid, None) if client is self._client else None
        if answer is not None:
            answer.callback(reason)

    def _drop(self, client: Client, problem: str) -> None:
        """Give up a connection that is of no use."""
        if client is self._client:
            self._lost(client, problem)
            client.disconnect()

    def _lost(self, client: Client | None, problem: str) -> None:
        if client is None or client is not self._client:
            return
        self._client, self._ready = None, False
        if problem != self._problem:
            self._log.warn("{name}: {problem}", name=self._name, problem=problem)
        self._problem = problem
        self._cancel()
        self._failures += 1
        if self._refused:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)
        else:
            self._next = self._clock.callLater(self._delay(self._failures), self.start)
        unanswered, self._unanswered = self._unanswered, {}
        for answer in unanswered.values():
            # The first of them makes `publish` let go of the others.
            if not answer.called:
                answer.errback(Retry(f"{self._name}: {problem}", certain=False))

    def _cancel(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
