"""The feasibility verdict in words: what a manager asks, answered first, without statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mlwright.core import Interval
from mlwright.data import Split
from mlwright.feasibility import RequirementVerdict, Verdict, load_learnt
from mlwright.reports.more_rows import lasting, takes_of, two_digits
from mlwright.reports.words import Tone, listed, number, span
from mlwright.spec import Spec
from mlwright.statistics import METRICS

_TONES: dict[str, Tone] = {"feasible": "good", "undecided": "open", "infeasible": "bad"}
#: From the lowest: up to this probability it is called so.
_LIKELIHOODS = (
    (0.01, "almost impossible"),
    (0.1, "very unlikely"),
    (0.4, "unlikely"),
    (0.6, "about as likely as not"),
    (0.9, "likely"),
    (0.99, "very likely"),
    (1.0, "almost certain"),
)
_LIMITS = {
    "nothing": "nothing stands in the way",
    "too few rows": "too few rows to learn from",
    "label noise": "labels that contradict each other or are wrong",
    "features": "the columns: more rows of them would not say more",
    "test rows": "too few test rows to prove it",
    "cannot tell": "cannot be told from these rows",
}
#: A gain below this share of the range is not worth naming.
_WORTH_A_WAIT = 0.03


class Answer(NamedTuple):
    """The first thing on the page: yes, no or not certain; in one sentence; and what to do about it."""

    tone: Tone
    short: str
    sentence: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One requirement, ready to be shown.

    Attributes
    ----------
    chance
        Of reaching it, in words and in percent.
    expected
        The score to expect, with its range.
    takes
        What it would take, if anything is missing.
    nearest
        The nearest bound that is feasible.
    base
        Of the ids of its evidence.
    """

    id: str
    asked: str
    priority: str
    rationale: str | None
    tone: Tone
    outcome: str
    chance: str
    expected: str
    limit: str
    takes: str
    nearest: str
    reason: str
    metric: str
    base: str


def likelihood(probability: float | None) -> str:
    """A probability in words and in percent; never a certainty, which no forecast has.

    Examples
    --------
    >>> likelihood(0.97), likelihood(0.002), likelihood(None)
    ('very likely (97 %)', 'almost impossible (below 1 %)', 'cannot be said')
    """
    if probability is None:
        return "cannot be said"
    word = next(word for most, word in _LIKELIHOODS if probability <= most)
    return f"{word} ({in_percent(probability)})"


def in_percent(probability: float) -> str:
    """A probability in whole percent, never 0 and never 100.

    Examples
    --------
    >>> in_percent(0.874), in_percent(0.999)
    ('87 %', 'over 99 %')
    """
    if probability < 0.01:
        return "below 1 %"
    return "over 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"


def answer(verdict: Verdict, spec: Spec, split: Split) -> Answer:
    """Whether it can be done, in one sentence, and what to do about it in another."""
    musts = [one for one in verdict.requirements if one.priority == "must"]
    if verdict.simple_rule is not None and verdict.simple_rule.offered:
        said = verdict.simple_rule.sentence.removeprefix("No model is needed: ")
        advice = "Use the rule, or ask for more than it gives and start the run."
        return Answer("good", "No model needed", f"{said[:1].upper()}{said[1:]}", advice)
    if not verdict.requirements:
        return Answer(
            "open",
            "Not asked",
            f"The spec does not say what must hold. {expectation(verdict)}",
            "Write down what must hold (requirements); then this page says whether it can.",
        )
    if not verdict.forecasts:
        why = verdict.notes[0] if verdict.notes else "These rows do not say enough."
        return Answer("open", "Not certain", f"Nothing can be said before the search. {why}", "")
    deciding = musts or list(verdict.requirements)
    worst = min(deciding, key=lambda one: 0.5 if one.probability is None else one.probability)
    if worst.outcome == "feasible":
        return _yes(deciding, worst, verdict)
    short = "No" if worst.outcome == "infeasible" else "Not certain"
    found = "" if worst.expected is None else f"; {_scored(worst)} is to be expected"
    chance = likelihood(worst.probability)
    others = [one.id for one in deciding if one is not worst and one.outcome != "feasible"]
    also = f" The same goes for {listed(others)}." if others else ""
    return Answer(
        _TONES[worst.outcome],
        short,
        f"{worst.id}, {worst.sentence()}, is {chance}{found}.{also}",
        _advice(worst, spec, split),
    )


def _yes(deciding: Sequence[RequirementVerdict], worst: RequirementVerdict, verdict: Verdict) -> Answer:
    chance = likelihood(worst.probability)
    if len(deciding) == 1:
        sentence = f"{worst.id}, {worst.sentence()}, is {chance}; {_scored(worst)} is to be expected."
    else:
        hardest = f"the hardest is {worst.id}, {worst.sentence()}, where {_scored(worst)} is to be expected"
        sentence = f"Everything that must hold is {chance}; {hardest}."
    unproved = min(deciding, key=lambda one: 1.0 if one.provable is None else one.provable)
    if unproved.provable is not None and unproved.provable < 0.5:
        rows = (
            ""
            if unproved.test_rows_needed is None
            else f"; about {number(two_digits(unproved.test_rows_needed))} would do"
        )
        return Answer(
            "good",
            "Yes, but hard to prove",
            f"{sentence} The test rows are too few to prove {unproved.id} at {unproved.confidence:.0%} confidence.",
            f"Start the run, and keep more rows for the test or bring newer ones{rows}.",
        )
    time = "" if verdict.run_time is None else f" It takes about {lasting(verdict.run_time.seconds)}."
    return Answer("good", "Yes", sentence, f"Start the run.{time}")


def _advice(worst: RequirementVerdict, spec: Spec, split: Split) -> str:
    ways = []
    if worst.reachable is not None:
        ways.append(f"Ask for {reachable_bound(worst)}, which is reached 9 times in 10.")
    if worst.more_rows is not None and worst.more_rows.fewest is not None:
        ways.append(f"Or collect {takes_of(worst.more_rows, spec, split)}.")
    elif worst.limit == "label noise":
        ways.append("Or have labels checked: more rows will not do.")
    elif worst.limit == "features" or worst.more_rows is not None:
        ways.append("Or bring columns that say more: more rows will not do.")
    if worst.test_rows_needed is not None:
        ways.append(f"Or test on about {number(two_digits(worst.test_rows_needed))} rows, to prove it.")
    if worst.outcome == "undecided":
        ways.append("Or start the run and see.")
    return " ".join(ways)


def asked(verdict: Verdict, spec: Spec, split: Split) -> list[Asked]:
    """Every requirement of the spec, ready to be shown."""
    return [_asked(one, spec, split) for one in verdict.requirements]


def _asked(one: RequirementVerdict, spec: Spec, split: Split) -> Asked:
    takes = []
    if one.more_rows is not None:
        takes.append(takes_of(one.more_rows, spec, split))
    if one.test_rows_needed is not None:
        takes.append(f"about {number(two_digits(one.test_rows_needed))} test rows to prove it")
    provable = one.provable is not None and one.probability is not None and one.provable < one.probability - 0.1
    proved = f"; that the test proves it: {in_percent(one.provable)}" if provable and one.provable is not None else ""
    return Asked(
        id=one.id,
        asked=one.sentence(),
        priority=one.priority,
        rationale=one.rationale,
        tone=_TONES[one.outcome],
        outcome=one.outcome,
        chance=f"{likelihood(one.probability)}{proved}",
        expected="–" if one.expected is None else _score(one.expected, one.interval),
        limit=_LIMITS[one.limit],
        takes="; ".join(takes) if takes else "nothing more" if one.outcome == "feasible" else "",
        nearest=reachable_bound(one),
        reason=one.reason,
        metric=one.metric,
        base=f"feasibility.{one.id}",
    )


def expectation(verdict: Verdict) -> str:
    """The score to expect, with its range, and what that means where it can be said plainly."""
    forecast = verdict.forecast(verdict.metric)
    if forecast is None:
        return ""
    title = METRICS[forecast.metric].title
    text = f"Expect of a tuned model: {title} {_score(forecast.expected, forecast.interval())}"
    if forecast.metric == "roc_auc" and verdict.task == "binary":
        return f"{text}. Of 100 pairs of a yes and a no it puts {100 * forecast.expected:.0f} in the right order, a coin 50."
    return f"{text}."


def cost_lines(verdict: Verdict) -> list[str]:
    """What a run will cost in time, and which score each time buys."""
    lines = []
    if verdict.run_time is not None:
        time = verdict.run_time
        ends = " to ".join(dict.fromkeys((lasting(time.low), lasting(time.high))))
        lines.append(f"A run will take about {lasting(time.seconds)} on this machine (8 times in 10: {ends}).")
    points = [point for point in verdict.budgets if point.metric == verdict.metric]
    own = next((point for point in points if point.own), None)
    if own is None:
        return lines
    title = METRICS[own.metric].title
    lines.append(
        f"With the budget of the spec, {lasting(own.seconds)}, expect {title} {_score(own.expected, own.interval)}."
    )
    better = METRICS[own.metric].gain
    least = _WORTH_A_WAIT * (own.interval.high - own.interval.low)
    worth = [p for p in points if p.seconds > own.seconds and better(p.expected, own.expected) > least]
    if not worth:
        return [*lines[:-1], f"{lines[-1]} A longer search would hardly be better."]
    best = max(better(point.expected, own.expected) for point in worth)
    enough = next(p for p in worth if better(p.expected, own.expected) > 0.9 * best)
    more = f"With {lasting(enough.seconds)}, expect {number(enough.expected)}; longer would hardly be better."
    return [*lines[:-1], f"{lines[-1]} {more}"]


def ceiling_in_words(verdict: Verdict) -> str:
    """How good it could become; empty if nobody knows."""
    ceiling = verdict.ceiling(verdict.metric)
    if ceiling is None:
        return ""
    ends = f"between {number(ceiling.low)} and {number(ceiling.high)}"
    return (
        f"With endlessly many rows of these columns, {METRICS[ceiling.metric].title} would end {ends}. Only other columns or "
        "better labels go beyond."
    )


def finding_lines(verdict: Verdict) -> list[str]:
    """What is known of wrong labels, of rules that need no model, and what else a reader should know."""
    lines = [] if verdict.noise is None else [verdict.noise.sentence]
    if verdict.simple_rule is not None and not verdict.simple_rule.offered:
        lines.append(verdict.simple_rule.sentence)
    return [*lines, *verdict.notes]


def rows_to_look_at(verdict: Verdict, split: Split) -> dict[str, list[str]]:
    """Rows whose label looks wrong, and rows to label again: by their id, else by their number among the labelled rows."""
    noise = verdict.noise
    if noise is None:
        return {}
    column = split.dataset.schema.with_role("id")
    ids = None if column is None else split.dataset.table.column(column.name)

    def named(rows: Sequence[int]) -> list[str]:
        places = [int(split.train_rows[row]) for row in rows]
        return [str(place + 1) if ids is None else str(ids[place].as_py()) for place in places]

    by = "number among the labelled rows" if column is None else column.name
    found = {
        f"{len(noise.suspicious)} rows whose label looks least likely, worst first, by {by}": named(noise.suspicious)
    }
    if noise.outcome == "cannot tell":
        found[f"{len(noise.relabel)} rows to label again, drawn at random, by {by}"] = named(noise.relabel)
    return {title: rows for title, rows in found.items() if rows}


def certainty() -> str:
    """How sure this kind of verdict is, in plain words."""
    return (
        "How sure is this? Ranges are as wide as such forecasts were wrong on other tables, so nine in ten results should "
        f"lie inside. They were learnt from {load_learnt().provenance.partition(' (')[0]}."
    )


def _scored(one: RequirementVerdict) -> str:
    assert one.expected is not None
    return _score(one.expected, one.interval)


def _score(expected: float, interval: Interval | None) -> str:
    return number(expected) if interval is None else f"{number(expected)} ({span(interval)})"


def reachable_bound(one: RequirementVerdict) -> str:
    """The nearest bound that is feasible, rounded so that it is not harder than it was."""
    if one.reachable is None:
        return "–"
    size = 10.0 ** (2 - math.floor(math.log10(abs(one.reachable)))) if one.reachable else 1.0
    rounded = (math.floor(one.reachable * size) if one.at_least else math.ceil(one.reachable * size)) / size
    return f"{'at least' if one.at_least else 'at most'} {rounded:g}"
