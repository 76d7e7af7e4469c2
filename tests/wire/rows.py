"""
The malformed requests that a receiver must know how to read, with what must become of them.

An outcome names what becomes of each request, separated by ``;``:
``keep`` or ``close`` (read whole; the connection goes on or not), ``cut`` (read, perhaps not whole),
a status (refused), ``silent`` (closed without an answer), ``foreign``; then the anomalies or the kind.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """
    One input: what is written in which steps, and what must come of it.

    :param strict: None = as lenient.
    :param bodies: what the requests that were read carry.
    :param asks: its requests only ask whether we are there, and are not kept.
    :param then: after the last step the client looks on, half-closes, or waits for the receiver to act.
    """

    id: str
    steps: tuple[bytes, ...]
    lenient: str = "keep"
    strict: str | None = None
    bodies: tuple[bytes, ...] = (b"{}",)
    then: str = "look"
    asks: bool = False

    @property
    def data(self) -> bytes:
        return b"".join(self.steps)

    def outcome(self, mode: str) -> str:
        return self.lenient if mode == "lenient" or self.strict is None else self.strict


def _lines(*lines: str | bytes, eol: bytes = b"\r\n") -> bytes:
    return b"".join((line.encode() if isinstance(line, str) else line) + eol for line in lines)


def post(*headers: str | bytes, body: bytes = b"{}", line: str | bytes = "POST /e HTTP/1.1") -> bytes:
    return _lines(line, *headers, "") + body


def json(*extra: str | bytes, body: bytes = b"{}", line: str | bytes = "POST /e HTTP/1.1") -> bytes:
    return typed("application/json", *extra, body=body, line=line)


def typed(
    content_type: str | bytes, *extra: str | bytes, body: bytes, line: str | bytes = "POST /e HTTP/1.1"
) -> bytes:
    kind = content_type.encode() if isinstance(content_type, str) else content_type
    return post(
        "Host: x", b"Content-Type: " + kind, *extra, f"Content-Length: {len(body)}", body=body, line=line
    )


def announced(*length: str, body: bytes = b"{}") -> bytes:
    """A JSON post whose Content-Length lines are written out."""
    return post("Host: x", "Content-Type: application/json", *length, body=body)


HELLO = b"5\r\nhello\r\n0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"


def chunked(body: bytes = HELLO, *headers: str, line: str = "POST /c HTTP/1.1") -> bytes:
    return post("Host: x", *(headers or (CHUNKED,)), body=body, line=line)


# -- multipart bodies -------------------------------------------------------------

JPEG = b"\xff\xd8\xff\xe0\x00\r\n\x01\x00\r\n\x01\x00\r\n\x01\xff\xd9\x80\x81"
FORM = "multipart/form-data; boundary=boundary"
DISPOSITION = 'Content-Disposition: form-data; name="a"'


def parts(
    opening: bytes = b"--boundary",
    closing: bytes = b"--boundary--\r\n",
    eol: bytes = b"\r\n",
    pad: bytes = b"",
) -> bytes:
    document = _lines(
        opening + pad,
        'Content-Disposition: form-data; name="alarmResult"',
        "Content-Type: application/json",
        "Content-Length: 7",
        "",
        '{"a":1}',
        eol=eol,
    )
    picture = _lines(
        opening + pad,
        'Content-Disposition: form-data; name="img"; filename="a.jpg"',
        "Content-Type: image/jpeg",
        "Content-Length: 20",
        "",
        JPEG,
        eol=eol,
    )
    return document + picture + closing


def one_part(*headers: str | bytes, payload: bytes = b"{}") -> bytes:
    return _lines("--boundary", *headers, "", payload, "--boundary--")


PARTS = parts()


def form(body: bytes = PARTS, content_type: str = FORM, line: str = "POST /e HTTP/1.1") -> bytes:
    return typed(content_type, body=body, line=line)


def _form_row(id: str, body: bytes, content_type: str = FORM) -> Row:
    return Row(id, (form(body, content_type),), bodies=(body,))


J, J2 = json(), json(body=b"[2]")
KEEP = "Connection: keep-alive"

HEAD_ROWS = (
    Row("00", (J,)),
    Row(
        "01",
        (_lines("POST /e HTTP/1.1", "Host: x", "Content-Length: 2", "", eol=b"\n") + b"{}",),
        "close bare-lf",
        "400 bare-lf",
    ),
    Row("02", (post("Content-Length: 2"),), "keep missing-host", "400 missing-host"),
    Row("03", (post("Host: a", "Host: b", "Content-Length: 2"),), "close repeated-host", "400 repeated-host"),
    Row("04", (post("Host: x", "Content-Length : 2"),), "400 blank-before-colon", bodies=()),
    Row(
        "05",
        (post("Host: x", "X Bad: 2", "Content-Length: 2"),),
        "close bad-header-name",
        "400 bad-header-name",
    ),
    Row("06", (post("Host:x", "Content-Length:2"),)),
    Row(
        "07",
        (
            post(
                "Host: x",
                "Content-Type: multipart/form-data;",
                " boundary=boundary",
                "Content-Length: 284",
                body=PARTS,
            ),
        ),
        "close folded-header",
        "400 folded-header",
        (PARTS,),
    ),
    Row(
        "08", (post(" Host: x", "Content-Length: 2"),), "close leading-fold,missing-host", "400 leading-fold"
    ),
    Row(
        "09",
        (post("Host: x", "GARBAGE", "Content-Length: 2"),),
        "close header-without-colon",
        "400 header-without-colon",
    ),
    Row(
        "10",
        (post("Host: x", ": v", "Content-Length: 2"),),
        "close header-without-name",
        "400 header-without-name",
    ),
    Row("11", (announced("Content-Length: 2", "Content-Length: 2"),), "keep repeated-content-length"),
    Row(
        "12",
        (announced("Content-Length: 5", "Content-Length: 2"),),
        "400 different-content-lengths",
        bodies=(),
    ),
    Row("13", (announced("Content-Length: 2, 2"),), "keep repeated-content-length"),
    Row(
        "14",
        (chunked(HELLO, "Content-Length: 5", CHUNKED),),
        "close length-and-chunked",
        "400 length-and-chunked",
        (b"hello",),
    ),
    Row(
        "15",
        (chunked(HELLO, CHUNKED, "Content-Length: 5"),),
        "close length-and-chunked",
        "400 length-and-chunked",
        (b"hello",),
    ),
    Row("16", (chunked(HELLO, "Transfer-Encoding: Chunked"),), bodies=(b"hello",)),
    Row("17", (chunked(HELLO, "Transfer-Encoding: gzip, chunked"),), "501 unknown-coding", bodies=()),
    Row("18", (json("Transfer-Encoding: identity"),), "close identity-coding", "400 identity-coding"),
    Row(
        "19",
        (chunked(HELLO, CHUNKED, CHUNKED),),
        "close repeated-chunked",
        "400 repeated-chunked",
        (b"hello",),
    ),
)

CHUNK_ROWS = (
    Row("20", (chunked(b"5;a=b\r\nhello\r\n0\r\n\r\n"),), "keep chunk-extension", bodies=(b"hello",)),
    Row(
        "21",
        (chunked(b"5 \r\nhello\r\n0\r\n\r\n"),),
        "close padded-chunk-size",
        "400 padded-chunk-size",
        (b"hello",),
    ),
    Row("22", (chunked(b" 5\r\nhello\r\n0\r\n\r\n"),), "400 broken-chunks", bodies=(b"",)),
    Row("23", (chunked(b"A\r\nhellohello\r\n0\r\n\r\n"),), bodies=(b"hellohello",)),
    Row("24", (chunked(b"000005\r\nhello\r\n000\r\n\r\n"),), bodies=(b"hello",)),
    Row("25", (chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),), "400 broken-chunks", bodies=(b"",)),
    Row("26", (chunked(b"+5\r\nhello\r\n0\r\n\r\n"),), "400 broken-chunks", bodies=(b"",)),
    Row("27", (chunked(b"fffffffffffffffffff5\r\nhello\r\n0\r\n\r\n"),), "413 body-too-long", bodies=(b"",)),
    Row("28", (chunked(b"5\r\nhello0\r\n\r\n"),), "400 broken-chunks", bodies=(b"hello",)),
    Row("29", (chunked(b"5\nhello\n0\n\n"),), "400 broken-chunks", bodies=(b"",)),
    Row("30", (chunked(b"5\r\nhello\r\n"),), "cut truncated", bodies=(b"hello",), then="half-close"),
    Row("31", (chunked(b"5\r\nhello\r\n"),), "cut truncated", bodies=(b"hello",), then="wait"),
    Row(
        "32",
        (chunked(b"5\r\nhello\r\n0\r\n"),),
        "close no-final-line",
        "400 no-final-line",
        (b"hello",),
        then="wait",
    ),
    Row(
        "33",
        (chunked(b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n") + J,),
        "keep trailers; keep",
        bodies=(b"hello", b"{}"),
    ),
    Row("34", (chunked(b"\r\nhello\r\n0\r\n\r\n"),), "400 broken-chunks", bodies=(b"",)),
)

LENGTH_ROWS = (
    Row(
        "35",
        (announced("Content-Length: 2", body=b'{"a":1}'),),
        "keep; silent not-http",
        "keep; 400 not-http",
        (b'{"',),
    ),
    Row(
        "36",
        (announced("Content-Length: 2", body=b'{"a":1}'), J),
        "keep; silent not-http",
        "keep; 400 not-http",
        (b'{"',),
    ),
    Row("37", (announced("Content-Length: 9"),), "cut truncated", then="wait"),
    Row("38", (announced("Content-Length: 9"),), "cut truncated", then="half-close"),
    Row("39", (announced("Content-Length: -2"),), "400 bad-content-length", bodies=()),
    Row("40", (announced("Content-Length: +2"),), "400 bad-content-length", bodies=()),
    Row("41", (announced("Content-Length: \t2 "),)),
    Row(
        "42",
        (announced("Content-Length: "),),
        "cut empty-content-length,no-length",
        "400 empty-content-length",
        then="wait",
    ),
    Row("43", (announced("Content-Length: 0x2"),), "400 bad-content-length", bodies=()),
    Row("44", (announced("Content-Length: " + "9" * 5000),), "400 bad-content-length", bodies=()),
    Row("45", (announced("Content-Length: 0002"),)),
    Row("46", (announced(body=b'{"a":1}'),), "cut no-length", "411 no-length", (b'{"a":1}',), "half-close"),
    Row(
        "47",
        (post("Host: x", f"Content-Type: {FORM}", body=PARTS),),
        "cut no-length",
        "411 no-length",
        (PARTS,),
        "half-close",
    ),
    Row("48", (json(line="POST /e HTTP/1.0"),), "close"),
    Row("49", (json(KEEP, line="POST /e HTTP/1.0"),) * 2, "keep; keep", bodies=(b"{}", b"{}")),
    Row("50", (chunked(line="POST /c HTTP/1.0"),), "close chunked-in-http-1.0", bodies=(b"hello",)),
    Row("51", (json("Expect: 100-continue")[:-2], b"{}")),
    Row("52", (json("Expect: 100-Continue"),)),
    Row("53", (json("Expect: foo"),)),
)

LINE_ROWS = (
    Row("54", (json(line="POST http://10.0.0.1:8089/ev?x=1 HTTP/1.1"),), "keep absolute-target"),
    Row("55", (json(line="POST /%zz% HTTP/1.1"),), "keep bad-percent-encoding"),
    Row("56", (json(line="POST * HTTP/1.1"),), "keep star-target", "400 star-target"),
    Row(
        "57",
        (post("Host: x", "Content-Length: 2", line="POST  HTTP/1.1"),),
        "close empty-target",
        "400 empty-target",
    ),
    Row("58", (json(line="POST event HTTP/1.1"),), "keep target-without-slash", "400 target-without-slash"),
    Row("59", (json(line="POST /a b HTTP/1.1"),), "close blank-in-target", "400 blank-in-target"),
    Row(
        "60",
        (post("Host: x", "Content-Length: 2", line="POST  / HTTP/1.1"),),
        "close odd-blanks",
        "400 odd-blanks",
    ),
    Row(
        "61",
        (post("Host: x", "Content-Length: 2", line="POST / HTTP/1.1 "),),
        "close odd-blanks",
        "400 odd-blanks",
    ),
    Row("62", (form(line="post /e HTTP/1.1"),), "keep lower-case-method", bodies=(PARTS,)),
    Row("63", (json(line="POST /e HTTP/1.2"),), "keep unknown-version"),
    Row("64", (json(line="POST /e http/1.1"),), "keep lower-case-version", "400 lower-case-version"),
    Row("65", (b"POST /\r\n\r\n",), "400 bad-request-line", bodies=()),
    Row("66", (json("X: " + "a" * 16_200),)),
    Row("67", (json("X: " + "a" * 20_000),), "431 head-too-long", bodies=()),
    Row("68", (json(*(f"X{n}: " + "a" * 100 for n in range(200))),), "431 head-too-long", bodies=()),
    Row("69", (json(*(f"X{n}: a" for n in range(501))),), "431 too-many-headers", bodies=()),
    Row("70", (json(b"X-Name: \xc9\xe3\xcf\xf1\xbb\xfa"),)),
    Row("71", (json(b"X-N\xc3\xa4me: 1"),), "close bad-header-name", "400 bad-header-name"),
    Row("72", (json(b"X: a\x00b"),), "400 nul-in-header", bodies=()),
    Row("73", (json(b"X: a\rb"),), "400 bare-cr", bodies=()),
    Row("74", (json(b"X: a\nb"),), "400 mixed-line-ends", bodies=()),
    Row(
        "75",
        (json(line=b"POST /\xe4\xba\x8b\xe4\xbb\xb6 HTTP/1.1"),),
        "keep non-ascii-target",
        "400 non-ascii-target",
    ),
)

CONNECTION_ROWS = (
    Row("76", (J, b"\r\n" + J), "keep; keep", bodies=(b"{}", b"{}")),
    Row("77", (J, b"\r\n\r\n" + J), "keep; keep leading-empty-lines", bodies=(b"{}", b"{}")),
    Row("78", (J + b"\r\n", J), "keep; keep", bodies=(b"{}", b"{}")),
    Row("79", (J + J2,), "keep; keep", bodies=(b"{}", b"[2]")),
    Row("80", (json(line="POST /slow HTTP/1.1") + J2,), "keep; keep", bodies=(b"{}", b"[2]")),
    Row("81", (json("Connection: close"),), "close"),
    Row("82", (json("Connection: close, TE"),), "close"),
    Row("83", (json("Connection: Keep-Alive"),) * 2, "keep; keep", bodies=(b"{}", b"{}")),
    Row("84", (json("Connection: close") + J,), "close"),
    Row("85", (post("Host: x", "Content-Length: 2", line="GET /e HTTP/1.1"),)),
    Row("86", (form(line="PUT /e HTTP/1.1"),), bodies=(PARTS,)),
    Row("87", (post("Host: x", "Content-Length: 2", line="NOTIFY /e HTTP/1.1"),)),
    Row("88", (b"\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03" + b"\x11" * 200,), "foreign tls", bodies=()),
    Row("89", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), "foreign http2", bodies=()),
    Row(
        "90",
        (typed('application/xml; charset="UTF-8"', body=b"<EventNotificationAlert/>"),),
        bodies=(b"<EventNotificationAlert/>",),
    ),
)

TINY_PART = _lines("--boundary", DISPOSITION, "", "{}")
LONG_BOUNDARY = b"b" * 80

FORM_ROWS = (
    _form_row("M00", PARTS),
    _form_row("M01", PARTS, "multipart/form-data"),
    _form_row("M02", PARTS, 'multipart/form-data; boundary="boundary"'),
    _form_row("M03", PARTS, FORM + "  "),
    _form_row("M04", PARTS, "multipart/form-data; boundary =boundary"),
    _form_row(
        "M05",
        parts(b"--" + LONG_BOUNDARY, b"--" + LONG_BOUNDARY + b"--\r\n"),
        "multipart/form-data; boundary=" + LONG_BOUNDARY.decode(),
    ),
    _form_row("M06", parts(pad=b"  ")),
    _form_row("M07", parts(closing=b"")),
    _form_row("M08", parts(closing=b"--boundary\r\n")),
    _form_row("M09", parts(closing=b"--boundary--\n", eol=b"\n")),
    _form_row("M10", _lines("--boundary", "", '{"a":1}', "--boundary--")),
    _form_row("M11", _lines("--boundary", '{"a":1}', "--boundary--")),
    _form_row("M12", one_part(DISPOSITION, "Content-Length: 2", payload=b'{"a":1}')),
    _form_row("M13", one_part(DISPOSITION, "Content-Length: 999", payload=b'{"a":1}')),
    _form_row(
        "M14",
        one_part(
            DISPOSITION,
            "Content-Type: image/jpeg",
            "Content-Length: 26",
            payload=b"\xff\xd8xx\r\n--boundary\r\nyyyy\xff\xd9zz",
        ),
    ),
    _form_row("M15", PARTS, "multipart/form-data; boundary=other"),
    _form_row("M16", b"\r\n" + PARTS),
    _form_row("M17", b"preamble\r\n" + PARTS),
    _form_row("M18", PARTS + b"garbage\r\n"),
    _form_row("M19", parts(b"boundary", b"boundary--\r\n")),
    _form_row(
        "M20",
        one_part(
            'Content-Disposition: form-data; filename="a.jpg"',
            "Content-Type: image/jpeg",
            payload=b"\xff\xd8\xff",
        ),
    ),
    _form_row(
        "M21",
        one_part('Content-Type: application/xml; charset="UTF-8"', "Content-Length: 4", payload=b"<a/>"),
    ),
    _form_row("M22", one_part("Content-Disposition: form-data; name=alarm")),
    _form_row("M23", one_part(DISPOSITION.encode() + b'; filename="\xc8\xcb\xc1\xb3.jpg"')),
    _form_row("M24", one_part(DISPOSITION, "Content-Transfer-Encoding: base64", payload=b"/9j/4A==")),
    _form_row(
        "M25", one_part(DISPOSITION, "Content-Transfer-Encoding: binary", payload=b"\xff\xd8\r\n\xff\xd9")
    ),
    _form_row("M26", b"--boundary--\r\n"),
    Row("M27", (form(b""),), bodies=(b"",)),
    _form_row("M28", PARTS, "multipart/mixed; boundary=boundary"),
    _form_row("M29", PARTS, "multipart/x-mixed-replace; boundary=boundary"),
    _form_row(
        "M30",
        one_part(
            DISPOSITION,
            "Content-Type: image/jpeg",
            payload=b"\xff\xd8\r\r\n\n\r\x85\x0b\x0c\x1c\x1d\x1e\r",
        ),
    ),
    _form_row("M31", one_part('content-disposition: FORM-DATA; NAME="a"')),
    _form_row(
        "M32",
        one_part(
            DISPOSITION, "Content-Type: multipart/mixed; boundary=in", payload=b"--in\r\n\r\nx\r\n--in--\r\n"
        ),
    ),
)

BODY_ROWS = (
    *(
        Row(id, (typed(kind, body=body),), bodies=(body,))
        for id, kind, body in (
            ("M33", "application/json", b'\xef\xbb\xbf{"a":1}'),
            ("M34", "application/json", b'{"n":"\xc8\xcb\xc1\xb3"}'),
            ("M35", "application/xml", b'<?xml version="1.0" encoding="UTF-8"?><n>\xc8\xcb</n>'),
            ("M36", "application/x-www-form-urlencoded", b'{"a":"b&c=d"}'),
            ("M37", ";;;", b"{}"),
            ("M38", b"multipart/form-data; boundary=\xb0\xb1", b"{}"),
        )
    ),
    Row(
        "M39",
        (typed(FORM, "Content-Type: application/json", body=PARTS),),
        "keep repeated-content-type",
        None,
        (PARTS,),
    ),
    _form_row("M40", one_part(DISPOSITION + '; x="' + "y" * 20_000 + '"')),
    _form_row("M41", TINY_PART * 10_000 + b"--boundary--\r\n"),
    _form_row("M42", one_part('Content-Disposition: form-data; name=""')),
    _form_row("M43", one_part(DISPOSITION, payload=b"\xff\xfe{}")),
    _form_row("M44", PARTS, "multipart/form-data; boundary="),
)

TABLE = (*HEAD_ROWS, *CHUNK_ROWS, *LENGTH_ROWS, *LINE_ROWS, *CONNECTION_ROWS, *FORM_ROWS, *BODY_ROWS)
"""Those of the shared table."""

# -- bodies that say nothing of their length ------------------------------------------

XML = b"<EventNotificationAlert><eventType>VMD</eventType></EventNotificationAlert>"
NEXT = b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n"


def _lengthless(id: str, data: bytes, odd: str, strict: str, body: bytes = XML, *, cut: int = 0) -> Row:
    """:param cut: bytes of the end that come later."""
    names = ",".join(filter(None, (odd, "no-length")))
    steps = (data,) if not cut else (data[:-cut], data[-cut:])
    return Row(id, steps, f"cut {names}", strict, (body,), "wait")


def bare(*headers: str | bytes, body: bytes = XML, line: str | bytes = "POST / HTTP/1.1") -> bytes:
    return post("Host: x", *headers, body=body, line=line)


LENGTHLESS_ROWS = (
    _lengthless("N0", bare(), "", "411 no-length"),
    _lengthless("N1", bare("Content-Length:"), "empty-content-length", "400 empty-content-length"),
    _lengthless("N2", bare("Transfer-Encoding:"), "empty-transfer-encoding", "400 empty-transfer-encoding"),
    _lengthless("N3", post(" Content-Length: 300", "Host: x", body=XML), "leading-fold", "400 leading-fold"),
    _lengthless("N4", bare("Content-Length 300"), "header-without-colon", "400 header-without-colon"),
    _lengthless("N5", bare("Content Length: 300"), "bad-header-name", "400 bad-header-name"),
    _lengthless("N6", post(body=XML, line="POST / HTTP/1.0"), "", "411 no-length"),
    _lengthless("N7", bare(), "", "411 no-length", cut=len(XML)),
    _lengthless("N8", bare(), "", "411 no-length", cut=10),
    _lengthless("N9", bare("X: 1", " Content-Length: 300"), "folded-header", "400 folded-header"),
    _lengthless("N10", bare(": 300"), "header-without-name", "400 header-without-name"),
    _lengthless("N11", bare("Transfer-Encoding: identity"), "identity-coding", "400 identity-coding"),
    _lengthless("N12", bare(line="PUT / HTTP/1.1"), "", "411 no-length"),
    _lengthless("N13", bare(line="NOTIFY / HTTP/1.1"), "", "411 no-length"),
    _lengthless(
        "N14",
        bare("Content-Length:", line="GET / HTTP/1.1"),
        "empty-content-length",
        "400 empty-content-length",
    ),
    _lengthless("N15", bare(body=PARTS), "", "411 no-length", PARTS),
    # What looks like a request is kept and not run: two programs would differ about whose it is.
    Row("N16", (bare(body=NEXT),), "cut no-length", "411 no-length", (NEXT,), "wait"),
    Row(
        "N17",
        (bare("Transfer-Encoding: identity", body=NEXT),),
        "cut identity-coding,no-length",
        "400 identity-coding",
        (NEXT,),
        "wait",
    ),
    Row(
        "N18",
        (post("Host: x", "Content-Length: 2", "Transfer-Encoding: identity") + NEXT,),
        "close identity-coding",
        "400 identity-coding",
    ),
    Row("N19", (bare(body=b""),), "close no-length", "411 no-length", (b"",), "wait"),
    Row("N20", (NEXT + NEXT,), "keep; keep", bodies=(b"", b""), asks=True),
    Row(
        "N21", (bare(body=b"not a document"),), "cut no-length", "411 no-length", (b"not a document",), "wait"
    ),
)

# -- what strict refuses, beside the table ----------------------------------------------

TRAILERS = b"2\r\n{}\r\n0\r\n"

STRICT_ROWS = (
    Row(
        "S0",
        (chunked(b"2;\r\n{}\r\n0\r\n\r\n"),),
        "close chunk-extension,odd-chunk-extension",
        "400 chunk-extension,odd-chunk-extension",
    ),
    Row("S1", (chunked(b'2;a="b;\\"c" ; d\r\n{}\r\n0\r\n\r\n'),), "keep chunk-extension"),
    Row(
        "S2",
        (chunked(b'2;a="b\r\n{}\r\n0\r\n\r\n'),),
        "close chunk-extension,odd-chunk-extension",
        "400 chunk-extension,odd-chunk-extension",
    ),
    Row(
        "S3",
        (chunked(TRAILERS + b"no colon\r\n\r\n"),),
        "close trailers,odd-trailers",
        "400 trailers,odd-trailers",
    ),
    Row(
        "S4",
        (chunked(TRAILERS + b" X: folded\r\n\r\n"),),
        "close trailers,odd-trailers",
        "400 trailers,odd-trailers",
    ),
    Row(
        "S5",
        (chunked(TRAILERS + b"X: a\r\n b\r\n\r\n"),),
        "close trailers,odd-trailers",
        "400 trailers,odd-trailers",
    ),
    Row(
        "S6",
        (chunked(TRAILERS + b"X : a\r\n\r\n"),),
        "close trailers,odd-trailers",
        "400 trailers,odd-trailers",
    ),
    Row(
        "S7",
        (chunked(TRAILERS + b"X: a\0b\r\n\r\n"),),
        "close trailers,odd-trailers",
        "400 trailers,odd-trailers",
    ),
    Row("S8", (json(line="CONNECT h:443 HTTP/1.1"),), "405 method-refused", bodies=()),
    Row("S9", (json(line="trace / HTTP/1.1"),), "405 method-refused", bodies=()),
    Row("S10", (post("Host: a b", "Content-Length: 2"),), "keep bad-host", "400 bad-host"),
    Row("S11", (post("Host: http://a/", "Content-Length: 2"),), "keep bad-host", "400 bad-host"),
    Row("S12", (post("Host: [::1]:8089", "Content-Length: 2"),)),
    Row("S13", (post("Host:", "Content-Length: 2"),)),
    Row("S14", (post("Host: x", line="OPTIONS * HTTP/1.1", body=b""),), bodies=(b"",), asks=True),
    Row(
        "S15",
        (post("Host: x", "Transfer-Encoding: identity, chunked", body=HELLO),),
        "close repeated-chunked",
        "400 repeated-chunked",
        (b"hello",),
    ),
    Row(
        "S16", (post("Host: x", "Transfer-Encoding: xchunked", body=HELLO),), "501 unknown-coding", bodies=()
    ),
    Row(
        "S17",
        (post("Host: x", "Transfer-Encoding: chunked;q=1", body=HELLO),),
        "501 unknown-coding",
        bodies=(),
    ),
    Row(
        "S18",
        (post("Host: x", CHUNKED, "Transfer-Encoding:", body=HELLO),),
        "close repeated-chunked",
        "400 repeated-chunked",
        (b"hello",),
    ),
    Row(
        "S19",
        (post("Host: x", "Transfer-Encoding: identity", line="GET / HTTP/1.1", body=NEXT),),
        "cut identity-coding,no-length",
        "400 identity-coding",
        (NEXT,),
        "wait",
    ),
)

MIXED_ROWS = (
    Row(
        "X0", (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\n\r\n{}",), "400 mixed-line-ends", bodies=()
    ),
    Row("X1", (b"POST / HTTP/1.1\r\nHost: x\n\r\n",), "400 mixed-line-ends", bodies=()),
    Row("X2", (b"POST / HTTP/1.1\r\nContent-Length: 30\n\n{}",), "400 mixed-line-ends", bodies=()),
    Row(
        "X3",
        (b"POST / HTTP/1.1\nContent-Length: 30\r\n\r\n{}",),
        "400 bare-lf,mixed-line-ends",
        "400 bare-lf",
        bodies=(),
    ),
)

ROWS = (*TABLE, *LENGTHLESS_ROWS, *STRICT_ROWS, *MIXED_ROWS)
