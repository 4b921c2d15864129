"""The steps of an encoder: one column in, one or a few features out. A fitted step is a record of plain values.

Steps of two columns are in `crosses.py`, the one for texts in `words.py`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, Self, TypeAlias

import numpy as np
import pyarrow as pa

from mlwright.data import column_as_levels, column_as_numbers
from mlwright.data.dataset import FloatArray
from mlwright.features.moments import parts_of_moment
from mlwright.features.rowcode import RowCode

#: A typed column, whole or one batch of it.
ArrowColumn: TypeAlias = "pa.ChunkedArray | pa.Array"


class Step(Protocol):
    """A fitted transformation of one column, or of a few together.

    One that also has `generate` (`rowcode.Generated`) encodes single records in microseconds; the others are asked by
    `transform` for a table of one row.

    Attributes
    ----------
    kind
        Its name in `STEPS` and in the package on disk.
    columns
        The columns it reads.
    """

    kind: ClassVar[str]

    @property
    def columns(self) -> tuple[str, ...]: ...

    def names(self) -> list[str]:
        """Names of the features it makes, in order."""
        ...

    @property
    def transform(self) -> Callable[..., FloatArray]:
        """The features, shape (n_rows, n_features), of the typed values of its columns, each an argument."""
        ...

    def state(self) -> dict[str, Any]:
        """As JSON; `kind` is added by the encoder."""
        ...

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        """The step that had this state."""
        ...


class OfOneColumn:
    """What all steps of one column share."""

    __slots__ = ()
    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(OfOneColumn):
    """A number as it is; missing is NaN. Truth is 0 and 1."""

    kind: ClassVar[str] = "number"
    column: str

    def names(self) -> list[str]:
        return [self.column]

    def transform(self, values: ArrowColumn) -> FloatArray:
        return column_as_numbers(values)[:, None]

    def generate(self, code: RowCode, at: int) -> None:
        code.line(f"row[{at}] = {code.number(self.column)}")

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(**state)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCodes(OfOneColumn):
    """The number of a level, for learners that split on sets of levels.

    Missing is NaN. A level too rare to be listed has the number after the last one, and so has one never seen.
    """

    kind: ClassVar[str] = "level_codes"
    column: str
    levels: tuple[str, ...]

    def names(self) -> list[str]:
        return [self.column]

    def transform(self, values: ArrowColumn) -> FloatArray:
        codes, levels = column_as_levels(values)
        number = {level: float(i) for i, level in enumerate(self.levels)}
        lookup = np.array([number.get(level, float(len(self.levels))) for level in levels] + [np.nan])
        return lookup[codes][:, None]

    def generate(self, code: RowCode, at: int) -> None:
        number: dict[str | None, float] = {level: float(i) for i, level in enumerate(self.levels)}
        code.look_up(number | {None: np.nan}, float(len(self.levels)), self.column, at)

    def state(self) -> dict[str, Any]:
        return {"column": self.column, "levels": list(self.levels)}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(column=state["column"], levels=tuple(state["levels"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelShares(OfOneColumn):
    """How common a level is, as the logarithm of its share of the training rows; says something where levels are many.

    A level never seen counts as seen once, missing as its own level.
    """

    kind: ClassVar[str] = "level_shares"
    column: str
    log_shares: dict[str, float]
    unseen: float
    missing: float

    def names(self) -> list[str]:
        return [f"{self.column} (how common)"]

    def transform(self, values: ArrowColumn) -> FloatArray:
        codes, levels = column_as_levels(values)
        lookup = np.array([self.log_shares.get(level, self.unseen) for level in levels] + [self.missing])
        return lookup[codes][:, None]

    def generate(self, code: RowCode, at: int) -> None:
        shares: dict[str | None, float] = dict(self.log_shares.items())
        code.look_up(shares | {None: self.missing}, self.unseen, self.column, at)

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(**state)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneHot(OfOneColumn):
    """One feature of 0 and 1 per level; a level that is not listed has zeros everywhere. Missing has a feature of its own."""

    kind: ClassVar[str] = "one_hot"
    column: str
    levels: tuple[str, ...]

    def names(self) -> list[str]:
        return [*(f"{self.column} = {level}" for level in self.levels), f"{self.column} missing"]

    def transform(self, values: ArrowColumn) -> FloatArray:
        codes, levels = column_as_levels(values)
        number = {level: i for i, level in enumerate(self.levels)}
        # One position more than there are features takes what is not listed and is cut off.
        width = len(self.levels) + 1
        lookup = np.array([number.get(level, width) for level in levels] + [width - 1], dtype=np.int64)
        matrix = np.zeros((len(codes), width + 1))
        matrix[np.arange(len(codes)), lookup[codes]] = 1.0
        return matrix[:, :width]

    def generate(self, code: RowCode, at: int) -> None:
        position: dict[str | None, int] = {level: at + i for i, level in enumerate(self.levels)}
        find = code.constant((position | {None: at + len(self.levels)}).get)
        code.line(f"hot = {find}({code.level(self.column)})")
        code.line("if hot is not None: row[hot] = 1.0")

    def state(self) -> dict[str, Any]:
        return {"column": self.column, "levels": list(self.levels)}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(column=state["column"], levels=tuple(state["levels"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMeans(OfOneColumn):
    """The mean target of a level, drawn towards the mean of all; one feature per class but the first, or one for values.

    The training rows get theirs from other training rows (`encoder.py`), so that no row sees its own target. Missing is
    a level; one never seen has the mean of all.

    References
    ----------
    Micci-Barreca (2001), A preprocessing scheme for high-cardinality categorical attributes, SIGKDD Explorations.
    """

    kind: ClassVar[str] = "level_means"
    column: str
    means: dict[str, list[float]]
    missing: list[float]
    overall: list[float]
    scale: list[float]

    def names(self) -> list[str]:
        if len(self.overall) == 1:
            return [f"{self.column} (mean target)"]
        return [f"{self.column} (mean target {i + 1})" for i in range(len(self.overall))]

    def transform(self, values: ArrowColumn) -> FloatArray:
        codes, levels = column_as_levels(values)
        lookup = np.array([self.means.get(level, self.overall) for level in levels] + [self.missing])
        features: FloatArray = (lookup.reshape(-1, len(self.overall))[codes] - self.overall) / np.array(self.scale)
        return features

    def generate(self, code: RowCode, at: int) -> None:
        levels: list[str | None] = [*self.means, None]
        lookup = np.array([*self.means.values(), self.missing, self.overall]).reshape(-1, len(self.overall))
        features = ((lookup - self.overall) / np.array(self.scale)).tolist()
        if len(self.overall) == 1:
            code.look_up(
                dict(zip(levels, (one for (one,) in features[:-1]), strict=True)), features[-1][0], self.column, at
            )
            return
        several = [array("d", numbers) for numbers in features]
        code.look_up(dict(zip(levels, several[:-1], strict=True)), several[-1], self.column, at, len(self.overall))

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(**state)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledNumber(OfOneColumn):
    """A number cut off at its extremes, its logarithm taken if it is skewed, brought to mean 0 and deviation 1.

    Missing becomes 0, the mean, and has a feature of its own where the training rows had missing values.
    """

    kind: ClassVar[str] = "scaled_number"
    column: str
    low: float
    high: float
    logarithm: bool
    mean: float
    deviation: float
    flag_missing: bool

    def names(self) -> list[str]:
        return [self.column, f"{self.column} missing"] if self.flag_missing else [self.column]

    def transform(self, values: ArrowColumn) -> FloatArray:
        numbers = column_as_numbers(values)
        missing = np.isnan(numbers)
        scaled = (self.shaped(numbers) - self.mean) / self.deviation
        scaled[missing] = 0.0
        return np.column_stack([scaled, missing]) if self.flag_missing else scaled[:, None]

    def shaped(self, numbers: FloatArray) -> FloatArray:
        """Cut off and, if skewed, as the logarithm of the distance from the lower end."""
        cut = np.clip(numbers, self.low, self.high)
        return np.log1p(cut - self.low) if self.logarithm else cut

    def generate(self, code: RowCode, at: int) -> None:
        number = code.number(self.column)
        low, high = code.constant(self.low), code.constant(self.high)
        code.line(f"if {number} == {number}:")
        # A number equal to an end stays as it is, as with numpy: they may be 0 and -0.
        code.line(f"    cut = {low} if {number} < {low} else {number}")
        code.line(f"    cut = {high} if cut > {high} else cut")
        if self.logarithm:
            # Not the one of `math`: numpy's differs from it in the last bit.
            code.line(f"    cut = float({code.constant(np.log1p)}(cut - {low}))")
        code.line(f"    row[{at}] = (cut - {code.constant(self.mean)}) / {code.constant(self.deviation)}")
        if self.flag_missing:
            code.line(f"else: row[{at + 1}] = 1.0")

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(**state)


_PARTS = ("year", "month", "day", "weekday", "hour", "days")


@dataclass(frozen=True, slots=True, kw_only=True)
class DateParts(OfOneColumn):
    """Year, month (1-12), day (1-31), weekday (Monday is 0), hour with minutes as a fraction, days since 1970.

    Only the parts that vary in the training rows; missing is NaN, or 0 after scaling.
    """

    kind: ClassVar[str] = "date_parts"
    column: str
    parts: tuple[str, ...]
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()

    def names(self) -> list[str]:
        return [f"{self.column} {part}" for part in self.parts]

    def transform(self, values: ArrowColumn) -> FloatArray:
        matrix = date_parts(column_as_numbers(values), self.parts)
        if self.means:
            matrix = np.nan_to_num((matrix - np.array(self.means)) / np.array(self.deviations))
        return matrix

    def generate(self, code: RowCode, at: int) -> None:
        parts = code.constant(parts_of_moment(self.parts, self.means, self.deviations))
        code.unpack(f"{parts}({code.number(self.column)})", at, len(self.parts))

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        means, deviations = tuple(state["means"]), tuple(state["deviations"])
        return cls(column=state["column"], parts=tuple(state["parts"]), means=means, deviations=deviations)


def date_parts(seconds: FloatArray, parts: tuple[str, ...] = _PARTS) -> FloatArray:
    """Parts of moments given as seconds since 1970 in UTC, shape (n_rows, len(parts))."""
    known = np.isfinite(seconds)
    # Rounded down, not towards 0: a fraction of a second before 1970 is in 1969.
    moments = np.floor(np.where(known, seconds, 0.0)).astype("datetime64[s]")
    days, months, years = (moments.astype(f"datetime64[{unit}]") for unit in "DMY")
    day_number = days.astype(np.int64)
    computed = {
        "year": years.astype(np.int64) + 1970,
        "month": (months - years).astype(np.int64) + 1,
        "day": (days - months).astype(np.int64) + 1,
        "weekday": (day_number + 3) % 7,
        "hour": (np.where(known, seconds, 0.0) - day_number * 86400.0) / 3600.0,
        "days": np.where(known, seconds, 0.0) / 86400.0,
    }
    matrix = np.column_stack([computed[part] for part in parts]).astype(np.float64)
    matrix[~known] = np.nan
    return matrix
