"""Values that do not come: many missing at once, or a number such as -999 in their place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.monitoring.irregular.irregularity import Irregularity, shown_share
from mlwright.monitoring.irregular.look import LEAST_COUNT, Look, log_tail
from mlwright.monitoring.irregular.reference import Numbers
from mlwright.monitoring.irregular.repairs import SetMissing

#: A burst is at least so much above what is usual, as a share of the rows, or so many times it.
_ABOVE, _TIMES = 0.05, 3.0


def missing_burst(look: Look) -> Iterator[Irregularity]:
    """Columns with far more missing values than the training rows had."""
    for column in look.reference.schema:
        name = column.name
        if name in look.explained or name in look.reference.left_out or look.reference.of(name) is None:
            continue
        rows = look.batch.missing(name) & ~look.batch.unreadable(name)
        count = int(rows.sum())
        share, usual, worst = count / look.n, look.reference.missing_share(name), look.worst_missing(name)
        if count < LEAST_COUNT or share < max(usual, worst) + min(_ABOVE, (_TIMES - 1) * max(usual, worst) + 0.01):
            continue
        chance = log_tail(count, look.rows_that_count(name, look.n), max(usual, min(2 * worst, 0.5)))
        if chance > np.log(look.alpha_each):
            continue
        yield look.found(
            "missing_burst",
            (name,),
            rows,
            f"{name!r} is missing in {shown_share(share)} of the rows; in training it was in {_of_all(usual)}.",
            "Ask the source what happened to it. If the answers may do without it, accept the rule.",
            confidence=1 - np.exp(chance),
            evidence={"missing": count, "missing_share": share, "usual_share": usual},
            repair=SetMissing(column=name),
        )


def _of_all(share: float) -> str:
    return "hardly any" if share < 0.005 else f"at most {shown_share(share)}"


def missing_marker(look: Look) -> Iterator[Irregularity]:
    """One and the same number outside all that was ever seen, in many rows: it stands for something missing."""
    for column in look.columns("number", "integer"):
        known = look.numbers(column.name)
        if known is None:
            continue
        values, reference = known
        marker = _marker(values, reference, look.n)
        if marker is None:
            continue
        rows = values == marker
        share = float(rows.mean())
        yield look.found(
            "missing_marker",
            (column.name,),
            rows,
            f"{column.name!r} has the same number, outside its range, in {shown_share(share)} of the rows: it seems to stand "
            "for a missing value.",
            "Accept the rule to answer these rows without it, and name the number under `missing` of the column.",
            confidence=1 - reference.top,
            evidence={"rows": int(rows.sum()), "low": reference.low, "high": reference.high},
            repair=SetMissing(column=column.name),
        )


def _marker(values: FloatArray, reference: Numbers, n: int) -> float | None:
    known = np.isfinite(values)
    outside = values[known][reference.outside(values[known])]
    if len(outside) < max(LEAST_COUNT, 0.01 * n) or known.sum() - len(outside) < 0.02 * n or reference.n_distinct < 3:
        return None  # nothing is left beside it: that is a constant column
    found, counts = np.unique(outside, return_counts=True)
    value, count = float(found[counts.argmax()]), int(counts.max())
    return value if count >= 0.9 * len(outside) and _is_odd(value, reference) else None


def _is_odd(value: float, reference: Numbers) -> bool:
    """Whether a number is of the kind that people write for missing (-1, 99, -999, 0), or lies far outside."""
    if value in {0.0, -1.0} or (value == int(value) and set(str(abs(int(value)))) == {"9"}):
        return True
    # Where most rows have one value, or there are few, another unit makes equal numbers of equal ones.
    span = reference.high - reference.low
    varied = reference.top < 0.5 and reference.n_distinct >= 20
    return varied and (value > reference.high + span or value < reference.low - span)
