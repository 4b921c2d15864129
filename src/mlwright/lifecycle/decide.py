"""From what was found to what should be done: the cheapest thing that mends it, and nothing where nothing is worth it.

The order of the questions is the order of the rules below: is the input broken? does it cost anything? have only the shares
of the classes moved? do rows still rank well, and only the numbers are off? is a new model worth its price?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlwright.core import Interval
from mlwright.lifecycle.decision import Action, Decision
from mlwright.lifecycle.priors import PriorShift
from mlwright.lifecycle.recalibrate import Recalibration
from mlwright.lifecycle.refresh import Refresh
from mlwright.lifecycle.retrain import LEAST_ROWS
from mlwright.monitoring.findings import Finding
from mlwright.monitoring.irregular.irregularity import KINDS
from mlwright.spec import Period, Spec

_DAYS: Mapping[Period, float] = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30.44, "quarter": 91.3, "year": 365.25}
#: Findings that say something of the service, and nothing of the rows: there is nothing to keep back.
_NO_ROWS = {"stopped_feed", "late_batch"}
#: At most one challenger in so many windows, where those before it did not have to prove themselves.
LEAST_WINDOWS = Refresh().least_windows
#: In the evidence of a decision to train: how many labelled rows there were from after the change.
AFTER_CHANGE = "labelled_rows_after_change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known when it is decided.

    Attributes
    ----------
    champion
        The version that answers.
    findings
        Those that are open.
    shift
        The shares of the classes, by the scores of the latest windows; None if it was not or cannot be looked at.
    calibration
        What a new calibration would do, by the latest labelled rows; None likewise.
    accepted
        Kinds of irregular input that the owner has accepted to be repaired.
    rows_per_day
        That are answered; None if not known.
    champion_since
        When it became champion, or the last challenger was made.
    windows_since, labelled_rows, trained_rows
        Windows since the last challenger (or champion) was made, labelled rows since then, and those that it learnt from.
    rows_after_change, tried_with
        Labelled rows from after the change that costs too much, and how many there were when the last challenger was made; None if
        there was none.
    gaining
        Whether challengers are expected to gain, by what those before have done; see `Refresh`.
    """

    champion: int
    findings: Sequence[Finding] = ()
    shift: PriorShift | None = None
    calibration: Recalibration | None = None
    accepted: frozenset[str] = frozenset()
    rows_per_day: float | None = None
    champion_since: datetime | None = None
    windows_since: int = 0
    labelled_rows: int = 0
    trained_rows: int = 0
    rows_after_change: int = 0
    tried_with: int | None = None
    gaining: bool = False


def decide(situation: Situation, spec: Spec, *, now: datetime) -> Decision:
    """Say what should be done.

    Only findings whose cost is known to be above `operation.retrain.tolerance` lead to a change of the model; drift that
    costs nothing is no reason, unless `operation.retrain.on` names it.
    """
    faulty = [one for one in situation.findings if _is_fault(one)]
    if faulty:
        return _about_input(faulty, situation, now)
    costly = too_costly(situation.findings, spec)
    for rule in (_reweight, _recalibrate, _retrain, _label):
        decision = rule(situation, costly, spec, now)
        if decision is not None:
            return decision
    seen = len(situation.findings)
    reason = (
        f"{seen} finding{'s' if seen > 1 else ''}, and none of them costs more than is tolerated."
        if seen
        else "Nothing was found."
    )
    return Decision(made=now, champion=situation.champion, action="nothing", reason=reason, findings=_keys(situation))


# ---------------------------------------------------------------------------------------------------------- the rules


def _about_input(faulty: Sequence[Finding], situation: Situation, now: datetime) -> Decision:
    """Rows that are wrong teach nothing: they are put right, or kept apart, before anything else is thought of."""
    mendable = [one for one in faulty if one.kind in situation.accepted]
    action: Action = "repair" if len(mendable) == len(faulty) else "quarantine"
    first = faulty[0]
    more = f" (and {len(faulty) - 1} more)" if len(faulty) > 1 else ""
    done = (
        "The rule that you accepted repairs the rows."
        if action == "repair"
        else "Rows that no accepted rule repairs are kept back; the model is not changed because of them."
    )
    return Decision(
        made=now,
        champion=situation.champion,
        action=action,
        reason=f"{first.what}{more} {done}",
        mode="automatic",
        evidence={"faults": len(faulty), "first": first.kind},
        findings=tuple(one.key for one in faulty),
        since=_earliest(faulty),
        again_after=timedelta(days=1),
    )


def _reweight(situation: Situation, costly: Sequence[Finding], spec: Spec, now: datetime) -> Decision | None:
    shift = situation.shift
    if shift is None or not shift.explains or _contradicted(situation):
        return None
    # Shares are estimated anew at each look; that something has moved at all is for the drift watch to say, whose alarms are rare.
    drifting = any(one.kind == "drift" for one in situation.findings)
    if not costly and (not drifting or shift.saves is None or shift.saves <= spec.operation.retrain.tolerance):
        return None
    # Of two classes the positive one, which is the last; of several the one that moved most.
    largest = max(reversed(range(len(shift.now))), key=lambda k: round(abs(shift.now[k] - shift.before[k]), 9))
    saves = None if shift.saves is None else Interval(low=0.0, high=2 * shift.saves, confidence=0.5)
    return Decision(
        made=now,
        champion=situation.champion,
        action="reweight",
        reason=(
            f"The share of {shift.classes[largest]!r} has moved from {_percent(shift.before[largest])} to "
            f"{_percent(shift.now[largest])}, and that explains the scores. Adjusting the probabilities is enough"
            f"{', as labels confirm' if situation.calibration else ', if rows of a class look as before: labels would tell'}."
        ),
        mode=spec.operation.act.reweight,
        saves=saves,
        unit="Brier score",
        evidence=shift.evidence(),
        findings=_keys(situation),
        since=_earliest(situation.findings),
    )


def _recalibrate(situation: Situation, costly: Sequence[Finding], spec: Spec, now: datetime) -> Decision | None:
    found = situation.calibration
    if found is None or not found.off or (not costly and found.gain.low <= spec.operation.retrain.tolerance):
        return None
    if follows(spec):
        # What changes faster than a challenger can be trained is followed by the numbers, whatever the ranking says.
        if stale(situation, spec) or (costly and not too_soon(situation, spec)):
            return None  # a new version brings a calibration of its own
    elif not found.ranking_intact:
        return None
    why = (
        "Rows still rank as well as before, and the numbers are off. A new calibration on "
        f"{found.rows:,} labelled rows mends that; no new model is needed."
        if found.ranking_intact
        else f"The numbers are off. A new calibration on {found.rows:,} labelled rows helps until the next challenger is due."
    )
    return Decision(
        made=now,
        champion=situation.champion,
        action="recalibrate",
        reason=why,
        mode=spec.operation.act.recalibrate,
        saves=found.gain,
        unit="a row, in the loss that is calibrated for",
        evidence={
            f"{found.ranking}_before": _known(found.before),
            f"{found.ranking}_now": found.now,
            "rows": found.rows,
        },
        findings=_keys(situation),
        since=_earliest(costly or situation.findings),
    )


def _retrain(situation: Situation, costly: Sequence[Finding], spec: Spec, now: datetime) -> Decision | None:
    policy = spec.operation.retrain
    worst = max(costly, key=lambda one: one.cost.low if one.cost else 0.0, default=None)
    drifting = [one for one in situation.findings if one.kind == "drift" and one.level != "info"]
    if worst is not None and "loss" in policy.on and not too_soon(situation, spec):
        why, led = f"{worst.what} It costs more than is tolerated.", [worst]
    elif drifting and "drift" in policy.on:
        why, led = f"{drifting[0].what} The spec asks for a challenger when the input drifts.", drifting
    elif due(situation.champion_since, spec, now=now):
        why, led = "The schedule of the spec asks for a challenger.", []
    elif stale(situation, spec):
        why, led = "There are clearly more labelled rows than the champion learnt from, or it has grown old.", []
    else:
        return None
    saves = worst.cost if worst is not None and led == [worst] else None
    in_all = _over_horizon(saves, situation, spec)
    if saves is not None and policy.cost is not None and in_all is not None and in_all <= policy.cost:
        return Decision(
            made=now,
            champion=situation.champion,
            action="nothing",
            reason=(
                f"{worst.what if worst else why} A new version would save about {in_all:,.0f} {spec.decision.currency} in "
                f"{policy.horizon.days} days and costs {policy.cost:,.0f}: it is not worth it."
            ),
            saves=saves,
            saves_in_all=in_all,
            unit=worst.cost_unit if worst else "",
            findings=tuple(one.key for one in led),
        )
    return Decision(
        made=now,
        champion=situation.champion,
        action="retrain",
        reason=f"{why} A challenger is trained on rows from after the change and must prove that it is better.",
        mode=spec.operation.act.retrain,
        saves=saves,
        saves_in_all=in_all,
        unit=worst.cost_unit if saves is not None and worst is not None else "",
        evidence=_evidence(worst if saves is not None else None, situation),
        findings=tuple(one.key for one in led),
        since=_earliest(led),
        again_after=timedelta(0)
        if outgrown(situation)
        else max((LEAST_WINDOWS if follows(spec) else 7) * spec.operation.window, spec.operation.label_delay),
    )


def _label(situation: Situation, costly: Sequence[Finding], spec: Spec, now: datetime) -> Decision | None:  # noqa: ARG001
    unsure = [one for one in situation.findings if one.kind == "cannot_tell" or one.evidence.get("labels_needed")]
    if not unsure:
        return None
    needed = unsure[0].evidence.get("labels_needed")
    how_many = f" About {needed:,.0f} labels would tell." if isinstance(needed, int | float) else ""
    return Decision(
        made=now,
        champion=situation.champion,
        action="label",
        reason=f"{unsure[0].what}{how_many}",
        evidence=dict(unsure[0].evidence),
        findings=tuple(one.key for one in unsure),
        since=_earliest(unsure),
        again_after=timedelta(days=30),
    )


# -------------------------------------------------------------------------------------------------------------- facts


def due(champion_since: datetime | None, spec: Spec, *, now: datetime) -> bool:
    """Whether the schedule of the spec asks for a challenger now."""
    policy = spec.operation.retrain
    if "schedule" not in policy.on or policy.every is None or champion_since is None:
        return False
    return now - champion_since >= policy.every


def stale(situation: Situation, spec: Spec) -> bool:
    """Whether a challenger is due without an alarm, where the spec wants that."""
    if "staleness" not in spec.operation.retrain.on:
        return False
    windows, rows, known = situation.windows_since, situation.labelled_rows, situation.trained_rows
    refresh, gaining = Refresh(), situation.gaining
    why = refresh.due(windows=windows, rows=rows + known, trained_on=known, alarmed=False, gaining=gaining)
    return known > 0 and why is not None


def outgrown(situation: Situation) -> bool:
    """Whether there are twice as many rows from after the change as the last challenger was made from: another will do better."""
    tried = situation.tried_with
    return tried is not None and situation.rows_after_change >= 2 * max(tried, LEAST_ROWS)


def too_costly(findings: Sequence[Finding], spec: Spec) -> list[Finding]:
    """Findings that surely cost more than is tolerated."""
    return [
        one
        for one in findings
        if one.cost is not None and one.cost.low > spec.operation.retrain.tolerance and one.until is None
    ]


def follows(spec: Spec) -> bool:
    """Whether the project changes so fast that challengers do not wait for a proof of their own."""
    return spec.operation.retrain.prove == "retraining"


def too_soon(situation: Situation, spec: Spec) -> bool:
    """Whether the last challenger was made just now: where they do not wait for a proof, nothing else limits how many there are."""
    return follows(spec) and situation.windows_since < LEAST_WINDOWS


def _is_fault(finding: Finding) -> bool:
    """Irregular input whose rows cannot be learnt from; that it ended is told by `until`."""
    kind = KINDS.get(finding.kind)
    return kind is not None and kind.held and finding.kind not in _NO_ROWS and finding.until is None


def _evidence(worst: Finding | None, situation: Situation) -> dict[str, float | int | str | None]:
    """The numbers that a challenger rests on."""
    return {**({} if worst is None else worst.evidence), AFTER_CHANGE: situation.rows_after_change}


def _contradicted(situation: Situation) -> bool:
    """Whether labels say that it is not the shares: rows rank worse, or the probabilities are right as they are.

    Scores cannot tell new shares from other rows of the same law. Labels can: of the latter the probabilities still hold.
    """
    known = situation.calibration
    return known is not None and not (known.ranking_intact and known.off)


def _over_horizon(saves: Interval | None, situation: Situation, spec: Spec) -> float | None:
    """What is saved until the horizon, at the middle of the interval; None without a number of rows."""
    volume = spec.decision.volume
    per_day = situation.rows_per_day if volume is None else volume.count / _DAYS[volume.per]
    if saves is None or per_day is None:
        return None
    return (saves.low + saves.high) / 2 * per_day * (spec.operation.retrain.horizon / timedelta(days=1))


def _earliest(findings: Sequence[Finding]) -> datetime | None:
    return min((one.since for one in findings if one.since is not None), default=None)


def _keys(situation: Situation) -> tuple[str, ...]:
    return tuple(one.key for one in situation.findings)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _known(value: float) -> float | None:
    return value if value == value else None  # NaN differs from itself
