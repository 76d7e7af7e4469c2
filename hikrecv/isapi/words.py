"""What happened, in words for a person."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from .catalogue import kind_of
from .event import Event, Target

# Invisible, or able to turn the reading order round: nobody's name needs them.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KINDS = {"human": "human", "vehicle": "vehicle", "non-motor": "bicycle or the like", "face": "face"}
_DIRECTIONS = {"enter": "entering", "in": "entering", "exit": "leaving", "leave": "leaving", "out": "leaving"}


def visible(text: str, keep: str = "") -> str:
    """*text* with every control, format and bidirectional character but *keep* shown as its escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(each) if _is_hidden(each) and each not in keep else each for each in text)


def visible_json(line: str) -> str:
    """The same JSON, with those characters in JSON's own escapes: fit for a terminal."""
    if line.isascii() and "\x7f" not in line:
        return line
    return "".join(_escaped(each) if _is_hidden(each) and each != "\n" else each for each in line)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _shown(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def describe(event: Event) -> str:
    """
    One line about the event: who, which plate, which door, which line.

    The device's own text in it is made visible (see :func:`visible`); it is still
    the device's claim.
    """
    for said in _SAID:
        words = said(event)
        if words:
            return visible(words) + _how(event)
    return visible(_meaning(event)) + _how(event)


def _how(event: Event) -> str:
    if event.family in ("heartbeat", "test"):
        return ""
    if event.state == "inactive":
        return " ended"
    return " goes on" if event.wire_type.lower() == "duration" else ""


def _meaning(event: Event) -> str:
    if event.family == "heartbeat":
        return "heartbeat"
    if event.family == "unknown":
        return event.description or (event.type if event.type != "unknown" else "not understood")
    kind = kind_of(event.type)
    return kind.words if kind is not None else event.type


def _joined(*words: str | None) -> str:
    return ", ".join(word for word in words if word)


def _named(word: str, value: object) -> str | None:
    return None if value is None else f"{word} {value}"


def _match(event: Event) -> str | None:
    match = event.match
    if match is None:
        return "face not in the library" if event.family == "face-match" and event.faces else None
    who = match.person or _named("person", match.person_id) or "somebody"
    likeness = "" if match.similarity is None else f" {match.similarity:.2f}"
    return f"{who}{likeness}" + (f" in library {match.library}" if match.library else "")


def _access(event: Event) -> str | None:
    access = event.access
    if access is None:
        return None
    card = _named("card", access.card_no) if access.person is None and access.employee_no is None else None
    return _joined(
        access.name,
        access.person,
        _named("employee", access.employee_no),
        card,
        _named("door", access.door),
        _named("reader", access.reader) if access.door is None else None,
        access.attendance,
        "waits for permission" if access.remote_check else None,
    )


def _plate(event: Event) -> str | None:
    plate = event.plate
    if plate is None:
        return None
    way = _DIRECTIONS.get((plate.direction or "").lower(), plate.direction)
    read = f"plate {plate.text}" if plate.text else "plate not readable"
    return _joined(
        f"{read} {way}" if way else read, _named("lane", plate.lane), _named("list", plate.list_type)
    )


def _faces(event: Event) -> str | None:
    if event.family not in ("face-capture", "face-detected") or not event.faces:
        return None
    return _meaning(event) if len(event.faces) == 1 else f"{len(event.faces)} faces"


def _targets(event: Event) -> str | None:
    who = ", ".join(dict.fromkeys(_kind(target) for target in event.targets)) or "something"
    where = next((target.region for target in event.targets if target.region), None) or next(
        (region.id for region in event.regions if region.id), None
    )
    if event.family == "line-crossing":
        return f"{who} crossed {_place('line', where)}"
    if event.family == "intrusion":
        return f"{who} in {_place('region', where)}"
    if event.family == "region":
        return f"{who} {'left' if event.type == 'regionExiting' else 'entered'} {_place('region', where)}"
    if not event.targets or event.family in ("thermal", "ai"):
        return None
    return f"{who} captured" if event.family == "target" else f"{_meaning(event)} ({who})"


def _kind(target: Target) -> str:
    return (
        "something" if target.kind in ("unknown", "others", "other") else _KINDS.get(target.kind, target.kind)
    )


def _place(word: str, number: str | None) -> str:
    return f"{word} {number}" if number else f"a {word}"


def _counting(event: Event) -> str | None:
    counting = event.counting
    if counting is None:
        return None
    return _joined(
        None if counting.enter is None else f"{counting.enter} in",
        None if counting.exit is None else f"{counting.exit} out",
        None if counting.people is None else f"{counting.people} people",
        None if counting.wait_s is None else f"waiting {counting.wait_s:g} s",
    )


def _thermal(event: Event) -> str | None:
    thermal = event.thermal
    if thermal is None or thermal.temperature is None:
        return None
    unit = f" {thermal.unit}" if thermal.unit else ""
    limit = None if thermal.threshold is None else f"limit {thermal.threshold:g}{unit}"
    return _joined(
        f"{_meaning(event)}: {thermal.temperature:g}{unit}", limit, "abnormal" if thermal.abnormal else None
    )


def _panel(event: Event) -> str | None:
    panel = event.panel
    if panel is None:
        return None
    return _joined(
        panel.name or _named("code", panel.code) or _meaning(event),
        panel.zone_name or _named("zone", panel.zone),
        _named("area", panel.area),
        _named("by", panel.user),
        "restored" if panel.restored else None,
    )


def _intercom(event: Event) -> str | None:
    call = event.intercom
    if call is None:
        return None
    return _joined(
        _named("call", call.command)
        or call.status
        or _named("unlocked by", call.unlock_type)
        or _meaning(event),
        _named("building", call.building),
        _named("unit", call.unit),
        _named("room", call.room),
    )


def _io(event: Event) -> str | None:
    if event.io is not None:
        return _named("alarm input", event.io.port)
    if event.audio is not None:
        loud = None if event.audio.decibel is None else f"{event.audio.decibel:g} dB"
        return _joined(_named("sound", event.audio.alarm) or "sound", loud)
    return None


_SAID: tuple[Callable[[Event], str | None], ...] = (
    _match,
    _access,
    _plate,
    _counting,
    _thermal,
    _panel,
    _intercom,
    _io,
    _targets,
    _faces,
)
