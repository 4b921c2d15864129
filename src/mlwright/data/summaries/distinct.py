"""How many distinct values, and a uniform sample of them with their true counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.data.summaries.hashing import HashArray
from mlwright.data.summaries.packing import pack, unpack

K = 1024


@dataclass(slots=True)
class DistinctSketch:
    """The K values with the smallest hashes; exact below K distinct values.

    References
    ----------
    Bar-Yossef et al. (2002), Counting distinct elements in a data stream; Beyer et al. (2007), On synopses for
    distinct-value estimation under multiset operations (the unbiased estimate).
    """

    hashes: HashArray = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    values: NDArray[Any] | None = None

    def candidates(self, hashes: HashArray) -> NDArray[np.int64]:
        """The positions of the values that could enter the sketch; the others need not be looked at."""
        bound = self.hashes[-1] if len(self.hashes) == K else None
        if bound is None and len(hashes) > 8 * K:
            some = np.unique(hashes[: 8 * K])
            bound = some[K - 1] if len(some) >= K else None  # K values are as small: nothing above can be among them
        return np.arange(len(hashes)) if bound is None else np.flatnonzero(hashes <= bound)

    def add_known(self, hashes: HashArray, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add counts of the values that are in the sketch; returns the positions of the others."""
        at = np.searchsorted(self.hashes, hashes)
        known = self.hashes[np.minimum(at, len(self.hashes) - 1)] == hashes if len(self.hashes) else at < 0
        totals = self.counts.copy()
        np.add.at(totals, at[known], counts[known])
        self.counts = totals
        return np.flatnonzero(~known)

    def update(self, hashes: HashArray, counts: NDArray[np.int64], values: NDArray[Any] | None = None) -> None:
        """Add values with how often each occurred; a value may come several times.

        Parameters
        ----------
        values : shape (n,), optional
            The values themselves, where the sketch is to show some of them.
        """
        both = np.concatenate([self.hashes, hashes])
        _, first, which = np.unique(both, return_index=True, return_inverse=True)
        totals = np.bincount(which, weights=np.concatenate([self.counts, counts])).astype(np.int64)
        kept = first[:K]
        if values is not None:
            before = np.zeros(0, dtype=object) if self.values is None else self.values
            self.values = np.concatenate([before, values])[kept]
        self.hashes, self.counts = both[kept], totals[:K]

    def merge(self, other: DistinctSketch) -> None:
        """Add the rows of another sketch."""
        self.update(other.hashes, other.counts, other.values)

    @property
    def exact(self) -> bool:
        """Whether every distinct value is in the sketch."""
        return len(self.hashes) < K

    def estimate(self) -> float:
        """Number of distinct values."""
        if self.exact:
            return float(len(self.hashes))
        return (K - 1) / (float(self.hashes[-1]) / 2.0**64)

    @property
    def relative_error(self) -> float:
        """One standard deviation of the estimate, as a share of it."""
        return 0.0 if self.exact else float((K - 2) ** -0.5)

    def uniqueness(self) -> float:
        """Distinct values per row, from 0 to 1; close to 1 it is far more exact than the number of distinct values."""
        return float(1 / self.counts.mean()) if len(self.counts) else 0.0

    def state(self) -> dict[str, Any]:
        return {
            "hashes": pack(self.hashes.view(np.int64)),
            "counts": pack(self.counts),
            "values": None if self.values is None else self.values.tolist(),
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> DistinctSketch:
        values = None
        if state["values"] is not None:
            values = np.empty(len(state["values"]), dtype=object)
            values[:] = state["values"]
        return cls(hashes=unpack(state["hashes"]).view(np.uint64), counts=unpack(state["counts"]), values=values)
