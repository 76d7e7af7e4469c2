from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, ClassVar

import hikrecv_access
import msgspec
import pytest
import pytest_twisted
from hikrecv_access.settings import Settings

from hikrecv import Retry
from hikrecv.config import Config, parse
from hikrecv.errors import ConfigError
from hikrecv.reactions.plugins import find
from hikrecv.reactions.reaction import build
from hikrecv.testing.contract import NAME, PluginContract
from hikrecv.testing.door import echoes
from hikrecv.testing.events import WHO
from hikrecv.testing.profiles import anpr, minmoe
from hikrecv.testing.waiting import result_of

README = Path(__file__).parents[1] / "README.md"
PLATES = "plate,note\nB-AB 1234,the sample\n"
PEOPLE = "employee_no,note\n1001,Ada\n"
EVERYBODY = {"plugin": "access", "unknown": "allow"}


class TestContract(PluginContract):
    plugin = hikrecv_access
    family = "plate"
    wrong = (
        ({"what": "window"}, "what"),
        ({"do": "play"}, "do"),
        ({"lasts": "5s"}, "lasts"),
        ({"number": -1}, "number"),
        ({"look_alikes": ["O"]}, "look_alikes"),
        ({"look_alikes": ["O0", "OQ"]}, "look_alikes"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"allow": ["/no/such/list.csv"]}, "list.csv"),
        ({"device": "cellar"}, "cellar"),
        ({"allow": []}, "allow"),
        ({"max_age": 0}, "max_age"),
        ({"delivery": "at-least-once"}, "delivery"),
    )
    more: ClassVar[Any] = {"remote_check": {"reactions": [NAME]}}

    @pytest.fixture
    def table(self, lists: Any) -> dict[str, Any]:
        return {"what": "gate", "allow": lists(PLATES)}

    @pytest.fixture
    def seen(self, audited: Any) -> Callable[[], Sequence[str]]:
        def done() -> list[str]:
            lines = audited(NAME)
            keys = {line["event"]: line["key"] for line in lines if "key" in line}
            return [keys[line["event"]] for line in lines if line.get("result") == "done"]

        return done

    @pytest.fixture
    def trouble(self, bench: Any) -> Any:
        return bench.device


# -- what is done --------------------------------------------------------------------


def test_it_is_found_by_its_entry_point() -> None:
    found = find(strict=True).get("access")

    assert found.subject is hikrecv_access.Plugin
    assert (found.acts, found.delivery) == (True, "at-most-once")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "door 1 open"),
        ({"do": "close"}, "door 1 close"),
        ({"do": "hold-open", "number": 3}, "door 3 alwaysOpen"),
        ({"do": "hold-closed", "number": 65_535}, "door 65535 alwaysClose"),
        ({"do": "resume"}, "door 1 resume"),
        ({"what": "gate"}, "gate 1 open"),
        ({"what": "gate", "do": "lock", "number": 2}, "gate 2 lock"),
        ({"what": "output"}, "output 1 high"),
        ({"what": "output", "do": "off", "number": 4}, "output 4 low"),
        ({"what": "output", "device": "lobby"}, "output 1 high"),
    ],
)
def test_each_command_reaches_the_device(receiver: Any, bench: Any, table: dict[str, Any], told: str) -> None:
    receiver.start({"door": {**EVERYBODY, **table}})

    receiver.push("plate")
    receiver.catch_up()

    assert bench.device.told == [told]
    assert receiver.status("door").done == 1


def test_a_siren_plays_its_sound(receiver: Any, bench: Any) -> None:
    receiver.start({"door": {**EVERYBODY, "what": "siren", "audio": 7, "number": 2}})

    receiver.push("fire")
    receiver.catch_up()

    place = "/ISAPI/Event/triggers/notifications/AudioAlarm/AudioOut/2/PlayCustomAudioFile"
    assert bench.device.sounds == [f"{place}?format=json&customAudioID=7"]


def test_the_door_is_the_one_that_the_event_names(receiver: Any, bench: Any, make_event: Any) -> None:
    plugin = hikrecv_access.Plugin(context := bench.context(hikrecv_access, unknown="allow"))

    plugin.hikrecv_event(make_event("access", access={"door": 4}), context)

    assert bench.device.told == ["door 4 open"]


def test_who_is_listed_gets_in_and_nobody_else(receiver: Any, bench: Any, lists: Any, audited: Any) -> None:
    receiver.start({"door": {"plugin": "access", "what": "gate", "allow": lists(PLATES)}})
    moment = bench.events("plate").received

    for turn, plate in enumerate(("bab-1234", "X 1", "B AB 12345", "unknown")):
        receiver.push(anpr.read(WHO, moment + timedelta(seconds=turn), plate, turn=turn))
    receiver.catch_up()

    assert bench.device.told == ["gate 1 open"]
    assert [(line.get("verdict"), line.get("result")) for line in audited()] == [
        ("allow", None),
        (None, "done"),
        ("unknown", None),
        ("unknown", None),
        ("unknown", None),
    ]


def test_a_plate_that_the_camera_calls_white_means_nothing(receiver: Any, bench: Any, lists: Any) -> None:
    receiver.start({"door": {"plugin": "access", "what": "gate", "allow": lists(PLATES)}})

    receiver.push(anpr.read(WHO, bench.events("plate").received, "X 1", "white"))
    receiver.catch_up()

    assert bench.device.told == []


def test_a_line_says_what_is_done_for_it(receiver: Any, bench: Any, lists: Any) -> None:
    allow = lists("plate,do,number\nBAB1234,unlock,3\n")
    receiver.start({"door": {"plugin": "access", "what": "gate", "allow": allow}})

    receiver.push("plate")
    receiver.catch_up()

    assert bench.device.told == ["gate 3 unlock"]


def test_the_audit_says_what_and_why_before_anything_is_done(
    receiver: Any, bench: Any, lists: Any, audited: Any
) -> None:
    before: list[Any] = []
    bench.device._heard = lambda command: before.append(audited())
    (allow,) = lists("# plates\nplate,note\n\nB-AB 1234,x\n")
    receiver.start({"door": {"plugin": "access", "what": "gate", "allow": [allow]}})

    event = receiver.push("plate")[0]
    receiver.catch_up()

    ((line,),) = before
    assert (line["event"], line["key"], line["device"]) == (event.id, event.key, "gate")
    assert (line["verdict"], line["who"], line["line"]) == ("allow", {"plate": "BAB1234"}, "list-0.csv:4")
    assert line["command"] == {"device": "gate", "what": "gate", "do": "open", "number": 1, "audio": 1}
    assert audited()[1]["result"] == "done"
    file = bench.folder / "plugins/door/audit.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_down_is_not_done(receiver: Any, bench: Any) -> None:
    file = bench.folder / "plugins/door/audit.jsonl"
    file.mkdir(parents=True)
    receiver.start({"door": dict(EVERYBODY)})
    receiver.push("plate")
    receiver.advance(3)
    assert bench.device.told == []
    assert receiver.status("door").state == "retrying"

    file.rmdir()
    receiver.catch_up()

    assert bench.device.told == ["door 1 open"]


def test_without_an_audit_file_there_is_none(receiver: Any, bench: Any) -> None:
    receiver.start({"door": {**EVERYBODY, "audit": ""}})

    receiver.push("plate")
    receiver.catch_up()

    assert bench.device.told == ["door 1 open"]
    assert not list(bench.folder.rglob("audit*"))


def test_a_moved_audit_file_is_begun_anew_and_half_a_line_stays_alone(
    receiver: Any, bench: Any, audited: Any
) -> None:
    folder = bench.folder / "plugins/door"
    folder.mkdir(parents=True)
    (folder / "audit.jsonl").write_bytes(b'{"half')
    receiver.start({"door": dict(EVERYBODY)})
    receiver.push("plate")
    receiver.catch_up()

    (folder / "audit.jsonl").rename(folder / "old.jsonl")
    receiver.push("plate")
    receiver.catch_up()

    assert [line[:4] for line in (folder / "old.jsonl").read_bytes().splitlines()] == [
        b'{"ha',
        b'{"at',
        b'{"at',
    ]
    assert len(audited()) == 2


def test_a_dry_run_does_and_writes_nothing(bench: Any, make_event: Any, audited: Any) -> None:
    context = bench.context(hikrecv_access, "door", unknown="allow")
    plugin = hikrecv_access.Plugin(context)

    plugin.hikrecv_event(make_event("plate"), context.for_attempt(1, dry_run=True))

    assert (bench.device.told, audited()) == ([], [])


# -- when nothing is done --------------------------------------------------------------


def test_strangers_and_late_events_are_not_even_considered(receiver: Any, bench: Any, audited: Any) -> None:
    receiver.start({"door": dict(EVERYBODY)})
    receiver.push("plate")
    receiver.catch_up()

    receiver.push("plate", trust="none")
    receiver.push("plate", ip="203.0.113.9")
    receiver.push("plate", late=7_200.0)
    receiver.catch_up()

    assert bench.device.told == ["door 1 open"]
    assert len({line["event"] for line in audited()}) == 1


def test_a_listener_for_everybody_is_refused(bench: Any) -> None:
    config = parse(
        '[devices.gate]\naddress = "192.0.2.2"\n[reactions.door]\nplugin = "access"\nunknown = "allow"'
    )

    _, errors = build(config, find(), bench.services)

    assert any("reactions.door" in str(error) and "anybody may send" in str(error) for error in errors)


def test_what_waited_longer_than_max_age_is_not_done(receiver: Any, bench: Any) -> None:
    receiver.start({"door": dict(EVERYBODY)})
    result_of(receiver.dispatch.pause("door"), receiver.clock)
    receiver.push("plate")
    receiver.advance(11)

    result_of(receiver.dispatch.resume("door"), receiver.clock)
    receiver.catch_up()

    assert bench.device.told == []
    assert receiver.status("door").left_out == {"too old": 1}


def test_a_busy_device_is_asked_again_within_max_age(receiver: Any, bench: Any, audited: Any) -> None:
    receiver.start({"door": dict(EVERYBODY)})
    bench.device.busy(2)

    receiver.push("plate")
    receiver.catch_up()

    assert bench.device.told == ["door 1 open"]
    assert [line["attempt"] for line in audited() if line.get("result") == "done"] == [3]


def test_a_device_that_stays_busy_is_given_up(receiver: Any, bench: Any) -> None:
    receiver.start({"door": dict(EVERYBODY)})
    bench.device.busy(1_000)

    receiver.push("plate")
    receiver.catch_up()
    bench.device.recover()
    receiver.advance(60)

    assert bench.device.told == []
    (letter,) = receiver.dead_letters()
    assert "not done within 10 s" in letter.reason


def test_a_lost_answer_is_perhaps_done_and_never_done_again(receiver: Any, bench: Any, audited: Any) -> None:
    receiver.start({"door": dict(EVERYBODY)})
    receiver.push("plate")
    receiver.catch_up()
    bench.device.lose_answer(1)

    receiver.push("plate")
    receiver.advance(60)
    receiver.restart()
    receiver.catch_up()

    assert bench.device.told == ["door 1 open"] * 2
    assert [letter.reason.split(":")[0] for letter in receiver.dead_letters()] == ["perhaps done"]
    assert audited()[-1]["result"].startswith("failed: lost")


def test_a_repeat_of_the_device_opens_once(receiver: Any, bench: Any) -> None:
    receiver.start({"door": {**EVERYBODY, "what": "gate"}})
    message = anpr.read(WHO, bench.events("plate").received, "B AB 1234")

    for _ in range(3):
        receiver.push(message)
    receiver.catch_up()

    assert bench.device.told == ["gate 1 open"]


def test_a_wrong_password_does_not_lock_the_account(receiver: Any, bench: Any) -> None:
    bench.device._password = "another"
    receiver.start({"door": dict(EVERYBODY)})

    for _ in range(10):
        receiver.push("plate")
        receiver.catch_up()

    assert bench.device.told == []
    assert bench.device.wrong_logins < 3


def test_one_device_that_refuses_the_login_keeps_no_other_door_shut(receiver: Any, bench: Any) -> None:
    bench.device._password = "another"
    receiver.start({"door": dict(EVERYBODY), "siren": {**EVERYBODY, "device": "gate"}})

    receiver.push("plate")
    receiver.catch_up()

    door, siren = receiver.status("door"), receiver.status("siren")
    assert (door.state, door.dead) == ("waiting", 1), "its other devices' events go on"
    assert (siren.state, siren.dead) == ("holding", 0), "it has no other device"
    assert "[devices.gate]" in siren.reason


# -- our own echo ----------------------------------------------------------------------


def now(bench: Any) -> datetime:
    return datetime.fromtimestamp(bench.wall(), timezone.utc)


@pytest.fixture
def answering(receiver: Any) -> Any:
    """A door that is opened whenever it was opened: without care it would never stop."""
    receiver.start({"door": {**EVERYBODY, "families": ["access"]}})
    receiver.advance(30)
    return receiver


def test_a_door_is_not_opened_because_it_was_opened(answering: Any, bench: Any, audited: Any) -> None:
    answering.push(minmoe.verified(WHO, now(bench), 1))
    answering.catch_up()

    for message in echoes(bench.device.commands[-1], WHO, now(bench), serial=50):
        answering.push(message)
    answering.catch_up()

    assert bench.device.told == ["door 1 open"]
    assert [line["verdict"] for line in audited() if "verdict" in line] == ["allow", "ignore", "ignore"]


@pytest.mark.parametrize(
    ("changes", "wait", "is_echo"),
    [
        ({"major": 3, "minor": 1024}, 1, True),
        ({"major": 3, "minor": 1026}, 1, True),
        ({"major": 5, "minor": 21}, 9, True),
        ({"major": 5, "minor": 22, "door": None}, 9, True),
        ({"major": 5, "minor": 22}, 11, False),
        ({"major": 5, "minor": 21, "door": 2}, 1, False),
        ({"major": 5, "minor": 29}, 1, False),
        ({"major": 5, "minor": 75}, 1, False),
    ],
)
def test_what_is_an_echo(
    answering: Any, bench: Any, make_event: Any, changes: dict[str, Any], wait: float, is_echo: bool
) -> None:
    answering.push(minmoe.verified(WHO, now(bench), 1))
    answering.catch_up()
    context = bench.context(hikrecv_access, unknown="allow")
    plugin = hikrecv_access.Plugin(context)
    bench.clock.advance(wait)

    access = {"outcome": "door", "employee_no": None, "person": None, **changes}
    plugin.hikrecv_event(make_event("access", access=access), context)

    assert len(bench.device.told) == (1 if is_echo else 2)


def test_two_reactions_do_not_answer_each_other(receiver: Any, bench: Any) -> None:
    table = {**EVERYBODY, "families": ["access"]}
    receiver.start({"a": {**table, "number": 1}, "b": {**table, "number": 1, "when": "access.minor == 21"}})
    receiver.advance(30)

    receiver.push(minmoe.verified(WHO, now(bench), 1))
    receiver.catch_up()
    receiver.push(minmoe.door(WHO, now(bench), 2, 21))
    receiver.catch_up()

    assert bench.device.told == ["door 1 open"]


def test_the_first_seconds_after_a_start_may_be_an_echo_of_before(receiver: Any, bench: Any) -> None:
    receiver.start({"door": {**EVERYBODY, "families": ["access"]}})

    receiver.push(minmoe.door(WHO, bench.events("access").received, 1, 21))
    receiver.catch_up()

    assert bench.device.told == []


# -- what lasts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"what": "output"}, ["output 1 high", "output 1 low"]),
        ({"do": "hold-open"}, ["door 1 alwaysOpen", "door 1 resume"]),
        ({"what": "gate", "do": "lock"}, ["gate 1 lock", "gate 1 unlock"]),
    ],
)
def test_what_lasts_is_ended_in_time(receiver: Any, bench: Any, table: Any, told: list[str]) -> None:
    receiver.start({"door": {**EVERYBODY, **table, "lasts": "20s"}})
    receiver.push("plate")
    receiver.advance(19)
    assert bench.device.told == told[:1]

    receiver.advance(2)

    assert bench.device.told == told
    assert (bench.folder / "plugins/door/lasting.json").read_bytes() == b"[]"


def test_a_second_event_makes_it_last_longer(receiver: Any, bench: Any) -> None:
    receiver.start({"door": {**EVERYBODY, "what": "output", "lasts": "20s"}})
    receiver.push("plate")
    receiver.advance(15)
    receiver.push("plate")

    receiver.advance(15)
    assert bench.device.told == ["output 1 high", "output 1 high"]
    receiver.advance(6)

    assert bench.device.told == ["output 1 high", "output 1 high", "output 1 low"]


def test_a_device_that_is_away_is_told_when_it_is_back(receiver: Any, bench: Any) -> None:
    receiver.start({"door": {**EVERYBODY, "what": "output", "lasts": "5s"}})
    receiver.push("plate")
    bench.device.drop(4)

    receiver.advance(120)

    assert bench.device.told == ["output 1 high", "output 1 low"]


def test_when_the_receiver_stops_it_is_ended(receiver: Any, bench: Any) -> None:
    receiver.start({"door": {**EVERYBODY, "what": "output", "lasts": "1h"}})
    receiver.push("plate")

    receiver.stop()

    assert bench.device.told == ["output 1 high", "output 1 low"]


def test_what_a_killed_receiver_left_is_ended_at_the_next_start(receiver: Any, bench: Any) -> None:
    folder = bench.folder / "plugins/door"
    folder.mkdir(parents=True)
    left = [{"device": "gate", "what": "output", "do": "off", "number": 2, "audio": 1}]
    (folder / "lasting.json").write_bytes(msgspec.json.encode(left))

    receiver.start({"door": {**EVERYBODY, "what": "output", "lasts": "1h"}})
    receiver.advance(1)

    assert bench.device.told == ["output 2 low"]
    assert (folder / "lasting.json").read_bytes() == b"[]"


def test_what_perhaps_began_is_ended_and_what_did_not_is_not(receiver: Any, bench: Any) -> None:
    receiver.start({"door": {**EVERYBODY, "what": "output", "lasts": "5s"}})
    receiver.push("fire")  # the login is fetched
    receiver.advance(10)
    bench.device.commands.clear()
    bench.device.lose_answer(1)
    receiver.push("plate")
    receiver.advance(10)
    assert bench.device.told == ["output 1 high", "output 1 low"]

    bench.device.busy(1_000)
    receiver.push("plate")
    receiver.advance(30)
    bench.device.recover()
    receiver.advance(30)

    assert bench.device.told == ["output 1 high", "output 1 low"]


# -- terminals that ask -------------------------------------------------------------------


def ask(receiver: Any, bench: Any, *, person: int = 0, serial: int = 1) -> str:
    moment = bench.events("access").received
    receiver.push(minmoe.verified(WHO, moment, serial, person=person, remote_check=True))
    receiver.catch_up()
    body = receiver.answer.body
    assert b'"serialNo":%d' % serial in body
    return re.search(rb'"checkResult":"(\w+)"', body)[1].decode()


@pytest.fixture
def asked(receiver: Any) -> Callable[..., None]:
    def start(**table: Any) -> None:
        reaction = {"plugin": "access", "what": "nothing", **table}
        receiver.start({"door": reaction}, remote_check={"reactions": ["door"]})

    return start


def test_a_terminal_gets_in_who_is_listed(
    receiver: Any, bench: Any, lists: Any, asked: Any, audited: Any
) -> None:
    asked(allow=lists(PEOPLE))

    answers = [ask(receiver, bench, person=person, serial=person + 1) for person in (0, 1)]

    assert answers == ["success", "failed"]
    assert bench.device.told == []
    said = [(line["verdict"], line["answer"]) for line in audited() if "answer" in line]
    assert said == [("allow", "open"), ("unknown", "stay shut")]


@pytest.mark.parametrize(
    ("allow", "deny", "unknown", "answer"),
    [
        (PEOPLE, "", "deny", True),
        (PEOPLE, PEOPLE, "deny", False),
        (PEOPLE, PEOPLE, "allow", False),
        ("employee_no\n9\n", "", "deny", False),
        ("employee_no\n9\n", "", "no-opinion", None),
        ("employee_no\n9\n", "", "allow", True),
        ("employee_no,valid_until\n1001,2020-01-01\n", "", "no-opinion", False),
        ("employee_no,valid_from\n1001,2030-01-01\n", "", "no-opinion", False),
        (PEOPLE, "employee_no,valid_until\n1001,2020-01-01\n", "deny", True),
        ("employee_no,door\n1001,2\n", "", "no-opinion", False),
        ("employee_no,device\n1001,gate\n", "", "deny", True),
        ("employee_no,device\n1001,lobby\n", "", "deny", False),
    ],
)
def test_the_answer_to_a_terminal(
    bench: Any, make_event: Any, lists: Any, allow: str, deny: str, unknown: str, answer: Any
) -> None:
    files = {"allow": lists(allow), "deny": lists(deny, name="deny") if deny else []}
    context = bench.context(hikrecv_access, what="nothing", unknown=unknown, **files)
    plugin = hikrecv_access.Plugin(context)

    assert plugin.hikrecv_remote_check(make_event("access"), context) is answer


def test_a_terminal_that_has_only_taken_a_face_may_ask_and_is_not_acted_on(
    bench: Any, make_event: Any, lists: Any
) -> None:
    context = bench.context(hikrecv_access, allow=lists(PEOPLE))
    plugin = hikrecv_access.Plugin(context)
    event = make_event("access", access={"minor": 146, "outcome": "other"})

    assert plugin.hikrecv_remote_check(event, context) is True
    plugin.hikrecv_event(event, context)

    assert bench.device.told == []


def test_whom_the_terminal_refused_stays_outside(bench: Any, make_event: Any, lists: Any) -> None:
    event = make_event("access", access={"minor": 79, "outcome": "denied"})
    for table in ({"allow": lists(PEOPLE)}, {"unknown": "allow"}):
        context = bench.context(hikrecv_access, **table)
        plugin = hikrecv_access.Plugin(context)
        plugin.hikrecv_event(event, context)
        assert plugin.hikrecv_remote_check(event, context) is False

    context = bench.context(hikrecv_access, allow=lists(PEOPLE), outcomes=["granted", "denied"])
    hikrecv_access.Plugin(context).hikrecv_event(event, context)

    assert bench.device.told == ["door 1 open"]


def test_a_question_is_answered_and_opens_no_other_door(
    receiver: Any, bench: Any, lists: Any, audited: Any
) -> None:
    table = {"plugin": "access", "allow": lists(PEOPLE)}
    receiver.start({"door": table}, remote_check={"reactions": ["door"]})

    assert ask(receiver, bench) == "success"

    assert bench.device.told == []
    assert audited()[-1]["verdict"] == "ignore"


def test_a_terminal_that_waits_for_a_call_gets_one(receiver: Any, bench: Any, lists: Any) -> None:
    receiver.start({"door": {"plugin": "access", "what": "remote-check", "allow": lists(PEOPLE)}})
    moment = bench.events("access").received

    for serial, person in ((41, 0), (42, 1)):
        receiver.push(minmoe.verified(WHO, moment, serial, person=person, remote_check=True))
    receiver.push(minmoe.verified(WHO, moment, 43))
    receiver.catch_up()

    assert bench.device.told == ["remote-check 41 success", "remote-check 42 failed"]


def test_a_decision_that_cannot_be_written_down_is_no_permission(
    receiver: Any, bench: Any, lists: Any, asked: Any
) -> None:
    asked(allow=lists(PEOPLE))
    (bench.folder / "plugins/door/audit.jsonl").mkdir(parents=True)

    assert ask(receiver, bench) == "failed"


# -- over sockets ---------------------------------------------------------------------------


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_real_device_with_a_digest_login(loopback: Any, lists: Any) -> None:
    from twisted.internet.threads import deferToThread

    context = loopback.context(hikrecv_access, what="gate", allow=lists(PLATES))
    plugin = hikrecv_access.Plugin(context)

    for _ in range(3):
        await deferToThread(plugin.hikrecv_event, loopback.events("plate"), context)

    assert [each.word for each in loopback.device.commands] == ["open"] * 3
    assert loopback.device.wrong_logins == 0


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_device_that_cannot_be_reached_has_certainly_done_nothing(loopback: Any) -> None:
    from twisted.internet.threads import deferToThread

    context = loopback.context(hikrecv_access, unknown="allow")
    plugin = hikrecv_access.Plugin(context)
    await loopback.device.close()

    with pytest.raises(Retry, match="cannot connect") as caught:
        await deferToThread(plugin.hikrecv_event, loopback.events("plate"), context)

    assert caught.value.certain


# -- the documents ----------------------------------------------------------------------------


def test_the_examples_of_the_readme_are_right(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAMP_PASSWORD", "SIREN_PASSWORD", "HIKRECV_TOKEN"):
        monkeypatch.setenv(name, "secret")
    text = README.read_text().replace("/etc/hikrecv", str(tmp_path))
    lists = dict(zip(("plates.csv", "staff.csv"), re.findall(r"```csv\n(.*?)```", text, re.S), strict=True))
    for name, content in {**lists, "banned.csv": "plate\nX1\n"}.items():
        (tmp_path / name).write_text(content)

    examples = re.findall(r"```toml\n(.*?)```", text, re.S)

    assert len(examples) == 3
    for example in examples:
        config: Config = parse(example)
        bench.devices.update(config.devices)
        reactions, errors = build(config, find(), bench.services)
        assert errors == []
        assert {reaction.max_age for reaction in reactions.values()} == {10}


def test_the_readme_names_every_key() -> None:
    keys = {field.name for field in msgspec.structs.fields(Settings)}
    head, _ = README.read_text().split("## Lists")

    assert set(re.findall(r"^\| `(\w+)` \|", head, re.M)) == keys


def test_errors_of_lists_are_told_before_the_start(bench: Any, lists: Any) -> None:
    (error,) = bench.errors(hikrecv_access, "door", allow=lists("plate,valid_untill\nX,2020-01-01\n"))

    assert isinstance(error, ConfigError)
    assert "line 1: there is no column 'valid_untill'" in str(error)


def test_an_event_of_a_recorders_camera_tells_the_recorder(bench: Any, make_event: Any) -> None:
    context = bench.context(hikrecv_access, what="output", unknown="allow")
    event = make_event("plate")
    event = event.replace(device=msgspec.structs.replace(event.device, id="gate/33"))

    hikrecv_access.Plugin(context).hikrecv_event(event, context)

    assert bench.device.told == ["output 1 high"]


# -- by which clock -----------------------------------------------------------------------


def punches(receiver: Any, bench: Any, behind: timedelta, count: int, serial: int = 100) -> None:
    """Somebody every three seconds, by a clock or in a history that is so far behind; the flag is omitted."""
    for number in range(count):
        receiver.push(minmoe.verified(WHO, now(bench) - behind, serial + number))
        receiver.advance(3)


def test_a_history_of_90_days_ago_at_the_pace_at_which_it_was_made_opens_no_door(
    receiver: Any, bench: Any
) -> None:
    receiver.start({"door": {**EVERYBODY, "families": ["access"]}})
    receiver.advance(30)

    punches(receiver, bench, timedelta(days=90), 400)

    assert bench.device.told == []


def test_a_door_with_a_wrong_clock_opens_after_its_heartbeats(receiver: Any, bench: Any) -> None:
    receiver.start({"door": {**EVERYBODY, "families": ["access"]}})
    behind = timedelta(hours=2)
    for _ in range(5):
        receiver.push(minmoe.heartbeat(WHO, now(bench) - behind))
        receiver.advance(30)

    punches(receiver, bench, behind, 1)

    assert bench.device.told == ["door 1 open"]


def test_a_door_whose_clock_was_set_right_by_a_little_opens_again_within_five_minutes(
    receiver: Any, bench: Any
) -> None:
    receiver.start({"door": {**EVERYBODY, "families": ["access"]}})
    receiver.advance(30)
    punches(receiver, bench, -timedelta(seconds=30), 20)
    before = len(bench.device.told)

    punches(receiver, bench, timedelta(), 100, serial=500)
    then = len(bench.device.told)
    punches(receiver, bench, timedelta(), 3, serial=900)

    assert before == 20
    assert len(bench.device.told) == then + 3
