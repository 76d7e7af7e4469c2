"""Basic and MD5 Digest, the server's side (RFC 7617, RFC 7616 and 2069)."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import re
import struct
import time
from base64 import b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal

REALM = b"hikrecv"

Verdict = Literal["good", "stale", "wrong"]
Users = Mapping[bytes, bytes]
"""User name to HA1: passwords are not kept."""

_NOBODY = hashlib.md5(os.urandom(16), usedforsecurity=False).hexdigest().encode()


def md5(*parts: bytes) -> bytes:
    """The hex digest of *parts* joined by colons; MD5 because devices know nothing else."""
    return hashlib.md5(b":".join(parts), usedforsecurity=False).hexdigest().encode()


def ha1(user: str, password: str) -> bytes:
    """What is kept of a login: it proves a password, in both schemes, without being one."""
    return md5(user.encode(), REALM, password.encode())


# -- Basic ------------------------------------------------------------------

BASIC_CHALLENGE = b'WWW-Authenticate: Basic realm="%s"' % REALM


def check_basic(value: bytes, users: Users) -> Verdict:
    """
    Judge the value of an Authorization header.

    :returns: never ``stale``.
    """
    scheme, _, encoded = value.partition(b" ")
    if scheme.lower() != b"basic":
        return "wrong"
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return "wrong"
    given = md5(user, REALM, password)
    return "good" if hmac.compare_digest(given, users.get(user, _NOBODY)) and colon else "wrong"


def user_of(value: bytes) -> bytes:
    """The user that a good Authorization header names, in either scheme."""
    if value[:5].lower() == b"basic":
        return b64decode(value[5:].strip()).partition(b":")[0]
    return (_fields(value) or {}).get(b"username", b"")


# -- Digest -----------------------------------------------------------------

_FIELD = re.compile(rb'\s*([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)')
_NONCE = struct.Struct(">4sII")  # process, serial, seconds
_MAC = 12
_WINDOW = 64


class Digest:
    """
    Challenges, and judges what comes back: MD5, ``qop=auth`` or none.

    A nonce carries its own proof (an HMAC), so nothing is remembered for those
    that are never used.  Of used ones the counts are remembered: a request
    seen before, or one whose counts have been forgotten, is ``stale`` and is
    simply asked again.  The same holds for a nonce of an earlier process, for
    which *key* may be the same.  Time is monotonic: a jumping clock makes no
    nonce invalid.  Without ``qop`` there is no count; then a nonce is good once.

    :param key: at least 16 secret bytes.
    :param lifetime: seconds.
    :param most: how many used nonces are remembered.
    """

    def __init__(
        self,
        key: bytes,
        now: Callable[[], float] = time.monotonic,
        *,
        lifetime: float = 900,
        most: int = 4096,
    ) -> None:
        self._key, self._now, self._lifetime, self._most = key, now, lifetime, most
        self._process = os.urandom(4)
        self._serial = 0
        self._floor = 0  # nonces up to this serial have no remembered counts
        self._used: OrderedDict[int, tuple[int, int]] = OrderedDict()

    def challenge(self, stale: bool = False) -> bytes:
        """A header line with a new nonce; the algorithm is unquoted, as the standard has it."""
        self._serial += 1
        head = _NONCE.pack(self._process, self._serial, int(self._now()))
        nonce = urlsafe_b64encode(head + self._mac(head))
        line = b'WWW-Authenticate: Digest realm="%s", qop="auth", nonce="%s", algorithm=MD5' % (REALM, nonce)
        return line + b", stale=true" if stale else line

    def check(self, value: bytes, method: str, target: bytes, users: Users) -> Verdict:
        """Judge the value of an Authorization header; raises nothing, whatever it is."""
        fields = _fields(value)
        if fields is None or not _meant_for(fields, target):
            return "wrong"
        expected = _response(fields, method, users.get(fields.get(b"username", b""), _NOBODY))
        if expected is None or not hmac.compare_digest(expected, fields.get(b"response", b"").lower()):
            return "wrong"
        return self._freshness(fields)

    def _mac(self, head: bytes) -> bytes:
        return hmac.digest(self._key, head, "sha256")[:_MAC]

    def _freshness(self, fields: dict[bytes, bytes]) -> Verdict:
        # Only whoever knows the password comes here: what is remembered cannot be filled by strangers.
        try:
            raw = b64decode(fields[b"nonce"], b"-_", validate=True)
            head, mac = raw[:-_MAC], raw[-_MAC:]
            process, serial, issued = _NONCE.unpack(head)
            count = int(fields[b"nc"][:8], 16) if b"qop" in fields else None
        except (KeyError, ValueError, struct.error):
            return "stale"
        if not hmac.compare_digest(mac, self._mac(head)) or process != self._process:
            return "stale"
        if serial <= self._floor or self._now() - issued > self._lifetime:
            return "stale"
        return "good" if self._count(serial, count) else "stale"

    def _count(self, serial: int, count: int | None) -> bool:
        """
        Remember *count*; False when it was there.

        Requests of several connections overtake one another, so the latest 64
        counts are a bit each.
        """
        highest, seen = self._used.pop(serial, (0, 0))
        if count is None:
            self._remember(serial, _NO_MORE, -1)
            return highest == 0
        if count > highest:
            seen = (seen << min(count - highest, _WINDOW)) & ((1 << _WINDOW) - 1) | 1
            self._remember(serial, count, seen)
            return True
        behind = highest - count
        new = behind < _WINDOW and not seen >> behind & 1
        self._remember(serial, highest, seen | 1 << behind if new else seen)
        return new

    def _remember(self, serial: int, highest: int, seen: int) -> None:
        self._used[serial] = (highest, seen)
        if len(self._used) > self._most:
            forgotten, _ = self._used.popitem(last=False)
            self._floor = max(self._floor, forgotten)


_NO_MORE = 1 << 40


def _fields(value: bytes) -> dict[bytes, bytes] | None:
    scheme, _, rest = value.strip().partition(b" ")
    if scheme.lower() != b"digest":
        return None
    fields: dict[bytes, bytes] = {}
    at = 0
    while at < len(rest):
        found = _FIELD.match(rest, at)
        if found is None:
            return None
        quoted, bare = found[2], found[3]
        fields[found[1].lower()] = bare if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)
        at = found.end()
    return fields


def _meant_for(fields: dict[bytes, bytes], target: bytes) -> bool:
    known = fields.get(b"algorithm", b"MD5").upper() == b"MD5" and fields.get(b"realm") == REALM
    return known and same_target(fields.get(b"uri", b""), target)


def same_target(uri: bytes, target: bytes) -> bool:
    """Whether a digest's `uri` names the *target* of the request; it may have the host before it."""
    path = re.sub(rb"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", b"", uri)
    return (path if path.startswith(b"/") else b"/" + path) == target


def _response(fields: dict[bytes, bytes], method: str, secret: bytes) -> bytes | None:
    uri, nonce = fields.get(b"uri", b""), fields.get(b"nonce", b"")
    ha2 = md5(method.encode(), uri)
    qop = fields.get(b"qop")
    if qop is None:
        return md5(secret, nonce, ha2)
    if qop.lower() != b"auth":
        return None
    return md5(secret, nonce, fields.get(b"nc", b""), fields.get(b"cnonce", b""), qop, ha2)
