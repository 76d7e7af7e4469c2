"""
Door stations: calls, their answers, unlocking.

Source: the intercom guides; field notes.  Many models report no ring here at all:
a pressed bell is then an access event (3/1024, or 5/37).
"""

from __future__ import annotations

from typing import Any

from ..event import Intercom
from ..fields import Fields, each, sub, text
from ..reading import Reading


def read_call(reading: Reading, value: Any) -> None:
    """`VideoIntercomEvent`, `VoiceTalkEvent` and `CallInfo`, wherever they stand."""
    for found in each(value):
        caller = _caller(reading, found)
        reading.called(text(found, "devicename"))
        reading.fields["intercom"] = Intercom(
            command=text(found, "cmdtype", "command", "callsignal"),
            source=_source(found),
            period=text(caller, "periodnumber", "periodno"),
            building=text(caller, "buildingnumber", "buildingno"),
            unit=text(caller, "unitnumber", "unitno"),
            floor=text(caller, "floornumber", "floorno"),
            room=text(caller, "roomnumber", "roomno"),
            device_no=text(caller, "devicenumber", "deviceno", "devicenum"),
            unlock_type=text(found, "unlocktype"),
            status=text(found, "status", "callstatus") or text(reading.doc, "status", "callstatus"),
        )
        reading.shown(found, "capture")
        reading.named(None, "picture", "pictureimage")
        return


def read_caller(reading: Reading, value: Any) -> None:
    """`CallInfo` at the root, when no other part says more."""
    if "intercom" not in reading.fields:
        read_call(reading, value)


def read_status(reading: Reading, value: Any) -> None:
    """A status that stands alone: `<status>ring</status>`."""
    if "intercom" not in reading.fields and reading.kind.family == "intercom":
        found = next(iter(each(value)), None)
        reading.fields["intercom"] = Intercom(status=text(found or {"status": value}, "status"))


def _caller(reading: Reading, found: Fields) -> Fields:
    return sub(found, "callinfo", "callerinfo", "src") or sub(reading.doc, "callinfo", "callerinfo") or found


def _source(found: Fields) -> str | None:
    src = found.get("src", found.get("source"))
    return text(src, "type", "ipaddress", "name") if isinstance(src, dict) else text(found, "src", "source")


READS = {
    "videointercomevent": read_call,
    "videointercom": read_call,
    "videointercomalarm": read_call,
    "voicetalkevent": read_call,
    "callinfo": read_caller,
    "callstatus": read_status,
    "status": read_status,
}
