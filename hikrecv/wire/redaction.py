"""Take the secrets out before a Push exists."""

from __future__ import annotations

import re

Headers = tuple[tuple[bytes, bytes], ...]

NOTHING = b"-"
SECRET = frozenset((b"authorization", b"proxy-authorization", b"cookie"))
_LINE = re.compile(
    rb"(?im)^([ \t]*(?:proxy-)?authorization|[ \t]*cookie)[ \t]*:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*"
)


def without_secrets(headers: Headers) -> Headers:
    """The same headers, the values of those that carry credentials replaced by ``-``."""
    for name, _ in headers:
        if name.lower() in SECRET:
            break
    else:
        return headers  # as nearly always
    return tuple((name, NOTHING if name.lower() in SECRET else value) for name, value in headers)


def without_token(target: bytes, token: bytes | None) -> bytes:
    """The same target, the secret at its beginning replaced by ``-``."""
    if token is None:
        return target
    path = target.lstrip(b"/")
    slashes = target[: len(target) - len(path)]
    return slashes + NOTHING + path[len(token) :] if path.startswith(token) else target


def from_raw(data: bytes, token: bytes | None) -> bytes:
    """The same for bytes that could not be read as a request."""
    data = _LINE.sub(rb"\1: -", data)
    return data if token is None else data.replace(token, NOTHING)
