"""Small boosted trees with a fold for each row, so that what they say of a row was not learnt from it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlwright.data.dataset import FloatArray, IntArray

if TYPE_CHECKING:
    import lightgbm

FOLDS = 3
MOST_TREES = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoldedBooster:
    """Boosters that each leave out a third of the rows, cut off where rows left out say so: at none if nothing is learnt.

    Attributes
    ----------
    outside : shape (n_rows,)
        What is said of each row by the booster that left it out, on the scale of the trees (log odds, or the value).
    trees
        How many each has; 0 if more trees never helped.
    fold : shape (n_rows,)
        Which booster left a row out.
    """

    boosters: tuple[lightgbm.Booster, ...]
    trees: int
    start: float
    outside: FloatArray
    fold: IntArray

    def raw(self, values: FloatArray) -> FloatArray:
        """The mean of what all boosters say of other rows, shape (n_rows,)."""
        if not self.trees:
            return np.full(len(values), self.start)
        total = np.zeros(len(values))
        for booster in self.boosters:
            total += booster.predict(values, raw_score=True, num_iteration=self.trees, num_threads=1)
        return self.start + total / len(self.boosters)

    def contributions(self, values: FloatArray) -> FloatArray:
        """How much each column adds to what is said of rows of the fit, shape (n_rows, n_columns).

        `values` are the first of these rows; each is explained by the booster that left it out.

        References
        ----------
        Lundberg et al. (2020), From local explanations to global understanding with explainable AI for trees.
        """
        found = np.zeros(values.shape)
        if self.trees:
            for number, booster in enumerate(self.boosters):
                rows = np.flatnonzero(self.fold[: len(values)] == number)
                parts = booster.predict(values[rows], pred_contrib=True, num_iteration=self.trees, num_threads=1)
                found[rows] = np.asarray(parts)[:, :-1]
        return found


def fit_folded(
    values: FloatArray,
    y: FloatArray,
    *,
    objective: Literal["binary", "regression"],
    categorical: list[int],
    weight: FloatArray | None = None,
    rng: np.random.Generator,
    leaves: int = 8,
    learning_rate: float = 0.06,
) -> FoldedBooster:
    """Fit a booster per fold and choose the number of trees by the loss on the rows left out."""
    n = len(y)
    w = np.ones(n) if weight is None else weight
    mean = float(np.average(y, weights=w))
    start = float(np.log(mean / (1 - mean))) if objective == "binary" else mean
    fold = rng.permutation(n) % FOLDS
    if not values.shape[1] or n < 20 * FOLDS:
        return FoldedBooster(boosters=(), trees=0, start=start, outside=np.full(n, start), fold=fold)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import lightgbm

    parameters: dict[str, Any] = {
        "objective": objective,
        "boost_from_average": False,
        "verbosity": -1,
        "num_threads": 1,
        "seed": int(rng.integers(2**31)),
        "deterministic": True,
        "force_row_wise": True,
        "learning_rate": learning_rate,
        "num_leaves": leaves,
        "min_data_in_leaf": int(np.clip(n // 60, 10, 100)),
        "lambda_l2": 1.0,
        "feature_fraction_bynode": 0.7 if values.shape[1] >= 8 else 1.0,
        "max_cat_to_onehot": 8,
    }
    boosters, paths = [], []
    for number in range(FOLDS):
        inside, left = fold != number, fold == number
        data = lightgbm.Dataset(
            values[inside],
            y[inside],
            weight=w[inside],
            init_score=np.full(int(inside.sum()), start),
            categorical_feature=categorical,
            params={"verbosity": -1},
        )
        held = data.create_valid(values[left], y[left], weight=w[left], init_score=np.full(int(left.sum()), start))
        told: dict[str, dict[str, list[float]]] = {}
        boosters.append(
            lightgbm.train(
                parameters, data, MOST_TREES, valid_sets=[held], callbacks=[lightgbm.record_evaluation(told)]
            )
        )
        losses = next(iter(told["valid_0"].values()))
        paths.append(np.array(losses) * w[left].sum())
    path = np.sum(paths, axis=0) / w.sum()
    trees = int(path.argmin()) + 1 if path.min() < _loss_of_start(y, w, start, objective) else 0
    outside = np.full(n, start)
    if trees:
        for number, booster in enumerate(boosters):
            left = fold == number
            outside[left] += booster.predict(values[left], raw_score=True, num_iteration=trees, num_threads=1)
    return FoldedBooster(boosters=tuple(boosters), trees=trees, start=start, outside=outside, fold=fold)


def _loss_of_start(y: FloatArray, weight: FloatArray, start: float, objective: str) -> float:
    """The loss before the first tree, as LightGBM counts it."""
    per_row = np.logaddexp(0.0, start) - y * start if objective == "binary" else np.square(y - start)
    return float(np.average(per_row, weights=weight))
