"""How good a model could become with endlessly many rows and the same columns: an interval, never a point.

Bounds from nearest neighbours were tried and are of no use: columns without information push them far off. The asymptote of
the power law is too free: an interval from it to the present score is twice as wide as it must be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlwright.feasibility.forecast import score_of
from mlwright.feasibility.law import PowerLaw
from mlwright.feasibility.learnt import Learnt, load_learnt
from mlwright.feasibility.relative import RelativeError

#: Even endlessly many rows make no model worse: one deviation above the present error is the other end at most.
_DEVIATIONS = 1.645


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The score with endlessly many rows of the same columns.

    Attributes
    ----------
    low, high
        Ends of the interval, `low` being the smaller number whichever way is better.
    middle
        What many times the rows would give, which measured closest to the best score where that is known.
    """

    metric: str
    low: float
    middle: float
    high: float


def ceiling_of(metric: str, law: PowerLaw, now: RelativeError, rows: float, *, known: Learnt | None = None) -> Ceiling:
    """The ceiling by one metric.

    The middle is read off the power law at many times the rows; how far the best possible error then lies from it, in units
    of what the law itself does not know, was learnt on tasks whose best score is known (`benchmarks/feasibility/ceiling.py`).

    Parameters
    ----------
    now
        At the last anchor of the curve.
    rows
        Training rows at hand.
    """
    learnt = (known or load_learnt()).ceiling
    read_at = learnt.multiple * rows
    mu = law.mean(read_at)
    relative = now.standard_error / now.error
    drop = learnt.drop * (np.log(now.error) - mu)
    sigma = float(np.sqrt(relative**2 + law.variance(read_at) + drop**2))
    worst = now.error + _DEVIATIONS * now.standard_error
    ends = [min(float(np.exp(mu + end * sigma)), worst) for end in learnt.ends_of(metric)]
    middle = float(np.clip(np.exp(mu), ends[0], ends[1]))
    low, high = sorted(score_of(metric, end, now.unit) for end in ends)
    return Ceiling(metric=metric, low=low, middle=score_of(metric, middle, now.unit), high=high)
