"""
hikrecv-forward: every event as an HTTP request to somebody else's server.

The event goes as JSON, as JSON or form fields of your own making, or with its
pictures as multipart; it is sent again until the server has taken it.
"""

from __future__ import annotations

import time
from base64 import b64encode
from typing import Any, Literal
from urllib.parse import quote, urljoin, urlsplit

import msgspec
from hikrecv_forward_body import Body, Content, Shot
from hikrecv_forward_signature import HEADER, signature

from hikrecv import Context, Event, Reject, Retry, hookimpl
from hikrecv.config import Login, Secret, Url
from hikrecv.errors import ConfigError
from hikrecv.reactions.rule import Rule
from hikrecv.reactions.words import Answered, answer_word

__version__ = "0.1.0"

HIKRECV_API = 1

dry_run = True
"""It looks at `context.dry_run`."""

HOPS = 5
ATTEMPTS = 5
"""So often an event is sent at most whose answer is not as expected."""
LONGEST = 86_400.0
"""Seconds; the reaction's own `timeout` ends an attempt sooner."""
_ANSWER = 1_000_000
_OURS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection"})


class Settings(msgspec.Struct, frozen=True):
    """The plugin's keys in its ``[reactions.<name>]`` table."""

    url: Url
    """Where to: `http://` or `https://`, in clear or as `env:NAME` or `file:PATH`."""
    method: Literal["POST", "PUT"] = "POST"
    """How it is sent."""
    json: dict[str, Any] = {}
    """JSON of your own instead of the whole event; every text in it is a template."""
    form: dict[str, str] = {}
    """Form fields instead of JSON; every value is a template."""
    pictures: bool = False
    """Send the pictures too, as `multipart/form-data`."""
    fetch: bool = False
    """Fetch pictures that came as a link, from the configured address of the device."""
    headers: dict[str, Secret] = {}
    """Further headers, in clear or as `env:NAME` or `file:PATH`."""
    bearer: Secret | None = None
    """A token for `Authorization: Bearer`."""
    basic: Login | None = None
    """`{ user, password }` for a Basic login."""
    digest: Login | None = None
    """`{ user, password }` for a Digest login."""
    signature: Secret | None = None
    """A key shared with the server; each request is signed with it, see the README."""
    expect: str = ""
    """Which answer is good, in the language of `when`: `body.result == "ok"`; empty is every 2xx."""
    public_only: bool = False
    """Connect to public addresses only, whatever the name in `url` leads to."""
    redirects: bool = False
    """Follow 307 and 308 to another path of the same server."""

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.bearer, self.basic, self.digest)) > 1:
            raise ValueError("bearer, basic and digest exclude each other; choose one")
        if self.json and self.form:
            raise ValueError("json and form exclude each other; choose one")
        for name, value in self.headers.items():
            if name.lower() in _OURS or not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"headers: {name!r} cannot be set")
            if not (name.isascii() and value.isascii() and value.isprintable()):
                raise ValueError(f"headers: {name} must be printable ASCII")
        if self.expect:
            _expectation(self.expect)
        # Compiled here, so that a wrong template is found before anything starts.
        Content(self.json, self.form)


class Plugin:
    """One reaction: one server."""

    def __init__(self, context: Context) -> None:
        settings: Settings = context.settings
        self._settings = settings
        self._content = Content(settings.json, settings.form)
        self._good = _expectation(settings.expect) if settings.expect else None
        self._host = urlsplit(settings.url).hostname or ""
        self._headers = {name: str(value) for name, value in settings.headers.items()} | _login(settings)
        self._http = context.http.public_only() if settings.public_only else context.http
        if settings.digest is not None:
            user, password = settings.digest.user, str(settings.digest.password)
            self._http = self._http.with_digest(settings.url, user, password)

    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None:
        """Send the event; returning means that the server has taken it."""
        settings = self._settings
        shots = await self._shots(event, context) if settings.pictures and not context.dry_run else None
        body = self._content.body(event, shots)
        if context.dry_run:
            context.log.info(
                "would {method} {size} bytes for {event} to {host}",
                method=settings.method,
                size=len(body.data),
                event=event.id,
                host=self._host,
            )
            return
        response = await self._send(body, self._headers_for(event, body))
        if self._good is not None:
            await self._check(self._good, response, context)

    async def _check(self, good: Rule, response: Any, context: Context) -> None:
        """
        Many servers answer 200 with an error inside, and do not say whether it will pass.

        So it is tried a few times, like a bug: a server that is busy is asked again, and one that does
        not like this event does not keep the others waiting for ever.
        """
        text: str = await response.text()
        try:
            said: Any = msgspec.json.decode(text)
        except msgspec.DecodeError:
            said = text
        if good.matches(Answered(response.code, said)):
            return
        shown = " ".join("".join(each if each.isprintable() else " " for each in text[:400]).split())[:120]
        reason = f"{self._host} answered {response.code}, but not as expected ({good.text}): {shown}"
        if context.attempt >= ATTEMPTS:
            raise Reject(reason)
        raise Retry(reason, certain=False)

    async def _send(self, body: Body, headers: dict[str, str]) -> Any:
        url = str(self._settings.url)
        for _ in range(HOPS):
            response = await self._http.request(
                self._settings.method,
                url,
                data=body.data,
                headers=headers,
                allow_redirects=False,
                timeout=LONGEST,
                most=_ANSWER,
            )
            if response.code < 300:
                return response
            url = self._redirected(url, response)
        raise Retry(f"{self._host} redirects again and again", certain=False)

    def _redirected(self, url: str, response: Any) -> str:
        """Where it is to be sent instead, or an end."""
        where: str = (response.headers.getRawHeaders("location") or [""])[0]
        target = urljoin(url, where)
        same = urlsplit(target)[:2] == urlsplit(url)[:2]
        if self._settings.redirects and response.code in (307, 308) and where and same:
            return target
        reason = f"{self._host} answered {response.code} and redirects; correct url"
        # 301 and 308 are for good; the others may be a sign that says "closed for now".
        raise Reject(reason) if response.code in (301, 308) else Retry(reason)

    def _headers_for(self, event: Event, body: Body) -> dict[str, str]:
        headers = {
            "User-Agent": f"hikrecv-forward/{__version__}",
            **self._headers,
            "Content-Type": body.content_type,
            "Idempotency-Key": quote(event.key, safe="!#$&'()*+,/:;=?@[]~ "),
        }
        if self._settings.signature is not None:
            headers[HEADER] = signature(self._settings.signature, body.data, int(time.time()))
        return headers

    async def _shots(self, event: Event, context: Context) -> list[Shot]:
        """The pictures that there are; one that cannot be had any more does not keep the event back."""
        shots = []
        for picture in event.pictures:
            content = picture.content()
            if content is None and self._settings.fetch:
                try:
                    content = await context.fetch(picture, event)
                except Reject as error:
                    context.log.info("{event} goes without a picture: {error}", event=event.id, error=error)
            if content is not None:
                shots.append(Shot(picture.n, picture.role, picture.content_type or "image/jpeg", content))
        return shots


def _expectation(text: str) -> Rule:
    try:
        return Rule(text, find=answer_word)
    except ConfigError as error:
        raise ValueError(f"expect: {error}") from None


def _login(settings: Settings) -> dict[str, str]:
    if settings.bearer is not None:
        return {"Authorization": f"Bearer {settings.bearer}"}
    if settings.basic is not None:
        pair = f"{settings.basic.user}:{settings.basic.password}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}
