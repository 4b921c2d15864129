"""A version that differs from another only in its calibration or its decision: the same members, another package.

It has no run of its own; its lineage names the run, the data and the version that it was made from, and the decision.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from mlwright.lifecycle.decision import Decision
from mlwright.models import Model, add_document
from mlwright.registry import Registry, Version
from mlwright.registry.packages import kept_package
from mlwright.registry.pointers import package_digest
from mlwright.registry.records import RunRecord
from mlwright.registry.versions import tags_of

_CARD = "model_card.md"


def register_derived(
    model: Model,
    parent: Version,
    decision: Decision,
    *,
    registry: Registry,
    who: str,
    facts: Mapping[str, float],
    now: datetime,
) -> Version:
    """Keep a changed model as a version of its own; the same package is registered once.

    Parameters
    ----------
    parent
        The version that it was made from.
    facts
        Numbers for MLflow's pages: what the change is expected to gain, and of how many rows.

    Raises
    ------
    RegistryBusy, RegistryUnreachable
        If it cannot be registered.
    """
    with tempfile.TemporaryDirectory(prefix="mlwright-") as aside:
        package = Path(aside) / "package"
        model.save(package)
        add_document(package, _CARD, _card(parent, decision))
        digest = package_digest(package)
        place, _ = kept_package(package, registry.shelf)
    lineage = replace(parent.lineage, parent=parent.number, decision=decision.id)
    tags = tags_of(
        lineage,
        digest=digest,
        task=parent.task,
        target=parent.target,
        status="candidate",
        reason="",
        undecided=parent.undecided,
    )
    with registry.changing() as change:
        known = next((one for one in change.versions() if one.digest == digest), None)
        if known is not None:
            return known
        record = RunRecord(
            name=decision.id,
            began=now,
            params={"action": decision.action, "parent": str(parent.number), "run": lineage.run},
            metrics=dict(facts),
            tags={"mlwright.decision": decision.id, "mlwright.parent": str(parent.number)},
        )
        said = f"{decision.title}: {decision.reason}"
        number, run = change.add(record, place, tags, who=who, description=said)
        change.note("register", who=who, version=number, evidence={"tags": tags, "mlflow_run": run}, now=now)
        return change.version(number)


def _card(parent: Version, decision: Decision) -> str:
    """The card of the parent, below what was changed."""
    path = parent.package / "documents" / _CARD
    earlier = path.read_text(encoding="utf-8") if path.is_file() else ""
    return (
        f"> This version has the members of version {parent.number}. Changed on {decision.made:%Y-%m-%d}: {decision.title}. "
        f"{decision.reason} The scores below are those of version {parent.number}.\n\n{earlier}"
    )
