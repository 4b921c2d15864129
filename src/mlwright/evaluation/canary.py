"""The canary: the same pipeline on shuffled targets. If it finds anything there, the pipeline itself leaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlwright.core import Deadline, Evidence, Interval, bounded, finite, named_rng
from mlwright.data import Dataset, SplitPlan, fold_rows
from mlwright.models import FAMILIES
from mlwright.search import EncodedFolds, cross_validate
from mlwright.search.folds import TrialPlan
from mlwright.statistics import METRICS, Scored, objective_of, score_with_interval

_ROWS = 4000
_FOLDS = 3
_SECONDS = 20.0
#: Two-sided; a pipeline that does not leak raises a false alarm in one of 400 runs.
_CONFIDENCE = 0.995
_FAMILIES = ("lightgbm", "linear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """What each family scored on shuffled targets; `chance` is what guessing scores."""

    family: str
    metric: str
    value: float | None
    interval: Interval | None
    chance: float
    n: int

    @property
    def silent(self) -> bool:
        """Whether the family found nothing, as it should."""
        return self.interval is None or self.interval.low <= self.chance

    def evidence(self) -> Evidence:
        return Evidence(
            id=f"canary.{self.family}.{self.metric}",
            value=self.value,
            interval=self.interval,
            method="out-of-fold score of the same encoder and family on shuffled targets",
            rows="training rows with shuffled targets",
            n=self.n,
        )


def run_canary(train: Dataset, plan: SplitPlan, *, seed: int) -> list[Canary]:
    """Shuffle the targets of training rows, fit each family with its encoder on folds, and score it."""
    return list(_canaries(train, plan, seed))


def _canaries(train: Dataset, plan: SplitPlan, seed: int) -> Iterator[Canary]:
    rng = named_rng(seed, "canary")
    rows = np.sort(rng.permutation(len(train))[:_ROWS])
    part = train.take(rows)
    shuffled = part.with_target_order(rng.permutation(len(part)))
    data = EncodedFolds(shuffled, fold_rows(shuffled, plan, _FOLDS, seed=seed), seed=seed)
    for name in _FAMILIES:
        family = FAMILIES[name]
        parameters = family.candidates(train.task, len(part), len(train.features))[0]
        trial = cross_validate(
            TrialPlan(id=f"canary-{name}", family=family, parameters=parameters),
            data,
            objective_of(train.task),
            seed=seed,
            deadline=Deadline.after(_SECONDS),
            workers=2,
        )
        if trial.predictions is None:
            continue
        scored = data.scored(trial.predictions)
        if train.task == "regression":
            yield _of_numbers(name, scored)
        else:
            metric = METRICS["roc_auc"]
            found = score_with_interval(metric, scored, rng=named_rng(seed, "canary", name), confidence=_CONFIDENCE)
            yield Canary(
                family=name,
                metric="roc_auc",
                value=finite(found.value),
                interval=bounded(found.interval),
                chance=0.5,
                n=len(scored),
            )


def _of_numbers(family: str, scored: Scored) -> Canary:
    """The correlation of prediction and shuffled truth, by Fisher's transformation."""
    n = len(scored)
    varies = scored.prediction.std() > 0 and scored.target.std() > 0
    r = float(np.corrcoef(scored.prediction, scored.target)[0, 1]) if varies else 0.0
    half = 2.81 / np.sqrt(max(n - 3, 1))
    ends = np.tanh(np.arctanh(np.clip(r, -0.999999, 0.999999)) + np.array([-half, half]))
    interval = Interval(low=float(ends[0]), high=float(ends[1]), confidence=_CONFIDENCE)
    return Canary(family=family, metric="correlation", value=r, interval=interval, chance=0.0, n=n)
