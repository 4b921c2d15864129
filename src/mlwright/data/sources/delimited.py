"""CSV and its relatives, as text: what the values are is decided later, from all of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from mlwright.data.errors import SourceUnreadable
from mlwright.data.sources.base import FileSet
from mlwright.data.sources.sniffing import HEAD_BYTES, Dialect, sniff
from mlwright.spec import Reading

_BLOCK_BYTES = 8 << 20
#: What the fast reader says of a file that ends with its header.
_NO_ROWS = re.compile("Empty CSV file|Could not skip initial")


class DelimitedSource:
    """Text files with one row a line; every value is text."""

    def __init__(self, files: FileSet, reading: Reading) -> None:
        self._files = files
        self._reading = reading
        self._dialects = [self._sniffed(path) for path in files.paths]
        first = self._dialects[0]
        for path, dialect in zip(files.paths, self._dialects, strict=True):
            if dialect.names != first.names:
                raise SourceUnreadable(
                    f"the files have different columns: {len(first.names)} and {len(dialect.names)}",
                    where=f"{files.paths[0]} and {path}",
                    fix="name only files with the same header",
                )
        self.description = files.shown
        self.notes = list(first.notes)

    def fingerprint(self) -> str:
        return self._files.fingerprint()

    def batches(self) -> Iterator[pa.RecordBatch]:
        self.notes[:] = self._dialects[0].notes
        for path, dialect in zip(self._files.paths, self._dialects, strict=True):
            yield from self._batches_of(path, dialect)

    def _sniffed(self, path: str) -> Dialect:
        try:
            with self._files.stream(path) as stream:
                head = bytes(stream.read(HEAD_BYTES))
                complete = len(head) < HEAD_BYTES
        except OSError as error:
            raise SourceUnreadable("the file cannot be read", where=path, fix="check the file") from error
        return sniff(head, complete=complete, reading=self._reading, where=path)

    def _batches_of(self, path: str, dialect: Dialect) -> Iterator[pa.RecordBatch]:
        ragged: list[str] = []

        def note(row: Any) -> str:
            ragged.append(f"{row.actual_columns} fields instead of {row.expected_columns}")
            return "skip"

        names = list(dialect.names)
        try:
            with self._files.stream(path) as stream:
                reader = arrow_csv.open_csv(
                    stream,
                    read_options=arrow_csv.ReadOptions(
                        column_names=names,
                        skip_rows=dialect.skip_lines,
                        block_size=_BLOCK_BYTES,
                        encoding=dialect.encoding.replace("-sig", ""),
                        use_threads=False,
                    ),
                    parse_options=arrow_csv.ParseOptions(
                        delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=note
                    ),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                    ),
                )
                for batch in reader:
                    if ragged and not self._reading.skip_ragged_rows:
                        break
                    yield batch
        except pa.ArrowInvalid as error:
            if not _NO_ROWS.match(str(error)):
                raise self._unreadable(path, dialect, error) from error
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(path, dialect, error) from error
        if ragged:
            if not self._reading.skip_ragged_rows:
                raise self._ragged(path, dialect)
            self.notes.append(f"{len(ragged)} lines with too many or too few fields left out")

    def _unreadable(self, path: str, dialect: Dialect, error: Exception) -> SourceUnreadable:
        if isinstance(error, UnicodeDecodeError) or "UTF8" in str(error) or "UTF-8" in str(error):
            return SourceUnreadable(
                f"some of the file is not {dialect.encoding} text",
                where=path,
                fix="set data.reading.encoding, e.g. to cp1252",
            )
        return SourceUnreadable(
            "the file cannot be read as delimited text",
            where=path,
            fix="check its quotes, or set data.reading.delimiter and data.reading.encoding",
        )

    def _ragged(self, path: str, dialect: Dialect) -> SourceUnreadable:
        """Say which lines; found by reading once more, since the fast reader does not count lines."""
        width, total = len(dialect.names), 0
        lines: list[str] = []
        with self._files.stream(path) as stream:
            text = io.TextIOWrapper(stream, encoding=dialect.encoding, errors="replace", newline="")
            reader = csv.reader(text, delimiter=dialect.delimiter)
            with suppress(csv.Error):  # such as a field that is too long; what was counted up to there is said
                for fields in reader:
                    if reader.line_num > dialect.skip_lines and fields and len(fields) != width:
                        total += 1
                        if len(lines) < 3:
                            lines.append(f"line {reader.line_num} has {len(fields)}")
        return SourceUnreadable(
            f"{total} line{' does' if total == 1 else 's do'} not have {width} fields as the header does:"
            f" {', '.join(lines)}",
            where=path,
            fix="repair the lines, or set data.reading.skip_ragged_rows: true to leave them out",
        )
