"""The one picture of a verdict: what was seen with fewer rows, what more rows would give, and what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlwright.feasibility import CurvePoint, Verdict
from mlwright.reports import charts
from mlwright.reports.words import number
from mlwright.statistics import METRICS

_WIDTH, _HEIGHT = 560, 300


def learning_curve_chart(verdict: Verdict, *, came_out: float | None = None) -> str | None:
    """The curve as SVG; None if nothing can be said.

    Parameters
    ----------
    came_out
        The score on the test rows, once there is one.
    """
    import altair as alt

    metric = METRICS[verdict.metric]
    points = [point for point in verdict.points if point.metric == verdict.metric]
    forecast = sorted((p for p in points if p.kind == "forecast"), key=lambda p: p.rows)
    seen = sorted((p for p in points if p.kind == "seen"), key=lambda p: p.rows)
    if not forecast or not seen:
        return None
    here = forecast[0].rows
    x_scale = alt.Scale(type="log", domain=[seen[0].rows, forecast[-1].rows], nice=False)
    y_scale = alt.Scale(domain=_range(verdict, points, came_out), nice=False, clamp=True)
    x = alt.X("rows:Q", scale=x_scale, title="training rows", axis=_axis(seen[0].rows, forecast[-1].rows))
    y = alt.Y("score:Q", scale=y_scale, title=metric.title, axis=alt.Axis(tickCount=6))

    def layer(values: Sequence[dict[str, Any]]) -> Any:
        return alt.Chart(charts._data(values))

    def told(rows: float, score: float, text: str, colour: str, **where: Any) -> Any:
        base = layer([{"rows": rows, "score": score, "text": text}])
        return base.mark_text(color=colour, fontSize=11, **where).encode(x=x, y=y, text="text:N")

    low, high = y_scale.domain
    drawn: list[Any] = []
    ceiling = verdict.ceiling(verdict.metric)
    if ceiling is not None:
        ends = [{"rows": rows, "score": ceiling.low, "high": ceiling.high} for rows in x_scale.domain]
        drawn.append(layer(ends).mark_area(color=charts._SECOND, opacity=0.13).encode(x=x, y=y, y2=alt.Y2("high:Q")))
        top = min(max(ceiling.low, ceiling.high), high)
        drawn.append(told(seen[0].rows, top, "with endlessly many rows", charts._SECOND, align="left", dx=4, dy=10))
    band = [_row(point) for point in forecast]
    drawn.append(
        layer(band)
        .mark_area(color=charts._ACCENT, opacity=0.2)
        .encode(x=x, y=alt.Y("low:Q", scale=y_scale), y2="high:Q")
    )
    drawn.append(layer(band).mark_line(color=charts._ACCENT, strokeWidth=2).encode(x=x, y=y))
    drawn.append(
        layer([_row(p) for p in seen]).mark_line(color=charts._INK, strokeWidth=1.2, opacity=0.6).encode(x=x, y=y)
    )
    drawn.append(layer([_row(p) for p in seen]).mark_circle(color=charts._INK, size=42, opacity=1).encode(x=x, y=y))
    drawn.append(layer([{"rows": here}]).mark_rule(color=charts._MUTED, strokeDash=[2, 3]).encode(x=x))
    drawn.append(told(here, low, f"your {number(here)} rows", charts._MUTED, align="right", dx=-5, dy=-7))
    for asked in _asked(verdict):
        drawn.append(
            layer([{"score": asked["bound"]}])
            .mark_rule(color=charts._INK, strokeWidth=1.5, strokeDash=[7, 4])
            .encode(y=y)
        )
        drawn.append(
            told(seen[0].rows, asked["bound"], f"asked: {asked['text']}", charts._INK, align="left", dx=4, dy=-7)
        )
    own = next((point for point in verdict.budgets if point.own and point.metric == verdict.metric), None)
    if own is not None:
        spot = {"rows": here, "score": own.expected, "low": own.interval.low, "high": own.interval.high}
        drawn.append(
            layer([spot])
            .mark_rule(color=charts._ACCENT, strokeWidth=3)
            .encode(x=x, y=alt.Y("low:Q", scale=y_scale), y2="high:Q")
        )
        drawn.append(
            layer([spot])
            .mark_point(color=charts._ACCENT, filled=True, size=90, opacity=1, shape="diamond")
            .encode(x=x, y=y)
        )
        drawn.append(
            told(here, own.expected, f"this budget: {number(own.expected)}", charts._ACCENT, align="left", dx=8, dy=14)
        )
    if came_out is not None:
        spot = {"rows": here, "score": came_out}
        cross = layer([spot]).mark_point(color=charts._INK, shape="cross", size=70, filled=True, opacity=1)
        drawn.append(cross.encode(x=x, y=y))
        drawn.append(told(here, came_out, f"came out: {number(came_out)}", charts._INK, align="left", dx=8, dy=4))
    return charts._drawn(alt.layer(*drawn).properties(width=_WIDTH, height=_HEIGHT), "curve")


def _row(point: CurvePoint) -> dict[str, Any]:
    return {"rows": point.rows, "score": point.score, "low": point.interval.low, "high": point.interval.high}


def _asked(verdict: Verdict) -> list[dict[str, Any]]:
    """The bounds that the picture can show: of its metric, on all rows."""
    return [
        {"bound": one.bound, "text": f"{one.id}, {'at least' if one.at_least else 'at most'} {one.bound:g}"}
        for one in verdict.requirements
        if one.metric == verdict.metric and one.on == "overall"
    ]


def _range(verdict: Verdict, points: Sequence[CurvePoint], came_out: float | None) -> list[float]:
    """All that is drawn, with a little air; intervals of the smallest fits may leave the picture."""
    values = [point.score for point in points]
    values += [end for p in points if p.kind == "forecast" for end in (p.interval.low, p.interval.high)]
    values += [] if came_out is None else [came_out]
    values += [asked["bound"] for asked in _asked(verdict)]
    ceiling = verdict.ceiling(verdict.metric)
    if ceiling is not None:
        values += [ceiling.low, ceiling.high]
    low, high = min(values), max(values)
    air = 0.06 * (high - low or 1.0)
    most = 1.0 if METRICS[verdict.metric].higher_is_better else float("inf")
    return [max(low - air, 0.0), min(high + air, most)]


def _axis(low: float, high: float) -> Any:
    import altair as alt

    ticks = [step * 10**power for power in range(9) for step in (1, 3) if low <= step * 10**power <= high]
    return alt.Axis(values=ticks, format=",d", grid=False)
