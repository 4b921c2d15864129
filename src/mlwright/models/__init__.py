"""Estimators and the model made of them: fitted, calibrated, packaged, and answering.

A family is a kind of estimator (`FAMILIES`); a `Model` is encoders, members, weights, calibration and decision; its
package on disk (`package.py`) is data only. `Model.load(folder).predict(rows)` answers a table; a `Scorer` answers single
records and batches with the same numbers in microseconds, and is all that a serving process needs.
"""

from mlwright.models.answers import Answer, Reason
from mlwright.models.calibration import Calibration, fit_calibration
from mlwright.models.decision import DecisionRule, OutcomeWorth, WorthUnknown, decision_rule, outcome_worth
from mlwright.models.families import (
    FAMILIES,
    Abilities,
    Compiled,
    EstimatorFamily,
    FitJob,
    FittedEstimator,
    Outline,
    Parameters,
    Rows,
    Settled,
    Space,
    Span,
)
from mlwright.models.families.network_training import one_blas_thread
from mlwright.models.golden import golden_rows
from mlwright.models.model import Member, Model, combine, seconds_of_rows, weights_of
from mlwright.models.package import PackageDamaged, PackageTooNew, add_document, manifest_of, size_in_bytes
from mlwright.models.predictions import Predictions
from mlwright.models.scorer import Scorer
from mlwright.models.spread import Spread, fit_spread

__all__ = [
    "FAMILIES",
    "Abilities",
    "Answer",
    "Calibration",
    "Compiled",
    "DecisionRule",
    "EstimatorFamily",
    "FitJob",
    "FittedEstimator",
    "Member",
    "Model",
    "OutcomeWorth",
    "Outline",
    "PackageDamaged",
    "PackageTooNew",
    "Parameters",
    "Predictions",
    "Reason",
    "Rows",
    "Scorer",
    "Settled",
    "Space",
    "Span",
    "Spread",
    "WorthUnknown",
    "add_document",
    "combine",
    "decision_rule",
    "fit_calibration",
    "fit_spread",
    "golden_rows",
    "manifest_of",
    "one_blas_thread",
    "outcome_worth",
    "seconds_of_rows",
    "size_in_bytes",
    "weights_of",
]
