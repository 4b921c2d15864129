"""The summary of a window: what is kept of consecutive rows, in a state whose size does not depend on how many there are.

`WindowShape` says which cells are counted; `WindowSummary` counts them. Two of the same shape are added by `merge`, so that
hours become days and days months, and the same rows give the same counts however they were cut up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlwright.core import MlwrightError
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models import ScoreCounts
from mlwright.monitoring.counting import class_codes, count_column, numbers_of, unread_fields
from mlwright.monitoring.sampling import MOST_ROWS, PRIORITY, sample_bytes, sample_of, sample_of_bytes, smallest
from mlwright.monitoring.shapes import ColumnShape, ReferenceOfOtherVersion, WindowShape

_FORMAT_VERSION = 1
#: Rows counted at a time, so that a piece of a column stays in the processor's cache.
_PIECE = 131_072
KNOWN, NULLS, INFINITE, UNREAD = range(4)
SUM, SQUARES, LOW, HIGH = range(4)


class WindowUnreadable(MlwrightError):
    """The state of a window is damaged or was written by a later version."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what,
            where="a window of the monitor's database",
            fix="use the version of mlwright that wrote it, or restore the database from its backup",
        )


@dataclass(slots=True, kw_only=True, eq=False)
class WindowSummary:
    """What is known of the rows of a window.

    Attributes
    ----------
    shape
        What is counted.
    rows, late
        How many there were, and how many of them came after the window had been judged.
    first, last
        The earliest and latest time of a row in microseconds since 1970, where rows have times; 0 if none has.
    cells : shape (n_cells,)
        Counts of all columns one after the other; `column_cells` gives those of one.
    tallies : shape (n_columns, 4)
        Rows with a value, without one, with an infinite one, and with one that could not be read (which is also missing).
    sums : shape (n_columns, 4)
        Of numbers and lengths of texts: sum and squares of the distances to the shape's centre, lowest, highest.
    counts
        Of the scores; see `ScoreCounts`. `scores`, `labelled`, `hits` and `confusion` are its arrays.
    reservoir
        At most 2,000 rows, all as likely, as an Arrow table with a random `priority`; None if there is no row.
    """

    shape: WindowShape
    rows: int = 0
    late: int = 0
    first: int = 0
    last: int = 0
    cells: IntArray = field(init=False)
    tallies: IntArray = field(init=False)
    sums: FloatArray = field(init=False)
    counts: ScoreCounts = field(init=False)
    reservoir: pa.Table | None = None

    def __post_init__(self) -> None:
        columns = len(self.shape.columns)
        self.cells = np.zeros(self.shape.cells, dtype=np.int64)
        self.tallies = np.zeros((columns, 4), dtype=np.int64)
        self.sums = np.tile(np.array([0.0, 0.0, np.inf, -np.inf]), (columns, 1))
        self.counts = self.shape.scores()

    @property
    def scores(self) -> IntArray:
        """Rows by predicted class and bin of the score, shape (n_classes, 256)."""
        return self.counts.scores

    @property
    def labelled(self) -> NDArray[Any]:
        """Rows whose truth is known by true class and bin; of a regression, sums of errors by bin."""
        return self.counts.labelled

    def column_cells(self, name: str) -> IntArray:
        """The counts of one column, shape (n_cells,)."""
        number = self.shape.names.index(name)
        return self.cells[self.shape.starts[number] : self.shape.starts[number + 1]]

    def mean(self, name: str) -> float:
        """Of a column of numbers, or of the lengths of texts; NaN if there is none."""
        number = self.shape.names.index(name)
        known = int(self.tallies[number, KNOWN])
        return float(self.shape.columns[number].centre + self.sums[number, SUM] / known) if known else float("nan")

    def update(self, batch: pa.RecordBatch, *, seed: int = 0, sample: bool = True, late: bool = False) -> None:
        """Add the rows of a batch with the names of `read_window`; columns that it lacks count as missing.

        Parameters
        ----------
        seed
            Of the sample: another one for each source of rows that go into one window.
        sample
            Whether rows are kept for the reservoir.
        late
            Whether the window has been judged already.
        """
        for start in range(0, batch.num_rows, _PIECE):
            self._add(batch.slice(start, _PIECE), seed, sample=sample)
        self.late += batch.num_rows if late else 0

    def _add(self, batch: pa.RecordBatch, seed: int, *, sample: bool) -> None:
        names = {name: number for number, name in enumerate(batch.schema.names)}
        for number, column in enumerate(self.shape):
            place = names.get(f"input.{column.name}")
            if place is None:
                self.tallies[number, NULLS] += batch.num_rows
            else:
                self._add_column(number, column, batch.column(place))
        if "unread" in names and batch.column(names["unread"]).null_count < batch.num_rows:
            for field_name, times in unread_fields(batch.column(names["unread"])).items():
                if field_name in self.shape.names:
                    self.tallies[self.shape.names.index(field_name), UNREAD] += times
        self._add_scores(batch, names)
        if "time" in names and batch.column(names["time"]).null_count < batch.num_rows:
            times = batch.column(names["time"]).drop_null().cast(pa.timestamp("us", "UTC")).cast(pa.int64())
            self._add_times(*_ends(np.asarray(times)))
        if sample:
            held = self.reservoir
            full = held is not None and held.num_rows == MOST_ROWS
            below = float(held.column(PRIORITY)[-1].as_py()) if full and held is not None else 1.0
            found = sample_of(batch, self.shape, seed=(seed, self.rows), below=below)
            if found is not None:
                self.reservoir = smallest([found] if held is None else [held, found])
        self.rows += batch.num_rows

    def _add_column(self, number: int, column: ColumnShape, values: pa.Array) -> None:
        counted = count_column(values, column)
        self.cells[self.shape.starts[number] : self.shape.starts[number + 1]] += counted.cells
        self.tallies[number, :UNREAD] += (counted.known, counted.nulls, counted.infinite)
        own = self.sums[number]
        own[:LOW] += (counted.sum, counted.squares)
        own[LOW:] = min(own[LOW], counted.low), max(own[HIGH], counted.high)

    def _add_scores(self, batch: pa.RecordBatch, names: dict[str, int]) -> None:
        answered = answers_of(batch, self.shape)
        if answered is None:
            return
        predicted, score = answered
        known = (predicted >= 0) & np.isfinite(score)
        all_known = bool(known.all())
        self.counts.add(*((predicted, score) if all_known else (predicted[known], score[known])))
        if "label" in names and batch.column(names["label"]).null_count < batch.num_rows:
            self.add_truth(batch.column(names["label"]), predicted, score)

    def add_truth(self, labels: pa.Array, predicted: IntArray, score: FloatArray, *, sign: int = 1) -> None:
        """Count the truth of some answers, missing where it is not known; `sign` -1 takes it back."""
        truth = truth_of(labels, self.shape)
        usable = (predicted >= 0) & np.isfinite(score) & (np.isfinite(truth) if truth.dtype.kind == "f" else truth >= 0)
        if usable.any():
            self.counts.add_truth(truth[usable], predicted[usable], score[usable], sign=sign)

    def _add_times(self, first: int, last: int) -> None:
        if self.last == 0 and self.first == 0:
            self.first, self.last = first, last
        else:
            self.first, self.last = min(self.first, first), max(self.last, last)

    def merge(self, other: WindowSummary) -> None:
        """Add the rows of another window of the same shape.

        Raises
        ------
        ReferenceOfOtherVersion
            If its shape is another one.
        """
        if other.shape.digest != self.shape.digest:
            raise ReferenceOfOtherVersion(self.shape.version, other.shape.version)
        self.rows += other.rows
        self.late += other.late
        if other.first or other.last:
            self._add_times(other.first, other.last)
        self.cells += other.cells
        self.tallies += other.tallies
        self.sums[:, :LOW] += other.sums[:, :LOW]
        np.minimum(self.sums[:, LOW], other.sums[:, LOW], out=self.sums[:, LOW])
        np.maximum(self.sums[:, HIGH], other.sums[:, HIGH], out=self.sums[:, HIGH])
        self.counts.merge(other.counts)
        if other.reservoir is not None:
            self.reservoir = smallest([t for t in (self.reservoir, other.reservoir) if t is not None])

    def state(self) -> bytes:
        """The counts as bytes, compressed; the reservoir is apart (`sample_state`)."""
        arrays = [narrowed(array) for array in self._arrays()]
        head = {
            "format_version": _FORMAT_VERSION,
            "shape": self.shape.digest,
            "version": self.shape.version,
            **{name: getattr(self, name) for name in ("rows", "late", "first", "last")},
            "types": [array.dtype.str for array in arrays],
        }
        text = json.dumps(head).encode()
        whole = len(text).to_bytes(4, "little") + text + b"".join(array.tobytes() for array in arrays)
        return len(whole).to_bytes(8, "little") + bytes(_CODEC.compress(whole))

    def sample_state(self) -> bytes | None:
        """The reservoir as bytes."""
        return None if self.reservoir is None else sample_bytes(self.reservoir)

    @classmethod
    def of_state(cls, content: bytes, shape: WindowShape, sample: bytes | None = None) -> WindowSummary:
        """The window that `state` (and `sample_state`) was taken of.

        Raises
        ------
        ReferenceOfOtherVersion
            If it has another shape.
        WindowUnreadable
            If it is damaged, or of a later version.
        """
        whole, head = _opened(content)
        if head["shape"] != shape.digest:
            raise ReferenceOfOtherVersion(shape.version, str(head["version"]))
        window = cls(shape=shape, **{name: head[name] for name in ("rows", "late", "first", "last")})
        place = 4 + int.from_bytes(whole[:4], "little")
        for array, kind in zip(window._arrays(), head["types"], strict=True):
            stored = np.frombuffer(whole, dtype=kind, count=array.size, offset=place)
            array.flat[:] = stored
            place += stored.nbytes
        window.reservoir = None if sample is None else sample_of_bytes(sample)
        return window

    def _arrays(self) -> list[NDArray[Any]]:
        counts = self.counts
        return [self.cells, self.tallies, self.sums, counts.scores, counts.labelled, counts.hits, counts.confusion]


_CODEC = pa.Codec("zstd")


def narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in the narrowest type that holds them all."""
    if array.dtype.kind != "i" or not array.size or array.min() < 0:
        return array
    return array.astype(np.min_scalar_type(int(array.max())).newbyteorder("<"))


def _opened(content: bytes) -> tuple[bytes, dict[str, Any]]:
    try:
        whole = bytes(_CODEC.decompress(content[8:], decompressed_size=int.from_bytes(content[:8], "little")))
        head = json.loads(whole[4 : 4 + int.from_bytes(whole[:4], "little")])
    except (OSError, ValueError, pa.ArrowException, MemoryError, OverflowError) as error:
        raise WindowUnreadable("the state of a window is damaged") from error
    if head["format_version"] > _FORMAT_VERSION:
        raise WindowUnreadable("the state of a window was written by a later version of mlwright")
    return whole, head


def _ends(times: IntArray) -> tuple[int, int]:
    return int(times.min()), int(times.max())


def answers_of(batch: pa.RecordBatch | pa.Table, shape: WindowShape) -> tuple[IntArray, FloatArray] | None:
    """The number of the predicted class (0 for a regression; -1 if unknown) and the score of each row; None without answers.

    The score is the probability of the positive class, of the predicted class (of several), or the predicted value.
    """
    names = set(batch.schema.names)
    if not shape.classes:
        if "output.prediction" not in names:
            return None
        values = numbers_of(_array(batch, "output.prediction"), "output.prediction")
        return np.zeros(len(values), dtype=np.int64), values
    of_class = [f"output.probability_{name}" for name in shape.classes]
    if len(shape.classes) == 2:
        name = of_class[1] if of_class[1] in names else "output.probability"
        if name not in names:
            return None
        score = numbers_of(_array(batch, name), name)
        if "output.prediction" in names:
            return class_codes(_array(batch, "output.prediction"), shape.classes), score
        return (score > 0.5).astype(np.int64), score
    if not names.issuperset(of_class):
        return None
    shares = np.column_stack([numbers_of(_array(batch, name), name) for name in of_class])
    if "output.prediction" in names:
        predicted = class_codes(_array(batch, "output.prediction"), shape.classes)
    else:
        predicted = np.nan_to_num(shares, nan=-1.0).argmax(axis=1)
    return predicted, np.take_along_axis(shares, np.maximum(predicted, 0)[:, None], axis=1)[:, 0]


def truth_of(labels: pa.Array | pa.ChunkedArray, shape: WindowShape) -> NDArray[Any]:
    """Labels as class numbers (-1 if missing or of no class), or as values (NaN if missing or no number); shape (n_rows,)."""
    array = labels.combine_chunks() if isinstance(labels, pa.ChunkedArray) else labels
    if shape.classes:
        return class_codes(array, shape.classes)
    if not pa.types.is_string(array.type):
        return numbers_of(array, "label")
    return np.array([_number(text) for text in array.to_pylist()], dtype=np.float64)


def _number(text: str | None) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")


def _array(batch: pa.RecordBatch | pa.Table, name: str) -> pa.Array:
    column = batch.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
