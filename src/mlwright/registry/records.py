"""What goes to MLflow and comes from it, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """A version as MLflow has it."""

    number: int
    created: datetime
    source: str
    mlflow_run: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What MLflow's pages show of a run."""

    name: str
    began: datetime
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
