"""How long the verdict takes, and whether its forecast of a run's time is right.

    python -m benchmarks.feasibility.times --data ../shared/data

The verdict is timed on synthetic tables of 10,000 and 100,000 rows with 30 columns. For the forecast, whole runs
(`mlwright.run`) of tables of many shapes with budgets of 8 to 30 seconds are compared with what the verdict said before.
On a machine that does something else at the same time the second figure is worthless.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
from benchmarks.feasibility.synthetic import World, draw
from benchmarks.feasibility.tasks import Task, tasks
from benchmarks.feasibility.truth import CACHE, append

from mlwright import run
from mlwright.data import plan_split, read, split_rows
from mlwright.feasibility import judge_feasibility
from mlwright.spec import Spec

#: Task and budget in seconds.
RUNS = (
    ("titanic", 8), ("telco_churn", 15), ("german_credit", 12), ("california_housing", 15), ("hpc_jobs", 10),
    ("adult_income", 20), ("ames_housing", 15), ("breast_cancer", 30), ("phoneme", 10),
    ("synthetic_regression_linear_50", 30), ("nlschools_lang", 10), ("page-blocks0", 12), ("splice", 10), ("movies_rating", 12),
    ("diabetes", 20), ("medpar_died", 25), ("pima", 12), ("tic-tac-toe", 10),
    ("SLID_wages", 20), ("Hdma_deny", 10), ("Computers_price", 12), ("segment", 15),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCase:
    """One run: what was forecast, and how long it took; seconds."""

    task: str
    budget: float
    forecast: float
    low: float
    high: float
    took: float

    @property
    def right(self) -> bool:
        """Within a factor of 1.5."""
        return 1 / 1.5 <= self.took / self.forecast <= 1.5


def verdict_seconds(rows: int, columns: int = 30) -> float:
    """Of a verdict on a table with two classes, a few categories and two requirements."""
    world = World(
        surface="smooth", rows=rows, useful=12, noise=columns - 15, categories=3, levels=20, strength=3.0, seed=7
    )
    frame = draw(world, f"times_{rows}", test_rows=2000).train
    requirements = [
        {"id": "ranks", "metric": "roc_auc", "min": 0.8},
        {"id": "finds", "metric": "recall", "min": 0.5},
    ]
    spec = Spec.of({"data": {"source": "-", "target": "y", "positive_class": "yes"}, "requirements": requirements})
    dataset = read(spec, frame)
    plan = plan_split(dataset, spec)
    begun = time.perf_counter()
    judge_feasibility(dataset, spec, plan, test_rows=len(dataset) // 4, seed=0)
    return time.perf_counter() - begun


def measure_run(task: Task, budget: float) -> RunCase:
    """Forecast, then run."""
    rows = task.load()
    frame = pl.concat([rows.train, rows.test])
    with tempfile.TemporaryDirectory() as folder:
        spec = Spec.of(task.spec(seconds=float(budget))).at(Path(folder))
        dataset = read(spec, frame)
        split = split_rows(dataset, plan_split(dataset, spec), seed=spec.seed)
        verdict = judge_feasibility(split.train, spec, split.plan, test_rows=len(split.test_rows), seed=spec.seed)
        said = verdict.run_time
        assert said is not None
        begun = time.perf_counter()
        run(spec, frame)
        took = time.perf_counter() - begun
    return RunCase(task=task.name, budget=budget, forecast=said.seconds, low=said.low, high=said.high, took=took)


def measure_runs(data: Path, cache: Path) -> list[RunCase]:
    """All runs; those in the cache are not made again."""
    path = cache / "runs.jsonl"
    made = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    there = {case["task"] for case in made}
    known = {task.name: task for task in tasks(data)}
    for name, budget in RUNS:
        if name in known and name not in there:
            case = asdict(measure_run(known[name], budget))
            append(path, case)
            made.append(case)
    return [RunCase(**case) for case in made]


def verdict_times(cache: Path, sizes: Sequence[int] = (10_000, 100_000)) -> dict[int, float]:
    """Seconds by rows; those in the cache are not measured again."""
    path = cache / "verdict_seconds.json"
    made = json.loads(path.read_text()) if path.is_file() else {}
    for rows in sizes:
        if str(rows) not in made:
            made[str(rows)] = verdict_seconds(rows)
            cache.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(made))
    return {rows: made[str(rows)] for rows in sizes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    for rows, seconds in verdict_times(arguments.cache).items():
        print(f"verdict on {rows:,} rows and 30 columns: {seconds:.1f} s")
    cases = measure_runs(arguments.data, arguments.cache)
    for case in cases:
        print(
            f"{case.task:34} budget {case.budget:3.0f} s: forecast {case.forecast:5.1f} s ({case.low:.0f} to {case.high:.0f}), "
            f"took {case.took:5.1f} s{'' if case.right else '  off'}"
        )
    off = np.abs(np.log([case.took / case.forecast for case in cases]))
    print(
        f"within x1.5: {np.mean([case.right for case in cases]):.2f} of {len(cases)} runs; factor in the middle {np.exp(np.median(off)):.2f}"
    )


if __name__ == "__main__":
    main()
