"""Before and after in numbers: quantiles of a column, or shares of its levels, in the reference and in a window."""

from __future__ import annotations

import numpy as np

from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models import Model
from mlwright.models.score_counts import BINS
from mlwright.monitoring.findings import BeforeAfter
from mlwright.monitoring.reference import ANSWERS, level_shares
from mlwright.monitoring.shapes import ColumnShape, WindowShape
from mlwright.monitoring.windows import HIGH, LOW, WindowSummary

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_LEVELS = 12


def before_after(column: str, model: Model, window: WindowSummary) -> BeforeAfter | None:
    """The picture of one column of the window beside the reference; None where either has no values.

    Parameters
    ----------
    column
        A name, or `ANSWERS` for the scores.
    """
    shape = window.shape
    if column == ANSWERS:
        return _answers(model, window)
    own = next((one for one in shape if one.name == column), None)
    summary = model.reference.columns.get(column)
    if own is None or summary is None or summary.known == 0 or window.column_cells(column).sum() == 0:
        return None
    if own.kind == "number" and summary.numbers is not None:
        before = summary.numbers.grid.quantiles(np.array(QUANTILES))
        after = window_quantiles(own, window, np.array(QUANTILES))
        return _quantiles(column, before, after)
    if own.kind == "levels":
        return _levels(column, own, level_shares(own, summary), window.column_cells(column))
    return None


def window_quantiles(shape: ColumnShape, window: WindowSummary, q: FloatArray) -> FloatArray:
    """Quantiles of a column of numbers in a window, interpolated inside its cells; NaN without values, shape (n,)."""
    number = window.shape.names.index(shape.name)
    low, high = window.sums[number, LOW], window.sums[number, HIGH]
    if not low <= high:
        return np.full(len(q), np.nan)
    edges = np.concatenate([[min(low, shape.low)], shape.edges, [max(high, shape.high)]])
    return np.clip(_interpolated(edges, window.column_cells(shape.name), q), low, high)


def _interpolated(edges: FloatArray, counts: IntArray | FloatArray, q: FloatArray) -> FloatArray:
    cumulative = np.cumsum(counts)
    wanted = q * cumulative[-1]
    cell = np.minimum(np.searchsorted(cumulative, wanted), len(counts) - 1)
    inside = (wanted - (cumulative[cell] - counts[cell])) / np.maximum(counts[cell], 1e-300)
    return np.asarray(edges[cell] + np.clip(inside, 0, 1) * (edges[cell + 1] - edges[cell]))


def _quantiles(column: str, before: FloatArray, after: FloatArray) -> BeforeAfter:
    return BeforeAfter(
        column=column,
        kind="quantiles",
        names=tuple(f"{q:g}" for q in QUANTILES),
        before=tuple(before.tolist()),
        after=tuple(after.tolist()),
    )


def _levels(column: str, shape: ColumnShape, share: FloatArray, counts: IntArray) -> BeforeAfter:
    now = counts / max(int(counts.sum()), 1)
    most = sorted(range(len(shape.levels)), key=lambda n: -max(share[n], now[n]))[:_LEVELS]
    rest = [n for n in range(len(shape.levels) + 1) if n not in set(most)]
    names = [shape.levels[n] for n in most]
    before, after = share[most].tolist(), now[most].tolist()
    for name, mine in (("all others", rest), ("not in the training rows", [len(shape.levels) + 1])):
        if share[mine].sum() > 0 or now[mine].sum() > 0:
            names, before, after = [*names, name], [*before, float(share[mine].sum())], [*after, float(now[mine].sum())]
    return BeforeAfter(column=column, kind="levels", names=tuple(names), before=tuple(before), after=tuple(after))


def _answers(model: Model, window: WindowSummary) -> BeforeAfter | None:
    said = None if model.history is None else model.history.scores
    if said is None or said.rows == 0 or window.counts.rows == 0:
        return None
    edges, q = np.linspace(window.shape.score_low, window.shape.score_high, BINS + 1), np.array(QUANTILES)
    before, after = (_interpolated(edges, counts.scores.sum(axis=0), q) for counts in (said, window.counts))
    return _quantiles(ANSWERS, before, after)


def shown_of(shape: WindowShape, column: str) -> str:
    """What the column is called in a sentence."""
    if column != ANSWERS:
        return f"`{column}`"
    return "the predicted value" if not shape.classes else "the model's score"
