"""Values that look like the real ones and are nobody's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_KEPT = frozenset(
    ("", "0", "unknown", "undefined", "invalid", "none", "null", "true", "false", "noplate", "no plate")
)
"""Values that mean "nothing": a receiver may stumble over them, so they stay."""

_UNIT = re.compile(
    r"\\u[0-9A-Fa-f]{4}|\\.|&#[0-9]{1,7};|&#x[0-9A-Fa-f]{1,6};|&\w{1,8};|%[0-9A-Fa-f]{2}", re.DOTALL
)
_MAC = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])")
_UUID = re.compile(r"(?<!\w)([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-)([0-9A-Fa-f]{12})(?!\w)")
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9])")
_PRIVATE = re.compile(r"10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2[0-9]|3[01])\.")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}")

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

_DIGITS = "123456789"
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_HEX = "0123456789abcdef"
_OCTETS = {1: range(1, 10), 2: range(10, 100), 3: range(100, 255)}
# Of each kind of letter, those that are equally long in UTF-8, GB18030 and (the first) Latin-1.
_ACCENTED = "àáèéêìíòóùúü"
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщыэюя"
_CHINESE = "一丁七万丈三上下不与世业东丝两严丰临为主举久义之乐九习书买了二于云五井亚交京人今从他令以"


class _Stream:
    """Choices that depend on a secret and a text, and on nothing else."""

    def __init__(self, key: bytes, text: str) -> None:
        self._key = key
        self._block = text.encode("utf-8", "surrogatepass")
        self._left: list[int] = []

    def one_of(self, choices: Sequence[T]) -> T:
        if len(self._left) < 2:
            self._block = blake2b(self._block, key=self._key).digest()
            self._left = list(self._block)
        return choices[(self._left.pop() << 8 | self._left.pop()) % len(choices)]


class Disguise:
    """
    One mapping of real values to others of the same shape: the same value always becomes the same.

    Letters become letters of the same case, digits digits, Chinese characters Chinese
    characters, so that lengths, encodings and formats stay as they were.

    :param key: secret, at most 64 bytes; whoever has it can try out values.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[str, str] = {}

    def value(self, text: str, *, remember: bool = True) -> str:
        """
        Another text of the shape of *text*; what means "nothing" stays.

        :param remember: it is to be found :meth:`elsewhere`, too.
        """
        if text.strip().lower() in _KEPT:
            return text
        stream = _Stream(self._key, _UNIT.sub(lambda unit: _meant(unit[0]), text).casefold())
        if _NUMBER.fullmatch(text):  # zeros stay: padding tells nothing, and JSON allows none
            other = re.sub("[1-9]", lambda _: stream.one_of(_DIGITS), text)
        else:
            other = _shuffled(text, stream)
        if remember and len(text) >= (6 if text.isdigit() else 4 if text.isascii() else 2):
            self._known[text] = other
        return other

    def digits(self, text: str) -> str:
        """*text* with every digit a one: a date stays a date, a place becomes nowhere."""
        return re.sub("[0-9]", "1", text)

    def elsewhere(self, text: str) -> str:
        """*text* with other addresses and templates; what was disguised by name is, wherever it is a word."""
        text = _BASE64.sub(lambda found: _shuffled(found[0], _Stream(self._key, found[0])), text)
        text = _UUID.sub(lambda found: found[1] + self._mac(found[2]), text)
        text = _MAC.sub(lambda found: self._mac(found[0]), text)
        text = _IPV4.sub(lambda found: self._ipv4(found[0]), text)
        text = _IPV6.sub(lambda found: self._ipv6(found[0]), text)
        for real in sorted(self._known, key=len, reverse=True):
            if real in text:
                edge = r"(?<![^\W_]){}(?![^\W_])" if real.isascii() else "{}"
                text = re.sub(edge.format(re.escape(real)), lambda found: self._known[found[0]], text)
        return text

    def _mac(self, text: str) -> str:
        plain = re.sub("[:-]", "", text.lower())
        if plain in ("0" * 12, "f" * 12):
            return text
        # The vendor's half stays: it tells the maker of the device, and nothing else.
        half = len(text) // 2
        return text[:half] + _other_hex(text[half:], _Stream(self._key, plain), upper=text.isupper())

    def _ipv4(self, text: str) -> str:
        octets = text.split(".")
        if octets[0] in ("0", "127", "255") or any(int(octet) > 255 for octet in octets):
            return text
        stream = _Stream(self._key, text)
        network = _PRIVATE.match(text)
        kept = 0 if network is None else network[0].count(".")
        others = [octet if octet[0] == "0" else str(stream.one_of(_OCTETS[len(octet)])) for octet in octets]
        return ".".join(octets[:kept] + others[kept:])

    def _ipv6(self, text: str) -> str:
        if "::" not in text and text.count(":") != 7:  # a time, or a MAC
            return text
        first, colon, rest = text.partition(":")
        return first + colon + _other_hex(rest, _Stream(self._key, text.lower()), upper=text.isupper())


def _other_hex(text: str, stream: _Stream, *, upper: bool) -> str:
    other = re.sub("[0-9A-Fa-f]", lambda _: stream.one_of(_HEX), text)
    return other.upper() if upper else other


def _shuffled(text: str, stream: _Stream) -> str:
    done, at = [], 0
    for unit in _UNIT.finditer(text):
        done += [_other(char, stream) for char in text[at : unit.start()]]
        done.append(_other_unit(unit[0], stream))
        at = unit.end()
    return "".join([*done, *(_other(char, stream) for char in text[at:])])


def _other(char: str, stream: _Stream) -> str:
    if char.isdigit():
        return stream.one_of(_DIGITS) if char.isascii() else char
    if not char.isalpha():
        return char
    if char.isascii():
        return stream.one_of(_LOWER.upper() if char.isupper() else _LOWER)
    if char <= "\u00ff":
        return stream.one_of(_ACCENTED)
    if char <= "\u07ff":
        return stream.one_of(_CYRILLIC)
    return stream.one_of(_CHINESE) if char <= "\uffff" else "😀"


def _meant(unit: str) -> str:
    """The character that an escape stands for; the escape itself where that does not matter."""
    if unit[:2] == "\\u" and len(unit) == 6:
        return chr(int(unit[2:], 16))
    if unit[:2] != "&#":
        return unit
    code = int(unit[3:-1], 16) if unit[2] == "x" else int(unit[2:-1])
    return chr(code) if code < 0x110000 else unit


def _other_unit(unit: str, stream: _Stream) -> str:
    meant = _meant(unit)
    if unit[0] == "%":
        byte = int(unit[1:], 16)
        return "%3F" if byte > 127 or chr(byte).isalnum() else unit
    if meant == unit or not meant.isalnum():
        return unit
    code = ord(_other(meant, stream))
    other = f"\\u{code:04x}" if unit[0] == "\\" else f"&#x{code:x};" if unit[2] == "x" else f"&#{code};"
    return other if len(other) == len(unit) else "?" * len(unit)
