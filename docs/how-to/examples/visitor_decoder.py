"""Reads what the reception's own program posts: VISITOR;<time>;<name>;<desk>"""

from datetime import datetime

from hikrecv import Device, Event, Push, hookimpl

HIKRECV_API = 1


@hookimpl
def hikrecv_decode(push: Push) -> list[Event] | None:
    if not push.body.startswith(b"VISITOR;"):
        return None
    _, at, person, desk = push.body.decode().strip().split(";")
    visit = Event(
        key=f"{desk}#{at}#{person}",
        family="access",
        type="Visitor",
        wire_type="VISITOR",
        state="active",
        freshness="live",
        device=Device(id=f"desk-{desk}"),
        occurred=datetime.fromisoformat(at),
        description=f"visitor {person}",
        extra={"visitor": {"name": person}},
        # These five are set by hikrecv.
        id="",
        seq=0,
        n=0,
        received=push.received_at,
        peer=push.peer,
    )
    return [visit]
