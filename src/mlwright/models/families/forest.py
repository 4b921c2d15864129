"""Extremely randomised trees, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlwright._kernels.trees import Link, Missing, compile_forest
from mlwright._kernels.trees import Trees as TreeTable
from mlwright.core import read_json, read_table, write_json, write_table
from mlwright.data.dataset import FloatArray
from mlwright.features import View
from mlwright.models.families.base import (
    Abilities,
    Compiled,
    FitJob,
    Outline,
    Parameters,
    Rows,
    Settled,
    Space,
    Span,
    as_shares,
)
from mlwright.models.families.losses import mean_loss
from mlwright.models.families.random_trees import Bins, Trees, Walk
from mlwright.models.families.random_trees_growing import LEAST_SPLIT, grow

#: Above so many rows the trees grow large and slow, and boosted ones are better anyway.
MOST_ROWS = 30_000
#: Trees, fewer of them where each is large.
MOST_TREES, FEWEST_TREES = 100, 40
_ROWS_OF_ALL_TREES = 700_000
#: Of the time that is left, how much the fit of one fold may take, so that the other folds have theirs; and a refit.
_SHARE_OF_FOLD, _SHARE_OF_REFIT = 0.3, 0.8
#: Rows that a node must have to be split; validation rows choose among these, all read off the same trees.
LEAST_SPLITS = (LEAST_SPLIT, 5, 8, 12, 20, 40, 80, 160)
#: Trees are grown together until they have so many rows in all.
_TOGETHER = 60_000
_CHOOSING_ROWS = 2000
#: Means are of sums in another order.
_TOLERANCE = 1e-12


@dataclass(slots=True)
class FittedForest:
    """Trees over binned columns; and the shares of the classes, which count as one more row in each answer."""

    trees: Trees
    bins: Bins
    shares: FloatArray
    n_rows: float
    settled: Settled = field(default_factory=dict)
    cut: bool = False
    _walks: dict[tuple[int, float], Walk] = field(default_factory=dict, repr=False)

    def predict(self, values: FloatArray, *, settled: Settled | None = None) -> FloatArray:
        raw = self._walk(settled or self.settled).means(values)
        if len(self.shares) == 0:
            return raw[:, 0]
        if raw.shape[1] == 1:
            raw = np.column_stack([1 - raw[:, 0], raw[:, 0]])
        # Trees that agree give a probability of 0, which nobody can know of so few rows.
        raw = (self.n_rows * raw / raw.sum(axis=1, keepdims=True) + self.shares) / (self.n_rows + 1)
        probability: FloatArray = raw[:, 1] if len(self.shares) == 2 else raw
        return probability

    def _walk(self, settled: Settled) -> Walk:
        key = int(settled.get("trees", self.trees.n_trees)), float(settled.get("least_split", LEAST_SPLIT))
        if key not in self._walks:
            self._walks[key] = self.trees.first(key[0]).pruned(key[1]).walk(self.bins)
        return self._walks[key]

    def importances(self) -> FloatArray:
        """How much the splits on each feature reduced the error."""
        gains = self._settled_trees().gains(len(self.bins.edges))
        return as_shares(gains)

    def _settled_trees(self) -> Trees:
        return self.trees.pruned(float(self.settled.get("least_split", LEAST_SPLIT)))

    def compiled(self) -> Compiled | None:
        return compile_forest(self._table(self._walk(self.settled)), tolerance=_TOLERANCE)

    def _table(self, walk: Walk) -> TreeTable:
        """The trees as the compiled forest takes them."""
        n_nodes, n_sums = walk.value.shape
        leaf = np.equal(walk.left, np.arange(n_nodes))
        return TreeTable(
            n_features=len(self.bins.edges),
            root=np.arange(walk.n_trees),
            feature=walk.feature.astype(np.int64),
            left=walk.left.astype(np.int64),
            right=np.where(leaf, walk.left, walk.left + 1).astype(np.int64),
            threshold=walk.threshold,
            missing=np.full(n_nodes, int(Missing.LEFT)),
            value=walk.value,
            sum_of_tree=np.zeros(walk.n_trees, dtype=np.int64),
            start=np.zeros(n_sums),
            link=Link.SHARES if len(self.shares) else Link.IDENTITY,
            divisor=float(walk.n_trees),
            shares=self.shares,
            n_rows=self.n_rows,
        )

    def write(self, folder: Path) -> None:
        trees = self._settled_trees()
        write_json(
            folder / "forest.json",
            {
                "n_trees": trees.n_trees,
                "edges": [edges.tolist() for edges in self.bins.edges],
                "shares": self.shares.tolist(),
                "n_rows": self.n_rows,
                "settled": dict(self.settled),
            },
        )
        table = pa.table(
            {
                "feature": trees.feature,
                "code": trees.code,
                "left": trees.left,
                "rows": trees.rows,
                **{f"value {k}": column for k, column in enumerate(trees.value.T)},
            }
        )
        write_table(folder / "forest.arrow", table, compression="zstd")


class ExtraTreesFamily:
    """Many trees of random splits; their mean."""

    name = "extra_trees"
    title = "extra trees"
    view: View = "codes"
    abilities = Abilities(missing=True, importances=True)
    sentence = (
        "The mean of many deep trees with thresholds drawn at random: steady, hardly needs tuning, smoother than boosted "
        "trees and wrong elsewhere, so a good companion to them; large on disk, slow to learn sharp interactions."
    )

    refits = 1
    installed = True

    def candidates(self, outline: Outline) -> Sequence[Parameters]:
        if outline.n_rows > MOST_ROWS:
            return []
        first, second = (0.6, 0.35) if outline.task != "regression" else (1.0, 0.6)
        return [
            {"name": "extra trees", "tried_share": first},
            {"name": "extra trees, other share of columns", "tried_share": second},
        ][: 1 if outline.n_features < 5 else 2]

    def space(self, outline: Outline) -> Space:  # noqa: ARG002 - the same for all rows
        return {"tried_share": Span(low=0.1, high=1.5)}

    def fit(self, job: FitJob) -> FittedForest:
        """Grow trees while there is time; validation rows choose how many rows a node needs to be split."""
        rows = _weighted(job.rows)
        values = rows.matrix.values
        bins = Bins.of(values)
        settled = dict(job.settled or {})
        choosing = job.validation is not None and job.settled is None
        least = float(LEAST_SPLIT if choosing else settled.get("least_split", LEAST_SPLIT))
        usual = np.clip(_ROWS_OF_ALL_TREES // max(len(rows.y), 1), FEWEST_TREES, MOST_TREES)
        share = _SHARE_OF_FOLD if choosing else _SHARE_OF_REFIT
        trees, cut = _grown(job, rows, bins, least, n_trees=round(settled.get("trees", usual)), time_share=share)
        n_rows = float(len(rows.y))
        fitted = FittedForest(
            trees, bins, _shares(job, rows), n_rows, {"trees": trees.n_trees, "least_split": least}, cut
        )
        if job.validation is None or not choosing:
            return fitted
        some = job.validation.sample(_CHOOSING_ROWS, seed=job.seed)
        losses = {
            least: mean_loss(job.task, fitted.predict(some.matrix.values, settled={"least_split": least}), some)
            for least in LEAST_SPLITS
        }
        best = min(LEAST_SPLITS, key=lambda least: losses[least])
        fitted.settled = {"trees": trees.n_trees, "least_split": float(best)}
        fitted._walks.clear()
        return fitted

    def combine(self, settled: Sequence[Settled], *, growth: float) -> Settled:  # noqa: ARG002 - a share of rows it is not
        """The mean number of trees, and the middle of the folds' sizes of nodes."""
        logs = [np.log(one["least_split"]) for one in settled]
        trees = float(np.mean([one["trees"] for one in settled]))
        return {"trees": round(trees), "least_split": float(np.exp(np.mean(logs)))}

    def read(self, folder: Path) -> FittedForest:
        state = read_json(folder / "forest.json")
        table = read_table(folder / "forest.arrow")
        arrays = {name: np.array(table.column(name)) for name in table.column_names}
        values = np.column_stack([array for name, array in arrays.items() if name.startswith("value ")])
        trees = Trees(state["n_trees"], arrays["feature"], arrays["code"], arrays["left"], values, arrays["rows"])
        bins = Bins(tuple(np.array(edges, dtype=np.float64) for edges in state["edges"]))
        return FittedForest(trees, bins, np.array(state["shares"]), state["n_rows"], state["settled"])


def _grown(
    job: FitJob, rows: Rows, bins: Bins, least_split: float, *, n_trees: int, time_share: float
) -> tuple[Trees, bool]:
    """Batches of trees; the time of the first says how many there can be."""
    codes = bins.codes(rows.matrix.values)
    rng = np.random.default_rng(job.seed)
    together = int(np.clip(_TOGETHER // max(len(rows.y), 1), 1, max(n_trees // 4, 1)))
    parts: list[Trees] = []
    began = job.deadline.remaining()
    while (made := sum(part.n_trees for part in parts)) < n_trees:
        part, cut = grow(
            codes,
            rows.y,
            rows.weight if rows.weight is not None else np.ones(len(rows.y)),
            n_outputs=job.n_classes if job.task == "multiclass" else 1,
            n_trees=min(together, n_trees - made),
            tried=max(round(float(job.parameters["tried_share"]) * len(codes)), 1),
            least_split=least_split,
            rng=rng,
            deadline=job.deadline,
        )
        if cut:
            return (Trees.joined(parts) if parts else part), True
        if not parts:
            left = job.deadline.remaining()
            seconds_per_tree = (began - left) / part.n_trees
            n_trees = min(n_trees, part.n_trees + int(max(time_share * left / max(seconds_per_tree, 1e-9), 0)))
        parts.append(part)
    return Trees.joined(parts), False


def _weighted(rows: Rows) -> Rows:
    """Without the rows that have no weight; the others have 1 on average."""
    kept = rows.counted()
    return kept if kept.weight is None else replace(kept, weight=kept.weight / kept.weight.mean())


def _shares(job: FitJob, rows: Rows) -> FloatArray:
    if job.task == "regression":
        return np.zeros(0)
    counts = np.bincount(rows.y.astype(np.int64), weights=rows.weight, minlength=job.n_classes) + 1
    shares: FloatArray = counts / counts.sum()
    return shares
