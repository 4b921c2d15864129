"""How rare a value is among those of the reference, column by column and for pairs of levels; tables made once, then looked up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from mlwright.data import column_as_levels, column_as_numbers
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.monitoring.rows import is_number
from mlwright.statistics.array_state import array_of_state, array_state

#: Shares of the reference rows between the cells of a column of numbers: finer at both ends.
_SHARES = np.concatenate(
    [[0.0, 0.001, 0.002, 0.005, 0.01], np.linspace(0.02, 0.98, 49), [0.99, 0.995, 0.998, 0.999, 1.0]]
)
#: Combinations of columns with at most so many levels are looked at, the most telling ones.
_MOST_LEVELS, _MOST_PAIRS = 40, 40
#: A combination is missed only where so many rows would have it if the two columns had nothing to do with each other.
_EXPECTED = 10.0
#: What a column never had is taken to be so much rarer than what it had once; a value beyond the highest number is not, for
#: each new row is that now and then.
_NEVER = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NumberRarity:
    """A column of numbers in cells.

    Attributes
    ----------
    edges : shape (n_edges,)
        The first and the last are the lowest and the highest value of the reference.
    surprise : shape (n_edges + 2,)
        Minus the logarithm of the share of reference rows in cells that are as thinly filled as this one, or more so: below
        all edges, the cells, above all edges, missing.
    reach
        From the 10 % to the 90 % point: what distances beyond the edges are measured in.
    """

    name: str
    edges: FloatArray
    surprise: FloatArray
    reach: float

    @classmethod
    def of(cls, name: str, values: FloatArray, *, rows: int | None = None) -> NumberRarity:
        """The cells of a column, NaN for missing; what it never had is as rare as if it had so many rows."""
        n, rows = len(values), rows or len(values)
        known = values[np.isfinite(values)]
        if not len(known):
            return cls(name=name, edges=np.zeros(0), surprise=np.array([np.log(_NEVER * (rows + 1)), 0.0]), reach=1.0)
        edges = np.unique(np.quantile(known, _SHARES, method="inverted_cdf"))
        # One cell below, one above: the highest value itself is in the last cell.
        cell = np.minimum(np.searchsorted(edges, known, side="right"), max(len(edges) - 1, 1))
        inside = max(len(edges) - 1, 1)
        counts = np.bincount(cell - 1, minlength=inside).astype(np.float64)
        distinct = np.unique(known)
        finest = float(np.diff(distinct).min()) if len(distinct) > 1 else 1.0
        width = np.diff(edges) if len(edges) > 1 else np.ones(1)
        surprise = -np.log(_as_rare(counts, counts / np.maximum(width, finest), n, rows))
        low, high = np.quantile(known, [0.1, 0.9])
        unseen = np.log(rows + 1)
        missing = -np.log(_share_of(n - len(known), n, rows))
        reach = float(high - low) or float(edges[-1] - edges[0]) or max(abs(float(edges[0])), 1.0)
        return cls(
            name=name, edges=edges, surprise=np.concatenate([[unseen], surprise, [unseen, missing]]), reach=reach
        )

    def of_values(self, column: pa.ChunkedArray) -> FloatArray:
        """The surprise of each row, shape (n_rows,)."""
        values = column_as_numbers(column)
        if not len(self.edges):
            constant: FloatArray = np.where(np.isnan(values), self.surprise[-1], self.surprise[0])
            return constant
        last = len(self.edges) - 1
        cell = np.searchsorted(self.edges, values, side="right")
        cell[values >= self.edges[-1]] = max(last, 1)  # the highest value is in the last cell
        cell[values > self.edges[-1]] += 1
        cell[np.isnan(values)] = len(self.surprise) - 1
        found: FloatArray = self.surprise[cell]
        with np.errstate(invalid="ignore", over="ignore"):
            beyond = np.maximum(values - self.edges[-1], self.edges[0] - values)
            far = beyond > 0
            found[far] += np.log1p(np.minimum(beyond[far] / self.reach, 1e12))
        return found

    def why(self, column: pa.ChunkedArray) -> list[str]:
        """What is odd about each value, in words that do not repeat it."""
        values = column_as_numbers(column)
        return [
            "is missing"
            if np.isnan(value)
            else "is higher than all of the reference"
            if not len(self.edges) or value > self.edges[-1]
            else "is lower than all of the reference"
            if value < self.edges[0]
            else "is where the reference has few values"
            for value in values.tolist()
        ]

    def state(self) -> dict[str, Any]:
        arrays = {"edges": array_state(self.edges), "surprise": array_state(self.surprise)}
        return {"kind": "number", "name": self.name, "reach": self.reach, **arrays}


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRarity:
    """A column of levels.

    Attributes
    ----------
    levels
        The surprise of each: minus the logarithm of the share of rows whose level is as rare, or rarer.
    unseen, missing
        Of other levels and of missing values. A level that the reference lacks is no surprise where many of its levels
        occur once (Good, 1953).
    """

    name: str
    levels: Mapping[str, float]
    unseen: float
    missing: float

    @classmethod
    def of(cls, name: str, column: pa.ChunkedArray, *, rows: int | None = None) -> LevelRarity:
        """The levels of a column; those it never had are as rare as if it had so many rows."""
        codes, texts = column_as_levels(column)
        n, rows = len(codes), rows or len(codes)
        counts = np.bincount(codes[codes >= 0], minlength=len(texts)).astype(np.float64)
        used = np.flatnonzero(counts)
        shares = _as_rare(counts[used], counts[used], n, rows)
        once = float((counts == 1).sum())
        return cls(
            name=name,
            levels={texts[i]: float(-np.log(share)) for i, share in zip(used.tolist(), shares, strict=True)},
            unseen=float(-np.log(_share_of(once, n, rows))),
            missing=float(-np.log(_share_of(float((codes < 0).sum()), n, rows))),
        )

    def of_values(self, column: pa.ChunkedArray) -> FloatArray:
        """The surprise of each row, shape (n_rows,)."""
        codes, texts = column_as_levels(column)
        table = np.array([*(self.levels.get(text, self.unseen) for text in texts), self.missing])
        found: FloatArray = table[codes]
        return found

    def why(self, column: pa.ChunkedArray) -> list[str]:
        """What is odd about each value, in words that do not repeat it."""
        codes, texts = column_as_levels(column)
        return [
            "is missing"
            if code < 0
            else "has a level that is rare in the reference"
            if texts[code] in self.levels
            else "has a level that the reference does not have"
            for code in codes.tolist()
        ]

    def state(self) -> dict[str, Any]:
        own = {"unseen": self.unseen, "missing": self.missing}
        return {"kind": "levels", "name": self.name, "levels": dict(self.levels), **own}


ColumnRarity = NumberRarity | LevelRarity


def rarity_of(name: str, column: pa.ChunkedArray, *, rows: int | None = None) -> ColumnRarity:
    """How rare each value of a typed column is."""
    if is_number(column.type) and not pa.types.is_boolean(column.type):
        return NumberRarity.of(name, column_as_numbers(column), rows=rows)
    return LevelRarity.of(name, column, rows=rows)


def rarity_of_state(state: Mapping[str, Any]) -> ColumnRarity:
    """What `state` was taken of."""
    if state["kind"] == "levels":
        return LevelRarity(**{name: state[name] for name in ("name", "levels", "unseen", "missing")})
    return NumberRarity(
        name=state["name"],
        reach=state["reach"],
        edges=array_of_state(state["edges"]),
        surprise=array_of_state(state["surprise"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairRarity:
    """Combinations of the levels of two columns that the reference lacks, though each level is common there.

    `surprise` has the shape (n_levels_of_first + 1, n_levels_of_second + 1), 0 for combinations that are no surprise; the last
    row and column are for missing values and other levels.
    """

    first: str
    second: str
    levels: tuple[tuple[str, ...], tuple[str, ...]]
    surprise: FloatArray

    def of_values(self, codes: Mapping[str, IntArray]) -> FloatArray:
        """The surprise of each row, shape (n_rows,), from the codes that `codes_of` gives."""
        found: FloatArray = self.surprise[codes[self.first], codes[self.second]]
        return found

    def state(self) -> dict[str, Any]:
        levels = [list(names) for names in self.levels]
        return {"first": self.first, "second": self.second, "levels": levels, "surprise": array_state(self.surprise)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> PairRarity:
        first, second = (tuple(names) for names in state["levels"])
        surprise = array_of_state(state["surprise"])
        return cls(first=state["first"], second=state["second"], levels=(first, second), surprise=surprise)


def pairs_of(table: pa.Table, columns: Sequence[str], *, rows: int | None = None) -> list[PairRarity]:
    """The pairs of columns of levels that lack the most combinations that one would expect."""
    levels = {name: _common_levels(table.column(name)) for name in columns}
    levels = {name: known for name, known in levels.items() if 2 <= len(known) <= _MOST_LEVELS}
    codes = {name: codes_of(table.column(name), known) for name, known in levels.items()}
    n, found = table.num_rows, []
    for first, second in combinations(levels, 2):
        shape = (len(levels[first]) + 1, len(levels[second]) + 1)
        counts = np.bincount(codes[first] * shape[1] + codes[second], minlength=shape[0] * shape[1]).reshape(shape)
        expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
        missed = (counts == 0) & (expected >= _EXPECTED)
        missed[-1], missed[:, -1] = False, False
        if missed.any():
            share = _share_of(float((counts == 1).sum()), n, rows or n)
            pair = PairRarity(
                first=first,
                second=second,
                levels=(levels[first], levels[second]),
                surprise=np.where(missed, -np.log(share), 0.0),
            )
            found.append((float(expected[missed].sum()), pair))
    return [pair for _, pair in sorted(found, key=lambda one: -one[0])[:_MOST_PAIRS]]


def codes_of(column: pa.ChunkedArray, levels: Sequence[str]) -> IntArray:
    """The place of each value among some levels, shape (n_rows,); their number for missing values and other levels."""
    place = {level: number for number, level in enumerate(levels)}
    codes, texts = column_as_levels(column)
    table = np.array([*(place.get(text, len(place)) for text in texts), len(place)], dtype=np.int64)
    found: IntArray = table[codes]
    return found


def _common_levels(column: pa.ChunkedArray) -> tuple[str, ...]:
    codes, texts = column_as_levels(column)
    counts = Counter(
        {texts[i]: int(k) for i, k in enumerate(np.bincount(codes[codes >= 0], minlength=len(texts))) if k}
    )
    return tuple(sorted(counts))


def _share_of(found: float, n: int, rows: int) -> float:
    """The share of so many of n rows; of none a guess."""
    return found / n if found else 1 / (_NEVER * (rows + 1))


def _as_rare(counts: FloatArray, density: FloatArray, n: int, rows: int) -> FloatArray:
    """The share of rows in cells of at most this density, shape (n_cells,)."""
    order = np.argsort(density, kind="stable")
    _, group = np.unique(density[order], return_inverse=True)
    ends = np.bincount(group, weights=counts[order]).cumsum()
    shares = np.empty(len(counts))
    shares[order] = ends[group]
    return np.maximum(shares / n, 1 / (rows + 1))
