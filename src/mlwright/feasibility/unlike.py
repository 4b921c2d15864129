"""How far a table is from those that past errors were learnt on; the further, the wider every interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlwright.feasibility.curve import QuickCurve
from mlwright.feasibility.learnt import Learnt, load_learnt
from mlwright.statistics import objective_of

#: What is said about a property below and above its usual range.
_WORDS: Mapping[str, tuple[str, str]] = {
    "log10_rows": ("has fewer rows", "has more rows"),
    "log10_columns": ("has fewer columns", "has more columns"),
    "rarest_share": ("has a rarer class", "has more even classes"),
    "error": ("is easier to predict", "is harder to predict"),
    "steepness": ("gains less from more rows", "gains more from more rows"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlike:
    """How far a table is from those that the errors were learnt on.

    Attributes
    ----------
    distance
        0 inside their usual range, 1 as far outside of it as the range is wide.
    factor
        By how much widths are multiplied.
    unusual
        In what it is outside, in words that follow "the table".
    """

    distance: float
    factor: float
    unusual: tuple[str, ...]


def properties_of(curve: QuickCurve, *, rows: int, columns: int) -> dict[str, float]:
    """What tables are compared by.

    Parameters
    ----------
    rows, columns
        Training rows, and columns that a model may use.
    """
    found = {"log10_rows": float(np.log10(max(rows, 1))), "log10_columns": float(np.log10(max(columns, 1)))}
    if curve.task != "regression":
        shares = np.bincount(curve.target.astype(np.int64), weights=curve.weight)
        found["rarest_share"] = float(shares[shares > 0].min() / shares.sum())
    metric = objective_of(curve.task).name
    seen = [(anchor.rows, anchor.errors[metric].error) for anchor in curve.anchors if metric in anchor.errors]
    if seen:
        found["error"] = seen[-1][1]
    if len(seen) > 1:
        (m_first, e_first), (m_last, e_last) = seen[0], seen[-1]
        found["steepness"] = float(np.log(e_first / e_last) / np.log(m_last / m_first))
    return found


def compare_with_corpus(properties: Mapping[str, float], *, known: Learnt | None = None) -> Unlike:
    """Compare a table with the usual ranges of those tables.

    Examples
    --------
    >>> compare_with_corpus({"log10_rows": 3.0}).factor
    1.0
    """
    known = known or load_learnt()
    outside: dict[str, float] = {}
    for name, value in properties.items():
        if name in known.corpus:
            low, high = known.corpus[name]
            outside[name] = ((value - high) if value > high else min(value - low, 0.0)) / (high - low)
    distance = float(np.sqrt(sum(one**2 for one in outside.values())))
    return Unlike(
        distance=distance,
        factor=float(min(1 + known.per_range * distance, known.most)),
        unusual=tuple(_WORDS[name][int(one > 0)] for name, one in outside.items() if abs(one) > 0.05),
    )
