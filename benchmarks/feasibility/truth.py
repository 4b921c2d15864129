"""What mlwright's own search reaches on each task: the truth that a verdict before the search is judged by.

    python -m benchmarks.feasibility.truth --data ../shared/data --seconds 20 --shard 0/2 &
    python -m benchmarks.feasibility.truth --data ../shared/data --seconds 20 --shard 1/2

Each task is searched on its training rows alone and scored on its test rows. A finished task is one line of `truth.jsonl`
and one `.npz` in the cache (out-of-fold and test predictions and targets); what is there is not made again, so the
command can be stopped and started at will.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import fcntl
import json
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from benchmarks.feasibility.tasks import Rows, Task, tasks

from mlwright.core import Deadline
from mlwright.data import Dataset, plan_split, read
from mlwright.search import assemble, choose_members, rows_of, search
from mlwright.spec import Spec
from mlwright.statistics import METRICS, Scored, auc_interval

TRUTH = Path(__file__).parent / "truth.jsonl"
CACHE = Path.home() / ".cache" / "mlwright-feasibility"
SCORES = {
    "binary": ("roc_auc", "pr_auc", "log_loss", "brier", "accuracy"),
    "multiclass": ("log_loss", "accuracy", "roc_auc"),
    "regression": ("rmse", "mae", "r2"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A task as mlwright sees it."""

    task: Task
    rows: Rows
    spec: Spec
    train: Dataset
    test: Dataset


def ask(task: Task, *, seconds: float, workers: int = 1) -> Asked:
    """Read training and test rows together, so that both have one schema, then take them apart."""
    rows = task.load()
    spec = Spec.of(task.spec(seconds=seconds, workers=workers))
    whole = read(spec, pl.concat([rows.train, rows.test]))
    n = len(rows.train)
    assert whole.unlabelled == 0
    train, test = whole.take(np.arange(n)), whole.take(np.arange(n, len(whole)))
    return Asked(task=task, rows=rows, spec=spec, train=train, test=test)


def scores(kind: str, target: np.ndarray, prediction: np.ndarray) -> dict[str, dict[str, float]]:
    """Each metric with its standard error."""
    scored = Scored(target=target, prediction=prediction)
    return {
        name: {"score": METRICS[name].compute(scored), "error": standard_error(name, scored)} for name in SCORES[kind]
    }


def standard_error(name: str, scored: Scored) -> float:
    """Of a mean by its rows, of an AUC by DeLong, of anything else by 60 bootstraps."""
    metric, n = METRICS[name], len(scored)
    if metric.per_row is not None:
        values = metric.per_row(scored)
        error = float(values.std() / np.sqrt(n))
        return error / (2 * max(metric.compute(scored), 1e-12)) if metric.root else error
    if metric.successes is not None:
        _, hit = metric.successes(scored)
        return float(max(hit.std(), 0.5 / n) / np.sqrt(n))
    if name == "roc_auc" and scored.prediction.ndim == 1:
        interval = auc_interval(scored.target == 1, scored.prediction, confidence=0.6827)
        return float("nan") if interval is None else (interval.high - interval.low) / 2
    rng = np.random.default_rng(0)
    draws = [metric.compute(scored.take(rng.integers(0, n, n))) for _ in range(60)]
    return float(np.nanstd(draws))


def make(task: Task, *, seconds: float, cache: Path) -> dict[str, Any]:
    """Search, fit and score one task."""
    asked = ask(task, seconds=seconds)
    train, test, spec = asked.train, asked.test, asked.spec
    started = time.monotonic()
    deadline = Deadline.after(seconds)
    trials = search(train, spec, plan_split(train, spec), seed=0, deadline=deadline)
    searched = time.monotonic()
    model = assemble(trials, train, spec, seed=0, deadline=deadline)
    assembled = time.monotonic()
    said = model.predict(test.table)
    raw = said.prediction if train.task == "regression" else said.probabilities
    prediction = raw[:, 1] if train.task == "binary" else raw
    ensemble = choose_members(trials, rows_of(train, trials.rows), METRICS[trials.objective])
    out_of_fold, y = ensemble.predictions, train.y
    np.savez_compressed(
        cache / f"{task.name}.npz",
        out_of_fold=out_of_fold.astype(np.float32),
        rows=trials.rows,
        target=y,
        test=prediction.astype(np.float32),
        test_target=test.y,
    )
    return {
        "name": task.name,
        "family": task.family,
        "origin": task.origin,
        "kind": train.task,
        "rows": len(train),
        "test_rows": len(test),
        "columns": len(train.features),
        "classes": len(train.classes),
        "test": scores(train.task, test.y, prediction),
        "out_of_fold": scores(train.task, y[trials.rows], out_of_fold[trials.rows]),
        "search_seconds": round(searched - started, 2),
        "assembly_seconds": round(assembled - searched, 2),
        "trials": len(trials.usable),
        "folds": trials.n_folds,
        "stopped": trials.stopped,
        "members": ensemble.describe(),
        "budget_seconds": seconds,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def known_truth(path: Path = TRUTH) -> dict[str, dict[str, Any]]:
    """The lines that are there, by the name of the task."""
    if not path.is_file():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return {line["name"]: line for line in lines}


def append(path: Path, line: dict[str, Any]) -> None:
    """One line at the end, whole even where two processes write."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(line) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--shard", default="0/1", help="0/2 is every other task, 1/2 the rest")
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--truth", type=Path, default=TRUTH)
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    part, parts = map(int, arguments.shard.split("/"))
    for task in tasks(arguments.data)[part::parts]:
        there = task.name in known_truth(arguments.truth) and (arguments.cache / f"{task.name}.npz").is_file()
        if there or (arguments.only is not None and task.name not in arguments.only):
            continue
        try:
            line = make(task, seconds=arguments.seconds, cache=arguments.cache)
        except Exception as error:  # one task that cannot be made must not stop the others
            print(f"{task.name}: {type(error).__name__}: {error}", flush=True)
            traceback.print_exc(limit=-3)
            continue
        append(arguments.truth, line)
        shown = ", ".join(f"{name} {score['score']:.4f}" for name, score in line["test"].items())
        print(
            f"{task.name} {line['search_seconds']}+{line['assembly_seconds']} s {line['trials']} trials: {shown}",
            flush=True,
        )


if __name__ == "__main__":
    main()
