import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.drifting import binary_rows, sigmoid

from mlwright.models import ScoreCounts
from mlwright.models.score_counts import BINS
from mlwright.monitoring.score_cells import ScoreCells, count_cells


def cells_of(n: int, seed: int = 0) -> ScoreCells:
    rows = binary_rows(n, rng=np.random.default_rng(seed))
    assert rows.target is not None
    return ScoreCells.of_rows(rows.prediction, rows.target, rows.decision)


def test_without_labelled_rows_the_model_is_taken_at_its_word() -> None:
    middle = (np.arange(BINS) + 0.5) / BINS
    assert np.allclose(ScoreCells.as_stated().rates(), middle, atol=1e-6)


def test_rates_follow_the_labels_where_the_model_is_too_sure() -> None:
    rng = np.random.default_rng(1)
    raw = rng.normal(0, 1.5, 40_000)
    stated, true = sigmoid(raw), sigmoid(0.5 * raw - 0.3)
    cells = ScoreCells.of_rows(stated, (rng.random(len(raw)) < true).astype(float))
    rate = cells.rates()[0]
    for p in (0.1, 0.3, 0.5, 0.8, 0.95):
        wanted = sigmoid(0.5 * np.log(p / (1 - p)) - 0.3)
        assert abs(rate[int(p * BINS)] - wanted) < 0.02


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_weights_that_are_whole_numbers_count_rows_as_often(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    p, y = rng.random(60), (rng.random(60) < 0.4).astype(float)
    weight = rng.integers(0, most + 1, 60)
    weighted = ScoreCells.of_rows(p, y, weight=weight.astype(float))
    repeated = ScoreCells.of_rows(np.repeat(p, weight), np.repeat(y, weight))
    assert np.allclose(weighted.hits, repeated.hits)
    assert np.allclose(weighted.misses, repeated.misses)
    assert np.allclose(weighted.rates(), repeated.rates(), atol=1e-6)


def test_rows_in_another_order_give_the_same_cells() -> None:
    rows = binary_rows(300, rng=np.random.default_rng(2))
    other = rows.take(np.random.default_rng(3).permutation(300))
    assert rows.target is not None
    assert other.target is not None
    a = ScoreCells.of_rows(rows.prediction, rows.target, rows.decision)
    b = ScoreCells.of_rows(other.prediction, other.target, other.decision)
    assert np.array_equal(a.hits, b.hits)
    assert np.allclose(a.rates(), b.rates())


@pytest.mark.parametrize("classes", [2, 3])
def test_the_history_of_a_package_gives_the_same_cells_as_its_rows(classes: int) -> None:
    rng = np.random.default_rng(4)
    if classes == 2:
        p = rng.random(500)
        decision = (p >= 0.3).astype(np.int64)
        score = p
    else:
        p = rng.dirichlet(np.ones(3), 500)
        decision, score = p.argmax(axis=1), p.max(axis=1)
    target = rng.integers(0, classes, 500)
    counts = ScoreCounts.none_yet(classes)
    counts.add(decision, score)
    counts.add_truth(target, decision, score)
    by_counts, by_rows = ScoreCells.of_counts(counts), ScoreCells.of_rows(p, target.astype(float), decision)
    assert np.array_equal(by_counts.hits, by_rows.hits)
    assert np.array_equal(by_counts.misses, by_rows.misses)
    assert np.array_equal(counts.scores, count_cells(score, decision, classes=classes))


def test_a_state_can_be_read_back() -> None:
    cells = cells_of(200)
    again = ScoreCells.of_state(cells.state())
    assert np.array_equal(again.rates(), cells.rates())
    assert again.classes == 2


def test_bootstrap_samples_have_the_right_mean_and_spread() -> None:
    cells = cells_of(400)
    hits, misses = cells.drawn(2000, np.random.default_rng(0))
    rows = (hits + misses).sum(axis=(1, 2))
    assert abs(rows.mean() - 400) < 3
    assert abs(rows.std() - 20) < 1.5
