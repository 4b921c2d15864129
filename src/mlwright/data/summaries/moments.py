"""Count, mean, spread, skewness, extremes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Moments:
    """Central sums of finite numbers; merging is exact up to rounding.

    Numbers beyond 1e75 have fourth powers that no float holds: what cannot be computed is infinite or NaN.

    References
    ----------
    Pébay (2008), Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical
    moments, Sandia report SAND2008-6212.
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    m3: float = 0.0
    m4: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")

    def update(self, values: NDArray[np.float64]) -> None:
        """Add finite numbers, shape (n,)."""
        if len(values) == 0:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            distance = values - mean
            squared = distance * distance
            part = Moments(
                count=len(values),
                mean=mean,
                m2=float(squared.sum()),
                m3=float(squared @ distance),
                m4=float(squared @ squared),
                low=float(values.min()),
                high=float(values.max()),
            )
        self.merge(part)

    def merge(self, other: Moments) -> None:
        """Add the rows of another summary."""
        if other.count == 0:
            return
        if self.count == 0:
            for name in self.__slots__:
                setattr(self, name, getattr(other, name))
            return
        n_a, n_b = self.count, other.count
        n = n_a + n_b
        d = other.mean - self.mean
        share_a, share_b = n_a / n, n_b / n
        both = d * d * n_a * share_b
        m4 = self.m4 + other.m4 + both * d * d * (share_a * share_a - share_a * share_b + share_b * share_b)
        m4 += 6 * d * d * (share_a * share_a * other.m2 + share_b * share_b * self.m2)
        m4 += 4 * d * (share_a * other.m3 - share_b * self.m3)
        m3 = self.m3 + other.m3 + both * d * (share_a - share_b) + 3 * d * (share_a * other.m2 - share_b * self.m2)
        self.count, self.mean, self.m2, self.m3, self.m4 = n, self.mean + d * share_b, self.m2 + other.m2 + both, m3, m4
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    @property
    def std(self) -> float:
        """Standard deviation of the sample; 0 for one row."""
        return float(np.sqrt(self.m2 / (self.count - 1))) if self.count > 1 else 0.0

    @property
    def skewness(self) -> float:
        """0 for a symmetric column."""
        return float(np.sqrt(self.count) * (self.m3 / self.m2) / np.sqrt(self.m2)) if self.m2 > 0 else 0.0

    @property
    def kurtosis(self) -> float:
        """Beyond that of a normal column, so 0 for one."""
        return float(self.count * (self.m4 / self.m2) / self.m2 - 3) if self.m2 > 0 else 0.0

    def state(self) -> dict[str, Any]:
        """As JSON; what could not be computed is null, as are the extremes of no rows."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Moments:
        if state["count"] == 0:
            return cls()
        known: dict[str, Any] = {name: float("nan") if value is None else value for name, value in state.items()}
        return cls(**known)
