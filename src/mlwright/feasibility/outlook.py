"""Forecasts of every requirement's metric, with the rows at hand or with several times as many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mlwright.core import named_rng
from mlwright.data import Dataset
from mlwright.data.dataset import IntArray
from mlwright.feasibility.curve import QuickCurve
from mlwright.feasibility.demands import DemandForecast, decider, demands_of
from mlwright.feasibility.forecast import Forecast, forecasts_of
from mlwright.feasibility.law import PowerLaw
from mlwright.feasibility.requirements import Demand
from mlwright.models.decision import BoolArray
from mlwright.spec import Requirement, Spec
from mlwright.statistics import Metric, Scored

#: Other metrics follow from so many draws of the forecast; where only a bucket is asked, from fewer.
DRAWS, FEW_DRAWS = 200, 40
#: What predictions are moved along where a metric has no law of its own; ranks say most about decisions.
_ALONG = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}
_OF_PROBABILITIES = {"brier", "calibration_error", "log_loss"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The forecasts of one table.

    Attributes
    ----------
    laws
        Of the base metrics.
    widened
        Factor on all widths (`unlike.py`).
    """

    curve: QuickCurve
    laws: Mapping[str, PowerLaw]
    train: Dataset
    spec: Spec
    test_rows: int
    seed: int
    widened: float = 1.0
    _known: dict[float, dict[str, Forecast]] = field(default_factory=dict, repr=False)

    def at(self, multiple: float) -> dict[str, Forecast]:
        """The forecasts by the base metrics with so many times the training rows."""
        if multiple not in self._known:
            self._known[multiple] = forecasts_of(
                self.curve, multiple * len(self.train), self.test_rows, laws=self.laws, widened=self.widened
            )
        return self._known[multiple]

    def of(self, demand: Demand, multiple: float = 1.0, *, draws: int = DRAWS) -> Forecast | DemandForecast:
        """The forecast by the metric of a demand, on its rows."""
        return forecast_of(
            demand,
            self.at(multiple),
            train=self.train,
            spec=self.spec,
            scored=self.curve.scored,
            rows=self.curve.rows,
            test_rows=self.test_rows,
            seed=self.seed,
            draws=draws,
        )


def forecast_of(
    demand: Demand,
    forecasts: Mapping[str, Forecast],
    *,
    train: Dataset,
    spec: Spec,
    scored: Scored,
    rows: IntArray,
    test_rows: int,
    seed: int,
    draws: int = DRAWS,
) -> Forecast | DemandForecast:
    """The forecast by the metric of a demand: by its own law, or by predictions that are moved along with one.

    Parameters
    ----------
    scored
        Out-of-fold predictions; `rows` are the numbers of their training rows.
    """
    requirement, metric = demand.requirement, demand.metric
    if requirement.on == "overall" and metric.name in forecasts and not _decides_otherwise(metric, train, spec):
        return forecasts[metric.name]
    base = _base(metric, train, forecasts)
    rng = named_rng(seed, "feasibility", "demand", requirement.id)
    demands = demands_of(
        scored,
        base=base,
        base_draws=rng.permutation(forecasts[base].truth.draws(draws)),
        rng=rng,
        decide=decider(spec, train, rows),
    )
    return demands.forecast(
        metric, test_rows=test_rows, where=_slice(requirement, train, rows), confidence=requirement.confidence
    )


def _base(metric: Metric, train: Dataset, forecasts: Mapping[str, Forecast]) -> str:
    wanted = "log_loss" if metric.name in _OF_PROBABILITIES else _ALONG[train.task]
    return wanted if wanted in forecasts else next(iter(forecasts))


def _decides_otherwise(metric: Metric, train: Dataset, spec: Spec) -> bool:
    """Whether a metric of decisions has another rule than the likeliest class, which the laws are about."""
    decision = spec.decision
    has_rule = decision.values is not None or decision.capacity is not None
    return metric.name == "accuracy" and train.task == "binary" and has_rule


def _slice(requirement: Requirement, train: Dataset, rows: IntArray) -> BoolArray | None:
    condition = requirement.condition
    if condition is None:
        return None
    inside = condition.evaluate(train.expression_columns(condition.columns), rows=len(train))
    return np.asarray(inside, dtype=bool)[rows]
