"""The linear family against scikit-learn at the same penalty."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from tests.models.problems import N_CLASSES, TASKS, job, loss, problem

from mlwright.data.dataset import FloatArray
from mlwright.models import FAMILIES
from mlwright.models.families.linear import PENALTIES
from mlwright.spec import Task

LINEAR = FAMILIES["linear"]


def of_scikit_learn(
    task: Task, X: FloatArray, y: FloatArray, penalty: float, weight: FloatArray | None = None
) -> FloatArray:
    """A penalty per row, as mlwright has it, is alpha = n x penalty or C = 1 / (n x penalty) there."""
    total = len(y) if weight is None else weight.sum()
    if task == "regression":
        values: FloatArray = Ridge(alpha=total * penalty).fit(X, y, sample_weight=weight).predict(X)
        return values
    model = LogisticRegression(C=1 / (total * penalty), tol=1e-8, max_iter=5000).fit(X, y, sample_weight=weight)
    probabilities: FloatArray = model.predict_proba(X)
    return probabilities[:, 1] if task == "binary" else probabilities


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("penalty", [1.0, 0.01, 0.0001])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_it_is_scikit_learns_model_at_the_same_penalty(task: Task, penalty: float, weighted: bool) -> None:
    X, y = problem(task)
    weight = np.random.default_rng(0).uniform(0.1, 3, len(y)) if weighted else None
    predicted = LINEAR.fit(job(LINEAR, task, X, y, weight=weight, settled={"penalty": penalty})).predict(X)
    expected = of_scikit_learn(task, X, y, penalty, weight)
    # More than two classes are fitted by L-BFGS, which stops a little earlier than Newton's method.
    np.testing.assert_allclose(predicted, expected, atol=5e-3 if task == "multiclass" else 1e-6, rtol=0)


@pytest.mark.parametrize("task", TASKS)
def test_with_more_features_than_the_exact_step_takes_it_is_still_that_model(task: Task) -> None:
    X, y = problem(task, 60, features=1501)
    predicted = LINEAR.fit(job(LINEAR, task, X, y, settled={"penalty": 0.1})).predict(X)
    expected = of_scikit_learn(task, X, y, 0.1)
    np.testing.assert_allclose(predicted, expected, atol=0.02 * float(np.std(expected)))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("noise_columns", [0, 60])
def test_the_penalty_is_the_one_that_predicts_the_validation_rows_best(task: Task, noise_columns: int) -> None:
    (X, y), (X_new, y_new) = (problem(task, 120, seed=seed, features=4 + noise_columns) for seed in (0, 1))
    fitted = LINEAR.fit(job(LINEAR, task, X, y, validation=(X_new, y_new)))
    losses = {
        penalty: loss(task, y_new, LINEAR.fit(job(LINEAR, task, X, y, settled={"penalty": penalty})).predict(X_new))
        for penalty in PENALTIES
    }
    assert fitted.settled["penalty"] in PENALTIES
    assert losses[fitted.settled["penalty"]] <= 1.01 * min(losses.values())


@pytest.mark.parametrize("task", TASKS)
def test_classes_that_a_line_parts_without_error_do_not_make_it_run_away(task: Task) -> None:
    X = np.linspace(-1, 1, 50)[:, None]
    y = np.digitize(X[:, 0], np.linspace(-0.4, 0.4, N_CLASSES[task] - 1)).astype(np.float64)
    if task == "regression":
        y = 2 * X[:, 0]
    fitted = LINEAR.fit(job(LINEAR, task, X, y, settled={"penalty": 1e-5}))
    predicted = fitted.predict(np.array([[-50.0], [50.0]]))
    assert np.isfinite(predicted).all()
    assert loss(task, y, fitted.predict(X)) < 0.1


def test_a_column_of_any_size_beside_the_others_does_not_disturb_a_regression() -> None:
    X, y = problem("regression")
    offset = X + np.array([0.0, 1e4, 0.0, 0.0])
    settled = {"penalty": 0.01}
    plain = LINEAR.fit(job(LINEAR, "regression", X, y, settled=settled)).predict(X)
    moved = LINEAR.fit(job(LINEAR, "regression", offset, y, settled=settled)).predict(offset)
    np.testing.assert_allclose(plain, moved, atol=1e-6)
