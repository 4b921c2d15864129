"""Parquet files, with texts as dictionary codes where the file has them so."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mlwright.data.errors import SourceUnreadable
from mlwright.data.sources.base import BATCH_ROWS, FileSource
from mlwright.data.sources.sniffing import refuse_duplicates


class ParquetSource(FileSource):
    """Columns as they are stored; `columns` limits what is read."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        from pyarrow import parquet

        for path in self._files.paths:
            try:
                with self._files.open(path) as stream:
                    schema = parquet.read_schema(stream)
                    refuse_duplicates(schema.names, path)
                    stream.seek(0)
                    # Without buffering ahead: it would keep what it has read of all row groups.
                    file = parquet.ParquetFile(stream, read_dictionary=_texts(schema), pre_buffer=False)
                    yield from file.iter_batches(batch_size=2 * BATCH_ROWS, use_threads=False)
            except (pa.ArrowException, OSError) as error:
                raise SourceUnreadable(
                    "the file is not a Parquet file, or is damaged",
                    where=path,
                    fix="write it again, or check its suffix",
                ) from error


def _texts(schema: pa.Schema) -> list[str]:
    return [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
