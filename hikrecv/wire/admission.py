"""Who may send: by address, by a secret in the path, by login; the verdict is `peer.trust`."""

from __future__ import annotations

import hmac
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NoReturn, Protocol

import msgspec

from ..config import DeviceTable, Listen
from ..errors import ConfigError, Refused
from ..push import Trust
from ..senders import SenderClass
from .addresses import is_loopback, networks, plain, subnet, within
from .login import BASIC_CHALLENGE, Digest, Users, Verdict, check_basic, ha1, user_of
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


class Sender(msgspec.Struct, frozen=True):
    """
    Who sends, as far as it has proved it.

    :param key: whose hour and whose connections these are: its address, or the device that it logged in as.
    :param net: the /64 of a stranger with an IPv6 address, else "".
    :param free: no limits for each sender hold: this machine, and proxies, which speak for many.
    :param login: the ``[devices.<name>]`` whose own login it knew, or "".
    """

    trust: Trust
    standing: SenderClass
    key: str
    net: str = ""
    free: bool = False
    login: str = ""


class Logins(msgspec.Struct, frozen=True):
    """
    Who may log in, and how.

    :param users: HA1 by user.
    :param names: the ``[devices]`` whose own login that is, by user.
    """

    schemes: frozenset[Scheme] = frozenset()
    users: Users = {}
    names: Mapping[bytes, str] = {}


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
    :param logins: for everybody; *own_logins* by address, for those devices alone.
    :param known: the addresses of ``[devices]``.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        token: str | None = None,
        logins: Logins | None = None,
        own_logins: Mapping[str, Logins] | None = None,
        known: Iterable[str] = (),
        proxies: Iterable[str] = (),
        deny: Literal["403", "drop"] = "403",
        key: bytes | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allow, self._proxies = networks(allow), networks(proxies)
        self.token = token.encode() if token else None
        self._logins = logins or Logins()
        self._own = own_logins or {}
        self._known = frozenset(known)
        self._status = 200 if deny == "drop" else 403
        self._digest = Digest(key or os.urandom(32), now)
        self._wrong, self._asked = Rate(CHALLENGES, 60, now), Rate(CHALLENGES, 60, now)
        self._silent: OrderedDict[str, float] = OrderedDict()
        self._now = now
        self._doors: dict[str, tuple[Sender, bool]] = {}
        self._senders: dict[tuple[str, Trust, str], Sender] = {}

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
        shared = Logins(
            frozenset() if listen.login == "none" else frozenset((listen.login,)),
            _login(listen.user, listen.password),
        )
        everybody, own = shared, dict[str, Logins]()
        for name, table in (devices or {}).items():
            if table.push_login is None:
                continue
            login = _login(table.push_login.user, table.push_login.password)
            if table.address is None:
                everybody = _together(everybody, shared.schemes, login, name)
            else:
                ip = plain(table.address)
                own[ip] = _together(own.get(ip, Logins()), _schemes(listen, table), login, name)
        _check(listen, anybody=bool(everybody.users or own))
        return cls(
            allow=listen.allow,
            token=listen.token,
            logins=everybody,
            own_logins=own,
            known=[plain(table.address) for table in (devices or {}).values() if table.address],
            proxies=listen.proxies,
            deny=listen.deny,
            key=key,
            now=now,
        )

    def check(self, head: Asked, ip: str) -> Sender:
        """
        Judge a request by its *head*.

        :raises Challenge: it must log in.
        :raises Refused: 403; or 200 when it is to be thrown away.
        """
        sender = self._by_address(ip)
        if self.token is not None:
            if not hmac.compare_digest(first_segment(head.target), self.token):
                raise Refused(
                    self._status, "the secret in the path is missing or wrong; correct the URL in the device"
                )
            sender = self._proved(sender, ip, "token")
        logins = self._own.get(ip) or self._logins
        if logins.schemes:
            sender = self._proved(sender, ip, "login", self._log_in(head, ip, logins))
        return sender

    def stranger(self, ip: str) -> Sender:
        """
        The same for something that has no head.

        :raises Refused: also when a secret is needed, which it cannot have given.
        """
        sender = self._by_address(ip)
        if self.token is not None or self._logins.schemes or ip in self._own:
            raise Refused(self._status, "it gave no secret")
        return sender

    def at_the_door(self, ip: str) -> Sender:
        """What is known of *ip* before it has said anything."""
        found = self._doors.get(ip)
        if found is None:
            found = self._judged(ip)
            if len(self._doors) >= 4096:
                self._doors.clear()
            self._doors[ip] = found
        return found[0]

    def _by_address(self, ip: str) -> Sender:
        sender = self.at_the_door(ip)
        if not self._doors[ip][1]:
            raise Refused(
                self._status, "its address is not in `allow`; add it there, or take it off the network"
            )
        return sender

    def _judged(self, ip: str) -> tuple[Sender, bool]:
        """Who has that address, and whether it may send."""
        # A proxy's address is everybody's behind it: it may be let in, and proves nothing.
        proxy = within(ip, self._proxies)
        admitted = not self._allow or within(ip, self._allow)
        standing = SenderClass.STRANGER
        if admitted and not proxy and (self._allow or ip in self._known):
            standing = SenderClass.KNOWN if ip in self._known else SenderClass.ADMITTED
        stranger = standing is SenderClass.STRANGER
        net = subnet(ip) if stranger and ":" in ip else ""
        trust: Trust = "none" if stranger else "address"
        return Sender(trust, standing, ip, net, proxy or is_loopback(ip)), admitted

    def _proved(self, sender: Sender, ip: str, trust: Trust, login: str = "") -> Sender:
        """The same sender after it gave a secret."""
        found = self._senders.get((ip, trust, login))
        if found is None:
            standing = SenderClass.KNOWN if login else max(sender.standing, SenderClass.ADMITTED)
            found = Sender(trust, standing, login or ip, "", sender.free and not login, login)
            if len(self._senders) >= 4096:
                self._senders.clear()
            self._senders[ip, trust, login] = found
        return found

    def _log_in(self, head: Asked, ip: str, logins: Logins) -> str:
        """The device whose own login it gave, or "" for one that several have."""
        value = next((value for name, value in head.headers if name.lower() == b"authorization"), None)
        if value is None:
            self._ask(ip, logins.schemes)
        self._silent.pop(ip, None)
        verdict = self._judge(value, head, logins)
        if verdict == "good":
            self._wrong.forget(ip)
            return logins.names.get(user_of(value), "") if logins.names else ""
        reason = "its user or password is wrong"
        if verdict == "wrong" and self._wrong.take(ip) is None and not within(ip, self._proxies):
            raise Refused(self._status, f"{reason}; set user and password in the device")
        raise Challenge(reason, self._challenge(logins.schemes, stale=verdict == "stale"))

    def _ask(self, ip: str, schemes: frozenset[Scheme]) -> NoReturn:
        now = self._now()
        since = self._silent.setdefault(ip, now)
        if len(self._silent) > ASKED:
            self._silent.popitem(last=False)
        deaf = now - since > PATIENCE and not within(ip, self._proxies)
        if deaf and self._asked.take(ip) is None:
            raise Refused(self._status, "it did not log in; set user and password in the device")
        raise Challenge("it did not log in", self._challenge(schemes, stale=False))

    def _judge(self, value: bytes, head: Asked, logins: Logins) -> Verdict:
        if value[:5].lower() == b"basic":
            return check_basic(value, logins.users) if "basic" in logins.schemes else "wrong"
        if "digest" not in logins.schemes:
            return "wrong"
        return self._digest.check(value, head.method, head.target, logins.users)

    def _challenge(self, schemes: frozenset[Scheme], stale: bool) -> tuple[bytes, ...]:
        # The stronger one first: devices take the first that they know.
        lines = [self._digest.challenge(stale)] if "digest" in schemes else []
        return (*lines, BASIC_CHALLENGE) if "basic" in schemes else tuple(lines)


def _together(before: Logins, schemes: frozenset[Scheme], login: Users, name: str) -> Logins:
    """*before* and the own *login* of one device more."""
    names = dict(before.names)
    for user, secret in login.items():
        if before.users.get(user, secret) != secret:
            raise ConfigError(
                f'the user "{user.decode()}" has another password elsewhere; give this device another user',
                f"devices.{name}.push_login",
            )
        # A login that others have, too, does not say who it is.
        names[user] = "" if user in before.users else name
    return Logins(before.schemes | schemes, {**before.users, **login}, names)


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
