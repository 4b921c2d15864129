"""From what an ensemble says to how often it happens: a map fitted on rows that the members did not see."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from mlwright.data.dataset import FloatArray, IntArray

Method = Literal["none", "temperature", "platt", "beta"]

#: Under so many rows of the rarer class the data cannot tell a bad calibration from chance.
MIN_RARE = 50
_TEMPERATURE_UNTIL = 500
_PLATT_UNTIL = 2000
#: Probabilities nearer to 0 and 1 are taken as this far from them.
CLIP = 1e-6
_FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A map of probabilities with at most three numbers.

    `temperature`: the logit times a number (with several classes there may be a step for each, where their shares have
    moved); `platt`: a line through the logit; `beta`: a sum of ln p and -ln(1 - p).

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, ICML; Platt (1999), Probabilistic outputs for support
    vector machines; Kull, Silva Filho and Flach (2017), Beta calibration, AISTATS.
    """

    method: Method = "none"
    values: tuple[float, ...] = ()
    reason: str = ""

    def apply(self, prediction: FloatArray) -> FloatArray:
        """Calibrated probabilities of the same shape."""
        if self.method == "none":
            return prediction
        from scipy.special import expit, log_softmax

        if prediction.ndim == 2:
            logs: FloatArray = np.log(np.clip(prediction, CLIP, 1.0)) * self.values[0]
            logs = log_softmax(logs + np.array(self.values[1:]) if len(self.values) > 1 else logs, axis=1)
            probabilities: FloatArray = np.exp(logs)
            return probabilities
        probability: FloatArray = expit(_features(self.method, prediction) @ np.array(self.values))
        return probability

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Calibration:
        return cls(method=state["method"], values=tuple(state["values"]), reason=state["reason"])


def _features(method: Method, prediction: FloatArray) -> FloatArray:
    from scipy.special import logit

    p = np.clip(prediction, CLIP, 1 - CLIP)
    if method == "temperature":
        return np.asarray(logit(p))[:, None]
    if method == "platt":
        return np.column_stack([logit(p), np.ones(len(p))])
    return np.column_stack([np.log(p), -np.log1p(-p), np.ones(len(p))])


def fit_calibration(
    prediction: FloatArray, target: FloatArray, *, weight: FloatArray | None, rng: np.random.Generator
) -> Calibration:
    """Choose and fit a map by the number of rows; keep it only if it helps rows that it was not fitted on.

    Parameters
    ----------
    prediction : shape (n_rows,) or (n_rows, n_classes)
        Out-of-fold probabilities.
    target : shape (n_rows,)
        Class numbers.
    """
    n_classes = prediction.shape[1] if prediction.ndim == 2 else 2
    counts = np.bincount(target.astype(np.int64), minlength=n_classes)
    rare = int(counts.min()) if n_classes == 2 else int(counts.sum() - counts.max())
    if rare < MIN_RARE:
        return Calibration(reason=f"only {rare} rows of the rarer class: too few to calibrate with")
    n = len(target)
    method: Method = (
        "temperature" if n_classes > 2 or n < _TEMPERATURE_UNTIL else "platt" if n < _PLATT_UNTIL else "beta"
    )
    w = np.ones(n) if weight is None else weight
    fold = rng.permutation(n) % _FOLDS
    before, after = np.empty(n), np.empty(n)
    for i in range(_FOLDS):
        inside, outside = fold == i, fold != i
        fitted = _fit(method, prediction[outside], target[outside], w[outside])
        before[inside] = _loss(prediction[inside], target[inside])
        after[inside] = _loss(fitted.apply(prediction[inside]), target[inside])
    gain = float(np.average(before - after, weights=w))
    if gain <= 0:
        return Calibration(reason=f"{method} was tried and did not help rows kept apart (log loss {-gain:+.5f})")
    fitted = _fit(method, prediction, target, w)
    reason = f"chosen for {n:,} rows; {gain:.5f} less log loss on rows kept apart"
    return Calibration(method=method, values=fitted.values, reason=reason)


def _loss(prediction: FloatArray, target: FloatArray) -> FloatArray:
    given = (
        prediction[np.arange(len(target)), target.astype(np.int64)]
        if prediction.ndim == 2
        else np.where(target == 1, prediction, 1 - prediction)
    )
    loss: FloatArray = -np.log(np.clip(given, CLIP, 1.0))
    return loss


def _fit(method: Method, prediction: FloatArray, target: FloatArray, weight: FloatArray) -> Calibration:
    if prediction.ndim == 2:
        return _fit_temperatures(prediction, target.astype(np.int64), weight)
    from scipy.optimize import minimize
    from scipy.special import expit

    features = _features(method, prediction)
    share = weight / weight.sum()

    def objective(values: FloatArray) -> tuple[float, FloatArray]:
        raw = features @ values
        loss = float(share @ (np.logaddexp(0.0, raw) - target * raw))
        return loss, features.T @ (share * (expit(raw) - target))

    start = np.array({"temperature": [1.0], "platt": [1.0, 0.0], "beta": [1.0, 1.0, 0.0]}[method])
    # The map must not turn the order round: all slopes are at least 0.
    bounds = [(0.0, None)] * {"temperature": 1, "platt": 1, "beta": 2}[method] + [(None, None)] * (
        method != "temperature"
    )
    result = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return Calibration(method=method, values=tuple(result.x.tolist()))


def _fit_temperatures(prediction: FloatArray, target: IntArray, weight: FloatArray) -> Calibration:
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logs = np.log(np.clip(prediction, CLIP, 1.0))
    share, rows = weight / weight.sum(), np.arange(len(target))

    def objective(values: FloatArray) -> tuple[float, FloatArray]:
        calibrated = log_softmax(logs * values[0], axis=1)
        loss = -float(share @ calibrated[rows, target])
        slope = float(share @ ((np.exp(calibrated) * logs).sum(axis=1) - logs[rows, target]))
        return loss, np.array([slope])

    result = minimize(objective, np.ones(1), jac=True, method="L-BFGS-B", bounds=[(0.05, 20.0)])
    return Calibration(method="temperature", values=tuple(result.x.tolist()))
