import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.monitoring.labelled_loss import MOST_WEIGHT, labelled_loss, new_labels


def test_labels_are_sorted_by_what_is_known() -> None:
    found = new_labels(
        ["new", "same", "other", "nobody", "twice", "twice"],
        ["yes", "yes", "no", "yes", "no", "yes"],
        counted={"same": "yes", "other": "yes"},
        answered={"new", "same", "other", "twice"},
    )
    assert found.rows.tolist() == [0, 5]
    assert (found.repeated, found.changed, found.unknown) == (1, 2, 1)


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("yn")), max_size=30),
    st.sets(st.sampled_from("abcdef")),
)
def test_every_label_is_counted_once(labels: list[tuple[str, str]], answered: set[str]) -> None:
    ids, values = [name for name, _ in labels], [value for _, value in labels]
    found = new_labels(ids, values, counted={"a": "y"}, answered=answered | {"a"})
    assert len(found.rows) + found.repeated + found.changed + found.unknown == len(labels)
    fresh = [ids[row] for row in found.rows]
    assert len(set(fresh)) == len(fresh)
    assert "a" not in fresh


def window(share_of_high: float, *, seed: int, n: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Rows that lose their score on average; of high scores this share is labelled, of low ones a tenth."""
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    loss = (rng.random(n) < score).astype(float)
    labelled = rng.random(n) < np.where(score > 0.5, share_of_high, 0.1)
    bins = (score * 256).astype(np.int64)
    return loss[labelled], bins[labelled], np.bincount(bins, minlength=256).astype(float), float(loss.mean())


def test_labels_that_depend_on_the_score_do_no_harm() -> None:
    loss, bins, every, true = window(0.4, seed=0)
    found = labelled_loss(loss, bins, every)
    assert found.uneven
    assert true in found.interval
    assert found.plain > true + 0.1
    assert found.weight.mean() == pytest.approx(1)
    assert found.share == pytest.approx(0.25, abs=0.02)


def test_labels_of_any_rows_are_called_even() -> None:
    uneven = [labelled_loss(*window(0.1, seed=seed, n=4000)[:3]).uneven for seed in range(60)]
    assert sum(uneven) <= 1


def test_intervals_hold_the_loss_of_all_rows() -> None:
    inside = []
    for seed in range(150):
        loss, bins, every, true = window(0.2, seed=seed, n=4000)
        inside.append(true in labelled_loss(loss, bins, every).interval)
    assert np.mean(inside) > 0.84


def test_scores_without_any_label_are_said() -> None:
    loss, bins, every, _ = window(0.4, seed=1)
    low = bins < 64
    found = labelled_loss(loss[~low], bins[~low], every)
    assert found.limited
    assert found.weight.max() <= MOST_WEIGHT * 1.5


@pytest.mark.parametrize("rows", [0, 1])
def test_no_label_or_one_says_nothing(rows: int) -> None:
    found = labelled_loss(np.ones(rows), np.zeros(rows, dtype=np.int64), np.ones(256))
    assert found.interval.low == -np.inf
    assert found.labelled == rows
