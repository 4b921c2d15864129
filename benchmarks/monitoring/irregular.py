"""Are faults of a batch recognised by name, and are clean batches left in peace?

    python -m benchmarks.monitoring.irregular [--data ../shared/data] [--seeds 3] [--seed 101] [--habits package]

Six real tables. The first 60 % of the rows (by time where there is one) are the training rows: schema, summary and habits
come from them. Batches of 500 to 5,000 neighbouring rows are taken from the rest, so seasons, growth and new levels are in
them. Each fault is planted into a copy of a batch, in the raw rows; the recognisers see nothing but that batch.

Habits (how much neighbouring rows of the training rows differ) are learnt from the rows, or known as a package knows them, from
windows of a day where there is a time. The figures say how many faults were recognised by name and columns, and how many clean
batches were touched. `--details` prints, by fault, what else was said instead and how many of its rows were named; then every
claim about a clean batch. The recognisers were made with the seeds 0 to 9.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from benchmarks.figures import Figure

from mlwright.data import Dataset, Schema, infer_schema, read_column, summarise
from mlwright.models.history import OutOfFold, training_history
from mlwright.monitoring.irregular import (
    Batch,
    Feed,
    Habits,
    RecentBatches,
    Reference,
    habits_of_history,
    learn_habits,
    recognise,
)
from mlwright.monitoring.irregular.reference import Levels, Numbers

TABLES = ("adult_income", "telco_churn", "bike_sharing", "houston_flights", "california_housing", "nyc_taxis")
SIZES = (500, 1000, 2000, 5000)
TRAINING = 0.6
#: Columns in which a fault of a kind is planted, at most, per table.
COLUMNS = 6


@dataclass
class Table:
    """A real table: its training rows as the package would know them, and the rows that come later."""

    name: str
    later: pl.DataFrame
    training: pl.DataFrame
    reference: Reference
    time: str | None
    now: datetime | None = None
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        return self.reference.schema

    def of(self, *types: str) -> list[str]:
        return [c.name for c in self.reference.columns(*types)]


@dataclass
class Fault:
    """A planted fault: the spoilt rows, its name, the columns, and which rows have it."""

    frame: pl.DataFrame
    kind: str
    columns: set[str]
    rows: np.ndarray | None = None


def load(folder: Path, name: str, *, habits: str) -> Table:
    entry = next(e for e in json.loads((folder / "index.json").read_text())["datasets"] if e["name"] == name)
    frame = pl.read_parquet(folder / entry["file"]).drop([entry["target"], *entry["id_columns"]])
    if name == "bike_sharing":  # as published they are shares of 41 and of 50 degrees Celsius
        frame = frame.with_columns(pl.col("temperature") * 41, pl.col("apparent_temperature") * 50)
    if entry.get("time_column"):
        frame = frame.sort(entry["time_column"], maintain_order=True)
    cut = int(TRAINING * len(frame))
    training, later = frame[:cut], frame[cut:]
    raw = training.to_arrow()
    schema = infer_schema(summarise(raw.to_batches()), with_role={entry.get("time_column") or ""})
    schema = Schema(tuple(c.but(role="time") if c.name == entry.get("time_column") else c for c in schema))
    typed = pa.table({c.name: read_column(raw.column(c.name).combine_chunks(), c).values for c in schema})
    known = learn_habits(typed, schema) if habits == "learnt" else None
    made = _last(training[entry["time_column"]]) if entry.get("time_column") else None
    reference = Reference(schema, summarise(typed.to_batches()), known, made)
    if habits == "package" and entry.get("time_column"):
        reference.habits = _of_package(typed, schema, reference)
    return Table(name, later, training, reference, entry.get("time_column"))


def _of_package(typed: pa.Table, schema: Schema, reference: Reference) -> Habits | None:
    """What a package with a window of a day would tell; of a model that answers nothing."""
    n = typed.num_rows
    dataset = Dataset(table=typed, schema=schema, task="regression")
    silent = OutOfFold(rows=np.arange(n), predicted=np.zeros(n, np.int64), score=np.arange(n, dtype=float), counts=None)  # type: ignore[arg-type]
    return habits_of_history(training_history(dataset, reference.summary, window=timedelta(days=1), out_of_fold=silent))


def batches(table: Table, rng: np.random.Generator, count: int, size: int) -> Iterator[pl.DataFrame]:
    """So many stretches of neighbouring later rows."""
    size = min(size, len(table.later) // 2)
    for start in rng.integers(0, len(table.later) - size + 1, count):
        yield table.later[int(start) : int(start) + size]


def _last(times: pl.Series) -> datetime:
    last = times.max()
    assert isinstance(last, datetime)
    return last.replace(tzinfo=UTC)


def now_of(table: Table, frame: pl.DataFrame) -> datetime | None:
    if table.time is None:
        return None
    return _last(frame[table.time]) + timedelta(hours=1)


# ---------------------------------------------------------------------------------------------------------- the faults

Plant = Callable[[Table, pl.DataFrame, np.random.Generator], Iterator[Fault]]


def _some(names: list[str], rng: np.random.Generator, most: int = COLUMNS) -> list[str]:
    return [names[i] for i in rng.permutation(len(names))[:most]]


def _part(n: int, rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    return rng.random(n) < rng.uniform(low, high)


def _set(frame: pl.DataFrame, name: str, values: Any, rows: np.ndarray | None = None) -> pl.DataFrame:
    new = pl.Series(name, values, strict=False)
    if rows is not None:
        old = frame[name].cast(new.dtype) if new.dtype != frame[name].dtype else frame[name]
        new = pl.select(pl.when(pl.Series(rows)).then(new).otherwise(old).alias(name)).to_series()
    return frame.with_columns(new.alias(name))


def gone(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    for name in _some(table.of("number", "integer", "category", "boolean", "datetime"), rng, 3):
        if table.reference.missing_share(name) < 0.5:
            yield Fault(frame.drop(name), "column_gone", {name})
            yield Fault(frame.with_columns(pl.lit(None, frame[name].dtype).alias(name)), "column_gone", {name})


def renamed(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    for name in _some(table.of("number", "integer", "category", "boolean"), rng, 3):
        camel = "".join(w.capitalize() for w in name.split("_")) + "2"
        yield Fault(frame.rename({name: camel}), "column_renamed", {name})
        yield Fault(frame.rename({name: "field_7"}), "column_renamed", {name})


def rewritten(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    for name in _some(table.of("number"), rng, 3):
        comma = frame[name].cast(pl.String).str.replace(".", ",", literal=True)
        if np.mean(frame[name].drop_nulls().to_numpy() % 1 != 0) > 0.3:
            yield Fault(_set(frame, name, comma), "type_changed", {name})
        rows = _part(len(frame), rng, 0.2, 0.5)
        yield Fault(_set(frame, name, frame[name].cast(pl.String) + " EUR", rows), "type_changed", {name}, rows)
    for name in table.of("datetime"):
        form = "%d.%m.%Y %H:%M" if table.name != "bike_sharing" else "%d %b %Y"
        yield Fault(_set(frame, name, frame[name].dt.strftime(form)), "type_changed", {name})
    for name in _some(table.of("category"), rng, 3):
        if not frame[name].drop_nulls().str.contains(r"^[-+\d.]+$").any():
            codes = frame[name].cast(pl.Categorical).to_physical().cast(pl.Int64)
            yield Fault(_set(frame, name, codes + 1), "type_changed", {name})


def missing(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    for name in _some(table.of("number", "integer", "category", "boolean", "datetime"), rng):
        if table.reference.missing_share(name) < 0.3:
            rows = _part(len(frame), rng, 0.1, 0.6)
            yield Fault(_set(frame, name, pl.Series([None] * len(frame), dtype=frame[name].dtype), rows),
                        "missing_burst", {name}, rows | frame[name].is_null().to_numpy())  # fmt: skip


def marker(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    for name in _some([n for n in table.of("number", "integer") if _distinct(table, n) >= 5], rng, 3):
        rows = _part(len(frame), rng, 0.1, 0.5)
        value = -999 if _numbers(table, name).low > -500 else 99999
        yield Fault(
            _set(frame, name, pl.Series([value] * len(frame)).cast(frame[name].dtype), rows),
            "missing_marker",
            {name},
            rows,
        )


def _numbers(table: Table, name: str) -> Numbers:
    found = table.reference.numbers(name)
    assert found is not None
    return found


def _levels(table: Table, name: str) -> Levels:
    found = table.reference.levels(name)
    assert found is not None
    return found


def _distinct(table: Table, name: str) -> float:
    return _numbers(table, name).n_distinct


def _scaled(frame: pl.DataFrame, name: str, factor: float, offset: float, rows: np.ndarray | None) -> pl.DataFrame:
    return _set(frame, name, frame[name].cast(pl.Float64) * factor + offset, rows)


def scale(factor: float, offset: float, wanted: Callable[[Table, str], bool], *, part: bool) -> Plant:
    def plant(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
        names = [n for n in table.of("number", "integer") if wanted(table, n)]
        for name in _some(names, rng):
            values = frame[name].cast(pl.Float64)
            if (values.drop_nulls() != 0).sum() < 40 or values.drop_nulls().n_unique() < 3:
                continue  # hardly a value that a factor would change
            rows = _part(len(frame), rng, 0.15, 0.4) if part else None
            has = values.is_not_null().to_numpy() & ((values != 0).fill_null(False).to_numpy() | (offset != 0))
            yield Fault(
                _scaled(frame, name, factor, offset, rows), "unit_change", {name}, has if rows is None else has & rows
            )

    return plant


def _any_number(table: Table, name: str) -> bool:
    return _distinct(table, name) >= 3


def _divisible(table: Table, name: str) -> bool:
    """Of whole numbers enough must be left: the schema rounds them."""
    numbers = _numbers(table, name)
    return _distinct(table, name) >= 3 and (table.schema[name].type == "number" or numbers.quantile(0.9) > 20_000)


def _divisible_in_part(table: Table, name: str) -> bool:
    return table.schema[name].type == "number" and _distinct(table, name) >= 3


def _degrees(table: Table, name: str) -> bool:
    numbers = _numbers(table, name)
    return numbers.low > -60 and numbers.high < 60 and numbers.n_distinct >= 20


def _one_sided(table: Table, name: str) -> bool:
    numbers = _numbers(table, name)
    return (numbers.low >= 0 or numbers.high <= 0) and numbers.n_distinct >= 3


def _money(_table: Table, name: str) -> bool:
    return name in {
        "monthly_charges",
        "total_charges",
        "median_income",
        "capital_gain",
        "capital_loss",
        "tip",
        "tolls",
        "total",
    }


def swapped(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    names = table.of("number", "integer", "category", "boolean", "datetime")
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if _differ(table, a, b)]
    for a, b in [pairs[i] for i in rng.permutation(len(pairs))[:COLUMNS]]:
        yield Fault(frame.rename({a: b, b: a}), "columns_swapped", {a, b})


def swapped_in_part(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    names = table.of("category", "number", "integer")
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if _apart(table, a, b)]
    for a, b in [pairs[i] for i in rng.permutation(len(pairs))[:3]]:
        rows = _part(len(frame), rng, 0.15, 0.4)
        one, other = (frame[x].cast(pl.String) for x in (a, b))
        made = _set(_set(frame.with_columns(one, other), a, other, rows), b, one, rows)
        both = frame[a].is_not_null().to_numpy() & frame[b].is_not_null().to_numpy()
        yield Fault(made, "columns_swapped", {a, b}, rows & both)


def _differ(table: Table, a: str, b: str) -> bool:
    """Whether the training values of two columns tell them apart: the largest difference of shares is over 0.4."""
    types = {table.schema[x].type for x in (a, b)}
    if types == {"datetime"}:
        return False  # dates of the same days
    if not types <= {"number", "integer"}:
        left, right = (
            table.training[x].drop_nulls().cast(pl.String).value_counts(normalize=True).rows() for x in (a, b)
        )
        one, other = dict(left), dict(right)
        return bool(sum(abs(one.get(k, 0) - other.get(k, 0)) for k in one.keys() | other.keys()) / 2 > 0.4)
    values = table.training[b].drop_nulls().cast(pl.Float64).to_numpy()
    return _numbers(table, a).distance(values) > 0.4


def _apart(table: Table, a: str, b: str) -> bool:
    """Whether no value of one column could be one of the other."""
    left, right = table.schema[a].type == "category", table.schema[b].type == "category"
    if left and right:
        return not _levels(table, a).shares.keys() & _levels(table, b).shares.keys()
    if left or right:
        return True
    one, other = _numbers(table, a), _numbers(table, b)
    return one.high < other.low or other.high < one.low


def constant(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    for name in _some(table.of("number", "integer", "category", "boolean"), rng):
        habits = table.reference.habits
        stretch = None if habits is None else habits.at(name, len(frame))
        common = frame[name].drop_nulls().value_counts(sort=True)
        if (stretch is not None and stretch.top > 0.95) or common["count"][0] > 0.95 * len(frame):
            continue  # it may be constant without a fault
        value = common[name][0] if rng.random() < 0.5 else frame[name].drop_nulls()[0]
        yield Fault(
            _set(frame, name, pl.Series([value] * len(frame), dtype=frame[name].dtype)), "constant_column", {name}
        )


def new_levels(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    for name in _some(table.of("category"), rng, 4):
        rows = _part(len(frame), rng, 0.08, 0.5)
        fresh = pl.Series(name, rng.choice(["Zorvex", "Quimble", "Phandor"], len(frame)))
        yield Fault(
            _set(frame.with_columns(pl.col(name).cast(pl.String)), name, fresh, rows), "new_levels", {name}, rows
        )


def respelled(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    for name in _some(table.of("category"), rng, 4):
        text = frame[name].cast(pl.String)
        changed = text.str.to_uppercase() if rng.random() < 0.5 else text.str.to_lowercase()
        if (changed == text).sum() > 0.5 * len(text):
            changed = text.str.replace_all(r"[-_ /]", ".") + "."
        for rows in (None, _part(len(frame), rng, 0.2, 0.5)):
            made = _set(frame.with_columns(text), name, changed, rows)
            has = (changed != text).fill_null(False).to_numpy()
            has = has if rows is None else has & rows
            if has.sum() >= 20 and len(set(changed.unique()) & set(_levels(table, name).shares)) == 0:
                yield Fault(made, "levels_respelled", {name}, has)


def cut(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    for name in _some(table.of("category"), rng, 4):
        text = frame[name].cast(pl.String)
        longest = int(text.drop_nulls().str.len_chars().to_numpy().max())
        length = int(rng.integers(max(3, longest // 3), max(4, longest)))
        changed = text.str.slice(0, length)
        has = (changed != text).fill_null(False).to_numpy()
        levels = set(changed.filter(pl.Series(has)).unique()) if has.any() else set()
        if has.mean() > 0.05 and not levels & set(_levels(table, name).shares):
            yield Fault(_set(frame.with_columns(text), name, changed), "text_cut", {name}, has)


def dates(table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    for name in table.of("datetime"):
        column, rows = frame[name], _part(len(frame), rng, 0.03, 0.4)
        for value in ("1970-01-01", "1900-01-01", "9999-12-31"):
            new = pl.Series(name, [value] * len(frame)).str.to_datetime("%Y-%m-%d").cast(column.dtype)
            yield Fault(_set(frame, name, new, rows), "impossible_dates", {name}, rows)
        yield Fault(_set(frame, name, column.dt.offset_by("10y"), rows), "impossible_dates", {name}, rows)
        yield Fault(_set(frame, name, column.dt.offset_by("10y")), "impossible_dates", {name})


def day_and_month(table: Table, frame: pl.DataFrame, _rng: np.random.Generator) -> Iterator[Fault]:
    for name in table.of("datetime"):
        column = frame[name]
        day, month = column.dt.day().to_numpy(), column.dt.month().to_numpy()
        rows = (day <= 12) & (day != month)
        # Dates that stay within the rows around them cannot be told; a stretch of half a year has such.
        if rows.sum() < 20 or np.ptp(column.dt.epoch("s").to_numpy()) > 45 * 86_400:
            continue
        text = column.dt.strftime("%Y-%d-%m %H:%M:%S")
        turned = text.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
        yield Fault(_set(frame, name, turned.cast(column.dtype), rows), "impossible_dates", {name}, rows)


def repeated(_table: Table, frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[Fault]:
    again = frame.sample(fraction=float(rng.uniform(0.1, 0.6)), seed=int(rng.integers(1 << 30)))
    n, m = len(frame), len(again)
    yield Fault(pl.concat([frame, again]), "rows_repeated", set(), np.r_[np.zeros(n, bool), np.ones(m, bool)])
    yield Fault(pl.concat([frame, frame]), "rows_repeated", set(), np.r_[np.zeros(n, bool), np.ones(n, bool)])


FAULTS: dict[str, Plant] = {
    "column gone": gone,
    "column renamed": renamed,
    "type changed": rewritten,
    "missing burst": missing,
    "marker for missing": marker,
    "x 1000": scale(1000, 0, _any_number, part=False),
    "/ 1000": scale(0.001, 0, _divisible, part=False),
    "x 100": scale(100, 0, _any_number, part=False),
    "F for C": scale(1.8, 32, _degrees, part=False),
    "sign flip": scale(-1, 0, _one_sided, part=False),
    "currency x 7.46": scale(7.46, 0, _money, part=False),
    "currency x 83": scale(83, 0, _money, part=False),
    "currency / 83": scale(1 / 83, 0, lambda t, n: _money(t, n) and t.schema[n].type == "number", part=False),
    "x 1000, some rows": scale(1000, 0, _any_number, part=True),
    "/ 1000, some rows": scale(0.001, 0, _divisible_in_part, part=True),
    "F for C, some rows": scale(1.8, 32, _degrees, part=True),
    "sign flip, some rows": scale(-1, 0, _one_sided, part=True),
    "columns swapped": swapped,
    "swapped, some rows": swapped_in_part,
    "constant column": constant,
    "new levels": new_levels,
    "levels respelled": respelled,
    "text cut": cut,
    "impossible dates": dates,
    "day and month": day_and_month,
    "rows repeated": repeated,
}


# --------------------------------------------------------------------------------------------------------- measurement


@dataclass
class Tally:
    """What was said of batches with one fault."""

    batches: int = 0
    named: int = 0
    beside: int = 0
    said: Counter[str] = field(default_factory=Counter)
    besides: Counter[str] = field(default_factory=Counter)
    found_rows: int = 0
    true_rows: int = 0
    wrong_rows: int = 0
    rules: int = 0
    right_rules: int = 0

    def add(self, table: Table, fault: Fault, found: Any, clean: pl.DataFrame) -> None:
        where = f"{table.name}/{len(fault.frame)}"
        self.batches += 1
        right = [one for one in found if one.kind == fault.kind and set(one.columns) == fault.columns]
        others = [f"{one.kind}({','.join(one.columns)})" for one in found if one not in right]
        self.beside += bool(others) and bool(right)
        if others and right:
            self.besides[f"{where} {','.join(sorted(fault.columns))}: also {', '.join(sorted(others))}"] += 1
        if not right:
            said = ", ".join(sorted(f"{one.kind}({','.join(one.columns)})" for one in found)) or "nothing"
            self.said[f"{where} {','.join(sorted(fault.columns))}: {said}"] += 1
            return
        self.named += 1
        if right[0].repair is not None and fault.kind in {
            "unit_change",
            "columns_swapped",
            "column_renamed",
            "levels_respelled",
        }:
            self.rules += 1
            self.right_rules += _is_right(table, fault, right[0], clean)
        if fault.rows is not None and right[0].rows is not None:
            self.true_rows += int(fault.rows.sum())
            self.found_rows += int((right[0].rows & fault.rows).sum())
            self.wrong_rows += int((right[0].rows & ~fault.rows).sum())


def _is_right(table: Table, fault: Fault, found: Any, clean: pl.DataFrame) -> bool:
    """Whether the proposed rule gives the true values back in at least 95 % of the rows that it is for."""
    batch, truth = Batch.of_rows(fault.frame, table.schema), Batch.of_rows(clean, table.schema)
    if found.repair is None:
        return False
    repaired = found.repair.apply(batch, found.rows)
    for name in fault.columns:
        rows = found.rows & ~truth.missing(name)
        if table.schema[name].type in {"number", "integer"}:
            with np.errstate(invalid="ignore"):
                same = np.isclose(repaired.numbers(name), truth.numbers(name), rtol=1e-3, atol=1e-9)
            # A whole number that was divided and rounded cannot come back exactly.
            if table.schema[name].type == "integer" and abs(getattr(found.repair, "factor", 1)) > 1:
                same = np.abs(repaired.numbers(name) - truth.numbers(name)) <= abs(found.repair.factor) / 2 + 1
        else:
            same = np.array(
                [
                    a == b
                    for a, b in zip(*(one.typed.column(name).to_pylist() for one in (repaired, truth)), strict=True)
                ]
            )
        if rows.any() and same[rows].mean() < 0.95:
            return False
    return True


def judged(table: Table, frame: pl.DataFrame, now: datetime | None, **memory: Any) -> Any:
    return recognise(Batch.of_rows(frame, table.schema, arrived=now), table.reference, **memory)


def faults(tables: list[Table], seeds: range) -> dict[str, Tally]:
    tallies: dict[str, Tally] = defaultdict(Tally)
    for table in tables:
        for seed in seeds:
            rng = np.random.default_rng([seed, TABLES.index(table.name)])
            for size in SIZES:
                frame = next(batches(table, rng, 1, size))
                now = now_of(table, frame)
                for name, plant in FAULTS.items():
                    for fault in plant(table, frame, rng):
                        tallies[name].add(table, fault, judged(table, fault.frame, now), frame)
                _memories(table, frame, rng, tallies)
    return tallies


def _memories(table: Table, frame: pl.DataFrame, rng: np.random.Generator, tallies: dict[str, Tally]) -> None:
    """Faults that only earlier batches show: one again, and one late."""
    size = len(frame)
    recent, feed = RecentBatches(), Feed()
    earlier = [table.training[i : i + size] for i in rng.integers(0, len(table.training) - size + 1, 10)]
    for one in earlier:
        recent.remember(Batch.of_rows(one, table.schema))
    again = earlier[int(rng.integers(0, 10))]
    fault = Fault(again, "batch_repeated", set(), np.ones(size, bool))
    tallies["batch repeated"].add(table, fault, judged(table, again, now_of(table, again), recent=recent), again)
    if table.time is None:
        return
    for one in earlier:
        feed.learn_delay(_last(one[table.time]) + timedelta(hours=1), one[table.time].dt.epoch("us").to_numpy() / 1e6)
    now = _last(frame[table.time]) + timedelta(hours=1)
    span = timedelta(seconds=3 * float(np.ptp(frame[table.time].dt.epoch("s").to_numpy())), days=3)
    found = judged(table, frame, now + span, feed=feed, recent=recent)
    tallies["late batch"].add(table, Fault(frame, "late_batch", set()), found, frame)
    clean = judged(table, frame, now, feed=feed, recent=recent)
    tally = tallies["(clean, with memory)"]
    tally.batches += 1
    tally.named += not clean
    for one in clean:
        tally.said[f"{table.name}/{size}: {one.kind}({','.join(one.columns)})"] += 1


def clean(tables: list[Table], seeds: range) -> tuple[Counter[str], Counter[str], list[str]]:
    """Batches on which nothing is wrong: neighbouring rows, random rows, and mildly drifted ones."""
    looked: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    claims: list[str] = []
    for table in tables:
        rng = np.random.default_rng([99, seeds.start, TABLES.index(table.name)])
        for size in SIZES:
            for sort, frame in _clean_batches(table, rng, size, len(seeds)):
                looked[sort] += 1
                found = judged(table, frame, now_of(table, frame))
                touched[sort] += bool(found)
                claims += [
                    f"{sort} {table.name}/{len(frame)}: {one.kind}({','.join(one.columns)}) {dict(one.evidence)}"
                    for one in found
                ]
    return looked, touched, claims


def _clean_batches(table: Table, rng: np.random.Generator, size: int, seeds: int) -> Iterator[tuple[str, pl.DataFrame]]:
    size = min(size, len(table.later) // 2)
    for start in range(0, len(table.later) - size + 1, max(size, len(table.later) // 20)):
        yield "in time order", table.later[start : start + size]
    for _ in range(2 * seeds):
        yield "at random", table.later.sample(size, seed=int(rng.integers(1 << 30)))
        frame = next(batches(table, rng, 1, size))
        numbers = [n for n in table.of("number", "integer") if _distinct(table, n) >= 20]
        for name in _some(numbers, rng, 2):
            factor = float(rng.uniform(1.02, 1.1))
            moved = frame[name].cast(pl.Float64) * factor
            yield "mildly drifted", _set(frame, name, moved.round(0) if table.schema[name].type == "integer" else moved)
        for name in _some(numbers, rng, 1):  # other customers: rows with high values are twice as likely
            values = table.later[name].cast(pl.Float64).fill_null(strategy="mean").to_numpy()
            weight = 1.0 + (values > np.median(values))
            chosen = rng.choice(len(values), size, replace=False, p=weight / weight.sum())
            yield "mildly drifted", table.later[np.sort(chosen)]


def silences(tables: list[Table], seeds: range) -> tuple[Counter[str], list[str]]:
    """Feeds of the tables that have times to the second: is a stop found, and is a quiet hour left in peace?"""
    counts: Counter[str] = Counter()
    lines: list[str] = []
    for table in tables:
        if table.time is None or table.name not in {"nyc_taxis", "bike_sharing"}:
            continue
        times = np.sort(pl.concat([table.training, table.later])[table.time].to_numpy().astype("datetime64[us]"))
        if table.name == "bike_sharing":  # days with their hours beside them
            both = pl.concat([table.training, table.later])
            times = np.sort(
                (both[table.time].to_numpy() + both["hour"].to_numpy() * np.timedelta64(1, "h")).astype(
                    "datetime64[us]"
                )
            )
        start = times[0].astype("datetime64[D]")
        day = np.timedelta64(1, "D")
        feed, learnt = Feed(), start + 14 * day
        _learn(feed, times, start, learnt)
        at = learnt
        while at + day <= times[-1]:
            for hour in range(1, 25):  # looks every hour, all is well
                now = at + np.timedelta64(hour, "h")
                known = times[times <= now]
                feed.last = float(known[-1].astype(np.int64) / 1e6)
                counts["looks, all well"] += 1
                wrong = feed.stopped(_moment(now))
                counts["false stops"] += wrong is not None
                if wrong is not None:
                    lines.append(f"{table.name} {now}: {dict(wrong.evidence)}")
            _learn(feed, times, at, at + day)
            at += day
        rng = np.random.default_rng([7, seeds.start])
        for _ in range(10 * len(seeds)):  # the feed stops somewhere; a look a day later
            stop = learnt + np.timedelta64(
                int(rng.integers(0, int((times[-1] - learnt) / np.timedelta64(1, "s")))), "s"
            )
            feed.last = float(times[times <= stop][-1].astype(np.int64) / 1e6)
            counts["stops"] += 1
            found = feed.stopped(_moment(stop + day))
            counts["stops found within a day"] += found is not None
            hours = [h for h in range(1, 25) if feed.stopped(_moment(stop + np.timedelta64(h, "h"))) is not None]
            if hours:
                counts["hours until found, summed"] += hours[0]
    return counts, lines


def _learn(feed: Feed, times: np.ndarray, start: np.datetime64, end: np.datetime64) -> None:
    feed.learn(times[(times >= start) & (times < end)], _moment(start), _moment(end))


def _moment(moment: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(moment.astype("datetime64[s]").astype(np.int64)), tz=UTC)


# ------------------------------------------------------------------------------------------------------------- figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was said of all batches."""

    clean: int
    touched: int
    by_sort: dict[str, str]
    claims: list[str]
    tallies: dict[str, Tally]
    feeds: Counter[str]
    stops: list[str]

    @property
    def planted(self) -> list[Tally]:
        """Of the faults; clean batches are counted among the tallies too."""
        return [tally for name, tally in self.tallies.items() if not name.startswith("(")]


def measured(data: Path, names: Sequence[str], seeds: range, *, habits: str) -> Found:
    """Plant all faults, and look at clean batches and feeds."""
    tables = [load(data, name, habits=habits) for name in names]
    looked, touched, claims = clean(tables, seeds)
    tallies = faults(tables, seeds)
    feeds, stops = silences(tables, seeds)
    remembered = tallies["(clean, with memory)"]
    return Found(
        clean=sum(looked.values()) + remembered.batches,
        touched=sum(touched.values()) + remembered.batches - remembered.named,
        by_sort={sort: f"{touched[sort]} of {looked[sort]}" for sort in looked},
        claims=claims,
        tallies=tallies,
        feeds=feeds,
        stops=stops,
    )


def figures(
    data: Path, *, seeds: int = 3, seed: int = 101, names: Sequence[str] = TABLES, habits: str = ""
) -> Iterator[Figure]:
    """With habits that are learnt from rows, and as a package knows them, unless it is said which."""
    for kind in [habits] if habits else ["learnt", "package"]:
        yield from of_found(measured(data, names, range(seed, seed + seeds), habits=kind), kind, len(names))


def of_found(found: Found, habits: str, tables: int) -> Iterator[Figure]:
    batches, named = (sum(getattr(tally, what) for tally in found.planted) for what in ("batches", "named"))
    weakest = sorted((t.named / t.batches, name) for name, t in found.tallies.items() if not name.startswith("("))[:3]
    known = {"learnt": "habits learnt from rows", "package": "habits of a package", "none": "no habits"}[habits]
    yield Figure(
        goal=f"{len(found.planted)} faults planted in {tables} real tables, {known}: recognised by name",
        target=">= 95 %",
        reached=f"{named / batches:.1%} of {batches}; least {', '.join(f'{n} {s:.0%}' for s, n in weakest)}",
        good=named >= 0.95 * batches,
        numbers={name: [t.named, t.batches] for name, t in found.tallies.items()},
    )
    yield Figure(
        goal="... clean batches touched (in time order, at random, mildly drifted)",
        target="<= 1 %",
        reached=f"{found.touched / found.clean:.2%} of {found.clean}",
        good=found.touched <= 0.01 * found.clean,
        numbers={"clean": found.clean, "touched": found.touched, "claims": found.claims},
    )
    feeds = found.feeds
    if feeds["stops"]:
        yield Figure(
            goal="... feeds that stop: found within a day",
            reached=f"{feeds['stops found within a day']} of {feeds['stops']}; "
            f"{feeds['false stops'] / feeds['looks, all well']:.2%} of hourly looks at sound feeds are wrong",
            numbers=dict(feeds),
        )


def details(found: Found) -> Iterator[str]:
    """What was said, fault by fault."""
    yield f"clean batches: {found.clean}, touched {found.touched}"
    yield from (f"  {sort:16} {share}" for sort, share in found.by_sort.items())
    yield from (f"    {claim}" for claim in found.claims)
    yield f"{'fault':24} batches  by name   share   rows found  rows wrong  more said  rule right"
    for name, tally in found.tallies.items():
        shares = (
            f"{tally.found_rows / max(tally.true_rows, 1):10.1%} {tally.wrong_rows / max(tally.true_rows, 1):11.2%}"
        )
        rows = shares if tally.true_rows else " " * 22
        rule = f"  {tally.right_rules / tally.rules:8.1%}" if tally.rules else ""
        share = tally.named / max(tally.batches, 1)
        yield f"{name:24} {tally.batches:7} {tally.named:8} {share:8.1%} {rows} {tally.beside:9}{rule}"
    for title, most in (("not by name", 12), ("said as well", 6)):
        yield f"{title}:"
        for name, tally in found.tallies.items():
            said = tally.said if title == "not by name" else tally.besides
            yield from (f"  {name:22} {count:3} x {words}" for words, count in said.most_common(most))
    yield from ("feeds:", str(dict(found.feeds)), *found.stops[:20])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--seed", type=int, default=101, help="the first one")
    parser.add_argument("--tables", nargs="*", default=list(TABLES))
    parser.add_argument("--habits", choices=["learnt", "package", "none"], default="learnt")
    parser.add_argument("--details", action="store_true")
    chosen = parser.parse_args()
    begun = time.process_time()
    seeds = range(chosen.seed, chosen.seed + chosen.seeds)
    found = measured(chosen.data, chosen.tables, seeds, habits=chosen.habits)
    for figure in of_found(found, chosen.habits, len(chosen.tables)):
        print(figure.line())
    if chosen.details:
        print(*details(found), sep="\n")
    print(f"{time.process_time() - begun:.0f} s of one processor")


if __name__ == "__main__":
    main()
