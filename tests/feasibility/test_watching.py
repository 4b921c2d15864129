"""While the search runs: what its trials make of the verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.reports.verdicts import requirement, verdict

from mlwright.feasibility import Verdict, judge_feasibility
from mlwright.feasibility.watching import Watch, chances
from mlwright.runs import Run


@pytest.fixture(scope="module")
def judged(finished: Run) -> Verdict:
    split = finished.split
    return judge_feasibility(
        split.train, finished.spec, split.plan, test_rows=len(split.test_rows), seed=finished.spec.seed
    )


class Ticking:
    """A clock that goes on by so many seconds each time that it is read."""

    def __init__(self, step: float) -> None:
        self.step, self.now, self.read = step, 0.0, 0

    def __call__(self) -> float:
        self.now += self.step
        self.read += 1
        return self.now


def test_trials_are_taken_in_and_the_promise_stays(judged: Verdict, finished: Run) -> None:
    watch = Watch(judged, finished.split.train, finished.spec, seed=0)
    told = watch(finished.trials)
    assert watch.before == judged
    assert watch.before.trials == 0
    assert watch.now.trials > 0
    assert told == chances(watch.now)
    assert told is not None
    assert told.startswith("chance of R1 now ")


def test_telling_takes_a_small_part_of_the_time_only(judged: Verdict, finished: Run) -> None:
    watch = Watch(judged, finished.split.train, finished.spec, seed=0, clock=Ticking(1.0))
    watch(finished.trials)
    first = watch.now
    less = replace(finished.trials, trials=finished.trials.trials[:2])
    watch(less)  # one second after an update that took one: it has to wait for twenty
    assert watch.now is first
    for _ in range(25):
        watch(less)
    assert watch.now is not first


def test_the_chances_of_what_must_hold_are_told() -> None:
    must, wish = requirement(0.874), requirement(0.2, id="R2", priority="should")
    assert chances(verdict(must, wish)) == "chance of R1 now 87 %"
    assert chances(verdict(wish)) == "chance of R2 now 20 %"
    assert chances(verdict(requirement(None))) is None
    assert chances(verdict()) is None
