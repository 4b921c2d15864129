"""The business question as data: `mlwright.yaml` in, a frozen, checked `Spec` out.

Start at `Spec` (what can be said), `load_spec` (how it is read) and `Expression` (how columns are computed with).

Names are loaded when they are first used: a process that answers needs few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.spec.contradictions import raise_if_contradictory
    from mlwright.spec.draft import ColumnNote, Draft, write_draft
    from mlwright.spec.expressions import Columns, Expression, ExpressionInvalid, attribute_expression
    from mlwright.spec.kinds import LogicalType, Task
    from mlwright.spec.load import FILE_NAME, SpecNotReadable, load_spec, parse_spec
    from mlwright.spec.places import Places, Problem, SpecInvalid
    from mlwright.spec.publish import json_schema
    from mlwright.spec.sections import (
        Acting,
        Alerts,
        Budget,
        Capacity,
        Channel,
        ColumnOverride,
        Constraints,
        Data,
        Decision,
        Fairness,
        Operation,
        OutcomeValues,
        Period,
        PredictionLogging,
        Project,
        Query,
        Reading,
        RegistryPlace,
        Requirement,
        Silence,
        Split,
        Volume,
    )
    from mlwright.spec.spec import Spec
    from mlwright.spec.values import parse_duration, show_duration

_HOMES = {
    "Acting": "sections",
    "Alerts": "sections",
    "Budget": "sections",
    "Capacity": "sections",
    "Channel": "sections",
    "ColumnNote": "draft",
    "ColumnOverride": "sections",
    "Columns": "expressions",
    "Constraints": "sections",
    "Data": "sections",
    "Decision": "sections",
    "Draft": "draft",
    "Expression": "expressions",
    "ExpressionInvalid": "expressions",
    "FILE_NAME": "load",
    "Fairness": "sections",
    "LogicalType": "kinds",
    "Operation": "sections",
    "OutcomeValues": "sections",
    "Period": "sections",
    "Places": "places",
    "PredictionLogging": "sections",
    "Problem": "places",
    "Project": "sections",
    "Query": "sections",
    "Reading": "sections",
    "RegistryPlace": "sections",
    "Requirement": "sections",
    "Silence": "sections",
    "Spec": "spec",
    "SpecInvalid": "places",
    "SpecNotReadable": "load",
    "Split": "sections",
    "Task": "kinds",
    "Volume": "sections",
    "attribute_expression": "expressions",
    "json_schema": "publish",
    "load_spec": "load",
    "parse_duration": "values",
    "parse_spec": "load",
    "raise_if_contradictory": "contradictions",
    "show_duration": "values",
    "write_draft": "draft",
}

__all__ = [
    "FILE_NAME",
    "Acting",
    "Alerts",
    "Budget",
    "Capacity",
    "Channel",
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
    "RegistryPlace",
    "Requirement",
    "Silence",
    "Spec",
    "SpecInvalid",
    "SpecNotReadable",
    "Split",
    "Task",
    "Volume",
    "attribute_expression",
    "json_schema",
    "load_spec",
    "parse_duration",
    "parse_spec",
    "raise_if_contradictory",
    "show_duration",
    "write_draft",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.spec.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.spec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
