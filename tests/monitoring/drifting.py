"""Made rows whose truth is known, for the tests of expected losses."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mlwright.monitoring.rows import AnsweredRows


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def binary_rows(
    n: int, *, rng: np.random.Generator, old: float = 0.0, east: float = 0.5, blind: float = 0.0
) -> AnsweredRows:
    """Rows of `age` (a standard normal number, moved by `old`), `region` (east or west) and two idle columns.

    The model knows age. In the east it is too sure by `blind`: there the true log odds are that much smaller.
    """
    age = rng.normal(old, 1, n)
    in_east = rng.random(n) < east
    stated = sigmoid(-0.5 + 1.2 * age)
    true = sigmoid(-0.5 + 1.2 * age - blind * in_east)
    table = pa.table(
        {
            "age": age,
            "region": pa.array(np.where(in_east, "east", "west")),
            "idle": rng.normal(size=n),
            "code": pa.array([f"c{k}" for k in rng.integers(0, 6, n)]),
        }
    )
    return AnsweredRows(
        table=table,
        prediction=stated,
        decision=(stated >= 0.6).astype(np.int64),
        target=(rng.random(n) < true).astype(float),
        ids=tuple(f"r{k}" for k in range(n)),
    )


def value_rows(n: int, *, rng: np.random.Generator, far: float = 0.0) -> AnsweredRows:
    """Rows of `size`; the errors of the predicted value grow with it."""
    size = rng.normal(far, 1, n)
    table = pa.table({"size": size, "idle": rng.normal(size=n)})
    target = 10 + size + rng.normal(size=n) * np.exp(0.5 * size)
    return AnsweredRows(table=table, prediction=10 + size, target=target)
