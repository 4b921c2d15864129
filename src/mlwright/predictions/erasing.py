"""Take rows out of a log: those of one person, or those that are too old."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlwright.core import MlwrightError
from mlwright.predictions.erasures import Erasure, Erasures, forget_old, keep
from mlwright.predictions.hours import HOUR_US, date_of, hour_of, hour_of_date, micros_of
from mlwright.predictions.labelled import UNKNOWN, folder_of_day
from mlwright.predictions.masking import Masks
from mlwright.predictions.places import LABELS
from mlwright.predictions.sealing import Sealed, seal_segments
from mlwright.predictions.store import Store
from mlwright.predictions.windows import sealed_files


class NothingToErase(MlwrightError):
    """Neither ids nor a field were named, or both."""

    def __init__(self) -> None:
        super().__init__(
            "what to erase is named either by ids or by a field and its values",
            where="the call",
            fix="give some ids, or one field with a value",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was taken out.

    Attributes
    ----------
    answers, labels
        Rows.
    files
        Files that were written again or removed.
    open
        Segments that are still being written: the rows in them are left out when they are sealed.
    erasures
        Old erasures that are no longer needed (of a sweep).
    """

    answers: int = 0
    labels: int = 0
    files: int = 0
    open: int = 0
    erasures: int = 0


def erase(
    destination: str | Path,
    *,
    ids: Iterable[str] | None = None,
    where: tuple[str, Iterable[Any]] | None = None,
    segments: str | Path | None = None,
    masks: Masks | None = None,
    now: datetime,
) -> Erased:
    """Take somebody's rows out of sealed files, labels and segments, for good.

    It is remembered by salted digests, so that segments on other machines leave the rows out too when they are sealed.
    Files are written aside and swapped, one at a time; killed in between, the next call goes on with what was left.
    Labels go first, since they are found by the ids of the rows.

    Parameters
    ----------
    ids, where
        Either ids of answers, or a field of the input and its values.
    segments
        A folder of segments; the finished ones are sealed first.
    masks
        Of the log, where the field is hashed.
    now
        Rows from before then are meant.

    Raises
    ------
    NothingToErase
        If neither or both are given.
    LogNotFound, StoreFailed, DiskFull
        If there is no log, or it cannot be written.
    """
    if (ids is None) == (where is None):
        raise NothingToErase
    store, before_us = Store.existing(destination), micros_of(now, otherwise=0)
    field, values = (None, list(ids or ())) if where is None else (where[0], list(where[1]))
    if masks is not None and field is not None and masks.fields.get(field) == "hash":
        values += [masks.hashed(value) for value in values]
    keep(store, Erasure.of(values, field=field, before_us=before_us))
    sealed = Sealed() if segments is None else seal_segments(segments, destination)
    wanted = Erasures.read(store).unapplied()
    done = _Tally(answers=sealed.erased)
    for name in sealed_files(store, end_us=before_us):
        gone = _ids_meant(store, name, wanted)
        if gone:
            _without_labels(store, gone, [date_of(hour_of(name)), UNKNOWN], done)
            _rewritten(store, name, done)
    if field is None:
        _without_labels(store, values, [folder.rsplit("=", 1)[1] for folder in store.folders(LABELS)], done)
    wanted.keep_applied(store)
    return Erased(answers=done.answers, labels=done.labels, files=done.files, open=sealed.open)


@dataclass(slots=True)
class _Tally:
    answers: int = 0
    labels: int = 0
    files: int = 0


def _ids_meant(store: Store, name: str, wanted: Erasures) -> list[str]:
    looked_at = store.table(name, sorted({"id", *wanted.fields()}))
    return list(looked_at.column("id").filter(pa.array(wanted.meant(looked_at))).to_pylist())


def _rewritten(store: Store, name: str, done: _Tally) -> None:
    """Write a sealed file without anything that was asked to be forgotten."""
    whole, asked = store.table(name), Erasures.read(store)
    while True:
        left = asked.left(whole)
        _swapped(store, name, left)
        # Two erasures at once must not bring back each other's rows.
        if asked.are_all(store):
            break
        asked = Erasures.read(store)
    done.answers += whole.num_rows - left.num_rows
    done.files += 1


def _without_labels(store: Store, ids: list[str], days: list[str], done: _Tally) -> None:
    gone = pa.array(sorted(set(ids)), pa.string())
    for name in (name for day in days for name in store.files(folder_of_day(day))):
        table = store.table(name)
        left = table.filter(pc.invert(pc.is_in(table.column("id"), value_set=gone)))
        if left.num_rows < table.num_rows:
            _swapped(store, name, left)
            done.labels, done.files = done.labels + table.num_rows - left.num_rows, done.files + 1


def _swapped(store: Store, name: str, left: pa.Table) -> None:
    if left.num_rows:
        store.write_table(name, left)
    else:
        store.delete(name)


def expire(destination: str | Path, older_than: datetime, *, dry_run: bool = False) -> Erased:
    """Remove the answers and labels from before a moment.

    Answers go by whole hours, so that those of the hour of the moment stay until the next sweep. Labels go with the day
    of their answers, once all of it is gone; those of unknown answers by their own time.

    Parameters
    ----------
    dry_run
        Only count.

    Raises
    ------
    LogNotFound, StoreFailed
        If there is no log, or it cannot be written.
    """
    store, cutoff = Store.existing(destination), micros_of(older_than, otherwise=0)
    gone_hours = cutoff // HOUR_US
    old = [name for name in sealed_files(store, end_us=cutoff) if hour_of(name) < gone_hours]
    days = [folder for folder in store.folders(LABELS) if not folder.endswith(UNKNOWN)]
    old_labels = [
        name
        for folder in days
        if hour_of_date(folder.rsplit("=", 1)[1]) + 24 <= gone_hours
        for name in store.files(folder)
    ]
    answers, labels = (sum(_rows(store, name) for name in names) for names in (old, old_labels))
    if not dry_run:
        for name in (*old, *old_labels):
            store.delete(name)
    unknown = _expired_unknown(store, cutoff, dry_run=dry_run)
    return Erased(
        answers=answers,
        labels=labels + unknown,
        files=len(old) + len(old_labels),
        erasures=forget_old(store, cutoff, dry_run=dry_run),
    )


def _rows(store: Store, name: str) -> int:
    with store.parquet(name) as file:
        return int(file.metadata.num_rows)


def _expired_unknown(store: Store, cutoff: int, *, dry_run: bool) -> int:
    rows = 0
    for name in store.files(folder_of_day(UNKNOWN)):
        table = store.table(name)
        left = table.filter(pc.greater_equal(table.column("time").cast(pa.int64()), cutoff))
        rows += table.num_rows - left.num_rows
        if left.num_rows < table.num_rows and not dry_run:
            _swapped(store, name, left)
    return rows
