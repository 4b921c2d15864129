"""Weak slices: planted ones are found, and on random data no more are reported than is stated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats
from tests.evaluation.predicted import TASKS, chances, on_test_rows, told
from tests.support import dataset_of, mixed_frame

from mlwright.data import Dataset
from mlwright.evaluation import find_weak_slices, main_metric, sensitive_slices
from mlwright.spec import Task
from mlwright.statistics import Scored

Rows = tuple[Dataset, Scored]


def noise(rng: np.random.Generator, n: int, columns: int) -> dict[str, Any]:
    """Columns of several kinds that have nothing to do with anything."""
    found: dict[str, Any] = {f"x{i}": rng.normal(size=n) for i in range(columns)}
    found |= {f"c{i}": rng.choice(list("abcd"), n) for i in range(columns // 2)}
    return found


def even(seed: int) -> Rows:
    """Losses without a long tail."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.2, 0.8, 400)
    return told(noise(rng, 400, 8), p, np.where(rng.random(400) < p, "yes", "no").tolist())


def wide(seed: int) -> Rows:
    """So many columns that only the most promising pairs of conditions are looked into."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.2, 0.8, 1000)
    return told(noise(rng, 1000, 60), p, np.where(rng.random(1000) < p, "yes", "no").tolist())


def rare(seed: int) -> Rows:
    """A rare class, so that few rows have most of the loss, and levels that nearly all rows have."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 12, 600)
    columns = {f"c{i}": np.where(rng.permutation(600) < 32, "rare", "usual") for i in range(15)}
    return told(columns, p, np.where(rng.random(600) < p, "yes", "no").tolist())


def heavy(seed: int) -> Rows:
    """Errors with a tail so long that they have no variance."""
    rng = np.random.default_rng(seed)
    n = 500
    columns = noise(rng, n, 8) | {f"d{i}": np.where(rng.permutation(n) < 35, "rare", "usual") for i in range(6)}
    dataset = dataset_of(pl.DataFrame({**columns, "y": rng.standard_t(2.5, n)}), "y")
    return dataset, Scored(target=dataset.y, prediction=np.zeros(n))


def grouped(seed: int) -> Rows:
    """Columns that are the same for all rows of a group, and errors that rows of a group share."""
    rng = np.random.default_rng(seed)
    group = np.arange(600) % 60
    columns = {f"c{i}": rng.choice(list("ab"), 60)[group] for i in range(12)}
    y = rng.normal(size=600) + 2 * rng.normal(size=60)[group]
    frame = pl.DataFrame({**columns, "g": [f"g{i}" for i in group], "y": y})
    dataset = dataset_of(frame, "y", data={"group": "g"})
    return dataset, Scored(target=dataset.y, prediction=np.zeros(600), group=dataset.groups)


@pytest.mark.parametrize(("made", "times"), [(even, 40), (wide, 8), (rare, 40), (heavy, 40), (grouped, 40)])
def test_of_random_data_a_slice_is_reported_in_one_of_twenty_tables_at_most(
    made: Callable[[int], Rows], times: int
) -> None:
    reported = sum(bool(find_weak_slices(*made(seed), seed=0)) for seed in range(times))
    # A share of 1 in 20 would give more than this in one of a hundred such tests.
    assert reported <= stats.binom.ppf(0.99, times, 0.05)


# ------------------------------------------------------------------------------------------------------ planted ones


def planted(
    weak: Callable[[dict[str, np.ndarray]], np.ndarray], n: int = 2000, seed: int = 0
) -> tuple[Rows, np.ndarray]:
    """Right probabilities, except that in some rows they are turned round."""
    rng = np.random.default_rng(seed)
    columns = {
        "plan": rng.choice(["basic", "plus", "pro"], n, p=[0.5, 0.3, 0.2]),
        "age": rng.uniform(18, 80, n).round(1),
        "visits": rng.poisson(2, n).clip(0, 5),
        "member": rng.random(n) < 0.5,
    }
    p, drawn = chances(n, seed=seed)
    inside = weak(columns)
    gaps: dict[str, Any] = dict(columns)
    gaps["income"] = [
        None if gone else float(v) for v, gone in zip(rng.gamma(2, 20, n), rng.random(n) < 0.1, strict=True)
    ]
    return told(gaps, np.where(inside, 1 - p, p), drawn), inside


@pytest.mark.parametrize(
    ("weak", "condition"),
    [
        (lambda c: c["plan"] == "pro", "plan = pro"),
        (lambda c: c["member"], "member is true"),
        (lambda c: c["visits"] == 3, "visits = 3"),
        (lambda c: (c["plan"] == "plus") & c["member"], "member is true and plan = plus"),
    ],
)
def test_a_planted_weak_slice_is_found_first(weak: Any, condition: str) -> None:
    rows, inside = planted(weak)
    first = find_weak_slices(*rows, seed=0)[0]
    assert set(first.condition.split(" and ")) == set(condition.split(" and "))
    assert first.n == inside.sum()
    assert first.loss_gap > 0.1
    assert first.p_adjusted is not None
    assert first.p_adjusted < 0.001


def test_a_planted_range_of_numbers_is_found() -> None:
    rows, _ = planted(lambda c: c["age"] > 65)
    first = find_weak_slices(*rows, seed=0)[0]
    assert first.condition.startswith("age > 6")


def test_rows_where_a_value_is_missing_can_be_weak() -> None:
    (dataset, scored), _ = planted(lambda c: c["age"] < 0)
    gone = ~np.isfinite(dataset.numbers("income"))
    turned = Scored(target=scored.target, prediction=np.where(gone, 1 - scored.prediction, scored.prediction))
    assert find_weak_slices(dataset, turned, seed=0)[0].condition == "income is missing"


def test_a_weak_slice_is_told_once_and_not_under_every_name() -> None:
    (dataset, scored), inside = planted(lambda c: c["plan"] == "pro")
    again = dataset.with_column("tariff", np.where(inside, "gold", "other"))
    found = find_weak_slices(again, scored, seed=0)
    assert sum("pro" in one.condition or "gold" in one.condition for one in found) == 1


def test_slices_come_with_the_most_certain_first_and_every_one_is_certain_enough() -> None:
    rows, _ = planted(lambda c: (c["plan"] == "pro") | (c["visits"] == 3))
    found = find_weak_slices(*rows, seed=0)
    assert len(found) >= 2
    certain = [one.p_adjusted or 0 for one in found]
    assert certain == sorted(certain)
    assert all(p <= 0.05 for p in certain)
    assert all(one.n >= 30 for one in found)


def test_all_conditions_and_pairs_are_counted_also_those_that_were_not_looked_into() -> None:
    """Three plans, four ranges of age, six numbers of visits, two of membership, four of income and one without."""
    rows, _ = planted(lambda c: c["plan"] == "pro")
    conditions = np.array([3, 4, 6, 2, 5])
    pairs = (conditions.sum() ** 2 - (conditions**2).sum()) // 2
    assert {one.n_tried for one in find_weak_slices(*rows, seed=0)} == {conditions.sum() + pairs}


def test_the_gap_is_the_difference_of_mean_losses_and_the_score_that_of_the_rows_inside() -> None:
    rows, inside = planted(lambda c: c["plan"] == "pro")
    dataset, scored = rows
    first = find_weak_slices(dataset, scored, seed=0)[0]
    loss = -np.log(np.where(scored.target == 1, scored.prediction, 1 - scored.prediction))
    assert first.loss_gap == pytest.approx(loss[inside].mean() - loss[~inside].mean())
    from sklearn.metrics import roc_auc_score

    assert first.metric == "roc_auc"
    assert first.value == pytest.approx(roc_auc_score(scored.target[inside], scored.prediction[inside]))
    assert first.value is not None
    assert first.interval is not None
    assert first.value in first.interval


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_searched_and_the_search_repeated(task: Task) -> None:
    test, scored = on_test_rows(task)
    assert find_weak_slices(test, scored, seed=1) == find_weak_slices(test, scored, seed=1)
    assert main_metric(task) in {"roc_auc", "accuracy", "rmse"}


def test_few_rows_have_no_slices() -> None:
    rows, _ = planted(lambda c: c["plan"] == "pro")
    few = np.arange(50)
    assert find_weak_slices(rows[0].take(few), rows[1].take(few), seed=0) == []


def test_a_model_without_loss_has_no_weak_slices() -> None:
    p, drawn = chances(300)
    dataset, scored = told({"x": np.arange(300.0), "c": ["a", "b", "c"] * 100}, p, drawn)
    assert find_weak_slices(dataset, Scored(target=scored.target, prediction=scored.target), seed=0) == []


# --------------------------------------------------------------------------------------------------- sensitive columns


def test_every_group_of_a_sensitive_column_is_shown_worse_or_not() -> None:
    frame = mixed_frame(400)
    p, drawn = chances(400)
    rows = told({"city": frame["city"], "member": frame["member"], "age": frame["age"]}, p, drawn)
    found = sensitive_slices(*rows, ("city", "member"), seed=0)
    cities = frame["city"].value_counts(sort=True, name="n").drop_nulls()
    shown = [(one.condition, one.n) for one in found]
    assert shown[: len(cities)] == [(f"city = {name}", n) for name, n in cities.iter_rows()]
    assert [condition for condition, _ in shown[len(cities) :]] == [
        "city is missing",
        "member is true",
        "member is false",
    ]
    assert all(one.p_adjusted is None for one in found)
    assert sum(n for condition, n in shown if condition.startswith("city")) == 400


def test_a_group_of_one_class_or_one_row_has_no_score_but_is_shown() -> None:
    p, drawn = chances(200)
    drawn[:5] = ["no"] * 5
    columns = {"x": np.arange(200.0), "city": ["Oslo"] * 5 + ["Bern"] + ["Rome"] * 194}
    found = {one.condition: one for one in sensitive_slices(*told(columns, p, drawn), ("city",), seed=0)}
    assert list(found) == ["city = Rome", "city = Oslo", "city = Bern"]
    for name, n in (("Oslo", 5), ("Bern", 1)):
        one = found[f"city = {name}"]
        assert (one.n, one.value, one.interval) == (n, None, None)
        assert all(r.value is None or np.isfinite(float(r.value)) for r in one.evidence(0, "sensitive"))


def test_each_slice_is_evidence_with_its_rows_and_how_many_were_tried() -> None:
    rows, _ = planted(lambda c: c["plan"] == "pro")
    first = find_weak_slices(*rows, seed=0)[0]
    score, gap = first.evidence(0, "weak")
    assert (score.id, gap.id) == ("slices.weak.0.roc_auc", "slices.weak.0.loss_gap")
    assert score.rows == gap.rows == "test rows where plan = pro"
    assert f"Bonferroni over {first.n_tried} slices" in gap.method
    assert (score.n, gap.n) == (first.n, first.n)
