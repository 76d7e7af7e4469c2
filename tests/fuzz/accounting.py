"""
Where every byte of a connection went: kept, refused with a status, or named as thrown away.

An auditor of its own, who shares no code with the reader: it walks through what the receiver was given,
and lays over it what stands in the journal, what the sender was told, and what was named.
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

from hikrecv.push import Push
from hikrecv.wire.redaction import from_raw

SECRET = (b"authorization", b"proxy-authorization", b"cookie")
ASKING = ("GET", "HEAD", "OPTIONS")
BODILESS = (*ASKING, "DELETE")
REFUSED = {"broken-chunks", "odd-trailers", "padded-chunk-size", "odd-chunk-extension", "no-final-line"}
"""Oddities behind which nothing more is read."""
_HEAD_END = re.compile(rb"\n\r?\n")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*")
_NO_CHUNKS = re.compile(rb"0+[ \t]*(;[^\n]*)?\r?\n([^\r\n]+\r?\n)*(\r?\n|[^\r\n]*\r?\Z)")
_SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(;[^\n]*?)?\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_FRAMING_MOST = 1_100
"""Bytes of a chunk's size line that may be cut, without its payload."""


class Facts(NamedTuple):
    """
    One connection.

    :param received: all bytes that the receiver was given.
    :param pushes: what the journal on disk has of it.
    :param told: the statuses that the sender read, ``100`` left out.
    :param refused: the statuses with which it was turned away; the sender may be gone before it reads them.
    :param discarded: the bytes behind the last request that were named.
    :param gone: the sender broke off, and may not have read the last answers.
    """

    received: bytes
    pushes: tuple[Push, ...]
    told: tuple[int, ...]
    refused: tuple[int, ...]
    discarded: int
    gone: bool


class Unaccounted(AssertionError):
    """Bytes that are nowhere."""


def audit(facts: Facts) -> None:
    """:raises Unaccounted: when a byte is neither kept, nor refused, nor named."""
    walk, pushes, told = _Walk(facts.received), deque(facts.pushes), deque(facts.told)
    turned_away = any(status >= 400 for status in facts.refused)
    refused = False
    while not refused:
        walk.skip_line_ends()
        status = told[0] if told else None
        push = pushes[0] if pushes else None
        if push is not None and push.method:
            if walk.asks(push, answered=status is not None):
                told and told.popleft()
                continue
            # To whom was gone nobody can tell it.
            refused = status >= 400 if status is not None else bool(_names(push) & REFUSED)
            walk.take(push, refused)
            pushes.popleft()
            if _is_lengthless(push):
                # Whatever follows is its body: no request, and nothing to be kept as noise.
                told and told.popleft()
                break
        elif status == 200 or (status is None and facts.gone and not turned_away):
            if not walk.asks(None, answered=status is not None):
                if push is None:
                    _demand(status is None, "told 200 for what is neither kept nor a question", walk)
                    break
                walk.take_raw(pushes.popleft())
                continue  # which is told nothing
        elif push is not None and not (turned_away or status is not None):
            walk.take_raw(pushes.popleft())
            continue
        elif status is not None or turned_away:
            refused = True  # all of it, and its first bytes may be kept for a person to look at
            push is None or pushes.popleft()
        else:
            break
        told and told.popleft()
    _demand(not pushes, f"{len(pushes)} pushes that nobody sent", walk)
    _demand(not told, f"told {list(told)} besides", walk)
    if not refused:
        _demand(
            len(walk.left.strip(b"\r\n")) <= facts.discarded <= len(facts.received) - walk.sure,
            f"{len(walk.left)} bytes are nowhere, {facts.discarded} were named",
            walk,
        )


def _demand(holds: bool, sentence: str, walk: _Walk) -> None:
    if not holds:
        raise Unaccounted(f"{sentence}; at byte {walk.at} of {len(walk.data)}: {walk.left[:80]!r}")


def _is_lengthless(push: Push) -> bool:
    fields = {name.lower(): value.lower() for name, value in push.headers}
    counted = (
        fields.get(b"content-length", b"").strip(b", \t0123456789")
        == b""
        != fields.get(b"content-length", b"")
    )
    chunked = b"chunked" in fields.get(b"transfer-encoding", b"")
    return not (counted or chunked) and push.method not in BODILESS


def _names(push: Push) -> set[str]:
    return {anomaly.name for anomaly in push.anomalies}


class _Walk:
    """The bytes of one connection, from `at` on not yet accounted for."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.sure = 0  # what stands before it was kept; from here to `at` it may be named besides

    @property
    def left(self) -> bytes:
        return self.data[self.at :]

    def skip_line_ends(self) -> None:
        while (found := _LINE_END.match(self.data, self.at)) is not None:
            self.at = found.end()

    # -- what brings nothing ----------------------------------------------------

    def asks(self, kept: Push | None, *, answered: bool = True) -> bool:
        """
        Take a request that only asks whether we are there, unless it is the one that was *kept*.

        :param answered: False: or it was thrown away, since its sender was gone.
        """
        head = self._head()
        if head is None:
            return False
        lines, end = head
        sure = None
        method = lines[0].split(b" ")[0].strip().upper()
        if method.decode("latin-1") not in ASKING:
            return False
        if kept is not None and kept.method.encode() == method and self._is_of(kept, lines):
            return False
        fields = {name.lower(): value for name, value in _fields(lines)}
        if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            found = _NO_CHUNKS.match(self.data, end)
            if found is None:
                return False
            sure, end = end, found.end()
        elif fields.get(b"content-length", b"0").strip(b"0, \t"):
            return False
        self.at = end
        if answered:
            self.sure = end if sure is None else sure
        return True

    def _is_of(self, push: Push, lines: list[bytes]) -> bool:
        return push.headers == _expected(lines) and push.target.lstrip(b"/") in lines[0].replace(b"\t", b" ")

    # -- what was kept ------------------------------------------------------------

    def take(self, push: Push, cut: bool) -> None:
        """
        Lay *push* over the bytes, its head, its body, and the framing of that.

        :param cut: what stands behind its body was refused.
        """
        head = self._head()
        _demand(head is not None, f"a {push.method} was kept where no head is", self)
        assert head is not None
        lines, end = head
        odd = _names(push)
        self._check_line(push, lines[0], odd)
        self._check_fields(push, lines, odd)
        self.at = end
        fields = {name.lower(): value for name, value in reversed(push.headers)}
        coding = b",".join(v for n, v in push.headers if n.lower() == b"transfer-encoding").lower()
        if b"chunked" in coding:
            self._take_chunks(push, odd, cut)
            return
        _demand(self.data.startswith(push.body, self.at), "the body that was kept did not come here", self)
        self.at += len(push.body)
        self.sure = self.at
        length = fields.get(b"content-length", b"").split(b",")[0].strip()
        if length.isdigit() and len(push.body) < int(length):
            _demand("truncated" in odd, "a body was cut, and nobody says so", self)

    def take_raw(self, push: Push) -> None:
        """The same for what is no request."""
        for size in (len(push.body), len(self.left), *range(len(push.body), len(self.left))):
            if from_raw(self.left[:size], None) == push.body:
                self.at += size
                self.sure = self.at
                return
        _demand(False, "what was kept as no request did not come here", self)

    def _head(self) -> tuple[list[bytes], int] | None:
        found = _HEAD_END.search(self.data, self.at)
        if found is None:
            return None
        lines = self.data[self.at : found.start()].split(b"\n")
        return [line.removesuffix(b"\r") for line in lines], found.end()

    def _check_line(self, push: Push, line: bytes, odd: set[str]) -> None:
        words = line.replace(b"\t", b" ").split()
        _demand(words[0].upper() == push.method.encode(), "another method was kept", self)
        line, target = line.replace(b"\t", b" "), b" ".join(words[1:-1])
        if push.method == "OPTIONS" and target == b"*":
            target = b"/"  # of the server itself, which has one place only
        if push.target.split() != target.split():
            named = {"absolute-target", "star-target", "empty-target", "target-without-slash"} & odd
            _demand(bool(named), "a target was changed, and nobody says so", self)
            _demand(push.target[1:] in line or push.target == b"/", "another target was kept", self)

    def _check_fields(self, push: Push, lines: list[bytes], odd: set[str]) -> None:
        if any(line[:1] in (b" ", b"\t") for line in lines[1:]):
            _demand(bool({"folded-header", "leading-fold"} & odd), "a fold is nowhere", self)
        for line in _unfolded(lines):
            name, colon, _ = line.partition(b":")
            if not colon:
                _demand("header-without-colon" in odd, "a line without a colon is nowhere", self)
            elif _NAME.fullmatch(name) is None:
                named = {"bad-header-name", "header-without-name"} & odd
                _demand(bool(named), "a line with an impossible name is nowhere", self)
        _demand(push.headers == _expected(lines), "the headers that were kept are not those that came", self)

    def _take_chunks(self, push: Push, odd: set[str], cut: bool) -> None:
        body, out = push.body, 0
        while (found := _SIZE.match(self.data, self.at)) is not None:
            if cut and out == len(body):
                return
            _demand(not found[2] or "chunk-extension" in odd, "an extension is nowhere", self)
            size, after = int(found[1], 16), found.end()
            if size == 0:
                self.at = self.sure = after
                self._take_trailers(odd)
                break
            piece = body[out : out + size]
            _demand(self.data.startswith(piece, after), "a chunk that was kept did not come here", self)
            self.at, out = after + len(piece), out + len(piece)
            if len(piece) < size:
                break
            found_end = _LINE_END.match(self.data, self.at)
            self.at = self.at if found_end is None else found_end.end()
            self.sure = self.at
        _demand(out == len(body), "more was kept than came in chunks", self)
        if {"truncated", "no-final-line"} & odd:
            _demand(len(self.left) <= _FRAMING_MOST, "a chunked body was cut early", self)
            self.at = len(self.data)

    def _take_trailers(self, odd: set[str]) -> None:
        while True:
            end = self.data.find(b"\n", self.at)
            if end < 0:
                if {"odd-trailers", "no-final-line"} & odd:
                    self.at = len(self.data)
                return
            line, self.at = self.data[self.at : end].removesuffix(b"\r"), end + 1
            if (
                "trailers" in odd and "no-final-line" not in odd
            ):  # else it came behind the answer, perhaps, and was named
                self.sure = self.at
            if not line:
                return
            if "trailers" not in odd:
                _demand("odd-trailers" in odd, "a trailer is nowhere", self)
                self.at = len(self.data)  # they are too long, and end the connection
                return


def _unfolded(lines: list[bytes]) -> list[bytes]:
    whole: list[bytes] = []
    for line in lines[1:]:
        if line[:1] not in (b" ", b"\t"):
            whole.append(line)
        elif whole:
            whole[-1] += b" " + line.strip(b" \t")
    return whole


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    found = []
    for line in _unfolded(lines):
        name, colon, value = line.partition(b":")
        if colon and _NAME.fullmatch(name) is not None:
            found.append((name.rstrip(b" \t"), value.strip(b" \t")))
    return found


def _expected(lines: list[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name, b"-" if name.lower() in SECRET else value) for name, value in _fields(lines))
