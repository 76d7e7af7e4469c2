"""Digest access authentication (RFC 7616, and RFC 2617 for older devices): challenges and answers, no I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from secrets import token_hex
from typing import Any, Final

import msgspec

LONGEST: Final = 4_096
"""Characters of a challenge that are read."""
_HASHES: Final[dict[str, Callable[[bytes], Any]]] = {
    # MD5 is the protocol's word, not our choice: most devices offer nothing else.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "SHA-256": hashlib.sha256,
}
_PREFERENCE: Final = ("SHA-256", "SHA-256-SESS", "MD5", "MD5-SESS")
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ITEM = re.compile(
    rf'\s*(?:(?P<scheme>{_NAME})\s+)?(?P<key>{_NAME})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"]*))\s*(?:,|$)'
)
_LONELY = re.compile(rf"\s*(?P<scheme>{_NAME})\s*(?:,|$)")


class Challenge(msgspec.Struct, frozen=True):
    """One way to log in that a server offers."""

    scheme: str
    params: dict[str, str]

    @property
    def stale(self) -> bool:
        """The login was right, only the nonce was old."""
        return self.params.get("stale", "").lower() == "true"


def challenges_in(headers: Iterable[str]) -> list[Challenge]:
    """Everything offered in the values of WWW-Authenticate; what cannot be read is left out."""
    found: list[Challenge] = []
    for header in headers:
        for scheme, key, value in _items(header[:LONGEST]):
            if scheme:
                found.append(Challenge(scheme.lower(), {}))
            if found and key:
                found[-1].params.setdefault(key.lower(), value)
    return found


def _items(header: str) -> Iterator[tuple[str, str, str]]:
    at = 0
    while at < len(header):
        item = _ITEM.match(header, at) or _LONELY.match(header, at)
        if item is None:
            comma = header.find(",", at)
            at = comma + 1 if comma >= 0 else len(header)
            continue
        parts = item.groupdict(default="")
        value = re.sub(r"\\(.)", r"\1", parts.get("quoted", "")) or parts.get("bare", "")
        yield parts["scheme"], parts.get("key", ""), value
        at = item.end()


def best_digest(challenges: Iterable[Challenge]) -> Challenge | None:
    """The strongest Digest challenge that we can answer, or None."""
    usable = [each for each in challenges if each.scheme == "digest" and _is_usable(each)]
    return min(usable, key=lambda each: _PREFERENCE.index(_algorithm(each)), default=None)


def _is_usable(challenge: Challenge) -> bool:
    offered = challenge.params.get("qop")
    # auth-int alone would have us hash the body; no device was seen to ask for it.
    qop = offered is None or "auth" in _words(offered)
    return qop and _algorithm(challenge) in _PREFERENCE and "nonce" in challenge.params


def _algorithm(challenge: Challenge) -> str:
    return challenge.params.get("algorithm", "MD5").upper()


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",")]


class Login:
    """
    Answers one challenge, as often as its nonce is good for.

    :param cnonce: ours; one for the life of the nonce, so that ``-sess`` keys stay what they were.
    """

    def __init__(self, challenge: Challenge, user: str, password: str, cnonce: str | None = None) -> None:
        params = challenge.params
        algorithm, session, _ = _algorithm(challenge).partition("-SESS")
        self._hash = _HASHES[algorithm]
        self._realm = params.get("realm", "")
        self._nonce = params["nonce"]
        self._cnonce = token_hex(16) if cnonce is None else cnonce
        self._qop = "auth" if "qop" in params else None
        self._echo = {key: params[key] for key in ("algorithm", "opaque") if key in params}
        self._session = bool(session)
        self._user = user
        self._count = 0
        secret = self._digest(user, self._realm, password)
        self._key = self._digest(secret, self._nonce, self._cnonce) if session else secret

    def answer(self, method: str, uri: str) -> str:
        """
        The value of Authorization for one request; each call counts up.

        :param uri: as in the request line: path and query.
        """
        self._count += 1
        count = f"{self._count:08x}"
        what = self._digest(method, uri)
        middle = (self._nonce, count, self._cnonce, self._qop) if self._qop else (self._nonce,)
        fields = {
            "username": _quoted(self._user),
            "realm": _quoted(self._realm),
            "nonce": _quoted(self._nonce),
            "uri": _quoted(uri),
            "response": _quoted(self._digest(self._key, *middle, what)),
        }
        if "algorithm" in self._echo:
            fields["algorithm"] = self._echo["algorithm"]
        if "opaque" in self._echo:
            fields["opaque"] = _quoted(self._echo["opaque"])
        if self._qop:
            fields |= {"qop": self._qop, "nc": count}
        if self._qop or self._session:
            fields["cnonce"] = _quoted(self._cnonce)
        return "Digest " + ", ".join(f"{key}={value}" for key, value in fields.items())

    def _digest(self, *parts: str) -> str:
        return str(self._hash(":".join(parts).encode()).hexdigest())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
