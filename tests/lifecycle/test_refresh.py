"""When a challenger is due without an alarm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.lifecycle import Refresh

counts = st.integers(0, 10**6)


def test_a_challenger_is_due_by_alarm_rows_or_age_and_never_too_soon() -> None:
    refresh = Refresh()
    assert refresh.due(windows=4, rows=10_000, trained_on=100, alarmed=True, gaining=True) is None
    assert refresh.due(windows=5, rows=1_000, trained_on=1_000, alarmed=True) == "alarm"
    assert refresh.due(windows=5, rows=1_400, trained_on=1_000, alarmed=False) == "rows"
    assert refresh.due(windows=9, rows=1_100, trained_on=1_000, alarmed=False) is None
    assert refresh.due(windows=10, rows=1_100, trained_on=1_000, alarmed=False) == "age"


def test_as_long_as_challengers_gain_the_next_one_is_due_as_soon_as_one_may_be() -> None:
    assert Refresh().due(windows=5, rows=1_000, trained_on=1_000, alarmed=False, gaining=True) == "gain"
    assert Refresh(least_windows=3).due(windows=3, rows=0, trained_on=1_000, alarmed=False, gaining=True) == "gain"


@given(rows=counts, trained_on=counts, alarmed=st.booleans(), gaining=st.booleans(), years=st.integers(1, 3))
def test_at_most_one_search_in_so_many_windows_whatever_happens(
    rows: int, trained_on: int, alarmed: bool, gaining: bool, years: int
) -> None:
    refresh, last, made = Refresh(), 0, 0
    for window in range(365 * years):
        if refresh.due(windows=window - last, rows=rows, trained_on=trained_on, alarmed=alarmed, gaining=gaining):
            last, made = window, made + 1
    assert made <= 365 * years / refresh.least_windows


@pytest.mark.parametrize("gaining", [False, True])
def test_an_old_model_is_replaced_even_if_nothing_else_asks_for_it(gaining: bool) -> None:
    assert Refresh().due(windows=10, rows=0, trained_on=10**6, alarmed=False, gaining=gaining) is not None
