"""Rules that make rows right again: data that can be read, written down and taken back, never code.

A rule changes the typed columns of a batch in some of its rows, all at once. Rules are proposed by what recognises a
fault; they run only where the owner accepted them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.core import MlwrightError
from mlwright.data import ARROW_TYPES, Column, ValueReading, read_column

if TYPE_CHECKING:
    from mlwright.monitoring.irregular.batch import Batch
    from mlwright.monitoring.irregular.irregularity import BoolArray


class RepairUnknown(MlwrightError):
    """A rule that was written down is not one that this version knows."""

    def __init__(self, rule: object) -> None:
        super().__init__(
            f"there is no repair rule {rule!r}", where="a rule that was written down", fix="install a newer mlwright"
        )


class Repair(Protocol):
    """A rule for some rows of a batch."""

    rule: ClassVar[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the schema that it changes."""
        ...

    def apply(self, batch: Batch, rows: BoolArray) -> Batch:
        """The batch with these rows repaired; rows that are repetitions leave it."""
        ...

    def inverse(self) -> Repair | None:
        """The rule that takes it back; None where only the rows as they came can."""
        ...

    def words(self) -> str:
        """What it does, for people."""
        ...

    def state(self) -> dict[str, Any]:
        """As JSON."""
        ...


class _Rule:
    """What the rules share: they are plain fields under the name of their rule."""

    rule: ClassVar[str]

    def state(self) -> dict[str, Any]:
        return {"rule": self.rule, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(_Rule):
    """Multiply, then add: units, signs, degrees. Missing values stay missing."""

    rule: ClassVar[str] = "scale"
    column: str
    factor: float
    offset: float = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def apply(self, batch: Batch, rows: BoolArray) -> Batch:
        column, values = batch.schema[self.column], batch.typed.column(self.column)
        known = batch.numbers(self.column) * self.factor + self.offset
        if column.type == "datetime":
            micros = np.nan_to_num(known * 1e6).astype(np.int64)
            new = pa.array(micros, pa.int64(), mask=np.isnan(known)).cast(ARROW_TYPES["datetime"])
        else:
            new = read_column(pa.array(known, mask=np.isnan(known)), column.but(reading=ValueReading())).values
        return _with(batch, column, rows, new, values)

    def inverse(self) -> Scale:
        return Scale(column=self.column, factor=1 / self.factor, offset=-self.offset / self.factor)

    def words(self) -> str:
        added = "" if self.offset == 0 else f", then add {self.offset:.6g}"
        return f"multiply {self.column!r} by {self.factor:.6g}{added}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap(_Rule):
    """Give two columns each other's values."""

    rule: ClassVar[str] = "swap"
    first: str
    second: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.first, self.second)

    def apply(self, batch: Batch, rows: BoolArray) -> Batch:
        made = batch
        for to, source in ((self.first, self.second), (self.second, self.first)):
            column = batch.schema[to]
            made = _with(made, column, rows, batch.read_as(source, column), batch.typed.column(to))
        return made

    def inverse(self) -> Swap:
        return self

    def words(self) -> str:
        return f"swap {self.first!r} and {self.second!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename(_Rule):
    """Take a column from the name under which it comes now."""

    rule: ClassVar[str] = "rename"
    column: str
    source: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def apply(self, batch: Batch, rows: BoolArray) -> Batch:
        column = batch.schema[self.column]
        if self.source not in batch.others:
            return batch
        new = read_column(batch.others[self.source], column).values
        return _with(batch, column, rows, new, batch.typed.column(self.column))

    def inverse(self) -> None:
        return None

    def words(self) -> str:
        return f"read {self.column!r} from {self.source!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOtherwise(_Rule):
    """Read what could not be read with other signs, affixes or formats."""

    rule: ClassVar[str] = "read"
    column: str
    decimal: str = "."
    thousands: str = ""
    affixes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def reading(self) -> ValueReading:
        return ValueReading(decimal=self.decimal, thousands=self.thousands, affixes=self.affixes, formats=self.formats)

    def apply(self, batch: Batch, rows: BoolArray) -> Batch:
        column = batch.schema[self.column]
        found = batch.unread.get(self.column)
        if found is None:
            return batch
        new = read_column(found, column.but(reading=self.reading)).values
        wanted = rows & batch.unreadable(self.column)
        return _with(batch, column, wanted, new, batch.typed.column(self.column))

    def inverse(self) -> None:
        return None

    def words(self) -> str:
        said = [f"decimal sign {self.decimal!r}"] if self.decimal != "." else []
        said += [f"{self.thousands!r} between thousands"] if self.thousands else []
        said += [f"without {', '.join(map(repr, self.affixes))}"] if self.affixes else []
        said += [f"dates as {', '.join(self.formats)}"] if self.formats else []
        return f"read {self.column!r} with {'; '.join(said) or 'its own signs'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLevels(_Rule):
    """Put a known level in the place of another spelling of it."""

    rule: ClassVar[str] = "map_levels"
    column: str
    levels: tuple[tuple[str, str | None], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def apply(self, batch: Batch, rows: BoolArray) -> Batch:
        column, mapping = batch.schema[self.column], dict(self.levels)
        codes, levels = batch.levels(self.column)
        mapped = np.array([*(mapping.get(level, level) for level in levels), None], dtype=object)
        new = pa.array(mapped[codes].tolist(), pa.string())
        if not pa.types.is_string(ARROW_TYPES[column.type]):
            new = read_column(new, column.but(reading=ValueReading())).values
        return _with(batch, column, rows, new, batch.typed.column(self.column))

    def inverse(self) -> MapLevels | None:
        back = {new: old for old, new in self.levels}
        if len(back) < len(self.levels) or None in back:
            return None
        return MapLevels(column=self.column, levels=tuple((new, old) for new, old in back.items() if new is not None))

    def words(self) -> str:
        return f"write {len(self.levels):,} spellings of {self.column!r} as the levels that the model knows"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMissing(_Rule):
    """Let the rows be answered without the value."""

    rule: ClassVar[str] = "set_missing"
    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def apply(self, batch: Batch, rows: BoolArray) -> Batch:
        column = batch.schema[self.column]
        return _with(
            batch, column, rows, pa.nulls(len(batch), ARROW_TYPES[column.type]), batch.typed.column(self.column)
        )

    def inverse(self) -> None:
        return None

    def words(self) -> str:
        return f"answer without {self.column!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeDayAndMonth(_Rule):
    """Read 3 April for 4 March; the time of day stays."""

    rule: ClassVar[str] = "exchange_day_and_month"
    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def apply(self, batch: Batch, rows: BoolArray) -> Batch:
        column = batch.schema[self.column]
        seconds, possible = with_day_and_month_exchanged(batch.numbers(self.column))
        micros = np.where(possible, seconds * 1e6, 0.0).astype(np.int64)
        new = pa.array(micros, pa.int64(), mask=~possible).cast(ARROW_TYPES["datetime"])
        return _with(batch, column, rows & possible, new, batch.typed.column(self.column))

    def inverse(self) -> ExchangeDayAndMonth:
        return self

    def words(self) -> str:
        return f"exchange day and month in {self.column!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRepeated(_Rule):
    """Count each row once: the repetitions leave the batch."""

    rule: ClassVar[str] = "drop_repeated"

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    def apply(self, batch: Batch, rows: BoolArray) -> Batch:
        return batch.take(~rows)

    def inverse(self) -> None:
        return None

    def words(self) -> str:
        return "leave the repetitions out"


#: The rules, by the name that is written down.
REPAIRS: dict[str, type[Any]] = {
    one.rule: one
    for one in (Scale, Swap, Rename, ReadOtherwise, MapLevels, SetMissing, ExchangeDayAndMonth, DropRepeated)
}


def repair_of_state(state: Mapping[str, Any]) -> Repair:
    """The rule that `state` wrote down.

    Raises
    ------
    RepairUnknown
        If this version has no such rule, or it is written down otherwise.
    """
    made = REPAIRS.get(str(state.get("rule")))
    if made is None or {one.name for one in fields(made)} != state.keys() - {"rule"}:
        raise RepairUnknown(state.get("rule"))
    values = {name: _as_tuples(value) for name, value in state.items() if name != "rule"}
    rule: Repair = made(**values)
    return rule


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(one) for one in value) if isinstance(value, list | tuple) else value


def with_day_and_month_exchanged(seconds: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[Any, BoolArray]:
    """Moments with day and month exchanged, in seconds since 1970, and where that gives a date; both shape (n_rows,)."""
    known = np.isfinite(seconds)
    days = np.floor(np.where(known, seconds, 0.0) / 86_400.0)
    dates = days.astype(np.int64).astype("datetime64[D]")
    months, years = dates.astype("datetime64[M]"), dates.astype("datetime64[Y]")
    day = (dates - months).astype(np.int64)  # from 0
    month = (months - years).astype(np.int64)
    possible = known & (day < 12)
    exchanged = (years.astype("datetime64[M]") + np.where(possible, day, 0)).astype("datetime64[D]") + month
    return exchanged.astype(np.int64) * 86_400.0 + (np.where(known, seconds, 0.0) - days * 86_400.0), possible


def _with(batch: Batch, column: Column, rows: BoolArray, new: pa.Array, old: pa.ChunkedArray) -> Batch:
    """A batch with new values of a column in some rows."""
    kept = old.combine_chunks() if isinstance(old, pa.ChunkedArray) else old
    whole = ARROW_TYPES[column.type]
    parts = [one.dictionary_decode() if pa.types.is_dictionary(one.type) else one for one in (new, kept)]
    plain = whole.value_type if pa.types.is_dictionary(whole) else whole
    chosen = pc.if_else(pa.array(rows), pc.cast(parts[0], plain, safe=False), pc.cast(parts[1], plain, safe=False))
    made = pc.dictionary_encode(chosen).cast(whole) if pa.types.is_dictionary(whole) else chosen
    at = batch.typed.schema.get_field_index(column.name)
    return batch.with_typed(batch.typed.set_column(at, column.name, made))
