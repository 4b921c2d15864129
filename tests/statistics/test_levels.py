"""Metrics at a level and in money, against scikit-learn's curves and plain counting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st
from tests.statistics.rows import made, real, repeated
from tests.support import spec_for

from mlwright.statistics import (
    DECISION_METRICS,
    METRICS,
    LevelMissing,
    Metric,
    MetricUnknown,
    MoneyMissing,
    Scored,
    default_metrics,
    mean_interval,
    required_metrics,
    score_with_interval,
)

LEVELS = (0.05, 0.3, 0.6, 0.9, 1.0)
AT_LEVELS = [name for name, metric in DECISION_METRICS.items() if metric.needs in {"level", "top"}]


def oracle(name: str, scored: Scored, level: float) -> float:
    y, p, w = scored.target, scored.prediction, scored.weight
    if name in {"precision_at_recall", "recall_at_precision"}:
        precision, recall, _ = sk.precision_recall_curve(y, p, sample_weight=w)
        precision, recall = precision[:-1], recall[:-1]  # its last point belongs to no threshold
        if name == "precision_at_recall":
            return float(precision[recall >= level - 1e-12].max())
        return float(recall[precision >= level - 1e-12].max(initial=0.0))
    # Every order of rows with the same score is as likely as the others: count row by row, and share out ties.
    w = np.ones(len(y)) if w is None else w
    room = level * w.sum()
    found = 0.0
    for value in sorted(set(p), reverse=True):
        same = p == value
        taken = min(room / w[same].sum(), 1.0) if w[same].sum() > 0 else 1.0
        found += taken * (w * y)[same].sum()
        room -= taken * w[same].sum()
    in_top, positives = found / (level * w.sum()), (w * y).sum()
    return float(
        {
            "precision_at_top": in_top,
            "recall_at_top": found / positives,
            "lift_at_top": in_top / (positives / w.sum()),
        }[name]
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("ties", [False, True], ids=["", "ties"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("name", AT_LEVELS)
def test_a_metric_at_a_level_is_what_the_oracle_says(name: str, weighted: bool, ties: bool, level: float) -> None:
    for scored in (
        *(made("binary", 150, seed=seed, ties=ties, weighted=weighted) for seed in range(3)),
        real("binary"),
    ):
        expected = oracle(name, scored, level)
        assert DECISION_METRICS[name].at(level).compute(scored) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", AT_LEVELS)
@given(seed=st.integers(0, 10**6), ties=st.booleans(), level=st.sampled_from(LEVELS))
def test_neither_the_order_of_rows_nor_writing_one_twice_matters(
    name: str, seed: int, ties: bool, level: float
) -> None:
    metric, scored = DECISION_METRICS[name].at(level), made("binary", 40, seed=seed, ties=ties)
    order = np.random.default_rng(seed).permutation(len(scored))
    assert metric.compute(scored) == pytest.approx(metric.compute(scored.take(order)), nan_ok=True)
    scored = scored.weighted(np.random.default_rng(seed).integers(0, 4, len(scored)).astype(float))
    assert metric.compute(scored) == pytest.approx(metric.compute(repeated(scored)), nan_ok=True)


@pytest.mark.parametrize("name", AT_LEVELS)
def test_without_a_positive_row_or_a_row_that_counts_there_is_no_number_that_misleads(name: str) -> None:
    metric, scored = DECISION_METRICS[name].at(0.3), made("binary", 30)
    assert np.isnan(metric.compute(scored.take(np.zeros(30, dtype=bool))))
    assert np.isnan(metric.compute(scored.weighted(np.zeros(30))))
    none = metric.compute(replace(scored, target=np.zeros(30)))
    assert none == 0.0 if name == "precision_at_top" else np.isnan(none)


def test_a_precision_that_no_threshold_reaches_finds_nothing() -> None:
    scored = Scored(target=np.array([0.0, 1, 0, 1]), prediction=np.array([0.9, 0.5, 0.4, 0.3]))
    assert DECISION_METRICS["recall_at_precision"].at(0.8).compute(scored) == 0.0
    assert DECISION_METRICS["recall_at_precision"].at(0.5).compute(scored) == 1.0


@pytest.mark.parametrize("name", AT_LEVELS)
def test_its_interval_is_a_bootstrap_around_it(name: str) -> None:
    level = 0.95 if name == "recall_at_precision" else 0.3
    found = score_with_interval(DECISION_METRICS[name].at(level), real("binary"), rng=np.random.default_rng(0))
    assert found.interval is not None
    assert found.interval.low <= found.value <= found.interval.high
    assert found.interval.low < found.interval.high
    assert "bootstrap of rows" in found.method


def test_value_is_the_mean_of_what_was_earned_and_may_be_negative() -> None:
    scored = made("binary", 200, weighted=True)
    earned = np.random.default_rng(0).normal(-3, 10, 200)
    scored = replace(scored, earned=earned)
    value, of_period = DECISION_METRICS["value"].at(1.0), DECISION_METRICS["value_per_period"].at(500)
    assert value.compute(scored) == pytest.approx(np.average(earned, weights=scored.weight))
    assert of_period.compute(scored) == pytest.approx(500 * value.compute(scored))
    some = scored.take(np.arange(50))
    assert value.compute(some) == pytest.approx(np.average(earned[:50], weights=scored.weight[:50]))  # type: ignore[index]
    plain = replace(scored, weight=None)
    found = score_with_interval(value, plain, rng=np.random.default_rng(0)).interval
    assert found is not None
    student = mean_interval(earned)
    width = student.high - student.low
    assert (found.low, found.high) == pytest.approx((student.low, student.high), abs=0.15 * width)
    assert found.high < 0
    assert np.isnan(value.compute(replace(scored, earned=None)))


def test_what_is_always_reported_needs_no_level() -> None:
    for task in ("binary", "multiclass", "regression"):
        assert not {metric.name for metric in default_metrics(task)} & set(DECISION_METRICS)
    assert not set(METRICS) & set(DECISION_METRICS)


def required(decision: dict[str, Any] | None = None, share: float | None = None, **requirement: Any) -> Metric:
    given = {"id": "R1", "min": 0.4, **requirement}
    (metric,) = required_metrics(spec_for("y", requirements=[given], decision=decision or {}), "binary", share=share)
    return metric


def test_a_requirement_names_its_level_or_takes_that_of_the_capacity() -> None:
    scored = made("binary", 100)
    metric = required(metric="precision_at_recall", at=0.6)
    assert metric.title == "precision at a recall of 60 %"
    assert metric.compute(scored) == pytest.approx(oracle("precision_at_recall", scored, 0.6))
    assert required(metric="lift_at_top", share=0.2).title == "lift of the top 20 %"
    assert required(metric="lift_at_top", share=0.2, at=0.1).title == "lift of the top 10 %"
    assert required(metric="roc_auc") is METRICS["roc_auc"]
    money = {"values": {"true_positive": 1}, "volume": {"count": 1200, "per": "week"}}
    assert required(money, metric="value_per_period").title == "value of 1,200 rows"


@pytest.mark.parametrize(
    ("requirement", "decision", "error", "words"),
    [
        ({"metric": "precision_at_recall"}, {}, LevelMissing, "add `at`, e.g. `at: 0.6`"),
        ({"metric": "lift_at_top"}, {}, LevelMissing, "or give `decision.capacity`"),
        ({"metric": "accuracy", "at": 0.3}, {}, LevelMissing, "remove `at`"),
        ({"metric": "value", "at": 0.3}, {"values": {"true_positive": 1}}, LevelMissing, "remove `at`"),
        ({"metric": "value"}, {}, MoneyMissing, "give `decision.values`"),
        ({"metric": "value_per_period"}, {"values": {"true_positive": 1}}, LevelMissing, "give `decision.volume`"),
        ({"metric": "precision_at_recal"}, {}, MetricUnknown, "did you mean 'precision_at_recall'"),
    ],
)
def test_what_cannot_be_measured_is_an_error_that_says_what_to_write(
    requirement: dict[str, Any], decision: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        required(decision, **requirement)
    assert words in caught.value.fix  # type: ignore[attr-defined]
    assert "requirements" in caught.value.where  # type: ignore[attr-defined]


def test_of_other_tasks_there_is_no_such_metric() -> None:
    spec = spec_for("y", requirements=[{"id": "R1", "metric": "lift_at_top", "min": 2, "at": 0.1}])
    with pytest.raises(MetricUnknown, match="no metric 'lift_at_top' for a regression task"):
        required_metrics(spec, "regression")
