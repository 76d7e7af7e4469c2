"""
hikrecv-mqtt: events and pictures to an MQTT broker, and Home Assistant finds the devices by itself.

An event is done when the broker has acknowledged everything about it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from twisted.internet.defer import Deferred

from hikrecv import Context, Event, Picture, Reject, hookimpl
from hikrecv.isapi.words import describe
from hikrecv.templates import Template

from .broker import CONNECT, OFFLINE, ONLINE, Broker, Message
from .homeassistant import HomeAssistant
from .settings import Settings
from .topic import Topic

__all__ = ["HIKRECV_API", "Plugin", "Settings", "dry_run"]
__version__ = "0.1.0"

HIKRECV_API = 1
dry_run = True
"""It looks at `context.dry_run`."""

_VERSIONS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}


class Plugin:
    """Publishes events and pictures to an MQTT broker; Home Assistant finds the devices by itself."""

    def __init__(self, context: Context) -> None:
        # Tells how old an event is; a test has its own.
        self.wall = time.time
        settings: Settings = context.settings
        path = f"reactions.{context.name}"
        base = settings.base or f"hikrecv/{context.name}"
        self._settings = settings
        self._tls = settings.context()
        self._status = f"{base}/status"
        self._id = settings.client_id
        self._topic = Topic(settings.topic, f"{path}.topic")
        self._payload = Template(settings.payload, f"{path}.payload") if settings.payload else None
        self._pictures = Topic(settings.pictures, f"{path}.pictures") if settings.pictures else None
        self._home: HomeAssistant | None = None
        if settings.discovery:
            prefix = settings.discovery_prefix
            self._home = HomeAssistant(prefix, base, self._status, settings.off_after)
        self._told: set[str] = set()
        self._told_at = 0
        self._broker: Broker | None = None

    @hookimpl
    async def hikrecv_start(self, context: Context) -> None:
        """Begin to connect; whether it succeeds is seen when there is an event."""
        self._id = self._settings.client_id or _own_id(context)
        self._broker = Broker(
            self.client,
            self._settings.server,
            self._settings.keepalive,
            self._status,
            context.clock,
            self.from_thread(),
            context.log,
        )
        if self._home is not None:
            self._broker.hear(f"{self._settings.discovery_prefix}/status", self._home_says)
        self._broker.start()

    @hookimpl
    async def hikrecv_stop(self) -> None:
        """Tell the broker, and leave."""
        if self._broker is not None:
            await self._broker.stop()

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        """Publish the event, its pictures, and what Home Assistant is to know of it."""
        broker = self._broker
        if broker is None:
            raise RuntimeError("hikrecv_event was called before hikrecv_start")
        if self._told_at != broker.connections:
            # Another connection may be to a broker that has forgotten everything.
            self._told, self._told_at = set(), broker.connections
        messages = await self._messages(event, context)
        if context.dry_run:
            for each in messages:
                context.log.info(
                    "would publish {size} bytes to {topic}", size=len(each.payload), topic=each.topic
                )
            return
        await broker.publish(messages, self._settings.qos)
        self._told |= {each.topic for each in messages if each.topic.endswith("/config")}

    def _home_says(self, payload: bytes) -> None:
        """Home Assistant has started: it may have forgotten everything, or missed what was said meanwhile."""
        if payload == ONLINE and self._broker is not None and self._home is not None and self._home.described:
            told = [Message(topic, said, True) for topic, said in self._home.described.items()]
            Deferred.fromCoroutine(self._broker.publish(told, 1)).addErrback(
                lambda failure: self._told.clear()
            )

    def client(self) -> Client:
        """A client for one connection, with a clean session: what was said before it is of no use."""
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._id,
            protocol=_VERSIONS[self._settings.version],
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT
        if self._settings.user:
            client.username_pw_set(self._settings.user, self._settings.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.will_set(self._status, OFFLINE, qos=1, retain=True)
        return client

    def from_thread(self) -> Callable[..., Any]:
        """How paho's thread calls us."""
        from twisted.internet import reactor

        from_thread: Callable[..., Any] = reactor.callFromThread  # type: ignore[attr-defined]
        return from_thread

    async def _messages(self, event: Event, context: Context) -> list[Message]:
        words, settings = describe(event), self._settings
        said = event.to_json() if self._payload is None else self._payload.render(event).encode()
        found = [Message(self._topic.of(event), said, settings.retain)]
        shown = await self._shown(event, context) if self._pictures or self._home else []
        if self._pictures is not None:
            for picture, content in shown:
                about = {"role": picture.role, "n": picture.n, "name": picture.name or ""}
                topic = self._pictures.of(event, picture=about)
                found.append(Message(topic, content, settings.retain))
        if self._home is not None:
            scene = next((content for picture, content in shown if picture.role == "background"), None)
            last = scene or (shown[0][1] if shown else None)
            age = self.wall() - event.received.timestamp()
            found += self._home.messages(event, words, last, age, self._told)
        return found

    async def _shown(self, event: Event, context: Context) -> list[tuple[Picture, bytes]]:
        """The pictures that are wanted, and their content."""
        found = []
        for picture in event.pictures:
            if self._settings.roles and picture.role not in self._settings.roles:
                continue
            content = picture.content()
            if content is None and self._settings.fetch and not context.dry_run:
                try:
                    content = await context.fetch(picture, event)
                except Reject as problem:
                    context.log.warn(
                        "{event} goes without a picture: {problem}", event=event.id, problem=problem
                    )
            if content and len(content) <= self._settings.size:
                found.append((picture, content))
        return found


def _own_id(context: Context) -> str:
    """The same at each start, and another one for each receiver: two with one id push each other out."""
    return f"hikrecv-{context.name}-{sha256(str(context.state_dir.resolve()).encode()).hexdigest()[:8]}"
