"""A challenger: the training table is put together from the project's source and labelled rows of the log, and searched again.

The search begins with what the champion's trials found. Rows from before a change are kept only if they help to predict the
rows after it, which a light model says before the search.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlwright.core import MlwrightError, Progress, silent, whole_file
from mlwright.data import Dataset, read
from mlwright.data.dataset import FloatArray
from mlwright.lifecycle.labelled import LabelledRows, moment_of
from mlwright.monitoring.rows import RowShape
from mlwright.registry import Registry, Version, register_run
from mlwright.runs import RunFolder, all_runs
from mlwright.search import Executor
from mlwright.spec import Spec

#: Fewer labelled rows from after a change are no training set by themselves.
LEAST_ROWS = 500
#: Of the rows after a change, the last ones judge which window predicts them best; so many at most, for they should be like
#: those that come next.
JUDGED, MOST_JUDGED = 0.25, 2_000
#: The latest rows, by themselves, where there are twice as many: enough for a model, and forgetting what was long ago.
RECENT = 5_000
_TREES, _LEAVES = 100, 31

FOLDER = "retraining"


class TooFewLabels(MlwrightError):
    """There is nothing new to learn from."""

    def __init__(self, found: int, where: str) -> None:
        super().__init__(
            f"only {found} answered rows have a label",
            where=where,
            fix="give the log labels with `mlwright label`, or train on a newer table with `mlwright run`",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which rows a challenger is trained on.

    Attributes
    ----------
    name
        `all`: the source and the log; `log`: labelled rows of the log; `change`: those from after the change; `recent`: the
        latest ones.
    since
        The rows of the log that were answered then or later; None is all of them.
    with_source
        Whether the rows of the project's source are among them.
    losses
        What a light model trained on each window lost on the latest rows, by name: what the choice rests on.
    """

    name: str
    since: datetime | None
    with_source: bool
    losses: Mapping[str, float]


def training_table(spec: Spec, source: Dataset, labelled: LabelledRows, window: Window) -> pa.Table:
    """The rows of a window in the columns of the source, with its schema; what the log does not have is missing.

    The time of an answer is taken for the time column of the spec where the log does not have that column, and its id for
    the id column.
    """
    recent = labelled.since(window.since)
    columns: dict[str, pa.ChunkedArray] = {}
    for name in source.table.column_names:
        kind = _plain(source.table.schema.field(name).type)
        own = _of_log(name, kind, spec, recent)
        before = pc.cast(_decoded(source.table.column(name)), kind)
        columns[name] = (
            pa.chunked_array([*before.chunks, own], kind) if window.with_source else pa.chunked_array([own], kind)
        )
    return source.schema.written_on(pa.table(columns))


def choose_window(
    source: Dataset, labelled: LabelledRows, *, since: datetime | None, rng: np.random.Generator
) -> Window:
    """The window whose rows predict the latest labelled rows best, by a light model.

    Parameters
    ----------
    since
        When the change began, as the detector dates it; None if nothing is dated.
    """
    latest = np.argsort(labelled.times, kind="stable")
    after = None if since is None else labelled.since(since)
    of_one_piece = labelled if after is None or len(after) < LEAST_ROWS else after
    n_judged = judged_rows(len(of_one_piece))
    judged, before = labelled.take(latest[-n_judged:]), labelled.take(latest[:-n_judged])
    windows = {"all": Window(name="all", since=None, with_source=True, losses={})}
    if len(before) >= LEAST_ROWS:
        windows["log"] = Window(name="log", since=None, with_source=False, losses={})
    if since is not None and len(before.since(since)) >= LEAST_ROWS:
        windows["change"] = Window(name="change", since=since, with_source=False, losses={})
    if len(before) >= 2 * RECENT:
        windows["recent"] = Window(name="recent", since=_start_of_last(before), with_source=False, losses={})
    if len(windows) == 1 or len(judged) < LEAST_ROWS * JUDGED:
        return windows["all"]
    seed = int(rng.integers(2**31))
    losses = {name: _loss_of_window(source, before, judged, window, seed) for name, window in windows.items()}
    chosen = windows[best_window(losses)]
    means = {name: float(loss.mean()) for name, loss in losses.items()}
    begin = _start_of_last(labelled) if chosen.name == "recent" else chosen.since
    return Window(name=chosen.name, since=begin, with_source=chosen.with_source, losses=means)


def judged_rows(rows: int) -> int:
    """How many of the latest rows judge the windows, where there are so many of one piece."""
    return min(max(int(JUDGED * rows), 1), MOST_JUDGED)


def best_window(losses: Mapping[str, FloatArray]) -> str:
    """The window with the least loss on the judged rows; of those that are about as good the first one.

    Parameters
    ----------
    losses
        By name, the one with the most rows first: its model has more to stand on. Of each judged row, shape (n_rows,).
    """
    best = min(losses, key=lambda name: float(losses[name].mean()))
    for name, loss in losses.items():
        excess = loss - losses[best]
        if excess.mean() <= float(excess.std()) / np.sqrt(len(excess)):
            return name
    return best


def _start_of_last(labelled: LabelledRows) -> datetime:
    return moment_of(int(labelled.last(RECENT).times.min()))


def make_challenger(
    spec: Spec,
    labelled: LabelledRows,
    *,
    registry: Registry,
    champion: Version,
    decision: str,
    since: datetime | None,
    who: str,
    rng: np.random.Generator,
    now: datetime | None = None,
    progress: Progress = silent,
    executor: Executor | None = None,
) -> Version:
    """Train, judge and register a challenger.

    The training table is kept beside the runs, so that the run can be gone on with and verified; one that was killed is gone
    on with. The time of the last labelled row that there was is what a comparison starts from (`trained_until`).

    Raises
    ------
    TooFewLabels
        If fewer than 20 answered rows have a label.
    ChecksFailed, NothingWorked
        As `workflow.train`.
    """
    from mlwright.workflow import evaluate_run, report_run, train

    if len(labelled) < 20:
        raise TooFewLabels(len(labelled), "the prediction log")
    path = spec.folder / FOLDER / f"{decision}.parquet"
    begun = _begun(spec, path)
    if begun is None:
        source = read(spec, progress=progress)
        window = choose_window(source, labelled, since=since, rng=rng)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as aside:
            pq.write_table(training_table(spec, source, labelled, window), aside)
    run = train(
        spec_over(spec, path, task=champion.task, since=since), resume=begun, progress=progress, executor=executor
    )
    run = evaluate_run(run, progress=progress)
    report_run(run)
    return register_run(run, registry=registry, who=who, parent=champion.number, decision=decision, now=now)


def spec_over(spec: Spec, table: Path, *, task: str, since: datetime | None = None) -> Spec:
    """The same question over another table, begun with what earlier runs found; without the file that it was read from.

    A split in time would keep just the latest rows for the test, which a challenger is made to learn from. Its proof is that it
    does better on rows that come later, so its own test rows are drawn from all times.

    Parameters
    ----------
    since
        Of the change that it is made after: what it is watched against later are the rows since then.
    """
    tree: dict[str, Any] = spec.model_dump(mode="json", exclude_unset=True)
    tree["data"] = {**tree["data"], "source": os.path.relpath(table, spec.folder)}
    tree["data"].pop("reading", None)
    for column in tree["data"].get("columns", {}).values():
        # The table is typed: what was needed to read the source has been done.
        for done in ("missing", "replace", "formats"):
            column.pop(done, None)
    tree["budget"] = {"warm_start": True, **tree.get("budget", {})}
    if spec.split.kind == "temporal" or (spec.split.kind == "auto" and spec.data.time is not None):
        kind = "grouped" if spec.data.group is not None else "random" if task == "regression" else "stratified"
        kept = {name: value for name, value in tree.get("split", {}).items() if name != "gap"}
        tree["split"] = {**kept, "kind": kind}
    if since is not None:
        tree["operation"] = {**tree.get("operation", {}), "reference_from": since.date().isoformat()}
    return Spec.of(tree).at(spec.folder)


def _begun(spec: Spec, table: Path) -> RunFolder | None:
    """The run over this table that was begun earlier."""
    if not table.is_file():
        return None
    source = os.path.relpath(table, spec.folder)
    for folder in reversed(all_runs(spec.folder)):
        with suppress(MlwrightError):  # a damaged run of last year is not the one
            if folder.spec().data.source == source:
                return folder
    return None


def trained_until(labelled: LabelledRows, *, now: datetime) -> datetime:
    """Rows answered later than this were not seen in training."""
    return moment_of(int(labelled.times.max()) + 1) if len(labelled) else now


# ---------------------------------------------------------------------------------------------------- columns and loss


def _of_log(name: str, kind: pa.DataType, spec: Spec, recent: LabelledRows) -> pa.Array:
    """A column of the source for rows of the log."""
    table = recent.rows.table
    if name in table.column_names:
        values: pa.Array = pc.cast(_decoded(table.column(name)), kind, safe=False).combine_chunks()
        return values
    if name == spec.data.id and pa.types.is_string(kind):
        return pa.array([str(one) for one in recent.ids], kind)
    if name == spec.data.time:
        moments = pa.array(recent.times, pa.timestamp("us"))
        if pa.types.is_timestamp(kind):
            return moments
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return pc.cast(pa.array(recent.times / 1e6), kind, safe=False)
    return pa.nulls(len(recent), kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_dictionary(kind) else kind


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column if not pa.types.is_dictionary(column.type) else pc.cast(column, pa.string())


def _loss_of_window(
    source: Dataset, before: LabelledRows, judged: LabelledRows, window: Window, seed: int
) -> FloatArray:
    """What a light model, trained on the window, loses on each judged row."""
    features = [name for name in before.rows.schema.names if name != before.rows.target and name in source.features]
    tables = [before.since(window.since).rows.table.select(features)]
    y = [before.since(window.since).y]
    if window.with_source:
        tables.insert(0, source.table.select(features))
        y.insert(0, source.y)
    shape = RowShape.of([_texts(table) for table in tables])
    x = np.vstack([shape.matrix(_texts(table)) for table in tables])
    predicted = _light_model(x, np.concatenate(y), shape.categorical, judged, features, shape, seed)
    truth = judged.y
    if judged.rows.task == "regression":
        return np.abs(predicted - truth)
    if predicted.ndim == 1:
        return np.square(predicted - truth)
    given = np.zeros_like(predicted)
    given[np.arange(len(truth)), truth.astype(np.int64)] = 1.0
    loss: FloatArray = np.square(predicted - given).sum(axis=1)
    return loss


def _light_model(
    x: FloatArray,
    y: FloatArray,
    categorical: Sequence[int],
    judged: LabelledRows,
    features: Sequence[str],
    shape: RowShape,
    seed: int,
) -> FloatArray:
    import lightgbm

    n_classes = len(judged.rows.classes)
    objective = "regression" if n_classes == 0 else "binary" if n_classes == 2 else "multiclass"
    parameters: dict[str, Any] = {
        "objective": objective,
        "verbosity": -1,
        "num_threads": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_leaves": _LEAVES,
        "min_data_in_leaf": int(np.clip(len(y) // 100, 5, 50)),
        **({"num_class": n_classes} if n_classes > 2 else {}),
    }
    data = lightgbm.Dataset(x, y, categorical_feature=list(categorical), params={"verbosity": -1})
    booster = lightgbm.train(parameters, data, _TREES)
    values = shape.matrix(_texts(judged.rows.table.select(list(features))))
    predicted: FloatArray = np.asarray(booster.predict(values, num_threads=1))
    return predicted


def _texts(table: pa.Table) -> pa.Table:
    """Levels as texts, so that tables with other levels can be put side by side."""
    return pa.table([_decoded(column) for column in table.columns], names=table.column_names)
