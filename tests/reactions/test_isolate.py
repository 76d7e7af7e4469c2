"""A reaction in a process of its own."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure

from hikrecv.config import parse
from hikrecv.isapi.event import Picture
from hikrecv.reactions.child import Child
from hikrecv.reactions.context import Services
from hikrecv.reactions.http import Http
from hikrecv.reactions.isolate import GRACE, READY, Isolated, begin, spawn
from hikrecv.reactions.outcome import Again, Bug, Done, OnHold, Outcome, Refused
from hikrecv.reactions.pipe import Cancel, Frames, framed, pack, to_child, unpack
from hikrecv.reactions.plugins import find
from hikrecv.reactions.reaction import Reaction, build

PLUGIN = """
import os, time
from twisted.internet.defer import Deferred
from hikrecv import Hold, Reject, Retry, hookimpl
HIKRECV_API = 1

@hookimpl
def hikrecv_start(context):
    with open(context.state_dir / "starts", "a") as file:
        file.write(f"{os.getpid()}\\n")

@hookimpl
async def hikrecv_event(event, context):
    word = event.description
    if word == "retry":
        raise Retry("busy", after=7)
    if word == "reject":
        raise Reject("no")
    if word == "hold":
        raise Hold("wrong password")
    if word == "die":
        os._exit(3)
    if word == "hang":
        await Deferred()
    if word == "burn":
        time.sleep(60)
    if word == "see":
        return (event.pictures[0].content(), event.data(), context.attempt, context.replay)
    return os.getpid()

@hookimpl
async def hikrecv_remote_check(event):
    return True
"""


def services(clock: Any, folder: Path) -> Services:
    return Services(
        clock=clock,
        http=Http(None, clock),  # type: ignore[arg-type]
        state_dir=folder,
        device=lambda name: None,  # type: ignore[arg-type,return-value]
    )


def prepare(folder: Path, clock: Any, body: str = PLUGIN) -> tuple[Reaction, Any]:
    """The reaction, and what its process is told."""
    (folder / "plugins").mkdir(mode=0o700)
    file = folder / "plugins" / "tiny.py"
    file.write_text(body)
    file.chmod(0o600)
    config = parse('plugin_dirs = ["plugins"]\n[reactions.hq]\nplugin = "tiny"\nisolate = true', folder)
    reactions, errors = build(config, find(config.plugin_dirs), services(clock, folder))
    assert not errors
    return reactions["hq"], begin(reactions["hq"], config, folder=folder, state_dir=folder)


class InMemory:
    """The other process, in this one: a real child at the other end of real frames."""

    def __init__(self, clock: Clock, folder: Path) -> None:
        self.clock = clock
        self.folder = folder
        self.processes: list[InMemoryProcess] = []

    def spawn(self, protocol: Any) -> InMemoryProcess:
        process = InMemoryProcess(self, protocol)
        self.processes.append(process)
        protocol.makeConnection(process)
        return process


class InMemoryProcess:
    """What Twisted gives of a process; and the child's own transport."""

    def __init__(self, owner: InMemory, protocol: Any) -> None:
        self.pipes = {3: None, 4: None}
        self.killed = False
        self._protocol = protocol
        self.child = Child(
            lambda config, state_dir: services(owner.clock, state_dir), owner.clock, run_here, self.ended
        )
        self.child.makeConnection(self)  # type: ignore[arg-type]

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        assert descriptor == 3
        self.child.dataReceived(data)

    def write(self, data: bytes) -> None:
        if not self.killed:
            self._protocol.childDataReceived(4, data)

    def closeChildFD(self, descriptor: int) -> None:
        self.pipes.pop(descriptor)
        self.child.connectionLost()

    def signalProcess(self, name: str) -> None:
        assert name == "KILL"
        self.ended(signal.SIGKILL)

    def ended(self, number: int | None = None) -> None:
        self.killed = True
        self.pipes.clear()
        how = ProcessTerminated(signal=number) if number else ProcessTerminated(exitCode=3)
        self._protocol.processEnded(Failure(how))


def run_here(function: Any, *arguments: Any) -> None:
    raise AssertionError("no threads here")


ASYNC = PLUGIN.replace("def hikrecv_start", "async def hikrecv_start")


class Room:
    def __init__(self, stage: Any, tmp_path: Path, body: str = ASYNC) -> None:
        self.stage = stage
        self.clock = stage.clock
        self.others = InMemory(stage.clock, tmp_path)
        self.reaction, told = prepare(tmp_path, stage.clock, body)
        self.isolated = Isolated(self.reaction, told, self.others.spawn, stage.clock)

    def call(self, word: str = "", limit: float = 5.0, **more: Any) -> Deferred[Outcome]:
        event = self.stage.event(1, description=word)
        return Deferred.fromCoroutine(self.isolated.call("hikrecv_event", limit, [event], **more))


@pytest.fixture
def room(stage: Any, tmp_path: Path) -> Room:
    return Room(stage, tmp_path)


def outcome_of(call: Deferred[Outcome]) -> Outcome:
    seen: list[Any] = []
    call.addBoth(seen.append)
    assert seen, "there is no outcome yet"
    assert isinstance(seen[0], Outcome), seen[0]
    return seen[0]


# -- what is said ------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**31), max_size=5), st.integers(1, 40))
def test_messages_arrive_whole_however_the_stream_is_cut(numbers: list[int], size: int) -> None:
    stream = b"".join(framed(Cancel(number)) for number in numbers)
    frames = Frames(1_000)
    seen = []

    for start in range(0, len(stream), size):
        seen += [to_child(message) for message in frames.feed(stream[start : start + size])]

    assert seen == [Cancel(number) for number in numbers]


def test_a_message_that_is_too_long_is_refused_before_it_is_held() -> None:
    with pytest.raises(ValueError, match="too long"):
        Frames(100).feed(b"\x7f\xff\xff\xff")


def test_an_event_arrives_with_its_pictures_and_its_document(stage: Any) -> None:
    picture = Picture(n=0, role="face", content_type="image/jpeg")
    picture.__dict__["_view"] = memoryview(b"\xff\xd8jpeg")
    event = stage.event(1, pictures=(picture, Picture(n=1, role="face", url="http://10.0.0.9/1.jpg")))
    event.__dict__["_data"] = lambda: {"eventType": "VMD", "big": 2**70}

    again = unpack(pack(event, templates=False))

    assert again == event
    assert again.pictures[0].content() == b"\xff\xd8jpeg"
    assert again.pictures[1].content() is None
    assert again.data() == {"eventType": "VMD", "big": 2**70}


def test_templates_travel_only_when_the_table_asks_for_them(stage: Any) -> None:
    event = stage.event(1)
    event.__dict__.update(_data=dict, _data_full=lambda: {"modelData": "secret"})

    assert unpack(pack(event, templates=False)).data() == {}
    assert unpack(pack(event, templates=True)).data() == {"modelData": "secret"}


# -- a call and its ends -------------------------------------------------------------


def test_the_ends_of_a_hook_are_the_same_from_there(room: Room) -> None:
    assert outcome_of(room.call("retry")) == Again("busy", 7, certain=True)
    assert outcome_of(room.call("reject")) == Refused("no")
    assert outcome_of(room.call("hold")) == OnHold("wrong password")
    assert outcome_of(room.call()) == Done("int")
    assert len(room.others.processes) == 1


def test_a_remote_check_is_answered_from_there(room: Room) -> None:
    asking = Deferred.fromCoroutine(room.isolated.call("hikrecv_remote_check", 3, [room.stage.event(1)]))

    assert outcome_of(asking) == Done(True)


def test_a_call_that_takes_too_long_is_ended_there_and_the_process_stays(room: Room) -> None:
    call = room.call("hang", limit=5)
    room.clock.advance(5)

    assert outcome_of(call) == Again("it took longer than 5 s")
    assert not room.others.processes[0].killed


def test_a_process_that_does_not_answer_at_all_is_killed(room: Room) -> None:
    assert isinstance(outcome_of(room.call()), Done)
    process = room.others.processes[0]
    process.write = lambda data: None  # type: ignore[method-assign]
    hung, other = room.call("hang", limit=5), room.call("hang", limit=60)

    room.clock.advance(5 + GRACE)

    assert process.killed
    assert outcome_of(hung) == Again("it took longer than 5 s, and its process was ended")
    assert isinstance(outcome_of(other), Again)


def test_a_process_that_dies_is_a_bug_and_is_started_again_with_a_growing_wait(room: Room) -> None:
    dying = room.call("hang")
    room.others.processes[0].ended(signal.SIGSEGV)
    assert outcome_of(dying) == Bug("its process ended: killed by SIGSEGV")

    waiting = outcome_of(room.call())
    assert isinstance(waiting, Again)
    assert waiting.certain
    assert waiting.after is not None
    assert 0.8 <= waiting.after <= 1.0

    room.clock.advance(1)
    assert outcome_of(room.call()) == Done("int")
    assert len(room.others.processes) == 2


def test_a_new_process_is_started_as_the_old_one_was(room: Room, tmp_path: Path) -> None:
    Deferred.fromCoroutine(room.isolated.call("hikrecv_start", 5))
    room.others.processes[0].ended(signal.SIGKILL)
    room.clock.advance(1)

    assert outcome_of(room.call()) == Done("int")

    assert len((tmp_path / "plugins" / "hq" / "starts").read_text().split()) == 2


def test_a_plugin_that_cannot_be_made_there_says_why_and_is_tried_again(stage: Any, tmp_path: Path) -> None:
    room = Room(stage, tmp_path)
    (tmp_path / "plugins" / "tiny.py").write_text("raise RuntimeError('no')")

    outcome = outcome_of(room.call())

    assert isinstance(outcome, Again)
    assert outcome.certain
    assert "its process could not begin" in outcome.reason
    assert "RuntimeError: no" in outcome.reason


def test_a_process_that_is_never_ready_is_killed(room: Room) -> None:
    def silent(protocol: Any) -> Any:
        process = InMemoryProcess(room.others, protocol)
        process.writeToChild = lambda descriptor, data: None  # type: ignore[method-assign]
        protocol.makeConnection(process)

    room.isolated._spawn = silent
    call = room.call()
    room.clock.advance(READY)

    outcome = outcome_of(call)
    assert isinstance(outcome, Again)
    assert "not ready" in outcome.reason


def test_a_call_that_had_to_wait_for_its_process_is_to_be_made_anew(room: Room) -> None:
    kept: list[bytes] = []

    def slow(protocol: Any) -> Any:
        process = InMemoryProcess(room.others, protocol)
        process.write = kept.append  # type: ignore[method-assign]
        protocol.makeConnection(process)

    room.isolated._spawn = slow
    call = room.call()
    room.clock.advance(12)
    process = room.isolated._process
    assert process is not None
    process.childDataReceived(4, kept.pop())

    assert outcome_of(call) == Again("its process has only just been started", 0.0, certain=True)


def test_when_no_process_can_be_started_it_says_so(room: Room) -> None:
    def fail(protocol: Any) -> Any:
        raise OSError(11, "Resource temporarily unavailable")

    room.isolated._spawn = fail

    assert outcome_of(room.call()) == Again(
        "its process could not begin: no process can be started: Resource temporarily unavailable",
        certain=True,
    )


def test_a_call_that_nobody_waits_for_is_cancelled_there(room: Room) -> None:
    call = room.call("hang")
    call.addErrback(lambda failure: None)

    call.cancel()

    assert room.others.processes[0].child._calls == {}


def test_closing_lets_the_process_end_and_starts_none_any_more(room: Room) -> None:
    room.call()
    room.isolated.close()

    assert room.others.processes[0].killed
    assert outcome_of(room.call()) == Again("it is being stopped", certain=True)


def test_the_process_is_told_of_no_other_reaction(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir(mode=0o700)
    (tmp_path / "plugins" / "tiny.py").write_text(PLUGIN)
    other = '[reactions.other]\nplugin = "tiny"\ntimeout = 86_399'
    config = parse(f'plugin_dirs = ["plugins"]\n[reactions.hq]\nplugin = "tiny"\n{other}', tmp_path)
    reactions, _ = build(config, find(config.plugin_dirs), services(Clock(), tmp_path))

    told = begin(reactions["hq"], config, folder=tmp_path, state_dir=tmp_path)

    assert b"86399" not in told.config
    assert b'"hq"' in told.config


# -- real processes -----------------------------------------------------------------------


class RealRoom:
    """The same with a process and the reactor; everything within seconds."""

    def __init__(self, stage: Any, folder: Path) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.stage = stage
        reaction, told = prepare(folder, reactor)
        self.isolated = Isolated(reaction, told, partial(spawn, reactor), self.reactor)

    async def call(self, word: str = "", limit: float = 20.0, **more: Any) -> Outcome:
        event = self.stage.event(1, description=word)
        if word == "see":
            picture = Picture(n=0, role="face")
            picture.__dict__["_view"] = memoryview(os.urandom(300_000))
            event = event.replace(pictures=(picture,))
            event.__dict__["_data"] = dict
        outcome = await self.isolated.call("hikrecv_event", limit, [event], **more)
        # On a busy machine the process takes its time to start, and the courier is told to come again.
        if isinstance(outcome, Again) and outcome.after == 0.0 and outcome.certain:
            outcome = await self.isolated.call("hikrecv_event", limit, [event], **more)
        return outcome

    async def end(self, process: Any) -> None:
        self.isolated.close()
        while process.transport.pid is not None:
            await deferLater(self.reactor, 0.01)


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_real_process_is_called_killed_and_started_again(stage: Any, tmp_path: Path) -> None:
    room = RealRoom(stage, tmp_path)

    assert await room.call() == Done("int")
    assert await room.call("see", attempt=2) == Done("tuple")
    assert await Deferred.fromCoroutine(room.isolated.call("hikrecv_start", 5)) == Done(None)
    assert await room.call("die") == Bug("its process ended: exit 3")
    await deferLater(room.reactor, 1.1)
    assert await room.call() == Done("int")

    assert len(set((tmp_path / "plugins" / "hq" / "starts").read_text().split())) == 2
    await room.end(room.isolated._process)


@pytest.mark.functional
@pytest_twisted.ensureDeferred
async def test_a_hook_that_keeps_a_real_process_is_ended_with_it(stage: Any, tmp_path: Path) -> None:
    room = RealRoom(stage, tmp_path)
    assert await room.call() == Done("int")
    process = room.isolated._process

    outcome = await room.call("burn", limit=0.2)

    assert outcome == Again("it took longer than 0.2 s, and its process was ended")
    assert process is not None
    await room.end(process)
