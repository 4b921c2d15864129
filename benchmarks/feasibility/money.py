"""Money with 1,000 labelled rows: what the rule from prices earns on calibrated probabilities, and what it promises.

    python -m benchmarks.feasibility.money --data ../shared/data

For each binary table with many test rows, 1,000 training rows are drawn, LightGBM is fitted on five folds of them, and its
out-of-fold probabilities are calibrated (`mlwright.models.fit_calibration`). Then mlwright acts where that pays at the given
prices (`mlwright.statistics.Worth`). Beside it, with the same estimator and rows: scikit-learn's
`TunedThresholdClassifierCV`, which looks for the best threshold; and hindsight, the best threshold on the test rows
themselves. Gains are above the better of acting on all rows and on none.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from benchmarks.feasibility.tasks import Task, tasks
from benchmarks.feasibility.truth import CACHE, append
from scipy.special import stdtrit

from mlwright.data import read
from mlwright.models import fit_calibration
from mlwright.spec import Spec
from mlwright.statistics import Worth, mean_value

LABELLED, LEAST_TEST_ROWS, SPLITS, FOLDS = 1000, 3000, 10, 5
#: Gain of a hit and cost of a false alarm; waiting is worth nothing.
PRICES = {"12:1": (60.0, 5.0), "4:1": (40.0, 10.0), "1:1": (10.0, 10.0), "1:4": (5.0, 20.0)}
BY_ROW = "amounts by row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One table, one draw of labelled rows and one pair of prices; amounts per test row, above acting on all or none.

    Attributes
    ----------
    rule, tuned, hindsight, flat
        What mlwright's rule gained, what a tuned threshold did, what the best threshold on the test rows would have, and
        (for amounts by row) what the rule with mean prices did.
    promised, low, high, earned
        What the out-of-fold rows said the rule earns per row, its 90 % interval, and what it earned on the test rows.
    worth_everything
        What perfect foresight gains.
    test_rows
        The rows that `earned` was measured on.
    """

    table: str
    split: int
    prices: str
    rule: float
    tuned: float
    hindsight: float
    flat: float
    promised: float
    low: float
    high: float
    earned: float
    worth_everything: float
    test_rows: int

    @property
    def covered(self) -> bool:
        """Whether the interval holds what is earned, which itself is known only to the chance in the test rows."""
        wider = float(np.sqrt(1 + LABELLED / self.test_rows))
        low, high = (self.promised + wider * (end - self.promised) for end in (self.low, self.high))
        return low <= self.earned <= high


def cells(task: Task, split: int) -> Iterator[Cell]:
    """Every pair of prices on one draw of labelled rows."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    rows = task.load()
    whole = read(Spec.of(task.spec()), pl.concat([rows.train, rows.test]))
    x, y = matrix(whole), whole.y.astype(int)
    n = len(rows.train)
    rng = np.random.default_rng([split, 7])
    labelled = rng.permutation(n)[:LABELLED]
    # The training rows that were not drawn are as new as the test rows, unless rows are ordered or in groups.
    test = np.arange(n, len(y)) if task.time or task.group else np.setdiff1d(np.arange(len(y)), labelled)
    amount = amounts(x)
    base, folds = estimator(), StratifiedKFold(FOLDS, shuffle=True, random_state=split)
    out_of_fold = cross_val_predict(base, x[labelled], y[labelled], cv=folds, method="predict_proba")[:, 1]
    fresh = base.fit(x[labelled], y[labelled]).predict_proba(x[test])[:, 1]
    calibration = fit_calibration(out_of_fold, y[labelled].astype(float), weight=None, rng=np.random.default_rng(0))
    known, asked = calibration.apply(out_of_fold), calibration.apply(fresh)
    target = y[test].astype(float)
    for name in (*PRICES, BY_ROW):
        worth, on_test = worth_of(name, amount[labelled]), worth_of(name, amount[test])
        earned = on_test.earned(target, on_test.act(asked))
        least = max(float(on_test.earned(target, np.full(len(test), act)).mean()) for act in (0, 1))
        on_known = worth.earned(y[labelled].astype(float), worth.act(known))
        promised, interval, _ = mean_value(on_known, rng=np.random.default_rng(split), confidence=0.9)
        assert interval is not None
        tuned = tuned_threshold(x[labelled], y[labelled], amount[labelled], name, split).predict(x[test])
        flat = worth_of(name, np.full(len(test), float(amount[labelled].mean())))
        yield Cell(
            table=task.name,
            split=split,
            prices=name,
            rule=float(earned.mean()) - least,
            tuned=float(on_test.earned(target, tuned).mean()) - least,
            hindsight=best_threshold(fresh, target, on_test) - least,
            flat=float(on_test.earned(target, flat.act(asked)).mean()) - least,
            promised=promised,
            low=interval.low,
            high=interval.high,
            earned=float(earned.mean()),
            worth_everything=float(on_test.earned(target, target.astype(int)).mean()) - least,
            test_rows=len(test),
        )


def estimator() -> Any:
    """The one both ways decide with."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=80, num_leaves=7, learning_rate=0.08, subsample=0.8, subsample_freq=1,
                          colsample_bytree=0.7, n_jobs=1, verbose=-1, random_state=0)  # fmt: skip


def matrix(dataset: Any) -> np.ndarray:
    """Numbers as they are, anything else as the number of its level."""
    columns = []
    for column in dataset.schema.features:
        if column.is_number:
            columns.append(dataset.numbers(column.name))
        else:
            codes = dataset.levels(column.name)[0].astype(float)
            columns.append(np.where(codes < 0, np.nan, codes))
    return np.column_stack(columns)


def amounts(x: np.ndarray) -> np.ndarray:
    """The column with the most distinct values, as amounts with mean 1 that are never near 0."""
    chosen = np.abs(x[:, int(np.argmax([len(np.unique(column[~np.isnan(column)])) for column in x.T]))])
    known = np.where(np.isnan(chosen), np.nanmedian(chosen), chosen)
    low, high = np.quantile(known, [0.02, 0.98])
    known = np.clip(known, low, high)
    return np.asarray(np.maximum(known / max(float(known.mean()), 1e-9), 0.05))


def worth_of(name: str, amount: np.ndarray) -> Worth:
    """What outcomes are worth; with amounts by row a hit brings the amount, and a false alarm costs a third of the mean."""
    one = np.ones(len(amount))
    hit, alarm = (30 * amount, 10 * one) if name == BY_ROW else (PRICES[name][0] * one, PRICES[name][1] * one)
    return Worth(true_positive=hit, false_positive=-alarm, false_negative=0 * one, true_negative=0 * one)


def tuned_threshold(x: np.ndarray, y: np.ndarray, amount: np.ndarray, name: str, split: int) -> Any:
    """scikit-learn's way: the threshold that earned most on five folds."""
    import sklearn
    from sklearn.metrics import make_scorer
    from sklearn.model_selection import StratifiedKFold, TunedThresholdClassifierCV

    def value(target: np.ndarray, decision: np.ndarray, amount: np.ndarray) -> float:
        return float(
            worth_of(name, np.asarray(amount)).earned(np.asarray(target, dtype=float), np.asarray(decision)).mean()
        )

    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(value).set_score_request(amount=True)
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=split)
        tuned = TunedThresholdClassifierCV(estimator(), scoring=scorer, cv=folds)
        return tuned.fit(x, y, amount=amount)


def best_threshold(probability: np.ndarray, target: np.ndarray, worth: Worth) -> float:
    """The worth per row of the threshold that is best on these very rows."""
    order = np.argsort(-probability, kind="stable")
    acted = worth.earned(target, np.ones(len(target), dtype=int)) - worth.earned(
        target, np.zeros(len(target), dtype=int)
    )
    waiting = float(worth.earned(target, np.zeros(len(target), dtype=int)).mean())
    return waiting + float(np.r_[0.0, np.cumsum(acted[order])].max()) / len(target)


def chosen_tasks(listed: list[Task], most: int = 14) -> list[Task]:
    """Binary tables in no order of time, real ones first, with many rows to test on."""
    fit = [task for task in listed if task.kind == "binary" and task.time is None and task.family != "synthetic"]
    enough = []
    for task in fit:
        rows = task.load()
        new = len(rows.test) if task.group else len(rows.train) + len(rows.test) - LABELLED
        if new >= LEAST_TEST_ROWS:
            enough.append(task)
    return enough[:most]


def measure(data: Path, cache: Path) -> list[Cell]:
    """All cells; those in the cache are not made again."""
    path = cache / "money.jsonl"
    made = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    there = {(cell["table"], cell["split"]) for cell in made}
    chosen = {cell["table"] for cell in made if cell["split"] == SPLITS - 1}
    complete = (cache / "money.done").is_file()
    if not complete:
        for task in chosen_tasks(tasks(data)):
            for split in range(SPLITS):
                if (task.name, split) in there or task.name in chosen:
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = list(cells(task, split))
                for cell in found:
                    append(path, asdict(cell))
                made += [asdict(cell) for cell in found]
        (cache / "money.done").touch()
    return [Cell(**cell) for cell in made]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyFigures:
    """What the cells say together."""

    cells: int
    tables: int
    share_of_hindsight: float
    share_of_hindsight_tuned: float
    coverage: float
    coverage_of_test: float
    promise_off: float
    by_row_gain: float
    by_row_better: float
    tuned_worse: float
    tuned_gain: float
    tables_worse: tuple[str, ...]
    comparisons: int


def figures(made: list[Cell]) -> MoneyFigures:
    """Shares over cells where there is something to gain: hindsight gains at least 2 % of perfect foresight."""
    worthwhile = [cell for cell in made if cell.hindsight >= 0.02 * cell.worth_everything]
    fixed = [cell for cell in worthwhile if cell.prices != BY_ROW]
    # Each cell in units of its own hindsight gain, so that a table with large prices does not count for more.
    share = np.array([cell.rule / cell.hindsight for cell in fixed])
    tuned = np.array([cell.tuned / cell.hindsight for cell in fixed])
    varied = [cell for cell in worthwhile if cell.prices == BY_ROW]
    by_row = np.array([(cell.rule - cell.flat) / cell.hindsight for cell in varied])
    weight = np.array([cell.hindsight for cell in fixed]) / np.array([cell.worth_everything for cell in fixed])
    promise = np.array(
        [(cell.promised - cell.earned) / max(abs(cell.earned), 0.05 * cell.worth_everything) for cell in made]
    )
    gaps = {
        f"{table} at {prices}": np.array(
            [(c.rule - c.tuned) / c.hindsight for c in fixed if (c.table, c.prices) == (table, prices)]
        )
        for table in sorted({cell.table for cell in fixed})
        for prices in PRICES
    }
    # One in twenty of so many comparisons would look worse by chance: a single one counts at a twentieth of its share.
    sure = 1 - 0.05 / max(len(gaps), 1)
    worse = [name for name, gap in gaps.items() if len(gap) > 2 and _below(gap, sure)]
    return MoneyFigures(
        cells=len(made),
        tables=len({cell.table for cell in made}),
        share_of_hindsight=float(np.average(share, weights=weight)),
        share_of_hindsight_tuned=float(np.average(tuned, weights=weight)),
        coverage=float(np.mean([cell.covered for cell in made])),
        coverage_of_test=float(np.mean([cell.low <= cell.earned <= cell.high for cell in made])),
        promise_off=float(promise.mean()),
        by_row_gain=float(by_row.mean()) if len(by_row) else float("nan"),
        by_row_better=float((by_row > 0).mean()) if len(by_row) else float("nan"),
        tuned_worse=float((share < tuned - 1e-9).mean()),
        tuned_gain=float(np.average(share - tuned, weights=weight)),
        tables_worse=tuple(worse),
        comparisons=len(gaps),
    )


def _below(gap: np.ndarray, confidence: float) -> bool:
    """Whether the mean is below 0 by a one-sided Student test."""
    error = float(gap.std(ddof=1) / np.sqrt(len(gap)))
    return bool(gap.mean() < -float(stdtrit(len(gap) - 1, confidence)) * error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    made = measure(arguments.data, arguments.cache)
    for table in sorted({cell.table for cell in made}):
        for prices in (*PRICES, BY_ROW):
            of = [c for c in made if c.table == table and c.prices == prices]
            means = {key: np.mean([getattr(c, key) for c in of]) for key in ("rule", "tuned", "hindsight", "flat")}
            promised, earned = np.mean([c.promised for c in of]), np.mean([c.earned for c in of])
            shown = " ".join(f"{key} {value:8.3f}" for key, value in means.items())
            print(f"{table:26}{prices:16}{shown}  promised {promised:8.3f} earned {earned:8.3f}")
    print(figures(made))


if __name__ == "__main__":
    main()
