"""What the training rows were like one stretch of time after the other, and what the model said of rows that it had not seen.

Both are needed to watch the model later without the rows: the first says how much quiet stretches differ, the second how
scores are spread and how right they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow.compute as pc

from mlwright.data import Dataset, TableSummary, column_as_numbers, written_class
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.data.summaries.packing import pack, unpack
from mlwright.models.score_counts import ScoreCounts

#: Stretches that training rows are cut into, at most, and how many rows one of them has at least.
CHUNKS, FEWEST_ROWS = 30, 30
#: Fewer rows say too little of what is usual.
LEAST_LIKE_NOW = 500
#: Cells of about equal share that numbers are counted in, and levels that are counted by themselves.
_CELLS, _LEVELS = 32, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChunks:
    """One column, stretch by stretch.

    Attributes
    ----------
    edges : shape (n_edges,)
        Of numbers, and of the lengths of texts: the bounds of the cells, which are values of the column. Cell 2 i + 1 is the value of edge i itself, the
        others are what lies between two edges, so that there are 2 n_edges + 1 of them.
    levels
        Of a category: those with a cell of their own; the last cell has all others.
    counts : shape (n_chunks, n_cells)
    """

    edges: FloatArray
    levels: tuple[str, ...]
    counts: IntArray

    def state(self) -> dict[str, Any]:
        return {"edges": self.edges.tolist(), "levels": list(self.levels), "counts": pack(self.counts.ravel())}

    @classmethod
    def of_state(cls, state: Mapping[str, Any], chunks: int) -> ColumnChunks:
        return cls(
            edges=np.array(state["edges"], dtype=np.float64),
            levels=tuple(state["levels"]),
            counts=unpack(state["counts"]).reshape(chunks, -1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingHistory:
    """Training rows in the order of time, and out-of-fold answers.

    Attributes
    ----------
    rows : shape (n_chunks,)
        Of each stretch; missing values of a column are what its counts lack.
    starts
        When each stretch began, in seconds since 1970 or in the unit of the time column.
    columns
        Of each column that the reference describes; empty where the rows have no time.
    answers
        The score of out-of-fold answers (`score`) and of a classification the predicted class (`predicted`), likewise.
    scores
        What the ensemble said of training rows that the answering fit had not seen, with their truth.
    """

    rows: tuple[int, ...] = ()
    starts: tuple[float, ...] = ()
    columns: Mapping[str, ColumnChunks] = field(default_factory=dict)
    answers: Mapping[str, ColumnChunks] = field(default_factory=dict)
    scores: ScoreCounts | None = None

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format_version": 1,
            "rows": list(self.rows),
            "starts": list(self.starts),
            "columns": {name: column.state() for name, column in self.columns.items()},
            "answers": {name: answer.state() for name, answer in self.answers.items()},
            "scores": None if self.scores is None else self.scores.state(),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> TrainingHistory:
        chunks = len(state["rows"])
        return cls(
            rows=tuple(state["rows"]),
            starts=tuple(state["starts"]),
            columns={name: ColumnChunks.of_state(column, chunks) for name, column in state["columns"].items()},
            answers={name: ColumnChunks.of_state(answer, chunks) for name, answer in state["answers"].items()},
            scores=None if state["scores"] is None else ScoreCounts.of_state(state["scores"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFold:
    """What the ensemble said of training rows that it had not seen.

    Attributes
    ----------
    rows : shape (n,)
        Their numbers.
    predicted : shape (n,)
        The number of the class decided for; 0 for a regression.
    score : shape (n,)
        As in `ScoreCounts`.
    counts
        The same, counted with their truth.
    """

    rows: IntArray
    predicted: IntArray
    score: FloatArray
    counts: ScoreCounts


def rows_like_now(train: Dataset, since: date | None) -> IntArray | None:
    """The numbers of the rows from a day on, shape (n,); None for all, also where the rows have no dates or are too few."""
    column, times = train.schema.with_role("time"), train.times
    if since is None or times is None or column is None or column.type != "datetime":
        return None
    start = datetime(since.year, since.month, since.day, tzinfo=UTC).timestamp()
    rows = np.flatnonzero(times >= start)
    return rows if len(rows) >= LEAST_LIKE_NOW else None


def training_history(
    train: Dataset, reference: TableSummary, *, window: timedelta, out_of_fold: OutOfFold
) -> TrainingHistory:
    """Cut training rows into stretches of whole windows, as many as there are but at most `CHUNKS`.

    Parameters
    ----------
    reference
        The columns to describe.
    window
        How long a window will be when the model is watched.
    """
    times = train.times
    chunk = None if times is None else _chunks(times, window.total_seconds())
    if times is None or chunk is None:
        return TrainingHistory(scores=out_of_fold.counts)
    rows = np.bincount(chunk[chunk >= 0])
    starts = [float(times[chunk == number].min()) for number in range(len(rows))]
    return TrainingHistory(
        rows=tuple(rows.tolist()),
        starts=tuple(starts),
        columns={name: _column(train, name, reference, chunk, len(rows)) for name in reference.columns},
        answers=_answers(train, out_of_fold, chunk[out_of_fold.rows], len(rows)),
        scores=out_of_fold.counts,
    )


def _answers(train: Dataset, said: OutOfFold, chunk: IntArray, chunks: int) -> dict[str, ColumnChunks]:
    edges = np.unique(np.quantile(said.score, np.arange(1, _CELLS) / _CELLS))
    found = {"score": _number_chunks(said.score, edges, chunk, chunks)}
    if train.task != "regression":
        classes = [written_class(value) for value in train.classes]
        found["predicted"] = _level_chunks(said.predicted, classes, chunk, chunks)
    return found


def _chunks(times: FloatArray, window_s: float) -> IntArray | None:
    """The stretch of each row, shape (n_rows,), -1 without a time; None if there are too few for a comparison."""
    known = np.isfinite(times)
    if known.sum() < 3 * FEWEST_ROWS:
        return None
    window = np.zeros(len(times), dtype=np.int64)
    window[known] = np.unique(np.floor(times[known] / window_s), return_inverse=True)[1]
    counts = np.bincount(window[known])
    least = max(FEWEST_ROWS, known.sum() / CHUNKS if len(counts) > CHUNKS else 0)
    chunk_of_window = np.zeros(len(counts), dtype=np.int64)
    number = held = 0
    for place, count in enumerate(counts):
        chunk_of_window[place] = number
        held += count
        if held >= least:
            number, held = number + 1, 0
    # What is left at the end is too short for a stretch of its own.
    chunk_of_window = np.minimum(chunk_of_window, max(number - 1, 0))
    return np.where(known, chunk_of_window[window], -1) if number >= 3 else None


def _column(train: Dataset, name: str, reference: TableSummary, chunk: IntArray, chunks: int) -> ColumnChunks:
    summary = reference[name]
    kind, shares = train.schema[name].type, np.arange(1, _CELLS) / _CELLS
    if kind == "text" or (summary.numbers is not None and kind != "boolean"):
        if kind == "text":
            values = column_as_numbers(pc.utf8_length(train.table.column(name)))
            edges = np.unique(np.nanquantile(values, shares)) if np.isfinite(values).any() else np.zeros(0)
        else:
            assert summary.numbers is not None
            values, edges = train.numbers(name), np.unique(summary.numbers.grid.quantiles(shares))
        return _number_chunks(values, edges[np.isfinite(edges)], chunk, chunks)
    codes, levels = train.levels(name)
    return _level_chunks(codes, levels, chunk, chunks)


def _number_chunks(values: FloatArray, edges: FloatArray, chunk: IntArray, chunks: int) -> ColumnChunks:
    cell = np.searchsorted(edges, values, side="left") + np.searchsorted(edges, values, side="right")
    known = np.isfinite(values) & (chunk >= 0)
    return ColumnChunks(edges=edges, levels=(), counts=_counted(chunk, cell, known, chunks, 2 * len(edges) + 1))


def _level_chunks(codes: IntArray, levels: Sequence[str], chunk: IntArray, chunks: int) -> ColumnChunks:
    most = most_common(codes, levels)
    place = {level: number for number, level in enumerate(most)}
    cell_of_code = np.array([place.get(level, len(most)) for level in levels] or [0], dtype=np.int64)
    known = (codes >= 0) & (chunk >= 0)
    counts = _counted(chunk, cell_of_code[np.maximum(codes, 0)], known, chunks, len(most) + 1)
    return ColumnChunks(edges=np.zeros(0), levels=most, counts=counts)


def _counted(chunk: IntArray, cell: IntArray, known: Any, chunks: int, cells: int) -> IntArray:
    flat = np.bincount(chunk[known] * cells + cell[known], minlength=chunks * cells)
    return flat.reshape(chunks, cells)


def most_common(codes: IntArray, levels: Sequence[str]) -> tuple[str, ...]:
    """At most 50 levels, the most frequent first."""
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    order = sorted(range(len(levels)), key=lambda number: (-counts[number], levels[number]))
    return tuple(levels[number] for number in order[:_LEVELS] if counts[number])
