"""What columns and tasks are called: names alone, so that who only asks for them loads nothing else."""

from __future__ import annotations

from typing import Literal

LogicalType = Literal["number", "integer", "boolean", "category", "datetime", "text", "identifier", "constant"]
Task = Literal["binary", "multiclass", "regression"]
