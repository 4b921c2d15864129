"""Pictures of a model that answers: what it cost day by day, columns before and after, the evidence of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlwright.reports.charts import _ACCENT, _INK, _MUTED, _SECOND, _data, _drawn

_WIDE, _HEIGHT = 920, 240


def timeline_chart(
    windows: Sequence[dict[str, Any]],
    *,
    title: str,
    reference: float | None,
    events: Sequence[dict[str, Any]],
    name: str = "timeline",
) -> str:
    """What a row lost, or earned, window by window: expected by the scores, and realised where labels are there.

    Parameters
    ----------
    windows
        `start` (ISO), `expected`, `expected_low`, `expected_high`, `realised`, `realised_low`, `realised_high`, which may be
        missing.
    events
        `at` (ISO) and `what`: a line each.
    """
    import altair as alt

    data = _data(windows)
    x = alt.X("start:T", title=None, axis=alt.Axis(format="%d %b", tickCount=8))
    scale = alt.Scale(zero=False, nice=True)

    def y(field: str) -> Any:
        return alt.Y(f"{field}:Q", scale=scale, title=title)

    there = alt.Chart(data)
    expected = there.transform_filter("isValid(datum.expected)")
    band = expected.mark_area(color=_ACCENT, opacity=0.15).encode(x=x, y=y("expected_low"), y2="expected_high:Q")
    line = expected.mark_line(color=_ACCENT, strokeWidth=2).encode(x=x, y=y("expected"))
    realised = there.transform_filter("isValid(datum.realised)")
    bars = realised.mark_rule(color=_SECOND, opacity=0.5).encode(x=x, y=y("realised_low"), y2="realised_high:Q")
    dots = realised.mark_circle(color=_SECOND, size=40, opacity=1).encode(x=x, y=y("realised"))
    layers: Any = band + line + bars + dots
    if reference is not None:
        base = alt.Chart(_data([{"value": reference}]))
        layers += base.mark_rule(color=_MUTED, strokeDash=[4, 4]).encode(y=y("value"))
    if events:
        marks = alt.Chart(_data(events))
        layers += marks.mark_rule(color=_INK, strokeDash=[2, 3], opacity=0.7).encode(x=alt.X("at:T"))
        told = marks.mark_text(color=_INK, align="left", dx=5, dy=8, fontSize=11)
        layers += told.encode(x=alt.X("at:T"), text="what:N", y=alt.value(0))
    return _drawn(layers.properties(width=_WIDE, height=_HEIGHT), name)


def quantiles_chart(values: Sequence[dict[str, Any]], *, title: str, name: str) -> str:
    """A column of numbers before and after: where nine in ten, half and the middle of the rows lie.

    Parameters
    ----------
    values
        For `before` and `after` in `when`: `low`, `lower`, `middle`, `upper`, `high`.
    """
    import altair as alt

    data = _data(values)
    scale = alt.Scale(zero=False, nice=True)
    y = alt.Y("when:N", sort=["before", "after"], title=None)
    colour = alt.condition("datum.when == 'after'", alt.value(_SECOND), alt.value(_ACCENT))
    base = alt.Chart(data)
    x = alt.X("low:Q", scale=scale, title=title, axis=alt.Axis(tickCount=5, labelOverlap=True))
    outer = base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q", y=y, color=colour)
    inner = base.mark_rule(strokeWidth=10, opacity=0.6).encode(
        x=alt.X("lower:Q", scale=scale), x2="upper:Q", y=y, color=colour
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X("middle:Q", scale=scale), y=y, color=colour)
    return _drawn((outer + inner + dots).properties(width=330, height=70), name)


def shares_chart(values: Sequence[dict[str, Any]], *, title: str, name: str) -> str:
    """A column of levels before and after: the share of rows of each level.

    Parameters
    ----------
    values
        `level`, `when` (`before` or `after`) and `share`.
    """
    import altair as alt

    levels = list(dict.fromkeys(str(value["level"]) for value in values))
    y = alt.Y("level:N", sort=levels, title=None, axis=alt.Axis(labelLimit=150))
    x = alt.X("share:Q", title=f"rows by {title}", axis=alt.Axis(format=".0%", tickCount=4))
    bars = alt.Chart(_data(values)).mark_bar(height={"band": 0.9})
    drawn = bars.encode(
        x=x,
        y=y,
        yOffset=alt.YOffset("when:N", sort=["before", "after"]),
        color=alt.Color(
            "when:N",
            sort=["before", "after"],
            scale=alt.Scale(domain=["before", "after"], range=[_ACCENT, _SECOND]),
            legend=None,
        ),
    )
    return _drawn(drawn.properties(width=300, height=max(26 * len(levels), 50)), name)


def evidence_chart(points: Sequence[dict[str, Any]], *, needed: float, name: str) -> str:
    """How the evidence has grown with the rows, and what is needed.

    Parameters
    ----------
    points
        `rows` and `e_value`.
    """
    import altair as alt

    ceiling = max(needed * 10, 1.0)
    shown = [{"rows": one["rows"], "evidence": min(max(one["e_value"], 0.01), 1e6)} for one in points]
    top = max([ceiling, *(one["evidence"] for one in shown)])
    scale = alt.Scale(type="log", domain=[min([0.5, *(one["evidence"] for one in shown)]), top])
    y = alt.Y("evidence:Q", scale=scale, title="evidence (E value)", axis=alt.Axis(tickCount=4, format="~s"))
    x = alt.X(
        "rows:Q",
        title="labelled rows that both answered",
        scale=alt.Scale(domainMin=0),
        axis=alt.Axis(tickCount=4, labelOverlap=True),
    )
    line = alt.Chart(_data(shown)).mark_line(
        color=_ACCENT, strokeWidth=2, point={"color": _ACCENT, "size": 30}, interpolate="linear"
    )
    rule = alt.Chart(_data([{"evidence": needed}])).mark_rule(color=_SECOND, strokeDash=[4, 4], strokeWidth=1.5)
    return _drawn((line.encode(x=x, y=y) + rule.encode(y=y)).properties(width=420, height=200), name)
