from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import breast_cancer_frame, dataset_of, diabetes_frame, spec_for, wine_frame

from mlwright.core import EvidenceStore
from mlwright.data import Dataset
from mlwright.feasibility.rule_candidates import apply, candidates, rule_table
from mlwright.feasibility.rule_search import rule_search
from mlwright.feasibility.simple_rules import SimpleRule, find_simple_rule
from mlwright.spec import Expression
from mlwright.statistics import METRICS, Scored

MONEY: dict[str, Any] = {"currency": "EUR", "values": {"true_positive": 40, "false_positive": -10}}


def claims(n: int = 1200, *, seed: int = 0, wrong: float = 0.05) -> pl.DataFrame:
    """Odd names, missing values and quotes; `paid` depends on one number but for a few rows."""
    rng = np.random.default_rng(seed)
    amount = np.round(rng.lognormal(5, 1, n), 2)
    paid = (amount > 180) ^ (rng.random(n) < wrong)
    return pl.DataFrame(
        {
            "the amount (€)": amount,
            "class": rng.choice(["it's", 'so "called"', "plain", "back\\slash"], n),
            "known": rng.random(n) < 0.5,
            "visits": pl.Series(np.where(rng.random(n) < 0.2, np.nan, rng.poisson(3, n))).fill_nan(None),
            "paid": pl.Series(np.where(paid, "yes", "no")),
        }
    )


def rule_for(dataset: Dataset, *, prediction: np.ndarray | None = None, seed: int = 0, **sections: Any) -> SimpleRule:
    spec = spec_for(dataset.target, **sections)
    p = np.full(len(dataset), dataset.y.mean()) if prediction is None else prediction
    scored = Scored(target=dataset.y, prediction=p)
    return find_simple_rule(dataset, spec, scored, np.arange(len(dataset)), rng=np.random.default_rng(seed))


def acted(rule: SimpleRule, dataset: Dataset) -> np.ndarray:
    """What the text that a person would paste says of the rows."""
    assert rule.expression is not None
    spec = spec_for(dataset.target, decision={"current_process": rule.expression})
    process = spec.decision.current_process
    assert process is not None
    return process.evaluate(dataset.expression_columns(process.columns), rows=len(dataset)).astype(bool)


def required(metric: str, **bound: float) -> list[dict[str, Any]]:
    return [{"id": "R1", "metric": metric, **bound}]


# ------------------------------------------------------------------------------------------------------ searching rules


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.1, 5))
def test_an_expression_acts_on_the_rows_whose_gain_was_counted(seed: int, weight: float) -> None:
    dataset = dataset_of(claims(200, seed=seed, wrong=0.3), "paid")
    rng = np.random.default_rng(seed)
    gains = rng.normal(size=(200, 2)) + weight * np.column_stack([dataset.y - 0.5, 0.5 - dataset.y])
    rows = np.flatnonzero(rng.random(200) < 0.8)
    search = rule_search(dataset)
    one, two = search.one_condition(gains, rows), search.two_levels(gains, rows, dataset.y - dataset.y.mean())
    for number in range(2):
        for found in (one[number], two[number]):
            expression = Expression.parse(found.rule.expression)
            columns = dataset.expression_columns(expression.columns)
            decided = expression.evaluate(columns, rows=200).astype(bool)
            assert gains[rows][decided[rows], number].sum() == pytest.approx(found.gain)
        assert two[number].gain >= one[number].gain >= max(gains[rows, number].sum(), 0) - 1e-9


def test_the_best_cut_is_found() -> None:
    x = np.r_[np.arange(100.0), np.nan]
    y = np.r_[np.arange(100) > 62, True].astype(int)
    dataset = dataset_of(pl.DataFrame({"x": pl.Series(x).fill_nan(None), "y": y}), "y")
    (found,) = rule_search(dataset).one_condition(np.where(y == 1, 1.0, -1.0)[:, None], np.arange(101))
    assert found.rule.expression.startswith("x > 6")
    assert found.gain >= 34


# ------------------------------------------------------------------------------------------------------- offering rules


def test_a_rule_that_meets_every_must_is_offered_and_can_be_pasted() -> None:
    dataset = dataset_of(claims(), "paid")
    rule = rule_for(dataset, requirements=required("accuracy", min=0.9))
    assert rule.offered
    assert rule.kind == "one condition"
    assert rule.met == ("R1",)
    assert rule.expression is not None
    assert "the amount (€)" in rule.expression
    assert rule.score == pytest.approx(0.95, abs=0.02)
    assert (acted(rule, dataset) == dataset.y).mean() == pytest.approx(rule.score, abs=0.02)
    assert "No model is needed" in rule.sentence


def test_a_rule_that_cannot_be_sure_of_a_must_is_not_offered() -> None:
    rule = rule_for(dataset_of(claims(), "paid"), requirements=required("accuracy", min=0.95))
    assert not rule.offered
    assert rule.missed == ("R1",)
    assert "does not surely meet R1" in rule.sentence


def test_several_musts_are_weighed_against_each_other() -> None:
    dataset = dataset_of(breast_cancer_frame(), "diagnosis", data={"positive_class": "malignant"})
    asked = [{"id": "found", "metric": "recall", "min": 0.9}, {"id": "right", "metric": "precision", "min": 0.6}]
    rule = rule_for(dataset, requirements=asked, data={"positive_class": "malignant"})
    assert rule.offered
    assert set(rule.met) == {"found", "right"}
    decided = Scored(target=dataset.y, prediction=dataset.y, decision=acted(rule, dataset).astype(np.int64))
    assert METRICS["recall"].compute(decided) > 0.9
    assert METRICS["precision"].compute(decided) > 0.6


def test_where_nothing_can_be_learned_no_rule_seems_to_learn_it() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"x{i}": rng.normal(size=400) for i in range(20)})
    dataset = dataset_of(frame.with_columns(y=pl.Series(rng.integers(0, 2, 400))), "y")
    rule = rule_for(dataset, requirements=required("balanced_accuracy", min=0.55))
    assert not rule.offered
    assert rule.score == pytest.approx(0.5, abs=0.07)


def test_by_money_a_rule_is_offered_where_a_model_cannot_be_told_from_it() -> None:
    dataset = dataset_of(claims(), "paid")
    amount = dataset.numbers("the amount (€)")
    same = rule_for(dataset, prediction=np.where(amount > 180, 0.9, 0.1), decision=MONEY)
    assert same.offered
    assert same.metric == "value"
    assert same.gain_interval is not None
    assert same.gain_interval.low <= 0
    assert "EUR" in same.sentence
    better = rule_for(dataset, prediction=np.where(dataset.y == 1, 0.9, 0.1), decision=MONEY)
    assert not better.offered
    assert better.gain_interval is not None
    assert 0 < better.gain_interval.low < better.gain_interval.high
    assert "earns less than a model" in better.sentence


def test_acting_always_is_a_rule_too() -> None:
    dataset = dataset_of(claims(), "paid")
    values = {"true_positive": 40, "false_positive": 5}
    rule = rule_for(dataset, decision={**MONEY, "values": values})
    assert rule.offered
    assert rule.expression == "True"
    assert acted(rule, dataset).all()
    assert rule.gain == 0


def test_a_rule_keeps_to_the_capacity() -> None:
    dataset = dataset_of(claims(), "paid")
    rule = rule_for(dataset, decision={**MONEY, "capacity": "5%"})
    assert not rule.offered
    assert "capacity" in rule.sentence


def test_what_is_done_today_comes_first() -> None:
    dataset = dataset_of(claims(), "paid")
    today = "col('the amount (€)') > 175"
    rule = rule_for(dataset, requirements=required("accuracy", min=0.9), decision={"current_process": today})
    assert rule.offered
    assert rule.kind == "current process"
    assert rule.expression == today
    assert "today's process" in rule.sentence


def test_without_requirements_and_money_no_rule_is_called_good_enough() -> None:
    rule = rule_for(dataset_of(claims(), "paid"))
    assert not rule.offered
    assert rule.metric == "balanced_accuracy"
    assert "add requirements or decision.values" in rule.sentence


def test_a_must_on_a_slice_is_judged_there() -> None:
    dataset = dataset_of(claims(), "paid")
    of_few = [{"id": "R1", "metric": "accuracy", "min": 0.1, "on": "visits > 9"}]
    assert not rule_for(dataset, requirements=of_few).offered
    assert rule_for(dataset, requirements=[{**of_few[0], "on": "visits > 3"}]).offered


def test_a_number_is_told_by_a_line_or_by_levels() -> None:
    dataset = dataset_of(diabetes_frame(), "progression")
    rule = rule_for(dataset, requirements=required("rmse", max=66))
    assert rule.offered
    assert rule.kind == "line"
    assert rule.expression is not None
    expression = Expression.parse(rule.expression)
    said = expression.evaluate(dataset.expression_columns(expression.columns), rows=len(dataset))
    assert METRICS["rmse"].compute(Scored(target=dataset.y, prediction=said)) == pytest.approx(
        rule.score or 0, rel=0.02
    )
    rng = np.random.default_rng(0)
    city = rng.choice(["Rome", "Oslo", "Bern"], 400)
    price = np.array([{"Rome": 10.0, "Oslo": 30.0, "Bern": 20.0}[name] for name in city]) + rng.normal(0, 1, 400)
    levels = rule_for(
        dataset_of(pl.DataFrame({"city": city, "price": price}), "price"), requirements=required("r2", min=0.9)
    )
    assert levels.offered
    assert levels.kind == "levels"
    assert "where city is Oslo" in levels.words


def test_no_row_judges_a_rule_that_was_made_from_it() -> None:
    dataset = dataset_of(claims(300, wrong=0.3), "paid")
    spec = spec_for("paid", requirements=required("accuracy", min=0.6))
    scored = Scored(target=dataset.y, prediction=np.full(300, 0.5))
    table = rule_table(dataset, spec, scored, np.arange(300), rng=np.random.default_rng(0))
    for candidate in candidates(table, spec):
        outside = METRICS["accuracy"].compute(candidate.scored)
        inside = (apply(candidate.rule, table) == dataset.y).mean()
        assert outside <= inside + 0.01


def test_rows_of_a_group_are_in_one_fold() -> None:
    dataset = dataset_of(claims(300), "paid")
    group = np.repeat(np.arange(30), 10)
    scored = Scored(target=dataset.y, prediction=np.full(300, 0.5), group=group)
    table = rule_table(dataset, spec_for("paid"), scored, np.arange(300), rng=np.random.default_rng(0))
    assert all(len(set(table.folds[group == one])) == 1 for one in range(30))


# ------------------------------------------------------------------------------------------------------------ bad input


def test_bad_input_ends_in_a_reason() -> None:
    dataset = dataset_of(claims(300), "paid")
    spec, rng, rows = spec_for("paid"), np.random.default_rng(0), np.arange(300)
    plain = np.full(300, 0.5)
    cases = {
        "no row has a weight": Scored(target=dataset.y, prediction=plain, weight=np.zeros(300)),
        "all rows have the same target": Scored(target=np.zeros(300), prediction=plain),
        "did not predict": Scored(target=dataset.y, prediction=np.full(300, np.nan)),
    }
    for reason, scored in cases.items():
        rule = find_simple_rule(dataset, spec, scored, rows, rng=rng)
        assert reason in rule.sentence
        assert not rule.offered
        assert rule.expression is None
    few = dataset.take(np.arange(30))
    scored = Scored(target=few.y, prediction=np.full(30, 0.5))
    assert "too few" in find_simple_rule(few, spec, scored, np.arange(30), rng=rng).sentence
    assert "two classes" in rule_for(dataset_of(wine_frame(), "cultivar")).sentence


def test_columns_that_say_nothing_leave_the_constant_rules() -> None:
    rng = np.random.default_rng(0)
    dates = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(200)]
    frame = pl.DataFrame({"on": dates, "y": pl.Series(rng.integers(0, 2, 200))})
    rule = rule_for(dataset_of(frame, "y"), requirements=required("recall", min=0.5))
    assert rule.expression == "True"
    assert rule.offered


def test_a_rule_is_kept_as_json_and_gives_evidence() -> None:
    dataset = dataset_of(claims(), "paid")
    rule = rule_for(dataset, requirements=required("accuracy", min=0.9), decision=MONEY)
    assert SimpleRule.of_state(json.loads(json.dumps(rule.state()))) == rule
    store = EvidenceStore(rule.evidence())
    assert store["feasibility.rule"].value == rule.expression
    assert store["feasibility.rule.gain"].interval == rule.gain_interval
    assert rule_for(dataset, requirements=required("accuracy", min=0.9), decision=MONEY) == rule
