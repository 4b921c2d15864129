"""What is particular to CatBoost: categories, the clock, and what is written."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.models.made import made
from tests.models.problems import TASKS, job, problem

from mlwright.core import Deadline
from mlwright.features import Matrix
from mlwright.models import FAMILIES, FitJob, Model, Rows
from mlwright.spec import Task

FAMILY = FAMILIES["catboost"]


def mixed(n: int = 600, *, seed: int = 0, levels: int = 40) -> Rows:
    """Two numbers with gaps and a category with gaps; its odd levels are bad."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X[:, 1] = rng.integers(0, levels, n)
    bad = X[:, 1] % 2 == 1
    y = (bad ^ (rng.random(n) < 0.05)).astype(np.float64)
    X[rng.random(X.shape) < 0.05] = np.nan
    return Rows(matrix=Matrix(values=X, names=("a", "level", "b"), categorical=(1,)), y=y)


def fit_job(
    rows: Rows, *, rounds: float | None = 30.0, seconds: float = 60.0, validation: Rows | None = None
) -> FitJob:
    return FitJob(
        task="binary",
        n_classes=2,
        rows=rows,
        parameters={"name": "catboost", "learning_rate": 0.1, "depth": 6, "one_hot_max_size": 10},
        seed=1,
        deadline=Deadline.after(seconds),
        validation=validation,
        settled=None if rounds is None else {"rounds": rounds},
    )


def test_levels_are_told_apart_by_the_target_and_not_by_their_order() -> None:
    rows, new = mixed(2000), mixed(2000, seed=1)
    known = ~np.isnan(new.matrix.values[:, 1])
    predicted = FAMILY.fit(fit_job(rows)).predict(new.matrix.values)
    assert ((predicted > 0.5) == new.y)[known].mean() > 0.9


@pytest.mark.parametrize("levels", [6, 40], ids=["one-hot", "statistics"])
def test_a_row_alone_is_answered_as_among_others(levels: int) -> None:
    """One row goes in as a list, many as columns."""
    fitted = FAMILY.fit(fit_job(mixed(levels=levels)))
    values = mixed(200, seed=2, levels=levels + 3).matrix.values  # some levels were never seen
    together = fitted.predict(values)
    alone = np.concatenate([fitted.predict(values[i : i + 1]) for i in range(len(values))])
    assert alone.tobytes() == together.tobytes()


def test_numbers_too_large_for_32_bits_are_answered() -> None:
    X, y = problem("regression")
    X[0, 0], X[1, 0], X[2, 1] = 1e300, -np.inf, np.inf
    fitted = FAMILY.fit(job(FAMILY, "regression", X, y, settled={"rounds": 10.0}))
    together = fitted.predict(X)
    assert np.isfinite(together).all()
    assert together[:3].tobytes() == fitted.predict(X[:3]).tobytes()


def test_the_deadline_stops_a_fit_that_would_take_long() -> None:
    rows = mixed(20_000)
    begun = time.monotonic()
    fitted = FAMILY.fit(fit_job(rows, rounds=100_000.0, seconds=0.5))
    assert fitted.cut
    assert time.monotonic() - begun < 30  # a hundred thousand rounds take many minutes
    assert 1 <= fitted.settled["rounds"] < 100_000


@pytest.mark.parametrize("task", TASKS)
def test_fewer_rounds_answer_as_a_fit_with_fewer_rounds(task: Task, tmp_path: Path) -> None:
    X, y = problem(task)
    fitted, fewer = (FAMILY.fit(job(FAMILY, task, X, y, settled={"rounds": rounds})) for rounds in (30.0, 10.0))
    assert fitted.predict(X, settled={"rounds": 10.0}).tobytes() == fewer.predict(X).tobytes()
    assert fitted.predict(X).tobytes() != fewer.predict(X).tobytes()


def test_what_is_written_has_only_the_settled_rounds_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    rows, validation = mixed(), mixed(300, seed=3)
    texts = []
    for place in (tmp_path / "a", tmp_path / "b"):
        place.mkdir()
        fitted = FAMILY.fit(fit_job(rows, rounds=None, validation=validation))
        fitted.write(place)
        texts.append((place / "catboost.cbm").read_bytes())
        again = FAMILY.read(place)
        values = mixed(100, seed=4).matrix.values
        assert again.predict(values).tobytes() == fitted.predict(values).tobytes()
        assert again.importances() == pytest.approx(fitted.importances(), abs=0.2)  # of fewer rounds
    assert texts[0] == texts[1]
    all_rounds = FAMILY.fit(fit_job(rows, rounds=fitted.settled["rounds"] + 60))
    all_rounds.write(tmp_path)
    assert len(texts[0]) < (tmp_path / "catboost.cbm").stat().st_size


@pytest.mark.parametrize("present", [(0,), (1,), (0, 2)])
def test_a_class_that_is_not_there_has_a_column_and_hardly_a_probability(
    present: tuple[int, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    X, y = problem("multiclass", 90)
    keep = np.isin(y, present)
    validated = FAMILY.fit(job(FAMILY, "multiclass", X[keep], y[keep], validation=(X, y)))
    assert validated.predict(X).shape == (90, 3)
    predicted = FAMILY.fit(job(FAMILY, "multiclass", X[keep], y[keep], settled={"rounds": 200.0})).predict(X)
    assert predicted.shape == (90, 3)
    assert predicted[:, [k for k in range(3) if k not in present]].mean() < 0.05
    assert capfd.readouterr() == ("", "")


def test_monotonic_constraints_are_given_to_the_feature_that_they_are_for() -> None:
    rows = mixed()
    made = replace(fit_job(rows), monotonic=(0, 0, 1))
    fitted = FAMILY.fit(made)
    values = np.repeat(rows.matrix.values[:20, None, :], 30, axis=1)
    values[:, :, 2] = np.linspace(-3, 3, 30)
    along = fitted.predict(values.reshape(-1, 3)).reshape(20, 30)
    assert np.diff(along, axis=1).min() >= -1e-12


@pytest.mark.parametrize("task", TASKS)
def test_a_package_with_it_answers_raw_rows_as_before(task: Task, tmp_path: Path) -> None:
    model, frame, _ = made(task, ("catboost",))
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again.predict(frame).prediction.tobytes() == model.predict(frame).prediction.tobytes()
