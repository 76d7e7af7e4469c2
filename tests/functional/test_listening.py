"""A receiver's ports as devices find them: plain and TLS, both families of addresses, and a reload."""

from __future__ import annotations

import socket
import ssl
from datetime import datetime, timezone
from pathlib import Path

import pytest
from functional_harness import BIN, Receiver, certificate, until

from hikrecv.testing.profiles import Identity
from hikrecv.testing.profiles.acusense import bare

pytestmark = pytest.mark.functional

NOW = datetime.now(timezone.utc)


def request(number: int, path: str = "/", *, stay: bool = False) -> bytes:
    return bare(Identity(number), NOW, "VMD", count=number).request(path=path, keep_alive=stay)


def connected(port: int, host: str = "127.0.0.1", *, tls: bool = False) -> socket.socket:
    line = socket.create_connection((host, port), timeout=10)
    if not tls:
        return line
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(line)


def told(line: socket.socket, data: bytes) -> int:
    """The status of the answer to *data*."""
    line.sendall(data)
    return int(line.recv(4096).split()[1])


def shown(port: int) -> bytes:
    """The certificate that a new connection sees."""
    with connected(port, tls=True) as line:
        assert isinstance(line, ssl.SSLSocket)
        seen = line.getpeercert(binary_form=True)
        assert seen is not None
        return seen


def test_plain_and_tls_stand_side_by_side_and_sighup_renews_the_certificate(
    new_receiver, tmp_path: Path
) -> None:
    certificate(tmp_path, "first")
    receiver: Receiver = new_receiver(
        '[[listen]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
        f'[[listen]]\nendpoint = "ssl:0:interface=127.0.0.1:privateKey={tmp_path}/key.pem'
        f':certKey={tmp_path}/cert.pem"\n'
    ).start()
    plain, tls = receiver.ports

    with connected(plain) as slow, connected(tls, tls=True) as secure:
        assert told(slow, request(1, stay=True)) == told(secure, request(2, stay=True)) == 200
        first = shown(tls)
        certificate(tmp_path, "second")
        receiver.process.send_signal(1)
        until(lambda: b"second" in shown(tls), "the new certificate is shown")
        (tmp_path / "cert.pem").write_text("nonsense")
        receiver.process.send_signal(1)
        receiver.wait_for_log("the old certificate stays in use")
        assert told(slow, request(3, stay=True)) == told(secure, request(4, stay=True)) == 200

    assert b"first" in first
    assert b"second" in shown(tls)
    assert receiver.ports == [plain, tls]
    assert len(receiver.kept()) == 4


def test_both_families_of_addresses_are_listened_to(new_receiver) -> None:
    endpoints = ("tcp:0:interface=127.0.0.1", r"tcp6:0:interface=\\:\\:1")
    tables = "".join(f'[[listen]]\nendpoint = "{each}"\n' for each in endpoints)
    receiver: Receiver = new_receiver(tables).start()
    four, six = receiver.ports

    with connected(four) as one, connected(six, "::1") as other:
        assert told(one, request(1)) == told(other, request(2)) == 200

    assert [event.peer.ip for event in receiver.events()] == ["127.0.0.1", "::1"]


def test_the_rules_of_admission_are_taken_over_by_a_reload(new_receiver) -> None:
    listen = '[[listen]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
    receiver: Receiver = new_receiver(listen).start()
    port = receiver.port
    with connected(port) as kept:
        assert told(kept, request(1, stay=True)) == 200

        receiver.configure(f'{listen}token = "s3cret"\n')
        said = receiver.command("reload")

        assert "[listen]" not in said
        assert told(kept, request(2)) == 403
    with connected(port) as line:
        assert told(line, request(3, "/s3cret/x")) == 200
    receiver.configure(f'{listen}[[listen]]\nendpoint = "tcp:0:interface=127.0.0.1"\n')
    assert "[listen] changed; it holds after a restart" in receiver.command("reload")
    assert receiver.port == port


def test_after_a_changed_port_every_further_reload_is_taken_over(new_receiver) -> None:
    listen = '[[listen]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
    receiver: Receiver = new_receiver(listen).start()

    receiver.configure(listen.replace("tcp:0", "tcp:1"))
    twice = [receiver.command("reload") for _ in range(2)]
    receiver.configure(f'{listen}token = "s3cret"\n')
    back = receiver.command("reload")

    assert all("[listen] changed; it holds after a restart" in said for said in twice)
    assert "restart" not in back
    with connected(receiver.port) as line:
        assert told(line, request(1)) == 403


def test_ports_of_the_command_line_stay_after_a_reload(new_receiver) -> None:
    receiver: Receiver = new_receiver('[[listen]]\nendpoint = "tcp:1:interface=127.0.0.1"\n')
    receiver.start(
        str(BIN / "hikrecv"), "run", "--config", str(receiver.config), "--port", "tcp:0:interface=127.0.0.1"
    )
    port = receiver.port

    said = receiver.command("reload")

    assert "restart" not in said
    with connected(port) as line:
        assert told(line, request(1)) == 200
