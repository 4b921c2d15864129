"""Has anything drifted? Evidence by column that grows window by window, with a stated chance of ever crying wolf.

For every score the detector plays against "the mean of all windows is that of the reference", with eight bets: a rise or
a fall of four sizes. Each window opens new games, for drift may begin with it.

The error rate is exact if windows are independent given their stratum, the differences between them are normal, and their
variance is known; the reference's own error is part of the game. Approximate is the rest: the variance is learnt, from
the reference and from quiet windows (so bets are paid by Student's t, at an upper bound of the variance); differences
that last for several windows enter as one factor, so a column that wanders slowly for weeks is drift, unless there is a
tolerance; bets on rare levels pay for their skewness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlwright.statistics.array_state import array_of_state, array_state
from mlwright.statistics.change_point import ChangePoint, PastWindows
from mlwright.statistics.drift_reference import DriftReference
from mlwright.statistics.e_values import Horizon, e_benjamini_hochberg, log_start_weight
from mlwright.statistics.scored import FloatArray, IntArray
from mlwright.statistics.window_surplus import cautious, weight_of_window, window_variance

SIZES = np.array([0.7, 1.4, 2.8, 5.6])  # of a drift, in standard deviations of a usual window
BETS = np.concatenate([SIZES, -SIZES])
LARGEST_STEP = 2.0  # a bet times one row's largest step: what a single row may do to the log capital
SURPRISE = 9.0  # squared standard deviations: a window counts no more than this when the surplus is learnt on


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriftDetector:
    """Evidence of drift in each column so far; immutable, a few hundred bytes a score.

    Attributes
    ----------
    reference
        What is normal.
    error
        Chance of any false alarm, however long one watches (`ever`), or one over the mean number of windows until the
        first one (`run_length`).
    tolerance : shape (n_scores,)
        Differences to the reference that do not matter, in units of the score; 0 by default.
    windows
        How many were seen.
    capital : shape (n_scores, 8)
        Log of what each bet holds.
    bias, bias_variance : shape (n_strata, n_scores)
        How far the reference's mean seems to lie from the true one, and how unsure that is: quiet windows make it surer.
    surplus, degrees : shape (n_scores,)
        As in the reference, learnt on.
    past
        What dates a change.

    References
    ----------
    Shin, Ramdas and Rinaldo (2023), E-detectors: a nonparametric framework for sequential change detection, NEJSDS;
    Pérez-Ortiz, Lardy, de Heide and Grünwald (2024), E-statistics, group invariance and anytime-valid testing, Annals of
    Statistics, for the unknown mean; Bennett (1962) for the bounded rows.
    """

    reference: DriftReference
    error: float
    horizon: Horizon
    tolerance: FloatArray
    windows: int
    capital: FloatArray
    bias: FloatArray
    bias_variance: FloatArray
    surplus: FloatArray
    degrees: FloatArray
    past: PastWindows

    @classmethod
    def start(
        cls,
        reference: DriftReference,
        *,
        error: float = 0.01,
        horizon: Horizon = "ever",
        tolerance: ArrayLike = 0.0,
    ) -> DriftDetector:
        """A detector before its first window.

        With a tolerance, windows may wander within it, so they tell nothing about the reference's own error. It is then
        bounded once for all scores, for half of `error`, which costs some speed.
        """
        n_scores = len(reference.scores)
        allowed = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), (n_scores,)).copy()
        return cls(
            reference=reference,
            error=error,
            horizon=horizon,
            tolerance=allowed,
            windows=0,
            capital=np.full((n_scores, len(BETS)), -np.inf),
            bias=np.zeros_like(reference.mean),
            bias_variance=np.where(allowed > 0, 0.0, reference.mean_variance),
            surplus=reference.surplus,
            degrees=reference.degrees,
            past=PastWindows.none_yet(n_scores),
        )

    def update(self, means: FloatArray, rows: ArrayLike, *, stratum: int = 0) -> DriftDetector:
        """The detector after one more window, shape (n_scores,) each.

        Parameters
        ----------
        means
            Mean of each score; NaN where a column is not there, which neither adds evidence nor takes it.
        rows
            Rows behind each mean, of any size; none counts as not there.
        stratum
            Which of the reference's strata the window is of.
        """
        reference, window = self.reference, self.windows + 1
        count = np.broadcast_to(np.asarray(rows, dtype=np.float64), means.shape)
        known = np.isfinite(means) & (count > 0)
        count = np.where(known, count, 1.0)
        difference = np.where(known, means - reference.mean[stratum], 0.0)
        variance = reference.row_variance * window_variance(count, reference.rows, self.surplus)
        unsure = self.bias_variance[stratum]
        away = difference - self.bias[stratum]
        feared = window_variance(count, reference.rows, cautious(self.surplus, self.degrees))
        feared = reference.row_variance * feared * reference.persistence + unsure
        growth = self._growth(away, feared, count, self._slack(stratum))
        opened = np.logaddexp(self.capital, log_start_weight(window, self.horizon))
        bias, bias_variance = self.bias.copy(), self.bias_variance.copy()
        gain = np.where(known, unsure / (unsure + variance * reference.persistence), 0.0)
        bias[stratum] += gain * away
        bias_variance[stratum] *= 1 - gain
        surprise = np.minimum(np.square(away) / (variance + unsure), SURPRISE)
        share = np.where(known, weight_of_window(count, reference.rows), 0.0)
        surplus = self.surplus * (1 + share * (surprise - 1) / (self.degrees + share))
        return replace(
            self,
            windows=window,
            capital=np.where(known[:, None], opened + growth, opened),
            bias=bias,
            bias_variance=bias_variance,
            surplus=np.maximum(surplus, 1.0),
            degrees=self.degrees + share,
            past=self.past.with_window(
                window,
                difference=np.where(known, difference, np.nan),
                variance=np.where(known, variance, np.nan),
            ),
        )

    def _growth(self, away: FloatArray, variance: FloatArray, count: FloatArray, slack: FloatArray) -> FloatArray:
        """Log factor of each bet in a window, shape (n_scores, 8); its exponential is 1 on average without drift.

        With drift the distance from the mean would be Student's t around the size of the bet, without it around 0: the
        t, for the variance is an estimate.
        """
        reference, degrees = self.reference, self.degrees[:, None]
        deviation = np.sqrt(variance)
        side = np.sign(BETS)
        expected = np.abs(BETS) * (np.sqrt(reference.usual_variance) / deviation)[:, None]
        reach = self._reach()
        # No single row may weigh too much: a small window, or a level that hardly ever comes.
        expected = np.minimum(expected, LARGEST_STEP * deviation[:, None] * count[:, None] / reach)
        seen = side * (away / deviation)[:, None] - (slack / deviation)[:, None]
        ratio = np.log1p(np.square(seen) / degrees) - np.log1p(np.square(seen - expected) / degrees)
        growth: FloatArray = (degrees + 1) / 2 * ratio
        # What a bet on a sum of bounded rows must pay beyond one on a normal variable: rare levels are skewed (Bennett).
        step = expected / deviation[:, None] * reach / count[:, None]
        skewness = (reference.row_variance * count)[:, None] / reach**2 * (np.expm1(step) - step - step**2 / 2)
        growth -= skewness
        return growth

    def _reach(self) -> FloatArray:
        """How far one row can lie from the mean in the direction of each bet, shape (n_scores, 8)."""
        mean = self.reference.mean.mean(axis=0)
        low, high = self.reference.scores.low, self.reference.scores.high
        reach = np.where(BETS > 0, (high - mean)[:, None], (mean - low)[:, None])
        least: FloatArray = np.maximum(reach, 0.01 * (high - low)[:, None])
        return least

    @property
    def _tolerant(self) -> bool:
        return bool((self.tolerance > 0).any())

    def _slack(self, stratum: int) -> FloatArray:
        """The mean difference that is no drift: the tolerance, and the reference's error where it is not learnt on."""
        if not self._tolerant:
            return np.zeros(len(self.tolerance))
        far = -NormalDist().inv_cdf(self.error / 4 / max(1, self.reference.mean.size))
        error = far * np.sqrt(self.reference.mean_variance[stratum])
        return np.where(self.tolerance > 0, error + self.tolerance, 0.0)

    @property
    def log_e(self) -> FloatArray:
        """Log evidence of drift in each column, shape (n_columns,)."""
        column = self.reference.scores.column
        result = np.full(int(column.max()) + 1 if len(column) else 0, -np.inf)
        np.logaddexp.at(result, column, np.logaddexp.reduce(self.capital, axis=1))
        shares: FloatArray = result - np.log(len(BETS) * np.bincount(column))
        return shares

    @property
    def drifted(self) -> NDArray[np.bool_]:
        """The columns that drifted, shape (n_columns,): at most the share `error` of them is expected to be wrong."""
        return e_benjamini_hochberg(self.log_e, self.error / 2 if self._tolerant else self.error)

    def change_point(self, column: int, *, confidence: float = 0.9) -> tuple[int, ChangePoint] | None:
        """The score of a column that moved most, and when; None before the first window."""
        mine: IntArray = np.flatnonzero(self.reference.scores.column == column)
        score = int(mine[np.argmax(np.logaddexp.reduce(self.capital[mine], axis=1))])
        before = float(self.reference.mean_variance[:, score].min() + self.tolerance[score] ** 2)
        typical = float(self.reference.usual_variance[score])
        found = self.past.change_point(score, before=before, typical=typical, confidence=confidence)
        return None if found is None else (score, found)

    def state(self) -> dict[str, Any]:
        """A tree of JSON values without the reference, which has a state of its own; `of_state` reads it back."""
        arrays = {name: array_state(getattr(self, name)) for name in _ARRAYS}
        own = {"error": self.error, "horizon": self.horizon, "windows": self.windows}
        return {**own, **arrays, "past": self.past.state()}

    @classmethod
    def of_state(cls, state: Mapping[str, Any], reference: DriftReference) -> DriftDetector:
        """What `state` was taken of."""
        own: dict[str, Any] = {name: state[name] for name in ("error", "horizon", "windows")}
        own.update((name, array_of_state(state[name])) for name in _ARRAYS)
        return cls(reference=reference, past=PastWindows.of_state(state["past"]), **own)


_ARRAYS = [e.name for e in fields(DriftDetector) if e.name not in ("reference", "error", "horizon", "windows", "past")]
