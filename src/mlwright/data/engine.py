"""The door for engines: whoever brings Arrow batches and merges states can compute every summary.

Here is the local one. Spark, Kafka and Flink bring their own batches and call the same `update` and `merge`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Self, TypeVar

import pyarrow as pa

from mlwright.data.sources.base import Source


class Summary(Protocol):
    """A fold over batches whose states can be added in any order."""

    def update(self, batch: pa.RecordBatch) -> None: ...

    def merge(self, other: Self) -> None: ...

    def state(self) -> dict[str, Any]: ...


S = TypeVar("S", bound=Summary)


class Engine(Protocol):
    """Runs a fold where the data is."""

    def fold(self, source: Source, empty: Callable[[], S]) -> S:
        """The summary of all rows of a source; `empty` makes the summary of none."""
        ...


class LocalEngine:
    """Batches one after the other, in this process."""

    def fold(self, source: Source, empty: Callable[[], S]) -> S:
        summary = empty()
        for batch in source.batches():
            summary.update(batch)
        return summary
