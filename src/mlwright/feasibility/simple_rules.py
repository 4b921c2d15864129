"""No model needed? The best rule that a person can keep in mind, scored on rows that it was not made from.

Candidates are what is done today, one condition, and two levels of conditions; for a number a line through one column and a
value per level of one. A rule is offered if it meets every `must` with its confidence, or, where there is none, if the rows
cannot tell that a model earns more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlwright.core import Evidence, Interval, bounded, finite
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.feasibility.rule_candidates import Candidate, RuleTable, candidates, rule_table
from mlwright.statistics import METRICS, Metric, Scored, compare, mean_interval, score_with_interval

if TYPE_CHECKING:
    from mlwright.spec import Spec  # brings pydantic

RuleKind = Literal["current process", "one condition", "two levels", "line", "levels", "none"]
#: Of what a model adds.
CONFIDENCE = 0.9
_LEAST_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleRule:
    """The best simple rule, and what a model adds to it.

    Attributes
    ----------
    offered
        Whether it does what a model is wanted for.
    expression
        In the language of the spec, to be pasted into `decision.current_process`; None if no rule could be made.
    metric
        What `score`, `model_score` and `gain` are in: `value` (money per row) if the spec says what outcomes are worth,
        else the metric of the first `must`.
    score, interval
        Of rules made in the same way, on rows that each was not made from.
    model_score
        Of quick learners on the same rows.
    gain, gain_interval
        How much better these are, at 90 %; negative if worse.
    met, missed
        The `must` requirements that it meets with their confidence, and the others.
    """

    kind: RuleKind
    offered: bool
    expression: str | None
    words: str
    sentence: str
    n: int
    metric: str = ""
    score: float | None = None
    interval: Interval | None = None
    model_score: float | None = None
    gain: float | None = None
    gain_interval: Interval | None = None
    met: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()

    def evidence(self) -> Iterator[Evidence]:
        """The rule, its score and the gain of a model, with ids `feasibility.rule.*`."""
        base, rows = "feasibility.rule", "training rows, out of fold"
        yield Evidence(id=base, value=self.expression, method=self.sentence, rows=rows, n=self.n)
        if self.score is None:
            return
        yield Evidence(
            id=f"{base}.{self.metric}",
            value=self.score,
            interval=self.interval,
            method=f"{self.kind}, made on the other folds",
            rows=rows,
            n=self.n,
        )
        yield Evidence(
            id=f"{base}.model", value=self.model_score, method=f"{self.metric} of quick learners", rows=rows, n=self.n
        )
        yield Evidence(
            id=f"{base}.gain",
            value=self.gain,
            interval=self.gain_interval,
            method=f"how much better quick learners are by {self.metric}, paired",
            rows=rows,
            n=self.n,
        )

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> SimpleRule:
        """The rule that had this state."""
        intervals = {
            name: None if state[name] is None else Interval(**state[name]) for name in ("interval", "gain_interval")
        }
        return cls(**{**state, **intervals, "met": tuple(state["met"]), "missed": tuple(state["missed"])})


def find_simple_rule(
    train: Dataset, spec: Spec, scored: Scored, rows: IntArray, *, rng: np.random.Generator
) -> SimpleRule:
    """Look for a rule that makes a model unnecessary; if there is none, say how much the best one lacks.

    Parameters
    ----------
    scored
        Out-of-fold predictions of quick learners.
    rows : shape (n_rows,)
        Their numbers among the training rows.

    Raises
    ------
    MetricUnknown, LevelMissing, MoneyMissing, CostMissing
        If a requirement cannot be measured.
    """
    if scored.weight is not None:
        counted = scored.weight > 0
        scored, rows = scored.take(counted), rows[counted]
    if reason := _unfit(train, scored):
        return SimpleRule(
            kind="none",
            offered=False,
            expression=None,
            words="",
            sentence=f"No rule is looked for: {reason}.",
            n=len(rows),
        )
    table = rule_table(train, spec, scored, rows, rng=rng)
    judged = [_judged(candidate, table, spec, rng) for candidate in candidates(table, spec)]
    # The simplest one comes first.
    offered = next((one for one in judged if one.offered), None)
    if offered is not None:
        return offered
    metric, _ = _yardstick(table)
    sign = 1.0 if metric.higher_is_better else -1.0
    return max(judged, key=lambda one: (len(one.met), -np.inf if one.score is None else sign * one.score))


def _unfit(train: Dataset, scored: Scored) -> str:
    if not len(scored):
        return "no row has a weight"
    if train.task == "multiclass":
        return "rules are made for decisions between two classes and for numbers"
    if len(scored) < _LEAST_ROWS:
        return f"{len(scored)} rows are too few to make a rule and to test it"
    if not np.isfinite(scored.prediction).all():
        return "the quick learners did not predict every row"
    return "all rows have the same target" if np.ptp(scored.target) == 0 else ""


def _yardstick(table: RuleTable) -> tuple[Metric, np.ndarray]:
    """What rules are compared by, and on which rows."""
    everywhere = np.ones(len(table.y), dtype=bool)
    if table.worth is not None:
        return table.value, everywhere
    if table.musts:
        return table.musts[0].metric, table.musts[0].inside
    return METRICS["rmse" if table.task == "regression" else "balanced_accuracy"], everywhere


def _judged(candidate: Candidate, table: RuleTable, spec: Spec, rng: np.random.Generator) -> SimpleRule:
    by_rule, by_model = candidate.scored, table.model
    met: list[str] = []
    missed: list[str] = []
    for must in table.musts:
        # Of several rules the best is taken: each has its part of the chance to be wrong.
        sure = 1 - (1 - must.confidence) / candidate.tried
        found = score_with_interval(must.metric, by_rule.take(must.inside), rng=rng, confidence=2 * sure - 1)
        (met if must.cleared(found.interval, int(must.inside.sum())) else missed).append(must.id)
    metric, inside = _yardstick(table)
    rule_rows, model_rows = by_rule.take(inside), by_model.take(inside)
    found = score_with_interval(metric, rule_rows, rng=rng, confidence=CONFIDENCE)
    gain, gain_interval = _gain(metric, model_rows, rule_rows, rng)
    possible = table.share is None or by_rule.mean(_acted(by_rule)) <= 1.05 * table.share
    untold = gain_interval is not None and gain_interval.low <= 0
    offered = possible and (not missed if table.musts else table.worth is not None and untold)
    rule = SimpleRule(
        kind=candidate.kind,
        offered=offered,
        expression=candidate.rule.expression,
        words=candidate.rule.words,
        sentence="",
        n=len(inside),
        metric=metric.name,
        score=finite(found.value),
        interval=bounded(found.interval),
        model_score=finite(metric.compute(model_rows)),
        gain=gain,
        gain_interval=gain_interval,
        met=tuple(met),
        missed=tuple(missed),
    )
    return _with_sentence(rule, metric, spec, decides=bool(table.musts) or table.worth is not None, possible=possible)


def _acted(scored: Scored) -> FloatArray:
    return scored.decided().astype(np.float64) if scored.decision is not None else np.zeros(len(scored))


def _gain(
    metric: Metric, model: Scored, rule: Scored, rng: np.random.Generator
) -> tuple[float | None, Interval | None]:
    if model.earned is not None and rule.earned is not None and metric.name == "value":
        difference = model.earned - rule.earned
        interval = mean_interval(difference, weight=model.weight, group=model.group, confidence=CONFIDENCE)
        return finite(model.mean(difference)), bounded(interval)
    if metric.needs_interval:
        return None, None
    found = compare(metric, model, rule, rng=rng, confidence=CONFIDENCE)
    return finite(found.gain), bounded(found.interval)


def _with_sentence(rule: SimpleRule, metric: Metric, spec: Spec, *, decides: bool, possible: bool) -> SimpleRule:
    unit = f" {spec.decision.currency}" if metric.name == "value" else ""
    name = "today's process" if rule.kind == "current process" else f"the rule “{rule.words}”"
    score = "unknown" if rule.score is None else f"{rule.score:.3g}{unit}"
    adds = ""
    if rule.gain is not None and rule.gain_interval is not None:
        low, high = rule.gain_interval.low, rule.gain_interval.high
        between = f"(between {low:+.3g} and {high:+.3g})"
        if rule.gain >= 0:
            adds = f"A quick model adds {rule.gain:.3g}{unit} {between}."
        else:
            adds = f"A quick model that decides as the spec says is {-rule.gain:.3g}{unit} worse {between}."
        if rule.offered and low <= 0 <= high:
            adds += " These rows cannot tell whether it adds anything."
    if rule.offered:
        what = f"No model is needed: {name} does it. {metric.title}: {score}."
    elif not decides:
        what = (
            f"The best simple rule is {name}. {metric.title}: {score}. Nothing in the spec says how good is good enough: "
            "add requirements or decision.values."
        )
    elif not possible:
        what = f"No simple rule will do: {name} acts on more rows than the capacity allows."
    elif rule.missed:
        what = f"No simple rule will do: the best one, {name}, does not surely meet {', '.join(rule.missed)}. {metric.title}: {score}."
    else:
        what = f"No simple rule will do: the best one, {name}, earns less than a model. {metric.title}: {score}."
    return SimpleRule.of_state({**rule.state(), "sentence": f"{what} {adds}".strip()})
