from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import mixed_frame, split_of

from mlwright.data import Dataset
from mlwright.feasibility import QuickCurve, quick_curve
from mlwright.feasibility.curve import sample_size, sampled_rows
from mlwright.feasibility.learners import quick_learners
from mlwright.models import Outline
from mlwright.search import Threads
from mlwright.spec import Spec
from mlwright.statistics import METRICS


def _frame(rows: int, *, seed: int = 0) -> pl.DataFrame:
    """Four numbers of which two matter, 60 customers that differ, a day, a weight, and three targets."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4))
    customer = rng.integers(0, 60, rows)
    z = x[:, 0] + 0.8 * x[:, 1] + rng.normal(size=60)[customer] + rng.normal(size=rows)
    return pl.DataFrame({f"x{i}": x[:, i] for i in range(4)}).with_columns(
        customer=pl.Series([f"c{i}" for i in customer]),
        day=pl.Series(np.arange(rows)),
        weight=pl.Series(rng.uniform(0.2, 3.0, rows)),
        late=pl.Series(np.where(z > 0.5, "yes", "no")),
        size=pl.Series(np.array(["small", "medium", "large"])[np.digitize(z, [-0.5, 1.0])]),
        amount=pl.Series(z),
    )


def _curve(frame: pl.DataFrame, target: str, **sections: Any) -> tuple[QuickCurve, Dataset, Spec]:
    spec, split = split_of(frame, target, **sections)
    return quick_curve(split.train, spec, split.plan, seed=1), split.train, spec


@pytest.mark.parametrize(
    ("target", "metrics"),
    [
        ("late", {"roc_auc", "log_loss", "accuracy"}),
        ("size", {"roc_auc", "log_loss", "accuracy"}),
        ("amount", {"rmse"}),
    ],
)
def test_each_task_has_a_curve_by_its_metrics(target: str, metrics: set[str]) -> None:
    others = {"late", "size", "amount"} - {target}
    curve, train, _ = _curve(_frame(400).drop(*others, "customer", "day", "weight"), target)
    assert set(curve.metrics) == metrics
    rows = [anchor.rows for anchor in curve.anchors]
    assert rows == sorted(rows)
    assert rows[-1] < len(train)
    assert len(curve.rows) == len(curve.target) == len(curve.prediction) == len(train)
    assert np.array_equal(train.y[curve.rows], curve.target)
    for metric in curve.metrics:
        last = curve.last.errors[metric]
        assert 0 < last.error < 1
        assert last.standard_error > 0
    name = "rmse" if target == "amount" else "log_loss"
    own = METRICS[name].compute(curve.scored)
    assert own == pytest.approx(curve.last.errors[name].error * curve.last.errors[name].unit, rel=0.02)


def test_more_rows_are_seen_to_help_where_they_do() -> None:
    curve, _, _ = _curve(_frame(1600).drop("late", "size", "customer", "day", "weight"), "amount")
    errors = [anchor.errors["rmse"].error for anchor in curve.anchors]
    assert len(errors) == 4
    assert errors[-1] < errors[0]


def test_groups_are_never_on_both_sides() -> None:
    frame = _frame(700).drop("late", "size", "day")
    grouped, train, _ = _curve(frame, "amount", data={"group": "customer", "weight": "weight"})
    mixed, _, _ = _curve(frame, "amount", data={"weight": "weight"})
    assert grouped.group is not None
    assert grouped.weight is not None
    assert len(grouped.rows) == len(train)
    # A customer who was seen before is easier to predict than a new one.
    assert grouped.last.errors["rmse"].error > mixed.last.errors["rmse"].error


def test_rows_in_time_are_predicted_from_earlier_ones_only() -> None:
    curve, train, _ = _curve(_frame(700).drop("late", "size", "customer", "weight"), "amount", data={"time": "day"})
    times = train.times
    assert times is not None
    assert times[curve.rows].min() > times.min()
    assert set(curve.drift) == {"rmse"}


def test_the_same_rows_and_seed_give_the_same_curve_with_any_number_of_workers() -> None:
    frame = mixed_frame(200)
    spec, split = split_of(frame, "bought", data={"id": "customer_id"})
    one, two = (quick_curve(split.train, spec, split.plan, seed=3, executor=Threads(workers)) for workers in (1, 2))
    assert one.anchors == two.anchors
    assert np.array_equal(one.prediction, two.prediction)
    other = quick_curve(split.train, spec, split.plan, seed=4)
    assert other.anchors != one.anchors


def test_a_large_table_is_drawn_on_a_sample_that_keeps_the_classes() -> None:
    assert sample_size(100_000, 30) < 100_000
    assert sample_size(2_000, 30) == 2_000
    assert sample_size(100_000, 400, 20) >= 4_000
    many = pl.DataFrame(
        {
            "x": np.random.default_rng(0).normal(size=9000),
            "y": np.where(np.arange(9000) % 50 == 0, "rare", "usual"),
            "customer": [f"c{i}" for i in np.arange(9000) // 3],
        }
    )
    _, split = split_of(many.drop("customer"), "y")
    chosen = sampled_rows(split.train, split.plan, seed=0, most=2000)
    assert len(np.unique(chosen)) == 2000
    assert np.array_equal(chosen, np.sort(chosen))
    assert split.train.y[chosen].mean() == pytest.approx(split.train.y.mean(), abs=0.001)
    _, grouped = split_of(many, "y", data={"group": "customer"})
    chosen = sampled_rows(grouped.train, grouped.plan, seed=0, most=2000)
    groups = grouped.train.groups
    assert groups is not None
    _, sizes = np.unique(groups[chosen], return_counts=True)
    assert (sizes < 3).sum() <= 1


def test_a_learner_of_many_rounds_joins_at_all_anchors_or_at_none() -> None:
    spec, split = split_of(_frame(300).drop("late", "size", "customer", "day", "weight"), "amount")
    outline = replace(Outline.of(split.train), n_rows=5000)
    assert "long" not in {one.name for one in quick_learners(outline, spec, rows=1100)}
    assert "long" in {one.name for one in quick_learners(outline, spec, rows=1300)}


def test_narrow_tables_never_draw_columns_per_tree() -> None:
    spec, split = split_of(_frame(300).drop("late", "size", "customer", "day", "weight"), "amount")
    outline = Outline.of(split.train)
    assert outline.n_features < 8
    assert not any("feature_fraction" in one.parameters for one in quick_learners(outline, spec, rows=5000))
    wide = quick_learners(replace(outline, n_features=20), spec, rows=5000)
    assert any("feature_fraction" in one.parameters for one in wide)


def test_only_learners_that_keep_what_the_spec_demands_are_asked() -> None:
    frame = _frame(300).drop("late", "size", "customer", "day", "weight")
    rising, split = split_of(frame, "amount", constraints={"monotonic": {"x0": "increasing"}})
    outline = Outline.of(split.train)
    assert "linear" not in {one.name for one in quick_learners(outline, rising, rows=500)}
    glass, _ = split_of(frame, "amount", constraints={"interpretability": "glass_box"})
    assert {one.name for one in quick_learners(outline, glass, rows=500)} == {"curves", "linear"}
