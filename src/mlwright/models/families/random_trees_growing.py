"""Growing extremely randomised trees: many at once, level by level, so that numpy has long arrays to work on.

Why not LightGBM's `extra_trees`: it draws a threshold from the whole range of a column, which deep in a tree seldom
parts the few rows that are there, so trees end early; here it is drawn from the range that the node's rows have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models.families.random_trees import Trees

#: Fewer rows than this are not split further.
LEAST_SPLIT = 3
_DRAWS_BETWEEN_LOOKS = 16


def grow(
    codes: NDArray[np.uint8],
    y: FloatArray,
    weight: FloatArray,
    *,
    n_outputs: int,
    n_trees: int,
    tried: int,
    least_split: float = LEAST_SPLIT,
    rng: np.random.Generator,
    deadline: Deadline,
) -> tuple[Trees, bool]:
    """Grow trees on all rows; also whether time ran out, in which case the open nodes became leaves.

    Parameters
    ----------
    codes : shape (n_features, n_rows)
    y : shape (n_rows,)
        Class numbers if there are several outputs, else values.
    tried
        Features that each node draws, with one threshold each; the best of them splits it.

    References
    ----------
    Geurts, Ernst, Wehenkel (2006), Extremely randomized trees, Machine Learning 63.
    """
    kind = rng.integers(1 << 40, size=len(codes)) @ codes.astype(np.int64)
    row, sizes = np.tile(np.arange(len(y)), n_trees), np.full(n_trees, len(y))
    level = _Level(codes, n_outputs, row, y[row], weight[row], kind[row], sizes)
    features, bins, lefts, values, counts = [], [], [], [], []
    made, cut = 0, False
    while len(level.sizes):
        n = len(level.sizes)
        features.append(np.zeros(n, dtype=np.int32))
        bins.append(np.zeros(n, dtype=np.uint8))
        lefts.append(np.arange(made, made + n, dtype=np.int32))
        values.append(level.means())
        counts.append(level.sizes.astype(np.int32))
        cut = deadline.expired()
        if cut or len(codes) == 0:
            break
        open_nodes = level.open_nodes(least_split)
        level = level.of_nodes(open_nodes)
        feature, code = level.best_splits(tried, rng, deadline)
        split = np.flatnonzero(feature >= 0)
        at = open_nodes[split]
        features[-1][at], bins[-1][at] = feature[split], code[split]
        lefts[-1][at] = made + n + 2 * np.arange(len(split))
        level = level.of_nodes(split).children(feature[split], code[split])
        made += n
    columns: Any = [np.concatenate(part) for part in (features, bins, lefts, values, counts)]
    return Trees(n_trees, *columns), cut


@dataclass(frozen=True, slots=True)
class _Level:
    """The nodes of one depth: their rows one node after the other, and how many each has.

    Attributes
    ----------
    row, y, weight, kind : shape (n_positions,)
        Rows of the same kind are the same in all features.
    sizes : shape (n_nodes,)
    """

    codes: NDArray[np.uint8]
    n_outputs: int
    row: IntArray
    y: FloatArray
    weight: FloatArray
    kind: IntArray
    sizes: IntArray

    @property
    def starts(self) -> IntArray:
        return np.cumsum(self.sizes) - self.sizes

    def of_nodes(self, chosen: IntArray) -> _Level:
        if len(chosen) == len(self.sizes):
            return self
        kept = np.zeros(len(self.sizes), dtype=bool)
        kept[chosen] = True
        return self._at(np.flatnonzero(np.repeat(kept, self.sizes)), self.sizes[chosen])

    def _at(self, positions: IntArray, sizes: IntArray) -> _Level:
        return _Level(
            self.codes,
            self.n_outputs,
            self.row[positions],
            self.y[positions],
            self.weight[positions],
            self.kind[positions],
            sizes,
        )

    def sums(self, share: NDArray[np.bool_] | None = None) -> tuple[FloatArray, FloatArray]:
        """Weight of each node, and its target times weight, shape (n_nodes, n_outputs); of some of its rows only."""
        weight = self.weight if share is None else self.weight * share
        if self.n_outputs == 1:
            starts = self.starts
            return np.add.reduceat(weight, starts), np.add.reduceat(weight * self.y, starts)[:, None]
        n, k = len(self.sizes), self.n_outputs
        key = np.repeat(np.arange(n) * k, self.sizes) + self.y.astype(np.int64)
        by_class = np.bincount(key, weights=weight, minlength=n * k).reshape(n, k).astype(np.float64)
        return by_class.sum(axis=1), by_class

    def means(self) -> NDArray[np.float32]:
        weight, sums = self.sums()
        return (sums / weight[:, None]).astype(np.float32)

    def open_nodes(self, least_split: float) -> IntArray:
        """Nodes of enough rows, whose features differ and whose targets do."""
        wanted, starts = self.sizes >= least_split, self.starts
        for values in (self.y, self.kind):
            wanted &= np.minimum.reduceat(values, starts) < np.maximum.reduceat(values, starts)
        return np.flatnonzero(wanted)

    def best_splits(self, tried: int, rng: np.random.Generator, deadline: Deadline) -> tuple[IntArray, IntArray]:
        """Of several random features with random thresholds the best; -1 for a node where none parts any rows."""
        feature = np.full(len(self.sizes), -1, dtype=np.int64)
        code = np.zeros(len(self.sizes), dtype=np.int64)
        if len(self.sizes) == 0:
            return feature, code
        best = np.full(len(self.sizes), -np.inf)
        weight, sums = self.sums()
        for draw in range(1, tried + 1):
            _keep_better(best, feature, code, np.arange(len(best)), *self._drawn(weight, sums, rng))
            if draw % _DRAWS_BETWEEN_LOOKS == 0 and deadline.expired():
                return feature, code
        for _ in range(3 * len(self.codes)):
            # Nodes in which all drawn features were constant try others.
            unsplit = np.flatnonzero(feature < 0)
            if len(unsplit) == 0:
                break
            drawn = self.of_nodes(unsplit)._drawn(weight[unsplit], sums[unsplit], rng)
            _keep_better(best, feature, code, unsplit, *drawn)
        return feature, code

    def _drawn(
        self, weight: FloatArray, sums: FloatArray, rng: np.random.Generator
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """For each node a random feature, a random threshold within its rows, and how much better the two means are."""
        n_features, n_rows = self.codes.shape
        feature = rng.integers(n_features, size=len(self.sizes))
        found = self.codes.ravel().take(self.row + np.repeat(feature * n_rows, self.sizes))
        starts = self.starts
        low = np.minimum.reduceat(found, starts).astype(np.int64)
        high = np.maximum.reduceat(found, starts).astype(np.int64)
        code = low + (rng.random(len(self.sizes)) * (high - low)).astype(np.int64)
        left_weight, left = self.sums(found <= np.repeat(code.astype(np.uint8), self.sizes))
        right_weight, right = weight - left_weight, sums - left
        parts = (low < high) & (left_weight > 0) & (right_weight > 0)
        divided = np.where(parts, left_weight, 1.0), np.where(parts, right_weight, 1.0)
        gain = (left**2).sum(axis=1) / divided[0] + (right**2).sum(axis=1) / divided[1]
        return feature, code, np.where(parts, gain, -np.inf)

    def children(self, feature: IntArray, code: IntArray) -> _Level:
        """The level below, when every node is split."""
        n_rows = self.codes.shape[1]
        found = self.codes.ravel().take(self.row + np.repeat(feature * n_rows, self.sizes))
        node = np.repeat(2 * np.arange(len(self.sizes)), self.sizes) + (found > np.repeat(code, self.sizes))
        sizes = np.bincount(node, minlength=2 * len(self.sizes))
        return self._at(np.argsort(node, kind="stable"), sizes)


def _keep_better(
    best: FloatArray,
    feature: IntArray,
    code: IntArray,
    nodes: IntArray,
    new_feature: IntArray,
    new_code: IntArray,
    gain: FloatArray,
) -> None:
    better = gain > best[nodes]
    at = nodes[better]
    best[at], feature[at], code[at] = gain[better], new_feature[better], new_code[better]
