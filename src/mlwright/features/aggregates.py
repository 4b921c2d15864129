"""Group aggregates: how many rows a group had, and what they were like on average, from a stored table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from mlwright.data import column_as_levels, column_as_numbers
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.features.means import LEAST_ROWS, means_of_other_rows, smoothed_means
from mlwright.features.rowcode import RowCode
from mlwright.features.steps import ArrowColumn

#: The largest groups are kept, so that a package does not grow with the number of customers.
_MOST_GROUPS = 100_000
#: A group's mean is drawn to that of all rows as if so many rows of those had been seen.
_LEAST_DRAWN, _MOST_DRAWN = 0.1, 1000.0
#: Numbers are cut off here, so that no square is infinite.
_HUGE = 1e100
#: By how many standard errors groups must differ.
_SURE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAggregates:
    """What the training rows of a group had: how many they are, their mean target, and their means of other columns.

    The number of rows is a logarithm, log(1 + rows). A mean is how far the group lies from all rows, in standard deviations
    of the rows, drawn to 0 where a group has few rows. A group never seen, or missing, has 0 everywhere: no rows, and as
    all rows are. A training row has what the other rows of its group say (`aggregate`).

    Attributes
    ----------
    column
        Whose values are the groups.
    groups
        Of each group its features.
    rows
        Whether the number of rows is one.
    n_targets
        How many mean targets there are.
    means_of
        The columns whose means there are.
    """

    kind: ClassVar[str] = "group_aggregates"
    column: str
    groups: dict[str, tuple[float, ...]]
    rows: bool
    n_targets: int
    means_of: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def names(self) -> list[str]:
        numbers = [""] if self.n_targets == 1 else [f" {i + 1}" for i in range(self.n_targets)]
        listed = [*(["rows"] if self.rows else []), *(f"mean target{number}" for number in numbers)]
        return [f"{self.column} ({what})" for what in [*listed, *(f"mean {name}" for name in self.means_of)]]

    def transform(self, values: ArrowColumn) -> FloatArray:
        codes, levels = column_as_levels(values)
        width = len(self.names())
        nothing = (0.0,) * width
        lookup = np.array([*(self.groups.get(level, nothing) for level in levels), nothing])
        features: FloatArray = lookup.reshape(-1, width)[codes]
        return features

    def generate(self, code: RowCode, at: int) -> None:
        nothing = (0.0,) * len(self.names())
        found = f"{code.constant(self.groups.get)}({code.level(self.column)}, {code.constant(nothing)})"
        code.unpack(found, at, len(nothing))

    def state(self) -> dict[str, Any]:
        shown = {key: value for key, value in asdict(self).items() if key != "groups"}
        return {**shown, "groups": [[group, *features] for group, features in self.groups.items()]}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> GroupAggregates:
        groups = {group: tuple(features) for group, *features in state["groups"]}
        return cls(**{**state, "groups": groups, "means_of": tuple(state["means_of"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class FromGroupMean:
    """How far a number lies from the mean of its group, in standard deviations of the rows; missing is NaN.

    The mean is that of `GroupAggregates`: of the training rows, drawn to that of all rows where the group has few, and the
    mean of all rows for a group never seen.

    Attributes
    ----------
    column, group
        The number, and the column whose values are the groups.
    means
        Of each group, in standard deviations from the mean of all rows.
    mean, deviation
        Of all rows.
    """

    kind: ClassVar[str] = "from_group_mean"
    column: str
    group: str
    means: dict[str, float]
    mean: float
    deviation: float

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, self.group)

    def names(self) -> list[str]:
        return [f"{self.column} × {self.group} (from the mean)"]

    def transform(self, values: ArrowColumn, groups: ArrowColumn) -> FloatArray:
        codes, levels = column_as_levels(groups)
        lookup = np.array([*(self.means.get(level, 0.0) for level in levels), 0.0])
        numbers = np.clip(column_as_numbers(values), -_HUGE, _HUGE)
        features: FloatArray = ((numbers - self.mean) / self.deviation - lookup[codes])[:, None]
        return features

    def generate(self, code: RowCode, at: int) -> None:
        value, group = code.number(self.column), code.level(self.group)
        # Written so that it lets NaN through, as numpy does.
        cut = f"({_HUGE} if {value} > {_HUGE} else -{_HUGE} if {value} < -{_HUGE} else {value})"
        mean, deviation, means = (code.constant(what) for what in (self.mean, self.deviation, self.means.get))
        code.line(f"row[{at}] = ({cut} - {mean}) / {deviation} - {means}({group}, 0.0)")

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> FromGroupMean:
        return cls(**state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregated:
    """An aggregate of each group, shape (n_groups,), and of each row from the others of its group, shape (n_rows,).

    Attributes
    ----------
    mean, deviation
        Of all rows; what the aggregates of a number are counted in.
    """

    of_groups: FloatArray
    of_rows: FloatArray
    mean: float = 0.0
    deviation: float = 1.0

    def for_rows(self, group: IntArray) -> FloatArray:
        """For other rows of these groups, shape (n_rows,): -1 is a group never seen, which has 0."""
        return np.append(self.of_groups, 0.0)[group]

    def above(self, values: FloatArray, mean: FloatArray) -> FloatArray:
        """How far values lie above such means of their groups."""
        far: FloatArray = (np.clip(values, -_HUGE, _HUGE) - self.mean) / self.deviation - mean
        return far


def rows_of_groups(group: IntArray, n_groups: int) -> Aggregated:
    """How many rows a group has, and of each row how many others are in its group; as log(1 + rows).

    Parameters
    ----------
    group : shape (n_rows,)
        Numbers from 0; -1 for a row without a group.
    """
    rows = np.bincount(group[group >= 0], minlength=n_groups)
    others = np.where(group >= 0, np.append(rows, 1)[group] - 1, 0)
    return Aggregated(of_groups=np.log1p(rows), of_rows=np.log1p(others))


def means_of_groups(group: IntArray, n_groups: int, values: FloatArray) -> Aggregated | None:
    """The mean of a column in each group around the mean of all, in its standard deviations; None if groups are alike.

    A row's own value is left out of its mean: it is none of what a new row will find, and in a small group it would be all
    of it, so that trees would trust small groups too much. The target has no part in this, so nothing can leak.

    Parameters
    ----------
    group : shape (n_rows,)
        Numbers from 0; -1 for a row without a group.
    values : shape (n_rows,)
        NaN for missing.

    References
    ----------
    Searle, Casella and McCulloch (1992), Variance components, chapter 3: the share of the variance that lies between
    groups; a mean is drawn to that of all rows as the best linear prediction has it.
    """
    known = np.isfinite(values) & (group >= 0)
    x, g = np.clip(values[known], -_HUGE, _HUGE), group[known]
    mean, deviation = (float(x.mean()), float(x.std())) if len(x) else (0.0, 0.0)
    if deviation == 0 or np.ptp(x) == 0:  # of equal numbers the deviation may be as small as rounding, of tiny ones 0
        return None
    x = (x - mean) / deviation
    rows: IntArray = np.bincount(g, minlength=n_groups).astype(np.int64)
    sums: FloatArray = np.bincount(g, weights=x, minlength=n_groups).astype(np.float64)
    drawn = _rows_drawn(x, rows, sums)
    if drawn is None:
        return None
    own = np.zeros(len(group))
    own[known] = x
    without = np.where(group >= 0, np.append(sums, 0.0)[group] - own, 0.0)
    others = np.where(group >= 0, np.append(rows, 0)[group] - known, 0)
    of_groups, of_rows = sums / (rows + drawn), without / (others + drawn)
    return Aggregated(of_groups=of_groups, of_rows=of_rows, mean=mean, deviation=deviation)


def _rows_drawn(x: FloatArray, rows: IntArray, sums: FloatArray) -> float | None:
    """As many rows as make a group's own mean half of what is believed of it; None if groups differ as by chance.

    Means of noise would be names of the groups for trees.
    """
    n, n_groups = len(x), int((rows > 0).sum())
    if n_groups < 2 or n <= n_groups:
        return None
    between_squares = float((sums[rows > 0] ** 2 / rows[rows > 0]).sum())
    between = between_squares / (n_groups - 1)
    within = max(float((x**2).sum()) - between_squares, 0.0) / (n - n_groups)
    # F, the ratio of the two, is 1 by chance, give or take this.
    chance = (2 / (n_groups - 1) + 2 / (n - n_groups)) ** 0.5
    if between <= within * (1 + _SURE * chance):
        return None
    usual = (n - float((rows.astype(np.float64) ** 2).sum()) / n) / (n_groups - 1)
    return float(np.clip(within * usual / (between - within), _LEAST_DRAWN, _MOST_DRAWN))


def targets_of_groups(
    group: IntArray, n_groups: int, target: FloatArray, fold: IntArray, weight: FloatArray | None
) -> list[Aggregated]:
    """The mean target of each group, as with levels (`LevelMeans`): those of the rows come from the other folds.

    Leaving out only the row itself would tell its target: the more the others have, the less it has itself.
    """
    cells = np.where(group < 0, n_groups, group)
    spread = target.std(axis=0)
    unit = np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
    means, rows, overall = smoothed_means(cells, n_groups + 1, target, weight)
    of_groups = np.where(rows[:-1, None] >= LEAST_ROWS, means[:-1] - overall, 0.0) / unit
    of_rows = means_of_other_rows(cells, n_groups + 1, target, fold, weight) / unit
    of_rows[group < 0] = 0.0
    return [Aggregated(of_groups=a, of_rows=b) for a, b in zip(of_groups.T, of_rows.T, strict=True)]


def table_of(levels: list[str], group: IntArray, aggregates: list[Aggregated]) -> dict[str, tuple[float, ...]]:
    """Of each group that these rows have its aggregates, the largest first.

    Six digits of a standard deviation are more than the rows tell, and make the package a third as large.
    """
    rows = np.bincount(group[group >= 0], minlength=len(levels))
    largest = np.argsort(-rows, kind="stable")[:_MOST_GROUPS]
    kept = largest[rows[largest] > 0]
    values = np.column_stack([one.of_groups for one in aggregates]).round(6)[kept]
    return dict(zip([levels[i] for i in kept], map(tuple, values.tolist()), strict=True))
