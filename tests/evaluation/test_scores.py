"""Scores: every metric with its interval, beside the baselines on the same rows; scikit-learn is the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle
from tests.evaluation.predicted import TASKS, on_test_rows
from tests.models.made import made

from mlwright.evaluation import MetricScore, score_all, scored_rows
from mlwright.spec import Task
from mlwright.statistics import Scored, default_metrics


def scores_of(task: Task, scored: Scored | None = None, **baselines: Scored) -> dict[str, MetricScore]:
    scored = scored or on_test_rows(task)[1]
    return {one.metric: one for one in score_all(task, scored, baselines, seed=0)}


def constant(task: Task) -> Scored:
    test = made(task).split.test
    return scored_rows(test, made(task, ("constant",)).model.predict(test))


@pytest.mark.parametrize("task", TASKS)
def test_every_metric_of_the_task_is_scored_once(task: Task) -> None:
    found = score_all(task, on_test_rows(task)[1], {}, seed=0)
    assert [one.metric for one in found] == [m.name for m in default_metrics(task, with_interval=True)]


def test_scores_are_those_of_scikit_learn() -> None:
    _, scored = on_test_rows("binary")
    y, p, d = scored.target, scored.prediction, scored.decided()
    expected = {
        "roc_auc": oracle.roc_auc_score(y, p),
        "log_loss": oracle.log_loss(y, p),
        "brier": oracle.brier_score_loss(y, p),
        "pr_auc": oracle.average_precision_score(y, p),
        "accuracy": oracle.accuracy_score(y, d),
        "balanced_accuracy": oracle.balanced_accuracy_score(y, d),
        "precision": oracle.precision_score(y, d),
        "recall": oracle.recall_score(y, d),
        "specificity": oracle.recall_score(1 - y, 1 - d),
        "f1": oracle.f1_score(y, d),
        "mcc": oracle.matthews_corrcoef(y, d),
    }
    found = scores_of("binary")
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    _, scored = on_test_rows("regression")
    found = scores_of("regression")
    assert found["rmse"].value == pytest.approx(oracle.root_mean_squared_error(scored.target, scored.prediction))
    assert found["mae"].value == pytest.approx(oracle.mean_absolute_error(scored.target, scored.prediction))
    assert found["r2"].value == pytest.approx(oracle.r2_score(scored.target, scored.prediction))
    _, scored = on_test_rows("multiclass")
    found = scores_of("multiclass")
    assert found["log_loss"].value == pytest.approx(oracle.log_loss(scored.target, scored.prediction))
    assert found["accuracy"].value == pytest.approx(oracle.accuracy_score(scored.target, scored.decided()))


@pytest.mark.parametrize("task", TASKS)
def test_each_score_lies_in_its_interval_and_names_its_method(task: Task) -> None:
    for one in scores_of(task).values():
        assert one.interval is not None, one.metric
        assert one.value is not None
        assert one.interval.low <= one.value <= one.interval.high
        assert one.interval.confidence == 0.95
        assert one.title in one.method
        assert one.n == len(made(task).split.test)


@pytest.mark.parametrize("task", TASKS)
def test_the_gain_over_a_baseline_is_the_difference_of_the_scores(task: Task) -> None:
    for one in scores_of(task, constant=constant(task)).values():
        if one.metric == "interval_coverage":
            assert one.baselines == ()
            continue
        (beside,) = one.baselines
        assert beside.baseline == "constant"
        if beside.value is None or one.value is None:
            continue
        sign = 1 if one.higher_is_better else -1
        assert beside.gain == pytest.approx(sign * (one.value - beside.value))
        if beside.gain_interval is not None and beside.gain is not None:
            assert beside.gain_interval.low <= beside.gain <= beside.gain_interval.high


@pytest.mark.parametrize("task", TASKS)
def test_a_good_model_is_clearly_better_than_none(task: Task) -> None:
    main = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}[task]
    (beside,) = scores_of(task, constant=constant(task))[main].baselines
    assert beside.gain_interval is not None
    assert beside.gain_interval.low > 0
    assert beside.p_value is not None
    assert beside.p_value < 0.01


@pytest.mark.parametrize("task", TASKS)
def test_a_model_gains_nothing_over_itself(task: Task) -> None:
    _, scored = on_test_rows(task)
    for one in scores_of(task, scored, itself=scored).values():
        for beside in one.baselines:
            assert (beside.gain, beside.p_value) == (0, 1)


def test_a_score_that_cannot_be_computed_is_none_and_not_a_number_that_json_lacks() -> None:
    rng = np.random.default_rng(0)
    one_class = Scored(target=np.zeros(50), prediction=rng.random(50))
    for one in score_all("binary", one_class, {"other": one_class}, seed=0):
        numbers: list[Any] = [one.value, *(v for b in one.baselines for v in (b.value, b.gain, b.p_value))]
        numbers += [
            end for i in (one.interval, *(b.gain_interval for b in one.baselines)) if i for end in (i.low, i.high)
        ]
        assert all(number is None or np.isfinite(number) for number in numbers)
    assert scores_of("binary", one_class)["roc_auc"].value is None


@pytest.mark.parametrize("task", TASKS)
def test_scores_can_be_repeated(task: Task) -> None:
    _, scored = on_test_rows(task)
    assert score_all(task, scored, {}, seed=3) == score_all(task, scored, {}, seed=3)


def test_every_number_of_a_score_is_evidence() -> None:
    (one,) = [s for s in scores_of("binary", constant=constant("binary")).values() if s.metric == "roc_auc"]
    records = {record.id: record for record in one.evidence("test")}
    assert list(records) == ["test.roc_auc", "test.roc_auc.constant", "test.roc_auc.constant.gain"]
    assert records["test.roc_auc"].value == one.value
    assert records["test.roc_auc"].interval == one.interval
    assert records["test.roc_auc.constant.gain"].value == one.baselines[0].gain
    assert all(record.n == one.n and record.rows == "test rows" and record.method for record in records.values())


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "log_loss", "recall"])
def test_intervals_of_95_percent_hold_the_truth_in_about_95_of_100_draws(metric: str) -> None:
    """Truth: the score on a million rows of the same kind."""
    rng = np.random.default_rng(0)

    def drawn(n: int) -> Scored:
        p = rng.beta(2, 2, n)
        return Scored(target=(rng.random(n) < p).astype(float), prediction=p)

    measure = next(m for m in default_metrics("binary") if m.name == metric)
    truth = measure.compute(drawn(1_000_000))
    from mlwright.statistics import score_with_interval

    held = 0
    for _ in range(300):
        interval = score_with_interval(measure, drawn(200), rng=rng).interval
        held += interval is not None and truth in interval
    assert 0.91 <= held / 300 <= 0.985
