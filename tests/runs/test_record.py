"""A run in memory: every number that it states is evidence, with its rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.support import mixed_frame, split_of

from mlwright.runs import Run, data_evidence, trials_evidence
from mlwright.search import Trial, Trials
from mlwright.statistics import METRICS, Scored


def test_rows_and_columns_are_counted() -> None:
    frame = mixed_frame(300).with_columns(
        bought=pl.when(pl.int_range(300) % 10 == 0).then(None).otherwise(pl.col("bought"))
    )
    _, split = split_of(frame, "bought", data={"time": "joined", "id": "customer_id"}, split={"gap": "60d"})
    found = {record.id: record.value for record in data_evidence(split)}
    assert found["data.rows"] == 270
    assert found["data.unlabelled_rows"] == 30
    assert found["data.columns"] == 8
    assert found["data.features"] == 5
    assert found["data.rows_in_neither"] == len(split.left_out)
    uses = [found[f"data.{name}"] for name in ("training_rows", "test_rows", "rows_in_neither")]
    assert sum(int(str(count)) for count in uses) == 270
    assert found["data.fingerprint"] == split.dataset.fingerprint
    cells = split.dataset.table.select(split.dataset.features)
    missing = sum(column.null_count for column in cells.columns) / (270 * 5)
    assert found["data.missing_share"] == pytest.approx(missing)


def test_all_stages_state_their_numbers_in_their_order(finished: Run) -> None:
    records = list(finished.evidence())
    stages = list(dict.fromkeys(record.id.split(".")[0] for record in records))
    expected = ["data", "checks", "trials", "ensemble", "test", "requirements", "slices", "importance", "canary"]
    assert [stage for stage in stages if stage in expected] == expected
    assert max(Counter(record.id for record in records).values()) == 1
    assert finished.id == finished.folder.path.name


def test_the_score_of_a_trial_is_that_of_its_out_of_fold_predictions(finished: Run) -> None:
    records = {record.id: record for record in trials_evidence(finished.leaderboard(), finished.model)}
    train, rows = finished.split.train, finished.trials.rows
    objective = METRICS[finished.trials.objective]
    for trial in finished.trials.usable:
        assert trial.predictions is not None
        scored = Scored(target=train.y[rows], prediction=trial.predictions[rows])
        record = records[f"trials.{trial.id}.{objective.name}"]
        assert record.value == pytest.approx(objective.compute(scored))
        assert record.n == rows.sum()
        deviation = records[f"trials.{trial.id}.fold_deviation"].value
        assert deviation == pytest.approx(np.std(trial.fold_scores, ddof=1))
    assert records[f"ensemble.{objective.name}"].value == finished.model.facts["out_of_fold_score"]


def test_times_are_measured_and_all_else_is_computed(finished: Run) -> None:
    for record in trials_evidence(finished.leaderboard(), finished.model):
        assert record.kind == ("measured" if record.id.endswith(".seconds") else "computed")


def test_a_trial_without_a_score_has_only_its_time(finished: Run) -> None:
    failed = Trial(id="09-x", family="linear", parameters={"name": "x"}, status="failed", seconds=0.5, reason="no luck")
    old = finished.trials
    trials = Trials(
        objective=old.objective, trials=(*old.trials, failed), rows=old.rows, n_folds=old.n_folds, fit_share=0.8
    )
    ids = [record.id for record in trials_evidence(replace(finished, trials=trials).leaderboard(), finished.model)]
    assert [id_ for id_ in ids if id_.startswith("trials.09-x")] == ["trials.09-x.seconds"]
