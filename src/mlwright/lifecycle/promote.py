"""What a comparison leads to: a promotion, an end of the challenge, or a rollback; each on evidence, each once.

The registry says who is champion, and the comparisons say what was shown. Whoever is killed between two steps leaves a state
from which the next look goes on: every step first looks whether it was done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from mlwright.core import MlwrightError
from mlwright.evaluation import RequirementResult, judge_requirements
from mlwright.evaluation.evaluate import scored_rows
from mlwright.lifecycle.comparison import Comparison
from mlwright.lifecycle.labelled import LabelledRows
from mlwright.lifecycle.store import LifecycleStore
from mlwright.models import Model, error_cost, outcome_worth
from mlwright.registry import PromotionRefused, Registry, Version, challenge, promote, record_proof, rollback
from mlwright.spec import Spec

#: Labelled rows on which requirements are judged again, the latest ones.
JUDGED_ROWS = 5000
_WHO = "mlwright operate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What came of a look at a comparison.

    Attributes
    ----------
    outcome
        `undecided`: more rows are needed; `promoted`; `waiting`: a person has to say yes; `refused`: requirements stand
        against it; `ended`: the challenger is worse; `rolled back`; `roll back`: a person should.
    sentence
        For people.
    """

    outcome: str
    sentence: str
    comparison: Comparison


def champion_since(registry: Registry) -> datetime | None:
    """When the champion became it, by the audit log."""
    moves = [entry for entry in registry.audit() if "champion" in entry.moved]
    return datetime.fromisoformat(moves[-1].at) if moves else None


def comparisons_due(registry: Registry, store: LifecycleStore, spec: Spec, *, now: datetime) -> list[Comparison]:
    """The comparisons to go on with, as the registry has it now; those that have lost their object are closed.

    A challenger without a comparison gets one that begins when it was made; a champion with a version before it is watched
    from its promotion on.
    """
    champion, challenger = registry.holder("champion"), registry.holder("challenger")
    before = registry.holder("previous")
    proof, watch = store.open_comparison("proof"), store.open_comparison("watch")
    due: list[Comparison] = []
    carried: Comparison | None = None
    if proof is not None and (challenger is None or champion is None or not _is_about(proof, challenger, champion)):
        promoted = champion is not None and champion.number == proof.new
        store.close(proof, "promoted" if promoted else "replaced", now=now)
        proof = None
    if champion is not None and challenger is not None:
        if spec.operation.retrain.prove == "retraining":
            store.begin(standing(spec, now=now), now=now)
        begun = proof or Comparison(
            kind="proof",
            new=challenger.number,
            old=champion.number,
            since=challenger.created,
            minimum_gain=spec.operation.retrain.min_gain,
        )
        due.append(store.begin(begun, now=now))
    if watch is not None and (before is None or champion is None or not _is_about(watch, champion, before)):
        back = champion is not None and champion.number == watch.old
        goes_on = champion is not None and before is not None and before.number == watch.old
        goes_on = goes_on and champion is not None and _same_members(registry.version(watch.new), champion)
        _close_watch(watch, registry, store, "rolled back" if back else "replaced", now=now)
        carried, watch = (watch if goes_on else None), None
    if champion is not None and before is not None:
        since = champion_since(registry) or now
        begun = watch or Comparison(kind="watch", new=champion.number, old=before.number, since=since)
        if carried is not None:  # a new calibration of the version that is watched: what it has shown still counts
            begun = replace(carried, new=champion.number, since=since)
        due.append(store.begin(begun, now=now))
    return due


def standing(spec: Spec, *, now: datetime) -> Comparison:
    """The comparison of all challengers with the champions of their time, before its first row."""
    return Comparison(kind="retraining", new=0, old=0, since=now, minimum_gain=spec.operation.retrain.min_gain)


def promote_at_once(
    made: Version,
    champion: Version,
    *,
    registry: Registry,
    store: LifecycleStore,
    spec: Spec,
    now: datetime,
    who: str = _WHO,
) -> bool:
    """Make a challenger champion where those before it have proven that retraining gains; whether that was done.

    The version before then answers in the background, and the reverse test goes back to it; the second time in a row ends this
    trust.
    """
    policy, known = spec.operation.retrain, store.open_comparison("retraining")
    if policy.prove != "retraining" or policy.approve != "automatic" or known is None or known.outcome != "better":
        return False
    proof = known.proof(now=now, new=made.number, old=champion.number)
    back_to = version_to_go_back_to(registry, spec, made, champion)
    try:
        promote(
            registry,
            made.number,
            proof=proof,
            policy="automatic",
            instead_of=champion.number,
            back_to=back_to,
            who=who,
            now=now,
        )
    except PromotionRefused:  # a requirement that the test rows could not decide: it proves itself like any other
        return False
    return True


def version_to_go_back_to(registry: Registry, spec: Spec, new: Version, champion: Version) -> int | None:
    """Where a rollback from a version leads; None is the champion of now.

    Where calibrations follow each other from window to window, that is the last version with other members: it would be lost
    otherwise before the members of now have shown what they are worth.
    """
    before = registry.holder("previous")
    if spec.operation.retrain.prove != "retraining" or before is None:
        return None
    return before.number if _same_members(new, champion) and not _same_members(new, before) else None


def settle(
    comparison: Comparison,
    rows: Callable[[], LabelledRows],
    *,
    registry: Registry,
    store: LifecycleStore,
    spec: Spec,
    now: datetime,
    who: str = _WHO,
) -> Settled:
    """Act on what a comparison has shown, as far as the spec allows.

    Parameters
    ----------
    rows
        Reads labelled rows that the new version has not seen, where they are needed: requirements are judged on the latest.
    """
    outcome = comparison.outcome
    automatic = spec.operation.retrain.approve == "automatic"
    if comparison.kind == "watch":
        return _settle_watch(comparison, registry, store, automatic=automatic, now=now, who=who)
    if outcome == "worse":
        challenge(registry, None, who=who, now=now)
        store.close(comparison, "worse", now=now)
        told = f"Version {comparison.new} is worse than version {comparison.old} ({_numbers(comparison)}): the challenge is over."
        return Settled(outcome="ended", sentence=told, comparison=comparison)
    if outcome != "better":
        return Settled(outcome="undecided", sentence=_undecided(comparison), comparison=comparison)
    proof = comparison.proof(now=now)
    version = registry.version(comparison.new)
    if version.proof is None or not version.proof.holds or version.proof.champion != comparison.old:
        record_proof(registry, proof, who=who, now=now)
    missed = [
        one for one in requirements_now(version, rows(), spec) if one.priority == "must" and one.outcome == "not met"
    ]
    if missed:
        told = (
            f"Version {comparison.new} is better ({_numbers(comparison)}), but {missed[0].id} is not met on the latest rows "
            f"either ({missed[0].sentence()}): a person has to decide."
        )
        return Settled(outcome="refused", sentence=told, comparison=comparison)
    if not automatic:
        told = (
            f"Version {comparison.new} is better ({_numbers(comparison)}). It waits for your yes: "
            "mlwright promote --approve"
        )
        return Settled(outcome="waiting", sentence=told, comparison=comparison)
    try:
        old = registry.version(comparison.old)
        back_to = version_to_go_back_to(registry, spec, version, old)
        promote(
            registry,
            comparison.new,
            proof=proof,
            policy="automatic",
            instead_of=comparison.old,
            back_to=back_to,
            who=who,
            now=now,
        )
    except PromotionRefused as error:
        return Settled(outcome="refused", sentence=error.what, comparison=comparison)
    store.close(comparison, "promoted", now=now)
    told = f"Version {comparison.new} took the place of version {comparison.old} ({_numbers(comparison)})."
    return Settled(outcome="promoted", sentence=told, comparison=comparison)


def requirements_now(version: Version, rows: LabelledRows, spec: Spec) -> list[RequirementResult]:
    """The requirements of the spec on the latest labelled rows; those that cannot be judged there are left out."""
    if not spec.requirements or not len(rows):
        return []
    latest, model = rows.last(JUDGED_ROWS).rows, Model.load(version.package)
    answers, cost = model.predict(latest.table), error_cost(spec, latest)
    scored = scored_rows(latest, answers, None if cost is None else cost.of_rows(latest))
    found: list[RequirementResult] = []
    for requirement in spec.requirements:
        try:
            if requirement.metric == "value" and answers.decision is not None:
                outcomes = outcome_worth(spec, latest)
                if outcomes is not None:
                    worth = outcomes.of_rows(latest.expression_columns(outcomes.columns), rows=len(latest)).worth
                    scored = replace(scored, earned=worth.earned(latest.y, answers.decision))
            found += judge_requirements(spec.but(requirements=(requirement,)), latest, scored, seed=spec.seed)
        except (MlwrightError, KeyError):
            continue  # over a column that the model does not read, or a level that only a whole table has
    return found


def _settle_watch(
    comparison: Comparison, registry: Registry, store: LifecycleStore, *, automatic: bool, now: datetime, who: str
) -> Settled:
    if comparison.outcome != "worse":
        return Settled(outcome="undecided", sentence=_undecided(comparison), comparison=comparison)
    numbers = _numbers(comparison)
    if not automatic:
        told = (
            f"Version {comparison.new} does worse than version {comparison.old} ({numbers}). Go back: mlwright rollback"
        )
        return Settled(outcome="roll back", sentence=told, comparison=comparison)
    reason = f"worse than version {comparison.old} on {comparison.rows:,} rows since its promotion ({numbers})"
    rollback(registry, reason=reason, away_from=comparison.new, proof=comparison.proof(now=now), who=who, now=now)
    _close_watch(comparison, registry, store, "rolled back", now=now)
    told = f"Went back from version {comparison.new} to version {comparison.old} ({numbers})."
    return Settled(outcome="rolled back", sentence=told, comparison=comparison)


def _close_watch(watch: Comparison, registry: Registry, store: LifecycleStore, outcome: str, *, now: datetime) -> None:
    """End a watch, and with the second rollback in a row the trust in retraining.

    One rollback is no proof that retraining does not gain: where the world swings, some come too early.
    """
    # That first: a watch that is open is looked at again.
    trust = store.open_comparison("retraining")
    if outcome == "rolled back" and trust is not None and _rolled_back_before(registry, watch.new):
        store.close(trust, outcome, now=now)
    store.close(watch, outcome, now=now)


def _rolled_back_before(registry: Registry, left: int) -> bool:
    """Whether the last version with other members than the one that was just left had to be left as well."""
    run = {one.number: one.lineage.run for one in registry.versions()}
    moves = [one for one in registry.audit() if "champion" in one.moved][:-1]
    while moves and run.get(moves[-1].moved["champion"][1] or 0) == run[left]:
        moves.pop()
    # New calibrations of the version that was gone back to are no other version.
    while (
        moves
        and moves[-1].action != "rollback"
        and len({run.get(one or 0) for one in moves[-1].moved["champion"]}) == 1
    ):
        moves.pop()
    return bool(moves) and moves[-1].action == "rollback"


def _same_members(one: Version, other: Version) -> bool:
    """Whether one is the other with another calibration: what is derived from a version keeps its run."""
    return one.lineage.run == other.lineage.run


def _is_about(comparison: Comparison, new: Version, old: Version) -> bool:
    return (comparison.new, comparison.old) == (new.number, old.number)


def _numbers(comparison: Comparison) -> str:
    objective = comparison.objective
    unit = "" if objective is None or not objective.unit else f" {objective.unit}"
    title = "" if objective is None else f" in {objective.title}"
    return f"{comparison.gain:+.4g}{unit} a row{title}, {comparison.rows:,} rows, evidence {comparison.e_value:,.3g}"


def _undecided(comparison: Comparison) -> str:
    if comparison.objective is None:
        return "There are too few labelled rows to compare on yet."
    if comparison.outcome == "guarded":
        return f"Version {comparison.new} is better ({_numbers(comparison)}); harm to a guard is not ruled out yet."
    left = comparison.rows_to_go()
    more = f" About {left:,.0f} more rows may decide." if left < 1e7 and comparison.kind == "proof" else ""
    return f"Nothing is proven yet ({_numbers(comparison)}).{more}"
