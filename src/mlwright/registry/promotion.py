"""Who answers: challengers named, proofs kept, champions made and taken back. Nothing moves without evidence.

Everything is decided inside one transaction that is alone, on what is there then: of two people who act at once the second
finds what the first has done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from mlwright.core.errors import MlwrightError
from mlwright.registry.audit import AuditEntry, read_audit
from mlwright.registry.change import Change, raise_if_damaged
from mlwright.registry.judging import Approval, Policy, PromotionRefused, enough, raise_if_barred, refusal
from mlwright.registry.proof import Proof
from mlwright.registry.store import Registry, whoever
from mlwright.registry.versions import Version


class RollbackRefused(MlwrightError):
    """There is no version to go back to."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What became of a promotion or a rollback.

    Attributes
    ----------
    champion, before
        The version that answers now, and the one before; with `dry_run` what they would be.
    changed
        False if it was so already.
    why
        What it was decided on.
    """

    model: str
    champion: int
    before: int | None
    changed: bool
    why: str
    dry_run: bool = False


def challenge(
    registry: Registry,
    which: int | str | None,
    *,
    who: str | None = None,
    decision: str | None = None,
    now: datetime | None = None,
) -> Version | None:
    """Name the version that is compared with the champion; None ends the comparison.

    Raises
    ------
    PromotionRefused
        If it could never be promoted.
    """
    who = who or whoever()
    with registry.changing() as change:
        version = None if which is None else change.version(which)
        if version is not None:
            raise_if_barred(version, change.holder("champion"))
        number = None if version is None else version.number
        moved = change.move({"challenger": number})
        if moved:
            said = {"decision": decision, "aliases": moved}
            change.note("challenge", who=who, version=number, evidence=said, now=now)
        return None if number is None else change.version(number)


def record_proof(registry: Registry, proof: Proof, *, who: str | None = None, now: datetime | None = None) -> Version:
    """Keep the last proof of a challenger, so that a person can promote it by approving."""
    with registry.changing() as change:
        version = change.version(proof.challenger)
        if version.proof != proof:
            change.say(version.number, proof=json.dumps(proof.state(), allow_nan=False))
            said = {"proof": proof.state()}
            change.note("prove", who=who or whoever(), version=version.number, evidence=said, now=now)
        return change.version(version.number)


def promote(
    registry: Registry,
    which: int | str | None = None,
    *,
    proof: Proof | None = None,
    approval: Approval | None = None,
    policy: Policy = "person",
    instead_of: int | None = None,
    back_to: int | None = None,
    who: str | None = None,
    dry_run: bool = False,
    now: datetime | None = None,
) -> Move:
    """Make a version champion.

    It must have met every `must`, its package must be whole, and it must answer the champion's question. Then

    - a proof against this champion that holds is enough where the policy is `automatic`, and needs an approval where it is
      `person`;
    - an approval with a reason is enough by itself, also where a `must` is undecided; never where one is not met.

    A version that is champion already stays it, and nothing is written.

    Parameters
    ----------
    which
        A version as `Registry.version` takes it; the challenger if not given.
    proof
        The one that was recorded for it if not given.
    policy
        `operation.retrain.approve` of the spec.
    instead_of
        The champion that whoever decided has seen: if it is another one meanwhile, nothing happens.
    back_to
        The version that a rollback goes back to; the champion of now if not given.
    who
        Acts; the approving person or the user if not given.
    dry_run
        Judge, and change nothing.

    Raises
    ------
    PromotionRefused
        With what is lacking; it is in the audit log too.
    VersionUnknown, ArtifactsDamaged
        If there is no such version, or its package is not what was registered.
    """
    who = who or (approval.by if approval else whoever())
    refused: PromotionRefused | None = None
    with registry.looking() if dry_run else registry.changing() as change:
        version, champion = _challenger(change, which), change.holder("champion")
        if champion is not None and champion.number == version.number:
            return _as_it_is(version, "it is champion already", dry_run)
        raise_if_damaged(version)
        proof = proof or version.proof
        try:
            if instead_of is not None and (champion is None or champion.number != instead_of):
                raise refusal(version, f"version {instead_of} is not champion any more", "look again and decide anew")
            why = enough(version, champion, proof, approval, policy)
        except PromotionRefused as error:
            refused = error
            if not dry_run:
                evidence = {"why": error.what, "proof": None if proof is None else proof.state()}
                change.note("promote", who=who, version=version.number, evidence=evidence, outcome="refused", now=now)
        else:
            before = None if champion is None else champion.number
            if not dry_run:
                _make_champion(change, version, before, back_to or before, why, proof, approval, who, now)
            return Move(
                model=registry.model,
                champion=version.number,
                before=before,
                changed=True,
                why=why,
                dry_run=dry_run,
            )
    # Outside of the transaction, which would otherwise take the entry in the audit log back.
    raise refused


def rollback(
    registry: Registry,
    *,
    reason: str = "",
    away_from: int | None = None,
    proof: Proof | None = None,
    who: str | None = None,
    dry_run: bool = False,
    now: datetime | None = None,
) -> Move:
    """Go back to the champion before. Once: what was gone back from already is left alone, whoever asks again.

    The version that is left becomes withdrawn: only a proof made afterwards, or a person, promotes it again.

    Parameters
    ----------
    away_from
        The champion that whoever decided has seen: if another one answers meanwhile, nothing happens.
    proof
        That the version before is better, where there is one.

    Raises
    ------
    RollbackRefused
        If there has been no other champion.
    ArtifactsDamaged
        If the package of the version before is not what was registered.
    """
    who, moment = who or whoever(), now or datetime.now(tz=UTC)
    with registry.looking() if dry_run else registry.changing() as change:
        holders = change.holders()
        champion, before = holders.get("champion"), holders.get("previous")
        if champion is None:
            raise RollbackRefused(
                "there is no champion",
                where=registry.database.shown,
                fix="make one: mlwright promote VERSION --approve",
            )
        if away_from is not None and champion.number != away_from:
            return _as_it_is(champion, f"version {away_from} does not answer any more", dry_run)
        if before is None:
            return _gone_back_already(change, champion, dry_run)
        raise_if_damaged(before)
        why = reason or "asked for"
        if not dry_run:
            moved = change.move({"champion": before.number, "previous": None})
            change.say(champion.number, status="withdrawn", reason=why, withdrawn=moment.isoformat())
            evidence = {"why": why, "proof": None if proof is None else proof.state(), "aliases": moved}
            change.note("rollback", who=who, version=before.number, evidence=evidence, now=now)
        return Move(
            model=registry.model,
            champion=before.number,
            before=champion.number,
            changed=True,
            why=why,
            dry_run=dry_run,
        )


# -------------------------------------------------------------------------------------------------------------- moving


def _challenger(change: Change, which: int | str | None) -> Version:
    if which is not None:
        return change.version(which)
    found = change.holder("challenger")
    if found is None:
        raise PromotionRefused(
            "there is no challenger",
            where=change.registry.database.shown,
            fix="name a run or a version: mlwright promote VERSION (mlwright registry list shows them)",
        )
    return found


def _make_champion(
    change: Change,
    version: Version,
    before: int | None,
    back_to: int | None,
    why: str,
    proof: Proof | None,
    approval: Approval | None,
    who: str,
    now: datetime | None,
) -> None:
    if approval is not None:
        said = {"reason": approval.reason, "champion": before}
        change.note("approve", who=approval.by, version=version.number, evidence=said, now=now)
    challenger = change.holder("challenger")
    aliases: dict[Any, int | None] = {"champion": version.number, "previous": back_to}
    if challenger is not None and challenger.number == version.number:
        aliases["challenger"] = None
    moved = change.move(aliases)
    if version.status == "withdrawn":
        change.say(version.number, status="candidate", reason="")
    evidence: Mapping[str, Any] = {
        "why": why,
        "proof": None if proof is None else proof.state(),
        "approved_by": None if approval is None else approval.by,
        "aliases": moved,
    }
    change.note("promote", who=who, version=version.number, evidence=evidence, now=now)


def _as_it_is(champion: Version, why: str, dry_run: bool) -> Move:
    return Move(model=champion.model, champion=champion.number, before=None, changed=False, why=why, dry_run=dry_run)


def _gone_back_already(change: Change, champion: Version, dry_run: bool) -> Move:
    last = _last_move(change)
    if last is None or last.action != "rollback":
        raise RollbackRefused(
            f"{champion.in_words} is the first champion: there is none before it",
            where=change.registry.database.shown,
            fix="promote another version by hand: mlwright promote VERSION --approve --reason '…'",
        )
    left = last.moved["champion"][0]
    return _as_it_is(champion, f"{last.who} has already gone back from version {left} on {last.at[:16]} UTC", dry_run)


def _last_move(change: Change) -> AuditEntry | None:
    """The last entry that made somebody champion."""
    moves = [one for one in read_audit(change.connection, model=change.model) if "champion" in one.moved]
    return moves[-1] if moves else None
