"""What can be said in the ``[reactions.<name>]`` table of a mail."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Literal

import msgspec

from hikrecv.config import Bytes, Secret
from hikrecv.errors import ConfigError
from hikrecv.reactions.rule import Rule
from hikrecv.templates import Template

MOST_RECIPIENTS = 100
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")
PORTS = {"starttls": 587, "tls": 465, "none": 25}

SUBJECT = "{{ words }}{% if count > 1 %}, and {{ count - 1 }} more{% endif %}"
TEXT = """{{ words }}{% if freshness != "live" %} ({{ freshness }}){% endif %}
{{ time }}, {{ device.id }}{% if channel.name %}, {{ channel.name }}{% endif %}
event {{ id }}"""
HTML = """<p><b>{{ words }}</b>{% if freshness != "live" %} ({{ freshness }}){% endif %}<br>
{{ time }}, {{ device.id }}{% if channel.name %}, {{ channel.name }}{% endif %}<br>
<small>event {{ id }}</small></p>
{% for picture in pictures if picture.src %}<p><img src="{{ picture.src }}" alt="{{ picture.role }}"></p>
{% endfor %}"""


def address(text: str) -> Address:
    """
    The address that *text* names, with or without a name before it.

    :raises ValueError: when it names none.  The part before the ``@`` is ASCII, since not
        every server takes another; a domain may be written in any script.
    """
    name, spec = parseaddr(text)
    local, _, domain = spec.rpartition("@")
    try:
        spec = f"{local}@{domain.encode('idna').decode()}"
        bare = text == f"{local}@{domain}" or text.endswith(f"<{local}@{domain}>")
        if not bare or not text.isprintable() or not _ADDRESS.fullmatch(spec):
            raise ValueError
        return Address(name, addr_spec=spec)
    except (ValueError, MessageError, IndexError):
        raise ValueError(f"{text!r} is not an address such as gate@example.org") from None


def certificates(pem: str) -> list[str]:
    """
    The certificates of *pem*, each by itself.

    :raises ValueError: when there is none, or one is damaged.
    """
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ValueError("it holds no certificate as PEM; write file:PATH") from None
    return _PEM.findall(pem)


def checked(key: str, use: Callable[[str], object], text: str) -> None:
    """Try to *use* the *text*; what it says is wrong is then said of *key*."""
    try:
        use(text)
    except (ValueError, ConfigError) as error:
        raise ValueError(f"{key}: {error}") from None


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who gets only some of the reaction's events."""

    to: str
    """The address: `guard@example.org` or `Guard <guard@example.org>`."""
    when: str = ""
    """Which events, in the language of the reaction's own `when`; empty is all."""

    def __post_init__(self) -> None:
        address(self.to)
        if self.when:
            checked("when", Rule, self.when)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of the table."""

    host: str
    """The mail server: a name or an address."""
    port: int = 0
    """Its port; 0 is 587 for `starttls`, 465 for `tls`, 25 for `none`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` and `tls` send nothing, the login included, before the server has proved who it is."""
    ca: Secret | None = None
    """Certificates to trust instead of the system's, as PEM: `file:ca.pem`."""
    user: str = ""
    """The login's name; empty is no login."""
    password: Secret | None = None
    """The login's password: `file:...` or `env:...`."""
    sender: str
    """Who the mails come from: `Gate <gate@example.org>`."""
    to: str | tuple[str | Recipient, ...]
    """Who gets them: an address, or a list of addresses and of tables with `to` and `when`."""
    reply_to: str = ""
    """Where answers go, when not to the sender."""
    subject: str = SUBJECT
    """A template for the subject; of many events in one mail it is filled with the first."""
    text: str = TEXT
    """A template for the mail as plain text."""
    html: str = HTML
    """A template for the mail as HTML; empty is plain text only."""
    pictures: Literal["inline", "attached", "both", "none"] = "inline"
    """`inline`: in the HTML, as `picture.src`; `attached`: as files."""
    roles: tuple[str, ...] = ()
    """Only the pictures that show this: `face`, `plate`, `background` ...; empty is all."""
    size: Bytes = Bytes(8_000_000)
    """So much picture data goes into one mail; what is beyond is left out, and the mail says so."""
    fetch: bool = False
    """Also fetch the pictures that the device sent as a link, from its configured address."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", self.host):
            raise ValueError(f"host: {self.host!r} is not the name or address of a server")
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port: {self.port} is not a port")
        if bool(self.user) != (self.password is not None):
            raise ValueError("password: a login has both a user and a password")
        if not 0 < len(self._listed) <= MOST_RECIPIENTS:
            raise ValueError(f"to: name 1 to {MOST_RECIPIENTS} recipients")
        if self.ca is not None:
            checked("ca", certificates, self.ca)
        checked("sender", address, self.sender)
        checked("reply_to", address, self.reply_to or self.sender)
        for each in self._listed:
            if isinstance(each, str):
                checked("to", address, each)
        for key in ("subject", "text", "html"):
            checked(key, Template, getattr(self, key))

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """`to`, however it was written."""
        return tuple(Recipient(each) if isinstance(each, str) else each for each in self._listed)

    @property
    def _listed(self) -> tuple[str | Recipient, ...]:
        return (self.to,) if isinstance(self.to, str) else self.to

    @property
    def server(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or PORTS[self.security]
