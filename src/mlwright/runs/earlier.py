"""What earlier runs of the same project have found, for a new run to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from mlwright.core import MlwrightError, read_json
from mlwright.data import Dataset, Schema
from mlwright.runs.folder import RunFolder, all_runs
from mlwright.search import Known

#: Members of the last so many runs that fit, and so many of them in all: a new run has to look for itself as well.
_RUNS = 3
_MOST = 4


def known_candidates(folder: RunFolder, dataset: Dataset) -> list[Known]:
    """The members of earlier models of the same question, those of the last run first and the weightiest of it first.

    The same question is: the same target, task and features; there may be other rows. Parameters found on earlier rows may
    have been chosen by rows that are test rows today; no model and no answer is carried over.

    Notes
    -----
    A run that is damaged or was never finished is passed over.
    """
    found: dict[str, Known] = {}
    used = 0
    for other in reversed(all_runs(folder.path.parent.parent)):
        if used == _RUNS or len(found) >= _MOST:
            break
        if other.path == folder.path:
            continue
        with suppress(MlwrightError, LookupError, TypeError, ValueError, AttributeError, OSError):
            if other.done("fit") and _same_question(other.data(), dataset):
                for known in _members(other):
                    found.setdefault(known.origin, known)
                used += 1
    return list(found.values())[:_MOST]


def _same_question(data: dict[str, Any], dataset: Dataset) -> bool:
    schema = Schema.of_state(data["schema"])
    target = schema.with_role("target")
    return (
        data["task"] == dataset.task
        and target is not None
        and target.name == dataset.target
        and {(one.name, one.type) for one in schema.features}
        == {(one.name, one.type) for one in dataset.schema.features}
    )


def _members(run: RunFolder) -> Iterator[Known]:
    """The trials that answer in its model, the weightiest first."""
    weights: dict[str, float] = {}
    for member in read_json(run.model_path / "model.json")["members"]:
        weights[member["trial"]] = weights.get(member["trial"], 0.0) + member["weight"]
    store = run.trial_store()
    for id_ in sorted(weights, key=lambda one: -weights[one]):
        trial = store.get(id_)
        if trial is not None:
            # What was known already then keeps the name of the run that found it.
            origin = trial.origin or f"{trial.name} of run {run.path.name}"
            yield Known(family=trial.family, parameters=dict(trial.parameters), origin=origin)
