"""Test scores beside LightGBM with its defaults (200 trees), paired on the same test rows.

    python benchmarks/default_lightgbm.py [--seconds 60] [--data ../shared/data] [--tables telco_churn titanic]

The tables come with fixed test rows (`loader.py`); identifiers and known leaks are left out for both. LightGBM gets texts
as categories and dates as day number, month, weekday and hour. A gain counts as clear if its 95 % interval leaves out 0.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from mlwright import Classifier, Regressor
from mlwright.core import named_rng
from mlwright.statistics import METRICS, Comparison, Scored, compare

SHOWN = {"binary": ("roc_auc", "log_loss"), "multiclass": ("accuracy", "log_loss"), "regression": ("r2", "rmse")}


def default_lightgbm(train: Any, test: Any, target: str, task: str) -> np.ndarray:
    """Predictions of LightGBM as it comes, with 200 trees."""
    import lightgbm
    import pandas as pd

    frames = []
    for frame in (train, test):
        columns: dict[str, Any] = {}
        for name in frame.columns.drop(target):
            column = frame[name]
            if pd.api.types.is_datetime64_any_dtype(column):
                columns |= {
                    f"{name}_day": (column - pd.Timestamp("1970-01-01")).dt.days,
                    f"{name}_month": column.dt.month,
                    f"{name}_weekday": column.dt.weekday,
                    f"{name}_hour": column.dt.hour,
                }
            elif pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
                columns[name] = column.astype(float)
            else:
                levels = sorted(train[name].dropna().astype(str).unique())
                columns[name] = pd.Categorical(column.astype(object).where(column.notna(), None), categories=levels)
        frames.append(pd.DataFrame(columns))
    estimator = lightgbm.LGBMRegressor if task == "regression" else lightgbm.LGBMClassifier
    fitted = estimator(n_estimators=200, n_jobs=2, verbose=-1).fit(frames[0], train[target])
    return np.asarray(fitted.predict(frames[1]) if task == "regression" else fitted.predict_proba(frames[1]))


def compared(name: str, train: Any, test: Any, target: str, task: str, seconds: float) -> tuple[list[Comparison], str]:
    start = time.perf_counter()
    ours: Any = Regressor(seconds) if task == "regression" else Classifier(seconds)
    ours.fit(train.drop(columns=target), train[target])
    spent = time.perf_counter() - start
    features = test.drop(columns=target)
    theirs = default_lightgbm(train, test, target, task)
    if task == "regression":
        truth, prediction = test[target].to_numpy(float), ours.predict(features)
    else:
        truth = np.searchsorted(ours.classes_, test[target].to_numpy()).astype(float)
        prediction = ours.predict_proba(features)
        if task == "binary":
            prediction, theirs = prediction[:, 1], theirs[:, 1]
    a, b = Scored(target=truth, prediction=prediction), Scored(target=truth, prediction=theirs)
    found, cells = [], []
    for metric in SHOWN[task]:
        one = compare(METRICS[metric], a, b, rng=named_rng(0, name, metric))
        found.append(one)
        mark = "better" if one.interval.low > 0 else "worse" if one.interval.high < 0 else "equal"
        cells.append(
            f"{metric} {METRICS[metric].compute(a):10.4f} against {METRICS[metric].compute(b):10.4f}  "
            f"gain {one.gain:+9.4f} [{one.interval.low:+.4f}, {one.interval.high:+.4f}] {mark:6}"
        )
    return found, f"{name:20} {spent:5.1f} s  " + " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tables", nargs="*")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.data))
    import loader

    tally = {metric: {"better": 0, "equal": 0, "worse": 0, "higher": 0} for metric in ("first", "second")}
    names = arguments.tables or loader.names()
    for name in names:
        train, test, target, task = loader.load(name, drop_ids=True)
        found, line = compared(name, train, test, target, task, arguments.seconds)
        print(line, flush=True)
        for one, counts in zip(found, tally.values(), strict=True):
            counts["better" if one.interval.low > 0 else "worse" if one.interval.high < 0 else "equal"] += 1
            counts["higher"] += one.gain > 0
    for metric, counts in tally.items():
        print(
            f"{metric} metric of each task, {len(names)} tables: clearly better {counts['better']}, "
            f"not to be told apart {counts['equal']}, clearly worse {counts['worse']}; higher score on {counts['higher']}"
        )


if __name__ == "__main__":
    main()
