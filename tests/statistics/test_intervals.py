from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit, ndtri
from scipy.stats import t as student
from tests.statistics.rows import Kind, made, real

from mlwright.core import Interval
from mlwright.statistics import (
    METRICS,
    Scored,
    auc_interval,
    bootstrap_interval,
    mean_interval,
    score_with_interval,
    wilson_interval,
)
from mlwright.statistics.intervals import auc_placements, resampled_counts
from mlwright.statistics.scored import FloatArray

BY_TASK = [(metric.name, task) for metric in METRICS.values() for task in metric.tasks if not metric.needs_cost]


def ends(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    return interval.low, interval.high


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# Shares.


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_values(successes: int, n: int, low: float, high: float) -> None:
    # Newcombe (1998), Two-sided confidence intervals for the single proportion, Statistics in Medicine, table I.
    assert ends(wilson_interval(successes, n)) == pytest.approx((low, high), abs=5e-5)


@given(data=st.data(), n=st.integers(1, 500), confidence=st.floats(0.5, 0.999))
def test_the_ends_of_wilson_are_the_shares_that_just_fit_what_was_seen(
    data: st.DataObject, n: int, confidence: float
) -> None:
    successes = data.draw(st.integers(0, n))
    interval = wilson_interval(successes, n, confidence=confidence)
    z = ndtri(0.5 + confidence / 2)
    for end in (interval.low, interval.high):
        assert (successes / n - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / n, rel=1e-6, abs=1e-12)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1
    other = wilson_interval(n - successes, n, confidence=confidence)
    assert ends(other) == pytest.approx((1 - interval.high, 1 - interval.low), abs=1e-12)


def test_a_share_of_nothing_may_be_anything() -> None:
    assert ends(wilson_interval(0, 0)) == (0.0, 1.0)


# Means.


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.floats(0.5, 0.999))
def test_the_interval_of_a_mean_is_students(values: list[float], confidence: float) -> None:
    array = np.array(values)
    error = array.std(ddof=1) / np.sqrt(len(array))
    half = student.ppf(0.5 + confidence / 2, len(array) - 1) * error
    expected = (array.mean() - half, array.mean() + half)
    assert ends(mean_interval(array, confidence=confidence)) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_both_ends_of_the_interval_of_a_skewed_mean_miss_about_equally_often() -> None:
    def misses(skewed: bool) -> tuple[float, float]:
        drawn = rng(3).exponential(size=(4000, 40)) ** 2  # its mean is 2
        ends_ = [ends(mean_interval(values, confidence=0.8, skewed=skewed)) for values in drawn]
        low, high = np.array(ends_).T
        return float((low > 2).mean()), float((high < 2).mean())

    (low, high), (plain_low, plain_high) = misses(True), misses(False)
    assert abs(high - low) < 0.5 * abs(plain_high - plain_low)
    assert high < plain_high


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.floats(0.5, 0.999))
def test_the_interval_of_a_skewed_mean_holds_the_mean(values: list[float], confidence: float) -> None:
    array = np.array(values)
    low, high = ends(mean_interval(array, confidence=confidence, skewed=True))
    assert low <= array.mean() + 1e-9
    assert array.mean() - 1e-9 <= high


def test_the_interval_of_a_weighted_mean_is_that_of_a_ratio() -> None:
    values, weight = rng().normal(size=50), rng(1).random(50)
    mean = (weight * values).sum() / weight.sum()
    # Cochran (1977), 6.4: the variance of sum(wy) / sum(w) from the residuals w (y - mean).
    variance = 50 / 49 * sum((w * (y - mean)) ** 2 for w, y in zip(weight, values, strict=True)) / weight.sum() ** 2
    half = student.ppf(0.975, 49) * np.sqrt(variance)
    assert ends(mean_interval(values, weight=weight)) == pytest.approx((mean - half, mean + half))


def test_equal_weights_are_no_weights() -> None:
    values = rng().normal(size=20)
    assert ends(mean_interval(values, weight=np.full(20, 3.0))) == pytest.approx(ends(mean_interval(values)))


def test_rows_without_weight_are_no_rows() -> None:
    values = rng().normal(size=20)
    weight = (np.arange(20) < 12).astype(float)
    assert ends(mean_interval(values, weight=weight)) == pytest.approx(ends(mean_interval(values[:12])))


@pytest.mark.parametrize("weight", [None, np.array([1.0, 2.0, 0.5])])
def test_values_that_do_not_vary_have_a_mean_without_doubt(weight: FloatArray | None) -> None:
    assert ends(mean_interval(np.full(3, 0.25), weight=weight)) == (0.25, 0.25)


def test_rows_that_are_copies_of_one_another_are_one_row_where_they_are_a_group() -> None:
    values = rng().normal(size=30)
    group = np.repeat(np.arange(30), 4)
    assert ends(mean_interval(np.repeat(values, 4), group=group)) == pytest.approx(ends(mean_interval(values)))
    assert ends(mean_interval(values, group=np.arange(30)[::-1])) == pytest.approx(ends(mean_interval(values)))


@pytest.mark.parametrize(
    ("values", "weight", "group"),
    [
        (np.array([1.0]), None, None),
        (np.array([1.0, 2.0]), np.array([1.0, 0.0]), None),
        (np.array([1.0, 2.0]), np.zeros(2), None),
        (np.array([1.0, 2.0]), None, np.array([7, 7])),
    ],
)
def test_one_row_or_one_group_says_nothing_about_the_others(
    values: FloatArray, weight: FloatArray | None, group: np.ndarray | None
) -> None:
    assert ends(mean_interval(values, weight=weight, group=group)) == (-np.inf, np.inf)


# ROC AUC.


def placements_one_by_one(positive: np.ndarray, score: FloatArray) -> tuple[list[float], list[float]]:
    """DeLong's components by comparing every positive row with every other row."""
    up, down = score[positive], score[~positive]
    wins = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in down] for x in up])
    return wins.mean(axis=1).tolist(), wins.mean(axis=0).tolist()


@given(seed=st.integers(0, 10**6), ties=st.booleans(), n=st.integers(4, 40))
def test_placements_are_what_comparing_all_pairs_gives(seed: int, ties: bool, n: int) -> None:
    scored = made("binary", n, seed=seed, ties=ties)
    positive = np.arange(n) % 3 == 0
    found, expected = auc_placements(positive, scored.prediction), placements_one_by_one(positive, scored.prediction)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_the_interval_of_the_auc_is_delongs_on_the_logit_scale(ties: bool) -> None:
    scored = made("binary", 80, ties=ties)
    positive = scored.target == 1
    of_positive, of_other = placements_one_by_one(positive, scored.prediction)
    auc = np.mean(of_positive)
    variance = np.var(of_positive, ddof=1) / len(of_positive) + np.var(of_other, ddof=1) / len(of_other)
    half = 1.959964 * np.sqrt(variance) / (auc * (1 - auc))
    found = ends(auc_interval(positive, scored.prediction))
    assert logit(found) == pytest.approx([logit(auc) - half, logit(auc) + half], rel=1e-6)
    assert found[0] < METRICS["roc_auc"].compute(scored) < found[1]


def test_an_auc_that_cannot_be_better_is_still_not_certain() -> None:
    positive = np.arange(30) < 10
    least = 0.025 ** (1 / 10)
    assert ends(auc_interval(positive, positive.astype(float))) == pytest.approx((least, 1.0))
    assert ends(auc_interval(positive, -positive.astype(float))) == pytest.approx((0.0, 1 - least))
    assert auc_interval(np.arange(30) < 1, np.arange(30.0)) is None


# The bootstrap.


def test_rows_are_drawn_with_replacement_and_as_many_as_there_are() -> None:
    counts = np.array(list(resampled_counts(50, None, rng(), 400)))
    assert counts.shape == (400, 50)
    assert (counts.sum(axis=1) == 50).all()
    assert counts.mean() == 1.0
    assert counts.var() == pytest.approx(0.98, abs=0.03)  # of a multinomial: 1 - 1/50


def test_rows_of_a_group_are_drawn_together_and_as_many_groups_as_there_are() -> None:
    group = np.array([7, 7, 3, 3, 3, 9, 7])
    for counts in resampled_counts(7, group, rng(), 50):
        per_group = [set(counts[group == g]) for g in (3, 7, 9)]
        assert all(len(values) == 1 for values in per_group)
        assert sum(values.pop() for values in per_group) == 3


@pytest.mark.parametrize(("name", "task"), BY_TASK)
def test_a_bootstrap_gives_the_same_numbers_for_the_same_seed_and_holds_the_score(name: str, task: Kind) -> None:
    scored = made(task, 120)
    first, repetitions = bootstrap_interval(METRICS[name], scored, rng=rng(1), repetitions=200)
    again, _ = bootstrap_interval(METRICS[name], scored, rng=rng(1), repetitions=200)
    assert repetitions == 200
    assert first == again
    assert first is not None
    assert first.low <= METRICS[name].compute(scored) <= first.high
    assert first.low < first.high


@pytest.mark.parametrize("name", ["rmse", "mae"])
def test_a_bootstrap_that_knows_of_groups_is_less_sure_of_clustered_rows(name: str) -> None:
    alone = made("regression", 60)
    clustered = alone.take(np.repeat(np.arange(60), 5))  # each row five times: five times as many rows, no more facts
    grouped = replace(clustered, group=np.repeat(np.arange(60), 5))

    def width(scored: Scored) -> float:
        low, high = ends(bootstrap_interval(METRICS[name], scored, rng=rng(), repetitions=400)[0])
        return high - low

    assert width(grouped) == pytest.approx(width(alone), rel=0.2)
    assert width(grouped) == pytest.approx(np.sqrt(5) * width(clustered), rel=0.2)


def test_a_large_table_is_drawn_less_often() -> None:
    metric = METRICS["mae"]
    large = made("regression", 100_001)
    assert bootstrap_interval(metric, large, rng=rng(), repetitions=1000)[1] == 200


def test_a_score_that_is_not_a_number_has_no_interval() -> None:
    ones = Scored(target=np.ones(30), prediction=rng().random(30))
    assert bootstrap_interval(METRICS["roc_auc"], ones, rng=rng())[0] is None
    found = score_with_interval(METRICS["roc_auc"], ones, rng=rng())
    assert np.isnan(found.value)
    assert found.interval is None


# The one that is chosen.


@pytest.mark.parametrize(
    ("name", "task", "changes", "method"),
    [
        ("accuracy", "binary", {}, "accuracy; Wilson interval"),
        ("recall", "binary", {}, "recall; Wilson interval"),
        ("interval_coverage", "regression", {}, "coverage of the prediction interval; Wilson interval"),
        ("accuracy", "multiclass", {"weighted": True}, "bootstrap of rows, 1000 repetitions, bias-corrected"),
        ("accuracy", "binary", {"groups": 20}, "accuracy; bootstrap of groups, 1000 repetitions, bias-corrected"),
        ("log_loss", "multiclass", {}, "log loss; Student interval of the mean, corrected for skewness"),
        (
            "rmse",
            "regression",
            {"weighted": True, "groups": 20},
            "RMSE; Student interval of the mean, corrected for skewness",
        ),
        ("roc_auc", "binary", {}, "ROC AUC; DeLong interval"),
        ("roc_auc", "binary", {"groups": 20}, "ROC AUC; bootstrap of groups"),
        ("roc_auc", "multiclass", {}, "ROC AUC; bootstrap of rows"),
        ("f1", "binary", {}, "F1; bootstrap of rows"),
        ("r2", "regression", {}, "R²; bootstrap of rows"),
    ],
)
def test_the_method_fits_the_metric_and_the_rows_and_is_named(
    name: str, task: Kind, changes: dict[str, int], method: str
) -> None:
    scored = made(task, 100, **changes)  # type: ignore[arg-type]
    found = score_with_interval(METRICS[name], scored, rng=rng())
    assert method in found.method
    assert found.value == METRICS[name].compute(scored)
    assert found.interval is not None
    assert found.interval.low < found.value < found.interval.high
    wider = score_with_interval(METRICS[name], scored, rng=rng(), confidence=0.99).interval
    assert wider is not None
    assert wider.low < found.interval.low
    assert wider.high > found.interval.high


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize(("name", "task"), BY_TASK)
def test_too_few_rows_have_no_interval(name: str, task: Kind, n: int) -> None:
    found = score_with_interval(METRICS[name], made(task, 20).take(np.arange(n)), rng=rng())
    assert found.interval is None
    assert "too few rows" in found.method


def test_the_interval_of_an_rmse_is_that_of_the_mean_square_with_its_root() -> None:
    scored = real("regression")
    found = score_with_interval(METRICS["rmse"], scored, rng=rng())
    squares = mean_interval((scored.prediction - scored.target) ** 2, skewed=True)
    assert ends(found.interval) == pytest.approx((np.sqrt(squares.low), np.sqrt(squares.high)))


def test_an_error_is_never_below_nothing() -> None:
    scored = Scored(target=np.zeros(5), prediction=np.array([0.0, 0, 9, 9, 9]))
    assert ends(score_with_interval(METRICS["mae"], scored, rng=rng()).interval)[0] == 0.0


# Does a 95 % interval hold the truth in about 95 of 100 cases?


def binary_rows(seed: int, n: int) -> Scored:
    return made("binary", n, seed=seed)


def weighted_rows(seed: int, n: int) -> Scored:
    scored = made("binary", n, seed=seed)
    return scored.weighted(1.0 + 2.0 * scored.prediction)


def regression_rows(seed: int, n: int) -> Scored:
    return made("regression", n, seed=seed)


def clustered_rows(seed: int, n: int) -> Scored:
    """Groups of five rows that share most of their error."""
    draw = np.random.default_rng(seed)
    groups = n // 5
    error = np.repeat(draw.normal(size=groups), 5) + 0.3 * draw.normal(size=groups * 5)
    target = draw.normal(0, 2, groups * 5)
    return Scored(target=target, prediction=target + error, group=np.repeat(np.arange(groups), 5))


def quick(name: str) -> Callable[[Scored], Interval | None]:
    return lambda scored: score_with_interval(METRICS[name], scored, rng=rng()).interval


def drawn(name: str) -> Callable[[Scored], Interval | None]:
    return lambda scored: bootstrap_interval(METRICS[name], scored, rng=rng(), repetitions=200)[0]


@pytest.mark.parametrize(
    ("rows", "name", "interval", "n"),
    [
        (binary_rows, "accuracy", quick("accuracy"), 60),
        (binary_rows, "precision", quick("precision"), 60),
        (regression_rows, "interval_coverage", quick("interval_coverage"), 60),
        (regression_rows, "mae", quick("mae"), 60),
        (regression_rows, "rmse", quick("rmse"), 100),
        (binary_rows, "log_loss", quick("log_loss"), 100),
        (weighted_rows, "brier", quick("brier"), 100),
        (clustered_rows, "mae", quick("mae"), 200),
        (binary_rows, "roc_auc", quick("roc_auc"), 60),
        (regression_rows, "r2", drawn("r2"), 100),
        (weighted_rows, "accuracy", drawn("accuracy"), 100),
        (clustered_rows, "rmse", drawn("rmse"), 300),
    ],
    ids=lambda value: getattr(value, "__name__", None) if callable(value) else None,
)
def test_an_interval_holds_the_truth_as_often_as_it_says(
    rows: Callable[[int, int], Scored], name: str, interval: Callable[[Scored], Interval | None], n: int
) -> None:
    truth = METRICS[name].compute(rows(12345, 200_000))
    found = [interval(rows(seed, n)) for seed in range(300)]
    held = np.mean([one is not None and one.low <= truth <= one.high for one in found])
    assert 0.9 <= held <= 0.99


def test_an_interval_that_does_not_know_of_groups_is_too_sure() -> None:
    truth = METRICS["mae"].compute(clustered_rows(12345, 200_000))
    blind = [quick("mae")(replace(clustered_rows(seed, 200), group=None)) for seed in range(300)]
    assert np.mean([one is not None and one.low <= truth <= one.high for one in blind]) < 0.8
