"""Are the requirements met, and how sure is that? The only place where test rows are scored.

In come a `Model` and the test rows, out comes an `Evaluation`: start at `evaluate`. Every score has an interval and
stands beside the baselines'; weak slices are searched with control over how many were tried; a canary trained on
shuffled targets shows that the pipeline itself does not leak.
"""

from mlwright.evaluation.canary import Canary, run_canary
from mlwright.evaluation.curves import Curves, curves_of
from mlwright.evaluation.efficiency import Efficiency, measure_efficiency
from mlwright.evaluation.evaluate import Evaluation, evaluate, scored_rows
from mlwright.evaluation.importance import Importance, permutation_importances
from mlwright.evaluation.requirements import RequirementResult, RequirementsNotMet, judge_requirements
from mlwright.evaluation.scores import BaselineScore, MetricScore, score_all
from mlwright.evaluation.slices import SliceResult, find_weak_slices, main_metric, sensitive_slices
from mlwright.evaluation.value import Alternative, DecisionValue, value_of_decisions

__all__ = [
    "Alternative",
    "BaselineScore",
    "Canary",
    "Curves",
    "DecisionValue",
    "Efficiency",
    "Evaluation",
    "Importance",
    "MetricScore",
    "RequirementResult",
    "RequirementsNotMet",
    "SliceResult",
    "curves_of",
    "evaluate",
    "find_weak_slices",
    "judge_requirements",
    "main_metric",
    "measure_efficiency",
    "permutation_importances",
    "run_canary",
    "score_all",
    "scored_rows",
    "sensitive_slices",
    "value_of_decisions",
]
