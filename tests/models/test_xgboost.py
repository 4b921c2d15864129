"""What is particular to XGBoost: categories, the clock, and what is written."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from tests.models.made import made
from tests.models.problems import TASKS, job, problem

from mlwright.core import Deadline
from mlwright.features import Matrix
from mlwright.models import FAMILIES, FitJob, Model, Rows
from mlwright.spec import Task

FAMILY = FAMILIES["xgboost"]
pytestmark = pytest.mark.skipif(not FAMILY.installed, reason="needs the extra: pip install 'mlwright[xgboost]'")


def mixed(n: int = 600, *, seed: int = 0, levels: int = 40) -> Rows:
    """Two numbers with gaps and a category with gaps; its odd levels are bad."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X[:, 1] = rng.integers(0, levels, n)
    y = ((X[:, 1] % 2 == 1) ^ (rng.random(n) < 0.05)).astype(np.float64)
    X[rng.random(X.shape) < 0.05] = np.nan
    return Rows(matrix=Matrix(values=X, names=("a", "level", "b"), categorical=(1,)), y=y)


def fit_job(rows: Rows, *, rounds: float = 30.0, seconds: float = 60.0, depth: int = 6) -> FitJob:
    return FitJob(
        task="binary",
        n_classes=2,
        rows=rows,
        parameters={"name": "xgboost", "learning_rate": 0.3, "max_depth": depth, "max_cat_to_onehot": 5},
        seed=1,
        deadline=Deadline.after(seconds),
        settled={"rounds": rounds},
    )


def test_one_split_tells_a_set_of_levels_apart() -> None:
    rows = mixed(2000)
    known = ~np.isnan(rows.matrix.values[:, 1])
    predicted = FAMILY.fit(fit_job(rows, rounds=1.0, depth=1)).predict(rows.matrix.values)
    assert ((predicted > 0.5) == rows.y)[known].mean() > 0.9


@pytest.mark.parametrize("levels", [4, 40], ids=["one-hot", "sets"])
def test_a_row_alone_is_answered_as_among_others(levels: int) -> None:
    fitted = FAMILY.fit(fit_job(mixed(levels=levels)))
    values = mixed(200, seed=2, levels=levels + 3).matrix.values  # some levels were never seen
    together = fitted.predict(values)
    alone = np.concatenate([fitted.predict(values[i : i + 1]) for i in range(len(values))])
    assert alone.tobytes() == together.tobytes()


def test_numbers_too_large_for_32_bits_are_answered() -> None:
    X, y = problem("regression")
    X[0, 0], X[1, 0], X[2, 1] = 1e300, -np.inf, np.inf
    fitted = FAMILY.fit(job(FAMILY, "regression", X, y, validation=(X, y)))
    assert np.isfinite(fitted.predict(X)).all()


def test_the_deadline_stops_a_fit_that_would_take_long() -> None:
    begun = time.monotonic()
    fitted = FAMILY.fit(fit_job(mixed(20_000), rounds=100_000.0, seconds=0.5))
    assert fitted.cut
    assert time.monotonic() - begun < 30  # a hundred thousand rounds take many minutes
    assert 1 <= fitted.settled["rounds"] < 100_000


@pytest.mark.parametrize("task", TASKS)
def test_fewer_rounds_answer_as_a_fit_with_fewer_rounds(task: Task) -> None:
    X, y = problem(task)
    fitted, fewer = (FAMILY.fit(job(FAMILY, task, X, y, settled={"rounds": rounds})) for rounds in (30.0, 10.0))
    assert fitted.predict(X, settled={"rounds": 10.0}).tobytes() == fewer.predict(X).tobytes()
    assert fitted.predict(X).tobytes() != fewer.predict(X).tobytes()


@pytest.mark.parametrize("task", TASKS)
def test_what_is_written_has_only_the_settled_rounds_and_the_same_bytes_each_time(task: Task, tmp_path: Path) -> None:
    (X, y), validation = problem(task), problem(task, seed=3)
    written = []
    for place in (tmp_path / "a", tmp_path / "b"):
        place.mkdir()
        fitted = FAMILY.fit(job(FAMILY, task, X, y, validation=validation))
        fitted.write(place)
        again = FAMILY.read(place)
        assert again.predict(X).tobytes() == fitted.predict(X).tobytes()
        written.append((place / "xgboost.ubj").read_bytes())
    assert written[0] == written[1]
    FAMILY.fit(job(FAMILY, task, X, y, settled={"rounds": fitted.settled["rounds"] + 60})).write(tmp_path)
    assert len(written[0]) < (tmp_path / "xgboost.ubj").stat().st_size


@pytest.mark.parametrize("task", TASKS)
def test_a_package_with_it_answers_raw_rows_as_before(task: Task, tmp_path: Path) -> None:
    model, frame, _ = made(task, ("xgboost",))
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again.predict(frame).prediction.tobytes() == model.predict(frame).prediction.tobytes()
