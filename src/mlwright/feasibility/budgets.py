"""What to expect of each time budget, and how long the run will take on this machine.

Both start from the seconds that quick fits took, so both differ from machine to machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlwright.core import Interval
from mlwright.feasibility.curve import QuickCurve
from mlwright.feasibility.forecast import Forecast
from mlwright.feasibility.learnt import Learnt, load_learnt
from mlwright.search import Threads
from mlwright.spec import Spec

#: The budgets that are shown, in seconds: 10 s, 1 min, 5 min, 30 min, 2 h.
BUDGETS = (10.0, 60.0, 300.0, 1800.0, 7200.0)
#: The usual fit is 100 rounds of 31 leaves: so many of them take as long as one of a quick learner.
_USUAL_FITS = {"long": 3.0, "small": 0.6, "curves": 0.8}
#: Nothing is quicker than that: a fit has costs of its own.
_LEAST_USUAL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPoint:
    """The score to expect when the search may take so many seconds.

    Attributes
    ----------
    own
        Whether this is the budget of the spec.
    """

    seconds: float
    metric: str
    expected: float
    interval: Interval
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTime:
    """How long the whole run will take on this machine, with a range that holds 8 of 10 runs; seconds.

    Attributes
    ----------
    search
        The part that is the search: it ends at its budget, or earlier when it finds nothing better any more.
    """

    seconds: float
    low: float
    high: float
    search: float


def usual_seconds(curve: QuickCurve, rows: int) -> float:
    """Seconds of one usual booster, cross-validated on all training rows, on one thread."""
    for name, fits in _USUAL_FITS.items():
        if name in curve.seconds:
            return max(curve.seconds[name] / fits * rows / curve.last.rows, _LEAST_USUAL_S)
    return _LEAST_USUAL_S


def budget_points(
    curve: QuickCurve, forecast: Forecast, spec: Spec, *, rows: int, known: Learnt | None = None
) -> list[BudgetPoint]:
    """The score to expect at each budget, rising: what a long search would reach, and what a shorter one lacks.

    Parameters
    ----------
    rows
        Training rows at hand.
    """
    known = known or load_learnt()
    table = known.budgets["values" if curve.task == "regression" else "classes"]
    usual = usual_seconds(curve, rows) / Threads(spec.budget.workers).workers
    own = spec.budget.seconds
    points = []
    for seconds in sorted({*BUDGETS, own}):
        place = np.log(max(seconds / usual, 1e-9))
        at = np.log(table.fits)
        middle, worst = (np.log1p(np.interp(place, at, values)) for values in (table.excess, table.excess_90))
        further = (worst - middle) / 1.2816
        slower = replace(forecast, mu=forecast.mu + float(middle), sigma=float(np.hypot(forecast.sigma, further)))
        points.append(
            BudgetPoint(
                seconds=seconds,
                metric=forecast.metric,
                expected=slower.expected,
                interval=slower.interval(),
                own=seconds == own,
            )
        )
    return points


def run_time(curve: QuickCurve, spec: Spec, *, rows: int, columns: int, known: Learnt | None = None) -> RunTime:
    """The seconds of the whole run: its checks, the search until its budget or its own end, and the evaluation."""
    known = known or load_learnt()
    workers = Threads(spec.budget.workers).workers
    fits = known.run.get(f"search_fits_{curve.task}", known.run["search_fits"])
    own_end = fits * usual_seconds(curve, rows) / workers
    search = min(spec.budget.seconds, own_end)
    cells = rows * max(columns, 1) / 1e6
    seconds = search + known.run["around_seconds"] + known.run["around_seconds_per_million_cells"] * cells
    factor = known.run["factor_80"]
    return RunTime(seconds=seconds, low=seconds / factor, high=seconds * factor, search=search)
