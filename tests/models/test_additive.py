"""The glass box: its curves are the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logit
from tests.models.problems import N_CLASSES, TASKS, problem

from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.features import Matrix
from mlwright.models import FAMILIES, FitJob, Outline, Rows
from mlwright.models.families.additive import FittedAdditive
from mlwright.spec import Task

ADDITIVE = FAMILIES["additive"]


def mixed(task: Task, n: int = 400, *, seed: int = 0, missing: bool = True) -> tuple[FloatArray, FloatArray]:
    """Four numbers, of which one has missing values, and the numbers of a category's levels, some of them missing."""
    X, y = problem(task, n, seed=seed)
    rng = np.random.default_rng(seed + 100)
    levels = rng.integers(0, 12, n).astype(np.float64)
    if task == "regression":
        y = y + 4 * (levels % 3 == 1)
    if missing:
        X[rng.random(n) < 0.2, 1] = np.nan
        levels[rng.random(n) < 0.1] = np.nan
    return np.column_stack([X, levels]), y


def fit(task: Task, X: FloatArray, y: FloatArray, *, candidate: int = 0, **more: Any) -> FittedAdditive:
    outline = Outline(task=task, n_rows=len(y), n_features=5, n_classes=N_CLASSES[task])
    fitted = ADDITIVE.fit(
        FitJob(
            task=task,
            n_classes=N_CLASSES[task],
            rows=Rows(matrix=Matrix(values=X, names=tuple("abcde"), categorical=(4,)), y=y),
            parameters=ADDITIVE.candidates(outline)[candidate],
            seed=1,
            deadline=Deadline.after(60),
            settled={"rounds": 80.0},
            **more,
        )
    )
    assert isinstance(fitted, FittedAdditive)
    return fitted


def asked(X: FloatArray) -> FloatArray:
    """The training rows, and rows with everything missing, far out, never seen, or on a threshold."""
    odd = np.array([[np.nan] * 5, [1e9] * 5, [-1e9] * 5, [0.0] * 5, [0.5, 0.5, 0.5, 0.5, 99.0]])
    return np.vstack([X, odd])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("candidate", [0, 1])
@pytest.mark.parametrize("missing", [False, True])
def test_the_curves_add_up_to_the_raw_prediction(task: Task, candidate: int, missing: bool) -> None:
    X, y = mixed(task, missing=missing)
    fitted = fit(task, X, y, candidate=candidate)
    raw = fitted.boosting.booster.predict(asked(X), raw_score=True).reshape(len(X) + 5, -1)
    np.testing.assert_allclose(fitted.curves().raw(asked(X)), raw, atol=1e-9, rtol=0)


def test_the_raw_prediction_is_the_log_odds() -> None:
    X, y = mixed("binary")
    fitted = fit("binary", X, y)
    np.testing.assert_allclose(fitted.curves().raw(X)[:, 0], logit(fitted.predict(X)), atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_a_value_on_a_step_belongs_to_the_cell_below_it(task: Task) -> None:
    X, y = mixed(task)
    fitted = fit(task, X, y)
    for curve in fitted.curves().curves:
        points = curve.points[
            (curve.points == 0) | (np.abs(curve.points) > 1e-30)
        ]  # LightGBM parts 0 at 1e-35, written in fewer digits
        rows = np.tile(X[:1], (len(points), 1))
        rows[:, curve.feature] = points
        raw = fitted.boosting.booster.predict(rows, raw_score=True).reshape(len(rows), -1)
        np.testing.assert_allclose(fitted.curves().raw(rows), raw, atol=1e-9, rtol=0)


@pytest.mark.parametrize("task", TASKS)
def test_each_tree_splits_on_one_feature_only(task: Task) -> None:
    X, y = mixed(task)
    y = np.where(X[:, 0] * X[:, 2] > 0, y, y.max() - y)  # something to gain from two at once

    def features(node: dict[str, Any]) -> set[int]:
        if "split_feature" not in node:
            return set()
        return {node["split_feature"]} | features(node["left_child"]) | features(node["right_child"])

    trees = fit(task, X, y).boosting.booster.dump_model()["tree_info"]
    assert max(len(features(tree["tree_structure"])) for tree in trees) == 1


@pytest.mark.parametrize("task", TASKS)
def test_curves_are_centred_over_the_training_rows(task: Task) -> None:
    """Up to the rows that each tree was grown on being a sample."""
    X, y = mixed(task, 2000)
    made = fit(task, X, y).curves()
    for curve in made.curves:
        of_rows = curve.at(X[:, curve.feature])
        assert np.abs(of_rows.mean(axis=0)).max() < 0.06 * max(float(np.abs(of_rows).max()), 0.1)
    if task == "regression":
        assert made.intercept[0] == pytest.approx(y.mean(), abs=0.05 * y.std())


def test_a_curve_finds_the_shape_of_a_column() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.uniform(-3, 3, (3000, 4)), rng.integers(0, 4, 3000)])
    y = np.sin(X[:, 0]) + 0.5 * (X[:, 4] == 2) + 0.1 * rng.normal(size=3000)
    curves = {curve.feature: curve for curve in fit("regression", X, y, candidate=1).curves().curves}
    grid = np.linspace(-2.8, 2.8, 50)
    assert np.abs(curves[0].at(grid)[:, 0] - np.sin(grid)).max() < 0.2
    levels = curves[4].at(np.arange(4.0))[:, 0]
    assert levels[2] - levels[[0, 1, 3]].mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_monotonic_curve_goes_one_way(sign: int) -> None:
    X, y = mixed("regression")
    curves = fit("regression", X, np.sin(3 * X[:, 0]) + sign * y / 9, monotonic=(sign, 0, 0, 0, 0)).curves().curves
    (curve,) = (curve for curve in curves if curve.feature == 0)
    assert (sign * np.diff(curve.contributions[:, 0]) >= -1e-12).all()


def test_curves_are_the_same_after_it_was_read_again(tmp_path: Path) -> None:
    X, y = mixed("multiclass")
    fitted = fit("multiclass", X, y)
    fitted.write(tmp_path)
    again = ADDITIVE.read(tmp_path)
    assert isinstance(again, FittedAdditive)
    np.testing.assert_allclose(again.curves().raw(asked(X)), fitted.curves().raw(asked(X)), atol=1e-12)


def test_a_target_that_nothing_explains_has_no_curves() -> None:
    X, _ = mixed("regression", 100)
    made = fit("regression", X, np.full(100, 7.0)).curves()
    np.testing.assert_allclose(made.raw(X), 7.0)
    assert made.curves == ()


def test_only_models_that_can_be_read_are_glass_boxes() -> None:
    assert {name for name, family in FAMILIES.items() if family.abilities.glass_box} == {
        "constant",
        "linear",
        "additive",
    }
