"""Estimators and the model made of them: fitted, calibrated, packaged, and answering.

A family is a kind of estimator (`FAMILIES`); a `Model` is encoders, members, weights, calibration and decision; its
package on disk (`package.py`) is data only. `Model.load(folder).predict(rows)` answers a table; a `Scorer` answers single
records and batches with the same numbers in microseconds, and is all that a serving process needs.
"""

from mlwright.models.answers import Answer, Reason
from mlwright.models.calibration import Calibration, fit_calibration
from mlwright.models.capacity import Capacity, CapacityShare, CapacityUnclear, capacity_share, within_capacity
from mlwright.models.cost_shape import ErrorCostInvalid
from mlwright.models.decision import (
    DecisionRule,
    GroupLimits,
    OutcomeWorth,
    WorthUnknown,
    decision_rule,
    nothing_to_decide,
    outcome_worth,
)
from mlwright.models.error_cost import CostOfRows, ErrorCost, error_cost
from mlwright.models.fairness_trade_off import TradeOff, TradeOffPoint, fairness_trade_off, fairness_trade_offs
from mlwright.models.families import (
    FAMILIES,
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
from mlwright.models.families.network_training import one_blas_thread
from mlwright.models.golden import golden_rows
from mlwright.models.group_limits import LEAST_ROWS, GroupedRows, choose_group_limits, with_group_limits
from mlwright.models.groups import Grouping, GroupsUnclear, grouping_of, groups_of
from mlwright.models.history import ColumnChunks, OutOfFold, TrainingHistory, rows_like_now, training_history
from mlwright.models.latency import Latency, latency_of_answers
from mlwright.models.model import Member, Model, combine, seconds_of_rows, weights_of
from mlwright.models.offset import CostAfterOffset, Offset, fit_offset
from mlwright.models.package import PackageDamaged, PackageTooNew, add_document, manifest_of, size_in_bytes
from mlwright.models.predictions import Predictions
from mlwright.models.score_counts import ScoreCounts
from mlwright.models.scorer import Scorer
from mlwright.models.spread import Spread, fit_spread

__all__ = [
    "FAMILIES",
    "LEAST_ROWS",
    "Abilities",
    "Answer",
    "Calibration",
    "Capacity",
    "CapacityShare",
    "CapacityUnclear",
    "ColumnChunks",
    "Compiled",
    "CostAfterOffset",
    "CostOfRows",
    "DecisionRule",
    "ErrorCost",
    "ErrorCostInvalid",
    "EstimatorFamily",
    "FitJob",
    "FittedEstimator",
    "GroupLimits",
    "GroupedRows",
    "Grouping",
    "GroupsUnclear",
    "Latency",
    "Member",
    "Model",
    "Offset",
    "OutOfFold",
    "OutcomeWorth",
    "Outline",
    "PackageDamaged",
    "PackageTooNew",
    "Parameters",
    "Predictions",
    "Reason",
    "Rows",
    "ScoreCounts",
    "Scorer",
    "Settled",
    "Space",
    "Span",
    "Spread",
    "TradeOff",
    "TradeOffPoint",
    "TrainingHistory",
    "WorthUnknown",
    "add_document",
    "capacity_share",
    "choose_group_limits",
    "combine",
    "decision_rule",
    "error_cost",
    "fairness_trade_off",
    "fairness_trade_offs",
    "fit_calibration",
    "fit_offset",
    "fit_spread",
    "golden_rows",
    "grouping_of",
    "groups_of",
    "latency_of_answers",
    "manifest_of",
    "nothing_to_decide",
    "one_blas_thread",
    "outcome_worth",
    "rows_like_now",
    "seconds_of_rows",
    "size_in_bytes",
    "training_history",
    "weights_of",
    "with_group_limits",
    "within_capacity",
]
