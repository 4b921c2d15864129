"""Rows that were answered and whose truth is known by now, in the order in which it became known; `labelled_log.py` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlwright.data import Column, Dataset, Schema, written_class
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models import Model

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROS = pa.timestamp("us", "UTC")
#: What the log says of each answer, by name and type.
FACTS: Final = {"id": pa.string(), "time": _MICROS, "version": pa.string(), "label": pa.string(), "label_time": _MICROS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledRows:
    """Answered rows with their truth.

    Attributes
    ----------
    rows
        The columns that the model reads, and its target.
    ids
        Of the answers, shape (n_rows,).
    times, label_times : shape (n_rows,)
        When the row was answered, and when its truth became known; microseconds since 1970, UTC.
    versions
        Which versions of the model answered, as the log names them.
    unusable
        Rows whose label is no class of the model, or no number.
    """

    rows: Dataset
    ids: NDArray[Any]
    times: IntArray
    label_times: IntArray
    versions: frozenset[str] = frozenset()
    unusable: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def y(self) -> FloatArray:
        """The truth, shape (n_rows,): class numbers, or values."""
        return self.rows.y

    def take(self, which: NDArray[Any]) -> LabelledRows:
        """Some rows: by number, or by a mask."""
        which = np.flatnonzero(which) if which.dtype == bool else which
        return replace(
            self,
            rows=self.rows.take(which),
            ids=self.ids[which],
            times=self.times[which],
            label_times=self.label_times[which],
        )

    def since(self, moment: datetime | None) -> LabelledRows:
        """The rows that were answered at that moment or later."""
        return self if moment is None else self.take(self.times >= micros(moment))

    def before(self, moment: datetime) -> LabelledRows:
        """The rows that were answered earlier."""
        return self.take(self.times < micros(moment))

    def first(self, count: int) -> LabelledRows:
        """So many rows whose truth became known first."""
        return self.take(np.arange(min(count, len(self))))

    def last(self, count: int) -> LabelledRows:
        """So many rows that were answered last."""
        latest = np.argsort(self.times, kind="stable")[-count:] if count else np.zeros(0, dtype=np.int64)
        return self.take(np.sort(latest))


def labelled_rows(table: pa.Table, model: Model) -> LabelledRows:
    """Rows with the names of `read_window` (`id`, `time`, `version`, `label`, `label_time`, `input.…`) as the model reads them."""
    table = _each_once(table)
    given = {
        name: table.column(f"input.{name}") if f"input.{name}" in table.column_names else pa.nulls(table.num_rows)
        for name in model.schema.names
    }
    typed = model.typed(pa.table(given)) if given else pa.table({})
    truth, usable = _truth(table.column("label"), model)
    target = Column(name=model.target, type="number" if model.task == "regression" else "category", role="target")
    rows = Dataset(
        table=typed.append_column(model.target, truth),
        schema=Schema((*model.schema.columns, target)),
        task=model.task,
        classes=model.classes,
        description="the prediction log",
    )
    whole = LabelledRows(
        rows=rows,
        ids=np.array(table.column("id").to_pylist(), dtype=object),
        times=_micros(table.column("time")),
        label_times=_micros(table.column("label_time")),
        versions=frozenset(pc.unique(table.column("version")).to_pylist()),
        unusable=int((~usable).sum()),
    )
    return whole.take(usable)


def no_rows(model: Model) -> LabelledRows:
    """Not one labelled row."""
    return labelled_rows(pa.table({name: pa.array([], kind) for name, kind in FACTS.items()}), model)


def concatenated(parts: Sequence[LabelledRows], model: Model) -> LabelledRows:
    """Rows of several stretches of time, each once, in the order in which their truth became known."""
    if len(parts) < 2:
        return parts[0] if parts else no_rows(model)
    tables = [one.rows.table for one in parts]
    whole = LabelledRows(
        rows=replace(parts[0].rows, table=pa.concat_tables(tables).unify_dictionaries()),
        ids=np.concatenate([one.ids for one in parts]),
        times=np.concatenate([one.times for one in parts]),
        label_times=np.concatenate([one.label_times for one in parts]),
        versions=frozenset().union(*(one.versions for one in parts)),
        unusable=sum(one.unusable for one in parts),
    )
    by_time = np.argsort(whole.times, kind="stable")  # of an id that stands twice the first answer counts
    first = by_time[np.unique(whole.ids[by_time].astype(str), return_index=True)[1]]
    return whole.take(first[np.lexsort((whole.ids[first].astype(str), whole.times[first], whole.label_times[first]))])


def _each_once(table: pa.Table) -> pa.Table:
    """One row per id, the first answer (two versions may have answered it); ordered by when the truth became known."""
    order = [(name, "ascending") for name in ("time", "version")]
    table = table.take(pc.sort_indices(table, sort_keys=order)).combine_chunks()
    ids = (
        np.asarray(pc.dictionary_encode(table.column("id")).combine_chunks().indices) if table.num_rows else np.zeros(0)
    )
    first = np.unique(ids, return_index=True)[1]
    table = table.take(pa.array(np.sort(first)))
    return table.take(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in ("label_time", "time", "id")]))


def _truth(labels: pa.ChunkedArray, model: Model) -> tuple[pa.Array, NDArray[np.bool_]]:
    """The target column, and which of its rows can be used."""
    texts = labels.to_pylist()
    if model.task == "regression":
        values = np.array([_number(text) for text in texts], dtype=np.float64)
        return pa.array(values), np.isfinite(values)
    spelled = spellings(model.classes)
    found = [spelled.get(text, -1) for text in texts]
    codes = np.array(found, dtype=np.int32)
    names = pa.array([written_class(value) for value in model.classes], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(np.maximum(codes, 0)), names), codes >= 0


def spellings(classes: Sequence[Any]) -> dict[str, int]:
    """The number of each class by the texts that a label may have: as the source writes it, or as a number that is equal.

    Examples
    --------
    >>> spellings((0, 1))["1.0"]
    1
    """
    known: dict[str, int] = {}
    for number, value in enumerate(classes):
        texts = [written_class(value), str(value)]
        if isinstance(value, int | float):
            texts += [str(float(value)), str(int(value))] if float(value).is_integer() else []
        for text in texts:
            known.setdefault(text, number)
    return known


def _number(text: str | None) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")


def _micros(column: pa.ChunkedArray) -> IntArray:
    return np.asarray(pc.fill_null(column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), 0)).astype(np.int64)


def micros(moment: datetime) -> int:
    """A moment in microseconds since 1970; one without a zone is in UTC."""
    known = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (known - _EPOCH) // timedelta(microseconds=1)


def moment_of(micros_: int) -> datetime:
    """The moment so many microseconds after 1970, in UTC."""
    return _EPOCH + timedelta(microseconds=int(micros_))
