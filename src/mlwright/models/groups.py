"""Groups of rows by an attribute: a column of levels, a column of numbers in quarters, or an expression over columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.core import MlwrightError
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.spec import Columns, attribute_expression

#: A column of more different numbers is cut into quarters.
_MOST_NUMBERS = 6


class GroupsUnclear(MlwrightError):
    """A column does not say which group a row is of."""

    def __init__(self, attribute: str, kind: str) -> None:
        super().__init__(
            f"{attribute!r} is {kind}, which names no groups",
            where="constraints.fairness",
            fix="name a column of levels, numbers or yes and no, or write an expression such as `age < 25`",
        )


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which group each row is of.

    Attributes
    ----------
    attribute
        A column, or an expression over columns.
    edges
        Where numbers are cut; without them each number is a group of its own.
    truth
        Whether the numbers mean yes and no.
    """

    attribute: str
    edges: tuple[float, ...] = ()
    truth: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that say it."""
        return attribute_expression(self.attribute).columns

    def values(self, columns: Columns, *, rows: int) -> NDArray[Any]:
        """What the attribute is in each row: floats with NaN, or texts with None, where that is not known."""
        expression = attribute_expression(self.attribute)
        found = expression.evaluate(columns, rows=rows)
        # A comparison with what is missing is false: that does not put the row into the other group.
        unknown = np.zeros(rows, dtype=bool)
        if "missing(" not in expression.text:
            for name in expression.columns:
                values = np.asarray(columns[name])
                unknown |= np.isnan(values) if values.dtype.kind == "f" else values == np.array(None)
        if found.dtype.kind in "bfiu":
            return np.where(unknown, np.nan, found.astype(np.float64))
        texts = found.astype(object)
        texts[unknown] = None
        return texts

    def of_rows(self, columns: Columns, *, rows: int) -> tuple[IntArray, list[str]]:
        """The number of each row's group (-1 where it is not known), shape (n_rows,), and the names of the groups."""
        values = self.values(columns, rows=rows)
        if self.edges:
            return self.bins(values), bin_names(self.attribute, self.edges)
        known = ~np.isnan(values) if values.dtype.kind == "f" else values != np.array(None)
        codes = np.full(rows, -1, dtype=np.int64)
        levels, codes[known] = np.unique(values[known], return_inverse=True)
        return codes, [self._named(level) for level in levels]

    def bins(self, values: FloatArray) -> IntArray:
        """The number of the bin of each value, -1 for NaN, shape (n_rows,)."""
        return np.where(np.isnan(values), -1, np.searchsorted(self.edges, values, side="left"))

    def _named(self, level: Any) -> str:
        if self.truth:
            return "true" if level else "false"
        return f"{level:g}" if isinstance(level, float) else str(level)


def bin_names(attribute: str, edges: Sequence[float]) -> list[str]:
    """`age <= 28`, `28 < age <= 48`, `age > 48`."""
    inner = [f"{low:g} < {attribute} <= {high:g}" for low, high in pairwise(edges)]
    return [f"{attribute} <= {edges[0]:g}", *inner, f"{attribute} > {edges[-1]:g}"]


def grouping_of(rows: Dataset, attribute: str) -> Grouping:
    """How an attribute groups rows, found on these rows and then the same for all others.

    Raises
    ------
    GroupsUnclear
        If it is free text, a date, or an identifier.
    ExpressionInvalid
        If text and numbers are mixed.
    """
    expression = attribute_expression(attribute)
    alone = rows.schema[expression.columns[0]] if expression.text in _alone(expression.columns) else None
    if alone is not None and alone.type in {"text", "datetime", "identifier"}:
        kind = {"text": "free text", "datetime": "a date", "identifier": "an identifier"}[alone.type]
        raise GroupsUnclear(attribute, kind)
    columns = rows.expression_columns(expression.columns)
    truth = expression.evaluate(columns, rows=len(rows)).dtype.kind == "b"
    truth = truth or (alone is not None and alone.type == "boolean")
    values = Grouping(attribute).values(columns, rows=len(rows))
    if truth or values.dtype.kind != "f":
        return Grouping(attribute, truth=truth)
    known = values[np.isfinite(values)]
    if len(np.unique(known)) <= _MOST_NUMBERS:
        return Grouping(attribute)
    quarters = np.unique(np.quantile(known, [0.25, 0.5, 0.75]))
    return Grouping(attribute, edges=tuple(float(edge) for edge in quarters))


def groups_of(rows: Dataset, grouping: Grouping) -> tuple[IntArray, list[str]]:
    """The number of each row's group (-1 where it is not known), shape (n_rows,), and the names of the groups."""
    return grouping.of_rows(rows.expression_columns(grouping.columns), rows=len(rows))


def _alone(columns: Sequence[str]) -> set[str]:
    """The texts that are one column and nothing else."""
    return {columns[0], f"col({columns[0]!r})"} if len(columns) == 1 else set()
