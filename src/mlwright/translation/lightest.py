"""How long the lightest model that may take part needs for an answer: no search finds a quicker one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlwright.core import Deadline, Interval, named_rng
from mlwright.data import Dataset, TableSummary
from mlwright.features import fit_encoder
from mlwright.models import (
    FAMILIES,
    EstimatorFamily,
    FitJob,
    Member,
    Model,
    Outline,
    Rows,
    decision_rule,
    latency_of_answers,
)
from mlwright.spec import Spec
from mlwright.translation.eligibility import taking_part

_ROWS = 2000
_SECONDS = 5.0
_TIMES = 200
#: The lightest first; a constant answers at once and is of no use.
_LIGHTEST = ("linear", "lightgbm", "additive")
_SETTLED: dict[str, dict[str, float]] = {
    "linear": {"penalty": 0.01},
    "lightgbm": {"rounds": 10},
    "additive": {"rounds": 10},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LightestLatency:
    """Measured milliseconds to answer one record.

    Attributes
    ----------
    p50, p95
        Median and 95th percentile.
    range95
        An interval for the 95th percentile, from the order of the times.
    """

    family: str
    p50: float
    p95: float
    range95: Interval
    n: int
    rows: int


def measure_lightest(spec: Spec, train: Dataset, *, seed: int) -> LightestLatency | None:
    """Fit the lightest family that may take part on at most 2,000 rows and measure its answers; None if there is none."""
    names = {family.name for family in taking_part(spec)}
    family = next((FAMILIES[name] for name in _LIGHTEST if name in names), None)
    if family is None:
        return None
    rows = np.sort(named_rng(seed, "lightest").permutation(len(train))[:_ROWS])
    part = train.take(rows)
    latency = latency_of_answers(_fitted(family, part, spec, seed), part, _TIMES)
    return LightestLatency(
        family=family.title, p50=latency.p50, p95=latency.p95, range95=latency.range95, n=latency.n, rows=len(part)
    )


def _fitted(family: EstimatorFamily, part: Dataset, spec: Spec, seed: int) -> Model:
    encoder, matrix = fit_encoder(part, family.view, seed=seed)
    estimator = family.fit(
        FitJob(
            task=part.task,
            n_classes=max(len(part.classes), 1),
            rows=Rows(matrix=matrix, y=part.y, weight=part.weight),
            parameters=family.candidates(Outline.of(part))[0],
            seed=seed,
            deadline=Deadline.after(_SECONDS),
            settled=_SETTLED[family.name],
        )
    )
    summary = part.summary()
    rule = decision_rule(spec, part)
    read = [name for name in part.schema.names if name in encoder.columns or name in rule.columns]
    described = [c.name for c in part.schema.select(read) if c.type != "identifier"]
    return Model(
        task=part.task,
        classes=part.classes,
        target=part.target,
        schema=part.schema.select(read),
        encoders={family.view: encoder},
        members=(Member(family=family.name, trial=family.name, weight=1.0, estimator=estimator),),
        rule=rule,
        reference=TableSummary(rows=summary.rows, columns={name: summary[name] for name in described}),
    )
