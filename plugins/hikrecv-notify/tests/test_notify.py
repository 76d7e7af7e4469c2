from __future__ import annotations

import base64
import io
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hikrecv_notify
import msgspec
import pytest
from hikrecv_notify_text import one_line, plain, unmarked
from twisted.logger import formatEvent, globalLogPublisher

from hikrecv import Picture, Retry
from hikrecv.config import Secret, parse
from hikrecv.reactions.plugins import find
from hikrecv.testing.contract import NAME, PluginContract
from hikrecv.testing.events import WHO, without_content

# A library that apprise imports is still written for older Pythons.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
README = Path(__file__).parents[1] / "README.md"


class TestContract(PluginContract):
    plugin = hikrecv_notify
    wrong = (
        ({"urls": []}, "urls"),
        ({"urls": ["json://127.0.0.1", "nothing"]}, "urls[1]"),
        ({"urls": ["tgram://wrong"]}, "urls[0]"),
        ({"title": "{{ oops"}, "title"),
        ({"body": "{% include 'x' %}"}, "body"),
        ({"format": "rtf"}, "format"),
        ({"pictures": "some"}, "pictures"),
        ({"size": "much"}, "size"),
    )

    @pytest.fixture
    def table(self, desk: Any) -> dict[str, Any]:
        return {"urls": [desk.url], "body": "{{ key }}", "pictures": "none"}

    @pytest.fixture
    def seen(self, desk: Any) -> Callable[[], list[str]]:
        return lambda: [said["message"] for said in desk.done]

    @pytest.fixture
    def trouble(self, desk: Any) -> Any:
        return desk


@pytest.fixture
def notify(make_context: Any, desk: Any) -> Any:
    """A plugin with these keys in its table, and the context for its hook."""

    def made(**table: Any) -> tuple[Any, Any]:
        context = make_context(hikrecv_notify, "phone", **{"urls": [desk.url]} | table)
        return hikrecv_notify.Plugin(context), context.for_attempt(1)

    return made


def files_of(said: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(each["base64"]) for each in said["attachments"]]


def test_it_is_found_by_its_entry_point() -> None:
    assert find(strict=True).get("notify").subject is hikrecv_notify.Plugin


def test_a_face_comes_with_its_picture(notify: Any, desk: Any, make_event: Any, bench: Any) -> None:
    plugin, context = notify()
    event = make_event("face-match")

    plugin.hikrecv_events((event,), context)

    (said,) = desk.done
    assert said["title"] == "gate"
    assert event.match.person in said["message"]
    assert said["type"] == "info"
    assert files_of(said) == [next(each for each in event.pictures if each.role == "face").content()]
    assert not list(bench.folder.rglob("pictures-*"))


def test_which_pictures_are_sent(notify: Any, desk: Any, make_event: Any) -> None:
    event = make_event("face-match")
    pictures = {picture.role: picture.content() for picture in event.pictures}

    for table in (
        {"pictures": "all", "roles": ["background", "face"]},
        {"roles": ["vehicle", "background"]},
        {"pictures": "none"},
        {"size": 10},
    ):
        plugin, context = notify(**table)
        plugin.hikrecv_events((event,), context)
    plugin, context = notify()
    plugin.hikrecv_events((without_content(event),), context)

    assert [files_of(said) for said in desk.done] == [
        [pictures["background"], pictures["face"]],
        [pictures["background"]],
        [],
        [],
        [],
    ]


def test_a_link_is_followed_when_asked(notify: Any, desk: Any, make_event: Any) -> None:
    link = Picture(n=0, role="face", url=f"http://{WHO.ip}/ISAPI/Streaming/channels/101/picture")
    lost = Picture(n=0, role="face", url="http://elsewhere.example/picture.jpg")
    event = make_event("face-match")

    for fetch, picture in (True, link), (False, link), (True, lost):
        plugin, context = notify(fetch=fetch)
        plugin.hikrecv_events((event.replace(pictures=(picture,)),), context)

    assert [len(said["attachments"]) for said in desk.done] == [1, 0, 0]


def test_many_events_are_one_message(notify: Any, desk: Any, make_event: Any) -> None:
    events = [make_event("plate", plate={"text": text}) for text in ("AA1", "BB2")]
    each, context = notify(body="{{ plate.text }}")
    whole, _ = notify(body="{{ count }}: {% for e in events %}{{ e.plate.text }} {% endfor %}")

    each.hikrecv_events(events, context)
    whole.hikrecv_events(events, context)

    assert [said["message"] for said in desk.done] == ["AA1\n\nBB2", "2: AA1 BB2"]
    assert desk.done[0]["title"].endswith(" (2)")
    assert len(desk.done[0]["attachments"]) == 2


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_what_a_device_says_calls_nobody(notify: Any, desk: Any, make_event: Any, format: str) -> None:
    said = "@everyone <!channel> <@U1>\x1b[31m"
    plugin, context = notify(body="@here {{ match.person }}", format=format)

    plugin.hikrecv_events((make_event("face-match", match={"person": said}),), context)

    message = desk.done[0]["message"]
    assert message.startswith("@here ")
    assert "@everyone" not in message
    assert "<!" not in message
    assert "<@" not in message
    assert "\x1b" not in message


def test_marks_of_markdown_are_text() -> None:
    assert unmarked("*a*_b_[c](d)") == r"\*a\*\_b\_\[c\](d)"
    assert plain("*a* mail@example.org 2026-03-02") == "*a* mail@example.org 2026-03-02"
    assert one_line(" a\nb ") == "a b"


def test_html_is_escaped(notify: Any, desk: Any, make_event: Any) -> None:
    plugin, context = notify(
        body="<b>{{ match.person }}</b>", format="html", urls=[f"{desk.url}?format=html"]
    )

    plugin.hikrecv_events((make_event("face-match", match={"person": "<i>x</i>"}),), context)

    assert desk.done[0]["message"] == "<b>&lt;i&gt;x&lt;/i&gt;</b>"


def test_the_next_attempt_is_for_the_service_that_failed(notify: Any, desk: Any, make_event: Any) -> None:
    plugin, context = notify(urls=[f"{desk.url}/one", f"{desk.url}/two"])
    event = make_event("plate")
    desk.fail()

    with pytest.raises(Retry, match=r"urls\[0\] \(JSON\): .*500") as caught:
        plugin.hikrecv_events((event,), context)
    plugin.hikrecv_events((event,), context.for_attempt(2))

    assert [said["path"][-3:] for said in desk.done] == ["two", "one"]
    assert caught.value.certain is False


def test_a_picture_that_a_service_does_not_take_does_not_repeat_the_text_for_ever(
    notify: Any, desk: Any, make_event: Any
) -> None:
    plugin, context = notify()
    event = make_event("face-match")
    desk.fail(3)

    for attempt in 1, 2, 3:
        with pytest.raises(Retry):
            plugin.hikrecv_events((event,), context.for_attempt(attempt))
    plugin.hikrecv_events((event,), context.for_attempt(4))

    assert [len(said["attachments"]) for said in desk.asked] == [1, 1, 1, 0]


def test_a_service_that_apprise_slows_down_is_named_at_the_start(notify: Any, desk: Any) -> None:
    lines: list[str] = []

    def observe(event: Any) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    try:
        for url in (desk.url, "ntfy://127.0.0.1/yard"):
            plugin, context = notify(urls=[url])
            plugin.hikrecv_start(context)
    finally:
        globalLogPublisher.removeObserver(observe)

    assert [line for line in lines if "batch" in line] == [
        "ntfy is sent one message in 5.5 s; with `batch` many events are one message"
    ]


def test_an_event_that_is_replayed_is_sent_again(notify: Any, desk: Any, make_event: Any) -> None:
    plugin, context = notify()
    event = make_event("plate")

    for replay in False, False, True:
        plugin.hikrecv_events((event,), context.for_attempt(1, replay=replay))

    assert len(desk.done) == 2


def test_a_dry_run_sends_nothing(notify: Any, desk: Any, make_event: Any) -> None:
    plugin, context = notify()

    plugin.hikrecv_events((make_event("plate"),), context.for_attempt(1, dry_run=True))

    assert desk.asked == []


def test_pictures_that_a_crash_left_are_removed(notify: Any) -> None:
    plugin, context = notify()
    left = context.state_dir / "pictures-abc"
    left.mkdir()
    (left / "1.jpg").write_bytes(b"x")

    plugin.hikrecv_start(context)

    assert list(context.state_dir.iterdir()) == []


# -- secrets --------------------------------------------------------------------


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a process that logs everything would log."""
    root, text = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(text), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


def test_an_url_is_shown_nowhere(
    notify: Any, desk: Any, make_event: Any, logged: io.StringIO, capfd: Any
) -> None:
    plugin, context = notify(urls=[desk.url.replace("json://", "json://user:p4ssw0rd@")])
    desk.close()

    with pytest.raises(Retry, match="JSON") as caught:
        plugin.hikrecv_events((make_event("plate"),), context)

    shown = f"{caught.value} {logged.getvalue()} {capfd.readouterr()} {context.settings!r}"
    assert isinstance(context.settings.urls[0], Secret)
    assert "s3cret-t0ken" not in shown
    assert "p4ssw0rd" not in shown


@pytest.mark.parametrize(
    "url", ["slack://wr0ng", "tgram://t0ken-wr0ng", "xoxb-t0ken-wr0ng", "https://t0ken-wr0ng"]
)
def test_a_wrong_url_is_named_by_its_key_and_not_shown(bench: Any, url: str) -> None:
    (error,) = bench.errors(hikrecv_notify, NAME, urls=["json://127.0.0.1", url])

    assert str(error).startswith("reactions.contract: urls[1]: apprise does not take")
    assert "wr0ng" not in str(error)


# -- documents ------------------------------------------------------------------


def test_the_examples_of_the_readme_are_right(bench: Any, tmp_path: Path) -> None:
    (tmp_path / "telegram").write_text("tgram://123456789:AAFabcdefghijklmnopqrstuvwxyzABCDE12/12315544\n")
    for example in re.findall(r"```toml\n(.*?)```", README.read_text(), re.S):
        here = example.replace("/etc/hikrecv/telegram", str(tmp_path / "telegram"))
        reactions, errors = bench.build(parse(here).reactions)
        assert errors == []
        assert all(reaction.plugin.name == "notify" for reaction in reactions.values())


def test_the_readme_names_every_key() -> None:
    keys = {field.name for field in msgspec.structs.fields(hikrecv_notify.Settings)}

    assert set(re.findall(r"^\| `(\w+)` \|", README.read_text(), re.M)) == keys
