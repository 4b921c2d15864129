"""From typed columns to the matrices that estimators take; fitted on training rows only, kept as data.

In comes a `Dataset`, out go an `Encoder` and a matrix: start at `fit_encoder`. A view is a way to show the same columns:
`codes` for trees (missing values and level numbers as they are), `crossed` for trees that are told the mean target of
many-levelled categories and of crosses as well, `dense` for linear models and networks.
"""

from mlwright.features.encoder import STEPS, Encoder, Matrix, View, fit_encoder
from mlwright.features.steps import Step

__all__ = ["STEPS", "Encoder", "Matrix", "Step", "View", "fit_encoder"]
