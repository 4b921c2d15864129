"""The page of what happened: each finding with its picture, the windows over time, the proof, what was decided."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from mlwright._version import __version__
from mlwright.alerts import cost_in_words, evidence_in_words, plain_number, since_in_words
from mlwright.core import Interval
from mlwright.monitoring import BeforeAfter, Finding
from mlwright.operate.living import moves
from mlwright.operate.looking import Look, Played
from mlwright.operate.project import Project
from mlwright.registry import AuditEntry
from mlwright.reports.monitoring_charts import evidence_chart, quantiles_chart, shares_chart, timeline_chart
from mlwright.reports.templating import rendered
from mlwright.reports.words import number

_SINCE: Final = re.compile(r"Since about [^:]*?(?:\(between [^)]*\))?: ")
_FEW: Final = 7
_ALERTS: Final = 40
_PAST: Final = 3
_MONTH_DAYS: Final = 365.25 / 12


class Headline(NamedTuple):
    """The first thing on the page."""

    tone: str
    verdict: str
    reason: str
    advice: str


def headline(look: Look) -> Headline:
    """How things are, in one line."""
    if look.champion is None:
        return Headline("open", "No version answers yet", "There is nothing to look after.", "Run `mlwright run`.")
    grave = [one for one in look.findings if one.level == "page"]
    serious = [one for one in look.findings if one.level == "warn"]
    if grave:
        return Headline("bad", "Look at it now", grave[0].what, grave[0].advice)
    if serious:
        return Headline("open", "Look at it soon", serious[0].what, serious[0].advice)
    if look.findings:
        first = look.findings[0]
        more = f" ({len(look.findings) - 1} more)" if len(look.findings) > 1 else ""
        return Headline("good", "Nothing that needs you", f"Worth knowing: {first.what}{more}", "")
    if not look.periods:
        return Headline("open", "Nothing to judge yet", "No window of answers is over.", "")
    return Headline(
        "good", "All is well", f"Nothing has moved or costs more than is tolerated.{_lately_done(look)}", ""
    )


def _lately_done(look: Look) -> str:
    """What changed last, so that a reader who sees that all is well knows since when."""
    moved = [one for one in look.audit if "champion" in one.moved and one.moved["champion"][0] is not None]
    if not moved:
        return ""
    last = moved[-1]
    before, after = last.moved["champion"]
    verb = "went back to" if last.action == "rollback" else "promoted"
    why = last.evidence.get("why", "asked for")
    return f" The last change: on {last.at[:10]} {last.who} {verb} version {after} in place of version {before}; {why}."


def with_names(sentence: str) -> Any:
    """A sentence as HTML, in which what stands between backticks is set like code.

    Examples
    --------
    >>> str(with_names("`age` < 3"))
    '<code>age</code> &lt; 3'
    """
    from markupsafe import Markup, escape

    parts = [str(escape(part)) for part in sentence.split("`")]
    if len(parts) % 2 == 0:  # one backtick without another
        return escape(sentence)
    return Markup("".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)))  # noqa: S704 - escaped above


def monitoring_page(look: Look, project: Project) -> str:
    """The page as HTML: one file, no scripts, nothing loaded from elsewhere."""
    return rendered("monitoring.html.j2", _view(look, project))


def _view(look: Look, project: Project) -> Mapping[str, Any]:
    promoted = moves(project)
    known = [*((one, "") for one in look.findings), *((one, "over by now") for one in look.earlier[:_PAST])]
    ranges = [one.expected_range for one in look.periods if one.expected_range is not None]
    return {
        "version": __version__,
        "name": project.spec.project.name,
        "at": f"{look.at.astimezone(UTC):%Y-%m-%d %H:%M}",
        "look": look,
        "headline": headline(look)._asdict() | {"reason": with_names(headline(look).reason)},
        "rows": sum(one.rows for one in look.periods),
        "labelled": sum(one.labelled for one in look.periods),
        "measure": "" if look.measure is None else _measure_title(look),
        "scale": "" if look.measure is None else _scale(look),
        "lately": _lately(look),
        "confidence": f"{100 * ranges[-1].confidence:.0f} %" if ranges else "",
        "operator": _operator(look),
        "story": _story(look, promoted),
        "timeline": _timeline(look, promoted),
        "findings": [_finding(one, past, place, look) for place, (one, past) in enumerate(known)],
        "proofs": [_proof(one, place) for place, one in enumerate(look.played)],
        "decisions": [
            {
                "made": _moment(one.decision.made),
                "title": one.decision.title,
                "reason": with_names(one.decision.reason),
                "outcome": one.outcome,
            }
            for one in reversed(look.decided)
        ],
        "audit": [_entry(one) for one in reversed(look.audit)],
        "alerts": [
            {
                "state": one.state,
                "level": one.level,
                "what": with_names(one.finding.what),
                "opened": _moment(one.opened),
                "resolved": "" if one.resolved is None else _moment(one.resolved),
                "times": one.times,
                "by": one.acknowledged_by or "",
            }
            for one in list(reversed(look.alerts))[:_ALERTS]
        ],
    }


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _measure_title(look: Look) -> str:
    assert look.measure is not None
    return "earned a row" if look.measure.metric == "value" else look.measure.title


def _scale(look: Look) -> str:
    assert look.measure is not None
    better = "More is better." if look.measure.metric == "value" else "Less is better."
    return f"In {look.measure.unit}. {better}"


def _lately(look: Look) -> dict[str, Any] | None:
    """The latest windows whose truth is known, else what the scores let expect."""
    known = [one for one in look.periods if one.realised is not None and one.labelled][-_FEW:]
    if known:
        weight = sum(one.labelled for one in known)
        value = sum(one.labelled * one.realised for one in known if one.realised is not None) / weight
        words = f"realised, from {weight:,} labels"
    else:
        expected = [one for one in look.periods if one.expected is not None][-_FEW:]
        if not expected:
            return None
        weight = sum(one.rows for one in expected)
        value = sum(one.rows * one.expected for one in expected if one.expected is not None) / weight
        words = "expected from the scores; no labels yet"
    before = "" if look.reference is None else f"; {number(look.reference)} in training"
    return {"value": value, "words": f"{words}{before}"}


def _operator(look: Look) -> dict[str, str]:
    status = look.operator
    if status is None:
        return {"short": "nobody", "words": "start it: mlwright operate"}
    if status.running:
        troubles = f"; troubles: {', '.join(status.troubles)}" if status.troubles else ""
        return {"short": "mlwright operate", "words": f"running since {_moment(status.started)}{troubles}"}
    last = "never finished a round" if status.last_round is None else f"last round {_moment(status.last_round)}"
    return {"short": "not running", "words": last}


def _story(look: Look, promoted: list[AuditEntry]) -> list[Any]:
    """What happened in the order of time: changes, decisions, promotions."""
    told = [
        (one.since, _undated(one.what) if one.cost is None else f"{_undated(one.what)} Cost: {_cost(one, look)}.")
        for one in (*look.earlier, *look.findings)
        if one.since is not None and one.kind in {"drift", "loss", "expected_loss"}
    ]
    told += [
        (one.decision.made, f"Decided: {one.decision.title}. {one.decision.reason} Outcome: {one.outcome}.")
        for one in look.decided
        if one.decision.changes_model
    ]
    for entry in promoted:
        before, after = entry.moved["champion"]
        verb = "Rolled back" if entry.action == "rollback" else "Promoted"
        why = entry.evidence.get("why", "asked for")
        told.append(
            (datetime.fromisoformat(entry.at), f"{verb}: version {after} answers instead of version {before}; {why}.")
        )
    return [with_names(f"{at.astimezone(UTC):%Y-%m-%d}: {what}") for at, what in sorted(told, key=lambda one: one[0])]


def _undated(sentence: str) -> str:
    """Without the date that the line begins with already."""
    found = _SINCE.match(sentence)
    return sentence if found is None else sentence[found.end() :]


def _timeline(look: Look, promoted: list[AuditEntry]) -> str:
    if not look.periods or look.measure is None:
        return ""
    values = [
        {
            "start": one.start.isoformat(),
            "expected": one.expected,
            **_ends("expected", one.expected_range),
            "realised": one.realised if one.realised_range is not None else None,
            **_ends("realised", one.realised_range),
        }
        for one in look.periods
    ]
    first, last = look.periods[0].start, look.periods[-1].end
    drifted = [one for one in (*look.findings, *look.earlier) if one.kind == "drift" and one.since is not None]
    events = [
        {"at": one.since.isoformat(), "what": "drift"} for one in drifted if one.since and first <= one.since <= last
    ]
    for entry in promoted:
        at = datetime.fromisoformat(entry.at)
        if first <= at <= last:
            events.append({"at": at.isoformat(), "what": f"version {entry.moved['champion'][1]}"})
    return timeline_chart(values, title=_measure_title(look), reference=look.reference, events=events)


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    finite = interval is not None and abs(interval.low) < float("inf") and abs(interval.high) < float("inf")
    low, high = (interval.low, interval.high) if interval is not None and finite else (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _cost(finding: Finding, look: Look) -> str:
    """What it costs a row, and in a month if it is money and answers go on coming as they do."""
    said, cost = cost_in_words(finding), finding.cost
    if cost is None or look.measure is None or look.measure.metric != "value" or cost.high <= 0:
        return said
    lately = look.periods[-_FEW:]
    days = sum((one.end - one.start) / timedelta(days=1) for one in lately)
    if not days:
        return said
    rows = sum(one.rows for one in lately) / days * _MONTH_DAYS
    low, high = (plain_number(end * rows) for end in (max(cost.low, 0.0), cost.high))
    return f"{said}; about {low} to {high} {look.measure.unit.removesuffix(' a row')} a month"


def _finding(finding: Finding, past: str, place: int, look: Look) -> dict[str, Any]:
    return {
        "what": with_names(finding.what),
        "level": finding.level,
        "past": past,
        "since": since_in_words(finding),
        "sure": _how_sure(finding),
        "cost": _cost(finding, look),
        "advice": with_names(finding.advice),
        "key": finding.key,
        "evidence": evidence_in_words(finding, most=60),
        "pictures": [_picture(one, f"p{place}-{number_}") for number_, one in enumerate(finding.pictures)],
    }


def _how_sure(finding: Finding) -> str:
    chance = finding.evidence.get("chance_at_most")
    if isinstance(chance, float):
        shown = "less than 1 in a million" if chance < 1e-6 else f"at most {chance:.2g}"
        return f"as much is seen by chance with a probability of {shown}"
    if isinstance(confidence := finding.evidence.get("confidence"), float):
        return f"{100 * confidence:.1f} %"
    error = finding.evidence.get("error")
    return (
        f"wrong with a probability of at most {error:.2g}, however long one looks" if isinstance(error, float) else ""
    )


def _picture(picture: BeforeAfter, name: str) -> dict[str, str]:
    if picture.kind == "quantiles":
        keys = ("low", "lower", "middle", "upper", "high")
        values = [
            {"when": when, **dict(zip(keys, side, strict=True))}
            for when, side in (("before", picture.before), ("after", picture.after))
        ]
        svg = quantiles_chart(values, title=picture.column, name=name)
        caption = "Thin: nine in ten rows. Thick: half of them. Dot: the middle one."
    else:
        both = [
            {"level": level, "when": when, "share": share}
            for when, side in (("before", picture.before), ("after", picture.after))
            for level, share in zip(picture.names, side, strict=True)
        ]
        svg = shares_chart(both, title=picture.column, name=name)
        caption = "The upper bar of each pair is before, the lower one after."
    shown = "the model's score" if picture.column == "prediction" else picture.column
    return {"column": shown, "svg": svg, "caption": caption}


def _proof(played: Played, place: int) -> dict[str, Any]:
    comparison = played.comparison
    proof = comparison.proof(now=comparison.since)
    titles = {
        "proof": f"Is version {comparison.new} better than version {comparison.old}?",
        "watch": f"After the promotion: is version {comparison.old} better than version {comparison.new} after all?",
    }
    ended = {
        "promoted": "Yes: it was promoted.",
        "worse": "No: it is worse.",
        "rolled back": "Yes: it was rolled back.",
    }
    answer = ended.get(played.outcome or "", played.outcome or "It goes on.")
    gain = f"{number(comparison.gain)} {proof.unit} a row"
    caption = f"{answer} {comparison.rows:,} rows; version {comparison.new} gains {gain}, by {proof.objective}."
    points = [{"rows": one.rows, "e_value": one.e_value} for one in played.points]
    return {
        "title": titles[comparison.kind],
        "svg": evidence_chart(points, needed=proof.needed, name=f"e{place}") if len(points) > 1 else "",
        "caption": " ".join(caption.split()),
        "needed": f"{proof.needed:g}",
        "error": f"1 in {proof.needed:g}",
    }


def _entry(entry: AuditEntry) -> dict[str, Any]:
    return {
        "entry": entry.entry,
        "at": entry.at[:16].replace("T", " "),
        "who": entry.who,
        "action": entry.action,
        "version": "" if entry.version is None else entry.version,
        "outcome": entry.outcome,
        "digest": entry.digest[:12],
    }
