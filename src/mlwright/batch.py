"""Answer a whole table with a model, batch by batch, so that its size does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from mlwright.core import MlwrightError, Progress, silent, stage, whole_file
from mlwright.data import Source
from mlwright.models import Model, Scorer


class OutputUnknown(MlwrightError):
    """No writer for files of this type."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"files of type {path.suffix or '(none)'} cannot be written",
            where=str(path),
            fix=f"use one of {', '.join(_WRITERS)}",
        )


def predict_table(
    model: Model, source: Source, out: Path, *, keep_columns: bool = False, progress: Progress = silent
) -> int:
    """Write the answers for all rows of a source; returns how many there were.

    Parameters
    ----------
    out
        Parquet, CSV, JSON lines or Arrow, by its suffix; written whole or not at all.
    keep_columns
        Whether the columns of the source go along; otherwise only the id, or the number of the row.

    Raises
    ------
    ColumnNotFound
        If the source lacks a column that the model reads.
    """
    if out.suffix.lower() not in _WRITERS:
        raise OutputUnknown(out)
    done = 0
    with stage("predict", progress) as report, whole_file(out) as aside:
        writer: _Writer | None = None
        try:
            for table in _answers(Scorer(model), source, keep_columns):
                if writer is None:
                    writer = _WRITERS[out.suffix.lower()](aside, table.schema)
                writer.write(table.cast(writer.schema))
                done += table.num_rows
                report.advance(f"{done:,} rows", done=done)
            if writer is None:
                empty = pa.table({name: pa.nulls(0, pa.float64()) for name in model.features})
                table = model.predict(empty).to_table()
                writer = _WRITERS[out.suffix.lower()](aside, table.schema)
                writer.write(table)
        finally:
            if writer is not None:
                writer.close()
    return done


def _answers(scorer: Scorer, source: Source, keep_columns: bool) -> Iterator[pa.Table]:
    id_column = scorer.model.facts.get("id")
    start = 0
    for batch in source.batches():
        rows = pa.Table.from_batches([batch])
        answers = scorer.score(rows)
        if keep_columns:
            kept = rows
        elif id_column in rows.column_names:
            kept = rows.select([id_column])
        else:
            kept = pa.table({"row": np.arange(start, start + rows.num_rows)})
        for name in answers.column_names:
            free = name if name not in kept.column_names else f"{name}_"
            kept = kept.append_column(free, answers.column(name))
        start += rows.num_rows
        yield _plain(kept)


def _plain(table: pa.Table) -> pa.Table:
    """Texts as texts: dictionaries differ from batch to batch."""
    columns = [
        pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], type=column.type.value_type)
        if pa.types.is_dictionary(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


class _Writer(Protocol):
    schema: pa.Schema

    def __init__(self, path: Path, schema: pa.Schema) -> None: ...

    def write(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class _Parquet:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        from pyarrow import parquet

        self.schema = schema
        self._writer: Any = parquet.ParquetWriter(path, schema)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


class _Csv:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        from pyarrow import csv

        self.schema = schema
        options = csv.WriteOptions(quoting_style="needed")
        self._writer: Any = csv.CSVWriter(path, schema, write_options=options)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


class _Arrow:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self._sink = pa.OSFile(str(path), "wb")
        self._writer: Any = pa.ipc.new_file(self._sink, schema)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()
        self._sink.close()


class _JsonLines:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self._stream: Any = path.open("wb")

    def write(self, table: pa.Table) -> None:
        import polars as pl

        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        frame.write_ndjson(self._stream)

    def close(self) -> None:
        self._stream.close()


_WRITERS: dict[str, type[_Writer]] = {
    ".parquet": _Parquet,
    ".csv": _Csv,
    ".jsonl": _JsonLines,
    ".arrow": _Arrow,
    ".feather": _Arrow,
}
