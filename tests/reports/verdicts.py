"""Verdicts put together by hand, for what is said about them."""

from __future__ import annotations

from typing import Any

from tests.support import mixed_frame, split_of

from mlwright.core import Interval
from mlwright.data import Split
from mlwright.feasibility import (
    BudgetPoint,
    Ceiling,
    CurvePoint,
    Forecast,
    MoreRows,
    RequirementVerdict,
    RunTime,
    Verdict,
)
from mlwright.feasibility.requirements import overall
from mlwright.feasibility.verdict import outcome_of
from mlwright.spec import Spec


def interval(low: float, high: float) -> Interval:
    return Interval(low=low, high=high, confidence=0.9)


def requirement(probability: float | None = 0.95, **changes: Any) -> RequirementVerdict:
    """ROC AUC at least 0.75, with 0.8 to be expected."""
    known: dict[str, Any] = {
        "id": "R1", "metric": "roc_auc", "bound": 0.75, "at_least": True, "on": "overall", "confidence": 0.9,
        "priority": "must", "rationale": None, "probability": probability, "probability_true": probability,
        "provable": probability, "outcome": outcome_of(probability), "limit": "nothing", "expected": 0.8,
        "interval": interval(0.74, 0.86), "reachable": 0.7659, "more_rows": None, "test_rows_needed": None,
        "reason": "because", "title": "ROC AUC",
    }  # fmt: skip
    return RequirementVerdict(**(known | changes))


def verdict(*requirements: RequirementVerdict, **changes: Any) -> Verdict:
    """A verdict with a whole picture by ROC AUC."""
    levels = (0.05, 0.5, 0.95)
    forecast = Forecast(
        metric="roc_auc", mu=-0.92, sigma=0.15, sigma_truth=0.12, unit=0.5, test_error=0.09, slope=-0.1, rows=480,
        test_rows=120, levels=levels, quantiles=(-1.6, 0.0, 1.6),
    )  # fmt: skip
    seen = [(60, 0.7), (120, 0.73), (240, 0.76)]
    ahead = [(480, 0.8), (720, 0.81), (9600, 0.85)]
    known: dict[str, Any] = {
        "task": "binary", "n_rows": 480, "test_rows": 120, "n_columns": 4, "metric": "roc_auc",
        "forecasts": (forecast,), "ceilings": (Ceiling(metric="roc_auc", low=0.8, middle=0.84, high=0.9),),
        "points": tuple(
            CurvePoint(metric="roc_auc", rows=rows, multiple=rows / 480, score=score,
                       interval=interval(score - 0.04, score + 0.04), kind=kind)  # type: ignore[arg-type]
            for kind, points in (("seen", seen), ("forecast", ahead)) for rows, score in points
        ),
        "requirements": requirements, "outcome": overall(requirements),
        "budgets": (
            BudgetPoint(seconds=20, metric="roc_auc", expected=0.79, interval=interval(0.73, 0.85), own=True),
            BudgetPoint(seconds=300, metric="roc_auc", expected=0.8, interval=interval(0.74, 0.86)),
        ),
        "run_time": RunTime(seconds=26, low=18, high=39, search=20),
        "noise": None, "simple_rule": None, "unlike": None,
    }  # fmt: skip
    return Verdict(**(known | changes))


def more(fewest: int | None, most: int | None, **price: Any) -> MoreRows:
    return MoreRows(bucket="2-5x" if fewest is not None else "more rows will not do", fewest=fewest, most=most, **price)


def asked(**sections: Any) -> tuple[Spec, Split]:
    """A spec and its split, 600 rows."""
    return split_of(mixed_frame(600), "bought", **sections)
