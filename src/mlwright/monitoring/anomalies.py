"""Rows that are unlike those of the reference: scored column by column and by combinations, reported with what is odd."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa

from mlwright.core import Interval, MlwrightError
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.monitoring.findings import Finding
from mlwright.monitoring.rarity import (
    ColumnRarity,
    LevelRarity,
    PairRarity,
    codes_of,
    pairs_of,
    rarity_of,
    rarity_of_state,
)
from mlwright.monitoring.rows import RowShape
from mlwright.statistics.array_state import array_of_state, array_state

#: Values as rare as one in twenty are in every row of twenty columns: only what is rarer adds to a row's score.
_USUAL = -math.log(0.05)
_FOLDS = 5
_LEAST_ROWS = 100
#: Rows scored at a time.
_BLOCK = 100_000
#: A number of anomalous rows is called too high where chance alone makes it so once in so many windows.
_ONCE_IN = 10_000


class TooFewRows(MlwrightError):
    """There are too few reference rows to say what is unusual."""

    def __init__(self, rows: int) -> None:
        super().__init__(
            f"{rows} rows are too few to say what is unusual",
            where="the reference rows of the monitor",
            fix=f"give at least {_LEAST_ROWS} of them",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OddRow:
    """A row that is unlike those of the reference.

    Attributes
    ----------
    row
        Its number in the batch.
    score
        The sum of what is odd about it.
    chance
        The share of reference rows that are as odd; at least one over their number.
    reasons
        Column and what is odd there, the oddest first.
    """

    row: int
    score: float
    chance: float
    reasons: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalousRows:
    """The anomalous rows of a batch.

    Attributes
    ----------
    rows, odd
        Of the batch, and those of them that are anomalous.
    reference
        Rows that the threshold was learnt from.
    rate
        The share of rows like those of the reference that is called anomalous too.
    share
        Interval for the share of anomalous rows.
    worst
        The oddest rows.
    columns
        How many anomalous rows each column, or pair of columns, is the main reason of; the most frequent first.
    """

    rows: int
    odd: int
    reference: int
    rate: float
    share: Interval
    worst: tuple[OddRow, ...]
    columns: tuple[tuple[str, int], ...]

    @property
    def too_many(self) -> bool:
        """Whether there are more than chance explains."""
        usual = round(self.rate * (self.reference + 1))
        return self.odd > 0 and _tail(self.odd, self.rows, usual, self.reference) < 1 / _ONCE_IN

    def as_finding(self) -> Finding | None:
        """What to tell people; None where rows are as odd as they always are."""
        if not self.too_many:
            return None
        names = [name for name, _ in self.columns[:3]]
        return Finding(
            kind="anomalous_rows",
            level="warn" if self.share.low > 10 * self.rate else "info",
            what=f"{self.odd:,} of {self.rows:,} rows are unlike those of the reference; usual are about "
            f"{self.rows * self.rate:,.0f}. Most are odd in {', '.join(f'`{name}`' for name in names)}.",
            columns=tuple(dict.fromkeys(part for name in names for part in name.split(" with "))),
            evidence={
                "rows": self.rows,
                "odd": self.odd,
                "usual_share": self.rate,
                "share_low": self.share.low,
                "share_high": self.share.high,
            },
            advice="Look at the oddest rows: `worst` names them and says what is odd.",
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnomalyReference:
    """What is usual, and from which score on a row is anomalous.

    Attributes
    ----------
    usual : shape (n_rows,)
        The scores of the reference rows, each by tables made without it; in rising order.
    """

    columns: tuple[ColumnRarity, ...]
    pairs: tuple[PairRarity, ...]
    usual: FloatArray

    @classmethod
    def of_rows(cls, table: pa.Table, *, rng: np.random.Generator) -> AnomalyReference:
        """Learn what is usual.

        Raises
        ------
        TooFewRows
            Under 100 rows.

        References
        ----------
        Goldstein and Dengel (2012), Histogram-based outlier score (HBOS), for columns by themselves; Vovk, Gammerman and
        Shafer (2005), Algorithmic learning in a random world, for the stated rate.
        """
        if table.num_rows < _LEAST_ROWS:
            raise TooFewRows(table.num_rows)
        names = RowShape.of([table]).names
        fold = rng.permutation(table.num_rows) % _FOLDS
        scores = np.empty(table.num_rows)
        for number in range(_FOLDS):
            inside, left = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            scores[left] = cls._tables(table.take(pa.array(inside)), names, table.num_rows).scores(
                table.take(pa.array(left))
            )
        whole = cls._tables(table, names, table.num_rows)
        return cls(columns=whole.columns, pairs=whole.pairs, usual=np.sort(scores))

    @classmethod
    def _tables(cls, table: pa.Table, names: Sequence[str], rows: int) -> AnomalyReference:
        columns = tuple(rarity_of(name, table.column(name), rows=rows) for name in names)
        levels = [column.name for column in columns if isinstance(column, LevelRarity)]
        return cls(columns=columns, pairs=tuple(pairs_of(table, levels, rows=rows)), usual=np.zeros(0))

    def scores(self, table: pa.Table) -> FloatArray:
        """How odd each row is, shape (n_rows,); columns that the table lacks say nothing."""
        found = np.empty(table.num_rows)
        for start in range(0, table.num_rows, _BLOCK):
            block = table.slice(start, _BLOCK)
            total = np.zeros(block.num_rows)
            for _, surprise in self._parts(block):
                total += np.maximum(surprise - _USUAL, 0.0)
            found[start : start + _BLOCK] = total
        return found

    def _parts(self, table: pa.Table) -> list[tuple[str, FloatArray]]:
        """The surprise of each row by column, or pair of columns, with its name."""
        given = set(table.column_names)
        parts = [(one.name, one.of_values(table.column(one.name))) for one in self.columns if one.name in given]
        codes: dict[str, IntArray] = {}
        for pair in self.pairs:
            for name, levels in zip((pair.first, pair.second), pair.levels, strict=True):
                if name in given and name not in codes:
                    codes[name] = codes_of(table.column(name), levels)
            if pair.first in codes and pair.second in codes:
                parts.append((f"{pair.first} with {pair.second}", pair.of_values(codes)))
        return parts

    def threshold(self, rate: float) -> tuple[float, float]:
        """Above which score rows are anomalous, and the share of usual rows for which that holds: at most `rate`.

        The share of new rows like those of the reference that score higher is at most the second number on average. Of n
        reference rows it is at least 1 / (n + 1), even where a lower rate is asked for.
        """
        n = len(self.usual)
        allowed = max(math.floor(rate * (n + 1)), 1)
        return float(self.usual[n - allowed]), allowed / (n + 1)

    def find(self, table: pa.Table, *, rate: float = 0.001, most: int = 20, confidence: float = 0.9) -> AnomalousRows:
        """The anomalous rows of a batch, with the reasons of the `most` oddest."""
        threshold, stated = self.threshold(rate)
        scores = self.scores(table)
        odd = np.flatnonzero(scores > threshold)
        odd = odd[np.argsort(-scores[odd], kind="stable")]
        some = odd[:5000]  # their reasons are counted; the oddest are shown
        parts = self._parts(table.take(pa.array(some)))
        return AnomalousRows(
            rows=table.num_rows,
            odd=len(odd),
            reference=len(self.usual),
            rate=stated,
            share=_share_interval(len(odd), table.num_rows, confidence),
            worst=tuple(self._explained(table, some[:most], scores, parts)),
            columns=_main_reasons(parts, len(some)),
        )

    def _explained(
        self, table: pa.Table, rows: IntArray, scores: FloatArray, parts: list[tuple[str, FloatArray]]
    ) -> list[OddRow]:
        taken = table.take(pa.array(rows))
        words = {one.name: one.why(taken.column(one.name)) for one in self.columns if one.name in table.column_names}
        found = []
        for place, row in enumerate(rows.tolist()):
            odd = sorted(((float(s[place]), name) for name, s in parts if s[place] > _USUAL), reverse=True)
            reasons = [
                (n, words[n][place] if n in words else "is a combination that the reference lacks") for _, n in odd
            ]
            above = len(self.usual) - int(np.searchsorted(self.usual, scores[row], side="left"))
            chance = (above + 1) / (len(self.usual) + 1)
            found.append(OddRow(row=row, score=float(scores[row]), chance=chance, reasons=tuple(reasons[:5])))
        return found

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        return {
            "columns": [column.state() for column in self.columns],
            "pairs": [pair.state() for pair in self.pairs],
            "usual": array_state(self.usual),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> AnomalyReference:
        """What `state` was taken of."""
        return cls(
            columns=tuple(rarity_of_state(column) for column in state["columns"]),
            pairs=tuple(PairRarity.of_state(pair) for pair in state["pairs"]),
            usual=array_of_state(state["usual"]),
        )


def _main_reasons(parts: list[tuple[str, FloatArray]], rows: int) -> tuple[tuple[str, int], ...]:
    if not rows or not parts:
        return ()
    main = np.stack([surprise for _, surprise in parts]).argmax(axis=0)
    return tuple(Counter(parts[number][0] for number in main.tolist()).most_common())


def _tail(count: int, rows: int, usual: int, reference: int) -> float:
    """The chance of at least so many of these rows, where `usual` of the reference rows are beyond the threshold.

    The threshold is itself drawn from the reference rows, so the count is beta-binomial and not binomial.
    """
    from scipy.stats import betabinom

    return float(betabinom.sf(count - 1, rows, usual, reference + 1 - usual))


def _share_interval(hits: int, rows: int, confidence: float) -> Interval:
    """Wilson's interval of a share (1927), without scipy."""
    if not rows:
        return Interval(low=0.0, high=1.0, confidence=confidence)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p, part = hits / rows, z * z / rows
    middle, half = (p + part / 2) / (1 + part), z / (1 + part) * math.sqrt(p * (1 - p) / rows + part / (4 * rows))
    return Interval(low=min(max(middle - half, 0.0), p), high=max(min(middle + half, 1.0), p), confidence=confidence)
