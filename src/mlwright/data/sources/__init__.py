"""Where rows come from: files, folders, object stores, databases, data frames. A source yields Arrow batches.

`open_source` takes what the spec says; a new kind of source is a class with the four members of `Source`.

Names are loaded when they are first used: a process that answers needs few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.data.sources.arrow_files import ArrowSource
    from mlwright.data.sources.base import Source
    from mlwright.data.sources.choose import open_source
    from mlwright.data.sources.delimited import DelimitedSource
    from mlwright.data.sources.excel import ExcelSource
    from mlwright.data.sources.frames import FrameSource, to_table
    from mlwright.data.sources.json_lines import JsonLinesSource
    from mlwright.data.sources.parquet import ParquetSource
    from mlwright.data.sources.sql import PostgresSource, SqliteSource

_HOMES = {
    "ArrowSource": "arrow_files",
    "DelimitedSource": "delimited",
    "ExcelSource": "excel",
    "FrameSource": "frames",
    "JsonLinesSource": "json_lines",
    "ParquetSource": "parquet",
    "PostgresSource": "sql",
    "Source": "base",
    "SqliteSource": "sql",
    "open_source": "choose",
    "to_table": "frames",
}

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


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.data.sources.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.data.sources' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
