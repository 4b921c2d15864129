"""Odd tables, odd budgets and other people's faults: always a valid model or a plain error, inside the budget."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import mixed_frame, spec_for

from mlwright.core import Deadline
from mlwright.data import Dataset, fold_rows, plan_split, read
from mlwright.models import FAMILIES, FitJob, Model
from mlwright.models.families import LightGbmFamily
from mlwright.search import EncodedFolds, Threads, Trials, assemble, cross_validate, search
from mlwright.search.folds import TrialPlan
from mlwright.spec import Spec, SpecInvalid
from mlwright.statistics import METRICS

#: The machine that tests run on may be busy: what must not happen is a multiple of the budget.
_BUSY = 3.0


def modelled(frame: pl.DataFrame, *, seconds: float = 5.0, **data: Any) -> tuple[Trials, Model, Dataset]:
    """A model of the column `y`, and the assurance that it was made in time and answers every row."""
    spec = Spec.of({"data": {"source": "-", "target": "y", **data}, "budget": {"seconds": seconds}})
    dataset = read(spec, frame)
    begun = time.monotonic()
    deadline = Deadline.after(seconds)
    trials = search(dataset, spec, plan_split(dataset, spec), seed=0, deadline=deadline)
    model = assemble(trials, dataset, spec, seed=0, deadline=deadline)
    assert time.monotonic() - begun < seconds * _BUSY
    answer = model.predict(dataset)
    assert np.isfinite(answer.prediction).all()
    if answer.probabilities is not None:
        np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1, atol=1e-9)
    return trials, model, dataset


def two_classes(x: np.ndarray, rng: np.random.Generator) -> pl.Series:
    return pl.Series("y", np.where(x + rng.normal(size=len(x)) > 0, "yes", "no"))


# ---------------------------------------------------------------------------------------------------------- odd tables


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    ["few rows, many gaps", "many classes", "two-row classes", "one feature", "text only", "sparse", "weights of zero"],
)
def test_odd_tables_end_in_a_model_inside_the_budget(case: str) -> None:
    rng = np.random.default_rng(0)
    n = 300
    data: dict[str, Any] = {}
    x = rng.normal(size=(n, 50))
    y = two_classes(x[:, 0], rng)
    match case:
        case "few rows, many gaps":
            frame = pl.DataFrame(np.where(rng.random(x.shape) < 0.2, np.nan, x)).fill_nan(None)
        case "many classes":
            frame = pl.DataFrame(x[:, :5])
            y = pl.Series("y", [f"c{i}" for i in np.r_[np.repeat(np.arange(20), 14), np.repeat(np.arange(20, 30), 2)]])
        case "two-row classes":
            frame = pl.DataFrame(x[:46, :5])
            y = pl.Series("y", [f"c{i}" for i in np.repeat(np.arange(23), 2)])
        case "one feature":
            frame = pl.DataFrame(x[:, :1])
        case "text only":
            words = np.array(["good", "bad", "slow", "fast", "cheap", "late"])
            frame = pl.DataFrame({"t": [" ".join(rng.choice(words, 6)) for _ in range(n)]})
        case "sparse":
            frame = pl.DataFrame(np.where(rng.random((n, 500)) < 0.02, 1, 0))
        case _:
            frame = pl.DataFrame(x[:, :5]).with_columns(w=pl.Series(np.where(rng.random(n) < 0.3, 0.0, 1.0)))
            data["weight"] = "w"
    modelled(frame.with_columns(y), **data)


@pytest.mark.slow
def test_a_category_with_very_many_levels_ends_in_a_model_inside_the_budget() -> None:
    rng = np.random.default_rng(0)
    n = 120_000
    frame = pl.DataFrame({"place": [f"street {i}" for i in rng.integers(0, 100_000, n)], "size": rng.normal(size=n)})
    override = {"columns": {"place": {"type": "category"}}}
    _, _, dataset = modelled(frame.with_columns(two_classes(frame["size"].to_numpy(), rng)), seconds=10.0, **override)
    assert len(dataset.levels("place")[1]) > 60_000


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_target_that_is_constant_in_most_folds_ends_in_a_model(task: str) -> None:
    rng = np.random.default_rng(0)
    n = 400
    when = [f"20{10 + i // 40}-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)]
    late = np.arange(n) >= 300  # in time order all that is not the same comes last
    values = np.where(late, rng.random(n) < 0.5, False)
    y = pl.Series("y", np.where(values, "yes", "no") if task == "binary" else np.where(late, rng.normal(size=n), 1.0))
    frame = pl.DataFrame({"when": when, "a": rng.normal(size=n), "b": rng.normal(size=n)}).with_columns(y)
    _, model, _ = modelled(frame, time="when")
    assert model.task == task


@pytest.mark.slow
@pytest.mark.parametrize("rows", [200, 40_000])
def test_a_budget_of_one_second_ends_in_a_model(rows: int) -> None:
    rng = np.random.default_rng(0)
    frame = mixed_frame(rows).drop("bought", "customer_id")
    y = two_classes(frame["visits"].to_numpy() - 3.0, rng)
    spec = Spec.of({"data": {"source": "-", "target": "y"}, "budget": {"seconds": 1}})
    dataset = read(spec, frame.with_columns(y))
    deadline = Deadline.after(1)
    trials = search(dataset, spec, plan_split(dataset, spec), seed=0, deadline=deadline)
    model = assemble(trials, dataset, spec, seed=0, deadline=deadline)
    assert np.isfinite(model.predict(dataset).prediction).all()


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_no_budget_is_refused_before_anything_is_read(seconds: float) -> None:
    with pytest.raises(SpecInvalid, match=r"budget\.seconds"):
        spec_for("y", budget={"seconds": seconds})


def test_a_deadline_that_has_passed_already_still_ends_in_a_model(mixed: Dataset) -> None:
    spec = spec_for("bought", budget={"seconds": 1})
    passed = Deadline.after(0.0)
    trials = search(mixed, spec, plan_split(mixed, spec), seed=0, deadline=passed)
    model = assemble(trials, mixed, spec, seed=0, deadline=passed)
    assert np.isfinite(model.predict(mixed).prediction).all()


# -------------------------------------------------------------------------------------------------- other people's code


class Hanging(LightGbmFamily):
    """A family whose fits, or whose answers, never come back."""

    def __init__(self, where: str, never: threading.Event) -> None:
        super().__init__()
        self.name = "hanging"
        self.where, self.never = where, never

    def candidates(self, outline: Any) -> Sequence[Any]:
        return [{"name": "hanging"}]

    def fit(self, job: FitJob) -> Any:
        if self.where == "fit":
            self.never.wait()
        fitted = super().fit(job)
        if self.where == "predict":
            return _NeverSays(fitted.settled, self.never)
        return fitted


class _NeverSays:
    cut = False

    def __init__(self, settled: Any, never: threading.Event) -> None:
        self.settled, self.never = settled, never

    def predict(self, values: Any, *, settled: Any = None) -> Any:
        self.never.wait()


@pytest.fixture
def never() -> Any:
    """What a hanging family waits for; it happens when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("where", ["fit", "predict"])
def test_a_family_that_hangs_ends_its_trial_and_not_the_run(mixed: Dataset, where: str, never: threading.Event) -> None:
    data = EncodedFolds(mixed, fold_rows(mixed, plan_split(mixed, spec_for("bought")), 3, seed=0), seed=0)
    plan = TrialPlan(id="99-hanging", family=Hanging(where, never), parameters={"name": "hanging"})
    begun = time.monotonic()
    trial = cross_validate(plan, data, METRICS["log_loss"], seed=0, deadline=Deadline.after(1.5), executor=Threads(2))
    assert time.monotonic() - begun < 10
    assert trial.status == "failed"
    assert "TookTooLong" in trial.reason


def test_a_search_goes_on_after_a_family_that_hangs(
    mixed: Dataset, never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "hanging", Hanging("fit", never))
    spec = spec_for("bought", budget={"seconds": 12})
    begun = time.monotonic()
    deadline = Deadline.after(12)
    trials = search(mixed, spec, plan_split(mixed, spec), seed=0, deadline=deadline)
    model = assemble(trials, mixed, spec, seed=0, deadline=deadline)
    assert time.monotonic() - begun < 12 * _BUSY
    (hung,) = [trial for trial in trials if trial.family == "hanging"]
    assert hung.status in {"failed", "left out"}
    assert hung.reason
    assert np.isfinite(model.predict(mixed).prediction).all()


def test_a_process_can_end_although_a_fit_has_not() -> None:
    code = """
        import threading
        from mlwright.search import Threads
        from mlwright.search.in_time import TookTooLong, in_time

        def fit(number):
            try:
                in_time(0.1, threading.Event().wait)
            except TookTooLong:
                return "given up"

        print(list(Threads(2).map(fit, [0, 1])))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.strip() == "['given up', 'given up']"
