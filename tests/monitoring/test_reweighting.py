import numpy as np
import pyarrow as pa
import pytest
from tests.monitoring.drifting import binary_rows

from mlwright.monitoring.expected_loss import expected_metrics
from mlwright.monitoring.reweighting import reweight
from mlwright.monitoring.rows import AnsweredRows, RowShape
from mlwright.monitoring.score_cells import ScoreCells, count_cells
from mlwright.monitoring.shift_error import shift_error, tilted_weights


def test_without_drift_every_row_counts_the_same() -> None:
    rng = np.random.default_rng(0)
    found = reweight(binary_rows(2000, rng=rng), binary_rows(1000, rng=rng), rng=rng)
    assert found.effective_share > 0.98
    assert found.weight.mean() == pytest.approx(1)
    assert found.enough


def test_weights_move_the_reference_to_the_window() -> None:
    rng = np.random.default_rng(1)
    reference, window = binary_rows(4000, rng=rng), binary_rows(2000, rng=rng, old=0.8, east=0.8)
    found = reweight(reference, window, rng=rng)
    age = np.array(reference.table["age"])
    east = np.array(reference.table["region"].to_pylist()) == "east"
    assert np.average(age, weights=found.weight) == pytest.approx(0.8, abs=0.12)
    assert np.average(east, weights=found.weight) == pytest.approx(0.8, abs=0.06)
    assert 0.4 < found.effective_share < 0.75
    assert found.told_apart


def test_rows_of_another_world_are_said_to_be_unlike_the_reference() -> None:
    rng = np.random.default_rng(2)
    found = reweight(binary_rows(3000, rng=rng), binary_rows(1500, rng=rng, old=5), rng=rng)
    assert found.effective_share < 0.05
    assert not found.enough


def test_weighted_rows_see_what_scores_cannot() -> None:
    # In the east the model is too sure; the window is all east. Scores move by nothing, so they see nothing.
    rng = np.random.default_rng(3)
    reference = binary_rows(6000, rng=rng, east=0.3, blind=1.2)
    window = binary_rows(3000, rng=rng, east=0.95, blind=1.2)
    assert reference.target is not None
    assert window.target is not None
    assert window.decision is not None
    cells = ScoreCells.of_rows(reference.prediction, reference.target, reference.decision)
    counts = count_cells(window.prediction, window.decision, classes=2)
    true = float(np.mean(window.decision == window.target))
    weights = reweight(reference, window, rng=rng)
    by_scores = expected_metrics(counts, cells, rng=rng)["accuracy"]
    added = shift_error(reference, cells, strength=weights.strength, shape=weights.shape, rng=rng)
    like_window = weights.cells(reference)
    by_rows = expected_metrics(counts, cells, like_window=like_window, shift=added, rng=rng)["accuracy"]
    assert abs(by_rows.value - true) < 0.5 * abs(by_scores.value - true)
    assert true in by_rows.interval


def test_what_drift_adds_to_the_error_is_learnt_from_the_reference() -> None:
    rng = np.random.default_rng(4)
    plain, blind = binary_rows(4000, rng=rng), binary_rows(4000, rng=rng, blind=2.0)
    shape = RowShape.of([plain.described])
    found = {}
    for name, rows in (("plain", plain), ("blind", blind)):
        assert rows.target is not None
        cells = ScoreCells.of_rows(rows.prediction, rows.target, rows.decision)
        found[name] = shift_error(rows, cells, strength=0.8, shape=shape, rng=rng)["accuracy"]
    assert found["blind"] > 0.01
    assert found["plain"] < found["blind"] / 2


def test_no_drift_adds_no_error() -> None:
    rng = np.random.default_rng(5)
    rows = binary_rows(500, rng=rng)
    assert rows.target is not None
    cells = ScoreCells.of_rows(rows.prediction, rows.target, rows.decision)
    assert shift_error(rows, cells, strength=0.0, shape=RowShape.of([rows.described]), rng=rng) == {}


def test_tilts_are_as_strong_as_they_say() -> None:
    rows = binary_rows(5000, rng=np.random.default_rng(6))
    shape = RowShape.of([rows.table], columns=["idle"])
    for weight in tilted_weights(shape, rows, 0.7):
        effective = 1 / np.square(weight).sum() / 5000
        assert np.sqrt(-np.log(effective)) == pytest.approx(0.7, abs=0.12)


def test_the_matrix_of_rows_has_levels_missing_values_and_no_identifiers() -> None:
    table = pa.table(
        {
            "n": [1.0, None, float("inf")],
            "level": ["a", "b", None],
            "yes": [True, False, None],
            "id": ["x1", "x2", "x3"],
        }
    )
    many = pa.table(
        {
            **{name: table[name].combine_chunks().take(pa.array([0] * 500)) for name in ("n", "level", "yes")},
            "id": [f"x{k}" for k in range(500)],
        }
    )
    shape = RowShape.of([many, table], columns=["n", "level", "yes", "id"])
    assert shape.names == ("n", "yes", "level")
    matrix = shape.matrix(table)
    assert np.isnan(matrix[1, 0])
    assert matrix[2, 0] == 1e300
    assert matrix[:2, 2].tolist() == [0.0, 1.0]
    assert np.isnan(matrix[2, 2])
    new = shape.matrix(pa.table({"n": [0.0], "level": ["zz"], "yes": [True]}))
    assert new[0, 2] == 2.0


def test_rows_can_be_taken_with_all_that_belongs_to_them() -> None:
    rows = binary_rows(10, rng=np.random.default_rng(7))
    some = rows.take(np.array([3, 1]))
    assert isinstance(some, AnsweredRows)
    assert some.ids == ("r3", "r1")
    assert some.table["age"].to_pylist() == [rows.table["age"][3].as_py(), rows.table["age"][1].as_py()]
    assert len(rows.take(np.zeros(10, dtype=bool))) == 0
