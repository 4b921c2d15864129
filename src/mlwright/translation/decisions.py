"""What is decided: the objective, the rule by which a row is acted on, the capacity, the cost of errors, the label delay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlwright.data import Dataset, Split
from mlwright.data.dataset import FloatArray
from mlwright.models import OutcomeWorth, capacity_share, decision_rule, error_cost, outcome_worth
from mlwright.spec import Spec, show_duration
from mlwright.statistics import Worth, objective_of
from mlwright.translation.line import TranslationLine, amount, counted

_RULE = "p > (tn - fp) / ((tn - fp) + (tp - fn))"
_DAY = 86_400.0


def decision_lines(spec: Spec, split: Split) -> Iterator[TranslationLine]:
    """The lines about the decision, in the order in which one thing leads to the other."""
    yield _objective(spec, split.train)
    if split.dataset.task == "binary":
        yield from _rule(spec, split.train)
        yield from _capacity(spec, split)
    yield from _error_cost(spec, split.train)
    yield from _label_delay(spec, split)


def _objective(spec: Spec, train: Dataset) -> TranslationLine:
    with_cost = spec.decision.error_cost is not None
    metric = objective_of(train.task, with_cost=with_cost)
    done = f"candidates are compared by {metric.title}"
    if train.task == "binary" and spec.decision.values is not None:
        done += (
            "; it makes probabilities true, and on true probabilities the rule below earns the most "
            f"(what decisions earn in {spec.decision.currency} is shown beside it)"
        )
    elif train.task != "regression":
        done += ", which rewards probabilities that are true"
    elif with_cost:
        done += f", in {spec.decision.currency} a row"
    asked = spec.decision.action or f"predict {train.target}"
    return TranslationLine(
        topic="objective",
        asked=asked,
        where=spec.where("decision", "action") if spec.decision.action else spec.where("data", "target"),
        done=f"{done}; {counted(len(train))} training rows",
        numbers={"objective": metric.name},
    )


def _rule(spec: Spec, train: Dataset) -> Iterator[TranslationLine]:
    outcomes = outcome_worth(spec, train)
    where = spec.where("decision", "values")
    if outcomes is None:
        yield TranslationLine(
            topic="decision",
            asked="nothing is said about what right and wrong decisions are worth",
            where=where,
            done="it acts from a probability of 0.5 on",
            numbers={"threshold": 0.5},
        )
        return
    values = spec.decision.values
    assert values is not None
    said = ", ".join(f"{name} {getattr(values, name)}" for name in type(values).model_fields)
    asked = f"{said} ({spec.decision.currency})"
    rule = decision_rule(spec, train)
    if not outcomes.columns:
        yield TranslationLine(
            topic="decision",
            asked=asked,
            where=where,
            done=_one_threshold(outcomes, rule.threshold),
            numbers={"threshold": rule.threshold},
        )
        return
    done, numbers = _row_by_row(spec, train, outcomes, rule.threshold)
    yield TranslationLine(topic="decision", asked=asked, where=where, done=done, numbers=numbers)


def _one_threshold(outcomes: OutcomeWorth, threshold: float) -> str:
    tp, fp, fn, tn = (
        outcomes.at_means()[name] for name in ("true_positive", "false_positive", "false_negative", "true_negative")
    )
    if tp - fn > 0 and (tn - fp) + (tp - fn) > 0:
        top = f"({amount(tn)} - {_signed(fp)})"
        bottom = f"{top} + ({amount(tp)} - {_signed(fn)})"
        filled = f"{top} / ({bottom})"
        return f"it acts where {_RULE} = {filled} = {threshold:.4g}, on calibrated probabilities"
    return "it acts where that is worth more than waiting; no threshold says that for these worths"


def _signed(value: float) -> str:
    return f"({amount(value)})" if value < 0 else amount(value)


def _row_by_row(
    spec: Spec, train: Dataset, outcomes: OutcomeWorth, at_means: float
) -> tuple[str, dict[str, float | int | str | None]]:
    """The rule where outcomes differ by row, with the range of its thresholds over the training rows."""
    known = outcomes.without({*spec.data.known_after_decision, train.target})
    worth, assumed = known.of_rows(train.expression_columns(known.columns), rows=len(train))
    threshold = row_thresholds(worth)
    low, middle, high = np.quantile(threshold, [0.05, 0.5, 0.95])
    never, always = float((threshold > 1).mean()), float((threshold < 0).mean())
    numbers: dict[str, float | int | str | None] = {
        "threshold_at_means": at_means,
        "threshold_5": float(low),
        "threshold_50": float(middle),
        "threshold_95": float(high),
        "never": never,
        "always": always,
        "assumed": int(assumed.sum()),
    }
    done = (
        f"it acts row by row where {_RULE}, on calibrated probabilities; in nine of ten training rows the threshold is "
        f"between {np.clip(low, 0, 1):.3g} and {np.clip(high, 0, 1):.3g} (in half of them above {np.clip(middle, 0, 1):.3g})"
    )
    if never:
        done += f"; in {never:.1%} of them acting never pays"
    if always:
        done += f"; in {always:.1%} of them it always does"
    if assumed.any():
        done += f"; in {counted(assumed.sum())} of them a mean stands in for a worth that is not known"
    unread = [name for name in outcomes.columns if name not in known.columns]
    if unread:
        done += f"; {', '.join(unread)}: known only after the decision, so it decides with the mean"
    return done, numbers


def row_thresholds(worth: Worth) -> FloatArray:
    """The probability above which acting pays in each row, shape (n_rows,): above 1 where it never does, below 0 where
    always.

    Where acting is worth less on a positive row than on another there is no such probability; such a row counts as one in
    which acting never pays, unless it pays at any.
    """
    if_positive = worth.true_positive - worth.false_negative
    if_not = worth.false_positive - worth.true_negative
    slope = if_positive - if_not
    with np.errstate(divide="ignore", invalid="ignore"):
        threshold = np.where(slope > 0, -if_not / slope, np.where(np.minimum(if_positive, if_not) > 0, -1.0, 2.0))
    return np.clip(threshold, -1.0, 2.0)


def _capacity(spec: Spec, split: Split) -> Iterator[TranslationLine]:
    capacity = spec.decision.capacity
    share = capacity_share(spec, split.train)
    if capacity is None or share is None:
        return
    asked = (
        f"{capacity.share:.4g} of the rows" if capacity.share is not None else f"{capacity.count} per {capacity.per}"
    )
    by = "what acting is expected to be worth" if spec.decision.values is not None else "probability"
    rest = ", and none where acting does not pay" if spec.decision.values is not None else ""
    test = len(split.test_rows)
    yield TranslationLine(
        topic="capacity",
        asked=asked,
        where=spec.where("decision", "capacity"),
        done=f"{share.sentence()}: rows are ranked by {by} and the best are acted on{rest}; precision, recall and lift are "
        f"measured at the top {share.share:.1%} ({counted(share.share * test)} of {counted(test)} test rows)",
        numbers={"share": share.share, "rows_at_top": round(share.share * test), "rows_per_period": share.rows},
    )


def _error_cost(spec: Spec, train: Dataset) -> Iterator[TranslationLine]:
    cost = error_cost(spec, train)
    if cost is None:
        return
    numbers = {"quantile": cost.quantile, "above": cost.above, "below": cost.below}
    yield TranslationLine(
        topic="error_cost",
        asked=f"an error costs {cost.expression}",
        where=spec.where("decision", "error_cost"),
        done=cost.told(spec.decision.currency),
        numbers={name: value for name, value in numbers.items() if value is not None},
    )


def _label_delay(spec: Spec, split: Split) -> Iterator[TranslationLine]:
    delay = spec.operation.label_delay
    if not delay and spec.split.gap is None:
        return
    where = spec.where("operation", "label_delay") if spec.split.gap is None else spec.where("split", "gap")
    asked = f"the truth is known after {show_duration(delay)}"
    if spec.split.gap is not None:
        asked += f"; a gap of {show_duration(spec.split.gap)}"
    if split.plan.kind != "temporal":
        yield TranslationLine(
            topic="label_delay",
            asked=asked,
            where=where,
            done=f"no gap: the split is {split.plan.kind}, not in time (name the column of the time in data.time)",
            numbers={"gap_days": 0.0, "rows_in_gap": 0},
        )
        return
    inside = rows_in_gap(split)
    yield TranslationLine(
        topic="label_delay",
        asked=asked,
        where=where,
        done=f"{split.plan.gap / _DAY:.3g} days lie between training and test rows, as they will between learning and "
        f"answering; {counted(inside)} rows fall into them and are in neither",
        numbers={"gap_days": split.plan.gap / _DAY, "rows_in_gap": inside},
    )


def rows_in_gap(split: Split) -> int:
    """How many rows are in neither part because they are too near to the test; rows without a time do not count."""
    times = split.dataset.times
    if times is None:
        return 0
    return int(np.isfinite(times[split.left_out]).sum())
