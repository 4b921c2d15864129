"""The verdict: what this data can give, requirement by requirement, before the search has begun."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlwright.core import Evidence, Interval
from mlwright.feasibility.budgets import BudgetPoint, RunTime
from mlwright.feasibility.ceiling import Ceiling
from mlwright.feasibility.forecast import CONFIDENCE, Forecast
from mlwright.feasibility.more_rows import MoreRows
from mlwright.feasibility.unlike import Unlike
from mlwright.spec import Task
from mlwright.statistics import METRICS

if TYPE_CHECKING:
    from mlwright.feasibility.noise import NoiseFinding
    from mlwright.feasibility.simple_rules import SimpleRule

FORMAT_VERSION = 1

#: Whether a tuned model will reach a bound: at least 9 in 10 says feasible, at most 1 in 10 infeasible.
FeasibilityOutcome = Literal["feasible", "infeasible", "undecided"]
FEASIBLE, INFEASIBLE = 0.9, 0.1
#: What keeps a requirement from being feasible, or from being proved on the test rows.
Limit = Literal["nothing", "too few rows", "label noise", "features", "test rows", "cannot tell"]


def outcome_of(probability: float | None) -> FeasibilityOutcome:
    """What a probability says.

    Examples
    --------
    >>> outcome_of(0.95), outcome_of(0.5), outcome_of(None)
    ('feasible', 'undecided', 'undecided')
    """
    if probability is None or INFEASIBLE < probability < FEASIBLE:
        return "undecided"
    return "feasible" if probability >= FEASIBLE else "infeasible"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One point of the picture: the score with so many training rows.

    Attributes
    ----------
    multiple
        `rows` as a multiple of the training rows at hand.
    kind
        `seen`: what quick learners scored out of fold; `forecast`: what a tuned model would score, by the power law.
    """

    metric: str
    rows: int
    multiple: float
    score: float
    interval: Interval
    kind: Literal["seen", "forecast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementVerdict:
    """One requirement and whether this data can meet it.

    Attributes
    ----------
    probability
        That the score of a tuned model on the test rows reaches the bound; None if nothing can be said.
    probability_true
        That its true score does, the one on endlessly many test rows.
    provable
        That the requirement ends as "met" at its confidence with the test rows at hand; None if nothing can be said.
    outcome
        Of `probability`: feasible from 0.9, infeasible up to 0.1, else undecided.
    limit
        What stands in the way.
    expected, interval
        The score to expect on these rows, and its interval at 90 %.
    reachable
        The nearest bound that is feasible: it is reached with probability 0.9.
    more_rows
        What it would take; None where the rows suffice or nothing can be said.
    test_rows_needed
        About how many test rows would prove it, if the test rows are the limit.
    reason
        One or two sentences for a reader who knows no statistics.
    at
        The level that the metric is measured at, where it has one.
    title
        Of the metric at its level.
    """

    id: str
    metric: str
    bound: float
    at_least: bool
    on: str
    confidence: float
    priority: str
    rationale: str | None
    probability: float | None
    probability_true: float | None
    provable: float | None
    outcome: FeasibilityOutcome
    limit: Limit
    expected: float | None
    interval: Interval | None
    reachable: float | None
    more_rows: MoreRows | None
    test_rows_needed: int | None
    reason: str
    at: float | None = None
    title: str = ""

    def sentence(self) -> str:
        """What was asked, in words."""
        where = "" if self.on == "overall" else f" where {self.on}"
        return f"{self.title or self.metric}{where} {'at least' if self.at_least else 'at most'} {self.bound:g}"

    def evidence(self) -> Iterator[Evidence]:
        """The outcome, the probabilities and what is reachable."""
        base, rows = f"feasibility.{self.id}", "training rows"
        yield Evidence(id=base, value=self.outcome, method=self.reason, rows=rows)
        yield Evidence(
            id=f"{base}.probability",
            value=self.probability,
            method=f"probability that a tuned model has {self.sentence()} on the test rows",
            rows=rows,
        )
        yield Evidence(
            id=f"{base}.provable",
            value=self.provable,
            method=f"probability that the test rows prove it at {self.confidence:.0%} confidence",
            rows=rows,
        )
        yield Evidence(
            id=f"{base}.{self.metric}",
            value=self.expected,
            interval=self.interval,
            method="forecast for a tuned model on the test rows",
            rows=rows,
        )
        yield Evidence(
            id=f"{base}.reachable", value=self.reachable, method="the bound that is reached 9 times in 10", rows=rows
        )
        yield Evidence(id=f"{base}.limit", value=self.limit, method="what stands in the way", rows=rows)
        if self.more_rows is not None:
            yield Evidence(
                id=f"{base}.more_rows",
                value=self.more_rows.bucket,
                method="training rows that it would take, as a multiple of those at hand; power law",
                rows=rows,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What this data can give: the answer of the feasibility stage.

    Attributes
    ----------
    n_rows, test_rows, n_columns
        Training rows, test rows (never looked at) and columns that a model may use.
    metric
        The one that the picture and the budgets are about.
    forecasts, ceilings
        One for each metric with a law of its own; empty if nothing can be said.
    points
        Of the picture, for every metric of `forecasts`: seen ones, and forecasts for 1, 1.5, 2, 5 and 20 times the rows.
    outcome
        Of the requirements of priority `must` together; undecided without any.
    budgets, run_time, seconds
        They depend on how fast this machine is; all other numbers depend on rows, spec and seed alone.
    noise, simple_rule
        What is known of wrong labels; the best rule that a person can keep in mind, `offered` if it makes a model unnecessary.
        None if nothing can be said.
    trials
        How many trials of a search this verdict has taken in; 0 before the search.
    notes
        What else a reader should know, in sentences; why nothing can be said, if that is so.
    """

    task: Task
    n_rows: int
    test_rows: int
    n_columns: int
    metric: str
    forecasts: tuple[Forecast, ...]
    ceilings: tuple[Ceiling, ...]
    points: tuple[CurvePoint, ...]
    requirements: tuple[RequirementVerdict, ...]
    outcome: FeasibilityOutcome
    budgets: tuple[BudgetPoint, ...]
    run_time: RunTime | None
    noise: NoiseFinding | None
    simple_rule: SimpleRule | None
    unlike: Unlike | None
    notes: tuple[str, ...] = ()
    trials: int = 0
    seconds: float = 0.0

    def forecast(self, metric: str) -> Forecast | None:
        """The forecast by one metric, if it has a law of its own."""
        return next((one for one in self.forecasts if one.metric == metric), None)

    def ceiling(self, metric: str) -> Ceiling | None:
        """The ceiling by one metric, if it has a law of its own."""
        return next((one for one in self.ceilings if one.metric == metric), None)

    def evidence(self) -> Iterator[Evidence]:
        """Every number as evidence, with ids `feasibility.*`."""
        rows, n = "training rows", self.n_rows
        yield Evidence(id="feasibility.outcome", value=self.outcome, method="all musts together", rows=rows, n=n)
        for forecast in self.forecasts:
            yield Evidence(
                id=f"feasibility.forecast.{forecast.metric}",
                value=forecast.expected,
                interval=forecast.interval(),
                method="power law through out-of-fold scores of quick learners; width by errors on other tables",
                rows=rows,
                n=n,
            )
        for ceiling in self.ceilings:
            yield Evidence(
                id=f"feasibility.ceiling.{ceiling.metric}",
                value=ceiling.middle,
                interval=Interval(low=ceiling.low, high=ceiling.high, confidence=CONFIDENCE),
                method="ten times the rows; from the present score to the asymptote of the power law",
                rows=rows,
                n=n,
            )
        for requirement in self.requirements:
            yield from requirement.evidence()
        if self.noise is not None:
            yield from self.noise.evidence()
        if self.simple_rule is not None:
            yield from self.simple_rule.evidence()
        if self.unlike is not None:
            yield Evidence(
                id="feasibility.unlike",
                value=self.unlike.factor,
                method="factor on all widths, since the table is unlike those the errors were learnt on",
                rows=rows,
                n=n,
            )
        yield from self._measured()

    def _measured(self) -> Iterator[Evidence]:
        rows = "training rows"
        for point in self.budgets:
            yield Evidence(
                id=f"feasibility.budget.{point.seconds:g}s",
                value=point.expected,
                interval=point.interval,
                method=f"{METRICS[point.metric].title} to expect of a search of {point.seconds:g} s on this machine",
                rows=rows,
                kind="measured",
            )
        if self.run_time is not None:
            low, high = self.run_time.low, self.run_time.high
            yield Evidence(
                id="feasibility.run_seconds",
                value=self.run_time.seconds,
                interval=Interval(low=low, high=high, confidence=0.8),
                method="from the seconds of quick fits",
                rows=rows,
                unit="s",
                kind="measured",
            )
        yield Evidence(
            id="feasibility.seconds",
            value=self.seconds,
            method="time of the verdict itself",
            rows=rows,
            unit="s",
            kind="measured",
        )

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Verdict:
        """The verdict that had this state."""
        from mlwright.feasibility.noise import NoiseFinding
        from mlwright.feasibility.simple_rules import SimpleRule

        tree = {key: value for key, value in state.items() if key != "format_version"}
        return cls(
            **{
                **tree,
                "forecasts": tuple(Forecast.of_state(entry) for entry in tree["forecasts"]),
                "ceilings": tuple(Ceiling(**entry) for entry in tree["ceilings"]),
                "points": tuple(CurvePoint(**_with_interval(entry)) for entry in tree["points"]),
                "requirements": tuple(_requirement(entry) for entry in tree["requirements"]),
                "budgets": tuple(BudgetPoint(**_with_interval(entry)) for entry in tree["budgets"]),
                "run_time": None if tree["run_time"] is None else RunTime(**tree["run_time"]),
                "noise": None if tree["noise"] is None else NoiseFinding.of_state(tree["noise"]),
                "simple_rule": None if tree["simple_rule"] is None else SimpleRule.of_state(tree["simple_rule"]),
                "unlike": None if tree["unlike"] is None else _unlike(tree["unlike"]),
                "notes": tuple(tree["notes"]),
            }
        )


def _with_interval(entry: Mapping[str, Any]) -> dict[str, Any]:
    interval = entry["interval"]
    return {**entry, "interval": None if interval is None else Interval(**interval)}


def _requirement(entry: Mapping[str, Any]) -> RequirementVerdict:
    more = entry["more_rows"]
    return RequirementVerdict(**{**_with_interval(entry), "more_rows": None if more is None else MoreRows(**more)})


def _unlike(entry: Mapping[str, Any]) -> Unlike:
    return Unlike(**{**entry, "unusual": tuple(entry["unusual"])})
