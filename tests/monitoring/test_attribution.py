import numpy as np
import pytest
from tests.monitoring.drifting import binary_rows

from mlwright.monitoring.attribution import columns_by_cells, columns_by_rows, slices_by_rows
from mlwright.monitoring.reweighting import reweight


def test_the_shares_of_columns_add_up_and_the_drifted_one_is_first() -> None:
    rng = np.random.default_rng(0)
    reference, window = binary_rows(4000, rng=rng), binary_rows(2000, rng=rng, old=0.9)
    assert reference.target is not None
    assert window.target is not None
    loss = (reference.prediction - reference.target) ** 2
    weights = reweight(reference, window, with_answer=False, rng=rng)
    found = columns_by_rows(reference, loss, weights)
    assert {share.name for share in found} == set(reference.table.column_names)
    raw = np.exp(weights.booster.outside[: len(reference)])
    moved = np.average(loss, weights=raw) - loss.mean()
    assert sum(share.lost for share in found) == pytest.approx(moved, abs=2e-4)
    true = np.mean((window.prediction - window.target) ** 2) - loss.mean()
    first = max(found, key=lambda share: abs(share.lost))
    assert first.name == "age"
    assert first.lost == pytest.approx(true, abs=0.02)
    for share in found:
        if share.name != "age":
            assert abs(share.lost) < abs(first.lost) / 5
        assert share.interval.low <= share.lost <= share.interval.high
    assert [share.lost for share in found] == sorted((share.lost for share in found), reverse=True)


def test_counts_alone_name_the_column_that_moved() -> None:
    rng = np.random.default_rng(1)
    loss_of_cell = np.array([0.1, 0.2, 0.5])
    before = np.array([500.0, 300.0, 200.0])
    moved, same = np.array([200.0, 300.0, 500.0]), np.array([495.0, 305.0, 200.0])
    found = columns_by_cells(
        {"moved": before, "same": before},
        {"moved": moved, "same": same},
        {"moved": before * loss_of_cell, "same": before * loss_of_cell * rng.uniform(0.9, 1.1, 3)},
    )
    assert [share.name for share in found] == ["moved", "same"]
    exact = (moved / 1000 - before / 1000) @ loss_of_cell
    assert found[0].lost == pytest.approx(exact, rel=0.1)
    assert found[0].interval.low > 0
    assert 0 in found[1].interval


def test_a_column_that_did_not_move_has_no_share() -> None:
    before = np.array([10.0, 20.0])
    found = columns_by_cells({"a": before}, {"a": before * 3}, {"a": np.array([1.0, 9.0])})
    assert found[0].lost == pytest.approx(0)
    assert columns_by_cells({"a": before}, {"a": before * 0}, {"a": before}) == []


def test_slices_that_are_all_rows_together_add_up_to_the_whole_change() -> None:
    rng = np.random.default_rng(2)
    before, now = rng.random(500), rng.random(300) + 0.2
    a, b = rng.random(500) < 0.3, rng.random(300) < 0.6
    found = slices_by_rows({"a": (a, b), "rest": (~a, ~b)}, before, now)
    assert sum(share.lost for share in found) == pytest.approx(now.mean() - before.mean())
    assert found[0].name == "a"
    assert found[0].interval.low > 0
