"""Whether a body that says nothing of its length has come to its end, by its first and last bytes."""

from __future__ import annotations

_BLANK = b" \t\r\n\0"
_BOM = b"\xef\xbb\xbf"
_LOOK = 256
"""Bytes that are looked at on both ends; a multipart delimiter has at most 200."""


def is_closed(body: bytes) -> bool:
    """
    Whether nothing can follow in *body*: its JSON or XML ends, or its multipart is closed.

    Cheap, and only half of the answer: an object inside an object ends with a brace, too.  A multipart
    whose first document is whole is not closed: its pictures come last.
    """
    end = body[-_LOOK:].rstrip(_BLANK)
    first = body[:_LOOK].removeprefix(_BOM).lstrip(_BLANK)[:1]
    if first == b"{" or first == b"[":
        return end[-1:] in (b"}", b"]")
    if first == b"<":
        return end[-1:] == b">"
    line = end[max(end.rfind(b"\n"), end.rfind(b"\r")) + 1 :]
    delimiter = line[:-2]
    if len(delimiter) < 3 or not (line.startswith(b"--") and line.endswith(b"--")):
        return False
    # Somewhere before it the same delimiter opened a part.
    return body.find(delimiter) < len(body.rstrip(_BLANK)) - len(line)
