"""mlwright as the harness of the quality benchmark calls a framework (see `run.py` beside it)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlwright import Classifier, Regressor


@dataclass
class Model:
    """A fitted model as the harness takes it."""

    predict: Any
    classes: Any
    save: Any
    serve: Any = None
    info: Any = None


def fit(train: Any, target: str, task: str, seconds: float, seed: int, workdir: Path) -> Model:  # noqa: ARG001 - fixed form
    """Fit within the budget; the whole call is timed by the harness."""
    make: Any = Regressor if task == "regression" else Classifier
    estimator = make(budget_s=seconds, seed=seed).fit(train.drop(columns=target), train[target])
    members: dict[str, float] = {}
    for member in estimator.model_.members:
        members[member.trial] = round(members.get(member.trial, 0.0) + member.weight, 4)
    info = {
        "weights": members,
        "trials": len(estimator.trials_.trials),
        "folds": estimator.trials_.n_folds,
        "stopped": estimator.trials_.stopped,
    }
    return Model(
        predict=estimator.predict if task == "regression" else estimator.predict_proba,
        classes=None if task == "regression" else list(np.asarray(estimator.classes_)),
        save=lambda folder: estimator.model_.save(Path(folder) / "model"),
        info=info,
    )
