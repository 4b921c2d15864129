"""Numbers with their uncertainty: metrics, intervals, comparisons, associations. Numpy in, numbers out; knows no files.

Start at `METRICS` (what can be measured), `score_with_interval` (how sure we are) and `compare` (is it better?).
Names are loaded when they are first used, so that what only counts money does not load scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.statistics.association import Association, associate
    from mlwright.statistics.comparisons import Comparison, compare, smallest_detectable_difference
    from mlwright.statistics.curves import (
        CalibrationBin,
        calibration_bins,
        lift_curve,
        precision_recall_curve,
        roc_curve,
    )
    from mlwright.statistics.intervals import (
        auc_interval,
        bootstrap_interval,
        mean_interval,
        score_with_interval,
        wilson_interval,
    )
    from mlwright.statistics.metrics import METRICS, Metric, MetricUnknown, default_metrics, metric_named, objective_of
    from mlwright.statistics.money import Worth, mean_value
    from mlwright.statistics.multiplicity import benjamini_hochberg, bonferroni, holm
    from mlwright.statistics.scored import Scored
    from mlwright.statistics.thresholds import CostsAllZero, break_even_threshold

_HOMES = {
    "Association": "association",
    "CalibrationBin": "curves",
    "Comparison": "comparisons",
    "CostsAllZero": "thresholds",
    "METRICS": "metrics",
    "Metric": "metrics",
    "MetricUnknown": "metrics",
    "Scored": "scored",
    "Worth": "money",
    "associate": "association",
    "auc_interval": "intervals",
    "benjamini_hochberg": "multiplicity",
    "bonferroni": "multiplicity",
    "bootstrap_interval": "intervals",
    "break_even_threshold": "thresholds",
    "calibration_bins": "curves",
    "compare": "comparisons",
    "default_metrics": "metrics",
    "holm": "multiplicity",
    "lift_curve": "curves",
    "mean_interval": "intervals",
    "mean_value": "money",
    "metric_named": "metrics",
    "objective_of": "metrics",
    "precision_recall_curve": "curves",
    "roc_curve": "curves",
    "score_with_interval": "intervals",
    "smallest_detectable_difference": "comparisons",
    "wilson_interval": "intervals",
}

__all__ = [
    "METRICS",
    "Association",
    "CalibrationBin",
    "Comparison",
    "CostsAllZero",
    "Metric",
    "MetricUnknown",
    "Scored",
    "Worth",
    "associate",
    "auc_interval",
    "benjamini_hochberg",
    "bonferroni",
    "bootstrap_interval",
    "break_even_threshold",
    "calibration_bins",
    "compare",
    "default_metrics",
    "holm",
    "lift_curve",
    "mean_interval",
    "mean_value",
    "metric_named",
    "objective_of",
    "precision_recall_curve",
    "roc_curve",
    "score_with_interval",
    "smallest_detectable_difference",
    "wilson_interval",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.statistics.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.statistics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
