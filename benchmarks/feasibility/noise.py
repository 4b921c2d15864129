"""Injected label noise: is its share found where classes are well told apart, and is nothing said elsewhere?

    python -m benchmarks.feasibility.noise --data ../shared/data

Labels of at most 2,000 training rows are changed at random (none, 5, 10 and 20 %), the quick curve is made on them, and
`mlwright.feasibility.find_noise` says how many are wrong, and which rows look worst.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from benchmarks.feasibility.tasks import Task, seed_of, tasks
from benchmarks.feasibility.truth import CACHE, append, ask

from mlwright.data import Dataset, plan_split
from mlwright.feasibility import quick_curve
from mlwright.feasibility.noise import find_noise

MOST_ROWS = 2000
FLIPS = (0.0, 0.05, 0.1, 0.2)
#: Of all kinds: which of them are separable is seen from the error without changed labels.
TABLES = (
    "breast_cancer",
    "digits",
    "mushroom",
    "chess",
    "segment",
    "texture",
    "page-blocks0",
    "splice",
    "ring",
    "satellite_soil",
    "synthetic_binary_steps_30",
    "synthetic_multiclass_smooth_41",
    "telco_churn",
    "adult_income",
    "german_credit",
    "hpc_jobs",
    "contraceptive",
    "Hdma_deny",
)
#: Classes count as separable where quick learners err on at most this share of the rows.
SEPARABLE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseCase:
    """One table with some labels changed, and what was said.

    Attributes
    ----------
    truly
        The share of rows whose label was changed.
    said
        The share that was said to be wrong; None where nobody can tell.
    precision
        Of the rows shown (50 at most), the share whose label was changed.
    """

    task: str
    flips: float
    rows: int
    truly: float
    said: float | None
    low: float | None
    high: float | None
    outcome: str
    shown: int
    precision: float
    error: float


def flipped(train: Dataset, share: float, rng: np.random.Generator) -> tuple[Dataset, np.ndarray]:
    """The rows with some labels changed to another class at random, and which."""
    changed = rng.random(len(train)) < share
    k = len(train.classes)
    codes, levels = train.levels(train.target)
    known = [levels.index(level) for level in dict.fromkeys(levels)]
    assert len(known) >= k
    codes = np.where(changed, (codes + rng.integers(1, len(levels), len(codes))) % len(levels), codes)
    column = train.table.column(train.target)
    values = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(levels, pa.string()))
    table = train.table.set_column(
        train.table.schema.get_field_index(train.target), train.target, values.cast(column.type)
    )
    return replace(train, table=table), changed


def measure_task(task: Task) -> list[NoiseCase]:
    """Every share of changed labels on one table."""
    asked = ask(task, seconds=60)
    cases = []
    for flips in FLIPS:
        rng = np.random.default_rng([seed_of(task.name), round(100 * flips)])
        some = asked.train.take(np.sort(rng.permutation(len(asked.train))[:MOST_ROWS]))
        train, changed = flipped(some, flips, rng)
        curve = quick_curve(train, asked.spec, plan_split(train, asked.spec), seed=0)
        found = find_noise(train, curve.scored, curve.rows, rng=np.random.default_rng(0))
        shown = np.array(found.suspicious, dtype=int)
        interval = found.wrong_interval
        cases.append(
            NoiseCase(
                task=task.name,
                flips=flips,
                rows=len(train),
                truly=float(changed.mean()),
                said=found.wrong,
                low=None if interval is None else interval.low,
                high=None if interval is None else interval.high,
                outcome=found.outcome,
                shown=len(shown),
                precision=float(changed[shown].mean()) if len(shown) else float("nan"),
                error=float(found.error or 0.0),
            )
        )
    return cases


def measure(data: Path, cache: Path) -> list[NoiseCase]:
    """All cases; those in the cache are not made again."""
    path = cache / "noise.jsonl"
    made = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    there = {case["task"] for case in made}
    for task in tasks(data):
        if task.name in set(TABLES) - there:
            for case in measure_task(task):
                append(path, asdict(case))
                made.append(asdict(case))
    return [NoiseCase(**case) for case in made]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFigures:
    """What the cases say together.

    Attributes
    ----------
    within
        On separable tables, the share of cases with 5 to 20 % changed labels whose count is within 3 points.
    within_where_told
        The same among those where a count was given at all.
    told
        The share of these cases where a count was given.
    silent
        On other tables, the share of cases where no count was given, or one within 3 points.
    precision
        Of the rows shown on separable tables with changed labels: the mean over cases, and the least.
    false_alarms
        On separable tables without changed labels, the share that was said to have more than 3 points of wrong ones.
    """

    cases: int
    separable: int
    within: float
    within_where_told: float
    told: float
    silent: float
    precision: float
    least_precision: float
    false_alarms: float


def figures(cases: list[NoiseCase]) -> NoiseFigures:
    """Shares over cases."""
    separable = {case.task for case in cases if case.flips == 0 and case.error <= SEPARABLE}
    noisy = [case for case in cases if case.task in separable and case.flips > 0]
    told = [case for case in noisy if case.said is not None]
    hard = [case for case in cases if case.task not in separable]
    clean = [case for case in cases if case.task in separable and case.flips == 0]
    precision = [case.precision for case in told]
    return NoiseFigures(
        cases=len(cases),
        separable=len(separable),
        within=sum(map(_near, noisy)) / max(len(noisy), 1),
        within_where_told=sum(map(_near, told)) / max(len(told), 1),
        told=len(told) / max(len(noisy), 1),
        silent=float(np.mean([case.said is None or _near(case) for case in hard])),
        precision=float(np.mean(precision)),
        least_precision=float(np.min(precision)),
        false_alarms=float(np.mean([(case.said or 0.0) > 0.03 for case in clean])),
    )


def _near(case: NoiseCase) -> bool:
    """Whether a count was given that is within 3 points."""
    return case.said is not None and abs(case.said - case.truly) <= 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    cases = measure(arguments.data, arguments.cache)
    for case in cases:
        said = "cannot tell" if case.said is None else f"{case.said:.3f} ({case.low:.3f} to {case.high:.3f})"
        print(
            f"{case.task:32}{case.flips:5.2f} truly {case.truly:.3f} said {said:26} {case.outcome:12} error {case.error:.3f} "
            f"shown {case.shown:2} precision {case.precision:.2f}"
        )
    print(figures(cases))


if __name__ == "__main__":
    main()
