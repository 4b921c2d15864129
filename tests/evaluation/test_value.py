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

from mlwright.evaluation import DecisionValue, Evaluation, evaluate, scored_rows, value_of_decisions
from mlwright.models import decision_rule
from mlwright.spec import Spec

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
