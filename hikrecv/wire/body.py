"""Take a body from the bytes: by its announced length, by chunks, or until the connection ends."""

from __future__ import annotations

import re
from typing import Protocol

from hikrecv.config import Limits

from .anomalies import Notes, Unreadable
from .messages import Framing

LONGEST_SIZE_LINE = 1_024
MOST_SIZE_DIGITS = 16
_SIZE = re.compile(rb"([0-9A-Fa-f]+)([ \t]*)(;[^\r\0]*)?")
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_EXTENSION = re.compile(
    rb"(?:[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?)+" % (_TOKEN, _TOKEN, _QUOTED)  # RFC 9112, 7.1.1
)
_TRAILER = re.compile(rb"%b:[\t -~\x80-\xff]*" % _TOKEN)


def begin(framing: Framing, length: int | None, limits: Limits, bare: bool, notes: Notes) -> Body:
    """
    Prepare to read a body.

    :param bare: the head's lines end with LF, so the lines between chunks may, too.
    :raises Unreadable: 413 when the announced length is above `limits.body`.
    """
    if framing == "chunked":
        return Chunks(limits.body, limits.headers, bare, notes)
    if framing == "close":
        return UntilClose(limits.body)
    if length is not None and length > limits.body:
        raise _too_long(limits.body)
    return Length(length or 0)


class Body(Protocol):
    """Takes the bytes of one body from a buffer."""

    finished: bool

    def read(self, buffer: bytes, at: int) -> tuple[bytes, int]:
        """
        Take what can be taken from *at* on.

        :returns: payload (empty when there is none yet), and where to go on.
        :raises Unreadable: only when no payload is left before the place at fault.
        """

    def missing(self) -> str:
        """What has not come, for a person."""


class Length:
    """A body of an announced size."""

    __slots__ = ("_left", "_length", "finished")

    def __init__(self, length: int) -> None:
        self._length = self._left = length
        self.finished = length == 0

    def read(self, buffer: bytes, at: int) -> tuple[bytes, int]:
        """Take what is there."""
        chunk = buffer[at : at + self._left]
        self._left -= len(chunk)
        self.finished = self._left == 0
        return chunk, at + len(chunk)

    def skip(self, size: int) -> bool:
        """Take *size* bytes unseen, unless they would be the last."""
        if size >= self._left:
            return False
        self._left -= size
        return True

    def missing(self) -> str:
        """What has not come."""
        return f"{self._left} of {self._length} bytes"


class UntilClose:
    """A body that ends with the connection."""

    __slots__ = ("_room", "finished", "taken")

    def __init__(self, limit: int) -> None:
        self._room = limit
        self.taken = 0
        self.finished = False

    def read(self, buffer: bytes, at: int) -> tuple[bytes, int]:
        """Take what is there, up to the limit."""
        chunk = buffer[at : at + self._room - self.taken]
        if not chunk:
            raise _too_long(self._room)
        self.taken += len(chunk)
        return chunk, at + len(chunk)

    def missing(self) -> str:
        """What has not come."""
        return "the end of the connection"


class Chunks:
    """
    A chunked body (RFC 9112, 7.1); extensions and trailers are read over.

    :param limit: bytes of payload.
    :param trailer_limit: bytes of lines after the last chunk.
    :param bare: the head's lines end with LF, so these may, too.
    """

    __slots__ = (
        "_bare",
        "_left",
        "_limit",
        "_notes",
        "_owes_line",
        "_taken",
        "_trailers",
        "finished",
        "last",
    )

    def __init__(self, limit: int, trailer_limit: int, bare: bool, notes: Notes) -> None:
        self._limit = limit
        self._trailers = trailer_limit
        self._bare = bare
        self._notes = notes
        self._left = self._taken = 0
        self._owes_line = False
        self.last = False
        self.finished = False

    def read(self, buffer: bytes, at: int) -> tuple[bytes, int]:
        """Take the payload of all chunks that are there, as one piece."""
        pieces: list[bytes] = []
        try:
            while at < len(buffer) and not self.finished:
                if self._left:
                    piece = buffer[at : at + self._left]
                    pieces.append(piece)
                    at += len(piece)
                    self._left -= len(piece)
                    self._owes_line = self._left == 0
                elif (after := self._read_line(buffer, at)) > at:
                    at = after
                else:
                    break
        except Unreadable:
            # What stood before the fault is payload; the fault shows again at the next call.
            if not pieces:
                raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), at

    def missing(self) -> str:
        """What has not come."""
        return "the last chunk"

    def _read_line(self, buffer: bytes, at: int) -> int:
        if self._owes_line:
            return self._read_line_end(buffer, at)
        return self._read_trailer(buffer, at) if self.last else self._read_size(buffer, at)

    def _read_line_end(self, buffer: bytes, at: int) -> int:
        if buffer.startswith(b"\r\n", at):
            after = at + 2
        elif self._bare and buffer.startswith(b"\n", at):
            after = at + 1
        elif buffer[at:] == b"\r":
            return at
        else:
            raise _broken("a chunk is longer than it says")
        self._owes_line = False
        return after

    def _read_size(self, buffer: bytes, at: int) -> int:
        end = buffer.find(b"\n", at, at + LONGEST_SIZE_LINE + 2)
        if end < 0:
            if len(buffer) - at >= LONGEST_SIZE_LINE + 2:
                raise _broken("the line with a chunk's size is too long")
            return at
        found = _SIZE.fullmatch(buffer, at, self._without_line_end(buffer, at, end))
        if found is None:
            raise _broken("a chunk's size is not a hexadecimal number")
        if len(found[1]) > MOST_SIZE_DIGITS or self._taken + int(found[1], 16) > self._limit:
            raise _too_long(self._limit)
        if found[2]:
            self._notes.add("padded-chunk-size")
        if found[3]:
            self._notes.add("chunk-extension")
            if _EXTENSION.fullmatch(found[3]) is None:
                self._notes.add("odd-chunk-extension")
        self._left = int(found[1], 16)
        self._taken += self._left
        self.last = self._left == 0
        return end + 1

    def _without_line_end(self, buffer: bytes, at: int, end: int) -> int:
        if end > at and buffer[end - 1] == 0x0D:
            return end - 1
        if not self._bare:
            raise _broken("a line of the chunked body ends with LF instead of CR LF")
        return end

    def _read_trailer(self, buffer: bytes, at: int) -> int:
        # The body is complete already: nothing wrong down here may cost it.
        end = buffer.find(b"\n", at, at + self._trailers)
        if end < 0:
            if len(buffer) - at < self._trailers:
                return at
            self._notes.add("odd-trailers")
            self.finished = True
            return len(buffer)
        line = buffer[at:end]
        if not line.endswith(b"\r") and not self._bare:
            self._notes.add("odd-trailers")
        line = line.removesuffix(b"\r")
        self._trailers -= end + 1 - at
        self.finished = not line
        if line:
            self._notes.add("trailers")
            if _TRAILER.fullmatch(line) is None:
                self._notes.add("odd-trailers")
        return end + 1


def _too_long(limit: int) -> Unreadable:
    """The refusal of a body above *limit* bytes."""
    return Unreadable(413, "body-too-long", f"the body is longer than limits.body allows ({limit} bytes)")


def _broken(reason: str) -> Unreadable:
    return Unreadable(400, "broken-chunks", reason)
