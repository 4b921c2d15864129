"""Worth of outcomes: acting wherever that is worth more than waiting, and what was earned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.statistics import Worth, break_even_threshold, mean_value

AMOUNT = st.sampled_from([-100.0, -5.0, -1.0, 0.0, 0.5, 1.0, 40.0])


def worth_of(rows: int, **each: float) -> Worth:
    given = {name: np.full(rows, each.get(name, 0.0)) for name in Worth.__dataclass_fields__}
    return Worth(**given)


@given(tp=AMOUNT, fp=AMOUNT, fn=AMOUNT, tn=AMOUNT)
def test_it_acts_exactly_where_acting_is_expected_to_be_worth_more(tp: float, fp: float, fn: float, tn: float) -> None:
    probability = np.linspace(0, 1, 21)
    each = {"true_positive": tp, "false_positive": fp, "false_negative": fn, "true_negative": tn}
    decided = worth_of(21, **each).act(probability)
    for p, act in zip(probability, decided, strict=True):
        acting, waiting = p * tp + (1 - p) * fp, p * fn + (1 - p) * tn
        if abs(acting - waiting) > 1e-9:
            assert act == (acting > waiting)


@given(miss=st.floats(0.01, 1e3), alarm=st.floats(0.01, 1e3), probability=st.floats(0, 1))
def test_with_ordinary_costs_it_is_the_break_even_threshold(miss: float, alarm: float, probability: float) -> None:
    threshold = break_even_threshold(np.array([alarm]), np.array([miss]))[0]
    worth = worth_of(1, false_negative=-miss, false_positive=-alarm)
    if abs(probability - threshold) > 1e-9:
        assert worth.act(np.array([probability]))[0] == (probability > threshold)


@given(seed=st.integers(0, 10_000))
def test_on_probabilities_that_are_true_no_other_decision_earns_more_on_average(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.random(50)
    worth = Worth(**{name: rng.normal(0, 10, 50) for name in Worth.__dataclass_fields__})

    def expected(decision: np.ndarray) -> float:
        positive, negative = worth.earned(np.ones(50), decision), worth.earned(np.zeros(50), decision)
        return float((probability * positive + (1 - probability) * negative).sum())

    best = expected(worth.act(probability))
    assert all(expected(rng.integers(0, 2, 50)) <= best + 1e-9 for _ in range(20))


def test_each_outcome_earns_what_it_is_worth() -> None:
    worth = worth_of(4, true_positive=1.0, false_positive=2.0, false_negative=3.0, true_negative=4.0)
    earned = worth.earned(np.array([1.0, 0.0, 1.0, 0.0]), np.array([1, 1, 0, 0]))
    assert earned.tolist() == [1, 2, 3, 4]
    assert worth.take(np.array([True, False, True, False])).earned(np.ones(2), np.array([1, 0])).tolist() == [1, 3]


def test_the_interval_of_a_mean_value_holds_the_true_mean_as_often_as_it_says() -> None:
    """Skewed amounts with a sign, 100 draws; 95 % intervals may miss in about five, and in many more if they were wrong."""
    missed = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        earned = np.where(rng.random(300) < 0.3, rng.lognormal(1, 0.7, 300), -1.0)
        truth = 0.3 * np.exp(1 + 0.7**2 / 2) - 0.7
        _, interval, _ = mean_value(earned, rng=rng)
        assert interval is not None
        missed += truth not in interval
    assert missed <= 12


def test_rows_of_a_group_are_one_piece_of_information() -> None:
    earned = np.random.default_rng(0).normal(0, 1, 40)
    alone = mean_value(earned, rng=np.random.default_rng(1))[1]
    repeated = np.repeat(earned, 10)
    together = mean_value(repeated, group=np.repeat(np.arange(40), 10), rng=np.random.default_rng(1))[1]
    assert alone is not None
    assert together is not None
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.15)


def test_weights_count_and_one_row_has_no_interval() -> None:
    mean, interval, method = mean_value(np.array([1.0, 5.0]), weight=np.array([3.0, 1.0]), rng=np.random.default_rng(0))
    assert mean == 2.0
    assert interval is not None
    assert "bootstrap" in method
    assert mean_value(np.array([7.0]), rng=np.random.default_rng(0))[:2] == (7.0, None)
