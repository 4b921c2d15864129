"""The candidates for a rule, each made on all folds but one and applied to that one, so that no row judges its own rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from mlwright.core import Interval
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.feasibility.demands import MOST_ROWS, decider
from mlwright.feasibility.rule_search import Rule, rule_search, term
from mlwright.models import capacity_share, fit_calibration, outcome_worth
from mlwright.models.decision import BoolArray
from mlwright.spec import Columns, Expression, Task
from mlwright.statistics import DECISION_METRICS, METRICS, Metric, Scored, Worth, required_metrics

if TYPE_CHECKING:
    from mlwright.spec import Spec  # brings pydantic

_FOLDS = 5
#: How much a false alarm weighs beside a miss, where only requirements say what is wanted.
_WEIGHTS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0)
#: Levels of a column that have a value of their own, and the rows that each must have.
_LEVELS, _LEAST_ROWS = 12, 10
#: On fewer rows a requirement is never met.
_LEAST_IN_SLICE = 20


class Must(NamedTuple):
    """A requirement that a rule has to meet, and the rows that it is about."""

    id: str
    metric: Metric
    bound: float
    at_least: bool
    confidence: float
    inside: BoolArray

    def cleared(self, interval: Interval | None, n: int) -> bool:
        """Whether the interval leaves no doubt."""
        if interval is None or n < _LEAST_IN_SLICE:
            return False
        return interval.low >= self.bound if self.at_least else interval.high <= self.bound

    def margin(self, scored: Scored) -> float:
        """How far the score is beyond the bound, as a share of it; very low if it cannot be computed."""
        if self.metric.needs_interval or not self.inside.any():
            return -1e9
        value = self.metric.compute(scored.take(self.inside))
        if not np.isfinite(value):
            return -1e9
        return (value - self.bound if self.at_least else self.bound - value) / max(abs(self.bound), 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTable:
    """What rules are made of and judged by.

    Attributes
    ----------
    model
        The rows with the quick learners' calibrated predictions, decided as a model decides.
    columns
        Of the rows, as expressions take them.
    folds : shape (n_rows,)
    value
        The metric of money.
    share
        Of the rows that can be acted on; None without a capacity.
    """

    task: Task
    y: FloatArray = field(repr=False)
    model: Scored
    columns: Columns = field(repr=False)
    features: Dataset
    folds: IntArray = field(repr=False)
    musts: tuple[Must, ...]
    worth: Worth | None
    value: Metric
    share: float | None

    def scored(self, prediction: FloatArray, decision: IntArray | None) -> Scored:
        """The rows as a rule sees and decides them."""
        earned = None if self.worth is None or decision is None else self.worth.earned(self.y, decision)
        return Scored(
            target=self.y,
            prediction=prediction,
            decision=decision,
            weight=self.model.weight,
            group=self.model.group,
            earned=earned,
            cost=self.model.cost,
        )

    def merit(self, scored: Scored, rows: IntArray) -> float:
        """How good it is on some rows by what is asked for: requirements, money, or else the usual metric."""
        part = scored.take(rows)
        if self.musts:
            return min(must._replace(inside=must.inside[rows]).margin(part) for must in self.musts)
        if self.worth is not None:
            return self.value.compute(part)
        if self.task == "regression":
            return -METRICS["rmse"].compute(part)
        return METRICS["balanced_accuracy"].compute(part)


class Candidate(NamedTuple):
    """A rule made on all rows, and what rules made in the same way do on rows that they were not made from.

    `tried` is how many candidates were searched for, itself among them; 1 for what was not searched for.
    """

    kind: Literal["current process", "one condition", "two levels", "line", "levels"]
    rule: Rule
    scored: Scored
    tried: int


def rule_table(train: Dataset, spec: Spec, scored: Scored, rows: IntArray, *, rng: np.random.Generator) -> RuleTable:
    """Put together what rules are made of, from at most 20,000 rows."""
    if len(rows) > MOST_ROWS:
        chosen = np.sort(rng.choice(len(rows), MOST_ROWS, replace=False))
        scored, rows = scored.take(chosen), rows[chosen]
    part = train.take(rows)
    share, worth = None, None
    prediction, decision = scored.prediction, None
    if train.task == "binary":
        known, outcomes, decide = capacity_share(spec, train), outcome_worth(spec, train), decider(spec, train, rows)
        share = None if known is None else known.share
        if outcomes is not None:
            worth = outcomes.of_rows(part.expression_columns(outcomes.columns), rows=len(part)).worth
        calibration = fit_calibration(prediction, scored.target, weight=scored.weight, rng=rng)
        prediction = calibration.apply(prediction)
        assert decide is not None
        decision = decide(prediction, np.arange(len(rows))).decision
    process = spec.decision.current_process
    needed = {*part.features, *(() if process is None else process.columns)}
    table = RuleTable(
        task=train.task,
        y=scored.target,
        model=scored,
        columns=part.expression_columns([name for name in part.schema.names if name in needed]),
        features=part,
        folds=_folds(scored, rng),
        musts=tuple(_musts(spec, part, share)),
        worth=worth,
        value=DECISION_METRICS["value"].at(1.0),
        share=share,
    )
    return replace(table, model=table.scored(prediction, decision))


def _folds(scored: Scored, rng: np.random.Generator) -> IntArray:
    """A fold for each row at random; rows of a group are in one fold."""
    if scored.group is None:
        return np.asarray(rng.permutation(len(scored)) % _FOLDS, dtype=np.int64)
    numbers = np.unique(scored.group, return_inverse=True)[1]
    return np.asarray((rng.permutation(int(numbers.max()) + 1) % _FOLDS)[numbers], dtype=np.int64)


def _musts(spec: Spec, part: Dataset, share: float | None) -> Iterator[Must]:
    metrics = required_metrics(spec, part.task, share=share)
    for requirement, metric in zip(spec.requirements, metrics, strict=True):
        if requirement.priority != "must":
            continue
        inside = np.ones(len(part), dtype=bool)
        if requirement.condition is not None:
            columns = part.expression_columns(requirement.condition.columns)
            inside = requirement.condition.evaluate(columns, rows=len(part)).astype(bool)
        bound = requirement.min if requirement.min is not None else requirement.max
        assert bound is not None
        yield Must(requirement.id, metric, bound, requirement.min is not None, requirement.confidence, inside)


def candidates(table: RuleTable, spec: Spec) -> Iterator[Candidate]:
    """The rules worth a look, the simplest first."""
    process = spec.decision.current_process
    if process is not None:
        rule = Rule(process.text, "what is done today")
        scored = table.scored(*_out_of_fold(table, lambda _: rule))
        yield Candidate("current process", rule, scored, 1)
    made = _of_numbers(table) if table.task == "regression" else _of_classes(table)
    for kind, make in made.items():
        scored = table.scored(*_out_of_fold(table, make))
        yield Candidate(kind, make(np.arange(len(table.y))), scored, len(made))


def apply(rule: Rule, table: RuleTable) -> FloatArray:
    """What the rule says of each row: a number, or for classes 1 where it acts and else 0."""
    found = Expression.parse(rule.expression).evaluate(table.columns, rows=len(table.y))
    if table.task == "regression":
        return np.asarray(found).astype(np.float64)
    return np.asarray(found).astype(bool).astype(np.float64)


def _out_of_fold(table: RuleTable, make: Callable[[IntArray], Rule]) -> tuple[FloatArray, IntArray | None]:
    """Predictions and decisions of rules made on the other folds.

    The prediction of a rule that acts or waits is the share of positives among the rows where it does.
    """
    said, prediction = np.zeros(len(table.y)), np.zeros(len(table.y))
    weight = np.ones(len(table.y)) if table.model.weight is None else table.model.weight
    for fold in range(_FOLDS):
        inside, outside = np.flatnonzero(table.folds == fold), np.flatnonzero(table.folds != fold)
        if not len(inside) or not len(outside):
            continue
        of_rule = apply(make(outside), table)
        said[inside] = of_rule[inside]
        if table.task == "regression":
            continue
        for side in (0.0, 1.0):
            known = outside[of_rule[outside] == side]
            positives = float((weight[known] * table.y[known]).sum())
            prediction[inside[of_rule[inside] == side]] = (positives + 0.5) / (weight[known].sum() + 1)
    if table.task == "regression":
        return np.where(np.isfinite(said), said, np.average(table.y, weights=weight)), None
    return prediction, said.astype(np.int64)


Make = Callable[[IntArray], Rule]
_Kind = Literal["current process", "one condition", "two levels", "line", "levels"]


def _of_classes(table: RuleTable) -> dict[_Kind, Make]:
    weight = np.ones(len(table.y)) if table.model.weight is None else table.model.weight
    search = rule_search(table.features)
    positive = table.y == 1
    share = float(np.average(positive, weights=weight))
    up, down = weight * positive / max(share, 1e-9), weight * ~positive / max(1 - share, 1e-9)
    wanted = [up - one * down for one in _WEIGHTS] if table.musts or table.worth is None else []
    if table.worth is not None:
        n = len(table.y)
        acted = table.worth.earned(table.y, np.ones(n, dtype=np.int64))
        wanted.append(weight * (acted - table.worth.earned(table.y, np.zeros(n, dtype=np.int64))))
    gains = np.column_stack(wanted)

    def best(found: list[Rule], rows: IntArray) -> Rule:
        distinct = list(dict.fromkeys(found))
        return max(distinct, key=lambda rule: table.merit(_as_scored(rule, table, rows), rows))

    def one(rows: IntArray) -> Rule:
        return best([entry.rule for entry in search.one_condition(gains, rows)], rows)

    def two(rows: IntArray) -> Rule:
        return best([entry.rule for entry in search.two_levels(gains, rows, up - down)], rows)

    return {"one condition": one, "two levels": two}


def _as_scored(rule: Rule, table: RuleTable, rows: IntArray) -> Scored:
    decision = apply(rule, table)
    rates = [
        float(table.y[rows][decision[rows] == side].mean()) if (decision[rows] == side).any() else 0.0
        for side in (0, 1)
    ]
    return table.scored(np.where(decision == 1, rates[1], rates[0]), decision.astype(np.int64))


def _of_numbers(table: RuleTable) -> dict[_Kind, Make]:
    weight = np.ones(len(table.y)) if table.model.weight is None else table.model.weight
    usual = [c.name for c in table.features.schema.features if c.type in {"number", "integer"}]
    numbers = {name: np.asarray(table.columns[name], dtype=np.float64) for name in usual}
    levels = {c.name: table.features.levels(c.name) for c in table.features.schema.features if c.type == "category"}

    def line(rows: IntArray) -> Rule:
        y, w = table.y[rows], weight[rows]
        middle = _short(float(np.average(y, weights=w)))
        best, error = Rule(middle, f"always say {middle}"), float(w @ (y - np.average(y, weights=w)) ** 2)
        for name, values in numbers.items():
            x = values[rows]
            known = np.isfinite(x)
            if known.sum() < 2 * _LEAST_ROWS or np.ptp(x[known]) == 0:
                continue
            slope, start = _line(x[known], y[known], w[known])
            left = float(w[known] @ (y[known] - start - slope * x[known]) ** 2)
            left += float(w[~known] @ (y[~known] - float(middle)) ** 2)
            if left < error:
                text = f"{_short(start)} + {_short(slope)} * {term(name)}"
                words = f"say {_short(start)} and add {_short(slope)} times {name}"
                if not known.all():
                    text = f"where(missing({term(name)}), {middle}, {text})"
                    words += f" ({middle} if that is missing)"
                best, error = Rule(text, words), left
        return best

    def of_levels(rows: IntArray) -> Rule:
        y, w = table.y[rows], weight[rows]
        middle = float(np.average(y, weights=w))
        best, error = Rule(_short(middle), f"always say {_short(middle)}"), float(w @ (y - middle) ** 2)
        for name, (codes, names) in levels.items():
            said, text, words = np.full(len(rows), middle), _short(middle), []
            counts = np.bincount(codes[rows] + 1, minlength=len(names) + 1)[1:]
            for level in np.argsort(-counts, kind="stable")[:_LEVELS]:
                if counts[level] < _LEAST_ROWS:
                    break
                own = codes[rows] == level
                said[own] = np.average(y[own], weights=w[own])
                value = _short(float(said[own][0]))
                text = f"where({term(name)} == {names[level]!r}, {value}, {text})"
                words.append(f"{value} where {name} is {names[level]}")
            left = float(w @ (y - said) ** 2)
            if words and left < error and len(text) <= 1500:
                best, error = Rule(text, f"say {', '.join(words)}, else {_short(middle)}"), left
        return best

    return {"line": line, "levels": of_levels} if levels else {"line": line}


def _line(x: FloatArray, y: FloatArray, w: FloatArray) -> tuple[float, float]:
    """Slope and start of the weighted least-squares line."""
    mean_x, mean_y = np.average(x, weights=w), np.average(y, weights=w)
    slope = float(w @ ((x - mean_x) * (y - mean_y)) / (w @ (x - mean_x) ** 2))
    return slope, float(mean_y - slope * mean_x)


def _short(number: float) -> str:
    """Five digits, as a number that an expression takes."""
    return repr(float(f"{number:.5g}"))
