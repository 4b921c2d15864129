"""When the model decides for the positive class: from a fixed probability, or row by row from what outcomes are worth.

Members are chosen by a proper score and acting is decided for where it pays on calibrated probabilities; no threshold is
tuned on rows. On six tables, five kinds of values and two draws of the rows (120 cells,
`benchmarks/quality/choosing_by_value.py`) nothing earned clearly more: members chosen by the value itself 0.7 ± 0.2 and
0.0 ± 0.3 % of perfect foresight less, a threshold tuned on out-of-fold predictions 1.5 ± 0.8 and 0.5 ± 0.3 % less, a
threshold of a half 24 and 25 % less.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from mlwright.core import MlwrightError
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models.groups import Grouping, bin_names
from mlwright.spec import Columns, Expression, ExpressionInvalid
from mlwright.statistics import CostsAllZero, Worth, break_even_threshold

if TYPE_CHECKING:
    from mlwright.spec import Spec  # brings pydantic, which a process that answers does without

#: The outcomes, and the class of the rows that can have each.
_CLASS_OF = {"true_positive": 1, "false_positive": 0, "false_negative": 1, "true_negative": 0}

BoolArray = NDArray[np.bool_]


class WorthUnknown(MlwrightError):
    """An outcome has no worth on any training row."""

    def __init__(self, expression: Expression, where: str) -> None:
        super().__init__(
            f"`{expression}` has no finite value on any training row",
            where=where,
            fix="name a column that has values, and divide by nothing that is 0 everywhere",
        )


class _Outcome(NamedTuple):
    """What one outcome is worth, and its mean over the training rows of its class."""

    worth: Expression
    mean: float


class RowWorth(NamedTuple):
    """The worth of rows; `assumed` marks those where the mean of the training rows stands in for what is not known."""

    worth: Worth
    assumed: BoolArray


@dataclass(frozen=True, slots=True)
class OutcomeWorth:
    """What each outcome is worth as an expression over columns, with the means that stand in where one has no value."""

    _outcomes: Mapping[str, _Outcome]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the expressions read."""
        return tuple(dict.fromkeys(name for one in self._outcomes.values() for name in one.worth.columns))

    def of_rows(self, columns: Columns | None, *, rows: int) -> RowWorth:
        """The worth of each outcome for each row.

        Where an expression has no finite value in a row (a missing value, a division by zero), its mean over the training
        rows is taken. So it is for every row if no columns are given.
        """
        assumed = np.zeros(rows, dtype=bool)
        worth = {}
        for name, (expression, mean) in self._outcomes.items():
            if columns is None and expression.columns:
                found = np.full(rows, np.nan)
            else:
                found = _numbers(expression, columns or {}, rows)
            known = np.isfinite(found)
            assumed |= ~known
            worth[name] = np.where(known, found, mean)
        return RowWorth(Worth(**worth), assumed)

    def at_means(self) -> dict[str, float]:
        """The mean worth of each outcome over the training rows of its class."""
        return {name: one.mean for name, one in self._outcomes.items()}

    def without(self, names: Collection[str]) -> OutcomeWorth:
        """The same, where these columns are not known: an outcome that reads one of them has its mean in every row."""
        return OutcomeWorth(
            {
                name: one._replace(worth=Expression.parse(one.mean)) if set(one.worth.columns) & set(names) else one
                for name, one in self._outcomes.items()
            }
        )

    def gain_at(self, probability: float) -> float:
        """How much more acting is worth than waiting at a probability, at mean worths."""
        mean = self.at_means()
        if_positive = mean["true_positive"] - mean["false_negative"]
        if_not = mean["false_positive"] - mean["true_negative"]
        return probability * if_positive + (1 - probability) * if_not

    def probability_of_gain(self, gain: float) -> float:
        """The probability from which acting is worth so much more than waiting, at mean worths; in [0, 1]."""
        lowest, highest = self.gain_at(0.0), self.gain_at(1.0)
        if highest <= lowest:
            return 0.0 if lowest > gain else 1.0
        return float(np.clip((gain - lowest) / (highest - lowest), 0.0, 1.0))

    def state(self) -> dict[str, Any]:
        return {name: {"worth": one.worth.text, "mean": one.mean} for name, one in self._outcomes.items()}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> OutcomeWorth:
        return cls({name: _Outcome(Expression.parse(state[name]["worth"]), state[name]["mean"]) for name in _CLASS_OF})


class Decided(NamedTuple):
    """What was decided for rows.

    Attributes
    ----------
    decision : shape (n_rows,)
        1 where the positive class is decided for.
    assumed : shape (n_rows,)
        Where a mean worth stands in for what the row does not say; None for a rule that reads no worth of a row.
    """

    decision: IntArray
    assumed: BoolArray | None


class Margin(NamedTuple):
    """How much speaks for acting in each row, shape (n_rows,), and where a mean worth stands in (see `Decided`)."""

    of_rows: FloatArray
    assumed: BoolArray | None


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """Other limits for the rows of some groups.

    Attributes
    ----------
    attribute
        Names the groups: a column, or an expression over columns.
    limits
        By the name of the group (`female`; `1`, `true` of numbers or of yes and no). Rows of other groups, and those whose
        group is not known, have the usual limit.
    edges
        Where numbers are cut into groups; without them each number is a group.
    """

    attribute: str
    limits: Mapping[str, float]
    edges: tuple[float, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that say which group a row is of."""
        return self._grouping.columns

    @property
    def _grouping(self) -> Grouping:
        return Grouping(self.attribute, self.edges)

    def of_rows(self, columns: Columns, usual: float, *, rows: int) -> FloatArray:
        """The limit of each row, shape (n_rows,), by its values of the columns as `DecisionRule.decide` takes them."""
        found = np.full(rows, usual)
        values = self._grouping.values(columns, rows=rows)
        if self.edges:
            of_bin = [self.limits.get(name, usual) for name in bin_names(self.attribute, self.edges)]
            return np.array([*of_bin, usual])[self._grouping.bins(values)]  # -1, not known, is the last
        numbers = values.dtype != object
        for level, limit in self.limits.items():
            found[values == (_number_of_level(level) if numbers else level)] = limit
        return found

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"attribute": self.attribute, "limits": dict(self.limits), "edges": list(self.edges)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> GroupLimits:
        """The limits that had this state."""
        return cls(state["attribute"], state["limits"], tuple(state["edges"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRule:
    """When the positive class of two is decided for: where a row's margin is above its limit.

    The margin of a row is the expected gain of acting where the worth of outcomes is known row by row, else the calibrated
    probability.

    Attributes
    ----------
    threshold
        The calibrated probability from which acting pays, in [0, 1]; with `outcomes`, where that lies at their means: for
        people.
    outcomes
        Where the worth of outcomes differs by row, or is such that no threshold says it: acting pays where it is worth
        more than waiting.
    limit
        Of the margin, where a capacity asks for another one than that from which acting pays.
    by_group
        Other limits for the rows of some groups.
    """

    threshold: float = 0.5
    outcomes: OutcomeWorth | None = None
    limit: float | None = None
    by_group: GroupLimits | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must have for the decision."""
        worth = () if self.outcomes is None else self.outcomes.columns
        group = () if self.by_group is None else self.by_group.columns
        return tuple(dict.fromkeys((*worth, *group)))

    @property
    def break_even(self) -> float:
        """The margin above which acting pays: 0, or just below the threshold, from which on it does."""
        return 0.0 if self.outcomes is not None else float(np.nextafter(self.threshold, -np.inf))

    @property
    def usual_limit(self) -> float:
        """The margin above which rows without a limit of their group are acted on."""
        return self.break_even if self.limit is None else self.limit

    @property
    def from_probability(self) -> float:
        """The probability from which it acts, for people: of rows of no special group, at mean worths of outcomes."""
        if self.limit is None:
            return self.threshold
        if self.outcomes is None:
            return self.limit
        return self.outcomes.probability_of_gain(self.limit)

    def margin(self, probability: FloatArray, columns: Columns | None = None) -> Margin:
        """How much speaks for acting in each row: the expected gain of it, or the probability; as `decide` takes them."""
        if self.outcomes is None:
            return Margin(probability, None)
        worth, assumed = self.outcomes.of_rows(columns, rows=len(probability))
        return Margin(worth.gain_of_acting(probability), assumed)

    def limits(self, columns: Columns | None = None, *, rows: int) -> FloatArray:
        """The margin above which each row is acted on, shape (n_rows,); the usual one where its group is not known."""
        if self.by_group is None or columns is None:
            return np.full(rows, self.usual_limit)
        return self.by_group.of_rows(columns, self.usual_limit, rows=rows)

    def decide(self, probability: FloatArray, columns: Columns | None = None) -> Decided:
        """Decide for rows.

        Parameters
        ----------
        probability : shape (n_rows,)
            Calibrated, of the positive class.
        columns
            Those of the rule, numbers as floats with NaN for missing, others as objects with None; without them mean
            worths and the usual limit decide.
        """
        margin, assumed = self.margin(probability, columns)
        return Decided((margin > self.limits(columns, rows=len(probability))).astype(np.int64), assumed)

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "threshold": self.threshold,
            "outcomes": None if self.outcomes is None else self.outcomes.state(),
            "limit": self.limit,
            "by_group": None if self.by_group is None else self.by_group.state(),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> DecisionRule:
        """The rule that had this state; packages written before there were limits have none."""
        outcomes, by_group = state["outcomes"], state.get("by_group")
        return cls(
            threshold=state["threshold"],
            outcomes=None if outcomes is None else OutcomeWorth.of_state(outcomes),
            limit=state.get("limit"),
            by_group=None if by_group is None else GroupLimits.of_state(by_group),
        )


def _number_of_level(level: str) -> float:
    """What a column of numbers, or of yes and no, has where its level is written so; NaN, which no value equals, if none."""
    try:
        return {"true": 1.0, "false": 0.0}[level] if level in {"true", "false"} else float(level)
    except ValueError:
        return float("nan")


def decision_rule(spec: Spec, train: Dataset) -> DecisionRule:
    """The rule of a spec: by what outcomes are worth if it says so, else from a probability of a half.

    What is known only after the decision cannot take part in it: an outcome whose worth reads such a column, or the
    target, enters with its mean over the training rows of its class.

    Raises
    ------
    WorthUnknown, ExpressionInvalid
        If the worth of an outcome is no number.
    CostsAllZero
        If acting and waiting are worth the same in every training row.
    """
    known = outcome_worth(spec, train)
    if known is None:
        return DecisionRule()
    worth = known.of_rows(train.expression_columns(known.columns), rows=len(train)).worth
    if not any(worth.gain_of_acting(np.full(len(train), p)).any() for p in (0.0, 1.0)):
        raise CostsAllZero
    outcomes = known.without({*spec.data.known_after_decision, train.target})
    mean = outcomes.at_means()
    if_positive = mean["true_positive"] - mean["false_negative"]
    if_not = mean["true_negative"] - mean["false_positive"]
    if if_positive > 0 and if_positive + if_not > 0:
        threshold = float(break_even_threshold(np.array([max(if_not, 0.0)]), np.array([if_positive]))[0])
        return DecisionRule(threshold=threshold, outcomes=outcomes if outcomes.columns else None)
    # Acting pays at no probability, at all, or at low ones: no threshold says that; this one is for people to read.
    return DecisionRule(threshold=1.0 if if_not >= 0 else 0.0, outcomes=outcomes)


def nothing_to_decide(spec: Spec, train: Dataset) -> str | None:
    """In words, that the worth of outcomes asks for the same in every training row; None if it does not."""
    known = outcome_worth(spec, train)
    if known is None:
        return None
    outcomes = known.without({*spec.data.known_after_decision, train.target})
    worth = outcomes.of_rows(train.expression_columns(outcomes.columns), rows=len(train)).worth
    ends = np.stack([worth.gain_of_acting(np.full(len(train), p)) for p in (0.0, 1.0)])
    if (ends.min(axis=0) >= 0).all():
        return "acting pays in every row, whatever its probability is: act on all rows; no model is needed for that"
    if (ends.max(axis=0) <= 0).all():
        return "acting pays in no row, whatever its probability is: act on none; no model is needed for that"
    return None


def outcome_worth(spec: Spec, train: Dataset) -> OutcomeWorth | None:
    """What the spec says that outcomes are worth, with means over training rows; None if it says nothing.

    Only decisions between two classes have outcomes.
    """
    values = spec.decision.values
    if values is None or train.task != "binary":
        return None
    y, weight = train.y, train.weight
    outcomes = {}
    for name, of_class in _CLASS_OF.items():
        where = spec.where("decision", "values", name)
        expression = cast("Expression", getattr(values, name))
        found = _numbers(expression, train.expression_columns(expression.columns), len(train), where=where)
        outcomes[name] = _Outcome(expression, _mean(found, y == of_class, weight, expression, where))
    return OutcomeWorth(outcomes)


def _mean(worth: FloatArray, of_class: BoolArray, weight: FloatArray | None, text: Expression, where: str) -> float:
    """Of the rows of the class; of all rows where none of them has a worth."""
    for rows in (of_class, np.ones_like(of_class)):
        chosen = rows & np.isfinite(worth) & (True if weight is None else weight > 0)
        if chosen.any():
            return float(np.average(worth[chosen], weights=None if weight is None else weight[chosen]))
    raise WorthUnknown(text, where)


def _numbers(expression: Expression, columns: Columns, rows: int, *, where: str = "decision.values") -> FloatArray:
    found = expression.evaluate(columns, rows=rows)
    try:
        return np.asarray(found).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ExpressionInvalid(
            expression.text, "text stands where a worth is needed", where=where, fix="calculate with number columns"
        ) from error
