"""A version: one immutable entry of the registry, with where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from mlwright.registry.proof import Proof

#: `candidate`: may become champion; `refused`: a `must` is not met; `withdrawn`: it was champion and was rolled back.
Status = Literal["candidate", "refused", "withdrawn"]
_PREFIX: Final = "mlwright."


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a version was made of.

    Attributes
    ----------
    run
        The id of the run.
    data
        The fingerprint of its table.
    spec
        SHA-256 of its `mlwright.yaml`.
    code
        The version of mlwright that made it.
    commit
        Of the git repository that the project is in; None if it is in none.
    parent
        The version that was champion then, or that it was made from; None for the first.
    decision
        The id of the decision that had it made; None if a person did.
    """

    run: str
    data: str
    spec: str
    code: str
    commit: str | None = None
    parent: int | None = None
    decision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a project's model.

    Attributes
    ----------
    model, number
        Its name in the registry: `models:/<model>/<number>`.
    package_version
        The twelve digits that answers and the prediction log carry.
    digest
        Of the package; see `package_digest`.
    folder
        Where it is kept, for MLflow; the package is in `package/`.
    task, target
        The question that it answers.
    aliases
        `champion`, `challenger`, `previous`, or others that somebody has set in MLflow.
    reason
        Why it is refused or withdrawn.
    undecided
        The ids of requirements of priority `must` for which the test rows were too few.
    proof
        The last proof that was recorded for it.
    """

    model: str
    number: int
    created: datetime
    digest: str
    folder: Path
    task: str
    target: str
    lineage: Lineage
    status: Status = "candidate"
    reason: str = ""
    undecided: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    proof: Proof | None = None
    withdrawn: datetime | None = None

    @property
    def package(self) -> Path:
        return self.folder / "package"

    @property
    def package_version(self) -> str:
        return self.digest[:12]

    @property
    def in_words(self) -> str:
        """For messages: `version 3 (champion)`."""
        names = f" ({', '.join(self.aliases)})" if self.aliases else ""
        return f"version {self.number}{names}"

    @property
    def standing(self) -> str:
        """For people: what its requirements say of it, or why it can never answer."""
        if self.status == "candidate":
            return f"undecided: {', '.join(self.undecided)}" if self.undecided else "meets every must"
        return f"{self.status}: {self.reason}"

    def state(self) -> dict[str, Any]:
        """As JSON."""
        tree = asdict(self)
        proof = None if self.proof is None else {**self.proof.state(), "holds": self.proof.holds}
        withdrawn = None if self.withdrawn is None else self.withdrawn.isoformat()
        more = {"package_version": self.package_version, "package": str(self.package), "folder": str(self.folder)}
        return {**tree, **more, "created": self.created.isoformat(), "proof": proof, "withdrawn": withdrawn}


def tags_of(
    lineage: Lineage,
    *,
    digest: str,
    task: str,
    target: str,
    status: Status,
    reason: str,
    undecided: Sequence[str],
) -> dict[str, str]:
    """What MLflow keeps beside the number of a version."""
    facts = {
        **asdict(lineage),
        "digest": digest,
        "task": task,
        "target": target,
        "status": status,
        "reason": reason or None,
        "undecided": json.dumps(list(undecided)) if undecided else None,
    }
    return {f"{_PREFIX}{name}": str(value) for name, value in facts.items() if value is not None}


def tag(name: str) -> str:
    """The name of one of our tags."""
    return f"{_PREFIX}{name}"


def is_ours(tags: Mapping[str, str]) -> bool:
    """Whether a version was registered by mlwright; others may be in the same database."""
    return tag("digest") in tags


def version_of(
    model: str, number: int, created: datetime, tags: Mapping[str, str], *, shelf: Path, aliases: Sequence[str]
) -> Version:
    """The version that MLflow tells of."""
    facts = {name.removeprefix(_PREFIX): value for name, value in tags.items() if name.startswith(_PREFIX)}
    parent, proof, withdrawn = facts.get("parent"), facts.get("proof"), facts.get("withdrawn")
    status: Any = facts["status"]
    return Version(
        model=model,
        number=number,
        created=created,
        digest=facts["digest"],
        folder=shelf / facts["digest"][:12],
        task=facts["task"],
        target=facts["target"],
        lineage=Lineage(
            run=facts["run"],
            data=facts["data"],
            spec=facts["spec"],
            code=facts["code"],
            commit=facts.get("commit"),
            parent=None if parent is None else int(parent),
            decision=facts.get("decision"),
        ),
        status=status,
        reason=facts.get("reason", ""),
        undecided=tuple(json.loads(facts.get("undecided", "[]"))),
        aliases=tuple(sorted(aliases)),
        proof=None if not proof else Proof.of_state(json.loads(proof)),
        withdrawn=None if withdrawn is None else datetime.fromisoformat(withdrawn),
    )
