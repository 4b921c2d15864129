"""Two versions of a model to serve, and a pointer that is turned from one to the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.models.made import made

from mlwright.models import DecisionRule, Scorer
from mlwright.serving.http import encode_json


def two_versions(folder: Path) -> list[str]:
    """Packages `v1` and `v2` that take the same records, and a link `current` to the first; returns their versions."""
    model = made("binary").model
    model.save(folder / "v1")
    replace(model, rule=DecisionRule(threshold=0.41)).save(folder / "v2")
    (folder / "current").symlink_to("v1")
    return [Scorer.load(folder / name).version for name in ("v1", "v2")]


def turn(pointer: Path, to: str) -> None:
    """Let a link name another package, in one step."""
    aside = pointer.with_name(f".turning-{pointer.name}")
    aside.symlink_to(to)
    aside.replace(pointer)


def records() -> list[bytes]:
    """What they answer, in JSON."""
    case = made("binary")
    return [encode_json(row) for row in case.frame.select(case.model.features).to_dicts()]
