"""Personal data made unreadable before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from hikrecv.config import Privacy
from hikrecv.push import Anomaly, Push

from .budget import Budget, OverBudget
from .document import begins_later, kind_of, text_of
from .encodings import Origins, Text, errors_of
from .encodings import label as as_label
from .multipart import USUAL_LIMITS, MultipartLimits, payloads
from .personal import HIDDEN, Sought, sought
from .steps import Steps, at_once

_PICTURES = frozenset(("jpeg", "png", "gif", "bmp", "empty"))
_MEDIA = re.compile(rb"\s*(?:image|video|audio)/", re.IGNORECASE)
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ONES = bytes.maketrans(b"0123456789", b"1111111111")
_BEFORE_NUMBER = frozenset((b":", b"[", b",", b"{", b" ", b"\t", b"\r", b"\n", b"\0"))
_JPEG = b"\xff\xd8\xff"

_MOMENT = 15
"""Looks after which masking stops for a moment."""


def mask(
    push: Push, table: Privacy, limits: MultipartLimits = USUAL_LIMITS, budget: Budget | None = None
) -> Push:
    """
    *push* with what *table* names made unreadable: byte for byte, so that nothing moves.

    Every byte of a value becomes ``*``, every digit of a number ``1``, and nothing else
    changes.  Pictures are not looked into.  What cannot be searched (base64, what is wrapped
    too often, what costs too much) is withheld, and the push says ``withheld``: a text in a
    document becomes ``*``, a whole text blanks; or it is kept, and the push says ``not-masked``.

    :param limits: those with which the push will be decoded, so that no part escapes.
    :param budget: of the search; one of its own by default.
    """
    return at_once(masking(push, table, limits, budget))


def masking(
    push: Push, table: Privacy, limits: MultipartLimits = USUAL_LIMITS, budget: Budget | None = None
) -> Steps[Push]:
    """The same in steps, between which others may work."""
    if not table.mask:
        return push
    masker = _Masker(_sought(table.mask), budget or Budget(), withhold=table.unreadable == "withhold")
    target = masker.query(push.target)
    body = yield from masker.body(push.body, push.header(b"content-type"), limits)
    anomalies = (*push.anomalies, Anomaly("masked"), *masker.anomalies)
    return msgspec.structs.replace(push, target=target, body=body, anomalies=anomalies)


@lru_cache(maxsize=16)
def _sought(words: tuple[str, ...]) -> Sought:
    return sought(words)


class _Masker:
    """What is done to one push."""

    __slots__ = ("_budget", "_sought", "_withhold", "anomalies")

    def __init__(self, wanted: Sought, budget: Budget, *, withhold: bool) -> None:
        self._sought, self._budget = wanted, budget
        self._withhold = withhold
        self.anomalies: list[Anomaly] = []

    def query(self, target: bytes) -> bytes:
        path, mark, query = target.partition(b"?")
        if not query:
            return target
        return path + mark + at_once(self._text(query, "form", ""))

    def body(self, body: bytes, content_type: bytes | None, limits: MultipartLimits) -> Steps[bytes]:
        view, at = memoryview(body), 0
        pieces: list[bytes | memoryview] = []
        for start, end, declared in payloads(body, content_type, limits):
            if body[start : start + 2] == b"\xff\xd8":
                continue
            changed = yield from self._payload(view[start:end], declared)
            if changed is not None:
                pieces += [view[at:start], changed]
                at = end
        return b"".join((*pieces, view[at:])) if pieces else body

    def _payload(self, view: memoryview, declared: bytes) -> Steps[bytes | None]:
        """*view* as it may be written; None when that is no different."""
        kind = kind_of(view)
        if kind in _PICTURES or (kind == "other" and _MEDIA.match(declared)):
            return None
        yield
        text = bytes(view)
        picture = text.find(_JPEG)  # some cameras put it behind the alert, without a delimiter
        if picture < 0:
            return (yield from self._text(text, kind, as_label(declared)))
        return (yield from self._text(text[:picture], kind, as_label(declared))) + text[picture:]

    def _text(self, raw: bytes, kind: str, declared: str) -> Steps[bytes]:
        if len(raw) > self._budget.scanned:
            return self._unreadable(raw)
        try:
            text = text_of(raw, declared, self._budget)
            found = self._sought.in_form if kind == "form" else self._sought.spans
            spans: list[tuple[int, int, bool]] = []
            for count, (start, end, category) in enumerate(found(text.data, self._budget)):
                if end > start:
                    spans.append((start, end, category == HIDDEN))
                if not count & _MOMENT:
                    self._budget.on_time()
                    yield
        except OverBudget:
            return self._unreadable(raw)
        yield
        masked = self._without(raw, text, sorted(spans)) if spans else raw
        return self._unreadable(masked) if kind == "other" and not begins_later(text.data) else masked

    def _without(self, raw: bytes, text: Text, spans: Iterable[tuple[int, int, bool]]) -> bytes:
        masked, origins, hidden = bytearray(raw), Origins(text), 0
        done = 0
        for start, end, cannot_be_read in spans:
            if cannot_be_read:
                hidden += end - start
                if not self._withhold:
                    continue
            start = max(start, done)
            if start >= end:
                continue
            done = end
            begin, stop = (start, end) if text.codec is None else (origins.of(start), origins.of(end))
            masked[begin:stop] = _instead(text, start, end, stop - begin)
        if hidden:
            self._say(hidden)
        return bytes(masked)

    def _unreadable(self, text: bytes) -> bytes:
        self._say(len(text))
        return b" " * len(text) if self._withhold else text

    def _say(self, size: int) -> None:
        self.anomalies.append(Anomaly("withheld" if self._withhold else "not-masked", f"{size} bytes"))


def _instead(text: Text, start: int, end: int, size: int) -> bytes:
    """What stands in the place of ``text.data[start:end]``, as *size* bytes of what came."""
    data, codec, _, _ = text
    if data[start - 1 : start] in _BEFORE_NUMBER and _NUMBER.fullmatch(data, start, end):
        other = data[start:end].translate(_ONES).decode()
    else:
        other = "*" * (size // 2 if codec is not None and codec.startswith("utf-16") else size)
    return other.encode() if codec is None else other.encode(codec, errors_of(codec))
