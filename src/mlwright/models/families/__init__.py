"""Kinds of estimators behind one door, `EstimatorFamily`. Built-in ones by name in `FAMILIES`, baselines first."""

from mlwright.models.families.additive import AdditiveFamily
from mlwright.models.families.base import (
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
from mlwright.models.families.boosting import LightGbmFamily
from mlwright.models.families.catboost import CatBoostFamily
from mlwright.models.families.constant import ConstantFamily
from mlwright.models.families.forest import ExtraTreesFamily
from mlwright.models.families.linear import LinearFamily
from mlwright.models.families.neighbours import NeighboursFamily
from mlwright.models.families.network import NetworkFamily
from mlwright.models.families.xgboost import XgboostFamily

FAMILIES: dict[str, EstimatorFamily] = {
    family.name: family
    for family in (
        ConstantFamily(),
        LinearFamily(),
        LightGbmFamily(),
        NetworkFamily(),
        CatBoostFamily(),
        XgboostFamily(),
        ExtraTreesFamily(),
        NeighboursFamily(),
        AdditiveFamily(),
        LightGbmFamily("crossed"),
    )
}

__all__ = [
    "FAMILIES",
    "Abilities",
    "AdditiveFamily",
    "CatBoostFamily",
    "Compiled",
    "ConstantFamily",
    "EstimatorFamily",
    "ExtraTreesFamily",
    "FitJob",
    "FittedEstimator",
    "LightGbmFamily",
    "LinearFamily",
    "NeighboursFamily",
    "NetworkFamily",
    "Outline",
    "Parameters",
    "Rows",
    "Settled",
    "Space",
    "Span",
    "XgboostFamily",
]
