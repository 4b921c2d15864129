"""What out-of-fold decisions would have earned: shown beside the objective that candidates are chosen by.

It does not choose: the value is a step function that the few rows near the threshold decide, and members chosen by it
earned no more on test rows than members chosen by log loss, and mostly less (`models/decision.py` has the figures).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.models import DecisionRule, decision_rule, outcome_worth
from mlwright.spec import Columns, Spec
from mlwright.statistics import Scored, Worth


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFoldValue:
    """Turns out-of-fold probabilities into what decisions by them are worth.

    Attributes
    ----------
    scored, worth, columns
        Of the rows that have out-of-fold predictions: their target and weights, the worth of outcomes, and what the rule
        reads.
    """

    rule: DecisionRule
    scored: Scored
    worth: Worth
    columns: Columns

    def per_row(self, probability: FloatArray) -> float:
        """The mean worth of a row, in the spec's currency, decided by these probabilities as they are."""
        decision = self.rule.decide(probability, self.columns).decision
        return self.scored.mean(self.worth.earned(self.scored.target, decision))


def out_of_fold_value(spec: Spec, train: Dataset, rows: np.ndarray, scored: Scored) -> OutOfFoldValue | None:
    """How decisions on these training rows are valued; None if the spec does not say what outcomes are worth."""
    outcomes = outcome_worth(spec, train)
    if outcomes is None:
        return None
    rule = decision_rule(spec, train)
    part = train.take(rows)
    return OutOfFoldValue(
        rule=rule,
        scored=scored,
        worth=outcomes.of_rows(part.expression_columns(outcomes.columns), rows=len(part)).worth,
        columns=part.expression_columns(rule.columns),
    )
