from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hikrecv_forward
import msgspec
import pytest
from hikrecv_forward_signature import signature

from hikrecv import Hold, Reject, Retry
from hikrecv.config import parse
from hikrecv.reactions.plugins import find
from hikrecv.testing.contract import PluginContract
from hikrecv.testing.server import Answered
from hikrecv.testing.waiting import result_of

README = (Path(__file__).parents[1] / "README.md").read_text()


class TestContract(PluginContract):
    plugin = hikrecv_forward
    wrong = (
        ({"url": "ftp://hq.example"}, "url"),
        ({"url": "https://me:secret@hq.example"}, "url"),
        ({"method": "GET"}, "method"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"headers": {"X-A": "a\nb"}}, "headers"),
        ({"json": {"who": {"deep": ["{{ oops"]}}}, "json.who.deep[0]"),
        ({"form": {"who": "{% include 'x' %}"}}, "form.who"),
        ({"json": {"a": 1}, "form": {"a": "1"}}, "json and form"),
        ({"bearer": "x", "basic": {"user": "u", "password": "p"}}, "bearer"),
        ({"bearer": "env:NO_SUCH_VARIABLE_HERE"}, "bearer"),
    )

    @pytest.fixture
    def table(self, recording_server: Any) -> dict[str, Any]:
        return {"url": recording_server.url}

    @pytest.fixture
    def seen(self, recording_server: Any) -> Callable[[], list[str]]:
        return lambda: [asked.headers["idempotency-key"] for asked in recording_server.accepted]

    @pytest.fixture
    def trouble(self, recording_server: Any) -> Any:
        return recording_server


class TestContractWithPictures(TestContract):
    wrong = ()

    @pytest.fixture
    def table(self, recording_server: Any) -> dict[str, Any]:
        form = {"who": "{{ match.person }}"}
        return {"url": recording_server.url, "pictures": True, "fetch": True, "form": form}


@pytest.fixture
def forward(bench: Any) -> Callable[..., None]:
    """Hand one event to the plugin, made with these keys of its table."""

    def hand_over(event: Any, **table: Any) -> None:
        context = bench.context(hikrecv_forward, "hq", **{"url": "http://hq.example/in?x=1", **table})
        plugin = hikrecv_forward.Plugin(context)
        result_of(plugin.hikrecv_event(event, context.for_attempt(1)), bench.clock)

    return hand_over


def test_it_is_found_by_its_entry_point() -> None:
    assert find(strict=True).get("forward").subject is hikrecv_forward.Plugin


def test_the_event_goes_as_json_with_its_key(forward: Any, make_event: Any, recording_server: Any) -> None:
    event = make_event("face-match")

    forward(event)

    (asked,) = recording_server.requests
    assert (asked.method, asked.path) == ("POST", "/in?x=1")
    assert asked.json() == event.to_dict()
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["idempotency-key"] == event.key
    assert asked.headers["user-agent"].startswith("hikrecv-forward/")


def test_a_strange_key_is_a_header_still(forward: Any, make_event: Any, recording_server: Any) -> None:
    forward(make_event("plate", key="Straße\r\nX: 1#%"))

    assert recording_server.requests[0].headers["idempotency-key"] == "Stra%C3%9Fe%0D%0AX: 1#%25"


def test_json_of_ones_own_keeps_numbers_and_what_was_not_said(
    forward: Any, make_event: Any, recording_server: Any
) -> None:
    table = {
        "who": "{{ access.person }}",
        "door": "{{ access.door }}",
        "plate": "{{ plate.text }}",
        "text": "door {{ access.door }} of {{ device.id }}",
        "fixed": [1, True, {"deep": "{{ access.outcome }}"}],
    }

    forward(make_event("access", access={"person": 'Ada "x" {{ device.id }}'}), json=table, method="PUT")

    (asked,) = recording_server.requests
    assert asked.method == "PUT"
    assert asked.json() == {
        "who": 'Ada "x" {{ device.id }}',
        "door": 1,
        "plate": None,
        "text": "door 1 of gate",
        "fixed": [1, True, {"deep": "granted"}],
    }


def test_json_of_ones_own_may_hold_everything(forward: Any, make_event: Any, recording_server: Any) -> None:
    event = make_event("access")

    forward(event, json={"event": "{{ event.to_dict() }}", "said": "{{ event.data() }}"})

    assert recording_server.requests[0].json() == {"event": event.to_dict(), "said": event.data()}


def test_what_json_has_no_word_for_is_a_dead_letter(forward: Any, make_event: Any) -> None:
    with pytest.raises(Reject, match="JSON has no word for"):
        forward(make_event("io"), json={"method": "{{ event.to_json }}"})


def test_form_fields_are_encoded(forward: Any, make_event: Any, recording_server: Any) -> None:
    event = make_event("plate", plate={"text": "ÄÖ&=1"})

    forward(event, form={"plate": "{{ plate.text }}", "nobody": "{{ match.person }}"})

    (asked,) = recording_server.requests
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.form() == {"plate": "ÄÖ&=1", "nobody": ""}


def test_pictures_go_along_as_they_came(forward: Any, make_event: Any, recording_server: Any) -> None:
    event = make_event("face-match")

    forward(event, pictures=True)

    parts = recording_server.requests[0].parts()
    assert list(parts) == ["event", "picture-0", "picture-1"]
    assert json.loads(parts["event"].content) == event.to_dict()
    assert [parts[f"picture-{p.n}"].content for p in event.pictures] == [p.content() for p in event.pictures]
    assert [p.filename for p in parts.values()] == [None, "background-0.jpg", "face-1.jpg"]
    assert parts["picture-1"].content_type == "image/jpeg"


def test_form_fields_go_beside_pictures(forward: Any, make_event: Any, recording_server: Any) -> None:
    forward(make_event("plate"), pictures=True, form={'a "b"': "{{ plate.text }}"})

    parts = recording_server.requests[0].parts()
    assert list(parts) == ['a "b"', "picture-0", "picture-1"]
    assert parts['a "b"'].content == b"BAB1234"


def test_names_of_the_device_are_not_used(forward: Any, make_event: Any, recording_server: Any) -> None:
    event = make_event("plate")
    odd = msgspec.structs.replace(event.pictures[0], role='../"x\r\n', content_type="text/html\r\nX: 1")
    odd.__dict__["_view"] = memoryview(b"picture")

    forward(event.replace(pictures=(odd,)), pictures=True)

    part = recording_server.requests[0].parts()["picture-0"]
    assert (part.filename, part.content_type, part.content) == (
        "x-0.bin",
        "application/octet-stream",
        b"picture",
    )


def test_linked_pictures_are_fetched_from_the_configured_device_only(
    forward: Any, make_event: Any, recording_server: Any, digest_device: Any
) -> None:
    event = make_event.odd()["pictures by link only"]

    forward(event, pictures=True, fetch=True)
    forward(event, pictures=True)

    fetched, left = (asked.parts() for asked in recording_server.requests)
    assert list(fetched) == ["event", "picture-0"]
    assert fetched["picture-0"].content.startswith(b"\xff\xd8")
    assert list(left) == ["event"]
    assert [asked.path for asked in digest_device.requests] == ["/ISAPI/Streaming/channels/101/picture"]


def test_an_event_waits_for_a_device_that_is_away(forward: Any, make_event: Any, digest_device: Any) -> None:
    digest_device.drop()

    with pytest.raises(Retry):
        forward(make_event.odd()["pictures by link only"], pictures=True, fetch=True)


@pytest.mark.parametrize(
    ("table", "sent"),
    [
        ({"bearer": "abc"}, "Bearer abc"),
        ({"basic": {"user": "ü", "password": "p"}}, "Basic " + b64encode("ü:p".encode()).decode()),
        ({"headers": {"authorization": "Key abc"}}, "Key abc"),
    ],
)
def test_logins_are_sent(
    forward: Any, make_event: Any, recording_server: Any, table: dict[str, Any], sent: str
) -> None:
    forward(make_event("io"), **table)

    assert recording_server.requests[0].headers["authorization"] == sent


def test_secrets_come_from_files_and_are_in_no_message(
    bench: Any, recording_server: Any, make_event: Any, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("very-secret\n")
    recording_server.fail(status=403, body=b"no")
    context = bench.context(
        hikrecv_forward, url="http://hq.example/hook/very-secret", bearer=f"file:{tmp_path / 'token'}"
    )

    with pytest.raises(Hold) as caught:
        result_of(hikrecv_forward.Plugin(context).hikrecv_event(make_event("io"), context))

    assert recording_server.requests[0].headers["authorization"] == "Bearer very-secret"
    assert "very-secret" not in str(caught.value) + repr(context.settings)


def test_a_signature_is_what_the_readme_says(forward: Any, make_event: Any, recording_server: Any) -> None:
    forward(make_event("plate"), pictures=True, signature="key ü")
    (asked,) = recording_server.requests
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", README, re.S)[0], names)

    header = asked.headers["x-hikrecv-signature"]
    assert names["is_genuine"](header, asked.body, "key ü")
    assert not names["is_genuine"](header, asked.body + b" ", "key ü")
    assert not names["is_genuine"](header, asked.body, "another")
    assert not names["is_genuine"](signature("key ü", asked.body, 1_000_000), asked.body, "key ü")


def test_a_known_signature() -> None:
    assert signature("secret", b"{}", 1_767_225_600) == (
        "t=1767225600,v1=fa7eaa06bf97d7815f3f456e97cde70c9e50cb005f01660c8d10b10c21964887"
    )


@pytest.mark.parametrize(
    ("status", "end"), [(301, Reject), (308, Reject), (302, Retry), (303, Retry), (307, Retry), (304, Retry)]
)
def test_a_redirect_is_not_followed(
    forward: Any, make_event: Any, recording_server: Any, status: int, end: type[Exception]
) -> None:
    recording_server.fail(status=status, headers={"Location": "/elsewhere"})

    with pytest.raises(end, match=f"hq.example answered {status}"):
        forward(make_event("io"))

    assert len(recording_server.requests) == 1


def test_a_redirect_on_the_same_server_is_followed_when_asked(
    forward: Any, make_event: Any, recording_server: Any
) -> None:
    recording_server.fail(status=308, headers={"Location": "/new"})
    recording_server.fail(status=307, headers={"Location": "newer?y=2"})

    forward(make_event("io"), redirects=True, bearer="abc")

    assert [asked.path for asked in recording_server.requests] == ["/in?x=1", "/new", "/newer?y=2"]
    assert recording_server.accepted[0].json()["family"] == "io"


@pytest.mark.parametrize("where", ["http://a.example/", "https://hq.example/in", "http://hq.example:81/", ""])
def test_no_redirect_leads_to_another_server(
    forward: Any, make_event: Any, recording_server: Any, where: str
) -> None:
    recording_server.fail(status=307, headers={"Location": where} if where else {})

    with pytest.raises(Retry, match="redirects"):
        forward(make_event("io"), redirects=True)

    assert len(recording_server.requests) == 1


def test_a_circle_of_redirects_ends(forward: Any, make_event: Any, recording_server: Any) -> None:
    recording_server.fail(times=50, status=307, headers={"Location": "/in"})

    with pytest.raises(Retry, match="again and again"):
        forward(make_event("io"), redirects=True)

    assert len(recording_server.requests) == hikrecv_forward.HOPS


def test_a_dry_run_sends_nothing(bench: Any, make_event: Any, recording_server: Any) -> None:
    context = bench.context(hikrecv_forward, url="http://hq.example", digest={"user": "u", "password": "p"})
    plugin = hikrecv_forward.Plugin(context)

    result_of(plugin.hikrecv_event(make_event("face-match"), context.for_attempt(1, dry_run=True)))

    assert recording_server.requests == []


def test_a_server_that_is_down_for_an_hour_gets_every_punch(receiver: Any, recording_server: Any) -> None:
    receiver.start({"hr": {"plugin": "forward", "url": "http://hr.example/in", "families": ["access"]}})
    recording_server.fail(times=10_000, status=503)
    pushed = []
    for _ in range(20):
        pushed.append(receiver.push("access")[0].key)
        receiver.push("motion")
        receiver.advance(180)
    assert recording_server.accepted == []

    recording_server.recover()
    receiver.restart()
    receiver.catch_up()

    assert [asked.headers["idempotency-key"] for asked in recording_server.accepted] == pushed
    assert receiver.dead_letters() == []


def test_the_examples_of_the_readme_are_right(bench: Any, tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", README, re.S)
    for name in ("hq-token", "hr-key", "parking"):
        (tmp_path / name).write_text("secret")

    for example in examples:
        text = example.replace("/etc/hikrecv", str(tmp_path))
        reactions, errors = bench.build(parse(text).reactions)
        assert errors == []
        assert all(reaction.plugin.name == "forward" for reaction in reactions.values())
    assert len(examples) == 4


def test_the_readme_names_every_key() -> None:
    keys = {field.name for field in msgspec.structs.fields(hikrecv_forward.Settings)}

    assert set(re.findall(r"^\| `(\w+)` \|", README, re.M)) == keys


# -- what a good answer is --------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "body", "good"),
    [
        ('body.result == "ok"', b'{"result": "ok"}', True),
        ('body.result == "ok"', b'{"result": "error", "why": "no such employee"}', False),
        ('body.result == "ok"', b"<html>maintenance</html>", False),
        ('body.result == "ok"', b"", False),
        ("body.data.accepted >= 1 and not body.errors", b'{"data": {"accepted": 1}, "errors": []}', True),
        ("not body.errors", b'{"errors": ["x"]}', False),
        ('like(body, "*OK*")', b"status: OK", True),
        ("status == 204", b"", False),
        ("status in [200, 202]", b"", True),
    ],
)
def test_expect_says_what_a_good_answer_is(
    forward: Any, make_event: Any, recording_server: Any, expect: str, body: bytes, good: bool
) -> None:
    recording_server.reply = Answered(200, body)

    if good:
        forward(make_event("io"), expect=expect)
    else:
        with pytest.raises(Retry, match="but not as expected") as caught:
            forward(make_event("io"), expect=expect)
        assert not caught.value.certain


def test_an_answer_that_is_never_as_expected_is_a_dead_letter_and_keeps_nobody_waiting(
    receiver: Any, recording_server: Any
) -> None:
    recording_server.reply = Answered(200, b'{"result": "no such employee"}')
    receiver.plugins["plugin"] = hikrecv_forward
    table = {"url": recording_server.url, "expect": 'body.result == "ok"', "families": ["io"]}
    receiver.start({"hr": {"plugin": "plugin", **table}})
    receiver.push("io")
    receiver.catch_up()
    (letter,) = receiver.dead_letters("hr")
    assert letter.attempts == 5
    assert "no such employee" in letter.reason

    recording_server.reply = Answered(200, b'{"result": "ok"}')
    receiver.push("io")
    receiver.catch_up()
    assert len(receiver.dead_letters("hr")) == 1


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ("result == 'ok'", "an answer has no 'result'"),
        ("body.a = 1", "write =="),
        ('status == "ok"', "status"),
    ],
)
def test_a_wrong_expectation_is_found_before_the_start(bench: Any, expect: str, says: str) -> None:
    (error,) = bench.errors(hikrecv_forward, "hr", url="http://hr.example", expect=expect)

    assert "expect" in str(error)
    assert says in str(error)
