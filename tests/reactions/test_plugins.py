from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python import threadable
from twisted.web.resource import Resource

from hikrecv.config import parse
from hikrecv.errors import ConfigError, PluginError, Reject
from hikrecv.isapi.event import Device, Event, Picture
from hikrecv.push import Peer
from hikrecv.reactions.context import Context, Services
from hikrecv.reactions.http import Http
from hikrecv.reactions.plugins import Plugins, find
from hikrecv.reactions.reaction import Reaction, build

GOOD = """
from hikrecv import hookimpl
seen = []
@hookimpl
def hikrecv_event(event):
    seen.append(event)
"""
CLASS = """
import msgspec
from hikrecv import hookimpl
class Settings(msgspec.Struct, frozen=True):
    url: str
class Plugin:
    HIKRECV_API = 1
    def __init__(self, context):
        self.context = context
        self.seen = []
    @hookimpl
    async def hikrecv_event(self, event, context):
        self.seen.append((self.context.settings.url, event))
    @hookimpl
    def hikrecv_start(self):
        pass
"""
ACTS = "acts = True\ndelivery = 'at-most-once'\n" + GOOD
CHECKS = """
from hikrecv import hookimpl
@hookimpl
async def hikrecv_remote_check(event):
    return True
"""


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
        (tmp_path / f"{name}.py").chmod(0o600)
    tmp_path.chmod(0o700)
    return tmp_path


def found(tmp_path: Path, **files: str) -> Plugins:
    return find([folder(tmp_path, **files)], installed=[])


def services(tmp_path: Path) -> Services:
    def device(name: str) -> Any:
        raise Reject(f"no {name}")

    http = Http(RequestTraversalAgent(Resource()), Clock())
    return Services(clock=Clock(), http=http, state_dir=tmp_path / "state", device=device)


def built(tmp_path: Path, config: str, **files: str) -> tuple[dict[str, Reaction], list[ConfigError]]:
    return build(parse(config), found(tmp_path, **files), services(tmp_path))


def only_error(tmp_path: Path, config: str, **files: str) -> str:
    _, errors = built(tmp_path, config, **files)
    assert len(errors) == 1, errors
    return str(errors[0])


# -- finding and loading ----------------------------------------------------


def test_a_file_in_a_plugin_dir_is_a_plugin_named_by_its_stem(tmp_path: Path) -> None:
    plugins = found(tmp_path, good=GOOD, _private="1/0")

    assert plugins.names == ("good",)
    assert plugins.get("good").hooks == ("hikrecv_event",)


def test_nothing_is_imported_before_it_is_asked_for(tmp_path: Path) -> None:
    plugins = found(tmp_path, bad="raise SystemExit(1)")

    assert plugins.names == ("bad",)
    assert plugins.failures == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1/0", "ZeroDivisionError"),
        ("import not_there_at_all", "No module named 'not_there_at_all'"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("", "implements no hook"),
        ("HIKRECV_API = 2\n" + GOOD, "upgrade hikrecv"),
        ("HIKRECV_API = 0\n" + GOOD, "upgrade the plugin"),
        ("delivery = 'once'\n" + GOOD, "at-most-once"),
        ("class Settings: pass\n" + GOOD, "class Settings(msgspec.Struct, frozen=True)"),
        ("import msgspec\nclass Settings(msgspec.Struct): a: int = 1\n" + GOOD, "frozen=True"),
        (
            "import msgspec\nclass Settings(msgspec.Struct, frozen=True): timeout: int = 1\n" + GOOD,
            "another name",
        ),
        (GOOD.replace("hikrecv_event", "hikrecv_evnt"), "did you mean hikrecv_event?"),
        (GOOD.replace("@hookimpl\n", ""), "write @hookimpl above it"),
        (GOOD.replace("(event)", "(evnt)"), "evnt"),
        (GOOD.replace("@hookimpl", "@hookimpl(wrapper=True)") + "    yield", "is a wrapper"),
        (GOOD + "@hookimpl(specname='hikrecv_event')\ndef other(event): pass", "twice"),
        (
            "from hikrecv import hookimpl\n@hookimpl\nasync def hikrecv_decode(push): pass",
            "must be a plain function",
        ),
    ],
)
def test_a_broken_plugin_is_a_failure_with_the_cure_and_harms_none_of_the_others(
    tmp_path: Path, text: str, says: str
) -> None:
    plugins = found(tmp_path, aaa=GOOD, bad=text, zzz=GOOD)

    assert [plugin.name for plugin in plugins.load_all()] == ["aaa", "zzz"]
    assert [failure.name for failure in plugins.failures] == ["bad"]
    assert says in plugins.failures[0].reason
    assert "\n" not in plugins.failures[0].reason
    with pytest.raises(PluginError, match="the plugin bad is broken"):
        plugins.get("bad")


def test_strict_raises_the_first_failure(tmp_path: Path) -> None:
    plugins = find([folder(tmp_path, bad="1/0")], installed=[], strict=True)

    with pytest.raises(PluginError, match="bad"):
        plugins.load_all()


def test_an_unknown_plugin_names_what_to_install(tmp_path: Path) -> None:
    plugins = found(tmp_path, forward=GOOD)

    with pytest.raises(PluginError, match="pip install hikrecv-mqtt"):
        plugins.get("mqtt")
    with pytest.raises(PluginError, match=r"did you mean forward\?"):
        plugins.get("foward")


def test_only_and_without_choose_what_is_looked_at(tmp_path: Path) -> None:
    place = folder(tmp_path, a=GOOD, b=GOOD, c=GOOD)

    assert find([place], installed=[], only=["a", "b"], without=["b"]).names == ("a",)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_where_others_may_write_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    place = folder(tmp_path, a=GOOD)
    place.chmod(mode)

    plugins = find([place], installed=[])

    assert plugins.names == ()
    assert f"chmod go-w {place}" in plugins.failures[0].reason


def test_a_file_that_others_may_write_and_a_folder_that_is_not_there_are_refused(tmp_path: Path) -> None:
    place = folder(tmp_path, a=GOOD)
    (place / "a.py").chmod(0o666)

    plugins = find([place, place / "gone"], installed=[])

    assert plugins.names == ()
    assert len(plugins.failures) == 2


def test_an_entry_point_may_name_a_class_a_module_or_nothing(tmp_path: Path, request: Any) -> None:
    place = folder(tmp_path, fine=CLASS)
    sys.path.insert(0, str(place))
    request.addfinalizer(lambda: sys.path.remove(str(place)))
    points = [
        EntryPoint("a", "fine:Plugin", "hikrecv"),
        EntryPoint("b", "fine", "hikrecv"),
        EntryPoint("c", "fine:missing", "hikrecv"),
        EntryPoint("d", "fine:__name__", "hikrecv"),
        EntryPoint("e", "not_installed_at_all", "hikrecv"),
    ]

    plugins = find(installed=points)

    assert [plugin.name for plugin in plugins.load_all()] == ["a", "b"]
    assert [failure.name for failure in plugins.failures] == ["c", "d", "e"]
    settings = plugins.get("a").settings
    assert settings is not None
    assert settings.__name__ == "Settings"


def test_two_plugins_of_one_name_are_a_failure_and_the_first_stays(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for each in (one, two):
        each.mkdir()
        folder(each, same=GOOD)

    plugins = find([one, two], installed=[])

    assert plugins.get("same").origin == str(one / "same.py")
    assert "rename one of them" in plugins.failures[0].reason


# -- reactions --------------------------------------------------------------

TWO = """
[reactions.one]
plugin = "p"
url = "http://1"
[reactions.two]
plugin = "p"
url = "http://2"
[reactions.off]
plugin = "not-there"
enabled = false
"""


def test_two_reactions_of_one_class_have_instances_of_their_own(tmp_path: Path) -> None:
    reactions, errors = built(tmp_path, TWO, p=CLASS)

    assert errors == []
    assert list(reactions) == ["one", "two"]
    one, two = reactions["one"].event, reactions["two"].event
    assert one is not None
    assert two is not None
    assert one.function.__self__ is not two.function.__self__  # type: ignore[attr-defined]
    assert reactions["two"].context.settings.url == "http://2"


def test_two_reactions_of_one_module_have_contexts_of_their_own(tmp_path: Path) -> None:
    config = '[reactions.one]\nplugin = "p"\n[reactions.two]\nplugin = "p"'

    reactions, errors = built(tmp_path, config, p=GOOD)

    assert errors == []
    assert [each.context.name for each in reactions.values()] == ["one", "two"]


def test_a_hook_knows_how_it_is_written_and_gets_what_it_names(tmp_path: Path) -> None:
    text = (
        CLASS
        + """
    from hikrecv import deferred as _deferred
    @hookimpl
    @_deferred
    def hikrecv_stop(self, context):
        return context.name
"""
    )
    reactions, _ = built(tmp_path, TWO, p=text)
    one = reactions["one"]
    assert one.event is not None
    assert one.start is not None
    assert one.stop is not None

    assert (one.event.kind, one.start.kind, one.stop.kind) == ("async", "plain", "deferred")
    assert one.event.argnames == ("event", "context")
    assert one.start(context=one.context) is None
    assert one.stop(context=one.context, event=None) == "one"


def test_the_errors_of_all_reactions_are_found_at_once(tmp_path: Path) -> None:
    config = """
    [reactions.a]
    plugin = "p"
    ulr = "x"
    when = 'family == "plates"'
    timeout = "soon"
    [reactions.b]
    plugin = "p"
    url = 3
    families = ["plates", "plate"]
    schedule = [{ times = ["8-9"] }]
    when = 'nothing'
    [reactions.c]
    plugin = "nowhere"
    [reactions."../d"]
    plugin = "p"
    """

    reactions, errors = built(tmp_path, config, p=CLASS)

    assert reactions == {}
    assert sorted(error.path for error in errors) == [
        "reactions.../d",
        "reactions.a.timeout",
        "reactions.a.ulr",
        "reactions.a.url",
        "reactions.b.families",
        "reactions.b.schedule[0].times",
        "reactions.b.url",
        "reactions.b.when",
        "reactions.c.plugin",
    ]


def test_a_class_that_cannot_be_made_is_an_error_of_its_reaction(tmp_path: Path) -> None:
    text = CLASS.replace("self.seen = []", "raise ValueError('no such printer')")

    reactions, errors = built(tmp_path, TWO, p=text)

    assert reactions == {}
    assert len(errors) == 2
    assert "reactions.one: the plugin p could not be made: ValueError: no such printer" in str(errors[0])


def test_a_plugin_without_settings_takes_none(tmp_path: Path) -> None:
    error = only_error(tmp_path, '[reactions.a]\nplugin = "p"\ncolour = "red"', p=GOOD)

    assert error == "reactions.a.colour: unknown key; the plugin has no settings of its own"


TRUSTED = """
[[listen]]
endpoint = "tcp:8089"
token = "secret"
[devices.gate]
address = "10.0.0.5"
"""


def test_what_must_not_repeat_has_a_max_age_and_cannot_be_loosened(tmp_path: Path) -> None:
    config = TRUSTED + '[reactions.a]\nplugin = "p"\n'

    reactions, errors = built(tmp_path, config, p=ACTS)
    assert errors == []
    assert (reactions["a"].delivery, reactions["a"].max_age, reactions["a"].acts) == (
        "at-most-once",
        10,
        True,
    )

    assert "must never repeat" in only_error(tmp_path, config + 'delivery = "at-least-once"', p=ACTS)


def test_a_table_can_tighten_the_delivery(tmp_path: Path) -> None:
    config = '[reactions.a]\nplugin = "p"\ndelivery = "at-most-once"\nmax_age = "1m"'

    reactions, _ = built(tmp_path, config, p=GOOD)

    assert (reactions["a"].delivery, reactions["a"].max_age) == ("at-most-once", 60)


def test_a_reaction_that_says_nothing_is_handed_everything_for_ever(tmp_path: Path) -> None:
    reactions, _ = built(tmp_path, '[reactions.a]\nplugin = "p"', p=GOOD)

    assert (reactions["a"].delivery, reactions["a"].max_age, reactions["a"].acts) == (
        "at-least-once",
        None,
        False,
    )
    assert reactions["a"].carries


@pytest.mark.parametrize(
    ("listen", "refused"),
    [
        ('endpoint = "tcp:1"', True),
        ('endpoint = "tcp:1"\nallow = ["0.0.0.0/0"]', True),
        ('endpoint = "tcp:1"\nallow = ["10.0.0.0/8"]', False),
        ('endpoint = "tcp:1"\nallow = ["0.0.0.0/1", "128.0.0.0/1"]', True),
        ('endpoint = "tcp:1"\nallow = ["0.0.0.0/2", "64.0.0.0/3", "128.0.0.0/2"]', True),
        ('endpoint = "tcp:1"\nallow = ["10.0.0.0/8", "::/1", "8000::/1"]', True),
        ('endpoint = "tcp:1"\nallow = ["2000::/4", "3000::/4"]', True),
        ('endpoint = "tcp:1"\nallow = ["::ffff:0.0.0.0/96"]', True),
        ('endpoint = "tcp:1"\nallow = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]', False),
        ('endpoint = "tcp:1"\nproxies = ["10.0.0.9"]', True),
        ('endpoint = "tcp:1"\nproxies = ["10.0.0.9"]\nallow = ["10.0.0.5"]', False),
        ('endpoint = "tcp:1"\nlogin = "digest"\nuser = "u"\npassword = "p"', False),
        ('endpoint = "tcp:1"\ntoken = "t"\n[[listen]]\nendpoint = "tcp:2"', True),
    ],
)
def test_an_acting_plugin_is_refused_an_open_listener(tmp_path: Path, listen: str, refused: bool) -> None:
    config = f'[[listen]]\n{listen}\n[devices.gate]\naddress = "10.0.0.5"\n[reactions.a]\nplugin = "p"'

    _, errors = built(tmp_path, config, p=ACTS)

    assert ["anybody may send to" in str(error) for error in errors] == [True] * refused


@pytest.mark.parametrize(
    ("allow", "proxy"),
    [("10.0.0.9", "10.0.0.9"), ("10.0.0.0/8", "10.0.0.9"), ("10.0.0.9", "10.0.0.8/30"), ("::1", "::1")],
)
def test_an_acting_plugin_is_refused_a_listener_that_lets_a_proxy_in(
    tmp_path: Path, allow: str, proxy: str
) -> None:
    listen = f'endpoint = "tcp:1"\nallow = ["{allow}"]\nproxies = ["{proxy}"]'
    config = f'[[listen]]\n{listen}\n[devices.gate]\naddress = "10.9.0.5"\n[reactions.a]\nplugin = "p"'

    assert "anybody behind the proxy" in only_error(tmp_path, config, p=ACTS)
    _, errors = built(tmp_path, config.replace("proxies", 'token = "t"\nproxies'), p=ACTS)
    assert errors == []


@pytest.mark.parametrize(
    "device",
    [
        'mac = "ac:cb:51:19:f5:08"',
        'address = "gate.local"',
        'address = "10.0.0.9"',
        'push_login = { user = "gate", password = "p" }',
        'address = "10.0.0.5"\nmac = "ac:cb:51:19:f5:08"\n[devices.yard]\naddress = "10.0.0.5"',
    ],
)
def test_an_acting_plugin_needs_a_device_that_can_prove_who_it_is(tmp_path: Path, device: str) -> None:
    listen = '[[listen]]\nendpoint = "tcp:1"\ntoken = "t"\nproxies = ["10.0.0.9"]'
    config = f'{listen}\n[devices.gate]\n{device}\n[reactions.a]\nplugin = "p"'

    assert "known by their own address or login" in only_error(tmp_path, config, p=ACTS)


def test_a_login_of_its_own_is_proof_where_the_port_asks_for_one(tmp_path: Path) -> None:
    listen = '[[listen]]\nendpoint = "tcp:1"\nlogin = "digest"'
    device = '[devices.gate]\npush_login = { user = "gate", password = "p" }'

    _, errors = built(tmp_path, f'{listen}\n{device}\n[reactions.a]\nplugin = "p"', p=ACTS)

    assert errors == []


def test_an_acting_plugin_needs_devices_with_names(tmp_path: Path) -> None:
    config = TRUSTED.partition("[devices")[0] + '[reactions.a]\nplugin = "p"'

    assert "write [devices.<name>]" in only_error(tmp_path, config, p=ACTS)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ('["door"]', ""),
        ('["nobody"]', "no enabled [reactions.nobody]"),
        ('["door", "other"]', "does not answer remote checks"),
    ],
)
def test_the_list_of_remote_checks_is_checked(tmp_path: Path, names: str, says: str) -> None:
    config = (
        TRUSTED
        + f"""
    [remote_check]
    reactions = {names}
    [reactions.door]
    plugin = "checks"
    [reactions.other]
    plugin = "good"
    """
    )
    if '"door"' not in names:
        config = config.replace('plugin = "checks"', 'plugin = "good"')

    _, errors = built(tmp_path, config, checks=CHECKS, good=GOOD)

    assert [says in str(error) for error in errors] == [True] * bool(says)


def test_a_remote_check_that_is_not_listed_would_never_be_asked(tmp_path: Path) -> None:
    config = TRUSTED + '[reactions.door]\nplugin = "p"'

    assert "name door in [remote_check] reactions" in only_error(tmp_path, config, p=CHECKS)


def test_remote_checks_are_refused_an_open_listener_and_a_long_budget(tmp_path: Path) -> None:
    config = """
    [devices.gate]
    address = "10.0.0.5"
    [remote_check]
    reactions = ["door"]
    budget = "6s"
    [reactions.door]
    plugin = "p"
    """

    _, errors = built(tmp_path, config, p=CHECKS)

    assert [error.path for error in errors] == ["remote_check.budget", "remote_check.reactions"]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("concurrency = 0", "concurrency"),
        ("retry = 0", "retry"),
        ("timeout = 0", "timeout"),
        ("max_age = 0", "max_age"),
        ('from = "yesterday"', "from"),
        ("from = -1", "from"),
        ("batch = { most = 5 }", "batch"),
    ],
)
def test_impossible_common_keys_are_errors(tmp_path: Path, line: str, path: str) -> None:
    error = only_error(tmp_path, f'[reactions.a]\nplugin = "p"\n{line}', p=GOOD)

    assert error.startswith(f"reactions.a.{path}: ")


# -- context ------------------------------------------------------------------


def test_a_context_has_a_private_folder_and_attempts_of_its_own(tmp_path: Path) -> None:
    context = Context("hq", None, services(tmp_path))

    second = context.for_attempt(2, replay=True)

    assert (context.attempt, second.attempt, second.replay, second.dry_run) == (0, 2, True, False)
    assert second.state_dir == tmp_path / "state" / "plugins" / "hq"
    assert second.state_dir.stat().st_mode & 0o777 == 0o700
    assert second.log.namespace == "hikrecv.reactions.hq"
    with pytest.raises(Reject):
        context.device("gate")


def test_a_dry_run_sends_nothing_even_for_a_plugin_that_does_not_know_of_it(tmp_path: Path) -> None:
    context = Context("hq", None, services(tmp_path)).for_attempt(1, dry_run=True)
    ends: list[Any] = []

    context.http.post("http://hq/secret", json={}).addBoth(ends.append)

    assert ends[0].check(Reject)
    assert str(ends[0].value) == "dry run: would POST to hq"
    with pytest.raises(Reject, match="would call device gate"):
        context.device("gate")


def test_http_from_the_wrong_thread_says_what_to_write(tmp_path: Path, request: Any) -> None:
    context = Context("hq", None, services(tmp_path))
    request.addfinalizer(lambda was=threadable.ioThread: setattr(threadable, "ioThread", was))
    threadable.registerAsIOThread()

    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(RuntimeError, match=r"context\.wait\(context\.http\.post"),
    ):
        pool.submit(context.http.get, "http://hq").result(10)
    with pytest.raises(RuntimeError, match="write await"):
        context.wait(context.http.get, "http://hq")


def test_a_plain_hook_waits_through_the_service(tmp_path: Path) -> None:
    given = services(tmp_path)
    waiting = Services(
        clock=given.clock,
        http=given.http,
        state_dir=tmp_path,
        device=given.device,
        wait=lambda function, *arguments, **named: (function, arguments, named),
    )

    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(Context("hq", None, waiting).wait, print, 1, end="").result(10)

    assert waited == (print, (1,), {"end": ""})


def picture(n: int, url: str | None = None, content: bytes | None = None) -> Picture:
    made = Picture(n=n, role="face", url=url)
    if content is not None:
        made.__dict__["_view"] = memoryview(content)
    return made


def test_a_picture_is_a_slice_of_the_push_or_fetched_from_its_device(tmp_path: Path) -> None:
    asked: list[Any] = []

    class Client:
        async def picture(self, url: str, aliases: Any) -> bytes:
            asked.append((url, aliases))
            return b"linked"

    def device(name: str) -> Any:
        assert name == "gate"
        return Client()

    given = services(tmp_path)
    context = Context(
        "hq", None, Services(clock=given.clock, http=given.http, state_dir=tmp_path, device=device)
    )
    seen = Event(
        id="j-1-0", key="k", seq=1, n=0, received=datetime.now(timezone.utc), type="x", wire_type="x",
        family="plate", state="active", freshness="live", peer=Peer("10.0.0.5", 1, "none"),
        device=Device(id="gate", ip="192.168.1.64"),
    )  # fmt: skip
    ends: list[Any] = []

    for each in (picture(0, content=b"inline"), picture(1, url="http://192.168.1.64/p"), picture(2)):
        Deferred.fromCoroutine(context.fetch(each, seen)).addBoth(ends.append)

    assert ends[:2] == [b"inline", b"linked"]
    assert ends[2].check(Reject)
    assert asked == [("http://192.168.1.64/p", ["192.168.1.64", "10.0.0.5"])]
    assert context.picture(picture(0, content=b"inline")) == b"inline"
    with pytest.raises(Reject, match=r"context\.fetch"):
        context.picture(picture(1, url="http://x"))


# -- what a type checker says ---------------------------------------------------

SAMPLE_GOOD = """
from collections.abc import Sequence
from twisted.internet.defer import Deferred, succeed
from hikrecv import Context, Event, Push, deferred, hookimpl
from hikrecv.reactions.hookspecs import Hooks

@hookimpl
async def hikrecv_event(event: Event, context: Context) -> None:
    response = await context.http.post("https://example.org", json=event.to_dict())
    reveal: int = response.code

@hookimpl
def hikrecv_events(events: Sequence[Event]) -> None: ...

@hookimpl
@deferred
def hikrecv_stop(context: Context) -> Deferred[None]:
    return succeed(None)

class Door:
    def __init__(self, context: Context) -> None:
        self.context = context

    @hookimpl
    async def hikrecv_remote_check(self, event: Event) -> bool | None:
        return event.access is not None

    @hookimpl
    async def hikrecv_event(self, context: Context, event: Event) -> None:
        await context.device("gate").door("open", 1)

    @hookimpl
    def hikrecv_decode(self, push: Push) -> list[Event] | None: ...

    @hookimpl
    def hikrecv_start(self) -> None: ...

class Strict(Hooks):
    @hookimpl
    async def hikrecv_event(self, event: Event, context: Context) -> None: ...
"""
SAMPLE_BAD = """
from hikrecv import Context, Event, deferred, hookimpl
from hikrecv.reactions.hookspecs import Hooks
@hookimpl
async def hikrecv_event(event: str) -> None: ...

@hookimpl
def hikrecv_enrich(event: Event, contxt: Context) -> Event: return event

@hookimpl
def hikrecv_remote_check(event: Event) -> str: return ""

@hookimpl
@deferred
def hikrecv_stop(context: Context) -> None: ...

@hookimpl
async def hikrecv_start(context: Context) -> None:
    await context.device("gate").door("opne")
    event: Event = context.settings.anything
    event.familly

class Strict(Hooks):
    @hookimpl
    def hikrecv_enrich(self, event: Event, context: Context) -> bool: return True
"""


def test_a_type_checker_knows_the_hooks(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "good.py").write_text(SAMPLE_GOOD)
    (tmp_path / "bad.py").write_text(SAMPLE_BAD)
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports = silent\n")

    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "good.py", "bad.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )

    lines = [line for line in run.stdout.splitlines() if ": error: " in line]
    assert not [line for line in lines if line.startswith("good.py")], run.stdout
    wrong = {int(line.split(":")[1]) for line in lines}
    assert wrong == {4, 7, 10, 13, 19, 21, 25}, run.stdout
