"""How long one record takes: from a dict and from JSON bytes to the answer, beside what one-row frames cost.

    python benchmarks/record.py [--rows 20000] [--seconds 2]

The table is made: 8 numbers and 6 categories, some missing. All ways take turns, so that a busy moment hits all of them;
figures are medians of single calls on one thread. The peers get the same rows: `Model.predict` of a one-row frame, and a
scikit-learn pipeline (one-hot and 300 LightGBM trees of 31 leaves) of a one-row pandas frame.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as a server does: its threads would wait for each other

import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import polars as pl

from mlwright.core import Deadline
from mlwright.data import Dataset, read
from mlwright.features import fit_encoder
from mlwright.models import FAMILIES, FitJob, Member, Model, Outline, Rows, Scorer, Settled
from mlwright.search.assembly import learned_schema
from mlwright.spec import Spec

NUMBERS, CATEGORIES, ROUNDS = 8, 6, 300
SETTLED: dict[str, Settled] = {
    "lightgbm": {"rounds": ROUNDS},
    "xgboost": {"rounds": ROUNDS},
    "catboost": {"rounds": ROUNDS},
    "linear": {"penalty": 0.01},
}


def table(rows: int) -> pl.DataFrame:
    """Made rows whose target depends on numbers and categories."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"x{i}": rng.normal(size=rows).round(4) for i in range(NUMBERS)}
    codes = rng.integers(0, 12, (CATEGORIES, rows))
    raw = columns["x0"] - columns["x1"] * columns["x2"] + 0.3 * codes[0] - 0.2 * (codes[1] % 4) + rng.normal(size=rows)
    gone = {name: rng.random(rows) < 0.05 for name in [*columns, *(f"k{i}" for i in range(CATEGORIES))]}
    for i in range(CATEGORIES):
        columns[f"k{i}"] = [f"level {code}" for code in codes[i]]
    made = {
        name: [None if g else v for v, g in zip(column, gone[name], strict=True)] for name, column in columns.items()
    }
    return pl.DataFrame({**made, "y": np.where(raw > np.median(raw), "yes", "no")})


def model_of(train: Dataset, families: tuple[str, ...]) -> Model:
    """A model of these families with equal weights."""
    encoded = {view: fit_encoder(train, view) for view in {FAMILIES[name].view for name in families}}
    members = []
    for name in families:
        family = FAMILIES[name]
        job = FitJob(
            task="binary",
            n_classes=2,
            rows=Rows(matrix=encoded[family.view][1], y=train.y),
            parameters=family.candidates(Outline.of(train))[0],
            seed=0,
            deadline=Deadline.after(600),
            settled=SETTLED[name],
        )
        members.append(Member(family=name, trial=name, weight=1 / len(families), estimator=family.fit(job)))
    summary = train.summary()
    return Model(
        task="binary",
        classes=train.classes,
        target=train.target,
        schema=learned_schema(train.schema.select(train.features), summary),
        encoders={view: encoder for view, (encoder, _) in encoded.items()},
        members=tuple(members),
        reference=summary,
    )


def sklearn_pipeline(frame: pl.DataFrame) -> Callable[[Any], Any]:
    """One-hot and the same number of trees, as most teams would put it."""
    import lightgbm
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    categories = [name for name in frame.columns if name.startswith("k")]
    onehot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("onehot", onehot, categories)], remainder="passthrough").set_output(
        transform="pandas"
    )
    booster = lightgbm.LGBMClassifier(n_estimators=ROUNDS, num_leaves=31, verbosity=-1, n_jobs=1)
    pipeline = make_pipeline(columns, booster)
    features = frame.drop("y").to_pandas()
    pipeline.fit(features, frame["y"].to_numpy())
    predict: Callable[[Any], Any] = pipeline.predict_proba
    return predict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the training table")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each way")
    arguments = parser.parse_args()
    frame = table(arguments.rows)
    train = read(Spec.of({"data": {"source": "-", "target": "y"}}), frame)
    ways: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {}
    asked = frame.drop("y")[:200]
    records = asked.to_dicts()
    bodies = [msgspec.json.encode(record) for record in records]
    frames = [asked[i : i + 1] for i in range(len(asked))]
    ensemble = tuple(name for name in ("lightgbm", "catboost", "linear", "xgboost") if FAMILIES[name].installed)
    for title, families in ((f"LightGBM {ROUNDS} x 31", ("lightgbm",)), (", ".join(ensemble), ensemble)):
        model = model_of(train, families)
        begun = time.perf_counter()
        scorer = Scorer(model)
        print(f"scorer of {title}: made in {time.perf_counter() - begun:.2f} s, proofs included")
        ways[f"{title}: JSON to JSON"] = (scorer.answer_json, bodies)
        ways[f"{title}: dict to answer"] = (scorer.answer, records)
        ways[f"{title}: Model.predict, one-row frame"] = (model.predict, frames)
    ways["scikit-learn pipeline, one-row frame"] = (sklearn_pipeline(frame), [one.to_pandas() for one in frames])
    show(interleaved(ways, arguments.seconds))


def interleaved(ways: dict[str, tuple[Callable[[Any], Any], list[Any]]], seconds: float) -> dict[str, list[float]]:
    """Seconds of single calls of each way, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    turns = 20
    for _ in range(turns):
        for name, (ask, questions) in ways.items():
            ask(questions[0])
            until, i = time.perf_counter() + seconds / turns, 0
            while (begun := time.perf_counter()) < until:
                ask(questions[i % len(questions)])
                taken[name].append(time.perf_counter() - begun)
                i += 1
    return taken


def show(taken: dict[str, list[float]]) -> None:
    """Medians, and how much quicker than the last way each is."""
    width = max(map(len, taken))
    slowest = float(np.median(list(taken.values())[-1]))
    print(f"{'':{width}}   p50 us   p99 us  calls   against the pipeline")
    for name, seconds in taken.items():
        p50, p99 = np.quantile(seconds, [0.5, 0.99])
        print(f"{name:{width}} {p50 * 1e6:8.1f} {p99 * 1e6:8.1f} {len(seconds):6d}   1 / {slowest / p50:.0f}")


if __name__ == "__main__":
    main()
