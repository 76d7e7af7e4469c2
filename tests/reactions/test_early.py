from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from treq.testing import RequestTraversalAgent
from twisted.internet.task import Clock
from twisted.web.resource import Resource

from hikrecv.config import parse
from hikrecv.errors import ConfigError
from hikrecv.push import Peer, Push
from hikrecv.reactions.context import Services
from hikrecv.reactions.early import Decode, Early, decoders, enrichers
from hikrecv.reactions.http import Http
from hikrecv.reactions.plugins import find
from hikrecv.reactions.reaction import build

PUSH = Push(received=0, peer=Peer("10.0.0.5", 1, "none"), body=b"?")
ENRICH = """
import msgspec
from hikrecv import hookimpl
class Settings(msgspec.Struct, frozen=True):
    table: str%s
@hookimpl
def hikrecv_enrich(event, context):
    return {"table": context.settings.table}
"""
DECODE = """
from hikrecv import hookimpl
@hookimpl
def hikrecv_decode(push):
    %s
"""


def listed(tmp_path: Path, function: Any, config: str, **files: str) -> tuple[list[Any], list[ConfigError]]:
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
        (tmp_path / f"{name}.py").chmod(0o600)
    tmp_path.chmod(0o700)
    http = Http(RequestTraversalAgent(Resource()), Clock())
    services = Services(clock=Clock(), http=http, state_dir=tmp_path, device=lambda name: None)  # type: ignore[arg-type, return-value]
    plugins, parsed = find([tmp_path], installed=[]), parse(config)
    reactions, errors = build(parsed, plugins, services)
    found, more = function(parsed, plugins, reactions, services)
    return found, errors + more


def test_an_enricher_is_a_reaction_with_its_settings_or_a_plugin_with_its_defaults(tmp_path: Path) -> None:
    config = """
    [enrich]
    plugins = ["plain", "hr"]
    [reactions.hr]
    plugin = "lookup"
    table = "people.csv"
    """

    found: list[Early]
    found, errors = listed(tmp_path, enrichers, config, plain=ENRICH % ' = "none"', lookup=ENRICH % "")

    assert errors == []
    assert [each.name for each in found] == ["plain", "lookup"]
    assert [each.hook(event=None, context=each.context) for each in found] == [
        {"table": "none"},
        {"table": "people.csv"},
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("lookup", 'write [reactions.lookup] plugin = "lookup"'),
        ("other", "has no hikrecv_enrich"),
        ("nowhere", "pip install hikrecv-nowhere"),
    ],
)
def test_a_wrong_name_in_the_list_is_an_error(tmp_path: Path, name: str, says: str) -> None:
    found, errors = listed(
        tmp_path, enrichers, f'[enrich]\nplugins = ["{name}"]', lookup=ENRICH % "", other=DECODE % "pass"
    )

    assert found == []
    assert says in str(errors[0])
    assert errors[0].path == "enrich.plugins"


@pytest.mark.parametrize(
    "body", ["pass", "return []", "1/0", "raise SystemExit(1)", "return 5", "return [5]"]
)
def test_a_decoder_that_fails_gives_none(tmp_path: Path, body: str) -> None:
    found: list[Decode]
    found, errors = listed(tmp_path, decoders, '[decode]\nplugins = ["p"]', p=DECODE % body)

    assert errors == []
    assert found[0](PUSH) is None


@pytest.mark.parametrize(
    ("body", "reason", "trace"),
    [
        ("1/0", "ZeroDivisionError: division by zero", "in hikrecv_decode"),
        ("return 5", "it gave int; it must give a list of events or None", ""),
    ],
)
def test_a_decoder_that_fails_has_its_state_its_error_and_its_traceback(
    tmp_path: Path, body: str, reason: str, trace: str
) -> None:
    (decoder,), _ = listed(tmp_path, decoders, '[decode]\nplugins = ["p"]', p=DECODE % body)
    assert decoder.status().state == "waiting"

    decoder(PUSH)

    status = decoder.status()
    assert (status.name, status.state, status.reason) == ("decode p", "failing", reason)
    assert status.last_error == reason
    assert status.last_error_at is not None
    assert trace in status.trace


def test_a_decoder_that_needs_settings_takes_those_of_the_reaction_of_its_name(tmp_path: Path) -> None:
    source = "import msgspec\nclass Settings(msgspec.Struct, frozen=True):\n    word: str\n" + DECODE % "pass"
    config = """
    [decode]
    plugins = ["form"]
    [reactions.form]
    plugin = "p"
    word = "VISITOR"
    """

    found: list[Decode]
    found, errors = listed(tmp_path, decoders, config, p=source)

    assert errors == []
    assert len(found) == 1


def test_a_decoder_that_no_list_names_is_an_error_as_a_reaction(tmp_path: Path) -> None:
    _, errors = listed(tmp_path, decoders, '[reactions.form]\nplugin = "p"', p=DECODE % "pass")

    assert [str(error) for error in errors] == [
        "reactions.form.plugin: p reacts to nothing; name it in [decode] instead"
    ]


def test_a_reaction_that_is_listed_and_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    config = """
    [enrich]
    plugins = ["hr"]
    [reactions.hr]
    plugin = "lookup"
    """

    found, errors = listed(tmp_path, enrichers, config, lookup=ENRICH % "")

    assert found == []
    assert [str(each) for each in errors] == ["reactions.hr.table: is missing"]


def test_a_reaction_that_is_listed_and_not_enabled_is_told(tmp_path: Path) -> None:
    config = """
    [enrich]
    plugins = ["hr"]
    [reactions.hr]
    plugin = "lookup"
    table = "people.csv"
    enabled = false
    """

    _, errors = listed(tmp_path, enrichers, config, lookup=ENRICH % "")

    assert [str(each) for each in errors] == ["enrich.plugins: reactions.hr is not enabled"]
