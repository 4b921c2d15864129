"""Nearest neighbours: the answers of the most similar training rows, the nearer the more they count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlwright.core import Deadline, read_json, read_table, write_json, write_table
from mlwright.data.dataset import FloatArray, IntArray
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
    as_shares,
)
from mlwright.models.families.losses import mean_loss
from mlwright.spec import Task

#: Above so many rows each answer takes too long, and the package gets large.
MOST_ROWS = 20_000
#: How many neighbours there are, and the power of a feature's own strength that it is stretched by (0: not at all).
NEIGHBOURS = (5, 10, 20, 40, 80, 160)
STRETCHES = (0.0, 0.5, 1.0, 2.0)
_CHOOSING_ROWS = 1500
_TILE_CELLS = 4_000_000
_GROUPS = 16
#: The share of a vote that the farthest neighbour keeps, so that one row alone is an answer too.
FLOOR = 0.001
#: Votes for the shares of all classes, against probabilities of 0 and 1 from a few neighbours.
_PRIOR = 0.02
#: Farther out a value is cut off, so that no square is infinite in single precision.
_FAR = 1e15


@dataclass(slots=True)
class FittedNeighbours:
    """The training rows.

    Attributes
    ----------
    rows : shape (n_rows, n_features)
        Stretched by `stretch`, shape (n_features,).
    y, weight : shape (n_rows,)
    strengths : shape (n_features,)
        What share of the target each feature tells alone.
    squares : shape (n_rows,)
        The squared length of each row. Like `shares` kept here, since either takes longer than the search for one row.
    shares : shape (n_classes,)
        Of the classes; of a regression there is nothing to say.
    usual_weight
        The mean of `weight`.
    """

    task: Task
    n_classes: int
    rows: NDArray[np.float32]
    y: FloatArray
    weight: FloatArray
    stretch: FloatArray
    strengths: FloatArray
    settled: Settled = field(default_factory=dict)
    cut: bool = False
    squares: NDArray[np.float32] = field(init=False, repr=False)
    shares: FloatArray = field(init=False, repr=False)
    usual_weight: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.squares = np.einsum("ij,ij->i", self.rows, self.rows)
        self.usual_weight = float(self.weight.mean())
        self.shares = np.zeros(0) if self.task == "regression" else self._shares()

    def predict(self, values: FloatArray, *, settled: Settled | None = None) -> FloatArray:
        """As if so many neighbours had been settled; the features stay stretched as they are."""
        k = max(round((settled or self.settled)["neighbours"]), 1)
        parts = [self.answer(near, distance, k) for near, distance in self.nearest(values, k)]
        return np.concatenate(parts)

    def nearest(self, values: FloatArray, k: int) -> Iterator[tuple[IntArray, FloatArray]]:
        """Tile by tile the k nearest rows and one more, and their distances, from near to far."""
        n, width = self.rows.shape
        k = min(k + 1, n)
        asked_rows = _single(values * self.stretch)
        tile = max(_TILE_CELLS // max(n, k * width), 1)
        for start in range(0, max(len(asked_rows), 1), tile):
            asked = asked_rows[start : start + tile]
            # Without the square of the asked row, which is the same for all its neighbours.
            apart = self.squares - 2 * (asked @ self.rows.T)
            near = np.argpartition(apart, k - 1, axis=1)[:, :k]
            # Differences of large squares are coarse in single precision: those that matter are taken again.
            away = self.rows[near].astype(np.float64) - asked[:, None, :]
            distance = np.sqrt((away * away).sum(axis=2))
            order = distance.argsort(axis=1, kind="stable")
            of_row = np.arange(len(asked))[:, None]
            yield near[of_row, order], distance[of_row, order]

    def answer(self, near: IntArray, distance: FloatArray, k: int) -> FloatArray:
        """The mean of the nearest; a vote falls from 1 at no distance to nearly 0 at the neighbour after the k-th."""
        near, distance = near[:, : k + 1], distance[:, : k + 1]
        vote = self.weight[near] * (1 + FLOOR - distance / np.maximum(distance[:, -1:], 1e-12))
        votes = vote.sum(axis=1)
        if self.task == "regression":
            return np.asarray((vote * self.y[near]).sum(axis=1) / votes)
        for_class = np.column_stack([(vote * (self.y[near] == c)).sum(axis=1) for c in range(self.n_classes)])
        prior = _PRIOR * self.usual_weight
        probability: FloatArray = (for_class + prior * self.shares) / (votes + prior)[:, None]
        return probability[:, 1] if self.n_classes == 2 else probability

    def _shares(self) -> FloatArray:
        weights = np.bincount(self.y.astype(np.int64), weights=self.weight, minlength=self.n_classes)
        counts = weights / self.usual_weight + 1
        shares: FloatArray = counts / counts.sum()
        return shares

    def importances(self) -> FloatArray:
        """What each feature tells alone, as shares."""
        return as_shares(self.strengths)

    def compiled(self) -> Compiled | None:
        """None: one row takes as long as it takes to walk through the training rows, and numpy does that well."""
        return None

    def write(self, folder: Path) -> None:
        state = {
            "task": self.task,
            "n_classes": self.n_classes,
            "stretch": self.stretch.tolist(),
            "strengths": self.strengths.tolist(),
            "settled": dict(self.settled),
        }
        write_json(folder / "neighbours.json", state)
        rows = pa.FixedSizeListArray.from_arrays(pa.array(self.rows.ravel()), self.rows.shape[1])
        table = pa.table({"row": rows, "y": self.y, "weight": self.weight})
        write_table(folder / "neighbours.arrow", table, compression="zstd")


class NeighboursFamily:
    """The mean of the training rows that are most alike."""

    name = "neighbours"
    title = "nearest neighbours"
    view: View = "dense"
    abilities = Abilities(importances=True)
    sentence = (
        "The answers of the training rows most like the one asked: nothing is assumed of the shape of the relation; "
        "keeps the training rows in the model, loses its way among many columns that do not matter."
    )

    refits = 1
    installed = True

    def candidates(self, outline: Outline) -> Sequence[Parameters]:
        return [{"name": "neighbours"}] if outline.n_rows <= MOST_ROWS else []

    def space(self, outline: Outline) -> Space:  # noqa: ARG002 - the validation rows choose
        return {}

    def fit(self, job: FitJob) -> FittedNeighbours:
        """Keep the rows; validation rows choose how many neighbours there are and how the features are stretched."""
        kept = job.rows.counted().sample(MOST_ROWS, seed=job.seed)
        values = kept.matrix.values
        strengths = _strengths(job, kept)
        settled = dict(job.settled or {})
        k, stretch = settled.get("neighbours", 20.0), settled.get("stretch", 1.0)

        def fitted(stretch: float) -> FittedNeighbours:
            weight = np.ones(len(kept.y)) if kept.weight is None else kept.weight
            by = _stretch(strengths, stretch)
            chosen = {"neighbours": k, "stretch": stretch}
            rows = _single(values * by)
            return FittedNeighbours(job.task, job.n_classes, rows, kept.y, weight, by, strengths, chosen)

        if job.validation is None or job.settled is not None:
            best = fitted(stretch)
            best.cut = job.deadline.expired()
            return best
        some = job.validation.sample(_CHOOSING_ROWS, seed=job.seed)
        best, best_loss, cut = fitted(STRETCHES[0]), np.inf, False
        for stretch in STRETCHES:
            tried = fitted(stretch)
            for k, loss in _losses(tried, some, job.deadline).items():
                if loss < best_loss:
                    best, best_loss = tried, loss
                    best.settled = {"neighbours": float(k), "stretch": stretch}
            cut = job.deadline.expired()
            if cut:
                break
        best.cut = cut
        return best

    def combine(self, settled: Sequence[Settled], *, growth: float) -> Settled:  # noqa: ARG002 - hardly more for more rows
        logs = [np.log(one["neighbours"]) for one in settled]
        return {
            "neighbours": float(np.exp(np.mean(logs))),
            "stretch": float(np.mean([one["stretch"] for one in settled])),
        }

    def read(self, folder: Path) -> FittedNeighbours:
        state = read_json(folder / "neighbours.json")
        table = read_table(folder / "neighbours.arrow").combine_chunks()
        stretch = np.array(state["stretch"], dtype=np.float64)
        flat = np.array(table.column("row").combine_chunks().flatten(), dtype=np.float32)
        return FittedNeighbours(
            state["task"],
            state["n_classes"],
            flat.reshape(table.num_rows, len(stretch)),
            np.array(table.column("y"), dtype=np.float64),
            np.array(table.column("weight"), dtype=np.float64),
            stretch,
            np.array(state["strengths"], dtype=np.float64),
            state["settled"],
        )


def _losses(fitted: FittedNeighbours, rows: Rows, deadline: Deadline) -> dict[int, float]:
    """For each number of neighbours, all from the same search; of the first rows only if time runs out."""
    found = []
    for tile in fitted.nearest(rows.matrix.values, NEIGHBOURS[-1]):
        found.append(tile)
        if deadline.expired():
            break
    seen = rows.taken(np.arange(sum(len(near) for near, _ in found)))
    return {
        k: mean_loss(fitted.task, np.concatenate([fitted.answer(near, distance, k) for near, distance in found]), seen)
        for k in NEIGHBOURS
    }


def _strengths(job: FitJob, rows: Rows) -> FloatArray:
    """What share of the target's variance the means of a few groups of each feature's values tell, beyond chance."""
    y = np.eye(job.n_classes)[rows.y.astype(np.int64)] if job.task == "multiclass" else rows.y[:, None]
    weight = np.ones(len(y)) if rows.weight is None else rows.weight
    y = y - np.average(y, axis=0, weights=weight)
    total = float((weight[:, None] * y**2).sum()) or 1.0
    strengths = np.zeros(rows.matrix.values.shape[1])
    for i, column in enumerate(rows.matrix.values.T):
        edges = np.unique(np.quantile(column, np.arange(1, _GROUPS) / _GROUPS))
        group = np.searchsorted(edges, column)
        of_group = np.maximum(np.bincount(group, weights=weight), 1e-300)
        between = sum(float((np.bincount(group, weights=weight * output) ** 2 / of_group).sum()) for output in y.T)
        strengths[i] = max(between / total - (len(of_group) - 1) / len(column), 0.0)
    return strengths


def _stretch(strengths: FloatArray, power: float) -> FloatArray:
    if not strengths.any():
        return np.ones(len(strengths))
    stretch: FloatArray = (strengths / strengths.max()) ** (power / 2)
    return stretch


def _single(values: FloatArray) -> NDArray[np.float32]:
    return np.clip(values, -_FAR, _FAR).astype(np.float32)
