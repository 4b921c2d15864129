"""What a tuned model will score: a distribution of its error, made of the quick curve, a power law, and past errors.

The forecast works with the logarithm of the relative error (`curve.py`). `mu` and `sigma` come from the table at hand; how
far the truth then lies from `mu`, in units of `sigma`, was learnt on other tables (`learnt.py`), so its intervals hold
what they promise there and not only in theory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri

from mlwright.core import Interval
from mlwright.data.dataset import FloatArray
from mlwright.feasibility.curve import QuickCurve
from mlwright.feasibility.law import PowerLaw, fit_power_law
from mlwright.feasibility.learnt import Learnt, load_learnt
from mlwright.statistics import METRICS

#: Probabilities are never nearer to 0 and 1 than that: the table of errors is too short to know more.
SUREST = 0.997
#: Of the intervals that are shown.
CONFIDENCE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The distribution of a score that a tuned model will reach.

    Attributes
    ----------
    metric
        Its name in `METRICS`; only metrics with a law of their own are here (`curve.BASE_METRICS`).
    mu
        The logarithm of the expected relative error.
    sigma
        The scale of what is not known about that logarithm, with the chance in which test rows are drawn.
    sigma_truth
        The same for a test on endlessly many rows.
    unit
        The score's own error is the relative error times this.
    test_error
        Standard error of the logarithm that comes from the test rows alone.
    slope
        How fast the logarithm of the error falls with the logarithm of the rows, near these rows; not positive.
    rows, test_rows
        What the model is fitted on, and what it is judged on.
    levels, quantiles
        The quantiles of (logarithm of the error - mu) / sigma that were seen on other tables, at these probabilities.

    Examples
    --------
    >>> one = Forecast(metric="roc_auc", mu=-1.0, sigma=0.1, sigma_truth=0.05, unit=0.5, test_error=0.08, slope=-0.1,
    ...                rows=800, test_rows=200, levels=(0.05, 0.5, 0.95), quantiles=(-1.6, 0.0, 1.6))
    >>> round(one.expected, 3)
    0.816
    >>> one.probability(0.7, at_least=True) > one.probability(0.8, at_least=True) > 0.5
    True
    """

    metric: str
    mu: float
    sigma: float
    sigma_truth: float
    unit: float
    test_error: float
    slope: float
    rows: int
    test_rows: int
    levels: tuple[float, ...]
    quantiles: tuple[float, ...]

    @property
    def higher_is_better(self) -> bool:
        return METRICS[self.metric].higher_is_better

    @property
    def expected(self) -> float:
        """The score in the middle: half of the worlds are better."""
        return self.quantile(0.5)

    @property
    def truth(self) -> Forecast:
        """The same for a test on endlessly many rows."""
        return replace(self, sigma=self.sigma_truth, test_error=0.0)

    def score(self, log_error: float) -> float:
        """The score with this logarithm of the relative error."""
        return score_of(self.metric, float(np.exp(log_error)), self.unit)

    def log_error(self, score: float) -> float:
        """The logarithm of the relative error with this score; very low where no error would do."""
        return float(np.log(max(error_of(self.metric, score, self.unit), 1e-9)))

    def quantile(self, q: float) -> float:
        """The score that is not exceeded with probability `q`, whichever way is better."""
        level = 1 - q if self.higher_is_better else q
        return self.score(self.mu + float(np.interp(level, self.levels, self.quantiles)) * self.sigma)

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """The range in which the score will lie with this probability."""
        tail = (1 - confidence) / 2
        return Interval(low=self.quantile(tail), high=self.quantile(1 - tail), confidence=confidence)

    def probability(self, bound: float, *, at_least: bool) -> float:
        """The probability that the score is at least (or at most) `bound`, in [1 - SUREST, SUREST]."""
        below = self.probability_of_error(self.log_error(bound))
        return below if at_least == self.higher_is_better else 1 - below

    def probability_of_error(self, log_error: float) -> float:
        """The probability that the logarithm of the relative error is not above this one."""
        z = (log_error - self.mu) / self.sigma
        levels = np.asarray(self.levels)
        inside = float(np.interp(z, self.quantiles, levels))
        # Beyond the ends of the table the tails go on as those of a Laplace distribution would.
        if z < self.quantiles[0]:
            inside = float(levels[0] * np.exp(z - self.quantiles[0]))
        elif z > self.quantiles[-1]:
            inside = float(1 - (1 - levels[-1]) * np.exp(self.quantiles[-1] - z))
        return float(np.clip(inside, 1 - SUREST, SUREST))

    def bound_at(self, probability: float, *, at_least: bool) -> float:
        """The hardest bound that is reached with this probability."""
        return self.quantile(1 - probability if at_least else probability)

    def provable(self, bound: float, *, at_least: bool, confidence: float) -> float:
        """The probability that a one-sided interval around the score on the test rows clears `bound`."""
        if at_least != self.higher_is_better:
            return 1 - SUREST  # a good model ends on the wrong side of such a bound
        return self.probability_of_error(self.log_error(bound) - float(ndtri(confidence)) * self.test_error)

    def rows_to_prove(self, bound: float, *, at_least: bool, confidence: float) -> int | None:
        """About how many test rows would prove it nine times in ten; None if the expected score does not reach `bound`."""
        gap = self.log_error(bound) - self.mu
        if gap <= 0 or self.test_error <= 0 or at_least != self.higher_is_better:
            return None
        return int(np.ceil(self.test_rows * ((ndtri(confidence) + ndtri(0.9)) * self.test_error / gap) ** 2))

    def draws(self, n: int) -> FloatArray:
        """So many scores that are spread as the forecast says: its quantiles, rising."""
        return np.array([self.quantile((i + 0.5) / n) for i in range(n)])

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Forecast:
        """The forecast that had this state."""
        lists = {name: tuple(state[name]) for name in ("levels", "quantiles")}
        return cls(**{**state, **lists})


def score_of(metric: str, relative_error: float, unit: float) -> float:
    """A relative error as the score that people use."""
    error = relative_error * unit
    return 1 - error if METRICS[metric].higher_is_better else error


def error_of(metric: str, score: float, unit: float) -> float:
    """A score as its relative error: 0 is perfect, 1 is knowing nothing."""
    return (1 - score if METRICS[metric].higher_is_better else score) / unit


@dataclass(frozen=True, slots=True, kw_only=True)
class RawForecast:
    """What the table at hand says by itself: the pieces that past errors are learnt on.

    For a score that is known later, (logarithm of its relative error - mu) / sigma is one such past error.

    Attributes
    ----------
    mu, sigma, sigma_truth, unit, test_error, slope
        As in `Forecast`.
    now
        The relative error of the best quick learner with all rows of a fold.
    """

    metric: str
    mu: float
    sigma: float
    sigma_truth: float
    unit: float
    test_error: float
    slope: float
    now: float


def fit_laws(curve: QuickCurve, *, known: Learnt | None = None) -> dict[str, PowerLaw]:
    """The power law of each metric of a curve."""
    rows = [anchor.rows for anchor in curve.anchors]
    laws = {}
    for metric in curve.metrics:
        seen = [
            (m, anchor.errors[metric]) for m, anchor in zip(rows, curve.anchors, strict=True) if metric in anchor.errors
        ]
        laws[metric] = fit_power_law(
            [m for m, _ in seen], [one.error for _, one in seen], [one.standard_error for _, one in seen], known=known
        )
    return laws


def raw_forecasts(
    curve: QuickCurve,
    rows: float,
    test_rows: int,
    *,
    laws: Mapping[str, PowerLaw] | None = None,
    widened: float = 1.0,
    known: Learnt | None = None,
) -> dict[str, RawForecast]:
    """What a tuned model fitted on so many rows will score, by each metric, before past errors are looked at.

    Parameters
    ----------
    test_rows
        How many rows it will be judged on.
    laws
        Of `fit_laws`, if they are there already.
    widened
        Factor on everything but the chance in which test rows are drawn (`unlike.py`).
    """
    known = known or load_learnt()
    laws = fit_laws(curve, known=known) if laws is None else laws
    listed = {}
    for metric, law in laws.items():
        now = curve.last.errors[metric]
        relative = now.standard_error / now.error
        # A tuned ensemble does what the quick learner would do with more rows.
        read_at = max(rows * known.multiple, 1.0)
        mu = law.mean(read_at)
        own = (
            relative**2
            + law.variance(read_at)
            + (known.drop * (np.log(now.error) - mu)) ** 2
            + known.floor**2
            + curve.drift.get(metric, 0.0) ** 2
        )
        test_error = relative * float(np.sqrt(len(curve.target) / max(test_rows, 1)))
        truth = widened * float(np.sqrt(own))
        listed[metric] = RawForecast(
            metric=metric,
            mu=mu,
            sigma=float(np.hypot(truth, test_error)),
            sigma_truth=truth,
            unit=now.unit,
            test_error=test_error,
            slope=law.slope(read_at),
            now=now.error,
        )
    return listed


def forecasts_of(
    curve: QuickCurve,
    rows: float,
    test_rows: int,
    *,
    laws: Mapping[str, PowerLaw] | None = None,
    widened: float = 1.0,
    known: Learnt | None = None,
) -> dict[str, Forecast]:
    """The forecast by each metric, with the width that past errors say; parameters as for `raw_forecasts`."""
    known = known or load_learnt()
    raw = raw_forecasts(curve, rows, test_rows, laws=laws, widened=widened, known=known)
    return {
        metric: Forecast(
            metric=metric,
            mu=one.mu,
            sigma=one.sigma,
            sigma_truth=one.sigma_truth,
            unit=one.unit,
            test_error=one.test_error,
            slope=one.slope,
            rows=round(rows),
            test_rows=test_rows,
            levels=known.levels,
            quantiles=known.quantiles_of(metric),
        )
        for metric, one in raw.items()
    }
