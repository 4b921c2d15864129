from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from tests.statistics.rows import Kind, made, real, repeated

from mlwright.statistics import METRICS, Metric, MetricUnknown, Scored, default_metrics, metric_named, objective_of
from mlwright.statistics.classification import CALIBRATION_BINS, class_probabilities, confusion_matrix

BY_TASK = [(m.name, task) for m in METRICS.values() for task in m.tasks if not m.needs_cost]


def calibration_error(y: Any, p: Any, w: Any) -> float:
    """Slow and plain: rows with the same probability go together into the bin that the middle of their weight is in."""
    hit, probability = (y == 1, p) if p.ndim == 1 else (p.argmax(axis=1) == y, p.max(axis=1))
    gaps = [0.0] * CALIBRATION_BINS
    before = 0.0
    for value in sorted(set(probability)):
        same = probability == value
        weight = w[same].sum()
        middle = (before + weight / 2) / w.sum()
        gaps[min(int(middle * CALIBRATION_BINS), CALIBRATION_BINS - 1)] += (w[same] * (value - hit[same])).sum()
        before += weight
    return float(sum(map(abs, gaps)) / w.sum())


def brier_of_classes(y: Any, p: Any, w: Any) -> float:
    return float(np.average(((p - np.eye(p.shape[1])[y.astype(int)]) ** 2).sum(axis=1), weights=w))


def decided(p: Any) -> Any:
    return p.argmax(axis=1) if p.ndim == 2 else (p >= 0.5).astype(int)


ORACLES: dict[tuple[str, Kind], Callable[[Any, Any, Any], float]] = {
    ("log_loss", "binary"): lambda y, p, w: sk.log_loss(y, p, sample_weight=w),
    ("log_loss", "multiclass"): lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=[0, 1, 2]),
    ("brier", "binary"): lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w),
    ("brier", "multiclass"): brier_of_classes,
    ("roc_auc", "binary"): lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
    ("roc_auc", "multiclass"): lambda y, p, w: sk.roc_auc_score(
        y, p, sample_weight=w, multi_class="ovr", average="weighted"
    ),
    ("pr_auc", "binary"): lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
    ("calibration_error", "binary"): calibration_error,
    ("calibration_error", "multiclass"): calibration_error,
    ("accuracy", "binary"): lambda y, p, w: sk.accuracy_score(y, decided(p), sample_weight=w),
    ("accuracy", "multiclass"): lambda y, p, w: sk.accuracy_score(y, decided(p), sample_weight=w),
    ("balanced_accuracy", "binary"): lambda y, p, w: sk.balanced_accuracy_score(y, decided(p), sample_weight=w),
    ("balanced_accuracy", "multiclass"): lambda y, p, w: sk.balanced_accuracy_score(y, decided(p), sample_weight=w),
    ("precision", "binary"): lambda y, p, w: sk.precision_score(y, decided(p), sample_weight=w),
    ("recall", "binary"): lambda y, p, w: sk.recall_score(y, decided(p), sample_weight=w),
    ("specificity", "binary"): lambda y, p, w: sk.recall_score(y, decided(p), sample_weight=w, pos_label=0),
    ("f1", "binary"): lambda y, p, w: sk.f1_score(y, decided(p), sample_weight=w),
    ("f1", "multiclass"): lambda y, p, w: sk.f1_score(y, decided(p), sample_weight=w, average="macro"),
    ("mcc", "binary"): lambda y, p, w: sk.matthews_corrcoef(y, decided(p), sample_weight=w),
    ("mcc", "multiclass"): lambda y, p, w: sk.matthews_corrcoef(y, decided(p), sample_weight=w),
    ("rmse", "regression"): lambda y, p, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    ("mae", "regression"): lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w),
    ("mape", "regression"): lambda y, p, w: sk.mean_absolute_percentage_error(y, p, sample_weight=w),
    ("r2", "regression"): lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
}


def oracle(name: str, task: Kind, scored: Scored) -> float:
    weight = np.ones(len(scored)) if scored.weight is None else scored.weight
    if name == "interval_coverage":
        inside = [lo <= y <= hi for lo, y, hi in zip(scored.low, scored.target, scored.high, strict=True)]  # type: ignore[arg-type]
        return float(np.average(inside, weights=weight))
    return ORACLES[name, task](scored.target, scored.prediction, weight)


def test_every_metric_has_an_oracle() -> None:
    assert {*ORACLES, ("interval_coverage", "regression")} == set(BY_TASK)


@pytest.mark.parametrize("ties", [False, True], ids=["", "ties"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(("name", "task"), BY_TASK)
def test_a_metric_is_what_scikit_learn_says(name: str, task: Kind, weighted: bool, ties: bool) -> None:
    for seed in range(3):
        scored = made(task, 150, seed=seed, ties=ties, weighted=weighted)
        assert METRICS[name].compute(scored) == pytest.approx(oracle(name, task, scored), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("name", "task"), BY_TASK)
def test_a_metric_is_what_scikit_learn_says_on_a_real_table(name: str, task: Kind) -> None:
    scored = real(task)
    assert METRICS[name].compute(scored) == pytest.approx(oracle(name, task, scored), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc"])
def test_a_decision_that_is_given_is_judged_and_not_the_probability(name: str) -> None:
    plain = made("binary", 150)
    other = Scored(target=plain.target, prediction=plain.prediction, decision=(plain.prediction >= 0.3).astype(int))
    moved = Scored(target=plain.target, prediction=plain.prediction + 0.2)
    assert METRICS[name].compute(other) == pytest.approx(METRICS[name].compute(moved))
    assert METRICS[name].compute(other) != pytest.approx(METRICS[name].compute(plain))


@pytest.mark.parametrize(("name", "task"), BY_TASK)
@given(seed=st.integers(0, 10**6), ties=st.booleans(), weighted=st.booleans())
def test_the_order_of_rows_does_not_matter(name: str, task: Kind, seed: int, ties: bool, weighted: bool) -> None:
    scored = made(task, 40, seed=seed, ties=ties, weighted=weighted)
    order = np.random.default_rng(seed).permutation(len(scored))
    both = METRICS[name].compute(scored), METRICS[name].compute(scored.take(order))
    assert both[0] == pytest.approx(both[1], rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(("name", "task"), BY_TASK)
@given(seed=st.integers(0, 10**6), ties=st.booleans())
def test_a_weight_of_two_is_the_row_twice_and_a_weight_of_nothing_no_row(
    name: str, task: Kind, seed: int, ties: bool
) -> None:
    scored = made(task, 40, seed=seed, ties=ties)
    scored = scored.weighted(np.random.default_rng(seed).integers(0, 4, len(scored)).astype(float))
    both = METRICS[name].compute(scored), METRICS[name].compute(repeated(scored))
    assert both[0] == pytest.approx(both[1], rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(("name", "task"), BY_TASK)
@given(seed=st.integers(0, 10**6), factor=st.floats(1e-3, 1e3))
def test_only_the_ratio_of_weights_counts(name: str, task: Kind, seed: int, factor: float) -> None:
    scored, weight = made(task, 40, seed=seed), np.random.default_rng(seed).random(40)
    both = [METRICS[name].compute(scored.weighted(w)) for w in (weight, weight * factor)]
    assert both[0] == pytest.approx(both[1], rel=1e-7, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(("name", "task"), BY_TASK)
def test_without_a_row_that_counts_a_metric_is_not_a_number(name: str, task: Kind) -> None:
    scored = made(task, 20)
    assert np.isnan(METRICS[name].compute(scored.take(np.zeros(20, dtype=bool))))
    assert np.isnan(METRICS[name].compute(scored.weighted(np.zeros(20))))


@pytest.mark.parametrize(("name", "task"), BY_TASK)
def test_the_truth_itself_is_the_best_prediction(name: str, task: Kind) -> None:
    scored = made(task, 60)
    truth = np.eye(3)[scored.target.astype(int)] if task == "multiclass" else scored.target
    perfect = Scored(target=scored.target, prediction=truth, low=truth, high=truth)
    best = 1.0 if METRICS[name].higher_is_better else 0.0
    assert METRICS[name].compute(perfect) == pytest.approx(best, abs=1e-12)
    other = METRICS[name].compute(scored)
    assert METRICS[name].better(best, other)
    assert METRICS[name].gain(best, other) == pytest.approx(abs(best - other))
    assert METRICS[name].gain(other, best) == -METRICS[name].gain(best, other)


@pytest.mark.parametrize("name", [m.name for m in METRICS.values() if m.per_row is not None and not m.needs_cost])
def test_the_numbers_per_row_have_the_metric_as_their_mean(name: str) -> None:
    metric = METRICS[name]
    assert metric.per_row is not None
    scored = made(metric.tasks[0], weighted=True)
    mean = float(np.average(metric.per_row(scored), weights=scored.weight))
    assert metric.compute(scored) == pytest.approx(np.sqrt(mean) if metric.root else mean)


# Of classes.


def test_one_sure_mistake_is_not_infinitely_bad() -> None:
    scored = Scored(target=np.array([1.0, 0.0]), prediction=np.array([0.0, 0.0]))
    assert METRICS["log_loss"].compute(scored) == pytest.approx(-np.log(1e-15) / 2)


def test_a_ranking_metric_needs_both_classes() -> None:
    ones = Scored(target=np.ones(5), prediction=np.linspace(0, 1, 5))
    zeros = Scored(target=np.zeros(5), prediction=np.linspace(0, 1, 5))
    assert np.isnan(METRICS["roc_auc"].compute(ones))
    assert np.isnan(METRICS["roc_auc"].compute(zeros))
    assert METRICS["pr_auc"].compute(ones) == 1.0
    assert np.isnan(METRICS["pr_auc"].compute(zeros))


def test_an_absent_class_counts_nothing_whether_it_has_no_rows_or_no_weight() -> None:
    scored = made("multiclass", 90)
    known = scored.target != 2
    absent = METRICS["roc_auc"].compute(scored.take(known))
    assert absent == pytest.approx(METRICS["roc_auc"].compute(scored.weighted(known.astype(float))))
    assert 0.5 < absent < 1
    assert np.isnan(METRICS["roc_auc"].compute(scored.take(scored.target == 1)))


@pytest.mark.parametrize("name", ["precision", "recall", "specificity"])
def test_a_share_of_no_rows_is_not_a_number(name: str) -> None:
    target = np.ones(4) if name == "specificity" else np.zeros(4)
    assert np.isnan(METRICS[name].compute(Scored(target=target, prediction=np.full(4, 0.1))))


def test_a_class_that_neither_occurs_nor_is_decided_for_is_left_out_of_the_mean() -> None:
    target, decision = np.array([0.0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 1])
    scored = Scored(target=target, prediction=np.eye(3)[decision])
    assert METRICS["f1"].compute(scored) == pytest.approx(sk.f1_score(target, decision, average="macro"))
    assert METRICS["balanced_accuracy"].compute(scored) == pytest.approx(0.75)


@given(seed=st.integers(0, 10**6), n_classes=st.integers(2, 12))
def test_a_constant_decision_has_nothing_to_do_with_the_truth(seed: int, n_classes: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, n_classes, 50).astype(float)
    scored = Scored(target=target, prediction=np.eye(n_classes)[np.full(50, seed % n_classes)], weight=rng.random(50))
    assert METRICS["mcc"].compute(scored) == 0.0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 1.0])
def test_a_constant_probability_is_as_wrong_as_it_is_far_from_the_share(share: float) -> None:
    target = (np.arange(100) < 100 * share).astype(float)  # sorted: the order of rows must not matter
    for probability in (0.0, 0.3, 1.0):
        scored = Scored(target=target, prediction=np.full(100, probability))
        assert METRICS["calibration_error"].compute(scored) == pytest.approx(abs(probability - share))


def test_probabilities_that_come_true_have_little_calibration_error() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    target = (rng.random(20_000) < probability).astype(float)
    assert METRICS["calibration_error"].compute(Scored(target=target, prediction=probability)) < 0.015
    assert METRICS["calibration_error"].compute(Scored(target=target, prediction=probability**2)) > 0.1


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_confusion_matrix_is_that_of_scikit_learn(task: Kind) -> None:
    scored = made(task, weighted=True)
    expected = sk.confusion_matrix(scored.target, decided(scored.prediction), sample_weight=scored.weight)
    n_classes = 3 if task == "multiclass" else 2
    np.testing.assert_allclose(confusion_matrix(scored, n_classes), expected)
    assert confusion_matrix(scored.take(np.arange(3)), 5).shape == (5, 5)


def test_two_classes_have_two_probabilities() -> None:
    np.testing.assert_allclose(
        class_probabilities(Scored(target=np.zeros(2), prediction=np.array([0.2, 0.9]))), [[0.8, 0.2], [0.1, 0.9]]
    )


# Of values.


@pytest.mark.parametrize("n", [1, 3, 10, 100])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.1])
def test_a_constant_target_has_no_variance_to_explain(n: int, value: float) -> None:
    scored = Scored(target=np.full(n, value), prediction=np.linspace(0, 1, n))
    assert np.isnan(METRICS["r2"].compute(scored))
    weight = np.random.default_rng(0).random(n) + 0.1
    assert np.isnan(METRICS["r2"].compute(scored.weighted(weight)))


def test_a_small_variance_beside_a_large_mean_is_a_variance() -> None:
    target = 1.7e9 + np.array([0.0, 1.0, 2.0, 3.0])
    assert METRICS["r2"].compute(Scored(target=target, prediction=target + 0.1)) == pytest.approx(1 - 0.01 / 1.25)


# The table of metrics.


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_what_is_reported_for_a_task_fits_it(task: Kind) -> None:
    reported = default_metrics(task)
    assert objective_of(task) in reported
    assert all(task in metric.tasks and not metric.needs_interval for metric in reported)
    with_interval = default_metrics(task, with_interval=True)
    assert [m.name for m in with_interval if m not in reported] == (
        ["interval_coverage"] if task == "regression" else []
    )


def test_what_errors_cost_is_reported_and_compared_by_where_it_is_known() -> None:
    more = [m.name for m in default_metrics("regression", with_cost=True) if m not in default_metrics("regression")]
    assert more == ["error_cost"]
    assert objective_of("regression", with_cost=True).name == "error_cost"
    assert objective_of("binary", with_cost=True).name == "log_loss"
    assert not any(m.needs_cost for m in default_metrics("binary", with_cost=True))


class Pinball:
    """A unit costs 0.8 downwards and 0.2 upwards, in every row what its price says."""

    def __init__(self, price: Any) -> None:
        self.price = price

    def of(self, prediction: Any, target: Any) -> Any:
        error = prediction - target
        return self.price * np.where(error > 0, 0.2 * error, -0.8 * error)

    def take(self, rows: Any) -> Pinball:
        return Pinball(self.price[rows])


@given(seed=st.integers(0, 10**6), weighted=st.booleans())
def test_the_cost_of_errors_is_the_pinball_loss_of_scikit_learn(seed: int, weighted: bool) -> None:
    scored, price = made("regression", 60, seed=seed, weighted=weighted), np.random.default_rng(seed).random(60)
    priced = replace(scored, cost=Pinball(price))
    metric = METRICS["error_cost"]
    weight = price if scored.weight is None else price * scored.weight
    expected = sk.mean_pinball_loss(scored.target, scored.prediction, alpha=0.8, sample_weight=weight)
    per_price = (price if scored.weight is None else price * scored.weight).sum()
    per_row = len(scored) if scored.weight is None else scored.weight.sum()
    assert metric.compute(priced) == pytest.approx(expected * per_price / per_row)
    rows = np.random.default_rng(seed).permutation(60)
    assert metric.compute(priced.take(rows)) == pytest.approx(metric.compute(priced))
    skill = 1 - metric.compute(replace(priced, cost=Pinball(np.ones(60)))) / metric.compute(
        replace(priced, cost=Pinball(np.ones(60)), prediction=np.full(60, _quantile(scored, 0.8)))
    )
    oracle = sk.d2_pinball_score(scored.target, scored.prediction, alpha=0.8, sample_weight=scored.weight)
    assert skill == pytest.approx(oracle, abs=0.05)


def _quantile(scored: Scored, level: float) -> float:
    order = np.argsort(scored.target)
    below = np.cumsum(np.ones(len(scored)) if scored.weight is None else scored.weight[order])
    return float(scored.target[order][np.searchsorted(below, level * below[-1])])


def test_without_a_cost_the_cost_of_errors_is_not_a_number() -> None:
    assert np.isnan(METRICS["error_cost"].compute(made("regression", 20)))


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_found_by_its_name(name: str) -> None:
    metric: Metric = metric_named(name)
    assert metric.name == name
    assert metric_named(name, metric.tasks[0]) is metric


def test_a_metric_that_does_not_exist_or_does_not_fit_is_told_with_the_nearest() -> None:
    with pytest.raises(MetricUnknown) as raised:
        metric_named("log_los", "binary", where="churn.yaml, line 3")
    assert raised.value.what == "there is no metric 'log_los'"
    assert raised.value.where == "churn.yaml, line 3"
    assert raised.value.fix == "did you mean 'log_loss'?"
    with pytest.raises(MetricUnknown, match="there is no metric 'rmse' for a binary task") as raised:
        metric_named("rmse", "binary")
    assert "'log_loss'" in raised.value.fix
    assert "'rmse'" not in raised.value.fix
