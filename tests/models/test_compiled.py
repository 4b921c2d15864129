"""The compiled form of every family that has one says what the estimator says."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.problems import N_CLASSES, TASKS, outline, problem

from mlwright._kernels import kernel
from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.features import Matrix
from mlwright.models import FAMILIES, EstimatorFamily, FitJob, FittedEstimator, Rows
from mlwright.spec import Task

every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
every_task = pytest.mark.parametrize("task", TASKS)

#: Libraries that add up in single precision; the others agree to the last digits.
TOLERANCE = {"network": 1e-6, "xgboost": 1e-6}
#: Families that have a compiled form wherever the kernels are built.
ALWAYS = ("linear", "network", "additive", "constant")


def fit(family: EstimatorFamily, task: Task) -> tuple[FittedEstimator, FloatArray]:
    """An estimator, and rows to ask it; with missing values and a category where the family takes them."""
    X, y = problem(task, 300)
    rng = np.random.default_rng(5)
    if family.abilities.missing:
        X[rng.random(X.shape) < 0.15] = np.nan
    else:
        X[rng.random(X.shape) < 0.3] = 0.0  # as most columns of levels are
    categorical: tuple[int, ...] = ()
    if family.abilities.categories:
        levels = rng.integers(0, 12, 300).astype(np.float64)
        y = y + 4 * (levels % 3 == 1) if task == "regression" else y
        levels[rng.random(300) < 0.1] = np.nan
        X, categorical = np.column_stack([X, levels]), (4,)
    names = tuple(f"x{i}" for i in range(X.shape[1]))
    fitted = family.fit(
        FitJob(
            task=task,
            n_classes=N_CLASSES[task],
            rows=Rows(matrix=Matrix(values=X, names=names, categorical=categorical), y=y),
            parameters=family.candidates(outline(task, X))[0],
            seed=1,
            deadline=Deadline.after(60),
            settled={"rounds": 40.0, "epochs": 24.0, "cycles": 1.0},
        )
    )
    return fitted, asked(family, X)


def asked(family: EstimatorFamily, X: FloatArray) -> FloatArray:
    """Training rows; rows far out, of levels never seen, with everything missing or infinite."""
    width = X.shape[1]
    plain = [X, np.zeros((1, width)), np.full((2, width), [[-1e9], [1e9]])]
    if family.abilities.categories:
        plain.append(np.repeat(X[:3], 3, axis=0))
        plain[-1][:, 4] = [99.0, -1.0, 11.0] * 3
    for odd in (np.nan, np.inf, -np.inf):
        plain += [np.full((1, width), odd), np.where(np.eye(width, dtype=bool), odd, X[:width])]
    return np.ascontiguousarray(np.vstack(plain))


@every_family
@every_task
@pytest.mark.parametrize("stored", [False, True], ids=["fitted", "read back"])
def test_one_row_and_many_are_answered_as_the_estimator_answers(
    family: EstimatorFamily, task: Task, stored: bool, tmp_path: Path
) -> None:
    fitted, rows = fit(family, task)
    if stored:
        fitted.write(tmp_path)
        fitted = family.read(tmp_path)
    compiled = fitted.compiled()
    if compiled is None:
        assert family.name not in ALWAYS or kernel("_dense") is None or kernel("_curves") is None
        pytest.skip("it has no compiled form")
    with np.errstate(all="ignore"):  # numpy says what it thinks of infinities
        expected = fitted.predict(rows)
        many = compiled.many(rows)
    each = [compiled.one(row) for row in rows]
    assert {type(number) for answer in each for number in answer} == {float}
    tolerance = TOLERANCE.get(family.name, 1e-12) * max(1.0, float(np.abs(expected[np.isfinite(expected)]).max()))
    assert many.shape == expected.shape
    np.testing.assert_allclose(many, expected, atol=tolerance, rtol=0)
    np.testing.assert_allclose(np.array(each).reshape(expected.shape), expected, atol=tolerance, rtol=0)


@every_family
def test_a_row_is_any_buffer_and_is_left_alone(family: EstimatorFamily) -> None:
    fitted, rows = fit(family, "binary")
    compiled = fitted.compiled()
    if compiled is None:
        pytest.skip("it has no compiled form")
    assert compiled.n_features in {rows.shape[1], 0}  # 0: it looks at none of them
    before = rows[0].tobytes()
    assert compiled.one(array("d", rows[0])) == compiled.one(rows[0])
    assert rows[0].tobytes() == before


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if there had been no compiler."""
    for name in ("_dense", "_curves"):
        monkeypatch.setitem(sys.modules, f"mlwright._kernels.{name}", None)
    kernel.cache_clear()
    yield
    kernel.cache_clear()


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize("name", ["linear", "network", "additive"])
def test_without_the_kernels_there_is_no_compiled_form_and_the_estimator_answers(name: str) -> None:
    fitted, rows = fit(FAMILIES[name], "binary")
    assert fitted.compiled() is None
    assert np.isfinite(fitted.predict(rows[:300])).all()


def test_weights_that_are_not_finite_are_left_to_numpy() -> None:
    fitted: Any = fit(FAMILIES["linear"], "regression")[0]
    fitted.weights[0, 0] = np.inf
    assert fitted.compiled() is None
