"""Rows of the log whose truth is known."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from tests.lifecycle.world import START, answered, drawn, log_answers

from mlwright.lifecycle import Project, labelled_rows
from mlwright.lifecycle.labelled import micros, moment_of, spellings
from mlwright.models import Model


def test_each_answer_counts_once_in_the_order_in_which_its_truth_became_known(model: Model) -> None:
    table = answered(model, drawn(40, seed=1))
    order = np.random.default_rng(0).permutation(40)
    known = pa.array(np.array(table.column("label_time").cast(pa.int64()))[order], pa.int64()).cast(
        pa.timestamp("us", "UTC")
    )
    table = table.set_column(table.column_names.index("label_time"), "label_time", known)
    twice = pa.concat_tables([table, table.set_column(2, "version", pa.array(["v2"] * 40))])
    rows = labelled_rows(twice.take(pa.array(np.random.default_rng(1).permutation(80))), model)
    assert len(rows) == 40
    assert (np.diff(rows.label_times) >= 0).all()
    assert rows.versions == {"v1"}


def test_labels_that_are_no_class_are_left_out_and_counted(model: Model) -> None:
    table = answered(model, drawn(10, seed=2))
    labels = ["perhaps", *table.column("label").to_pylist()[1:]]
    rows = labelled_rows(table.set_column(table.column_names.index("label"), "label", pa.array(labels)), model)
    assert (len(rows), rows.unusable) == (9, 1)
    assert set(rows.y) <= {0.0, 1.0}


@pytest.mark.parametrize("text", ["1", "1.0", "true"])
def test_a_class_may_be_spelled_in_the_ways_that_mean_the_same(text: str) -> None:
    classes = (False, True) if text == "true" else (0, 1)
    assert spellings(classes)[text] == 1


def test_the_log_gives_the_rows_of_a_stretch_of_time(project: Project, model: Model) -> None:
    frame = drawn(60, seed=3)
    log_answers(project, model, frame, start=START, days=6, name="a")
    late = project.log.latest(model, most=100, since=START + timedelta(days=3))
    assert len(late) == 30
    assert late.rows.numbers("age").tolist() == pytest.approx(frame["age"].to_list()[30:])
    assert moment_of(micros(START)) == START


def test_a_column_that_the_log_does_not_have_is_missing(model: Model) -> None:
    table = answered(model, drawn(10, seed=4)).drop_columns(["input.city"])
    rows = labelled_rows(table, model)
    assert rows.rows.table.column("city").null_count == 10
    assert len(model.predict(rows.rows.table)) == 10
