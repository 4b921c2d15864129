"""From the nodes of a fitted forest, as its library describes them, to the table that `forest.c` walks through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlwright._kernels import forest

if TYPE_CHECKING:
    from mlwright._kernels import _forest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Answers of all levels to all questions that a table may hold, in bytes; beyond, the library answers.
MOST_ANSWERS = 1 << 28


class Missing(IntEnum):
    """Where a split on a number sends what is missing."""

    LEFT = 0
    RIGHT = 1
    AS_ZERO = 2


class Reading(IntEnum):
    """How a library reads numbers: as they are, with tiny ones as 0 (LightGBM), or in single precision (XGBoost)."""

    AS_THEY_ARE = 0
    TINY_IS_ZERO = 1
    SINGLE = 2


class Link(IntEnum):
    """What the sums over trees become."""

    IDENTITY = 0
    SIGMOID = 1
    SOFTMAX = 2
    SHARES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSplits:
    """The splits on categories.

    Attributes
    ----------
    node : shape (n_splits,)
    missing_right : shape (n_splits,)
    listed_right
        Whether the levels that a split lists go right; all others, and those never seen, go the other way.
    split, level : shape (n_listed,)
        Pairs of the number of a split and a level that it lists.
    """

    node: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    missing_right: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    listed_right: bool = False
    split: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    level: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """The nodes of all trees of a forest.

    Attributes
    ----------
    root : shape (n_trees,)
    feature, left, right : shape (n_nodes,)
        A leaf is its own left child.
    threshold : shape (n_nodes,)
        A value above it goes right.
    missing : shape (n_nodes,)
        Numbers of `Missing`.
    value : shape (n_nodes, n_values)
        Of the leaves: what is added to the sums from `sum_of_tree` on.
    start : shape (n_sums,)
        What the sums begin with.
    single
        Whether sums are kept in single precision.
    divisor
        What the sums are divided by.
    shares : shape (n_classes,), n_rows
        For `Link.SHARES`: count as one more row beside so many rows.
    """

    n_features: int
    root: IntArray
    feature: IntArray
    left: IntArray
    right: IntArray
    threshold: FloatArray
    missing: IntArray
    levels: LevelSplits = field(default_factory=LevelSplits)
    value: FloatArray
    sum_of_tree: IntArray
    start: FloatArray
    reading: Reading = Reading.AS_THEY_ARE
    single: bool = False
    link: Link = Link.IDENTITY
    divisor: float = 1.0
    shares: FloatArray = field(default_factory=lambda: np.zeros(0))
    n_rows: float = 0.0


class CompiledForest:
    """A forest as a checked table in compiled code.

    Attributes
    ----------
    n_features
    tolerance
        How far its answers may lie from the library's.
    one
        The answer for one row, a buffer of `n_features` float64.
    """

    def __init__(self, table: _forest.Forest, n_features: int, probes: Sequence[FloatArray], tolerance: float) -> None:
        self.n_features = n_features
        self.tolerance = tolerance
        self.one = table.one
        self._table = table
        self._probes = probes

    def many(self, values: FloatArray) -> FloatArray:
        """The answers for rows, shape (n_rows,), or (n_rows, n_classes) of more than two classes."""
        return self._written(values, self._table.n_answers, raw=False)

    def raw(self, values: FloatArray) -> FloatArray:
        """The sums that the answers for rows come from, shape (n_rows,) or (n_rows, n_sums)."""
        return self._written(values, self._table.n_sums, raw=True)

    def _written(self, values: FloatArray, width: int, *, raw: bool) -> FloatArray:
        values = np.ascontiguousarray(values, dtype=np.float64)
        out = np.empty((len(values), width) if width > 1 else len(values))
        self._table.many(values, len(values), out, raw)
        return out

    def probes(self) -> Sequence[FloatArray]:
        """For each feature the values where its answers can change: thresholds, and the levels that splits know."""
        return self._probes


def compile_forest(trees: Trees, *, tolerance: float) -> CompiledForest | None:
    """The table of a forest; None where the kernel is not built or the table would be too large."""
    kernel = forest()
    if kernel is None:
        return None
    trees = _in_order(trees)
    question = np.zeros(len(trees.left), dtype=np.int64)
    ranked, thresholds = _ask_numbers(trees, question)
    levels = _ask_levels(trees, question, first=1 + len(thresholds))
    if levels is None:
        return None
    table = kernel(
        n_features=trees.n_features,
        ranked=_int32(ranked),
        thresholds=thresholds,
        levelled=_int32(levels.columns),
        row_of_level=_int32(np.concatenate([np.zeros(0), *levels.rows])),
        answers=np.concatenate([np.zeros(0, np.uint8), *(answers.ravel() for answers in levels.answers)]),
        questions=_int32(question),
        lefts=_int32(trees.left),
        values=np.ascontiguousarray(trees.value),
        roots=_int32(trees.root),
        sum_of_tree=_int32(trees.sum_of_tree),
        start=trees.start,
        shares=trees.shares,
        reading=trees.reading,
        single=trees.single,
        link=trees.link,
        divisor=trees.divisor,
        n_rows=trees.n_rows,
    )
    return CompiledForest(table, trees.n_features, _probes(trees, ranked, thresholds, levels.columns), tolerance)


def _int32(numbers: Any) -> NDArray[np.int32]:
    return np.ascontiguousarray(numbers, dtype=np.int32)


def _in_order(trees: Trees) -> Trees:
    """Tree by tree, level by level, the two children of a node side by side."""
    tree = np.arange(len(trees.root))
    reached, levels, of_tree = trees.root, [trees.root], [tree]
    while len(reached):
        if sum(map(len, levels)) > len(trees.left):
            raise ValueError("not a forest: a node has two parents")
        inner = trees.left[reached] != reached
        reached, tree = reached[inner], np.repeat(tree[inner], 2)
        reached = np.column_stack([trees.left[reached], trees.right[reached]]).ravel()
        levels.append(reached)
        of_tree.append(tree)
    order = np.concatenate(levels)[np.argsort(np.concatenate(of_tree), kind="stable")]
    place = np.full(len(trees.left), -1)
    place[order] = np.arange(len(order))
    splits = trees.levels
    kept = place[splits.node] >= 0
    renumbered = np.cumsum(kept) - 1
    listed = kept[splits.split]
    return replace(
        trees,
        root=place[trees.root],
        feature=trees.feature[order],
        left=place[trees.left[order]],
        right=place[trees.right[order]],
        threshold=trees.threshold[order],
        missing=trees.missing[order],
        value=trees.value[order],
        levels=replace(
            splits,
            node=place[splits.node][kept],
            missing_right=splits.missing_right[kept],
            split=renumbered[splits.split[listed]],
            level=splits.level[listed],
        ),
    )


def _ask_numbers(trees: Trees, question: IntArray) -> tuple[IntArray, FloatArray]:
    """Numbers the different splits on numbers in `question`; the columns they ask for, and their thresholds."""
    inner = trees.left != np.arange(len(trees.left))
    inner[trees.levels.node] = False
    node = np.flatnonzero(inner)
    columns, column = np.unique(trees.feature[node] * len(Missing) + trees.missing[node], return_inverse=True)
    ranked: list[tuple[int, int, int]] = []
    parts: list[FloatArray] = []
    first = 1
    for number, key in enumerate(columns):
        mine = node[column == number]
        thresholds, place = np.unique(trees.threshold[mine], return_inverse=True)
        question[mine] = first + place
        zero = int(np.searchsorted(thresholds, 0.0))
        missing = {Missing.LEFT: 0, Missing.RIGHT: len(thresholds), Missing.AS_ZERO: zero}[Missing(key % len(Missing))]
        ranked.append((int(key) // len(Missing), len(thresholds), missing))
        parts.append(thresholds)
        first += len(thresholds)
    return np.array(ranked, dtype=np.int64).reshape(-1, 3), np.concatenate([np.zeros(0), *parts])


@dataclass(frozen=True, slots=True)
class _Levels:
    """The columns of levels; for each the row of answers that a level has, and the rows of answers."""

    columns: IntArray
    rows: list[IntArray]
    answers: list[NDArray[np.uint8]]


def _ask_levels(trees: Trees, question: IntArray, *, first: int) -> _Levels | None:
    """Numbers the different splits on categories in `question`; None if their answers would be too many."""
    splits = trees.levels
    feature = trees.feature[splits.node]
    columns: list[tuple[int, int, int, int]] = []
    rows, answers = [], []
    for one in np.unique(feature):
        mine = np.flatnonzero(feature == one)
        place = np.full(len(splits.node), -1)
        place[mine] = np.arange(len(mine))
        listed = place[splits.split] >= 0
        level = splits.level[listed]
        n_levels = int(level.max(initial=-1)) + 1
        if len(mine) * (n_levels + 2) > MOST_ANSWERS:
            return None
        right = np.full((len(mine), n_levels + 2), not splits.listed_right)
        right[place[splits.split[listed]], level] = splits.listed_right
        right[:, n_levels + 1] = splits.missing_right[mine]
        different, asked = _different_rows(right)
        alike, row = _different_rows(different.T)
        question[splits.node[mine]] = first + asked
        columns.append((int(one), len(different), len(alike), n_levels))
        rows.append(row)
        answers.append(alike.astype(np.uint8))
        first += len(different)
    return _Levels(np.array(columns, dtype=np.int64).reshape(-1, 4), rows, answers)


def _different_rows(table: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], IntArray]:
    """The different rows of a table, and for each row which of them it is."""
    packed = np.packbits(table, axis=1)
    whole = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, where, number = np.unique(whole, return_index=True, return_inverse=True)
    return table[where], number


def _probes(trees: Trees, ranked: IntArray, thresholds: FloatArray, levelled: IntArray) -> list[FloatArray]:
    found: list[list[FloatArray]] = [[] for _ in range(trees.n_features)]
    begin = 0
    for feature, n_thresholds, _ in ranked:
        found[feature].append(thresholds[begin : begin + n_thresholds])
        begin += n_thresholds
    for feature, _, _, n_levels in levelled:
        found[feature].append(np.arange(n_levels, dtype=np.float64))
    return [np.unique(np.concatenate([np.zeros(0), *values])) for values in found]
