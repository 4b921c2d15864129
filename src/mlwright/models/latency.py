"""How long a model takes for one record, as a server asks it: from the fields of the record to the answer."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from mlwright.core import Interval
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.features import RecordInvalid
from mlwright.models.model import Model
from mlwright.models.scorer import Scorer

#: Of the interval: each end is a bound at 95 %, one-sided.
_CONFIDENCE = 0.9
_WARM_UP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Measured milliseconds per record.

    Attributes
    ----------
    p50, p95
        Median and 95th percentile of `n` times.
    range95
        An interval for the 95th percentile, from the order of the times.
    """

    p50: float
    p95: float
    range95: Interval
    n: int


def latency_of_answers(model: Model, rows: Dataset, times: int) -> Latency:
    """Time the answers to single records; the first ones are left out, they load libraries."""
    scorer = Scorer(model)
    names = model.schema.names
    records = rows.table.select(names).slice(0, times).to_pylist()
    answered = [record for record in records if _is_answered(scorer, record)] or [{}]
    for record in answered[:_WARM_UP]:
        _is_answered(scorer, record)
    found = np.empty(times)
    for i in range(times):
        record = answered[i % len(answered)]
        begun = time.perf_counter()
        scorer.answer(record)
        found[i] = 1000 * (time.perf_counter() - begun)
    return Latency(
        p50=float(np.median(found)),
        p95=float(np.quantile(found, 0.95)),
        range95=quantile_interval(found, 0.95, confidence=_CONFIDENCE),
        n=times,
    )


def _is_answered(scorer: Scorer, record: dict[str, object]) -> bool:
    """Whether it has what the model reads: a field may be missing here that no training row lacked."""
    try:
        scorer.answer(record)
    except RecordInvalid:
        return False
    return True


def quantile_interval(values: FloatArray, share: float, *, confidence: float) -> Interval:
    """An interval for a quantile that supposes nothing of the distribution: two of the sorted values.

    References
    ----------
    Conover (1999), Practical nonparametric statistics, chapter 3: how many values lie below a quantile is binomial.

    Examples
    --------
    >>> quantile_interval(np.arange(100.0), 0.5, confidence=0.9)
    Interval(low=41.0, high=58.0, confidence=0.9)
    """
    from scipy.special import bdtr  # a process that answers does without scipy

    ordered = np.sort(values)
    n, tail = len(ordered), (1 - confidence) / 2
    below = bdtr(np.arange(n), n, share)  # of at most k values below the quantile
    low = int(np.searchsorted(below, tail, side="right"))
    high = int(np.searchsorted(below, 1 - tail, side="left"))
    return Interval(
        low=float(ordered[max(low - 1, 0)]) if low else 0.0,
        high=float(ordered[high]) if high < n else float("inf"),
        confidence=confidence,
    )
