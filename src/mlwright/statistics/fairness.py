"""How differently groups are treated: rates by group, and the widest gap between groups with what is sure about it.

The gap between groups in a sample is too wide on average: of groups that are treated alike, one is ahead by luck. Resampling
repeats that luck, so its interval lies too high. The intervals here come from pairs of groups. The upper end of a difference
is the largest upper end of all pairs: the pair that is truly widest is among them, so no correction for the number of pairs is
needed. The lower end is the largest lower end, where luck would choose the pair, so it is corrected for the number of pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlwright.core import Interval
from mlwright.statistics.scored import FloatArray, IntArray

RateName = Literal["selection_rate", "true_positive_rate", "false_positive_rate"]

#: What is compared between groups: of all rows, of the positive ones, of the others the share that is acted on.
RATES: tuple[RateName, ...] = ("selection_rate", "true_positive_rate", "false_positive_rate")
#: The rates that each kind of fairness compares.
FAIRNESS_RATES: Mapping[str, tuple[RateName, ...]] = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}
#: Every measure of fairness, in words that a sentence can go on with.
FAIRNESS_TITLES: Mapping[str, str] = {
    "demographic_parity_difference": "difference of the shares acted on",
    "equal_opportunity_difference": "difference of the shares found among the positives",
    "equalized_odds_difference": "larger difference of the shares found and of false alarms",
    "demographic_parity_ratio": "ratio of the shares acted on",
    "equal_opportunity_ratio": "ratio of the shares found among the positives",
    "equalized_odds_ratio": "smaller ratio of the shares found and of false alarms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRates:
    """The rates of groups; each array of shape (n_groups,).

    Attributes
    ----------
    n, positives
        Rows, and rows of the positive class.
    rates
        NaN where a group has no such rows.
    sizes
        How many independent rows each rate is worth: fewer than there are where rows have weights or come in clusters.
    """

    n: IntArray
    positives: IntArray
    rates: Mapping[RateName, FloatArray]
    sizes: Mapping[RateName, FloatArray]

    def take(self, groups: NDArray[np.bool_] | IntArray) -> GroupRates:
        """Some of the groups (numbers or a mask)."""
        return GroupRates(
            n=self.n[groups],
            positives=self.positives[groups],
            rates={name: values[groups] for name, values in self.rates.items()},
            sizes={name: values[groups] for name, values in self.sizes.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How differently groups are treated by one measure.

    Attributes
    ----------
    value
        In [0, 1]: a difference is 0 and a ratio 1 where groups are treated alike. NaN if fewer than two groups have the rate.
    interval
        Two-sided; each end alone holds with half of the risk, the lower end of a gap that is exactly none with all of it.
    """

    metric: str
    value: float
    interval: Interval | None


def group_rates(
    group: IntArray,
    target: FloatArray,
    decision: IntArray,
    *,
    n_groups: int,
    weight: FloatArray | None = None,
    cluster: IntArray | None = None,
) -> GroupRates:
    """Selection, true positive and false positive rate of each group.

    Parameters
    ----------
    group : shape (n_rows,)
        Numbers of groups from 0; rows with -1 belong to none.
    target, decision : shape (n_rows,)
        0 or 1.
    weight : shape (n_rows,), optional
    cluster : shape (n_rows,), optional
        Rows of a cluster are not independent of each other.
    """
    inside = group >= 0
    of_rate = {"selection_rate": inside, "true_positive_rate": inside & (target == 1)}
    of_rate["false_positive_rate"] = inside & (target != 1)
    rates: dict[RateName, FloatArray] = {}
    sizes: dict[RateName, FloatArray] = {}
    for name in RATES:
        rows = of_rate[name]
        rates[name], sizes[name] = _shares(
            group[rows],
            decision[rows].astype(np.float64),
            n_groups,
            None if weight is None else weight[rows],
            None if cluster is None else cluster[rows],
        )
    count = np.bincount(group[inside], minlength=n_groups).astype(np.int64)
    positives = np.bincount(group[of_rate["true_positive_rate"]], minlength=n_groups).astype(np.int64)
    return GroupRates(n=count, positives=positives, rates=rates, sizes=sizes)


def _shares(
    group: IntArray, acted: FloatArray, n_groups: int, weight: FloatArray | None, cluster: IntArray | None
) -> tuple[FloatArray, FloatArray]:
    """The share acted on in each group, and how many independent rows it is worth.

    References
    ----------
    Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive counts estimated from
    survey data, Survey Methodology: the size that has the variance of the weighted, clustered share.
    """
    rows = np.bincount(group, minlength=n_groups).astype(np.float64)
    w = np.ones(len(acted)) if weight is None else weight
    total = np.bincount(group, weights=w, minlength=n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip(np.bincount(group, weights=w * acted, minlength=n_groups) / total, 0.0, 1.0)
        if weight is None and cluster is None:
            return share, rows
        unit = np.arange(len(acted)) if cluster is None else np.unique(cluster, return_inverse=True)[1]
        cells, of_row = np.unique(group * (int(unit.max(initial=0)) + 1) + unit, return_inverse=True)
        owner = cells // (int(unit.max(initial=0)) + 1)
        units = np.bincount(owner, minlength=n_groups)
        moved = np.bincount(of_row, weights=w * (acted - share[group]))
        variance = (
            np.bincount(owner, weights=moved**2, minlength=n_groups) / total**2 * units / np.maximum(units - 1, 1)
        )
        held = np.bincount(of_row, weights=w)
        by_weight = total**2 / np.bincount(owner, weights=held**2, minlength=n_groups)
        size = np.where(variance > 0, share * (1 - share) / variance, by_weight)
    return share, np.where(total > 0, np.minimum(size, rows), 0.0)


def fairness_gap(metric: str, groups: GroupRates, *, confidence: float = 0.95) -> Gap:
    """The widest gap between any two groups: the largest difference, or the smallest ratio.

    Of equalised odds, the wider one of both rates. The ratio of groups of which none has anybody acted on is 1. A group without
    rows of a rate has no say in the value; since its rate could be anything, the interval says that.

    Parameters
    ----------
    metric
        One of `FAIRNESS_TITLES`.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in Medicine;
    Zou and Donner (2008), Construction of confidence limits about effect measures, ibid.: both ends from Wilson's intervals.
    Berger (1982), Multiparameter hypothesis testing and acceptance sampling, Technometrics: why all pairs may be asked at full
    confidence whether none is too wide.
    """
    kind, _, how = metric.rpartition("_")
    names = FAIRNESS_RATES[kind]
    ratio = how == "ratio"
    count = len(groups.n)
    known = [name for name in names if np.isfinite(groups.rates[name]).sum() >= 2]
    if not known:
        return Gap(metric=metric, value=float("nan"), interval=None)
    values = [_widest(groups.rates[name], ratio=ratio) for name in known]
    pairs = count * (count - 1) / 2 * len(names)
    sure, luck = (1 - confidence) / 2, (1 - confidence) / 2 / pairs
    # The end that says "not wider than" needs no correction; the end that says "at least as wide as" does.
    outer = [_ends(groups, name, sure, ratio=ratio) for name in names]
    inner = [_ends(groups, name, luck, ratio=ratio) for name in names]
    if ratio:
        value = min(values)
        low, high = min(float(low.min()) for low, _ in outer), min(float(high.min()) for _, high in inner)
    else:
        value = max(values)
        low, high = max(float(low.max()) for low, _ in inner), max(float(high.max()) for _, high in outer)
    interval = Interval(low=min(max(low, 0.0), value), high=max(min(high, 1.0), value), confidence=confidence)
    return Gap(metric=metric, value=value, interval=interval)


def widest_pair(metric: str, groups: GroupRates) -> tuple[int, int] | None:
    """The numbers of the groups with the lowest and the highest rate behind a gap; None if fewer than two have it."""
    kind, _, how = metric.rpartition("_")
    known = [groups.rates[name] for name in FAIRNESS_RATES[kind] if np.isfinite(groups.rates[name]).sum() >= 2]
    if not known:
        return None
    ratio = how == "ratio"
    best = min(known, key=lambda rate: (1 if ratio else -1) * _widest(rate, ratio=ratio))
    return int(np.nanargmin(best)), int(np.nanargmax(best))


def rate_intervals(groups: GroupRates, name: RateName, *, confidence: float = 0.95) -> list[Interval]:
    """Wilson's interval of one rate of each group; 0 to 1 for a group that has no such rows."""
    low, high = _wilson(groups, name, (1 - confidence) / 2)[1:]
    return [Interval(low=float(a), high=float(b), confidence=confidence) for a, b in zip(low, high, strict=True)]


def _widest(rate: FloatArray, *, ratio: bool) -> float:
    least, most = float(np.nanmin(rate)), float(np.nanmax(rate))
    if not ratio:
        return most - least
    return least / most if most > 0 else 1.0


def _ends(groups: GroupRates, name: RateName, risk: float, *, ratio: bool) -> tuple[FloatArray, FloatArray]:
    """One-sided lower and upper ends of the difference (or ratio) of each ordered pair of groups."""
    p, low, high = _wilson(groups, name, risk)
    first, second = np.nonzero(~np.eye(len(p), dtype=bool))
    if not ratio:
        d = p[first] - p[second]
        below = np.hypot(p[first] - low[first], high[second] - p[second])
        above = np.hypot(high[first] - p[first], p[second] - low[second])
        return d - below, d + above
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p, log_low, log_high = np.log(p), np.log(low), np.log(high)
        r = log_p[first] - log_p[second]
        below = np.hypot(log_p[first] - log_low[first], log_high[second] - log_p[second])
        above = np.hypot(log_high[first] - log_p[first], log_p[second] - log_low[second])
        # Of a rate of 0 there is no logarithm: the worst that both intervals allow.
        plain = (p[first] > 0) & (p[second] > 0)
        lower = np.where(plain, np.exp(r - below), low[first] / high[second])
        upper = np.where(plain, np.exp(r + above), np.where(low[second] > 0, high[first] / low[second], np.inf))
    return lower, upper


def _wilson(groups: GroupRates, name: RateName, risk: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Each rate with its one-sided ends; a group without rows has a half, from 0 to 1."""
    from scipy.special import ndtri

    p, n = groups.rates[name], groups.sizes[name]
    unknown = ~np.isfinite(p) | (n <= 0)
    p, n = np.where(unknown, 0.5, p), np.where(unknown, 1.0, n)
    z = float(-ndtri(risk))
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = np.minimum(np.maximum(middle - half, 0.0), p), np.maximum(np.minimum(middle + half, 1.0), p)
    # Rounding would leave 0 of n a little above 0.
    low = np.where(p == 0, 0.0, low)
    return p, np.where(unknown, 0.0, low), np.where(unknown, 1.0, high)
