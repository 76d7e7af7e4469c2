from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hikrecv_access import lists as lists_module
from hikrecv_access.decision import Decision, Judge
from hikrecv_access.echo import Echoes
from hikrecv_access.lists import ListError, Lists
from hikrecv_access.plates import Folding
from hikrecv_access.rows import Reader
from hikrecv_access.settings import Settings
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger

from hikrecv import Match
from hikrecv.config import Zone

WORDS = ("open", "close")


def reader(zone: str = "UTC", look_alikes: tuple[str, ...] = ()) -> Reader:
    return Reader(Folding(look_alikes), Zone(zone), WORDS)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def log(said: list[str]) -> Logger:
    return Logger(observer=lambda event: said.append(event["log_format"].format(**event)))


@pytest.fixture
def judge(bench: Any, tmp_path: Path, log: Logger) -> Callable[..., Decision]:
    """Decides about an event by one list of those who may, and one of those who may not."""

    def decide(
        event: Any, allow: str, deny: str = "", zone: str = "UTC", look_alikes: tuple[str, ...] = ()
    ) -> Decision:
        texts = {"allow.csv": allow, "deny.csv": deny or "plate\n"}
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        read = reader(zone, look_alikes)
        one, other = (Lists([tmp_path / name], read, log) for name in texts)
        return Judge(Settings(unknown="allow"), read, one, other, Echoes(bench.clock)).decide(event)

    def verdict(*arguments: Any, **named: Any) -> tuple[str, str]:
        found = decide(*arguments, **named)
        return found.verdict if found.row else "unknown", found.reason

    return verdict


# -- who it is -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plate", ["B AB 1234", "b-ab-1234", "BAB1234", "B·AB 1234", "\uff22\uff21\uff22 1234"]
)
def test_blanks_dashes_and_case_of_a_plate_do_not_count(judge: Any, make_event: Any, plate: str) -> None:
    event = make_event("plate", plate={"text": "BAB1234"})

    assert judge(event, f"plate\n{plate}\n")[0] == "allow"


@pytest.mark.parametrize(
    ("look_alikes", "listed", "read", "same"),
    [
        ((), "BO 1I", "B0 11", False),
        (("O0", "I1"), "BO 1I", "B0 11", True),
        (("O0", "I1"), "B0 11", "BO 1I", True),
        (("o0q",), "QOX", "00X", True),
        (("O0",), "BI", "B1", False),
        (("B8",), "8AB", "BA8", True),
        (("O0", "I1"), "B 123", "B 124", False),
    ],
)
def test_look_alikes_are_taken_for_one_another_only_on_request(
    judge: Any, make_event: Any, look_alikes: tuple[str, ...], listed: str, read: str, same: bool
) -> None:
    event = make_event("plate", plate={"text": read})

    allowed = judge(event, f"plate\n{listed}\n", look_alikes=look_alikes)[0]
    denied = judge(event, f"plate\n{read}\n", f"plate\n{listed}\n", look_alikes=look_alikes)[0]

    assert (allowed, denied) == (("allow", "deny") if same else ("unknown", "allow"))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("employee_no\n1001\n", "allow"),
        ("employee_no\n01001\n", "unknown"),
        ("card_no\n4711\n", "allow"),
        ("card_no\n0000004711\n", "allow"),
        ("person\nada  LOVELACE\n", "allow"),
        ("person\nAda\n", "unknown"),
        ("employee_no,person\n1001,Somebody Else\n", "allow"),
        ("employee_no,person\n1002,Ada Lovelace\n", "unknown"),
        ("employee_no,card_no\n1001,9\n", "unknown"),
        ("employee_no,card_no\n1002,4711\n", "unknown"),
        ("employee_no,plate\n1001,BAB1234\n", "allow"),
        ("plate\n1001\n", "unknown"),
    ],
)
def test_a_person_is_who_agrees_and_does_not_disagree(
    judge: Any, make_event: Any, text: str, verdict: str
) -> None:
    event = make_event("access", access={"card_no": "004711"})

    assert judge(event, text)[0] == verdict


@pytest.mark.parametrize(
    "deny", ["employee_no,card_no\n1001,9\n", "employee_no,card_no\n5,4711\n", "card_no\n4711\n"]
)
def test_one_thing_in_common_is_enough_for_a_denial(judge: Any, make_event: Any, deny: str) -> None:
    event = make_event("access", access={"card_no": "4711"})

    assert judge(event, "employee_no\n1001\n", deny)[0] == "deny"


def test_a_face_is_known_by_its_certificate_number_or_name(judge: Any, make_event: Any) -> None:
    event = make_event("face-match").replace(
        match=Match(person="Ada", certificate_number="X-77", similarity=0.9)
    )

    assert judge(event, "certificate_no\nx-77\n")[0] == "allow"
    assert judge(event, "person\nADA\n")[0] == "allow"
    assert judge(event, "certificate_no,person\nX-78,Ada\n")[0] == "unknown"


# -- when and where ----------------------------------------------------------------------


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("columns", "values", "moment", "zone", "reason"),
    [
        ("valid_until", "2026-03-31", "2026-03-31T21:59:59+00:00", "Europe/Berlin", ""),
        ("valid_until", "2026-03-31", "2026-03-31T22:00:00+00:00", "Europe/Berlin", "not valid any more"),
        ("valid_until", "2026-03-31", "2026-03-31T23:59:59+00:00", "UTC", ""),
        ("valid_until", "2026-03-31", "2026-03-31T19:00:00+00:00", "+08:00", "not valid any more"),
        ("valid_until", "2026-03-31T12:00", "2026-03-31T11:59:59+00:00", "UTC", ""),
        ("valid_until", "2026-03-31T12:00", "2026-03-31T12:00:00+00:00", "UTC", "not valid any more"),
        ("valid_until", "2026-03-31T12:00+02:00", "2026-03-31T10:00:00+00:00", "UTC", "not valid any more"),
        ("valid_from", "2026-03-31", "2026-03-30T21:59:59+00:00", "Europe/Berlin", "not valid yet"),
        ("valid_from", "2026-03-31", "2026-03-30T22:00:00+00:00", "Europe/Berlin", ""),
        ("days", "mon-fri", "2026-03-06T22:59:00+00:00", "Europe/Berlin", ""),
        ("days", "mon-fri", "2026-03-06T23:00:00+00:00", "Europe/Berlin", "not at this time"),
        ("days", "sat sun", "2026-03-07T12:00:00+00:00", "UTC", ""),
        ("days", "fri-mon", "2026-03-04T12:00:00+00:00", "UTC", "not at this time"),
        ("days", "Fri-Mon", "2026-03-09T12:00:00+00:00", "UTC", ""),
        ("hours", "07:00-12:00 13:00-19:00", "2026-03-09T12:30:00+00:00", "UTC", "not at this time"),
        ("hours", "07:00-12:00|13:00-19:00", "2026-03-09T13:00:00+00:00", "UTC", ""),
        ("hours", "22:00-06:00", "2026-03-09T03:00:00+00:00", "UTC", ""),
        ("days,hours", "fri,22:00-06:00", "2026-03-07T03:00:00+00:00", "UTC", ""),
        ("days,hours", "fri,22:00-06:00", "2026-03-06T03:00:00+00:00", "UTC", "not at this time"),
        ("device", "gate", "2026-03-06T03:00:00+00:00", "UTC", ""),
        ("device", "north gate", "2026-03-06T03:00:00+00:00", "UTC", ""),
        ("device", "north", "2026-03-06T03:00:00+00:00", "UTC", "not at this device"),
        ("door", "1 2", "2026-03-06T03:00:00+00:00", "UTC", ""),
        ("door", "2", "2026-03-06T03:00:00+00:00", "UTC", "not at this door"),
    ],
)
def test_a_line_holds_in_its_time_and_place(
    judge: Any, make_event: Any, columns: str, values: str, moment: str, zone: str, reason: str
) -> None:
    event = make_event("access").replace(received=at(moment))

    verdict, why = judge(event, f"employee_no,{columns}\n1001,{values}\n", zone=zone)

    assert (verdict, why) == (("deny", f"listed, but {reason}") if reason else ("allow", "listed"))


def test_a_second_line_may_hold_when_the_first_does_not(judge: Any, make_event: Any) -> None:
    event = make_event("access")

    assert judge(event, "employee_no,valid_until\n1001,2020-01-01\n1001,\n")[0] == "allow"


def test_a_denial_has_its_time_too(judge: Any, make_event: Any) -> None:
    event = make_event("access")

    assert judge(event, "employee_no\n1001\n", "employee_no,valid_until\n1001,2020-01-01\n")[0] == "allow"


# -- the file ----------------------------------------------------------------------------


def rows(folder: Path, data: bytes, log: Logger | None = None) -> list[Any]:
    file = folder / "list.csv"
    file.write_bytes(data)
    found = Lists([file], reader(), log or Logger())
    return [row for plate in ("A1", "B2") for row in found.about({"plate": plate})]


@pytest.mark.parametrize(
    "data",
    [
        b"plate,note\nA1,x\nB2,\n",
        b"\xef\xbb\xbfPlate;Note\r\nA1;x\r\nB2;\r\n",
        b'# ours, all\n\n"plate"; note\n"A 1"; "a; b"\n;\n# C3\nB2\n',
        b"plate,note\nA1,x\nB2,",
    ],
)
def test_what_people_and_spreadsheets_write(tmp_path: Path, data: bytes) -> None:
    assert len(rows(tmp_path, data)) == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"plate,valid_untill\n", "line 1: there is no column 'valid_untill'"),
        (b"note\nx\n", "line 1: it names each column once"),
        (b"plate,plate\nx,y\n", "line 1: it names each column once"),
        (b"plate,note\nA1,x\n ,y\n", "line 3: it names nobody"),
        (b"plate\n-\n", "line 2: it names nobody"),
        (b"plate\nA1,x\n", "line 2: it has more cells"),
        (b"plate,valid_until\nA1,31.12.2026\n", "line 2: valid_until: '31.12.2026' is not a date"),
        (b"plate,valid_from\nA1,2026-02-30\n", "line 2: valid_from"),
        (b"plate,days\nA1,monday\n", "line 2: days: 'monday'"),
        (b"plate,hours\nA1,8-18\n", "line 2: hours"),
        (b"plate,hours\nA1,08:00-25:00\n", "line 2: hours"),
        (b"plate,door\nA1,front\n", "line 2: door"),
        (b"plate,do\nA1,explode\n", "line 2: do: 'explode' is not one of close, open"),
        (b"plate,number\nA1,-1\n", "line 2: number"),
        (b"plate\n\xff\xfe\n", "is not UTF-8"),
        (b'plate\n"A1\n', "line 2"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(ListError) as caught:
        rows(tmp_path, data)

    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_list_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.touch()
    file.chmod(0o666)

    with pytest.raises(ListError, match="chmod o-w"):
        rows(tmp_path, b"plate\nA1\n")


def test_a_list_that_is_too_large_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="larger than"):
        rows(tmp_path, b"plate\n" + b"A1\n" * (lists_module.MOST_BYTES // 3 + 1))
    with pytest.raises(ListError, match="lines"):
        rows(tmp_path, b"plate\n" + b"A1\n" * lists_module.MOST_ROWS)
    with pytest.raises(ListError, match="cannot be read"):
        Lists([tmp_path / "missing.csv"], reader(), Logger())
    with pytest.raises(ListError):
        Lists([tmp_path], reader(), Logger())


def change(file: Path, text: str) -> None:
    """As an editor does, and later than before, whatever the clock of the file system is made of."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 10**9, before + 10**9))


def test_a_list_is_read_again_when_it_has_changed(tmp_path: Path, log: Logger, said: list[str]) -> None:
    file = tmp_path / "list.csv"
    file.write_text("plate\nA1\n")
    found = Lists([file], reader(), log)

    def listed() -> list[bool]:
        return [bool(list(found.about({"plate": plate}))) for plate in ("A1", "B2")]

    assert listed() == [True, False]

    change(file, "plate\nB2\n")
    assert listed() == [False, True]

    change(file, "plate,until\nA1,x\n")
    assert listed() == listed() == [False, True]
    file.unlink()
    assert listed() == listed() == [False, True]
    assert [each.partition("; ")[2] for each in said] == [
        "there are " + ", ".join(lists_module.COLUMNS) + "; what the list said before goes on to hold",
        "what the list said before goes on to hold",
    ]

    change(file, "plate\nA1\nB2\n")
    assert listed() == [True, True]


@given(st.binary(max_size=300) | st.text(alphabet='plate,\n";#-1A', max_size=60).map(str.encode))
def test_whatever_is_in_a_file_it_is_read_or_named(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(ListError):
        rows(Path(folder), data)


@given(st.text(max_size=40))
def test_a_folded_plate_stays_as_it_is(text: str) -> None:
    fold = Folding(("O0", "I1"))

    assert fold(fold(text)) == fold(text)
    assert fold(text) == fold(f" {text}-")


def test_many_lines_are_looked_through_quickly(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("plate,days\n" + "".join(f"AB{n:05d},mon-fri\n" for n in range(50_000)))
    found = Lists([file], reader(), Logger())

    began = datetime.now(timezone.utc)
    for n in range(1_000):
        assert len(list(found.about({"plate": f"AB{n:05d}"}))) == 1

    assert datetime.now(timezone.utc) - began < timedelta(seconds=1)
