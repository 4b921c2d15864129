"""The door for engines: whoever brings the batches, and however they are spread, the summary is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.support import breast_cancer_frame, mixed_frame

from mlwright.data import Engine, FrameSource, LocalEngine, Source, Summary, TableSummary, summarise, to_table

S = TypeVar("S", bound=Summary)


class ShardedEngine:
    """Deals the batches out to workers and merges what they found, the last worker first."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def fold(self, source: Source, empty: Callable[[], S]) -> S:
        batches = list(source.batches())

        def work(number: int) -> S:
            part = empty()
            for batch in batches[number :: self.workers]:
                part.update(batch)
            return part

        with ThreadPoolExecutor(self.workers) as pool:
            parts = list(pool.map(work, range(self.workers)))
        whole = parts.pop()
        while parts:
            whole.merge(parts.pop())
        return whole


class Chopped:
    """A source that brings another one's rows in batches of a few."""

    def __init__(self, frame: pl.DataFrame, rows: int) -> None:
        self.table = to_table(frame)
        self.rows = rows
        self.description = "a frame in pieces"
        self.notes: list[str] = []

    def batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self.table.combine_chunks().to_batches(max_chunksize=self.rows))

    def fingerprint(self) -> str | None:
        return None


class RowCount:
    """The smallest summary there can be: nothing but the door is asked of it."""

    def __init__(self) -> None:
        self.rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows

    def merge(self, other: Self) -> None:
        self.rows += other.rows

    def state(self) -> dict[str, Any]:
        return {"rows": self.rows}


ENGINES: dict[str, Engine] = {"local": LocalEngine(), "two": ShardedEngine(2), "seven": ShardedEngine(7)}


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("rows", [1, 37, 10_000])
def test_every_engine_finds_the_summary_of_the_rows(engine: Engine, rows: int) -> None:
    frame = mixed_frame(300)
    found = engine.fold(Chopped(frame, rows), TableSummary)
    expected = summarise(to_table(frame).to_batches())
    assert found.rows == expected.rows == 300
    assert list(found.columns) == list(expected.columns)
    for name in frame.columns:
        one, other = found[name], expected[name]
        assert (one.kind, one.known, one.rows, one.n_distinct) == (
            other.kind,
            other.known,
            other.rows,
            other.n_distinct,
        )


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_moments_are_those_of_numpy(engine: Engine) -> None:
    frame = breast_cancer_frame()
    found = engine.fold(Chopped(frame, 100), TableSummary)
    for name in frame.columns[:-1]:
        numbers = found[name].numbers
        assert numbers is not None
        values = frame[name].to_numpy()
        assert numbers.moments.mean == pytest.approx(values.mean(), rel=1e-12)
        assert numbers.moments.std == pytest.approx(np.std(values, ddof=1), rel=1e-9)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_an_engine_folds_any_summary_that_fits_the_door(engine: Engine) -> None:
    assert engine.fold(FrameSource(mixed_frame(123)), RowCount).state() == {"rows": 123}
    assert engine.fold(FrameSource(mixed_frame(123).clear()), RowCount).rows == 0
