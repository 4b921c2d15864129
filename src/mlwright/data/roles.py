"""What each column is for: the roles that the spec gives, and what is left out of the features and why."""

from __future__ import annotations

from collections.abc import Iterator

from mlwright.data.errors import DataUnfit
from mlwright.data.schema import Column, Role, Schema
from mlwright.data.target import Target
from mlwright.spec import Spec


def required_columns(spec: Spec) -> Iterator[tuple[str, str]]:
    """Every column that the spec names, with the place where it does."""
    data = spec.data
    yield data.target, spec.where("data", "target")
    for role in ("id", "time", "group", "weight"):
        if (name := getattr(data, role)) is not None:
            yield name, spec.where("data", role)
    for key in ("must_not_use", "known_after_decision", "sensitive"):
        for position, name in enumerate(getattr(data, key)):
            yield name, spec.where("data", key, position)
    for name in data.columns:
        yield name, spec.where("data", "columns", name)
    for name in spec.constraints.monotonic:
        yield name, spec.where("constraints", "monotonic", name)
    for position, fairness in enumerate(spec.constraints.fairness):
        for name in fairness.columns:
            yield name, spec.where("constraints", "fairness", position, "attribute")
    for position, requirement in enumerate(spec.requirements):
        if requirement.condition is not None:
            for name in requirement.condition.columns:
                yield name, spec.where("requirements", position, "on")
    yield from _in_decision(spec)


def _in_decision(spec: Spec) -> Iterator[tuple[str, str]]:
    decision = spec.decision
    if decision.values is not None:
        for key in type(decision.values).model_fields:
            for name in getattr(decision.values, key).columns:
                yield name, spec.where("decision", "values", key)
    given = {"error", "prediction"}
    for key in ("error_cost", "current_process"):
        expression = getattr(decision, key)
        if expression is not None:
            for name in expression.columns:
                if name not in given:
                    yield name, spec.where("decision", key)


def assign_roles(spec: Spec, schema: Schema, target: Target) -> Schema:
    """Give every column its role.

    Raises
    ------
    DataUnfit
        If a role does not fit its column, or no feature is left.
    """
    columns = tuple(_with_role(spec, column, target) for column in schema)
    if not any(column.role == "feature" for column in columns):
        raise DataUnfit(
            "no column is left that could be a feature",
            where=f"{len(columns)} columns: {', '.join(f'{c.name} ({c.why})' for c in columns[:6])}",
            fix="bring columns that are known before the decision, or change data.columns or data.must_not_use",
        )
    return Schema(columns)


def _with_role(spec: Spec, column: Column, target: Target) -> Column:
    data = spec.data
    if column.name == target.name:
        return target.column
    for role in ("id", "time", "group", "weight"):
        if getattr(data, role) == column.name:
            return _fitting(spec, column, role)
    for key, why in (
        ("must_not_use", "the spec says that it must not be used"),
        ("known_after_decision", "known only after the decision"),
    ):
        if column.name in getattr(data, key):
            return column.but(role="unused", why=f"{column.why}; {why}")
    if column.type in {"identifier", "constant"}:
        return column.but(role="unused")
    return column


def _fitting(spec: Spec, column: Column, role: Role) -> Column:
    if role == "id":
        return column.but(role=role, type="identifier")
    if role == "group":
        return column.but(role=role, type=column.type if column.type == "category" else "identifier")
    if role == "time" and column.type not in {"datetime", "number", "integer"}:
        raise DataUnfit(
            f"the time column is a {column.type}, not dates or numbers",
            where=spec.where("data", "time"),
            fix=f"name another column, or say how to read it: data.columns.{column.name}.formats: ['%d.%m.%Y']",
        )
    if role == "weight" and column.type == "constant":
        return column.but(role=role, type="number")
    if role == "weight" and not column.is_number:
        raise DataUnfit(
            f"the weight column is a {column.type}, not numbers",
            where=spec.where("data", "weight"),
            fix="name a column of numbers",
        )
    return column.but(role=role)
