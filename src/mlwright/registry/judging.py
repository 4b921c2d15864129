"""Is there enough evidence to make a version champion? A function of what is known, without a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from mlwright.core.errors import MlwrightError
from mlwright.registry.proof import Proof
from mlwright.registry.versions import Version

#: Who says yes to a promotion: `operation.retrain.approve` of the spec.
Policy = Literal["person", "automatic"]


class PromotionRefused(MlwrightError):
    """There is not enough evidence for it."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A named person says yes.

    Attributes
    ----------
    reason
        Needed where there is no proof that holds.
    """

    by: str
    reason: str = ""


def raise_if_barred(version: Version, champion: Version | None) -> None:
    """What no approval can mend."""
    if version.status == "refused":
        raise refusal(version, version.reason, "a `must` that is not met bars it for good; make a run that meets it")
    if champion is not None and (version.task, version.target) != (champion.task, champion.target):
        raise refusal(
            version,
            f"it predicts {version.target!r} ({version.task}), and the champion {champion.target!r} ({champion.task})",
            "a model for another question is another project: give it another project.name",
        )


def enough(
    version: Version, champion: Version | None, proof: Proof | None, approval: Approval | None, policy: Policy
) -> str:
    """What the promotion rests on, in words.

    Raises
    ------
    PromotionRefused
        If nothing is enough.
    """
    raise_if_barred(version, champion)
    lacking = _lacking(version, champion, proof)
    said = f"approved by {approval.by}{f': {approval.reason}' if approval.reason else ''}" if approval else ""
    if not lacking:
        shown = (
            "all requirements of priority must are met; nobody answers yet"
            if proof is None or champion is None
            else _shown(proof)
        )
        if approval is None and policy == "person":
            raise refusal(version, f"{shown}; a person has to say yes", "approve it: mlwright promote --approve")
        return f"{shown}{f'; {said}' if said else ''}"
    if approval is None:
        raise refusal(version, lacking, "wait for a proof; or decide by hand: mlwright promote --approve --reason '…'")
    if not approval.reason.strip():
        raise refusal(version, f"{lacking}, so the approval needs a reason", "add --reason '…'")
    return f"{said} ({lacking})"


def _lacking(version: Version, champion: Version | None, proof: Proof | None) -> str:
    """What evidence is not there; empty if it is enough."""
    if version.undecided:
        return f"the test rows were too few to decide {', '.join(version.undecided)}"
    if champion is None:
        return ""
    if proof is None:
        return f"there is no proof that it is better than version {champion.number}"
    if (proof.challenger, proof.champion) != (version.number, champion.number):
        return f"the proof is about versions {proof.challenger} and {proof.champion}, and version {champion.number} is champion"
    if version.withdrawn is not None and proof.made <= version.withdrawn:
        return f"it was rolled back on {version.withdrawn:%Y-%m-%d}, after the proof was made"
    why_not = proof.why_not()
    return f"the proof is not enough: {why_not}" if why_not else ""


def _shown(proof: Proof) -> str:
    unit = f" {proof.unit}" if proof.unit else ""
    return f"better by {proof.gain:.4g}{unit} of {proof.objective} on {proof.rows:,} rows (E value {proof.e_value:.3g})"


def refusal(version: Version, why: str, fix: str) -> PromotionRefused:
    """The error that says why a version is not promoted, and what would change that."""
    return PromotionRefused(f"{version.in_words} is not promoted: {why}", where=str(version.folder), fix=fix)
