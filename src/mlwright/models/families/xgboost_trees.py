"""The trees of an XGBoost model, read from its own JSON, as the compiled forest takes them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mlwright._kernels.trees import LevelSplits, Link, Missing, Reading, Trees
from mlwright.data.dataset import FloatArray, IntArray

_LINKS = {
    "binary:logistic": Link.SIGMOID,
    "multi:softprob": Link.SOFTMAX,
    "reg:squarederror": Link.IDENTITY,
    "reg:quantileerror": Link.IDENTITY,
}


def read_trees(model: bytes | bytearray) -> Trees | None:
    """Trees of the model that `Booster.save_raw("json")` wrote; None where it has something that they cannot say.

    Such are other boosters and objectives, and leaves of several values.
    """
    learner = json.loads(model)["learner"]
    booster, link = learner["gradient_booster"], _LINKS.get(learner["objective"]["name"])
    if booster["name"] != "gbtree" or link is None:
        return None
    trees = booster["model"]["trees"]
    if not trees or any(tree["tree_param"]["size_leaf_vector"] not in ("0", "1") for tree in trees):
        return None
    n_sums = max(int(learner["learner_model_param"]["num_class"]), 1)
    root = np.concatenate([[0], np.cumsum([len(tree["left_children"]) for tree in trees])])[:-1]
    left, right = _all(trees, "left_children", np.int64), _all(trees, "right_children", np.int64)
    here = np.arange(len(left))
    leaf = left < 0
    begin = np.repeat(root, np.diff([*root, len(left)]))
    number = _all(trees, "split_conditions", np.float32)
    # Here a value that equals the number goes right; the number just below it says the same of what is above it.
    below = np.nextafter(number, np.float32(-np.inf)).astype(np.float64)
    default_left = _all(trees, "default_left", np.int64) > 0
    return Trees(
        n_features=int(learner["learner_model_param"]["num_feature"]),
        root=root,
        feature=_all(trees, "split_indices", np.int64),
        left=np.where(leaf, here, begin + left),
        right=np.where(leaf, here, begin + right),
        threshold=below,
        missing=np.where(default_left, int(Missing.LEFT), int(Missing.RIGHT)),
        levels=_level_splits(trees, root, default_left),
        value=np.where(leaf, number, 0).astype(np.float64)[:, None],
        sum_of_tree=np.array(booster["model"]["tree_info"], dtype=np.int64),
        start=_start(learner["learner_model_param"]["base_score"], n_sums, link),
        reading=Reading.SINGLE,
        single=True,
        link=link,
    )


def _all(trees: list[dict[str, Any]], name: str, dtype: Any) -> Any:
    # Through float64, since decimal digits are those of the shortest number that reads back as the same float32.
    return np.concatenate([np.array(tree[name], dtype=np.float64) for tree in trees]).astype(dtype)


def _level_splits(trees: list[dict[str, Any]], root: IntArray, default_left: Any) -> LevelSplits:
    """Here the levels that a split lists go right."""
    sizes = _all(trees, "categories_sizes", np.int64)
    node = np.concatenate([np.array(tree["categories_nodes"], dtype=np.int64) for tree in trees])
    node += np.repeat(root, [len(tree["categories_nodes"]) for tree in trees])
    return LevelSplits(
        node=node,
        missing_right=~default_left[node],
        listed_right=True,
        split=np.repeat(np.arange(len(node)), sizes),
        level=_all(trees, "categories", np.int64),
    )


def _start(base_score: str, n_sums: int, link: Link) -> FloatArray:
    """What each sum begins with, in single precision: the base score, of a binary task as log odds."""
    score = np.array(json.loads(f"[{base_score.strip('[]')}]"), dtype=np.float32)
    if link == Link.SIGMOID:
        # numpy's own logarithm in single precision is less exact than the C library's.
        score = -np.log((np.float32(1) / score - np.float32(1)).astype(np.float64)).astype(np.float32)
    return np.broadcast_to(score.astype(np.float64), (n_sums,)).copy()
