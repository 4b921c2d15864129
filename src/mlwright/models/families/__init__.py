"""Kinds of estimators behind one door, `EstimatorFamily`. Built-in ones by name in `FAMILIES`, baselines first."""

from mlwright.models.families.base import (
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
from mlwright.models.families.boosting import LightGbmFamily
from mlwright.models.families.constant import ConstantFamily
from mlwright.models.families.linear import LinearFamily

FAMILIES: dict[str, EstimatorFamily] = {
    family.name: family for family in (ConstantFamily(), LinearFamily(), LightGbmFamily())
}

__all__ = [
    "FAMILIES",
    "Abilities",
    "ConstantFamily",
    "EstimatorFamily",
    "FitJob",
    "FittedEstimator",
    "LightGbmFamily",
    "LinearFamily",
    "Outline",
    "Parameters",
    "Rows",
    "Settled",
    "Space",
    "Span",
]
