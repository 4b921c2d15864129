"""How things are with a model that answers: read from the project's database, nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from mlwright.alerts import Alert, alerts_of, silences, waiting
from mlwright.core import Interval
from mlwright.lifecycle import Comparison, Decided, LifecycleStore
from mlwright.monitoring import Finding
from mlwright.monitoring.expected_loss import Expected
from mlwright.monitoring.kept import kept_windows, micros, moment, saved_findings, start_of_period
from mlwright.operate.costs import with_costs
from mlwright.operate.evidence import EvidencePoint, points_of
from mlwright.operate.heartbeat import OperatorStatus, operator_status
from mlwright.operate.living import news
from mlwright.operate.losses import LossMeasure, expected_of, in_periods, loss_of_periods
from mlwright.operate.project import Project, Watched
from mlwright.registry import AuditEntry, Version

#: So many windows are shown.
_WINDOWS: Final = 120
#: The windows of so many versions, the latest ones.
_VERSIONS: Final = 20
_ENTRIES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One window of the version that answered most of it.

    Attributes
    ----------
    version
        Its number in the registry.
    expected, realised
        What a row lost: as the scores let expect, and as the labels tell that are there; None where neither can be told.
        Of money it is what a row earned.
    """

    start: datetime
    end: datetime
    version: int
    rows: int
    labelled: int
    expected: float | None
    expected_range: Interval | None
    realised: float | None
    realised_range: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A comparison of two versions with the line of its evidence; `outcome` is None while it goes on."""

    comparison: Comparison
    points: tuple[EvidencePoint, ...]
    outcome: str | None
    ended: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How things are.

    Attributes
    ----------
    champion, challenger
        None if there is none.
    findings
        What is found at present, the gravest first.
    pictures_of
        Findings of earlier versions, whose pictures tell why the version that answers now was made.
    measure
        In what losses are counted.
    reference
        What a labelled row of the training rows lost, or earned.
    waiting
        Messages that no channel took yet.
    operator
        The process that looks after the model; None if there never was one.
    """

    model: str
    at: datetime
    champion: Version | None
    challenger: Version | None
    versions: tuple[Version, ...]
    findings: tuple[Finding, ...]
    earlier: tuple[Finding, ...]
    alerts: tuple[Alert, ...]
    silenced: tuple[str, ...]
    waiting: int
    periods: tuple[Period, ...]
    measure: LossMeasure | None
    reference: float | None
    played: tuple[Played, ...]
    decided: tuple[Decided, ...]
    audit: tuple[AuditEntry, ...]
    operator: OperatorStatus | None

    @property
    def open_alerts(self) -> tuple[Alert, ...]:
        return tuple(one for one in self.alerts if one.state != "resolved")

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "model": self.model,
            "at": self.at.isoformat(),
            "champion": None if self.champion is None else self.champion.number,
            "challenger": None if self.challenger is None else self.challenger.number,
            "findings": [one.state() for one in self.findings],
            "alerts": [one.as_json() for one in self.open_alerts],
            "silenced": list(self.silenced),
            "messages_waiting": self.waiting,
            "measure": None if self.measure is None else {"title": self.measure.title, "unit": self.measure.unit},
            "reference": self.reference,
            "windows": [_period_state(one) for one in self.periods],
            "comparisons": [_played_state(one) for one in self.played],
            "decisions": [{**one.decision.state(), "outcome": one.outcome} for one in self.decided],
            "audit": [asdict(one) for one in self.audit],
            "operator": None if self.operator is None else status_state(self.operator),
        }


def look(project: Project, *, now: datetime) -> Look:
    """Say how things are with the model of a project.

    Raises
    ------
    DatabaseGone, RegistryUnreachable
        If the database cannot be read.
    """
    versions = project.versions()
    champion = next((one for one in versions if "champion" in one.aliases), None)
    challenger = next((one for one in versions if "challenger" in one.aliases), None)
    watched = None if champion is None else project.watched(champion)
    measure = None if watched is None else LossMeasure.of(project.spec, watched.model)
    lifecycle = LifecycleStore(project.store, project.model)
    audit = project.registry.audit() if project.registry.database.exists else []
    told = news(project, now)

    def work(connection: Connection) -> dict[str, Any]:
        mine = None if champion is None else champion.package_version
        found = [] if mine is None else saved_findings(connection, project.model, version=mine)
        every = [
            finding
            for name in dict.fromkeys(one.package_version for one in versions)
            for finding in with_costs(saved_findings(connection, project.model, version=name, open_only=False))
        ]
        return {
            "findings": with_costs(found),
            "earlier": [one for one in every if one.key not in {other.key for other in found} and one.pictures],
            "alerts": alerts_of(connection, project.model),
            "silenced": [one.key for one in silences(connection, project.model, now=now)],
            "waiting": len(waiting(connection, project.model)),
        }

    known = project.store.reading(work)
    ranked = sorted([*known["findings"], *told], key=lambda one: {"page": 0, "warn": 1, "info": 2}[one.level])
    return Look(
        model=project.model,
        at=now,
        champion=champion,
        challenger=challenger,
        versions=tuple(versions),
        findings=tuple(ranked),
        earlier=tuple(known["earlier"]),
        alerts=tuple(known["alerts"]),
        silenced=tuple(known["silenced"]),
        waiting=known["waiting"],
        periods=tuple(_periods(project, versions[-_VERSIONS:], measure, now=now)),
        measure=measure,
        reference=None if watched is None or measure is None else _reference(watched, measure),
        played=tuple(_played(project, lifecycle)),
        decided=tuple(lifecycle.decisions()[-_ENTRIES:]),
        audit=tuple(audit[-_ENTRIES:]),
        operator=operator_status(project.store, project.model),
    )


def _reference(watched: Watched, measure: LossMeasure) -> float | None:
    said = None if watched.model.history is None else watched.model.history.scores
    if said is None or not said.known:
        return None
    value = loss_of_periods([said], measure).value
    return -value if measure.metric == "value" else value


def _periods(
    project: Project, versions: Sequence[Version], measure: LossMeasure | None, *, now: datetime
) -> list[Period]:
    """The windows of all versions that answered, each as the version that answered most rows of it."""
    if measure is None:
        return []
    best: dict[int, Period] = {}
    for version in versions:
        if not (version.package / "manifest.json").is_file():
            continue
        watched = project.watched(version)
        for start, period in _of_version(project, watched, measure, now=now).items():
            if start not in best or period.rows > best[start].rows:
                best[start] = period
    return [best[start] for start in sorted(best)[-_WINDOWS:]]


def _of_version(project: Project, watched: Watched, measure: LossMeasure, *, now: datetime) -> dict[int, Period]:
    length = project.spec.operation.window
    first = now - (_WINDOWS + 1) * length
    windows = project.store.reading(lambda connection: kept_windows(connection, watched.shape, start=first))
    rows: dict[int, int] = {}
    for window in windows:
        start = micros(start_of_period(window.start, length))
        rows[start] = rows.get(start, 0) + window.summary.rows
    found = {}
    for start, counts in list(in_periods(windows, length).items())[-_WINDOWS:]:
        expected = expected_of(counts, watched.model, measure)
        labelled = loss_of_periods([counts], measure) if counts.known else None
        sign = -1.0 if measure.metric == "value" else 1.0
        found[start] = Period(
            start=moment(start),
            end=moment(start) + length,
            version=watched.version.number,
            rows=rows[start],
            labelled=counts.known,
            expected=None if expected is None else _in_measure(expected, measure),
            expected_range=None if expected is None else _range_in_measure(expected, measure),
            realised=None if labelled is None else sign * labelled.value,
            realised_range=None if labelled is None or counts.known < 2 else _signed(labelled.interval, sign),
        )
    return found


def _in_measure(expected: Expected, measure: LossMeasure) -> float:
    """Wrong answers where the estimate is of right ones."""
    return 1.0 - expected.value if measure.metric == "accuracy" else expected.value


def _range_in_measure(expected: Expected, measure: LossMeasure) -> Interval:
    if measure.metric != "accuracy":
        return expected.interval
    said = expected.interval
    return Interval(low=1.0 - said.high, high=1.0 - said.low, confidence=said.confidence)


def _signed(interval: Interval, sign: float) -> Interval:
    ends = sorted((sign * interval.low, sign * interval.high))
    return Interval(low=ends[0], high=ends[1], confidence=interval.confidence)


def _played(project: Project, lifecycle: LifecycleStore) -> list[Played]:
    """The comparisons that go on, and the last ones that ended."""
    ended: list[tuple[Comparison, str | None, datetime | None]] = [*lifecycle.ended()[-2:]]
    for kind in ("proof", "watch"):
        found = lifecycle.open_comparison(kind)
        if found is not None:
            ended.append((found, None, None))
    made = []
    for comparison, outcome, when in ended:
        if outcome == "replaced" or comparison.rows == 0:
            continue
        points = project.store.reading(lambda c, one=comparison: points_of(c, project.model, one))  # type: ignore[misc]
        made.append(Played(comparison=comparison, points=tuple(points), outcome=outcome, ended=when))
    return made


def _period_state(one: Period) -> dict[str, Any]:
    return {**asdict(one), "start": one.start.isoformat(), "end": one.end.isoformat()}


def _played_state(one: Played) -> dict[str, Any]:
    comparison = one.comparison
    return {
        "kind": comparison.kind,
        "new": comparison.new,
        "old": comparison.old,
        "rows": comparison.rows,
        "e_value": comparison.e_value if comparison.e_value < float("inf") else None,
        "gain": comparison.gain,
        "outcome": one.outcome or comparison.outcome,
        "points": [{"rows": point.rows, "e_value": point.e_value, "gain": point.gain} for point in one.points],
    }


def status_state(status: OperatorStatus) -> Mapping[str, Any]:
    """As JSON."""
    tree = asdict(status)
    return {**tree, **{name: value.isoformat() for name, value in tree.items() if isinstance(value, datetime)}}
