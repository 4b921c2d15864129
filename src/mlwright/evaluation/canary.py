"""The canary: the same pipeline on shuffled targets. If it finds anything there, the pipeline itself leaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlwright.core import Deadline, Evidence, Interval, bounded, finite, named_rng
from mlwright.data import Dataset, SplitPlan, fold_rows
from mlwright.models import FAMILIES, Outline
from mlwright.search import EncodedFolds, Threads, cross_validate
from mlwright.search.folds import TrialPlan
from mlwright.statistics import METRICS, Scored, objective_of, score_with_interval

_ROWS = 4000
_FOLDS = 3
_SECONDS = 20.0
#: Two-sided; on small tables one shuffle in thirty still passes it by chance, all three hardly ever.
_CONFIDENCE = 0.995
_SHUFFLES = 3
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
            method=f"out-of-fold score of the same encoder and family on shuffled targets, the last of up to {_SHUFFLES}",
            rows="training rows with shuffled targets",
            n=self.n,
        )


def run_canary(train: Dataset, plan: SplitPlan, *, seed: int) -> list[Canary]:
    """Shuffle the targets of training rows, fit each family with its encoder on folds, and score it.

    Predictions of folds that share their training rows vary more than the interval of their score says: what looks like
    a find is mostly chance. So a family that finds something is asked again on other shuffles: a leak is found there too.
    """
    rng = named_rng(seed, "canary")
    part = train.take(np.sort(rng.permutation(len(train))[:_ROWS]))
    found: dict[str, Canary] = {}
    asked: tuple[str, ...] = _FAMILIES
    for _ in range(_SHUFFLES):
        shuffled = part.with_target_order(rng.permutation(len(part)))
        found |= {one.family: one for one in _canaries(shuffled, plan, asked, seed)}
        asked = tuple(name for name, one in found.items() if not one.silent)
        if not asked:
            break
    return [found[name] for name in _FAMILIES if name in found]


def _canaries(shuffled: Dataset, plan: SplitPlan, families: tuple[str, ...], seed: int) -> Iterator[Canary]:
    folds = fold_rows(shuffled, plan, _FOLDS, seed=seed)
    data = EncodedFolds(shuffled, folds, seed=seed, groups_recur=plan.kind != "grouped")
    for name in families:
        family = FAMILIES[name]
        parameters = family.candidates(Outline.of(shuffled))[0]
        trial = cross_validate(
            TrialPlan(id=f"canary-{name}", family=family, parameters=parameters),
            data,
            objective_of(shuffled.task),
            seed=seed,
            deadline=Deadline.after(_SECONDS),
            executor=Threads(2),
        )
        if trial.predictions is None:
            continue
        scored = data.scored(trial.predictions)
        if shuffled.task == "regression":
            yield _of_numbers(name, scored)
        else:
            metric = METRICS["roc_auc"]
            one = score_with_interval(metric, scored, rng=named_rng(seed, "canary", name), confidence=_CONFIDENCE)
            yield Canary(
                family=name,
                metric="roc_auc",
                value=finite(one.value),
                interval=bounded(one.interval),
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
