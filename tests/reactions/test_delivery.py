"""Whatever hooks do and whenever the process dies: what a reaction is promised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from hikrecv import hookimpl
from hikrecv.errors import Hold, Reject, Retry
from hikrecv.isapi.event import Event
from hikrecv.reactions.hold_probes import ALONE

STEPS = st.lists(
    st.sampled_from(["done", "retry", "lost", "reject", "bug", "hang", "crash", "hold"]), max_size=25
)
EVENTS = st.lists(st.sampled_from(["gate", "yard", "door"]), min_size=1, max_size=8)


class World:
    """What a plugin does to the outside, step by step; it outlives every crash."""

    def __init__(self, steps: list[str]) -> None:
        self.steps = list(steps)
        self.begun: list[Event] = []
        self.done: list[Event] = []
        self.unsure: set[str] = set()
        self.repeated: list[str] = []
        self.crashing = False

    def plugin(self, **said: Any) -> type:
        world = self

        class Acting:
            def __init__(self, context: Any) -> None:
                pass

            @hookimpl
            async def hikrecv_event(self, event: Event) -> None:
                await world.act(event)

        for name, value in said.items():
            setattr(Acting, name, value)
        return Acting

    async def act(self, event: Event) -> None:
        if event.key in self.unsure or event in self.done:
            self.repeated.append(event.key)
        self.begun.append(event)
        step = self.steps.pop(0) if self.steps else "done"
        if step not in ("done", "retry", "hold"):
            self.unsure.add(event.key)
        if step == "retry":
            raise Retry("later")
        if step == "hold":
            raise Hold("nobody is let in")
        if step == "lost":
            raise ConnectionResetError("lost")
        if step == "reject":
            raise Reject("never")
        if step == "bug":
            raise ValueError("bug")
        if step == "hang":
            await Deferred()
        if step == "crash":
            self.crashing = True
            await Deferred()
        self.done.append(event)


def live(stage: Any, world: World, devices: list[str], **table: Any) -> None:
    """Publish one event for each of *devices*, and live through crashes until nothing is left to do."""
    reaction = stage.reaction(world.plugin(**table.pop("said", {})), timeout=3, **table)
    courier = stage.courier(reaction, cursor=0)
    for device in devices:
        stage.publish(stage.event(stage.feed.last + 1, device=device))
    for _ in range(400):
        if world.crashing:
            world.crashing = False
            stage.crash(courier)
            courier = stage.courier(reaction)
        if courier.order.cursor == stage.feed.last:
            break
        stage.clock.advance(20)
    assert courier.order.cursor == stage.feed.last
    stage.clock.advance(1)


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(STEPS, EVENTS, st.sampled_from([1, 3]))
def test_every_event_is_done_or_a_dead_letter_and_each_device_in_order(
    new_stage: Callable[[], Any], steps: list[str], devices: list[str], concurrency: int
) -> None:
    stage, world = new_stage(), World(steps)

    live(stage, world, devices, concurrency=concurrency)

    dead = {letter.seq for letter in stage.ledger.dead_letters("hq")}
    done = {event.seq for event in world.done}
    assert done | dead == set(range(1, len(devices) + 1))
    for device in set(devices):
        # After a crash some are begun again: cursors are written a moment apart.
        begun = list(dict.fromkeys(event.seq for event in world.begun if event.device.id == device))
        if steps.count("hold") <= ALONE:
            assert begun == sorted(begun), "an event overtook another of its device"


@QUICK
@given(STEPS, EVENTS)
def test_at_most_once_nothing_is_begun_again_unless_it_is_certain_that_nothing_happened(
    new_stage: Callable[[], Any], steps: list[str], devices: list[str]
) -> None:
    stage, world = new_stage(), World(steps)

    live(stage, world, devices, said={"delivery": "at-most-once"}, max_age="1h")

    assert world.repeated == []
    unsure_dead = {letter.key for letter in stage.ledger.dead_letters("hq")}
    assert world.unsure <= unsure_dead
