"""The groups of one attribute on the test rows: how each is treated, and how far they are apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mlwright.core import Evidence, Interval, bounded, finite
from mlwright.data import Split
from mlwright.models import LEAST_ROWS, grouping_of, groups_of
from mlwright.statistics import (
    FAIRNESS_TITLES,
    RATES,
    GroupRates,
    Scored,
    fairness_gap,
    group_rates,
    rate_intervals,
    widest_pair,
)

CONFIDENCE = 0.95
#: Groups of fewer rows are counted, and only so many of them are shown one by one.
_MOST_SMALL = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTreatment:
    """How one group is treated: shares acted on of all its rows, of its positive ones and of the others, with intervals."""

    group: str
    n: int
    positives: int
    selection_rate: float | None
    selection_interval: Interval
    true_positive_rate: float | None
    true_positive_interval: Interval
    false_positive_rate: float | None
    false_positive_interval: Interval

    @property
    def is_large(self) -> bool:
        """Whether constraints are judged on it."""
        return self.n >= LEAST_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessGap:
    """One measure of how far groups are apart; `least` and `most` are the groups with the lowest and the highest rate."""

    metric: str
    value: float | None
    interval: Interval | None
    least: str | None
    most: str | None

    @property
    def title(self) -> str:
        """In words."""
        return FAIRNESS_TITLES[self.metric]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFairness:
    """The groups of one attribute and every gap between those that are large enough.

    Attributes
    ----------
    left_out
        Groups that are too small to be judged.
    unknown
        Test rows of which the group is not known.
    not_shown
        How many of the small groups are not among `groups`.
    """

    attribute: str
    groups: tuple[GroupTreatment, ...]
    gaps: tuple[FairnessGap, ...]
    left_out: tuple[str, ...]
    unknown: int
    not_shown: int
    n: int

    @property
    def judged(self) -> list[GroupTreatment]:
        """The groups that are large enough."""
        return [group for group in self.groups if group.is_large]

    def evidence(self) -> Iterator[Evidence]:
        """Every gap, and every rate of the groups that are shown."""
        for gap in self.gaps:
            yield Evidence(
                id=f"fairness.{self.attribute}.{gap.metric}",
                value=gap.value,
                interval=gap.interval,
                method=f"{gap.title}, between groups with at least {LEAST_ROWS} rows; intervals of pairs of groups",
                rows="test rows",
                n=sum(group.n for group in self.judged),
            )
        for number, group in enumerate(self.groups):
            rates = {
                "selection_rate": (group.selection_rate, group.selection_interval, group.n, "share acted on"),
                "true_positive_rate": (
                    group.true_positive_rate,
                    group.true_positive_interval,
                    group.positives,
                    "share of the positives acted on",
                ),
                "false_positive_rate": (
                    group.false_positive_rate,
                    group.false_positive_interval,
                    group.n - group.positives,
                    "share of the others acted on",
                ),
            }
            for name, (value, interval, n, method) in rates.items():
                yield Evidence(
                    id=f"fairness.{self.attribute}.{number}.{name}",
                    value=value,
                    interval=interval,
                    method=f"{method}; Wilson interval",
                    rows=f"test rows where {self.attribute} is {group.group}",
                    n=n,
                )

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> AttributeFairness:
        """What had this state."""
        groups = tuple(GroupTreatment(**with_intervals(group)) for group in state["groups"])
        left_out = tuple(state["left_out"])
        return cls(**{**state, "groups": groups, "gaps": gaps_of_state(state["gaps"]), "left_out": left_out})

    def gap(self, metric: str) -> FairnessGap | None:
        """One of the gaps; None if there are no two groups to compare."""
        return next((gap for gap in self.gaps if gap.metric == metric), None)


class ComparedGroups(NamedTuple):
    """The rates of all groups of an attribute, and the numbers of the large and the small ones."""

    names: list[str]
    rates: GroupRates
    large: list[int]
    small: list[int]
    unknown: int

    def of_large(self) -> GroupRates:
        """The rates of the groups that are judged, in the order of `large`."""
        return self.rates.take(np.array(self.large, dtype=np.int64))

    def left_out(self) -> list[str]:
        """The groups that are not judged."""
        more = len(self.small) - _MOST_SMALL
        return [*(self.names[n] for n in self.small[:_MOST_SMALL]), *([f"{more} more"] if more > 0 else [])]


def compared(attribute: str, split: Split, scored: Scored) -> ComparedGroups:
    """The rates of the groups of an attribute on the test rows; numbers are cut where they are among the training rows."""
    grouping = grouping_of(split.train, attribute)
    group, names = groups_of(split.test, grouping)
    rates = group_rates(
        group, scored.target, scored.decided(), n_groups=len(names), weight=scored.weight, cluster=scored.group
    )
    # Levels by their rows, numbers as they follow each other.
    by_size = np.arange(len(names)) if grouping.edges else np.argsort(-rates.n, kind="stable")
    order = [int(number) for number in by_size if rates.n[number] > 0]
    return ComparedGroups(
        names=names,
        rates=rates,
        large=[number for number in order if rates.n[number] >= LEAST_ROWS],
        small=[number for number in order if rates.n[number] < LEAST_ROWS],
        unknown=int((group < 0).sum()),
    )


def attribute_fairness(attribute: str, split: Split, scored: Scored) -> AttributeFairness:
    """What is shown of one attribute."""
    found = compared(attribute, split, scored)
    return AttributeFairness(
        attribute=attribute,
        groups=tuple(_treatments(found)),
        gaps=tuple(_gaps(found)),
        left_out=tuple(found.left_out()),
        unknown=found.unknown,
        not_shown=max(len(found.small) - _MOST_SMALL, 0),
        n=len(split.test),
    )


def _treatments(found: ComparedGroups) -> Iterator[GroupTreatment]:
    shown = [*found.large, *found.small[:_MOST_SMALL]]
    rates = found.rates.take(np.array(shown, dtype=np.int64))
    of_each = {name: rate_intervals(rates, name, confidence=CONFIDENCE) for name in RATES}
    for place, number in enumerate(shown):
        yield GroupTreatment(
            group=found.names[number],
            n=int(rates.n[place]),
            positives=int(rates.positives[place]),
            selection_rate=finite(rates.rates["selection_rate"][place]),
            selection_interval=of_each["selection_rate"][place],
            true_positive_rate=finite(rates.rates["true_positive_rate"][place]),
            true_positive_interval=of_each["true_positive_rate"][place],
            false_positive_rate=finite(rates.rates["false_positive_rate"][place]),
            false_positive_interval=of_each["false_positive_rate"][place],
        )


def _gaps(found: ComparedGroups) -> Iterator[FairnessGap]:
    """Every gap, if there are two groups that are large enough."""
    if len(found.large) < 2:
        return
    rates = found.of_large()
    for metric in FAIRNESS_TITLES:
        gap = fairness_gap(metric, rates, confidence=CONFIDENCE)
        pair = widest_pair(metric, rates)
        least, most = (None, None) if pair is None else (found.names[found.large[place]] for place in pair)
        yield FairnessGap(
            metric=metric, value=finite(gap.value), interval=bounded(gap.interval), least=least, most=most
        )


def with_intervals(entry: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record with its intervals made again."""
    return {
        name: Interval(**value) if name.endswith("interval") and value is not None else value
        for name, value in entry.items()
    }


def gaps_of_state(entries: list[dict[str, Any]]) -> tuple[FairnessGap, ...]:
    """The gaps that had these states."""
    return tuple(FairnessGap(**with_intervals(entry)) for entry in entries)
