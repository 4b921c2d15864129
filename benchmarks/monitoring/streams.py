"""Rows in the order of time: real streams, tables that have a time, and streams whose law changes in a known way."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CHUNK, WARM = 500, 2000
STREAMS = ("elec2", "ne_weather", "air_quality")
#: Other tables with a time, with the columns to leave out and every how many rows are taken.
TABLES: dict[str, tuple[str, tuple[str, ...], int]] = {
    "bike_sharing": ("date", ("date", "year"), 1),
    "nyc_taxis": ("pickup", ("dropoff",), 1),
    "houston_flights": ("date", ("date", "tail_num"), 4),
}
MADE = ("none", "sudden", "gradual", "recurring", "base rate")
#: A column that rises with the rows like this is a clock.
_CLOCK = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Rows in the order of time; the first `warm` ones are known before the first answer."""

    name: str
    x: Floats
    y: Floats
    classes: bool
    warm: int = WARM

    @property
    def starts(self) -> range:
        """The first row of each chunk that is answered."""
        return range(self.warm, len(self.y), CHUNK)

    def chunk(self, start: int) -> slice:
        return slice(start, min(start + CHUNK, len(self.y)))


def load(data: Path, name: str, *, lagged: bool = False, warm: int = WARM) -> Stream:
    """A stream of the folder, as numbers."""
    loader = _loader(data)
    entry, frame = loader.info(name), loader.load_stream(name)
    # What comes from the same analyser as the truth is known no sooner than the truth.
    gone = [entry["target"], *entry.get("reference_columns", [])]
    rank = frame.reset_index(drop=True).index.to_series()
    clocks = [one for one in frame.columns if frame[one].dtype.kind in "biuf" and frame[one].rank().corr(rank) > _CLOCK]
    # Trees find nothing in a clock that lasts.
    columns = _columns(frame.drop(columns=[*gone, *(one for one in clocks if one not in gone)]))
    y = _target(frame, entry)
    if lagged:
        columns += list(_earlier(columns, y))
        name = f"{name}, with earlier labels"
    return Stream(name=name, x=np.column_stack(columns), y=y, classes=entry["task"] == "binary", warm=warm)


def load_table(data: Path, name: str, *, warm: int = WARM) -> Stream:
    """A table in the order of its time."""
    loader = _loader(data)
    time, gone, step = TABLES[name]
    entry = loader.info(name)
    frame = loader.read(name).sort_values(time, kind="stable").iloc[::step].reset_index(drop=True)
    columns = _columns(frame.drop(columns=[entry["target"], *entry["leak_columns"], *gone]))
    return Stream(
        name=name, x=np.column_stack(columns), y=_target(frame, entry), classes=entry["task"] == "binary", warm=warm
    )


def made(kind: str, *, rows: int = 22_000, seed: int = 0, warm: int = WARM) -> Stream:
    """Two classes whose law changes in a known way."""
    rng = np.random.default_rng(seed)
    x, time = rng.normal(size=(rows, 8)), np.arange(rows) / rows
    first, second = rng.normal(size=(2, 8))
    new = {
        "sudden": (time > 0.5).astype(float),
        "gradual": time,
        "recurring": ((time * 6).astype(int) % 2).astype(float),
    }.get(kind, np.zeros(rows))
    same = x[:, 0] * x[:, 1] - 0.7 * (x[:, 2] > 0) * x[:, 3]
    logit = (1 - new) * (x @ first) + new * (x @ second) + same
    if kind == "base rate":
        logit = logit + 2 * np.sin(2 * np.pi * time * 3)
    y = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)
    return Stream(name=f"made, {kind}", x=x, y=y, classes=True, warm=warm)


def _loader(data: Path) -> Any:
    spec = importlib.util.spec_from_file_location("loader", data / "loader.py")
    assert spec is not None
    assert spec.loader is not None
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    return loader


def _target(frame: Any, entry: dict[str, Any]) -> Floats:
    values = frame[entry["target"]]
    return np.asarray(values == entry["positive"] if entry["task"] == "binary" else values, dtype=np.float64)


def _columns(frame: Any) -> list[Floats]:
    columns: list[Floats] = []
    for name in frame.columns:
        values = frame[name]
        if values.dtype.kind == "M":
            columns += [values.dt.hour.to_numpy(float), values.dt.day_of_week.to_numpy(float)]
        elif values.dtype.kind in "biuf":
            columns.append(values.to_numpy(float))
        else:
            columns.append(values.astype("category").cat.codes.to_numpy(float))
    return columns


def _earlier(columns: list[Floats], y: Floats) -> Iterator[Floats]:
    """The labels of one, two, three half-hours ago, of a day and a week ago, and of the last hours and day on average; and by
    how much each column has changed since the row before."""
    for back in (1, 2, 3, 48, 336):
        yield np.concatenate([np.full(back, np.nan), y[:-back]])
    total = np.concatenate([[0.0], np.cumsum(y)])
    rows = np.arange(len(y))
    for back in (6, 48):
        first = np.maximum(rows - back, 0)
        yield (total[rows] - total[first]) / np.maximum(rows - first, 1)
    for values in columns:
        yield np.concatenate([[np.nan], np.diff(values)])
