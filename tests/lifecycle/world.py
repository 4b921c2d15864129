"""A small shop that changes: rows whose law is known, the log of a model that answered them, and the project around it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from mlwright.core import Interval
from mlwright.lifecycle import LabelledLog, LabelledRows, LifecycleStore, Project, labelled_rows
from mlwright.models import Model, ScoreCounts
from mlwright.monitoring.findings import Finding
from mlwright.monitoring.store import MonitorStore
from mlwright.predictions import PredictionLog, add_labels
from mlwright.registry import Registry
from mlwright.spec import Spec

START = datetime(2026, 3, 1, tzinfo=UTC)


def day(number: float, start: datetime = START) -> datetime:
    """So many days after the start."""
    return start + timedelta(days=number)


def risen(since: datetime) -> Finding:
    """A loss that has risen, by more than is tolerated."""
    return Finding(
        kind="loss",
        level="page",
        what="The Brier score has risen.",
        since=since,
        cost=Interval(low=0.02, high=0.06, confidence=0.9),
        cost_unit="Brier score",
    )


def drawn(rows: int, seed: int, *, base: float = 0.0, slope: float = 1.0) -> pl.DataFrame:
    """Customers and whether they bought: `base` moves the log odds of all, `slope` of -1 turns the law round."""
    rng = np.random.default_rng(seed)
    age = np.round(rng.normal(45, 12, rows), 1)
    city = rng.choice(["Paris", "Rome", "Oslo", "Bern"], rows, p=[0.4, 0.3, 0.2, 0.1])
    visits = rng.poisson(3, rows)
    logit = slope * (0.09 * (age - 45) + (city == "Rome") * 1.5 - 0.45 + 0.4 * (visits - 3)) + base
    bought = rng.random(rows) < 1 / (1 + np.exp(-logit))
    return pl.DataFrame(
        {"age": age, "city": city, "visits": visits, "bought": np.where(bought, "yes", "no")},
    )


def with_share(frame: pl.DataFrame, share: float, rows: int, seed: int) -> pl.DataFrame:
    """Rows of the same customers, of which this share has bought: only the shares of the classes differ."""
    rng = np.random.default_rng(seed)
    bought = (frame["bought"] == "yes").to_numpy()
    positive = rng.random(rows) < share
    picked = np.where(positive, rng.choice(np.flatnonzero(bought), rows), rng.choice(np.flatnonzero(~bought), rows))
    found: pl.DataFrame = frame[picked.tolist()]
    return found


def answered(
    model: Model, frame: pl.DataFrame, *, start: datetime = START, days: float = 5, name: str = "r"
) -> pa.Table:
    """The rows with the names of `read_window`, labels included."""
    step = timedelta(days=days) / max(len(frame), 1)
    times = pa.array([start + number * step for number in range(len(frame))], pa.timestamp("us", "UTC"))
    columns: dict[str, Any] = {f"input.{column}": frame[column].to_list() for column in ("age", "city", "visits")}
    return pa.table(
        {
            "id": [f"{name}{number}" for number in range(len(frame))],
            "time": times,
            "version": ["v1"] * len(frame),
            **columns,
            "label": [str(value) for value in frame[model.target].to_list()],
            "label_time": times,
        }
    )


def labelled(model: Model, frame: pl.DataFrame, **where: Any) -> LabelledRows:
    return labelled_rows(answered(model, frame, **where), model)


def scores(model: Model, frame: pl.DataFrame) -> ScoreCounts:
    """What a window counts of the model's answers."""
    said = model.predict(frame)
    assert said.decision is not None
    counts = ScoreCounts.none_yet(len(model.classes))
    counts.add(said.decision, said.prediction if said.prediction.ndim == 1 else said.prediction.max(axis=1))
    return counts


def opened(folder: Path, spec: Spec) -> Project:
    """The project in a folder, as another process would open it."""
    store = MonitorStore.open("sqlite:///mlwright.db", folder=folder)
    spec = spec.at(folder)
    return Project(
        spec=spec,
        registry=Registry.of(spec),
        store=LifecycleStore(store, spec.project.name),
        log=LabelledLog(folder / "predictions"),
    )


def log_answers(
    project: Project, model: Model, frame: pl.DataFrame, *, start: datetime, days: float, name: str, version: str = "v1"
) -> None:
    """The model answers the rows, and their truth becomes known."""
    folder = project.spec.folder / "predictions"
    with PredictionLog.open(folder, input_schema=model.schema, sealing=False) as log:
        step = timedelta(days=days) / max(len(frame), 1)
        for number, row in enumerate(frame.iter_rows(named=True)):
            moment = start + number * step
            asked = {key: value for key, value in row.items() if key != model.target}
            log.append(f"{name}{number}", int(moment.timestamp() * 1e9), version, json.dumps(asked).encode(), b"{}")
        log.close(seal=True)
    truth = pl.DataFrame({"id": [f"{name}{number}" for number in range(len(frame))], "label": frame[model.target]})
    add_labels(folder, truth, now=start + timedelta(days=days))
