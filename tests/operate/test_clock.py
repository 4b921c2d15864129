from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mlwright.operate.clock import SteadyClock

START = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Computer:
    """A counter that goes on, and a clock that somebody may set."""

    def __init__(self) -> None:
        self.seconds, self.off = 1000.0, timedelta(0)

    def uptime(self) -> float:
        return self.seconds

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000.0) + self.off


def steady(computer: Computer, mark: datetime | None = None) -> SteadyClock:
    return SteadyClock(mark=mark, wall=computer.wall, clock=computer.uptime)


def test_it_follows_a_clock_that_is_right() -> None:
    computer = Computer()
    clock = steady(computer)
    computer.seconds += 3600
    assert clock() == START + HOUR
    assert clock.trouble == ""


def test_a_jump_back_does_not_take_the_time_back_and_is_told() -> None:
    computer = Computer()
    clock = steady(computer)
    computer.off = -5 * HOUR
    computer.seconds += 60
    assert clock() == START + timedelta(seconds=60)
    assert clock.trouble == "the clock jumped back by 5.0 hours"


def test_a_jump_that_is_mended_leaves_nothing_behind() -> None:
    computer = Computer()
    clock = steady(computer)
    computer.off = timedelta(days=400)
    computer.seconds += 60
    assert clock() == START + timedelta(seconds=60)
    assert clock.trouble == "the clock jumped ahead by 400 days"
    computer.off = timedelta(0)
    computer.seconds += 60
    assert clock() == START + timedelta(seconds=120)
    assert clock.trouble == ""


def test_a_new_time_that_lasts_is_believed() -> None:
    computer = Computer()
    clock = steady(computer)
    computer.off = 3 * HOUR
    for _ in range(12):
        computer.seconds += 60
        now = clock()
    assert now == START + 3 * HOUR + timedelta(minutes=12)
    assert clock.trouble == ""


def test_a_process_does_not_begin_before_the_one_before_it_ended() -> None:
    computer = Computer()
    clock = steady(computer, mark=START + 2 * HOUR)
    assert clock() == START + 2 * HOUR
    assert "back" in clock.trouble


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(-10_000, 10_000)), max_size=30))
def test_within_ten_minutes_no_jump_takes_the_time_back(steps: list[tuple[float, float]]) -> None:
    computer = Computer()
    clock = steady(computer)
    last, since = clock(), 0.0
    for seconds, off in steps:
        seconds = min(seconds, 599 - since)
        since += seconds
        computer.seconds += seconds
        computer.off = timedelta(seconds=off)
        now = clock()
        assert now >= last
        last = now
