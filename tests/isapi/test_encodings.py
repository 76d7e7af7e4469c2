from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hikrecv.isapi.encodings import Origins, is_utf16, label, to_utf8


def read(data: bytes, declared: str | None = None) -> tuple[str, str | None]:
    text = to_utf8(data, declared)
    return text.data.decode(), text.anomaly


@pytest.mark.parametrize(
    ("data", "declared", "text", "anomaly"),
    [
        (b"plain", None, "plain", None),
        (b"plain", "utf-16", "plain", None),
        ("Eingang Süd 入口".encode(), None, "Eingang Süd 入口", None),
        ("Eingang Süd".encode(), "utf-8", "Eingang Süd", None),
        ("入口".encode("gbk"), "GB2312", "入口", None),
        ("入口".encode("gbk"), "utf-8", "入口", "encoding-gb18030"),
        ("入口 1 号".encode("gbk"), None, "入口 1 号", "encoding-gb18030"),
        ("朱镕基".encode("gbk"), None, "朱镕基", "encoding-gb18030"),
        ("誠信".encode("gbk"), None, "誠信", "encoding-gb18030"),
        ("𠀀入口".encode("gb18030"), None, "𠀀入口", "encoding-gb18030"),
        ("Süd".encode("latin-1"), "ISO-8859-1", "Süd", None),
        ("Süd".encode("latin-1"), "utf-8", "Süd", "encoding-latin-1"),
        ("Entrée".encode("latin-1"), None, "Entrée", "encoding-latin-1"),
        ("créé à Orléans".encode("latin-1"), None, "créé à Orléans", "encoding-latin-1"),
        (b"Camera \xa7 01", None, "Camera § 01", "encoding-latin-1"),
        ("入口".encode(), "gbk", "入口", "encoding-utf-8"),
        ("Вход".encode("cp1251"), "windows-1251", "Вход", None),
        ("入口大门".encode() + b"\xff", None, "入口大门\ufffd", "bad-bytes"),
        (b"<a>" + "入口".encode() + b"\xe5\x85</a>", None, "<a>入口\ufffd\ufffd</a>", "bad-bytes"),
        ("入口大门".encode("gbk") + b"\xff<", None, "入口大门\ufffd<", "bad-bytes"),
        ("<a>入</a>".encode("utf-16-le"), None, "<a>入</a>", "encoding-utf-16"),
        ("<a>入</a>".encode("utf-16-be"), None, "<a>入</a>", "encoding-utf-16"),
        ("<a>入</a>".encode("utf-16"), None, "\ufeff<a>入</a>", "encoding-utf-16"),
        ("Süd".encode("latin-1"), "unicode_escape", "Süd", "encoding-latin-1"),
    ],
)
def test_text_is_read_in_the_encoding_that_fits(
    data: bytes, declared: str | None, text: str, anomaly: str | None
) -> None:
    assert read(data, declared) == (text, anomaly)


@pytest.mark.parametrize("value", [b"face.jpg", b"\xc8\xcb\xc1\xb3", "脸".encode(), b"\xff", b""])
def test_a_label_is_always_text(value: bytes) -> None:
    assert isinstance(label(value), str)


@pytest.mark.parametrize(
    "data", [b"", b"<", b"\0\0\0<", b"\0<a>", b"\xff\xfe{}", b"{}\0", b"a\0", b"<a>\0\0"]
)
def test_a_nul_alone_does_not_make_utf16(data: bytes) -> None:
    assert not is_utf16(data)


def starts_of_characters(data: bytes) -> list[int]:
    return [place for place in range(len(data)) if data[place] & 0xC0 != 0x80] + [len(data)]


@given(st.binary(max_size=60), st.sampled_from([None, "gbk", "utf-8", "iso-8859-1", "utf-16", "rot13"]))
def test_any_bytes_become_text_whose_places_are_known(data: bytes, declared: str | None) -> None:
    text = to_utf8(data, declared)

    origins = Origins(text)
    places = [origins.of(offset) for offset in starts_of_characters(text.data)]

    assert places == [Origins(text).of(offset) for offset in starts_of_characters(text.data)]
    assert places == sorted(places)
    assert places[0] == 0
    assert len(data) - 1 <= places[-1] <= len(data)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])))
def test_utf8_is_never_touched(text: str) -> None:
    data = text.encode()

    assert is_utf16(data) or to_utf8(data) == (data, None, "", None)
