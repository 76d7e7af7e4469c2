"""
Bodies that are made to cost much, by size: for tests of the budget, and for attacks on a running receiver.

Each is built from its name and a size alone, so that two programs send the very same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

FORM = b"multipart/form-data; boundary=boundary"
XML = b"application/xml"
JSON = b"application/json"
URLENCODED = b"application/x-www-form-urlencoded"
OCTETS = b"application/octet-stream"

Make = Callable[[int], bytes]
"""Takes about how many bytes the body is to have."""


def filled(unit: bytes, size: int, opening: bytes = b"", closing: bytes = b"") -> bytes:
    """*unit* again and again between *opening* and *closing*, *size* bytes together, or a few less."""
    times = max(1, (size - len(opening) - len(closing)) // len(unit))
    return opening + unit * times + closing


def repeated(unit: bytes, opening: bytes = b"", closing: bytes = b"") -> Make:
    """What makes a body of *unit* again and again."""
    return lambda size: filled(unit, size, opening, closing)


def _numbered(pattern: bytes, opening: bytes = b"", closing: bytes = b"") -> Make:
    """What makes a body of *pattern*, each time with another number."""

    def make(size: int) -> bytes:
        times = max(1, (size - len(opening) - len(closing)) // (len(pattern) + 4))
        return opening + b"".join([pattern % n for n in range(times)]) + closing

    return make


def parts(payload: Make, number: int = 64, content_type: bytes = JSON) -> Make:
    """What makes a multipart body of *number* parts with such payloads."""

    def make(size: int) -> bytes:
        inside = payload(max(1, size // number - 120))
        head = b'--boundary\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: %s\r\n\r\n'
        return (head % content_type + inside + b"\r\n") * number + b"--boundary--\r\n"

    return make


def nested(opening: bytes, closing: bytes, inside: bytes = b"") -> Make:
    """What makes a document that is nested as deep as it is long."""

    def make(size: int) -> bytes:
        depth = max(1, (size - len(inside)) // (len(opening) + len(closing)))
        return opening * depth + inside + closing * depth

    return make


def _base64_wall(size: int) -> bytes:
    return base64.b64encode(bytes(range(256)) * (size // 342 + 1))[:size]


def _key_stair(size: int) -> bytes:
    """An alert whose fields are lists of lists, each a little longer."""
    unit = b'{"eventType":"AccessControllerEvent","AccessControllerEvent":{"serialNo":7}},'
    return b"[" + unit * (size // len(unit)) + b"{}]"


def _attributes(size: int) -> bytes:
    inside = b"".join([b' a%d="1"' % n for n in range(size // 11)])
    return b"<EventNotificationAlert" + inside + b"/>"


def _siblings(size: int) -> bytes:
    return b"<a>" + b"".join([b"<b%d>1</b%d>" % (n, n) for n in range(size // 19)]) + b"</a>"


def _twice_named(size: int) -> bytes:
    """Two keys that are one name, at every depth: a reader that looks twice at each looks for ever."""
    unit, end = b'{"a":', b',"A":1}'
    depth = min(30, max(1, size // (len(unit) + len(end))))
    return unit * depth + b"1" + end * depth


def _long_keys(size: int) -> bytes:
    """Few keys, each as long as a picture."""
    return b"{" + b",".join([b'"%d%s":[0]' % (n, b"k" * (size // 8)) for n in range(8)]) + b"}"


def _wrapped_list(size: int) -> bytes:
    """A list of alerts in an alert whose other fields belong to each of them."""
    around = b",".join([b'"k%d":1' % n for n in range(size // 24)])
    return b'{"EventNotificationAlert":[' + b"{}," * (size // 6) + b"{}]," + around + b"}"


def _many(name: str, member: bytes) -> Make:
    """An event with one of its fields again and again."""
    opening = b'{"eventType":"x","%s":[' % name.encode()
    return lambda size: filled(member + b",", size, opening, member + b"]}")


ALERT = b'<EventNotificationAlert version="2.0"><eventType>VMD</eventType></EventNotificationAlert>'
_ACCESS = b'{"eventType":"AccessControllerEvent","AccessControllerEvent":{"serialNo":7,"name":"Ada"}}'
_HEAD = b'--boundary\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
_CHINESE = "人脸".encode("gbk")

BODIES: dict[str, tuple[bytes, Make]] = {
    # the issue's own
    "empty-elements": (XML, repeated(b"<a/>")),
    "empty-elements-in-one": (XML, repeated(b"<a/>", b"<r>", b"</r>")),
    "declarations": (XML, repeated(b'<?xml version="1.0"?>')),
    "percent-form": (URLENCODED, repeated(b"%41", b"a=")),
    "deep-brackets": (JSON, repeated(b"[")),
    "glued-json": (JSON, repeated(b'{"eventType":"VMD"}')),
    "glued-json-in-parts": (FORM, parts(repeated(b'{"eventType":"VMD"}'))),
    "double-braces": (JSON, repeated(b"{{", b'{"a":')),
    "backslash-quotes": (JSON, repeated(rb"\\\"", b'{"a":"')),
    # their brothers: JSON
    "deep-objects": (JSON, repeated(b'{"a":')),
    "closed-brackets": (JSON, nested(b"[", b"]")),
    "closed-objects": (JSON, nested(b'{"a":', b"}", b"1")),
    "wrong-brackets": (JSON, repeated(b"[}", b'{"a":')),
    "closing-brackets": (JSON, repeated(b"]", b"{")),
    "escaped-text": (JSON, repeated(rb"\u0041", b'{"a":"', b'"}')),
    "bad-escapes": (JSON, repeated(rb"\x", b'{"a":"', b'"')),
    "quotes": (JSON, repeated(b'"', b"{")),
    "commas": (JSON, repeated(b",", b"[", b"]")),
    "zeros": (JSON, repeated(b"0,", b"[", b"0]")),
    "empty-lists": (JSON, repeated(b"[],", b"[", b"[]]")),
    "empty-objects": (JSON, repeated(b"{},", b"[", b"{}]")),
    "colons": (JSON, repeated(b":", b'{"a"')),
    "bare-words": (JSON, repeated(b"a ", b"{")),
    "numbered-keys": (JSON, _numbered(b'"k%d":1,', b"{", b'"z":1}')),
    "numbered-broken-keys": (JSON, _numbered(b'"k%d":1,', b"{", b'"z":1')),
    "same-keys": (JSON, repeated(b'"a":1,', b"{", b'"a":1}')),
    "huge-number": (JSON, repeated(b"9", b'{"a":', b"}")),
    "huge-exponent": (JSON, repeated(b"9", b'{"a":1e', b"}")),
    "huge-number-in-broken": (JSON, repeated(b"9", b'{{"a":', b"}")),
    "control-characters": (JSON, repeated(b"\x01", b'{"a":"', b'"}')),
    "list-of-alerts": (JSON, _key_stair),
    "cut-list-of-alerts": (JSON, repeated(_ACCESS + b",", b"[")),
    "names": (JSON, repeated(b'{"name":"Ada"},', b"[", b'{"name":"Ada"}]')),
    "names-in-zones": (JSON, repeated(b'{"zone":[{"name":"Ada"', b"[")),
    "escaped-keys": (JSON, repeated(rb'"n\u0061me":"Ada",', b"{", b'"a":1}')),
    "twice-named": (JSON, _twice_named),
    "long-keys": (JSON, _long_keys),
    "wrapped-list": (JSON, _wrapped_list),
    "many-face-rects": (JSON, _many("FaceRect", b'{"x":0.1,"y":0.1,"width":0.1,"height":0.1}')),
    "many-target-rects": (JSON, _many("TargetRect", b'{"X":1,"Y":1,"width":1,"height":1}')),
    "many-entrances": (JSON, _many("RegionEntrance", b'{"targetType":"human"}')),
    "many-densities": (JSON, _many("PersonDensityResult", b'{"regionID":1,"peopleNum":1}')),
    "many-captures": (JSON, _many("CaptureResult", b'{"Face":{"pId":"x"}}')),
    "many-links": (JSON, _many("faceCapture", b'{"faces":[{"URL":"/a"}]}')),
    "many-lasting": (JSON, _many("DurationList", b'{"relationEvent":"VMD"}')),
    "opening-beginnings": (JSON, repeated(b'{"', b"{}")),
    "glued-cut-json": (JSON, repeated(b'{"a":[', b"{}")),
    "broken-strings": (JSON, repeated(b'{"a":"\n', b"{}")),
    # XML
    "deep-elements": (XML, repeated(b"<a>")),
    "closed-elements": (XML, nested(b"<a>", b"</a>")),
    "glued-alerts": (XML, repeated(ALERT)),
    "cut-alerts": (XML, repeated(b"<EventNotificationAlert><a>")),
    "many-attributes": (XML, _attributes),
    "many-siblings": (XML, _siblings),
    "long-attribute": (XML, repeated(b"x", b'<a b="', b'"/>')),
    "long-name": (XML, repeated(b"a", b"<", b"/>")),
    "ampersands": (XML, repeated(b"&", b"<a>", b"</a>")),
    "entity-like": (XML, repeated(b"&amp;", b"<a>", b"</a>")),
    "character-references": (XML, repeated(b"&#65;", b"<a>", b"</a>")),
    "less-thans": (XML, repeated(b"<", b"<a>", b"</a>")),
    "comments": (XML, repeated(b"<!---->", b"<a>", b"</a>")),
    "processing-instructions": (XML, repeated(b"<?a?>", b"<a>", b"</a>")),
    "cdata": (XML, repeated(b"<![CDATA[]]>", b"<a>", b"</a>")),
    "unclosed-cdata": (XML, repeated(b"<![CDATA[", b"<a>")),
    "mixed-text": (XML, repeated(b"a<b/>", b"<a>", b"</a>")),
    "namespaces": (XML, repeated(b'<x:a xmlns:x="http://x/"/>', b"<r>", b"</r>")),
    "doctype": (XML, repeated(b"<!ENTITY a 'b'>", b"<!DOCTYPE a [", b"]><a/>")),
    "spaces-in-tag": (XML, repeated(b" ", b"<a", b"/>")),
    "name-elements": (XML, repeated(b"<name>Ada</name>", b"<a>", b"</a>")),
    "unclosed-names": (XML, repeated(b"<name>", b"<a>")),
    "open-tags": (XML, repeated(b"<name ", b"<a>")),
    "closing-tags": (XML, repeated(b"</a>", b"<a>")),
    # multipart
    "delimiters": (FORM, repeated(b"--boundary\r\n")),
    "delimiters-lf": (FORM, repeated(b"--boundary\n")),
    "closing-delimiters": (FORM, repeated(b"--boundary--\r\n")),
    "almost-delimiters": (FORM, repeated(b"\r\n--boundarx", b"--boundary\r\n\r\n")),
    "boundary-like-lines": (FORM, repeated(b"\r\n--boundaryx", b"--boundary\r\n\r\n")),
    "tiny-parts": (FORM, repeated(_HEAD + b"{}\r\n")),
    "header-lines": (FORM, repeated(b"X: y\r\n", b"--boundary\r\n")),
    "long-header": (
        FORM,
        repeated(b"x", b"--boundary\r\nContent-Disposition: form-data; name=", b"\r\n\r\n"),
    ),
    "folded-headers": (FORM, repeated(b" x\r\n", b"--boundary\r\nX: y\r\n")),
    "long-preamble": (FORM, repeated(b"x\r\n", b"", _HEAD + b"{}\r\n--boundary--\r\n")),
    "long-epilogue": (FORM, repeated(b"x\r\n", _HEAD + b"{}\r\n--boundary--\r\n")),
    "deep-brackets-in-parts": (FORM, parts(repeated(b"["))),
    "declarations-in-parts": (FORM, parts(repeated(b'<?xml version="1.0"?>'), content_type=XML)),
    "percent-forms-in-parts": (FORM, parts(repeated(b"%41", b"a="), content_type=URLENCODED)),
    "double-braces-in-parts": (FORM, parts(repeated(b"{{", b'{"a":'))),
    "empty-elements-in-parts": (FORM, parts(repeated(b"<a/>", b"<r>", b"</r>"), content_type=XML)),
    "zeros-in-parts": (FORM, parts(repeated(b"0,", b"[", b"0]"))),
    # forms
    "many-fields": (URLENCODED, repeated(b"a=b&")),
    "ampersand-form": (URLENCODED, repeated(b"&", b"a=b")),
    "plus-form": (URLENCODED, repeated(b"+", b"a=")),
    "wrapped-json": (URLENCODED, repeated(b"%7B%22a%22%3A", b"event_log=")),
    "encoded-json": (URLENCODED, repeated(b"%7B%22a%22%3A")),
    "encoded-glued-json": (URLENCODED, repeated(b"%7B%7D")),
    "wrapped-again": (URLENCODED, repeated(b"%257B", b"%7B")),
    "form-of-documents": (URLENCODED, repeated(b'a={"b":1}&')),
    # bytes
    "nuls": (OCTETS, repeated(b"\0")),
    "nuls-before-json": (JSON, repeated(b"\0", b"", b'{"eventType":"VMD"}')),
    "blanks-before-json": (JSON, repeated(b" ", b"", b'{"eventType":"VMD"}')),
    "byte-order-marks": (JSON, repeated(b"\xef\xbb\xbf")),
    "byte-order-marks-in-json": (JSON, repeated(b"\xef\xbb\xbf", b"{}")),
    "invalid-utf-8": (JSON, repeated(b"\xff", b'{"a":"', b'"}')),
    "invalid-utf-8-in-xml": (XML, repeated(b"\xc3\x28", b"<a>", b"</a>")),
    "gbk": (JSON, repeated(_CHINESE, b'{"a":"', b'"}')),
    "gbk-names": (JSON, repeated(b'{"name":"' + _CHINESE + b'"},', b"[")),
    "latin-1": (JSON, repeated(b"\xe9t", b'{"a":"', b'"}')),
    "utf-16": (JSON, lambda size: ('{"a":"' + "x" * (size // 2 - 8) + '"}').encode("utf-16")),
    "utf-16-brackets": (JSON, lambda size: ("[" * (size // 2)).encode("utf-16")),
    "surrogates": (JSON, lambda size: ('{"a":"' + "\U0001f600" * (size // 4 - 4) + '"}').encode("utf-16-le")),
    "base64-wall": (OCTETS, _base64_wall),
    "quoted-printable": (OCTETS, repeated(b"=41=\r\n")),
    "line-ends": (OCTETS, repeated(b"\r\n")),
    "letters": (OCTETS, repeated(b"a")),
    "colon-lines": (OCTETS, repeated(b"a:\r\n")),
    "dash-lines": (OCTETS, repeated(b"--a\r\n")),
    "gzip-like": (OCTETS, repeated(b"\x1f\x8b\x08\x00", b"")),
    "pictures": (FORM, parts(repeated(b"\xff\xd8\xff\xe0"), content_type=b"image/jpeg")),
    "picture-marks": (JSON, repeated(b"\xff\xd8\xff", b'{"a":1}')),
}
"""Each with the Content-Type that it is sent with."""


def body(name: str, size: int) -> tuple[bytes, bytes]:
    """The Content-Type and about *size* bytes of the body called *name*."""
    content_type, make = BODIES[name]
    return content_type, make(size)
