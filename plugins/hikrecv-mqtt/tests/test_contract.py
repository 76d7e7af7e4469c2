"""The plugin against a broker in memory, on a test's clock."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import hikrecv_mqtt
import pytest
from hikrecv_mqtt.broker import Broker
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from twisted.logger import Logger

from hikrecv.testing.contract import PluginContract


class Info(NamedTuple):
    rc: MQTTErrorCode
    mid: int


class MemoryBroker:
    """A broker that can be put out of order; see `hikrecv.testing.contract.Trouble`."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.said: list[tuple[str, bytes]] = []
        self.troubles: deque[float | None] = deque()

    def fail(self, times: int = 1) -> None:
        self.troubles.extend([None] * times)

    def slow(self, seconds: float, times: int = 1) -> None:
        self.troubles.extend([seconds] * times)

    def recover(self) -> None:
        self.troubles.clear()


class MemoryClient:
    """What `Broker` uses of paho's client; there is no thread, and the clock makes things happen."""

    on_connect = on_connect_fail = on_disconnect = on_publish = None

    def __init__(self, broker: MemoryBroker, delay: float = 0.1) -> None:
        self.broker = broker
        self.delay = delay
        self.later = broker.clock.callLater
        self.mid = 0
        self.connected = False

    def connect_async(self, host: str, port: int, keepalive: int) -> None:
        assert isinstance(keepalive, int)

    def loop_start(self) -> None:
        self.later(self.delay, self.accepted)

    def accepted(self) -> None:
        self.connected = True
        self.on_connect(self, None, None, ReasonCode(PacketTypes.CONNACK), None)

    def subscribe(self, topic: str, qos: int) -> None:
        """Nobody says anything there."""

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> Info:
        self.mid += 1
        trouble = None
        event = topic == "events"
        if event and self.broker.troubles:
            trouble = self.broker.troubles.popleft()
            if trouble is None:
                self.later(0, self.lost)
                return Info(MQTTErrorCode.MQTT_ERR_SUCCESS, self.mid)
        self.later(trouble or 0, self.acknowledge, self.mid, topic, payload)
        return Info(MQTTErrorCode.MQTT_ERR_SUCCESS, self.mid)

    def acknowledge(self, mid: int, topic: str, payload: bytes) -> None:
        if self.connected:
            self.broker.said.append((topic, payload))
            self.on_publish(self, None, mid, ReasonCode(PacketTypes.PUBACK), None)

    def lost(self) -> None:
        if self.connected:
            self.connected = False
            self.on_disconnect(self, None, None, ReasonCode(PacketTypes.DISCONNECT, "Server busy"), None)

    disconnect = lost


@pytest.fixture
def broker(bench: Any) -> MemoryBroker:
    return MemoryBroker(bench.clock)


class TestContract(PluginContract):
    wrong = (
        ({"host": "no host"}, "host"),
        ({"port": -1}, "port"),
        ({"version": "4"}, "version"),
        ({"qos": 3}, "qos"),
        ({"topic": "a/#"}, "topic"),
        ({"pictures": "{{ picture"}, "pictures"),
        ({"payload": "{% for %}"}, "payload"),
        ({"base": "/#"}, "base"),
        ({"password": "hush"}, "user"),
        ({"ca": "x"}, "ca"),
        ({"tls": True, "ca": "x"}, "ca"),
        ({"tls": True, "cert": "x"}, "key"),
        ({"tls": True, "cert": "x", "key": "y"}, "key"),
        ({"keepalive": "1s"}, "keepalive"),
    )

    @pytest.fixture
    def table(self) -> dict[str, Any]:
        return {"host": "broker.example.org", "topic": "events", "discovery": True, "pictures": "pictures"}

    @pytest.fixture(autouse=True)
    def in_memory(self, broker: MemoryBroker) -> None:
        class InMemory(hikrecv_mqtt.Plugin):
            def client(self) -> Any:
                return MemoryClient(broker)

            def from_thread(self) -> Callable[..., Any]:
                return lambda function, *arguments: function(*arguments)

        InMemory.Settings = hikrecv_mqtt.Settings
        type(self).plugin = InMemory

    @pytest.fixture
    def trouble(self, broker: MemoryBroker) -> MemoryBroker:
        return broker

    @pytest.fixture
    def seen(self, broker: MemoryBroker) -> Callable[[], list[str]]:
        return lambda: [json.loads(payload)["key"] for topic, payload in broker.said if topic == "events"]


@pytest.mark.parametrize(
    ("table", "told", "delay"),
    [
        ({}, [b"ON", b"ON", b"ON"], 30),
        ({"repeats": "first", "off_after": 0}, [b"ON", b"OFF"], None),
    ],
)
def test_motion_goes_on_and_off(
    receiver: Any, broker: MemoryBroker, bench: Any, table: Any, told: list[bytes], delay: int | None
) -> None:
    class InMemory(hikrecv_mqtt.Plugin):
        def __init__(self, context: Any) -> None:
            super().__init__(context)
            self.wall = bench.wall

        def client(self) -> Any:
            return MemoryClient(broker)

        def from_thread(self) -> Callable[..., Any]:
            return lambda function, *arguments: function(*arguments)

    InMemory.Settings = hikrecv_mqtt.Settings
    receiver.plugins["mqtt"] = InMemory
    broker_table = {"plugin": "mqtt", "host": "broker.example.org", "discovery": True}
    receiver.start({"house": broker_table | table})

    for _ in range(3):
        receiver.push("motion")
    receiver.advance(30)

    assert [payload for topic, payload in broker.said if topic == "hikrecv/house/gate/motion"] == told
    (described,) = (payload for topic, payload in broker.said if topic.endswith("/motion/config"))
    assert json.loads(described).get("off_delay") == delay


def test_a_connection_that_comes_too_late_is_closed(bench: Any, broker: MemoryBroker) -> None:
    delays = [40.0, 0.1]
    clients: list[MemoryClient] = []

    def make() -> MemoryClient:
        clients.append(MemoryClient(broker, delays[len(clients)]))
        return clients[-1]

    ours = Broker(
        make, ("broker", 1883), 60, "status", bench.clock, lambda call, *values: call(*values), Logger()
    )

    ours.start()
    bench.clock.pump([1.0] * 60)

    assert [client.connected for client in clients] == [False, True]
    assert ours.connections == 1
