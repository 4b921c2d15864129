"""Finished segments become Parquet files, one per hour that they have answers of, and only then are removed.

The names of the files follow from that of the segment. So whoever is killed between the two leaves a segment whose files
are written again, over the same names: nothing is lost and nothing is there twice.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.core import MlwrightError
from mlwright.predictions.columns import typed_table
from mlwright.predictions.erasures import Erasures
from mlwright.predictions.hours import HOUR_US, file_of
from mlwright.predictions.records import FORMAT_VERSION, Record, Scan
from mlwright.predictions.segments import claim, contents, segments_in
from mlwright.predictions.store import Store

logger = logging.getLogger(__name__)

#: Records typed at a time, so that their Python objects take little memory.
_CHUNK = 16_384


class SegmentTooNew(MlwrightError):
    """A segment was written by a later version of mlwright."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            "the segment was written by a later version of mlwright",
            where=str(path),
            fix="seal it with that version, or upgrade this one",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a sealing did.

    Attributes
    ----------
    segments, rows, files
        Segments that are Parquet now, the rows in them, and the files that were written.
    damaged
        Stretches of bytes that were no whole record: the last one of a killed process, which was not acknowledged.
    erased
        Rows that were left out, since they were asked to be forgotten.
    open
        Segments that are still being written, or sealed by somebody else.
    """

    segments: int = 0
    rows: int = 0
    files: int = 0
    damaged: int = 0
    erased: int = 0
    open: int = 0


def seal_segments(segments: str | Path, destination: str | Path) -> Sealed:
    """Seal all finished segments of a folder, whoever wrote them.

    Raises
    ------
    StoreFailed, DiskFull, NotWritable
        If a file cannot be written; that segment stays, and the others are sealed.
    SegmentTooNew
        If a later version wrote one.
    """
    store, done = Store.open(destination), []
    erasures = Erasures.read(store)
    first_error: Exception | None = None
    still_open = 0
    for path in segments_in(Path(segments)):
        descriptor = claim(path)
        if descriptor is None:
            still_open += 1
            continue
        try:
            done.append(_seal(path, descriptor, store, erasures))
        except Exception as error:  # one that cannot be sealed must not hold up the others
            first_error = first_error or error
        finally:
            os.close(descriptor)
    if first_error is not None:
        raise first_error
    return Sealed(
        segments=len(done),
        rows=sum(one.rows for one in done),
        files=sum(one.files for one in done),
        damaged=sum(one.damaged for one in done),
        erased=sum(one.erased for one in done),
        open=still_open,
    )


def _seal(path: Path, descriptor: int, store: Store, erasures: Erasures) -> Sealed:
    table, damaged = read_segment(path, descriptor)
    if damaged:
        logger.warning("%s: %d stretches of bytes are no whole record", path.name, damaged)
    names = [(name, part) for name, part in _by_hour(table, path.stem)]
    while True:
        left = [(name, erasures.left(part)) for name, part in names]
        for name, part in left:
            if part.num_rows:
                store.write_table(name, part)
            else:
                store.delete(name)
        # Whoever asked for an erasure meanwhile may have looked for files before these were there.
        if erasures.are_all(store):
            break
        erasures = Erasures.read(store)
    path.unlink()
    rows = sum(part.num_rows for _, part in left)
    return Sealed(
        segments=1,
        rows=rows,
        files=sum(part.num_rows > 0 for _, part in left),
        damaged=damaged,
        erased=table.num_rows - rows,
    )


def read_segment(path: Path, descriptor: int) -> tuple[pa.Table, int]:
    """All whole records of an open segment, and how many stretches of it are none.

    Raises
    ------
    SegmentTooNew
        If a later version wrote it.
    """
    scan = Scan(contents(descriptor))
    if scan.header.get("format_version", 0) > FORMAT_VERSION:
        raise SegmentTooNew(path)
    tables = [typed_table(records, scan.header) for records in _chunks(scan)]
    if not tables:
        return typed_table([], scan.header), scan.damaged
    return pa.concat_tables(tables), scan.damaged


def _chunks(scan: Scan) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    for record in scan:
        chunk.append(record)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _by_hour(table: pa.Table, stem: str) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each hour with the name of their file, in the order of time."""
    if not table.num_rows:
        return
    ordered = table.take(pc.sort_indices(table, sort_keys=[("time", "ascending")]))
    hours = np.asarray(ordered.column("time").cast(pa.int64())) // HOUR_US
    starts = np.flatnonzero(np.diff(hours, prepend=hours[:1] - 1))
    for start, stop in zip(starts, [*starts[1:], len(hours)], strict=True):
        yield file_of(int(hours[start]), stem), ordered.slice(start, stop - start)
