"""mlwright as the harness of the quality benchmark calls a framework (see `run.py` beside it)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlwright import Classifier, Regressor, Scorer

_RECORDS = 200


@dataclass
class Model:
    """A fitted model as the harness takes it; `serve` switches `predict` to the scorer for single rows."""

    predict: Any
    classes: Any
    save: Any
    serve: Any = None
    info: Any = None


def fit(train: Any, target: str, task: str, seconds: float, seed: int, workdir: Path) -> Model:  # noqa: ARG001 - fixed form
    """Fit within the budget; the whole call is timed by the harness."""
    make: Any = Regressor if task == "regression" else Classifier
    rows = train.drop(columns=target)
    estimator = make(budget_s=seconds, seed=seed).fit(rows, train[target])
    members: dict[str, float] = {}
    for member in estimator.model_.members:
        members[member.trial] = round(members.get(member.trial, 0.0) + member.weight, 4)
    model = Model(
        predict=estimator.predict if task == "regression" else estimator.predict_proba,
        classes=None if task == "regression" else list(np.asarray(estimator.classes_)),
        save=lambda folder: estimator.model_.save(Path(folder) / "model"),
        info={
            "weights": members,
            "trials": len(estimator.trials_.trials),
            "cut": sum(trial.status == "cut" for trial in estimator.trials_),
            "folds": estimator.trials_.n_folds,
            "stopped": estimator.trials_.stopped,
        },
    )

    def serve() -> None:
        scorer = Scorer(estimator.model_)
        model.predict = lambda frame: scorer.answer(_record(frame))
        model.info["record_p50_us"] = _microseconds(scorer, rows)

    model.serve = serve
    return model


def _record(frame: Any) -> Mapping[str, Any]:
    """A frame of one row as a service would be given it."""
    return {name: None if value != value else value for name, value in frame.to_dict("records")[0].items()}


def _microseconds(scorer: Scorer, rows: Any) -> float:
    """Median time from a record to its answer, over different records."""
    records = [_record(rows.iloc[[i % len(rows)]]) for i in range(_RECORDS)]
    scorer.answers(records[:5])
    took = []
    for record in records:
        begun = time.perf_counter()
        scorer.answer(record)
        took.append(time.perf_counter() - begun)
    return round(1e6 * float(np.median(took)), 1)
