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
from mlwright.statistics.array_state import array_of_state, array_state
from mlwright.statistics.change_point import ChangePoint, PastWindows
from mlwright.statistics.e_values import Horizon, log_start_weight
from mlwright.statistics.reference_mean import ReferenceMean
from mlwright.statistics.scored import FloatArray

RISK_BETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
DATED_FROM = 5  # rows; a window of fewer tells nothing about when
BLOCK = 8_192  # different losses worked on at once; bounds the memory of one update


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

    Allowed is the true mean of the reference plus a tolerance. Each window opens new bets, so a change is found as soon
    after years as after days. Right or wrong (0 and 1) needs the counts only.

    Suppose that the true mean of the reference was m, and no window has more than m plus the tolerance on average. Then
    bets against m plus the tolerance are fair or worse, and so are those on the reference against m (`ReferenceMean`).
    The rows are independent, so their products are as well, and their sum over all bets ever reaches 1 / `error` with
    probability at most `error` (Ville's inequality). Where m lies nobody knows, so the evidence is the least over all
    that it may be. That is exact for every number of rows and every distribution within the range, also if the loss
    falls and comes back. Late labels delay, but do no harm if their delay does not depend on the loss.

    For `run_length` the mean time to a false alarm is at least 1 / `error` windows divided by what the bets on the reference
    hold, so by Jensen's inequality at least 1 / `error` over all references. The price of exactness: with far more new
    rows than reference rows, a rise by less than some four standard errors of the reference is often not found.

    Attributes
    ----------
    limit
        The allowed mean loss as one number, for people: an upper bound of the reference's mean (wrong in `error` / 2 of
        the references, nearly) plus the tolerance. The detector itself knows no single limit, but its cells.
    reference
        The mean loss of the reference.
    low, high
        Range of the loss of a row.
    error, horizon
        As for `DriftDetector`.
    cells
        Where the mean that is allowed may lie, on a range of 0 to 1.
    windows, rows
        How many were seen.
    capital : shape (7, n_cells)
        Log of what each bet on new rows holds where the allowed mean lies in that cell.
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
    cells: ReferenceMean
    capital: FloatArray
    past: PastWindows
    windows: int = 0
    rows: int = 0
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
            Of the losses of the reference, divisor `rows`; without it the largest that the mean allows, which is that of
            0 and 1.
        tolerance
            How much more loss does not matter, in units of the loss.
        """
        span = high - low
        share = min(max((mean - low) / span, 0.0), 1.0)
        spread = share * (1 - share) if variance is None else variance / span**2
        far = -NormalDist().inv_cdf(error / 2)
        if variance is None:  # Wilson's upper bound
            part = far**2 / rows
            half = far * math.sqrt(spread / rows + part / (4 * rows))
            upper = (share + part / 2 + half) / (1 + part)
        else:
            upper = share + far * math.sqrt(spread / rows)
        true = ReferenceMean.measured(share, variance=spread, rows=rows, bets=RISK_BETS)
        # No loss is above 1, so a game against more than that would only be slower.
        cells = replace(true, upper=np.minimum(true.upper + tolerance / span, 1.0))
        return replace(
            cls.above(low + span * upper + tolerance, low=low, high=high, error=error, horizon=horizon),
            reference=mean,
            cells=cells,
            capital=np.full(cells.held.shape, -np.inf),
        )

    @classmethod
    def above(
        cls, limit: float, *, low: float = 0.0, high: float = 1.0, error: float = 0.01, horizon: Horizon = "ever"
    ) -> RiskDetector:
        """A detector against a limit that is given and not measured.

        For a rollback that stays quick however late the loss comes: limit 0, and per row what the champion of before
        gained over the one of now.
        """
        cells = ReferenceMean.exact((limit - low) / (high - low), n_bets=len(RISK_BETS))
        return cls(
            limit=limit,
            reference=limit,
            low=low,
            high=high,
            error=error,
            horizon=horizon,
            cells=cells,
            capital=np.full(cells.held.shape, -np.inf),
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
        values, counts = np.unique(np.clip(scaled, 0.0, 1.0), return_counts=True)
        growth = np.zeros(self.capital.shape)
        for begin in range(0, len(values), BLOCK):
            above = values[begin : begin + BLOCK, None] - self.cells.upper
            growth += [counts[begin : begin + BLOCK] @ np.log1p(bet * above) for bet in RISK_BETS]
        mean = float(loss.mean()) if len(loss) else 0.0
        return self._after(len(loss), growth, mean, float(loss.var()) if len(loss) else 0.0)

    def update_counts(self, rows: int, wrong: int) -> RiskDetector:
        """The detector after one more window in which `wrong` of the rows had the loss `high`, and all others `low`."""
        limit, bets = self.cells.upper, np.array(RISK_BETS)[:, None]
        growth = wrong * np.log1p(bets * (1 - limit)) + (rows - wrong) * np.log1p(-bets * limit)
        share, span = wrong / max(rows, 1), self.high - self.low
        return self._after(rows, growth, self.low + span * share, span**2 * share * (1 - share))

    def _after(self, rows: int, growth: FloatArray, mean: float, variance: float) -> RiskDetector:
        window = self.windows + 1
        capital = np.logaddexp(self.capital, log_start_weight(window, self.horizon)) + growth
        dated = rows >= DATED_FROM
        spread = max(variance, (self.high - self.low) ** 2 / (4 * max(rows, 1)))
        after = replace(
            self,
            windows=window,
            rows=self.rows + rows,
            capital=capital,
            past=self.past.with_window(
                window,
                difference=np.array([mean - self.reference if dated else math.nan]),
                variance=np.array([spread / max(rows, 1)]),
            ),
        )
        return replace(after, highest=max(self.highest, after.log_e))

    @property
    def log_e(self) -> float:
        """Log evidence now that the loss is above what is allowed, wherever that lies."""
        together = np.logaddexp.reduce(self.capital + self.cells.held, axis=0)
        return float(together.min() - math.log(len(RISK_BETS)))

    @property
    def needed(self) -> float:
        """Log evidence that decides."""
        return -math.log(self.error)

    @property
    def risen(self) -> bool:
        """Whether the loss is, or was, above what is allowed, at the stated error."""
        return self.highest >= self.needed

    def change_point(self, *, confidence: float = 0.9) -> ChangePoint | None:
        """When the loss changed, as differences to the reference; None before the first window with enough rows."""
        share = (self.reference - self.low) / (self.high - self.low)
        usual = (self.high - self.low) ** 2 * max(share * (1 - share), 0.01) / max(self.rows / max(self.windows, 1), 1)
        before = max((self.limit - self.reference) ** 2, usual / 10)
        return self.past.change_point(0, before=before, typical=usual, confidence=confidence)

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {
            **plain,
            "highest": self.highest if math.isfinite(self.highest) else None,
            "cells": {"upper": array_state(self.cells.upper), "held": array_state(self.cells.held)},
            "capital": array_state(self.capital),
            "past": self.past.state(),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> RiskDetector:
        """What `state` was taken of."""
        cells = {name: array_of_state(state["cells"][name]) for name in ("upper", "held")}
        return cls(
            **{name: state[name] for name in _PLAIN},
            highest=-math.inf if state["highest"] is None else state["highest"],
            cells=ReferenceMean(**cells),
            capital=array_of_state(state["capital"]),
            past=PastWindows.of_state(state["past"]),
        )


_PLAIN = ("limit", "reference", "low", "high", "error", "horizon", "windows", "rows")
