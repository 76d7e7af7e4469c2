"""Who may send: by address, by a secret in the path, by login; the verdict is `peer.trust`."""

from __future__ import annotations

import hmac
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NoReturn, Protocol

from ..config import DeviceTable, Listen
from ..errors import ConfigError, Refused
from ..push import Trust
from .addresses import is_loopback, networks, plain, within
from .login import BASIC_CHALLENGE, Digest, Users, Verdict, check_basic, ha1
from .rate import Rate

Scheme = Literal["basic", "digest"]

CHALLENGES = 3
"""How often in a minute one address may give a wrong password before it is refused (see `Admission`)."""
ASKED = 1024
"""How many addresses that gave no password are remembered."""
PATIENCE = 60.0
"""Seconds in which an address that gives no password at all is only asked for it."""


class Asked(Protocol):
    """What admission looks at: the head of a request."""

    @property
    def method(self) -> str:
        """Upper-cased."""
        ...

    @property
    def target(self) -> bytes:
        """Path and query, beginning with ``/``."""
        ...

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """In order, values stripped."""
        ...


class Challenge(Refused):
    """
    The sender must say who it is.

    :param lines: the header lines of the 401.
    """

    def __init__(self, reason: str, lines: tuple[bytes, ...]) -> None:
        super().__init__(401, reason)
        self.lines = lines


class Admission:
    """
    The rules of one listener; all that are configured must be met.

    It looks at the head only, so that nobody uploads a picture to be refused.
    Three wrong passwords in a minute, and an address is refused like anybody
    else (`deny`).  A first request without a password is none, however many
    come at once, and neither is an old nonce.  But a device that has no
    password repeats its request as long as it is answered 401, about once a
    second: when it was asked for a minute and never tried one, three challenges
    a minute have to do.  One good login begins the counts anew, and so does the
    next minute, so that a device whose password was corrected gets in.

    :param deny: ``403``, or ``drop``: a :class:`Refused` with status 200, "take it and throw it away".
    :param proxies: addresses that speak for many: no limits by address, and no trust because of it.
    :param logins: HA1 by user, for everybody; *own_logins* by address, for that device alone.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        token: str | None = None,
        scheme: Literal["none", "basic", "digest"] = "none",
        logins: Users | None = None,
        own_logins: Mapping[str, tuple[frozenset[Scheme], Users]] | None = None,
        known: Iterable[str] = (),
        proxies: Iterable[str] = (),
        deny: Literal["403", "drop"] = "403",
        key: bytes | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allow, self._proxies = networks(allow), networks(proxies)
        self.token = token.encode() if token else None
        self._schemes: frozenset[Scheme] = frozenset() if scheme == "none" else frozenset((scheme,))
        self._logins = logins or {}
        self._own = own_logins or {}
        self._known = frozenset(known)
        self._status = 200 if deny == "drop" else 403
        self._digest = Digest(key or os.urandom(32), now)
        self._wrong, self._asked = Rate(CHALLENGES, 60, now), Rate(CHALLENGES, 60, now)
        self._silent: OrderedDict[str, float] = OrderedDict()
        self._now = now
        self._standings: dict[str, Trust | None] = {}

    @classmethod
    def from_config(
        cls,
        listen: Listen,
        devices: Mapping[str, DeviceTable] | None = None,
        *,
        key: bytes | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> Admission:
        """
        The rules of one ``[[listen]]``.

        :param key: for nonces; None takes a random one.
        :raises ConfigError: when a login is asked for that nobody has.
        """
        tables = list((devices or {}).values())
        everybody = _login(listen.user, listen.password)
        own: dict[str, tuple[frozenset[Scheme], Users]] = {}
        for table in tables:
            if table.push_login is None:
                continue
            login = _login(table.push_login.user, table.push_login.password)
            if table.address is None:
                everybody.update(login)
            else:
                own[plain(table.address)] = (_schemes(listen, table), login)
        _check(listen, anybody=bool(everybody or own))
        return cls(
            allow=listen.allow,
            token=listen.token,
            scheme=listen.login,
            logins=everybody,
            own_logins=own,
            known=[plain(table.address) for table in tables if table.address],
            proxies=listen.proxies,
            deny=listen.deny,
            key=key,
            now=now,
        )

    def check(self, head: Asked, ip: str) -> Trust:
        """
        Judge a request by its *head*.

        :raises Challenge: it must log in.
        :raises Refused: 403; or 200 when it is to be thrown away.
        """
        trust = self._by_address(ip)
        if self.token is not None:
            if not hmac.compare_digest(first_segment(head.target), self.token):
                raise Refused(
                    self._status, "the secret in the path is missing or wrong; correct the URL in the device"
                )
            trust = "token"
        schemes, users = self._own.get(ip) or (self._schemes, self._logins)
        if schemes:
            self._log_in(head, ip, schemes, users)
            trust = "login"
        return trust

    def stranger(self, ip: str) -> Trust:
        """
        The same for something that has no head.

        :raises Refused: also when a secret is needed, which it cannot have given.
        """
        trust = self._by_address(ip)
        if self.token is not None or self._schemes or ip in self._own:
            raise Refused(self._status, "it gave no secret")
        return trust

    def free(self, ip: str) -> bool:
        """Whether limits by address do not hold for *ip*: this machine, and proxies."""
        return is_loopback(ip) or within(ip, self._proxies)

    def _by_address(self, ip: str) -> Trust:
        if ip not in self._standings:
            if len(self._standings) >= 4096:
                self._standings.clear()
            self._standings[ip] = self._standing(ip)
        trust = self._standings[ip]
        if trust is None:
            raise Refused(
                self._status, "its address is not in `allow`; add it there, or take it off the network"
            )
        return trust

    def _standing(self, ip: str) -> Trust | None:
        if self._allow:
            return "address" if within(ip, self._allow) else None
        return "address" if ip in self._known and not within(ip, self._proxies) else "none"

    def _log_in(self, head: Asked, ip: str, schemes: frozenset[Scheme], users: Users) -> None:
        value = next((value for name, value in head.headers if name.lower() == b"authorization"), None)
        if value is None:
            self._ask(ip, schemes)
        self._silent.pop(ip, None)
        verdict = self._judge(value, head, schemes, users)
        if verdict == "good":
            self._wrong.forget(ip)
            return
        reason = "its user or password is wrong"
        if verdict == "wrong" and self._wrong.take(ip) is None and not within(ip, self._proxies):
            raise Refused(self._status, f"{reason}; set user and password in the device")
        raise Challenge(reason, self._challenge(schemes, stale=verdict == "stale"))

    def _ask(self, ip: str, schemes: frozenset[Scheme]) -> NoReturn:
        now = self._now()
        since = self._silent.setdefault(ip, now)
        if len(self._silent) > ASKED:
            self._silent.popitem(last=False)
        deaf = now - since > PATIENCE and not within(ip, self._proxies)
        if deaf and self._asked.take(ip) is None:
            raise Refused(self._status, "it did not log in; set user and password in the device")
        raise Challenge("it did not log in", self._challenge(schemes, stale=False))

    def _judge(self, value: bytes, head: Asked, schemes: frozenset[Scheme], users: Users) -> Verdict:
        if value[:5].lower() == b"basic":
            return check_basic(value, users) if "basic" in schemes else "wrong"
        return self._digest.check(value, head.method, head.target, users) if "digest" in schemes else "wrong"

    def _challenge(self, schemes: frozenset[Scheme], stale: bool) -> tuple[bytes, ...]:
        # The stronger one first: devices take the first that they know.
        lines = [self._digest.challenge(stale)] if "digest" in schemes else []
        return (*lines, BASIC_CHALLENGE) if "basic" in schemes else tuple(lines)


def _check(listen: Listen, anybody: bool) -> None:
    if listen.login != "none" and not anybody:
        raise ConfigError(
            f'login = "{listen.login}" needs user and password here, or a push_login in a device', "listen"
        )
    if listen.token is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", listen.token):
        raise ConfigError(
            "must be letters and digits: devices change anything else in a path", "listen.token"
        )


def _login(user: str, password: str | None) -> dict[bytes, bytes]:
    if password is None:
        return {}
    if not user or not password:
        raise ConfigError("a login needs both a user and a password that are not empty", "listen")
    return {user.encode(): ha1(user, password)}


def _schemes(listen: Listen, table: DeviceTable) -> frozenset[Scheme]:
    if listen.login != "none":
        return frozenset((listen.login,))
    return frozenset(("digest", "basic") if table.basic else ("digest",))


def first_segment(target: bytes) -> bytes:
    """The first word of a path, which is where a secret stands: some devices drop what follows a ``?``."""
    return target.partition(b"?")[0].lstrip(b"/").partition(b"/")[0]
