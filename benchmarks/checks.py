"""Are planted faults found in real tables, and are clean ones left in peace?

    python benchmarks/checks.py [--data ../shared/data]

Prints, for each fault, in how many tables it was found; and every alarm on the clean tables. A fault is planted into a
copy of a table, the checks see nothing but that copy.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from mlwright.checks import CheckReport, run_checks
from mlwright.checks.leaks import near_copies
from mlwright.data import plan_split, read, split_rows
from mlwright.spec import Spec

#: What counts as an alarm on a clean table: the checks that say that a model would be wrong.
ALARMS = ("leakage", "contamination", "label_errors", "group_leakage")


def tables(folder: Path) -> Iterator[tuple[str, pl.DataFrame, str]]:
    """Name, rows without known leaks, and target of every classification table, at most 10,000 rows."""
    sys.path.insert(0, str(folder))
    import loader

    for name in loader.names("binary") + loader.names("multiclass"):
        entry = loader.info(name)
        frame = pl.from_pandas(loader.read(name)).drop([*entry["leak_columns"], *entry["id_columns"]])
        yield name, frame.sample(min(len(frame), 10_000), seed=0), entry["target"]
    from sklearn.datasets import load_breast_cancer, load_digits, load_wine

    for name, load in (("breast_cancer", load_breast_cancer), ("wine", load_wine), ("digits", load_digits)):
        bunch = load()
        frame = pl.DataFrame({str(c): bunch.data[:, i] for i, c in enumerate(bunch.feature_names)})
        yield name, frame.with_columns(target=pl.Series([f"class {k}" for k in bunch.target])), "target"


def checked(frame: pl.DataFrame, target: str, *, seed: int = 0, only: tuple[str, ...] | None = None) -> CheckReport:
    spec = Spec.of({"data": {"source": "-", "target": target}, "seed": seed})
    return run_checks(read(spec, frame), spec, only=only)


def leaked(report: CheckReport, column: str) -> bool:
    return column in [result.column for result in report.failed("leakage")]


def with_copy(frame: pl.DataFrame, target: str, noise: float, rng: np.random.Generator) -> pl.DataFrame:
    """A column that repeats the target, wrong in a share of the rows."""
    values = frame[target].cast(pl.String).to_numpy().copy()
    wrong = rng.random(len(values)) < noise
    values[wrong] = rng.permutation(values)[wrong]
    codes = {value: f"code {i}" for i, value in enumerate(sorted(set(values)))}
    return frame.with_columns(leak=pl.Series([codes[value] for value in values]))


def with_late_field(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> pl.DataFrame:
    """A field that is filled in after the event, for most rows of the rarer class."""
    rare = frame[target].value_counts().sort("count")[target][0]
    filled = (frame[target] == rare).to_numpy() & (rng.random(len(frame)) < 0.8)
    values = [float(v) if f else None for v, f in zip(rng.lognormal(size=len(frame)), filled, strict=True)]
    return frame.with_columns(leak=pl.Series(values))


def near_duplicates(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> tuple[float, float]:
    """Recall of planted near copies, and the share of other test rows flagged."""
    spec = Spec.of({"data": {"source": "-", "target": target}})
    dataset = read(spec, frame)
    split = split_rows(dataset, plan_split(dataset, spec), seed=0)
    train, test = split.train, split.test
    count = len(test) // 10
    copied = train.take(rng.choice(len(train), count, replace=False))
    table = copied.table
    for column in copied.schema.features:
        if column.type == "number":
            spread = float(np.nanstd(train.numbers(column.name)))
            moved = copied.numbers(column.name) + rng.normal(scale=0.002 * spread, size=count)
            table = table.set_column(
                table.column_names.index(column.name), column.name, pl.Series(moved).fill_nan(None).to_arrow()
            )
    import dataclasses

    import pyarrow as pa

    both = dataclasses.replace(
        test, table=pa.concat_tables([test.table, table.cast(test.table.schema)]).combine_chunks()
    )
    near = near_copies(train, both, seed=0, most=len(both))
    if near is None:
        return float("nan"), float("nan")
    planted = near.rows >= len(test)
    return float(planted.sum() / count), float((~planted).sum() / len(test))


def top_fifty(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> float:
    """Share of wrong labels among the 50 rows shown, with 5 % of the labels flipped."""
    values = frame[target].cast(pl.String).to_numpy().copy()
    classes = sorted(set(values))
    flipped = rng.random(len(values)) < 0.05
    values[flipped] = [rng.choice([c for c in classes if c != v]) for v in values[flipped]]
    report = checked(frame.with_columns(pl.Series(target, values)), target, only=("label_errors",))
    listed = [row for result in report.of("label_errors") for row in result.listed]
    return float(flipped[listed].mean()) if listed else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    rows: dict[str, list[float]] = {}
    alarms = []
    print(
        f"{'table':22}{'copy 1%':>9}{'copy 10%':>9}{'late field':>11}{'near dup.':>10}{'others':>8}{'top 50':>8}  clean"
    )
    for name, frame, target in tables(arguments.data):
        rng = np.random.default_rng(0)
        clean = checked(frame, target)
        alarm = [f"{r.check} {r.column or ''}".strip() for r in clean if r.status != "pass" and r.check in ALARMS]
        alarms += [f"{name}: {a}" for a in alarm]
        recall, others = near_duplicates(frame, target, rng)
        found = {
            "copy 1%": float(leaked(checked(with_copy(frame, target, 0.01, rng), target, only=("leakage",)), "leak")),
            "copy 10%": float(leaked(checked(with_copy(frame, target, 0.10, rng), target, only=("leakage",)), "leak")),
            "late field": float(
                leaked(checked(with_late_field(frame, target, rng), target, only=("leakage",)), "leak")
            ),
            "near dup.": recall,
            "others": others,
            "top 50": top_fifty(frame, target, rng),
        }
        for key, value in found.items():
            rows.setdefault(key, []).append(value)
        print(
            f"{name:22}{found['copy 1%']:9.0f}{found['copy 10%']:9.0f}{found['late field']:11.0f}{recall:10.3f}"
            f"{others:8.3f}{found['top 50']:8.2f}  {', '.join(alarm) or 'silent'}"
        )
    n = len(rows["copy 1%"])
    print()
    for key in ("copy 1%", "copy 10%", "late field"):
        print(f"leak, {key}: found in {sum(rows[key]):.0f} of {n} tables")
    print(f"near duplicates across the split: recall {np.nanmean(rows['near dup.']):.3f}")
    print(f"other rows flagged: median {np.nanmedian(rows['others']):.3f}")
    print(
        f"label errors, 5 % flipped: precision of the 50 shown, median {np.nanmedian(rows['top 50']):.2f}, "
        f"least {np.nanmin(rows['top 50']):.2f}"
    )
    print(f"alarms on {n} clean tables: {len(alarms)} ({'; '.join(alarms) or 'none'})")


if __name__ == "__main__":
    main()
