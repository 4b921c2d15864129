"""All that is kept of a column of text: its levels, their lengths and their shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlwright.data.summaries.counted import CountedLevels, count_levels, shape_of
from mlwright.data.summaries.distinct import DistinctSketch
from mlwright.data.summaries.heavy import HeavyHitters
from mlwright.data.summaries.moments import Moments


@dataclass(slots=True)
class LevelSummary:
    """Frequent and distinct values of a column of text, the lengths in characters, and the shapes (`99/99/9999`)."""

    count: int = 0
    lengths: Moments = field(default_factory=Moments)
    frequent: HeavyHitters = field(default_factory=lambda: HeavyHitters(size=1000))
    distinct: DistinctSketch = field(default_factory=DistinctSketch)
    shapes: HeavyHitters = field(default_factory=lambda: HeavyHitters(size=256))

    def update(self, values: pa.Array) -> int:
        """Add an array of strings, or of dictionary codes; returns how many are not missing."""
        counted = count_levels(values)
        if counted is None:
            return 0
        self.count += counted.lengths.count
        self.lengths.merge(counted.lengths)
        self._note_distinct(counted)
        most, cut = _top(counted.counts, self.frequent.size)
        self.frequent.undercount += cut
        self.frequent.update(counted.texts_of(most), (counted.counts[most] - cut).tolist())
        most, cut = _top(counted.shape_counts, self.shapes.size)
        self.shapes.undercount += cut
        shapes = map(shape_of, counted.texts_at(counted.shapes[most]))
        self.shapes.update(shapes, (counted.shape_counts[most] - cut).tolist())
        return counted.lengths.count

    def _note_distinct(self, counted: CountedLevels) -> None:
        keep = self.distinct.candidates(counted.hashes)
        new = keep[self.distinct.add_known(counted.hashes[keep], counted.counts[keep])]
        if len(new):
            self.distinct.update(counted.hashes[new], counted.counts[new], _objects(counted.texts_of(new)))

    def merge(self, other: LevelSummary) -> None:
        """Add the rows of another summary."""
        self.count += other.count
        self.lengths.merge(other.lengths)
        self.frequent.merge(other.frequent)
        self.distinct.merge(other.distinct)
        self.shapes.merge(other.shapes)

    def levels(self) -> list[tuple[str, int]]:
        """Values with counts, most frequent first; exact and complete if `complete` says so."""
        if self.distinct.exact:
            values = [] if self.distinct.values is None else self.distinct.values.tolist()
            pairs = zip(values, self.distinct.counts.tolist(), strict=True)
            return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
        return self.frequent.most_common()

    @property
    def complete(self) -> bool:
        """Whether `levels` are all levels with their exact counts."""
        return self.distinct.exact

    @property
    def n_distinct(self) -> float:
        return self.distinct.estimate()

    def state(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "lengths": self.lengths.state(),
            "frequent": self.frequent.state(),
            "distinct": self.distinct.state(),
            "shapes": self.shapes.state(),
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> LevelSummary:
        return cls(
            count=state["count"],
            lengths=Moments.of_state(state["lengths"]),
            frequent=HeavyHitters.of_state(state["frequent"]),
            distinct=DistinctSketch.of_state(state["distinct"]),
            shapes=HeavyHitters.of_state(state["shapes"]),
        )


def _objects(texts: list[str]) -> NDArray[Any]:
    values = np.empty(len(texts), dtype=object)
    values[:] = texts
    return values


def _top(counts: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], int]:
    """The positions of the `size` largest counts, and what must be taken off each: the next largest count."""
    if len(counts) <= size:
        return np.arange(len(counts)), 0
    order = np.argsort(-counts, kind="stable")
    cut = int(counts[order[size]])
    most = order[:size]
    return most[counts[most] > cut], cut
