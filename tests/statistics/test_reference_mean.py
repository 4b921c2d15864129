from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.statistics.harmful_shift import RISK_BETS
from mlwright.statistics.reference_mean import IDLE, STAKES, ReferenceMean, _edges, _sizes


def measured(rows: np.ndarray) -> ReferenceMean:
    return ReferenceMean.measured(float(rows.mean()), variance=float(rows.var()), rows=len(rows), bets=RISK_BETS)


def held_at(found: ReferenceMean, true: float) -> np.ndarray:
    """What the bets hold in the cell that has the true mean, shape (n_bets,)."""
    return np.exp(found.held[:, np.searchsorted(found.upper, true)])


@pytest.mark.parametrize("true", [0.001, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("rows", [20, 200, 5000])
def test_bets_on_right_or_wrong_win_nothing_on_average_over_references(true: float, rows: int) -> None:
    average, total = np.zeros(len(RISK_BETS)), 0.0
    for wrong in range(rows + 1):
        log_chance = math.lgamma(rows + 1) - math.lgamma(wrong + 1) - math.lgamma(rows - wrong + 1)
        chance = math.exp(log_chance + wrong * math.log(true) + (rows - wrong) * math.log1p(-true))
        if chance < 1e-12:  # of so few references the bets cannot hold enough to count
            continue
        share = wrong / rows
        found = ReferenceMean.measured(share, variance=share * (1 - share), rows=rows, bets=RISK_BETS)
        average, total = average + chance * held_at(found, true), total + chance
    assert total == pytest.approx(1.0, abs=1e-6)
    assert (average <= 1 + 1e-9).all()
    assert (average > 0.5).all()  # fair, but for the width of a cell


def test_bets_on_money_win_nothing_on_average_over_references() -> None:
    values, chances, rows = np.array([0.0, 0.7, 1.0]), np.array([0.1, 0.8, 0.1]), 14
    true, average = float(values @ chances), np.zeros(len(RISK_BETS))
    for low, high in product(range(rows + 1), repeat=2):
        counts = np.array([low, rows - low - high, high])
        if counts[1] < 0:
            continue
        ways = math.factorial(rows) / math.prod(math.factorial(int(one)) for one in counts)
        average += ways * math.prod(chances**counts) * held_at(measured(np.repeat(values, counts)), true)
    assert (average <= 1 + 1e-9).all()


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_mean_and_variance_never_promise_more_than_the_rows_themselves(losses: list[float]) -> None:
    rows = np.array(losses)
    found = measured(rows)
    lower = np.r_[0.0, found.upper[:-1]]
    sizes = _sizes(np.array(RISK_BETS), len(rows))
    stakes = np.array([*STAKES, IDLE])
    each = np.array([[np.log1p(size * (edge - rows)).sum() for edge in lower] for size in sizes.ravel()])
    exact = np.log((stakes[None, :, None] * np.exp(each.reshape(*sizes.shape, -1))).sum(axis=1))
    assert (found.held <= exact + 1e-6).all()


@given(st.floats(0, 1), st.floats(1e-6, 1))
def test_cells_cover_all_that_a_mean_can_be(mean: float, error: float) -> None:
    edges = _edges(mean, error)
    assert (edges[0], edges[-1]) == (0.0, 1.0)
    assert (np.diff(edges) > 0).all()
    assert len(edges) < 500


def test_what_is_put_on_the_bets_is_all_there_is() -> None:
    assert sum(STAKES) + IDLE == pytest.approx(1.0)
