"""What has moved, in words, numbers and pictures: the findings of the drift watch, and the step that makes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection

from mlwright.models import Model
from mlwright.monitoring.drift import FEWEST_ROWS, Drifted, DriftWatch, Guarantee
from mlwright.monitoring.findings import OVERALL, BeforeAfter, Finding
from mlwright.monitoring.kept import (
    KeptWindow,
    close_findings,
    detector_of,
    kept_windows,
    merged,
    micros,
    moment,
    save_detector,
    save_findings,
)
from mlwright.monitoring.pictures import before_after, shown_of
from mlwright.monitoring.reference import reference_of
from mlwright.monitoring.shapes import WindowShape
from mlwright.monitoring.store import MonitorStore
from mlwright.monitoring.windows import WindowSummary

DETECTOR, KIND = "drift", "drift"
_PICTURES, _NAMED = 6, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a step of the drift watch saw.

    Attributes
    ----------
    windows
        How many were judged.
    waiting
        Rows that wait for more, since they are too few.
    learning
        Whether the first windows are still needed to learn how much quiet ones differ.
    """

    findings: tuple[Finding, ...]
    windows: int
    waiting: int
    learning: bool


def judge_drift(
    store: MonitorStore,
    model: Model,
    shape: WindowShape,
    *,
    until: datetime,
    now: datetime,
    window: timedelta = timedelta(days=1),
    guarantee: Guarantee | None = None,
    tolerance: float | Mapping[str, float] = 0.0,
    slice_name: str = OVERALL,
) -> Judged:
    """Judge the windows that are over and have not been judged, and keep what was found.

    The state of the detector, how far it has come and the findings change in one transaction.

    Parameters
    ----------
    until
        Windows that ended by then are over.
    now
        When the findings are seen.
    guarantee
        The error that alarms keep; at most 1 % ever if not given.

    Raises
    ------
    ReferenceOfOtherVersion
        If windows, or the detector, are of another version than the package.
    DatabaseGone, DiskFull
        If the database cannot be used.
    """
    reference = reference_of(model, shape)
    start = DriftWatch.start(reference, guarantee or Guarantee.ever(), tolerance=tolerance)

    def step(connection: Connection) -> Judged:
        kept = detector_of(connection, shape, DETECTOR, slice_name)
        watch = start if kept is None else DriftWatch.of_state(kept[1], reference)
        position = None if kept is None else kept[0]
        hours = kept_windows(connection, shape, slice_name=slice_name, start=position, end=until)
        due, waiting = due_windows(shape, hours, position, until=until, window=window)
        for begun, _, summary in due:
            watch = watch.update(summary, begun)
        if due:
            save_detector(connection, shape, DETECTOR, due[-1][1], watch.state(), slice_name)
        drifted = watch.drifted()
        found: tuple[Finding, ...] = ()
        if drifted:
            since = min(one.began for one in drifted)
            after = merged(shape, kept_windows(connection, shape, slice_name=slice_name, start=since, end=until))
            found = (drift_finding(drifted, model, after, watch, slice_name=slice_name),)
        save_findings(connection, shape, found, now=now)
        if due:
            still = [finding.key for finding in found]
            close_findings(connection, shape, kinds=[KIND], still=still, now=now, slice_name=slice_name)
        return Judged(findings=found, windows=len(due), waiting=waiting, learning=watch.learning)

    return store.transaction(step)


def due_windows(
    shape: WindowShape,
    hours: Sequence[KeptWindow],
    position: datetime | None,
    *,
    until: datetime,
    window: timedelta,
) -> tuple[list[tuple[datetime, datetime, WindowSummary]], int]:
    """The windows that are over, each with its start and end, and how many rows wait: those of one too few for a window.

    A window of fewer than 50 rows becomes part of the next one.
    """
    length, over = window // timedelta(microseconds=1), micros(until)
    due: list[tuple[datetime, datetime, WindowSummary]] = []
    held, begun = WindowSummary(shape=shape), -1
    for start_us, parts in groupby(hours, key=lambda hour: micros(hour.start) // length * length):
        if start_us + length > over:
            break
        if held.rows == 0:
            # Nothing waits: the window is this one, less what of it was judged before.
            begun = start_us if position is None else max(start_us, min(micros(position), start_us + length))
        held.merge(merged(shape, parts))
        if held.rows >= FEWEST_ROWS:
            due.append((moment(begun), moment(start_us + length), held))
            held = WindowSummary(shape=shape)
    return due, held.rows


def drift_finding(
    drifted: Sequence[Drifted], model: Model, after: WindowSummary, watch: DriftWatch, *, slice_name: str = OVERALL
) -> Finding:
    """One finding for all columns that have moved.

    Parameters
    ----------
    after
        The rows since the change began.
    """
    shape = watch.reference.shape
    pictures = {one.column: before_after(one.column, model, after) for one in drifted[:_PICTURES]}
    first = min(drifted, key=lambda one: one.began)
    evidence: dict[str, float | int | str | None] = {
        "rows": after.rows,
        "chance_at_most": math.exp(-min(max(one.log_e for one in drifted), 700.0)),
        "error": watch.guarantee.error,
        "horizon": watch.guarantee.horizon,
        "normal_learnt_from": watch.learnt_from,
        "earliest": first.earliest.isoformat(),
        "latest": first.latest.isoformat(),
    }
    for one in drifted:
        evidence[f"{one.column}: moved"] = f"{one.score.family} {one.score.name}".strip()
        evidence[f"{one.column}: before"] = one.before
        evidence[f"{one.column}: after"] = one.after
        evidence[f"{one.column}: log_e"] = one.log_e
    return Finding(
        kind=KIND,
        level="info",
        what=_sentence(drifted, first, shape, pictures),
        columns=tuple(one.column for one in drifted),
        since=first.began,
        evidence=evidence,
        advice="See what it costs before you act: rows that have moved need not be answered worse.",
        slice=slice_name,
        key=f"{KIND}/{slice_name}",
        pictures=tuple(picture for picture in pictures.values() if picture is not None),
    )


def _sentence(
    drifted: Sequence[Drifted], first: Drifted, shape: WindowShape, pictures: Mapping[str, BeforeAfter | None]
) -> str:
    parts = [in_words(one, shown_of(shape, one.column), pictures.get(one.column)) for one in drifted[:_NAMED]]
    more = len(drifted) - len(parts)
    listed = "; ".join(parts) + (f"; and {more} more have moved" if more else "")
    range_ = "" if first.earliest == first.latest else f" (between {_day(first.earliest)} and {_day(first.latest)})"
    return f"Since about {_day(first.began)}{range_}: {listed}."


def in_words(one: Drifted, name: str, picture: BeforeAfter | None) -> str:
    """How a column has moved, in a few words."""
    up = one.change > 0
    match one.score.family:
        case "missing":
            return f"{name} is missing in {one.after:.1%} of rows (was {one.before:.1%})"
        case "unread":
            return f"{name} cannot be read in {one.after:.1%} of rows (was {one.before:.1%})"
        case "new":
            return f"{name} has values that the training rows did not have in {one.after:.1%} of rows"
        case "level":
            which = f"`{one.score.name}`" if one.score.name else "rare values"
            return f"{name} is {which} in {one.after:.1%} of rows (was {one.before:.1%})"
        case "length":
            return f"the texts in {name} are {'longer' if up else 'shorter'}"
        case "spread":
            return f"{name} is {'more' if up else 'less'} spread out" + _quartiles(picture)
        case _:
            return f"{name} is {'higher' if up else 'lower'}" + _median(picture)


def _median(picture: BeforeAfter | None) -> str:
    if picture is None or picture.kind != "quantiles":
        return ""
    middle = picture.names.index("0.5")
    return f" (median {picture.after[middle]:.4g}, was {picture.before[middle]:.4g})"


def _quartiles(picture: BeforeAfter | None) -> str:
    if picture is None or picture.kind != "quantiles":
        return ""
    low, high = picture.names.index("0.25"), picture.names.index("0.75")
    now, before = (f"{side[low]:.4g} to {side[high]:.4g}" for side in (picture.after, picture.before))
    return f" (half of the rows from {now}, was {before})"


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}" if (at.hour, at.minute) == (0, 0) else f"{at:%Y-%m-%d %H:%M}"
