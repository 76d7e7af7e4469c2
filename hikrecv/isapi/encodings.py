"""Bytes of unknown or lying encoding, made UTF-8."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAMPLE = 65_536
_HIGH = re.compile(r"[^\x00-\x7f]")
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_ESCAPED = re.compile("[\ud800-\udfff]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")

# Only these are believed when a document names them: a codec such as
# "unicode_escape" or "idna" would do more than decode.
_DECLARED = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "cp936": "gb18030",
    "big5": "big5",
    "shift_jis": "shift_jis",
    "euc-jp": "euc_jp",
    "euc-kr": "euc_kr",
    "koi8-r": "koi8_r",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "windows-1252": "cp1252",
    "windows-1254": "cp1254",
    "windows-1256": "cp1256",
    "windows-1258": "cp1258",
    **{f"iso-8859-{n}": f"iso8859_{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)},
}
# Most UTF-8 can be read in these as well, and theirs hardly ever as UTF-8.
_OF_SEVERAL_BYTES = frozenset(("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"))
_THREE_BYTES = re.compile(rb"[\xe0-\xef][\x80-\xbf]{2}")


class Text(NamedTuple):
    """
    A text as UTF-8.

    :param codec: what it came in; None when `data` is what came, byte for byte.
    :param source: it as it was decoded, bad bytes as lone surrogates (PEP 383).
    :param anomaly: the name of what was tolerated, or None.
    """

    data: bytes
    codec: str | None = None
    source: str = ""
    anomaly: str | None = None


class Origins:
    """Where bytes of a text stood in the bytes that came; asked in rising order, it reads the text once."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._offset = self._characters = self._origin = 0

    def of(self, offset: int) -> int:
        """For the byte at *offset* of the text's `data`."""
        data, codec, source, _ = self._text
        if codec is None:
            return offset
        if offset < self._offset:
            self._offset = self._characters = self._origin = 0
        more = len(data[self._offset : offset].decode("utf-8", "ignore"))
        piece = source[self._characters : self._characters + more]
        self._offset = offset
        self._characters += more
        self._origin += len(piece.encode(codec, errors_of(codec)))
        return self._origin


def errors_of(codec: str) -> str:
    """How bytes that are no characters go through *codec* and back unharmed."""
    return "surrogatepass" if codec.startswith("utf-16") else "surrogateescape"


def _as_utf8(data: bytes, codec: str, anomaly: str | None) -> Text:
    source = data.decode(codec, errors_of(codec))
    return Text(_ESCAPED.sub("\ufffd", source).encode(), codec, source, anomaly)


def to_utf8(data: bytes, declared: str | None = None) -> Text:
    """
    The text of *data*: as declared, else UTF-8, else GB18030 (Chinese firmware), else Latin-1.

    A few bad bytes in a text that is otherwise UTF-8 or GB18030 cost only
    themselves: each becomes U+FFFD.  Never raises.
    """
    if is_utf16(data):
        return _from_utf16(data)
    if data.isascii():
        return Text(data)
    codec = _DECLARED.get(declared.lower()) if declared else None
    if codec is not None and _fits(data, codec):
        if codec in _OF_SEVERAL_BYTES and _THREE_BYTES.search(data) and is_utf8(data):
            return Text(data, anomaly="encoding-utf-8")
        return _as_utf8(data, codec, None)
    if is_utf8(data):
        return Text(data)
    return _guessed(data)


def label(value: bytes) -> str:
    """A header value or a file name as text, whatever it was written in."""
    if value.isascii():
        return value.decode("ascii")
    return to_utf8(value).data.decode("utf-8", "replace")


def is_utf8(data: bytes) -> bool:
    """Whether all of *data* is well-formed UTF-8."""
    return _fits(data, "utf-8")


def is_utf16(data: bytes) -> bool:
    """Whether *data* begins as UTF-16 does: perhaps a mark, then twice a NUL beside another byte."""
    at = 2 if data[:2] in _UTF16_MARKS else 0
    first, second = data[at : at + 2], data[at + 2 : at + 4]
    return b"\0" in first and first != b"\0\0" and b"\0" in second and second != b"\0\0"


def _from_utf16(data: bytes) -> Text:
    little = data[:2] == codecs.BOM_UTF16_LE or (data[0] != 0 and data[:2] != codecs.BOM_UTF16_BE)
    return _as_utf8(data[: len(data) & ~1], "utf-16-le" if little else "utf-16-be", "encoding-utf-16")


def _fits(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _guessed(data: bytes) -> Text:
    first = _HIGH_BYTE.search(data)
    sample = data[first.start() : first.start() + _SAMPLE] if first else data
    if _mostly_good(sample, "utf-8"):
        return _as_utf8(data, "utf-8", "bad-bytes")
    if _is_chinese(sample):
        if _fits(data, "gb18030"):
            return _as_utf8(data, "gb18030", "encoding-gb18030")
        if _mostly_good(sample, "gb18030"):
            return _as_utf8(data, "gb18030", "bad-bytes")
    return _as_utf8(data, "latin-1", "encoding-latin-1")


def _mostly_good(sample: bytes, codec: str) -> bool:
    """Whether more characters beyond ASCII are well written in *codec* than badly."""
    text = sample.decode(codec, "replace")
    return len(_HIGH.findall(text)) > 2 * text.count("\ufffd")


def _is_chinese(sample: bytes) -> bool:
    # "Entr\xe9e" is valid GB18030 too, but its second bytes are letters.  Among Chinese
    # characters most are not, and nobody writes private ones.
    pairs = _PAIR.findall(sample)
    if 2 * sum(pair[1:].isalpha() for pair in pairs) >= len(pairs):
        return False
    return _PRIVATE.search(sample.decode("gb18030", "replace")) is None
