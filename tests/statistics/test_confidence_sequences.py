from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import betaln

from mlwright.statistics import BoundedSequence, MeanSequence, share_interval
from mlwright.statistics.confidence_sequences import asymptotic_radius

VALUES = st.lists(st.floats(0, 1), min_size=2, max_size=60).map(np.array)
CUTS = st.lists(st.integers(0, 60), max_size=4)


def in_chunks(values: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(values, sorted(min(cut, len(values)) for cut in cuts))


@given(VALUES, CUTS)
def test_chunks_do_not_change_the_mean_and_its_bounds(values: np.ndarray, cuts: list[int]) -> None:
    whole, parts = MeanSequence(burn_in=2).update(values), MeanSequence(burn_in=2)
    for part in in_chunks(values, cuts):
        parts = parts.update(part)
    assert parts.count == len(values)
    assert parts.mean == pytest.approx(values.mean(), abs=1e-12)
    assert parts.deviation == pytest.approx(values.std(), abs=1e-8)
    assert parts.lower() == pytest.approx(whole.lower(), abs=1e-7)
    assert parts.lower() <= parts.mean <= parts.upper()
    assert parts.interval().low <= parts.lower() + 1e-12


@given(VALUES, CUTS)
def test_chunks_do_not_change_the_bounds_of_bounded_values(values: np.ndarray, cuts: list[int]) -> None:
    whole, parts = BoundedSequence(low=-1.0, high=3.0).update(values), BoundedSequence(low=-1.0, high=3.0)
    for part in in_chunks(values, cuts):
        parts = parts.update(part)
    found, expected = parts.interval(), whole.interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert -1 <= found.low <= found.high <= 3


def test_the_empirical_bernstein_bounds_are_those_of_the_paper() -> None:
    x, error = np.random.default_rng(0).random(50), 0.05
    bets, costs = [], []
    for t in range(1, 51):
        means = [(0.5 + x[:i].sum()) / (i + 1) for i in range(t)]
        variance = (0.25 + sum((x[i - 1] - (0.5 + x[:i].sum()) / (i + 1)) ** 2 for i in range(1, t))) / t
        bet = min(math.sqrt(2 * math.log(2 / error) / (variance * t * math.log(1 + t))), 0.5)
        bets.append(bet)
        costs.append(4 * (x[t - 1] - means[-1]) ** 2 * (-math.log(1 - bet) - bet) / 4)
    middle = np.dot(bets, x) / sum(bets)
    radius = (math.log(2 / error) + sum(costs)) / sum(bets)
    found = BoundedSequence().update(x).interval()
    assert (found.low, found.high) == pytest.approx((max(0, middle - radius), min(1, middle + radius)))


@pytest.mark.parametrize(("hits", "rows"), [(0, 5), (5, 5), (1, 10), (30, 100), (9_500, 10_000), (3, 1_000_000)])
def test_the_share_is_bounded_where_the_capital_of_the_mixture_reaches_one_over_the_error(hits: int, rows: int) -> None:
    def capital(p: float) -> float:
        bits = betaln(hits + 0.5, rows - hits + 0.5) - betaln(0.5, 0.5)
        return float(bits - hits * np.log(p) - (rows - hits) * np.log1p(-p) - math.log(1 / 0.05))

    found, peak = share_interval(hits, rows), (hits + 0.5) / (rows + 1)
    assert found.low == pytest.approx(brentq(capital, 1e-300, peak, xtol=1e-15) if hits else 0.0, abs=1e-9)
    assert found.high == pytest.approx(brentq(capital, peak, 1 - 1e-15, xtol=1e-15) if hits < rows else 1.0, abs=1e-9)
    assert found.low <= hits / rows <= found.high


def test_without_rows_a_share_may_be_anything() -> None:
    found = share_interval(0, 0)
    assert (found.low, found.high) == (0.0, 1.0)


@given(st.integers(0, 200), st.integers(0, 200))
def test_hits_and_misses_change_places(hits: int, misses: int) -> None:
    there, back = share_interval(hits, hits + misses), share_interval(misses, hits + misses)
    assert (there.low, there.high) == pytest.approx((1 - back.high, 1 - back.low), abs=1e-9)


def test_bounds_hold_at_all_looks_in_as_many_runs_as_they_say() -> None:
    rng = np.random.default_rng(3)
    runs, share, looks = 300, 0.1, range(50, 1501, 50)
    missed = dict.fromkeys(("mean", "bounded", "share"), 0)
    for _ in range(runs):
        x = (rng.random(1500) < share).astype(float)
        mean, bounded, out = MeanSequence(burn_in=100), BoundedSequence(), dict.fromkeys(missed, False)
        for look in looks:
            mean, bounded = mean.update(x[look - 50 : look]), bounded.update(x[look - 50 : look])
            out["mean"] |= share not in mean.interval()
            out["bounded"] |= share not in bounded.interval()
            out["share"] |= share not in share_interval(int(x[:look].sum()), look)
        for name, one in out.items():
            missed[name] += one
    for name, count in missed.items():
        assert count <= 0.05 * runs + 3 * math.sqrt(runs * 0.05 * 0.95), name
    # The mean sequence is the closest, and the exact one for shares beats the one for anything bounded.
    share_width = share_interval(int(x.sum()), 1500)
    assert share_width.high - share_width.low < bounded.interval().high - bounded.interval().low


def test_one_side_is_closer_than_two_and_unknown_before_the_burn_in() -> None:
    values = np.random.default_rng(0).normal(size=500)
    seen = MeanSequence().update(values)
    assert seen.interval().low < seen.lower() < seen.mean
    assert MeanSequence().update(values[:99]).lower() == -math.inf
    assert MeanSequence().update([]) == MeanSequence()
    assert asymptotic_radius(1, 1.0, error=0.05, expected=100) == math.inf


def test_the_radius_is_least_near_the_expected_number_of_values() -> None:
    at = [asymptotic_radius(1000, 1.0, error=0.05, expected=expected) for expected in (10, 1000, 100_000)]
    assert at[1] == min(at)


def test_a_value_outside_its_range_is_refused() -> None:
    for bad in (1.2, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            BoundedSequence().update([0.5, bad])


@given(VALUES)
def test_states_come_back_from_json(values: np.ndarray) -> None:
    mean, bounded = MeanSequence().update(values), BoundedSequence(error=0.1).update(values)
    assert MeanSequence.of_state(json.loads(json.dumps(mean.state()))) == mean
    assert BoundedSequence.of_state(json.loads(json.dumps(bounded.state()))) == bounded
    assert bounded.update([]) == bounded
