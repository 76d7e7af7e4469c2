from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import hikrecv_mqtt
import msgspec
import pytest
import pytest_twisted
from hikrecv_mqtt.homeassistant import HomeAssistant, node_of
from hikrecv_mqtt.topic import Topic, level
from twisted.internet.defer import CancelledError, Deferred

from hikrecv import Channel, Hold, Picture, Reject, Retry
from hikrecv.config import parse
from hikrecv.errors import ConfigError
from hikrecv.reactions.plugins import find
from hikrecv.testing.events import WHO, without_content

PASSWD = shutil.which("mosquitto_passwd") or "mosquitto_passwd"
README = Path(__file__).parents[1] / "README.md"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message waits half a second for a connection."""
    monkeypatch.setattr(hikrecv_mqtt.broker, "PATIENCE", 0.5)


def test_it_is_found_by_its_entry_point() -> None:
    assert find(strict=True).get("mqtt").subject is hikrecv_mqtt.Plugin


# -- what is published ----------------------------------------------------------


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest_twisted.ensureDeferred
async def test_an_event_is_published_as_json(
    mqtt: Any, mosquitto: Any, listen: Any, make_event: Any, version: str, qos: int
) -> None:
    broker = mosquitto()
    heard = await listen(broker.port)
    plugin, context = await mqtt(broker.port, version=version, qos=qos)
    events = [make_event("plate"), make_event("face-match")]

    for event in events:
        await plugin.hikrecv_event(event, context)
    await heard.until(lambda: len(heard.heard) == 3)

    assert heard.on("hikrecv/gate/plate") == [events[0].to_json()]
    assert heard.on("hikrecv/gate/face-match") == [events[1].to_json()]
    assert heard.on("hikrecv/house/status") == [b"online"]


@pytest_twisted.ensureDeferred
async def test_payload_topic_and_retain_are_as_said(
    mqtt: Any, mosquitto: Any, listen: Any, make_event: Any
) -> None:
    broker = mosquitto()
    plugin, context = await mqtt(
        broker.port,
        topic="site/{{ plate.text }}/{{ match.person }}",
        payload='{"words": {{ words | tojson }}}',
        retain=True,
    )

    await plugin.hikrecv_event(make_event("plate", plate={"text": "B/AB+1#"}), context)
    heard = await listen(broker.port)
    await heard.until(lambda: len(heard.heard) == 2)

    (said,) = (each for each in heard.heard if each.topic.startswith("site/"))
    assert said.topic == "site/B_AB_1_/_"
    assert "plate B/AB+1#" in json.loads(said.payload)["words"]
    assert said.retained


@pytest_twisted.ensureDeferred
async def test_pictures_have_topics_of_their_own(
    mqtt: Any, mosquitto: Any, listen: Any, make_event: Any
) -> None:
    broker = mosquitto()
    heard = await listen(broker.port)
    plugin, context = await mqtt(
        broker.port, pictures="pictures/{{ device.id }}/{{ picture.role }}", roles=["face"]
    )
    event = make_event("face-match")

    await plugin.hikrecv_event(event, context)
    await plugin.hikrecv_event(without_content(event), context)
    await heard.until(lambda: len(heard.on("hikrecv/gate/face-match")) == 2)

    faces = [picture.content() for picture in event.pictures if picture.role == "face"]
    assert [each.payload for each in heard.heard if each.topic.startswith("pictures/")] == faces != []
    assert heard.on("pictures/gate/face") == faces


@pytest_twisted.ensureDeferred
async def test_a_link_is_followed_when_asked(mqtt: Any, mosquitto: Any, listen: Any, make_event: Any) -> None:
    link = Picture(n=0, role="face", url=f"http://{WHO.ip}/ISAPI/Streaming/channels/101/picture")
    broker = mosquitto()
    heard = await listen(broker.port)
    plugin, context = await mqtt(broker.port, pictures="pictures/{{ picture.role }}", fetch=True)

    await plugin.hikrecv_event(make_event("face-match").replace(pictures=(link,)), context)
    await heard.until(lambda: bool(heard.on("pictures/face")))

    assert heard.on("pictures/face")[0].startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("gate", "gate"),
        ("a/b", "a_b"),
        ("+", "_"),
        ("#", "_"),
        ("", "_"),
        ("$SYS", "_SYS"),
        ("a\x00\x1b\u2028b", "a___b"),
        ("Straße 7", "Straße 7"),
        ("x" * 300, "x" * 128),
    ],
)
def test_what_a_device_says_is_one_level(text: str, safe: str) -> None:
    assert level(text) == safe


@pytest.mark.parametrize("text", ["", "a/+/b", "a/#", "$SYS/x", "a\nb", "{{ device.id"])
def test_what_is_no_topic_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"topic|template"):
        Topic(text, "reactions.house.topic")


@pytest_twisted.ensureDeferred
async def test_a_dry_run_publishes_nothing(mqtt: Any, mosquitto: Any, listen: Any, make_event: Any) -> None:
    broker = mosquitto()
    heard = await listen(broker.port)
    plugin, context = await mqtt(broker.port)

    await plugin.hikrecv_event(make_event("plate"), context.for_attempt(1, dry_run=True))
    await plugin.hikrecv_event(make_event("io"), context)
    await heard.until(lambda: bool(heard.on("hikrecv/gate/io")))

    assert heard.on("hikrecv/gate/plate") == []


# -- being there and not ----------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_the_broker_tells_when_we_are_gone(mqtt: Any, mosquitto: Any, listen: Any) -> None:
    broker = mosquitto()
    heard = await listen(broker.port)
    plugin, _ = await mqtt(broker.port)
    await heard.until(lambda: heard.on("hikrecv/house/status") == [b"online"])

    plugin._broker._client.socket().shutdown(socket.SHUT_RDWR)  # as a cable that is pulled
    await heard.until(lambda: heard.on("hikrecv/house/status") == [b"online", b"offline", b"online"])
    await plugin.hikrecv_stop()
    await heard.until(lambda: heard.on("hikrecv/house/status")[3:] == [b"offline"])


async def carry(plugin: Any, context: Any, events: list[Any], meanwhile: Any = None) -> int:
    """As a courier does, but without a rest: each event until it is done; how many attempts failed?"""
    failures = 0
    for number, event in enumerate(events):
        if meanwhile is not None:
            meanwhile(number)
        done = False
        while not done:
            try:
                await plugin.hikrecv_event(event, context)
                done = True
            except Retry:
                failures += 1
    return failures


@pytest_twisted.ensureDeferred
async def test_what_comes_while_the_broker_is_dead_is_not_lost(
    mqtt: Any, mosquitto: Any, listen: Any, make_event: Any
) -> None:
    broker = mosquitto()
    heard = await listen(broker.port)
    plugin, context = await mqtt(broker.port, topic="kept/{{ event.seq }}", retain=True)
    before, after = make_event("plate"), [make_event("plate") for _ in range(5)]
    await plugin.hikrecv_event(before, context)
    await heard.until(lambda: before.to_json() in heard.on(f"kept/{before.seq}"))

    broker.kill()
    carrying = Deferred.fromCoroutine(carry(plugin, context, after))
    broker.start()
    await carrying
    again = await listen(broker.port)
    await again.until(lambda: len(again.heard) == len(after) + 1)

    assert {each.payload for each in again.heard} == {event.to_json() for event in after} | {b"online"}


@pytest_twisted.ensureDeferred
async def test_nothing_is_lost_between_brokers_that_end_in_the_middle(
    mqtt: Any, mosquitto: Any, listen: Any, make_event: Any
) -> None:
    broker = mosquitto("allow_anonymous true", "persistence true")
    plugin, context = await mqtt(broker.port, topic="kept/{{ event.seq }}", retain=True, qos=2)
    events = [make_event("plate") for _ in range(60)]

    def replace(number: int) -> None:
        if number in (20, 40):
            broker.end()
            broker.start()

    await carry(plugin, context, events, replace)
    heard = await listen(broker.port)
    await heard.until(lambda: len(heard.heard) == len(events) + 1)

    assert {each.payload for each in heard.heard} == {event.to_json() for event in events} | {b"online"}


@pytest_twisted.ensureDeferred
async def test_a_broker_that_is_not_there_is_named(mqtt: Any, make_event: Any, loopback: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        plugin, context = await mqtt(port)
        attempt = Deferred.fromCoroutine(plugin.hikrecv_event(make_event("plate"), context))
        loopback.clock.callLater(0.5, plugin._broker._waiting[0].cancel)
        with pytest.raises(CancelledError):
            await attempt

    assert "Connection refused" in plugin._broker._problem


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_a_broker_that_lets_us_not_in_holds_until_it_does(
    mqtt: Any, mosquitto: Any, make_event: Any, tmp_path: Path, version: str
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run([PASSWD, "-b", "-c", str(passwords), "gate", "hush"], check=True)
    broker = mosquitto("allow_anonymous false", f"password_file {passwords}")
    plugin, context = await mqtt(broker.port, user="gate", password="other-secret", version=version)

    for _ in range(2):
        with pytest.raises(Hold, match="does not let us in: Not authorized; correct user and") as caught:
            await plugin.hikrecv_event(make_event("plate"), context)
        assert "other-secret" not in str(caught.value)

    subprocess.run([PASSWD, "-b", str(passwords), "gate", "other-secret"], check=True)
    broker.kill()
    broker.start()
    await plugin.hikrecv_event(make_event("plate"), context)


@pytest_twisted.ensureDeferred
async def test_a_login_and_what_it_may_not_do(
    mqtt: Any, mosquitto: Any, listen: Any, make_event: Any, tmp_path: Path
) -> None:
    passwords, rights = tmp_path / "passwords", tmp_path / "rights"
    subprocess.run([PASSWD, "-b", "-c", str(passwords), "gate", "hush"], check=True)
    rights.write_text("user gate\ntopic readwrite hikrecv/house/status\ntopic readwrite hikrecv/gate/plate\n")
    broker = mosquitto("allow_anonymous false", f"password_file {passwords}", f"acl_file {rights}")
    plugin, context = await mqtt(broker.port, version="5", user="gate", password="hush")

    await plugin.hikrecv_event(make_event("plate"), context)
    with pytest.raises(Reject, match=r"does not take 'hikrecv/gate/io': Not authorized"):
        await plugin.hikrecv_event(make_event("io"), context)


@pytest_twisted.ensureDeferred
async def test_what_is_too_large_for_the_broker_is_given_up(
    mqtt: Any, mosquitto: Any, listen: Any, make_event: Any
) -> None:
    broker = mosquitto("allow_anonymous true", "max_packet_size 4000")
    plugin, context = await mqtt(broker.port, version="5", pictures="pictures/{{ event.seq }}")

    await plugin.hikrecv_event(make_event("io"), context)
    with pytest.raises(Reject, match="takes 4000 bytes"):
        await plugin.hikrecv_event(make_event("face-match"), context)
    await plugin.hikrecv_event(make_event("io"), context)


# -- TLS ------------------------------------------------------------------------


def secured(certificates: Path, *lines: str) -> tuple[str, ...]:
    return (
        "allow_anonymous true",
        f"cafile {certificates}/ca.pem",
        f"certfile {certificates}/server.pem",
        f"keyfile {certificates}/server.key",
        *lines,
    )


@pytest_twisted.ensureDeferred
async def test_both_sides_prove_who_they_are(
    mqtt: Any, mosquitto: Any, make_event: Any, certificates: Path
) -> None:
    broker = mosquitto(*secured(certificates, "require_certificate true"))
    ours = {"cert": f"file:{certificates}/client.pem", "key": f"file:{certificates}/client.key"}
    plugin, context = await mqtt(broker.port, tls=True, ca=f"file:{certificates}/ca.pem", **ours)

    await plugin.hikrecv_event(make_event("plate"), context)


@pytest_twisted.ensureDeferred
async def test_a_broker_that_cannot_prove_who_it_is_gets_nothing(
    mqtt: Any, mosquitto: Any, make_event: Any, certificates: Path, impatient: None
) -> None:
    broker = mosquitto(*secured(certificates))
    plugin, context = await mqtt(broker.port, tls=True, ca=f"file:{certificates}/other.pem")

    with pytest.raises(Retry, match="certificate verify failed"):
        await plugin.hikrecv_event(make_event("plate"), context)


# -- Home Assistant ---------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_device_appears_in_home_assistant(mqtt: Any, mosquitto: Any, listen: Any, now: Any) -> None:
    broker = mosquitto()
    plugin, context = await mqtt(broker.port, discovery=True)
    face, plate, motion = now("face-match"), now("plate"), now("motion")

    for event in (face, plate, motion):
        await plugin.hikrecv_event(event, context)
    heard = await listen(broker.port)
    await heard.until(lambda: len(heard.heard) == 1 + 5 + 6)

    configs = {each.topic: json.loads(each.payload) for each in heard.heard if each.topic.endswith("/config")}
    states = {each.topic: each.payload for each in heard.heard if not each.topic.endswith("/config")}
    assert set(configs) == {
        "homeassistant/sensor/gate/event/config",
        "homeassistant/sensor/gate/person/config",
        "homeassistant/sensor/gate/plate/config",
        "homeassistant/binary_sensor/gate/motion/config",
        "homeassistant/image/gate/picture/config",
    }
    assert len({config["unique_id"] for config in configs.values()}) == 5
    assert {config["availability_topic"] for config in configs.values()} == {"hikrecv/house/status"}
    assert all(config["device"]["identifiers"] == ["hikrecv_gate"] for config in configs.values())
    assert configs["homeassistant/binary_sensor/gate/motion/config"]["device_class"] == "motion"
    assert configs["homeassistant/binary_sensor/gate/motion/config"]["off_delay"] == 30
    for config in configs.values():
        topic = config.get("state_topic") or config["image_topic"]
        assert topic in states
    assert states["hikrecv/house/gate/person"].decode() == face.match.person
    assert states["hikrecv/house/gate/plate"].decode() == plate.plate.text
    assert states["hikrecv/house/gate/motion"] == b"ON"
    assert states["hikrecv/house/gate/picture"] in [picture.content() for picture in plate.pictures]
    assert json.loads(states["hikrecv/house/gate/attributes"])["id"] == motion.id


@pytest_twisted.ensureDeferred
async def test_a_broker_that_has_forgotten_is_told_again(
    mqtt: Any, mosquitto: Any, listen: Any, now: Any
) -> None:
    broker = mosquitto()
    plugin, context = await mqtt(broker.port, discovery=True)
    await plugin.hikrecv_event(now("motion"), context)

    broker.kill()
    broker.start()
    await carry(plugin, context, [now("motion")])
    heard = await listen(broker.port)

    await heard.until(lambda: bool(heard.on("homeassistant/binary_sensor/gate/motion/config")))


def told(event: Any, *, age: float = 0.0, device: str = "gate", home: Any = None) -> dict[str, bytes]:
    home = home or HomeAssistant("homeassistant", "base", "base/status", 120.0)
    event = event.replace(device=msgspec.structs.replace(event.device, id=device))
    return {each.topic: each.payload for each in home.messages(event, "words", None, age, ())}


def test_motion_ends_by_the_device_and_never_begins_by_yesterday(make_event: Any) -> None:
    motion = make_event("motion")

    assert told(motion)["base/gate/motion"] == b"ON"
    assert told(motion.replace(state="inactive"), age=9_000.0)["base/gate/motion"] == b"OFF"
    for old, age in ((motion.replace(freshness="late"), 0.0), (motion, 121.0)):
        assert "base/gate/motion" not in told(old, age=age)


def test_each_device_has_a_name_of_its_own_in_discovery() -> None:
    ids = [
        "gate",
        "44:47:cc:00:00:01",
        "recorder/33",
        "recorder_33",
        "ip:10.0.0.5",
        "ä",
        "ö",
        "x" * 99,
        "x" * 98,
    ]
    nodes = [node_of(each) for each in ids]

    assert len(set(nodes)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", node) for node in nodes)
    assert nodes == [node_of(each) for each in ids]


def test_the_cameras_of_a_recorder_share_no_connection_with_it(make_event: Any) -> None:
    motion = make_event("motion", channel=Channel(id="33", name="Yard", digital=True))

    said = told(motion, device="nvr/33")
    node = node_of("nvr/33")
    recorder = json.loads(said["homeassistant/sensor/nvr/event/config"])["device"]
    camera = json.loads(said[f"homeassistant/binary_sensor/{node}/motion/config"])["device"]

    assert (recorder["name"], recorder["connections"]) == ("nvr", [["mac", motion.device.mac]])
    assert (camera["name"], camera["via_device"]) == ("Yard", recorder["identifiers"][0])
    assert "connections" not in camera
    assert "homeassistant/binary_sensor/nvr/motion/config" not in said
    order = list(said)
    assert order.index("homeassistant/sensor/nvr/event/config") < order.index(
        f"homeassistant/sensor/{node}/event/config"
    )


def test_two_names_of_one_address_do_not_become_one_device(make_event: Any) -> None:
    home = HomeAssistant("homeassistant", "base", "base/status", 120.0)
    event = make_event("motion")

    first, other, again = (told(event, device=name, home=home) for name in ("gate", "ip:10.0.0.9", "gate"))

    def connections(said: dict[str, bytes], node: str) -> Any:
        return json.loads(said[f"homeassistant/sensor/{node}/event/config"])["device"].get("connections")

    assert connections(first, "gate") == connections(again, "gate") == [["mac", event.device.mac]]
    assert connections(other, node_of("ip:10.0.0.9")) is None


@pytest_twisted.ensureDeferred
async def test_discovery_is_sent_again_when_home_assistant_is_there(
    mqtt: Any, mosquitto: Any, listen: Any, now: Any
) -> None:
    broker = mosquitto()
    plugin, context = await mqtt(broker.port, discovery=True)
    heard = await listen(broker.port)
    await plugin.hikrecv_event(now("motion"), context)
    config = "homeassistant/binary_sensor/gate/motion/config"
    await heard.until(lambda: len(heard.on(config)) == 1)

    heard.client.publish("homeassistant/status", b"offline", qos=1)
    heard.client.publish("homeassistant/status", b"online", qos=1)
    await heard.until(lambda: len(heard.on(config)) == 2)

    assert heard.on(config)[0] == heard.on(config)[1]


def test_strangers_cannot_fill_home_assistant(make_event: Any) -> None:
    home = HomeAssistant("homeassistant", "base", "base/status", 120.0)
    event = make_event("motion")

    spoken = [bool(told(event, device=f"mac{number}", home=home)) for number in range(600)]

    assert sum(spoken) == 500
    assert told(event, device="mac7", home=home)


def test_states_are_short_and_show_what_is_hidden(make_event: Any) -> None:
    event = make_event("plate", plate={"text": "\u202e" + "X" * 9_999})

    said = told(event)

    assert said["base/gate/plate"].startswith(b"\\u202eXX")
    assert len(said["base/gate/plate"]) <= 255
    assert len(said["base/gate/attributes"]) <= 8_000


# -- settings and documents -------------------------------------------------------


def test_the_examples_of_the_readme_are_right(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "hush")
    for example in re.findall(r"```toml\n(.*?)```", README.read_text(), re.S):
        reactions, errors = bench.build(parse(example).reactions)
        assert errors == []
        assert all(reaction.plugin.name == "mqtt" for reaction in reactions.values())


def test_the_readme_names_every_key() -> None:
    keys = {field.name for field in msgspec.structs.fields(hikrecv_mqtt.Settings)}

    assert set(re.findall(r"^\| `(\w+)` \|", README.read_text(), re.M)) == keys
