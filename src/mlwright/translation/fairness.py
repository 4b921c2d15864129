"""What a fairness limit asks that these rows cannot show, and what it leaves of a value that is demanded as well."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlwright.checks.quick import quick_out_of_fold
from mlwright.core import named_rng
from mlwright.data import Dataset, Split
from mlwright.models import (
    LEAST_ROWS,
    TradeOff,
    decision_rule,
    fairness_trade_offs,
    fit_calibration,
    grouping_of,
    groups_of,
)
from mlwright.spec import Fairness, Spec
from mlwright.statistics import RATES, GroupRates, fairness_gap
from mlwright.translation.contradiction import Contradiction
from mlwright.translation.line import amount

#: The quick model looks at no more rows: it takes some seconds for these.
_MOST_ROWS = 20_000


def fairness_contradictions(spec: Spec, split: Split) -> Iterator[Contradiction]:
    """What is wrong with the fairness limits of a spec on these rows.

    Raises
    ------
    GroupsUnclear, ExpressionInvalid
        If the attribute of a limit names no groups.
    """
    limits = spec.constraints.fairness
    if limits and split.test.task != "binary":
        yield Contradiction(
            what=f"a fairness limit is about acting or not, and this is a {split.test.task} task",
            where=spec.where("constraints", "fairness"),
            fix="remove constraints.fairness, or ask a question with two answers",
            certain=True,
        )
        return
    for number, fairness in enumerate(limits):
        yield from _too_few_rows(spec, split, fairness, number)
    if any(_demanded(spec, unit) for unit in ("accuracy", spec.decision.currency)):
        for trade_off in quick_trade_offs(spec, split.train):
            yield from _against_value(spec, trade_off)


def quick_trade_offs(spec: Spec, train: Dataset) -> list[TradeOff]:
    """What the fairness limits cost a quick model, out of fold on at most 20,000 training rows: known before the search."""
    if not spec.constraints.fairness or train.task != "binary":
        return []
    if len(train) > _MOST_ROWS:
        train = train.take(np.sort(named_rng(spec.seed, "fairness").choice(len(train), _MOST_ROWS, replace=False)))
    said = quick_out_of_fold(train, seed=spec.seed).prediction
    calibration = fit_calibration(
        said, train.y, weight=train.weight, rng=named_rng(spec.seed, "fairness", "calibration")
    )
    return fairness_trade_offs(calibration.apply(said), decision_rule(spec, train), spec, train)


def _too_few_rows(spec: Spec, split: Split, fairness: Fairness, number: int) -> Iterator[Contradiction]:
    """Groups of the test rows that could not prove a limit even if they were treated exactly alike."""
    test = split.test
    group, names = groups_of(test, grouping_of(split.train, fairness.attribute))
    counts = np.bincount(group[group >= 0], minlength=len(names))
    large = counts >= LEAST_ROWS
    where = spec.where("constraints", "fairness", number)
    if large.sum() < 2:
        yield Contradiction(
            what=f"F{number + 1} compares groups of {fairness.attribute}, and {int(large.sum())} of them "
            f"{'has' if large.sum() == 1 else 'have'} {LEAST_ROWS} test rows or more: it will stay undecided",
            where=where,
            numbers={"groups": len(names), "large_groups": int(large.sum()), "test_rows": len(test)},
            fix="bring more rows of the smaller groups, raise split.test_share, or name larger groups with an expression",
            certain=False,
        )
        return
    gap = _proved_if_alike(fairness, test, group, large)
    if gap <= fairness.bound if not fairness.is_ratio else gap >= fairness.bound:
        return
    yield Contradiction(
        what=f"F{number + 1} asks for {'at least' if fairness.is_ratio else 'at most'} {fairness.bound:g}, and the test rows of "
        f"the groups of {fairness.attribute} prove only {gap:.3f} at {fairness.confidence:.0%} confidence even if all of them "
        "are treated alike: it will stay undecided",
        where=where,
        numbers={"bound": fairness.bound, "proved_if_alike": gap, "smallest_group": int(counts[large].min())},
        fix="bring more rows, raise split.test_share, name larger groups, or lower the confidence",
        certain=False,
    )


def _proved_if_alike(fairness: Fairness, test: Dataset, group: np.ndarray, large: np.ndarray) -> float:
    """The end of the interval where every group is acted on at the rate of the positive class."""
    positive = test.y == 1
    rate = float(np.clip(positive.mean(), 0.01, 0.99))
    of_rate = {"selection_rate": group >= 0, "true_positive_rate": positive, "false_positive_rate": ~positive}
    sizes = {
        name: np.bincount(group[of_rate[name] & (group >= 0)], minlength=len(large))[large].astype(np.float64)
        for name in RATES
    }
    alike = GroupRates(
        n=sizes["selection_rate"].astype(np.int64),
        positives=sizes["true_positive_rate"].astype(np.int64),
        rates={name: np.full(int(large.sum()), rate) for name in RATES},
        sizes=sizes,
    )
    interval = fairness_gap(fairness.metric, alike, confidence=2 * fairness.confidence - 1).interval
    assert interval is not None
    return interval.low if fairness.is_ratio else interval.high


def _demanded(spec: Spec, unit: str) -> list[tuple[str, float]]:
    """The requirements on the value of decisions on all rows: their ids and bounds, per row."""
    wanted = {"accuracy"} if unit == "accuracy" else {"value", "value_per_period"}
    volume = spec.decision.volume
    found = []
    for one in spec.requirements:
        if one.metric in wanted and one.min is not None and one.condition is None:
            per_row = one.min / volume.count if one.metric == "value_per_period" and volume is not None else one.min
            found.append((one.id, per_row))
    return found


def _against_value(spec: Spec, found: TradeOff) -> Iterator[Contradiction]:
    left = found.at_asked()
    number = int(found.id.removeprefix("F")) - 1
    for id_, wanted in _demanded(spec, found.unit):
        if left.value >= wanted or found.usual.value < wanted:
            continue  # both can be, or the demand is too high by itself
        curve = {f"value_at_{point.limit:g}": point.value for point in found.points}
        yield Contradiction(
            what=f"{id_} asks for {amount(wanted)} {'right decisions' if found.unit == 'accuracy' else found.unit} a row, which a "
            f"quick model reaches ({amount(found.usual.value)}), but not within {found.id}: kept at {found.asked:g} by limits by "
            f"group, {amount(left.value)} is left",
            where=spec.where("constraints", "fairness", number),
            numbers={"wanted": wanted, "usual_value": found.usual.value, "value_left": left.value, **curve},
            fix="loosen one of the two; the numbers show the value that each fairness limit leaves",
            certain=False,
        )
