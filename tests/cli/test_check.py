"""`hikrecv check`: the example, what it remarks, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from hikrecv import config
from hikrecv.errors import HikrecvError
from hikrecv.reactions.plugins import find

Run = Callable[..., Result]


@pytest.fixture
def check(run: Run, tmp_path: Path) -> Callable[..., str]:
    """What `hikrecv check` says about a configuration in a folder of its own."""

    def checked(text: str, *options: str) -> str:
        (tmp_path / "hik.toml").write_text(f'state_dir = "state"\n{text}')
        result = run("check", tmp_path / "hik.toml", *options)
        assert result.exception is None or isinstance(result.exception, HikrecvError | SystemExit)
        return f"error: {result.exception}" if result.exception else result.output

    return checked


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """The key for a folder with a plugin that is no Python."""
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "mine" / "typo.py").write_text("def (")
    (tmp_path / "mine" / "typo.py").chmod(0o600)
    return 'plugin_dirs = ["mine"]\n'


def test_the_example_is_a_configuration_with_every_default(run: Run) -> None:
    printed = run("check", "--example").output

    assert config.parse(printed) == config.Config()
    assert printed.startswith("# hikrecv: every key")


def test_the_help_says_where_to_begin(run: Run) -> None:
    assert "--example > hikrecv.toml" in " ".join(run("check", "--help").output.split())


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[[listen]]\nendpoint = "pigeon:8089"', "listen[0].endpoint"),
        ('[[listen]]\nendpoint = "tcp:8089:colour=blue"', "listen[0].endpoint"),
        ('[metrics]\nlisten = "pigeon:8089"', "metrics.listen"),
        ('[devices.gate]\nurl = "http://[x"', "devices.gate.url"),
        ('[devices.gate]\nurl = "http://a:99999"', "devices.gate.url"),
    ],
)
def test_what_only_twisted_knows_is_an_error_by_its_path(
    check: Callable[..., str], text: str, path: str
) -> None:
    assert check(text).startswith(f"error: {path}: ")


def test_what_only_the_receiver_has_is_left_to_the_start(check: Callable[..., str]) -> None:
    endpoint = "systemd:domain=INET:index=0"

    assert f"listens on {endpoint}" in check(f'[[listen]]\nendpoint = "{endpoint}"')


def test_a_key_or_a_certificate_that_is_not_there_is_an_error(
    check: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "key.pem").write_text("no key")
    endpoint = f"ssl:8443:privateKey={tmp_path}/key.pem:certKey="

    missing = check(f'[[listen]]\nendpoint = "{endpoint}{tmp_path}/cert.pem"')
    wrong = check(f'[[listen]]\nendpoint = "{endpoint}{tmp_path}/key.pem"')

    assert missing == f"error: listen[0].endpoint: cannot read {tmp_path}/cert.pem: No such file or directory"
    assert wrong.startswith("error: listen[0].endpoint: the key or the certificate is not in PEM format")


def test_a_host_name_as_a_devices_address_is_remarked_and_no_error(check: Callable[..., str]) -> None:
    said = check('[devices.gate]\naddress = "gate.local"\n[devices.yard]\naddress = "fe80::1"')

    assert "remark: devices.gate.address: gate.local is no IP address" in said
    assert "yard" not in said


def test_a_journal_larger_than_the_disk_is_remarked(check: Callable[..., str], tmp_path: Path) -> None:
    assert "remark: [journal] may take 1,000,000,016 MB" in check('[journal]\nmax = "1PB"')
    assert "[journal]" not in check('[journal]\nmax = "1MB"')
    assert not (tmp_path / "state").exists()


def test_a_broken_plugin_that_nobody_uses_is_remarked(check: Callable[..., str], broken: str) -> None:
    said = check(broken)

    assert "remark: the plugin typo" in said
    assert "is broken" in said


def test_with_strict_it_is_an_error(check: Callable[..., str], broken: str) -> None:
    said = check(broken, "--strict")

    assert said.startswith("error: the plugin typo")
    assert "SyntaxError" in said


def test_with_strict_a_folder_that_others_may_write_is_an_error(
    check: Callable[..., str], broken: str, tmp_path: Path
) -> None:
    (tmp_path / "mine").chmod(0o777)

    assert check(broken, "--strict").startswith("error: ")


def test_it_says_what_becomes_of_events_that_a_reaction_has_not_had(check: Callable[..., str]) -> None:
    said = check(
        '[journal]\nmax = "12GB"\n[reactions.hq]\nplugin = "lines"\npath = "hq"\n'
        '[reactions.hr]\nplugin = "lines"\npath = "hr"\nhold = "always"\n'
    )

    assert 'hold = "budget": up to 3 GB is held back for it, then it loses the oldest' in said
    assert 'hold = "always": pushes are rejected with 503 rather than one lost to it' in said


def test_unlisted_cameras_that_will_live_on_the_share_of_strangers_are_remarked(
    check: Callable[..., str],
) -> None:
    device = '[devices.gate]\naddress = "10.0.0.5"\n'

    said = check(f'[[listen]]\nendpoint = "tcp:8090"\n{device}[journal]\nmax = "50MB"')

    assert "remark: tcp:8090 is open to everybody" in said
    assert "together 5MB of the journal a day" in said
    assert "is open to everybody" not in check("")
    assert "is open to everybody" not in check(f'[[listen]]\nallow = ["10.0.0.0/8"]\n{device}')


def test_a_device_whose_name_anybody_may_take_is_remarked_where_something_acts(
    check: Callable[..., str], tmp_path: Path
) -> None:
    config = (
        '[[listen]]\nallow = ["10.0.0.0/8"]\n[devices.gate]\naddress = "10.0.0.5"\n'
        '[devices.yard]\nmac = "ac:cb:51:19:f5:08"\n'
        '[remote_check]\nreactions = ["a"]\n[reactions.a]\nplugin = "asked"\n'
    )
    (tmp_path / "mine").mkdir(mode=0o700)
    hook = "@hookimpl\ndef hikrecv_remote_check(event):\n    return None\n"
    hook = f"from hikrecv import hookimpl\nHIKRECV_API = 1\n{hook}"
    (tmp_path / "mine" / "asked.py").write_text(hook)
    (tmp_path / "mine" / "asked.py").chmod(0o600)

    said = check(f'plugin_dirs = ["mine"]\n{config}')

    assert "remark: devices.yard has no address of its own" in said
    assert "devices.gate has no" not in said
    assert "is this machine" not in said
    config = config.replace("10.0.0.5", "127.0.0.1")
    assert "devices.gate.address is this machine" in check(f'plugin_dirs = ["mine"]\n{config}')


def test_everything_that_is_wrong_is_said_at_once(check: Callable[..., str]) -> None:
    said = check(
        """
        plugin_dirs = 7
        [[listen]]
        endpoint = "pigeon:8089"
        [journal]
        kept = "30d"
        max = "many"
        [devices.gate]
        address = "10.20.0.14"
        zone = "Europe/Nowhere"
        login = { user = "admin" }
        [reactions.a]
        plugin = "nonesuch"
        [reactions.b]
        plugin = "lines"
        when = 'familly == "plate"'
        [reactions.c]
        plugin = "lines"
        path = "x"
        when = 'device.id == "gatee"'
        """
    )

    for path in (
        "plugin_dirs: ",
        "listen[0].endpoint: ",
        "journal.kept: ",
        "journal.max: ",
        "devices.gate.zone: ",
        "devices.gate.login",
        "reactions.a.plugin: ",
        "reactions.b",
        "reactions.c.when: no device is called 'gatee'; did you mean 'gate'?",
    ):
        assert path in said
    assert len(said.splitlines()) == len(set(said.splitlines()))


@pytest.mark.parametrize(
    ("endpoints", "path"),
    [
        (["tcp:8089", "8089"], "listen[1]"),
        (["tcp:8089", "tcp:8089:interface=10.0.0.5"], "listen[1]"),
        (["tcp:8089:interface=10.0.0.5", "ssl:8089:privateKey=KEY:certKey=KEY"], "listen[1]"),
        (["tcp6:8089", r"tcp:port=8089:interface=fe80\\:\\:1%eth0"], "listen[1]"),
        (["tcp:9189:interface=127.0.0.1"], "metrics.listen"),
        (["tcp:8089", "tcp6:8089"], ""),
        (["tcp:8089:interface=10.0.0.5", "tcp:8089:interface=10.0.0.6"], ""),
        (["tcp:0", "tcp:0", "tcp:8089"], ""),
    ],
)
def test_two_listeners_on_one_port_are_an_error(
    check: Callable[..., str], endpoints: list[str], path: str
) -> None:
    tables = "".join(f'[[listen]]\nendpoint = "{each}"\n' for each in endpoints)

    said = check(f'{tables}[metrics]\nlisten = "tcp:9189:interface=127.0.0.1"')

    assert (" already; choose another" in said) == bool(path)
    assert path in said


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (
            'address = "10.0.0.5"',
            'address = "10.0.0.5"',
            "devices.b.address: is the address of devices.a, too",
        ),
        ('address = "10.0.0.5"', 'address = "::ffff:10.0.0.5"', "devices.b.address: "),
        (
            'address = "10.0.0.5"\nmac = "AC-CB-51-00-00-01"',
            'mac = "ac:cb:51:00:00:01"',
            "devices.b.mac: is the mac",
        ),
        ('serial = "DS-1234"', 'serial = "DS-1234"', "devices.b.serial: is the serial"),
        # Behind one router they are told apart by what they say.
        (
            'address = "10.0.0.5"\nmac = "ac:cb:51:00:00:01"',
            'address = "10.0.0.5"\nmac = "ac:cb:51:00:00:02"',
            "",
        ),
        ('address = "10.0.0.5"', 'address = "10.0.0.6"', ""),
    ],
)
def test_two_devices_that_cannot_be_told_apart_are_an_error(
    check: Callable[..., str], one: str, other: str, said: str
) -> None:
    found = check(f"[devices.a]\n{one}\n[devices.b]\n{other}\n")

    assert found.startswith("error: ") == bool(said)
    assert said in found


@pytest.mark.parametrize(
    "rule", ["gate", "gate/33", "ac:cb:51:00:00:01", "ip:10.0.0.7", "DS-2CD2143", "yard"]
)
def test_a_rule_may_ask_for_whatever_can_be_a_device(check: Callable[..., str], rule: str) -> None:
    tables = '[devices.gate]\naddress = "10.0.0.5"\n[reactions.r]\nplugin = "lines"\npath = "x"\n'

    assert "r: lines" in check(f"{tables}when = 'device.id == \"{rule}\"'")


def test_a_mark_of_the_byte_order_is_no_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "hik.toml").write_bytes(b"\xef\xbb\xbfstate_dir = 'state'\n")

    assert "keeps events in" in run("check", tmp_path / "hik.toml").output


@pytest.mark.skipif("access" not in find().names, reason="needs hikrecv-access")
def test_lists_in_the_plugins_own_folder_are_found_and_a_missing_one_is_named_by_where_it_belongs(
    check: Callable[..., str], tmp_path: Path
) -> None:
    text = """
[devices.gate]
address = "10.0.0.5"
[[listen]]
allow = ["10.0.0.0/8"]
[reactions.barrier]
plugin = "access"
what = "nothing"
allow = ["plates.csv"]
"""
    folder = tmp_path / "state" / "plugins" / "barrier"

    missing = check(text)
    folder.mkdir(parents=True)
    (folder / "plates.csv").write_text("plate\nB-AB 1234\n")
    before = sorted(tmp_path.rglob("*"))
    found = check(text)

    assert f"{folder}/plates.csv" in missing
    assert "barrier: access" in found
    assert sorted(tmp_path.rglob("*")) == before
