"""Lasting alarms: devices say them again every second while they last, and often never say that they end."""

from __future__ import annotations

from collections import OrderedDict

import msgspec
from msgspec.structs import replace

from hikrecv.journal.fact import WINDOW, Fact

SILENCE = 5_000_000
"""An alarm that was not said again for so long (microseconds, by our clock) is over."""

APART = 60_000_000
"""
Alarms that the device itself puts so far apart are two, however close they came.

A queue that is flushed brings the alarms of hours in seconds.
"""

REGIONS = 64
"""How many alarms of one type at one channel are told apart."""

LASTING = frozenset(
    {
        "motion",
        "intrusion",
        "line-crossing",
        "region",
        "loitering",
        "behaviour",
        "face-detected",
        "thermal",
        "fire",
        "panel",
        "io",
        "audio",
        "tamper",
        "video-loss",
        "storage",
        "network",
        "system",
    }
)
"""Families whose events are alarms that last; a face, a plate or a card is one event each time."""


class Chain(msgspec.Struct, frozen=True, gc=False):
    """
    An alarm that lasts, after its latest event.

    :param id: of its first event; `first` is when that was received.
    :param place: where its latest event stands among all events.
    """

    id: str
    first: int
    repeats: int
    received: int
    occurred: int | None
    place: int


_Alarm = tuple[str, str | None, str, str]
_Chains = dict[str | None, Chain]


class Episodes:
    """
    The alarms that last, by device, channel, type and region.

    Live, late and resent events make chains of their own: what a device catches
    up with is no part of what goes on.  An alarm without a region (`duration` is
    one) refreshes the latest that has one; an end without a region ends all.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._place = 0
        self._whole_until = 0
        self._alarms: OrderedDict[_Alarm, _Chains] = OrderedDict()

    def judge(self, fact: Fact) -> Fact:
        """
        *fact* with the episode that it repeats or ends; the first event of an alarm has none.

        Its region becomes that of the episode; for an end, None stands for all.
        """
        if not _concerns(fact):
            return fact
        lasting = self._lasting(_alarm(fact), fact)
        if fact.state == "inactive":
            region = fact.region if fact.region in lasting else None
            chain = lasting.get(region) or _latest(lasting)
            return _told(fact, region, chain, chain.repeats) if chain else replace(fact, region=None)
        region = fact.region
        if region is None and lasting:
            region = next(reversed(lasting))
        chain = lasting.get(region)
        return _told(fact, region, chain, chain.repeats + 1) if chain else fact

    def recall(self, fact: Fact) -> None:
        """Let *fact*, as it was decided, begin, continue or end an alarm."""
        self._place += 1
        if _concerns(fact):
            self._change(fact)
        self._forget()

    def _change(self, fact: Fact) -> None:
        alarm = _alarm(fact)
        lasting = self._lasting(alarm, fact)
        if fact.state == "inactive":
            over = lasting if fact.region is None else {fact.region}
            lasting = {region: chain for region, chain in lasting.items() if region not in over}
        else:
            lasting.pop(fact.region, None)
            lasting[fact.region] = self._chain(fact)
            if len(lasting) > REGIONS:
                del lasting[next(iter(lasting))]
        self._alarms.pop(alarm, None)
        if lasting:
            self._alarms[alarm] = lasting

    def _chain(self, fact: Fact) -> Chain:
        first = fact.received if fact.episode_first is None else fact.episode_first
        begun = fact.episode or fact.id
        return Chain(begun, first, fact.episode_count, fact.received, fact.occurred, self._place)

    def _lasting(self, alarm: _Alarm, fact: Fact) -> _Chains:
        """The chains of the *alarm* of *fact* that are not over when it comes, the latest last."""
        chains = self._alarms.get(alarm)
        if chains is None:
            return {}
        for chain in chains.values():
            if not self._lasts(chain, fact):
                return {region: each for region, each in chains.items() if self._lasts(each, fact)}
        return chains

    def _lasts(self, chain: Chain, fact: Fact) -> bool:
        if abs(fact.received - chain.received) > SILENCE or chain.place <= self._place - self._window:
            return False
        if fact.occurred is None or chain.occurred is None:
            return True
        return abs(fact.occurred - chain.occurred) <= APART

    def _forget(self) -> None:
        """Drop what no event can continue any more; the longest untouched stand first."""
        while self._alarms and self._place >= self._whole_until:
            latest = _latest(next(iter(self._alarms.values())))
            if latest is not None and latest.place > self._place - self._window:
                # None behind it was touched earlier, so there is nothing to look for before then.
                self._whole_until = latest.place + self._window
                return
            self._alarms.popitem(last=False)


def _concerns(fact: Fact) -> bool:
    return fact.duplicate_of is None and (fact.family in LASTING or fact.state == "inactive")


def _latest(chains: _Chains) -> Chain | None:
    return next(reversed(chains.values()), None)


def _told(fact: Fact, region: str | None, chain: Chain, count: int) -> Fact:
    return replace(fact, region=region, episode=chain.id, episode_count=count, episode_first=chain.first)


def _alarm(fact: Fact) -> _Alarm:
    return fact.device, fact.channel, fact.type, fact.freshness
