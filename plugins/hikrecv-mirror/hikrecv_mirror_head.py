"""The head of a request that is passed on: as the device wrote it, but for what belongs to a connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from twisted.web.http_headers import Headers

from hikrecv import Push

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
        b"content-length",
    }
)
"""RFC 9110, 7.6.1; and what Twisted says anew: how long the body is that it really sends."""
_SECRET = frozenset({b"authorization", b"proxy-authorization", b"cookie"})
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_HIDDEN = "/-"
"""What stands in a kept target for the path token of the listener."""

Pair = tuple[bytes, bytes]


class AsWritten(Headers):
    """
    Headers in the spelling and the order of who wrote them.

    What lies between us and the wire may log in, and may not add anything else: a
    client's own ``Accept-Encoding`` or ``Cookie`` is not the device's.
    """

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        super().__init__()
        self._pairs = list(pairs)

    def copy(self) -> AsWritten:
        """Another one with the same headers."""
        return AsWritten(self._pairs)

    def getAllRawHeaders(self) -> Iterator[tuple[bytes, Sequence[bytes]]]:
        """Each header by itself, for a name may stand in several places."""
        return iter([(name, (value,)) for name, value in self._pairs])

    def getRawHeaders(self, name: Any, default: Any = None) -> Any:
        """The values of one name, as `Headers.getRawHeaders`."""
        values = [value for key, value in self._pairs if key.lower() == _lower(name)]
        if not values:
            return default
        return [value.decode("latin-1") for value in values] if isinstance(name, str) else values

    def hasHeader(self, name: str | bytes) -> bool:
        """Is there one of that name?"""
        return any(key.lower() == _lower(name) for key, _ in self._pairs)

    def removeHeader(self, name: str | bytes) -> None:
        """Take out all of that name."""
        self._pairs = [pair for pair in self._pairs if pair[0].lower() != _lower(name)]

    def addRawHeader(self, name: str | bytes, value: str | bytes) -> None:
        """Nothing is added."""

    def setRawHeaders(self, name: str | bytes, values: Sequence[str | bytes]) -> None:
        """A login is set; nothing else is."""
        if _lower(name) == b"authorization":
            self.removeHeader(name)
            self._pairs += [(b"Authorization", _bytes(value)) for value in values]


def headers_for(push: Push, url: str, login: str | None = None) -> AsWritten:
    """
    The headers of *push* for the server of *url*: its own `Host` in the place of the device's.

    :param login: a value for Authorization.
    """
    host = (b"Host", urlsplit(url).netloc.encode("idna" if not url.isascii() else "ascii"))
    pairs: list[Pair] = []
    left_out = _HOP_BY_HOP | _SECRET | _named_by_connection(push)
    for name, value in push.headers:
        key = name.lower()
        if key == b"host":
            pairs += [] if host in pairs else [host]
        elif key not in left_out and _is_sendable(key, value):
            pairs.append((name, value))
    if host not in pairs:
        pairs.insert(0, host)
    return AsWritten([*pairs, (b"Authorization", login.encode())] if login else pairs)


def url_for(push: Push, url: str, *, keep_path: bool) -> str:
    """
    Where *push* goes: to *url* itself, or to the device's path and query below it.

    The listener's token, which is ``-`` in a kept target, is left out.
    """
    if not keep_path:
        return url
    target = quote(push.target, safe="/?&=%:;,+@!$'()*~-._[]|")
    if target == _HIDDEN or target.startswith((f"{_HIDDEN}/", f"{_HIDDEN}?")):
        target = target.removeprefix(_HIDDEN)
    return url.partition("?")[0].rstrip("/") + (target if target.startswith("/") else f"/{target}")


def _named_by_connection(push: Push) -> frozenset[bytes]:
    said = b",".join(value for name, value in push.headers if name.lower() == b"connection")
    named = {word.strip().lower() for word in said.split(b",")}
    return frozenset(named - {b"content-type", b"host"})


def _is_sendable(name: bytes, value: bytes) -> bool:
    return bool(name) and _TOKEN.issuperset(name) and not {0, 10, 13} & set(value)


def _lower(name: str | bytes) -> bytes:
    return _bytes(name).lower()


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text
