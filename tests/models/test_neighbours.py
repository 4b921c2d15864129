"""Nearest neighbours against scikit-learn's with the same weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from tests.models.problems import N_CLASSES, TASKS, job, loss, problem

from mlwright.data.dataset import FloatArray
from mlwright.models import FAMILIES, Outline
from mlwright.models.families import neighbours
from mlwright.models.families.neighbours import FLOOR, MOST_ROWS, NEIGHBOURS, STRETCHES
from mlwright.spec import Task

NEAREST = FAMILIES["neighbours"]


def vote(distance: FloatArray) -> FloatArray:
    """One more neighbour than votes says how far 'near' is."""
    return np.asarray(1 + FLOOR - distance / distance[:, -1:])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("k", [1, 5, 50])
@pytest.mark.parametrize("tile", [500, 4_000_000])
def test_it_is_scikit_learns_with_the_same_votes(
    task: Task, k: int, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_TILE_CELLS", tile)
    (X, y), (X_new, _) = problem(task), problem(task, seed=1)
    fitted = NEAREST.fit(job(NEAREST, task, X, y, settled={"neighbours": float(k), "stretch": 0.0}))
    if task == "regression":
        expected = KNeighborsRegressor(k + 1, weights=vote).fit(X, y).predict(X_new)
        np.testing.assert_allclose(fitted.predict(X_new), expected, rtol=1e-4)
        return
    monkeypatch.setattr(neighbours, "_PRIOR", 0.0)
    expected = KNeighborsClassifier(k + 1, weights=vote).fit(X, y).predict_proba(X_new)
    expected = expected[:, 1] if task == "binary" else expected
    np.testing.assert_allclose(fitted.predict(X_new), expected, atol=1e-4)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("noise_columns", [0, 30])
def test_the_validation_rows_choose_the_best_of_the_path(task: Task, noise_columns: int) -> None:
    (X, y), (X_new, y_new) = (problem(task, 200, seed=seed, features=4 + noise_columns) for seed in (0, 1))
    fitted = NEAREST.fit(job(NEAREST, task, X, y, validation=(X_new, y_new)))
    losses = {
        (k, stretch): loss(
            task,
            y_new,
            NEAREST.fit(job(NEAREST, task, X, y, settled={"neighbours": float(k), "stretch": stretch})).predict(X_new),
        )
        for k in NEIGHBOURS
        for stretch in STRETCHES
    }
    chosen = losses[int(fitted.settled["neighbours"]), fitted.settled["stretch"]]
    assert chosen == pytest.approx(min(losses.values()))
    assert loss(task, y_new, fitted.predict(X_new)) == pytest.approx(chosen)


@pytest.mark.parametrize("task", TASKS)
def test_stretching_by_strength_finds_its_way_among_columns_that_do_not_matter(task: Task) -> None:
    (X, y), (X_new, y_new) = (problem(task, 300, seed=seed, features=40) for seed in (0, 1))
    plain, stretched = (
        loss(
            task,
            y_new,
            NEAREST.fit(job(NEAREST, task, X, y, settled={"neighbours": 10.0, "stretch": power})).predict(X_new),
        )
        for power in (0.0, 1.0)
    )
    assert stretched < 0.8 * plain


@pytest.mark.parametrize("task", TASKS)
def test_a_row_that_weighs_much_decides_near_it(task: Task) -> None:
    X, y = problem(task, 50)
    y[:] = 0.0
    y[7] = N_CLASSES[task] - 1.0 if task != "regression" else 1.0
    weight = np.ones(50)
    settled = {"neighbours": 10.0, "stretch": 0.0}
    light = NEAREST.fit(job(NEAREST, task, X, y, weight=weight, settled=settled)).predict(X[7:8] + 0.01)
    weight[7] = 1000.0
    heavy = NEAREST.fit(job(NEAREST, task, X, y, weight=weight, settled=settled)).predict(X[7:8] + 0.01)
    assert heavy.ravel()[-1] > 0.95 > light.ravel()[-1]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_unit_of_the_weights_does_not_matter(scale: float) -> None:
    X, y = problem("multiclass", 100)
    weight = np.random.default_rng(0).uniform(0.5, 2, 100)
    one, other = (
        NEAREST.fit(job(NEAREST, "multiclass", X, y, weight=w, settled={"neighbours": 5.0, "stretch": 1.0})).predict(X)
        for w in (weight, scale * weight)
    )
    np.testing.assert_allclose(one, other, atol=0.02)


@pytest.mark.parametrize("task", TASKS)
def test_rows_that_are_all_the_same_answer_with_their_mean(task: Task) -> None:
    X, y = np.ones((30, 3)), problem(task, 30)[1]
    predicted = NEAREST.fit(job(NEAREST, task, X, y, settled={"neighbours": 40.0, "stretch": 1.0})).predict(X[:2])
    mean = y.mean() if task == "regression" else np.bincount(y.astype(int), minlength=N_CLASSES[task]) / 30
    mean = mean[1] if task == "binary" else mean
    np.testing.assert_allclose(predicted[0], mean, atol=0.01)


def test_more_rows_than_it_may_keep_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = problem("regression", 300)
    made = job(
        NEAREST, "regression", X, y, weight=np.random.default_rng(0).uniform(0.5, 2, 300), settled={"neighbours": 5.0}
    )
    monkeypatch.setattr(neighbours, "MOST_ROWS", 100)
    fitted = NEAREST.fit(made)
    assert isinstance(fitted, neighbours.FittedNeighbours)
    assert len(fitted.rows) == len(fitted.y) == len(fitted.weight) == 100
    assert loss("regression", y, fitted.predict(X)) < 0.5 * y.var()


def test_it_does_not_take_part_where_rows_are_many() -> None:
    shape = {"task": "binary", "n_features": 10, "n_classes": 2}
    assert NEAREST.candidates(Outline(n_rows=MOST_ROWS, **shape))  # type: ignore[arg-type]
    assert not NEAREST.candidates(Outline(n_rows=MOST_ROWS + 1, **shape))  # type: ignore[arg-type]
