"""Numbers with their uncertainty: metrics, intervals, comparisons, associations. Numpy in, numbers out; knows no files.

Start at `METRICS` (what can be measured), `score_with_interval` (how sure we are) and `compare` (is it better?).
"""

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
