"""The curves that reports draw: ROC, precision-recall, calibration, lift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlwright.core import Interval
from mlwright.statistics.classification import best_first, equal_bins
from mlwright.statistics.intervals import wilson_interval
from mlwright.statistics.scored import FloatArray, Scored


def roc_curve(scored: Scored) -> tuple[FloatArray, FloatArray]:
    """False positive rate and true positive rate, from (0, 0) to (1, 1)."""
    hits, seen, _ = best_first(scored)
    misses = seen - hits
    return np.r_[0.0, misses / max(misses[-1], 1e-300)], np.r_[0.0, hits / max(hits[-1], 1e-300)]


def precision_recall_curve(scored: Scored) -> tuple[FloatArray, FloatArray]:
    """Recall and precision, by falling threshold."""
    hits, seen, _ = best_first(scored)
    counted = seen > 0
    return hits[counted] / max(hits[-1], 1e-300), hits[counted] / seen[counted]


def lift_curve(scored: Scored) -> tuple[FloatArray, FloatArray]:
    """Share of rows acted on (best first), and share of all positives that are among them."""
    hits, seen, _ = best_first(scored)
    return np.r_[0.0, seen / seen[-1]], np.r_[0.0, hits / max(hits[-1], 1e-300)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Rows with nearly the same probability: what was said, and what was seen."""

    predicted: float
    observed: float
    interval: Interval
    n: int


def calibration_bins(scored: Scored, *, bins: int = 10, confidence: float = 0.95) -> list[CalibrationBin]:
    """Bins of about equal count by probability, with Wilson's interval of the observed share.

    Rows with the same probability share a bin. With weights, the interval is that of as many equal rows as say as much
    (Kish (1965), Survey sampling).
    """
    if not scored.counts:
        return []
    order, number = equal_bins(scored.prediction, np.ones(len(scored)), min(bins, max(len(scored) // 20, 1)))
    parts = [scored.take(part) for part in np.split(order, np.flatnonzero(np.diff(number)) + 1)]
    return [_calibration_bin(part, confidence) for part in parts if part.counts]


def _calibration_bin(part: Scored, confidence: float) -> CalibrationBin:
    observed = part.mean((part.target == 1).astype(np.float64))
    n = len(part) if part.weight is None else float(part.weight.sum() ** 2 / (part.weight**2).sum())
    return CalibrationBin(
        predicted=part.mean(part.prediction),
        observed=observed,
        interval=wilson_interval(observed * n, n, confidence=confidence),
        n=len(part),
    )
