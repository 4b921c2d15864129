"""How much more quiet windows differ than their row counts explain: Mondays are no Fridays, and rows come in clusters.

Variances of few windows are poor estimates, so the scores of a family learn from each other; one that stands out keeps
its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mlwright.statistics.scored import FloatArray, IntArray

MOST_DEGREES = 500.0
CAUTION = 0.1  # the surplus is taken at its upper bound with this error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuietWindows:
    """Windows of the reference for some scores of one family.

    Attributes
    ----------
    away : shape (n_windows, n_scores)
        Mean of the window minus that of its stratum, in standard deviations of a row.
    rows : shape (n_windows, n_scores)
        Rows behind the mean; 0 where it is not known.
    pull : shape (n_windows, n_scores)
        Share of the window in the mean of its stratum.
    usual : shape (n_scores,)
        Rows of a usual window.
    stratum : shape (n_windows,)
        Number of the stratum of each window.
    """

    away: FloatArray
    rows: FloatArray
    pull: FloatArray
    usual: FloatArray
    stratum: IntArray

    def variance(self, surplus: FloatArray) -> FloatArray:
        """Variance of the mean of each window with this surplus, in variances of a row."""
        return window_variance(np.maximum(self.rows, 1.0), self.usual, surplus)

    def mean_variance(self, surplus: FloatArray, n_strata: int) -> FloatArray:
        """Variance of the mean of each stratum, in variances of a row."""
        result = np.zeros((n_strata, self.rows.shape[1]))
        np.add.at(result, self.stratum, np.square(self.pull) * self.variance(surplus))
        return result

    def expected(self, surplus: FloatArray) -> FloatArray:
        """What `away` squared is on average: less than the variance, as each window pulls the mean its way."""
        own = self.mean_variance(surplus, int(self.stratum.max()) + 1)[self.stratum]
        return np.maximum(self.variance(surplus) * (1 - 2 * self.pull) + own, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surplus:
    """Times the variance that rows explain (at least 1), its degrees of freedom, and the factor for lasting differences."""

    factor: FloatArray
    degrees: FloatArray
    persistence: float


def window_variance(rows: FloatArray, usual: FloatArray, surplus: FloatArray) -> FloatArray:
    """Variance of the mean of a window, in variances of a row.

    The surplus of a part of a usual window is larger in proportion, so that its parts add up to the whole; that of many
    usual windows in one is not smaller, for the same difference may run through all of them.
    """
    variance: FloatArray = 1 / rows + (surplus - 1) / np.minimum(rows, usual)
    return variance


def weight_of_window(rows: FloatArray, usual: FloatArray) -> FloatArray:
    """How much a window tells about the surplus, 0 to 1; in small ones, chance explains most of the difference."""
    weight: FloatArray = np.minimum(rows / usual, 1.0) ** 3
    return weight


def cautious(surplus: FloatArray, degrees: FloatArray) -> FloatArray:
    """An upper bound of the surplus, by the chi-square distribution of Wilson and Hilferty (1931)."""
    part = 2 / (9 * degrees)
    bound: FloatArray = surplus / np.maximum(1 - part + NormalDist().inv_cdf(CAUTION) * np.sqrt(part), 0.2) ** 3
    return bound


def learn_surplus(windows: QuietWindows) -> Surplus:
    """The surplus of each score of a family.

    References
    ----------
    Smyth (2004), Linear models and empirical Bayes methods for assessing differential expression, SAGMB: variances of
    many similar things, each drawn towards what they have in common as far as they are alike.
    """
    known = windows.rows > 0
    weight = np.where(known, weight_of_window(windows.rows, windows.usual), 0.0)
    centre, scores = 1.0, windows.away.shape[1]
    for _ in range(4):
        surplus = np.full(scores, centre)
        residual = windows.away / np.sqrt(windows.variance(surplus))
        persistence, unseen = _persistence(residual)
        spare = weight * np.where(known, windows.expected(surplus) / windows.variance(surplus), 0.0)
        ratio = unseen * (weight * np.square(residual)).sum(axis=0) / spare.sum(axis=0)
        # As many windows of full weight as would tell as much, less what the means took.
        degrees = np.maximum(spare.sum(axis=0) ** 2 / np.maximum((weight * spare).sum(axis=0), 1e-9), 1.0)
        before, centre = centre, max(1.0, centre * _middle(ratio, degrees))
    shrunk, together = _shrunk(ratio, degrees)
    return Surplus(factor=np.maximum(before * shrunk, 1.0), degrees=together, persistence=persistence)


def _middle(ratio: FloatArray, degrees: FloatArray) -> float:
    """What most scores have in common; a median, for a few wandering columns must not make the others blind."""
    return float(np.median(ratio / (1 - 2 / (9 * degrees)) ** 3))


def _shrunk(ratio: FloatArray, degrees: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Each ratio drawn towards what its family has in common, and the degrees of freedom of both together."""
    centre, own = _middle(ratio, degrees), float(np.median(degrees))
    spread = float(np.var(np.log(np.maximum(ratio, 1e-6)), ddof=1)) if len(ratio) > 1 else 0.0
    # What of the spread chance explains, with one standard error of that: few scores say little.
    real = spread * (1 - np.sqrt(2 / len(ratio))) - _trigamma(own / 2)
    like = (1 + np.sqrt(1 + 2 * real)) / real if real > 0 else np.inf
    like = min(like, 0.64 * float(degrees.sum()), MOST_DEGREES)
    together = degrees + like if len(ratio) > 1 else degrees
    shrunk: FloatArray = (degrees * ratio + (together - degrees) * centre) / together
    return shrunk, together


def _trigamma(x: float) -> float:
    """Variance of the log of a gamma variable of shape x; good to some percent from x = 1/2."""
    return 1 / x + 1 / (2 * x**2) + 1 / (6 * x**3)


def _persistence(residual: FloatArray) -> tuple[float, float]:
    """Factors for differences that last: on the variance of long means, and on that of windows around their own mean.

    Both are 1 if the correlation of a window with the next is no more than chance.

    References
    ----------
    Kendall (1954), Note on bias in the estimation of autocorrelation, Biometrika: short series hide most of it.
    """
    windows, n_scores = residual.shape
    power = float(np.square(residual).sum())
    if windows < 5 or power == 0:
        return 1.0, 1.0
    raw = float((residual[1:] * residual[:-1]).sum()) / power * windows / (windows - 1)
    # Columns move together, so many of them say less than as many windows would.
    chance = (1 + 1 / np.sqrt(n_scores)) / np.sqrt((windows - 1) * np.sqrt(n_scores))
    if raw + 1 / windows <= chance:
        return 1.0, 1.0
    r = min((raw + 1 / windows) / (1 - 3 / windows), 0.9)
    lags = np.arange(1, windows)
    of_mean = (1 + 2 * float(((1 - lags / windows) * r**lags).sum())) / windows
    return (1 + r) / (1 - r), (windows - 1) / windows / (1 - of_mean)
