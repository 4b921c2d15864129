"""How the loss grows with the age of a model, and when it will be too much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from mlwright.core import Interval
from mlwright.data.dataset import FloatArray
from mlwright.monitoring.findings import Finding
from mlwright.monitoring.staleness import in_words

_DRAWS = 4000
#: A line through fewer windows than this says nothing.
_LEAST_WINDOWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillForecast:
    """How the loss grows with the age of the model, and when it will be too much.

    Attributes
    ----------
    per_day
        By how much the mean loss rises a day, with its interval.
    now
        The mean loss at the end, by the line.
    limit
        The loss that is tolerated.
    reached
        In how long the limit is reached: both ends of the interval and the middle. None where it never is within `horizon`.
    chance
        Of reaching it within `horizon`.
    """

    per_day: Interval
    now: Interval
    limit: float
    soonest: timedelta | None
    likely: timedelta | None
    latest: timedelta | None
    chance: float
    horizon: timedelta

    @property
    def fades(self) -> bool:
        """Whether the skill fades, beyond chance."""
        return self.per_day.low > 0

    def as_finding(self, *, earned: bool = False) -> Finding | None:
        """When to retrain; None if the skill does not fade, or the limit is far.

        Parameters
        ----------
        earned
            Whether the loss is money that is not earned: a loss of -2 is 2 earned.
        """
        if not self.fades or self.likely is None:
            return None
        beyond = "below" if earned else "above"
        until = (
            f"it is {beyond} that now"
            if self.likely <= timedelta(0)
            else f"it will be {beyond} that in about {in_words(self.likely)}"
        )
        opening = "What a row earns falls" if earned else "The loss rises"
        limit = -self.limit if earned else self.limit
        bounds = f"{_or_never(self.soonest)} to {_or_never(self.latest)}"
        return Finding(
            kind="fading_skill",
            level="info" if self.likely > self.horizon / 4 else "warn",
            what=f"{opening} with the age of the model. {limit:.4g} is tolerated; {until} ({bounds}).",
            evidence={
                "per_day": (self.per_day.low + self.per_day.high) / 2,
                "per_day_low": self.per_day.low,
                "per_day_high": self.per_day.high,
                "limit": self.limit,
                "days_left": self.likely / timedelta(days=1),
                "chance_within_horizon": self.chance,
            },
            advice="Plan a new training run before that day.",
        )


def forecast_skill(
    age_days: FloatArray,
    loss: FloatArray,
    variance: FloatArray,
    *,
    limit: float,
    horizon: timedelta = timedelta(days=180),
    rng: np.random.Generator,
    confidence: float = 0.9,
) -> SkillForecast | None:
    """A line through the losses of labelled windows, and when it crosses the limit; None under five windows.

    Windows differ by more than their rows explain, so each has that added to its variance; few windows make the ends wide.

    Parameters
    ----------
    age_days, loss, variance : shape (n_windows,)
        Age of the model, mean loss and its variance for each window.

    References
    ----------
    DerSimonian and Laird (1986), Meta-analysis in clinical trials, for what windows differ by.
    """
    if len(loss) < _LEAST_WINDOWS or np.ptp(age_days) == 0:
        return None
    between = _between_windows(age_days, loss, variance)
    at, last = age_days.mean(), float(age_days.max())
    beta, covariance = _line(age_days - at, loss, variance + between)
    # Student's instead of normal deviations: the variance between windows was estimated from as many windows.
    free = len(loss) - 2
    heavy = np.sqrt(free / rng.chisquare(free, _DRAWS))[:, None]
    drawn = beta + heavy * rng.multivariate_normal(np.zeros(2), covariance, _DRAWS)
    now = drawn[:, 0] + drawn[:, 1] * (last - at)
    with np.errstate(divide="ignore", invalid="ignore"):
        days = np.where(now >= limit, 0.0, np.where(drawn[:, 1] > 0, (limit - now) / drawn[:, 1], np.inf))
    tail = (1 - confidence) / 2
    ends = np.quantile(days, [tail, 0.5, 1 - tail], method="nearest")
    soonest, likely, latest = (_days(float(end), horizon) for end in ends)
    return SkillForecast(
        per_day=_middle(drawn[:, 1], tail, confidence),
        now=_middle(now, tail, confidence),
        limit=limit,
        soonest=soonest,
        likely=likely,
        latest=latest,
        chance=float((days <= horizon / timedelta(days=1)).mean()),
        horizon=horizon,
    )


def _between_windows(age: FloatArray, loss: FloatArray, variance: FloatArray) -> float:
    """By how much losses scatter around a line beyond the chance of their rows, as a variance."""
    weight = 1 / np.maximum(variance, 1e-300)
    design = np.column_stack([np.ones_like(age), age - age.mean()])
    inner = np.linalg.inv(design.T @ (weight[:, None] * design))
    residual = loss - design @ (inner @ (design.T @ (weight * loss)))
    surplus = float(weight @ residual**2) - (len(loss) - 2)
    trace = float(weight.sum() - np.trace(inner @ (design.T @ (np.square(weight)[:, None] * design))))
    return max(surplus / trace, 0.0) if trace > 0 else 0.0


def _line(age: FloatArray, loss: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    weight = 1 / np.maximum(variance, 1e-300)
    design = np.column_stack([np.ones_like(age), age])
    covariance = np.linalg.inv(design.T @ (weight[:, None] * design)).astype(np.float64)
    beta: FloatArray = covariance @ (design.T @ (weight * loss))
    return beta, covariance


def _middle(drawn: FloatArray, tail: float, confidence: float) -> Interval:
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high), confidence=confidence)


def _days(days: float, horizon: timedelta) -> timedelta | None:
    return timedelta(days=days) if days <= horizon / timedelta(days=1) else None


def _or_never(span: timedelta | None) -> str:
    return "much later" if span is None else "now" if span <= timedelta(0) else in_words(span)
