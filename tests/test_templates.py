"""Templates over events: what they know, and what they may cost."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from hikrecv.errors import ConfigError, Reject
from hikrecv.templates import LARGEST, LONGEST, Template
from hikrecv.testing.events import Events


@pytest.fixture
def access() -> Any:
    return Events()("access", access={"person": "Ada <b>"})


@pytest.mark.parametrize(
    ("text", "value", "rendered"),
    [
        ("{{ access.door }}", 1, "1"),
        ("{{- access.door -}}", 1, "1"),
        ("door {{ access.door }}", "door 1", "door 1"),
        ("{{ access.door }}{{ access.reader }}", "11", "11"),
        ("{{ match.person }}", None, ""),
        ("{{ extra.nothing.at.all }}", None, ""),
        ("{{ plate | tojson }}", "null", "null"),
        ("{{ access.person | upper }}", "ADA <B>", "ADA <B>"),
        ("{{ event.received.hour }}", 8, "8"),
        ("{{ event.data().AccessControllerEvent.serialNo }}", 4711, "4711"),
        ("{% for each in pictures %}{{ each.role }} {% endfor %}", "capture ", "capture "),
        ("{{ 6 * 7 }}", 42, "42"),
        ("no place\n", "no place\n", "no place\n"),
        ("", "", ""),
    ],
)
def test_what_a_template_makes(access: Any, text: str, value: Any, rendered: str) -> None:
    template = Template(text)

    assert template.value(access) == value
    assert template.render(access) == rendered


def test_further_names_can_be_given(access: Any) -> None:
    assert (
        Template("{{ greeting }} {{ access.door }}", more=["greeting"]).render(access, greeting="Hi")
        == "Hi 1"
    )


def test_html_is_escaped_when_asked(access: Any) -> None:
    assert Template("<i>{{ access.person }}</i>", html=True).render(access) == "<i>Ada &lt;b&gt;</i>"


@pytest.mark.parametrize(
    "text",
    [
        "{{ oops",
        "{% include 'other' %}",
        "{% macro a() %}{% endmacro %}",
        "{% for a in x recursive %}{% endfor %}",
        "{% for a in x %}{% for b in x %}{% for c in x %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ a | no_such_filter }}",
        "x" * (LONGEST + 1),
    ],
)
def test_what_cannot_be_used_is_an_error_of_the_configuration(text: str) -> None:
    with pytest.raises(ConfigError, match=r"reactions\.hq\.text: not a template"):
        Template(text, "reactions.hq.text")


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x' * 1000000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ 10 ** 1000000000 }}",
        "{% for a in range(1000000000) %}{% endfor %}",
        "{% for a in range(1000) %}{% for b in range(1000) %}xx{% endfor %}{% endfor %}",
        "{{ 1 / 0 }}",
        "{{ event.to_json()() }}",
        "{{ event.replace.__globals__ }}{{ event.replace.__globals__.x }}{{ ''.__class__.__mro__() }}",
        "{{ extra.update({'a': 1}) }}",
    ],
)
def test_what_costs_too_much_or_fails_is_a_reject(access: Any, text: str) -> None:
    with pytest.raises(Reject, match="a template fails at event test-1-0"):
        Template(text).render(access)


def test_a_template_that_takes_too_long_is_stopped(access: Any) -> None:
    slow = Template("{% for a in range(100) %}{{ a }}{% endfor %}", seconds=count(0.0, 0.01).__next__)

    with pytest.raises(Reject, match="longer than"):
        slow.render(access)


def test_a_template_that_makes_too_much_is_stopped(access: Any) -> None:
    with pytest.raises(Reject, match=f"more than {LARGEST}"):
        Template("{% for a in range(999) %}{{ text }}{% endfor %}", more=["text"]).render(
            access, text="x" * 10_000
        )


def test_an_event_that_was_read_back_from_json_has_no_document(access: Any) -> None:
    again = type(access).from_json(access.to_json())

    with pytest.raises(Reject, match="its document is in the journal"):
        Template("{{ event.data().x }}").render(again)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ match.persn }}", "match has no 'persn'; it has person,"),
        ("{{ person }} was here", "an event has no 'person'; did you mean match.person or access.person?"),
        ("{{ plaet.text }}", "an event has no 'plaet'; did you mean plate"),
        ("{% if acces.door %}x{% endif %}", "an event has no 'acces'; did you mean access?"),
        ("{{ foo | default('x') }}", "an event has no 'foo'"),
        ("{{ faces.quality }}", "faces is a list; write faces[0].quality, or a loop"),
        ("{{ hour }}", "only a `when` has hour; write event.received.hour"),
        ("{% for e in evnts %}{{ e.time }}{% endfor %}", "an event has no 'evnts'"),
    ],
)
def test_a_name_that_no_event_has_is_an_error_before_the_start(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        Template(text, "reactions.mail.subject")

    assert str(error.value).startswith("reactions.mail.subject: not a template that can be used: ")
    assert said in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "{{ match.person.upper() }} {{ access.items() | length }} {{ plate.text[:3] }}",
        "{% set who = match.person %}{{ who.title() }}",
        "{% for e in events %}{{ e.plate.text }}{{ loop.index }}{% endfor %}{{ count }}",
        "{{ faces[0].quality }} {{ targets | map(attribute='kind') | join }} {{ pictures[0].src }}",
        "{{ extra.names.any.thing }} {{ event.to_dict() }} {{ occurred }} {{ range(3) | list }}",
        "{{ picture.role }} {{ words }} {{ time }}",
    ],
)
def test_what_can_be_there_is_no_error(text: str) -> None:
    Template(text)
