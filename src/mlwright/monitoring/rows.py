"""Typed rows as a matrix for small boosters: numbers as they are, levels as numbers of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlwright.data import column_as_levels, column_as_numbers
from mlwright.data.dataset import FloatArray, IntArray

#: What was answered, as a column beside those that the answer came from.
ANSWER = "answer"
#: Levels of a column that have a number of their own, the most common ones; the others share one.
MOST_LEVELS = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnsweredRows:
    """Rows with what was answered for them: those of a window, or labelled ones that the model was not fitted on.

    Attributes
    ----------
    table
        The columns that the model reads.
    prediction : shape (n_rows,) or (n_rows, n_classes)
        Probability of the positive class, or of each class if there are more than two; or the value.
    decision : shape (n_rows,)
        The class number decided for; None for a regression.
    target : shape (n_rows,)
        Class numbers or values; None where they are not known.
    weight : shape (n_rows,)
        How many rows of the window each stands for; 1 if not given.
    ids
        Of the rows in the prediction log, in their order.
    """

    table: pa.Table
    prediction: FloatArray
    decision: IntArray | None = None
    target: FloatArray | None = None
    weight: FloatArray | None = None
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.prediction)

    @property
    def weights(self) -> FloatArray:
        """As `weight`, also where all are 1."""
        return np.ones(len(self)) if self.weight is None else self.weight

    @property
    def score(self) -> FloatArray:
        """Probability of the positive class, or of the likeliest one; or the value; shape (n_rows,)."""
        found: FloatArray = self.prediction if self.prediction.ndim == 1 else self.prediction.max(axis=1)
        return found

    @property
    def described(self) -> pa.Table:
        """The columns and what was answered: what a booster looks at."""
        return self.table.append_column(ANSWER, pa.array(self.score))

    def take(self, rows: NDArray[Any]) -> AnsweredRows:
        """Some rows: by number, or by a mask."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return AnsweredRows(
            table=self.table.take(pa.array(rows)),
            prediction=self.prediction[rows],
            decision=None if self.decision is None else self.decision[rows],
            target=None if self.target is None else self.target[rows],
            weight=None if self.weight is None else self.weight[rows],
            ids=tuple(self.ids[row] for row in rows) if self.ids else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowShape:
    """Which columns are read, in which order, and which number each level has.

    A column of text of which nearly every row has another value says nothing and is left out.
    """

    numbers: tuple[str, ...]
    levels: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, tables: Sequence[pa.Table], columns: Sequence[str] | None = None) -> RowShape:
        """The shape that all these tables share; `columns` are those of the first one if not given."""
        numbers: list[str] = []
        levels: dict[str, dict[str, int]] = {}
        for name in tables[0].column_names if columns is None else columns:
            if any(name not in table.column_names for table in tables):
                continue
            kinds = [table.schema.field(name).type for table in tables]
            if all(is_number(kind) for kind in kinds):
                numbers.append(name)
                continue
            counts = _level_counts([table.column(name) for table in tables])
            if len(counts) <= max(MOST_LEVELS, sum(counts.values()) // 2):
                levels[name] = {level: number for number, (level, _) in enumerate(counts.most_common(MOST_LEVELS))}
        return cls(numbers=tuple(numbers), levels=levels)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the matrix, in its order: numbers first."""
        return (*self.numbers, *self.levels)

    @property
    def categorical(self) -> list[int]:
        """The positions of the columns of levels."""
        return list(range(len(self.numbers), len(self.names)))

    def matrix(self, table: pa.Table) -> FloatArray:
        """The rows, shape (n_rows, n_columns); what is missing is NaN."""
        parts = [column_as_numbers(table.column(name)) for name in self.numbers]
        parts += [self.codes(table, name).astype(np.float64) for name in self.levels]
        if not parts:
            return np.zeros((table.num_rows, 0))
        stacked: FloatArray = np.column_stack(parts)
        # An infinite number is no place on an axis that a tree could cut; it stays at the far end.
        stacked[np.isposinf(stacked)], stacked[np.isneginf(stacked)] = 1e300, -1e300
        stacked[:, self.categorical] = np.where(stacked[:, self.categorical] < 0, np.nan, stacked[:, self.categorical])
        return stacked

    def codes(self, table: pa.Table, name: str) -> IntArray:
        """The number of the level of each row, shape (n_rows,): -1 for missing, the last number for any other level."""
        known = self.levels[name]
        codes, texts = column_as_levels(table.column(name))
        numbers = np.array([known.get(text, len(known)) for text in texts] + [-1], dtype=np.int64)
        found: IntArray = numbers[codes]  # -1, missing, takes the last
        return found


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type is read as numbers: counts, times and truth values too."""
    return any(
        is_of(kind) for is_of in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_temporal)
    )


def _level_counts(columns: Sequence[pa.ChunkedArray]) -> Counter[str]:
    """How often each level occurs in all of them; ties in the order of the texts, so that runs can be repeated."""
    counts: Counter[str] = Counter()
    for column in columns:
        codes, texts = column_as_levels(column)
        found = np.bincount(codes[codes >= 0], minlength=len(texts))
        counts.update({text: int(n) for text, n in zip(texts, found, strict=True) if n})
    return Counter(dict(sorted(counts.items())))
