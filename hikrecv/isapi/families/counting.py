"""
People counted: at a door, in a region, in a queue.

Source: captures of counting cameras (`peopleCounting`, one or several `Region`);
the queue forms of fisheye cameras.  `enter` and `exit` are the device's own sums.
"""

from __future__ import annotations

from typing import Any

from ..event import CountedRegion, Counting
from ..fields import Fields, each, number, sub, text, whole
from ..reading import Reading

_PEOPLE = (
    "peoplenum",
    "people",
    "personcnt",
    "peoplecount",
    "count",
    "rulecount",
    "framespeoplecounting_number",
    "number",
)


def read_counting(reading: Reading, value: Any) -> None:
    """`peopleCounting`: over a time range, or right now."""
    for found in each(value):
        span = sub(found, "timerange")
        child = sub(reading.doc, "childcounting") or sub(found, "childcounting")
        reading.fields["counting"] = Counting(
            mode=text(found, "statisticalmethods"),
            start=reading.time(span, "starttime") or reading.time(sub(found, "realtime"), "time"),
            end=reading.time(span, "endtime"),
            enter=whole(found, "enter"),
            exit=whole(found, "exit"),
            passing=whole(found, "pass", "passing"),
            people=whole(found, *_PEOPLE),
            child_enter=whole(child, "enter"),
            child_exit=whole(child, "exit"),
            regions=_regions(found),
        )
        return


def read_queue(reading: Reading, value: Any) -> None:
    """A region's or a person's part of a queue: how many, or how long they wait."""
    for found in each(value):
        rule = sub(found, "rule") or found
        counted = sub(found, "humancounting") or found
        before = reading.fields.get("counting") or Counting()
        reading.fields["counting"] = Counting(
            mode=before.mode or reading.kind.type,
            people=before.people if before.people is not None else whole(counted, *_PEOPLE),
            wait_s=before.wait_s
            if before.wait_s is not None
            else number(found, "waittime", "queuetime", "duration"),
            regions=before.regions or _region(text(rule, "ruleid", "regionid", "id"), rule, counted),
        )
        reading.shown(found, "background")


def read_density(reading: Reading, value: Any) -> None:
    """`PersonDensityResult`: how many are in each region."""
    targets = [target for found in each(value) for target in each(found.get("target")) or [found]]
    if not targets:
        return
    before = reading.fields.get("counting") or Counting()
    people, regions = before.people, list(before.regions)
    for target in targets:
        info = sub(target, "targetinfo") or target
        people = people if people is not None else whole(info, *_PEOPLE)
        regions += _region(text(info, "regionid", "ruleid"), info)
    reading.fields["counting"] = Counting(mode=reading.kind.type, people=people, regions=tuple(regions))


def _regions(found: Fields) -> tuple[CountedRegion, ...]:
    regions = [
        region
        for each_ in each(found.get("region"))
        for region in _region(text(each_, "id", "regionid"), each_)
    ]
    regions += [
        region
        for each_ in each(found.get("regionlist"), "region")
        for region in _region(text(each_, "id"), each_)
    ]
    if not regions:
        return _region(text(found, "regionsid", "regionid"), {})
    return tuple(regions)


def _region(name: str | None, *said: Fields) -> tuple[CountedRegion, ...]:
    whole_of = {key: value for fields in said for key, value in fields.items()}
    region = CountedRegion(
        id=name,
        name=text(whole_of, "name", "rulename", "regionname"),
        enter=whole(whole_of, "enter"),
        exit=whole(whole_of, "exit"),
        people=whole(whole_of, *_PEOPLE),
    )
    return () if region == CountedRegion() else (region,)


READS = {
    "peoplecounting": read_counting,
    "framespeoplecounting": read_queue,
    "regioncapture": read_queue,
    "humancapture": read_queue,
    "personqueuerealtimedata": read_queue,
    "queuetimecounting": read_queue,
    "personqueuetimingstatistics": read_queue,
    "peoplenumchange": read_queue,
    "peoplenumcounting": read_queue,
    "persondensityresult": read_density,
    "persondensitydetection": read_density,
}
