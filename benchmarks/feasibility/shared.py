"""Tasks over the folder of tables: its own questions, other target columns of the same tables, and streams cut in time."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from benchmarks.feasibility.tasks import TEST_ROWS, TRAIN_ROWS, Kind, Rows, Task, seed_of, split_by_chance

#: Tables that are used whole: what the method says of larger tables is to be seen too.
_MOST = {"adult_income": 40_000, "diamonds": 40_000, "houston_flights": 30_000, "california_housing": 20_000}
_WEIGHTS = {"adult_income": "fnlwgt"}

#: Other questions to the same tables: target, kind, and columns that would give the answer away.
_OTHERS: dict[str, list[tuple[str, Kind, tuple[str, ...]]]] = {
    "adult_income": [
        ("hours_per_week", "regression", ("fnlwgt",)),
        ("marital_status", "multiclass", ("fnlwgt", "relationship")),
    ],
    "diamonds": [("cut", "multiclass", ())],
    "telco_churn": [("contract", "multiclass", ("customer_id",))],
    "german_credit": [("credit_amount", "regression", ())],
    "houston_flights": [("taxi_out", "regression", ("arr_late_15",))],
    "loan_interest": [("loan_amount", "regression", ())],
    "hpc_jobs": [("num_pending", "regression", ())],
}


@cache
def _loader(data: Path) -> Any:
    found = importlib.util.spec_from_file_location("loader", data / "loader.py")
    assert found is not None
    assert found.loader is not None
    loader: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(loader)
    return loader


def tasks(data: Path) -> list[Task]:
    """Nothing, where there is no such folder."""
    if not (data / "loader.py").is_file():
        return []
    loader = _loader(data)
    made = [_own(loader, name) for name in loader.names()]
    made += [_stream(loader, name) for name in loader.stream_names()]
    made += [_in_time(loader, name) for name in ("bike_sharing", "nyc_taxis")]
    for table, questions in _OTHERS.items():
        columns = loader.read(table).columns
        made += [_other(loader, table, *question) for question in questions if question[0] in columns]
    return made


def _own(loader: Any, name: str) -> Task:
    entry, most = loader.info(name), _MOST.get(name, TRAIN_ROWS)

    def load() -> Rows:
        train, test, _, _ = loader.load(name, drop_ids=True)
        return Rows(train=_some(_frame(train), most, name), test=_some(_frame(test), TEST_ROWS, name))

    kind: Kind = entry["task"]
    return _task(name, name, kind, entry["target"], load, entry.get("positive"), weight=None, unused=_unused(name))


def _stream(loader: Any, name: str) -> Task:
    entry = loader.info(name)
    time = entry["stream"]["time_column"]

    def load() -> Rows:
        return split_by_chance(_frame(loader.load_stream(name)), name, time=time)

    return _task(name, name, entry["task"], entry["target"], load, entry.get("positive"), time=time)


def _in_time(loader: Any, name: str) -> Task:
    entry = loader.info(name)
    gone = entry["leak_columns"] + entry["id_columns"]

    def load() -> Rows:
        frame = _frame(loader.read(name).drop(columns=gone))
        return split_by_chance(frame.filter(pl.col(entry["target"]).is_not_null()), name, time=entry["time_column"])

    return _task(f"{name}_in_time", name, entry["task"], entry["target"], load, time=entry["time_column"])


def _other(loader: Any, table: str, target: str, kind: Kind, gone: tuple[str, ...]) -> Task:
    entry = loader.info(table)
    # A late column says nothing of what was known before; the target of such a question may be one of them.
    late = {*entry["leak_columns"], *gone} - {target}
    if table == "houston_flights":
        late |= {"dep_time", "arr_time"}

    def load() -> Rows:
        frame = _frame(loader.read(table).drop(columns=sorted(late)))
        return split_by_chance(frame.filter(pl.col(target).is_not_null()), f"{table}_{target}")

    return _task(f"{table}_{target}", table, kind, target, load)


def _task(
    name: str,
    origin: str,
    kind: Kind,
    target: str,
    load: Callable[[], Rows],
    positive: Any = None,
    *,
    time: str | None = None,
    weight: str | None = None,
    unused: tuple[str, ...] = (),
) -> Task:
    return Task(
        name=name,
        family="shared",
        origin=origin,
        kind=kind,
        target=target,
        positive=positive,
        load=load,
        time=time,
        weight=weight,
        unused=unused,
    )


def _unused(name: str) -> tuple[str, ...]:
    return (_WEIGHTS[name],) if name in _WEIGHTS else ()


def _frame(frame: Any) -> pl.DataFrame:
    return pl.from_pandas(frame)


def _some(frame: pl.DataFrame, most: int, name: str) -> pl.DataFrame:
    if len(frame) <= most:
        return frame
    rows = np.random.default_rng(seed_of(name)).permutation(len(frame))[:most]
    return frame[np.sort(rows)]
