"""Has the loss risen? Evidence from rows whose truth came in, late or in part, against the loss of the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mlwright.core import MlwrightError
from mlwright.statistics.change_point import ChangePoint, PastWindows
from mlwright.statistics.e_values import Horizon, log_start_weight
from mlwright.statistics.scored import FloatArray

RISK_BETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
DATED_FROM = 5  # rows; a window of fewer tells nothing about when


class LossOutOfRange(MlwrightError):
    """A loss outside the declared range, or not a number; nothing of this window is counted."""

    def __init__(self, *, low: float, high: float) -> None:
        super().__init__(
            f"a loss is not a number or not between {low:g} and {high:g}, the range declared before",
            where="the losses of a window",
            fix="limit the losses to the range, or start the detector again with a wider one",
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskDetector:
    """Is the mean loss now above what the reference allows? Read after any window, for as long as one likes.

    The allowed loss is the upper bound of the reference's own (half of `error` is spent on it) plus a tolerance. Each
    window opens new bets, so a change is found as soon after years as after days. Right or wrong (0 and 1) needs the
    counts only. Exact for independent rows, up to the normal bound of the reference; late labels delay, but do no harm
    if their delay does not depend on the loss.

    Attributes
    ----------
    limit
        The allowed mean loss.
    reference
        The mean loss of the reference.
    low, high
        Range of the loss of a row.
    error, horizon
        As for `DriftDetector`.
    needed
        Log evidence that decides.
    windows, rows
        How many were seen.
    capital : length 7
        Log of what each bet holds.
    highest
        The largest log evidence after any window.

    References
    ----------
    Podkopaev and Ramdas (2022), Tracking the risk of a deployed model and detecting harmful distribution shifts, ICLR;
    Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B.
    """

    limit: float
    reference: float
    low: float
    high: float
    error: float
    horizon: Horizon
    needed: float
    past: PastWindows
    windows: int = 0
    rows: int = 0
    capital: tuple[float, ...] = (-math.inf,) * len(RISK_BETS)
    highest: float = -math.inf

    @classmethod
    def start(
        cls,
        *,
        mean: float,
        rows: int,
        variance: float | None = None,
        tolerance: float = 0.0,
        low: float = 0.0,
        high: float = 1.0,
        error: float = 0.01,
        horizon: Horizon = "ever",
    ) -> RiskDetector:
        """A detector before its first window.

        Parameters
        ----------
        mean, rows
            Mean loss of the reference, and of how many rows.
        variance
            Of the loss of a row; without it the largest that the mean allows, which is that of 0 and 1.
        tolerance
            How much more loss does not matter, in units of the loss.
        """
        span = high - low
        share = (mean - low) / span
        far = -NormalDist().inv_cdf(error / 2)
        if variance is None:  # Wilson's upper bound
            part = far**2 / rows
            half = far * math.sqrt(share * (1 - share) / rows + part / (4 * rows))
            upper = (share + part / 2 + half) / (1 + part)
        else:
            upper = share + far * math.sqrt(variance / rows) / span
        limit = low + span * upper + tolerance
        return replace(
            cls.above(limit, low=low, high=high, error=error, horizon=horizon),
            reference=mean,
            needed=math.log(2 / error),
        )

    @classmethod
    def above(
        cls, limit: float, *, low: float = 0.0, high: float = 1.0, error: float = 0.01, horizon: Horizon = "ever"
    ) -> RiskDetector:
        """A detector against a limit that is given and not measured.

        For a rollback that stays quick however late the loss comes: limit 0, and per row what the champion of before
        gained over the one of now.
        """
        return cls(
            limit=limit,
            reference=limit,
            low=low,
            high=high,
            error=error,
            horizon=horizon,
            needed=-math.log(error),
            past=PastWindows.none_yet(1),
        )

    def update(self, losses: ArrayLike) -> RiskDetector:
        """The detector after one more window of losses, shape (n_rows,).

        Raises
        ------
        LossOutOfRange
            If a loss is outside the range or not a number.
        """
        loss = np.asarray(losses, dtype=np.float64)
        scaled = (loss - self.low) / (self.high - self.low)
        if not ((scaled >= -1e-9) & (scaled <= 1 + 1e-9)).all():
            raise LossOutOfRange(low=self.low, high=self.high)
        above = np.clip(scaled, 0.0, 1.0) - self._limit_share
        growth = np.array([float(np.log1p(bet * above).sum()) for bet in RISK_BETS])
        mean = float(loss.mean()) if len(loss) else 0.0
        return self._after(len(loss), growth, mean, float(loss.var()) if len(loss) else 0.0)

    def update_counts(self, rows: int, wrong: int) -> RiskDetector:
        """The detector after one more window in which `wrong` of the rows had the loss `high`, and all others `low`."""
        limit, bets = self._limit_share, np.array(RISK_BETS)
        growth = wrong * np.log1p(bets * (1 - limit)) + (rows - wrong) * np.log1p(-bets * limit)
        share, span = wrong / max(rows, 1), self.high - self.low
        return self._after(rows, growth, self.low + span * share, span**2 * share * (1 - share))

    def _after(self, rows: int, growth: FloatArray, mean: float, variance: float) -> RiskDetector:
        window = self.windows + 1
        capital = np.logaddexp(np.array(self.capital), log_start_weight(window, self.horizon)) + growth
        dated = rows >= DATED_FROM
        spread = max(variance, (self.high - self.low) ** 2 / (4 * max(rows, 1)))
        evidence = float(np.logaddexp.reduce(capital) - math.log(len(RISK_BETS)))
        return replace(
            self,
            windows=window,
            rows=self.rows + rows,
            capital=tuple(float(part) for part in capital),
            highest=max(self.highest, evidence),
            past=self.past.with_window(
                window,
                difference=np.array([mean - self.reference if dated else math.nan]),
                variance=np.array([spread / max(rows, 1)]),
            ),
        )

    @property
    def _limit_share(self) -> float:
        return (self.limit - self.low) / (self.high - self.low)

    @property
    def log_e(self) -> float:
        """Log evidence now that the loss is above the limit."""
        return float(np.logaddexp.reduce(np.array(self.capital)) - math.log(len(RISK_BETS)))

    @property
    def risen(self) -> bool:
        """Whether the loss is, or was, above the limit at the stated error."""
        return self.highest >= self.needed

    def change_point(self, *, confidence: float = 0.9) -> ChangePoint | None:
        """When the loss changed, as differences to the reference; None before the first window with enough rows."""
        share = (self.reference - self.low) / (self.high - self.low)
        usual = (self.high - self.low) ** 2 * max(share * (1 - share), 0.01) / max(self.rows / max(self.windows, 1), 1)
        before = max((self.limit - self.reference) ** 2, usual / 10)
        return self.past.change_point(0, before=before, typical=usual, confidence=confidence)

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back. What is still without capital is null."""
        plain = {
            name: getattr(self, name) for name in ("limit", "reference", "low", "high", "error", "horizon", "needed")
        }
        return {
            **plain,
            "windows": self.windows,
            "rows": self.rows,
            "capital": [part if math.isfinite(part) else None for part in self.capital],
            "highest": self.highest if math.isfinite(self.highest) else None,
            "past": self.past.state(),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> RiskDetector:
        """What `state` was taken of."""
        return cls(
            **{
                **state,
                "capital": tuple(-math.inf if part is None else part for part in state["capital"]),
                "highest": -math.inf if state["highest"] is None else state["highest"],
                "past": PastWindows.of_state(state["past"]),
            }
        )
