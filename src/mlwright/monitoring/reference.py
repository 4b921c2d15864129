"""What the package says is normal, as scores: bounded numbers per row whose mean moves when a column drifts.

A score of a window follows from its counts alone: each cell has a weight, and the mean is the weighted sum of the counts.
Numbers have two: where a value lies among those of the reference (location, -1 to 1) and how far out (spread). Categories
have one per level, answers those of their score and of the predicted classes, and every column the share of missing values
and of those that could not be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from mlwright.data import ColumnSummary
from mlwright.data.dataset import FloatArray
from mlwright.models import ColumnChunks, Model
from mlwright.models.score_counts import BINS
from mlwright.monitoring.shapes import ColumnShape, ReferenceOfOtherVersion, WindowShape, reference_shares
from mlwright.monitoring.windows import NULLS, UNREAD, WindowSummary
from mlwright.statistics.drift_reference import ScoreSet

Family: TypeAlias = Literal["location", "spread", "length", "level", "new", "missing", "unread"]
FAMILIES: tuple[Family, ...] = ("location", "spread", "length", "level", "new", "missing", "unread")

#: The answers of the model, as a column among the others.
ANSWERS = "prediction"
#: Levels with a smaller share are watched together.
_LEAST_SHARE = 0.005
_MOST_LEVELS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number per row that is watched.

    Attributes
    ----------
    column
        Its name; the answers are `ANSWERS`.
    part
        Of answers: `score` or `predicted`.
    family
        What it tells of.
    name
        Of a level: which one; empty if it stands for several.
    weights : shape (n_cells,)
        What a row in each cell counts; None of a share of rows (missing, unread).
    mean, variance
        Over the rows of the reference; NaN where the package does not say.
    rows
        Of the reference that have it.
    """

    column: str
    family: Family
    name: str = ""
    part: str = ""
    weights: FloatArray | None
    mean: float
    variance: float
    rows: int

    @property
    def low(self) -> float:
        return -1.0 if self.family in {"location", "spread", "length"} else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """What is watched of a version, and what is normal.

    Attributes
    ----------
    columns
        The names that alarms give, answers last.
    scores
        All of them; those of a column are neighbours.
    stretches : shape (n_stretches, n_scores)
        The mean of each score in stretches of the training rows, NaN where the package does not say.
    stretch_rows : shape (n_stretches, n_scores)
    """

    shape: WindowShape
    columns: tuple[str, ...]
    scores: tuple[Score, ...]
    stretches: FloatArray
    stretch_rows: FloatArray

    @property
    def score_set(self) -> ScoreSet:
        """As the detector takes them."""
        place = {name: number for number, name in enumerate(self.columns)}
        return ScoreSet(
            column=np.array([place[score.column] for score in self.scores], dtype=np.int64),
            family=np.array([FAMILIES.index(score.family) for score in self.scores], dtype=np.int64),
            low=np.array([score.low for score in self.scores]),
            high=np.ones(len(self.scores)),
        )

    @property
    def means(self) -> FloatArray:
        """Shape (n_scores,)."""
        return np.array([score.mean for score in self.scores])

    @property
    def variances(self) -> FloatArray:
        """Between rows, shape (n_scores,)."""
        return np.array([score.variance for score in self.scores])

    def measured(self, window: WindowSummary) -> tuple[FloatArray, FloatArray]:
        """The mean of each score in a window (NaN without rows), and the rows behind it; shape (n_scores,) each.

        Raises
        ------
        ReferenceOfOtherVersion
            If the window was counted for another version.
        """
        if window.shape.digest != self.shape.digest:
            raise ReferenceOfOtherVersion(self.shape.version, window.shape.version)
        place = {name: number for number, name in enumerate(self.shape.names)}
        means, rows = np.full(len(self.scores), np.nan), np.zeros(len(self.scores))
        for number, score in enumerate(self.scores):
            means[number], rows[number] = _measured(score, window, place.get(score.column))
        return means, rows

    def tolerances(self, tolerance: float | Mapping[str, float]) -> FloatArray:
        """The owner's tolerance in units of each score, shape (n_scores,).

        Parameters
        ----------
        tolerance
            In standard deviations for all columns, or by column in its own unit (shares for categories).
        """
        return np.array([self._tolerance(score, tolerance) for score in self.scores])

    def _tolerance(self, score: Score, tolerance: float | Mapping[str, float]) -> float:
        by_column = isinstance(tolerance, Mapping)
        amount = tolerance.get(score.column, 0.0) if isinstance(tolerance, Mapping) else tolerance
        if amount == 0 or not np.isfinite(score.variance):
            return 0.0
        if score.family in {"level", "new", "missing", "unread"}:
            return amount if by_column else amount * float(np.sqrt(score.variance))
        shape = next((shape for shape in self.shape if shape.name == score.column), None)
        if not by_column or shape is None or score.weights is None:
            return amount * float(np.sqrt(score.variance))
        return _after_move(score, shape, amount)


def _measured(score: Score, window: WindowSummary, place: int | None) -> tuple[float, float]:
    if place is None:
        counts = window.counts.scores.sum(axis=0 if score.part == "score" else 1)
    elif score.weights is None:
        kind = NULLS if score.family == "missing" else UNREAD
        share = window.tallies[place, kind] / window.rows if window.rows else float("nan")
        return float(share), float(window.rows)
    else:
        counts = window.cells[window.shape.starts[place] : window.shape.starts[place + 1]]
    rows = int(counts.sum())
    return (float(score.weights @ counts) / rows, float(rows)) if rows and score.weights is not None else (np.nan, 0.0)


def _after_move(score: Score, shape: ColumnShape, amount: float) -> float:
    """How far a score of numbers moves when all values move by an amount of their unit, the larger of both ways."""
    assert score.weights is not None
    middle = np.concatenate([[shape.low], (shape.edges[1:] + shape.edges[:-1]) / 2, [shape.high]])
    spread = np.abs(np.diff(score.weights, prepend=score.weights[0]))  # the reference's share, up to a factor
    share = spread / spread.sum() if spread.sum() else np.full(len(spread), 1 / len(spread))
    moves = [float(share @ score.weights[shape.cell_of(middle + sign * amount)]) for sign in (-1, 1)]
    still = float(share @ score.weights)
    return max(abs(move - still) for move in moves)


def reference_of(model: Model, shape: WindowShape) -> Reference:
    """What a package says of its training rows, as scores.

    Columns that tell the time are left out, for they move with every window.
    """
    scores: list[Score] = []
    for column in shape:
        summary = model.reference.columns.get(column.name)
        if model.schema[column.name].role != "time":
            scores += _scores_of_column(column, summary, model.reference.rows)
    scores += _scores_of_answers(model, shape)
    columns = tuple(dict.fromkeys(score.column for score in scores))
    means, rows = _stretches(model, shape, scores)
    return Reference(shape=shape, columns=columns, scores=tuple(scores), stretches=means, stretch_rows=rows)


def _scores_of_column(shape: ColumnShape, summary: ColumnSummary | None, rows: int) -> list[Score]:
    known = 0 if summary is None else summary.known
    found: list[Score] = []
    if summary is not None and known:
        # Dates go on by themselves, so only whether they come is watched.
        if shape.kind == "number" and shape.type != "datetime" and summary.numbers is not None:
            found = rank_scores(shape.name, reference_shares(shape, summary.numbers.grid), known)
        elif shape.kind == "levels":
            found = _level_scores(shape, level_shares(shape, summary), known)
        elif shape.kind == "text" and summary.levels is not None:
            half = (shape.high - shape.low) / 2
            lengths = summary.levels.lengths
            mean, variance = (lengths.mean - shape.low) / half - 1, (lengths.std / half) ** 2
            place = np.concatenate([[-1.0], (np.arange(shape.size - 2) + 0.5) / (shape.size - 2) * 2 - 1, [1.0]])
            found = [Score(column=shape.name, family="length", weights=place, mean=mean, variance=variance, rows=known)]
    missing = 1 - known / rows if summary is not None and rows else float("nan")
    for family, share in (("missing", missing), ("unread", 0.0)):
        found.append(
            Score(
                column=shape.name,
                family="missing" if family == "missing" else "unread",
                weights=None,
                mean=share,
                variance=share * (1 - share),
                rows=rows,
            )
        )
    return found


def rank_scores(column: str, share: FloatArray, rows: int, *, part: str = "") -> list[Score]:
    """Location and spread of numbers, by the share of the reference in each cell: 2 F - 1 and 2 |2 F - 1| - 1."""
    location = 2 * np.cumsum(share) - share - 1
    return [
        _weighed(column, family, weights, share, rows, part=part)
        for family, weights in (("location", location), ("spread", 2 * np.abs(location) - 1))
    ]


def _weighed(
    column: str, family: str, weights: FloatArray, share: FloatArray, rows: int, *, name: str = "", part: str = ""
) -> Score:
    mean = float(share @ weights)
    variance = max(float(share @ np.square(weights)) - mean**2, 0.0)
    kind = next(known for known in FAMILIES if known == family)
    return Score(
        column=column,
        family=kind,
        name=name,
        part=part,
        weights=weights,
        mean=mean,
        variance=variance,
        rows=rows,
    )


def level_shares(shape: ColumnShape, summary: ColumnSummary) -> FloatArray:
    """The share of the reference in each cell of a column of levels, shape (n_levels + 2,)."""
    counts = np.zeros(shape.size)
    if summary.levels is not None:
        place = {level: number for number, level in enumerate(shape.levels)}
        for level, count in summary.levels.levels():
            counts[place.get(level, len(shape.levels))] += count
        counts[len(shape.levels)] += max(summary.known - counts.sum(), 0)
    elif summary.numbers is not None:  # truth values are 0 and 1 there
        true = summary.numbers.moments.mean * summary.known
        counts[:2] = summary.known - true, true
    shares: FloatArray = counts / max(counts.sum(), 1)
    return shares


def _level_scores(shape: ColumnShape, share: FloatArray, rows: int) -> list[Score]:
    own = [int(n) for n in np.flatnonzero(share[:-2] >= _LEAST_SHARE)]
    own = sorted(own, key=lambda n: -share[n])[:_MOST_LEVELS]
    if len(own) == 2 and share[own].sum() > 1 - 1e-9:
        own = own[1:]  # the share of the other says the same
    found = []
    for number in own:
        weights = np.zeros(shape.size)
        weights[number] = 1
        found.append(_weighed(shape.name, "level", weights, share, rows, name=shape.levels[number]))
    rest = np.ones(shape.size)
    rest[own], rest[-1] = 0, 0
    if share @ rest > _LEAST_SHARE and len(own) > 1:
        found.append(_weighed(shape.name, "level", rest, share, rows))
    if shape.complete and shape.type != "boolean":
        new = np.zeros(shape.size)
        new[-1] = 1
        found.append(_weighed(shape.name, "new", new, share, rows))
    return found


def _scores_of_answers(model: Model, shape: WindowShape) -> list[Score]:
    said = None if model.history is None else model.history.scores
    if said is None or said.rows == 0:
        place = (np.arange(BINS) + 0.5) / BINS * 2 - 1
        found = [
            Score(
                column=ANSWERS,
                part="score",
                family="location",
                weights=place,
                mean=float("nan"),
                variance=1 / 3,
                rows=0,
            )
        ]
        share = np.full(len(shape.classes), np.nan)
        rows = 0
    else:
        found = rank_scores(ANSWERS, said.scores.sum(axis=0) / said.rows, said.rows, part="score")
        share, rows = said.scores.sum(axis=1) / said.rows, said.rows
    # Of two classes, the share of one says all.
    for number in range(1, 2) if len(shape.classes) == 2 else range(len(shape.classes[:_MOST_LEVELS])):
        weights, p = np.zeros(len(shape.classes)), float(share[number])
        weights[number] = 1
        found.append(
            Score(
                column=ANSWERS,
                part="predicted",
                family="level",
                name=shape.classes[number],
                weights=weights,
                mean=p,
                variance=p * (1 - p) if rows else 0.25,
                rows=rows,
            )
        )
    return found


# ---- stretches of the training rows ----


def _stretches(model: Model, shape: WindowShape, scores: Sequence[Score]) -> tuple[FloatArray, FloatArray]:
    history, shapes = model.history, {column.name: column for column in shape}
    if history is None or not history.rows:
        return np.zeros((0, len(scores))), np.zeros((0, len(scores)))
    total = np.array(history.rows, dtype=np.float64)
    means, rows = np.full((len(total), len(scores)), np.nan), np.zeros((len(total), len(scores)))
    for number, score in enumerate(scores):
        chunks = history.answers.get(score.part) if score.part else history.columns.get(score.column)
        if chunks is None:
            continue
        known = chunks.counts.sum(axis=1)
        if score.family == "missing":
            means[:, number], rows[:, number] = 1 - known / total, total
            continue
        if score.family == "unread":
            means[:, number], rows[:, number] = 0.0, total
            continue
        own = {other.name for other in scores if other.column == score.column and other.name}
        weights = _chunk_weights(score, chunks, own, shapes.get(score.column))
        rows[:, number] = known
        means[:, number] = np.divide(chunks.counts @ weights, known, out=np.full(len(total), np.nan), where=known > 0)
    return means, rows


def _chunk_weights(score: Score, chunks: ColumnChunks, own: set[str], shape: ColumnShape | None) -> FloatArray:
    """What a row in each cell of the history counts; `own` are the levels that are watched by themselves."""
    if score.family in {"location", "spread"}:
        share = chunks.counts.sum(axis=0) / max(int(chunks.counts.sum()), 1)
        location = 2 * np.cumsum(share) - share - 1
        return np.asarray(location if score.family == "location" else 2 * np.abs(location) - 1)
    if score.family == "length" and shape is not None:
        lengths: FloatArray = (_middles(chunks.edges) - shape.low) / (shape.high - shape.low) * 2 - 1
        return lengths
    weights = np.zeros(chunks.counts.shape[1])
    if score.family == "level" and score.name:
        weights[[number for number, level in enumerate(chunks.levels) if level == score.name]] = 1
    elif score.family == "level":
        weights[[number for number, level in enumerate(chunks.levels) if level not in own]] = 1
        weights[-1] = 1
    return weights


def _middles(edges: FloatArray) -> FloatArray:
    """A value for each cell of the history: an edge itself, or the middle between two; shape (2 n_edges + 1,)."""
    if not len(edges):
        return np.zeros(1)
    values = np.empty(2 * len(edges) + 1)
    values[1::2] = edges
    values[0::2] = np.concatenate([edges[:1], (edges[1:] + edges[:-1]) / 2, edges[-1:]])
    return values
