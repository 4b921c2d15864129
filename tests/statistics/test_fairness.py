"""Gaps between groups: the values of fairlearn, laws, and intervals that hold what they promise."""

from __future__ import annotations

import fairlearn.metrics as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlwright.statistics import (
    FAIRNESS_TITLES,
    RATES,
    GroupRates,
    fairness_gap,
    group_rates,
    rate_intervals,
    widest_pair,
)

IN_FAIRLEARN = {name: getattr(oracle, name) for name in FAIRNESS_TITLES}


PARTS = {
    "demographic_parity_ratio": [oracle.demographic_parity_ratio],
    "equal_opportunity_ratio": [oracle.true_positive_rate_ratio],
    "equalized_odds_ratio": [oracle.true_positive_rate_ratio, oracle.false_positive_rate_ratio],
}


@st.composite
def decided_rows(draw: st.DrawFn, groups: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups, true classes and decisions of some rows; every group has rows of both classes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 60))
    first = np.repeat(np.arange(groups), 2)
    group = np.r_[first, rng.integers(0, groups, n)]
    target = np.r_[np.tile([0.0, 1.0], groups), (rng.random(n) < rng.random()).astype(float)]
    return group, target, (rng.random(len(group)) < draw(st.floats(0.05, 0.95))).astype(np.int64)


def rates_of(group: np.ndarray, target: np.ndarray, decision: np.ndarray, **more: np.ndarray) -> GroupRates:
    return group_rates(group, target, decision, n_groups=int(group.max()) + 1, **more)


def made(rates: list[float], n: int | list[int]) -> GroupRates:
    """Groups with these rates, whichever it is."""
    size = np.broadcast_to(np.asarray(n, dtype=np.float64), len(rates))
    return GroupRates(
        n=size.astype(np.int64),
        positives=size.astype(np.int64),
        rates={name: np.array(rates) for name in RATES},
        sizes=dict.fromkeys(RATES, size),
    )


@pytest.mark.parametrize("metric", FAIRNESS_TITLES)
@settings(max_examples=15)  # fairlearn takes its time
@given(rows=decided_rows(), weighted=st.booleans())
def test_a_gap_is_the_one_of_fairlearn(metric: str, rows: tuple[np.ndarray, ...], weighted: bool) -> None:
    group, target, decision = rows
    weight = np.random.default_rng(0).uniform(0.1, 5, len(group)) if weighted else None
    more = {} if weight is None else {"weight": weight}
    found = fairness_gap(metric, rates_of(group, target, decision, **more)).value
    with np.errstate(invalid="ignore"):
        expected = IN_FAIRLEARN[metric](target, decision, sensitive_features=group, sample_weight=weight)
        if np.isnan(
            expected
        ):  # nobody is acted on in any group, where fairlearn divides 0 by 0: that is treating them alike
            parts = [f(target, decision, sensitive_features=group, sample_weight=weight) for f in PARTS[metric]]
            expected = min(1.0 if np.isnan(part) else part for part in parts)
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", FAIRNESS_TITLES)
@given(rows=decided_rows())
def test_a_gap_and_its_interval_are_shares_and_the_gap_is_inside(metric: str, rows: tuple[np.ndarray, ...]) -> None:
    gap = fairness_gap(metric, rates_of(*rows))
    assert gap.interval is not None
    assert 0 <= gap.interval.low <= gap.value <= gap.interval.high <= 1


@pytest.mark.parametrize("metric", FAIRNESS_TITLES)
@given(rows=decided_rows(), seed=st.integers(0, 1000))
def test_names_of_groups_do_not_matter(metric: str, rows: tuple[np.ndarray, ...], seed: int) -> None:
    group, target, decision = rows
    renamed = np.random.default_rng(seed).permutation(4)[group]
    assert fairness_gap(metric, rates_of(renamed, target, decision)) == fairness_gap(
        metric, rates_of(group, target, decision)
    )


@pytest.mark.parametrize("metric", FAIRNESS_TITLES)
@given(rows=decided_rows(groups=1), copies=st.integers(2, 4))
def test_identical_groups_have_no_gap(metric: str, rows: tuple[np.ndarray, ...], copies: int) -> None:
    _, target, decision = rows
    group = np.repeat(np.arange(copies), len(target))
    gap = fairness_gap(metric, rates_of(group, np.tile(target, copies), np.tile(decision, copies)))
    assert gap.value == pytest.approx(1.0 if metric.endswith("ratio") else 0.0)


def test_nobody_acted_on_is_everybody_treated_alike() -> None:
    alike = rates_of(np.array([0, 0, 1, 1]), np.array([0.0, 1.0, 0.0, 1.0]), np.zeros(4, dtype=np.int64))
    assert fairness_gap("demographic_parity_ratio", alike).value == 1
    assert fairness_gap("equalized_odds_difference", alike).value == 0


def test_a_group_without_positives_could_have_found_any_share_of_them() -> None:
    group = np.repeat([0, 1, 2], 200)
    target = np.r_[np.tile([0.0, 1.0], 200), np.zeros(200)]
    found = rates_of(group, target, np.tile([0, 1], 300))
    assert np.isnan(found.rates["true_positive_rate"][2])
    gap = fairness_gap("equal_opportunity_difference", found)
    assert gap.value == 0
    assert gap.interval is not None
    assert gap.interval.high == pytest.approx(1.0, abs=0.02)
    assert rate_intervals(found, "true_positive_rate")[2].low == 0
    assert rate_intervals(found, "true_positive_rate")[2].high == 1


def test_one_group_alone_has_no_gap() -> None:
    only = rates_of(np.zeros(4, dtype=np.int64), np.array([0.0, 1.0, 0.0, 1.0]), np.array([0, 1, 1, 0]))
    gap = fairness_gap("demographic_parity_difference", only)
    assert np.isnan(gap.value)
    assert gap.interval is None
    assert widest_pair("demographic_parity_difference", only) is None


def test_the_widest_pair_is_the_lowest_and_the_highest_group() -> None:
    assert widest_pair("demographic_parity_difference", made([0.3, 0.1, 0.4], 100)) == (1, 2)


def test_rows_that_repeat_each_other_are_not_more_rows() -> None:
    rng = np.random.default_rng(0)
    group, target = rng.integers(0, 2, 400), (rng.random(400) < 0.5).astype(float)
    decision = (rng.random(400) < 0.4).astype(np.int64)
    once = rates_of(group, target, decision)
    five = rates_of(
        *(np.repeat(values, 5) for values in (group, target, decision)), cluster=np.repeat(np.arange(400), 5)
    )
    for name in RATES:
        assert five.rates[name] == pytest.approx(once.rates[name])
        assert five.sizes[name] == pytest.approx(once.sizes[name], rel=0.02)


def test_unequal_weights_are_worth_fewer_rows() -> None:
    rng = np.random.default_rng(1)
    group, target = rng.integers(0, 2, 2000), (rng.random(2000) < 0.5).astype(float)
    decision, weight = (rng.random(2000) < 0.4).astype(np.int64), rng.exponential(1, 2000)
    plain, weighted = rates_of(group, target, decision), rates_of(group, target, decision, weight=weight)
    # Kish's design effect: 1 + the squared coefficient of variation, which is 1 here.
    assert weighted.sizes["selection_rate"] == pytest.approx(plain.sizes["selection_rate"] / 2, rel=0.15)


@pytest.mark.parametrize("rates", [[0.2, 0.3], [0.05, 0.1], [0.1, 0.3, 0.3, 0.3], [0.2, 0.25, 0.3, 0.35, 0.4]], ids=str)
@pytest.mark.parametrize("metric", ["demographic_parity_difference", "demographic_parity_ratio"])
def test_each_end_holds_at_its_confidence_also_for_the_widest_of_many_gaps(metric: str, rates: list[float]) -> None:
    # The 90 % one-sided ends of 1,000 draws; three standard errors of the simulation are 2.8 points.
    rng, draws, n = np.random.default_rng(0), 1000, 200
    true = min(rates) / max(rates) if metric.endswith("ratio") else max(rates) - min(rates)
    below = above = 0
    for _ in range(draws):
        interval = fairness_gap(metric, made(list(rng.binomial(n, rates) / n), n), confidence=0.8).interval
        assert interval is not None
        below, above = below + (interval.low <= true), above + (interval.high >= true)
    assert below / draws > 0.9 - 0.028
    assert above / draws > 0.9 - 0.028


def test_groups_that_are_treated_alike_are_not_proved_apart() -> None:
    # The widest gap of ten equal groups is never 0 in a sample; percentiles of a bootstrap would hardly ever reach down to 0.
    rng, n = np.random.default_rng(0), 200
    apart = 0
    for _ in range(300):
        gap = fairness_gap("demographic_parity_difference", made(list(rng.binomial(n, [0.3] * 10) / n), n))
        assert gap.value > 0
        assert gap.interval is not None
        apart += gap.interval.low > 0
    assert apart / 300 < 0.05 + 0.038
