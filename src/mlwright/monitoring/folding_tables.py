"""Windows of any table with times: a data frame, Arrow batches, a Parquet file or a folder of them; each counts once."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection

from mlwright.core import MlwrightError
from mlwright.data import ColumnNotFound, fingerprint_of_rows, to_table
from mlwright.data.sources.base import BATCH_ROWS
from mlwright.monitoring.folding import Folded, Parts
from mlwright.monitoring.kept import DAY_US, HOUR_US, judged_until, save_offsets, was_read
from mlwright.monitoring.shapes import WindowShape
from mlwright.monitoring.slices import Slices
from mlwright.monitoring.store import MonitorStore
from mlwright.spec import Expression

_MICROS = pa.timestamp("us", tz="UTC")
_ANSWERS = ("prediction", "probability", "interval_low", "interval_high")


class TimesUnreadable(MlwrightError):
    """The times of rows are not times."""

    def __init__(self, column: str) -> None:
        super().__init__(
            f"the times in {column!r} cannot be read",
            where="the rows to watch",
            fix="give a column of dates or moments, or texts like 2026-01-31 or 2026-01-31T12:00:00+00:00",
        )


def fold_table(
    store: MonitorStore,
    rows: Any,
    shape: WindowShape,
    *,
    time: str,
    label: str | None = None,
    name: str | None = None,
    slices: Mapping[str, Expression] | None = None,
    grain: Literal["hour", "day"] = "day",
    source: str = "tables",
) -> Folded:
    """Add the rows of a table to the windows of a version; the same table, or file, a second time adds nothing.

    Parameters
    ----------
    rows
        A data frame of any library, an Arrow table, batches, or the path of a Parquet file or of a folder of them. Columns are
        named as the model has them; answers, if there are any, as `mlwright predict` writes them.
    time, label
        The names of its columns with the moment of each row and, if it is known, with the truth.
    name
        What tells this table from others; a digest of its rows if not given. A file has its path and size.
    grain
        Of the windows: an hour where many rows come in a day.

    Raises
    ------
    ColumnNotFound, TimesUnreadable
        If the table has no such column, or it holds no times.
    ProjectBusy, DatabaseGone, DiskFull
        If the database is in use by another process, or cannot be written.
    """
    done = Folded()
    with store.writer():
        for part, batches in _pieces(rows, name):
            done = _fold(store, part, batches, shape, Slices(slices or {}), time, label, grain, source, done)
    return done


def _fold(
    store: MonitorStore,
    part: str,
    batches: Iterable[pa.RecordBatch],
    shape: WindowShape,
    slices: Slices,
    time: str,
    label: str | None,
    grain: Literal["hour", "day"],
    source: str,
    done: Folded,
) -> Folded:
    if store.reading(lambda connection: was_read(connection, source, [part])):
        return done
    judged = store.reading(lambda connection: judged_until(connection, shape))
    parts, length, seed, rows, late = (
        Parts(grain),
        HOUR_US if grain == "hour" else DAY_US,
        zlib.crc32(part.encode()),
        0,
        0,
    )
    for batch in batches:
        for start_us, own in _by_period(_named(pa.Table.from_batches([batch]), shape, time, label), length):
            rows, late = rows + own.num_rows, late + (own.num_rows if start_us < judged else 0)
            for slice_name, piece in slices.of(own, shape):
                parts.part(shape, slice_name, start_us).update(piece, seed=seed, late=start_us < judged)

    def write(connection: Connection) -> bool:
        if was_read(connection, source, [part]):
            return False
        save_offsets(connection, source, {part: rows})
        parts.write(connection)
        return True

    if store.transaction(write):
        done.files, done.rows, done.late = done.files + 1, done.rows + rows, done.late + late
    return done


def _pieces(rows: Any, name: str | None) -> Iterator[tuple[str, Iterable[pa.RecordBatch]]]:
    if isinstance(rows, str | Path):
        folder = Path(rows)
        for path in sorted(folder.rglob("*.parquet")) if folder.is_dir() else [folder]:
            yield f"{path.resolve()}:{path.stat().st_size}", pq.ParquetFile(path).iter_batches(batch_size=BATCH_ROWS)
        return
    if name is not None and not hasattr(rows, "columns") and not hasattr(rows, "schema"):
        yield name, rows  # batches that come one after the other
        return
    batches = to_table(rows).to_batches(max_chunksize=BATCH_ROWS)
    yield name or fingerprint_of_rows(batches), batches


def _named(table: pa.Table, shape: WindowShape, time: str, label: str | None) -> pa.Table:
    """The table with the names that the prediction log has."""
    for wanted in (time, *([label] if label else [])):
        if wanted not in table.column_names:
            raise ColumnNotFound(wanted, table.column_names, where="the rows to watch")
    known = set(shape.names)
    columns: dict[str, Any] = {}
    for column in table.column_names:
        if column in known:
            columns[f"input.{column}"] = table.column(column)
        elif column.startswith(_ANSWERS):
            columns[f"output.{column}"] = table.column(column)
    if label is not None:
        columns["label"] = table.column(label)
    columns["time"] = _times(table.column(time), time)
    return pa.table(columns)


def _times(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    try:
        if pa.types.is_timestamp(column.type) and column.type.tz is None:
            return column.cast(pa.timestamp("us"), safe=False).cast(_MICROS)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return pc.cast(pc.cast(column, pa.timestamp("us")), _MICROS)
        if pa.types.is_temporal(column.type):
            return column.cast(_MICROS, safe=False)
    except pa.ArrowException as error:
        raise TimesUnreadable(name) from error
    raise TimesUnreadable(name)


def _by_period(table: pa.Table, length_us: int) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each hour or day; those without a time are left out."""
    known = table.filter(pc.is_valid(table.column("time")))
    if not known.num_rows:
        return
    period = np.asarray(known.column("time").cast(pa.int64())) // length_us
    order = np.argsort(period, kind="stable")
    if (order[1:] < order[:-1]).any():
        known, period = known.take(pa.array(order)), period[order]
    starts = np.flatnonzero(np.diff(period, prepend=period[:1] - 1))
    for start, stop in zip(starts, [*starts[1:], len(period)], strict=True):
        yield int(period[start]) * length_us, known.slice(start, stop - start)
