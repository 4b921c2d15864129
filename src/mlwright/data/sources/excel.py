"""Excel and OpenDocument sheets."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mlwright.core import closest
from mlwright.data.errors import SourceUnreadable
from mlwright.data.sources.base import BATCH_ROWS, FileSet
from mlwright.data.sources.sniffing import refuse_duplicates
from mlwright.spec import Reading


class ExcelSource:
    """One sheet of each file: the first one, or the one that the spec names."""

    def __init__(self, files: FileSet, reading: Reading) -> None:
        self._files = files
        self._sheet = reading.sheet if reading.sheet is not None else 0
        self._skip = reading.skip_lines
        self.description = files.shown
        self.notes: list[str] = []

    def fingerprint(self) -> str:
        return self._files.fingerprint()

    def batches(self) -> Iterator[pa.RecordBatch]:
        import fastexcel

        for path in self._files.paths:
            try:
                book = fastexcel.read_excel(self._files.read(path))
                if isinstance(self._sheet, str) and self._sheet not in book.sheet_names:
                    raise SourceUnreadable(
                        f"there is no sheet {self._sheet!r}", where=path, fix=closest(self._sheet, book.sheet_names)
                    )
                header = book.load_sheet(self._sheet, header_row=None, n_rows=1, skip_rows=self._skip, dtypes="string")
                names = [str(column[0]).strip() for column in header.to_arrow().columns if column[0].as_py()]
                refuse_duplicates(names, path)
                batch = book.load_sheet(self._sheet, header_row=self._skip).to_arrow()
            except fastexcel.FastExcelError as error:
                raise SourceUnreadable(
                    "the file is not a readable Excel file", where=path, fix="save it again as .xlsx or as CSV"
                ) from error
            if len(book.sheet_names) > 1 and isinstance(self._sheet, int):
                self.notes.append(f"sheet {book.sheet_names[self._sheet]!r} of {len(book.sheet_names)}")
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)
