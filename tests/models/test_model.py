from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.models.made import made
from tests.models.problems import TASKS

from mlwright.data import ColumnNotFound, SourceUnreadable, fingerprint_of_rows
from mlwright.models import Calibration, DecisionRule, Model, Predictions
from mlwright.spec import Task

every_task = pytest.mark.parametrize("task", TASKS)


def same(a: Predictions, b: Predictions) -> None:
    """Up to the last bit or two: a product of matrices is summed in an order that depends on their size."""
    np.testing.assert_allclose(a.prediction, b.prediction, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(
        np.zeros(0) if a.decision is None else a.decision, np.zeros(0) if b.decision is None else b.decision
    )
    for one, other in ((a.low, b.low), (a.high, b.high)):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_allclose(one, other, rtol=1e-12)


@every_task
def test_it_answers_for_every_row_in_the_shape_of_its_task(task: Task) -> None:
    model, frame, split = made(task)
    answer = model.predict(frame)
    assert len(answer) == len(frame)
    assert answer.prediction.shape == ((len(frame), 3) if task == "multiclass" else (len(frame),))
    y = split.dataset.y
    if task == "regression":
        assert answer.decision is None
        assert answer.low is not None
        assert answer.high is not None
        assert answer.coverage == 0.9
        assert np.corrcoef(answer.prediction, y)[0, 1] > 0.6
        assert ((answer.low <= y) & (y <= answer.high)).mean() > 0.8
        return
    assert answer.decision is not None
    assert (answer.decision == y).mean() > 0.7
    np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1)
    likeliest = answer.prediction >= model.threshold if task == "binary" else answer.prediction.argmax(axis=1)
    np.testing.assert_array_equal(answer.decision, likeliest)
    assert set(answer.decided()) == set(model.classes)


FRAMES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "polars, lazy": lambda frame: frame.lazy(),
    "arrow": lambda frame: frame.to_arrow(),
    "arrow of columns": lambda frame: pa.table({name: frame[name].to_list() for name in frame.columns}),
    "arrow, in pieces": lambda frame: pa.concat_tables([frame[:100].to_arrow(), frame[100:].to_arrow()]),
    "columns turned round": lambda frame: frame.select(frame.columns[::-1]),
    "further columns": lambda frame: frame.with_columns(
        extra=pl.Series([["a", "list"]] * len(frame)), other=pl.lit(None)
    ),
    "without the target": lambda frame: frame.drop("bought", "cultivar", "progression", strict=False),
    "texts as a CSV file has them": lambda frame: frame.select(pl.all().cast(pl.String)),
}


@every_task
@pytest.mark.parametrize("kind", FRAMES)
def test_it_takes_a_frame_of_any_kind_with_columns_in_any_order(task: Task, kind: str) -> None:
    model, frame, split = made(task)
    same(model.predict(FRAMES[kind](frame)), model.predict(split.dataset))


def test_one_batch_is_answered_too() -> None:
    model, frame, _ = made("binary")
    (batch,) = frame.to_arrow().combine_chunks().to_batches()
    same(model.predict(batch), model.predict(frame))


@pytest.mark.frames
def test_it_takes_a_pandas_frame() -> None:
    pandas = pytest.importorskip("pandas")
    model, frame, _ = made("binary")
    table = pandas.DataFrame({name: frame[name].to_list() for name in frame.columns[::-1]})
    same(model.predict(table), model.predict(frame))


@pytest.mark.parametrize("rows", [{"age": [1, 2]}, [[1, 2]], np.zeros((2, 3)), None])
def test_what_is_no_data_frame_is_refused_in_plain_words(rows: object) -> None:
    with pytest.raises(SourceUnreadable, match="is not a data frame"):
        made("binary").model.predict(rows)


def test_a_missing_column_is_named_with_what_is_there() -> None:
    model, frame, _ = made("binary")
    with pytest.raises(ColumnNotFound, match="'visits'") as caught:
        model.predict(frame.rename({"visits": "visit"}))
    assert caught.value.where == "the rows to predict for"
    assert "did you mean 'visit'?" in caught.value.fix


@every_task
def test_no_rows_give_an_answer_without_rows_of_the_same_columns(task: Task) -> None:
    model, frame, split = made(task)
    expected = model.predict(frame).to_table().schema
    bare = pa.table({name: pa.nulls(0) for name in model.features})
    for empty in (frame[:0], frame[:0].to_arrow(), frame.to_arrow().schema.empty_table(), bare):
        answer = model.predict(empty)
        assert len(answer) == 0
        assert answer.to_table().schema == expected
    assert len(model.predict(split.dataset.take(np.zeros(0, dtype=np.int64)))) == 0


@every_task
def test_the_order_of_rows_does_not_matter_and_batches_give_what_the_whole_gives(task: Task) -> None:
    model, frame, _ = made(task)
    whole = model.predict(frame)
    order = np.random.default_rng(0).permutation(len(frame))
    np.testing.assert_allclose(model.predict(frame[order]).prediction, whole.prediction[order], rtol=1e-12)
    parts = [model.predict(frame[start : start + 37]).prediction for start in range(0, len(frame), 37)]
    np.testing.assert_allclose(np.concatenate(parts), whole.prediction, rtol=1e-12)
    single = [model.predict(frame[i : i + 1]).prediction[0] for i in range(5)]
    np.testing.assert_allclose(single, whole.prediction[:5], rtol=1e-12)


def test_a_table_of_many_rows_is_answered_block_by_block() -> None:
    model, frame, _ = made("binary")
    many = pl.concat([frame] * 101)
    assert len(many) > 50_000
    answer, once = model.predict(many).prediction, model.predict(frame).prediction
    np.testing.assert_allclose(answer, np.tile(once, 101), rtol=1e-12)


@every_task
def test_predicting_leaves_its_input_alone(task: Task) -> None:
    model, frame, _ = made(task)
    table = frame.to_arrow()
    before = fingerprint_of_rows(table.to_batches())
    model.predict(frame)
    model.predict(table)
    assert fingerprint_of_rows(table.to_batches()) == before == fingerprint_of_rows(frame.to_arrow().to_batches())


@every_task
def test_unreadable_missing_and_unseen_values_are_answered(task: Task) -> None:
    model, frame, _ = made(task)
    odd = {name: ["?", None, "never seen", "1e999"] for name in model.features}
    answer = model.predict(pl.DataFrame(odd))
    assert np.isfinite(answer.prediction).all()
    nothing = model.predict(pl.DataFrame({name: [None] for name in model.features}))
    np.testing.assert_allclose(answer.prediction[1], nothing.prediction[0])
    assert len(frame) > 0


def test_what_each_member_says_is_weighed_and_calibrated() -> None:
    model, frame, _ = made("binary")
    single = [
        replace(model, members=(replace(member, weight=1.0),), calibration=Calibration()).predict(frame).prediction
        for member in model.members
    ]
    np.testing.assert_allclose(
        model.predict(frame).prediction, model.calibration.apply((single[0] + single[1]) / 2), rtol=1e-12
    )


def test_the_threshold_decides() -> None:
    model, frame, _ = made("binary")
    for threshold in (0.0, 0.3, 1.0):
        answer = replace(model, rule=DecisionRule(threshold=threshold)).predict(frame)
        assert answer.decision is not None
        assert answer.decision.sum() == (answer.prediction >= threshold).sum()


@every_task
def test_importances_are_shares_over_the_columns_that_it_reads(task: Task) -> None:
    model, _, _ = made(task)
    importances = model.importances()
    assert list(importances) == model.features
    assert sum(importances.values()) == pytest.approx(1)
    assert min(importances.values()) >= 0
    if task == "binary":
        assert importances["member"] < min(importances["age"], importances["city"])


def test_a_model_of_the_baseline_uses_no_column() -> None:
    model = made("binary", ("constant",)).model
    assert set(model.importances().values()) == {0.0}
    assert len(set(model.predict(made("binary").frame).prediction)) == 1


def test_a_model_without_intervals_gives_none() -> None:
    model, frame, _ = made("regression")
    answer = replace(model, spread=None).predict(frame)
    assert (answer.low, answer.high, answer.coverage) == (None, None, None)
    assert isinstance(model, Model)
