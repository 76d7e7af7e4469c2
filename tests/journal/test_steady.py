"""The clock by which things are forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from hikrecv.journal.steady import BETWEEN, IN_DOUBT, STEP, SteadyClock

HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0


class Machine:
    """A machine with its two clocks; the disk outlives it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "steady"
        self.boottime, self.wall, self.boot = 100.0, 1.7e9, 1
        self.synchronised = False

    def passes(self, seconds: float) -> None:
        self.boottime += seconds
        self.wall += seconds

    def reboots(self, *, after: float = 60.0, wall: float | None = None) -> None:
        self.boot, self.boottime = self.boot + 1, 5.0
        self.wall = self.wall + after if wall is None else wall

    def clock(self) -> SteadyClock:
        return SteadyClock(
            self.path,
            wall=lambda: self.wall,
            boottime=lambda: self.boottime,
            boot=f"boot {self.boot}",
            synchronised=lambda: self.synchronised,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_goes_with_the_time_that_passes(machine: Machine) -> None:
    clock = machine.clock()
    began = clock.now()
    machine.passes(DAY)

    assert clock.now() - began == pytest.approx(DAY)


@pytest.mark.parametrize("wrong", [0.0, 1.7e9 - 20 * YEAR, 1.7e9 + 30 * YEAR])
def test_no_wall_clock_moves_it(machine: Machine, wrong: float) -> None:
    clock = machine.clock()
    clock.save()
    began = clock.now()

    machine.wall = wrong
    machine.passes(HOUR)

    assert clock.now() - began == pytest.approx(HOUR)
    assert machine.clock().now() - began == pytest.approx(HOUR)


def test_twice_after_a_boot_with_a_wrong_clock_it_has_not_moved_by_more_than_was_seen(
    machine: Machine,
) -> None:
    clock = machine.clock()
    machine.passes(10 * DAY)
    clock.save()
    seen = clock.now()
    for _ in range(2):
        machine.reboots(wall=machine.wall + 5 * YEAR)
        clock = machine.clock()
        machine.passes(2 * HOUR)
        clock.save()

    assert clock.now() - seen == pytest.approx(4 * HOUR)


def test_a_restart_of_the_program_alone_costs_no_time(machine: Machine) -> None:
    machine.clock().save()
    machine.passes(6 * HOUR)

    clock = machine.clock()
    assert clock.now() == pytest.approx(6 * HOUR)
    assert clock.continuous


def test_more_than_a_day_between_two_lives_counts_as_a_day(machine: Machine) -> None:
    machine.clock().save()
    machine.passes(400 * DAY)

    assert machine.clock().now() == pytest.approx(BETWEEN)


def test_time_over_a_power_off_counts_as_nothing_and_breaks_the_continuity(machine: Machine) -> None:
    clock = machine.clock()
    machine.passes(HOUR)
    clock.save()
    machine.reboots(after=90 * DAY)

    clock = machine.clock()
    assert clock.now() == pytest.approx(HOUR)
    assert not clock.continuous


def test_a_boot_that_has_lasted_longer_than_the_one_before_is_another_boot_all_the_same(
    machine: Machine,
) -> None:
    machine.clock().save()
    machine.reboots()
    machine.boottime = 40 * HOUR

    clock = machine.clock()
    assert clock.now() == 0
    assert not clock.continuous


def test_a_clock_set_while_the_program_did_not_run_breaks_the_continuity(machine: Machine) -> None:
    machine.clock().save()
    machine.passes(60)
    machine.wall -= 30

    assert not machine.clock().continuous


def test_a_first_start_is_continuous_and_its_clock_as_old_as_the_boot(machine: Machine) -> None:
    clock = machine.clock()

    assert clock.continuous
    assert clock.settled(100)
    assert not clock.settled(101)


def test_a_wall_clock_that_is_set_is_noticed_once_and_has_to_settle(machine: Machine) -> None:
    clock = machine.clock()
    machine.passes(1000)
    assert not clock.wall_was_set()

    machine.wall += 2 * STEP
    assert clock.wall_was_set()
    assert not clock.wall_was_set()
    assert not clock.settled(600)
    machine.passes(600)
    assert clock.settled(600)


def test_a_time_server_that_slews_sets_no_clock(machine: Machine) -> None:
    clock = machine.clock()
    for _ in range(10_000):
        machine.passes(0.5)
        machine.wall += 0.5 * 0.0005
        assert not clock.wall_was_set()


def test_after_a_boot_the_wall_clock_has_to_settle(machine: Machine) -> None:
    machine.clock().save()
    machine.reboots()
    machine.passes(1000)

    assert not machine.clock().settled(1)


def test_after_a_reboot_the_wall_clock_is_in_doubt_for_five_minutes(machine: Machine) -> None:
    machine.clock().save()
    machine.reboots()
    clock = machine.clock()

    assert clock.in_doubt()
    machine.passes(IN_DOUBT)
    assert not clock.in_doubt()


@pytest.mark.parametrize("how", ["a time server had set it", "it is set", "only the program restarts"])
def test_a_wall_clock_is_in_no_doubt_when(machine: Machine, how: str) -> None:
    machine.clock().save()
    if how != "only the program restarts":
        machine.reboots()
    machine.synchronised = how == "a time server had set it"
    clock = machine.clock()
    if how == "it is set":
        assert clock.in_doubt()
        machine.passes(1)
        machine.wall += HOUR
        assert clock.wall_was_set()

    assert not clock.in_doubt()


def test_the_first_start_of_all_is_in_no_doubt(machine: Machine) -> None:
    assert not machine.clock().in_doubt()


@pytest.mark.parametrize("rubbish", [b"", b"{", b"\xff" * 100, b'{"boot":"boot 1"}', b"[]"])
def test_a_file_that_cannot_be_read_costs_time_and_nothing_else(machine: Machine, rubbish: bytes) -> None:
    clock = machine.clock()
    machine.passes(DAY)
    clock.save()
    machine.path.write_bytes(rubbish)

    clock = machine.clock()
    assert clock.now() == 0
    clock.at_least(DAY)
    assert clock.now() == pytest.approx(DAY)
    clock.at_least(HOUR)
    assert clock.now() == pytest.approx(DAY)


def test_the_age_of_a_number_is_known_from_when_it_was_seen(machine: Machine) -> None:
    clock = machine.clock()
    for day in range(40):
        clock.note(100 * day, 30 * DAY)
        machine.passes(DAY)
    clock.save()

    assert clock.older_than(30 * DAY) == 1000
    assert machine.clock().older_than(30 * DAY) == 1000
    assert clock.older_than(0) == 3900
    assert clock.older_than(YEAR) == 0


def test_the_numbers_of_another_journal_have_no_age(machine: Machine) -> None:
    clock = machine.clock()
    clock.note(1000, DAY)
    machine.passes(2 * DAY)
    clock.ends_at(3)
    clock.note(3, DAY)

    assert clock.older_than(DAY) == 0


def test_however_long_it_runs_the_ages_take_little_room(machine: Machine) -> None:
    clock = machine.clock()
    for minute in range(60 * 24 * 60):
        clock.note(minute, 30 * DAY)
        machine.passes(60)
    clock.save()

    assert machine.path.stat().st_size < 30_000
    assert clock.older_than(30 * DAY) == pytest.approx(30 * 24 * 60, abs=100)
