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
    from mlwright.statistics.fairness import (
        FAIRNESS_RATES,
        FAIRNESS_TITLES,
        RATES,
        Gap,
        GroupRates,
        RateName,
        fairness_gap,
        group_rates,
        rate_intervals,
        widest_pair,
    )
    from mlwright.statistics.intervals import (
        auc_interval,
        bootstrap_interval,
        mean_interval,
        score_with_interval,
        wilson_interval,
    )
    from mlwright.statistics.label_noise import (
        WrongLabels,
        confident_disagreement,
        disagreement_within,
        error_of_disagreement,
        noise_floor,
        variance_within,
        wrong_labels,
    )
    from mlwright.statistics.levels import (
        DECISION_METRICS,
        DecisionMetric,
        LevelMissing,
        MoneyMissing,
        required_metric,
        required_metrics,
    )
    from mlwright.statistics.metrics import METRICS, Metric, MetricUnknown, default_metrics, metric_named, objective_of
    from mlwright.statistics.money import Worth, mean_value
    from mlwright.statistics.multiplicity import benjamini_hochberg, bonferroni, holm
    from mlwright.statistics.scored import RowCost, Scored
    from mlwright.statistics.thresholds import CostsAllZero, break_even_threshold

_HOMES = {
    "Association": "association",
    "CalibrationBin": "curves",
    "Comparison": "comparisons",
    "CostsAllZero": "thresholds",
    "DECISION_METRICS": "levels",
    "DecisionMetric": "levels",
    "FAIRNESS_RATES": "fairness",
    "FAIRNESS_TITLES": "fairness",
    "Gap": "fairness",
    "GroupRates": "fairness",
    "LevelMissing": "levels",
    "METRICS": "metrics",
    "Metric": "metrics",
    "MetricUnknown": "metrics",
    "MoneyMissing": "levels",
    "RATES": "fairness",
    "RateName": "fairness",
    "RowCost": "scored",
    "Scored": "scored",
    "Worth": "money",
    "WrongLabels": "label_noise",
    "associate": "association",
    "auc_interval": "intervals",
    "benjamini_hochberg": "multiplicity",
    "bonferroni": "multiplicity",
    "bootstrap_interval": "intervals",
    "break_even_threshold": "thresholds",
    "calibration_bins": "curves",
    "compare": "comparisons",
    "confident_disagreement": "label_noise",
    "default_metrics": "metrics",
    "disagreement_within": "label_noise",
    "error_of_disagreement": "label_noise",
    "fairness_gap": "fairness",
    "group_rates": "fairness",
    "holm": "multiplicity",
    "lift_curve": "curves",
    "mean_interval": "intervals",
    "mean_value": "money",
    "metric_named": "metrics",
    "noise_floor": "label_noise",
    "objective_of": "metrics",
    "precision_recall_curve": "curves",
    "rate_intervals": "fairness",
    "required_metric": "levels",
    "required_metrics": "levels",
    "roc_curve": "curves",
    "score_with_interval": "intervals",
    "smallest_detectable_difference": "comparisons",
    "variance_within": "label_noise",
    "widest_pair": "fairness",
    "wilson_interval": "intervals",
    "wrong_labels": "label_noise",
}

__all__ = [
    "DECISION_METRICS",
    "FAIRNESS_RATES",
    "FAIRNESS_TITLES",
    "METRICS",
    "RATES",
    "Association",
    "CalibrationBin",
    "Comparison",
    "CostsAllZero",
    "DecisionMetric",
    "Gap",
    "GroupRates",
    "LevelMissing",
    "Metric",
    "MetricUnknown",
    "MoneyMissing",
    "RateName",
    "RowCost",
    "Scored",
    "Worth",
    "WrongLabels",
    "associate",
    "auc_interval",
    "benjamini_hochberg",
    "bonferroni",
    "bootstrap_interval",
    "break_even_threshold",
    "calibration_bins",
    "compare",
    "confident_disagreement",
    "default_metrics",
    "disagreement_within",
    "error_of_disagreement",
    "fairness_gap",
    "group_rates",
    "holm",
    "lift_curve",
    "mean_interval",
    "mean_value",
    "metric_named",
    "noise_floor",
    "objective_of",
    "precision_recall_curve",
    "rate_intervals",
    "required_metric",
    "required_metrics",
    "roc_curve",
    "score_with_interval",
    "smallest_detectable_difference",
    "variance_within",
    "widest_pair",
    "wilson_interval",
    "wrong_labels",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.statistics.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.statistics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
