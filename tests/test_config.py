"""The configuration: what is said of wrong keys, and that the annotated file is true."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hikrecv import config
from hikrecv.errors import ConfigError, ConfigErrors

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
        (
            '[[listen]]\nallow = ["fe80::1%eth0"]',
            "names a zone, and zones are not compared",
        ),
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


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.5", "10.0.0.5/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("10.0.0.5/8", "10.0.0.0/8"),
        ("FD00::1/16", "fd00::/16"),
    ],
)
def test_a_network_has_one_spelling_which_is_that_of_its_devices(written: str, read: str) -> None:
    parsed = config.parse(f'[[listen]]\nallow = ["{written}"]\nproxies = ["{written}"]')

    assert parsed.listen[0].allow == parsed.listen[0].proxies == (read,)


@given(st.text())
def test_any_text_is_a_configuration_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        config.parse(text)


# -- what cannot run ----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[limits]\nconnections = 0", "limits.connections: must be between 1 and 1000000, not 0"),
        ("[limits]\nconnections = -1", "limits.connections: must be between 1 and 1000000, not -1"),
        ("[limits]\nheaders = 0", "limits.headers: must be between 500B and 1MB, not 0B"),
        ("[limits]\nbody = 0", "limits.body: must be between 1KB and 1GB, not 0B"),
        ("[limits]\nparts = -1", "limits.parts: must be between 1 and 10000, not -1"),
        ("[limits]\npushes_per_hour = -1", "limits.pushes_per_hour: must be between 1"),
        ("[limits]\nanswer_time = inf", "limits.answer_time: inf is not a span of time"),
        ("[limits]\nidle_time = nan", "limits.idle_time: nan is not a span of time"),
        ('[limits]\nbody_time = "0s"', "limits.body_time: must be between 100ms and 1h, not 0s"),
        ("[journal]\nkeep = inf", "journal.keep: inf is not a span of time"),
        ("[journal]\nkeep = 0", "journal.keep: must be between 1m and 36500d, not 0s"),
        ("[journal]\nmax = 5", "journal.max: must be between 1MB and 1PB, not 5B"),
        ('[journal]\nsegment = "9TB"', "journal.segment: must be between 100KB and 1GB, not 9TB"),
        (
            '[journal]\nsegment = "30MB"\nmax = "100MB"',
            "journal.segment: must be at most a quarter of max, here 25MB",
        ),
        ('[journal]\nmax = "' + "9" * 400 + 'TB"', "journal.max"),
        ('[metrics]\nlisten = "x"', 'metrics.listen: "x" is not a port'),
        ('[metrics]\nlisten = ""', 'metrics.listen: "" is not a port'),
        ('[[listen]]\nendpoint = "-5s"', 'listen[0].endpoint: "-5s" is not a port'),
        ('[[listen]]\nendpoint = "tcp:70000"', 'listen[0].endpoint: "tcp:70000" is not a port'),
        ('[[listen]]\nendpoint = "tcp:x"', "listen[0].endpoint"),
        ('[devices.gate]\naddress = "a\\nb"', 'devices.gate.address: "a\\nb" is not an address'),
        ('[devices.gate]\nmac = "x"', 'devices.gate.mac: "x" is not a hardware address'),
        ("[remote_check]\nbudget = nan", "remote_check.budget: nan"),
        ('state_dir = "a\\u0000b"', "state_dir"),
        ('[devices.gate]\nzone = "' + "a" * 5000 + '"', "is not a time zone"),
        ("x = " + "9" * 5000, "not valid TOML"),
        ("[limits]\nbody = 0x" + "f" * 5000, "limits.body: such a large number is not a size"),
        ("x = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_what_cannot_run_is_refused_with_what_is_allowed(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        config.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            f'[[listen]]\nendpoint = "{each}"'
            for each in ("8089", "tcp:8089:interface=10.0.0.5", "tcp:port=1")
        ),
        *(f'[[listen]]\nendpoint = "{each}"' for each in ("systemd:domain=INET:index=0", "unix:/run/x")),
        '[[listen]]\nendpoint = "ssl:8443:privateKey=key.pem:certKey=cert.pem"',
        *(
            f'[devices.a]\naddress = "{each}"'
            for each in ("10.0.0.5:80", "fe80::1%eth0", "[::1]", "cam.local")
        ),
        *(f'[devices.a]\nmac = "{each}"' for each in ("AC-CB-51-19-F5-08", "accb5119f508", "accb.5119.f508")),
        '[journal]\nmax = "12MB"',
        '[journal]\nmax = "12MB"\nsegment = "1MB"\nballast = 0\nhold_max = 0',
        "[remote_check]\nbudget = 0.5",
    ],
)
def test_what_can_run_is_not_refused(text: str) -> None:
    config.parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[metrics]\nlisten = 3", "metrics.listen: must be text, not a number"),
        ("[devices.a]\nname = 2026-01-01", "devices.a.name: must be text, not a date or time"),
        ("[devices.a]\nbasic = 'yes'", "devices.a.basic: must be true or false, not text"),
        ("[limits]\nparts = 1.5", "limits.parts: must be a whole number, not a number with a fraction"),
        ("[limits]\nbody = true", "limits.body: true or false is not a size"),
        ("limits = 'much'", "limits: must be a table ([limits]), not text"),
        ("devices = 3", "devices: must be a table ([devices.<name>]), not a number"),
        ("reactions.a = 3", "reactions.a: must be a table ([reactions.a]), not a number"),
        ("[listen]\nmode = 'strict'", "listen: must be a list of tables ([[listen]]), not a table"),
        ("[[listen]]\nallow = '::1'", 'listen[0].allow: must be a list, such as ["..."], not text'),
        ("[[listen]]\ntoken = 3", "listen[0].token: must be text, not a number"),
        ("[log]\nlevel = 'loud'", 'log.level: must be "debug", "info", "warn" or "error", not "loud"'),
        (
            "[privacy]\nmask = ['all']",
            'privacy.mask[0]: must be "templates", "certificates", "names" or "births"',
        ),
        ("[journal]\nkep = 3", "journal.kep: unknown key; did you mean keep?"),
        ("[metrics]\nzzz = 3", "metrics.zzz: unknown key; known are listen"),
        ("a = 1\nb = = 2", "at line 2"),
    ],
)
def test_a_wrong_type_is_said_in_an_installers_words(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        config.parse(text)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigErrors) as caught:
        config.parse('zzz = 1\n[limits]\nparts = 0\nbody = "x"\n[devices.gate]\nmac = 3\n[reactions.a]\n')

    assert sorted(error.path for error in caught.value.errors) == [
        "devices.gate.mac",
        "limits.body",
        "limits.parts",
        "reactions.a",
        "zzz",
    ]
    assert len(str(caught.value).splitlines()) == 5


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"retry": 10**20}, "retry"),
        ({"concurrency": 10**20}, "concurrency"),
        ({"from": 10**20}, "from"),
        ({"timeout": float("inf")}, "timeout"),
        ({"max_age": float("nan")}, "max_age"),
        ({"cooldown": 3}, "cooldown"),
        ({"batch": {"most": 10**9}}, "batch.most"),
    ],
)
def test_what_all_reactions_have_is_bounded_too(keys: dict[str, object], path: str) -> None:
    with pytest.raises(ConfigError, match=f"^reactions.hq.{path}: "):
        config.convert({"plugin": "x", **keys}, config.Common, path="reactions.hq")


def test_the_package_has_the_annotated_file_too() -> None:
    shipped = files("hikrecv").joinpath("annotated.toml")

    assert shipped.read_bytes() == EXAMPLE.read_bytes()
    assert "annotated.toml" in (EXAMPLE.parent.parent / "setup.cfg").read_text()


# -- any value anywhere --------------------------------------------------------

KEYS = [
    f"{table}.{key}" if table else key
    for table, shape in {
        "": config.Config,
        "listen": config.Listen,
        "limits": config.Limits,
        "journal": config.JournalTable,
        "devices.gate": config.DeviceTable,
        "devices.gate.login": config.Login,
        "decode": config.PluginList,
        "remote_check": config.RemoteCheck,
        "privacy": config.Privacy,
        "metrics": config.MetricsTable,
        "log": config.Log,
        "reactions.hq": config.Common,
    }.items()
    for key in shape.__struct_encode_fields__
]
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.integers(10**18, 10**60),
        st.floats(),
        st.text(),
        st.dates(),
        st.times(),
        st.datetimes(),
        st.sampled_from(
            ["", "tcp:x", "9s", "1e5", "99999999TB", "::1", "env:", "file:\0", "file:.", "http://[", "0"]
        ),
        st.from_regex(r"[0-9]{1,30}(\.[0-9]{1,30})?(ms|s|d|w|KB|TB)", fullmatch=True),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=3))
def test_any_value_at_any_key_is_a_configuration_or_a_config_error(keys: dict[str, object]) -> None:
    raw: dict[str, Any] = {}
    for path, value in keys.items():
        *tables, key = path.split(".")
        table = raw
        for name in tables:
            inner = table.setdefault(name, [{}] if name == "listen" else {})
            inner = inner[0] if isinstance(inner, list) and inner else inner
            table = inner if isinstance(inner, dict) else {}
        table[key] = value

    said = ""
    try:
        config.parse_plain(raw)
        for table in raw.get("reactions", {}).values():
            config.convert({"plugin": "x", **table}, config.Common, path="reactions.hq")
    except ConfigError as error:
        said = str(error)

    assert all(": " in line and line.isprintable() for line in said.split("\n") if said)
