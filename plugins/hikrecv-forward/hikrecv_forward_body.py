"""What is sent about an event: JSON, a form, or either of them with pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from hikrecv import Event, Reject

if TYPE_CHECKING:
    from hikrecv.templates import Template

JSON = "application/json"
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png"}


class Body(NamedTuple):
    """The body of a request."""

    content_type: str
    data: bytes


class Shot(NamedTuple):
    """A picture of the event that is sent along."""

    n: int
    role: str
    content_type: str
    content: bytes


class Content:
    """
    The event itself, or what templates make of it.

    :param json: plain data whose texts are templates; empty means the whole event.
    :param form: templates by field; when there are any, they are sent instead.
    :raises ValueError: when a template is wrong; it names the key.
    """

    def __init__(self, json: Mapping[str, Any], form: Mapping[str, str]) -> None:
        self._json = _compiled(dict(json), "json") if json else None
        self._form = {name: _template(text, f"form.{name}") for name, text in form.items()}

    def body(self, event: Event, shots: Sequence[Shot] | None = None) -> Body:
        """
        What is sent for *event*; as multipart when *shots* are given, be it none.

        :raises Reject: when a template fails at this event.
        """
        if self._form:
            fields = {name: template.render(event) for name, template in self._form.items()}
            if shots is None:
                return Body("application/x-www-form-urlencoded", urlencode(fields).encode())
            texts = [_part(name, text.encode()) for name, text in fields.items()]
            return multipart([*texts, *map(_picture, shots)])
        document = event.to_json() if self._json is None else _encoded(_filled(self._json, event))
        if shots is None:
            return Body(JSON, document)
        return multipart([_part("event", document, JSON), *map(_picture, shots)])


def multipart(parts: Iterable[bytes]) -> Body:
    """The *parts* as ``multipart/form-data`` (RFC 7578)."""
    boundary = f"hikrecv-{token_hex(16)}"
    pieces = [b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts]
    end = b"--%s--\r\n" % boundary.encode()
    return Body(f"multipart/form-data; boundary={boundary}", b"".join([*pieces, end]))


def _part(name: str, payload: bytes, content_type: str = "", filename: str = "") -> bytes:
    label = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    file = f'; filename="{filename}"' if filename else ""
    head = f'Content-Disposition: form-data; name="{label}"{file}\r\n'
    head += f"Content-Type: {content_type}\r\n" if content_type else ""
    return head.encode() + b"\r\n" + payload


def _picture(shot: Shot) -> bytes:
    """Named by our own number and role; the device's names are its own business."""
    role = "".join(letter for letter in shot.role if letter.isascii() and (letter.isalnum() or letter == "-"))
    suffix = _SUFFIXES.get(shot.content_type)
    kind = shot.content_type if suffix else "application/octet-stream"
    return _part(f"picture-{shot.n}", shot.content, kind, f"{role or 'picture'}-{shot.n}{suffix or '.bin'}")


def _compiled(value: Any, path: str) -> Any:
    if isinstance(value, str):
        return _template(value, path)
    if isinstance(value, dict):
        return {name: _compiled(inner, f"{path}.{name}") for name, inner in value.items()}
    if isinstance(value, list):
        return [_compiled(inner, f"{path}[{place}]") for place, inner in enumerate(value)]
    return value


def _template(text: str, path: str) -> Template:
    # jinja2 takes its time to be imported; who sends whole events need not wait for it.
    from hikrecv.errors import ConfigError
    from hikrecv.templates import Template

    try:
        return Template(text, path)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _filled(value: Any, event: Event) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, event) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, event) for inner in value]
    return value.value(event) if hasattr(value, "value") else value


def _encoded(data: Any) -> bytes:
    try:
        return msgspec.json.encode(data)
    except (TypeError, ValueError) as error:
        raise Reject(f"json: a template gave something that JSON has no word for: {error}") from None
