"""Mergeable statistics of rows: batch in, a small state out, however the rows were cut up.

`TableSummary` is the entry; a column has a `NumberSummary` or a `LevelSummary`. Whatever looks at data (profile, schema,
checks, reference, later drift) reads these states and never the rows, so it works on a table of any size.
See README.md beside this file for the arithmetic.
"""

from mlwright.data.summaries.distinct import DistinctSketch
from mlwright.data.summaries.grid import QuantileGrid
from mlwright.data.summaries.heavy import HeavyHitters
from mlwright.data.summaries.levels import LevelSummary
from mlwright.data.summaries.moments import Moments
from mlwright.data.summaries.numbers import NumberSummary
from mlwright.data.summaries.table import ColumnSummary, TableSummary, summarise

__all__ = [
    "ColumnSummary",
    "DistinctSketch",
    "HeavyHitters",
    "LevelSummary",
    "Moments",
    "NumberSummary",
    "QuantileGrid",
    "TableSummary",
    "summarise",
]
