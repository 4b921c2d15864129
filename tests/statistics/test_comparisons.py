from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest
from tests.statistics.rows import Kind, made, real

from mlwright.core import Interval
from mlwright.statistics import METRICS, Comparison, Scored, compare, mean_interval, smallest_detectable_difference

BY_TASK = [(m.name, task) for m in METRICS.values() for task in m.tasks if not (m.needs_interval or m.needs_cost)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def other_model(scored: Scored, *, seed: int = 99) -> Scored:
    """Predictions of the same rows by a model that is a little worse."""
    noise = rng(seed)
    if scored.prediction.ndim == 2:
        blurred = scored.prediction + 0.5 * noise.random(scored.prediction.shape)
        return replace(scored, prediction=blurred / blurred.sum(axis=1, keepdims=True))
    if scored.low is not None:
        return replace(scored, prediction=scored.prediction + noise.normal(0, 5, len(scored)))
    return replace(scored, prediction=np.clip(scored.prediction + noise.normal(0, 0.3, len(scored)), 0.01, 0.99))


@pytest.mark.parametrize("changes", [{}, {"weighted": True, "groups": 25}], ids=["plain", "weighted and grouped"])
@pytest.mark.parametrize(("name", "task"), BY_TASK)
def test_the_gain_is_the_difference_of_the_scores_and_turns_with_the_order(
    name: str, task: Kind, changes: dict[str, int]
) -> None:
    metric = METRICS[name]
    first = made(task, 80, **changes)  # type: ignore[arg-type]
    second = other_model(first)
    there, back = compare(metric, first, second, rng=rng()), compare(metric, second, first, rng=rng())
    assert there.gain == pytest.approx(metric.gain(metric.compute(first), metric.compute(second)))
    assert back.gain == pytest.approx(-there.gain)
    assert (back.interval.low, back.interval.high) == pytest.approx((-there.interval.high, -there.interval.low))
    assert back.p_value == pytest.approx(there.p_value)
    assert there.interval.low < there.gain < there.interval.high
    assert 0 < there.p_value <= 1
    assert there.clear == (there.p_value < 0.05) == back.clear


@pytest.mark.parametrize(("name", "task"), BY_TASK)
def test_equal_predictions_have_no_gain(name: str, task: Kind) -> None:
    scored = made(task, 50, weighted=True)
    found = compare(METRICS[name], scored, scored, rng=rng())
    assert (found.gain, found.interval.low, found.interval.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert not found.clear


@pytest.mark.parametrize(
    ("name", "task", "changes", "method"),
    [
        ("accuracy", "multiclass", {"groups": 9}, "paired differences"),
        ("rmse", "regression", {"weighted": True}, "paired differences"),
        ("roc_auc", "binary", {}, "DeLong's test"),
        ("roc_auc", "binary", {"weighted": True}, "paired bootstrap, 1000 repetitions"),
        ("roc_auc", "multiclass", {}, "paired bootstrap, 1000 repetitions"),
        ("f1", "binary", {"groups": 9}, "paired bootstrap, 1000 repetitions"),
    ],
)
def test_the_method_fits_the_metric_and_is_named(name: str, task: Kind, changes: dict[str, int], method: str) -> None:
    scored = made(task, 50, **changes)  # type: ignore[arg-type]
    assert compare(METRICS[name], scored, other_model(scored), rng=rng()).method == method


@pytest.mark.parametrize("changes", [{}, {"weighted": True}, {"groups": 25}, {"weighted": True, "groups": 25}])
@pytest.mark.parametrize("name", ["mae", "mape"])
def test_errors_are_compared_by_their_difference_per_row(name: str, changes: dict[str, int]) -> None:
    metric = METRICS[name]
    assert metric.per_row is not None
    first = made("regression", 100, **changes)  # type: ignore[arg-type]
    second = other_model(first)
    difference = metric.per_row(second) - metric.per_row(first)
    expected = mean_interval(difference, weight=first.weight, group=first.group)
    found = compare(metric, first, second, rng=rng())
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))


def test_two_areas_are_compared_as_delong_says() -> None:
    for first in (made("binary", 60), made("binary", 60, ties=True), real("binary")):
        second = other_model(first)
        positive = first.target == 1
        components = []
        for scored in (first, second):
            up, down = scored.prediction[positive], scored.prediction[~positive]
            wins = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in down] for x in up])
            components.append((wins.mean(axis=1), wins.mean(axis=0)))
        # The covariance matrices of the paper, contrasted with (1, -1).
        contrast = np.array([1.0, -1.0])
        of_positive = np.cov([components[0][0], components[1][0]])
        of_other = np.cov([components[0][1], components[1][1]])
        variance = contrast @ (of_positive / positive.sum() + of_other / (~positive).sum()) @ contrast
        found = compare(METRICS["roc_auc"], first, second, rng=rng())
        assert found.gain == pytest.approx(components[0][0].mean() - components[1][0].mean())
        half = 1.959964 * np.sqrt(variance)
        assert (found.interval.low, found.interval.high) == pytest.approx((found.gain - half, found.gain + half))


def test_an_area_without_two_rows_of_each_class_tells_nothing() -> None:
    first = Scored(target=np.array([1.0, 0, 0, 0]), prediction=np.array([0.9, 0.1, 0.2, 0.3]))
    found = compare(METRICS["roc_auc"], first, replace(first, prediction=-first.prediction), rng=rng())
    assert found.gain == 1.0
    assert found.interval == Interval(low=-np.inf, high=np.inf, confidence=0.95)
    assert found.p_value == 1.0
    assert not found.clear


def test_a_difference_that_is_the_same_for_every_row_is_certain() -> None:
    first = Scored(target=np.zeros(10), prediction=np.ones(10))
    found = compare(METRICS["mae"], first, replace(first, prediction=np.full(10, 1.5)), rng=rng())
    assert (found.gain, found.interval.low, found.interval.high, found.p_value) == (0.5, 0.5, 0.5, 0.0)


def test_rows_of_a_group_do_not_make_a_gain_surer() -> None:
    first = made("regression", 60)
    second = other_model(first)
    rows, group = np.repeat(np.arange(60), 5), np.repeat(np.arange(60), 5)
    alone = compare(METRICS["mae"], first, second, rng=rng())
    grouped = compare(
        METRICS["mae"], replace(first.take(rows), group=group), replace(second.take(rows), group=group), rng=rng()
    )
    blind = compare(METRICS["mae"], first.take(rows), second.take(rows), rng=rng())
    assert grouped.p_value == pytest.approx(alone.p_value)
    assert blind.p_value < alone.p_value


def equally_good(task: Kind, seed: int) -> tuple[Scored, Scored]:
    """The same model with noise, twice: no difference but chance."""
    scored = made(task, 100, seed=seed)
    return other_model(scored, seed=2 * seed), other_model(scored, seed=2 * seed + 1)


@pytest.mark.parametrize(
    ("name", "task", "times"),
    [
        ("log_loss", "binary", 500),
        ("accuracy", "multiclass", 500),
        ("roc_auc", "binary", 500),
        ("mae", "regression", 500),
        ("rmse", "regression", 500),
        ("f1", "binary", 60),
    ],
)
def test_where_there_is_no_difference_a_p_value_is_as_often_small_as_large(name: str, task: Kind, times: int) -> None:
    pairs = (equally_good(task, seed) for seed in range(times))
    found = [compare(METRICS[name], first, second, rng=rng(i)) for i, (first, second) in enumerate(pairs)]
    p_values = np.array([one.p_value for one in found])
    limit = 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / times)
    assert 0.01 < np.mean(p_values < 0.05) < limit
    if name not in {"accuracy", "f1"}:  # their p-values take few values
        assert kstest(p_values, "uniform").pvalue > 0.001
    assert np.mean([one.gain > 0 for one in found]) == pytest.approx(0.5, abs=2.5 * 0.5 / np.sqrt(times) + 0.06)


def noisier(scored: Scored, seed: int) -> tuple[Scored, Scored]:
    little, much = rng(2 * seed), rng(2 * seed + 1)
    n = len(scored)
    return (
        replace(scored, prediction=scored.target + little.normal(0, 5, n)),
        replace(scored, prediction=scored.target + much.normal(0, 7, n)),
    )


@pytest.mark.parametrize("name", ["mae", "rmse"])
def test_the_interval_of_a_gain_holds_the_true_gain_as_often_as_it_says(name: str) -> None:
    # The mean of |N(0, s)| is s sqrt(2 / pi), the root of the mean of its square is s.
    truth = 2.0 * (np.sqrt(2 / np.pi) if name == "mae" else 1.0)
    found: list[Comparison] = []
    for seed in range(300):
        first, second = noisier(made("regression", 100, seed=seed), seed)
        found.append(compare(METRICS[name], first, second, rng=rng()))
    held = np.mean([truth in one.interval for one in found])
    assert 0.9 <= held <= 0.99
    assert np.mean([one.clear for one in found]) > 0.8


@pytest.mark.parametrize("power", [0.5, 0.8])
def test_the_smallest_difference_that_is_found_is_found_as_often_as_the_power_says(power: float) -> None:
    n = 100
    least = smallest_detectable_difference(np.tile([-1.0, 1.0], n // 2), power=power)
    found = 0
    for seed in range(400):
        errors = 50 + rng(seed).normal(least, 1.0, n)
        first = Scored(target=np.zeros(n), prediction=np.full(n, 50.0))
        found += compare(METRICS["mae"], first, replace(first, prediction=errors), rng=rng()).clear
    assert found / 400 == pytest.approx(power, abs=0.07)


def test_more_rows_find_smaller_differences_and_one_row_finds_none() -> None:
    difference = rng().normal(size=50)
    few = smallest_detectable_difference(difference)
    assert smallest_detectable_difference(np.tile(difference, 4)) == pytest.approx(few / 2, rel=0.02)
    assert smallest_detectable_difference(difference, power=0.9) > few
    assert smallest_detectable_difference(difference, confidence=0.99) > few
    assert few == pytest.approx((1.959964 + 0.841621) * difference.std(ddof=1) / np.sqrt(50))
    assert smallest_detectable_difference(difference[:1]) == float("inf")
