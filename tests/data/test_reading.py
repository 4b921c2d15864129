"""Source -> dataset: the same rows give the same dataset, however they come, and what was lost or left out is told."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from tests.data.strategies import pieces
from tests.support import breast_cancer_frame, dataset_of, diabetes_frame, mixed_frame, shared_file, spec_for

from mlwright.core import MlwrightError, ProgressEvent
from mlwright.data import ARROW_TYPES, Dataset, DataUnfit, SourceNotFound, open_for, read, summarise, to_table
from mlwright.spec import Spec


def spec_over(source: str, folder: Path, **data: Any) -> Spec:
    return spec_for("bought", data={"source": source, **data}).at(folder)


def same(one: Dataset, other: Dataset) -> bool:
    """Whether schema and values are equal; why a column was read as it is may be told in other words."""
    shapes = [[(c.name, c.type, c.role) for c in dataset.schema] for dataset in (one, other)]
    return shapes[0] == shapes[1] and one.table.to_pylist() == other.table.to_pylist() and one.classes == other.classes


# ------------------------------------------------------------------------------------------------------- same anywhere


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.parquet", "a.jsonl", "a.arrow"])
def test_a_table_is_the_same_dataset_from_every_kind_of_file(name: str, tmp_path: Path) -> None:
    frame = mixed_frame(200)
    path = tmp_path / name
    match name.split(".", 1)[1]:
        case "parquet":
            frame.write_parquet(path)
        case "jsonl":
            frame.write_ndjson(path)
        case "arrow":
            frame.write_ipc(path)
        case "csv.gz":
            import gzip

            path.write_bytes(gzip.compress(frame.write_csv().encode()))
        case _:
            frame.write_csv(path, separator="\t" if name.endswith("tsv") else ",")
    found = read(spec_over(name, tmp_path, id="customer_id"))
    assert same(found, dataset_of(frame, "bought", data={"id": "customer_id"}))
    assert name in found.description


@given(rng=st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_it_does_not_matter_how_rows_are_cut_into_batches(rng: Random) -> None:
    table = to_table(mixed_frame(150)).combine_chunks()
    whole = read(spec_for("bought"), table)
    parts = [part for part in pieces(table, rng) if part.num_rows]
    chopped = pa.concat_tables(parts)
    found = read(spec_for("bought"), chopped)
    assert same(found, whole)
    assert found.fingerprint == whole.fingerprint


def test_rows_keep_their_order_over_files(tmp_path: Path) -> None:
    frame = mixed_frame(300)
    for number in range(3):
        frame.slice(100 * number, 100).write_csv(tmp_path / f"part-{number}.csv")
    found = read(spec_over("part-*.csv", tmp_path))
    assert found.table.column("customer_id").to_pylist() == frame["customer_id"].to_list()


def test_a_source_that_is_larger_than_what_is_kept_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = mixed_frame(400)
    parquet.write_table(to_table(frame), tmp_path / "a.parquet", row_group_size=50)
    spec = spec_over("a.parquet", tmp_path)
    kept = read(spec)
    monkeypatch.setattr("mlwright.data.reading._KEEP_BYTES", 1000)
    assert same(read(spec), kept)


def test_the_fingerprint_tells_every_change(tmp_path: Path) -> None:
    frame = mixed_frame(200)
    spec = spec_for("bought")
    first = read(spec, frame).fingerprint
    assert read(spec, mixed_frame(200)).fingerprint == first
    changed = [
        frame.with_columns(visits=pl.col("visits") + 1),
        frame.rename({"visits": "visit"}),
        frame.reverse(),
        frame.head(199),
        frame.with_columns(city=pl.col("city").fill_null("")),
    ]
    assert len({first, *(read(spec, other).fingerprint for other in changed)}) == 6


def test_each_column_has_the_arrow_type_of_its_type() -> None:
    dataset = dataset_of(mixed_frame(200), "bought")
    for column in dataset.schema:
        assert dataset.table.schema.field(column.name).type == ARROW_TYPES[column.type]


@pytest.mark.parametrize(("frame", "target"), [(breast_cancer_frame(), "diagnosis"), (diabetes_frame(), "progression")])
def test_numbers_come_through_unchanged(frame: pl.DataFrame, target: str) -> None:
    dataset = dataset_of(frame, target)
    for name in dataset.features:
        assert dataset.numbers(name).tolist() == frame[name].cast(pl.Float64).to_list()


def test_a_real_table_with_blank_numbers_is_read() -> None:
    path = shared_file("telco_churn_raw.csv")
    dataset = read(Spec.of({"data": {"source": str(path), "target": "Churn", "id": "customerID"}}))
    assert len(dataset) > 7000
    assert dataset.task == "binary"
    assert dataset.schema["TotalCharges"].type == "number"  # eleven of its values are blank
    assert dataset.table.column("TotalCharges").null_count == 11


# ---------------------------------------------------------------------------------------------------- what is told


def test_values_that_cannot_be_read_are_missing_and_counted() -> None:
    values = [str(i / 4) for i in range(196)] + ["about 7"] * 4
    frame = mixed_frame(200).with_columns(score=pl.Series(values))
    dataset = dataset_of(frame, "bought")
    assert dict(dataset.unreadable) == {"score": 4}
    assert np.isnan(dataset.numbers("score")).tolist() == [False] * 196 + [True] * 4


def test_progress_names_the_source_and_counts_rows() -> None:
    events: list[ProgressEvent] = []
    read(spec_for("bought"), mixed_frame(123), progress=events.append)
    assert (events[0].stage, events[0].kind, events[-1].kind) == ("read", "started", "finished")
    told = " ".join(event.detail for event in events)
    assert "summarising" in told
    assert "123" in told
    assert any(event.done == 123 for event in events)


def test_a_frame_takes_the_place_of_the_source_of_the_spec(tmp_path: Path) -> None:
    mixed_frame(50).write_csv(tmp_path / "a.csv")
    spec = spec_over("a.csv", tmp_path)
    assert len(read(spec)) == 50
    assert len(read(spec, mixed_frame(80))) == 80
    assert summarise(open_for(spec).batches()).rows == 50
    assert summarise(open_for(spec, mixed_frame(80)).batches()).rows == 80


def test_reading_leaves_the_frame_alone() -> None:
    frame = mixed_frame(100)
    before = frame.clone()
    read(spec_for("bought"), frame)
    assert frame.equals(before)


# -------------------------------------------------------------------------------------------------------- refusals


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,bought\n")
    with pytest.raises(DataUnfit, match="the table has no rows") as caught:
        read(spec_over("a.csv", tmp_path))
    assert "a.csv" in caught.value.where


def test_a_missing_source_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    mixed_frame(30).write_csv(tmp_path / "sales.csv")
    with pytest.raises(SourceNotFound) as caught:
        read(spec_over("sale.csv", tmp_path))
    assert "sales.csv" in caught.value.fix


@pytest.mark.parametrize(
    "column",
    [
        [{"a": 1}, {"a": 2}],
        [b"\x00", b"\x01"],
        [[1, 2], [3]],
    ],
    ids=["objects", "bytes", "lists"],
)
def test_columns_that_no_feature_can_be_made_of_are_refused_by_name(column: list[Any]) -> None:
    frame = mixed_frame(100).with_columns(odd=pl.Series(column * 50))
    with pytest.raises(MlwrightError, match="'odd'") as caught:
        dataset_of(frame, "bought")
    assert caught.value.fix


def test_thousands_of_columns_are_read() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 2_000))
    frame = pl.DataFrame(values, schema=[f"x{i}" for i in range(2_000)]).with_columns(
        bought=pl.Series(["yes", "no"] * 15)
    )
    dataset = dataset_of(frame, "bought")
    assert len(dataset.features) == 2_000
    assert dataset.numbers("x1999").tolist() == values[:, 1999].tolist()


def test_a_table_that_was_read_before_is_written_with_how_its_values_were_read(tmp_path: Path) -> None:
    texts = {"fee": ["1.234,50 €", "7,19 €", "n/a", "12,00 €"] * 30, "day": ["03.02.2026", "2026-02-04"] * 60}
    raw = pl.DataFrame({**texts, "bought": [0, 1] * 60})
    first = read(spec_for("bought"), raw)
    assert first.schema["fee"].reading.decimal == ","
    parquet.write_table(first.schema.written_on(to_table(first.table)), tmp_path / "again.parquet")
    again = read(spec_over("again.parquet", tmp_path))
    assert [(c.name, c.type, c.reading) for c in again.schema] == [(c.name, c.type, c.reading) for c in first.schema]
    assert again.table.to_pylist() == first.table.to_pylist()
