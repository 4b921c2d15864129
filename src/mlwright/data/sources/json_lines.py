"""JSON lines: one object a row, keys in any order, some of them absent."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa

from mlwright.data.errors import SourceUnreadable
from mlwright.data.sources.base import BATCH_ROWS, FileSource


class JsonLinesSource(FileSource):
    """Objects with the same keys; a key that is absent is missing, one with numbers and texts is text."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        for path in self._files.paths:
            try:
                with self._files.stream(path) as stream:
                    data = bytes(stream.read()).removeprefix(b"\xef\xbb\xbf")
            except OSError as error:
                raise SourceUnreadable("the file cannot be read", where=path, fix="check the file") from error
            if not data.strip():
                raise SourceUnreadable("the file is empty", where=path, fix="name a file with one JSON object a line")
            import polars as pl

            try:
                if data.lstrip().startswith(b"["):
                    frame = pl.read_json(io.BytesIO(data), infer_schema_length=None)
                else:
                    frame = pl.read_ndjson(io.BytesIO(data), infer_schema_length=None)
            except pl.exceptions.PolarsError as error:
                raise SourceUnreadable(
                    "the file is not JSON lines", where=path, fix="write one JSON object a line, all with the same keys"
                ) from error
            too_large = frame.select(
                pl.selectors.by_dtype(pl.Int128)
            ).columns  # whole numbers that Arrow has no type for
            frame = frame.with_columns(pl.col(too_large).cast(pl.Float64))
            yield from frame.to_arrow().to_batches(max_chunksize=BATCH_ROWS)
