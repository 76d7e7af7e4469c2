"""The reader's rules, one by one."""

from __future__ import annotations

import sys

import pytest

from hikrecv.config import Bytes, Limits
from hikrecv.push import Anomaly
from hikrecv.wire.http1 import Data, End, Foreign, Head, Reader, Refusal

POST = b"POST /e HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def read(data, mode="lenient", **limits):
    reader = Reader(mode, Limits(**{name: Bytes(size) for name, size in limits.items()}))
    reader.feed(data)
    return reader, rest(reader)


def rest(reader):
    messages = []
    while (message := reader.next_event()) is not None:
        messages.append(message)
    return messages


def head_of(data, mode="lenient"):
    return read(data, mode)[1][0]


def names(message):
    return [anomaly.name for anomaly in message.anomalies]


# -- the head ---------------------------------------------------------------------


def test_a_request_is_read_as_head_data_and_end():
    _, messages = read(POST + b"Content-Type:  text/xml \r\nX-a: \xc9\xe3\r\nContent-Length: 2\r\n\r\n<>")

    assert messages == [
        Head(
            method="POST",
            target=b"/e",
            version="1.1",
            headers=(
                (b"Host", b"x"),
                (b"Content-Type", b"text/xml"),
                (b"X-a", b"\xc9\xe3"),
                (b"Content-Length", b"2"),
            ),
            length=2,
            framing="length",
            keep_alive=True,
            expect_continue=False,
            has_content_type=True,
        ),
        Data(b"<>"),
        End(anomalies=(), complete=True, keep_alive=True),
    ]


@pytest.mark.parametrize(
    ("sent", "target"),
    [
        (b"/a?b=c", b"/a?b=c"),
        (b"*", b"/"),
        (b"?a", b"/?a"),
        (b"a/b", b"/a/b"),
        (b"//a", b"//a"),
        (b"http://10.0.0.1:8089/ev?x=1", b"/ev?x=1"),
        (b"HTTPS://host", b"/"),
        (b"http://host?x=1", b"/?x=1"),
        (b"/http://host/e", b"/http://host/e"),
        (b"/\xe4\xba\x8b", b"/\xe4\xba\x8b"),
        (b" \t/a ", b"/a"),
        (b"/a b  c", b"/a b  c"),
    ],
)
def test_a_target_is_a_path_that_begins_with_a_slash(sent, target):
    assert head_of(b"POST " + sent + b" HTTP/1.1\r\n\r\n").target == target


@pytest.mark.parametrize(
    ("version", "headers", "kept"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: TE , Close\r\n", False),
        (b"1.1", b"Connection: keep-alive\r\nConnection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_a_connection_is_kept_as_version_and_header_say(version, headers, kept):
    head = b"POST / HTTP/" + version + b"\r\nHost: x\r\nContent-Length: 0\r\n" + headers + b"\r\n"

    assert head_of(head).keep_alive is kept


def test_only_http_1_1_can_expect_a_100():
    expect = b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n"

    assert head_of(POST + expect).expect_continue
    assert not head_of(POST.replace(b"1.1", b"1.0") + expect).expect_continue
    assert not head_of(POST + expect.replace(b"100-C", b"c")).expect_continue


def test_a_folded_header_is_read_as_one_line():
    head = head_of(POST + b"X: a\r\n b\r\n\tc\r\nContent-Length:\r\n 2\r\n\r\n{}")

    assert head.headers[1:] == ((b"X", b"a b c"), (b"Content-Length", b"2"))
    assert head.length == 2


def test_the_fold_of_an_ignored_line_is_ignored_with_it():
    assert head_of(POST + b"X Y: a\r\n b: c\r\n\r\n").headers == ((b"Host", b"x"),)


def test_a_blank_before_the_colon_is_forgiven_where_it_cannot_move_the_end_of_the_request():
    assert head_of(POST + b"User-Agent : x\r\n\r\n").headers[1] == (b"User-Agent", b"x")
    assert head_of(POST + b"Transfer-Encoding : chunked\r\n\r\n").status == 400


def test_a_name_without_a_colon_is_no_header_even_if_it_is_well_known():
    _, messages = read(POST + b"Content-Length\r\nContent-Length: 0\r\n\r\n")

    assert messages[0].headers == ((b"Host", b"x"), (b"Content-Length", b"0"))
    assert names(messages[-1]) == ["header-without-colon"]


def test_an_oddity_is_noted_once_however_often_it_occurs():
    _, messages = read(POST + b"junk\r\n" * 400 + b"Content-Length: 0\r\n\r\n")

    assert messages[-1].anomalies == (Anomaly("header-without-colon", "a header line has no colon"),)


@pytest.mark.parametrize(
    "secret",
    [
        b"Authorization Basic c2VjcmV0",
        b"Authorization: Basic\r\n c2VjcmV0",
        b"Cookie: c2VjcmV0\x01",
        b"X\xff: c2VjcmV0",
    ],
)
def test_neither_anomaly_nor_reason_repeats_a_value(secret):
    request = b"POST c2VjcmV0%zz HTTP/1.1\r\nContent-Length: 0\r\n" + secret + b"\r\n\r\n"

    _, lenient = read(request)
    _, strict = read(request, "strict")

    assert "c2VjcmV0" not in repr(lenient[-1])
    assert "c2VjcmV0" not in strict[-1].reason + repr(strict[-1].anomalies)


def test_an_ignored_name_is_shown_escaped_and_short():
    _, messages = read(POST + b"\x1b[31m" + b"n" * 100 + b": v\r\nContent-Length: 0\r\n\r\n")

    anomaly = next(one for one in messages[-1].anomalies if one.name == "bad-header-name")
    assert anomaly.detail.isprintable()
    assert len(anomaly.detail) < 50


# -- limits -------------------------------------------------------------------------


def test_a_head_of_exactly_the_limit_is_read_and_one_byte_more_is_not():
    head = POST + b"X: " + b"a" * 50 + b"\r\n\r\n"

    assert isinstance(read(head, headers=len(head))[1][0], Head)
    assert read(head, headers=len(head) - 1)[1][0].status == 431


def test_500_headers_are_read_and_501_are_not():
    assert isinstance(head_of(POST + b"a: b\r\n" * 499 + b"\r\n"), Head)
    assert head_of(POST + b"a: b\r\n" * 500 + b"\r\n").status == 431


def test_a_body_announced_above_the_limit_is_refused_before_it_comes():
    _, messages = read(POST + b"Content-Length: 101\r\n\r\n", body=100)

    assert [message.status for message in messages] == [413]


def test_a_number_of_18_digits_is_a_length_and_one_of_19_is_not():
    assert head_of(POST + b"Content-Length: " + b"9" * 18 + b"\r\n\r\n").status == 413
    assert head_of(POST + b"Content-Length: " + b"9" * 19 + b"\r\n\r\n").status == 400


def test_a_chunk_that_would_pass_the_limit_is_refused_before_it_comes():
    _, messages = read(CHUNKED + b"3c\r\n" + b"x" * 60 + b"\r\n29\r\n", body=100)

    assert messages[1] == Data(b"x" * 60)
    assert messages[2].status == 413


def test_a_body_without_a_length_is_cut_off_at_the_limit():
    _, messages = read(POST + b"Content-Type: a/b\r\n\r\n" + b"x" * 101, body=100)

    assert messages[1] == Data(b"x" * 100)
    assert messages[2].status == 413


def test_a_chunk_size_line_is_bounded():
    good, long = (CHUNKED + b"5;" + b"a" * size + b"\r\nhello\r\n0\r\n\r\n" for size in (1022, 1023))

    assert isinstance(read(good)[1][-1], End)
    assert read(long)[1][-1].status == 400


def test_too_many_trailers_end_a_complete_request_and_the_connection():
    data = CHUNKED + b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 20

    _, lenient = read(data, headers=100)
    _, strict = read(data, "strict", headers=100)

    assert (lenient[-1].complete, lenient[-1].keep_alive, names(lenient[-1])) == (
        True,
        False,
        ["trailers", "odd-trailers"],
    )
    assert (strict[-1].status, names(strict[-1])) == (400, ["trailers", "odd-trailers"])


def test_eight_empty_lines_before_a_request_are_forgiven_and_a_ninth_is_not():
    assert isinstance(head_of(b"\r\n" * 8 + GET), Head)
    assert head_of(b"\r\n" * 9 + GET).status == 400


def test_an_empty_line_is_no_request():
    reader, messages = read(b"\r\n")

    assert (messages, reader.phase, reader.buffered) == ([], "idle", 0)


# -- framing -------------------------------------------------------------------------


def test_a_request_with_bare_lf_may_have_chunks_with_bare_lf():
    _, messages = read(CHUNKED.replace(b"\r\n", b"\n") + b"5\nhello\n0\nX: 1\n\n")

    assert messages[1:] == [Data(b"hello"), End(messages[-1].anomalies, complete=True, keep_alive=False)]
    assert names(messages[-1]) == ["bare-lf", "trailers"]


def test_an_lf_head_ends_at_its_own_empty_line_and_not_at_one_in_the_body():
    _, messages = read(b"POST / HTTP/1.1\nHost: x\nContent-Length: 6\n\na\r\n\r\nb")

    assert messages[1] == Data(b"a\r\n\r\nb")


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
def test_a_method_without_a_body_needs_no_length(method):
    _, messages = read(GET.replace(b"GET", method).replace(b"\r\n\r\n", b"\r\nContent-Type: a/b\r\n\r\n"))

    assert messages[0].framing == "none"
    assert messages[1] == End((), complete=True, keep_alive=True)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
@pytest.mark.parametrize("odd", [b"Content-Length:", b"Content-Length 9", b"Transfer-Encoding: identity"])
def test_a_method_without_a_body_whose_length_is_misspelled_may_have_one(method, odd):
    _, messages = read(GET.replace(b"GET", method).replace(b"\r\n\r\n", b"\r\n" + odd + b"\r\n\r\n") + GET)

    assert [messages[0].framing, *messages[1:]] == ["close", Data(GET)]


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"NOTIFY"])
def test_strict_wants_a_length_of_whoever_may_have_a_body(method):
    (refusal,) = read(GET.replace(b"GET", method), "strict")[1]

    assert (refusal.status, names(refusal)) == (411, ["no-length"])


def test_a_body_without_a_length_is_not_truncated_when_its_sender_is_silent():
    for silent, odd in ((True, ["no-length"]), (False, ["no-length", "truncated"])):
        reader, _ = read(POST + b"\r\n{}")

        end = reader.salvage(silent)

        assert (end.complete, end.keep_alive, names(end)) == (False, False, odd)


@pytest.mark.parametrize(
    ("coding", "status"),
    [(b"gzip", 501), (b"chunked, gzip", 501), (b"chunked;q=1", 501), (b"\x0bchunked", 501)],
)
def test_an_unknown_transfer_coding_is_refused(coding, status):
    assert head_of(POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n").status == status


def test_a_coding_that_says_nothing_leaves_the_length_in_force():
    assert head_of(POST + b"Transfer-Encoding:\r\nContent-Length: 2\r\n\r\n{}").length == 2
    assert head_of(POST + b"Transfer-Encoding:\r\nContent-Length: 2\r\n\r\n{}", "strict").status == 400
    assert head_of(POST + b"Transfer-Encoding: identity, chunked\r\n\r\n", "strict").status == 400


def test_trailers_never_become_headers():
    reader, messages = read(CHUNKED + b"2\r\n{}\r\n0\r\nHost: evil\r\nContent-Length: 9\r\n\r\n")

    assert messages[0].headers == ((b"Host", b"x"), (b"Transfer-Encoding", b"chunked"))
    assert messages[2] == End(messages[2].anomalies, complete=True, keep_alive=True)
    assert names(messages[2]) == ["trailers"]
    assert reader.phase == "done"


def test_a_piece_of_a_body_is_passed_on_and_not_copied():
    reader, _ = read(POST + b"Content-Length: 200000\r\n\r\n")
    piece = bytes(65_536)

    reader.feed(piece)

    data = reader.next_event()
    assert isinstance(data, Data)
    assert data.chunk is piece


def test_many_small_chunks_come_as_one_piece():
    _, messages = read(CHUNKED + b"1\r\nx\r\n" * 1000)

    assert messages[1:] == [Data(b"x" * 1000)]


# -- no HTTP ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("tls", b"\x16"),
        ("sdk", b"\x00\x00\x00\x54\x5a\x00\x00\x00"),
        ("sdk", b"#\x00\x00\x00"),
        ("binary", b"\x80\x2e\x01"),
        ("binary", b"abc\xff"),
        ("rtsp", b"RTSP/1.0 200 OK\r\n"),
        ("rtsp", b"OPTIONS rtsp://10.0.0.5:8089/ RTSP/1.0\r\n"),
        ("sip", b"REGISTER sip:10.0.0.5 SIP/2.0\r\n"),
        ("http2", b"PRI * HTTP/2.0\r\n"),
    ],
)
@pytest.mark.parametrize("mode", ["lenient", "strict"])
def test_another_protocol_is_recognised(kind, sent, mode):
    reader, messages = read(sent, mode)

    assert messages == [Foreign(kind, sent)]
    assert reader.phase == "done"


@pytest.mark.parametrize(
    "sent", [b"<EventNotificationAlert", b"{", b"--boundary\r\n", b"HTTP/1.1 200", b"a" * 33]
)
def test_text_that_cannot_become_a_request_is_refused_at_once(sent):
    refusal = head_of(sent)

    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.silent, refusal.raw) == (400, False, sent)


def test_the_rest_of_an_answered_body_is_not_taken_for_another_protocol():
    reader, _ = read(GET)
    reader.start_next()

    reader.feed(b"\x16\x03")

    refusal = reader.next_event()
    assert isinstance(refusal, Refusal)
    assert refusal.silent


def test_a_bad_header_in_a_later_request_gets_its_answer():
    reader, _ = read(GET + GET[:-2] + b"X: \x00\r\n\r\n")

    reader.start_next()

    refusal = reader.next_event()
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.silent) == (400, False)


def test_another_http_is_refused_by_name():
    assert head_of(b"POST / HTTP/3.0\r\n").status == 505


# -- one after the other ----------------------------------------------------------------


def test_the_next_request_waits_until_the_first_was_answered():
    reader, messages = read(GET + GET)
    assert [type(message) for message in messages] == [Head, End]
    assert (reader.phase, reader.buffered) == ("done", len(GET))

    reader.start_next()

    assert [type(message) for message in rest(reader)] == [Head, End]
    assert reader.buffered == 0


def test_what_follows_a_last_request_is_thrown_away():
    reader, _ = read(GET[:-2] + b"Connection: close\r\n\r\n" + GET)

    reader.start_next()
    reader.feed(GET)

    assert (reader.next_event(), reader.buffered, reader.phase) == (None, 0, "done")
    assert reader.dropped == 2 * len(GET)


def test_anomalies_are_those_of_one_request():
    reader, messages = read(b"GET e HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    assert reader.anomalies == messages[-1].anomalies != ()

    reader.start_next()

    assert rest(reader)[-1].anomalies == ()


def test_the_phase_tells_which_deadline_holds():
    reader = Reader("lenient", Limits())
    seen = [reader.phase]

    for piece in (
        b"POST",
        b" / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"2\r\n{}\r\n",
        b"0\r\n",
        b"\r\n",
    ):
        reader.feed(piece)
        rest(reader)
        seen.append(reader.phase)
    reader.start_next()

    assert [*seen, reader.phase] == ["idle", "head", "body", "body", "final-line", "done", "idle"]


# -- the end of the peer or of our patience --------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "missing"),
    [
        (POST + b"Content-Length: 10\r\n\r\n{}", "missing: 8 of 10 bytes"),
        (CHUNKED + b"5\r\n{}", "missing: the last chunk"),
    ],
)
def test_a_cut_body_is_salvaged_as_incomplete(request_, missing):
    for half_closed in (True, False):
        reader, messages = read(request_)
        if half_closed:
            reader.eof()

        end = reader.next_event() if half_closed else reader.salvage()

        assert messages[-1] == Data(b"{}")
        assert end == End((Anomaly("truncated", missing),), complete=False, keep_alive=False)


def test_a_body_without_length_that_never_begins_is_empty_and_complete():
    for half_closed in (True, False):
        reader, _ = read(POST + b"Content-Type: a/b\r\n\r\n")
        if half_closed:
            reader.eof()

        end = reader.next_event() if half_closed else reader.salvage()

        assert isinstance(end, End)
        assert (end.complete, end.keep_alive, names(end)) == (True, False, ["no-length"])


def test_a_missing_final_line_is_forgiven_when_time_is_up_or_the_peer_is_gone():
    for half_closed in (True, False):
        reader, _ = read(CHUNKED + b"0\r\n")
        if half_closed:
            reader.eof()

        end = reader.next_event() if half_closed else reader.salvage()

        assert isinstance(end, End)
        assert (end.complete, end.keep_alive, names(end)) == (True, False, ["no-final-line"])


def test_half_a_head_is_refused_when_time_is_up():
    reader, _ = read(POST)

    refusal = reader.salvage()

    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.raw, refusal.silent) == (408, POST, False)


def test_half_a_head_is_refused_when_the_peer_is_gone():
    reader, _ = read(POST)
    reader.eof()

    refusal = reader.next_event()

    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


def test_between_requests_there_is_nothing_to_salvage():
    reader, _ = read(GET)
    assert reader.salvage() is None

    reader.start_next()
    reader.eof()

    assert (reader.next_event(), reader.salvage(), reader.phase) == (None, None, "idle")


def test_pipelined_requests_are_read_after_a_half_close():
    reader, _ = read(GET + GET)
    reader.eof()

    reader.start_next()

    assert [type(message) for message in rest(reader)] == [Head, End]


# -- what is held ---------------------------------------------------------------------------


def test_what_could_not_be_read_is_shown_up_to_64_kib():
    refusal = head_of(b"{" * 100_000)

    assert len(refusal.raw) == 65_536


def test_a_waiting_reader_holds_only_what_it_has_not_read():
    reader, _ = read(CHUNKED + b"fff0\r\n" + b"x" * 0xFFF0 + b"\r\n1")

    assert sys.getsizeof(reader._buffer) < 100


def test_a_refused_connection_holds_nothing():
    reader, _ = read(b"{" * 100_000)

    reader.feed(b"x" * 100_000)

    assert reader.buffered == 0


@pytest.mark.parametrize("sent", [POST + b"X: a\n\n", POST.replace(b"\r\n", b"\n") + b"\r\n", POST + b"\n"])
def test_a_head_that_mixes_its_line_ends_is_refused_at_once(sent):
    assert names(head_of(sent))[-1] == "mixed-line-ends"


@pytest.mark.parametrize(
    ("line", "status", "anomaly"),
    [
        (b"POST /" + b"a" * 17_000, 431, "head-too-long"),
        (b"POST /\ra HTTP/1.1\r\n", 400, "bad-request-line"),
        (b"POST /\x01 HTTP/1.1\r\n", 400, "control-in-target"),
        (b"POST / HTTP/1\r\n", 400, "bad-request-line"),
        (b"\nPOST / HTTP/1.1\r\n", 400, "bare-lf"),
    ],
)
def test_a_bad_first_line_is_refused_before_the_head_is_complete(line, status, anomaly):
    refusal = head_of(line, "strict")

    assert (refusal.status, names(refusal)) == (status, [anomaly])


def test_trailers_with_bare_lf_are_forgiven_at_the_price_of_the_connection():
    data = CHUNKED + b"2\r\n{}\r\n0\r\nX: 1\n\r\n"

    _, lenient = read(data)
    _, strict = read(data, "strict")

    assert (lenient[-1].complete, lenient[-1].keep_alive) == (True, False)
    assert strict[-1].status == 400
