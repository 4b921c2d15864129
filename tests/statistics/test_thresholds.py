from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.statistics import CostsAllZero, break_even_threshold

COSTS = st.floats(0.01, 1e6)


@pytest.mark.parametrize(
    ("false_alarm", "miss", "threshold"), [(1.0, 4.0, 0.2), (1.0, 1.0, 0.5), (0.0, 3.0, 0.0), (3.0, 0.0, 1.0)]
)
def test_the_threshold_is_the_share_of_the_cost_of_a_false_alarm(
    false_alarm: float, miss: float, threshold: float
) -> None:
    assert break_even_threshold(np.array([false_alarm]), np.array([miss]))[0] == pytest.approx(threshold)


@given(false_alarm=COSTS, miss=COSTS, probability=st.floats(0, 1))
def test_acting_is_cheaper_exactly_above_the_threshold(false_alarm: float, miss: float, probability: float) -> None:
    threshold = break_even_threshold(np.array([false_alarm]), np.array([miss]))[0]
    acting, waiting = (1 - probability) * false_alarm, probability * miss
    if abs(acting - waiting) > 1e-9 * (false_alarm + miss):
        assert (acting < waiting) == (probability > threshold)


@given(false_alarm=COSTS, miss=COSTS, factor=st.floats(0.01, 100))
def test_only_the_ratio_of_costs_counts(false_alarm: float, miss: float, factor: float) -> None:
    both = [break_even_threshold(np.array([false_alarm * f]), np.array([miss * f]))[0] for f in (1.0, factor)]
    assert both[0] == pytest.approx(both[1])


def test_each_row_has_its_own_threshold() -> None:
    np.testing.assert_allclose(
        break_even_threshold(np.array([1.0, 2.0, 0.0]), np.array([1.0, 6.0, 1.0])), [0.5, 0.25, 0]
    )


def test_a_row_without_any_cost_has_no_threshold() -> None:
    with pytest.raises(CostsAllZero) as raised:
        break_even_threshold(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    assert raised.value.where == "decision.values"
