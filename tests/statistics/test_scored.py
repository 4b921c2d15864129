from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from tests.statistics.rows import made

from mlwright.statistics import Scored


def whole(n: int = 6) -> Scored:
    scored = made("regression", n, weighted=True, groups=3)
    return replace(
        scored, decision=np.arange(n, dtype=np.int64), coverage=0.8, earned=np.arange(n, dtype=np.float64) - 2.5
    )


@pytest.mark.parametrize(
    "rows", [np.array([3, 1, 1]), np.array([False, True, False, True, True, False]), np.array([], dtype=np.int64)]
)
def test_taking_rows_takes_them_of_everything(rows: np.ndarray) -> None:
    scored = whole()
    taken = scored.take(rows)
    for field in fields(Scored):
        before, after = getattr(scored, field.name), getattr(taken, field.name)
        if field.name == "coverage":
            assert after == 0.8
        elif before is None:
            assert after is None
        else:
            np.testing.assert_array_equal(after, before[rows])
    assert len(taken) == len(np.arange(6)[rows])


def test_what_is_absent_stays_absent() -> None:
    scored = Scored(target=np.zeros(3), prediction=np.zeros(3))
    for other in (scored.take(np.array([0])), scored.weighted(np.ones(3))):
        assert (other.decision, other.group, other.low, other.high) == (None, None, None, None)
    assert scored.take(np.array([0])).weight is None


def test_other_weights_change_nothing_else() -> None:
    scored = whole()
    other = scored.weighted(np.arange(6.0))
    for field in fields(Scored):
        expected = np.arange(6.0) if field.name == "weight" else getattr(scored, field.name)
        np.testing.assert_array_equal(getattr(other, field.name), expected)


def test_a_mean_is_by_weight_and_not_a_number_where_nothing_counts() -> None:
    scored = Scored(target=np.zeros(3), prediction=np.zeros(3))
    assert scored.mean(np.array([1.0, 2.0, 6.0])) == 3.0
    assert scored.weighted(np.array([1.0, 1.0, 0.0])).mean(np.array([1.0, 2.0, 6.0])) == 1.5
    assert np.isnan(scored.weighted(np.zeros(3)).mean(np.ones(3)))
    assert np.isnan(scored.take(np.array([], dtype=np.int64)).mean(np.array([])))


def test_rows_count_where_one_of_them_has_a_weight() -> None:
    scored = Scored(target=np.zeros(2), prediction=np.zeros(2))
    assert scored.counts
    assert scored.weighted(np.array([0.0, 0.1])).counts
    assert not scored.weighted(np.zeros(2)).counts
    assert not scored.take(np.array([], dtype=np.int64)).counts


def test_a_decision_is_the_given_one_or_the_likeliest_class() -> None:
    half = Scored(target=np.zeros(3), prediction=np.array([0.49, 0.5, 0.51]))
    assert half.decided().tolist() == [0, 1, 1]
    assert replace(half, decision=np.array([1, 0, 0])).decided().tolist() == [1, 0, 0]
    three = Scored(target=np.zeros(2), prediction=np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]]))
    assert three.decided().tolist() == [1, 0]
