"""The state directory: which one it is, and whether it can be used."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from hikrecv.config import parse
from hikrecv.errors import StateError
from hikrecv.state import State, find


def test_the_command_line_comes_before_the_config_and_that_before_the_environment(tmp_path: Path) -> None:
    environment = {"HIKRECV_STATE_DIR": "/env", "STATE_DIRECTORY": "/systemd:/other"}

    assert find("/given", "/configured", environment).root == Path("/given")
    assert find(None, "/configured", environment).root == Path("/configured")
    assert find(None, None, environment).root == Path("/env")
    assert find(None, None, {"STATE_DIRECTORY": "/systemd:/other"}).root == Path("/systemd")


def test_without_any_word_it_is_the_systems_or_the_users(tmp_path: Path) -> None:
    expected = Path("/var/lib/hikrecv")
    if not expected.is_dir():
        expected = Path.home() / ".local/state/hikrecv"

    assert find(None, None, {}).root == expected


def test_it_is_made_for_one_user_only(tmp_path: Path) -> None:
    state = State(tmp_path / "a" / "state")

    state.prepare()

    assert stat.S_IMODE(state.root.stat().st_mode) == 0o700


def test_a_place_that_is_no_directory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError, match=r"state directory .*file/state cannot be used"):
        State(tmp_path / "file" / "state").prepare()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_it_is_given_to_the_user_that_the_receiver_becomes(tmp_path: Path) -> None:
    state = State(tmp_path / "state")

    state.prepare(uid=65534, gid=65534)

    assert (state.root.stat().st_uid, state.root.stat().st_gid) == (65534, 65534)


def test_devices_are_remembered_without_their_secrets(tmp_path: Path) -> None:
    config = parse(
        '[devices.gate]\naddress = "10.0.0.9"\nzone = "Europe/Berlin"\nchannels = { 33 = "Yard" }\n'
        'login = { user = "admin", password = "s3cret" }'
    )
    state = State(tmp_path)

    state.remember_devices(config.devices)

    assert state.known_devices()["gate"].channels == {"33": "Yard"}
    assert "s3cret" not in state.devices.read_text()
    assert stat.S_IMODE(state.devices.stat().st_mode) == 0o600


def test_without_a_receiver_no_devices_are_known(tmp_path: Path) -> None:
    assert State(tmp_path).known_devices() == {}


def test_since_when_a_device_is_configured_outlives_restarts_and_not_its_removal(tmp_path: Path) -> None:
    state = State(tmp_path)

    state.await_devices(["gate", "yard"], 100.0)
    again = State(tmp_path).await_devices(["gate", "lodge"], 200.0)
    back = State(tmp_path).await_devices(["gate", "yard"], 300.0)

    assert again == {"gate": 100.0, "lodge": 200.0}
    assert back == {"gate": 100.0, "yard": 300.0}
    assert State(tmp_path).awaited_devices() == back
    state.awaited.write_text("{")
    assert State(tmp_path).awaited_devices() == {}


def test_a_path_in_which_no_socket_can_be_opened_is_told_before_anything_is_made(tmp_path: Path) -> None:
    longest = State(tmp_path / ("x" * (107 - len(str(tmp_path)) - len("//control.sock"))))
    too_long = State(longest.root.with_name(longest.root.name + "x"))

    longest.prepare()
    with pytest.raises(StateError, match="too long for the socket in it"):
        too_long.prepare()

    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(longest.control))
    assert not too_long.root.exists()
