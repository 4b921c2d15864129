"""The best rule of one condition, and of two levels of conditions, for any gain per row; as an expression of the spec.

Numbers are cut at up to 32 rounded quantiles, so that a rule can be read out; categories are taken as sets of levels. All
conditions of a column are then scored by one pass over its bins.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models.decision import BoolArray

_CUTS, _LEVELS = 32, 8
#: A level with fewer rows is in no rule.
_LEAST_ROWS = 10
#: The first condition of two levels is one of the best of so many columns.
_ROOTS = 6
_NUMBERS = {"number", "integer"}


class Condition(NamedTuple):
    """Which rows, as an expression, in words, and as bins of a column."""

    expression: str
    words: str
    column: int
    bins: BoolArray


class Rule(NamedTuple):
    """When to act, as an expression and in words."""

    expression: str
    words: str


ALL, NONE = Rule("True", "act on every row"), Rule("False", "act on no row")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as numbers of bins, 0 for missing; `edges` of numbers, or `levels` of categories."""

    name: str
    codes: IntArray = field(repr=False)
    n_bins: int
    edges: FloatArray | None = None
    levels: tuple[str, ...] = ()
    truth: bool = False

    @property
    def term(self) -> str:
        return term(self.name)

    def conditions(self, gains: FloatArray, counts: FloatArray) -> Iterator[tuple[Condition, FloatArray]]:
        """The conditions worth a look, each with what it gains, shape (n_gains,).

        Parameters
        ----------
        gains : shape (n_bins, n_gains)
            Sums over the rows of each bin.
        counts : shape (n_bins,)
            Rows of each bin.
        """
        if counts[0] >= _LEAST_ROWS:
            bins = np.arange(self.n_bins) == 0
            yield Condition(f"missing({self.term})", f"{self.name} is missing", 0, bins), gains[0]
        if self.edges is None:
            yield from self._sets(gains, counts)
        else:
            yield from self._sides(gains)

    def _sides(self, gains: FloatArray) -> Iterator[tuple[Condition, FloatArray]]:
        assert self.edges is not None
        below = np.cumsum(gains[1:], axis=0)
        above = below[-1] - below
        place = np.arange(self.n_bins)
        # Only the best cut for each gain is worth writing down.
        for edge in np.unique(below[:-1].argmax(axis=0)):
            yield Condition(*self._side(edge, low=True), 0, (place > 0) & (place <= edge + 1)), below[edge]
        for edge in np.unique(above[:-1].argmax(axis=0)):
            yield Condition(*self._side(edge, low=False), 0, place > edge + 1), above[edge]

    def _side(self, edge: int, *, low: bool) -> tuple[str, str]:
        assert self.edges is not None
        if self.truth:
            return (
                (f"{self.term} == 0", f"{self.name} is false") if low else (f"{self.term} == 1", f"{self.name} is true")
            )
        cut = float(self.edges[edge])
        shown = str(int(cut)) if cut.is_integer() and abs(cut) < 1e15 else repr(cut)
        if low:
            return f"{self.term} <= {shown}", f"{self.name} is at most {shown}"
        return f"{self.term} > {shown}", f"{self.name} is above {shown}"

    def _sets(self, gains: FloatArray, counts: FloatArray) -> Iterator[tuple[Condition, FloatArray]]:
        for one in range(gains.shape[1]):
            paying = [
                k
                for k in np.argsort(-gains[1:, one], kind="stable") + 1
                if gains[k, one] > 0 and counts[k] >= _LEAST_ROWS
            ][:_LEVELS]
            if not paying:
                continue
            names = [self.levels[k - 1] for k in sorted(paying)]
            bins = np.isin(np.arange(self.n_bins), paying)
            listed = ", ".join(map(repr, names))
            text = f"{self.term} == {listed}" if len(names) == 1 else f"{self.term} in ({listed})"
            words = (
                f"{self.name} is {' or '.join(names)}"
                if len(names) < 3
                else f"{self.name} is one of {', '.join(names)}"
            )
            yield Condition(text, words, 0, bins), gains[paying].sum(axis=0)


def term(name: str) -> str:
    """A column in an expression."""
    plain = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
    return name if plain else f"col({name!r})"


class Searched(NamedTuple):
    """The best rule for one gain, and that gain, summed over rows."""

    rule: Rule
    gain: float


@dataclass(frozen=True, slots=True)
class RuleSearch:
    """The columns of some rows, cut into bins once."""

    columns: tuple[_Column, ...]

    def one_condition(self, gains: FloatArray, rows: IntArray) -> list[Searched]:
        """For each gain the rule of one condition that gains most on these rows; it may act on all or on none.

        Parameters
        ----------
        gains : shape (n_rows, n_gains)
            What acting on a row gains, over waiting; of all rows.
        """
        found, _ = self._best(gains, rows)
        return [Searched(_rule_of(one), gain) for one, gain in found]

    def two_levels(self, gains: FloatArray, rows: IntArray, balanced: FloatArray) -> list[Searched]:
        """The same for a rule that asks one question and then, depending on the answer, another one.

        Parameters
        ----------
        balanced : shape (n_rows,)
            A gain that sums to 0, by which the first questions are chosen.
        """
        best = self.one_condition(gains, rows)
        _, of_columns = self._best(np.column_stack([balanced, -balanced]), rows)
        for root in sorted(of_columns, key=lambda entry: -entry[1])[:_ROOTS]:
            inside = root[0].bins[self.columns[root[0].column].codes[rows]]
            then, _ = self._best(gains, rows[inside])
            otherwise, _ = self._best(gains, rows[~inside])
            for number, ((a, gain_a), (b, gain_b)) in enumerate(zip(then, otherwise, strict=True)):
                if gain_a + gain_b > best[number].gain + 1e-9 * abs(best[number].gain):
                    best[number] = Searched(_joined(root[0], a, b), gain_a + gain_b)
        return best

    def _best(
        self, gains: FloatArray, rows: IntArray
    ) -> tuple[list[tuple[Condition | bool, float]], list[tuple[Condition, float]]]:
        """For each gain the best condition (or True for all rows, False for none); and for each column its best one."""
        chosen = gains[rows]
        total = chosen.sum(axis=0)
        best: list[tuple[Condition | bool, float]] = [(True, float(t)) if t > 0 else (False, 0.0) for t in total]
        of_columns: list[tuple[Condition, float]] = []
        for position, column in enumerate(self.columns):
            codes = column.codes[rows]
            counts = np.bincount(codes, minlength=column.n_bins).astype(np.float64)
            of_bins = [np.bincount(codes, weights=one, minlength=column.n_bins) for one in chosen.T]
            sums = np.column_stack(of_bins).astype(np.float64)
            of_column: tuple[Condition, float] | None = None
            for condition, gain in column.conditions(sums, counts):
                placed = condition._replace(column=position)
                for number, value in enumerate(gain):
                    if value > best[number][1]:
                        best[number] = placed, float(value)
                if of_column is None or gain.max() > of_column[1]:
                    of_column = placed, float(gain.max())
            if of_column is not None:
                of_columns.append(of_column)
        return best, of_columns


def rule_search(dataset: Dataset, names: Sequence[str] | None = None) -> RuleSearch:
    """Cut the features that people can put into a rule: numbers, truth values and categories."""
    columns = []
    for feature in dataset.schema.features:
        if names is not None and feature.name not in names:
            continue
        if feature.type == "category":
            codes, levels = dataset.levels(feature.name)
            columns.append(_Column(feature.name, codes + 1, len(levels) + 1, None, tuple(levels)))
        elif feature.type in _NUMBERS or feature.type == "boolean":
            numbers = dataset.numbers(feature.name)
            truth = feature.type == "boolean"
            edges = np.array([0.5]) if truth else _cuts(numbers)
            if len(edges):
                codes = np.where(np.isnan(numbers), 0, 1 + np.searchsorted(edges, numbers, side="left")).astype(
                    np.int64
                )
                columns.append(_Column(feature.name, codes, len(edges) + 2, edges, truth=truth))
    return RuleSearch(tuple(columns))


def _cuts(numbers: FloatArray) -> FloatArray:
    """Quantiles with about three digits of the spread, so that they can be read out."""
    finite = numbers[np.isfinite(numbers)]
    if not len(finite) or np.ptp(finite) == 0:
        return np.zeros(0)
    quantiles = np.quantile(finite, np.arange(1, _CUTS) / _CUTS, method="lower")
    spread = float(np.ptp(quantiles)) or float(np.ptp(finite))
    digits = 2 - int(np.floor(np.log10(spread)))
    edges: FloatArray = np.unique(np.round(quantiles, min(digits, 300)))
    return edges[np.isfinite(edges)]


def _rule_of(condition: Condition | bool) -> Rule:
    if isinstance(condition, bool):
        return ALL if condition else NONE
    return Rule(condition.expression, f"act where {condition.words}")


def _joined(root: Condition, then: Condition | bool, otherwise: Condition | bool) -> Rule:
    """Act where the first condition and the second hold, or where the first does not and the third does."""
    parts, words = [], []
    for condition, text, said in (
        (then, root.expression, root.words),
        (otherwise, f"not ({root.expression})", f"not ({root.words})"),
    ):
        if condition is False:
            continue
        own = isinstance(condition, Condition)
        parts.append(f"{text} and {condition.expression}" if isinstance(condition, Condition) else text)
        words.append(f"{said} and {condition.words}" if own and isinstance(condition, Condition) else said)
    if not parts:
        return NONE
    text = parts[0] if len(parts) == 1 else " or ".join(f"({part})" for part in parts)
    return Rule(text, f"act where {', or where '.join(words)}")
