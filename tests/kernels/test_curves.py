"""Sums of curves for one row against the same in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from mlwright.models.families.additive import Curve, Curves

kernel = pytest.importorskip("mlwright._kernels._curves", reason="the compiled kernels are not built here")


@st.composite
def sums_of_curves(draw: st.DrawFn) -> Curves:
    n_outputs, n_curves = draw(st.integers(1, 4)), draw(st.integers(0, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))

    def curve(feature: int) -> Curve:
        categorical, n = bool(rng.random() < 0.4), int(rng.integers(1, 9))
        points = np.sort(rng.choice(12, n, replace=False)).astype(np.float64) - (0 if categorical else 5.5)
        if not categorical:
            # A point on either side of the largest of numbers, where comparing is easily got wrong.
            points = np.unique(np.r_[points, rng.choice([-1e300, 0.0, 1e300])])
        cells = rng.normal(size=(len(points) + 1, n_outputs))
        return Curve(
            feature=feature,
            categorical=categorical,
            points=points,
            contributions=cells,
            missing=rng.normal(size=n_outputs),
        )

    return Curves(intercept=rng.normal(size=n_outputs), curves=tuple(curve(feature) for feature in range(n_curves)))


def asked(sums: Curves) -> Any:
    """Every kind of value for each feature: on the points and beside them, far out, missing, no level."""
    odd = [np.nan, np.inf, -np.inf, -0.5, -1.0, 0.0, -0.0, 3.0, 3.7, 1e20, 5e-324]
    points = np.unique(np.concatenate([np.zeros(0), *(curve.points for curve in sums.curves)]))
    values = np.r_[odd, points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf)]
    rng = np.random.default_rng(0)
    return np.column_stack([rng.permutation(values) for _ in range(6)])


def compiled(sums: Curves, **changed: Any) -> Any:
    return kernel.Curves(**{"n_features": 6, **sums.flat(), **changed})


@pytest.mark.parametrize("answer", ["values", "sigmoid", "softmax"])
@given(sums=sums_of_curves())
def test_it_is_the_same_sum_as_in_numpy(answer: str, sums: Curves) -> None:
    rows = asked(sums)
    with np.errstate(invalid="ignore"):
        raw = sums.raw(rows)
    expected = raw if answer == "values" else expit(raw) if answer == "sigmoid" else softmax(raw, axis=1)
    found = [compiled(sums, answer=answer).one(row) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)


STEPS = Curves(
    intercept=np.array([1.0]),
    curves=tuple(
        Curve(
            feature=feature,
            categorical=False,
            points=np.array([0.0, 1.0]),
            contributions=np.array([[1.0], [2.0], [3.0]]),
            missing=np.array([9.0]),
        )
        for feature in (0, 5)
    ),
)


@pytest.mark.parametrize(
    "changed",
    [
        {"features": np.array([0, 6], dtype=np.int32)},
        {"features": np.array([-1, 5], dtype=np.int32)},
        {"features": np.array([0], dtype=np.int32)},
        {"n_features": 5},
        {"n_features": -1},
        {"categorical": np.array([0, 0, 0], dtype=np.int32)},
        {"ends": np.array([2, 5], dtype=np.int32)},
        {"ends": np.array([2, 3], dtype=np.int32)},
        {"ends": np.array([3, 2], dtype=np.int32)},
        {"ends": np.array([-1, 4], dtype=np.int32)},
        {"ends": np.array([2], dtype=np.int32)},
        {"points": np.array([0.0, 1.0, 0.0])},
        {"points": np.array([0.0, 1.0, 1.0, 0.0])},
        {"points": np.array([0.0, np.nan, 0.0, 1.0])},
        {"cells": np.zeros((5, 1))},
        {"cells": np.zeros((7, 1))},
        {"missing": np.zeros((1, 1))},
        {"missing": np.zeros((3, 1))},
        {"intercept": np.zeros(0)},
        {"intercept": np.zeros(2)},
        {"answer": "odds"},
    ],
    ids=lambda changed: " ".join(changed),
)
def test_arrays_that_do_not_fit_are_refused(changed: dict[str, Any]) -> None:
    assert compiled(STEPS).one(np.array([0.5, 0, 0, 0, 0, np.nan])) == (12.0,)
    with pytest.raises(ValueError, match=r"feature|equally long|lie|belong|ascend|cell|output|answer"):
        compiled(STEPS, **changed)


@pytest.mark.parametrize("name", ["features", "categorical", "ends"])
def test_whole_numbers_of_another_width_are_refused(name: str) -> None:
    with pytest.raises(TypeError):
        compiled(STEPS, **{name: STEPS.flat()[name].astype(np.int64)})


@pytest.mark.parametrize("row", [np.zeros(5), np.zeros(7), np.zeros(6, dtype=np.float32), None, "row"])
def test_a_row_of_another_form_is_refused(row: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        compiled(STEPS).one(row)
