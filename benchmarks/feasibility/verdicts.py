"""Are requirements that end as "met" really met? Repeated draws of test rows from worlds whose true scores are known.

    python -m benchmarks.feasibility.verdicts

In each synthetic world a model is fitted once; its true score by a metric is measured on 200,000 fresh rows. Then small test
sets are drawn again and again, and `mlwright.evaluation.judge_requirements` judges a bound that the model misses by a
hair. At confidence 95 % at most 5 % of the draws may say "met"; likewise "not met" of a bound that is just reached.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.feasibility.money import matrix
from benchmarks.feasibility.synthetic import draw, worlds
from benchmarks.feasibility.tasks import seed_of
from benchmarks.feasibility.truth import CACHE

from mlwright.data import Dataset, read
from mlwright.evaluation import judge_requirements
from mlwright.spec import Spec
from mlwright.statistics import METRICS, Scored

#: Metric -> draws of test rows; those that need the bootstrap take longer.
ASKED = {
    "binary": {"roc_auc": 300, "log_loss": 300, "brier": 300, "accuracy": 300, "precision": 300, "recall": 300, "pr_auc": 60, "f1": 60},
    "regression": {"rmse": 300, "mae": 300, "r2": 60},
}  # fmt: skip
TEST_ROWS = (150, 600, 2400)
CONFIDENCES = (0.8, 0.95)
_HAIR = 1e-9
WORLDS = {"binary": (5, 17, 21), "regression": (52, 54)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How often a requirement ended wrongly."""

    kind: str
    metric: str
    rows: int
    confidence: float
    draws: int
    wrongly_met: int
    wrongly_not_met: int


def measure_world(seed: int, kind: str) -> list[Count]:
    """All metrics, sizes and confidences in one world."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    world = next(one for one in worlds() if one.seed == seed)
    rows = draw(world, f"verdicts_{seed}", test_rows=200_000)
    spec: dict[str, Any] = {
        "task": kind,
        "data": {"source": "-", "target": "y"} | ({"positive_class": "yes"} if kind == "binary" else {}),
    }
    train, test = read(Spec.of(spec), rows.train), read(Spec.of(spec), rows.test)
    usual: dict[str, Any] = {"n_estimators": 60, "num_leaves": 7, "n_jobs": 1, "verbose": -1}
    x, y = matrix(train), train.y
    if kind == "binary":
        said = np.asarray(LGBMClassifier(**usual).fit(x, y).predict_proba(matrix(test)))[:, 1]
    else:
        said = np.asarray(LGBMRegressor(**usual).fit(x, y).predict(matrix(test)))
    whole = Scored(target=test.y, prediction=np.asarray(said, dtype=float))
    counts = []
    for metric, draws in ASKED[kind].items():
        true = METRICS[metric].compute(whole)
        for n in TEST_ROWS:
            counts += [
                _count(spec, kind, metric, true, whole, test, n, confidence, draws, seed) for confidence in CONFIDENCES
            ]
    return counts


def _count(
    spec: dict[str, Any],
    kind: str,
    metric: str,
    true: float,
    whole: Scored,
    test: Dataset,
    n: int,
    confidence: float,
    draws: int,
    seed: int,
) -> Count:
    upward = METRICS[metric].higher_is_better
    up, down = ("min", "max") if upward else ("max", "min")
    sign = 1 if upward else -1
    asked = [
        {"id": "missed", "metric": metric, up: true + sign * _HAIR, "confidence": confidence},
        {"id": "reached", "metric": metric, up: true - sign * _HAIR, "confidence": confidence},
    ]
    assert down
    judged = Spec.of({**spec, "requirements": asked})
    rng = np.random.default_rng([seed, n, seed_of(metric), round(100 * confidence)])
    met = not_met = 0
    some = test.take(np.arange(n))  # only its task is asked for: no requirement here is on a slice
    for number in range(draws):
        drawn = whole.take(rng.integers(0, len(whole), n))
        missed, reached = judge_requirements(judged, some, drawn, seed=number)
        met += missed.outcome == "met"
        not_met += reached.outcome == "not met"
    return Count(
        kind=kind, metric=metric, rows=n, confidence=confidence, draws=draws, wrongly_met=met, wrongly_not_met=not_met
    )


def measure(cache: Path) -> list[Count]:
    """All counts; worlds that are in the cache are not made again."""
    counts = []
    for kind, seeds in WORLDS.items():
        for seed in seeds:
            path = cache / f"verdicts_{kind}_{seed}.json"
            if not path.is_file():
                path.write_text(json.dumps([asdict(count) for count in measure_world(seed, kind)]))
            counts += [Count(**entry) for entry in json.loads(path.read_text())]
    return counts


def shares(counts: list[Count]) -> dict[float, tuple[float, float, int]]:
    """By confidence: the share wrongly met, wrongly not met, and how many draws."""
    found = {}
    for confidence in CONFIDENCES:
        of = [count for count in counts if count.confidence == confidence]
        draws = sum(count.draws for count in of)
        found[confidence] = (
            sum(count.wrongly_met for count in of) / draws,
            sum(count.wrongly_not_met for count in of) / draws,
            draws,
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE)
    counts = measure(parser.parse_args().cache)
    print(f"{'metric':12}{'rows':>6}{'confidence':>12}{'wrongly met':>13}{'wrongly not met':>17}")
    for metric in dict.fromkeys(count.metric for count in counts):
        for n in TEST_ROWS:
            for confidence in CONFIDENCES:
                of = [c for c in counts if (c.metric, c.rows, c.confidence) == (metric, n, confidence)]
                draws = sum(c.draws for c in of)
                met, missed = sum(c.wrongly_met for c in of) / draws, sum(c.wrongly_not_met for c in of) / draws
                print(f"{metric:12}{n:6}{confidence:12.0%}{met:13.3f}{missed:17.3f}")
    for confidence, (met, missed, draws) in shares(counts).items():
        print(f"{confidence:.0%}: wrongly met {met:.3f}, wrongly not met {missed:.3f} of {draws:,} draws each")


if __name__ == "__main__":
    main()
