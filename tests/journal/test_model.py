"""The journal against a dict: whatever happens in whatever order, the two agree."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from journal_kit import SEGMENT, STATE, Desk, bodies, table
from journal_stores import MemoryStore

from hikrecv.errors import JournalFull
from hikrecv.journal.reader import JournalReader

SIZES = st.sampled_from([0, 1, 300, 4000, 9000, 28_000, 40_000])
ROOM = 40 * SEGMENT


class JournalAgainstDict(RuleBasedStateMachine):
    """
    `kept` is the model: what was acknowledged, or read back after a crash, and not retired.

    What was given and neither acknowledged nor refused may be found after a crash, or not.
    """

    @initialize()
    def begin(self) -> None:
        self.store = MemoryStore(ROOM)
        self.kept: dict[int, bytes] = {}
        self.perhaps: dict[int, bytes] = {}
        self.ids: set[tuple[str, int]] = set()
        self.highest, self.made = 0, 0
        self.open()

    def open(self) -> None:
        self.desk = Desk(self.store, table(most=10 * SEGMENT))
        self.journal = self.desk.journal
        assert self.journal.report.damages == ()
        assert self.journal.last >= self.highest

    def settle(self) -> None:
        for seq, body in self.desk.acknowledged.items():
            if seq in self.perhaps:
                assert self.perhaps.pop(seq) == body
                self.kept[seq] = body
                assert (self.journal.word, seq) not in self.ids
                self.ids.add((self.journal.word, seq))
                self.highest = max(self.highest, seq)
        for seq in self.desk.refused:
            self.perhaps.pop(seq, None)

    def after_a_crash(self) -> None:
        self.settle()
        first = self.journal.first
        self.open()
        found = self.desk.read()
        promised = {seq: body for seq, body in self.kept.items() if seq >= first}
        assert promised.items() <= found.items()
        for seq in found.keys() - self.kept.keys():
            assert found[seq] == self.perhaps[seq]
        self.kept |= found
        self.highest = max(self.kept, default=0)
        self.perhaps.clear()

    @rule(sizes=st.lists(SIZES, min_size=1, max_size=6))
    def append(self, sizes: list[int]) -> None:
        for size in sizes:
            self.made += 1
            body = self.made.to_bytes(4, "little") * (size // 4)
            (seq,) = self.desk.append(body)
            assert seq > self.highest
            self.perhaps[seq] = body

    @rule()
    def commit(self) -> None:
        self.journal.commit()
        self.settle()
        assert not self.perhaps
        assert all(isinstance(error, JournalFull) for error in self.desk.refused.values())

    @rule(after=st.sampled_from([1, 200, 2000]), lag=st.none() | st.integers(0, 20))
    def retain(self, after: int, lag: int | None) -> None:
        holds = {} if lag is None else {"slow": max(1, self.journal.durable - lag)}
        done = self.desk.retain(holds, after=after)
        self.settle()
        assert all(loser.reaction == "slow" and loser.first <= loser.last for loser in done.losers)

    @rule()
    def disk_full(self) -> None:
        self.store.room = ROOM - self.store.free(STATE)

    @rule()
    def disk_free(self) -> None:
        self.store.room = ROOM

    @rule()
    def close(self) -> None:
        self.journal.close()
        self.settle()
        assert not self.perhaps
        self.open()

    @precondition(lambda self: self.store.room == ROOM)
    @rule()
    def kill(self) -> None:
        self.store = self.store.killed()
        self.after_a_crash()

    @precondition(lambda self: self.store.room == ROOM)
    @rule(seed=st.integers(0, 1 << 16))
    def power_cut(self, seed: int) -> None:
        self.store = self.store.after_power_cut(Random(seed))
        self.after_a_crash()

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "journal"):
            first = self.journal.first
            self.kept = {seq: body for seq, body in self.kept.items() if seq >= first}
            assert self.desk.read() == self.kept
            assert bodies(JournalReader(STATE, store=self.store)) == self.kept
            assert not self.desk.broken
            taken = sum(
                len(self.store.files[path].data) for path in self.store.files if path.suffix == ".seg"
            )
            assert taken == self.journal.status().bytes <= 10 * SEGMENT


JournalAgainstDict.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
test_the_journal_agrees_with_a_dict = JournalAgainstDict.TestCase
