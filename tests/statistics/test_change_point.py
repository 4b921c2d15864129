from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.statistics.change_point import KEPT, PastWindows


def remembered(differences: np.ndarray, variance: float = 1.0) -> PastWindows:
    past = PastWindows.none_yet(1)
    for number, difference in enumerate(differences, 1):
        past = past.with_window(number, difference=np.array([difference]), variance=np.array([variance]))
    return past


@given(st.lists(st.floats(-5, 5) | st.just(float("nan")), max_size=150))
def test_nothing_of_the_sums_is_lost_when_old_windows_are_merged(values: list[float]) -> None:
    past = remembered(np.array(values))
    assert past.windows.sum() == len(values)
    assert past.weighted.sum() == pytest.approx(np.nansum(values), abs=1e-3)
    assert past.weight.sum() == pytest.approx(np.isfinite(np.array(values)).sum())
    np.testing.assert_array_equal(past.first, 1 + np.r_[0, np.cumsum(past.windows)[:-1]] if values else [])


def test_years_of_windows_take_some_dozen_stretches_and_the_near_past_is_kept_singly() -> None:
    past = remembered(np.zeros(3000))
    assert len(past.first) < 80
    assert (past.windows[-KEPT // 2 :] == 1).all()
    assert (np.diff(past.windows) <= 0).all()
    assert len(json.dumps(past.state())) < 2000


def test_a_clear_change_is_dated_to_its_window() -> None:
    rng = np.random.default_rng(0)
    found = remembered(np.r_[rng.normal(0, 1, 40), rng.normal(8, 1, 5)]).change_point(0, before=0.1, typical=1.0)
    assert found is not None
    assert (found.began, found.earliest, found.latest) == (41, 41, 41)
    assert found.before == pytest.approx(0, abs=0.6)
    assert found.after == pytest.approx(8, abs=1.5)


def test_a_change_before_the_first_window_is_dated_to_it() -> None:
    found = remembered(np.random.default_rng(0).normal(6, 1, 12)).change_point(0, before=0.1, typical=1.0)
    assert found is not None
    assert found.began == found.earliest == 1


@pytest.mark.parametrize(("size", "since"), [(1.5, 10), (3.0, 4), (2.0, 30)])
def test_the_range_holds_the_true_start_as_often_as_it_says(size: float, since: int) -> None:
    rng, runs, held, width = np.random.default_rng(7), 200, 0, []
    for _ in range(runs):
        start = int(rng.integers(20, 80))
        values = np.r_[rng.normal(0, 1, start - 1), rng.normal(size, 1, since)]
        found = remembered(values).change_point(0, before=0.1, typical=1.0)
        assert found is not None
        held += found.earliest <= start <= found.latest
        width.append(found.latest - found.earliest + 1)
        assert found.earliest <= found.began <= found.latest
    assert held >= (0.9 - 3 * (0.09 / runs) ** 0.5) * runs
    assert np.median(width) <= 12


def test_without_a_window_that_knows_the_score_there_is_no_date() -> None:
    assert PastWindows.none_yet(1).change_point(0, before=1.0, typical=1.0) is None
    assert remembered(np.full(5, np.nan)).change_point(0, before=1.0, typical=1.0) is None


def test_the_memory_comes_back_from_json() -> None:
    past = remembered(np.random.default_rng(0).normal(size=50))
    back = PastWindows.of_state(json.loads(json.dumps(past.state())))
    for name in ("first", "windows", "weight", "weighted"):
        np.testing.assert_array_equal(getattr(back, name), getattr(past, name))
