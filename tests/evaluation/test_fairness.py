"""Fairness on test rows: every gap is shown, limits end as met, not met or undecided, and limits by group have a price."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import fairlearn.metrics as oracle
import numpy as np
import polars as pl
import pytest
from tests.models.made import made
from tests.support import dataset_of, spec_for

from mlwright.data import Split, SplitPlan
from mlwright.evaluation import (
    Evaluation,
    RequirementResult,
    RequirementsNotMet,
    compare_groups,
    evaluate,
    judge_fairness,
    scored_rows,
)
from mlwright.models import DecisionRule, GroupLimits
from mlwright.spec import Spec
from mlwright.statistics import FAIRNESS_TITLES, Scored

DIFFERENCE = "demographic_parity_difference"


def spec_of(*limits: dict[str, Any], **sections: Any) -> Spec:
    return spec_for("bought", **{"data": {"id": "customer_id"}, "constraints": {"fairness": list(limits)}, **sections})


def limit(attribute: str, metric: str = DIFFERENCE, **changes: Any) -> dict[str, Any]:
    bound = {"min": 0.8} if metric.endswith("ratio") else {"max": 0.1}
    return {"attribute": attribute, "metric": metric, **bound, **changes}


@cache
def told() -> tuple[Split, Scored]:
    """Made rows whose decisions are known: 40 % of group a acted on, 20 % of b, and three rows of c."""
    rng = np.random.default_rng(0)
    n = 2003
    group = np.array(["a"] * 1000 + ["b"] * 1000 + ["c"] * 3)
    acted = np.r_[np.arange(1000) % 5 < 2, np.arange(1000) % 5 < 1, [True, False, True]]
    y = np.where(rng.random(n) < 0.3 + 0.3 * acted, "yes", "no")
    age = rng.integers(18, 80, n).astype(float)
    frame = pl.DataFrame({"sex": group, "age": age, "x": rng.normal(size=n), "y": y})
    rows = dataset_of(frame, "y", data={"positive_class": "yes"})
    every = np.arange(n)
    plan = SplitPlan(kind="random", test_share=0.5, reason="every row is both: nothing is learned here")
    split = Split(dataset=rows, train_rows=every, test_rows=every, left_out=every[:0], plan=plan)
    return split, Scored(target=rows.y, prediction=acted.astype(float), decision=acted.astype(np.int64))


def judged(**changes: Any) -> RequirementResult:
    split, scored = told()
    (found,) = judge_fairness(spec_of(limit(**{"attribute": "sex", **changes})), split, scored)
    return found


def test_every_gap_of_each_attribute_is_the_one_of_fairlearn() -> None:
    split, scored = told()
    found = compare_groups(split, spec_of(limit("sex")), scored)
    assert found is not None
    large = split.test.levels("sex")[0] < 2
    sex = np.array(split.test.table.column("sex").to_pylist())[large]
    gaps = found.of("sex").gaps
    assert [gap.metric for gap in gaps] == list(FAIRNESS_TITLES)
    for gap in gaps:
        expected = getattr(oracle, gap.metric)(scored.target[large], scored.decided()[large], sensitive_features=sex)
        assert gap.value == pytest.approx(expected)
        assert gap.interval is not None
        assert gap.interval.low <= expected <= gap.interval.high


def test_a_group_of_three_rows_is_shown_and_not_judged() -> None:
    split, scored = told()
    found = compare_groups(split, spec_of(limit("sex")), scored)
    assert found is not None
    groups = {group.group: group for group in found.of("sex").groups}
    assert groups["c"].n == 3
    assert not groups["c"].is_large
    assert found.of("sex").left_out == ("c",)
    assert "left out, with fewer than 100 rows: c" in judged().reason
    assert judged().n == 2000


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"max": 0.3}, "met"),
        ({"max": 0.2}, "undecided"),
        ({"max": 0.1}, "not met"),
        ({"metric": "demographic_parity_ratio", "min": 0.4}, "met"),
        ({"metric": "demographic_parity_ratio", "min": 0.5}, "undecided"),
        ({"metric": "demographic_parity_ratio", "min": 0.8}, "not met"),
    ],
    ids=str,
)
def test_a_limit_ends_as_met_not_met_or_undecided(changes: dict[str, Any], outcome: str) -> None:
    if "min" in changes:
        split, scored = told()
        spec = spec_of({"attribute": "sex", **changes})
        assert judge_fairness(spec, split, scored)[0].outcome == outcome
    else:
        assert judged(**changes).outcome == outcome


def test_what_is_asked_is_said_in_words() -> None:
    assert judged().sentence() == "difference of the shares acted on between groups of sex at most 0.1"
    assert judged().id == "F1"


def test_undecided_says_how_many_rows_would_do() -> None:
    near = judged(max=0.19)
    assert near.outcome == "undecided"
    assert near.rows_needed is not None
    assert near.rows_needed > near.n
    assert judged(max=0.2).rows_needed is None  # the bound is where the value is


def test_fewer_than_two_large_groups_leave_it_undecided() -> None:
    found = judged(attribute="sex == 'c'")
    assert found.outcome == "undecided"
    assert "only the group false has 100 test rows" in found.reason
    assert found.value is None


def test_more_than_two_classes_leave_it_undecided() -> None:
    one = made("multiclass")
    scored = scored_rows(one.split.test, one.model.predict(one.split.test))
    (found,) = judge_fairness(spec_of(limit("alcohol")), one.split, scored)
    assert found.outcome == "undecided"
    assert "two classes" in found.reason
    assert compare_groups(one.split, spec_of(limit("alcohol")), scored) is None


def test_sensitive_columns_are_compared_without_a_limit() -> None:
    split, scored = told()
    found = compare_groups(split, spec_for("y", data={"sensitive": ["age"]}), scored)
    assert found is not None
    assert [group.group.split()[0] for group in found.of("age").groups] == [
        "age",
        *[f"{e:g}" for e in edges(split)[:2]],
        "age",
    ]
    assert compare_groups(split, spec_for("y"), scored) is None


def edges(split: Split) -> list[float]:
    return [float(q) for q in np.quantile(split.train.numbers("age"), [0.25, 0.5, 0.75])]


def test_a_must_that_is_not_met_ends_the_run() -> None:
    spec = spec_of(limit("age < 55", max=0.05, priority="must"))
    found = evaluate(made("binary").model, big(), spec, baselines={}, seed=0)
    assert found.requirements[-1].outcome == "not met"
    with pytest.raises(RequirementsNotMet, match="F1 is not met: difference of the shares acted on"):
        found.raise_if_not_met()


@cache
def adjusted() -> Evaluation:
    one = big()
    spec = spec_of(limit("member"), decision={"values": {"true_positive": 5, "false_positive": -2}, "currency": "EUR"})
    rule = DecisionRule(threshold=2 / 7, by_group=GroupLimits("member", {"true": 0.9, "false": 0.1}))
    return evaluate(replace(made("binary").model, rule=rule), one, spec, baselines={}, seed=0)


@cache
def big() -> Split:
    from tests.support import mixed_frame, split_of

    return split_of(mixed_frame(1500, seed=5), "bought", data={"id": "customer_id"})[1]


def test_limits_by_group_have_a_price_in_money_and_in_the_other_gaps() -> None:
    found = adjusted().fairness
    assert found is not None
    price = found.price
    assert price is not None
    test, model = big().test, made("binary").model
    p = model.predict(test).prediction
    member = test.numbers("member") == 1
    by_group, alike = p > np.where(member, 0.9, 0.1), p >= 2 / 7
    worth = [np.where(acted, np.where(test.y == 1, 5, -2), 0).mean() for acted in (by_group, alike)]
    assert price.value == pytest.approx(worth[0])
    assert price.alike == pytest.approx(worth[1])
    assert price.gain == pytest.approx(worth[0] - worth[1])
    assert price.gain_interval is not None
    assert price.gain_interval.low <= worth[0] - worth[1] <= price.gain_interval.high
    assert price.changed == int((by_group != alike).sum())
    assert price.unit == "EUR"
    before = {gap.metric: gap.value for gap in price.before}
    assert before[DIFFERENCE] == pytest.approx(abs(alike[member].mean() - alike[~member].mean()))


def test_it_is_part_of_the_evidence_and_the_json() -> None:
    found = adjusted()
    evidence = {record.id: record for record in found.evidence()}
    assert {
        f"fairness.member.{DIFFERENCE}",
        "fairness.price.gain",
        "requirements.F1",
        "fairness.member.0.selection_rate",
    } <= set(evidence)
    assert evidence["fairness.price.gain"].unit == "EUR"
    state = json.loads(json.dumps(found.state()))
    assert Evaluation.of_state(state) == found
    del state["fairness"]
    assert Evaluation.of_state(state).fairness is None
