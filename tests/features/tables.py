"""Typed tables made by hand, for tests of encoders that are not about reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from mlwright.data import ARROW_TYPES, Column, Dataset, Role, Schema
from mlwright.data.dataset import FloatArray
from mlwright.spec import LogicalType


class Typed(NamedTuple):
    """The type of a column and its values, None for missing."""

    type: LogicalType
    values: Sequence[Any]


def array_of(column: Typed) -> pa.Array:
    """The values in the Arrow type of the column."""
    if column.type == "category":
        return pa.array(column.values, pa.string()).dictionary_encode().cast(ARROW_TYPES["category"])
    return pa.array(column.values, ARROW_TYPES[column.type])


def typed_dataset(columns: dict[str, Typed], y: Sequence[Any], *, roles: Mapping[str, Role] | None = None) -> Dataset:
    """A dataset of typed columns, features where `roles` says nothing; the target `y` is of text (classes) or of numbers."""
    role = roles or {}
    number = isinstance(y[0], float)
    classes: tuple[str, ...] = () if number else tuple(sorted(set(y)))
    target = Typed("number" if number else "category", y)
    schema = [Column(name=name, type=column.type, role=role.get(name, "feature")) for name, column in columns.items()]
    table = pa.table(
        [array_of(column) for column in [*columns.values(), target]],
        names=[*columns, "y"],
    )
    return Dataset(
        table=table,
        schema=Schema((*schema, Column(name="y", type=target.type, role="target"))),
        task="regression" if number else "binary" if len(classes) == 2 else "multiclass",
        classes=classes,
    )


def with_weight(dataset: Dataset, weight: FloatArray) -> Dataset:
    """The same rows with a column that says how much each counts."""
    column = Column(name="w", type="number", role="weight")
    table = dataset.table.append_column("w", pa.array(weight))
    return replace(dataset, table=table, schema=Schema((*dataset.schema.columns, column)))


def _numbers(rng: np.random.Generator, rows: int, shape: str) -> Any:
    match shape:
        case "constant":
            return [0.1] * rows
        case "huge":
            return (rng.choice([-1.0, 1.0], rows) * 10.0 ** rng.uniform(-300, 308, rows)).tolist()
        case "skewed":
            return np.exp(rng.normal(0, 20, rows)).tolist()
        case "tiny":
            return (rng.normal(size=rows) * 1e-310).tolist()
        case _:
            return rng.normal(size=rows).tolist()


def _levels(rng: np.random.Generator, rows: int, shape: str) -> Any:
    match shape:
        case "constant":
            return ["only"] * rows
        case "many":
            return [f"level {i}" for i in rng.integers(0, 45, rows)]
        case "empty":
            return rng.choice(["", " ", "é", "a b"], rows).tolist()
        case _:
            return rng.choice(["red", "green", "blue"], rows).tolist()


def _moments(rng: np.random.Generator, rows: int, shape: str) -> list[datetime]:
    start = datetime(1969, 12, 30)  # noqa: DTZ001 - moments without a zone are in UTC
    if shape == "constant":
        return [start + timedelta(seconds=0.123456)] * rows
    if shape == "huge":
        return [datetime(1 + int(year), 1, 1) for year in rng.integers(0, 9990, rows)]  # noqa: DTZ001 - see above
    return [start + timedelta(seconds=float(s)) for s in rng.uniform(0, 1e9, rows)]


def _texts(rng: np.random.Generator, rows: int, shape: str) -> list[str]:
    if shape in {"constant", "empty"}:
        return ["" if shape == "empty" else "the same words"] * rows
    words = ["good", "bad", "Straße", "x", "naïve", "...", "12", "слово"]
    return [" ".join(rng.choice(words, int(k))) for k in rng.integers(0, 8, rows)]


_SHAPES: dict[LogicalType, tuple[str, ...]] = {
    "number": ("plain", "constant", "huge", "skewed", "tiny"),
    "integer": ("plain", "constant", "huge"),
    "boolean": ("plain", "constant"),
    "category": ("plain", "constant", "many", "empty"),
    "datetime": ("plain", "constant", "huge"),
    "text": ("plain", "constant", "empty"),
}


@st.composite
def columns(draw: st.DrawFn, rows: int) -> Typed:
    """A column of any type and of an awkward shape, with any share of values missing."""
    kind: LogicalType = draw(st.sampled_from(list(_SHAPES)))
    shape = draw(st.sampled_from(_SHAPES[kind]))
    missing = draw(st.sampled_from([0.0, 0.0, 0.3, 0.95, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values: Sequence[Any]
    match kind:
        case "integer":
            span = {"constant": 1, "huge": 2**62}.get(shape, 9)
            values = rng.integers(-span if shape == "huge" else 0, span, rows).tolist()
        case "boolean":
            values = [shape == "constant" or bool(v) for v in rng.random(rows) < 0.5]
        case "category":
            values = _levels(rng, rows, shape)
        case "datetime":
            values = _moments(rng, rows, shape)
        case "text":
            values = _texts(rng, rows, shape)
        case _:
            values = _numbers(rng, rows, shape)
    return Typed(kind, [None if gone else v for v, gone in zip(values, rng.random(rows) < missing, strict=True)])


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """A table of one to five awkward columns, with two classes, three, or numbers as the target."""
    rows = draw(st.integers(24, 60))
    made = {f"c{i}": draw(columns(rows)) for i in range(draw(st.integers(1, 5)))}
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    task = draw(st.sampled_from(["binary", "multiclass", "regression"]))
    if task == "regression":
        return typed_dataset(made, rng.normal(size=rows).tolist())
    names = ["no", "yes"] if task == "binary" else ["a", "b", "c"]
    return typed_dataset(made, [*names, *rng.choice(names, rows - len(names)).tolist()])


def purchases(rows: int = 3000, customers: int = 100, *, seed: int = 0, task: str = "binary") -> Dataset:
    """Rows in time of customers who come again; what tells is how far an amount is from what its customer usually spends.

    `amount` and `risk` of a customer stay the same over time; `noise` is noise. Some rows have no customer.
    """
    rng = np.random.default_rng(seed)
    customer = rng.integers(0, customers, rows)
    usual, risk = rng.normal(0, 2, customers), rng.normal(0, 1.5, customers)
    amount = usual[customer] + rng.normal(size=rows)
    raw = 2 * (amount - usual[customer]) + risk[customer] + rng.logistic(size=rows)
    moments = np.sort(rng.integers(0, 365 * 86_400, rows)) * 1_000_000
    gone = rng.random((2, rows)) < 0.02
    columns = {
        "customer": Typed(
            "identifier", [None if missing else f"c{c}" for c, missing in zip(customer, gone[0], strict=True)]
        ),
        "at": Typed("datetime", moments.tolist()),
        "amount": Typed("number", [None if missing else a for a, missing in zip(amount, gone[1], strict=True)]),
        "noise": Typed("number", rng.normal(size=rows).tolist()),
    }
    y: list[Any] = raw.tolist() if task == "regression" else np.where(raw > 0, "yes", "no").tolist()
    return typed_dataset(columns, y, roles={"customer": "group", "at": "time"})
