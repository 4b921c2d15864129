"""Families that can fit a quantile of the target instead of its mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss
from tests.models.problems import job, problem

from mlwright.data.dataset import FloatArray
from mlwright.models import FAMILIES, FitJob
from mlwright.models.parity import proven

QUANTILE = ["constant", "lightgbm", "catboost", "xgboost", "additive"]
TREES = QUANTILE[1:]


def skewed(n: int = 600, *, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    X, y = problem("regression", n, seed=seed)
    return X, y + 4 * np.random.default_rng(seed).exponential(size=n)


def job_for(name: str, quantile: float | None, **given: object) -> FitJob:
    X, y = skewed()
    made = job(FAMILIES[name], "regression", X, y, settled={"rounds": 60})
    return replace(made, quantile=quantile, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("name", QUANTILE)
def test_as_large_a_share_of_new_truths_as_asked_is_below(name: str, alpha: float) -> None:
    fitted, usual = (FAMILIES[name].fit(job_for(name, q)) for q in (alpha, None))
    X, y = skewed(4000, seed=1)
    predicted, mean = fitted.predict(X), usual.predict(X)
    assert abs((y < predicted).mean() - alpha) < 0.1
    if alpha != 0.5:
        assert mean_pinball_loss(y, predicted, alpha=alpha) < mean_pinball_loss(y, mean, alpha=alpha)


@pytest.mark.parametrize("name", TREES)
def test_the_validation_rows_stop_it_by_the_loss_of_the_quantile(name: str) -> None:
    X, y = skewed()
    validation = skewed(200, seed=2)
    made = job(FAMILIES[name], "regression", X, y, validation=validation)
    fitted = FAMILIES[name].fit(replace(made, quantile=0.8))
    rounds = fitted.settled["rounds"]
    assert 1 < rounds < 2000
    best = mean_pinball_loss(validation[1], fitted.predict(validation[0]), alpha=0.8)
    for other in (rounds // 3, 1):
        early = fitted.predict(validation[0], settled={"rounds": float(other)})
        assert best < mean_pinball_loss(validation[1], early, alpha=0.8)


@pytest.mark.parametrize("name", TREES)
def test_the_compiled_form_says_the_same_and_so_does_the_file(name: str, tmp_path: Path) -> None:
    wanted = job_for(name, 0.8)
    fitted = FAMILIES[name].fit(wanted)
    assert proven(fitted, wanted.rows.matrix.values) is not None
    fitted.write(tmp_path)
    again = FAMILIES[name].read(tmp_path)
    values = wanted.rows.matrix.values
    np.testing.assert_array_equal(again.predict(values), fitted.predict(values))
    assert proven(again, values) is not None


@pytest.mark.parametrize("name", TREES)
def test_rows_count_by_their_weight(name: str) -> None:
    wanted = job_for(name, 0.5)
    low = wanted.rows.y < np.median(wanted.rows.y)
    rows = replace(wanted.rows, weight=np.where(low, 9.0, 1.0))
    weighted = FAMILIES[name].fit(replace(wanted, rows=rows))
    values = rows.matrix.values
    assert weighted.predict(values).mean() < FAMILIES[name].fit(wanted).predict(values).mean() - 0.2


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "xgboost"])
def test_a_monotonic_constraint_is_kept_by_fitting_the_mean(name: str) -> None:
    """Leaves that are moved to a quantile after the tree is grown break it, or the library refuses."""
    with_both = FAMILIES[name].fit(job_for(name, 0.8, monotonic=(1, 0, 0, 0)))
    mean = FAMILIES[name].fit(job_for(name, None, monotonic=(1, 0, 0, 0)))
    X, _ = skewed(40, seed=3)
    np.testing.assert_array_equal(with_both.predict(X), mean.predict(X))
    grid = np.repeat(X, 31, axis=0)
    grid[:, 0] = np.tile(np.linspace(-3, 3, 31), len(X))
    assert (np.diff(with_both.predict(grid).reshape(len(X), 31), axis=1) >= -1e-6).all()


def test_a_constant_quantile_is_a_value_of_the_target_by_weight() -> None:
    wanted = job_for("constant", 0.75)
    y = np.arange(1.0, 5.0)
    rows = replace(wanted.rows.taken(np.arange(4)), y=y)
    for weight, expected in ((None, 3.0), (np.array([1.0, 1, 1, 5]), 4.0), (np.array([0.0, 0, 0, 1]), 4.0)):
        fitted = FAMILIES["constant"].fit(replace(wanted, rows=replace(rows, weight=weight)))
        assert fitted.predict(np.zeros((2, 4))).tolist() == [expected, expected]


@pytest.mark.parametrize("name", ["linear", "extra_trees", "neighbours", "network"])
def test_other_families_keep_the_mean(name: str) -> None:
    X, y = skewed(150)
    wanted = job(FAMILIES[name], "regression", X, y, validation=skewed(60, seed=4))
    mean, asked = (FAMILIES[name].fit(replace(wanted, quantile=q)).predict(X) for q in (None, 0.8))
    np.testing.assert_array_equal(asked, mean)
