"""The configurations in the pages and in conf/examples are right, and want what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from docs_pages import DOCS, ROOT, Block, blocks
from twisted.internet.task import Clock

from hikrecv import config as configuration
from hikrecv.assembly import Parts, Tools, check
from hikrecv.cli.main import command as hikrecv
from hikrecv.isapi.decode import Decoder
from hikrecv.isapi.event import Event
from hikrecv.reactions.plugins import find
from hikrecv.state import State
from hikrecv.testing.events import WHO, push_of
from hikrecv.testing.message import Message
from hikrecv.testing.profiles import acusense, anpr, deepinview, minmoe

# apprise still imports it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")

EXAMPLES = ROOT / "conf/examples"
AWAY = re.compile(r"/etc/hikrecv/|/run/credentials/hikrecv\.service/")
MONDAY = datetime.fromisoformat("2026-03-02T10:00:00+01:00")


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Parts]:
    """As `hikrecv check`, on a machine that has the lists, secrets and single-file plugins."""
    for file in EXAMPLES.glob("*.csv"):
        shutil.copy(file, tmp_path)
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o755)
    for source in (DOCS / "how-to/examples").glob("*.py"):
        shutil.copy(source, folder)
    (folder / "greeter.py").write_text(ten_lines())
    for file in folder.iterdir():
        file.chmod(0o644)

    def check_text(text: str) -> Parts:
        text = AWAY.sub(f"{tmp_path}/", text).replace("/usr/local/bin/on-car", sys.executable)
        for secret in re.findall(r'"file:([^"]+)"', text):
            Path(secret).parent.mkdir(exist_ok=True)
            Path(secret).write_text("json://127.0.0.1:9/" if secret.endswith("phone") else "sesame")
        if "privateKey=" in text:
            write_certificate(tmp_path)
        for name in re.findall(r'"env:(\w+)"', text):
            monkeypatch.setenv(name, "sesame")
        config = configuration.parse(text, folder=tmp_path)
        clock: Any = Clock()
        return check(config, Tools(State(tmp_path / "state"), config, clock), folder=tmp_path)

    return check_text


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hikrecv")])
    begin = datetime.now(timezone.utc) - timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + timedelta(days=9))
    certificate = made.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def ten_lines() -> str:
    """The plugin of the README."""
    readme = (ROOT / "README.md").read_text("utf-8")
    return next(text for text in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "hookimpl" in text)


def skip_without_plugins(text: str) -> None:
    here = {*find().names, "greeter", "board"}
    wanted = {table["plugin"] for table in tomllib.loads(text).get("reactions", {}).values()}
    if wanted - here:
        pytest.skip(f"not installed: {', '.join(wanted - here)}")


@pytest.mark.parametrize("block", list(blocks("toml")), ids=lambda block: block.place)
def test_every_configuration_in_the_pages_is_right(block: Block, checked: Callable[[str], Parts]) -> None:
    skip_without_plugins(block.text)

    assert checked(block.text).config


def test_the_table_of_the_examples_names_them_all() -> None:
    listed = re.findall(r"\]\(([\w-]+\.toml)\)", (EXAMPLES / "README.md").read_text("utf-8"))

    assert sorted(listed) == sorted(file.name for file in EXAMPLES.glob("*.toml"))


# -- what the examples want: (file, reaction, address, message) ------------------------


def at(hour: int, *, day: int = 0) -> datetime:
    return MONDAY.replace(hour=hour) + timedelta(days=day)


Case = tuple[str, str, str, datetime, Callable[[datetime], Message], bool]
CASES: list[Case] = [
    ("mail-with-face", "seen", "10.20.0.11", at(10), lambda m: deepinview.comparison(WHO, m, 1), True),
    (
        "mail-with-face",
        "seen",
        "10.20.0.11",
        at(10),
        lambda m: deepinview.comparison(WHO, m, 1, known=False),
        False,
    ),
    ("barrier-for-plates", "barrier", "10.20.0.14", at(10), lambda m: anpr.read(WHO, m, "B AB 1234"), True),
    (
        "barrier-for-plates",
        "barrier",
        "10.20.0.14",
        at(10, day=6),
        lambda m: anpr.read(WHO, m, "B AB 1234"),
        False,
    ),
    ("barrier-for-plates", "barrier", "10.20.0.99", at(10), lambda m: anpr.read(WHO, m, "B AB 1234"), False),
    ("punches-to-hr", "hr", "10.20.0.21", at(10), lambda m: minmoe.verified(WHO, m, 1), True),
    ("punches-to-hr", "hr", "10.20.0.21", at(10), lambda m: minmoe.door(WHO, m, 2, 21), False),
    ("human-at-night", "night", "10.20.0.15", at(23), lambda m: acusense.intrusion(WHO, m, "human"), True),
    ("human-at-night", "night", "10.20.0.15", at(23), lambda m: acusense.intrusion(WHO, m, "vehicle"), False),
    ("human-at-night", "night", "10.20.0.15", at(12), lambda m: acusense.intrusion(WHO, m, "human"), False),
    ("home-assistant", "house", "10.20.0.15", at(12), lambda m: acusense.bare(WHO, m, "VMD"), True),
    ("mirror-to-hikcentral", "hikcentral", "10.20.0.21", at(12), lambda m: minmoe.heartbeat(WHO, m), True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]:%a-%H}-{case[5]}")
def test_an_example_wants_what_it_says(case: Case, checked: Callable[[str], Parts]) -> None:
    name, reaction, ip, moment, message, wanted = case
    text = (EXAMPLES / f"{name}.toml").read_text("utf-8")
    skip_without_plugins(text)

    parts = checked(text)

    assert parts.reactions[reaction].wants(heard(parts, message(moment), moment, ip)) is wanted


def heard(parts: Parts, message: Message, moment: datetime, ip: str) -> Event:
    return Decoder("test", parts.config.devices).decode(push_of(message, moment, ip=ip), 1)[0]


def test_the_turnstile_of_the_example_may_ask_and_a_stranger_may_not(checked: Callable[[str], Parts]) -> None:
    text = (EXAMPLES / "turnstile-decision.toml").read_text("utf-8")
    skip_without_plugins(text)
    parts = checked(text)
    asks = minmoe.verified(WHO, MONDAY, 1, remote_check=True)

    assert parts.reactions["staff"].checks(heard(parts, asks, MONDAY, "10.20.0.21"))
    assert not parts.reactions["staff"].checks(heard(parts, asks, MONDAY, "10.20.0.99"))


# -- plugins that are printed in pages --------------------------------------------------


@pytest.fixture
def plugin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "single"
    folder.mkdir(mode=0o755)
    (folder / "greeter.py").write_text(ten_lines())
    for source in (DOCS / "how-to/examples").glob("*.py"):
        shutil.copy(source, folder)
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder


def test_the_ten_lines_of_the_readme_lose_nothing_when_the_server_is_down(
    receiver: Any, recording_server: Any, plugin_folder: Path
) -> None:
    receiver.start({"greeter": {"plugin": "greeter"}}, plugin_dirs=[str(plugin_folder)])
    recording_server.fail(times=5)

    pushed = [receiver.push(family)[0].key for family in ("face-match", "plate", "access")]
    receiver.catch_up()

    assert [asked.json()["key"] for asked in recording_server.accepted] == pushed
    assert {asked.path for asked in recording_server.accepted} == {"/hook"}


def test_the_decoder_of_the_page_reads_what_nobody_understood(receiver: Any, plugin_folder: Path) -> None:
    receiver.start({}, plugin_dirs=[str(plugin_folder)], decode={"plugins": ["visitor_decoder"]})
    said = b"VISITOR;2026-03-02T09:00:00+01:00;Ada Lovelace;lobby"

    (event,) = receiver.push(Message(label="visitor", content_type="text/plain", body=said))

    assert (event.family, event.type, event.device.id) == ("access", "Visitor", "desk-lobby")
    assert event.extra == {"visitor": {"name": "Ada Lovelace"}}
    assert event.occurred == datetime.fromisoformat("2026-03-02T09:00:00+01:00")


def test_the_enricher_of_the_page_adds_what_a_rule_can_ask_for(
    receiver: Any, recording_server: Any, plugin_folder: Path
) -> None:
    tables = {"project": {"plugin": "greeter", "when": 'extra.cost_centre.number == "4711"'}}
    enrich = {"plugins": ["cost_centre"]}
    receiver.start(tables, plugin_dirs=[str(plugin_folder)], enrich=enrich)

    receiver.push("plate")
    receiver.push(minmoe.verified(WHO, datetime.fromtimestamp(receiver.bench.wall()).astimezone(), 1))
    receiver.catch_up()

    (asked,) = recording_server.accepted
    assert asked.json()["extra"] == {"cost_centre": {"number": "4711"}}


# -- the unit ------------------------------------------------------------------------------


@pytest.mark.functional
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("more", [(), ("--state-dir", "/srv/%n of $HOME", "--user", "daemon")])
def test_systemd_takes_the_unit_that_is_printed(tmp_path: Path, more: tuple[str, ...]) -> None:
    unit = tmp_path / "hikrecv.service"
    unit.write_text(CliRunner().invoke(hikrecv, ["service", "unit", *more]).output)

    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 0, done.stderr
    assert str(unit) not in done.stderr
