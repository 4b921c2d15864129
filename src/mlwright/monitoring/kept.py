"""What the monitor keeps in the project's database: windows, what was read already, detectors, findings.

Each function works on a connection inside a transaction of `MonitorStore`, so that what belongs together changes together.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from mlwright.monitoring.findings import OVERALL, Finding
from mlwright.monitoring.shapes import WindowShape
from mlwright.monitoring.tables import detectors, findings, offsets, shapes, windows
from mlwright.monitoring.windows import WindowSummary

Grain: TypeAlias = Literal["hour", "day", "month"]

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Microseconds since 1970; a moment without a zone is in UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def start_of_period(at: datetime, length: timedelta) -> datetime:
    """When the stretch of so long began that a moment lies in; stretches are counted from 1970."""
    size = length // timedelta(microseconds=1)
    return moment(micros(at) // size * size)


def moment(us: int) -> datetime:
    """The moment of so many microseconds since 1970, in UTC."""
    return _EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptWindow:
    """A window as it is kept: its summary, and from when to when."""

    slice: str
    start: datetime
    end: datetime
    grain: Grain
    summary: WindowSummary


def save_shape(connection: Connection, shape: WindowShape) -> None:
    """Keep what windows of a version count, so that they can be read without its package."""
    if connection.execute(select(shapes.c.digest).where(shapes.c.digest == shape.digest)).first() is None:
        row = {"digest": shape.digest, "model": shape.model, "version": shape.version}
        connection.execute(insert(shapes), [{**row, "state": json.dumps(shape.state())}])


def saved_shape(connection: Connection, digest: str) -> WindowShape | None:
    """The shape with a digest; None if no window has it."""
    state = connection.execute(select(shapes.c.state).where(shapes.c.digest == digest)).scalar()
    return None if state is None else WindowShape.of_state(json.loads(state))


def add_to_window(
    connection: Connection,
    shape: WindowShape,
    slice_name: str,
    start_us: int,
    part: WindowSummary,
    *,
    grain: Grain = "hour",
) -> None:
    """Add rows of an hour (or a day) to the window that holds its start, whichever grain that has by now.

    Raises
    ------
    ReferenceOfOtherVersion
        If the window was counted for another shape.
    """
    row = connection.execute(
        _of(shape, slice_name).where(windows.c.start <= start_us, windows.c.end > start_us)
    ).first()
    if row is None:
        end_us = start_us + HOUR_US if grain == "hour" else micros(_period(moment(start_us), grain)[1])
        connection.execute(insert(windows), [_row(shape, slice_name, start_us, end_us, grain, part)])
        return
    whole = WindowSummary.of_state(row.state, shape, row.sample)
    whole.merge(part)
    changed = _row(shape, slice_name, row.start, row.end, row.grain, whole)
    connection.execute(update(windows).where(*_same(shape, slice_name), windows.c.start == row.start).values(**changed))


def kept_windows(
    connection: Connection,
    shape: WindowShape,
    *,
    slice_name: str = OVERALL,
    start: datetime | None = None,
    end: datetime | None = None,
    samples: bool = False,
) -> list[KeptWindow]:
    """The windows that begin in `[start, end)`, in their order; `samples` reads their reservoirs too."""
    query = _of(shape, slice_name).order_by(windows.c.start)
    if start is not None:
        query = query.where(windows.c.start >= micros(start))
    if end is not None:
        query = query.where(windows.c.start < micros(end))
    return [
        KeptWindow(
            slice=row.slice,
            start=moment(row.start),
            end=moment(row.end),
            grain=row.grain,
            summary=WindowSummary.of_state(row.state, shape, row.sample if samples else None),
        )
        for row in connection.execute(query)
    ]


def kept_windows_at(connection: Connection, shape: WindowShape, hours: Collection[int]) -> list[KeptWindow]:
    """The windows of all slices that hold one of these hours, which are counted from 1970; without their reservoirs."""
    if not hours:
        return []
    first, last = min(hours) * HOUR_US, max(hours) * HOUR_US
    found = []
    for slice_name in slices_of(connection, shape):
        query = _of(shape, slice_name).where(windows.c.start <= last, windows.c.end > first)
        for row in connection.execute(query.order_by(windows.c.start)):
            if any(row.start <= hour * HOUR_US < row.end for hour in hours):
                summary = WindowSummary.of_state(row.state, shape)
                start, end = moment(row.start), moment(row.end)
                found.append(KeptWindow(slice=row.slice, start=start, end=end, grain=row.grain, summary=summary))
    return found


def put_window(
    connection: Connection,
    shape: WindowShape,
    slice_name: str,
    start_us: int,
    end_us: int,
    whole: WindowSummary,
    *,
    grain: Grain,
) -> None:
    """Have this window in the place of the one that began then, if there is one."""
    save_shape(connection, shape)
    connection.execute(delete(windows).where(*_same(shape, slice_name), windows.c.start == start_us))
    connection.execute(insert(windows), [_row(shape, slice_name, start_us, end_us, grain, whole)])


def first_window(connection: Connection, shape: WindowShape) -> datetime | None:
    """When the first window of a version began; None if there is none."""
    query = select(func.min(windows.c.start)).where(windows.c.model == shape.model, windows.c.version == shape.version)
    first = connection.execute(query).scalar()
    return None if first is None else moment(first)


def counted_shape(connection: Connection, model: str, version: str) -> WindowShape | None:
    """What the windows of a version count; None if there is none yet."""
    query = select(windows.c.digest).where(windows.c.model == model, windows.c.version == version).limit(1)
    digest = connection.execute(query).scalar()
    return None if digest is None else saved_shape(connection, digest)


def merged(shape: WindowShape, parts: Iterable[KeptWindow]) -> WindowSummary:
    """One summary of several windows."""
    whole = WindowSummary(shape=shape)
    for part in parts:
        whole.merge(part.summary)
    return whole


def slices_of(connection: Connection, shape: WindowShape) -> list[str]:
    """The slices of which there are windows."""
    query = select(windows.c.slice).distinct().where(windows.c.model == shape.model, windows.c.version == shape.version)
    return sorted(connection.execute(query).scalars())


def roll_up(connection: Connection, shape: WindowShape, *, before: datetime, grain: Literal["day", "month"]) -> int:
    """Make one window of all that lie in a day, or a month, that ended by `before`; how many rows fewer there are."""
    fewer = 0
    for slice_name in slices_of(connection, shape):
        by_period: dict[tuple[int, int], list[KeptWindow]] = {}
        for window in _finer(connection, shape, slice_name, grain, before):
            start, end = _period(window.start, grain)
            if window.end <= end <= before:
                by_period.setdefault((micros(start), micros(end)), []).append(window)
        for (start_us, end_us), parts in by_period.items():
            connection.execute(
                delete(windows).where(*_same(shape, slice_name), windows.c.start >= start_us, windows.c.start < end_us)
            )
            whole = _row(shape, slice_name, start_us, end_us, grain, merged(shape, parts))
            connection.execute(insert(windows), [whole])
            fewer += len(parts) - 1
    return fewer


def _finer(
    connection: Connection, shape: WindowShape, slice_name: str, grain: Grain, before: datetime
) -> Iterator[KeptWindow]:
    """The windows that are shorter than a day, or a month, and their reservoirs; one that long holds all of its rows."""
    grains = ("hour",) if grain == "day" else ("hour", "day")
    wanted = _of(shape, slice_name).where(windows.c.start < micros(before), windows.c.grain.in_(grains))
    for row in connection.execute(wanted.order_by(windows.c.start)):
        summary = WindowSummary.of_state(row.state, shape, row.sample)
        start, end = moment(row.start), moment(row.end)
        yield KeptWindow(slice=row.slice, start=start, end=end, grain=row.grain, summary=summary)


def _period(start: datetime, grain: Literal["day", "month"]) -> tuple[datetime, datetime]:
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    if grain == "day":
        return day, day + timedelta(days=1)
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def _of(shape: WindowShape, slice_name: str) -> Select[Any]:
    return select(windows).where(*_same(shape, slice_name))


def _same(shape: WindowShape, slice_name: str) -> tuple[ColumnElement[bool], ...]:
    return windows.c.model == shape.model, windows.c.version == shape.version, windows.c.slice == slice_name


def _row(
    shape: WindowShape, slice_name: str, start: int, end: int, grain: Grain, window: WindowSummary
) -> dict[str, object]:
    return {
        "model": shape.model,
        "version": shape.version,
        "slice": slice_name,
        "start": start,
        "end": end,
        "grain": grain,
        "rows": window.rows,
        "late": window.late,
        "digest": shape.digest,
        "state": window.state(),
        "sample": window.sample_state(),
    }


# ---- what was read ----


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """What of a source was read: `position` rows of its `part`, as number `seq`."""

    part: str
    seq: int
    position: int


def offsets_of(connection: Connection, source: str) -> list[Offset]:
    """All that was read of a source, in the order in which it was."""
    query = select(offsets).where(offsets.c.source == source).order_by(offsets.c.seq)
    return [Offset(part=row.part, seq=row.seq, position=row.position) for row in connection.execute(query)]


def was_read(connection: Connection, source: str, parts: Sequence[str]) -> bool:
    """Whether any of these parts was."""
    query = select(offsets.c.part).where(offsets.c.source == source, offsets.c.part.in_(parts)).limit(1)
    return connection.execute(query).first() is not None


def save_offsets(connection: Connection, source: str, positions: Mapping[str, int]) -> None:
    """Note parts that are read, which must not have been noted before."""
    if positions:
        last = connection.execute(select(func.max(offsets.c.seq))).scalar() or 0
        rows = enumerate(positions.items(), start=last + 1)
        connection.execute(
            insert(offsets),
            [{"source": source, "part": part, "seq": seq, "position": rows_read} for seq, (part, rows_read) in rows],
        )


def forget_offsets(connection: Connection, source: str, parts: Sequence[str]) -> None:
    """Of files that are gone."""
    for part in parts:
        connection.execute(delete(offsets).where(offsets.c.source == source, offsets.c.part == part))


# ---- detectors ----


def detector_of(
    connection: Connection, shape: WindowShape, name: str, slice_name: str = OVERALL
) -> tuple[datetime, bytes] | None:
    """The state of a detector, and the moment up to which it has seen windows; None before its first one."""
    row = connection.execute(select(detectors).where(*_detector(shape, name, slice_name))).first()
    return None if row is None else (moment(row.position), bytes(row.state))


def save_detector(
    connection: Connection, shape: WindowShape, name: str, position: datetime, state: bytes, slice_name: str = OVERALL
) -> None:
    """Keep the state of a detector together with what it has seen."""
    values = {"position": micros(position), "state": state}
    if connection.execute(update(detectors).where(*_detector(shape, name, slice_name)).values(**values)).rowcount == 0:
        own = {"model": shape.model, "version": shape.version, "slice": slice_name, "name": name}
        connection.execute(insert(detectors), [{**own, **values}])


def judged_until(connection: Connection, shape: WindowShape) -> int:
    """Up to when any detector of the version has seen windows, in microseconds since 1970; 0 if none has."""
    query = select(func.max(detectors.c.position)).where(
        detectors.c.model == shape.model, detectors.c.version == shape.version
    )
    return connection.execute(query).scalar() or 0


def _detector(shape: WindowShape, name: str, slice_name: str) -> tuple[ColumnElement[bool], ...]:
    own = detectors.c
    return own.model == shape.model, own.version == shape.version, own.slice == slice_name, own.name == name


# ---- findings ----


def save_findings(connection: Connection, shape: WindowShape, found: Sequence[Finding], *, now: datetime) -> None:
    """Keep what was found; a trouble that is open already is the same one, and `close_findings` ends it."""
    own, at = findings.c, micros(now)
    for finding in found:
        values = {"seen": at, "level": finding.level, "state": json.dumps(finding.state())}
        same = (own.model == shape.model, own.version == shape.version, own.key == finding.key, own.closed.is_(None))
        changed = update(findings).where(*same).values(**values, times=own.times + 1)
        if connection.execute(changed).rowcount == 0:
            row = {"model": shape.model, "version": shape.version, "key": finding.key, "opened": at, "times": 1}
            connection.execute(insert(findings), [{**row, **values, "kind": finding.kind, "slice": finding.slice}])


def close_findings(
    connection: Connection,
    shape: WindowShape,
    *,
    kinds: Sequence[str],
    still: Sequence[str],
    now: datetime,
    slice_name: str = OVERALL,
) -> None:
    """End the open findings of some kinds about a slice whose keys are not among `still`."""
    own = findings.c
    connection.execute(
        update(findings)
        .where(own.model == shape.model, own.version == shape.version, own.closed.is_(None))
        .where(own.kind.in_(kinds), own.slice == slice_name, own.key.not_in(still))
        .values(closed=micros(now))
    )


def saved_findings(
    connection: Connection, model: str, *, version: str | None = None, open_only: bool = True
) -> list[Finding]:
    """What was found, the latest first."""
    query = select(findings.c.state).where(findings.c.model == model).order_by(findings.c.seen.desc(), findings.c.key)
    if version is not None:
        query = query.where(findings.c.version == version)
    if open_only:
        query = query.where(findings.c.closed.is_(None))
    return [Finding.of_state(json.loads(state)) for state in connection.execute(query).scalars()]
