"""Limits by group: how a fairness limit is kept by acting from other margins in other groups, and what that costs.

Nothing here is done unless the spec asks for it (`adjust: group_thresholds`); what it would cost can be shown all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models.decision import DecisionRule, GroupLimits, outcome_worth
from mlwright.models.groups import grouping_of, groups_of
from mlwright.statistics import (
    FAIRNESS_RATES,
    GroupRates,
    Scored,
    Worth,
    fairness_gap,
    group_rates,
)

if TYPE_CHECKING:
    from mlwright.spec import Fairness, Spec  # brings pydantic, which a process that answers does without

#: Of a smaller group nothing is promised: it keeps the usual limit, and no constraint is judged on it.
LEAST_ROWS = 100
#: Levels of a rate that are tried, where one rate is limited, and where two are.
_LEVELS = {1: 501, 2: 121}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedRows:
    """Rows of two or more groups with what speaks for acting in each.

    Attributes
    ----------
    names
        Of the groups.
    group : shape (n_rows,)
        Numbers of groups, -1 where the group is not known.
    margin, limit
        Of a decision rule: a row is acted on where its margin is above the limit.
    capped
        Whether the limit is that of a capacity: then no more rows may be acted on than by it.
    worth
        What outcomes are worth; without it decisions are valued by whether they are right.
    """

    names: tuple[str, ...]
    group: IntArray
    target: FloatArray
    margin: FloatArray
    limit: float
    capped: bool = False
    weight: FloatArray | None = None
    worth: Worth | None = None

    @property
    def adjustable(self) -> list[int]:
        """The groups that are large enough to get a limit of their own."""
        counts = np.bincount(self.group[self.group >= 0], minlength=len(self.names))
        return [int(number) for number in np.flatnonzero(counts >= LEAST_ROWS)]

    def decide(self, limits: Mapping[int, float]) -> IntArray:
        """1 where a row is acted on with these limits by group, the usual one for other groups."""
        of_row = np.full(len(self.margin), self.limit)
        for number, limit in limits.items():
            of_row[self.group == number] = limit
        return (self.margin > of_row).astype(np.int64)

    def value(self, decision: IntArray) -> float:
        """The mean worth of a row, or the share of right decisions."""
        right = (decision == self.target).astype(np.float64)
        scored = Scored(target=self.target, prediction=self.margin, weight=self.weight)
        return scored.mean(right if self.worth is None else self.worth.earned(self.target, decision))

    def rates(self, decision: IntArray) -> GroupRates:
        """The rates of the groups that are large enough."""
        found = group_rates(self.group, self.target, decision, n_groups=len(self.names), weight=self.weight)
        large = np.zeros(len(self.names), dtype=bool)
        large[self.adjustable] = True
        return found.take(large)


def choose_group_limits(rows: GroupedRows, metric: str, bound: float) -> dict[int, float]:
    """Limits by group with which a gap is within a bound on these rows, and as little as can be is lost.

    One pass over the curve of each group: for each level of the lowest rate, every group moves from its usual limit no further
    than it must. As long as probabilities are calibrated, what is lost grows with the distance, so that is the best for this
    level; the best level is taken. Nothing is drawn at random and no decision is.

    Parameters
    ----------
    metric, bound
        One of `FAIRNESS_TITLES`, and the most that a difference, or the least that a ratio, may be.

    Returns
    -------
    dict
        By the number of the group; empty if fewer than two are large enough.

    References
    ----------
    Hardt, Price and Srebro (2016), Equality of opportunity in supervised learning, NeurIPS, without randomised decisions.
    """
    kind, _, how = metric.rpartition("_")
    curves = [_curve(rows, number, FAIRNESS_RATES[kind]) for number in rows.adjustable]
    if len(curves) < 2:
        return {}
    usual = {number: curve.limits[curve.usual] for number, curve in zip(rows.adjustable, curves, strict=True)}
    ways = [_windows(curves, axis, bound, ratio=how == "ratio") for axis in range(len(FAIRNESS_RATES[kind]))]
    lost: FloatArray = np.zeros(1)
    acted: FloatArray = np.zeros(1)
    chosen = []
    for position, curve in enumerate(curves):
        first, last = ways[0][position]
        if len(ways) == 2:
            first = np.maximum(first[:, None], ways[1][position][0][None, :]).ravel()
            last = np.minimum(last[:, None], ways[1][position][1][None, :]).ravel()
        cut = np.clip(curve.usual, first, np.maximum(first, last))
        chosen.append(cut)
        lost = lost + np.where(first <= last, curve.gain[curve.usual] - curve.gain[cut], np.inf)
        acted = acted + curve.acted[cut]
    if rows.capped:
        lost = np.where(acted <= sum(curve.acted[curve.usual] for curve in curves) * (1 + 1e-9), lost, np.inf)
    best = int(np.argmin(lost))
    if not np.isfinite(lost[best]):  # cannot be: acting on none keeps every limit
        return usual
    return {
        number: float(curve.limits[cut[best]])
        for number, curve, cut in zip(rows.adjustable, curves, chosen, strict=True)
    }


class _Curve(NamedTuple):
    """A group, cut after each of its margins from the highest on.

    `rates` has one array per limited rate, `gain` is what the cut is expected to earn over acting on none, `acted` the weight
    of the rows acted on, `limits` a limit that makes the cut, `usual` the number of the cut of the usual limit, `rows` how many
    rows there are.
    """

    rates: list[FloatArray]
    gain: FloatArray
    acted: FloatArray
    limits: FloatArray
    usual: int
    rows: int


def _curve(rows: GroupedRows, number: int, names: Sequence[str]) -> _Curve:
    inside = np.flatnonzero(rows.group == number)
    order = inside[np.argsort(-rows.margin[inside], kind="stable")]
    margin, positive = rows.margin[order], rows.target[order] == 1
    weight = np.ones(len(order)) if rows.weight is None else rows.weight[order]
    cuts = np.r_[0, np.flatnonzero(np.diff(margin) < 0) + 1, len(order)]

    def summed(values: FloatArray) -> FloatArray:
        sums: FloatArray = np.r_[0.0, np.cumsum(values)][cuts]
        return sums

    of_rate = {
        "selection_rate": weight,
        "true_positive_rate": weight * positive,
        "false_positive_rate": weight * ~positive,
    }
    sums = [summed(of_rate[name]) for name in names]
    rates = [values / values[-1] if values[-1] > 0 else np.zeros(len(cuts)) for values in sums]
    between = (margin[cuts[1:-1] - 1] + margin[cuts[1:-1]]) / 2
    limits = np.r_[margin[0], between, np.nextafter(margin[-1], -np.inf)]
    usual = int(np.searchsorted(cuts, int((margin > rows.limit).sum())))
    limits[usual] = rows.limit
    return _Curve(rates, summed(weight * (margin - rows.limit)), summed(weight), limits, usual, len(order))


def _windows(curves: Sequence[_Curve], axis: int, bound: float, *, ratio: bool) -> list[tuple[IntArray, IntArray]]:
    """For each curve the first and last cut whose rate is in the window above each level of the lowest rate."""
    levels = np.linspace(0.0, 1.0, _LEVELS[len(curves[0].rates)])
    usual = np.array([curve.rates[axis][curve.usual] for curve in curves])
    # Where a group needs not move at all, the loss has its corners.
    levels = np.unique(np.r_[levels, usual, np.clip(usual * bound if ratio else usual - bound, 0.0, 1.0)])
    top = levels / max(bound, 1e-12) if ratio else levels + bound
    # No finer than the rows are: of two groups, hardly two cuts have the very same rate.
    top = np.maximum(top, levels + max(1 / curve.rows for curve in curves))
    tolerance = 1e-12
    return [
        (
            np.searchsorted(curve.rates[axis], levels - tolerance, side="left"),
            np.searchsorted(curve.rates[axis], top + tolerance, side="right") - 1,
        )
        for curve in curves
    ]


def grouped_rows(probability: FloatArray, rule: DecisionRule, spec: Spec, rows: Dataset, attribute: str) -> GroupedRows:
    """Rows in the groups of an attribute, with the margins of a rule whose limits by group are left aside."""
    group, names = groups_of(rows, grouping_of(rows, attribute))
    alike = replace(rule, by_group=None)
    outcomes = outcome_worth(spec, rows)
    worth = None
    if outcomes is not None:
        worth = outcomes.of_rows(rows.expression_columns(outcomes.columns), rows=len(rows)).worth
    return GroupedRows(
        names=tuple(names),
        group=group,
        target=rows.y,
        margin=alike.margin(probability, rows.expression_columns(alike.columns)).of_rows,
        limit=alike.usual_limit,
        capped=alike.limit is not None,
        weight=rows.weight,
        worth=worth,
    )


def with_group_limits(rule: DecisionRule, probability: FloatArray, spec: Spec, rows: Dataset) -> DecisionRule:
    """The rule with limits by group, where the spec asks for them and the usual limit does not do.

    The bound is kept with a margin: so that the test rows, of which there are fewer, will probably prove it at the confidence
    that was asked, but at most half of the way to no gap at all.

    Parameters
    ----------
    probability : shape (n_rows,)
        Calibrated and out of fold.
    """
    asked = next((one for one in spec.constraints.fairness if one.adjust == "group_thresholds"), None)
    if asked is None or rows.task != "binary":
        return rule
    grouped = grouped_rows(probability, rule, spec, rows, asked.attribute)
    if len(grouped.adjustable) < 2:
        return rule
    aim = aimed_bound(asked, grouped, spec.split.test_share)
    usual = fairness_gap(asked.metric, grouped.rates(grouped.decide({}))).value
    if usual >= aim if asked.is_ratio else usual <= aim:
        return rule
    limits = choose_group_limits(grouped, asked.metric, aim)
    grouping = grouping_of(rows, asked.attribute)
    return replace(
        rule,
        by_group=GroupLimits(asked.attribute, {grouped.names[n]: limit for n, limit in limits.items()}, grouping.edges),
    )


def aimed_bound(fairness: Fairness, rows: GroupedRows, test_share: float) -> float:
    """The bound to keep on training rows for the test rows to prove the one that was asked.

    The gap on test rows differs from that on training rows by the errors of both, and the end of its interval lies as far
    again beyond it.
    """
    from scipy.special import ndtri

    z, tested = float(ndtri(fairness.confidence)), test_share / (1 - test_share)
    found = rows.rates(rows.decide({}))
    widest = 0.0
    for name in FAIRNESS_RATES[fairness.metric.rpartition("_")[0]]:
        p, n = found.rates[name], np.maximum(found.sizes[name], 1.0)
        middle = float(np.clip(np.nanmean(p), 0.01, 0.99)) if np.isfinite(p).any() else 0.5
        spread = (1 - middle) / middle if fairness.is_ratio else middle * (1 - middle)
        for a, b in combinations(range(len(p)), 2):
            of_train = spread * (1 / n[a] + 1 / n[b])
            widest = max(widest, z * float(np.sqrt(of_train / tested) + np.sqrt(of_train / tested + of_train)))
    if not fairness.is_ratio:
        return max(fairness.bound - widest, fairness.bound / 2)
    if fairness.bound == 0:
        return 0.0
    return float(np.exp(min(np.log(fairness.bound) + widest, np.log(fairness.bound) / 2)))
