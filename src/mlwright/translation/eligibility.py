"""Which families of estimators can keep what the spec demands of a model."""

from __future__ import annotations

from mlwright.models import FAMILIES, EstimatorFamily
from mlwright.spec import Spec


def eligible(family: EstimatorFamily, spec: Spec) -> bool:
    """Whether a family can keep what the spec demands of a model."""
    if spec.constraints.interpretability == "glass_box" and not family.abilities.glass_box:
        return False
    return not any(spec.constraints.monotonic) or family.abilities.monotonic


def taking_part(spec: Spec) -> list[EstimatorFamily]:
    """The installed families that are searched for this spec, without those that are there for comparison only.

    The additive model is weaker by design: it is there for those who ask for a model that can be read.
    """
    glass_box = spec.constraints.interpretability == "glass_box"
    return [
        family
        for name, family in FAMILIES.items()
        if family.installed and eligible(family, spec) and name != "constant" and (glass_box or name != "additive")
    ]
