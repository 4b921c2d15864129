"""What a window counts: the fixed cells of each column, made from a model's package, the same for all windows of a version.

Numbers have 1,024 cells between the reference's 0.05 % and 99.95 % points and one on either side. The cells are equal in the
number itself or, where that puts most rows into a few of them (amounts of money), nearly equal in its logarithm.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mlwright.core import MlwrightError
from mlwright.data import Column, ColumnSummary, written_class
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.data.summaries import QuantileGrid
from mlwright.models import Model, ScoreCounts
from mlwright.spec import Task

CELLS = 1024
MOST_LEVELS = 255
_FORMAT_VERSION = 1
#: The reference's quantiles between which the cells lie.
_ENDS = np.array([0.0005, 0.9995])
#: Cells in the logarithm are taken where they are filled more evenly by this factor.
_MORE_EVEN = 1.5

Kind = Literal["number", "levels", "text", "other"]


class ReferenceOfOtherVersion(MlwrightError):
    """Windows of different model versions, or of other cells, are put together."""

    def __init__(self, wanted: str, found: str) -> None:
        super().__init__(
            f"the window was counted for version {found}, and the reference is that of version {wanted}",
            where="the windows of the monitor",
            fix="compare each version with its own package; windows of a changed package are folded anew",
        )


class ReferenceMissing(MlwrightError):
    """The package says nothing of its training rows."""

    def __init__(self, version: str) -> None:
        super().__init__(
            "the package has no summary of its training rows to compare with",
            where=f"version {version}",
            fix="make a new run, and watch the version that it writes",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnShape:
    """The cells of one column.

    Attributes
    ----------
    kind
        `number` (moments too), `levels` (categories, truth values), `text` (its length in characters), `other` (only whether
        it is missing).
    low, high
        Of numbers and lengths: where the 1,024 cells begin and end; values outside have a cell on either side.
    by_bits
        Whether the cells are equal in the bits of the number, which is nearly its logarithm.
    centre
        Sums are of the distance to this.
    levels
        Those with a cell of their own; two more cells hold other levels of the reference, and levels that it never had.
    others
        The other levels of the reference, as far as they are known.
    complete
        Whether they are all known; if not, no level can be said to be new, and those of neither list are counted as others.
    """

    name: str
    kind: Kind
    type: str
    low: float = 0.0
    high: float = 1.0
    by_bits: bool = False
    centre: float = 0.0
    levels: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    complete: bool = True

    @property
    def size(self) -> int:
        """How many cells there are."""
        if self.kind in {"number", "text"}:
            return CELLS + 2
        return len(self.levels) + 2 if self.kind == "levels" else 0

    def place(self, values: FloatArray) -> FloatArray:
        """Numbers on the scale on which the cells are equal."""
        if not self.by_bits:
            return values
        return (values + 0.0).view(np.int64).astype(np.float64)

    def cell_of(self, values: FloatArray) -> IntArray:
        """The cell of each finite number, from 0 to 1025, shape (n,); the kernel counts in the same ones."""
        with np.errstate(over="ignore"):
            places = (self.place(values) - self.start) * self.inverse_width
        return (np.clip(places, -1, CELLS) + 1.0).astype(np.int64)

    @property
    def start(self) -> float:
        """Where the cells begin, on that scale."""
        return float(self.place(np.array([self.low]))[0])

    @property
    def inverse_width(self) -> float:
        """Cells per unit of that scale."""
        low, high = self.place(np.array([self.low, self.high]))
        return CELLS / float(high - low)

    @property
    def edges(self) -> FloatArray:
        """Bounds of the inner cells in the column's own unit, shape (1025,)."""
        low, high = self.place(np.array([self.low, self.high]))
        places = np.linspace(low, high, CELLS + 1)
        return places if not self.by_bits else places.astype(np.int64).view(np.float64)

    def state(self) -> dict[str, Any]:
        """As JSON."""
        own = {name: getattr(self, name) for name in self.__slots__}
        return {**own, "levels": list(self.levels), "others": list(self.others)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> ColumnShape:
        return cls(**{**state, "levels": tuple(state["levels"]), "others": tuple(state["others"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowShape:
    """What the windows of one version of a model count.

    Attributes
    ----------
    model, version
        The project's name for the model, and the version as the prediction log has it.
    classes
        As texts, in the model's order; empty for a regression.
    score_low, score_high
        Where the 256 bins of the score begin and end: 0 and 1 for probabilities.
    starts : shape (n_columns + 1,)
        Where the cells of each column begin among those of all.
    digest
        Of all of it: windows with the same digest can be added.
    """

    model: str
    version: str
    task: Task
    classes: tuple[str, ...]
    columns: tuple[ColumnShape, ...]
    score_low: float = 0.0
    score_high: float = 1.0
    starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sizes = [column.size for column in self.columns]
        object.__setattr__(self, "starts", tuple(np.concatenate([[0], np.cumsum(sizes)]).astype(int).tolist()))
        text = json.dumps(self.state(), sort_keys=True)
        object.__setattr__(self, "digest", hashlib.sha256(text.encode()).hexdigest()[:16])

    @classmethod
    def of(cls, model: Model, *, version: str, name: str | None = None) -> WindowShape:
        """The shape that a model's package gives.

        Parameters
        ----------
        version
            As the prediction log has it.
        name
            Of the model; the project's name in the package if not given.

        Raises
        ------
        ReferenceMissing
            If the package has no summary of the training rows.
        """
        if model.reference.rows == 0:
            raise ReferenceMissing(version)
        low, high = _score_range(model)
        return cls(
            model=name or str(model.facts.get("project", "unnamed")),
            version=version,
            task=model.task,
            classes=tuple(written_class(value) for value in model.classes),
            columns=tuple(shape_of_column(column, model.reference.columns.get(column.name)) for column in model.schema),
            score_low=low,
            score_high=high,
        )

    def __iter__(self) -> Iterator[ColumnShape]:
        return iter(self.columns)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def cells(self) -> int:
        """Of all columns."""
        return self.starts[-1]

    def scores(self) -> ScoreCounts:
        """Counts of scores before any row."""
        return ScoreCounts.none_yet(len(self.classes), low=self.score_low, high=self.score_high)

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format_version": _FORMAT_VERSION,
            "model": self.model,
            "version": self.version,
            "task": self.task,
            "classes": list(self.classes),
            "columns": [column.state() for column in self.columns],
            "score_low": self.score_low,
            "score_high": self.score_high,
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> WindowShape:
        own = {name: state[name] for name in ("model", "version", "task", "score_low", "score_high")}
        columns = tuple(ColumnShape.of_state(column) for column in state["columns"])
        return cls(classes=tuple(state["classes"]), columns=columns, **own)


def _score_range(model: Model) -> tuple[float, float]:
    if model.task != "regression":
        return 0.0, 1.0
    if model.history is not None and model.history.scores is not None:
        return model.history.scores.low, model.history.scores.high
    target = model.reference.columns.get(model.target)
    if target is None or target.numbers is None or target.known == 0:
        return 0.0, 1.0
    low, high = target.numbers.grid.quantiles(_ENDS).tolist()
    return (low, high) if high > low else (low, low + 1.0)


def shape_of_column(column: Column, reference: ColumnSummary | None) -> ColumnShape:
    """The cells that the reference of one column asks for."""
    plain = ColumnShape(name=column.name, kind="other", type=column.type)
    if reference is None or reference.known == 0:
        return plain
    if column.type == "boolean":
        return ColumnShape(name=column.name, kind="levels", type=column.type, levels=("false", "true"))
    if column.type in {"number", "integer", "datetime"} and reference.numbers is not None:
        return _number_shape(column, reference.numbers.grid, reference.numbers.moments.mean)
    if column.type == "category" and reference.levels is not None:
        return _level_shape(column, reference)
    if column.type == "text" and reference.levels is not None:
        lengths = reference.levels.lengths
        return ColumnShape(
            name=column.name,
            kind="text",
            type=column.type,
            low=lengths.low - 0.5,
            high=lengths.high + 0.5,
            centre=lengths.mean,
        )
    return plain


def _number_shape(column: Column, grid: QuantileGrid, mean: float) -> ColumnShape:
    low, high = grid.quantiles(_ENDS).tolist()
    if not high > low:  # a constant, or nearly one: the cells reach a little around it
        reach = max(abs(low) * 1e-3, 0.5)
        low, high = low - reach, high + reach
    centre = mean if np.isfinite(mean) else (low / 2 + high / 2)
    linear = ColumnShape(name=column.name, kind="number", type=column.type, low=low, high=high, centre=centre)
    lowest = _lowest_positive(grid)
    if low < 0 or not lowest < high:
        return linear
    bits = ColumnShape(
        name=column.name, kind="number", type=column.type, low=lowest, high=high, by_bits=True, centre=centre
    )
    return bits if _filled(bits, grid) > _MORE_EVEN * _filled(linear, grid) else linear


def _lowest_positive(grid: QuantileGrid) -> float:
    """The 0.05 % point of the positive values; infinite if there are none. Zeros are then the cell below the grid."""
    low, _, counts = grid.cells()
    positive = low > 0
    if not positive.any():
        return float("inf")
    summed = np.cumsum(counts[positive])
    return float(low[positive][np.searchsorted(summed, _ENDS[0] * summed[-1])])


def _filled(shape: ColumnShape, grid: QuantileGrid) -> float:
    """How many cells the reference fills, were they filled evenly."""
    share = reference_shares(shape, grid)
    return float(1 / np.square(share).sum())


def reference_shares(shape: ColumnShape, grid: QuantileGrid) -> FloatArray:
    """The share of the reference in each cell of a column of numbers, shape (1026,).

    What the reference counted as one value is in the cell that windows count that value in; what it counted as a range is
    spread evenly over the cells that the range reaches over.
    """
    low, high, counts = grid.cells()
    one = low == high
    cells = np.bincount(shape.cell_of(low[one]), weights=counts[one], minlength=CELLS + 2).astype(np.float64)
    if not one.all():
        cells += np.diff(_below(shape, low[~one], high[~one], counts[~one]))
    shares: FloatArray = cells / max(int(counts.sum()), 1)
    return shares


def _below(shape: ColumnShape, low: FloatArray, high: FloatArray, counts: FloatArray) -> FloatArray:
    """How many rows of some ranges are below each bound of the cells."""
    edges = np.concatenate([[-np.inf], shape.edges, [np.inf]])
    cumulative = np.concatenate([[0.0], np.cumsum(counts)])
    begun = np.searchsorted(low, edges, side="left")
    last = np.maximum(begun - 1, 0)
    with np.errstate(invalid="ignore", over="ignore"):  # halves: a difference may be too large for a float
        part = np.clip((edges / 2 - low[last] / 2) / (high[last] / 2 - low[last] / 2), 0, 1)
    return np.where(begun > 0, cumulative[last] + part * counts[last], 0.0)


def _level_shape(column: Column, reference: ColumnSummary) -> ColumnShape:
    assert reference.levels is not None
    known = [level for level, _ in reference.levels.levels()]
    complete = reference.levels.complete
    if column.levels is not None:
        known += sorted(set(column.levels) - set(known))
        complete = True
    return ColumnShape(
        name=column.name,
        kind="levels",
        type=column.type,
        levels=tuple(known[:MOST_LEVELS]),
        others=tuple(known[MOST_LEVELS:]),
        complete=complete,
    )
