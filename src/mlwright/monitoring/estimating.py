"""Estimate what a window loses without its labels: by the scores for every window, by the rows once they have drifted."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.monitoring.asking import LabelRequest, ask_for_labels
from mlwright.monitoring.attribution import LossShare, columns_by_rows
from mlwright.monitoring.expected_loss import Expected, expected_metrics
from mlwright.monitoring.loss_estimate import LossEstimate, Method
from mlwright.monitoring.loss_reference import LossReference
from mlwright.monitoring.loss_regression import MOST_OUTSIDE, expected_error, expected_error_by_score, share_outside
from mlwright.monitoring.reweighting import Reweighting, reweight
from mlwright.monitoring.rows import AnsweredRows
from mlwright.monitoring.score_cells import count_cells
from mlwright.monitoring.shift_error import shift_error
from mlwright.statistics import METRICS

#: Fewer rows say nothing about where they came from.
LEAST_ROWS = 30
#: Of the standard deviation of the loss of a row.
_SMALL = 0.05
_OF_VALUES: tuple[Literal["mae", "rmse"], ...] = ("mae", "rmse")


def estimate_by_scores(
    counts: FloatArray, reference: LossReference, *, rng: np.random.Generator, confidence: float = 0.9
) -> LossEstimate:
    """What rows with these scores are expected to lose: quick, for every window.

    Parameters
    ----------
    counts : shape (n_classes, 256), or (1, 256) for a regression
        Of the window, by predicted class and bin of the score.
    """
    unknown = _too_few(float(counts.sum()))
    if reference.counts is not None:
        by_value: dict[str, Expected] = {
            name: expected_error_by_score(counts.sum(axis=0), reference.counts, metric=name, confidence=confidence)
            for name in _OF_VALUES
        }
        return LossEstimate(metrics=by_value, method="scores", unknown=unknown)
    assert reference.cells is not None
    found = expected_metrics(counts, reference.cells, worth=reference.worth, rng=rng, confidence=confidence)
    return LossEstimate(metrics=found, method="scores", unknown=unknown)


def estimate_by_rows(
    window: AnsweredRows,
    reference: LossReference,
    *,
    counts: FloatArray | None = None,
    rows: float | None = None,
    attribute: str | None = None,
    rng: np.random.Generator,
    confidence: float = 0.9,
) -> LossEstimate:
    """What the rows of a window are expected to lose, where the reference is made like them: once a drift was found.

    Parameters
    ----------
    window
        A sample of the window.
    counts, rows
        The scores and the number of all rows of the window.
    attribute
        The metric whose loss is to be shared out among columns: one that is a mean over rows.
    """
    known = reference.rows
    assert known is not None
    weights = reweight(known, window, rng=rng)
    outside = share_outside(known, window, weights.shape)
    total = float(window.weights.sum()) if rows is None else rows
    unknown = _too_few(total) or _unknown(weights, outside)
    if reference.cells is None:
        metrics = {
            name: expected_error(
                known,
                window,
                reference.row_loss(name),
                metric=name,
                reweighting=weights,
                rows=total,
                root=METRICS[name].root,
                rng=rng,
                confidence=confidence,
            )
            for name in reference.metrics
        }
        method: Method = "loss by row"
    else:
        if counts is None:
            counts = _counts(window, reference.cells.classes)
        added = shift_error(known, reference.cells, strength=weights.strength, shape=weights.shape, rng=rng)
        usable = weights.told_apart and weights.enough
        metrics = expected_metrics(
            counts,
            reference.cells,
            like_window=weights.cells(known) if usable else None,
            worth=reference.worth,
            shift=added,
            rng=rng,
            confidence=confidence,
        )
        method = "weighted rows"
    columns: tuple[LossShare, ...] = ()
    if attribute is not None and weights.told_apart:
        without = reweight(known, window, with_answer=False, rng=rng)
        columns = tuple(columns_by_rows(known, reference.row_loss(attribute), without, confidence=confidence))
    return LossEstimate(
        metrics=metrics,
        method=method,
        effective_share=weights.effective_share,
        outside=outside,
        unknown=unknown,
        columns=columns,
        lost_in=attribute or "",
    )


def labels_that_would_tell(
    estimate: LossEstimate,
    window: AnsweredRows,
    reference: LossReference,
    *,
    metric: str,
    tolerance: float,
    rng: np.random.Generator,
    confidence: float = 0.9,
) -> LabelRequest:
    """How many labels, and of which rows of the sample, would say whether more is lost than is tolerated."""
    loss = reference.row_loss(metric)
    expected = estimate.metrics[metric]
    # As far as the estimate is from the tolerance, but nobody needs to know it nearer than half of that; where nothing is
    # tolerated, than a small part of how much rows differ.
    rooted = metric in METRICS and METRICS[metric].root
    slope = 2 * max(expected.value, 1e-300) if rooted else 1.0
    least = tolerance / 2 or float(loss.std()) * _SMALL / slope
    half_width = max(abs(expected.worse - tolerance), least) * slope
    known = reference.rows
    assert known is not None
    # The variance of the loss among reference rows with nearly the same score.
    edges = np.unique(np.quantile(known.score, np.arange(1, 20) / 20))
    bins = np.searchsorted(edges, known.score)
    count = np.bincount(bins, minlength=len(edges) + 1) + 1.0
    mean = (np.bincount(bins, weights=loss, minlength=len(count)) + loss.mean()) / count
    square = (np.bincount(bins, weights=loss**2, minlength=len(count)) + (loss**2).mean()) / count
    variance = np.maximum(square - mean**2, 1e-12)
    return ask_for_labels(
        window.score,
        variance[np.searchsorted(edges, window.score)],
        half_width=half_width,
        ids=window.ids,
        weight=window.weight,
        rng=rng,
        confidence=confidence,
    )


def _too_few(rows: float) -> str:
    return "" if rows >= LEAST_ROWS else f"there are only {rows:,.0f} rows"


def _unknown(weights: Reweighting, outside: float) -> str:
    if not weights.enough:
        share = weights.effective_share
        return f"the reference has hardly any row like these ({share:.1%} of its rows count)"
    if outside > MOST_OUTSIDE:
        return f"{outside:.0%} of the rows are beyond what the reference has seen"
    return ""


def _counts(window: AnsweredRows, classes: int) -> FloatArray:
    decision = window.decision if window.decision is not None else (window.prediction >= 0.5).astype(np.int64)
    return count_cells(window.score, decision, classes=classes, weight=window.weight)
