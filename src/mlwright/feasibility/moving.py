"""Predictions made better or worse: as if a model knew a little more, or a little less, than the quick learners do.

Better: every row gets a further piece of evidence about its class, independent of what is known already. Its strength is a
number; the logarithm of its odds is normal with mean m and variance 2 m for the true class, which is what evidence of that
strength has in common, so that probabilities stay true. Worse: noise on the log odds. In both cases probabilities are then
calibrated as a model does it. For a regression the errors are scaled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.statistics import Metric, Scored

_CLIP = 1e-6
#: Places between nothing added (0) and nearly sure of every class (3.5: an AUC of .9998 from that alone); below 0, noise of
#: so many standard deviations of the log odds.
_WORSE = (-8.0, -4.0, -2.5, -1.5, -1.0, -0.75, -0.5, -0.35, -0.2)
_BETTER = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0, 3.5)
_PLACES = np.array([*_WORSE, *_BETTER])
#: Errors of a regression are scaled by at most this.
_MOST_ERROR = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedPredictions:
    """Predictions of the same rows, better or worse by a place from -8 to 3.5; 0 is as they were (calibrated).

    Of a regression the place is the logarithm of what errors are multiplied by, so that lower is better.

    Attributes
    ----------
    scored
        The rows with their predictions as they were.
    places, scores : shape (n_places,)
        The metric that predictions are moved along, at some places; made monotone.
    """

    scored: Scored = field(repr=False)
    metric: Metric
    places: FloatArray = field(repr=False)
    scores: FloatArray = field(repr=False)
    logs: FloatArray | None = field(default=None, repr=False)
    noise: FloatArray | None = field(default=None, repr=False)
    maps: FloatArray | None = field(default=None, repr=False)

    def place(self, score: float) -> float:
        """Where the metric has this score; the nearest end where it has it nowhere."""
        if self.logs is None:
            now = self.metric.compute(self.scored)
            return float(np.log(np.clip(score / now, 1e-6, _MOST_ERROR))) if now > 0 else 0.0
        rising = self.scores if self.metric.higher_is_better else -self.scores
        return float(np.interp(score if self.metric.higher_is_better else -score, rising, self.places))

    def at(self, place: float) -> FloatArray:
        """The predictions at a place."""
        if self.logs is None or self.maps is None or self.noise is None:
            target = self.scored.target
            scaled: FloatArray = target + np.exp(place) * (self.scored.prediction - target)
            return scaled
        slope, offset = (np.interp(place, self.places, values) for values in self.maps.T)
        return _probability(slope * _shifted(self.logs, self.noise, self.scored.target, place) + offset)


def move_predictions(scored: Scored, metric: Metric, *, rng: np.random.Generator) -> MovedPredictions:
    """Prepare to move predictions so that a metric has any score.

    Parameters
    ----------
    metric
        ROC AUC, log loss or accuracy for classes; a metric that scales with the errors (RMSE, MAE) for a regression.
    """
    if "regression" in metric.tasks:
        none = np.zeros(0)
        return MovedPredictions(scored=scored, metric=metric, places=none, scores=none)
    logs, noise = _log_odds(scored.prediction), _noise(scored, rng)
    maps, scores = np.empty((len(_PLACES), 2)), np.empty(len(_PLACES))
    for number, place in enumerate(_PLACES):
        raw = _shifted(logs, noise, scored.target, place)
        maps[number] = _calibration(raw, scored)
        moved = replace(scored, prediction=_probability(maps[number, 0] * raw + maps[number, 1]))
        scores[number] = metric.compute(moved)
    start = len(_WORSE)
    signed = scores if metric.higher_is_better else -scores
    # On few rows chance can make a little evidence look like none, and a little noise like evidence.
    signed[start:] = np.maximum.accumulate(signed[start:])
    signed[: start + 1] = np.minimum.accumulate(signed[start::-1])[::-1]
    return MovedPredictions(
        scored=scored,
        metric=metric,
        places=_PLACES,
        scores=signed if metric.higher_is_better else -signed,
        logs=logs,
        noise=noise,
        maps=maps,
    )


def _log_odds(prediction: FloatArray) -> FloatArray:
    """Of class 1, shape (n_rows,); or logarithms of the probability of each class, shape (n_rows, n_classes)."""
    p = np.clip(prediction, _CLIP, 1 - _CLIP)
    found: FloatArray = np.log(p) if prediction.ndim == 2 else np.log(p) - np.log1p(-p)
    return found


def _noise(scored: Scored, rng: np.random.Generator) -> FloatArray:
    """Normal numbers, of mean 0 and variance 1 in each class: chance in them would move the metric as evidence does."""
    noise = rng.standard_normal(scored.prediction.shape)
    for k in np.unique(scored.target):
        rows = scored.target == k
        noise[rows] -= noise[rows].mean(axis=0)
        noise[rows] /= np.maximum(noise[rows].std(axis=0), 0.1)
    return noise


def _shifted(logs: FloatArray, noise: FloatArray, target: FloatArray, place: float) -> FloatArray:
    strength = place**2
    moved: FloatArray
    if place <= 0:
        moved = logs - place * float(logs.std()) * noise
        return moved
    if logs.ndim == 1:
        moved = logs + strength * (2 * target - 1) + np.sqrt(2 * strength) * noise
        return moved
    true = np.zeros_like(logs)
    true[np.arange(len(target)), target.astype(np.int64)] = strength
    # A class against another one then has mean `strength` and variance 2 * strength.
    moved = logs + true + np.sqrt(strength) * noise
    return moved


def _probability(raw: FloatArray) -> FloatArray:
    from scipy.special import expit, softmax

    found: FloatArray = expit(raw) if raw.ndim == 1 else softmax(raw, axis=1)
    return found


def _calibration(raw: FloatArray, scored: Scored) -> tuple[float, float]:
    """Slope and offset of the log odds that make probabilities true; for more than two classes the slope only.

    Newton's method on the log loss; slopes stay positive, so that the order of rows is kept.
    """
    weight = np.ones(len(raw)) if scored.weight is None else scored.weight
    if raw.ndim == 2:
        return _temperature(raw, scored.target.astype(np.int64), weight), 0.0
    slope, offset = 1.0, 0.0
    features = np.column_stack([raw, np.ones(len(raw))])
    for _ in range(25):
        p = _probability(slope * raw + offset)
        gradient = features.T @ (weight * (p - scored.target))
        curvature = features.T @ (features * (weight * p * (1 - p))[:, None]) + 1e-9 * weight.sum() * np.eye(2)
        step = np.clip(np.linalg.solve(curvature, gradient), -1.0, 1.0)
        slope, offset = float(np.clip(slope - step[0], 1e-3, 10.0)), float(np.clip(offset - step[1], -20.0, 20.0))
        if np.abs(step).max() < 1e-6:
            break
    return slope, offset


def _temperature(raw: FloatArray, target: np.ndarray, weight: FloatArray) -> float:
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_slope: float) -> float:
        logs = log_softmax(np.exp(log_slope) * raw, axis=1)
        return -float(weight @ logs[np.arange(len(target)), target])

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 2.0), method="bounded", options={"xatol": 1e-3}).x))
