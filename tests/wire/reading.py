"""Feed a reader in pieces and write down what it reports, so that two readings can be compared."""

from __future__ import annotations

from collections.abc import Iterable

from hikrecv.config import Limits
from hikrecv.wire.http1 import Data, End, Foreign, Head, Message, Reader, Refusal
from hikrecv.wire.usual import Heads

Report = list[tuple[object, ...]]
LIMITS = Limits()


class Reading:
    """
    One connection's reader and its report; the bytes at fault and the sizes of the data are left out.

    A request is answered at once, so that the next one is read.

    :param heads: what other readings have read.
    """

    def __init__(self, mode: str = "lenient", limits: Limits = LIMITS, heads: Heads | None = None) -> None:
        self.reader = Reader(mode, limits, heads)  # type: ignore[arg-type]
        self.report: Report = []
        self.body = b""
        self.messages = self.fed = 0

    def feed(self, piece: bytes) -> None:
        self.fed += len(piece)
        if piece and self.reader.inside(len(piece)):
            self.note(Data(piece))
        else:
            self.reader.feed(piece)
            self.drain()

    def finish(self, then: str = "look") -> Report:
        if then == "half-close":
            self.reader.eof()
            self.drain()
        elif then == "wait" and (last := self.reader.salvage(silent=True)) is not None:
            self.note(last)
        return self.report

    def drain(self) -> None:
        while (message := self.reader.next_event()) is not None:
            self.messages += 1
            assert self.messages <= 3 * self.fed + 2, "messages without bytes"
            self.note(message)
            if isinstance(message, End):
                self.reader.start_next()

    def note(self, message: Message) -> None:
        match message:
            case Head():
                self.body = b""
                self.report.append(("head", message, self.body))
            case Data(chunk):
                assert chunk
                self.body += chunk
                self.report[-1] = (*self.report[-1][:2], self.body)
            case End(anomalies, complete, keep_alive):
                self.report.append(("end", anomalies, complete, keep_alive))
            case Refusal(status, reason, anomalies, _, silent):
                self.report.append(("refusal", status, reason, anomalies, silent))
            case Foreign(kind, _):
                self.report.append(("foreign", kind))


def read(
    pieces: Iterable[bytes],
    mode: str = "lenient",
    then: str = "look",
    limits: Limits = LIMITS,
    heads: Heads | None = None,
) -> Report:
    reading = Reading(mode, limits, heads)
    for piece in pieces:
        reading.feed(piece)
    return reading.finish(then)


def bodies(report: Report) -> tuple[object, ...]:
    return tuple(entry[2] for entry in report if entry[0] == "head")


def outcome(report: Report) -> str:
    """The report in the words of the rows."""
    return "; ".join(_word(entry) for entry in report if entry[0] != "head")


def _word(entry: tuple[object, ...]) -> str:
    match entry:
        case "end", anomalies, complete, keep_alive:
            return f"{('keep' if keep_alive else 'close') if complete else 'cut'} {_names(anomalies)}".strip()
        case "refusal", status, _, anomalies, silent:
            return f"{'silent' if silent else status} {_names(anomalies)}"
    return " ".join(str(word) for word in entry)


def _names(anomalies: object) -> str:
    return ",".join(anomaly.name for anomaly in anomalies)  # type: ignore[attr-defined]
