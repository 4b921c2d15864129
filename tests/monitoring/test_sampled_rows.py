import numpy as np
import pyarrow as pa
import pytest
from tests.monitoring.drifting import value_rows
from tests.monitoring.watched import batch_of, drawn, model, rows_of, score, shape

from mlwright.models import ScoreCounts
from mlwright.monitoring.estimating import estimate_by_rows, estimate_by_scores, labels_that_would_tell
from mlwright.monitoring.loss_reference import LossReference
from mlwright.monitoring.rows import AnsweredRows
from mlwright.monitoring.sampled_rows import rows_of_log, rows_of_window
from mlwright.monitoring.windows import WindowSummary


def window_of(rows: int, *, older: float = 0.0, seed: int = 5) -> WindowSummary:
    window = WindowSummary(shape=shape())
    window.update(batch_of(drawn(rows, seed=seed, older=older)))
    return window


def labelled(rows: int, *, seed: int = 6) -> AnsweredRows:
    frame = drawn(rows, seed=seed)
    known = rows_of_log(rows_of(frame), shape())
    assert known is not None
    target = (frame["bought"] == "yes").to_numpy().astype(float)
    return AnsweredRows(table=known.table, prediction=known.prediction, decision=known.decision, target=target)


def test_the_sample_of_a_window_stands_for_all_its_rows() -> None:
    window = window_of(5000)
    rows = rows_of_window(window)
    assert rows is not None
    assert len(rows) == len(rows.ids) == 2000
    assert rows.weights.sum() == pytest.approx(5000)
    assert "age" in rows.table.column_names
    assert "note" not in rows.table.column_names


def test_answers_of_the_log_are_taken_as_they_were_given() -> None:
    frame = drawn(100, seed=7)
    rows = rows_of_log(rows_of(frame), shape())
    assert rows is not None
    assert np.array_equal(rows.prediction, score(frame))
    assert np.array_equal(np.asarray(rows.decision), score(frame) > 0.5)


def test_rows_without_an_answer_are_left_out() -> None:
    table = rows_of(drawn(10, seed=8))
    place = table.column_names.index("output.probability_yes")
    gone = pa.array([None] * 9 + [0.5], pa.float64())
    found = rows_of_log(table.set_column(place, "output.probability_yes", gone), shape())
    assert found is not None
    assert len(found) == 1
    assert rows_of_log(table.drop_columns(["output.prediction", "output.probability_yes"]), shape()) is None


def test_a_package_and_a_window_are_enough_for_an_estimate() -> None:
    history = model().history
    assert history is not None
    assert history.scores is not None
    reference = LossReference.of_history(history.scores)
    frame = drawn(4000, seed=9, older=15)
    window = WindowSummary(shape=shape())
    window.update(batch_of(frame))
    found = estimate_by_scores(window.scores.astype(float), reference, rng=np.random.default_rng(0))
    true = float(((score(frame) > 0.5) == (frame["bought"] == "yes").to_numpy()).mean())
    assert true in found.metrics["accuracy"].interval


def test_with_labelled_rows_the_drifted_column_is_named() -> None:
    history = model().history
    assert history is not None
    assert history.scores is not None
    rng = np.random.default_rng(1)
    reference = LossReference.of_history(history.scores, rows=labelled(3000))
    window = window_of(4000, older=-12)
    rows = rows_of_window(window)
    assert rows is not None
    counts = window.scores.astype(float)
    found = estimate_by_rows(rows, reference, counts=counts, rows=window.rows, attribute="log_loss", rng=rng)
    assert max(found.columns, key=lambda share: abs(share.lost)).name == "age"
    request = labels_that_would_tell(found, rows, reference, metric="log_loss", tolerance=0.02, rng=rng)
    assert set(request.ids) <= set(rows.ids)


def test_values_are_estimated_from_the_history_of_a_package_too() -> None:
    rng = np.random.default_rng(2)
    reference, window = value_rows(6000, rng=rng), value_rows(2000, rng=rng, far=0.7)
    assert reference.target is not None
    counts, now = ScoreCounts.none_yet(0, low=6.0, high=14.0), ScoreCounts.none_yet(0, low=6.0, high=14.0)
    counts.add_truth(reference.target, np.zeros(6000, dtype=np.int64), reference.prediction)
    now.add(np.zeros(2000, dtype=np.int64), window.prediction)
    found = estimate_by_scores(now.scores.astype(float), LossReference.of_history(counts), rng=rng)
    assert found.verdict("mae", 0.05) == "loss"
    assert found.verdict("mae", 5.0) == "no loss"
