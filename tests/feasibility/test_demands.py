from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from tests.support import dataset_of, mixed_frame, spec_for

from mlwright.feasibility.demands import Acted, DemandForecast, Demands, decider, demands_of
from mlwright.feasibility.moving import move_predictions
from mlwright.statistics import DECISION_METRICS, METRICS, Scored

AUC = METRICS["roc_auc"]


def problem(n: int = 3000, *, seed: int = 0, seen: float = 0.6) -> tuple[Scored, Scored]:
    """Rows with the predictions of a model that knows both causes, and of one that hardly knows the second."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    y = (rng.random(n) < expit(1.4 * a + 1.0 * b - 1)).astype(float)
    dull = seen * b + np.sqrt(1 - seen**2) * rng.normal(size=n)
    # What of b is not seen is averaged over: the log odds shrink a little.
    quick = (1.4 * a + seen * dull - 1) / np.sqrt(1 + 0.35 * (1 - seen**2))
    return Scored(target=y, prediction=expit(1.4 * a + 1.0 * b - 1)), Scored(target=y, prediction=expit(quick))


def demands(quick: Scored, score: float, *, base: str = "roc_auc", spread: float = 0.0, seed: int = 1) -> Demands:
    rng = np.random.default_rng(seed)
    draws = score + spread * rng.normal(size=200)
    return demands_of(quick, base=base, base_draws=draws, rng=rng)


def middle(scores: np.ndarray) -> float:
    return float(np.median(scores))


# --------------------------------------------------------------------------------------------------------------- moving


@settings(max_examples=15)
@given(st.floats(0.55, 0.98))
def test_predictions_are_moved_to_the_score_that_is_asked(score: float) -> None:
    quick = problem(1500)[1]
    moved = move_predictions(quick, AUC, rng=np.random.default_rng(0))
    there = replace(quick, prediction=moved.at(moved.place(score)))
    assert AUC.compute(there) == pytest.approx(score, abs=0.01)
    assert METRICS["calibration_error"].compute(there) < 0.05
    assert there.prediction.mean() == pytest.approx(quick.target.mean(), abs=0.01)


def test_moved_predictions_are_those_of_a_model_that_knows_more() -> None:
    full, quick = problem(20_000)
    moved = move_predictions(quick, AUC, rng=np.random.default_rng(0))
    there = replace(quick, prediction=moved.at(moved.place(AUC.compute(full))))
    for name in ("log_loss", "brier", "pr_auc", "precision", "recall", "f1", "mcc"):
        assert METRICS[name].compute(there) == pytest.approx(METRICS[name].compute(full), abs=0.012), name


def test_several_classes_are_moved_along_the_log_loss() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 4)) * 1.5
    p = softmax(logits, axis=1)
    y = (p.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1).astype(float)
    quick = Scored(target=y, prediction=softmax(logits + rng.normal(size=(4000, 4)), axis=1))
    moved = move_predictions(quick, METRICS["log_loss"], rng=rng)
    truly = Scored(target=y, prediction=p)
    there = replace(quick, prediction=moved.at(moved.place(METRICS["log_loss"].compute(truly))))
    assert METRICS["accuracy"].compute(there) == pytest.approx(METRICS["accuracy"].compute(truly), abs=0.02)
    assert METRICS["roc_auc"].compute(there) == pytest.approx(METRICS["roc_auc"].compute(truly), abs=0.02)
    assert there.prediction.sum(axis=1) == pytest.approx(np.ones(4000))


def test_a_constant_prediction_can_be_made_better_step_by_step() -> None:
    y = (np.arange(1000) % 4 == 0).astype(float)
    nothing = Scored(target=y, prediction=np.full(1000, 0.25))
    found = demands(nothing, 0.6).forecast(AUC, test_rows=200)
    assert middle(found.truth) == pytest.approx(0.6, abs=0.01)


# ------------------------------------------------------------------------------------------------------------ forecasts


def test_the_base_metric_comes_out_as_it_was_drawn() -> None:
    found = demands(problem()[1], 0.85, spread=0.02).forecast(AUC, test_rows=1000)
    low, high = np.quantile(found.truth, [0.05, 0.95])
    assert middle(found.truth) == pytest.approx(0.85, abs=0.004)
    assert low == pytest.approx(0.85 - 1.645 * 0.02, abs=0.008)
    assert high == pytest.approx(0.85 + 1.645 * 0.02, abs=0.008)


def test_what_a_better_model_scores_on_new_rows_lies_in_the_interval() -> None:
    names = ("precision", "recall", "pr_auc", "mcc", "brier")
    truly = AUC.compute(problem(20_000, seed=999)[0])
    inside = []
    for seed in range(6):
        quick, (fresh, _) = problem(600, seed=seed)[1], problem(300, seed=100 + seed)
        rng = np.random.default_rng(seed)
        asked = demands_of(quick, base="roc_auc", base_draws=truly + 0.01 * rng.normal(size=100), rng=rng)
        for name in names:
            interval = asked.forecast(METRICS[name], test_rows=300).interval()
            assert interval is not None
            assert interval.high - interval.low < 0.35
            inside.append(METRICS[name].compute(fresh) in interval)
    assert np.mean(inside) >= 0.8  # of 30, made for 90 %


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5), st.booleans())
def test_a_harder_bound_is_never_likelier_to_be_met(bounds: list[float], at_least: bool) -> None:
    found = FORECAST
    harder = sorted(bounds, reverse=not at_least)
    for ask in (found.probability, found.probability_true, found.provable):
        chances = [ask(bound, at_least=at_least) for bound in harder]
        assert all(a is not None and b is not None and a >= b for a, b in pairwise(chances))
    for bound in bounds:
        met, proved = found.probability(bound, at_least=at_least), found.provable(bound, at_least=at_least)
        assert met is not None
        assert proved is not None
        assert 0 < proved <= met < 1


FORECAST: DemandForecast = demands(problem(800)[1], 0.83, spread=0.02).forecast(METRICS["precision"], test_rows=200)


def test_the_hardest_likely_bound_is_met_so_often() -> None:
    bound = FORECAST.bound_at(0.9, at_least=True)
    assert bound is not None
    assert FORECAST.probability(bound, at_least=True) == pytest.approx(0.9, abs=0.02)
    assert FORECAST.expected is not None
    assert bound < FORECAST.expected


def test_more_test_rows_prove_more() -> None:
    asked = demands(problem()[1], 0.85, spread=0.01)
    few, many = (asked.forecast(METRICS["recall"], test_rows=rows) for rows in (100, 60_000))
    assert middle(few.truth) == pytest.approx(middle(many.truth), abs=0.01)
    bound = middle(many.truth) - 0.05
    few_proved, many_proved = (one.provable(bound, at_least=True) for one in (few, many))
    assert few_proved is not None
    assert many_proved is not None
    assert few_proved < 0.5 < 0.8 < many_proved


def test_rows_of_a_group_come_together() -> None:
    quick = problem(1000)[1]
    copied = quick.take(np.repeat(np.arange(100), 10))
    grouped = replace(copied, group=np.repeat(np.arange(100), 10))
    apart, together = (
        demands(rows, 0.85).forecast(METRICS["recall"], test_rows=300).interval() for rows in (copied, grouped)
    )
    assert apart is not None
    assert together is not None
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_the_same_question_has_the_same_answer() -> None:
    quick = problem(500)[1]
    a, b = (demands(quick, 0.8, spread=0.01).forecast(METRICS["f1"], test_rows=100) for _ in range(2))
    assert np.array_equal(a.test, b.test)
    asked = demands(quick, 0.8)
    first, second = (asked.forecast(METRICS["f1"], test_rows=100) for _ in range(2))
    assert np.array_equal(first.lower, second.lower)


def test_errors_in_a_number_are_scaled() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=2000)
    quick = Scored(target=y, prediction=y + rng.normal(0, 0.5, 2000))
    asked = demands(quick, 0.4, base="rmse")
    assert middle(asked.forecast(METRICS["rmse"], test_rows=500).truth) == pytest.approx(0.4, abs=0.001)
    assert middle(asked.forecast(METRICS["r2"], test_rows=500).truth) == pytest.approx(1 - 0.16 / y.var(), abs=0.01)
    assert middle(asked.forecast(METRICS["mae"], test_rows=500).truth) == pytest.approx(0.4 * 0.8, abs=0.01)


# --------------------------------------------------------------------------------------------------- slices, money, rule


def test_a_slice_is_judged_on_its_own_rows() -> None:
    quick = problem(3000)[1]
    sure = np.abs(quick.prediction - 0.5) > 0.35
    asked = demands(quick, AUC.compute(quick))
    all_rows, easy = (
        asked.forecast(METRICS["accuracy"], test_rows=600, where=where).expected for where in (None, sure)
    )
    assert all_rows is not None
    assert easy is not None
    assert easy > all_rows + 0.1
    assert asked.forecast(METRICS["accuracy"], test_rows=600, where=sure).n == round(600 * sure.mean())


def test_what_decisions_earn_is_forecast_with_the_rule_and_the_capacity_of_the_spec() -> None:
    dataset = dataset_of(mixed_frame(900), "bought")
    money = {"values": {"true_positive": 30, "false_positive": -10}}
    rng = np.random.default_rng(0)
    rows = np.arange(len(dataset))
    p = expit(0.05 * (np.nan_to_num(dataset.numbers("age"), nan=50) - 50) + 0.3 * dataset.numbers("visits") - 0.6)
    quick = Scored(target=dataset.y, prediction=p)
    free = spec_for("bought", decision=money)
    limited = spec_for("bought", decision={**money, "capacity": "10%"})
    value = DECISION_METRICS["value"].at(1.0)
    earned = []
    for spec in (free, limited):
        decide = decider(spec, dataset, rows)
        assert decide is not None
        acted = decide(p, rows)
        assert acted.earned is not None
        asked = demands_of(quick, base="roc_auc", base_draws=np.full(60, AUC.compute(quick)), rng=rng, decide=decide)
        expected = asked.forecast(value, test_rows=300).expected
        assert expected is not None
        assert expected == pytest.approx(acted.earned.mean(), rel=0.2)
        earned.append(expected)
    assert earned[0] > 2 * earned[1] > 0
    assert decider(free, dataset.take(rows), rows) is not None


def test_a_rule_that_never_acts_has_no_precision_and_that_is_said() -> None:
    quick = problem(500)[1]
    never = demands_of(
        quick,
        base="roc_auc",
        base_draws=np.full(200, 0.8),
        rng=np.random.default_rng(0),
        decide=lambda p, rows: Acted(np.zeros(len(p), dtype=np.int64), None),
    )
    found = never.forecast(METRICS["precision"], test_rows=100)
    assert found.probability(0.5, at_least=True) is None
    assert "cannot be computed" in found.reason
    assert never.forecast(METRICS["recall"], test_rows=100).expected == 0


def test_bad_input_ends_in_a_reason() -> None:
    quick = problem(400)[1]
    few = np.arange(400) < 12
    cases = {
        "only 12 training rows": demands(quick, 0.8).forecast(AUC, test_rows=100, where=few),
        "only about 4 test rows": demands(quick, 0.8).forecast(AUC, test_rows=40, where=np.arange(400) < 40),
        "no row has a weight": demands(replace(quick, weight=np.zeros(400)), 0.8).forecast(AUC, test_rows=100),
        "all rows have the same target": demands(replace(quick, target=np.ones(400)), 0.8).forecast(AUC, test_rows=100),
        "only 10 rows": demands(quick.take(np.arange(10)), 0.8).forecast(AUC, test_rows=100),
        "did not predict": demands(replace(quick, prediction=np.full(400, np.nan)), 0.8).forecast(AUC, test_rows=100),
        "once a model is fitted": demands(quick, 0.8).forecast(METRICS["interval_coverage"], test_rows=100),
    }
    for reason, found in cases.items():
        assert reason in found.reason
        assert found.probability(0.5, at_least=True) is None
        assert found.provable(0.5, at_least=True) is None
        assert found.interval() is None
        assert found.expected is None
