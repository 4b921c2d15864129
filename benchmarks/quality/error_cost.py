"""What does it save to search, fit and answer by what errors cost, rather than by RMSE?

    python benchmarks/quality/error_cost.py --data ../shared/data

Regressions of 3,000 training rows, `--trials` trials a search, three costs of an error: 0.8 a unit downwards and 0.2 upwards;
the same as a share of the truth, so that rows differ; and steps (3 where it is too low by more than a fifth of a standard
deviation of the target, 1 where it is too high by more). Prints the mean cost of an error on at most 10,000 test rows of

- mlwright with `decision.error_cost`, of its members before the offset, and of the search by RMSE with and without an offset;
- LightGBM with the quantile that the costs ask for (the median for the steps), as it comes.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlwright.data import Dataset, plan_split, read
from mlwright.data.dataset import FloatArray
from mlwright.models import Model, error_cost, fit_offset, weights_of
from mlwright.search import Trials, assemble, search
from mlwright.spec import Spec

TABLES = ["bike_sharing", "diamonds", "nyc_taxis"]
TRAIN_ROWS, TEST_ROWS = 3000, 10_000


def load(data: Path, name: str, seed: int) -> tuple[pl.DataFrame, int, str]:
    """Rows for training first, how many these are, and the target."""
    found = importlib.util.spec_from_file_location("loader", data / "loader.py")
    assert found is not None
    assert found.loader is not None
    loader: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(loader)
    train, test, target, _ = loader.load(name, drop_ids=True)
    fitted = pl.from_pandas(train).sample(min(TRAIN_ROWS, len(train)), seed=seed)
    rows = pl.from_pandas(test).sample(min(TEST_ROWS, len(test)), seed=0)
    return pl.concat([fitted, rows]), len(fitted), target


def costs(target: str, y: FloatArray) -> dict[str, str]:
    """The expressions."""
    pinball = "where(error > 0, 0.2 * error, -0.8 * error)"
    far, usual = 0.2 * y.std(), float(np.median(y))
    return {
        "0.8 / 0.2 a unit": pinball,
        "as a share": f"{pinball} / max(col('{target}'), {0.2 * usual:.4g})",
        "steps": f"where(error < -{far:.4g}, 3, where(error > {far:.4g}, 1, 0))",
    }


def made(train: Dataset, spec: Spec, seed: int) -> tuple[Trials, Model]:
    trials = search(train, spec, plan_split(train, spec), seed=seed)
    return trials, assemble(trials, train, spec, seed=seed)


def plain_lightgbm(train: Dataset, test: Dataset, alpha: float, seed: int) -> FloatArray:
    """As a data scientist would call it first: 300 rounds at a rate of 0.05, categories as they are."""
    import lightgbm as lgb

    def frame(rows: Dataset) -> FloatArray:
        columns = []
        for column in rows.schema.features:
            levels = column.type in {"category", "identifier", "text"}
            columns.append(rows.levels(column.name)[0].astype(float) if levels else rows.numbers(column.name))
        return np.column_stack(columns)

    kinds = [i for i, c in enumerate(train.schema.features) if c.type in {"category", "identifier", "text"}]
    values = frame(train), frame(test)
    booster = lgb.train(
        {
            "objective": "quantile",
            "alpha": alpha,
            "learning_rate": 0.05,
            "verbosity": -1,
            "num_threads": 1,
            "seed": seed,
        },
        lgb.Dataset(values[0], train.y, categorical_feature=kinds),
        300,
    )
    return np.asarray(booster.predict(values[1]), dtype=np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="*", default=TABLES)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(
        f"{'table':14}{'cost':18}{'mlwright':>10}{'no offset':>10}{'RMSE':>10}{'RMSE+off.':>10}{'LightGBM':>10}{'s':>6}"
    )
    for name in args.tables:
        frame, n, target = load(args.data, name, args.seed)

        def spec_of(expression: str | None, target: str = target) -> Spec:
            decision = {} if expression is None else {"error_cost": expression}
            budget = {"seconds": 300, "trials": args.trials, "workers": 1}
            return Spec.of(
                {
                    "data": {"source": "-", "target": target},
                    "decision": decision,
                    "budget": budget,
                    "split": {"folds": 3},
                }
            )

        dataset = read(spec_of(None), frame)
        train, test = dataset.take(np.arange(n)), dataset.take(np.arange(n, len(dataset)))
        by_rmse, plain = made(train, spec_of(None), args.seed)
        for title, expression in costs(target, train.y).items():
            begun = time.monotonic()
            spec = spec_of(expression)
            _, model = made(train, spec, args.seed)
            cost = error_cost(spec, train)
            assert cost is not None
            of_test, of_train = cost.of_rows(test), cost.of_rows(train)
            said = model.combined(model.encoded(test.table))
            mean = plain.predict(test).prediction
            weights = weights_of(plain.members)
            out_of_fold = np.sum([w * np.asarray(by_rmse[t].predictions) for t, w in weights.items()], axis=0)
            offset = fit_offset(out_of_fold, train.y, of_train)
            answers = {
                "mlwright": model.predict(test).prediction,
                "members": said,
                "rmse": mean,
                "rmse moved": mean if offset is None else offset.apply(mean),
                "lightgbm": plain_lightgbm(train, test, cost.quantile or 0.5, args.seed),
            }
            mean_costs = [float(of_test.of(answer, test.y).mean()) for answer in answers.values()]
            told = "".join(f"{value:10.4g}" for value in mean_costs)
            print(f"{name:14}{title:18}{told}{time.monotonic() - begun:6.0f}", flush=True)


if __name__ == "__main__":
    main()
