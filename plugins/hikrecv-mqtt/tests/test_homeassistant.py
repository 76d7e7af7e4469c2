"""What Home Assistant itself, headless, makes of the discovery."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from msgspec.structs import replace
from twisted.internet.threads import deferToThread

from hikrecv import Channel, Event

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("HIKRECV_HASS_PYTHON") or HERE.parents[2] / ".venv-hass/bin/python")
ASKED = 200
"""So often it is asked at most, with a tenth of a second in between."""
pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(
        not PYTHON.with_name("hass").exists(),
        reason="no Home Assistant; .ci/homeassistant installs it",
    ),
]
CONFIGURATION = """
homeassistant: {{name: test, latitude: 0, longitude: 0, elevation: 0, unit_system: metric, time_zone: UTC}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
"""


class Hass:
    """One Home Assistant; what it does not answer within the test's time ends with the test."""

    def __init__(self, folder: Path, broker: int) -> None:
        folder.mkdir()
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=free_port()))
        self.errors = folder / "errors"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [str(PYTHON), str(HERE / "hass.py"), str(folder), str(broker)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    async def hear(self) -> Any:
        line = await deferToThread(self.process.stdout.readline)
        assert line, self.errors.read_text()
        return json.loads(line)

    async def until(self, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What it knows, when it is *enough*."""
        for _ in range(ASKED):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            known: dict[str, Any] = await self.hear()
            if enough(known):
                return known
        raise AssertionError(f"{known}\n{self.errors.read_text()}")

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def hass(tmp_path: Path) -> Iterator[Callable[[int], Any]]:
    """Starts one: ``home = await hass(broker.port)``."""
    started: list[Hass] = []

    async def start(broker: int) -> Hass:
        started.append(Hass(tmp_path / f"hass{len(started)}", broker))
        assert "create_entry" in (await started[-1].hear()).lower()
        return started[-1]

    yield start
    for each in started:
        each.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def through(event: Event, number: str, name: str | None) -> Event:
    """As it comes through the recorder `nvr`, whose MAC it has then."""
    device = replace(event.device, id=f"nvr/{number}", mac="44:47:cc:00:00:99", name="Network Video Recorder")
    return event.replace(device=device, channel=Channel(id=number, name=name, digital=True))


@pytest_twisted.ensureDeferred
async def test_the_cameras_of_a_recorder_are_devices_of_their_own(
    mqtt: Any, mosquitto: Any, hass: Any, now: Any
) -> None:
    broker = mosquitto()
    home = await hass(broker.port)
    plugin, context = await mqtt(broker.port, discovery=True, off_after=0)

    for event in (
        through(now("motion"), "33", "Yard"),
        through(now("motion"), "34", None),
        now("plate", plate={"text": "B AB 123"}),
    ):
        await plugin.hikrecv_event(event, context)
    known = await home.until(lambda known: known["states"].get("sensor.gate_last_plate") == "B AB 123")

    devices, states, homes = known["devices"], known["states"], known["homes"]
    assert set(devices) == {"nvr", "Yard", "nvr channel 34", "gate"}
    assert [devices[name]["via"] for name in ("nvr", "Yard", "nvr channel 34", "gate")] == [
        None,
        "nvr",
        "nvr",
        None,
    ]
    assert devices["nvr"]["connections"] == [["mac", "44:47:cc:00:00:99"]]
    assert devices["Yard"]["connections"] == devices["nvr channel 34"]["connections"] == []
    assert states["binary_sensor.yard_motion"] == states["binary_sensor.nvr_channel_34_motion"] == "on"
    assert homes["binary_sensor.yard_motion"] == "Yard"
    assert states["sensor.gate_last_plate"] == "B AB 123"

    await plugin.hikrecv_event(through(now("motion"), "33", "Yard").replace(state="inactive"), context)
    known = await home.until(lambda known: known["states"]["binary_sensor.yard_motion"] == "off")
    assert known["states"]["binary_sensor.nvr_channel_34_motion"] == "on"


@pytest_twisted.ensureDeferred
async def test_it_is_told_again_when_it_has_started(
    mqtt: Any, mosquitto: Any, listen: Any, hass: Any, now: Any
) -> None:
    broker = mosquitto()
    heard = await listen(broker.port)
    plugin, context = await mqtt(broker.port, discovery=True)
    await plugin.hikrecv_event(now("motion"), context)
    config = "homeassistant/binary_sensor/gate/motion/config"
    await heard.until(lambda: bool(heard.on(config)))
    # Somebody has tidied up, or the broker keeps nothing.
    for topic in {each.topic for each in heard.heard if each.topic.endswith("/config")}:
        heard.client.publish(topic, b"", qos=1, retain=True)
    await heard.until(lambda: heard.on(config)[-1] == b"")

    home = await hass(broker.port)

    known = await home.until(lambda known: "binary_sensor.gate_motion" in known["states"])
    assert set(known["devices"]) == {"gate"}
