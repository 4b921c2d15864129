"""Every metric of the task on the test rows, with its interval, beside the baselines on the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlwright.core import Evidence, Interval, bounded, finite, named_rng
from mlwright.spec import Task
from mlwright.statistics import METRICS, Comparison, Scored, compare, default_metrics, score_with_interval

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineScore:
    """A baseline's score, and how much better the model is; `p_value` tests that there is no difference."""

    baseline: str
    value: float | None
    gain: float | None
    gain_interval: Interval | None
    p_value: float | None
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricScore:
    """One metric of the model."""

    metric: str
    title: str
    higher_is_better: bool
    value: float | None
    interval: Interval | None
    method: str
    baselines: tuple[BaselineScore, ...]
    n: int

    def evidence(self, prefix: str) -> Iterator[Evidence]:
        """The score, and for each baseline its score and the gain over it."""
        rows = "test rows"
        yield Evidence(
            id=f"{prefix}.{self.metric}",
            value=self.value,
            interval=self.interval,
            method=self.method,
            rows=rows,
            n=self.n,
        )
        for one in self.baselines:
            base = f"{prefix}.{self.metric}.{one.baseline}"
            yield Evidence(id=base, value=one.value, method=self.title, rows=rows, n=self.n)
            yield Evidence(
                id=f"{base}.gain", value=one.gain, interval=one.gain_interval, method=one.method, rows=rows, n=self.n
            )


def score_all(task: Task, scored: Scored, baselines: Mapping[str, Scored], *, seed: int) -> list[MetricScore]:
    """Score by every metric of the task."""
    return [
        _score(metric.name, scored, baselines, seed)
        for metric in default_metrics(task, with_interval=scored.low is not None, with_cost=scored.cost is not None)
    ]


def _score(name: str, scored: Scored, baselines: Mapping[str, Scored], seed: int) -> MetricScore:
    metric = METRICS[name]
    own = score_with_interval(metric, scored, rng=named_rng(seed, "interval", name), confidence=CONFIDENCE)
    beside: Sequence[BaselineScore] = (
        ()
        if metric.needs_interval
        else [_beside(name, scored, other, baseline, seed) for baseline, other in baselines.items()]
    )
    return MetricScore(
        metric=name,
        title=metric.title,
        higher_is_better=metric.higher_is_better,
        value=finite(own.value),
        interval=bounded(own.interval),
        method=own.method,
        baselines=tuple(beside),
        n=len(scored),
    )


def _beside(name: str, scored: Scored, other: Scored, baseline: str, seed: int) -> BaselineScore:
    metric = METRICS[name]
    found: Comparison = compare(
        metric, scored, other, rng=named_rng(seed, "comparison", name, baseline), confidence=CONFIDENCE
    )
    return BaselineScore(
        baseline=baseline,
        value=finite(metric.compute(other)),
        gain=finite(found.gain),
        gain_interval=bounded(found.interval),
        p_value=finite(found.p_value),
        method=f"difference of {metric.title}; {found.method}",
    )
