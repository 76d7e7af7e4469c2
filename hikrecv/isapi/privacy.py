"""Personal data made unreadable before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from hikrecv.config import Privacy
from hikrecv.push import Anomaly, Push

from .document import kind_of
from .encodings import is_utf16
from .multipart import USUAL_LIMITS, MultipartLimits, payloads
from .personal import Sought, Span, TooManyValues, hides_keys, readable, sought

_PICTURES = frozenset(("jpeg", "png", "gif", "bmp", "empty"))
_MEDIA = re.compile(rb"\s*(?:image|video|audio)/", re.IGNORECASE)
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ONES = bytes.maketrans(b"0123456789", b"1111111111")
_QUOTE = ord('"')
_JPEG = b"\xff\xd8\xff"
_WRAPPED = re.compile(rb"%(?:7b|5b|3c)")


def mask(push: Push, table: Privacy, limits: MultipartLimits = USUAL_LIMITS) -> Push:
    """
    *push* with what *table* names made unreadable: byte for byte, so that nothing moves.

    Every byte of a value becomes ``*``, every digit of a number ``1``.  Pictures are not
    looked into.  A text that cannot be searched (UTF-16, percent-encoded, base64) is
    kept, and the push says ``not-masked``; or it is withheld, and blanks stand for it.

    :param limits: those with which the push will be decoded, so that no part escapes.
    """
    if not table.mask:
        return push
    masker = _Masker(_sought(table.mask), withhold=table.unreadable == "withhold")
    target = masker.query(push.target)
    body = masker.body(push.body, push.header(b"content-type"), limits)
    anomalies = (*push.anomalies, Anomaly("masked"), *masker.anomalies)
    return msgspec.structs.replace(push, target=target, body=body, anomalies=anomalies)


@lru_cache(maxsize=16)
def _sought(words: tuple[str, ...]) -> Sought:
    return sought(words)


class _Masker:
    """What is done to one push."""

    __slots__ = ("_sought", "_withhold", "anomalies")

    def __init__(self, wanted: Sought, *, withhold: bool) -> None:
        self._sought = wanted
        self._withhold = withhold
        self.anomalies: list[Anomaly] = []

    def query(self, target: bytes) -> bytes:
        path, mark, query = target.partition(b"?")
        if not query:
            return target
        return path + mark + self._form(query)

    def body(self, body: bytes, content_type: bytes | None, limits: MultipartLimits) -> bytes:
        view, at = memoryview(body), 0
        pieces: list[bytes | memoryview] = []
        for start, end, declared in payloads(body, content_type, limits):
            if body[start : start + 2] == b"\xff\xd8":
                continue
            changed = self._payload(view[start:end], declared)
            if changed is not None:
                pieces += [view[at:start], changed]
                at = end
        return b"".join((*pieces, view[at:])) if pieces else body

    def _payload(self, view: memoryview, declared: bytes) -> bytes | None:
        """*view* as it may be written; None when that is no different."""
        text = bytes(view)
        kind = "json" if text[:1] == b"{" else kind_of(text)
        if kind in _PICTURES or (kind == "other" and _MEDIA.match(declared)):
            return None
        picture = text.find(_JPEG)  # some cameras put it behind the alert, without a delimiter
        if picture >= 0:
            return self._text(text[:picture], kind) + text[picture:]
        return self._text(text, kind)

    def _text(self, text: bytes, kind: str) -> bytes:
        if kind == "form":
            return self._form(text)
        if is_utf16(text):
            return self._unreadable(text)
        try:
            lower = readable(text)
            masked = self._without_values(text, lower)
        except TooManyValues:
            return self._unreadable(text)
        return self._unreadable(masked) if kind == "other" or hides_keys(lower) else masked

    def _without_values(self, text: bytes, lower: bytes) -> bytes:
        # A text may hold one form inside the other, so the first byte does not decide.
        if b":" in lower:
            text = _without(text, self._sought.in_json(lower), numbers=True)
        if b"<" in lower:
            text = _without(text, self._sought.in_xml(lower))
        return text

    def _form(self, text: bytes) -> bytes:
        lower = text.lower()
        try:
            masked = _without(text, self._sought.in_form(lower))
        except TooManyValues:
            return self._unreadable(text)
        return self._unreadable(masked) if _WRAPPED.search(lower) else masked

    def _unreadable(self, text: bytes) -> bytes:
        self.anomalies.append(Anomaly("withheld" if self._withhold else "not-masked", f"{len(text)} bytes"))
        return b" " * len(text) if self._withhold else text


def _without(text: bytes, spans: Iterable[Span], *, numbers: bool = False) -> bytes:
    masked = bytearray(text)
    for start, end, _ in spans:
        if numbers and masked[start - 1] != _QUOTE and _NUMBER.fullmatch(masked, start, end):
            masked[start:end] = masked[start:end].translate(_ONES)
        else:
            masked[start:end] = b"*" * (end - start)
    return bytes(masked)
