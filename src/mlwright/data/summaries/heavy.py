"""The values that occur most, with a bound on what was missed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class HeavyHitters:
    """At most `size` values with counts; each count is too low by at most `undercount`.

    Every value more frequent than `undercount` is there. If all rows are given to `update`, `undercount` never exceeds
    their number divided by `size` + 1.

    References
    ----------
    Misra and Gries (1982), Finding repeated elements; Agarwal et al. (2013), Mergeable summaries, ACM TODS.
    """

    size: int = 256
    counts: dict[Any, int] = field(default_factory=dict)
    undercount: int = 0

    def update(self, values: Iterable[Any], counts: Iterable[int]) -> None:
        """Add values with how often each occurred."""
        for value, count in zip(values, counts, strict=True):
            self.counts[value] = self.counts.get(value, 0) + int(count)
        self._prune()

    def merge(self, other: HeavyHitters) -> None:
        """Add the rows of another summary."""
        self.undercount += other.undercount
        self.update(other.counts.keys(), other.counts.values())

    def _prune(self) -> None:
        if len(self.counts) <= self.size:
            return
        cut = sorted(self.counts.values(), reverse=True)[self.size]
        self.undercount += cut
        self.counts = {value: count - cut for value, count in self.counts.items() if count > cut}

    def most_common(self) -> list[tuple[Any, int]]:
        """Values with counts, the most frequent first; ties in the order of the values."""
        return sorted(self.counts.items(), key=lambda pair: (-pair[1], str(pair[0])))

    @property
    def exact(self) -> bool:
        """Whether no value was ever dropped."""
        return self.undercount == 0

    def state(self) -> dict[str, Any]:
        values = self.most_common()
        return {
            "size": self.size,
            "undercount": self.undercount,
            "values": [v for v, _ in values],
            "counts": [c for _, c in values],
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> HeavyHitters:
        counts = dict(zip(state["values"], state["counts"], strict=True))
        return cls(size=state["size"], counts=counts, undercount=state["undercount"])
