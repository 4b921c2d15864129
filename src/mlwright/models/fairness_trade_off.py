"""What a fairness limit costs: the value that is left at each limit, if it is kept by limits by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.models.decision import DecisionRule
from mlwright.models.group_limits import GroupedRows, choose_group_limits, grouped_rows
from mlwright.statistics import FAIRNESS_TITLES, Scored, fairness_gap

if TYPE_CHECKING:
    from mlwright.spec import Spec  # brings pydantic, which a process that answers does without

#: Limits that a trade-off shows beside the one that was asked: of a difference, and of a ratio.
_SHOWN = {
    False: (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3),
    True: (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4),
}


class TradeOffPoint(NamedTuple):
    """What keeping one limit takes: the gaps that are left (by metric), the value of a row, the share of rows acted on."""

    limit: float
    gaps: dict[str, float]
    value: float
    acted: float
    limits: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOff:
    """How much value each stricter fairness limit costs, if it is kept by limits by group.

    Attributes
    ----------
    asked
        The limit of the spec.
    unit
        Of the values: the currency, or `accuracy`.
    usual
        With the usual limit for everybody.
    points
        From the loosest limit to the strictest.
    """

    id: str
    attribute: str
    metric: str
    asked: float
    unit: str
    usual: TradeOffPoint
    points: tuple[TradeOffPoint, ...]
    n: int

    def at_asked(self) -> TradeOffPoint:
        """What the limit of the spec costs."""
        return next(point for point in self.points if point.limit == self.asked)


def fairness_trade_off(
    rows: GroupedRows,
    metric: str,
    asked: float,
    *,
    id: str = "",  # noqa: A002 - the field is called id in the reports
    attribute: str = "",
    unit: str = "accuracy",
) -> TradeOff:
    """What each of a row of limits costs, the one that was asked among them.

    On out-of-fold predictions this is what a search may expect; on predictions of a quick model it says before the search
    whether a fairness limit leaves room for a value that is demanded as well.
    """
    ratio = metric.endswith("ratio")
    limits = sorted({*_SHOWN[ratio], asked}, reverse=not ratio)
    return TradeOff(
        id=id,
        attribute=attribute,
        metric=metric,
        asked=asked,
        unit=unit,
        usual=_point(rows, 0.0 if ratio else 1.0, {}),
        points=tuple(_point(rows, limit, choose_group_limits(rows, metric, limit)) for limit in limits),
        n=int((rows.group >= 0).sum()),
    )


def _point(rows: GroupedRows, limit: float, limits: Mapping[int, float]) -> TradeOffPoint:
    decision = rows.decide(limits)
    found = rows.rates(decision)
    acted = Scored(target=rows.target, prediction=rows.margin, weight=rows.weight).mean(decision.astype(np.float64))
    return TradeOffPoint(
        limit=limit,
        gaps={name: fairness_gap(name, found).value for name in FAIRNESS_TITLES},
        value=rows.value(decision),
        acted=acted,
        limits={rows.names[number]: float(value) for number, value in limits.items()},
    )


def fairness_trade_offs(probability: FloatArray, rule: DecisionRule, spec: Spec, rows: Dataset) -> list[TradeOff]:
    """The trade-off of each fairness limit of the spec, where there are two groups that are large enough.

    Parameters
    ----------
    probability : shape (n_rows,)
        Calibrated, of the positive class of the rows; from models that have not seen them.
    """
    found = []
    for number, fairness in enumerate(spec.constraints.fairness):
        grouped = grouped_rows(probability, rule, spec, rows, fairness.attribute)
        if len(grouped.adjustable) >= 2:
            found.append(
                fairness_trade_off(
                    grouped,
                    fairness.metric,
                    fairness.bound,
                    id=f"F{number + 1}",
                    attribute=fairness.attribute,
                    unit="accuracy" if grouped.worth is None else spec.decision.currency,
                )
            )
    return found
