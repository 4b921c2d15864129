"""Windows: the same counts however rows come, exact merging, a small state, and nothing of another version."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.monitoring.watched import CITIES, batch_of, drawn, model, rows_of, shape

from mlwright.data import Column
from mlwright.data.summaries import summarise
from mlwright.models import Model
from mlwright.monitoring import ReferenceMissing, ReferenceOfOtherVersion, WindowShape, WindowSummary, WindowUnreadable
from mlwright.monitoring.counting import count_column
from mlwright.monitoring.sampling import MOST_ROWS
from mlwright.monitoring.shapes import reference_shares, shape_of_column
from mlwright.monitoring.windows import INFINITE, KNOWN, NULLS, UNREAD

FRAME = drawn(4000, seed=2)


def summed(*batches: pa.RecordBatch, **options: bool) -> WindowSummary:
    window = WindowSummary(shape=shape())
    for batch in batches:
        window.update(batch, **options)
    return window


def same(one: WindowSummary, other: WindowSummary) -> None:
    for name in ("rows", "late", "first", "last"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("cells", "tallies", "scores", "labelled"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_allclose(one.sums, other.sums, rtol=1e-9)


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, len(FRAME)), max_size=4))
def test_counts_do_not_depend_on_how_the_rows_were_cut_up_and_merged(cuts: list[int]) -> None:
    batch = batch_of(FRAME, labels=True)
    edges = [0, *sorted(cuts), len(FRAME)]
    whole = WindowSummary(shape=shape())
    for start, stop in pairwise(edges):
        whole.merge(summed(batch.slice(start, stop - start)))
    same(whole, summed(batch))


def test_a_state_comes_back_as_it_was_and_is_small() -> None:
    window = summed(batch_of(FRAME, labels=True))
    state, sample = window.state(), window.sample_state()
    assert sample is not None
    assert len(state) + len(sample) < 200_000
    back = WindowSummary.of_state(state, shape(), sample)
    same(back, window)
    assert back.reservoir is not None
    assert window.reservoir is not None
    assert back.reservoir.column("id").to_pylist() == window.reservoir.column("id").to_pylist()


def test_counts_are_those_of_the_rows() -> None:
    window = summed(batch_of(FRAME, labels=True))
    tally = dict(zip(shape().names, window.tallies, strict=True))
    assert window.rows == len(FRAME)
    assert tally["age"][NULLS] == FRAME["age"].null_count()
    assert tally["age"][KNOWN] + tally["age"][NULLS] == len(FRAME)
    cities = dict(FRAME["city"].value_counts().iter_rows())
    levels = next(column for column in shape() if column.name == "city").levels
    assert dict(zip(levels, window.column_cells("city"), strict=False)) == cities
    assert window.mean("visits") == pytest.approx(FRAME["visits"].mean())
    assert window.mean("note") == pytest.approx(FRAME["note"].str.len_chars().mean())
    assert window.column_cells("member")[:2].tolist() == [(~FRAME["member"]).sum(), FRAME["member"].sum()]
    truth = (FRAME["bought"] == "yes").to_numpy()
    assert window.labelled.sum(axis=1).tolist() == [(~truth).sum(), truth.sum()]
    said = np.array(rows_of(FRAME).column("output.prediction").to_pylist()) == "yes"
    assert window.counts.confusion.tolist() == [
        [(~truth & ~said).sum(), (~truth & said).sum()],
        [(truth & ~said).sum(), (truth & said).sum()],
    ]
    assert window.counts.hits.sum() == (truth == said).sum()


def test_codes_and_texts_give_the_same_counts() -> None:
    raw = rows_of(FRAME)
    coded = raw
    for name in ("input.city", "output.prediction"):
        coded = coded.set_column(raw.column_names.index(name), name, raw.column(name).dictionary_encode())
    same(summed(*raw.to_batches()), summed(*coded.combine_chunks().to_batches()))


def test_new_levels_are_counted_apart_and_missing_columns_as_missing() -> None:
    frame = FRAME.with_columns(city=pl.when(pl.col("city") == "Rome").then(pl.lit("Lyon")).otherwise(pl.col("city")))
    window = summed(batch_of(frame).drop_columns(["input.visits"]))
    assert window.column_cells("city")[-1] == (FRAME["city"] == "Rome").sum()
    assert window.column_cells("city")[CITIES.index("Paris")] > 0
    assert window.tallies[shape().names.index("visits"), NULLS] == len(FRAME)


def test_values_that_could_not_be_read_and_infinite_ones_are_tallied() -> None:
    batch = batch_of(FRAME.head(4))
    unread = pa.array(['{"input": {"age": "old", "nobody": 1}}', None, '{"output": {}}', '{"input": "text"}'])
    batch = batch.append_column("unread", unread)
    batch = batch.set_column(
        batch.schema.get_field_index("input.spent"), "input.spent", pa.array([float("inf"), 1.0, 2.0, None])
    )
    window = summed(batch)
    number = shape().names.index
    assert window.tallies[number("age"), UNREAD] == 1
    assert window.tallies[number("spent"), [KNOWN, NULLS, INFINITE]].tolist() == [2, 1, 1]
    assert np.isfinite(window.sums[number("spent")]).all()


def test_a_value_of_another_kind_is_missing() -> None:
    batch = batch_of(FRAME.head(3))
    batch = batch.set_column(batch.schema.get_field_index("input.age"), "input.age", pa.array(["a", "b", "c"]))
    assert summed(batch).tallies[shape().names.index("age"), NULLS] == 3


def test_a_truth_that_is_taken_back_leaves_no_trace() -> None:
    batch = batch_of(FRAME, labels=True)
    plain, changed = summed(batch.drop_columns(["label"])), summed(batch)
    from mlwright.monitoring.windows import answers_of

    answered = answers_of(batch, shape())
    assert answered is not None
    changed.add_truth(batch.column("label"), *answered, sign=-1)
    same(changed, plain)


def test_the_reservoir_is_a_fair_sample_also_of_merged_windows() -> None:
    frame = drawn(12_000, seed=5)
    batch = batch_of(frame)
    merged = WindowSummary(shape=shape())
    for number, start in enumerate(range(0, 12_000, 3000)):
        part = WindowSummary(shape=shape())
        part.update(batch.slice(start, 3000), seed=number)
        merged.merge(part)
    assert merged.reservoir is not None
    assert merged.reservoir.num_rows == MOST_ROWS
    taken = np.array([int(name[1:]) for name in merged.reservoir.column("id").to_pylist()])
    assert len(set(taken)) == MOST_ROWS
    # Each quarter is expected to give 500 rows, with a standard deviation of about 18.
    assert np.abs(np.bincount(taken // 3000, minlength=4) - 500).max() < 90
    assert "input.note" not in merged.reservoir.column_names


def test_windows_of_other_versions_are_refused() -> None:
    window = summed(batch_of(FRAME.head(10)))
    other = shape("v2")
    with pytest.raises(ReferenceOfOtherVersion, match="version v1, and the reference is that of version v2"):
        WindowSummary(shape=other).merge(window)
    with pytest.raises(ReferenceOfOtherVersion):
        WindowSummary.of_state(window.state(), other)


def test_a_damaged_state_is_said_plainly() -> None:
    state = summed(batch_of(FRAME.head(10))).state()
    with pytest.raises(WindowUnreadable, match="damaged"):
        WindowSummary.of_state(state[:40], shape())


def test_a_package_without_a_reference_is_refused() -> None:
    empty = replace(model(), reference=type(model().reference)())
    with pytest.raises(ReferenceMissing):
        WindowShape.of(empty, version="v1")


def test_a_shape_comes_back_from_its_json() -> None:
    assert WindowShape.of_state(shape().state()) == shape()
    assert WindowShape.of_state(shape().state()).digest == shape().digest
    assert shape("v2").digest != shape().digest


@pytest.mark.parametrize("kind", ["normal", "money", "zeros", "whole", "ties", "constant"])
def test_the_shares_of_the_reference_are_what_a_window_of_the_same_rows_has(kind: str) -> None:
    rng = np.random.default_rng(0)
    values = {
        "normal": rng.normal(10, 3, 20_000),
        "money": np.exp(rng.normal(3, 2, 20_000)),
        "zeros": np.where(rng.random(20_000) < 0.6, 0.0, np.exp(rng.normal(3, 2, 20_000))),
        "whole": rng.poisson(4, 20_000).astype(float),
        "ties": np.round(rng.normal(0, 1, 20_000), 1),
        "constant": np.full(20_000, 3.7),
    }[kind]
    summary = summarise([pa.record_batch({"x": values})])["x"]
    own = shape_of_column(Column(name="x", type="number"), summary)
    assert own.by_bits == (kind in {"money", "zeros"})
    assert summary.numbers is not None
    share = reference_shares(own, summary.numbers.grid)
    counted = count_column(pa.array(values), own).cells / len(values)
    assert share.sum() == pytest.approx(1)
    # The distribution functions agree to what one cell of the adaptive grid holds.
    assert np.abs(np.cumsum(share) - np.cumsum(counted)).max() < (
        0.002 if kind in {"normal", "money", "zeros"} else 1e-9
    )


def test_a_regression_sums_its_errors_by_bin() -> None:
    own = WindowShape(model="m", version="v", task="regression", classes=(), columns=(), score_low=0.0, score_high=10.0)
    window = WindowSummary(shape=own)
    window.update(
        pa.record_batch(
            {
                "output.prediction": [1.0, 2.0, 9.0, None],
                "label": ["1.5", None, "7", "3"],
                "time": pa.array([5, 1, 9, 2], pa.timestamp("us")),
            }
        )
    )
    assert window.counts.rows == 3
    count, error, size, squares = window.labelled.sum(axis=1)
    assert (count, error, size, squares) == (2, 1.5, 2.5, 4.25)
    assert (window.first, window.last) == (1, 9)


def test_several_classes_are_counted_by_the_predicted_one() -> None:
    own = WindowShape(model="m", version="v", task="multiclass", classes=("a", "b", "c"), columns=())
    window = WindowSummary(shape=own)
    window.update(
        pa.record_batch(
            {
                "output.prediction": ["c", "a", "zzz"],
                "output.probability_a": [0.1, 0.7, 0.2],
                "output.probability_b": [0.2, 0.2, 0.2],
                "output.probability_c": [0.7, 0.1, 0.6],
                "label": ["c", "b", "a"],
            }
        )
    )
    assert window.scores.sum(axis=1).tolist() == [1, 0, 1]
    assert window.scores[:, int(0.7 * 256)].tolist() == [1, 0, 1]
    assert window.counts.confusion.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert window.counts.hits.sum() == 1


def test_a_window_remembers_how_many_rows_were_late() -> None:
    window = summed(batch_of(FRAME.head(10)))
    window.update(batch_of(FRAME.tail(5)), late=True)
    assert (window.rows, window.late) == (15, 5)


def test_an_older_package_without_history_is_watched_too(tmp_path: object) -> None:
    plain: Model = replace(model(), history=None)
    assert WindowShape.of(plain, version="v1").digest == shape().digest
