from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.statistics import disagreement_within, error_of_disagreement, variance_within, wrong_labels


@given(st.integers(2, 10), st.floats(0, 1))
def test_two_who_are_wrong_so_often_disagree_so_often(n_classes: int, error: float) -> None:
    error *= (n_classes - 1) / n_classes  # beyond that a label says less than chance
    disagreement = 2 * error - error**2 * n_classes / (n_classes - 1)
    assert error_of_disagreement(disagreement, n_classes) == pytest.approx(error, abs=1e-6)


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0.01, 1)),  # how often class 1 in a cell, and how many rows are in it
        min_size=1,
        max_size=20,
    )
)
def test_the_best_error_lies_between_its_bounds_however_uneven_the_cells(cells: list[tuple[float, float]]) -> None:
    p, size = (np.array(values) for values in zip(*cells, strict=True))
    best = np.average(np.minimum(p, 1 - p), weights=size)
    disagreement = float(np.average(2 * p * (1 - p), weights=size))
    assert disagreement / 2 - 1e-9 <= error_of_disagreement(disagreement) <= best + 1e-9
    assert best <= disagreement + 1e-9


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=25))
def test_disagreement_is_the_share_of_differing_pairs(pairs: list[tuple[int, int]]) -> None:
    cells, y = (np.array(values) for values in zip(*pairs, strict=True))
    found = disagreement_within(cells.astype(np.uint64), y.astype(float), 3)
    for cell in np.unique(cells):
        own = y[cells == cell]
        differ = [a != b for a, b in combinations(own, 2)]
        expected = np.mean(differ) if differ else np.nan
        assert found[cells == cell] == pytest.approx(np.full(len(own), expected), nan_ok=True)


def test_variance_is_that_of_rows_with_equal_inputs() -> None:
    cells, y = np.array([1, 1, 1, 2, 3, 3], dtype=np.uint64), np.array([1.0, 2.0, 6.0, 9.0, 4.0, 4.0])
    found = variance_within(cells, y)
    assert found == pytest.approx([np.var([1, 2, 6], ddof=1)] * 3 + [np.nan, 0.0, 0.0], nan_ok=True)


def test_few_rows_and_one_class_say_nothing() -> None:
    sure = np.tile([0.9, 0.1], (300, 1))
    assert wrong_labels(sure[:199], np.zeros(199, dtype=np.int64)) is None
    assert wrong_labels(sure, np.zeros(300, dtype=np.int64)) is None


@given(st.integers(0, 10_000), st.floats(0, 0.25))
def test_where_classes_are_plain_the_share_is_told(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, 2000)
    y = np.where(rng.random(2000) < share, 1 - truth, truth)
    sure = np.where(truth == 1, 1 - share, share)[:, None] + rng.normal(0, 0.02, (2000, 1))
    found = wrong_labels(np.clip(np.hstack([1 - sure, sure]), 0, 1), y)
    assert found is not None
    assert found.can_tell
    assert found.share == pytest.approx(float((y != truth).mean()), abs=0.03)


def test_where_nothing_is_known_of_the_classes_the_share_is_not_told() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(2000) < 0.3).astype(np.int64)
    p = np.clip(0.3 + rng.normal(0, 0.05, (2000, 1)), 0, 1)
    found = wrong_labels(np.hstack([1 - p, p]), y)
    assert found is not None
    assert not found.can_tell
