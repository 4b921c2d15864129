"""From a source to typed rows: reading, summaries, schema, dataset, splits.

In comes a `Spec` (or a data frame), out goes a `Dataset`: start at `read`, then `plan_split` and `split_rows`.
Summaries are folds over Arrow batches, so whatever engine brings batches can compute them.

Names are loaded when they are first used: a process that answers needs few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.data.dataset import ClassValue, Dataset, column_as_levels, column_as_numbers, written_class
    from mlwright.data.engine import Engine, LocalEngine, Summary
    from mlwright.data.errors import ColumnNotFound, ColumnOfKind, DataUnfit, SourceNotFound, SourceUnreadable
    from mlwright.data.inference import infer_schema, suspected_cap
    from mlwright.data.reading import open_for, read
    from mlwright.data.rows import fingerprint_of_rows, hash_rows
    from mlwright.data.schema import Column, Role, Schema, ValueReading
    from mlwright.data.sources import FrameSource, Source, open_source, to_table
    from mlwright.data.splits import Fold, Split, SplitPlan, fold_rows, plan_split, split_rows
    from mlwright.data.summaries import ColumnSummary, TableSummary, summarise
    from mlwright.data.target import MIN_ROWS
    from mlwright.data.values import ARROW_TYPES, ReadColumn, read_column

_HOMES = {
    "ARROW_TYPES": "values",
    "ClassValue": "dataset",
    "Column": "schema",
    "ColumnNotFound": "errors",
    "ColumnOfKind": "errors",
    "ColumnSummary": "summaries",
    "DataUnfit": "errors",
    "Dataset": "dataset",
    "Engine": "engine",
    "Fold": "splits",
    "FrameSource": "sources",
    "LocalEngine": "engine",
    "MIN_ROWS": "target",
    "ReadColumn": "values",
    "Role": "schema",
    "Schema": "schema",
    "Source": "sources",
    "SourceNotFound": "errors",
    "SourceUnreadable": "errors",
    "Split": "splits",
    "SplitPlan": "splits",
    "Summary": "engine",
    "TableSummary": "summaries",
    "ValueReading": "schema",
    "column_as_levels": "dataset",
    "column_as_numbers": "dataset",
    "fingerprint_of_rows": "rows",
    "fold_rows": "splits",
    "hash_rows": "rows",
    "infer_schema": "inference",
    "open_for": "reading",
    "open_source": "sources",
    "plan_split": "splits",
    "read": "reading",
    "read_column": "values",
    "split_rows": "splits",
    "summarise": "summaries",
    "suspected_cap": "inference",
    "to_table": "sources",
    "written_class": "dataset",
}

__all__ = [
    "ARROW_TYPES",
    "MIN_ROWS",
    "ClassValue",
    "Column",
    "ColumnNotFound",
    "ColumnOfKind",
    "ColumnSummary",
    "DataUnfit",
    "Dataset",
    "Engine",
    "Fold",
    "FrameSource",
    "LocalEngine",
    "ReadColumn",
    "Role",
    "Schema",
    "Source",
    "SourceNotFound",
    "SourceUnreadable",
    "Split",
    "SplitPlan",
    "Summary",
    "TableSummary",
    "ValueReading",
    "column_as_levels",
    "column_as_numbers",
    "fingerprint_of_rows",
    "fold_rows",
    "hash_rows",
    "infer_schema",
    "open_for",
    "open_source",
    "plan_split",
    "read",
    "read_column",
    "split_rows",
    "summarise",
    "suspected_cap",
    "to_table",
    "written_class",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
