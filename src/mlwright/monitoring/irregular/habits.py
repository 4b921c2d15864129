"""How much windows of rows differ from each other while nothing is wrong, learned from rows in the order they came.

A day in winter is not a random part of a year: its season is constant, its temperatures are low. What is normal for a
stretch of so many rows is measured on stretches of that length, so that it is not taken for a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mlwright.data import Schema
from mlwright.data.dataset import FloatArray, IntArray, column_as_levels, column_as_numbers
from mlwright.models.history import ColumnChunks, TrainingHistory

#: Lengths of stretches in rows, and how many of each are looked at.
_LENGTHS = (128, 256, 512, 1024, 2048, 4096)
_MOST, _LEAST = 100, 8
_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What stretches of one length were like, in one column.

    Attributes
    ----------
    rows, count
        Their length, and how many there were.
    clump
        How many rows count as one: the variance of shares between stretches, over that of rows drawn at random.
    shift
        The largest distance of one of them to all rows, from 0 to 1.
    missing
        The largest share without a value.
    top
        The largest share of one value.
    fresh
        The share of rows with a level that no earlier row had, which nine in ten of the later half kept to.
    """

    rows: int
    count: int
    clump: float
    shift: float
    missing: float
    top: float
    fresh: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """The habits of every column.

    Attributes
    ----------
    ordered
        Whether the rows were in the order in which they came. If not, they say nothing of what stays the same for an
        hour, and no column of few values is called constant.
    repeated
        The largest share of rows in a stretch that were there before; None where that is not known.
    """

    columns: Mapping[str, tuple[Stretch, ...]]
    ordered: bool = True
    repeated: float | None = None

    def at(self, column: str, rows: int) -> Stretch | None:
        """What is known of stretches of at most so many rows, the longest of them; the shortest if all are longer."""
        known = self.columns.get(column, ())
        fitting = [one for one in known if one.rows <= rows]
        return fitting[-1] if fitting else (known[0] if known else None)

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format_version": _FORMAT_VERSION,
            "ordered": self.ordered,
            "repeated": self.repeated,
            "columns": {name: [asdict(one) for one in stretches] for name, stretches in self.columns.items()},
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Habits:
        columns = {name: tuple(Stretch(**one) for one in stretches) for name, stretches in state["columns"].items()}
        return cls(columns=columns, ordered=state["ordered"], repeated=state["repeated"])


def learn_habits(rows: pa.Table, schema: Schema, *, ordered: bool = True) -> Habits:
    """Learn from rows on which nothing is wrong: the training rows by time, or the first windows of the log.

    Parameters
    ----------
    rows
        Typed, as `Dataset.table` or `Batch.typed` are, in the order in which they came.
    ordered
        False if that order is not known.
    """
    from mlwright.data.rows import hash_rows

    n = rows.num_rows
    found: dict[str, tuple[Stretch, ...]] = {}
    for column in schema:
        if column.name not in rows.column_names or column.type == "identifier":
            continue
        values = rows.column(column.name)
        if column.type in {"number", "integer", "datetime"}:
            stretches = tuple(_of_numbers(column_as_numbers(values), cuts) for cuts in _cuts(n))
        else:
            codes, levels = column_as_levels(values)
            stretches = tuple(_of_levels(codes, len(levels), cuts) for cuts in _cuts(n))
        found[column.name] = stretches
    hashes = hash_rows(rows, [c.name for c in schema if c.name in rows.column_names]) if n else np.zeros(0, np.uint64)
    repeated = [1 - len(np.unique(hashes[a:b])) / (b - a) for cuts in _cuts(n) for a, b in cuts]
    return Habits(columns=found, ordered=ordered, repeated=max(repeated, default=0.0))


def habits_of_history(history: TrainingHistory) -> Habits | None:
    """Those that a model's package tells of its training rows; None if they had no time.

    Its stretches are windows or several together: of shorter batches less is claimed.
    """
    if not history.columns:
        return None
    rows = np.array(history.rows, dtype=float)
    columns = {name: (_of_chunks(column, rows),) for name, column in history.columns.items()}
    return Habits(columns=columns, ordered=True)


def _of_chunks(column: ColumnChunks, rows: FloatArray) -> Stretch:
    counts = column.counts.astype(float)
    known = np.maximum(counts.sum(axis=1), 1.0)
    shares, whole = counts / known[:, None], counts.sum(axis=0) / max(counts.sum(), 1.0)
    length = int(np.median(rows))
    if len(column.edges):
        parts, of_all = shares.cumsum(axis=1), whole.cumsum()
        shift = np.abs(parts - of_all).max()
    else:
        parts, of_all = shares, whole
        shift = np.abs(parts - of_all).sum(axis=1).max() / 2
    inner = (of_all > 0.01) & (of_all < 0.99)
    first = np.argmax(counts > 0, axis=0)
    later = range(len(rows) // 2, len(rows))
    fresh = [float(shares[chunk][first == chunk].sum()) for chunk in later] if column.levels else [0.0]
    return Stretch(
        rows=length,
        count=len(rows),
        clump=_clump(parts[:, inner], of_all[inner], length),
        shift=float(shift),
        missing=float((1 - counts.sum(axis=1) / np.maximum(rows, 1)).max()),
        top=float(shares.max()),  # of numbers that of a cell, which is no less
        fresh=float(np.quantile(fresh, 0.9)),
    )


def _cuts(n: int) -> Iterator[list[tuple[int, int]]]:
    """For each length, where its stretches begin and end: at most 100, spread over all rows."""
    for length in _LENGTHS:
        count = min(n // length, _MOST)
        if count >= _LEAST:
            starts = np.linspace(0, n - length, count).astype(int)
            yield [(int(start), int(start) + length) for start in starts]


def _of_numbers(values: FloatArray, cuts: list[tuple[int, int]]) -> Stretch:
    known = np.sort(values[np.isfinite(values)])
    length = cuts[0][1] - cuts[0][0]
    if len(known) == 0:
        return Stretch(rows=length, count=len(cuts), clump=1.0, shift=0.0, missing=1.0, top=0.0)
    points = np.unique(known[np.linspace(0, len(known) - 1, 41).astype(int)])
    shares = np.searchsorted(known, points, side="right") / len(known)
    parts, missing, top = [], 0.0, 0.0
    for start, stop in cuts:
        part = values[start:stop]
        part = np.sort(part[np.isfinite(part)])
        missing = max(missing, 1 - len(part) / length)
        if len(part):
            parts.append(np.searchsorted(part, points, side="right") / len(part))
            top = max(top, _longest_run(part) / len(part))
    inner = (shares > 0.02) & (shares < 0.98)
    return Stretch(
        rows=length,
        count=len(cuts),
        clump=_clump(np.array(parts)[:, inner], shares[inner], length),
        shift=float(np.abs(np.array(parts) - shares).max()),
        missing=missing,
        top=top,
    )


def _longest_run(ordered: FloatArray) -> int:
    """How often the commonest of sorted values occurs."""
    changes = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1], True])
    return int(np.diff(changes).max())


def _of_levels(codes: IntArray, n_levels: int, cuts: list[tuple[int, int]]) -> Stretch:
    length = cuts[0][1] - cuts[0][0]
    whole = np.bincount(codes[codes >= 0], minlength=max(n_levels, 1))
    shares = whole / max(whole.sum(), 1)
    some = np.argsort(-shares)[:20]
    some = some[(shares[some] > 0.01) & (shares[some] < 0.99)]
    first = np.full(max(n_levels, 1), len(codes))
    np.minimum.at(first, codes[codes >= 0], np.flatnonzero(codes >= 0))
    parts, fresh = [], []
    missing, top, shift = 0.0, 0.0, 0.0
    for number, (start, stop) in enumerate(cuts):
        part = codes[start:stop]
        part = part[part >= 0]
        missing = max(missing, 1 - len(part) / length)
        if len(part) == 0:
            continue
        found = np.bincount(part, minlength=len(first)) / len(part)
        top, shift = max(top, float(found.max())), max(shift, float(np.abs(found - shares).sum() / 2))
        if number >= len(cuts) / 2:
            fresh.append(float(found[first >= start].sum()))
        parts.append(found[some])
    return Stretch(
        rows=length,
        count=len(cuts),
        clump=_clump(np.array(parts), shares[some], length) if parts else 1.0,
        shift=shift,
        missing=missing,
        top=top,
        fresh=float(np.quantile(fresh, 0.9)) if fresh else 0.0,
    )


def _clump(parts: FloatArray, shares: FloatArray, length: int) -> float:
    """The variance of shares between stretches over that of random rows, at least 1 and at most the length."""
    if parts.size == 0 or len(parts) < 2:
        return 1.0
    ratios = ((parts - shares) ** 2).mean(axis=0) / (shares * (1 - shares) / length)
    # Of twenty stretches the ratio is known to a third; what is hardly above 1 is 1.
    ratio = float(np.quantile(ratios, 0.75))
    return float(np.clip(1.5 * ratio if ratio > 1.5 else 1.0, 1.0, length))
