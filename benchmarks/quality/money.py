"""What decisions earn: mlwright with values of outcomes in its spec, against a peer that decides by its own `predict()`.

    python benchmarks/quality/money.py --peer-python peers/autogluon/bin/python --seconds 60

Six binary tables with the loader's fixed test rows. The values follow one rule for all: acting costs 1 a row, and acting on
a positive row brings `1 / p`, with `p` the share of positives among the training rows; where the list below names a column,
it brings that in proportion to the column, with the same mean. So acting on all rows and on none are both worth nothing on
average, whatever the table, and all that is earned is earned by the model.

mlwright gets the values in its spec, and nothing else that the peer does not get. The peer is AutoGluon `best_quality` with
its default metric, or with `--peer-metric` (`balanced_accuracy` makes it tune its threshold; that is optimal for the tables
without a column). A further column shows what the peer's probabilities would earn with the rule that mlwright uses.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

#: Table, and the column that a hit is worth in proportion to.
TABLES: dict[str, str | None] = {
    "telco_churn": "monthly_charges",
    "german_credit": "amount",
    "adult_income": None,
    "houston_flights": None,
    "titanic": "fare",
    "car_insurance_claims": "veh_value",
}
CORES = 2
MOST_TRAINING_ROWS = 50_000


def load(data: Path, name: str) -> tuple[pd.DataFrame, pd.DataFrame, str, Any]:
    """Training rows, test rows, the target, and its positive class."""
    found = importlib.util.spec_from_file_location("loader", data / "loader.py")
    assert found is not None
    assert found.loader is not None
    loader: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(loader)
    train, test, target, _ = loader.load(name, drop_ids=True)
    if len(train) > MOST_TRAINING_ROWS:
        train = train.sample(MOST_TRAINING_ROWS, random_state=0)
    positive = loader.info(name).get("positive")
    if positive is None:
        positive = train[target].value_counts().idxmin()
    return train.reset_index(drop=True), test.reset_index(drop=True), target, positive


def hit_factor(train: pd.DataFrame, target: str, positive: Any, column: str | None) -> float:
    """What a hit brings: by itself, or per unit of the column."""
    is_positive = train[target].astype(str) == str(positive)
    of_positive = 1.0 if column is None else float(train.loc[is_positive, column].mean())
    return float(f"{1 / (is_positive.mean() * of_positive):.4g}")


def gains_of_hits(test: pd.DataFrame, train: pd.DataFrame, column: str | None, factor: float) -> np.ndarray:
    """What acting on each test row brings if it is positive."""
    amount = np.ones(len(test)) if column is None else test[column].fillna(train[column].mean()).to_numpy(float)
    return factor * amount


def fit_ours(train: pd.DataFrame, test: pd.DataFrame, task: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the positive class and decision for each test row."""
    from mlwright.core import Deadline
    from mlwright.data import plan_split, read
    from mlwright.search import assemble, search
    from mlwright.spec import Spec

    deadline = Deadline.after(task["seconds"])
    hit = task["factor"] if task["column"] is None else f"{task['factor']} * {task['column']}"
    spec = Spec.of(
        {
            "data": {"source": "-", "target": task["target"], "positive_class": task["positive"]},
            "budget": {"seconds": task["seconds"]},
            "decision": {"values": {"true_positive": f"{hit} - 1", "false_positive": -1}},
            "seed": task["seed"],
        }
    )
    dataset = read(spec, train)
    trials = search(dataset, spec, plan_split(dataset, spec), seed=spec.seed, deadline=deadline)
    answer = assemble(trials, dataset, spec, seed=spec.seed, deadline=deadline).predict(test)
    assert answer.decision is not None
    return answer.prediction, answer.decision


def fit_peer(train: pd.DataFrame, test: pd.DataFrame, task: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The same from AutoGluon; decided by its own `predict()`."""
    from autogluon.tabular import TabularPredictor  # type: ignore[import-not-found]  # of the peer's environment

    predictor = TabularPredictor(task["target"], eval_metric=task["metric"], path=task["work"], verbosity=0)
    predictor.fit(train, time_limit=task["seconds"], presets="best_quality", num_cpus=CORES, num_gpus=0)
    rows = test.drop(columns=task["target"])
    by_name = {str(name): name for name in predictor.class_labels}
    positive = by_name[str(task["positive"])]
    decision = (predictor.predict(rows) == positive).to_numpy(int)
    return predictor.predict_proba(rows)[positive].to_numpy(float), decision


def child(folder: Path) -> None:
    """Fit in a process of its own, and leave the answers as a file."""
    task = json.loads((folder / "task.json").read_text())
    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    begun = time.monotonic()
    probability, decision = (fit_peer if task["who"] == "peer" else fit_ours)(train, test, task)
    np.savez(folder / "answer.npz", probability=probability, decision=decision, seconds=time.monotonic() - begun)


def answers(who: str, python: str, train: pd.DataFrame, test: pd.DataFrame, task: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        train.to_parquet(folder / "train.parquet")
        test.to_parquet(folder / "test.parquet")
        (folder / "task.json").write_text(json.dumps({**task, "who": who, "work": str(folder / "peer")}, default=str))
        subprocess.run([python, __file__, "--child", place], check=True)
        return dict(np.load(folder / "answer.npz"))


def compare(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Value per test row of one table, decided in each way."""
    column = TABLES[name]
    train, test, target, positive = load(arguments.data, name)
    factor = hit_factor(train, target, positive, column)
    task = {
        "target": target,
        "positive": positive
        if isinstance(positive, str)
        else positive.item()
        if hasattr(positive, "item")
        else positive,
        "column": column,
        "factor": factor,
        "seconds": arguments.seconds,
        "seed": arguments.seed,
        "metric": arguments.peer_metric,
    }
    ours = answers("mlwright", sys.executable, train, test, task)
    peer = answers("peer", arguments.peer_python, train, test, task)
    is_positive = (test[target].astype(str) == str(positive)).to_numpy()
    gains = gains_of_hits(test, train, column, factor)
    if_acted = np.where(is_positive, gains - 1, -1.0)
    difference = if_acted * (ours["decision"] - peer["decision"].astype(int))
    return {
        "table": name,
        "ours": float((if_acted * ours["decision"]).mean()),
        "peer": float((if_acted * peer["decision"]).mean()),
        "peer_with_our_rule": float((if_acted * (peer["probability"] * gains > 1)).mean()),
        "all": float(if_acted.mean()),
        "none": 0.0,
        "error": float(difference.std(ddof=1) / np.sqrt(len(difference))),
        "seconds": [float(ours["seconds"]), float(peer["seconds"])],
        "rows": len(test),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--peer-python", help="the interpreter of an environment with autogluon.tabular and pyarrow")
    parser.add_argument("--peer-metric", default="accuracy", help="AutoGluon's eval_metric; accuracy is its default")
    parser.add_argument("--tables", nargs="*", default=list(TABLES))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a line of JSON is added for each table")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        child(arguments.child)
        return
    if arguments.peer_python is None:
        parser.error("--peer-python is needed")
    print(
        f"{'value per test row':22}{'mlwright':>10}{'peer':>10}{'difference':>20}{'peer, our rule':>16}{'all':>8}{'none':>6}"
    )
    won = 0
    for name in arguments.tables:
        try:
            found = compare(name, arguments)
        except subprocess.CalledProcessError:  # its process has said why: a failure is a line too
            print(f"{name:22}    failed", flush=True)
            continue
        won += found["ours"] > found["peer"]
        difference = f"{found['ours'] - found['peer']:+.4f} ± {1.96 * found['error']:.4f}"
        print(
            f"{name:22}{found['ours']:10.4f}{found['peer']:10.4f}{difference:>20}{found['peer_with_our_rule']:16.4f}"
            f"{found['all']:8.3f}{found['none']:6.1f}",
            flush=True,
        )
        if arguments.out is not None:
            with arguments.out.open("a") as lines:
                settings = {"budget": arguments.seconds, "seed": arguments.seed, "peer_metric": arguments.peer_metric}
                lines.write(json.dumps({**settings, **found}) + "\n")
    print(f"mlwright earns more on {won} of {len(arguments.tables)} tables")


if __name__ == "__main__":
    main()
