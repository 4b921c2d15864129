"""Does it pay to choose members, or the threshold, by money rather than by log loss?

    python benchmarks/quality/choosing_by_value.py --data ../shared/data

Searches binary tables (at most 3,000 training and 10,000 test rows, 8 trials, two seeds), then decides on the test rows by
several ways to choose members on out-of-fold predictions and several thresholds, for made-up values of outcomes: a miss
costs 5 or 10 times a false alarm, a false alarm 5 times a miss, and either of them an amount that differs by row (a column
of the table with many values). Prints, for each pair of ways, how much is earned on test rows above the better of acting on
all and on none, in percent of what perfect foresight earns; and the difference to log loss with break-even.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from mlwright.core import Deadline
from mlwright.data import Dataset, plan_split, read
from mlwright.data.dataset import FloatArray
from mlwright.models import fit_calibration
from mlwright.search import Ensemble, Trials, assemble, choose_members, search
from mlwright.spec import Spec
from mlwright.statistics import METRICS, Metric, Scored, Worth

TABLES = ["german_credit", "titanic", "telco_churn", "adult_income", "car_insurance_claims", "houston_flights"]
TRAIN_ROWS, TEST_ROWS = 3000, 10_000


class Searched(NamedTuple):
    """One search: what each trial says of the test rows, and an amount for every row."""

    trials: Trials
    test: dict[str, FloatArray]
    train_target: FloatArray
    test_target: FloatArray
    train_amount: FloatArray
    test_amount: FloatArray


def load(data: Path, name: str, seed: int) -> tuple[pl.DataFrame, int, Any, Any]:
    """Rows for training first, how many these are, the target and its positive class."""
    found = importlib.util.spec_from_file_location("loader", data / "loader.py")
    assert found is not None
    assert found.loader is not None
    loader: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(loader)
    train, test, target, _ = loader.load(name, drop_ids=True)
    fitted = pl.from_pandas(train).sample(min(TRAIN_ROWS, int(0.8 * len(train))), seed=seed)
    rows = pl.from_pandas(test).sample(min(TEST_ROWS, len(test)), seed=0)
    return pl.concat([fitted, rows]), len(fitted), target, loader.info(name).get("positive")


def searched(data: Path, name: str, seed: int) -> Searched:
    frame, n, target, positive = load(data, name, seed)
    given = {"source": "-", "target": target} | ({} if positive is None else {"positive_class": positive})
    spec = Spec.of({"data": given, "budget": {"seconds": 90, "trials": 8}, "seed": seed})
    dataset = read(spec, frame)
    train, test = dataset.take(np.arange(n)), dataset.take(np.arange(n, len(dataset)))
    trials = search(train, spec, plan_split(train, spec), seed=seed)
    said = {}
    for trial in trials.usable:
        alone = replace(trials, trials=(trial,))
        model = assemble(alone, train, spec, seed=seed, deadline=Deadline.after(60))
        said[trial.id] = model.combined(model.encoded(test.table))
    amount = amounts(dataset)
    return Searched(trials, said, train.y, test.y, amount[:n], amount[n:])


def amounts(dataset: Dataset) -> FloatArray:
    """The column of numbers with the most distinct values, as amounts with mean 1."""
    columns = [dataset.numbers(column.name) for column in dataset.schema.features if column.is_number]
    chosen = np.abs(max(columns, key=lambda values: len(np.unique(values[~np.isnan(values)]))))
    known = np.where(np.isnan(chosen), np.nanmean(chosen), chosen)
    return np.asarray(np.maximum(known / known.mean(), 0.01))


def scenarios(amount: FloatArray) -> dict[str, Worth]:
    """Gain of a hit and cost of a false alarm; waiting is worth nothing."""
    one = np.ones_like(amount)
    pairs = {
        "5:1": (5 * one, one),
        "10:1": (10 * one, one),
        "1:5": (one, 5 * one),
        "amount of a hit": (amount, 0.2 * one),
        "amount of a false alarm": (one, 0.3 * amount),
    }
    return {
        name: Worth(true_positive=hit, false_positive=-alarm, false_negative=0 * one, true_negative=0 * one)
        for name, (hit, alarm) in pairs.items()
    }


def members_by(found: Searched, worth: Worth) -> dict[str, Ensemble]:
    """Ways to choose members."""
    scored = Scored(target=found.train_target, prediction=found.train_target)

    def of_value(one: Scored) -> float:
        return float(worth.earned(one.target, worth.act(one.prediction)).mean())

    def of_costs(one: Scored) -> float:
        """Log loss of the probability shifted so that break-even is a half, weighted by what an error costs."""
        hit, alarm = worth.true_positive, -worth.false_positive
        shifted = one.prediction * hit / (one.prediction * hit + (1 - one.prediction) * alarm)
        return METRICS["log_loss"].compute(
            replace(one, prediction=shifted, weight=np.where(one.target == 1, hit, alarm))
        )

    def metric(name: str, compute: Callable[[Scored], float], *, higher: bool) -> Metric:
        return Metric(name=name, title=name, tasks=("binary",), higher_is_better=higher, compute=compute)

    objectives = {
        "log loss": METRICS["log_loss"],
        "ROC AUC": METRICS["roc_auc"],
        "value": metric("value", of_value, higher=True),
        "log loss by cost": metric("log loss by cost", of_costs, higher=False),
    }
    return {
        name: choose_members(rescored(found.trials, scored, objective), scored, objective)
        for name, objective in objectives.items()
    }


def rescored(trials: Trials, scored: Scored, objective: Metric) -> Trials:
    """With scores by another objective: selection begins with the best."""
    again = []
    for trial in trials.usable:
        assert trial.predictions is not None
        again.append(replace(trial, score=objective.compute(replace(scored, prediction=trial.predictions))))
    return replace(trials, trials=tuple(again))


def decisions(
    out_of_fold: FloatArray, test: FloatArray, found: Searched, worth: Worth, on_test: Worth
) -> Iterator[tuple[str, np.ndarray]]:
    """Ways to decide, as decisions on the test rows."""
    y = found.train_target
    calibration = fit_calibration(out_of_fold, y, weight=None, rng=np.random.default_rng(0))
    fitted, asked = calibration.apply(out_of_fold), calibration.apply(test)
    yield "break-even, calibrated", on_test.act(asked)
    yield "break-even, not calibrated", on_test.act(test)
    yield "a half", (asked >= 0.5).astype(int)
    # Tuned: how far from break-even, in logits of the probability, is best on the out-of-fold predictions.
    distance, distance_test = above_break_even(fitted, worth), above_break_even(asked, on_test)
    order = np.argsort(-distance)
    gain = np.where(y == 1, worth.true_positive, worth.false_positive)[order]
    middles = np.r_[np.inf, (distance[order][:-1] + distance[order][1:]) / 2, -np.inf]
    tuned = middles[np.r_[0.0, np.cumsum(gain)].argmax()]
    yield "tuned", (distance_test > tuned).astype(int)
    rng = np.random.default_rng(0)
    draws = [np.bincount(rng.integers(0, len(y), len(y)), minlength=len(y))[order] for _ in range(50)]
    cuts = [np.clip(middles[np.r_[0.0, np.cumsum(gain * counts)].argmax()], -3, 3) for counts in draws]
    yield "tuned, median of 50 bootstraps", (distance_test > np.median(cuts)).astype(int)


def above_break_even(probability: FloatArray, worth: Worth) -> FloatArray:
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)) - np.log(-worth.false_positive / worth.true_positive))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tables", nargs="*", default=TABLES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    earned: dict[tuple[str, str], list[float]] = defaultdict(list)
    for table in arguments.tables:
        for seed in arguments.seeds:
            found = searched(arguments.data, table, seed)
            worths, on_tests = scenarios(found.train_amount), scenarios(found.test_amount)
            for name, worth in worths.items():
                on_test, y = on_tests[name], found.test_target
                best = max(on_test.earned(y, np.ones(len(y), dtype=int)).mean(), 0.0)
                foresight = on_test.earned(y, y.astype(int)).mean()
                for chosen, ensemble in members_by(found, worth).items():
                    test = sum((w * found.test[id_] for id_, w in ensemble.weights.items()), np.zeros(len(y)))
                    for way, decision in decisions(ensemble.predictions, test, found, worth, on_test):
                        above = (on_test.earned(y, decision).mean() - best) / foresight
                        earned[chosen, way].append(100 * float(above))
    usual = np.array(earned["log loss", "break-even, calibrated"])
    print(f"{len(usual)} cells (table, seed, values)\n")
    print(f"{'members by':18}{'threshold':34}{'earned %':>9}{'difference':>12}{'s.e.':>7}{'wins':>6}{'losses':>7}")
    for (chosen, way), listed in earned.items():
        difference = np.array(listed) - usual
        error = difference.std() / np.sqrt(len(difference))
        wins, losses = int((difference > 1e-9).sum()), int((difference < -1e-9).sum())
        shown = f"{np.mean(listed):9.2f}{difference.mean():+12.2f}{error:7.2f}{wins:6}{losses:7}"
        print(f"{chosen:18}{way:34}{shown}")


if __name__ == "__main__":
    main()
