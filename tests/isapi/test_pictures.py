from __future__ import annotations

from collections.abc import Callable

import pytest

from hikrecv.isapi.event import Event
from hikrecv.isapi.pictures import Gallery, label, role_of, safe_link

EventsOf = Callable[..., tuple[Event, ...]]


@pytest.mark.parametrize(
    ("link", "safe"),
    [
        ("http://admin:pw@10.0.0.2:80/p/?name=ch1&size=8", "http://10.0.0.2:80/p/?name=ch1&size=8"),
        ("http://10.0.0.2/p?token=abc&name=ch1", "http://10.0.0.2/p?name=ch1"),
        ("http://10.0.0.2/p?name=ch1&%74oken=abc", "http://10.0.0.2/p?name=ch1"),
        ("http://10.0.0.2/p?name=mysignature&sessionID=9;pwd=1#top", "http://10.0.0.2/p?name=mysignature"),
        ("https://h/LOCALS/pic/a.jpeg@WEB000000000011", "https://h/LOCALS/pic/a.jpeg@WEB000000000011"),
        ("/LOCALS/pic/a.jpeg", "/LOCALS/pic/a.jpeg"),
    ],
)
def test_a_link_is_kept_without_what_lets_somebody_in(link: str, safe: str) -> None:
    assert safe_link(link) == safe


@pytest.mark.parametrize(
    "link",
    ["", "javascript:alert(1)", "http://[::1", "file:///etc/passwd", "http://h/\x1b[0m", "//h/p", "h" * 5000],
)
def test_what_is_no_link_is_none(link: str) -> None:
    assert safe_link(link) is None


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("backgroundImage.JPG", "backgroundimage"),
        ("<faceImage>", "faceimage"),
        ("facelImage", "faceimage"),
        ("../../etc/Picture.jpg", "picture"),
        (r"C:\pics\plate.jpeg", "plate"),
    ],
)
def test_names_are_compared_by_what_they_mean(name: str, plain: str) -> None:
    assert label(name) == plain


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("faceBackgroundImage", "background"),
        ("faceLibImage.jpg", "face-library"),
        ("licensePlatePicture.jpg", "plate"),
        ("intrusionVehicle", "vehicle"),
        ("0123", None),
    ],
)
def test_a_name_says_the_role_when_it_can(name: str, role: str | None) -> None:
    assert role_of(name) == role


def test_a_unique_id_beats_a_name_that_two_pictures_share() -> None:
    gallery = Gallery()
    gallery.add(("faceImage", "a.jpg", "id-a"), "image/jpeg", memoryview(b"a"))
    gallery.add(("faceImage", "b.jpg", "id-b"), "image/jpeg", memoryview(b"b"))

    assert gallery.refer(0, "id-b", ("faceImage",), "face") == (1,)
    assert gallery.refer(0, "id-a", ("faceImage",), "face") == (0,)


def test_by_name_alone_each_referrer_gets_its_own_picture_in_order() -> None:
    gallery = Gallery()
    gallery.add(("faceImage", None, None), "image/jpeg", memoryview(b"a"))
    gallery.add(("faceImage", None, None), "image/jpeg", memoryview(b"b"))

    assert gallery.refer(0, "nowhere", ("faceImage",), "face") == (0,)
    assert gallery.refer(1, "nowhere either", ("faceImage",), "face") == (1,)


def test_an_event_never_gets_the_face_of_another() -> None:
    gallery = Gallery()
    gallery.add(("faceImage", None, None), "image/jpeg", memoryview(b"a"))

    assert gallery.refer(0, None, ("faceImage",), "face") == (0,)
    assert gallery.refer(1, None, ("faceImage",), "face") == ()


def test_two_documents_in_one_push_each_get_their_pictures(
    sample: Callable[[str], bytes], jpeg: Callable[[str], bytes], part: Callable[..., bytes], pushed: EventsOf
) -> None:
    other = (
        sample("face-match.json").replace(b"faceAAAAAAAA", b"faceCCCCCCCC").replace(b"Ada Marsh", b"Di Quill")
    )

    ada, di = pushed(
        part(sample("face-match.json"), "application/json", name="alarmResult"),
        part(other, "application/json", name="alarmResult"),
        part(jpeg("di"), name="faceImage", content_id="2026050407080900200faceCCCCCCCC"),
        part(jpeg("ada"), name="faceImage", content_id="2026050407080900200faceAAAAAAAA"),
    )

    assert [(each.n, each.content()) for each in ada.pictures] == [(1, jpeg("ada"))]
    assert [(each.n, each.content()) for each in di.pictures] == [(0, jpeg("di"))]
    assert di.match is not None
    assert di.match.person == "Di Quill"


def test_the_same_name_for_document_and_picture_is_no_trouble(
    sample: Callable[[str], bytes], jpeg: Callable[[str], bytes], part: Callable[..., bytes], pushed: EventsOf
) -> None:
    (event,) = pushed(
        part(sample("face-capture.json"), "application/json", name="faceCapture"),
        part(jpeg("x"), name="faceCapture", filename="face.jpg"),
    )

    assert [(picture.role, picture.name) for picture in event.pictures] == [("face", "faceCapture")]


def test_what_nobody_refers_to_goes_to_the_event_that_announces_pictures(
    sample: Callable[[str], bytes], jpeg: Callable[[str], bytes], part: Callable[..., bytes], pushed: EventsOf
) -> None:
    motion, intrusion = pushed(
        part(sample("motion.xml"), "application/xml"),
        part(sample("intrusion.xml"), "application/xml"),
        part(jpeg("x"), name="lineImage", filename="lineImage"),
    )

    assert motion.pictures == ()
    assert [picture.role for picture in intrusion.pictures] == ["background"]


def test_a_picture_glued_behind_an_alert_is_a_picture(
    sample: Callable[[str], bytes], event_of: Callable[..., Event]
) -> None:
    picture = b"\xff\xd8\xff\xe0" + bytes(range(256)) + b"\xff\xd9"

    event = event_of(sample("line-crossed.xml") + picture, content_type=b"application/xml")

    assert [each.content() for each in event.pictures] == [picture]
    assert event.type == "linedetection"


def test_a_picture_alone_is_an_event(jpeg: Callable[[str], bytes], event_of: Callable[..., Event]) -> None:
    event = event_of(jpeg("alone"), content_type=b"image/jpeg")

    assert event.family == "unknown"
    assert event.anomalies == ("no-document",)
    assert [picture.content() for picture in event.pictures] == [jpeg("alone")]


def test_a_link_has_its_login_and_no_password(event_of: Callable[..., Event]) -> None:
    event = event_of("picture-by-link.xml")

    (picture,) = event.pictures
    assert picture.url == "http://10.20.0.2:80/picture/Streaming/tracks/103/?name=ch00001_0001&size=81676"
    assert picture.url_login == "digest"
    assert picture.content() is None
    assert b"hunter2" not in event.to_json()
    assert b"abcdef" not in event.to_json()


def test_an_unusable_link_is_said(event_of: Callable[..., Event]) -> None:
    event = event_of(b'{"eventType":"VMD","bkgUrl":"file:///etc/passwd"}')

    assert event.pictures == ()
    assert event.anomalies == ("unusable-link",)
