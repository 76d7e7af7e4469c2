"""The few ISAPI calls that we make, to devices of the configuration and no others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent

from hikrecv.config import DeviceTable
from hikrecv.errors import ConfigError, LoginRefused, Reject, Retry
from hikrecv.isapi.document import parse
from hikrecv.isapi.fields import fold, text
from hikrecv.isapi.times import read, zone_of
from hikrecv.isapi.words import visible

from .challenge import best_digest, challenges_in
from .digest import DigestAgent
from .exchange import Exchange, UntrustedServer
from .guard import LoginGuard
from .status import INVALID_CONTENT, Result, failure_of, read_status

if TYPE_CHECKING:
    from treq.response import _Response as Response

DoorCommand = Literal["open", "close", "alwaysOpen", "alwaysClose", "resume"]
GateCommand = Literal["open", "close", "lock", "unlock"]

TIMEOUT: Final = 5.0
"""Seconds for one call: a person stands before the door."""
PICTURE_TIMEOUT: Final = 20.0
AT_ONCE: Final = 2
"""Calls to one device under way at once: its web server is small, and each may be a wrong login."""
GATES: Final = (
    "/ISAPI/Parking/channels/{n}/barrierGate",
    "/ISAPI/ITC/Entrance/channels/{n}/manualControl",
    "/ISAPI/Parking/channels/{n}/manualControl",
    "/ISAPI/Traffic/channels/{n}/barrierControl",
    "/ISAPI/entranceAndExit/barrierGate/{n}/control",
)
"""Where models have their barrier, in the order in which they are tried."""
PROBE: Final = "/ISAPI/System/deviceInfo"
"""What every model has, every user may read, and only reads."""
_XMLNS = 'version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema"'
_JPEG = b"\xff\xd8"


class DeviceClient:
    """
    Calls to one ``[devices.<name>]``.

    Address, login and TLS come from its table and never from an event.  Redirects
    are not followed.  Every call ends as a `Result`, or raises:

    - `Retry` when the device is busy or away (`certain` tells whether the call can have been carried out),
    - `Reject` when it refuses, when the login is wrong, or when too many logins were wrong:
      devices lock an account after five, so there is at most one try in 15 minutes and two in all,
      until the configuration has another login.

    :param agent: verifies TLS or not, as the table says.
    """

    def __init__(self, name: str, table: DeviceTable, agent: IAgent, clock: IReactorTime) -> None:
        self.name = name
        self.url = base_url(name, table)
        self._login = table.login
        self._zone = table.zone
        self._basic = table.basic or self.url.startswith("https:")
        self._hosts = {host for host in (urlsplit(self.url).hostname, table.address) if host}
        self._turns = DeferredSemaphore(AT_ONCE)
        self._gate: str | None = None
        if table.login is not None:
            user, password = table.login.user, str(table.login.password)
            guard = LoginGuard(name, clock.seconds)
            agent = DigestAgent(agent, self.url, user, password, basic=self._basic, guard=guard, probe=PROBE)
        self._exchange = Exchange(agent, clock)

    async def door(self, command: DoorCommand, number: int = 1) -> Result:
        """
        Command a door; *number* as the device counts, 65535 is all of them.

        ``alwaysOpen`` holds until ``resume``.  The device reports its own doing as
        events 3/1024, 5/21 and 5/22.
        """
        body = f"<RemoteControlDoor {_XMLNS}><cmd>{command}</cmd></RemoteControlDoor>"
        return await self.put(f"/ISAPI/AccessControl/RemoteControl/door/{int(number)}", body)

    async def gate(self, command: GateCommand, channel: int = 1) -> Result:
        """
        Command a barrier.

        Models have it in different places: they are tried in order as long as the
        device does not know the call, and the one that it knows is remembered.
        """
        body = f"<BarrierGate><ctrlMode>{command}</ctrlMode></BarrierGate>"
        refusal: Reject = Reject(f"device {self.name} has no barrier")
        for place in (self._gate,) if self._gate else GATES:
            response = await self._ask("PUT", place.format(n=int(channel)), _xml(body))
            result = await self._result(response)
            if result.ok:
                self._gate = place
                return result
            failure = failure_of(result, self.name)
            if isinstance(failure, Retry) or not result.unknown_call:
                raise failure
            refusal = failure
        raise refusal

    async def output(self, state: Literal["high", "low"], number: int = 1) -> Result:
        """Switch an alarm output; a recorder's own count goes for those of its cameras."""
        body = f"<IOPortData><outputState>{state}</outputState></IOPortData>"
        return await self.put(f"/ISAPI/System/IO/outputs/{int(number)}/trigger", body)

    async def time(self) -> datetime:
        """
        What its clock says now.

        A text without an offset is read in the `zone` of its table, as the times of its events are.

        :raises Reject: when it says no time that can be read, or nobody knows in which zone.
        """
        body = await self.get("/ISAPI/System/time")
        documents, _ = parse(body)
        fields = fold(documents[0].data) if documents else {}
        fields = fields.get("time", fields) if isinstance(fields, dict) else {}
        said = text(fields, "localtime")
        reading = read(said, zone_of(self._zone))
        if reading.at is None or reading.anomaly is not None:
            raise Reject(f"device {self.name} says no time that can be read ({visible(said or '-')})")
        return reading.at

    async def remote_check(self, serial_no: int, granted: bool, info: str = "") -> Result:
        """Answer a terminal that asked for permission by an event, when the HTTP answer did not."""
        verdict = "success" if granted else "failed"
        check = {"serialNo": serial_no, "checkResult": verdict, "info": info}
        return await self.put("/ISAPI/AccessControl/remoteCheck?format=json", {"RemoteCheck": check})

    async def snapshot(self, channel: int | str = 1) -> bytes:
        """
        A JPEG of now; through a recorder *channel* is the recorder's number for the camera.

        :raises Reject: when the channel gives no picture.
        """
        number = int(channel)
        response = await self._picture(f"/ISAPI/Streaming/channels/{number}01/picture")
        body = await response.content()
        if not body.startswith(_JPEG) and (await self._result(response)).code == INVALID_CONTENT:
            # Recorders give the pictures of their cameras elsewhere, and say so in a 200.
            response = await self._picture(f"/ISAPI/ContentMgmt/StreamingProxy/channels/{number}01/picture")
        return await self._jpeg(response, f"channel {number}")

    async def picture(self, url: str, aliases: Collection[str] = ()) -> bytes:
        """
        A picture to which an event links, from this device's configured address.

        Of the link only path and query are used.

        :param aliases: names that the device has for itself, beside the configured
            ones: behind NAT its links name an address that we cannot reach.
        :raises Reject: for a link to anywhere else.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise Reject("the picture's link cannot be read") from None
        if parts.hostname is not None and parts.hostname not in (*self._hosts, *aliases):
            raise Reject(f"the picture is not on device {self.name} but at {parts.hostname}")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return await self._jpeg(await self._picture(path), "the link")

    async def get(self, path: str, *, timeout: float = TIMEOUT) -> bytes:
        """Any other reading call: the body of its answer.  *path* begins with ``/ISAPI/``."""
        response = await self._ask("GET", path, timeout=timeout)
        body = await response.content()
        if response.code >= 400:
            raise failure_of(await self._result(response), self.name)
        return body

    async def put(self, path: str, body: str | Mapping[str, Any], *, timeout: float = TIMEOUT) -> Result:
        """Any other call that changes something: XML as text, JSON as plain data."""
        options = _xml(body) if isinstance(body, str) else _json(body)
        result = await self._result(await self._ask("PUT", path, options, timeout=timeout))
        if not result.ok:
            raise failure_of(result, self.name)
        return result

    async def _ask(
        self, method: str, path: str, options: Mapping[str, Any] | None = None, *, timeout: float = TIMEOUT
    ) -> Response:
        if not path.startswith("/") or path.startswith("//"):
            raise Reject(f"{path!r} is not a path on a device")
        async with self._turns:
            try:
                response = await self._exchange.request(
                    method, self.url + path, timeout=timeout, allow_redirects=False, **(options or {})
                )
            except UntrustedServer as problem:
                raise Reject(f"{problem}; write verify_tls = false in [devices.{self.name}]") from problem
        if response.code == 401:
            raise self._login_failure(response)
        return response

    async def _picture(self, path: str) -> Response:
        return await self._ask("GET", path, timeout=PICTURE_TIMEOUT)

    async def _jpeg(self, response: Response, what: str) -> bytes:
        body: bytes = await response.content()
        if response.code < 400 and body.startswith(_JPEG):
            return body
        result = await self._result(response)
        if result.ok:
            raise Reject(f"device {self.name} gave something else than a picture for {what}")
        raise failure_of(result, self.name)

    async def _result(self, response: Response) -> Result:
        types = response.headers.getRawHeaders("content-type") or [None]
        return read_status(response.code, await response.content(), types[0])

    def _login_failure(self, response: Response) -> LoginRefused:
        table = f"[devices.{self.name}]"
        if self._login is None:
            return LoginRefused(
                f"device {self.name} asks for a login; give {table} login = {{ user, password }}"
            )
        offered = challenges_in(response.headers.getRawHeaders("www-authenticate") or [])
        if best_digest(offered) is None and not self._basic:
            return LoginRefused(
                f"device {self.name} offers no Digest login that can be used; "
                f"switch it on, use https, or write basic = true in {table}"
            )
        return LoginRefused(
            f"device {self.name} refused user {self._login.user!r}; correct the login in {table}"
        )


class Devices:
    """
    The clients of all ``[devices]``, made when they are first asked for.

    :param agent: gives an agent that verifies TLS, or one that does not.
    """

    def __init__(
        self, tables: Mapping[str, DeviceTable], agent: Callable[[bool], IAgent], clock: IReactorTime
    ) -> None:
        self._tables = dict(tables)
        self._agent = agent
        self._clock = clock
        self._clients: dict[str, DeviceClient] = {}

    def __call__(self, name: str) -> DeviceClient:
        """
        The client of the device *name*; a channel behind a recorder (``nvr/3``) is the recorder's.

        :raises Reject: when the configuration has none, or no address for it.
        """
        name = name if name in self._tables else name.partition("/")[0]
        table = self._tables.get(name)
        if table is None:
            raise Reject(f"there is no [devices.{name}] in the configuration")
        if name not in self._clients:
            agent = self._agent(table.verify_tls)
            self._clients[name] = DeviceClient(name, table, agent, self._clock)
        return self._clients[name]

    def update(self, tables: Mapping[str, DeviceTable]) -> None:
        """
        Use other tables from now on.

        Clients whose table is the same stay, and with them the count of wrong
        logins: a reload must not be a way to lock an account.
        """
        same = {name for name, table in tables.items() if self._tables.get(name) == table}
        self._clients = {name: client for name, client in self._clients.items() if name in same}
        self._tables = dict(tables)


def address_errors(tables: Mapping[str, DeviceTable]) -> list[ConfigError]:
    """Everything in ``[devices]`` that could never be called; no address at all is no error."""
    errors = []
    for name, table in tables.items():
        if table.url is not None or table.address is not None:
            try:
                base_url(name, table)
            except Reject as problem:
                errors.append(
                    ConfigError(str(problem), f"devices.{name}.{'url' if table.url else 'address'}")
                )
    return errors


def base_url(name: str, table: DeviceTable) -> str:
    """
    Where the device is: `url`, else ``http://`` and `address`; without a slash at the end.

    :raises Reject: when the table has neither, or a `url` that is none.
    """
    if table.url is None and table.address is None:
        raise Reject(f"device {name} has no address; write [devices.{name}] address")
    url = (table.url or f"http://{_bracketed(table.address or '')}").rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or parts.path or parts.query or parts.username or not url.isprintable() or " " in url:
        raise Reject(f"device {name}: its url must be http://ADDRESS[:PORT] or https://ADDRESS[:PORT]")
    return url


def _bracketed(address: str) -> str:
    return f"[{address}]" if address.count(":") > 1 and not address.startswith("[") else address


def _xml(body: str) -> dict[str, Any]:
    return {"data": body, "headers": {"Content-Type": "application/xml"}}


def _json(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": msgspec.json.encode(body), "headers": {"Content-Type": "application/json"}}
