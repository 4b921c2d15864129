"""Where the champion's members come from: a version that was calibrated again, or moved to other shares, has those of another.

How old a model is, and which rows it has seen, is told by when its members were trained, and not by its last calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlwright.lifecycle.store import LifecycleStore
from mlwright.models import Model
from mlwright.registry import Registry, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The last version that the loop has trained.

    Attributes
    ----------
    at
        When that was decided.
    rows
        That it learnt from; 0 if its package does not say it.
    """

    at: datetime
    rows: int


def last_trained(registry: Registry, store: LifecycleStore) -> Trained | None:
    """The last version that was trained because the loop decided so; None if there is none."""
    made = {one.decision.id: one.decision for one in store.decisions() if one.decision.action == "retrain"}
    found = [one for one in registry.versions() if one.lineage.decision in made]
    if not found:
        return None
    newest = max(found, key=lambda one: one.number)
    rows = int(Model.load(newest.package).facts.get("training_rows", 0)) if newest.package.is_dir() else 0
    return Trained(at=made[str(newest.lineage.decision)].made, rows=rows)


def answering_since(registry: Registry, champion: Version) -> datetime | None:
    """When the champion, or the first version with its members, became champion; None if the audit log does not say it."""
    numbers = {one.number for one in _of_one_training(registry, champion)}
    moves = [one for one in registry.audit() if "champion" in one.moved and one.moved["champion"][1] in numbers]
    return datetime.fromisoformat(moves[0].at) if moves else None


def learnt_until(registry: Registry, champion: Version) -> datetime | None:
    """Rows that were answered later than this the champion has surely not seen; None if it has learnt from no row of the log."""
    first = min(_of_one_training(registry, champion), key=lambda one: one.number)
    return None if first.lineage.decision is None else answering_since(registry, champion)


def _of_one_training(registry: Registry, version: Version) -> list[Version]:
    """The versions with the members of this one: what is derived from a version keeps its run."""
    return [one for one in registry.versions() if one.lineage.run == version.lineage.run] or [version]
