"""Bytes to requests: a tolerant HTTP/1 reader without I/O and without a clock."""

from __future__ import annotations

from typing import Literal

from hikrecv.config import Limits
from hikrecv.push import Anomaly

from .anomalies import Notes, Unreadable
from .body import Body, Chunks, Length, UntilClose, begin
from .foreign import by_first_bytes, by_line
from .framing import decide
from .head import Found, RequestLine, check_host, header_lines, odd_request_line, plain_request_line
from .messages import RAW_MOST, Data, End, Foreign, Framing, Head, Message, Refusal
from .usual import Heads

__all__ = ["Data", "End", "Foreign", "Head", "Message", "Phase", "Reader", "Refusal"]

Phase = Literal["idle", "head", "body", "final-line", "done"]
MOST_EMPTY_LINES = 8


class Reader:
    """
    Reads the requests of one connection, one after the other.

    :meth:`feed` takes bytes as they come, :meth:`next_event` gives what they mean; both return at
    once.  Every call either consumes bytes, changes the phase, or returns None, so that a loop over
    `next_event` ends on any input.  What is reported does not depend on how the bytes were cut
    (only the sizes of the `Data` do).

    It follows RFC 9112 and forgives what firmware is known to break; each forgiveness is an anomaly
    with a name (see `hikrecv.wire.anomalies`).  What leaves a doubt about where a request ends
    makes `keep_alive` False in lenient mode, and is refused in strict mode.

    After `End`, `Refusal` and `Foreign` it is silent: :meth:`start_next` goes on after an `End`
    that keeps the connection alive; in all other cases what still comes is thrown away.

    :param mode: ``strict`` is for ports behind a proxy that shares connections among clients.
    :param limits: `headers` bounds a head and the trailers, `body` a body, both in bytes.
    :param heads: those that were read before, on other connections too.
    :ivar dropped: bytes behind the last request, which nobody is told of.
    """

    __slots__ = (
        "_at",
        "_bare",
        "_body",
        "_buffer",
        "_deaf",
        "_empty_lines",
        "_eof",
        "_first",
        "_heads",
        "_keep_alive",
        "_limits",
        "_line",
        "_line_end",
        "_notes",
        "_phase",
        "_searched",
        "dropped",
    )

    def __init__(
        self, mode: Literal["lenient", "strict"], limits: Limits, heads: Heads | None = None
    ) -> None:
        self._limits = limits
        self._heads = Heads() if heads is None else heads
        self._notes = Notes(mode == "strict")
        self._buffer = b""
        self._at = 0
        self._eof = self._deaf = False
        self._first = True
        self.dropped = 0
        self._forget_request()

    def _forget_request(self) -> None:
        self._phase: Literal["head", "body", "done"] = "head"
        self._line: RequestLine | None = None
        self._body: Body | None = None
        self._bare = False
        self._empty_lines = 0
        self._line_end = self._searched = 0
        self._keep_alive = False
        if self._notes.found:
            self._notes.clear()

    # -- what goes in ---------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Take the next bytes.  Ask :meth:`next_event` until it gives None before feeding more."""
        if self._deaf:
            self.dropped += len(data)
            return
        at = self._at
        self._buffer = data if at == len(self._buffer) else self._buffer[at:] + data
        self._at = 0

    def inside(self, size: int) -> bool:
        """
        Whether the next *size* bytes are payload as they are, and not the end of it.

        Then they count as read and need not be fed: most of a large body passes here.
        """
        body = self._body
        return isinstance(body, Length) and self._at == len(self._buffer) and body.skip(size)

    def eof(self) -> None:
        """The peer will send nothing more (it may still read)."""
        self._eof = True

    def start_next(self) -> None:
        """The request was answered: go on with the next one."""
        if self._phase == "done" and not self._deaf:
            self._first = False
            self._forget_request()

    def salvage(self, silent: bool = False) -> End | Refusal | None:
        """
        No more will come, or time is up: make the best of what came.

        Call it when :meth:`next_event` gave None.  It is also right two seconds after the last byte
        in the phase ``final-line``, or of a body without a length.

        :param silent: the sender has said all that it wants to: a body without a length is not cut.
        :returns: an `End` in mid-body (`complete` when nothing that matters is missing), a `Refusal`
            in mid-head, None between requests.
        """
        try:
            if self._body is not None:
                return self._salvaged(self._body, silent)
            if self.phase == "head":
                raise Unreadable(408, "unfinished-head", "the request's head was not finished in time")
            return None
        except Unreadable as error:
            return self._refused(error)

    # -- what comes out ---------------------------------------------------------

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What was odd about the present request so far."""
        return self._notes.found

    @property
    def buffered(self) -> int:
        """Bytes that are held."""
        return len(self._buffer) - self._at

    @property
    def phase(self) -> Phase:
        """Which deadline holds; ``final-line`` = only the empty line after the last chunk is missing."""
        if self._phase == "head":
            return "head" if self._line or self._at < len(self._buffer) else "idle"
        if self._phase == "body" and isinstance(self._body, Chunks) and self._body.last:
            return "final-line"
        return self._phase

    def next_event(self) -> Message | None:
        """What the bytes so far mean, one thing a call; None when more bytes are needed."""
        try:
            message: Message | None
            if self._body is not None:
                message = self._read_body(self._body)
            else:
                message = self._read_head() if self._phase == "head" else None
        except Unreadable as error:
            return self._refused(error)
        if message is None and self._at:
            # A waiting connection must not hold the 64 KiB that its last few bytes came in.
            self._buffer, self._at = self._buffer[self._at :], 0
        return message

    # -- the head -----------------------------------------------------------------

    def _read_head(self) -> Message | None:
        if self._line is None:
            message = self._usual_head() or self._read_line()
            if message is not None:
                return message
        if self._line is not None:
            found_block = self._header_block()
            if found_block is not None:
                block, after = found_block
                headers, found = header_lines(block, b"\n" if self._bare else b"\r\n", self._notes)
                head = self._start_body(self._line, tuple(headers), found)
                if not self._notes.found:
                    self._heads.remember(self._buffer[self._at : after - 2], self._line, head)
                self._at = after
                return head
        if self._eof and self.buffered:
            raise Unreadable(400, "unfinished-head", "the connection ended inside the request's head")
        return None

    def _usual_head(self) -> Head | None:
        buffer, at = self._buffer, self._at
        end = buffer.find(b"\r\n\r\n", at, at + self._limits.headers)
        known = self._heads.recall(buffer[at : end + 2]) if end > 0 else None
        if known is None:
            return None
        line, head = known
        if head.length is not None and head.length > self._limits.body:
            return None  # refused, with all its words, on the other way
        self._line, self._at, self._phase = line, end + 4, "body"
        self._keep_alive = head.keep_alive
        self._body = begin(head.framing, head.length, self._limits, False, self._notes)
        return head

    def _read_line(self) -> Foreign | None:
        self._skip_empty_lines()
        buffer, at = self._buffer, self._at
        if buffer[at:] in (b"", b"\r"):
            return None
        end = buffer.find(b"\n", at, at + self._limits.headers)
        if end < 0:
            stranger = self._judge(buffer, at, None)
            if stranger is None and len(buffer) - at >= self._limits.headers:
                raise self._head_too_long()
            return stranger
        bare = end == at or buffer[end - 1] != 0x0D
        line = buffer[at : end if bare else end - 1]
        plain = plain_request_line(line)
        if plain is None:
            stranger = self._judge(buffer, at, line)
            if stranger is not None:
                return stranger
        if bare:
            self._bare = True
            self._notes.add("bare-lf")
        self._line = plain or odd_request_line(line, self._notes)
        self._line_end = self._searched = end - at
        return None

    def _skip_empty_lines(self) -> None:
        # RFC 9112, 2.2: some clients send an empty line after a body.
        while True:
            if self._buffer.startswith(b"\r\n", self._at):
                self._at += 2
            elif self._buffer.startswith(b"\n", self._at):
                self._notes.add("bare-lf")
                self._at += 1
            else:
                return
            self._empty_lines += 1
            if self._empty_lines > MOST_EMPTY_LINES:
                raise Unreadable(
                    400, "too-many-empty-lines", "there are only empty lines where a request should be"
                )
            if self._empty_lines == 2:
                self._notes.add("leading-empty-lines")

    def _judge(self, buffer: bytes, at: int, line: bytes | None) -> Foreign | None:
        kind = by_first_bytes(buffer, at) or (by_line(line) if line else None)
        if kind is None:
            return None
        # Only a new connection can be something else; later it is the rest of a longer body.
        if kind == "text" or not self._first:
            raise Unreadable(400, "not-http", "this is not the beginning of an HTTP request")
        self._finish(deaf=True)
        raw = buffer[at : at + RAW_MOST]
        self.dropped -= len(raw)
        return Foreign(kind, raw)

    def _header_block(self) -> tuple[bytes, int] | None:
        buffer, at = self._buffer, self._at
        start, stop = at + self._line_end, at + self._limits.headers
        end = buffer.find(b"\n\r\n", at + self._searched, stop)
        short = buffer.find(b"\n\n", at + self._searched, stop if end < 0 else end + 1)
        if end < 0 and short < 0:
            if len(buffer) >= stop:
                raise self._head_too_long()
            self._searched = max(self._line_end, len(buffer) - at - 2)
            return None
        # An LF before the last CR LF, too: taken for a CR LF it would cost the last header its last byte.
        if (short >= 0) != self._bare or (short < 0 and buffer[end - 1] != 0x0D):
            raise Unreadable(
                400, "mixed-line-ends", "some lines of the head end with CR LF and others with LF"
            )
        if self._bare:
            return buffer[start + 1 : short], short + 2
        return buffer[start + 1 : max(end - 1, start + 1)], end + 3

    def _head_too_long(self) -> Unreadable:
        return Unreadable(
            431, "head-too-long", f"the head is longer than limits.headers ({self._limits.headers} bytes)"
        )

    # -- the body -------------------------------------------------------------------

    def _start_body(self, line: RequestLine, headers: tuple[tuple[bytes, bytes], ...], found: Found) -> Head:
        method, target, version = line
        host = found.get(b"host")
        if host is not None:
            check_host(host, self._notes)
        elif version == "1.1":
            self._notes.add("missing-host")
        framing, length = decide(found, method, version, self._notes)
        self._body = begin(framing, length, self._limits, self._bare, self._notes)
        self._phase = "body"
        self._keep_alive = _kept_alive(found, version, framing) and not self._notes.ambiguous
        return Head(
            method,
            target,
            version,
            headers,
            length,
            framing,
            self._keep_alive,
            version == "1.1" and found.get(b"expect", b"").lower() == b"100-continue",
            b"content-type" in found,
        )

    def _read_body(self, body: Body) -> Data | End | None:
        if not body.finished and self._at < len(self._buffer):
            chunk, self._at = body.read(self._buffer, self._at)
            if chunk:
                return Data(chunk)
        if body.finished:
            return self._ended(complete=True)
        return self._salvaged(body) if self._eof else None

    def _salvaged(self, body: Body, silent: bool = False) -> End:
        if isinstance(body, Chunks) and body.last:
            self._notes.add("no-final-line")
            return self._ended(complete=True)
        if isinstance(body, UntilClose) and not body.taken:
            return self._ended(complete=True)
        if not (isinstance(body, UntilClose) and (self._eof or silent)):
            self._notes.add("truncated", f"missing: {body.missing()}")
        return self._ended(complete=False)

    # -- the end ----------------------------------------------------------------------

    def _ended(self, complete: bool) -> End:
        keep_alive = self._keep_alive and complete and not self._notes.ambiguous
        self._finish(deaf=not keep_alive)
        return End(self._notes.found, complete, keep_alive)

    def _refused(self, error: Unreadable) -> Refusal:
        raw = self._buffer[self._at : self._at + RAW_MOST]
        silent = not (self._first or self._notes.strict or self._line)
        self._finish(deaf=True)
        self.dropped -= len(raw)
        return Refusal(error.http_status, error.reason, (*self._notes.found, error.anomaly), raw, silent)

    def _finish(self, deaf: bool) -> None:
        self._phase = "done"
        self._body = None
        if deaf:
            self._deaf = True
            self.dropped += self.buffered
            self._buffer, self._at = b"", 0


def _kept_alive(found: Found, version: str, framing: Framing) -> bool:
    if framing == "close" or (framing == "chunked" and version == "1.0"):
        return False
    value = found.get(b"connection")
    if value is None:
        return version == "1.1"
    options = [option.strip(b" \t") for option in value.lower().split(b",")]
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)
