from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hikrecv.isapi import times

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        ("2026-05-04T07:08:09+02:00", "2026-05-04T07:08:09+02:00"),
        ("2026-05-04T07:08:09.847+07:00", "2026-05-04T07:08:09.847+07:00"),
        ("2026-05-04T07:08:09Z", "2026-05-04T07:08:09+00:00"),
        ("2026-05-04T07:08+08:00", "2026-05-04T07:08:00+08:00"),
        ("  2026-05-04T07:08:09+02:00\n", "2026-05-04T07:08:09+02:00"),
        ("1970-01-01T00:00:07+08:00", "1970-01-01T00:00:07+08:00"),
        ("2034-01-01T00:00:00-05:00", "2034-01-01T00:00:00-05:00"),
    ],
)
def test_a_correct_time_is_read_without_remark(raw: str, meant: str) -> None:
    found = times.read(raw)

    assert found.at == at(meant)
    assert found.zoned
    assert found.anomaly is None


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        ("2026-05-04T07:08:09-6:00", "2026-05-04T07:08:09-06:00"),
        ("2021-12-14T09:06:1600:00", "2021-12-14T09:06:16+00:00"),
        ("2026-05-04T07:08:0908:00", "2026-05-04T07:08:09+08:00"),
        ("2026/05/04 07:08:09 +02:00", "2026-05-04T07:08:09+02:00"),
        ("2026-5-4T7:8:9+2:00", "2026-05-04T07:08:09+02:00"),
        ("2026-05-04T07:08:09UTC", "2026-05-04T07:08:09+00:00"),
        ("2026-05-04T07:08:09GMT+08:00", "2026-05-04T07:08:09+08:00"),
        ("2026-05-04T07:08:09+02:00:00:01", "2026-05-04T07:08:09+02:00"),
        ("2026-05-04T07:08:09-02:00:30", "2026-05-04T07:08:09-02:00"),
        ("2026-05-04T07:08:09+23:59:59", "2026-05-04T07:08:09+23:59"),
        ("1777864089", "2026-05-04T03:08:09+00:00"),
        ("1777864089123", "2026-05-04T03:08:09.123+00:00"),
    ],
)
def test_a_broken_time_is_repaired_and_its_text_kept(raw: str, meant: str) -> None:
    found = times.read(raw)

    assert found.at == at(meant)
    assert found.anomaly is not None
    assert (found.anomaly.name, found.anomaly.detail) == ("time-repaired", raw)


@pytest.mark.parametrize(
    "raw", ["2026-07-04 07:08:09", "2026-07-04T07:08:09", "20260704070809", "20260704070809000"]
)
def test_a_time_without_offset_is_read_in_the_devices_zone(raw: str) -> None:
    found = times.read(raw, BERLIN)

    assert found.at == at("2026-07-04T07:08:09+02:00")
    assert not found.zoned
    assert found.anomaly is None


def test_a_time_without_offset_and_without_zone_is_taken_for_utc_and_said_to_be() -> None:
    found = times.read("2026-03-10 13:00:00")

    assert found.at == at("2026-03-10T13:00:00+00:00")
    assert found.anomaly is not None
    assert found.anomaly.name == "time-without-zone"


@pytest.mark.parametrize(
    "raw",
    [
        "REDACTED",
        "2026-02-30T00:00:00Z",
        "0000-00-00",
        "2026-05-04T25:00:00Z",
        "2026-05-04T07:08:09+99:00",
        "5",
        "2026-W19-1T07:08:09",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "20260230000000",
    ],
)
def test_what_is_no_time_is_none_with_its_text(raw: str) -> None:
    found = times.read(raw)

    assert found.at is None
    assert found.anomaly is not None
    assert (found.anomaly.name, found.anomaly.detail) == ("time-unreadable", raw)


def test_a_text_of_any_length_is_read_at_once() -> None:
    found = times.read("2026-05-04T07:08:09" + " " * 1_000_000 + "x")

    assert found.at is None


@pytest.mark.parametrize("raw", [None, "", "   ", [], {}, {"value": None}])
def test_where_nothing_is_said_nothing_is_odd(raw: object) -> None:
    assert times.read(raw) == times.NOTHING


@pytest.mark.parametrize(("name", "offset"), [("+08:00", 8), ("-03:00", -3), ("Etc/GMT-2", 2)])
def test_a_zone_of_the_config_is_an_offset_or_a_name(name: str, offset: int) -> None:
    zone = times.zone_of(name)

    assert isinstance(zone, tzinfo)
    assert datetime(2026, 1, 1, tzinfo=zone).utcoffset() == timedelta(hours=offset)


def test_a_utc_time_with_time_diff_is_shown_by_the_devices_clock() -> None:
    shown = times.in_offset(at("2026-05-04T05:08:09+00:00"), "+02:00")

    assert shown.isoformat() == "2026-05-04T07:08:09+02:00"
    assert times.in_offset(shown, "rubbish") is shown


@given(st.text(max_size=60) | st.integers() | st.floats() | st.booleans())
def test_reading_a_time_never_raises_and_is_aware(raw: object) -> None:
    found = times.read(raw, timezone.utc)

    assert found.at is None or found.at.utcoffset() is not None


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2198, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_what_a_correct_clock_writes_is_what_is_read(moment: datetime) -> None:
    text = moment.replace(microsecond=0).isoformat()

    found = times.read(text)

    assert found.at == moment.replace(microsecond=0) or ":" in text[22:]  # offsets with seconds: not ISO 8601
