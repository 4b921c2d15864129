"""What a capacity came to on the test rows: how many were acted on, how many of those rightly, and how many were found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlwright.core import Evidence, Interval, bounded, finite, named_rng
from mlwright.data.dataset import FloatArray
from mlwright.models import CapacityShare
from mlwright.statistics import METRICS, Metric, Scored, score_with_interval

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class UseScore:
    """One number about the decisions, by the name that its evidence has."""

    name: str
    title: str
    value: float | None
    interval: Interval | None
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityUse:
    """The decisions on the test rows against the capacity.

    Attributes
    ----------
    sentence
        What the capacity is.
    share
        Of the rows that can be acted on.
    scores
        The share that was acted on (the limit is that of the training rows: on other rows it lets more or fewer through),
        and precision, recall and lift of these decisions.
    """

    sentence: str
    share: float
    n: int
    scores: tuple[UseScore, ...]

    def score(self, name: str) -> UseScore:
        """`acted_share`, `precision`, `recall` or `lift`."""
        return next(one for one in self.scores if one.name == name)

    @property
    def note(self) -> str | None:
        """In words, that clearly more rows than the capacity were acted on; None if they were not."""
        acted = self.score("acted_share")
        if acted.interval is None or acted.interval.low <= self.share:
            return None
        return (
            "that is more than the capacity: there is more to act on than among the training rows; take the best first"
        )

    def evidence(self) -> Iterator[Evidence]:
        """Every number of it."""
        yield Evidence(id="capacity.share", value=self.share, method=self.sentence, rows="training rows")
        for one in self.scores:
            yield Evidence(
                id=f"capacity.{one.name}",
                value=one.value,
                interval=one.interval,
                method=one.method,
                rows="test rows",
                n=self.n,
            )

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> CapacityUse:
        """The one that had this state."""
        scores = tuple(
            UseScore(**{**one, "interval": None if one["interval"] is None else Interval(**one["interval"])})
            for one in state["scores"]
        )
        return cls(**{**state, "scores": scores})


def capacity_use(share: CapacityShare | None, scored: Scored, *, seed: int) -> CapacityUse | None:
    """What the decisions on test rows did with the capacity; None where the spec limits nothing."""
    if share is None:
        return None
    scores = []
    for metric in (_ACTED, METRICS["precision"], METRICS["recall"], _LIFT):
        found = score_with_interval(metric, scored, rng=named_rng(seed, "capacity", metric.name), confidence=CONFIDENCE)
        scores.append(
            UseScore(
                name=metric.name,
                title=metric.title,
                value=finite(found.value),
                interval=bounded(found.interval),
                method=found.method,
            )
        )
    return CapacityUse(sentence=share.sentence(), share=share.share, n=len(scored), scores=tuple(scores))


def _acted(scored: Scored) -> tuple[FloatArray, FloatArray]:
    return np.ones(len(scored)), (scored.decided() == 1).astype(np.float64)


def _lift(scored: Scored) -> float:
    positives = scored.mean((scored.target == 1).astype(np.float64))
    return METRICS["precision"].compute(scored) / positives if positives > 0 else float("nan")


_ACTED = Metric(
    name="acted_share",
    title="share of rows acted on",
    tasks=("binary",),
    higher_is_better=True,
    compute=lambda scored: scored.mean(_acted(scored)[1]),
    successes=_acted,
)
_LIFT = Metric(
    name="lift",
    title="lift: positives among the rows acted on, over those among rows picked blindly",
    tasks=("binary",),
    higher_is_better=True,
    compute=_lift,
)
