"""Are the requirements met, and how sure is that? The only place where test rows are scored.

In come a `Model` and the test rows, out comes an `Evaluation`: start at `evaluate`. Every score has an interval and
stands beside the baselines'; weak slices are searched with control over how many were tried; a canary trained on
shuffled targets shows that the pipeline itself does not leak.
"""

from mlwright.evaluation.canary import Canary, run_canary
from mlwright.evaluation.capacity import CapacityUse, capacity_use
from mlwright.evaluation.constraints import ConstraintResult, ConstraintsNotMet, judge_limits
from mlwright.evaluation.cost import CostOfErrors, OtherAnswer, cost_of_errors
from mlwright.evaluation.curves import Curves, ProfitCurve, ProfitPoint, curves_of, profit_curve
from mlwright.evaluation.efficiency import Efficiency, measure_efficiency
from mlwright.evaluation.evaluate import Evaluation, evaluate, scored_rows
from mlwright.evaluation.fairness import FairnessFound, GroupLimitsPrice, compare_groups, judge_fairness
from mlwright.evaluation.groups import AttributeFairness, FairnessGap, GroupTreatment
from mlwright.evaluation.importance import Importance, permutation_importances
from mlwright.evaluation.monotonic import MonotonicProof, prove_monotonic
from mlwright.evaluation.requirements import (
    RequirementResult,
    RequirementsNotMet,
    judge_requirements,
)
from mlwright.evaluation.scores import BaselineScore, MetricScore, score_all
from mlwright.evaluation.slices import SliceResult, find_weak_slices, main_metric, sensitive_slices
from mlwright.evaluation.value import DecisionValue, value_of_decisions

__all__ = [
    "AttributeFairness",
    "BaselineScore",
    "Canary",
    "CapacityUse",
    "ConstraintResult",
    "ConstraintsNotMet",
    "CostOfErrors",
    "Curves",
    "DecisionValue",
    "Efficiency",
    "Evaluation",
    "FairnessFound",
    "FairnessGap",
    "GroupLimitsPrice",
    "GroupTreatment",
    "Importance",
    "MetricScore",
    "MonotonicProof",
    "OtherAnswer",
    "ProfitCurve",
    "ProfitPoint",
    "RequirementResult",
    "RequirementsNotMet",
    "SliceResult",
    "capacity_use",
    "compare_groups",
    "cost_of_errors",
    "curves_of",
    "evaluate",
    "find_weak_slices",
    "judge_fairness",
    "judge_limits",
    "judge_requirements",
    "main_metric",
    "measure_efficiency",
    "permutation_importances",
    "profit_curve",
    "prove_monotonic",
    "run_canary",
    "score_all",
    "scored_rows",
    "sensitive_slices",
    "value_of_decisions",
]
