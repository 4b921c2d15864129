"""What the tests of irregular input share: rows of a shop, the reference made of some, and batches of others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from mlwright.data import Schema, infer_schema, read_column, summarise
from mlwright.monitoring.irregular import Batch, Irregularity, Reference, learn_habits, recognise

START = datetime(2026, 3, 1, tzinfo=UTC)
CITIES = ["Zürich", "Rome", "New York", "Oslo"]


def drawn(rows: int, seed: int = 0, *, day: float = 0.0) -> pl.DataFrame:
    """Rows in the order in which they came, 1,000 a day."""
    rng = np.random.default_rng(seed)
    at = [START + timedelta(days=day + i / 1000) for i in range(rows)]
    celsius = rng.normal(12, 8, rows).round(1)
    return pl.DataFrame(
        {
            "at": pl.Series([moment.replace(tzinfo=None) for moment in at], dtype=pl.Datetime("us")),
            "age": np.where(rng.random(rows) < 0.03, np.nan, rng.normal(45, 12, rows).clip(18, 95).round(0)),
            "spent": np.exp(rng.normal(3, 1.2, rows)).round(2),
            "celsius": celsius,
            "gain": np.where(rng.random(rows) < 0.9, 0.0, rng.integers(100, 90_000, rows)),
            "city": rng.choice(CITIES, rows, p=[0.4, 0.3, 0.2, 0.1]),
            "plan": rng.choice(["Basic", "Premium Plus", "Premium"], rows, p=[0.5, 0.2, 0.3]),
            "member": rng.choice(["Yes", "No"], rows, p=[0.3, 0.7]),
        }
    ).with_columns(pl.col("age").fill_nan(None))


@cache
def shop(*, habits: bool = True) -> Reference:
    """What a package would tell of 12,000 training rows."""
    raw = drawn(12_000).to_arrow()
    schema = infer_schema(summarise(raw.to_batches()), with_role={"at"})
    schema = Schema(tuple(c.but(role="time") if c.name == "at" else c for c in schema))
    typed = pa.table({c.name: read_column(raw.column(c.name).combine_chunks(), c).values for c in schema})
    return Reference(
        schema,
        summarise(typed.to_batches()),
        learn_habits(typed, schema) if habits else None,
        START + timedelta(days=12),
    )


def later(rows: int = 1000, seed: int = 1) -> pl.DataFrame:
    return drawn(rows, seed, day=14)


def batch(frame: Any, *, arrived: datetime | None = None) -> Batch:
    return Batch.of_rows(frame, shop().schema, arrived=arrived or START + timedelta(days=16))


def found(frame: Any, **more: Any) -> list[tuple[str, tuple[str, ...]]]:
    """The names and columns of what is wrong with rows."""
    return [(one.kind, one.columns) for one in recognise(batch(frame), shop(), **more)]


def one(frame: Any, **more: Any) -> Irregularity:
    (only,) = recognise(batch(frame), shop(), **more)
    return only
