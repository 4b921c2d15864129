"""Excel and OpenDocument sheets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlwright.core import closest
from mlwright.data.errors import SourceUnreadable
from mlwright.data.sources.base import BATCH_ROWS, FileSet
from mlwright.data.sources.sniffing import header_names
from mlwright.spec import Reading


class ExcelSource:
    """One sheet of each file: the first one, or the one that the spec names."""

    def __init__(self, files: FileSet, reading: Reading) -> None:
        self._files = files
        self._sheet = reading.sheet if reading.sheet is not None else 0
        self._reading = reading
        self.description = files.shown
        self.notes: list[str] = []

    def fingerprint(self) -> str:
        return self._files.fingerprint()

    def batches(self) -> Iterator[pa.RecordBatch]:
        import fastexcel

        self.notes.clear()
        for path in self._files.paths:
            try:
                book = fastexcel.read_excel(self._files.read(path))
                self._refuse_missing_sheet(book.sheet_names, path)
                batch = self._rows(book, path)
            except (fastexcel.FastExcelError, OSError) as error:
                raise SourceUnreadable(
                    "the file is not a readable Excel file", where=path, fix="save it again as .xlsx or as CSV"
                ) from error
            if len(book.sheet_names) > 1 and isinstance(self._sheet, int):
                self.notes.append(f"sheet {book.sheet_names[self._sheet]!r} of {len(book.sheet_names)}")
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)

    def _refuse_missing_sheet(self, names: list[str], path: str) -> None:
        if isinstance(self._sheet, str) and self._sheet not in names:
            raise SourceUnreadable(f"there is no sheet {self._sheet!r}", where=path, fix=closest(self._sheet, names))
        if isinstance(self._sheet, int) and not 0 <= self._sheet < len(names):
            raise SourceUnreadable(
                f"there is no sheet number {self._sheet}",
                where=path,
                fix=f"choose from 0 ({names[0]!r}) to {len(names) - 1} ({names[-1]!r})",
            )

    def _rows(self, book: Any, path: str) -> pa.RecordBatch:
        """The rows of the sheet; the type of a column is found from all of them, so that no value is lost."""
        skip = self._reading.skip_lines
        with_header = self._reading.header is not False
        if with_header:
            header = book.load_sheet(self._sheet, header_row=None, n_rows=1, skip_rows=skip, dtypes="string")
            names = [column[0].as_py() or "" for column in header.to_arrow().columns if len(column)]
            batch = book.load_sheet(self._sheet, header_row=skip, schema_sample_rows=None).to_arrow()
        else:
            batch = book.load_sheet(self._sheet, header_row=None, skip_rows=skip, schema_sample_rows=None).to_arrow()
            names = []
        # Below a header that is too short there are columns without a name.
        names += [""] * (batch.num_columns - len(names))
        names = list(header_names(names[: batch.num_columns], path, self.notes))
        return pa.RecordBatch.from_arrays([_whole_if_all_are(column) for column in batch.columns], names=names)


def _whole_if_all_are(column: pa.Array) -> pa.Array:
    """A sheet has one type for all numbers: those of a column without decimals are whole numbers here."""
    if not pa.types.is_float64(column.type):
        return column
    try:
        return pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        return column
