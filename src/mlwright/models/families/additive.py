"""The glass box: a sum of one curve per column, boosted by LightGBM with trees that see one feature each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright._kernels import kernel
from mlwright.data.dataset import FloatArray
from mlwright.features import View
from mlwright.models.families.base import Abilities, Compiled, FitJob, Outline, Parameters, Settled, Space, Span
from mlwright.models.families.boosting import FittedBoosting, LightGbmFamily
from mlwright.models.families.single_rows import OneAndMany

_BOOSTING = LightGbmFamily()
#: From a booster's objective to the form of its answer.
_ANSWERS = {"binary": "sigmoid", "multiclass": "softmax"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What one feature adds to the raw prediction (a value, or log-odds), 0 on average over the training rows.

    Attributes
    ----------
    feature
        Its position.
    points : shape (n_points,)
        Where it steps, ascending; or the numbers of its levels if `categorical`.
    contributions : shape (n_points + 1, n_outputs)
        Of values up to the first point, up to the second … and above the last; or of each level and, last, of others.
    missing : shape (n_outputs,)
    """

    feature: int
    categorical: bool
    points: FloatArray
    contributions: FloatArray
    missing: FloatArray

    def at(self, values: FloatArray) -> FloatArray:
        """Contributions of values of this feature, shape (n_rows, n_outputs)."""
        cell = np.searchsorted(self.points, values, side="left")
        if self.categorical:
            whole = np.trunc(values)
            cell = np.searchsorted(self.points, whole, side="left")
            known = self.points[np.minimum(cell, len(self.points) - 1)] == whole
            cell = np.where(known, cell, len(self.points))
        return np.where(np.isnan(values)[:, None], self.missing, self.contributions[cell])


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """The whole model: the raw prediction is the intercept, shape (n_outputs,), plus what each curve adds."""

    intercept: FloatArray
    curves: tuple[Curve, ...]

    def raw(self, values: FloatArray) -> FloatArray:
        """The sum, shape (n_rows, n_outputs)."""
        total = np.tile(self.intercept, (len(values), 1))
        for curve in self.curves:
            total += curve.at(values[:, curve.feature])
        return total

    def flat(self) -> dict[str, NDArray[Any]]:
        """All curves one after the other, as the kernel reads them."""
        n_outputs, curves = len(self.intercept), self.curves
        return {
            "intercept": self.intercept,
            "features": np.array([curve.feature for curve in curves], dtype=np.int32),
            "categorical": np.array([curve.categorical for curve in curves], dtype=np.int32),
            "ends": np.cumsum([len(curve.points) for curve in curves], dtype=np.int32),
            "points": np.concatenate([np.zeros(0), *(curve.points for curve in curves)]),
            "cells": np.vstack([np.zeros((0, n_outputs)), *(curve.contributions for curve in curves)]),
            "missing": np.vstack([np.zeros((0, n_outputs)), *(curve.missing for curve in curves)]),
        }


@dataclass(slots=True)
class FittedAdditive:
    """A LightGBM booster in which each tree splits on one feature only."""

    boosting: FittedBoosting
    settled: Settled = field(default_factory=dict)
    cut: bool = False

    def predict(self, values: FloatArray, *, settled: Settled | None = None) -> FloatArray:
        return self.boosting.predict(values, settled=settled or self.settled)

    def importances(self) -> FloatArray:
        """How much the splits on each feature gained."""
        return self.boosting.importances()

    def curves(self) -> Curves:
        """The model in full, read off its trees: nothing is approximated.

        Centred over the rows that each tree was grown on.
        """
        rounds = int(self.settled.get("rounds", 0)) or None
        booster = self.boosting.booster
        n_outputs = booster.num_model_per_iteration()
        trees: dict[int, list[tuple[int, Mapping[str, Any]]]] = {}
        intercept = np.zeros(n_outputs)
        for number, entry in enumerate(booster.dump_model(num_iteration=rounds)["tree_info"]):
            tree, output = entry["tree_structure"], number % n_outputs
            intercept[output] += _mean(tree)
            if "split_feature" in tree:
                trees.setdefault(tree["split_feature"], []).append((output, tree))
        curves = (_curve(feature, trees[feature], n_outputs) for feature in sorted(trees))
        return Curves(intercept=intercept, curves=tuple(curves))

    def compiled(self) -> Compiled | None:
        """Its curves, for one row; for many the booster is as quick."""
        module = kernel("_curves")
        if module is None:
            return None
        booster, sums = self.boosting.booster, self.curves()
        objective = booster.dump_model(num_iteration=1)["objective"].split()[0]
        found = module.Curves(booster.num_feature(), **sums.flat(), answer=_ANSWERS.get(objective, "values"))
        return OneAndMany(found.n_features, found.one, self.predict)

    def write(self, folder: Path) -> None:
        self.boosting.write(folder)


class AdditiveFamily:
    """Boosted curves of single columns, added up."""

    name = "additive"
    title = "additive model"
    view: View = "codes"
    abilities = Abilities(missing=True, categories=True, monotonic=True, importances=True, glass_box=True)
    sentence = (
        "A sum of one curve per column, each of which can be drawn and checked: takes thresholds, missing values and "
        "categories as boosted trees do; blind to columns that matter only together."
    )

    refits = 1
    installed = True

    def candidates(self, outline: Outline) -> Sequence[Parameters]:
        leaf = int(np.clip(outline.n_rows // 100, 3, 20))
        common = {"num_leaves": 4, "min_data_in_leaf": leaf, "bagging_fraction": 0.8, "bagging_freq": 1}
        return [
            # Thresholds drawn at random make curves that are smoother than the best steps, and better.
            {"name": "additive", "learning_rate": 0.15, "lambda_l2": 1.0, "extra_trees": True, **common},
            {"name": "additive with best steps", "learning_rate": 0.08, "lambda_l2": 1.0, **common},
        ]

    def space(self, outline: Outline) -> Space:
        return {
            "learning_rate": Span(low=0.03, high=0.2, log=True),
            "num_leaves": Span(low=2, high=8, whole=True),
            "min_data_in_leaf": Span(low=2, high=max(min(outline.n_rows // 20, 100), 4), log=True, whole=True),
            "lambda_l2": Span(low=0.01, high=20.0, log=True),
            "extra_trees": (False, True),
        }

    def fit(self, job: FitJob) -> FittedAdditive:
        """Boost with features that may not meet in a tree."""
        alone = [[feature] for feature in range(job.rows.matrix.values.shape[1])]
        boosting = _BOOSTING.fit(replace(job, parameters={**job.parameters, "interaction_constraints": alone}))
        return FittedAdditive(boosting, boosting.settled, boosting.cut)

    def combine(self, settled: Sequence[Settled], *, growth: float) -> Settled:
        return _BOOSTING.combine(settled, growth=growth)

    def read(self, folder: Path) -> FittedAdditive:
        boosting = _BOOSTING.read(folder)
        return FittedAdditive(boosting, boosting.settled)


def _curve(feature: int, trees: Sequence[tuple[int, Mapping[str, Any]]], n_outputs: int) -> Curve:
    categorical = trees[0][1]["decision_type"] == "=="
    steps = {point for _, tree in trees for node in _splits(tree) for point in _points(node)}
    points = np.array(sorted(steps), dtype=np.float64)
    # One value of each cell between the points: its upper end belongs to it. Then one that no level has, and a missing one.
    cells = np.r_[points, -1.0 if categorical else np.inf, np.nan]
    total = np.zeros((len(cells), n_outputs))
    for output, tree in trees:
        total[:, output] += _values(tree, cells) - _mean(tree)
    return Curve(feature=feature, categorical=categorical, points=points, contributions=total[:-1], missing=total[-1])


def _splits(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "split_feature" in tree:
        yield tree
        yield from _splits(tree["left_child"])
        yield from _splits(tree["right_child"])


def _points(node: Mapping[str, Any]) -> list[float]:
    if node["decision_type"] == "==":
        return [float(level) for level in node["threshold"].split("||")]
    return [float(node["threshold"])]


def _values(node: Mapping[str, Any], values: FloatArray) -> FloatArray:
    """What a tree of one feature says to values of it."""
    if "split_feature" not in node:
        return np.full(len(values), float(node["leaf_value"]))
    missing = np.isnan(values)
    if node["decision_type"] == "==":
        left = np.isin(values, _points(node))
    elif node["missing_type"] == "NaN":
        left = np.where(missing, node["default_left"], values <= node["threshold"])
    else:
        # No value was missing in training: LightGBM then takes a missing one for 0.
        left = np.where(missing, 0.0, values) <= node["threshold"]
    found: FloatArray = np.where(left, _values(node["left_child"], values), _values(node["right_child"], values))
    return found


def _mean(tree: Mapping[str, Any]) -> float:
    """Over the rows that the tree was grown on."""
    if "split_feature" not in tree:
        return float(tree["leaf_value"])
    total, count = _sum_of_leaves(tree)
    return total / count


def _sum_of_leaves(node: Mapping[str, Any]) -> tuple[float, float]:
    if "split_feature" not in node:
        return node["leaf_value"] * node["leaf_count"], node["leaf_count"]
    left, right = _sum_of_leaves(node["left_child"]), _sum_of_leaves(node["right_child"])
    return left[0] + right[0], left[1] + right[1]
