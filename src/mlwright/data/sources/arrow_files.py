"""Arrow IPC files and streams, Feather among them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mlwright.data.errors import SourceUnreadable
from mlwright.data.sources.base import FileSource
from mlwright.data.sources.sniffing import refuse_duplicates


class ArrowSource(FileSource):
    """Columns as they are stored."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        for path in self._files.paths:
            try:
                with self._files.open(path) as stream:
                    yield from _batches(stream, path)
            except (pa.ArrowException, OSError) as error:
                raise SourceUnreadable(
                    "the file is not an Arrow file, or is damaged", where=path, fix="write it again as Arrow IPC"
                ) from error


def _batches(stream: pa.NativeFile, path: str) -> Iterator[pa.RecordBatch]:
    try:
        file = pa.ipc.open_file(stream)
    except pa.ArrowInvalid:
        stream.seek(0)
        with pa.ipc.open_stream(stream) as reader:
            refuse_duplicates(reader.schema.names, path)
            yield from reader
        return
    refuse_duplicates(file.schema.names, path)
    for i in range(file.num_record_batches):
        yield file.get_batch(i)
