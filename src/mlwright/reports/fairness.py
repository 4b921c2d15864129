"""The section on fairness: how groups are treated, and what keeping a limit costs, in tables, charts and plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlwright.evaluation import AttributeFairness, FairnessFound, GroupLimitsPrice
from mlwright.models import LEAST_ROWS, TradeOff
from mlwright.reports import charts
from mlwright.reports.words import listed, number
from mlwright.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeView:
    """What the page shows of one attribute."""

    found: AttributeFairness
    chart: str
    notes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOffView:
    """What the page shows of the cost of one limit."""

    found: TradeOff
    chart: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessView:
    """The whole section."""

    attributes: Sequence[AttributeView]
    trade_offs: Sequence[TradeOffView]
    price: GroupLimitsPrice | None
    price_words: Sequence[str]


def fairness_view(run: Run) -> FairnessView | None:
    """The section; None where the spec names no groups, or the task has no two classes."""
    evaluation = run.evaluation
    if evaluation is None or evaluation.fairness is None:
        return None
    found = evaluation.fairness
    return FairnessView(
        attributes=[_attribute_view(one, place) for place, one in enumerate(found.attributes)],
        trade_offs=[_trade_off_view(one, found) for one in run.trade_offs()],
        price=found.price,
        price_words=[] if found.price is None else _price_words(found.price, found),
    )


def _attribute_view(one: AttributeFairness, place: int) -> AttributeView:
    groups = [
        {
            "group": group.group,
            "rate": title,
            "value": value,
            "low": interval.low,
            "high": interval.high,
        }
        for group in one.judged
        for title, value, interval in (
            ("acted on", group.selection_rate, group.selection_interval),
            ("found among the positives", group.true_positive_rate, group.true_positive_interval),
            ("false alarms among the others", group.false_positive_rate, group.false_positive_interval),
        )
        if value is not None
    ]
    return AttributeView(
        found=one,
        chart=charts.groups_chart(groups, name=f"groups-{place}") if len(one.judged) >= 2 else "",
        notes=_notes(one),
    )


def _notes(one: AttributeFairness) -> list[str]:
    """What the tables do not say."""
    notes = []
    if len(one.judged) < 2:
        notes.append(f"Fewer than two groups have {LEAST_ROWS} test rows: nothing can be said about gaps between them.")
    elif one.left_out:
        notes.append(
            f"Not compared, since they have fewer than {LEAST_ROWS} test rows: {listed(one.left_out)}. "
            "A gap between few rows is mostly luck."
        )
    if one.unknown:
        notes.append(f"In {number(one.unknown)} test rows the group is not known; they are in no group.")
    return notes


def _trade_off_view(one: TradeOff, found: FairnessFound) -> TradeOffView:
    points = [{"limit": point.limit, "value": point.value} for point in one.points]
    at_asked = one.at_asked()
    asked = "at least" if one.metric.endswith("ratio") else "at most"
    done = found.price is not None and found.price.attribute == one.attribute
    cost = one.usual.value - at_asked.value
    unit = "of the decisions" if one.unit == "accuracy" else f"{one.unit} a row"
    lost = f"{100 * cost:.1f} %" if one.unit == "accuracy" else number(cost)
    if one.usual.gaps[one.metric] == at_asked.gaps[one.metric]:
        sentence = f"{one.id} ({asked} {one.asked:g}) already holds with one limit for everybody: it costs nothing."
    elif cost <= 0:
        sentence = (
            f"{one.id} ({asked} {one.asked:g}) kept by limits by group {'costs' if done else 'would cost'} nothing."
        )
    else:
        verb = "costs" if done else "would cost"
        sentence = f"{one.id} ({asked} {one.asked:g}) kept by limits by group {verb} about {lost} {unit}."
    return TradeOffView(
        found=one,
        chart=charts.trade_off_chart(
            points,
            asked={"limit": one.asked, "value": at_asked.value},
            usual=one.usual.value,
            ratio=one.metric.endswith("ratio"),
            unit="share of right decisions" if one.unit == "accuracy" else f"{one.unit} a row",
            name=f"trade-off-{one.id}",
        ),
        sentence=sentence,
    )


def _price_words(price: GroupLimitsPrice, found: FairnessFound) -> list[str]:
    after = {gap.metric: gap.value for gap in found.of(price.attribute).gaps}
    worse = [
        f"the {gap.title} from {number(gap.value)} to {number(after[gap.metric])}"
        for gap in price.before
        if _is_worse(gap.metric, gap.value, after.get(gap.metric))
    ]
    lines = [
        f"Groups of {price.attribute} have limits of their own, as the spec asks.",
        "What is decided for a row then depends on its group: that is unlawful in places, and a person answers for it.",
        f"{number(price.changed)} of the {number(price.n)} test rows are decided otherwise than with one limit for everybody.",
        _cost_in_words(price),
    ]
    if worse:
        lines.append(f"Another gap became wider: {listed(worse)}.")
    return lines


def _cost_in_words(price: GroupLimitsPrice) -> str:
    if not price.gain:
        return "On the test rows that costs nothing."
    sure = price.gain_interval is not None and 0 not in price.gain_interval
    chance = "" if sure else " (which could be chance)"
    if price.unit == "accuracy":
        how = "fewer" if price.gain < 0 else "more"
        return f"Of 1,000 decisions, {number(1000 * abs(price.gain), digits=2)} {how} are right{chance}."
    return f"That {'costs' if price.gain < 0 else 'brings'} {number(abs(price.gain))} {price.unit} a row{chance}."


def _is_worse(metric: str, before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return False
    return after < before - 1e-9 if metric.endswith("ratio") else after > before + 1e-9
