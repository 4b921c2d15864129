"""What should we do? One recommendation for whoever decides, with what it earns and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

from mlwright.core import Interval
from mlwright.evaluation import Evaluation, RequirementResult
from mlwright.feasibility import RequirementVerdict
from mlwright.reports.more_rows import takes_of, two_digits, waiting_for
from mlwright.reports.verdict import in_percent, reachable_bound
from mlwright.reports.words import Tone, headline, listed, money, number, percent, span
from mlwright.runs import Run
from mlwright.search import Alternative

#: Without a volume money is told for so many rows.
_MANY = 1000
_TODAY = "current_process"
_COMPARE = "Use it on a part of the rows, picked at random, and compare what both parts earn."


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What deciding with the model is worth, beside what is possible without it.

    Attributes
    ----------
    total, interval
        In `currency`, for all rows of a period or for 1,000 rows (`per`).
    over
        Beside what, in words.
    id
        Of the evidence that it is a multiple of.
    """

    total: float
    interval: Interval | None
    currency: str
    per: str
    over: str
    id: str

    @property
    def sure(self) -> bool:
        """Whether it is more than nothing, at the confidence of the interval."""
        return self.interval is not None and self.interval.low > 0

    @property
    def lost(self) -> bool:
        """Whether it is less than nothing, at the confidence of the interval."""
        return self.interval is not None and self.interval.high < 0

    def sentence(self) -> str:
        """One sentence, with its range."""
        way = "more" if self.total >= 0 else "less"
        confidence = (
            "" if self.interval is None else f" ({percent(self.interval.confidence, digits=0)} range: {self._range()})"
        )
        return f"It earns about {money(abs(self.total))} {self.currency} {self.per} {way} than {self.over}{confidence}."

    def _range(self) -> str:
        assert self.interval is not None
        low, high = self.interval.low, self.interval.high
        return f"{'+' if low > 0 else ''}{money(low)} to {'+' if high > 0 else ''}{money(high)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to do with the model.

    Attributes
    ----------
    reason
        Why, in one sentence.
    acts
        On whom it acts, and how many that are; empty where nothing is decided.
    gain
        Beside the process of today, or else the best way without a model; None if the spec does not say what outcomes are
        worth.
    steps
        What to do next, if the model is not simply to be used.
    """

    tone: Tone
    verdict: str
    reason: str
    acts: str = ""
    gain: Gain | None = None
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One requirement: what was said of it before the search, and how it ended.

    Attributes
    ----------
    promised
        The range of the forecast; None if there was no forecast.
    held
        Whether the score lies in it.
    """

    result: RequirementResult
    chance: str
    promised: str
    held: bool | None


def recommend(run: Run) -> Recommendation:
    """What to do, by what was asked, what was found on the test rows, and what it is worth."""
    evaluation = run.evaluation
    top = headline(run)
    if evaluation is None:
        return Recommendation(tone="open", verdict=top.verdict, reason=top.reason, steps=("Score the test rows.",))
    gain, acts = gain_of(run, evaluation), acting_on(run, evaluation)
    if any(not one.silent for one in evaluation.canaries):
        reason = "Its pipeline finds something even where there is nothing to find, so its scores cannot be trusted."
        return Recommendation(
            tone="bad", verdict="Do not use it", reason=reason, steps=("Look for a column that leaks.",)
        )
    if top.tone == "bad":
        return Recommendation(
            tone="bad",
            verdict="Do not use it" if not evaluation.requirements else "Do not use it for this",
            reason=top.reason,
            gain=gain,
            steps=_after_a_miss(run, evaluation),
        )
    if gain is not None and gain.lost:
        reason = f"Deciding without it earns more: {gain.over} does."
        return Recommendation(tone="bad", verdict="Do not use it", reason=reason, gain=gain)
    if top.tone == "open":
        earns = gain is not None and gain.sure
        return Recommendation(
            tone="open",
            verdict="Promising, but not proven: try it on a part first" if earns else "Not yet: it is not proven",
            reason=top.reason,
            acts=acts,
            gain=gain,
            steps=_until_proven(run, evaluation, earns=earns),
        )
    if gain is not None and not gain.sure:
        reason = f"{top.verdict}, but that it earns more than {gain.over} could be chance."
        steps = (_COMPARE,)
        return Recommendation(
            tone="open", verdict="Try it on a part first", reason=reason, acts=acts, gain=gain, steps=steps
        )
    rule = None if run.verdict is None else run.verdict.simple_rule
    return Recommendation(
        tone="good",
        verdict="Use it",
        reason=f"{top.verdict}. {top.reason}",
        acts=acts,
        gain=gain,
        steps=(f"Or do without it: {rule.sentence}",) if rule is not None and rule.offered else (),
    )


def gain_of(run: Run, evaluation: Evaluation) -> Gain | None:
    """What the model's decisions (or smaller errors) are worth, beside today's process or the best way without it."""
    value, cost = evaluation.value, evaluation.cost
    if value is not None:
        today = next((one for one in value.alternatives if one.name == _TODAY), None)
        beside = today or value.best_without_model
        return _gain(run, value.currency, beside.gain, beside.gain_interval, _over(beside), f"value.{beside.name}.gain")
    if cost is not None:
        least = cost.without_model
        if least is not None:
            return _gain(run, cost.currency, least.gain, least.gain_interval, least.title, f"value.{least.name}.saved")
    return None


def _over(one: Alternative) -> str:
    return {
        _TODAY: "what is done today",
        "act_on_all": "acting on all rows",
        "act_on_none": "acting on none",
        "blind": "acting on as many rows, picked blindly",
    }.get(one.name, one.title)


def _gain(
    run: Run, currency: str, per_row: float | None, interval: Interval | None, over: str, evidence: str
) -> Gain | None:
    if per_row is None:
        return None
    volume = run.spec.decision.volume
    times, per = (_MANY, f"per {_MANY:,} rows") if volume is None else (volume.count, f"a {volume.per}")
    scaled = None
    if interval is not None:
        scaled = Interval(low=times * interval.low, high=times * interval.high, confidence=interval.confidence)
    return Gain(total=times * per_row, interval=scaled, currency=currency, per=per, over=over, id=evidence)


def acting_on(run: Run, evaluation: Evaluation) -> str:
    """On how many rows it acts, for a decision between two classes."""
    if evaluation.task != "binary":
        return ""
    share = None if evaluation.value is None else evaluation.value.acted
    if share is None and evaluation.capacity is not None:
        share = evaluation.capacity.score("acted_share").value
    if share is None:
        return ""
    action, volume, capacity = run.spec.decision.action, run.spec.decision.volume, run.spec.decision.capacity
    what = f"{action[:1].upper()}{action[1:]}" if action else "Act"
    many = f", about {number(round(share * volume.count))} a {volume.per}" if volume is not None else ""
    limit = ""
    if capacity is not None:
        most = (
            f"{capacity.count:,} a {capacity.per}" if capacity.count is not None else percent(capacity.share, digits=0)
        )
        limit = f" (at most {most} can be handled)"
    return f"{what} where the model says so: {percent(share, digits=0)} of the rows{many}{limit}."


def _after_a_miss(run: Run, evaluation: Evaluation) -> tuple[str, ...]:
    missed = [one for one in evaluation.requirements if one.priority == "must" and one.outcome == "not met"]
    steps = []
    for one in missed[:2]:
        promised = _promised(run, one)
        if promised is None:
            continue
        if promised.reachable is not None and promised.outcome != "feasible":
            steps.append(f"Ask for less: {reachable_bound(promised)} was within reach of {one.id}.")
        if promised.more_rows is not None and promised.more_rows.fewest is not None:
            steps.append(f"Or collect {takes_of(promised.more_rows, run.spec, run.split)}.")
        elif promised.limit in {"features", "label noise"}:
            steps.append("Bring columns that say more, or have labels checked: more rows of these will not do.")
    return tuple(steps) or ("Bring columns or rows that say more, or ask for less.",)


def _until_proven(run: Run, evaluation: Evaluation, *, earns: bool) -> tuple[str, ...]:
    undecided = [one for one in evaluation.requirements if one.outcome == "undecided" and one.priority == "must"]
    steps = [_COMPARE if earns else "Until then use it only where a mistake is cheap."]
    for one in (undecided or list(evaluation.requirements))[:2]:
        if one.labels_needed is not None:
            waiting = waiting_for(one.labels_needed, run.spec, run.split)
            steps.append(
                f"Label about {number(two_digits(one.labels_needed))} more rows{waiting}: that decides {one.id}."
            )
        elif one.rows_needed is not None:
            steps.append(f"Test it on about {number(two_digits(one.rows_needed))} rows: that decides {one.id}.")
    return tuple(steps)


def kept_promises(run: Run, evaluation: Evaluation) -> list[Kept]:
    """Each requirement with what was said of it before the search."""
    return [_kept(run, result) for result in evaluation.requirements]


def _kept(run: Run, result: RequirementResult) -> Kept:
    promised = _promised(run, result)
    if promised is None or promised.probability is None:
        return Kept(result=result, chance="", promised="–", held=None)
    inside = None
    if promised.interval is not None and result.value is not None:
        inside = result.value in promised.interval
    return Kept(
        result=result,
        chance=in_percent(promised.probability),
        promised=span(promised.interval),
        held=inside,
    )


def _promised(run: Run, result: RequirementResult) -> RequirementVerdict | None:
    if run.verdict is None:
        return None
    return next((one for one in run.verdict.requirements if one.id == result.id), None)


def promise_in_words(run: Run, evaluation: Evaluation) -> str:
    """Whether what was forecast before the search came out, in one sentence."""
    known = [one for one in kept_promises(run, evaluation) if one.held is not None]
    if not known:
        return ""
    missed = [one.result.id for one in known if not one.held]
    if not missed:
        return "What was promised before the search came out: every score lies in its forecast range."
    return f"Not as promised before the search: the score of {listed(missed)} lies outside its forecast range."
