"""A terminal, a barrier, an alarm output: a device that is told what to do, with Digest login."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import msgspec
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.interfaces import IReactorTime
from twisted.web.guard import DigestCredentialFactory, HTTPAuthSessionWrapper
from twisted.web.resource import IResource
from zope.interface import implementer

from hikrecv.isapi.document import parse
from hikrecv.testing.message import Message
from hikrecv.testing.pictures import draw
from hikrecv.testing.profiles import Identity, minmoe
from hikrecv.testing.server import Answered, Asked, SimulatedServer

USER = "admin"
PASSWORD = "Door-1234"  # noqa: S105, of a simulated device
MOST_WRONG = 5
"""After so many wrong logins a device takes none for half an hour."""

_CALLS = {
    "door": re.compile(r"/ISAPI/AccessControl/RemoteControl/door/(\d+)"),
    "gate": re.compile(r"/ISAPI/Parking/channels/(\d+)/barrierGate"),
    "output": re.compile(r"/ISAPI/System/IO/outputs/(\d+)/trigger"),
    "remote-check": re.compile(r"/ISAPI/AccessControl/remoteCheck()\?format=json"),
}
_WORDS = {"door": "cmd", "gate": "ctrlMode", "output": "outputState", "remote-check": "checkResult"}
_SNAPSHOT = re.compile(r"/ISAPI/Streaming/channels/\d+01/picture")
_STATUS = """<?xml version="1.0" encoding="UTF-8"?>
<ResponseStatus version="2.0">
<requestURL>{path}</requestURL>
<statusCode>{code}</statusCode>
<statusString>{text}</statusString>
<subStatusCode>{sub}</subStatusCode>
</ResponseStatus>
"""


class Command(msgspec.Struct, frozen=True):
    """
    What the device was told, and did.

    :param number: of the door, the barrier or the output; the serial number of a remote check.
    :param word: as on the wire: ``open``, ``close``, ``alwaysOpen``, ``high``, ``success`` ...
    """

    what: Literal["door", "gate", "output", "remote-check"]
    number: int
    word: str


class DigestDevice(SimulatedServer):
    """
    Opens doors for whoever knows the password; everything else is answered as devices do.

    The troubles of `SimulatedServer` come after the login; ``device.busy(2)`` is a
    device's own, and ``device.lose_answer()`` the one that no door may open twice for.

    :param heard: told of each command that was carried out.
    :ivar commands: what it did, in order.
    :ivar wrong_logins: how many in a row.
    """

    def __init__(
        self,
        clock: IReactorTime,
        url: str = "http://192.0.2.2",
        *,
        user: str = USER,
        password: str = PASSWORD,
        heard: Callable[[Command], None] = lambda command: None,
    ) -> None:
        self.commands: list[Command] = []
        self.wrong_logins = 0
        self._user, self._password = user, password
        self._heard = heard
        super().__init__(clock, url)

    @property
    def login(self) -> dict[str, str]:
        """The ``login`` of its ``[devices.<name>]``."""
        return {"user": self._user, "password": self._password}

    @property
    def locked(self) -> bool:
        """Too many logins were wrong: even the right one is refused."""
        return self.wrong_logins >= MOST_WRONG

    def root(self) -> IResource:
        """Digest login (MD5, the only one of most devices) around everything."""
        factories = [DigestCredentialFactory(b"md5", b"IP Camera")]
        return HTTPAuthSessionWrapper(Portal(_Realm(self), [_Checker(self)]), factories)

    def busy(self, times: int = 1) -> None:
        """Answer "device busy" and do nothing."""
        self.fail(times, 503, body=_status("/", 2, "Device Busy", "deviceBusy"))

    def answer(self, asked: Asked) -> Answered:
        """Do it, or say that there is no such call."""
        if asked.method == "GET" and _SNAPSHOT.fullmatch(asked.path):
            return Answered(200, draw("yard", 320, 180), {"Content-Type": "image/jpeg"})
        command = _command(asked)
        if command is None:
            return Answered(404, _status(asked.path, 4, "Invalid Operation", "notSupport"))
        self.commands.append(command)
        self._heard(command)
        return Answered(200, _status(asked.path, 1, "OK", "ok"), {"Content-Type": "application/xml"})

    def check(self, credentials: IUsernameHashedPassword) -> bool:
        """Is it the right user and password, and may they still be tried?"""
        known = credentials.username == self._user.encode()
        right = credentials.checkPassword(self._password.encode()) and known
        if self.locked:
            return False
        self.wrong_logins = 0 if right else self.wrong_logins + 1
        return right


def echoes(command: Command, who: Identity, moment: datetime, serial: int = 9000) -> list[Message]:
    """What a terminal reports of its own doing: the lock released, and engaged again after ``open``."""
    if command.what != "door":
        return []
    minors = {"open": (21, 22), "alwaysOpen": (21,), "resume": (22,), "close": (22,), "alwaysClose": (22,)}
    said = minors.get(command.word, ())
    return [minmoe.door(who, moment, serial + turn, minor) for turn, minor in enumerate(said)]


def _command(asked: Asked) -> Command | None:
    if asked.method != "PUT":
        return None
    for what, pattern in _CALLS.items():
        found = pattern.fullmatch(asked.path)
        documents, _ = parse(asked.body, asked.headers.get("content-type"))
        if found and documents and isinstance(documents[0].data, dict):
            said = documents[0].data
            said = said.get("RemoteCheck", said)
            number = found[1] or said.get("serialNo", 0)
            return Command(what, int(number), str(said.get(_WORDS[what])))  # type: ignore[arg-type]
    return None


def _status(path: str, code: int, text: str, sub: str) -> bytes:
    return _STATUS.format(path=path, code=code, text=text, sub=sub).encode()


@implementer(IRealm)
class _Realm:
    def __init__(self, device: DigestDevice) -> None:
        self._device = device

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        return IResource, self._device, lambda: None


@implementer(ICredentialsChecker)
class _Checker:
    credentialInterfaces = (IUsernameHashedPassword,)

    def __init__(self, device: DigestDevice) -> None:
        self._device = device

    def requestAvatarId(self, credentials: Any) -> Any:
        if not self._device.check(credentials):
            raise UnauthorizedLogin
        return credentials.username
