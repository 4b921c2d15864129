"""Models put together by hand: a linear model and a booster on real tables, calibrated, without a search."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl
from tests.support import diabetes_frame, mixed_frame, split_of, wine_frame

from mlwright.core import Deadline
from mlwright.data import Split, TableSummary
from mlwright.features import Encoder, Matrix, View, fit_encoder
from mlwright.models import (
    FAMILIES,
    Calibration,
    DecisionRule,
    FitJob,
    Member,
    Model,
    Outline,
    Rows,
    Settled,
    combine,
    fit_spread,
)
from mlwright.spec import Task

_SETTLED: dict[str, Settled] = {
    "linear": {"penalty": 0.01},
    "lightgbm": {"rounds": 20},
    "catboost": {"rounds": 20},
    "xgboost": {"rounds": 20},
    "constant": {},
}


class Made(NamedTuple):
    """A model with the frame and the split that it comes from."""

    model: Model
    frame: pl.DataFrame
    split: Split


def frame_of(task: Task) -> tuple[pl.DataFrame, str]:
    """A table of the task and its target."""
    if task == "binary":
        return mixed_frame(500), "bought"
    return (wine_frame(), "cultivar") if task == "multiclass" else (diabetes_frame(), "progression")


@cache
def made(task: Task, families: tuple[str, ...] = ("linear", "lightgbm")) -> Made:
    """A model of these families with equal weights; the same object every time."""
    frame, target = frame_of(task)
    _, split = split_of(frame, target, data={"id": "customer_id"} if task == "binary" else {})
    train = split.train
    encoded: dict[View, tuple[Encoder, Matrix]] = {
        view: fit_encoder(train, view) for view in sorted({FAMILIES[name].view for name in families})
    }
    members = []
    for name in families:
        family = FAMILIES[name]
        job = FitJob(
            task=task,
            n_classes=max(len(train.classes), 1),
            rows=Rows(matrix=encoded[family.view][1], y=train.y),
            parameters=family.candidates(Outline.of(train))[0],
            seed=0,
            deadline=Deadline.after(60),
            settled=_SETTLED[name],
        )
        members.append(Member(family=name, trial=name, weight=1 / len(families), estimator=family.fit(job)))
    read = [name for name in train.schema.names if any(name in e.columns for e, _ in encoded.values())]
    summary = train.summary()
    raw = combine(
        [member.estimator.predict(encoded[member.view][1].values) for member in members],
        [member.weight for member in members],
    )
    return Made(
        Model(
            task=task,
            classes=train.classes,
            target=train.target,
            schema=train.schema.select(read),
            encoders={view: encoder for view, (encoder, _) in encoded.items()},
            members=tuple(members),
            calibration=Calibration()
            if task == "regression"
            else Calibration(method="temperature", values=(0.8,), reason="made"),
            rule=DecisionRule(threshold=0.4),
            spread=fit_spread(raw, train.y) if task == "regression" else None,
            reference=TableSummary(rows=summary.rows, columns={name: summary[name] for name in read}),
            facts={"seed": 0, "training_rows": len(train), "score": float(np.round(0.5, 1))},
        ),
        frame,
        split,
    )
