from __future__ import annotations

import re
import threading
from datetime import datetime, timezone
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import hikrecv_email
import msgspec
import pytest
import pytest_twisted
from hikrecv_email.letter import Writer, one_line
from hikrecv_email.settings import Settings, address
from twisted.internet.threads import deferToThread

from hikrecv import Hold, Picture, Reject, Retry
from hikrecv.config import Secret, parse
from hikrecv.reactions.hooks import kind_of
from hikrecv.reactions.plugins import find
from hikrecv.testing.events import WHO, without_content

README = Path(__file__).parents[1] / "README.md"
# The test's server warns of what some tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
USER, PASSWORD = "gate", "Mail-1234 ö"
TO = "Guard <guard@example.org>"
DOTS = "{% for many in range(20) %}" + "".join(f".\n.{n}\n" for n in range(900)) + "{% endfor %}"


@pytest.fixture
def mail(loopback: Any) -> Any:
    """A plugin with these keys in its table, and the context for its hook."""

    def made(**table: Any) -> tuple[Any, Any]:
        table = {"host": "127.0.0.1", "security": "none", "sender": "gate@example.org", "to": TO} | table
        context = loopback.context(hikrecv_email, "mail", **table)
        plugin = hikrecv_email.Plugin(context)
        # As the receiver does it: what composes a mail is in a thread.
        plugin.hikrecv_events = partial(deferToThread, plugin.hikrecv_events)
        return plugin, context.for_attempt(1)

    return made


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return part.get_content()


def pictures_of(message: EmailMessage) -> dict[str, EmailMessage]:
    """The pictures within the HTML, by their Content-ID."""
    return {part["Content-ID"].strip("<>"): part for part in message.walk() if part["Content-ID"]}


def test_it_is_found_by_its_entry_point() -> None:
    assert find(strict=True).get("email").subject is hikrecv_email.Plugin


# -- what is in a mail --------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_mail_shows_the_pictures_in_its_html(
    mail: Any, post: Any, mailbox: Any, make_event: Any
) -> None:
    plugin, context = mail(port=post().port)
    event = make_event("face-match")

    await plugin.hikrecv_events((event,), context)

    message, envelope = mailbox.mails[0], mailbox.envelopes[0]
    shown = pictures_of(message)
    assert (envelope.mail_from, envelope.rcpt_tos) == ("gate@example.org", ["guard@example.org"])
    assert message["To"] == TO
    assert event.match.person in message["Subject"]
    assert event.match.person in text_of(message)
    assert set(re.findall(r'src="cid:([^"]+)"', text_of(message, "html"))) == set(shown)
    assert [part.get_content() for part in shown.values()] == [each.content() for each in event.pictures]
    assert {part.get_content_type() for part in shown.values()} == {"image/jpeg"}
    assert message.get_content_type() == "multipart/alternative"
    assert message["Auto-Submitted"] == "auto-generated"


@pytest_twisted.ensureDeferred
async def test_pictures_are_attached_by_role(mail: Any, post: Any, mailbox: Any, make_event: Any) -> None:
    plugin, context = mail(port=post().port, pictures="attached", roles=["face"], html="")
    event = make_event("face-match")

    await plugin.hikrecv_events((event,), context)

    message = mailbox.mails[0]
    faces = [picture for picture in event.pictures if picture.role == "face"]
    files = list(message.iter_attachments())
    assert message.get_content_type() == "multipart/mixed"
    assert message.get_body(("html",)) is None
    assert [part.get_content() for part in files] == [face.content() for face in faces] != []
    assert [part.get_filename() for part in files] == [f"{event.seq}-{face.n}-face.jpg" for face in faces]


@pytest_twisted.ensureDeferred
async def test_pictures_can_be_both_and_none(mail: Any, post: Any, mailbox: Any, make_event: Any) -> None:
    port, event = post().port, make_event("face-match")
    for pictures in "both", "none":
        plugin, context = mail(port=port, pictures=pictures)
        await plugin.hikrecv_events((event,), context)

    both, none = mailbox.mails
    files = [part for part in both.walk() if part.get_content_disposition() == "attachment"]
    assert len(pictures_of(both)) == len(files) == len(event.pictures)
    assert [part.get_content_type() for part in none.walk() if not part.is_multipart()] == [
        "text/plain",
        "text/html",
    ]


@pytest_twisted.ensureDeferred
async def test_what_is_too_large_or_did_not_come_is_left_out(
    mail: Any, post: Any, mailbox: Any, make_event: Any
) -> None:
    event = make_event("face-match")
    sizes = sorted(len(picture.content()) for picture in event.pictures)
    plugin, context = mail(port=post().port, size=sizes[0])

    await plugin.hikrecv_events((event,), context)
    await plugin.hikrecv_events((without_content(make_event("plate")),), context)

    large, bare = mailbox.mails
    assert [len(part.get_content()) for part in pictures_of(large).values()] == sizes[:1]
    for kind in "plain", "html":
        assert f"{len(sizes) - 1} pictures are left out" in text_of(large, kind)
    assert pictures_of(bare) == {}
    assert "left out" not in text_of(bare)


@pytest_twisted.ensureDeferred
async def test_a_link_is_followed_when_asked(mail: Any, post: Any, mailbox: Any, make_event: Any) -> None:
    link = Picture(n=0, role="face", url=f"http://{WHO.ip}/ISAPI/Streaming/channels/101/picture")
    lost = Picture(n=0, role="face", url="http://elsewhere.example/picture.jpg")
    event, port = make_event("face-match"), post().port

    for fetch, picture in (True, link), (False, link), (True, lost):
        plugin, context = mail(port=port, fetch=fetch)
        await plugin.hikrecv_events((event.replace(pictures=(picture,)),), context)

    assert [len(pictures_of(message)) for message in mailbox.mails] == [1, 0, 0]


def letter(event: Any, *events: Any, **table: Any) -> Any:
    settings = Settings(**{"host": "mail", "sender": "gate@example.org", "to": TO} | table)
    writer = Writer("mail", settings)
    return writer.write((event, *events), {}, [TO], datetime(2026, 3, 2, tzinfo=timezone.utc))


def test_what_a_device_says_adds_no_header_and_no_markup(make_event: Any) -> None:
    evil = "x\r\nBcc: all@example.org\r\n\r\n<script>alert(1)</script>\u202egnp\x07\u0000"
    event = make_event("face-match", match={"person": evil}, device={"name": evil})

    written = letter(event, subject="{{ match.person }}", text="{{ device.name }}", html="{{ device.name }}")

    head, _, body = written.content.partition(b"\n\n")
    assert re.findall(rb"(?mi)^bcc", head) == []
    assert written.subject == "x Bcc: all@example.org <script>alert(1)</script> gnp"
    assert b"&lt;script&gt;" in body
    assert body.count(b"<script>") == 1  # in the plain text only
    assert b"\x07" not in body
    assert "\u202e" not in body.decode()


def test_a_subject_is_one_line_of_bounded_length() -> None:
    assert one_line(" a\tb\u2028c \x1b[31m") == "a b c [31m"
    assert len(one_line("ä" * 1_000)) == 200


def test_the_same_events_make_the_same_message_id(make_event: Any) -> None:
    one, two = make_event("plate"), make_event("plate")
    again = one.replace(id="other-9-0", seq=9)

    ids = [re.search(rb"(?m)^Message-ID: (.+)$", letter(*events).content)[1] for events in ([one], [again])]
    other = re.search(rb"(?m)^Message-ID: (.+)$", letter(one, two).content)[1]

    assert ids[0] == ids[1] != other
    assert re.fullmatch(rb"<[0-9a-f]{40}@example\.org>", other)


def test_a_template_is_filled_for_each_event_or_once_for_all(make_event: Any) -> None:
    plates = [make_event("plate", plate={"text": text}) for text in ("AA1", "BB2", "CC3")]
    each = letter(*plates, text="{{ plate.text }} {{ time }}", html="<b>{{ plate.text }}</b>")
    table = "<table>{% for e in events %}<tr><td>{{ e.plate.text }}</td></tr>{% endfor %}</table>"
    whole = letter(
        *plates, text="{{ count }}: {% for e in events %}{{ e.plate.text }} {% endfor %}", html=table
    )

    assert each.subject.endswith("and 2 more")
    assert re.findall(rb"(AA1|BB2|CC3) 2026-03-02", each.content) == [b"AA1", b"BB2", b"CC3"]
    assert re.findall(rb"<b>(...)</b>", each.content) == [b"AA1", b"BB2", b"CC3"]
    assert b"3: AA1 BB2 CC3" in whole.content
    assert whole.content.count(b"<table>") == 1
    assert whole.content.count(b"<tr>") == 3


def test_a_mail_is_ascii_whatever_it_says(make_event: Any) -> None:
    event = make_event("face-match", match={"person": "Žofie Nováková 李"})

    written = letter(event, reply_to="Büro <buero@bücher.example>")

    assert written.content.isascii()
    assert b"buero@xn--bcher-kva.example" in written.content
    assert max(map(len, written.content.splitlines())) <= 998


def test_a_template_that_fails_at_an_event_gives_it_up(make_event: Any) -> None:
    with pytest.raises(Reject, match="template"):
        letter(make_event("plate"), text="{{ plate.text + 1 }}")


@pytest_twisted.ensureDeferred
async def test_a_long_mail_with_dots_comes_as_it_was(
    mail: Any, post: Any, mailbox: Any, make_event: Any
) -> None:
    plugin, context = mail(port=post().port, text=DOTS, html="", pictures="none")

    await plugin.hikrecv_events((make_event("plate"),), context)

    assert text_of(mailbox.mails[0]).split() == [each for n in range(900) for each in (".", f".{n}")] * 20


# -- who gets it --------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_everybody_gets_what_she_wants(mail: Any, post: Any, mailbox: Any, make_event: Any) -> None:
    cars = 'family == "plate"'
    to = ["all@example.org", {"to": "cars@example.org", "when": cars}, {"to": "b@example.org", "when": cars}]
    plugin, context = mail(port=post().port, to=to)

    await plugin.hikrecv_events((make_event("plate"), make_event("access")), context)
    await plugin.hikrecv_events((make_event("io"),), context)

    assert [sorted(each.rcpt_tos) for each in mailbox.envelopes] == [
        ["all@example.org"],
        ["b@example.org", "cars@example.org"],
        ["all@example.org"],
    ]


@pytest_twisted.ensureDeferred
async def test_the_next_attempt_is_for_those_who_were_refused(
    mail: Any, post: Any, mailbox: Any, make_event: Any
) -> None:
    plugin, context = mail(port=post().port, to=["a@example.org", "b@example.org"])
    events = (make_event("plate"), make_event("io"))
    mailbox.answers["RCPT b@example.org"] = "450 greylisted"

    with pytest.raises(Retry, match=r"b@example\.org: 450 greylisted") as caught:
        await plugin.hikrecv_events(events, context)
    mailbox.answers.clear()
    await plugin.hikrecv_events(events, context)

    assert caught.value.after == 60
    assert [each.rcpt_tos for each in mailbox.envelopes] == [["a@example.org"], ["b@example.org"]]
    assert len({each["Message-ID"] for each in mailbox.mails}) == 1


@pytest_twisted.ensureDeferred
async def test_a_recipient_who_does_not_exist_is_no_harm_to_others(
    mail: Any, post: Any, mailbox: Any, make_event: Any
) -> None:
    plugin, context = mail(port=post().port, to=["a@example.org", "b@example.org"])
    mailbox.answers["RCPT a@example.org"] = "550 no such user"

    with pytest.raises(Reject, match=r"a@example\.org: 550 no such user"):
        await plugin.hikrecv_events((make_event("plate"),), context)

    assert [each.rcpt_tos for each in mailbox.envelopes] == [["b@example.org"]]


# -- what can go wrong ----------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "answer", "end"),
    [
        ("MAIL", "451 busy", Retry),
        ("MAIL", "553 not your address", Reject),
        ("RCPT guard@example.org", "452 full", Retry),
        ("RCPT guard@example.org", "550 no", Reject),
        ("DATA", "452 full", Retry),
        ("DATA", "552 too large", Reject),
    ],
)
@pytest_twisted.ensureDeferred
async def test_4xx_is_tried_again_and_5xx_is_not(
    mail: Any, post: Any, mailbox: Any, make_event: Any, command: str, answer: str, end: type[Exception]
) -> None:
    plugin, context = mail(port=post().port)
    mailbox.answers[command] = answer

    with pytest.raises(end, match=answer):
        await plugin.hikrecv_events((make_event("plate"),), context)

    assert mailbox.envelopes == []


@pytest_twisted.ensureDeferred
async def test_a_server_that_is_not_there_is_tried_again(mail: Any, post: Any, make_event: Any) -> None:
    gone = post()
    plugin, context = mail(port=gone.port)
    gone.close()

    with pytest.raises(Retry, match=f"127.0.0.1:{gone.port} cannot be reached"):
        await plugin.hikrecv_events((make_event("plate"),), context)


@pytest_twisted.ensureDeferred
async def test_an_answer_that_is_lost_leaves_it_open_whether_it_was_done(
    mail: Any, post: Any, mailbox: Any, make_event: Any
) -> None:
    plugin, context = mail(port=post().port)
    mailbox.answers["DATA"] = "break"

    with pytest.raises(Retry, match="broke off") as caught:
        await plugin.hikrecv_events((make_event("plate"),), context)

    assert caught.value.certain is False


@pytest_twisted.ensureDeferred
async def test_a_dry_run_sends_nothing(mail: Any, post: Any, mailbox: Any, make_event: Any) -> None:
    plugin, context = mail(port=post().port)

    await plugin.hikrecv_events((make_event("plate"),), context.for_attempt(1, dry_run=True))

    assert mailbox.envelopes == []


# -- TLS and login --------------------------------------------------------------


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest_twisted.ensureDeferred
async def test_it_logs_in_over_tls(
    mail: Any, post: Any, mailbox: Any, make_event: Any, certificate: Path, tls: Any, security: str
) -> None:
    way = (
        {"tls_context": tls, "require_starttls": True}
        if security == "starttls"
        else {"tls": tls, "auth_require_tls": False}
    )
    port = post(authenticator=mailbox.login, auth_required=True, **way).port
    plugin, context = mail(
        port=port, security=security, user=USER, password=PASSWORD, ca=f"file:{certificate}"
    )

    await plugin.hikrecv_events((make_event("face-match"),), context)

    assert len(mailbox.envelopes) == 1
    assert mailbox.logins == [USER.encode()]


@pytest_twisted.ensureDeferred
async def test_mails_are_composed_beside_the_reactor(
    mail: Any, post: Any, mailbox: Any, make_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[int] = []
    write = Writer.write

    def noted(*arguments: Any) -> Any:
        where.append(threading.get_ident())
        return write(*arguments)

    monkeypatch.setattr(Writer, "write", noted)
    plugin, context = mail(port=post().port)
    await plugin.hikrecv_events((make_event("plate"),), context)

    assert kind_of(hikrecv_email.Plugin.hikrecv_events) == "plain", "so the receiver gives it a thread"
    assert len(mailbox.mails) == len(where) == 1
    assert threading.get_ident() not in where


@pytest_twisted.ensureDeferred
async def test_a_wrong_login_waits_for_the_operator_and_is_not_shown(
    mail: Any, post: Any, mailbox: Any, make_event: Any, certificate: Path, tls: Any
) -> None:
    port = post(authenticator=mailbox.login, auth_required=True, tls_context=tls).port
    plugin, context = mail(
        port=port, security="starttls", user=USER, password="wrong-secret", ca=f"file:{certificate}"
    )

    with pytest.raises(Hold, match=r"does not let us in: 535.*; correct user and password") as caught:
        await plugin.hikrecv_events((make_event("plate"),), context)

    assert "wrong-secret" not in str(caught.value)
    assert "d3JvbmctC2VjcmV0" not in str(caught.value)


@pytest_twisted.ensureDeferred
async def test_without_starttls_nothing_is_sent(mail: Any, post: Any, mailbox: Any, make_event: Any) -> None:
    port = post(authenticator=mailbox.login, auth_require_tls=False).port
    plugin, context = mail(port=port, security="starttls", user=USER, password=PASSWORD)

    with pytest.raises(Retry, match="TLS"):
        await plugin.hikrecv_events((make_event("plate"),), context)

    assert (mailbox.logins, mailbox.envelopes) == ([], [])


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest_twisted.ensureDeferred
async def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
    mail: Any, post: Any, mailbox: Any, make_event: Any, tls: Any, security: str
) -> None:
    way = {"tls_context": tls} if security == "starttls" else {"tls": tls}
    port = post(authenticator=mailbox.login, **way).port
    plugin, context = mail(port=port, security=security, user=USER, password=PASSWORD)

    with pytest.raises(Retry, match="no certificate for this name that is trusted"):
        await plugin.hikrecv_events((make_event("plate"),), context)

    assert (mailbox.logins, mailbox.envelopes) == ([], [])


@pytest_twisted.ensureDeferred
async def test_a_login_in_clear_is_possible_where_it_was_asked_for(
    mail: Any, post: Any, mailbox: Any, make_event: Any
) -> None:
    port = post(authenticator=mailbox.login, auth_require_tls=False, auth_required=True).port
    plugin, context = mail(port=port, user=USER, password=PASSWORD)

    await plugin.hikrecv_events((make_event("plate"),), context)

    assert len(mailbox.envelopes) == 1


# -- settings and documents -----------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "gate", "gate@", "a b@example.org", "a@b@c", "<a@b", "ä@example.org", "a@example.org\nb@c"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        address(text)


def test_secrets_are_not_shown(make_context: Any) -> None:
    table = {"host": "mail", "sender": "a@example.org", "to": "b@example.org"}
    settings = make_context(hikrecv_email, **table, user="gate", password="hush").settings

    assert isinstance(settings.password, Secret)
    assert "hush" not in repr(settings)


def test_the_examples_of_the_readme_are_right(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "hush")
    for example in re.findall(r"```toml\n(.*?)```", README.read_text(), re.S):
        reactions, errors = bench.build(parse(example).reactions)
        assert errors == []
        assert all(reaction.plugin.name == "email" for reaction in reactions.values())


def test_the_readme_names_every_key() -> None:
    keys = {field.name for field in msgspec.structs.fields(hikrecv_email.Settings)}

    assert set(re.findall(r"^\| `(\w+)` \|", README.read_text(), re.M)) == keys
