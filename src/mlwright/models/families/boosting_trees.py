"""The trees of a LightGBM model, read from its own text, as the compiled forest takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from mlwright._kernels.trees import LevelSplits, Link, Missing, Reading, Trees
from mlwright.data.dataset import FloatArray, IntArray

#: The objectives whose answers we know how to make of the sums, as they stand in the text.
_LINKS = {"binary sigmoid:1": Link.SIGMOID, "regression": Link.IDENTITY, "quantile": Link.IDENTITY}
# Bits of `decision_type`: a split on levels; missing goes left; then the kind of missing value.
_ON_LEVELS, _DEFAULT_LEFT, _KIND_OF_MISSING = 1, 2, 2
_ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2


def read_trees(text: str) -> Trees | None:
    """Trees of the model that `Booster.model_to_string` wrote; None where it has something that they cannot say.

    Such are trees with linear leaves, zeros that count as missing, means in place of sums, and other objectives.
    """
    head, *parts = text.partition("\nend of trees")[0].split("\nTree=")
    header = dict(_lines(head))
    trees = [dict(_lines(part)) for part in parts]
    n_sums = int(header["num_tree_per_iteration"])
    link = _link(header.get("objective", ""), n_sums)
    linear = any(tree.get("is_linear", "0") != "0" for tree in trees)
    if link is None or linear or "average_output" in head.splitlines() or not trees:
        return None
    n_leaves = _ints(tree["num_leaves"] for tree in trees)
    kind = _ints(tree["decision_type"] for tree in trees)
    if np.any((kind >> _KIND_OF_MISSING) == _ZERO_IS_MISSING):
        return None
    n_inner = n_leaves - 1
    # All inner nodes, tree by tree, and then all leaves.
    first_node = np.concatenate([[0], np.cumsum(n_inner)])
    first_leaf = first_node[-1] + np.concatenate([[0], np.cumsum(n_leaves)])
    leaves = np.arange(first_leaf[0], first_leaf[-1])

    def child(side: str) -> IntArray:
        number = _ints(tree[side] for tree in trees)
        tree = np.repeat(np.arange(len(trees)), n_inner)
        below: IntArray = np.where(number >= 0, first_node[tree] + number, first_leaf[tree] - number - 1)
        return np.concatenate([below, leaves])

    numeric = np.where(kind & _DEFAULT_LEFT, int(Missing.LEFT), int(Missing.RIGHT))
    missing = np.where((kind >> _KIND_OF_MISSING) == _NAN_IS_MISSING, numeric, int(Missing.AS_ZERO))
    threshold = _floats(tree["threshold"] for tree in trees)
    value = _floats(tree["leaf_value"] for tree in trees)
    on_levels = (kind & _ON_LEVELS) > 0
    nothing = np.zeros(len(leaves))
    return Trees(
        n_features=int(header["max_feature_idx"]) + 1,
        root=np.where(n_inner > 0, first_node[:-1], first_leaf[:-1]),
        feature=np.concatenate([_ints(tree["split_feature"] for tree in trees), nothing.astype(np.int64)]),
        left=child("left_child"),
        right=child("right_child"),
        threshold=np.concatenate([threshold, nothing]),
        missing=np.concatenate([missing, nothing.astype(np.int64)]),
        levels=_level_splits(trees, on_levels, n_inner, threshold),
        value=np.concatenate([np.zeros(len(kind)), value])[:, None],
        sum_of_tree=np.arange(len(trees)) % n_sums,
        start=np.zeros(n_sums),
        reading=Reading.TINY_IS_ZERO,
        link=link,
    )


def _link(objective: str, n_sums: int) -> Link | None:
    return Link.SOFTMAX if objective == f"multiclass num_class:{n_sums}" else _LINKS.get(objective)


def _level_splits(
    trees: list[dict[str, str]], on_levels: NDArray[np.bool_], n_inner: IntArray, threshold: FloatArray
) -> LevelSplits:
    """The levels that go left are bits of words; where a tree's split has its threshold, it has the number of its words."""
    node = np.flatnonzero(on_levels)
    with_levels = [tree for tree in trees if tree["num_cat"] != "0"]
    if not with_levels:
        return LevelSplits()
    words = _ints(tree["cat_threshold"] for tree in with_levels).astype("<u4")
    bounds = [_ints([tree["cat_boundaries"]]) for tree in with_levels]
    # Sets of words are numbered within their tree, in which each has one split.
    n_words = np.concatenate([np.diff(bound) for bound in bounds])
    tree = np.repeat(np.arange(len(trees)), n_inner)[node]
    first = np.concatenate([[0], np.cumsum([int(one["num_cat"]) for one in trees])])
    split_of_set = np.argsort(first[tree] + threshold[node].astype(np.int64))
    bits = np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))
    begin = np.repeat(np.concatenate([[0], np.cumsum(n_words)[:-1]]), n_words)
    word = bits // 32
    return LevelSplits(
        node=node,
        missing_right=np.ones(len(node), dtype=np.bool_),
        split=split_of_set[np.repeat(np.arange(len(n_words)), n_words)[word]],
        level=bits - begin[word] * 32,
    )


def _lines(part: str) -> Iterator[tuple[str, str]]:
    for line in part.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key, value


def _tokens(lines: Iterable[str]) -> list[str]:
    return " ".join(lines).split()


def _ints(lines: Iterable[str]) -> IntArray:
    return np.array(list(map(int, _tokens(lines))), dtype=np.int64)


def _floats(lines: Iterable[str]) -> FloatArray:
    return np.array(list(map(float, _tokens(lines))), dtype=np.float64)
