"""A run's model becomes a version, with what is known about it; the same one is registered once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from mlwright.core import EvidenceStore, MlwrightError, read_json
from mlwright.evaluation import Evaluation
from mlwright.registry.change import Change
from mlwright.registry.packages import kept_package
from mlwright.registry.pointers import package_digest
from mlwright.registry.records import RunRecord
from mlwright.registry.store import Registry, whoever
from mlwright.registry.versions import Lineage, Status, Version, tags_of
from mlwright.runs import Run, RunFolder, RunUnfit
from mlwright.spec import FILE_NAME, Spec

#: What the pages of MLflow show of a run's evidence: the model's, not that of each trial and column.
_SHOWN = ("test.", "requirements.", "constraints.", "fairness.", "value.", "cost.", "ensemble.", "efficiency.", "data.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a finished run says of its model."""

    spec: Spec
    digest: str
    status: Status
    reason: str
    undecided: tuple[str, ...]
    task: str
    target: str
    lineage: dict[str, str | None]
    record: RunRecord


def register_run(
    run: Run | RunFolder,
    *,
    registry: Registry | None = None,
    who: str | None = None,
    parent: int | None = None,
    decision: str | None = None,
    now: datetime | None = None,
) -> Version:
    """Make the model of a run a version of its project's model.

    A model whose `must` is not met is registered as refused, and can never become champion. The first version of a project
    of which all `must` are met becomes champion, since nobody answers yet, unless the spec says `registry.first: person`.
    The same package of the same spec is registered once; if its copy was damaged, it is brought back.

    Parameters
    ----------
    registry
        The one that the run's spec names if not given.
    who
        Acts; the user if not given.
    parent
        The version that it was made from; the champion if not given.
    decision
        The id of the decision that had it made.

    Raises
    ------
    RunUnfit
        If the run has no model yet, or its test rows were not scored.
    NameTaken, VersionsForgotten, RegistryUnreachable, RegistryBusy, RegistryTooNew
        If it cannot be registered.
    """
    folder = run.folder if isinstance(run, Run) else run
    found = _found(folder)
    registry = registry or Registry.of(found.spec)
    who = who or whoever()
    registry.make()
    # Before the transaction: copying takes its time, and under the name of its digest the copy harms nobody.
    place, restored = kept_package(folder.model_path, registry.shelf)
    with registry.changing() as change:
        known = next((v for v in change.versions() if (v.digest, v.lineage.spec) == _same(found)), None)
        if known is not None:
            if restored:
                evidence = {"digest": known.digest, "run": folder.path.name}
                change.note("restore package", who=who, version=known.number, evidence=evidence)
            return known
        change.raise_if_taken()
        number = _add(change, found, place, who, parent, decision, now)
        return change.version(number)


def _same(found: _Found) -> tuple[str, str | None]:
    return found.digest, found.lineage["spec"]


def _add(
    change: Change,
    found: _Found,
    place: Path,
    who: str,
    parent: int | None,
    decision: str | None,
    now: datetime | None,
) -> int:
    champion = change.holder("champion")
    if parent is None and champion is not None:
        parent = champion.number
    lineage = Lineage(**found.lineage, parent=parent, decision=decision)  # type: ignore[arg-type]
    tags = tags_of(
        lineage,
        digest=found.digest,
        task=found.task,
        target=found.target,
        status=found.status,
        reason=found.reason,
        undecided=found.undecided,
    )
    said = found.reason or f"of run {lineage.run}"
    number, made = change.add(found.record, place, tags, who=who, description=said)
    evidence: dict[str, Any] = {"tags": tags, "mlflow_run": made}
    refused = found.status == "refused"
    change.note(
        "register", who=who, version=number, evidence=evidence, outcome="refused" if refused else "done", now=now
    )
    may_begin = found.spec.registry.first == "automatic" and not refused and not found.undecided
    if champion is None and may_begin:
        why = "the first version that meets every requirement of priority must; nobody answers yet"
        moved = change.move({"champion": number})
        change.note("promote", who=who, version=number, evidence={"why": why, "aliases": moved}, now=now)
    return number


# ------------------------------------------------------------------------------------------------------ what a run says


def _found(folder: RunFolder) -> _Found:
    evaluation = folder.evaluation() if folder.done("fit") else None
    if evaluation is None:
        raise RunUnfit(
            "the run's model was not judged on the test rows yet",
            where=str(folder.path),
            fix=f"go on with it: mlwright run --resume {folder.path.name}",
        )
    project = folder.path.parent.parent  # where it is now; it may have been moved since it was made
    spec, data, state = folder.spec().at(project), folder.data(), folder.state
    package = read_json(folder.model_path / "model.json")
    reason = _why_refused(evaluation)
    lineage = {
        "run": folder.path.name,
        "data": data["fingerprint"],
        "spec": sha256((folder.path / FILE_NAME).read_bytes()).hexdigest(),
        "code": f"mlwright {state['mlwright']}",
        "commit": _commit(project),
    }
    return _Found(
        spec=spec,
        digest=package_digest(folder.model_path),
        status="refused" if reason else "candidate",
        reason=reason,
        undecided=_undecided(evaluation),
        task=package["task"],
        target=package["target"],
        lineage=lineage,
        record=RunRecord(
            name=folder.path.name,
            began=datetime.fromisoformat(state["created"]),
            params=_params(spec, package, state, data),
            metrics=_metrics(folder.evidence()),
            tags={f"mlwright.{name}": value for name, value in lineage.items() if value is not None},
        ),
    )


def _why_refused(evaluation: Evaluation) -> str:
    try:
        evaluation.raise_if_not_met()
    except MlwrightError as error:
        return error.what
    return ""


def _undecided(evaluation: Evaluation) -> tuple[str, ...]:
    asked = [one.id for one in evaluation.requirements if one.priority == "must" and one.outcome == "undecided"]
    return (*asked, *(one.name for one in evaluation.judged_constraints if one.outcome == "undecided"))


def _params(spec: Spec, package: dict[str, Any], state: dict[str, Any], data: dict[str, Any]) -> dict[str, str]:
    facts = package["facts"]
    listed: dict[str, Any] = {
        "task": package["task"],
        "target": package["target"],
        "objective": facts.get("objective"),
        "seed": state["seed"],
        "budget_s": spec.budget.seconds,
        "rows": data["rows"],
        "training_rows": facts.get("training_rows"),
        "source": data["description"],
        "members": len(package["members"]),
    }
    for number, member in enumerate(package["members"]):
        listed[f"member.{number}.trial"], listed[f"member.{number}.weight"] = member["trial"], member["weight"]
    return {name: str(value) for name, value in listed.items() if value is not None}


def _metrics(evidence: EvidenceStore) -> dict[str, float]:
    """Every shown number with the ends of its interval."""
    found: dict[str, float] = {}
    for record in evidence:
        value = record.value
        if not record.id.startswith(_SHOWN) or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        found[record.id] = float(value)
        if record.interval is not None:
            found[f"{record.id}.low"], found[f"{record.id}.high"] = record.interval.low, record.interval.high
    return found


def _commit(folder: Path) -> str | None:
    """The commit that is checked out in the git repository around a folder, read from git's own files."""
    place = next((one / ".git" for one in (folder, *folder.parents) if (one / ".git").is_dir()), None)
    if place is None:
        return None
    try:
        said = (place / "HEAD").read_text(encoding="ascii").strip()
        if not said.startswith("ref: "):
            return said
        name = said.removeprefix("ref: ")
        if (place / name).is_file():
            return (place / name).read_text(encoding="ascii").strip()
        packed = (place / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except (OSError, ValueError):
        return None
