"""From what the business asks to what the run does, and what cannot all hold, before anything is searched.

In come a `Spec` and a `Split`, out come a `Translation` (start at `translate`: what is asked, what is done, with the numbers)
and `Contradiction`s (`find_contradictions`: each with the numbers that show it; those that are certain stop the run).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.translation.contradiction import Contradiction, ContradictionFound, raise_if_certain
    from mlwright.translation.contradictions import find_contradictions
    from mlwright.translation.eligibility import eligible
    from mlwright.translation.fairness import fairness_contradictions, quick_trade_offs
    from mlwright.translation.lightest import LightestLatency, measure_lightest
    from mlwright.translation.line import TranslationLine
    from mlwright.translation.perfection import PerfectScore, perfect_score
    from mlwright.translation.translating import Translation, translate

_HOMES = {
    "Contradiction": "contradiction",
    "ContradictionFound": "contradiction",
    "LightestLatency": "lightest",
    "PerfectScore": "perfection",
    "Translation": "translating",
    "TranslationLine": "line",
    "eligible": "eligibility",
    "fairness_contradictions": "fairness",
    "find_contradictions": "contradictions",
    "measure_lightest": "lightest",
    "perfect_score": "perfection",
    "quick_trade_offs": "fairness",
    "raise_if_certain": "contradiction",
    "translate": "translating",
}

__all__ = [
    "Contradiction",
    "ContradictionFound",
    "LightestLatency",
    "PerfectScore",
    "Translation",
    "TranslationLine",
    "eligible",
    "fairness_contradictions",
    "find_contradictions",
    "measure_lightest",
    "perfect_score",
    "quick_trade_offs",
    "raise_if_certain",
    "translate",
]


def __getattr__(name: str) -> Any:
    # Loaded when first used: finding out which family may take part needs no measuring.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
