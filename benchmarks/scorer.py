"""Compiled estimators beside their own libraries: one encoded row, and batches on one thread.

    python benchmarks/scorer.py [--rows 20000] [--trees 300] [--rounds 15]

Models of 300 trees (LightGBM of 31 leaves, XGBoost of depth 6) and of 100 of our extra trees are fitted to a made-up table
of 8 numbers and 6 categories with some values missing. All ways of asking a model take turns, round after round; of each the
median over rounds counts, in microseconds of the processor for a row; what else runs on the machine then disturbs least.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.features import Matrix
from mlwright.models import FAMILIES, FitJob, FittedEstimator, Rows
from mlwright.models.families.boosting import FittedBoosting
from mlwright.models.families.xgboost import FittedXgboost
from mlwright.models.parity import proven

LEVELS = (4, 8, 12, 20, 40, 60)
N_SINGLE, N_BATCH = 500, 4000
#: Ratios to reach, by library, of one row to its quickest call and of a batch.
TARGETS = {"lightgbm": (0.5, 0.6), "xgboost": (0.05, 1.05), "extra_trees": (None, None)}
#: How large trees grow; ours until nodes have 5 rows.
SIZES: dict[str, dict[str, float]] = {
    "lightgbm": {"num_leaves": 31},
    "xgboost": {"max_depth": 6},
    "extra_trees": {"tried_share": 0.6},
}

Ask = Callable[[], object]


def made_up(n: int) -> Rows:
    """Eight numbers and six categories, 3 % missing, and a class that depends on several of them together."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(n, 8)), *(rng.integers(0, levels, n) for levels in LEVELS)])
    effects = [rng.normal(size=levels) for levels in LEVELS]
    raw = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + sum(e[X[:, 8 + i].astype(int)] for i, e in enumerate(effects)) / 2
    y = (rng.random(n) < 1 / (1 + np.exp(-raw))).astype(np.float64)
    X[rng.random(X.shape) < 0.03] = np.nan
    return Rows(matrix=Matrix(values=X, names=tuple(f"x{i}" for i in range(14)), categorical=tuple(range(8, 14))), y=y)


def fit(name: str, rows: Rows, n_trees: int) -> FittedEstimator:
    return FAMILIES[name].fit(
        FitJob(
            task="binary",
            n_classes=2,
            rows=rows,
            parameters={"learning_rate": 0.05, **SIZES[name]},
            seed=0,
            deadline=Deadline.after(600),
            settled={"rounds": n_trees, "trees": n_trees, "least_split": 5},
        )
    )


def single_row_fast(booster: Any, n_features: int) -> Callable[[int], float]:
    """LightGBM's quickest call for one row, at an address."""
    from lightgbm import basic

    library: Any = basic._LIB  # type: ignore[attr-defined]

    config, length, answer = ctypes.c_void_p(), ctypes.c_int64(), ctypes.c_double()
    # The numbers are: probabilities, from the first tree, all trees, float64.
    failed = library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle,
        0,
        0,
        -1,
        1,
        n_features,
        b"num_threads=1",
        ctypes.byref(config),
    )
    assert failed == 0
    call, at_length, at_answer = (
        library.LGBM_BoosterPredictForMatSingleRowFast,
        ctypes.byref(length),
        ctypes.byref(answer),
    )

    def ask(address: int) -> float:
        call(config, ctypes.c_void_p(address), at_length, at_answer)
        return answer.value

    return ask


def single_rows(
    estimator: FittedEstimator, rows: list[FloatArray], one: Callable[[FloatArray], object]
) -> dict[str, Ask]:
    """Ways to ask for each of some rows; ours, then the library's quickest, then others."""
    addresses = [row.ctypes.data for row in rows]
    tables = [row.reshape(1, -1) for row in rows]
    ways: dict[str, Ask] = {"ours": lambda: [one(row) for row in rows]}
    if isinstance(estimator, FittedBoosting):
        fast = single_row_fast(estimator.booster, len(rows[0]))
        ways["single-row-fast, C"] = lambda: [fast(address) for address in addresses]
    if isinstance(estimator, FittedXgboost):
        booster = estimator.booster
        ways["inplace_predict"] = lambda: [booster.inplace_predict(table) for table in tables]
    return {**ways, "predict": lambda: [estimator.predict(table) for table in tables]}


def measured(ways: Mapping[str, Ask], n: int, rounds: int) -> dict[str, float]:
    """Microseconds a row of each way, which take turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, ask in ways.items():
            began = time.process_time()
            ask()
            taken[name].append((time.process_time() - began) / n * 1e6)
    return {name: float(np.median(times)) for name, times in taken.items()}


def lines(of: str, times: dict[str, float], target: float | None) -> Iterator[str]:
    ours = times["ours"]
    for place, (way, taken) in enumerate(times.items()):
        ratio = "" if way == "ours" else f"{ours / taken:9.3f}x"
        goal = f"   (goal: {target} at most)" if place == 1 and target is not None else ""
        yield f"{of:28}{way:22}{taken:10.2f}{ratio}{goal}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # read when a library is loaded, which is at its first fit
    rows = made_up(options.rows)
    batch = np.ascontiguousarray(rows.matrix.values[:N_BATCH])
    print(
        f"{options.trees} trees, {options.rows} rows of 8 numbers and 6 categories; medians of {options.rounds} rounds\n"
    )
    print(f"{'':28}{'way':22}{'us a row':>10}{'ours is':>10}")
    for name, (of_one, of_batch) in TARGETS.items():
        # Ours are fewer trees, large ones.
        few, n_trees = (rows.sample(5000, seed=0), 100) if name == "extra_trees" else (rows, options.trees)
        estimator = fit(name, few, n_trees)
        began = time.process_time()
        form = proven(estimator, few.matrix.values)
        proving = time.process_time() - began
        if form is None:
            raise SystemExit("the compiled kernels are not built here")
        ways = single_rows(estimator, [row.copy() for row in batch[:N_SINGLE]], form.one)
        times = measured(ways, N_SINGLE, options.rounds)
        print(*lines(f"{name}, one row", times, of_one), sep="\n")
        many: dict[str, Ask] = {"ours": partial(form.many, batch), "predict": partial(estimator.predict, batch)}
        times = measured(many, len(batch), options.rounds)
        print(*lines(f"{name}, batch", times, of_batch), f"{name}, made and proven in {proving:.2f} s\n", sep="\n")


if __name__ == "__main__":
    main()
