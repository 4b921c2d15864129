"""What two versions are compared by: money where the spec gives it, else the Brier score, else right answers.

A bound on what one row can gain is declared before any row is compared; a row that exceeds it counts as much as the bound,
for both versions alike, and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mlwright.core import MlwrightError
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.models import OutcomeWorth, Predictions, outcome_worth
from mlwright.models.error_cost import cost_of_rows
from mlwright.spec import Expression, Spec
from mlwright.statistics import METRICS, Scored

Measure = Literal["value", "brier", "accuracy", "error_cost", "squared_error"]

#: The bound is so many times the largest loss (or worth) of the rows that it is declared from.
_ROOM = 2.0
#: Of those rows' losses: one wild error does not set the bound.
_NEARLY_ALL = 0.995


class GuardUnfit(MlwrightError):
    """A guard is no metric that can be counted row by row."""

    def __init__(self, name: str, possible: list[str]) -> None:
        super().__init__(
            f"{name!r} cannot guard a promotion: it is no mean over rows",
            where="operation.retrain.guards",
            fix=f"choose from {', '.join(possible)}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What a row is worth under the answers of a version; more is better.

    Attributes
    ----------
    measure
        `value`: what the decision earned; `brier`, `squared_error`, `error_cost`: the loss, with a minus; `accuracy`.
    bound
        The most that a row can gain or lose, in `unit`.
    outcomes
        Of `value`: what each outcome is worth.
    cost
        Of `error_cost`: what an error costs.
    guards
        Metrics that may not be harmed, and by how much a row.
    """

    measure: Measure
    bound: float
    unit: str = ""
    outcomes: OutcomeWorth | None = None
    cost: str | None = None
    guards: Mapping[str, float]

    @property
    def title(self) -> str:
        """For people."""
        return {
            "value": "what decisions earn",
            "brier": "the Brier score",
            "accuracy": "right answers",
            "error_cost": "what errors cost",
            "squared_error": "the squared error",
        }[self.measure]

    def of_rows(self, rows: Dataset, answers: Predictions) -> FloatArray:
        """What each row is worth, shape (n_rows,); of two versions the worths differ by at most `bound`."""
        scored = Scored(target=rows.y, prediction=answers.prediction, decision=answers.decision)
        if self.measure == "value":
            assert self.outcomes is not None
            assert answers.decision is not None
            columns = rows.expression_columns([name for name in self.outcomes.columns if name in rows.schema.names])
            worth = self._outcomes_known(columns).of_rows(columns, rows=len(rows)).worth
            waiting = worth.earned(rows.y, np.zeros(len(rows), dtype=np.int64))
            # Beside waiting, which is the same for all versions: a row is then worth 0, or what acting changes.
            earned: FloatArray = np.clip(worth.earned(rows.y, answers.decision) - waiting, -self.bound, self.bound)
            return earned
        if self.measure == "accuracy":
            return _right(scored)
        if self.measure == "brier":
            return -_per_row("brier", scored)
        if self.measure == "error_cost":
            assert self.cost is not None
            loss = cost_of_rows(Expression.parse(self.cost), rows).of(answers.prediction, rows.y)
        else:
            loss = np.square(answers.prediction - rows.y)
        return -np.minimum(np.nan_to_num(loss, nan=self.bound, posinf=self.bound), self.bound)

    def guarded(self, rows: Dataset, answers: Predictions) -> dict[str, FloatArray]:
        """Each guard metric row by row, in the direction that more is better, shape (n_rows,) each."""
        scored = Scored(target=rows.y, prediction=answers.prediction, decision=answers.decision)
        return {name: _guard_per_row(name, scored) for name in self.guards}

    def _outcomes_known(self, columns: Mapping[str, Any]) -> OutcomeWorth:
        """Where the log lacks a column, means stand in."""
        assert self.outcomes is not None
        return self.outcomes.without([name for name in self.outcomes.columns if name not in columns])

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "measure": self.measure,
            "bound": self.bound,
            "unit": self.unit,
            "outcomes": None if self.outcomes is None else self.outcomes.state(),
            "cost": self.cost,
            "guards": dict(self.guards),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Objective:
        """What `state` was taken of."""
        outcomes = state["outcomes"]
        known = None if outcomes is None else OutcomeWorth.of_state(outcomes)
        return cls(**{**state, "outcomes": known})


def objective_of_spec(spec: Spec, rows: Dataset, answers: Predictions, *, measure: Measure | None = None) -> Objective:
    """The objective of a spec, with its bound declared from rows that are not compared.

    Parameters
    ----------
    rows, answers
        Labelled rows from before the comparison, and what the champion answers for them.
    measure
        Another one than the spec asks for.

    Raises
    ------
    GuardUnfit
        If a guard of the spec is no mean over rows.
    """
    guards = dict(spec.operation.retrain.guards)
    for name in guards:
        raise_if_unfit(name, rows.task)
    currency = spec.decision.currency
    if rows.task == "regression":
        cost = spec.decision.error_cost
        kind: Measure = measure or ("squared_error" if cost is None else "error_cost")
        text = cost.text if cost is not None and kind == "error_cost" else None
        unit = currency if kind == "error_cost" else f"{spec.data.target}²"
        free = Objective(measure=kind, bound=np.inf, unit=unit, cost=text, guards=guards)
        loss = -free.of_rows(rows, answers)
        return Objective(measure=kind, bound=_bound(loss), unit=unit, cost=text, guards=guards)
    outcomes = outcome_worth(spec, rows) if _money_can_be_read(spec, rows) else None
    if measure == "value" or (measure is None and outcomes is not None):
        assert outcomes is not None
        worth = outcomes.of_rows(rows.expression_columns(outcomes.columns), rows=len(rows)).worth
        ends = np.abs([worth.true_positive - worth.false_negative, worth.false_positive - worth.true_negative])
        # Worths that are numbers cannot be exceeded; those that depend on the row get some room.
        bound = float(np.max(ends)) * (_ROOM if outcomes.columns else 1.0)
        return Objective(measure="value", bound=bound, unit=currency, outcomes=outcomes, guards=guards)
    if measure == "accuracy":
        return Objective(measure="accuracy", bound=1.0, unit="", guards=guards)
    return Objective(measure="brier", bound=1.0 if len(rows.classes) == 2 else 2.0, guards=guards)


def raise_if_unfit(name: str, task: str) -> None:
    """Stop for a guard that cannot be counted row by row.

    Raises
    ------
    GuardUnfit
        With those that can.
    """
    possible = [
        one.name
        for one in METRICS.values()
        if task in one.tasks and not one.needs_cost and (one.per_row is not None or one.name == "accuracy")
    ]
    if name not in possible:
        raise GuardUnfit(name, possible)


def _right(scored: Scored) -> FloatArray:
    """1 where the decision was right, shape (n_rows,)."""
    right: FloatArray = (scored.decided() == scored.target).astype(np.float64)
    return right


def _guard_per_row(name: str, scored: Scored) -> FloatArray:
    if name == "accuracy":
        return _right(scored)
    return -_per_row(name, scored)


def _per_row(name: str, scored: Scored) -> FloatArray:
    per_row = METRICS[name].per_row
    assert per_row is not None
    return per_row(scored)


def _bound(loss: FloatArray) -> float:
    known = loss[np.isfinite(loss)]
    usual = float(np.quantile(known, _NEARLY_ALL)) if len(known) else 0.0
    return _ROOM * usual if usual > 0 else 1.0


def _money_can_be_read(spec: Spec, rows: Dataset) -> bool:
    """Whether outcomes have worths, over columns that the rows have."""
    values = spec.decision.values
    if values is None or rows.task != "binary" or not len(rows):
        return False
    named = {name for outcome in values.model_fields_set for name in getattr(values, outcome).columns}
    return named <= set(rows.schema.names)
