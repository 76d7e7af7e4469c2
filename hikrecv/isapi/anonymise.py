"""Make a capture fit to share: the same shape, and nobody's data."""

from __future__ import annotations

import re
from collections.abc import Callable
from secrets import token_bytes

from .budget import Budget, OverBudget
from .disguise import Disguise
from .document import kind_of
from .encodings import errors_of, to_utf8
from .multipart import payloads
from .personal import CATEGORIES, HIDDEN, Sought, Span, container_end

Change = Callable[[str, str], str]
"""What is done to a text: it is given the text and its encoding."""

_VALUE, _PLACE, _DIGITS = "value", "place", "digits"
_VALUES = (
    *(name for word in ("templates", "certificates", "names") for name in CATEGORIES[word]),
    *("cardno", "cardnumber", "employeeno", "employeenostring", "employeeid", "workno", "studentno"),
    *(
        "phone",
        "phoneno",
        "phonenumber",
        "mobile",
        "telephone",
        "email",
        "address",
        "username",
        "operatorname",
    ),
    *("licenseplate", "originallicenseplate", "plate", "plateno", "platenumber", "tempplate", "password"),
    *("serialnumber", "subserialnumber", "deviceserial", "deviceserialno", "deviceuuid", "devindex"),
)
_PLACES = (
    *("channelname", "devicename", "regionname", "zonename", "rulename", "areaname", "hostname"),
    *("fdlibname", "vehiclelistname", "monitoringsiteid", "monitordescription"),
)
_PERSONAL = {
    **dict.fromkeys(_VALUES, _VALUE),
    **dict.fromkeys(_PLACES, _PLACE),
    **dict.fromkeys((*CATEGORIES["births"], "latitude", "longitude"), _DIGITS),
}
_WANTED = Sought(_PERSONAL, places=False)
_FIELD = Sought({"value": _VALUE}, places=False)
_FIELDS = re.compile(rb'"extenddata"\s*+:\s*+')
"""Fields that an operator made up for the persons of a library."""
_LOGINS = frozenset((b"authorization", b"proxy-authorization"))
_SECRETS = frozenset((b"cookie", b"x-api-key", b"x-auth-token"))
_HOSTS = frozenset((b"host", b"referer", b"origin", b"from"))
_PICTURES = frozenset(("jpeg", "png", "gif", "bmp"))
_MEDIA = re.compile(rb"\s*(?:image|video|audio)/", re.IGNORECASE)
_REQUEST_LINE = re.compile(
    rb"([A-Za-z]{3,20} +)([^\r\n]{1,8000}?)( +HTTP/[0-9.]{3}[ \t]*)(?=\r?\n)", re.IGNORECASE
)
_HEADER = re.compile(rb"\n([^\s:]+)([ \t]*:[ \t]*)([^\r\n]*)")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]*\r?\n")
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1f]")
_JPEG = b"\xff\xd8\xff"


def anonymise(raw: bytes, key: bytes | None = None) -> bytes:
    """
    *raw*, a whole HTTP request or a bare body, with everything about people, places and devices replaced.

    Names, numbers, cards, certificates, plates, templates, serials, MAC and IP addresses
    become others of the same shape, the same value always the same; logins become ``x``;
    pictures are zeros between their first and last bytes.  Nothing moves: lengths, framing,
    encodings and oddities stay, so that a receiver does with it what it did with the real one.

    :param key: up to 64 bytes; captures made with one key fit together.  A new one by default.
    """
    disguise = Disguise(key or token_bytes(32))
    size = _size_of_head(raw)
    head, body = raw[:size], raw[size:]
    places = _chunks(body) if b"chunked" in (_header(head, b"transfer-encoding") or b"").lower() else None
    content = body if places is None else b"".join(body[start:end] for start, end in places)
    content = _Content(content, _header(head, b"content-type"), disguise).done()
    head = _edited(_head(head, disguise), lambda text, _: disguise.elsewhere(text))
    return head + (content if places is None else _put_back(body, places, content))


# -- the HTTP side ------------------------------------------------------------------


def _size_of_head(raw: bytes) -> int:
    if _REQUEST_LINE.match(raw) is None:
        return 0
    blank = _END_OF_HEAD.search(raw)
    return len(raw) if blank is None else blank.end()


def _header(head: bytes, name: bytes) -> bytes | None:
    return next((found[3].strip() for found in _HEADER.finditer(head) if found[1].lower() == name), None)


def _head(head: bytes, disguise: Disguise) -> bytes:
    """A request's head: its path and query may hold a token, its headers a login or a name."""

    def value(raw: bytes) -> bytes:
        return _edited(raw, lambda text, _: disguise.value(text))

    def target(found: re.Match[bytes]) -> bytes:
        path, mark, query = found[2].partition(b"?")
        query = re.sub(rb"(?<==)[^&]+", lambda said: value(said[0]), query)
        return found[1] + value(path) + mark + query + found[3]

    def header(found: re.Match[bytes]) -> bytes:
        name, said = found[1].lower(), found[3]
        if name in _LOGINS:
            scheme, blank, secret = said.partition(b" ")
            said = scheme + blank + re.sub(rb"\w", b"x", secret)
        elif name in _SECRETS:
            said = re.sub(rb"\w", b"x", said)
        elif name in _HOSTS and re.search(rb"[A-Za-z]", said):
            said = value(said)
        return b"\n" + found[1] + found[2] + said

    return _HEADER.sub(header, _REQUEST_LINE.sub(target, head, count=1))


def _chunks(body: bytes) -> list[tuple[int, int]] | None:
    """Where the data of a chunked body is (RFC 9112, 7.1); None when it is not one."""
    places, at = [], 0
    while (found := _CHUNK.match(body, at)) is not None and (size := int(found[1], 16)):
        places.append((found.end(), min(found.end() + size, len(body))))
        at = found.end() + size
        at += 2 if body[at : at + 2] == b"\r\n" else 1
    return places or None


def _put_back(body: bytes, places: list[tuple[int, int]], content: bytes) -> bytes:
    done, at = bytearray(body), 0
    for start, end in places:
        done[start:end] = content[at : at + end - start]
        at += end - start
    return bytes(done)


# -- the body -------------------------------------------------------------------------


class _Content:
    """One body: its pictures first, then what its documents say by name, then what stands elsewhere."""

    def __init__(self, body: bytes, content_type: bytes | None, disguise: Disguise) -> None:
        self._body = bytearray(body)
        self._disguise = disguise
        self._texts: list[tuple[int, int]] = []
        at = 0
        for start, end, declared in payloads(body, content_type):
            self._texts.append((at, start))
            self._payload(start, end, declared)
            at = end
        self._texts.append((at, len(body)))

    def done(self) -> bytes:
        for start, end in self._texts:
            self._edit(start, end, lambda text, _: self._disguise.elsewhere(text))
        return bytes(self._body)

    def _edit(self, start: int, end: int, change: Change) -> None:
        if end > start:
            self._body[start:end] = _edited(bytes(self._body[start:end]), change)

    def _payload(self, start: int, end: int, declared: bytes) -> None:
        payload = bytes(self._body[start:end])
        kind = kind_of(payload)
        picture = payload.find(_JPEG) if kind not in _PICTURES else 0
        if kind == "other" and (_MEDIA.match(declared) or _BINARY.search(payload[:512])):
            picture = 0
        if picture >= 0:
            self._body[start + picture : end] = _neutral(payload[picture:])
            end = start + picture
        if end > start:
            self._edit(start, end, self._by_name)
            self._texts.append((start, end))

    def _by_name(self, text: str, codec: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        try:
            spans = sorted(_spans(data))
        except _Unreadable:
            return self._fitting(text, _VALUE, codec)
        pieces, at = [], 0
        for start, end, category in spans:
            if start >= at:
                value = data[start:end].decode("utf-8", "surrogatepass")
                pieces += [
                    data[at:start].decode("utf-8", "surrogatepass"),
                    self._fitting(value, category, codec),
                ]
                at = end
        return "".join((*pieces, data[at:].decode("utf-8", "surrogatepass")))

    def _fitting(self, text: str, category: str, codec: str) -> str:
        if category == _DIGITS:
            other = self._disguise.digits(text)
        else:
            other = self._disguise.value(text, remember=category == _VALUE)
        size = len(_encoded(text, codec))
        return other if len(_encoded(other, codec)) == size else "x" * (size // len(_encoded("x", codec)))


class _Unreadable(Exception):
    """A text that cannot be searched: all of it has to go."""


def _spans(text: bytes) -> list[Span]:
    kind = kind_of(text)
    if kind not in ("json", "xml", "form"):
        raise _Unreadable
    budget = Budget()
    try:
        spans = [*(_WANTED.in_form if kind == "form" else _WANTED.spans)(text, budget)]
    except OverBudget:
        raise _Unreadable from None
    lower = text.lower()
    for fields in _FIELDS.finditer(lower):
        at = fields.end()
        inside = lower[at : container_end(lower, at)]
        spans += [(at + start, at + end, category) for start, end, category in _FIELD.in_json(inside)]
    return [(start, end, _VALUE if category == HIDDEN else category) for start, end, category in spans]


def _neutral(picture: bytes) -> bytes:
    """A picture of the same length and kind that shows nothing."""
    kind = kind_of(picture)
    first = 2 if kind == "jpeg" else 8 if kind in _PICTURES else 0
    last = 2 if picture[-2:] == b"\xff\xd9" else 0
    if len(picture) <= first + last:
        return picture
    return picture[:first] + bytes(len(picture) - first - last) + picture[len(picture) - last :]


def _edited(raw: bytes, change: Change) -> bytes:
    """*raw* after *change*, in the encoding it came in, bad bytes and all, and as long as before."""
    codec = to_utf8(raw).codec or "utf-8"
    odd = len(raw) & 1 if codec.startswith("utf-16") else 0
    text = raw[: len(raw) - odd].decode(codec, errors_of(codec))
    done = _encoded(change(text, codec), codec) + raw[len(raw) - odd :]
    if len(done) == len(raw):
        return done
    ascii_only = re.sub(rb"[^\0-\x7f]", b"?", raw)
    return ascii_only if raw == ascii_only else _edited(ascii_only, change)


def _encoded(text: str, codec: str) -> bytes:
    try:
        return text.encode(codec, errors_of(codec))
    except UnicodeEncodeError:
        return b""
