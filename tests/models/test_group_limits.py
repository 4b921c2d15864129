"""Limits by group: as good as fairlearn's, within the bound, deterministic, and in the package and the scorer."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from tests.models.made import made
from tests.support import shared_table, spec_for, split_of

from mlwright.checks.quick import quick_out_of_fold
from mlwright.data import Split
from mlwright.models import (
    DecisionRule,
    GroupedRows,
    GroupLimits,
    Model,
    Scorer,
    choose_group_limits,
    fairness_trade_off,
    fairness_trade_offs,
    grouping_of,
    groups_of,
    with_group_limits,
)
from mlwright.spec import Spec
from mlwright.statistics import FAIRNESS_TITLES, Worth, fairness_gap

DIFFERENCE = "demographic_parity_difference"


def grouped(seed: int = 0, n: int = 1200, *, groups: int = 3, capped: bool = False) -> GroupedRows:
    """Calibrated probabilities of groups that differ."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, n)
    margin = rng.beta(1.5 + group, 3.0)
    return GroupedRows(
        names=tuple("abcdef"[:groups]),
        group=group,
        target=(rng.random(n) < margin).astype(float),
        margin=margin,
        limit=0.5,
        capped=capped,
    )


def gap_of(rows: GroupedRows, metric: str, decision: np.ndarray) -> float:
    return fairness_gap(metric, rows.rates(decision)).value


@pytest.mark.parametrize("metric", FAIRNESS_TITLES)
@given(seed=st.integers(0, 10_000), bound=st.floats(0.02, 0.98))
def test_the_gap_is_within_the_bound_on_the_rows_of_the_choice(metric: str, seed: int, bound: float) -> None:
    rows = grouped(seed)
    gap = gap_of(rows, metric, rows.decide(choose_group_limits(rows, metric, bound)))
    assert gap >= bound - 1e-9 if metric.endswith("ratio") else gap <= bound + 1e-9


@given(seed=st.integers(0, 10_000))
def test_a_bound_that_holds_already_moves_nothing(seed: int) -> None:
    rows = grouped(seed)
    usual = rows.decide({})
    chosen = choose_group_limits(rows, DIFFERENCE, gap_of(rows, DIFFERENCE, usual) + 1e-9)
    assert set(chosen.values()) == {rows.limit}


@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    rows = grouped(seed, 600)
    order = np.random.default_rng(seed).permutation(len(rows.margin))
    moved = replace(rows, group=rows.group[order], target=rows.target[order], margin=rows.margin[order])
    assert choose_group_limits(moved, DIFFERENCE, 0.05) == choose_group_limits(rows, DIFFERENCE, 0.05)


def test_a_brute_search_over_pairs_of_cuts_expects_no_more() -> None:
    rows = grouped(1, 400, groups=2)
    limits = choose_group_limits(rows, DIFFERENCE, 0.05)
    gain = rows.margin - rows.limit
    best = -np.inf
    sides = [np.sort(rows.margin[rows.group == g])[::-1] for g in (0, 1)]
    earned = [np.r_[0, np.cumsum(side - rows.limit)] for side in sides]
    for i, a in enumerate(earned[0]):
        for j, b in enumerate(earned[1]):
            if abs(i / len(sides[0]) - j / len(sides[1])) <= 0.05 + 1e-9:
                best = max(best, a + b)
    assert float(gain[rows.decide(limits) == 1].sum()) == pytest.approx(best, abs=0.02)


def test_a_capacity_is_kept() -> None:
    rows = grouped(2, 2000, capped=True)
    usual = rows.decide({}).sum()
    assert rows.decide(choose_group_limits(rows, DIFFERENCE, 0.02)).sum() <= usual
    free = replace(rows, capped=False)
    assert rows.decide(choose_group_limits(free, DIFFERENCE, 0.02)).sum() != rows.decide({}).sum()


def test_a_group_of_three_rows_keeps_the_usual_limit() -> None:
    rows = grouped(0)
    group = rows.group.copy()
    group[:3] = 3
    small = replace(rows, group=group, names=("a", "b", "c", "tiny"))
    assert set(choose_group_limits(small, DIFFERENCE, 0.05)) == {0, 1, 2}
    alone = replace(rows, group=np.where(np.arange(len(group)) < 3, 0, 1), names=("tiny", "rest"))
    assert choose_group_limits(alone, DIFFERENCE, 0.05) == {}


@pytest.mark.parametrize("metric", FAIRNESS_TITLES)
def test_a_stricter_limit_is_never_expected_to_earn_more(metric: str) -> None:
    rows = grouped(3, 3000)
    bounds = [0.3, 0.5, 0.7, 0.9, 1.0] if metric.endswith("ratio") else [0.3, 0.2, 0.1, 0.05, 0.0]
    chosen = [rows.decide(choose_group_limits(rows, metric, bound)) for bound in bounds]
    expected = [float((rows.margin - rows.limit)[decision == 1].sum()) for decision in chosen]
    assert all(later <= earlier + 1e-3 * earlier for earlier, later in pairwise(expected))
    assert expected[-1] < expected[0]


def test_a_trade_off_shows_the_limit_that_was_asked_among_others() -> None:
    found = fairness_trade_off(grouped(3, 3000), DIFFERENCE, 0.07)
    assert found.at_asked().limit == found.asked == 0.07
    assert [point.limit for point in found.points] == sorted((point.limit for point in found.points), reverse=True)
    assert all(point.gaps[DIFFERENCE] <= point.limit + 0.003 for point in found.points)
    assert json.loads(json.dumps([point._asdict() for point in found.points]))


def test_money_is_what_counts_where_outcomes_have_a_worth() -> None:
    rows = grouped(4)
    one = np.ones(len(rows.margin))
    worth = Worth(true_positive=3 * one, false_positive=-1 * one, false_negative=0 * one, true_negative=0 * one)
    priced = replace(rows, margin=worth.gain_of_acting(rows.margin), limit=0.0, worth=worth)
    found = fairness_trade_off(priced, DIFFERENCE, 0.05, unit="EUR")
    decision = priced.decide(choose_group_limits(priced, DIFFERENCE, 0.05))
    assert found.at_asked().value == pytest.approx(worth.earned(rows.target, decision).mean())
    assert found.usual.value == pytest.approx(worth.earned(rows.target, priced.decide({})).mean())


# ------------------------------------------------------------------------------------------------- beside fairlearn


class _Said(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that has said already what fairlearn asks it for."""

    def fit(self, X: Any, y: Any) -> _Said:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.column_stack([1 - X[:, 0], X[:, 0]])


@cache
def adult() -> GroupedRows:
    """A third of the table (so that it is quick), with out-of-fold probabilities of a small booster and the groups by sex."""
    path, entry = shared_table("adult_income")
    frame = pl.read_parquet(path).sample(16_000, seed=0)
    _, split = split_of(frame, entry["target"], data={"positive_class": entry["positive"]})
    rows = split.dataset
    group, names = groups_of(rows, grouping_of(rows, "sex"))
    said = quick_out_of_fold(rows, seed=0).prediction
    return GroupedRows(names=tuple(names), group=group, target=rows.y, margin=said, limit=float(np.nextafter(0.5, 0)))


def halves(rows: GroupedRows) -> tuple[GroupedRows, GroupedRows]:
    first = np.random.default_rng(0).permutation(len(rows.margin)) < len(rows.margin) // 2
    one, other = (
        replace(rows, group=rows.group[m], target=rows.target[m], margin=rows.margin[m]) for m in (first, ~first)
    )
    return one, other


@pytest.mark.parametrize(
    ("metric", "name"),
    [(DIFFERENCE, "demographic_parity"), ("equal_opportunity_difference", "true_positive_rate_parity")],
)
def test_on_adult_it_is_as_right_and_as_fair_as_fairlearn(metric: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fairlearn.postprocessing import ThresholdOptimizer
    chosen_on, judged_on = halves(adult())
    own = judged_on.decide(choose_group_limits(chosen_on, metric, 0.0))
    optimizer = ThresholdOptimizer(
        estimator=_Said().fit(None, None),
        constraints=name,
        objective="accuracy_score",
        prefit=True,
        predict_method="predict_proba",
    ).fit(chosen_on.margin[:, None], chosen_on.target, sensitive_features=chosen_on.group)
    theirs = optimizer.predict(judged_on.margin[:, None], sensitive_features=judged_on.group, random_state=0)
    usual = judged_on.decide({})
    assert judged_on.value(own) > judged_on.value(theirs) - 0.005
    assert gap_of(judged_on, metric, own) < gap_of(judged_on, metric, theirs) + 0.02
    assert gap_of(judged_on, metric, own) < 0.5 * gap_of(judged_on, metric, usual)


def test_equal_selection_on_adult_costs_two_points_and_opens_another_gap() -> None:
    chosen_on, judged_on = halves(adult())
    own, usual = judged_on.decide(choose_group_limits(chosen_on, DIFFERENCE, 0.0)), judged_on.decide({})
    assert judged_on.value(own) == pytest.approx(0.85, abs=0.01)
    assert gap_of(judged_on, DIFFERENCE, own) < 0.03
    assert judged_on.value(usual) - judged_on.value(own) == pytest.approx(0.02, abs=0.01)
    assert gap_of(judged_on, "equal_opportunity_difference", own) > 0.2


# -------------------------------------------------------------------------------------- in a rule, a package, a scorer


def asking(**changes: Any) -> Spec:
    limit = {"attribute": "city", "metric": DIFFERENCE, "max": 0.05, "adjust": "group_thresholds", **changes}
    return spec_for("bought", data={"id": "customer_id"}, constraints={"fairness": [limit]})


def sold() -> tuple[np.ndarray, Split]:
    from tests.support import mixed_frame

    _, split = split_of(mixed_frame(3000), "bought", data={"id": "customer_id"})
    rng = np.random.default_rng(0)
    rome = np.array(split.train.table.column("city").to_pylist(), dtype=object) == "Rome"
    return np.clip(0.35 + 0.3 * split.train.y + 0.2 * rome + rng.normal(0, 0.1, len(split.train)), 0.01, 0.99), split


def test_a_rule_gets_limits_by_group_only_if_the_spec_asks() -> None:
    said, split = sold()
    rule = with_group_limits(DecisionRule(), said, asking(), split.train)
    assert rule.by_group is not None
    assert set(rule.by_group.limits) == {"Bern", "Oslo", "Paris", "Rome"}
    assert rule.by_group.limits["Rome"] > rule.by_group.limits["Oslo"]
    assert rule.columns == ("city",)
    assert with_group_limits(DecisionRule(), said, asking(adjust="never"), split.train) == DecisionRule()


def test_a_limit_that_holds_anyway_changes_no_rule() -> None:
    said, split = sold()
    assert with_group_limits(DecisionRule(), said, asking(max=1.0), split.train) == DecisionRule()


def test_the_bound_is_kept_with_room_for_the_test_rows_to_prove_it() -> None:
    said, split = sold()
    spec = asking(max=0.3)
    rule = with_group_limits(DecisionRule(), said, spec, split.train)
    columns = split.train.expression_columns(("city",))
    group, names = groups_of(split.train, grouping_of(split.train, "city"))
    decision = rule.decide(said, columns).decision
    rates = [decision[group == n].mean() for n in range(len(names))]
    assert 0.14 < max(rates) - min(rates) < 0.3  # half of the way at most


def test_each_fairness_limit_has_a_trade_off() -> None:
    said, split = sold()
    (found,) = fairness_trade_offs(said, DecisionRule(), asking(adjust="never"), split.train)
    assert (found.id, found.attribute, found.unit, found.asked) == ("F1", "city", "accuracy", 0.05)
    assert found.usual.gaps[DIFFERENCE] > 0.05 >= found.at_asked().gaps[DIFFERENCE] - 1e-9


def test_package_and_scorer_know_the_limits_and_need_the_group(tmp_path: Path) -> None:
    one = made("binary")
    rule = DecisionRule(by_group=GroupLimits("city", {"Rome": 0.9, "Oslo": 0.05}))
    replace(one.model, rule=rule).save(tmp_path / "model")
    model = Model.load(tmp_path / "model")
    assert model.rule == rule
    rows = one.split.test
    said = model.predict(rows)
    limit = [{"Rome": 0.9, "Oslo": 0.05}.get(city, 0.5) for city in rows.table.column("city").to_pylist()]
    assert said.decision is not None
    assert (said.decision == (said.prediction >= np.array(limit))).all()
    scorer = Scorer.load(tmp_path / "model")
    records = one.frame.drop("bought").head(60).to_dicts()
    expected = model.predict(one.frame.drop("bought").head(60)).decided()
    assert [answer.prediction for answer in scorer.answers(records)] == expected
    assert [scorer.answer(record).prediction for record in records[:10]] == expected[:10]
    # Without a group, or of one that is not known, a row has the usual limit.
    p = {city: scorer.answer({**records[0], "city": city}) for city in (None, "Atlantis")}
    for answer in p.values():
        assert answer.probabilities is not None
        assert (answer.prediction == "yes") == (answer.probabilities["yes"] >= 0.5)
