"""Extremely randomised trees as arrays: their bins, their nodes, and how rows walk through all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.data.dataset import FloatArray

#: Columns are cut into so many bins at most; one more is for what is missing.
_MOST_BINS = 254
_TILE = 40_000


@dataclass(frozen=True, slots=True)
class Bins:
    """Columns as small numbers: 0 for missing, then by the edges of each column."""

    edges: tuple[FloatArray, ...]

    @classmethod
    def of(cls, values: FloatArray) -> Bins:
        """Between all different values if they are few, else at quantiles."""
        return cls(tuple(_edges(column) for column in values.T))

    def codes(self, values: FloatArray) -> NDArray[np.uint8]:
        """Shape (n_features, n_rows)."""
        codes = np.zeros((len(self.edges), len(values)), dtype=np.uint8)
        for i, edges in enumerate(self.edges):
            column = values[:, i]
            codes[i] = np.where(np.isnan(column), 0, np.searchsorted(edges, column, side="left") + 1)
        return codes

    def thresholds(self, feature: NDArray[np.int32], code: NDArray[np.uint8]) -> FloatArray:
        """A row goes right if its value is larger; what is missing always goes left."""
        width = max((len(edges) for edges in self.edges), default=0) + 1
        table = np.full((max(len(self.edges), 1), width), np.inf)
        for i, edges in enumerate(self.edges):
            table[i, 0] = -np.inf
            table[i, 1 : len(edges) + 1] = edges
        found: FloatArray = table[feature, code]
        return found


def _edges(column: FloatArray) -> FloatArray:
    different = np.unique(column[~np.isnan(column)])
    if len(different) <= _MOST_BINS:
        return different[:-1] / 2 + different[1:] / 2
    known = column[~np.isnan(column)]
    edges: FloatArray = np.unique(np.quantile(known, np.arange(1, _MOST_BINS) / _MOST_BINS, method="lower"))
    return edges


@dataclass(frozen=True, slots=True)
class Trees:
    """Nodes of several trees, the roots first.

    Attributes
    ----------
    left : shape (n_nodes,)
        Number of the left child, the right one follows it; its own number at a leaf.
    value : shape (n_nodes, n_outputs)
        Weighted mean of the rows in each node.
    rows : shape (n_nodes,)
    """

    n_trees: int
    feature: NDArray[np.int32]
    code: NDArray[np.uint8]
    left: NDArray[np.int32]
    value: NDArray[np.float32]
    rows: NDArray[np.int32]

    @staticmethod
    def joined(parts: list[Trees]) -> Trees:
        """One after the other, the roots of all first."""
        n_trees = sum(part.n_trees for part in parts)
        lefts = []
        roots_before, below_before = 0, n_trees
        for part in parts:
            is_root = part.left < part.n_trees
            lefts.append(part.left + np.where(is_root, roots_before, below_before - part.n_trees).astype(np.int32))
            roots_before += part.n_trees
            below_before += len(part.left) - part.n_trees

        def columns(arrays: list[Any]) -> Any:
            roots = [array[: part.n_trees] for array, part in zip(arrays, parts, strict=True)]
            return np.concatenate([*roots, *(array[part.n_trees :] for array, part in zip(arrays, parts, strict=True))])

        return Trees(
            n_trees,
            columns([part.feature for part in parts]),
            columns([part.code for part in parts]),
            columns(lefts),
            columns([part.value for part in parts]),
            columns([part.rows for part in parts]),
        )

    def first(self, n_trees: int) -> Trees:
        """Fewer of them, each as it is."""
        return self if n_trees >= self.n_trees else self._reachable(self.left, n_trees)

    def pruned(self, least_split: float) -> Trees:
        """Without what lies below nodes of fewer rows."""
        left = np.where(self.rows < least_split, np.arange(len(self.left), dtype=np.int32), self.left)
        return self._reachable(left, self.n_trees)

    def _reachable(self, left: NDArray[np.int32], n_trees: int) -> Trees:
        kept = np.zeros(len(left), dtype=bool)
        reached = np.arange(n_trees, dtype=np.int32)
        while len(reached):
            kept[reached] = True
            inner = left[reached][left[reached] != reached]
            reached = np.concatenate([inner, inner + 1])
        position = (np.cumsum(kept) - 1).astype(np.int32)
        return Trees(
            n_trees, self.feature[kept], self.code[kept], position[left[kept]], self.value[kept], self.rows[kept]
        )

    @property
    def leaf(self) -> NDArray[np.bool_]:
        """Which nodes are leaves."""
        return np.equal(self.left, np.arange(len(self.left)))

    def gains(self, n_features: int) -> FloatArray:
        """By how much the splits on each feature reduced the squared error, shape (n_features,)."""
        inner = np.flatnonzero(~self.leaf)
        left = self.left[inner]
        gain = np.zeros(len(inner))
        for child in (left, left + 1):
            apart = self.value[child].astype(np.float64) - self.value[inner]
            gain += self.rows[child] * (apart**2).sum(axis=1)
        gains = np.bincount(self.feature[inner], weights=gain, minlength=n_features)[:n_features]
        return gains.astype(np.float64)

    def walk(self, bins: Bins) -> Walk:
        """Ready to predict."""
        threshold = np.where(self.leaf, np.inf, bins.thresholds(self.feature, self.code))
        return Walk(self.n_trees, self.feature, threshold, self.left, self.value.astype(np.float64))


@dataclass(frozen=True, slots=True)
class Walk:
    """Trees with thresholds in place of codes, ready to be walked through.

    Attributes
    ----------
    threshold : shape (n_nodes,)
        Infinite at a leaf, whose left child is the leaf itself.
    """

    n_trees: int
    feature: NDArray[np.int32]
    threshold: FloatArray
    left: NDArray[np.int32]
    value: FloatArray

    def means(self, values: FloatArray) -> FloatArray:
        """The mean of all trees, shape (n_rows, n_outputs)."""
        if values.shape[1] == 0:
            return np.tile(self.value[: self.n_trees].mean(axis=0), (len(values), 1))
        tile = max(_TILE // self.n_trees, 1)
        parts = [self._means(values[start : start + tile]) for start in range(0, len(values), tile)]
        return np.concatenate(parts) if parts else np.zeros((0, self.value.shape[1]))

    def _means(self, values: FloatArray) -> FloatArray:
        n, width = values.shape
        flat = np.ascontiguousarray(values).ravel()
        reached = np.tile(np.arange(self.n_trees, dtype=np.int32), n)
        of_row = np.repeat(np.arange(n, dtype=np.int32) * width, self.n_trees)
        walking = np.arange(len(reached))
        at = reached
        while True:
            below = self.left[at] + (flat.take(of_row + self.feature[at]) > self.threshold[at])
            moved = below != at
            if not moved.any():
                break
            reached[walking] = below
            if n > 1:
                walking, at, of_row = walking[moved], below[moved], of_row[moved]
            else:
                at = below
        mean: FloatArray = self.value[reached].reshape(n, self.n_trees, -1).mean(axis=1)
        return mean
