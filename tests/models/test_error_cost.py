"""What an error costs, and which answer costs least."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss
from tests.support import dataset_of, diabetes_frame, spec_for

from mlwright.data import Dataset
from mlwright.models import ErrorCost, ErrorCostInvalid, error_cost
from mlwright.spec import ExpressionInvalid, Spec

TARGET = "progression"


def frame() -> pl.DataFrame:
    """The table with a price in each row, some regions, and a column that has gaps."""
    rng = np.random.default_rng(0)
    rows = diabetes_frame()
    n = len(rows)
    gaps = [None if gone else 2.0 for gone in rng.random(n) < 0.1]
    return rows.with_columns(
        price=pl.Series(rng.uniform(1, 5, n)),
        region=pl.Series(rng.choice(["north", "south"], n)),
        fee=pl.Series(gaps),
        refund=pl.Series(rng.integers(0, 3, n)),
    )


@cache
def rows(weight: str | None = None) -> Dataset:
    return dataset_of(frame(), TARGET, data={"weight": weight} if weight else {})


def rows_and(cost: str, weight: str | None = None) -> tuple[Dataset, Spec]:
    return rows(weight), spec_for(TARGET, decision={"error_cost": cost})


def translated(cost: str) -> ErrorCost:
    table, spec = rows_and(cost)
    found = error_cost(spec, table)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("cost", "quantile", "above", "below"),
    [
        ("where(error > 0, 0.02 * error, -0.05 * error)", 5 / 7, 0.02, 0.05),
        ("max(0.8 * -error, 0.2 * error)", 0.8, 0.2, 0.8),
        ("abs(error)", 0.5, 1.0, 1.0),
        ("3 * abs(prediction - progression)", 0.5, 3.0, 3.0),
        ("10 + where(error < 0, -9 * error, error)", 0.9, 1.0, 9.0),
    ],
)
def test_so_much_a_unit_makes_a_quantile(cost: str, quantile: float, above: float, below: float) -> None:
    found = translated(cost)
    assert (found.kind, found.weighted) == ("quantile", False)
    assert (found.quantile, found.above, found.below) == pytest.approx((quantile, above, below))


def test_rows_in_which_errors_cost_more_count_more() -> None:
    table, spec = rows_and("price * max(0.8 * -error, 0.2 * error)")
    found = error_cost(spec, table)
    assert found is not None
    assert (found.kind, found.weighted) == ("quantile", True)
    assert found.quantile == pytest.approx(0.8)
    price, counted = table.numbers("price"), found.fit_weight(table)
    assert counted is not None
    np.testing.assert_allclose(counted, price / price.mean())
    told = found.told("EUR")
    assert "the 80 % quantile of progression" in told
    assert "count more" in told


def test_a_weight_of_the_rows_and_what_errors_cost_in_them_multiply() -> None:
    table, spec = rows_and("price * abs(error)", weight="refund")
    found = error_cost(spec, table)
    assert found is not None
    price, weight, counted = table.numbers("price"), table.weight, found.fit_weight(table)
    assert weight is not None
    assert counted is not None
    np.testing.assert_allclose(counted, weight * price / price.mean())


def test_squares_make_the_mean_and_where_they_differ_by_row_weights() -> None:
    assert translated("error ** 2").kind == "squared"
    assert not translated("0.5 * error * error").weighted
    table, spec = rows_and("where(region == 'north', 3, 1) * error ** 2")
    found = error_cost(spec, table)
    assert found is not None
    assert (found.kind, found.quantile, found.weighted) == ("squared", None, True)
    weight = found.fit_weight(table)
    assert weight is not None
    north = np.array(table.expression_columns(["region"])["region"]) == "north"
    assert weight[north] / 3 == pytest.approx(weight[~north][0])


@pytest.mark.parametrize(
    "cost",
    [
        "where(abs(error) > 20, 100, 0)",
        "min(abs(error), 50)",
        "where(error > 0, error ** 2, abs(error))",
        "where(error > 0, 3, 1) * error ** 2",
        "abs(error) / max(prediction, 20)",
        "abs(error) + where(error < -30, 40, 0)",
    ],
)
def test_any_other_cost_is_general_and_the_mean_is_fitted(cost: str) -> None:
    found = translated(cost)
    assert (found.kind, found.quantile) == ("general", None)
    assert "moved" in found.told("EUR")


def test_a_share_that_differs_by_row_is_fitted_at_its_mean() -> None:
    found = translated("where(error > 0, price * error, -2 * error)")
    assert found.kind == "general"
    assert found.quantile is not None
    assert 0.3 < found.quantile < 0.6


def test_an_error_as_a_share_of_the_truth_weighs_small_truths_more() -> None:
    table, spec = rows_and("abs(error) / progression")
    found = error_cost(spec, table)
    assert found is not None
    weight = found.fit_weight(table)
    assert weight is not None
    np.testing.assert_allclose(weight * table.y, (weight * table.y)[0])


@given(alpha=st.floats(0.05, 0.95), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
def test_the_cost_of_rows_is_the_pinball_loss_of_scikit_learn(alpha: float, scale: float, seed: int) -> None:
    table, spec = rows_and(f"{scale} * where(error > 0, {1 - alpha} * error, -{alpha} * error)")
    found = error_cost(spec, table)
    assert found is not None
    assert found.quantile == pytest.approx(alpha)
    predicted = table.y + np.random.default_rng(seed).normal(scale=30, size=len(table))
    cost = found.of_rows(table).of(predicted, table.y).mean()
    assert cost == pytest.approx(scale * mean_pinball_loss(table.y, predicted, alpha=alpha))


@pytest.mark.parametrize(
    ("cost", "says"),
    [
        ("error", "would cost -"),
        ("where(error > 0, 0.02 * error, 0.05 * error)", "less than nothing"),
        ("abs(error) - 5", "less than nothing"),
        ("abs(error) / (prediction - 20)", "less than nothing"),
        ("0 * error", "costs anything"),
        ("7", "costs anything"),
        ("max(abs(error) - 1e6, 0)", "no error up to"),
        ("abs(error - 20)", "costs less than one of"),
        ("where(abs(error) < 40, abs(error), 1)", "costs less than one of"),
        ("max(error, 0)", "an error downwards costs nothing"),
        ("max(-error, 0)", "an error upwards costs nothing"),
        ("fee * abs(error)", "no finite number in"),
        ("abs(error) / refund", "no finite number in"),
        ("log(abs(error))", "no finite number in 442 of 442 rows"),
    ],
)
def test_a_cost_that_makes_no_answer_the_best_is_refused_before_anything_is_fitted(cost: str, says: str) -> None:
    table, spec = rows_and(cost)
    with pytest.raises(ErrorCostInvalid) as raised:
        error_cost(spec, table)
    assert says in raised.value.what
    assert "decision.error_cost" in raised.value.where
    assert raised.value.fix


def test_text_is_no_cost() -> None:
    table, spec = rows_and("where(error > 0, region, 'much')")
    with pytest.raises(ExpressionInvalid, match="text stands where a cost is needed"):
        error_cost(spec, table)


def test_without_a_cost_and_for_classes_there_is_none() -> None:
    assert error_cost(spec_for(TARGET), rows()) is None
    classes = dataset_of(frame(), "region")
    assert error_cost(spec_for("region", decision={"error_cost": "abs(error)"}), classes) is None
