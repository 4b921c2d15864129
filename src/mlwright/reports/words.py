"""Numbers and findings in words that need no statistics to be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from mlwright.core import Interval
from mlwright.evaluation import CostOfErrors, DecisionValue, Evaluation, MetricScore
from mlwright.models import Model
from mlwright.runs import Run
from mlwright.spec import Spec
from mlwright.statistics import objective_of

Tone = Literal["good", "open", "bad"]


def number(value: float | None, *, digits: int = 3) -> str:
    """A number as people write it: 0.834, 12.3, 45,838; a dash where there is none.

    Examples
    --------
    >>> [number(v) for v in (0.83412, 1.0, 45837.8, 12.34567, -0.0001, 1411, None)]
    ['0.834', '1.000', '45,838', '12.3', '0.000', '1,411', '–']
    """
    if value is None:
        return "–"
    size = abs(value)
    if isinstance(value, int) or (size > 1 and float(value).is_integer()):
        return f"{int(value):,}".replace("-", "−")
    decimals = digits if size <= 1 else max(digits - len(str(int(size))), 0)
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def chance(p_value: float | None) -> str:
    """A p-value: never 0, since no test can say that.

    Examples
    --------
    >>> chance(0.0341), chance(1e-16)
    ('0.034', '< 0.001')
    """
    if p_value is None:
        return "–"
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def percent(share: float | None, *, digits: int = 1) -> str:
    """A share as a percentage."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def span(interval: Interval | None, *, signed: bool = False) -> str:
    """Both ends of an interval; with signs where it is a difference.

    Examples
    --------
    >>> span(Interval(low=-0.0112, high=0.4, confidence=0.95), signed=True)
    '−0.011 to +0.400'
    """
    if interval is None:
        return "–"
    low, high = (("+" if signed and end > 0 else "") + number(end) for end in (interval.low, interval.high))
    return f"{low} to {high}"


def money(amount: float) -> str:
    """An amount to three digits at most, as people say it.

    Examples
    --------
    >>> money(12345.6), money(-0.34567), money(98.4)
    ('12,300', '−0.346', '98')
    """
    if abs(amount) < 10:
        return number(amount)
    size = 10 ** max(len(f"{abs(amount):.0f}") - 3, 0)
    return number(round(amount / size) * size)


def listed(names: Sequence[str]) -> str:
    """Several things in one sentence.

    Examples
    --------
    >>> listed(["R1"]), listed(["R1", "R2", "R3"])
    ('R1', 'R1, R2 and R3')
    """
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part) if names else ""


class Headline(NamedTuple):
    """The first thing on the page: a verdict, and one sentence of reasons."""

    tone: Tone
    verdict: str
    reason: str


def headline(run: Run) -> Headline:
    """Whether the model is ready, in one line."""
    evaluation = run.evaluation
    if evaluation is None:
        return Headline("open", "Not tested yet", "The model is fitted; its test rows have not been scored.")
    asked = [r for r in evaluation.requirements if r.priority == "must"] or list(evaluation.requirements)
    missed = [r for r in asked if r.outcome == "not met"]
    undecided = [r for r in asked if r.outcome == "undecided"]
    if missed:
        first = missed[0]
        return Headline("bad", "Does not meet what was asked", f"{first.id}: {first.sentence()} is not reached.")
    broken = [one for one in evaluation.judged_constraints if one.outcome == "not met"]
    if broken:
        return Headline("bad", "Does not keep what was asked", f"{broken[0].asked}: {broken[0].reason}.")
    if undecided:
        first = undecided[0]
        rows = "" if first.rows_needed is None else f" About {first.rows_needed:,} test rows would decide it."
        return Headline(
            "open", "Not proven yet", f"{first.id}: {first.sentence()} is neither proved nor refuted.{rows}"
        )
    if asked:
        others = [r for r in evaluation.requirements if r.outcome != "met"]
        reason = "Everything that must hold does, at the confidence that was asked for."
        if others:
            told = ", ".join(f"{r.id} ({r.sentence()}) is {r.outcome}" for r in others)
            return Headline("good", "Meets what must hold", f"{reason} What should or could hold: {told}.")
        return Headline("good", "Meets what was asked", reason.replace("must hold does", "was asked holds"))
    if beats_baseline(evaluation):
        reason = "The spec sets no requirements; the gain over the baseline is proved."
        return Headline("good", "Better than no model", reason)
    return Headline("bad", "No better than no model", "These columns say nothing about the target beyond chance.")


def beats_baseline(evaluation: Evaluation) -> bool:
    """Whether the model is clearly better than the constant answer, by what errors cost or the task's proper score."""
    score = evaluation.score(objective_of(evaluation.task, with_cost=evaluation.cost is not None).name)
    constant = next((b for b in score.baselines if b.baseline == "constant"), None)
    return constant is not None and constant.gain_interval is not None and constant.gain_interval.low > 0


def main_score(evaluation: Evaluation) -> MetricScore:
    """The score that people are told first."""
    if evaluation.cost is not None:
        return evaluation.score("error_cost")
    name = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}[evaluation.task]
    return evaluation.score(name)


def meaning(evaluation: Evaluation, model: Model, spec: Spec) -> list[str]:
    """What the scores mean, one plain sentence each."""
    if evaluation.task == "binary":
        return [*_money(evaluation.value), *_binary(evaluation, model, spec)]
    if evaluation.task == "multiclass":
        accuracy = evaluation.score("accuracy")
        base = next((b.value for b in accuracy.baselines if b.baseline == "constant"), None)
        right, common = _of_hundred(accuracy.value), _of_hundred(base)
        return [
            f"The model names the right class for {right} of 100 rows; always the most common class: {common} of 100.",
        ]
    if evaluation.cost is not None:
        return [*_cost(evaluation.cost), *_range(evaluation, model)]
    return [*_regression(evaluation, model), *_range(evaluation, model)]


def _cost(cost: CostOfErrors) -> list[str]:
    """One sentence for a manager, one about what is predicted, and one more where the spec says how many rows there are."""
    if cost.per_row is None or cost.total is None:
        return [cost.told]
    line = f"Its errors on the {cost.n:,} test rows cost {number(cost.total)} {cost.currency}, {number(cost.per_row)} a row"
    other = cost.without_model
    if other is not None and other.gain is not None and other.gain != 0:
        unsure = "" if other.gain_interval is not None and 0 not in other.gain_interval else " (which could be chance)"
        less = f"{number(abs(other.gain))} a row {'less' if other.gain > 0 else 'more'}"
        line = f"{line}: {less} than {other.title} would cost{unsure}"
    lines = [f"{line}.", cost.told]
    if cost.per_period is not None:
        volume = f"{number(cost.per_period)} {cost.currency} a {cost.period}"
        lines.append(f"At the volume of the spec its errors cost {volume}.")
    return lines


def _money(value: DecisionValue | None) -> list[str]:
    """One sentence for a manager, and one more where the spec says how many rows there are to decide on."""
    if value is None or value.per_row is None or value.total is None:
        return []
    best = value.best_without_model
    compared = f"{_gain(best.gain, best.gain_interval)} the best way without a model, {best.title}"
    worth = f"worth {number(value.total)} {value.currency}, {number(value.per_row)} a row"
    lines = [f"Its decisions on the {value.n:,} test rows were {worth}: {compared}."]
    if value.per_period is not None:
        lines.append(f"At the volume of the spec that is {number(value.per_period)} {value.currency} a {value.period}.")
    return lines


def _gain(gain: float | None, interval: Interval | None) -> str:
    if gain is None or gain == 0:
        return "as much as"
    sure = interval is not None and 0 not in interval
    text = f"{number(abs(gain))} a row {'more' if gain > 0 else 'less'} than"
    return text if sure else f"{text} (which could be chance)"


def acting(model: Model) -> str:
    """When a model of two classes acts, to follow `it acts`."""
    groups = model.rule.by_group
    others = "" if groups is None else f" (groups of {groups.attribute} have limits of their own)"
    return _usually_acting(model) + others


def _usually_acting(model: Model) -> str:
    if model.rule.outcomes is None:
        return f"from a probability of {number(model.threshold, digits=2)} on"
    more = "more than waiting" if model.rule.limit is None else f"{number(model.rule.limit)} more than waiting"
    if not model.rule.outcomes.columns:
        return f"where that is worth {more}"
    return (
        f"where that is worth {more}, row by row "
        f"(from a probability of {number(model.threshold, digits=2)} on where outcomes are worth what they are on average)"
    )


def _regression(evaluation: Evaluation, model: Model) -> list[str]:
    rmse, mae, r2 = (evaluation.score(name) for name in ("rmse", "mae", "r2"))
    base = next((b.value for b in mae.baselines if b.baseline == "constant"), None)
    typical = f"(typical error {number(rmse.value)})"
    return [
        f"The prediction is off by {number(mae.value)} on average; always saying the mean is off by {number(base)}.",
        f"The columns explain {percent(r2.value, digits=0)} of the differences in {model.target} {typical}.",
    ]


def _range(evaluation: Evaluation, model: Model) -> list[str]:
    """Of the truth, also where the prediction is the value that costs least and not the likeliest one."""
    covered = next((s for s in evaluation.scores if s.metric == "interval_coverage"), None)
    if model.spread is None or covered is None or covered.value is None:
        return []
    held = f"on the test rows it did in {percent(covered.value)}"
    return [
        f"Each prediction comes with a range meant to hold the truth in {model.spread.coverage:.0%} of the cases; {held}."
    ]


def _binary(evaluation: Evaluation, model: Model, spec: Spec) -> list[str]:
    positive = str(model.classes[1])
    auc, precision, recall = (evaluation.score(name) for name in ("roc_auc", "precision", "recall"))
    pair = f"one row of class {positive} and one of class {model.classes[0]}"
    lines = [f"Given {pair}, the model ranks them right in {_of_hundred(auc.value)} of 100 cases (50 is a coin)."]
    if precision.value is not None and recall.value is not None:
        action = f" ({spec.decision.action})" if spec.decision.action else ""
        lines.append(
            f"Acting{action} {acting(model)}, it is right in "
            f"{_of_hundred(precision.value)} of 100 cases and finds {_of_hundred(recall.value)} of 100 rows of class {positive}."
        )
    lift = evaluation.curves.lift
    tenth = next((found for share, found in lift if share >= 0.1), None)
    if tenth:
        lines.append(
            f"The 10 % of rows with the highest probability hold {_of_hundred(tenth)} of 100 rows of class {positive}: "
            f"{tenth / 0.1:.1f} times as many as rows picked blindly."
        )
    return lines


def _of_hundred(share: float | None) -> str:
    if share is None:
        return "–"
    return "over 99" if 0.995 <= share < 1 else f"{100 * share:.0f}"


def open_points(run: Run) -> list[str]:
    """What only a person can settle before the model is used."""
    points = []
    if run.spec.project.owner is None:
        points.append("Name an owner (project.owner): someone must answer for the model.")
    if run.spec.project.statement is None:
        points.append("Write the business question down (project.statement).")
    if not run.spec.requirements:
        points.append("State what must hold (requirements): without it nobody can say that the model is good enough.")
    if run.dataset.task == "binary" and run.spec.decision.values is None:
        points.append(
            "Say what right and wrong decisions are worth (decision.values); until then the threshold is a half."
        )
    points.extend(
        f"{result.what[:1].upper()}{result.what[1:]}: {result.advice}."
        for result in run.checks.warned()
        if result.advice
        and result.check in {"leakage", "personal_data", "label_errors", "time_leakage", "group_leakage"}
    )
    if run.evaluation is not None:
        worst = run.evaluation.weak_slices[:1]
        points.extend(
            f"Decide whether the model may be used where {one.condition}: it is clearly worse there." for one in worst
        )
        undecided = [r for r in run.evaluation.requirements if r.outcome == "undecided"]
        points.extend(f"Decide what to do about {r.id} ({r.sentence()}), which is undecided." for r in undecided)
    points.append("Make sure that every column is known at the moment of the decision, in the form it has here.")
    return points


def limits(run: Run) -> list[str]:
    """What the model cannot do and what was not tested."""
    model, evaluation = run.model, run.evaluation
    lines = []
    ranged = [c for c in model.schema if c.is_number and c.low is not None and c.high is not None]
    if ranged:
        example = ranged[0]
        lines.append(
            f"It has seen {len(model.schema)} columns within their ranges in the training rows (for example {example.name} "
            f"from {number(example.low)} to {number(example.high)}); beyond them it answers as at the edge."
        )
    lines.append("A level that no training row has is answered as a rare one; a missing value as missing.")
    if run.split.plan.kind in {"random", "stratified"}:
        lines.append(
            "The test rows are of the same time as the training rows; how it does on later rows was not tested."
        )
    cut = [t.name for t in run.trials if t.status == "cut" or (t.status == "left out" and t.reason.startswith("would"))]
    if cut:
        lines.append(f"The search ended because {run.trials.stopped} (not or not fully tried: {', '.join(cut)}).")
    if evaluation is not None:
        loud = [c.family for c in evaluation.canaries if not c.silent]
        lines.append(
            f"The pipeline found something in shuffled targets ({', '.join(loud)}): its scores cannot be trusted."
            if loud
            else "The same pipeline on shuffled targets finds nothing, so it does not leak by itself."
        )
    tested = run.folder.state["stages"].get("evaluate", {}).get("earlier_tests", 0)
    if tested:
        lines.append(
            f"These test rows were already scored by {tested} earlier run{'s' if tested > 1 else ''} of this project: "
            "choosing among runs by them flatters the score."
        )
    lines.append("Causes were not studied: a column that predicts need not be one that changes the outcome.")
    return lines
