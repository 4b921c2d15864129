"""Who runs the fits: whatever the order in which they finish, the trials are the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import pytest
from tests.support import spec_for

from mlwright.core import Deadline
from mlwright.data import Dataset, fold_rows, plan_split
from mlwright.models import FAMILIES
from mlwright.search import EncodedFolds, Executor, Threads, Trials, cross_validate, search
from mlwright.search.folds import TrialPlan
from mlwright.search.in_time import TookTooLong, in_time
from mlwright.statistics import METRICS

Item = TypeVar("Item")
Result = TypeVar("Result")


class Backwards:
    """Works on the last item first, one at a time, as if each had been sent to a machine of its own."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.finished: list[object] = []

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        results = {}
        for place in reversed(range(len(items))):
            results[place] = function(items[place])
            self.finished.append(items[place])
        return iter([results[place] for place in range(len(items))])


def searched(dataset: Dataset, executor: Executor | None) -> Trials:
    spec = spec_for("bought", budget={"seconds": 3600, "trials": 5})
    return search(dataset, spec, plan_split(dataset, spec), seed=1, executor=executor)


def test_the_order_of_finishing_and_the_number_of_workers_do_not_matter(mixed: Dataset) -> None:
    usual, backwards = searched(mixed, None), Backwards(3)
    for other in (searched(mixed, backwards), searched(mixed, Threads(1))):
        assert [(t.id, t.status, t.score, t.fold_scores, t.settled) for t in usual] == [
            (t.id, t.status, t.score, t.fold_scores, t.settled) for t in other
        ]
        for one, same in zip(usual, other, strict=True):
            np.testing.assert_array_equal(one.predictions, same.predictions)
    assert backwards.finished[:3] == [2, 1, 0]


def test_threads_give_results_in_the_order_of_the_items_and_raise_what_was_raised() -> None:
    later = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            later.wait(5)
        else:
            later.set()
        return 10 // (item - 3)

    threads = Threads(2)
    if threads.workers < 2:
        pytest.skip("needs two processors")
    assert list(threads.map(work, [0, 1, 2])) == [-4, -5, -10]
    with pytest.raises(ZeroDivisionError):
        list(threads.map(work, [1, 3]))


def test_a_candidate_is_given_up_after_the_same_folds_whatever_the_number_of_workers(mixed: Dataset) -> None:
    spec = spec_for("bought")
    data = EncodedFolds(mixed, fold_rows(mixed, plan_split(mixed, spec), 5, seed=0), seed=0)
    plan = TrialPlan(id="x", family=FAMILIES["linear"], parameters={"name": "linear"})
    seen = []

    def hopeless(scores: Sequence[float]) -> str:
        seen.append(tuple(scores))
        return "as a trial"

    for executor in (Threads(1), Backwards(2), Backwards(4)):
        trial = cross_validate(
            plan, data, METRICS["log_loss"], seed=0, deadline=Deadline.after(60), executor=executor, hopeless=hopeless
        )
        assert trial.status == "abandoned"
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert len(seen[0]) == 2


def test_what_does_not_come_back_is_not_waited_for() -> None:
    never = threading.Event()
    with pytest.raises(TookTooLong):
        in_time(0.05, never.wait)
    never.set()
    with pytest.raises(KeyError):
        in_time(5.0, {}.__getitem__, "a")
