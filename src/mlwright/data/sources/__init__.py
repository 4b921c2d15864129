"""Where rows come from: files, folders, object stores, databases, data frames. A source yields Arrow batches.

`open_source` takes what the spec says; a new kind of source is a class with the four members of `Source`.
"""

from mlwright.data.sources.arrow_files import ArrowSource
from mlwright.data.sources.base import Source
from mlwright.data.sources.choose import open_source
from mlwright.data.sources.delimited import DelimitedSource
from mlwright.data.sources.excel import ExcelSource
from mlwright.data.sources.frames import FrameSource, to_table
from mlwright.data.sources.json_lines import JsonLinesSource
from mlwright.data.sources.parquet import ParquetSource
from mlwright.data.sources.sql import PostgresSource, SqliteSource

__all__ = [
    "ArrowSource",
    "DelimitedSource",
    "ExcelSource",
    "FrameSource",
    "JsonLinesSource",
    "ParquetSource",
    "PostgresSource",
    "Source",
    "SqliteSource",
    "open_source",
    "to_table",
]
