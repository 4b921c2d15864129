"""Crosses: the mean target and the count of each combination of what two columns have, from a stored table."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from mlwright.data import Column, column_as_levels, column_as_numbers
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.features.means import LEAST_ROWS, means_of_other_rows, smoothed_means
from mlwright.features.moments import parts_of_moment
from mlwright.features.rowcode import RowCode
from mlwright.features.steps import ArrowColumn, date_parts

#: A number of so few values is taken value by value, one of more in bins of about equally many rows.
FEW_VALUES = 25
_BINS = 12
_MOST_LEVELS = 1000
_LEAST_OF_LEVEL = 5
_MOST_CELLS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One side of a cross: numbers its values from 0, those that are missing last.

    Attributes
    ----------
    levels
        The number of each level; those that are not listed share the number after them. None for a number.
    edges
        Of a number: a value on an edge is above it.
    date_part
        What of a date is the number (see `DateParts`).
    coarse
        Whether one cell holds several values, so that trees see more in the number itself.
    """

    column: str
    levels: dict[str, int] | None = None
    edges: tuple[float, ...] = ()
    date_part: str = ""
    coarse: bool = False

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return (len(self.edges) if self.levels is None else len(self.levels)) + 2

    @property
    def name(self) -> str:
        return f"{self.column} {self.date_part}".strip()

    def cells(self, values: ArrowColumn) -> IntArray:
        """The number of each value, shape (n_rows,)."""
        if self.levels is not None:
            codes, levels = column_as_levels(values)
            unlisted = len(self.levels)
            lookup = np.array([self.levels.get(level, unlisted) for level in levels] + [unlisted + 1], dtype=np.int64)
            return lookup[codes]
        numbers = _numbers(values, self.date_part)
        return np.where(np.isnan(numbers), self.size - 1, np.searchsorted(self.edges, numbers, side="right"))

    def generate(self, code: RowCode) -> str:
        """The expression for the number of a record's value."""
        if self.levels is not None:
            unlisted = len(self.levels)
            number: dict[str | None, int] = dict(self.levels.items())
            find = code.constant((number | {None: unlisted + 1}).get)
            return f"{find}({code.level(self.column)}, {unlisted})"
        value = code.number(self.column)
        if self.date_part:
            part = parts_of_moment((self.date_part,), (), ())
            return f"{code.constant(lambda seconds: self._cell(part(seconds)[0]))}({value})"
        return f"({code.constant(bisect_right)}({code.constant(self.edges)}, {value}) if {value} == {value} else {self.size - 1})"

    def _cell(self, number: float) -> int:
        return bisect_right(self.edges, number) if number == number else self.size - 1

    def state(self) -> dict[str, Any]:
        """As JSON."""
        shown: dict[str, Any] = {"column": self.column}
        if self.levels is not None:
            return {**shown, "levels": list(self.levels)}
        return {**shown, "edges": list(self.edges), "date_part": self.date_part, "coarse": self.coarse}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Part:
        """The part that had this state."""
        if "levels" in state:
            return cls(column=state["column"], levels={level: i for i, level in enumerate(state["levels"])})
        return cls(**{**state, "edges": tuple(state["edges"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossMeans:
    """The mean target of a combination around the mean of all, in standard deviations of the target, and perhaps its log share.

    The training rows get their means from other training rows, as with `LevelMeans`. A combination that was never seen,
    or only once, has the mean of all and counts as seen once; missing is a value like others.

    Attributes
    ----------
    parts
        Two, or one whose every value is a cell of its own.
    cells
        Of each combination its features: `n_targets` means, and the logarithm of its share of the training rows if
        that is one.
    unseen
        The features of a combination that is not among them.

    References
    ----------
    Micci-Barreca (2001), A preprocessing scheme for high-cardinality categorical attributes, SIGKDD Explorations.
    """

    kind: ClassVar[str] = "cross_means"
    parts: tuple[Part, ...]
    cells: dict[int, tuple[float, ...]]
    n_targets: int
    unseen: tuple[float, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(part.column for part in self.parts)

    def names(self) -> list[str]:
        name = " × ".join(part.name for part in self.parts)
        numbers = [""] if self.n_targets == 1 else [f" {i + 1}" for i in range(self.n_targets)]
        means = [f"{name} (mean target{number})" for number in numbers]
        return means if len(self.unseen) == self.n_targets else [*means, f"{name} (how common)"]

    def transform(self, *values: ArrowColumn) -> FloatArray:
        crossed = cross([part.cells(column) for part, column in zip(self.parts, values, strict=True)], self.parts)
        found, position = np.unique(crossed, return_inverse=True)
        lookup = np.array([self.cells.get(cell, self.unseen) for cell in found.tolist()])
        lookup = lookup.reshape(-1, len(self.unseen))
        features: FloatArray = lookup[position]
        return features

    def generate(self, code: RowCode, at: int) -> None:
        code.line(f"cell = {self.parts[0].generate(code)}")
        for part in self.parts[1:]:
            code.line(f"cell = cell * {part.size} + {part.generate(code)}")
        code.unpack(f"{code.constant(self.cells.get)}(cell, {code.constant(self.unseen)})", at, len(self.unseen))

    def state(self) -> dict[str, Any]:
        return {
            "parts": [part.state() for part in self.parts],
            "cells": [[cell, *features] for cell, features in self.cells.items()],
            "n_targets": self.n_targets,
            "unseen": list(self.unseen),
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> CrossMeans:
        parts = tuple(Part.of_state(part) for part in state["parts"])
        cells = {int(cell): tuple(features) for cell, *features in state["cells"]}
        return cls(parts=parts, cells=cells, n_targets=state["n_targets"], unseen=tuple(state["unseen"]))


def cross(numbers: list[IntArray], parts: tuple[Part, ...]) -> IntArray:
    """One number for each combination, shape (n_rows,)."""
    crossed = numbers[0]
    for more, part in zip(numbers[1:], parts[1:], strict=True):
        crossed = crossed * part.size + more
    return crossed


def fit_cross(
    parts: tuple[Part, ...],
    crossed: IntArray,
    target: FloatArray,
    fold: IntArray,
    weight: FloatArray | None = None,
    *,
    counted: bool = False,
) -> tuple[CrossMeans, FloatArray]:
    """The step, and the features of the training rows, whose means come from the other folds.

    Parameters
    ----------
    crossed : shape (n_rows,)
        Numbers of the combinations, from `cross`.
    target : shape (n_rows, n_targets)
    fold : shape (n_rows,)
    counted
        Whether the share of a combination is a feature too.
    """
    found, cells, rows = np.unique(crossed, return_inverse=True, return_counts=True)
    n, n_targets = target.shape
    spread = target.std(axis=0)
    unit = np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
    means, _, overall = smoothed_means(cells, len(found), target, weight)
    common = np.argsort(-rows, kind="stable")[:_MOST_CELLS]
    kept = np.zeros(len(found), dtype=bool)
    kept[common] = rows[common] >= LEAST_ROWS
    shares = np.log(rows / n)[:, None]
    unseen = np.array([0.0] * n_targets + [np.log(1 / n)])
    of_cells = np.column_stack([(means - overall) / unit, shares])
    of_rows = np.column_stack([means_of_other_rows(cells, len(found), target, fold, weight) / unit, shares[cells]])
    of_rows[~kept[cells]] = unseen
    # Six digits of a standard deviation are more than the rows tell, and make the package a third as large.
    stored, made, nothing = (np.round(m[..., : n_targets + counted], 6) for m in (of_cells, of_rows, unseen))
    step = CrossMeans(
        parts=parts,
        cells={int(found[i]): tuple(stored[i].tolist()) for i in np.flatnonzero(kept)},
        n_targets=n_targets,
        unseen=tuple(nothing.tolist()),
    )
    return step, made


def parts_of(column: Column, values: pa.ChunkedArray) -> list[Part]:
    """What of a column can be crossed: its common levels, its values or bins, or parts of its dates."""
    match column.type:
        case "category":
            part = part_of_levels(column.name, values, least=_LEAST_OF_LEVEL)
            return [part] if part is not None else []
        case "datetime":
            moments = ("month", "weekday", "hour")
            return [p for moment in moments for p in _part_of_numbers(column.name, _numbers(values, moment), moment)]
        case "text":
            return []
        case _:
            return _part_of_numbers(column.name, _numbers(values, ""), "")


def part_of_levels(name: str, values: pa.ChunkedArray, *, least: int) -> Part | None:
    """The levels of at least so many rows, the most common first; None if all rows would be alike."""
    codes, levels = column_as_levels(values)
    rows = np.bincount(codes + 1, minlength=len(levels) + 1)[1:]
    order = sorted((i for i in range(len(levels)) if rows[i] >= least), key=lambda i: (-rows[i], levels[i]))
    order = order[:_MOST_LEVELS]
    if not order or rows[order[0]] == len(codes):
        return None
    return Part(column=name, levels={levels[i]: number for number, i in enumerate(order)})


def _part_of_numbers(name: str, numbers: FloatArray, date_part: str) -> list[Part]:
    known = numbers[np.isfinite(numbers)]
    values = np.unique(np.floor(known) if date_part == "hour" else known)
    if len(values) < 2:
        return []
    coarse = len(values) > FEW_VALUES
    if coarse:
        edges = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS, method="inverted_cdf"))
    else:
        edges = values[1:] if date_part == "hour" else values[:-1] / 2 + values[1:] / 2
    return [Part(column=name, edges=tuple(edges.tolist()), date_part=date_part, coarse=coarse)]


def _numbers(values: ArrowColumn, date_part: str) -> FloatArray:
    numbers = column_as_numbers(values)
    return date_parts(numbers, (date_part,))[:, 0] if date_part else numbers
