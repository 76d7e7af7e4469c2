"""The configuration: what is said of wrong keys, and that the annotated file is true."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hikrecv import config
from hikrecv.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent / "conf" / "hikrecv.toml"


def test_the_annotated_file_holds_the_defaults() -> None:
    annotated = config.load(EXAMPLE)

    assert annotated == config.Config()


def test_the_annotated_file_names_every_key() -> None:
    text = EXAMPLE.read_text()
    tables = (
        config.Listen,
        config.Limits,
        config.JournalTable,
        config.DeviceTable,
        config.RemoteCheck,
        config.Common,
        config.Privacy,
        config.MetricsTable,
        config.Log,
        config.Config,
    )

    missing = [
        f"{table.__name__}.{name}"
        for table in tables
        for name in table.__struct_encode_fields__
        if not re.search(rf"^(#: )?(\[+)?{name}(\]+|\.| = )", text, re.MULTILINE)
    ]

    assert missing == []


def test_every_example_line_is_a_valid_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIKRECV_PASSWORD", "x")
    monkeypatch.setenv("GATE_PUSH", "x")
    (tmp_path / "secret").write_text("abc")
    text = re.sub(r"^#: ", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    text = re.sub(r"file:[^\"]*", f"file:{tmp_path}/secret", text)
    lines = text.splitlines()
    unique = "\n".join(line for line in lines if not re.match(r"allow = \[\]", line))

    parsed = config.parse(unique)

    assert parsed.devices["gate"].channels == {"33": "Yard", "34": "Ramp"}
    assert parsed.reactions["hq"]["plugin"] == "forward"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[journal]\nkep = 3", "journal.kep"),
        ('[[listen]]\nmode = "loose"', "listen[0].mode"),
        ('[journal]\nkeep = "soon"', "journal.keep"),
        ('[devices.gate]\nzone = "Mars/Olympus"', "devices.gate.zone"),
        ('[devices.gate]\nlogin = { user = "x" }', "devices.gate.login"),
        ('[[listen]]\nallow = ["10.0.0.0/8", "nowhere"]', "listen[0].allow[1]"),
        ('[reactions.hq]\nurl = "x"', "reactions.hq"),
        ("state_dir = 3", "state_dir"),
        ('[devices.gate.login]\nuser="x"\npassword="env:NOT_SET_ANYWHERE"', "NOT_SET_ANYWHERE"),
        ("x = ", "not valid TOML"),
    ],
)
def test_a_wrong_key_is_named_with_its_path(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(text)

    assert sentence in str(caught.value)


def test_a_secret_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")

    parsed = config.parse('[[listen]]\ntoken = "file:token"', folder=tmp_path)

    assert parsed.listen[0].token == "s3cret"
    assert "s3cret" not in repr(parsed)


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "hik.toml").write_text('state_dir = "state"\nplugin_dirs = ["mine"]')

    parsed = config.load(tmp_path / "hik.toml")

    assert parsed.state_dir == str(tmp_path / "state")
    assert parsed.plugin_dirs == (str(tmp_path / "mine"),)


@given(st.text())
def test_any_text_is_a_configuration_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        config.parse(text)
