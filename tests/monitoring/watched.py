"""What the tests of the monitor share: a model's package in small, made rows, and a prediction log that holds them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from tests.support import split_of

from mlwright.data import Column, Dataset, Schema
from mlwright.models import Model
from mlwright.models.history import OutOfFold, training_history
from mlwright.models.score_counts import ScoreCounts
from mlwright.monitoring.shapes import WindowShape
from mlwright.predictions import PredictionLog, seal_segments
from mlwright.spec import PredictionLogging

START = datetime(2026, 3, 1, tzinfo=UTC)
CITIES = ["Paris", "Rome", "Oslo", "Bern"]
OUTPUT = Schema((Column(name="prediction", type="category"), Column(name="probability_yes", type="number")))


def drawn(rows: int, seed: int = 0, *, days: float = 30, older: float = 0.0) -> pl.DataFrame:
    """Rows of a shop over some days; `older` moves `age` by so many years."""
    rng = np.random.default_rng(seed)
    age = np.round(rng.normal(45 + older, 12, rows), 1)
    city = rng.choice(CITIES, rows, p=[0.4, 0.3, 0.2, 0.1])
    visits = rng.poisson(3, rows)
    logit = 0.06 * (age - 45) + (city == "Rome") * 1.0 + 0.2 * (visits - 3)
    return pl.DataFrame(
        {
            "at": [START + timedelta(days=float(share) * days) for share in np.sort(rng.random(rows))],
            "age": np.where(rng.random(rows) < 0.05, np.nan, age),
            "city": city,
            "visits": visits,
            "spent": np.round(np.exp(rng.normal(3, 1.2, rows)), 2),
            "member": rng.random(rows) < 0.4,
            "note": [" ".join(rng.choice(["good", "slow", "cheap", "late"], 4)) for _ in range(rows)],
            "bought": np.where(rng.random(rows) < 1 / (1 + np.exp(-logit)), "yes", "no"),
        }
    ).with_columns(pl.col("age").fill_nan(None))


def score(frame: pl.DataFrame) -> np.ndarray[Any, Any]:
    """What the model of these tests says: the chance that was used to draw the rows, near enough."""
    age = frame["age"].fill_null(45).to_numpy()
    logit = 0.06 * (age - 45) + (frame["city"] == "Rome").to_numpy() * 1.0 + 0.2 * (frame["visits"].to_numpy() - 3)
    return np.asarray(1 / (1 + np.exp(-logit)))


@cache
def model(rows: int = 3000, *, in_time: bool = True) -> Model:
    """A package without members: what the monitor reads of one."""
    frame = drawn(rows, seed=1)
    data = (
        {"time": "at", "columns": {"note": {"type": "text"}}}
        if in_time
        else {"must_not_use": ["at"], "columns": {"note": {"type": "text"}}}
    )
    _, split = split_of(frame, "bought", data=data, split={"kind": "random", "test_share": 0.01})
    train: Dataset = split.train
    summary = train.summary()
    inputs = [name for name in ("age", "city", "visits", "spent", "member", "note") if name in train.schema]
    reference = type(summary)(rows=summary.rows, columns={name: summary[name] for name in [*inputs, "bought"]})
    p = score(pl.from_arrow(train.table.select(inputs)))  # type: ignore[arg-type]
    said, counts = (p > 0.5).astype(np.int64), ScoreCounts.none_yet(2)
    counts.add(said, p)
    counts.add_truth(train.y.astype(np.int64), said, p)
    out_of_fold = OutOfFold(rows=np.arange(len(train)), predicted=said, score=p, counts=counts)
    return Model(
        task="binary",
        classes=("no", "yes"),
        target="bought",
        schema=train.schema.select(inputs),
        encoders={},
        members=(),
        reference=reference,
        history=training_history(train, reference, window=timedelta(days=1), out_of_fold=out_of_fold),
        facts={"project": "shop"},
    )


@cache
def shape(version: str = "v1") -> WindowShape:
    return WindowShape.of(model(), version=version)


def rows_of(frame: pl.DataFrame, *, labels: bool = False) -> pa.Table:
    """Rows with the names of `read_window`, answered by the model."""
    p = score(frame)
    columns = {f"input.{name}": frame[name].to_arrow() for name in ("age", "city", "visits", "spent", "member", "note")}
    columns |= {
        "id": pa.array([f"r{number}" for number in range(len(frame))]),
        "time": frame["at"].to_arrow().cast(pa.timestamp("us", "UTC")),
        "output.prediction": pa.array(np.where(p > 0.5, "yes", "no")),
        "output.probability_yes": pa.array(p),
    }
    if labels:
        columns["label"] = frame["bought"].to_arrow().cast(pa.string())
    return pa.table(
        {
            name: column.cast(pa.string())
            if pa.types.is_string_view(column.type) or pa.types.is_large_string(column.type)
            else column
            for name, column in columns.items()
        }
    )


def batch_of(frame: pl.DataFrame, *, labels: bool = False) -> pa.RecordBatch:
    return rows_of(frame, labels=labels).combine_chunks().to_batches()[0]


def logged(
    folder: Path,
    frame: pl.DataFrame,
    *,
    version: str = "v1",
    ids: Sequence[str] | None = None,
    worker: str = "0",
) -> list[str]:
    """Write rows into a prediction log and seal them; returns their ids."""
    log = PredictionLog.open(
        folder,
        PredictionLogging(),
        worker=worker,
        input_schema=model().schema,
        output_schema=OUTPUT,
        sealing=False,
    )
    named = [f"{worker}-{number}" for number in range(len(frame))] if ids is None else list(ids)
    for name, row, p in zip(named, frame.iter_rows(named=True), score(frame), strict=True):
        asked = {key: value for key, value in row.items() if key not in {"at", "bought"}}
        said = {"prediction": "yes" if p > 0.5 else "no", "probability_yes": float(p)}
        moment = int(row["at"].timestamp() * 1e9)
        log.append(name, moment, version, json.dumps(asked).encode(), json.dumps(said).encode())
    log.close()
    seal_segments(folder / "segments", folder)
    return named
