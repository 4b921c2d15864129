"""Charts as static SVG that follows the page's colours, light or dark.

Altair declares them, vl-convert draws them. Each colour is a stand-in that is replaced by one of the page's variables.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mlwright.evaluation import Curves, Importance, ProfitCurve

_INK, _MUTED, _LINE, _ACCENT, _SECOND = "#101112", "#707172", "#d0d1d2", "#2060e0", "#c06010"
_VARIABLES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _LINE: "var(--line)",
    _ACCENT: "var(--accent)",
    _SECOND: "var(--second)",
}
_WIDTH, _HEIGHT = 300, 220


def _drawn(chart: Any, name: str) -> str:
    """SVG with ids of its own and the page's colours."""
    import vl_convert

    axis = {
        "labelColor": _MUTED,
        "titleColor": _MUTED,
        "tickColor": _LINE,
        "domainColor": _LINE,
        "gridColor": _LINE,
        "gridOpacity": 0.5,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    }
    legend = {"labelColor": _INK, "titleColor": _MUTED, "orient": "bottom", "labelFontSize": 11}
    configured = chart.configure(background="transparent", font="sans-serif").configure_view(stroke=None)
    configured = configured.configure_axis(**axis).configure_legend(**legend)
    svg = vl_convert.vegalite_to_svg(configured.to_dict())
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    # Several drawings share a page, so the names inside each get a prefix.
    for clip in set(re.findall(r'id="([^"]+)"', svg)):
        svg = svg.replace(f'id="{clip}"', f'id="{name}-{clip}"').replace(f"url(#{clip})", f"url(#{name}-{clip})")
    return svg


def _data(values: Sequence[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.InlineData(values=list(values))


def _points(pairs: Sequence[tuple[float, float]], x: str, y: str) -> Any:
    return _data([{x: a, y: b} for a, b in pairs])


def _line(pairs: Sequence[tuple[float, float]], x: str, y: str, *, diagonal: bool, name: str) -> str:
    import altair as alt

    share = alt.Scale(domain=[0, 1])
    encode_x, encode_y = alt.X(f"{x}:Q", scale=share, title=x), alt.Y(f"{y}:Q", scale=share, title=y)
    chart: Any = (
        alt.Chart(_points(pairs, x, y))
        .mark_line(color=_ACCENT, strokeWidth=2)
        .encode(x=encode_x, y=encode_y, order=alt.Order(f"{x}:Q"))
    )
    if diagonal:
        base = alt.Chart(_points([(0, 0), (1, 1)], x, y)).mark_line(color=_MUTED, strokeDash=[4, 4], strokeWidth=1)
        chart = base.encode(x=encode_x, y=encode_y) + chart
    return _drawn(chart.properties(width=_WIDTH, height=_HEIGHT), name)


def roc_chart(curves: Curves) -> str:
    """True against false positive rate, with the diagonal of guessing."""
    return _line(curves.roc, "false alarms among the others", "found among the positives", diagonal=True, name="roc")


def precision_recall_chart(curves: Curves) -> str:
    """Precision against recall."""
    return _line(curves.precision_recall, "found (recall)", "right when acting (precision)", diagonal=False, name="pr")


def lift_chart(curves: Curves) -> str:
    """Share of positives found against share of rows acted on."""
    return _line(curves.lift, "rows acted on, best first", "positives found", diagonal=True, name="lift")


def profit_chart(profit: ProfitCurve) -> str:
    """What a row is worth against the share of rows acted on, with the rule of the model and the capacity."""
    import altair as alt

    values = [{"share": one.share, "value": one.value, "low": one.low, "high": one.high} for one in profit.points]
    x = alt.X("share:Q", scale=alt.Scale(domain=[0, 1]), title="rows acted on, best first")
    scale = alt.Scale(zero=False, nice=True)
    y = alt.Y("value:Q", scale=scale, title=f"{profit.currency} a row")
    data = _data(values)
    band = (
        alt.Chart(data).mark_area(color=_ACCENT, opacity=0.15).encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q")
    )
    line = alt.Chart(data).mark_line(color=_ACCENT, strokeWidth=2).encode(x=x, y=y)
    rule = alt.Chart(_data([{"share": profit.acted, "value": profit.earned}]))
    layers: Any = band + line + rule.mark_circle(color=_ACCENT, size=70, opacity=1).encode(x=x, y=y)
    if profit.capacity is not None:
        edge = alt.Chart(_data([{"share": profit.capacity}]))
        layers += edge.mark_rule(color=_SECOND, strokeDash=[4, 4], strokeWidth=1.5).encode(x=x)
    return _drawn(layers.properties(width=_WIDTH, height=_HEIGHT), "profit")


def calibration_chart(curves: Curves) -> str:
    """Observed share against predicted probability, with intervals."""
    import altair as alt

    values = [
        {"said": b.predicted, "seen": b.observed, "low": b.interval.low, "high": b.interval.high}
        for b in curves.calibration
    ]
    top = max((v["high"] for v in values), default=1.0)
    scale = alt.Scale(domain=[0, min(1.0, max(top, max((v["said"] for v in values), default=1.0)) * 1.05)])
    x = alt.X("said:Q", scale=scale, title="predicted probability")
    data = _data(values)
    ends = float(scale.domain[1])
    ideal = (
        alt.Chart(_data([{"said": 0, "seen": 0}, {"said": ends, "seen": ends}]))
        .mark_line(color=_MUTED, strokeDash=[4, 4], strokeWidth=1)
        .encode(x=x, y=alt.Y("seen:Q", scale=scale, title="seen among the test rows"))
    )
    bars = alt.Chart(data).mark_rule(color=_ACCENT, opacity=0.6).encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q")
    dots = alt.Chart(data).mark_circle(color=_ACCENT, size=45, opacity=1).encode(x=x, y=alt.Y("seen:Q", scale=scale))
    return _drawn((ideal + bars + dots).properties(width=_WIDTH, height=_HEIGHT), "calibration")


def scatter_chart(curves: Curves, target: str) -> str:
    """Truth against prediction of some test rows."""
    import altair as alt

    pairs = curves.scatter
    low = min(min(a, b) for a, b in pairs)
    high = max(max(a, b) for a, b in pairs)
    scale = alt.Scale(domain=[low, high], nice=True)
    x, y = alt.X("predicted:Q", scale=scale, title="predicted"), alt.Y("true:Q", scale=scale, title=f"true {target}")
    dots = alt.Chart(_points(pairs, "predicted", "true")).mark_circle(color=_ACCENT, size=22, opacity=0.5)
    ideal = alt.Chart(_points([(low, low), (high, high)], "predicted", "true"))
    line = ideal.mark_line(color=_MUTED, strokeDash=[4, 4], strokeWidth=1).encode(x=x, y=y)
    return _drawn((dots.encode(x=x, y=y) + line).properties(width=_WIDTH, height=_HEIGHT), "scatter")


def importance_chart(importances: Sequence[Importance], *, most: int = 12) -> str:
    """The columns that the model cannot do without."""
    import altair as alt

    shown = [one for one in importances if one.loss_increase > 0][:most]
    values = [
        {
            "column": one.column if len(one.column) <= 28 else f"{one.column[:27]}…",
            "worse": one.loss_increase,
            "low": max(one.loss_increase - 2 * one.standard_error, 0.0),
            "high": one.loss_increase + 2 * one.standard_error,
        }
        for one in shown
    ]
    data = _data(values)
    order = [str(value["column"]) for value in values]
    y = alt.Y("column:N", sort=order, title=None, axis=alt.Axis(labelLimit=190))
    x = alt.X("worse:Q", title="loss added when the column is shuffled", axis=alt.Axis(tickCount=4))
    bars = alt.Chart(data).mark_bar(color=_ACCENT, height=12).encode(x=x, y=y)
    whiskers = alt.Chart(data).mark_rule(color=_INK, opacity=0.5).encode(x="low:Q", x2="high:Q", y=y)
    return _drawn((bars + whiskers).properties(width=_WIDTH + 60, height=max(22 * len(values), 40)), "importance")


def groups_chart(values: Sequence[dict[str, Any]], *, name: str) -> str:
    """The rates of groups side by side, each with its interval."""
    import altair as alt

    rates = list(dict.fromkeys(str(value["rate"]) for value in values))
    order = list(dict.fromkeys(str(value["group"]) for value in values))
    panels = []
    for place, rate in enumerate(rates):
        data = _data([value for value in values if value["rate"] == rate])
        axis = alt.Axis(labelLimit=150) if place == 0 else None
        y = alt.Y("group:N", sort=order, title=None, axis=axis)
        scale = alt.Scale(domain=[0, 1])
        dots = alt.Chart(data).mark_circle(color=_ACCENT, size=60, opacity=1)
        bars = alt.Chart(data).mark_rule(color=_ACCENT, strokeWidth=3, opacity=0.4)
        x = alt.X("value:Q", title=rate, scale=scale, axis=alt.Axis(tickCount=4))
        both = bars.encode(x=alt.X("low:Q", scale=scale, title=rate), x2="high:Q", y=y) + dots.encode(x=x, y=y)
        panels.append(both.properties(width=170, height=max(26 * len(order), 40)))
    return _drawn(alt.hconcat(*panels), name)


def trade_off_chart(
    points: Sequence[dict[str, Any]], *, asked: dict[str, Any], usual: float, ratio: bool, unit: str, name: str
) -> str:
    """What a row is worth at each fairness limit, with the one that was asked and one limit for everybody."""
    import altair as alt

    x = alt.X("limit:Q", title="smallest ratio that is allowed" if ratio else "largest gap that is allowed")
    y = alt.Y("value:Q", title=unit, scale=alt.Scale(zero=False, nice=True))
    line = alt.Chart(_data(points)).mark_line(color=_ACCENT, strokeWidth=2, point={"color": _ACCENT, "size": 20})
    base = alt.Chart(_data([{"value": usual}])).mark_rule(color=_MUTED, strokeDash=[4, 4], strokeWidth=1).encode(y=y)
    dot = alt.Chart(_data([asked])).mark_circle(color=_SECOND, size=90, opacity=1).encode(x=x, y=y)
    return _drawn((base + line.encode(x=x, y=y) + dot).properties(width=_WIDTH, height=_HEIGHT), name)


def score_chart(values: Sequence[dict[str, Any]], title: str, *, name: str = "scores") -> str:
    """Model and baselines on one scale, with the interval where there is one."""
    import altair as alt

    data = _data(values)
    order = [str(value["who"]) for value in values]
    y = alt.Y("who:N", sort=order, title=None, axis=alt.Axis(labelLimit=160))
    x = alt.X("score:Q", title=title, scale=alt.Scale(zero=False, padding=18), axis=alt.Axis(tickCount=5))
    dots = (
        alt.Chart(data)
        .mark_circle(size=90, opacity=1)
        .encode(x=x, y=y, color=alt.condition("datum.model", alt.value(_ACCENT), alt.value(_MUTED)))
    )
    bars = alt.Chart(data).mark_rule(color=_ACCENT, strokeWidth=3, opacity=0.5)
    ranges = bars.transform_filter("isValid(datum.low)").encode(x="low:Q", x2="high:Q", y=y)
    return _drawn((ranges + dots).properties(width=_WIDTH, height=32 * len(order)), name)
