"""Numbers with their uncertainty: metrics, intervals, comparisons, associations. Numpy in, numbers out; knows no files.

Start at `METRICS` (what can be measured), `score_with_interval` (how sure we are) and `compare` (is it better?).
Names are loaded when they are first used, so that what only counts money does not load scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.statistics.association import Association, associate
    from mlwright.statistics.betting import Bets, BoundTooSmall, GainOutOfBounds
    from mlwright.statistics.change_point import ChangePoint
    from mlwright.statistics.comparisons import Comparison, compare, smallest_detectable_difference
    from mlwright.statistics.confidence_sequences import BoundedSequence, MeanSequence, share_interval
    from mlwright.statistics.curves import (
        CalibrationBin,
        calibration_bins,
        lift_curve,
        precision_recall_curve,
        roc_curve,
    )
    from mlwright.statistics.drift_reference import DriftReference, ReferenceTooShort, ScoreSet, learn_reference
    from mlwright.statistics.e_detector import DriftDetector
    from mlwright.statistics.e_values import Horizon, e_benjamini_hochberg
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
    from mlwright.statistics.harmful_shift import LossOutOfRange, RiskDetector
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
    from mlwright.statistics.paired_test import Guard, PairedTest, PairedVerdict
    from mlwright.statistics.planned_auc import AucLook, AucPlan, LookNotPlanned, auc_gain
    from mlwright.statistics.scored import RowCost, Scored
    from mlwright.statistics.thresholds import CostsAllZero, break_even_threshold

_HOMES = {
    "Association": "association",
    "AucLook": "planned_auc",
    "AucPlan": "planned_auc",
    "Bets": "betting",
    "BoundTooSmall": "betting",
    "BoundedSequence": "confidence_sequences",
    "CalibrationBin": "curves",
    "ChangePoint": "change_point",
    "Comparison": "comparisons",
    "CostsAllZero": "thresholds",
    "DECISION_METRICS": "levels",
    "DecisionMetric": "levels",
    "DriftDetector": "e_detector",
    "DriftReference": "drift_reference",
    "FAIRNESS_RATES": "fairness",
    "FAIRNESS_TITLES": "fairness",
    "GainOutOfBounds": "betting",
    "Gap": "fairness",
    "GroupRates": "fairness",
    "Guard": "paired_test",
    "Horizon": "e_values",
    "LevelMissing": "levels",
    "LookNotPlanned": "planned_auc",
    "LossOutOfRange": "harmful_shift",
    "METRICS": "metrics",
    "MeanSequence": "confidence_sequences",
    "Metric": "metrics",
    "MetricUnknown": "metrics",
    "MoneyMissing": "levels",
    "PairedTest": "paired_test",
    "PairedVerdict": "paired_test",
    "RATES": "fairness",
    "RateName": "fairness",
    "ReferenceTooShort": "drift_reference",
    "RiskDetector": "harmful_shift",
    "RowCost": "scored",
    "ScoreSet": "drift_reference",
    "Scored": "scored",
    "Worth": "money",
    "WrongLabels": "label_noise",
    "associate": "association",
    "auc_gain": "planned_auc",
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
    "e_benjamini_hochberg": "e_values",
    "error_of_disagreement": "label_noise",
    "fairness_gap": "fairness",
    "group_rates": "fairness",
    "holm": "multiplicity",
    "learn_reference": "drift_reference",
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
    "share_interval": "confidence_sequences",
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
    "AucLook",
    "AucPlan",
    "Bets",
    "BoundTooSmall",
    "BoundedSequence",
    "CalibrationBin",
    "ChangePoint",
    "Comparison",
    "CostsAllZero",
    "DecisionMetric",
    "DriftDetector",
    "DriftReference",
    "GainOutOfBounds",
    "Gap",
    "GroupRates",
    "Guard",
    "Horizon",
    "LevelMissing",
    "LookNotPlanned",
    "LossOutOfRange",
    "MeanSequence",
    "Metric",
    "MetricUnknown",
    "MoneyMissing",
    "PairedTest",
    "PairedVerdict",
    "RateName",
    "ReferenceTooShort",
    "RiskDetector",
    "RowCost",
    "ScoreSet",
    "Scored",
    "Worth",
    "WrongLabels",
    "associate",
    "auc_gain",
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
    "e_benjamini_hochberg",
    "error_of_disagreement",
    "fairness_gap",
    "group_rates",
    "holm",
    "learn_reference",
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
    "share_interval",
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
