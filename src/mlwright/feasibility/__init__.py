"""Can it be done, how well at best, and what would it take? Asked before the search, of training rows alone.

In come training rows and a spec, out comes a `Verdict`: start at `judge_feasibility`. A few quick learners are scored out
of fold with few rows and with many (`curve.py`), a power law goes through their errors (`law.py`), and the width of what it
forecasts was learnt on other tables (`forecast.py`, `learnt.py`). `updated` takes in the trials of a search.

Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.feasibility.budgets import BudgetPoint, RunTime
    from mlwright.feasibility.ceiling import Ceiling
    from mlwright.feasibility.curve import Anchor, QuickCurve, quick_curve
    from mlwright.feasibility.forecast import Forecast, RawForecast, fit_laws, forecasts_of, raw_forecasts
    from mlwright.feasibility.judge import judge_feasibility
    from mlwright.feasibility.law import PowerLaw, fit_power_law
    from mlwright.feasibility.learnt import Learnt, load_learnt
    from mlwright.feasibility.more_rows import MoreRows
    from mlwright.feasibility.relative import BASE_METRICS, RelativeError, relative_errors
    from mlwright.feasibility.unlike import Unlike, compare_with_corpus, properties_of
    from mlwright.feasibility.updating import updated
    from mlwright.feasibility.verdict import CurvePoint, RequirementVerdict, Verdict

_HOMES = {
    "Anchor": "curve",
    "BASE_METRICS": "relative",
    "BudgetPoint": "budgets",
    "Ceiling": "ceiling",
    "CurvePoint": "verdict",
    "Forecast": "forecast",
    "Learnt": "learnt",
    "MoreRows": "more_rows",
    "PowerLaw": "law",
    "QuickCurve": "curve",
    "RawForecast": "forecast",
    "RelativeError": "relative",
    "RequirementVerdict": "verdict",
    "RunTime": "budgets",
    "Unlike": "unlike",
    "Verdict": "verdict",
    "fit_laws": "forecast",
    "fit_power_law": "law",
    "forecasts_of": "forecast",
    "judge_feasibility": "judge",
    "load_learnt": "learnt",
    "properties_of": "unlike",
    "quick_curve": "curve",
    "raw_forecasts": "forecast",
    "relative_errors": "relative",
    "compare_with_corpus": "unlike",
    "updated": "updating",
}

__all__ = [
    "BASE_METRICS",
    "Anchor",
    "BudgetPoint",
    "Ceiling",
    "CurvePoint",
    "Forecast",
    "Learnt",
    "MoreRows",
    "PowerLaw",
    "QuickCurve",
    "RawForecast",
    "RelativeError",
    "RequirementVerdict",
    "RunTime",
    "Unlike",
    "Verdict",
    "compare_with_corpus",
    "fit_laws",
    "fit_power_law",
    "forecasts_of",
    "judge_feasibility",
    "load_learnt",
    "properties_of",
    "quick_curve",
    "raw_forecasts",
    "relative_errors",
    "updated",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.feasibility.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.feasibility' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
