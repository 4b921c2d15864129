"""Permutation importance: what matters ranks above noise, and what was not asked is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance
from tests.evaluation.predicted import TASKS, on_test_rows
from tests.models.made import made
from tests.support import diabetes_frame, mixed_frame, spec_for

from mlwright.data import Dataset, plan_split, read, split_rows
from mlwright.evaluation import Importance, permutation_importances, scored_rows
from mlwright.models import Model
from mlwright.search import assemble, search
from mlwright.spec import Task


def importances(model: Model, test: Dataset, *, seed: int = 0) -> list[Importance]:
    return permutation_importances(model, test, scored_rows(test, model.predict(test)), seed=seed)


@pytest.fixture(scope="module")
def fitted() -> tuple[Model, Dataset]:
    """A model of a table where age, city and visits matter, and three columns are noise."""
    rng = np.random.default_rng(5)
    frame = mixed_frame(1500).drop("customer_id", "review")
    frame = frame.with_columns(**{f"noise{i}": rng.normal(size=1500) for i in range(3)})
    spec = spec_for("bought", split={"test_share": 0.4}, budget={"seconds": 30, "trials": 2})
    dataset = read(spec, frame)
    plan = plan_split(dataset, spec)
    split = split_rows(dataset, plan, seed=0)
    return assemble(search(split.train, spec, plan, seed=0), split.train, spec, seed=0), split.test


def test_columns_that_matter_rank_above_noise(fitted: tuple[Model, Dataset]) -> None:
    found = importances(*fitted)
    assert {one.column for one in found[:3]} == {"age", "city", "visits"}
    for one in found:
        if one.column in {"age", "visits", "city"}:
            assert one.loss_increase > 3 * one.standard_error > 0
        elif "noise" in one.column:
            assert abs(one.loss_increase) < 0.02


@pytest.mark.parametrize("task", TASKS)
def test_all_columns_of_the_model_are_listed_the_most_important_first(task: Task) -> None:
    model, test = made(task).model, made(task).split.test
    found = importances(model, test)
    assert {one.column for one in found} == set(model.features)
    increases = [one.loss_increase for one in found]
    assert increases == sorted(increases, reverse=True)
    assert all(one.n == len(test) and one.standard_error >= 0 for one in found)


def test_a_model_that_looks_at_nothing_has_no_important_column() -> None:
    found = importances(made("binary", ("constant",)).model, made("binary").split.test)
    assert all(one.loss_increase == 0 for one in found)


def test_importances_agree_with_those_of_scikit_learn() -> None:
    """Of the squared error on the diabetes table, within what shuffling leaves to chance."""
    model, test = made("regression").model, made("regression").split.test
    names = model.features
    values = np.column_stack([test.numbers(name) for name in names])

    class Answering(BaseEstimator):  # type: ignore[misc]
        def fit(self, X: np.ndarray, y: np.ndarray) -> Answering:
            return self

        def predict(self, X: np.ndarray) -> np.ndarray:
            import polars as pl

            return model.predict(pl.DataFrame(X, schema=names)).prediction

    expected = permutation_importance(
        Answering(), values, test.y, scoring="neg_mean_squared_error", n_repeats=20, random_state=0
    )
    mine = {one.column: one for one in importances(model, test)}
    assert set(names) <= set(diabetes_frame().columns)
    for name, mean in zip(names, expected.importances_mean, strict=True):
        assert abs(mine[name].loss_increase - mean) < 4 * mine[name].standard_error + 1e-9


def test_the_test_rows_are_left_as_they_were_and_the_result_can_be_repeated() -> None:
    test, _ = on_test_rows("binary")
    before = test.table
    model = made("binary").model
    assert importances(model, test, seed=4) == importances(model, test, seed=4)
    assert test.table is before
    assert before.equals(made("binary").split.test.table)


def test_each_importance_is_evidence() -> None:
    first = importances(made("multiclass").model, made("multiclass").split.test)[0]
    record = first.evidence()
    assert (record.id, record.value, record.n) == (f"importance.{first.column}", first.loss_increase, first.n)
    assert "shuffled" in record.method
