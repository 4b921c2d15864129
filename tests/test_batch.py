"""Answering whole tables: every output format, batch by batch, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.support import mixed_frame

from mlwright.batch import OutputUnknown, predict_table
from mlwright.data import ColumnNotFound, FrameSource, open_source
from mlwright.models import Model
from mlwright.runs import Run

READ: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".csv": pl.read_csv,
    ".jsonl": pl.read_ndjson,
    ".arrow": pl.read_ipc,
}


@pytest.fixture(scope="module")
def model(finished: Run) -> Model:
    return Model.load(finished.folder.model_path)


@pytest.mark.parametrize("suffix", READ)
def test_answers_are_written_in_the_format_of_the_suffix(model: Model, suffix: str, tmp_path: Path) -> None:
    rows = mixed_frame(120, seed=5)
    out = tmp_path / f"scored{suffix}"
    assert predict_table(model, FrameSource(rows), out) == 120
    answers = READ[suffix](out)
    assert answers.columns == ["customer_id", "prediction", "probability_no", "probability_yes"]
    assert answers["customer_id"].to_list() == rows["customer_id"].to_list()
    expected = model.predict(rows).prediction
    assert answers["probability_yes"].to_list() == pytest.approx(expected.tolist())


def test_many_batches_give_what_one_gives(model: Model, tmp_path: Path) -> None:
    rows = mixed_frame(300, seed=6)
    for number in range(3):
        rows.slice(100 * number, 100).write_csv(tmp_path / f"part-{number}.csv")
    predict_table(model, open_source("part-*.csv", folder=tmp_path), tmp_path / "parts.parquet")
    predict_table(model, FrameSource(rows), tmp_path / "whole.parquet")
    assert pl.read_parquet(tmp_path / "parts.parquet").equals(pl.read_parquet(tmp_path / "whole.parquet"))


def test_columns_of_the_source_go_along_if_asked(model: Model, tmp_path: Path) -> None:
    rows = mixed_frame(20).with_columns(prediction=pl.lit("mine"))
    predict_table(model, FrameSource(rows), tmp_path / "out.parquet", keep_columns=True)
    answers = pl.read_parquet(tmp_path / "out.parquet")
    assert set(rows.columns) < set(answers.columns)
    assert answers["prediction"].to_list() == ["mine"] * 20
    assert set(answers["prediction_"]) <= {"yes", "no"}


def test_without_the_id_column_rows_are_numbered(model: Model, tmp_path: Path) -> None:
    predict_table(model, FrameSource(mixed_frame(7).drop("customer_id")), tmp_path / "out.csv")
    assert pl.read_csv(tmp_path / "out.csv")["row"].to_list() == list(range(7))


def test_a_table_without_rows_gives_answers_without_rows(model: Model, tmp_path: Path) -> None:
    assert predict_table(model, FrameSource(mixed_frame(5).clear()), tmp_path / "out.parquet") == 0
    assert pl.read_parquet(tmp_path / "out.parquet").height == 0


def test_a_missing_column_leaves_no_file(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ColumnNotFound, match="'age'"):
        predict_table(model, FrameSource(mixed_frame(5).drop("age")), tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_with_those_that_are_known(model: Model, tmp_path: Path) -> None:
    with pytest.raises(OutputUnknown, match=r"type \.pdf cannot be written") as caught:
        predict_table(model, FrameSource(mixed_frame(5)), tmp_path / "out.pdf")
    assert ".parquet" in caught.value.fix
