from dataclasses import replace

import numpy as np
import pytest
from tests.support import spec_for

from mlwright.feasibility import Anchor, QuickCurve, RelativeError, forecasts_of
from mlwright.feasibility.budgets import BUDGETS, budget_points, run_time, usual_seconds


def _curve(seconds: float) -> QuickCurve:
    anchors = tuple(
        Anchor(rows=m, errors={"rmse": RelativeError(error=e, standard_error=0.005, unit=3.0)})
        for m, e in ((1000.0, 0.5), (4000.0, 0.4), (8000.0, 0.36))
    )
    y = np.arange(10_000.0)
    return QuickCurve(
        task="regression", n_classes=1, anchors=anchors, rows=np.arange(10_000), target=y, prediction=y,
        seconds={"small": seconds / 3, "long": seconds},
    )  # fmt: skip


def test_a_longer_search_is_never_expected_to_be_worse_and_its_own_budget_is_among_them() -> None:
    curve, spec = _curve(3.0), spec_for("y", budget={"seconds": 90})
    forecast = forecasts_of(curve, 10_000, 2_000)["rmse"]
    points = budget_points(curve, forecast, spec, rows=10_000)
    assert [point.seconds for point in points] == sorted({*BUDGETS, 90.0})
    assert [point.expected for point in points] == sorted((point.expected for point in points), reverse=True)
    assert [point.seconds for point in points if point.own] == [90.0]
    assert points[-1].expected == pytest.approx(forecast.expected, rel=0.01)


def test_a_slower_machine_expects_less_of_the_same_time() -> None:
    spec = spec_for("y", budget={"seconds": 60})
    forecast = forecasts_of(_curve(1.0), 10_000, 2_000)["rmse"]
    quick, slow = (budget_points(_curve(s), forecast, spec, rows=10_000)[0] for s in (1.0, 60.0))
    assert slow.expected > quick.expected


def test_seconds_grow_with_the_rows_that_were_not_fitted() -> None:
    assert usual_seconds(_curve(3.0), 80_000) == pytest.approx(10 * usual_seconds(_curve(3.0), 8_000))


def test_a_search_ends_at_its_budget_or_before() -> None:
    small, large = _curve(0.01), _curve(100.0)
    spec = spec_for("y", budget={"seconds": 300})
    assert run_time(small, spec, rows=8_000, columns=5).search < 300
    assert run_time(large, spec, rows=8_000, columns=5).search == 300
    assert run_time(replace(small, seconds={}), spec, rows=8_000, columns=5).seconds > 0
