"""
Alarm inputs and microphones.

Source: captures of cameras with alarm inputs; the channel of such an alert means
nothing.
"""

from __future__ import annotations

from typing import Any

from ..event import Audio, Io
from ..fields import each, number, text
from ..reading import Reading


def read_input(reading: Reading, _: Any) -> None:
    """`inputIOPortID`, or `dynInputIOPortID` behind a recorder."""
    port = text(reading.doc, "inputioportid", "dyninputioportid", "ioportid")
    if port is not None:
        reading.fields["io"] = Io(port=port)


def read_sound(reading: Reading, value: Any) -> None:
    """`AudioExceptionDetection`: louder or quieter, and how loud."""
    for found in each(value):
        reading.fields["audio"] = Audio(alarm=text(found, "alarmtype"), decibel=number(found, "audiodecibel"))
        return


READS = {
    "inputioportid": read_input,
    "dyninputioportid": read_input,
    "ioportid": read_input,
    "audioexceptiondetection": read_sound,
}
