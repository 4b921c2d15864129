"""Estimators and the model made of them: fitted, calibrated, packaged, and answering.

A family is a kind of estimator (`FAMILIES`); a `Model` is encoders, members, weights, calibration and decision; its
package on disk (`package.py`) is data only. `Model.load(folder).predict(rows)` is all that a serving process needs.
"""

from mlwright.models.calibration import Calibration, fit_calibration
from mlwright.models.families import (
    FAMILIES,
    Abilities,
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
from mlwright.models.model import Member, Model, combine, seconds_of_rows, weights_of
from mlwright.models.package import PackageDamaged, PackageTooNew, add_document, manifest_of, size_in_bytes
from mlwright.models.predictions import Predictions
from mlwright.models.spread import Spread, fit_spread

__all__ = [
    "FAMILIES",
    "Abilities",
    "Calibration",
    "EstimatorFamily",
    "FitJob",
    "FittedEstimator",
    "Member",
    "Model",
    "Outline",
    "PackageDamaged",
    "PackageTooNew",
    "Parameters",
    "Predictions",
    "Rows",
    "Settled",
    "Space",
    "Span",
    "Spread",
    "add_document",
    "combine",
    "fit_calibration",
    "fit_spread",
    "manifest_of",
    "one_blas_thread",
    "seconds_of_rows",
    "size_in_bytes",
    "weights_of",
]
