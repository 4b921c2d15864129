from __future__ import annotations

import subprocess
import sys
import time

import pytest

from mlwright.core import Deadline


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_deadline_counts_down_from_when_it_was_made() -> None:
    clock = Hands()
    deadline = Deadline.after(10.0, clock=clock)
    assert (deadline.elapsed(), deadline.remaining(), deadline.expired()) == (0.0, 10.0, False)
    clock.now += 4.0
    assert (deadline.elapsed(), deadline.remaining(), deadline.expired()) == (4.0, 6.0, False)
    clock.now += 6.0
    assert (deadline.remaining(), deadline.expired()) == (0.0, True)
    clock.now += 1.0
    assert (deadline.remaining(), deadline.expired()) == (-1.0, True)


def test_what_is_kept_back_is_a_share_of_the_whole_and_not_of_what_is_left() -> None:
    clock = Hands()
    deadline = Deadline.after(10.0, clock=clock)
    clock.now += 4.0
    assert deadline.keeping(0.25).remaining() == 3.5
    assert deadline.keeping(0.0) == deadline


def test_a_deadline_runs_on_a_clock_that_never_goes_back_unless_told() -> None:
    before = time.monotonic()
    deadline = Deadline.after(60.0)
    assert before <= deadline.started <= time.monotonic()
    assert 59.0 < deadline.remaining() <= 60.0


def test_peak_memory_is_the_most_that_was_held_in_megabytes() -> None:
    code = (
        "import resource; from mlwright.core import peak_memory_mb\n"
        "before = peak_memory_mb(); held = b'x' * int(before * 1e6 + 40_000_000); del held\n"
        "print(before, peak_memory_mb(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after, kibibytes = map(float, result.stdout.split())
    assert after - before > 40  # a process begins with the peak of the one that started it
    if sys.platform == "linux":
        assert after == pytest.approx(kibibytes * 1024 / 1e6, rel=0.01)
