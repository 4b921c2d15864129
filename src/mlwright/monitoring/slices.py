"""Named subsets of the rows of a window, by conditions over the columns of the input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlwright.monitoring.counting import numbers_of
from mlwright.monitoring.findings import OVERALL
from mlwright.monitoring.shapes import WindowShape
from mlwright.spec import Columns, Expression


class Slices:
    """The slices of a spec, and what of a table lies in each."""

    def __init__(self, conditions: Mapping[str, Expression]) -> None:
        self._conditions = dict(conditions)

    @property
    def columns(self) -> list[str]:
        """The columns of the input that the conditions read."""
        return sorted({name for condition in self._conditions.values() for name in condition.columns})

    def of(self, table: pa.Table, shape: WindowShape) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of each slice that has any, in pieces; all rows are `overall`.

        Raises
        ------
        ExpressionInvalid
            If a condition reads a column that is not there, or does not fit it.
        """
        for batch in table.combine_chunks().to_batches():
            if not batch.num_rows:
                continue
            yield OVERALL, batch
            if self._conditions:
                columns = _columns(batch, self.columns, shape)
                for name, condition in self._conditions.items():
                    held = condition.evaluate(columns, rows=batch.num_rows)
                    mask = (held == True) if held.dtype == object else np.nan_to_num(held.astype(np.float64)) != 0  # noqa: E712
                    if mask.any():
                        yield name, batch.filter(pa.array(mask))


def _columns(batch: pa.RecordBatch, names: list[str], shape: WindowShape) -> Columns:
    """The columns of the input as an expression takes them: numbers as floats, the rest as objects."""
    types = {column.name: column.type for column in shape}
    found: dict[str, NDArray[Any]] = {}
    for name in names:
        place = batch.schema.get_field_index(f"input.{name}")
        if place < 0:
            continue
        values = batch.column(place)
        if types.get(name) in {"number", "integer", "boolean", "datetime"}:
            found[name] = numbers_of(values, name)
        else:
            found[name] = np.array(values.to_pylist(), dtype=object)
    return found
