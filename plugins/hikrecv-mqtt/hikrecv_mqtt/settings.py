"""What can be said in the ``[reactions.<name>]`` table of a broker."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable
from typing import Literal

import msgspec

from hikrecv.config import Bytes, Seconds, Secret
from hikrecv.errors import ConfigError
from hikrecv.templates import Template

from .topic import Topic

PLAIN, TLS = 1883, 8883


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of the table."""

    host: str
    """The broker: a name or an address."""
    port: int = 0
    """Its port; 0 is 1883, or 8883 with `tls`."""
    version: Literal["3.1.1", "5"] = "3.1.1"
    """Of MQTT; only with 5 a broker can say that it does not take a message."""
    tls: bool = False
    """Speak TLS, and send nothing before the broker has proved who it is."""
    ca: Secret | None = None
    """Certificates to trust instead of the system's, as PEM: `file:ca.pem`."""
    cert: Secret | None = None
    """Our own certificate, for brokers that ask for one, as PEM: `file:client.pem`."""
    key: Secret | None = None
    """Its key, not encrypted: `file:client.key`."""
    user: str = ""
    """The login's name; empty is no login."""
    password: Secret | None = None
    """The login's password: `file:...` or `env:...`."""
    client_id: str = ""
    """How the broker knows us; empty is one made of the reaction's name and the state directory."""
    keepalive: Seconds = Seconds(60)
    """After so long without a sign of the broker the connection counts as lost."""
    topic: str = "hikrecv/{{ device.id }}/{{ family }}"
    """A template for the topic of an event; what an expression gives is one level, or a part of one."""
    payload: str = ""
    """A template for what is sent; empty is the event as JSON."""
    qos: Literal[0, 1, 2] = 1
    """With 1 and 2 an event is done when the broker has acknowledged it, with 0 when it is sent."""
    retain: bool = False
    """The broker keeps the latest message of each topic for those who come later."""
    pictures: str = ""
    """A template for the topic of each picture, with `picture` among its names; empty sends none."""
    roles: tuple[str, ...] = ()
    """Only the pictures that show this: `face`, `plate`, `background` ...; empty is all."""
    size: Bytes = Bytes(2_000_000)
    """A picture that is larger is left out."""
    fetch: bool = False
    """Also fetch the pictures that the device sent as a link, from its configured address."""
    base: str = ""
    """Below it stand our `status` and Home Assistant's states; empty is `hikrecv/<reaction>`."""
    discovery: bool = False
    """Let Home Assistant find the devices, with their sensors and their last picture."""
    discovery_prefix: str = "homeassistant"
    """Where Home Assistant looks for them."""
    off_after: Seconds = Seconds(30)
    """Home Assistant's motion and the like goes off when nothing more is heard of it for so long; 0 is
    never by itself, which is right with `repeats = "first"`, where its end is told."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", self.host):
            raise ValueError(f"host: {self.host!r} is not the name or address of a broker")
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port: {self.port} is not a port")
        if self.password is not None and not self.user:
            raise ValueError("user: a password needs a user")
        if not 5 <= self.keepalive <= 65_535:
            raise ValueError("keepalive: it is between 5s and 18h")
        for key in ("ca", "cert", "key"):
            if getattr(self, key) is not None and not self.tls:
                raise ValueError(f"{key}: it is of use with tls = true only")
        if (self.cert is None) != (self.key is None):
            raise ValueError("key: a certificate of our own needs its key, and the key its certificate")
        self.context()
        for key, use, text in (
            ("topic", Topic, self.topic),
            ("payload", Template, self.payload),
            ("pictures", Topic, self.pictures or "none"),
            ("base", _fixed, self.base or "none"),
            ("discovery_prefix", _fixed, self.discovery_prefix),
        ):
            _checked(key, use, text)

    @property
    def server(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or (TLS if self.tls else PLAIN)

    def context(self) -> ssl.SSLContext | None:
        """How TLS is spoken, or None.  :raises ValueError: when a certificate or key cannot be used."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cadata=self.ca)
        except (ssl.SSLError, ValueError):
            raise ValueError("ca: it holds no certificate as PEM; write file:PATH") from None
        context.sslsocket_class = _Closing
        if self.cert is not None and self.key is not None:
            try:
                _load(context, f"{self.cert}\n{self.key}\n")
            except (ssl.SSLError, ValueError):
                raise ValueError("key: it is not the certificate's, or neither is PEM") from None
        return context


class _Closing(ssl.SSLSocket):
    """paho forgets the socket of a handshake that fails, and we try again for ever."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _load(context: ssl.SSLContext, chain: str) -> None:
    """Python reads keys from files only; this one is in no folder."""
    fd = os.memfd_create("chain")
    try:
        os.write(fd, chain.encode())
        context.load_cert_chain(f"/proc/self/fd/{fd}", password="")
    finally:
        os.close(fd)


def _fixed(text: str) -> None:
    if not re.fullmatch(r"[^+#$\x00-\x20{][^+#\x00-\x1f{]*", text) or text.endswith("/"):
        raise ValueError("is not the beginning of a topic")


def _checked(key: str, use: Callable[[str], object], text: str) -> None:
    try:
        use(text)
    except (ValueError, ConfigError) as error:
        raise ValueError(f"{key}: {error}") from None
