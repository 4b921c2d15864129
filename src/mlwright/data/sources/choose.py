"""Which source reads what the spec names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlwright.data.errors import SourceUnreadable
from mlwright.data.sources.arrow_files import ArrowSource
from mlwright.data.sources.base import FileSet, Source, find_files
from mlwright.data.sources.delimited import DelimitedSource
from mlwright.data.sources.excel import ExcelSource
from mlwright.data.sources.json_lines import JsonLinesSource
from mlwright.data.sources.parquet import ParquetSource
from mlwright.data.sources.sql import open_database
from mlwright.spec import Query, Reading

#: By suffix; a file without a known one is looked into.
FILE_SOURCES: dict[str, Callable[[FileSet, Reading], Source]] = {
    ".csv": DelimitedSource,
    ".tsv": DelimitedSource,
    ".tab": DelimitedSource,
    ".txt": DelimitedSource,
    ".parquet": ParquetSource,
    ".pq": ParquetSource,
    ".jsonl": JsonLinesSource,
    ".ndjson": JsonLinesSource,
    ".json": JsonLinesSource,
    ".arrow": ArrowSource,
    ".feather": ArrowSource,
    ".ipc": ArrowSource,
    ".xlsx": ExcelSource,
    ".xlsm": ExcelSource,
    ".xls": ExcelSource,
    ".ods": ExcelSource,
}
_MAGIC: tuple[tuple[bytes, str], ...] = ((b"PAR1", ".parquet"), (b"ARROW1", ".arrow"), (b"PK\x03\x04", ".xlsx"))


def open_source(source: str | Query, *, folder: Path, reading: Reading | None = None) -> Source:
    """Open what `data.source` of a spec names.

    Parameters
    ----------
    folder
        What relative paths start from.

    Raises
    ------
    SourceNotFound, SourceUnreadable
        If it does not exist or is of no kind that can be read.
    """
    if isinstance(source, Query):
        return open_database(source, folder)
    files = find_files(source, folder)
    reading = reading or Reading()
    kind = files.suffix if files.suffix in FILE_SOURCES else _looked_into(files)
    if kind is None:
        raise SourceUnreadable(
            f"the file type {files.suffix or '(none)'} is not known",
            where=files.shown,
            fix="save it as CSV, Parquet, JSON lines, Arrow or Excel; or query a database with {url, query}",
        )
    others = {Path(path).name for path in files.paths if FileSet(None, [path], "").suffix != files.suffix}
    if others:
        raise SourceUnreadable(
            "the files are of different types", where=files.shown, fix="name files of one type, e.g. with *.csv"
        )
    return FILE_SOURCES[kind](files, reading)


def _looked_into(files: FileSet) -> str | None:
    with files.open(files.paths[0]) as file:
        head = bytes(file.read(4096))
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if b"\0" in head:
        return None
    return ".jsonl" if head.lstrip(b"\xef\xbb\xbf \t\r\n[").startswith(b"{") else ".csv"
