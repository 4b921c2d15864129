from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest
from tests.monitoring.watched import drawn, model
from tests.support import split_of

from mlwright.data import Dataset
from mlwright.models import Model, ScoreCounts, TrainingHistory
from mlwright.models.history import FEWEST_ROWS, OutOfFold, training_history
from mlwright.runs import Run

NOBODY = OutOfFold(
    rows=np.zeros(0, np.int64), predicted=np.zeros(0, np.int64), score=np.array([0.5]), counts=ScoreCounts.none_yet(2)
)


def history(rows: int, *, days: float, time: bool = True) -> TrainingHistory:
    data = {"time": "at"} if time else {}
    _, split = split_of(drawn(rows, days=days), "bought", data=data, split={"kind": "random", "test_share": 0.05})
    train: Dataset = split.train
    none = OutOfFold(
        rows=np.zeros(1, np.int64), predicted=np.zeros(1, np.int64), score=np.array([0.5]), counts=NOBODY.counts
    )
    return training_history(train, train.summary(), window=timedelta(days=1), out_of_fold=none)


def test_the_stretches_are_whole_days_and_hold_every_row_once() -> None:
    found = model().history
    assert found is not None
    assert len(found.rows) == 30
    for name in ("age", "city", "visits", "spent", "member", "note"):
        known = model().reference[name].known
        assert found.columns[name].counts.sum() == known, name
    assert sum(found.rows) == model().reference.rows
    assert found.answers["score"].counts.sum() == model().reference.rows
    assert list(found.starts) == sorted(found.starts)


def test_many_days_become_few_stretches_of_about_the_same_size() -> None:
    found = history(6000, days=365)
    assert 20 <= len(found.rows) <= 30
    assert max(found.rows) < 2 * min(found.rows) + FEWEST_ROWS


def test_rows_without_a_time_have_no_stretches_but_scores() -> None:
    found = history(500, days=30, time=False)
    assert found.rows == ()
    assert found.scores is not None


def test_too_few_rows_for_a_comparison_have_no_stretches() -> None:
    assert history(80, days=30).rows == ()


def test_a_history_comes_back_from_its_json() -> None:
    found = model().history
    assert found is not None
    back = TrainingHistory.of_state(json.loads(json.dumps(found.state())))
    assert (back.rows, back.starts) == (found.rows, found.starts)
    for name, column in found.columns.items():
        np.testing.assert_array_equal(back.columns[name].counts, column.counts)
        np.testing.assert_array_equal(back.columns[name].edges, column.edges)
    assert back.scores is not None
    assert found.scores is not None
    np.testing.assert_array_equal(back.scores.labelled, found.scores.labelled)


def test_scores_with_their_truth_add_up_and_go_back() -> None:
    counts = ScoreCounts.none_yet(2)
    predicted, score = np.array([1, 0, 1]), np.array([0.9, 0.1, 0.6])
    counts.add(predicted, score)
    counts.add_truth(np.array([1, 1, 0]), predicted, score)
    assert counts.confusion.tolist() == [[0, 1], [1, 1]]
    assert (counts.rows, counts.known) == (3, 3)
    counts.add_truth(np.array([1, 1, 0]), predicted, score, sign=-1)
    assert counts.known == 0
    assert not counts.hits.any()


def test_a_regression_keeps_sums_of_errors() -> None:
    counts = ScoreCounts.none_yet(0, low=-1.0, high=1.0)
    counts.add_truth(np.array([0.0, 0.5]), np.zeros(2, np.int64), np.array([0.25, 0.25]))
    assert counts.labelled.sum(axis=1) == pytest.approx([2, 0.0, 0.5, 0.125])
    back = ScoreCounts.of_state(json.loads(json.dumps(counts.state())))
    np.testing.assert_array_equal(back.labelled, counts.labelled)


def test_a_run_gives_its_package_a_history(finished: Run) -> None:
    model = Model.load(finished.folder.model_path)
    assert model.history is not None
    assert model.history.scores is not None
    assert model.history.scores.known == finished.model.facts["training_rows"]
