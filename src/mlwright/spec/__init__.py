"""The business question as data: `mlwright.yaml` in, a frozen, checked `Spec` out.

Start at `Spec` (what can be said), `load_spec` (how it is read) and `Expression` (how columns are computed with).
"""

from mlwright.spec.contradictions import raise_if_contradictory
from mlwright.spec.draft import ColumnNote, Draft, write_draft
from mlwright.spec.expressions import Columns, Expression, ExpressionInvalid
from mlwright.spec.load import FILE_NAME, SpecNotReadable, load_spec, parse_spec
from mlwright.spec.places import Places, Problem, SpecInvalid
from mlwright.spec.publish import json_schema
from mlwright.spec.sections import (
    Budget,
    Capacity,
    ColumnOverride,
    Constraints,
    Data,
    Decision,
    Fairness,
    LogicalType,
    Operation,
    OutcomeValues,
    Period,
    PredictionLogging,
    Project,
    Query,
    Reading,
    Requirement,
    Split,
    Task,
    Volume,
)
from mlwright.spec.spec import Spec
from mlwright.spec.values import parse_duration, show_duration

__all__ = [
    "FILE_NAME",
    "Budget",
    "Capacity",
    "ColumnNote",
    "ColumnOverride",
    "Columns",
    "Constraints",
    "Data",
    "Decision",
    "Draft",
    "Expression",
    "ExpressionInvalid",
    "Fairness",
    "LogicalType",
    "Operation",
    "OutcomeValues",
    "Period",
    "Places",
    "PredictionLogging",
    "Problem",
    "Project",
    "Query",
    "Reading",
    "Requirement",
    "Spec",
    "SpecInvalid",
    "SpecNotReadable",
    "Split",
    "Task",
    "Volume",
    "json_schema",
    "load_spec",
    "parse_duration",
    "parse_spec",
    "raise_if_contradictory",
    "show_duration",
    "write_draft",
]
