"""Which versions of a model there are, where each came from, which one answers, and who decided that.

In comes a finished run, out comes a `Version`: start at `register_run`; `promote` and `rollback` move the alias `champion`
on evidence, and each action stands in an audit log that `verify_audit` checks. It is all kept in an MLflow database, which
MLflow's own pages show.

Names are loaded when they are first used; MLflow only by what changes or lists something. A service that follows the
champion reads a pointer file (`pointers.py`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.registry.audit import AuditEntry, Mark
    from mlwright.registry.change import NameTaken, VersionUnknown
    from mlwright.registry.checking import RegistryDiffers, RegistryVerification, verify_audit, verify_project
    from mlwright.registry.database import (
        RegistryBusy,
        RegistryNotFound,
        RegistryTooNew,
        RegistryUnreachable,
        RegistryUrlUnfit,
    )
    from mlwright.registry.judging import Approval, PromotionRefused
    from mlwright.registry.packages import ArtifactsDamaged
    from mlwright.registry.pointers import Pointer, PointerUnfit, followed, read_pointer
    from mlwright.registry.promotion import (
        Move,
        RollbackRefused,
        challenge,
        promote,
        record_proof,
        rollback,
    )
    from mlwright.registry.proof import Guard, Proof
    from mlwright.registry.registering import register_run
    from mlwright.registry.store import Registry, VersionsForgotten, whoever
    from mlwright.registry.versions import Lineage, Version

_HOMES = {
    "Approval": "judging",
    "ArtifactsDamaged": "packages",
    "AuditEntry": "audit",
    "Guard": "proof",
    "Lineage": "versions",
    "Mark": "audit",
    "Move": "promotion",
    "NameTaken": "change",
    "Pointer": "pointers",
    "PointerUnfit": "pointers",
    "PromotionRefused": "judging",
    "Proof": "proof",
    "Registry": "store",
    "RegistryBusy": "database",
    "RegistryDiffers": "checking",
    "RegistryNotFound": "database",
    "RegistryTooNew": "database",
    "RegistryUnreachable": "database",
    "RegistryUrlUnfit": "database",
    "RegistryVerification": "checking",
    "RollbackRefused": "promotion",
    "Version": "versions",
    "VersionUnknown": "change",
    "VersionsForgotten": "store",
    "challenge": "promotion",
    "followed": "pointers",
    "promote": "promotion",
    "read_pointer": "pointers",
    "record_proof": "promotion",
    "register_run": "registering",
    "rollback": "promotion",
    "verify_audit": "checking",
    "verify_project": "checking",
    "whoever": "store",
}

__all__ = [
    "Approval",
    "ArtifactsDamaged",
    "AuditEntry",
    "Guard",
    "Lineage",
    "Mark",
    "Move",
    "NameTaken",
    "Pointer",
    "PointerUnfit",
    "PromotionRefused",
    "Proof",
    "Registry",
    "RegistryBusy",
    "RegistryDiffers",
    "RegistryNotFound",
    "RegistryTooNew",
    "RegistryUnreachable",
    "RegistryUrlUnfit",
    "RegistryVerification",
    "RollbackRefused",
    "Version",
    "VersionUnknown",
    "VersionsForgotten",
    "challenge",
    "followed",
    "promote",
    "read_pointer",
    "record_proof",
    "register_run",
    "rollback",
    "verify_audit",
    "verify_project",
    "whoever",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.registry.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.registry' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
