"""A team's own estimator, scored on the same folds as every candidate: it stands on the leaderboard and is no member."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa

from mlwright.core import Deadline
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.search.folds import EncodedFolds, fold_scores
from mlwright.search.in_time import in_time
from mlwright.search.trials import Trial
from mlwright.statistics import Metric

FAMILY = "prototype"


def evaluate_prototype(
    id: str,  # noqa: A002 - as everywhere
    name: str,
    estimator: Any,
    data: EncodedFolds,
    objective: Metric,
    *,
    deadline: Deadline,
) -> Trial:
    """Fit a scikit-learn estimator or pipeline on each fold and score what it says of the rest; never raises for it.

    Parameters
    ----------
    estimator
        With `fit(frame, y)` and `predict_proba` or `predict`; each fold gets a clone. The frame is a pandas one with the
        features as they were read: texts, numbers, dates, missing values.
    deadline
        What has not come back by then is given up; its thread is left to itself.
    """
    started = time.monotonic()
    train = data.train
    try:
        predictions = data.joined(
            in_time(
                deadline.remaining(), _fold_predictions, estimator, train.take(fold.train), train.take(fold.validation)
            )
            for fold in data.folds
        )
    except Exception as error:  # somebody else's code: whatever it raises ends this trial and not the run
        reason = f"{type(error).__name__}: {error}"[:300]
        return _trial(id, name, status="failed", seconds=time.monotonic() - started, reason=reason)
    return _trial(
        id,
        name,
        status="evaluated",
        score=objective.compute(data.scored(predictions)),
        fold_scores=fold_scores(predictions, data, objective),
        seconds=time.monotonic() - started,
        predictions=predictions,
        reason="for comparison",
    )


def _trial(id: str, name: str, **known: Any) -> Trial:  # noqa: A002 - as everywhere
    return Trial(id=id, family=FAMILY, parameters={"name": name}, **known)


def _fold_predictions(estimator: Any, train: Dataset, validation: Dataset) -> FloatArray:
    from sklearn.base import clone

    fitted = clone(estimator).fit(frame_of(train), _target(train))
    if train.task == "regression":
        return np.asarray(fitted.predict(frame_of(validation)), dtype=np.float64)
    given = np.asarray(fitted.predict_proba(frame_of(validation)), dtype=np.float64)
    probabilities = np.zeros((len(validation), len(train.classes)))
    probabilities[:, [list(train.classes).index(value) for value in fitted.classes_.tolist()]] = given
    return probabilities if len(train.classes) > 2 else probabilities[:, 1]


def _target(rows: Dataset) -> np.ndarray:
    """Values, or the classes under their own names."""
    return rows.y if rows.task == "regression" else np.array(rows.classes)[rows.y.astype(np.int64)]


def frame_of(rows: Dataset) -> Any:
    """The features as a pandas frame, categories as texts."""
    table = rows.table.select(rows.features)
    plain = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in table.itercolumns()
    ]
    return pa.table(plain, names=table.column_names).to_pandas()
