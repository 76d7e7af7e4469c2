"""What a configuration keeps secret is in no log and no answer, whatever goes wrong."""

from __future__ import annotations

import http.client
from contextlib import closing
from datetime import datetime

import msgspec
import pytest
from functional_harness import BIN, run, until

pytestmark = pytest.mark.functional

SECRET = "S3cr3t-w0rd"
# Nothing listens on port 1; every reaction fails, and says why.
TABLES = """
[[listen]]
endpoint = "tcp:0:interface=127.0.0.1"
token = "file:secret"

[devices.gate]
address = "127.0.0.1"
url = "http://127.0.0.1:1"
login = { user = "admin", password = "file:secret" }

[reactions.forward]
plugin = "forward"
url = "http://127.0.0.1:1/hook?token=S3cr3t-w0rd"
bearer = "file:secret"
headers = { X-Key = "file:secret" }

[reactions.mirror]
plugin = "mirror"
url = "http://127.0.0.1:1/"
digest = { user = "hikrecv", password = "file:secret" }

[reactions.notify]
plugin = "notify"
urls = ["file:address"]

[reactions.email]
plugin = "email"
host = "127.0.0.1"
port = 1
user = "hikrecv"
password = "file:secret"
sender = "a@example.org"
to = "b@example.org"

[reactions.mqtt]
plugin = "mqtt"
host = "127.0.0.1"
port = 1
user = "hikrecv"
password = "file:secret"

[reactions.door]
plugin = "access"
unknown = "allow"
max_age = "1m"
"""
# With a time of its own: what does not say when it happened opens no door.
PLATE = """<EventNotificationAlert><dateTime>{now}</dateTime><eventType>ANPR</eventType>
<eventState>active</eventState><ANPR><licensePlate>B AB 1234</licensePlate></ANPR></EventNotificationAlert>"""


def test_secrets_are_in_no_log_and_no_answer(new_receiver) -> None:
    receiver = new_receiver(TABLES)
    (receiver.folder / "secret").write_text(f"{SECRET}\n")
    (receiver.folder / "address").write_text(f"json://{SECRET}:{SECRET}@127.0.0.1:1/{SECRET}")
    checked = run([str(BIN / "hikrecv"), "check", str(receiver.config)])
    receiver.start()

    plate = PLATE.format(now=datetime.now().astimezone().isoformat(timespec="seconds")).encode()
    for path, status in ((f"/{SECRET}", 200), (f"/{SECRET}-nearly", 403)):
        with closing(http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)) as line:
            line.request("POST", path, plate, {"Content-Type": "application/xml"})
            assert line.getresponse().status == status
    until(lambda: all(row.get("last_error") for row in receiver.tell("reactions")), "each has failed")
    told = msgspec.json.encode([receiver.tell("reactions"), receiver.tell("turned_away")]).decode()
    shown = [receiver.command(*words) for words in (["reactions"], ["show", "1"])]
    receiver.stop()

    for text in (checked, receiver.log, told, *shown):
        assert text
        assert SECRET not in text
