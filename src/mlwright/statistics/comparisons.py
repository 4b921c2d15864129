"""Is one set of predictions better than another on the same rows? Always paired, always with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from mlwright.core import Interval
from mlwright.statistics.intervals import auc_placements, mean_interval, resampled_counts
from mlwright.statistics.metrics import Metric
from mlwright.statistics.scored import FloatArray, Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How much better the first is than the second; `gain` is positive where the first is better, in units of the metric.

    `p_value` is two-sided: how likely a gain of this size in either direction would be if there were none.
    """

    gain: float
    interval: Interval
    p_value: float
    method: str

    @property
    def clear(self) -> bool:
        """Whether the interval leaves no doubt about which is better."""
        return 0 not in self.interval


def compare(
    metric: Metric, first: Scored, second: Scored, *, rng: np.random.Generator, confidence: float = 0.95
) -> Comparison:
    """Compare two sets of predictions of the same rows.

    Means over rows are compared by their difference per row, ROC AUC by DeLong's test, others by the paired bootstrap.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated ROC curves, Biometrics.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    if metric.per_row is not None or metric.name == "accuracy":
        return _by_row(metric, first, second, confidence)
    plain = first.weight is None and first.group is None
    if metric.name == "roc_auc" and plain and first.prediction.ndim == 1:
        difference, error = _delong(first, second)
        return _normal(difference, error, confidence, "DeLong's test")
    gain = sign * (metric.compute(first) - metric.compute(second))
    draws = []
    repetitions = int(np.clip(10_000_000 / len(first), 200, 1000))
    for counts in resampled_counts(len(first), first.group, rng, repetitions):
        weight = counts if first.weight is None else counts * first.weight
        drawn = sign * (metric.compute(first.weighted(weight)) - metric.compute(second.weighted(weight)))
        if np.isfinite(drawn):
            draws.append(drawn)
    error = float(np.std(draws, ddof=1)) if len(draws) > repetitions // 2 else float("inf")
    return _normal(gain, error, confidence, f"paired bootstrap, {repetitions} repetitions")


def _by_row(metric: Metric, first: Scored, second: Scored, confidence: float) -> Comparison:
    if metric.per_row is not None:
        a, b = metric.per_row(first), metric.per_row(second)
        difference = b - a
    else:
        difference = (first.decided() == first.target).astype(float) - (second.decided() == second.target)
    mean = first.mean(difference)
    interval = mean_interval(difference, weight=first.weight, group=first.group, confidence=confidence)
    scale = 1.0
    if metric.root and metric.per_row is not None:
        # d sqrt(m) = dm / (2 sqrt(m)), at the middle of the two.
        roots = metric.compute(first) + metric.compute(second)
        scale = 1.0 / roots if roots > 0 else 1.0
    half = (interval.high - interval.low) / 2
    z = float(ndtri(0.5 + confidence / 2))
    return _normal(mean * scale, half * scale / z if np.isfinite(half) else np.inf, confidence, "paired differences")


def _delong(first: Scored, second: Scored) -> tuple[float, float]:
    positive = first.target == 1
    up_a, down_a = auc_placements(positive, first.prediction)
    up_b, down_b = auc_placements(positive, second.prediction)
    up, down = up_a - up_b, down_a - down_b
    if min(len(up), len(down)) < 2:
        return float(up.mean()) if len(up) else 0.0, float("inf")
    return float(up.mean()), float(np.sqrt(up.var(ddof=1) / len(up) + down.var(ddof=1) / len(down)))


def _normal(gain: float, error: float, confidence: float, method: str) -> Comparison:
    half = float(ndtri(0.5 + confidence / 2)) * error
    p_value = 1.0 if gain == 0 else 2 * float(ndtr(-abs(gain) / error)) if error > 0 else 0.0
    interval = Interval(low=gain - half, high=gain + half, confidence=confidence)
    return Comparison(gain=gain, interval=interval, p_value=p_value, method=method)


def smallest_detectable_difference(
    per_row_difference: FloatArray, *, confidence: float = 0.95, power: float = 0.8
) -> float:
    """The least true mean difference that such a comparison finds with the given power (two-sided).

    Parameters
    ----------
    per_row_difference : shape (n_rows,)
        Of two candidates that are typical for those to be compared.

    References
    ----------
    Cohen (1988), Statistical power analysis for the behavioral sciences, chapter 2.
    """
    n = len(per_row_difference)
    if n < 2:
        return float("inf")
    z = float(ndtri(0.5 + confidence / 2) + ndtri(power))
    return z * float(per_row_difference.std(ddof=1)) / float(np.sqrt(n))
