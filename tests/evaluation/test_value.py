"""What decisions on test rows were worth: exact sums, beside acting on all, on none, and from a half."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from tests.models.made import made
from tests.support import spec_for

from mlwright.evaluation import (
    DecisionValue,
    Evaluation,
    capacity_use,
    evaluate,
    profit_curve,
    scored_rows,
    value_of_decisions,
)
from mlwright.models import CapacityShare, capacity_share, decision_rule, outcome_worth, within_capacity
from mlwright.spec import Spec
from mlwright.statistics import Scored, Worth, mean_interval

VALUES = {"true_positive": "2 * visits", "false_positive": -5, "false_negative": -1}


def spec_of(**decision: Any) -> Spec:
    return spec_for("bought", data={"id": "customer_id"}, decision={"values": VALUES, "currency": "EUR", **decision})


@cache
def valued(seed: int = 0) -> DecisionValue:
    one, spec = made("binary"), spec_of(volume={"count": 200, "per": "week"}, current_process="visits > 3")
    model = replace(one.model, rule=decision_rule(spec, one.split.train))
    predictions = model.predict(one.split.test)
    found = value_of_decisions(predictions, scored_rows(one.split.test, predictions), one.split, spec, seed=seed)
    assert found is not None
    return found


def test_the_value_is_the_sum_of_what_each_row_was_worth() -> None:
    one, spec = made("binary"), spec_of()
    test = one.split.test
    model = replace(one.model, rule=decision_rule(spec, one.split.train))
    decision = model.predict(test).decision
    assert decision is not None
    total = 0.0
    for act, positive, visits in zip(decision, test.y, test.numbers("visits"), strict=True):
        total += (2 * visits if positive else -5) if act else (-1 if positive else 0)
    assert valued().total == pytest.approx(total)
    assert valued().per_row == pytest.approx(total / len(test))
    assert valued().acted == pytest.approx(decision.mean())
    assert valued().assumed == 0


def test_the_other_ways_to_decide_are_valued_on_the_same_rows() -> None:
    test = made("binary").split.test
    visits, positive = test.numbers("visits"), test.y == 1
    if_acted, if_not = np.where(positive, 2 * visits, -5), np.where(positive, -1, 0)
    beside = {one.name: one.per_row for one in valued().alternatives}
    assert list(beside) == ["act_on_all", "act_on_none", "half", "current_process"]
    assert beside["act_on_all"] == pytest.approx(if_acted.mean())
    assert beside["act_on_none"] == pytest.approx(if_not.mean())
    assert beside["current_process"] == pytest.approx(np.where(visits > 3, if_acted, if_not).mean())
    assert valued().best_without_model.per_row == max(v for k, v in beside.items() if k != "half" and v is not None)
    for one in valued().alternatives:
        assert one.gain is not None
        assert one.gain_interval is not None
        assert one.gain == pytest.approx((valued().per_row or 0) - (one.per_row or 0))
        assert one.gain in one.gain_interval


def test_a_volume_makes_it_money_per_period() -> None:
    assert valued().per_period == pytest.approx(200 * (valued().per_row or 0))
    assert valued().period == "week"


def test_what_is_known_only_later_counts_as_it_turned_out() -> None:
    one = made("binary")
    spec = spec_for(
        "bought", data={"id": "customer_id", "known_after_decision": ["visits"]}, decision={"values": VALUES}
    )
    model = replace(one.model, rule=decision_rule(spec, one.split.train))
    assert model.rule.columns == ()
    test = one.split.test
    predictions = model.predict(test)
    found = value_of_decisions(predictions, scored_rows(test, predictions), one.split, spec, seed=0)
    assert found is not None
    assert predictions.decision is not None
    if_acted = np.where(test.y == 1, 2 * test.numbers("visits"), -5)
    expected = np.where(predictions.decision == 1, if_acted, np.where(test.y == 1, -1, 0)).mean()
    assert found.per_row == pytest.approx(expected)


def test_without_values_there_is_no_value() -> None:
    one = made("binary")
    predictions = one.model.predict(one.split.test)
    scored = scored_rows(one.split.test, predictions)
    assert value_of_decisions(predictions, scored, one.split, spec_for("bought"), seed=0) is None


def test_it_is_part_of_an_evaluation_its_evidence_and_its_json() -> None:
    one, spec = made("binary"), spec_of()
    model = replace(one.model, rule=decision_rule(spec, one.split.train))
    found = evaluate(model, one.split, spec, baselines={}, seed=0)
    evidence = {record.id: record for record in found.evidence()}
    assert found.value is not None
    assert evidence["value.per_row"].value == found.value.per_row
    assert evidence["value.per_row"].unit == "EUR"
    assert {"value.total", "value.half.gain", "value.act_on_all.per_row", "value.act_on_none.gain"} <= set(evidence)
    state = json.loads(json.dumps(found.state()))
    assert Evaluation.of_state(state) == found
    del state["value"]
    assert Evaluation.of_state(state).value is None


# A capacity on the test rows, money as a requirement, and the profit curve.


def limited(spec: Spec) -> Any:
    """The made model with the rule of the spec within its capacity."""
    one = made("binary")
    train, rule = one.split.train, decision_rule(spec, one.split.train)
    share = capacity_share(spec, train)
    assert share is not None
    p = one.model.predict(train).prediction
    columns, outcomes = train.expression_columns(rule.columns), outcome_worth(spec, train)
    rule, _ = within_capacity(rule, share, p, columns, outcomes=outcomes)
    return replace(one.model, rule=rule)


def test_an_evaluation_says_what_the_capacity_came_to_and_judges_what_is_required_of_money_and_of_the_top() -> None:
    one = made("binary")
    asked = [
        {"id": "R1", "metric": "value", "min": -1000},
        {"id": "R2", "metric": "value_per_period", "min": 10_000},
        {"id": "R3", "metric": "lift_at_top", "min": 0.1},
        {"id": "R4", "metric": "precision_at_recall", "at": 0.5, "min": 0.01, "on": "visits > 2"},
        {"id": "R5", "metric": "value", "min": 0, "on": "visits > 1000"},
    ]
    decision = {"values": VALUES, "currency": "EUR", "capacity": "20%", "volume": {"count": 200, "per": "week"}}
    spec = spec_for("bought", data={"id": "customer_id"}, decision=decision, requirements=asked)
    model, test = limited(spec), one.split.test
    found = evaluate(model, one.split, spec, baselines={}, seed=0)
    decided = model.predict(test).decision == 1
    positive = test.y == 1
    assert found.capacity is not None
    assert found.capacity.share == 0.2
    scores = {score.name: score.value for score in found.capacity.scores}
    assert scores["acted_share"] == pytest.approx(decided.mean())
    assert scores["precision"] == pytest.approx(positive[decided].mean())
    assert scores["recall"] == pytest.approx(decided[positive].mean())
    assert scores["lift"] == pytest.approx(positive[decided].mean() / positive.mean())
    assert found.value is not None
    results = {result.id: result for result in found.requirements}
    assert results["R1"].value == pytest.approx(found.value.per_row)
    assert results["R1"].outcome == "met"
    assert results["R2"].value == pytest.approx(found.value.per_period)
    assert results["R2"].outcome == "not met"
    assert results["R3"].sentence() == "lift of the top 20 % at least 0.1"
    assert results["R4"].sentence() == "precision at a recall of 50 % where visits > 2 at least 0.01"
    assert (results["R5"].outcome, results["R5"].n) == ("undecided", 0)
    assert "only 0 test rows where visits > 1000" in results["R5"].reason
    evidence = {record.id: record for record in found.evidence()}
    assert evidence["capacity.lift"].value == scores["lift"]
    assert evidence["capacity.acted_share"].interval is not None
    assert {"value.blind.gain", "requirements.R3.lift_at_top"} <= set(evidence)
    state = json.loads(json.dumps(found.state()))
    assert Evaluation.of_state(state) == found
    assert found.curves.profit is not None
    assert found.curves.profit.capacity == 0.2
    assert found.curves.profit.earned == pytest.approx(found.value.per_row)


def test_a_capacity_that_lets_nobody_be_acted_on_has_no_precision() -> None:
    share = CapacityShare(share=0.1, wanted=0.1)
    target = np.arange(40) % 2
    scored = Scored(target=target.astype(float), prediction=np.full(40, 0.5), decision=np.zeros(40, dtype=np.int64))
    use = capacity_use(share, scored, seed=0)
    assert use is not None
    assert (use.score("acted_share").value, use.score("precision").value, use.score("lift").value) == (0.0, None, None)
    assert capacity_use(None, scored, seed=0) is None
    assert use.note is None
    many = capacity_use(share, replace(scored, decision=np.arange(40) % 2), seed=0)
    assert many is not None
    assert "more than the capacity" in (many.note or "")


def test_the_profit_curve_goes_from_acting_on_none_to_acting_on_all_through_the_best_rows() -> None:
    rng = np.random.default_rng(0)
    margin, target = rng.normal(size=1000), (rng.random(1000) < 0.3).astype(float)
    one = np.ones(1000)
    worth = Worth(true_positive=9 * one, false_positive=-4 * one, false_negative=-1 * one, true_negative=0 * one)
    scored = Scored(target=target, prediction=margin, decision=(margin > 0.5).astype(np.int64))
    curve = profit_curve(margin, worth, scored, currency="EUR", capacity=0.2)
    assert (curve.points[0].share, curve.points[-1].share) == (0.0, 1.0)
    assert curve.points[0].value == pytest.approx(worth.earned(target, np.zeros(1000, dtype=np.int64)).mean())
    assert curve.points[-1].value == pytest.approx(worth.earned(target, np.ones(1000, dtype=np.int64)).mean())
    order = np.argsort(-margin)
    for point in curve.points:
        acts = np.zeros(1000, dtype=np.int64)
        acts[order[: round(1000 * point.share)]] = 1
        earned = worth.earned(target, acts)
        interval = mean_interval(earned, confidence=0.9)
        assert point.value == pytest.approx(earned.mean())
        assert (point.low, point.high) == pytest.approx((interval.low, interval.high))
    assert curve.earned == pytest.approx(worth.earned(target, (margin > 0.5).astype(np.int64)).mean())
    assert curve.acted == pytest.approx((margin > 0.5).mean())


def test_rows_that_are_alike_are_one_step_of_the_profit_curve() -> None:
    one = np.ones(30)
    worth = Worth(true_positive=2 * one, false_positive=-1 * one, false_negative=0 * one, true_negative=0 * one)
    scored = Scored(target=np.tile([0.0, 1.0], 15), prediction=np.full(30, 0.5), weight=np.arange(30.0))
    curve = profit_curve(np.repeat([2.0, 1.0], 15), worth, scored, currency="EUR")
    assert [point.share for point in curve.points] == pytest.approx(
        [0.0, np.arange(15).sum() / np.arange(30).sum(), 1.0]
    )
