from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from multipart import PushMultipartParser

from hikrecv.isapi.multipart import MultipartLimits, Part, looks_multipart, payloads, split

PICTURE = b"\xff\xd8\xff\xe0\x00\r\n\x01\x00\r\n\x01\x00\r\n\x01\xff\xd9\x80\x81"
FORM = b"multipart/form-data; boundary=boundary"
USUAL = (
    b"--boundary\r\n"
    b'Content-Disposition: form-data; name="alarmResult"\r\n'
    b"Content-Type: application/json\r\n"
    b"Content-Length: 7\r\n"
    b"\r\n"
    b'{"a":1}\r\n'
    b"--boundary\r\n"
    b'Content-Disposition: form-data; name="img"; filename="a.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n"
    b"Content-Length: 20\r\n"
    b"\r\n" + PICTURE + b"\r\n"
    b"--boundary--\r\n"
)


def cut(body: bytes, content_type: bytes | None = FORM) -> tuple[list[tuple[str | None, bytes]], list[str]]:
    parts, anomalies = split(body, content_type)
    return [(part.name, body[part.start : part.end]) for part in parts], [odd.name for odd in anomalies]


def only(body: bytes) -> tuple[Part, bytes]:
    (part,) = split(body, FORM)[0]
    return part, body[part.start : part.end]


def one_part(head: bytes, payload: bytes) -> bytes:
    return b"--boundary\r\n" + head + b"\r\n" + payload + b"\r\n--boundary--\r\n"


BOTH = [("alarmResult", b'{"a":1}'), ("img", PICTURE)]


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_a_request_with_an_empty_line_behind_each_header_is_read_as_printed(eol: bytes) -> None:
    head = [b"Content-Type: " + FORM, b"Host: 10.0.0.1", b"Content-Length: 290647"]
    first = [
        b"--boundary",
        b'Content-Disposition: form-data; name="alarmResult"',
        b"Content-Length: 7",
        b'{"a":1}',
    ]
    second = [
        b"--boundary",
        b'Content-Disposition: form-data; name="img"',
        b"Content-Type: image/jpeg",
        PICTURE,
    ]
    body = (2 * eol).join((*head, *first, *second, b"--boundary--"))

    assert looks_multipart(body, None)
    parts, odd = cut(body, None)

    assert [(name, payload.strip(b"\r\n")) for name, payload in parts] == BOTH
    assert {"head-in-body", "empty-line-in-head"} <= set(odd)
    assert b"".join(body[start:end] for start, end, _ in payloads(body, None)).count(PICTURE) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Type: text/plain\n\nwords",
        b"Host: x\n\n--boundary\n\n{}",
        b"Content-Type",
        b"a:" * 3000,
        b"{}",
    ],
)
def test_other_text_is_not_taken_for_the_head_of_a_multipart_request(body: bytes) -> None:
    assert not looks_multipart(body, None)


def test_a_payload_that_begins_with_an_empty_line_or_like_a_header_keeps_it() -> None:
    for begins in (b"\r\nwords: 1", b"Content-Type: it says"):
        _, payload = only(one_part(b"Content-Type: text/plain\r\n", begins))

        assert payload == begins


def test_the_usual_body_gives_its_parts_and_nothing_odd() -> None:
    parts, anomalies = split(USUAL, FORM)

    assert [USUAL[part.start : part.end] for part in parts] == [b'{"a":1}', PICTURE]
    assert [part.name for part in parts] == ["alarmResult", "img"]
    assert [part.filename for part in parts] == [None, "a.jpg"]
    assert [part.content_type for part in parts] == ["application/json", "image/jpeg"]
    assert parts[0].headers == (
        (b"Content-Disposition", b'form-data; name="alarmResult"'),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"7"),
    )
    assert anomalies == ()


@pytest.mark.parametrize(
    "content_type",
    [
        b'multipart/form-data; boundary="boundary"',
        b"multipart/form-data; boundary=boundary  ",
        b"multipart/form-data; boundary =boundary",
        b'multipart/form-data; boundary="boundary"; charset=utf-8',
        b"multipart/form-data;BOUNDARY=boundary",
        b"multipart/mixed; boundary=boundary",
        b"multipart/x-mixed-replace; boundary=boundary",
    ],
)
def test_the_boundary_is_found_however_the_header_writes_it(content_type: bytes) -> None:
    assert cut(USUAL, content_type) == (BOTH, [])


@pytest.mark.parametrize(
    ("content_type", "anomaly"),
    [
        (b"multipart/form-data", "boundary-missing"),
        (b"multipart/form-data; boundary=", "boundary-missing"),
        (b'multipart/form-data; boundary=""', "boundary-missing"),
        (None, "boundary-missing"),
        (b"application/json", "boundary-missing"),
        (b"multipart/form-data; boundary=other", "boundary-mismatched"),
        (b"multipart/form-data; boundary=\xb0\xb1", "boundary-mismatched"),
        (b"multipart/form-data; boundary=--boundary", "boundary-short"),
        (b"multipart/form-data; boundary=" + b"b" * 201, "boundary-too-long"),
    ],
)
def test_a_boundary_that_the_header_does_not_tell_is_read_off_the_body(
    content_type: bytes | None, anomaly: str
) -> None:
    parts, anomalies = cut(USUAL, content_type)

    assert parts == BOTH
    assert anomaly in anomalies


@pytest.mark.parametrize("size", [1, 70, 80, 200])
def test_a_boundary_may_be_long(size: int) -> None:
    name = b"b" * size

    assert cut(USUAL.replace(b"boundary", name), b"multipart/form-data; boundary=" + name) == (BOTH, [])


def test_delimiters_may_lack_their_dashes() -> None:
    assert cut(USUAL.replace(b"--boundary", b"boundary")) == (BOTH, ["boundary-short"])


def test_delimiters_without_dashes_are_found_without_the_header_too() -> None:
    parts, anomalies = cut(USUAL.replace(b"--boundary", b"frontier"), None)

    assert parts == BOTH
    assert anomalies == ["boundary-missing"]


def test_a_boundary_that_is_itself_dashes_is_taken_as_it_is() -> None:
    name = b"---------------------------7e13971310878"
    body = USUAL.replace(b"--boundary", b"--" + name)

    assert cut(body, b"multipart/form-data; boundary=" + name) == (BOTH, [])
    assert cut(body.replace(b"--" + name, name), b"multipart/form-data; boundary=" + name)[0] == BOTH


@pytest.mark.parametrize(
    ("body", "anomaly"),
    [
        (USUAL.replace(b"boundary\r\n", b"boundary  \r\n"), "delimiter-blanks"),
        (USUAL.replace(b"boundary\r\n", b"boundary\n\r"), "bare-line-ends"),
        (USUAL.replace(b"boundary\r\n", b"boundary\r\n--boundary\r\n"), "doubled-delimiter"),
        (USUAL.replace(b"\r\n--boundary\r\n", b"\r\n--boundary\r\n\r\n\r\n--boundary\r\n"), "empty-part"),
        (USUAL[: -len(b"--boundary--\r\n")], "unfinished"),
        (USUAL[: -len(b"--\r\n")], "unfinished"),
        (USUAL[: -len(b"--\r\n")] + b"\r\n", "unfinished"),
        (USUAL[: -len(b"dary--\r\n")], "unfinished"),
        (b"preamble\r\n" + USUAL, "preamble"),
        (USUAL + b"garbage\r\n", "epilogue"),
        (USUAL.replace(b"Length: 7", b"Length: 2"), "part-length-wrong"),
        (USUAL.replace(b"Length: 7", b"Length: 999"), "part-length-wrong"),
        (USUAL.replace(b"Content-Type: image", b"GARBAGE\r\nContent-Type: image"), "header-without-colon"),
    ],
)
def test_what_firmware_breaks_is_forgiven_and_named(body: bytes, anomaly: str) -> None:
    assert cut(body) == (BOTH, [anomaly])


def test_blank_lines_before_the_first_delimiter_are_not_odd() -> None:
    assert cut(b"\r\n" + USUAL) == (BOTH, [])


@pytest.mark.parametrize("end", [b"\n", b"\n\r", b"\r"])
def test_lines_may_end_in_other_ways(end: bytes) -> None:
    body = USUAL.replace(PICTURE, b"@").replace(b"\r\n", end).replace(b"@", PICTURE)

    assert cut(body) == (BOTH, ["bare-line-ends"])


def test_a_bare_line_feed_before_a_delimiter_counts_when_a_header_follows() -> None:
    body = USUAL.replace(b'{"a":1}\r\n', b'{"a":1}\n').replace(b"Content-Length: 7\r\n", b"")

    assert cut(body) == (BOTH, ["bare-line-ends"])


def test_a_part_may_have_no_headers() -> None:
    body = b'--boundary\r\n\r\n{"a":1}\r\n--boundary--\r\n'

    assert cut(body) == ([(None, b'{"a":1}')], ["part-without-headers"])


@pytest.mark.parametrize("payload", [b'{"a":1}', b"<a>b:c</a>", PICTURE, b"hello"])
def test_a_part_may_have_no_blank_line(payload: bytes) -> None:
    bare = b"--boundary\r\n" + payload + b"\r\n--boundary--\r\n"
    typed = b"--boundary\r\nContent-Type: text/xml\r\n" + payload + b"\r\n--boundary--\r\n"

    assert cut(bare) == ([(None, payload)], ["no-blank-line", "part-without-headers"])
    assert cut(typed) == ([(None, payload)], ["no-blank-line", "part-without-name"])


def test_headers_that_end_at_a_delimiter_are_a_part_without_payload() -> None:
    body = b'--boundary\r\nContent-Disposition: form-data; name="a"\r\n--boundary--\r\n'

    assert cut(body) == ([("a", b"")], ["no-blank-line"])


@pytest.mark.parametrize(
    ("head", "name", "filename"),
    [
        (b'Content-Disposition: form-data; filename="a.jpg"\r\n', None, "a.jpg"),
        (b"Content-Disposition: form-data;\r\n", None, None),
        (b'Content-Type: application/xml; charset="UTF-8"\r\nContent-Length: 2\r\n', None, None),
        (b"Content-Disposition: form-data; name=alarm\r\n", "alarm", None),
        (b'content-disposition: FORM-DATA; NAME="a"\r\n', "a", None),
        (b'Content-Disposition: form-data; name=""\r\n', None, None),
        (b'Content-Disposition: form-data;name="a.xml";filename="a.xml"\r\n', "a.xml", "a.xml"),
        (b'Content-Disposition: form-data; name="a"; filename=""\r\n', "a", None),
        (b'Content-Disposition:\tform-data;\r\n name="a"\r\n', "a", None),
        (
            b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n',
            "a",
            None,
        ),
        (b'Content-Disposition: form-data; name="a"; filename="\xc8\xcb\xc1\xb3.jpg"\r\n', "a", "人脸.jpg"),
        (b'Content-Disposition: form-data; name="a"; filename="\xe4\xba\xba.jpg"\r\n', "a", "人.jpg"),
        (b'Content-Disposition: form-data; name="a"; filename="entr\xe9.jpg"\r\n', "a", "entré.jpg"),
        (b"Content-Disposition: form-data; name=\"a\"; filename*=UTF-8''%e4%ba%ba.jpg\r\n", "a", "人.jpg"),
        (b"Content-Disposition: form-data; name=\"a\"; filename*=gbk''%C8%CB.jpg\r\n", "a", "人.jpg"),
        (b"Content-Disposition:a;filename*0*=gbk''%C8; filename*1*=%CB.j;filename*2=pg\r\n", None, "人.jpg"),
        (
            b'Content-Disposition: form-data; name="a"; filename="../../etc/passwd"\r\n',
            "a",
            "../../etc/passwd",
        ),
    ],
)
def test_names_are_read_however_they_are_written(head: bytes, name: str | None, filename: str | None) -> None:
    part, payload = only(one_part(head, b"{}"))

    assert (part.name, part.filename, payload) == (name, filename, b"{}")


def test_a_content_id_is_given_without_its_brackets() -> None:
    part, _ = only(one_part(b'Content-Disposition: form-data; name="a"\r\nContent-ID: <face1>\r\n', b"{}"))

    assert part.content_id == "face1"


def test_repeated_names_stay_two_parts() -> None:
    body = USUAL.replace(b'name="img"', b'name="alarmResult"')

    assert [name for name, _ in cut(body)[0]] == ["alarmResult", "alarmResult"]


def test_a_transfer_encoding_is_never_decoded() -> None:
    head = b'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n'

    assert only(one_part(head, b"/9j/4A=="))[1] == b"/9j/4A=="


def test_a_length_that_lands_on_a_delimiter_is_believed_over_one_inside_the_picture() -> None:
    picture = b"\xff\xd8xx\r\n--boundary\r\nyyyy\xff\xd9zz"
    head = b'Content-Disposition: form-data; name="a"\r\nContent-Type: image/jpeg\r\nContent-Length: 26\r\n'

    assert cut(one_part(head, picture)) == ([("a", picture)], [])


def test_a_payload_keeps_its_own_line_ends() -> None:
    payload = b"\xff\xd8\r\r\n\n\r\x85\x0b\x0c\x1c\x1d\x1e\r"

    assert only(one_part(b'Content-Disposition: form-data; name="a"\r\n', payload))[1] == payload


def test_a_multipart_inside_a_part_stays_bytes() -> None:
    inner = b"--in\r\n\r\nx\r\n--in--\r\n"
    head = b'Content-Disposition: form-data; name="a"\r\nContent-Type: multipart/mixed; boundary=in\r\n'

    assert only(one_part(head, inner))[1] == inner


def test_a_closing_delimiter_alone_tells_the_boundary_too() -> None:
    assert cut(b"--boundary--\r\n", None) == ([], ["boundary-missing"])


def test_only_a_closing_delimiter_is_no_part_and_nothing_odd() -> None:
    assert cut(b"--boundary--\r\n") == ([], [])
    assert cut(b"") == ([], [])


@pytest.mark.parametrize("body", [b"{}", b"<a/>", b"\0" * 100, b"--"])
def test_a_body_without_a_delimiter_is_one_part(body: bytes) -> None:
    assert cut(body) == ([(None, body)], ["no-delimiter"])


def test_parts_behind_the_closing_delimiter_are_read() -> None:
    parts, anomalies = cut(USUAL + USUAL)

    assert parts == BOTH + BOTH
    assert anomalies == ["parts-after-end"]


def test_an_alert_in_front_of_its_pictures_is_a_part() -> None:
    parts, anomalies = cut(b"<a>1</a>\r\n" + USUAL)

    assert parts == [(None, b"<a>1</a>"), *BOTH]
    assert anomalies == ["preamble"]


@pytest.mark.parametrize("size", range(len(USUAL)))
def test_a_body_cut_anywhere_keeps_what_came(size: int) -> None:
    body = USUAL[:size]
    parts, anomalies = cut(body)

    first_payload = USUAL.index(b'{"a":1}')
    if size >= first_payload + 7:
        assert parts[0] == ("alarmResult", b'{"a":1}')
    if size >= USUAL.index(PICTURE) + 20:
        assert parts == BOTH
    if 12 <= size < len(USUAL) - 4:
        assert "unfinished" in anomalies


def test_a_cut_delimiter_belongs_to_no_payload() -> None:
    whole = one_part(b'Content-Disposition: form-data; name="a"\r\n', b"abc")
    for size in range(whole.index(b"abc") + 6, len(whole)):
        assert only(whole[:size])[1] == b"abc"


def test_too_many_parts_stay_in_the_last_one() -> None:
    part = b'--boundary\r\nContent-Disposition: form-data; name="a"\r\n\r\n{}\r\n'
    body = part * 10_000 + b"--boundary--\r\n"

    parts, anomalies = split(body, FORM)

    assert len(parts) == 64
    assert body[parts[63].start : parts[63].end].startswith(b"{}\r\n--boundary\r\n")
    assert parts[63].end == len(body)
    assert [odd.name for odd in anomalies] == ["too-many-parts"]


def test_as_many_parts_as_allowed_are_not_too_many() -> None:
    part = b'--boundary\r\nContent-Disposition: form-data; name="a"\r\n\r\n{}\r\n'

    assert cut(part * 64 + b"--boundary--\r\n") == ([("a", b"{}")] * 64, [])


def test_a_head_over_the_limit_costs_only_what_is_over_it() -> None:
    long_line = b'Content-Disposition: form-data; name="a"; x="' + b"y" * 20_000 + b'"\r\n'
    many_lines = b'Content-Disposition: form-data; name="a"\r\n' + b"X: y\r\n" * 100

    assert cut(one_part(long_line, b"{}")) == ([("a", b"{}")], ["head-too-long"])
    assert cut(one_part(many_lines, b"{}")) == ([("a", b"{}")], ["head-too-long"])
    assert len(only(one_part(many_lines, b"{}"))[0].headers) == 64


def test_a_preamble_over_the_limit_is_not_searched() -> None:
    body = b"x" * 100 + b"\r\n" + USUAL

    parts, anomalies = split(body, FORM, MultipartLimits(preamble=50))

    assert [(part.start, part.end) for part in parts] == [(0, len(body))]
    assert [odd.name for odd in anomalies] == ["no-delimiter"]


def test_an_epilogue_over_the_limit_is_not_searched() -> None:
    body = USUAL + b"x" * 100 + b"\r\n" + USUAL

    parts, anomalies = split(body, FORM, MultipartLimits(epilogue=50))

    assert len(parts) == 2
    assert [odd.name for odd in anomalies] == ["epilogue"]


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (USUAL, FORM, True),
        (USUAL, None, True),
        (b"\r\n" + USUAL, b"application/json", True),
        (b"", b"Multipart/Mixed", True),
        (b"{}", b"application/json", False),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n", None, False),
        (b"<a/>", None, False),
        (b"", None, False),
    ],
)
def test_a_multipart_body_is_known_by_its_type_or_its_beginning(
    body: bytes, content_type: bytes | None, expected: bool
) -> None:
    assert looks_multipart(body, content_type) is expected


# -- any body at all -------------------------------------------------------------

TOKENS = st.characters(codec="ascii", exclude_characters='\x7f"\\%', min_codepoint=32)
NAMES = st.text(TOKENS, min_size=1, max_size=12)
PAYLOADS = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b"-", b"--", b"boundary", b": ", b"{", b"<", b"\xff\xd8", b"a\0"])
    | st.binary(max_size=8),
    max_size=12,
).map(b"".join)


@st.composite
def well_formed(draw: st.DrawFn) -> tuple[bytes, bytes]:
    boundary = draw(st.sampled_from([b"boundary", b"MIME_boundary", b"--MIME", b"-" * 27 + b"7e139", b"b"]))
    body = draw(st.sampled_from([b"", b"This is a preamble.\r\n"]))
    for _ in range(draw(st.integers(1, 5))):
        payload = draw(PAYLOADS.filter(lambda bytes_: b"--" + boundary not in b"\r\n" + bytes_))
        body += b"--" + boundary + b'\r\nContent-Disposition: form-data; name="' + draw(NAMES).encode() + b'"'
        body += draw(st.just(b"") | NAMES.map(lambda name: b'; filename="' + name.encode() + b'"')) + b"\r\n"
        body += draw(st.sampled_from([b"", b"Content-Type: image/jpeg\r\n", b'content-type: a/b; c="d"\r\n']))
        body += draw(st.sampled_from([b"", b"Content-Length: %d\r\n" % len(payload)])) + b"\r\n"
        body += payload + b"\r\n"
    return boundary, body + b"--" + boundary + b"--" + draw(st.sampled_from([b"", b"\r\n", b"\r\nthe end"]))


def by_reference(boundary: bytes, body: bytes) -> list[tuple[str | None, str | None, bytes]]:
    found: list[tuple[str | None, str | None, bytes]] = []
    with PushMultipartParser(boundary) as parser:
        for event in parser.parse(body):
            if isinstance(event, bytes | bytearray):
                name, filename, payload = found.pop()
                found.append((name, filename, payload + bytes(event)))
            elif event is not None:
                found.append((event.name, event.filename, b""))
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(well_formed())
def test_a_well_formed_body_gives_what_the_multipart_library_gives(given_body: tuple[bytes, bytes]) -> None:
    boundary, body = given_body

    parts, anomalies = split(body, b"multipart/form-data; boundary=" + boundary)

    ours = [(part.name, part.filename, body[part.start : part.end]) for part in parts]
    assert ours == by_reference(boundary, body)
    assert {odd.name for odd in anomalies} <= {"preamble", "epilogue"}


@st.composite
def nearly_usual(draw: st.DrawFn) -> bytes:
    """A body as most firmware writes it, with a few wrong bytes."""
    body = bytearray(USUAL.replace(b"\r\n\r\n" + PICTURE, b"\r\nContent-ID: <face1>\r\n\r\n" + PICTURE))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(10, len(body)))
        piece = st.sampled_from([b"", b"\r\n", b"\n", b"--", b"\r\n--boundary", b" ", b"9", b'"', b":"])
        body[at : at + draw(st.integers(0, 4))] = draw(piece)
    return bytes(body)


@settings(max_examples=400, deadline=None)
@given(
    nearly_usual(), st.sampled_from([MultipartLimits(), MultipartLimits(parts=1), MultipartLimits(head=90)])
)
def test_the_quick_way_through_a_usual_body_leads_to_the_same_parts(
    body: bytes, limits: MultipartLimits
) -> None:
    quick, odd = split(body, FORM, limits)
    # A blank line in front is not odd, but keeps a body from being a usual one.
    careful, oddities = split(b"\r\n" + body, FORM, limits)

    moved = [structs.replace(part, start=part.start - 2, end=part.end - 2) for part in careful]
    assert (list(quick), [each.name for each in odd]) == (moved, [each.name for each in oddities])


BITS = [b"--boundary", b"--boundary--", b"boundary", b"--", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t"]
HEADS = [b'Content-Disposition: form-data; name="a"', b"Content-Length: 3", b":", b"{", b"\xff\xd8"]
HOSTILE = st.lists(st.sampled_from(BITS + HEADS) | st.binary(max_size=6), max_size=30).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(HOSTILE, st.sampled_from([FORM, None, b"multipart/mixed", b"multipart/form-data; boundary=other"]))
def test_no_body_raises_or_gives_a_part_outside_itself(body: bytes, content_type: bytes | None) -> None:
    parts, _ = split(body, content_type)

    place = 0
    for part in parts:
        assert place <= part.start <= part.end <= len(body)
        place = part.end


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=30)), min_size=1, max_size=6),
    st.sampled_from([b"\r\n", b"\n"]),
)
def test_no_part_is_lost_however_the_lines_end(fields: list[tuple[str, bytes]], end: bytes) -> None:
    fields = [(name, payload.replace(b"\r", b"").replace(b"\n", b"")) for name, payload in fields]
    body = b""
    for name, payload in fields:
        body += (
            b"--boundary" + end + b'Content-Disposition: form-data; name="' + name.encode() + b'"' + end * 2
        )
        body += payload + end

    assert cut(body + b"--boundary--" + end)[0] == fields


@pytest.mark.parametrize(
    "flood",
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"-",
        b"\r\n--boundar",
        b"\r\n--boundaryx",
        b"--boundary\r\n",
        b"--boundary--\r\n",
        b"--boundary\r\n\r\n\r\n",
        b"a: b\r\n",
        b"a\n",
        b"--boundary\r\na: b\r\n",
        b" ",
        b"--" + b" " * 1000,
        b"x" + b" " * 300 + b"\n",
    ],
)
def test_ten_megabytes_of_anything_are_cut_in_no_time(flood: bytes) -> None:
    body = b'--boundary\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + flood * (
        10_000_000 // len(flood)
    )

    before = time.process_time()
    split(body, FORM)
    split(body, None)
    split(flood * (10_000_000 // len(flood)), None)
    split(b"--" + body[100:] + b"x", None)
    spent = time.process_time() - before

    assert spent < 0.5  # in practice about 10 ms; a quadratic step would take minutes
