"""The probability that a tuned model meets any requirement: any metric, on all rows or on a slice.

Only a few metrics have a forecast of their own. All others follow from it: the quick learners' out-of-fold predictions are
made as good as the forecast says, the model's own rule decides on them, and test rows are drawn from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from mlwright.core import Interval
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.feasibility.moving import MovedPredictions, move_predictions
from mlwright.models import capacity_share, decision_rule, outcome_worth, within_capacity
from mlwright.models.decision import BoolArray
from mlwright.statistics import METRICS, Metric, Scored

if TYPE_CHECKING:
    from mlwright.spec import Spec  # brings pydantic


class Acted(NamedTuple):
    """The class decided for in each row, and what that earned; None where no worth is known. Shape (n_rows,) each."""

    decision: IntArray
    earned: FloatArray | None


#: From calibrated predictions and the numbers of their rows (of those given to `demands_of`) to what is done.
Decide: TypeAlias = Callable[[FloatArray, IntArray], Acted]

DRAWS = 200
#: More rows than these say little more, and each draw takes longer.
MOST_ROWS = 20_000
#: On fewer rows a requirement always ends as undecided.
LEAST_ROWS = 20
CONFIDENCE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandForecast:
    """The distribution of a score that a tuned model will have on the test rows.

    Attributes
    ----------
    n
        About how many test rows it is measured on.
    test, truth : shape (n_draws,)
        Rising: the score on drawn test rows, and on endlessly many. Empty if nothing can be said; `reason` then says why.
    lower, upper : shape (n_draws,)
        Rising: the ends of one-sided intervals around the scores on drawn test rows, at `confidence`.
    """

    metric: str
    n: int
    confidence: float
    test: FloatArray = field(repr=False)
    truth: FloatArray = field(repr=False)
    lower: FloatArray = field(repr=False)
    upper: FloatArray = field(repr=False)
    reason: str = ""

    @property
    def expected(self) -> float | None:
        """The score in the middle."""
        return self.quantile(0.5)

    def quantile(self, q: float) -> float | None:
        """The score on the test rows that is not exceeded with probability `q`, whichever way is better."""
        return float(np.quantile(self.test, q)) if len(self.test) else None

    def interval(self, confidence: float = CONFIDENCE) -> Interval | None:
        """The range in which the score on the test rows will lie with this probability."""
        if not len(self.test):
            return None
        low, high = np.quantile(self.test, [(1 - confidence) / 2, (1 + confidence) / 2])
        return Interval(low=float(low), high=float(high), confidence=confidence)

    def probability(self, bound: float, *, at_least: bool) -> float | None:
        """The probability that the score on the test rows is at least (or at most) `bound`; None if nothing can be said."""
        return _share(self.test, bound, at_least)

    def probability_true(self, bound: float, *, at_least: bool) -> float | None:
        """The same for the true score, the one on endlessly many rows."""
        return _share(self.truth, bound, at_least)

    def provable(self, bound: float, *, at_least: bool) -> float | None:
        """The probability that the one-sided interval clears `bound`, so that the requirement ends as met."""
        return _share(self.lower if at_least else self.upper, bound, at_least)

    def bound_at(self, probability: float, *, at_least: bool) -> float | None:
        """The hardest bound that is reached on the test rows with this probability."""
        return self.quantile(1 - probability if at_least else probability)


def _share(scores: FloatArray, bound: float, at_least: bool) -> float | None:
    """Of the draws that clear the bound; half a draw is kept back at each end, since 200 draws do not prove a certainty."""
    if not len(scores):
        return None
    clear = int((scores >= bound).sum() if at_least else (scores <= bound).sum())
    return (clear + 0.5) / (len(scores) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What is needed to forecast any metric; made once by `demands_of`, asked for each requirement.

    Attributes
    ----------
    scored
        Out-of-fold predictions of quick learners, at most 20,000 rows.
    rows : shape (n_rows,)
        Their numbers among the rows that were given.
    base
        The metric that has a forecast, and `base_draws` its draws.
    decide
        The model's rule; None where the likeliest class, or that of a probability of a half, is decided for.
    seed
        Of all draws, so that the same question has the same answer.
    """

    scored: Scored
    rows: IntArray = field(repr=False)
    base: Metric
    base_draws: FloatArray = field(repr=False)
    moved: MovedPredictions | None = field(repr=False)
    decide: Decide | None
    seed: int
    reason: str = ""

    def forecast(
        self, metric: Metric, *, test_rows: int, where: BoolArray | None = None, confidence: float = CONFIDENCE
    ) -> DemandForecast:
        """Forecast the score of a tuned model on so many test rows, or on those among them that a slice holds.

        Each draw is a possible world: rows (or groups of rows) are drawn from those at hand with replacement, since these
        are a sample themselves; predictions are moved until the base metric on them is what the forecast drew; test rows
        are drawn from that.

        Parameters
        ----------
        where : shape (n_given_rows,), optional
            Which of the rows that `demands_of` was given are in the slice.
        confidence
            Of the one-sided interval that must clear a bound.
        """
        inside = np.ones(len(self.scored), dtype=bool) if where is None else where[self.rows]
        share = float(inside.mean()) if len(inside) else 0.0
        n = round(test_rows * share)
        reason = self.reason or _why_not(metric, int(inside.sum()), n)
        if reason or self.moved is None:
            return _nothing(metric, n, confidence, reason)
        truth, test = self._draws(metric, self.moved, inside, test_rows)
        known = np.isfinite(truth) & np.isfinite(test)
        if known.sum() < len(known) / 2:
            return _nothing(metric, n, confidence, f"{metric.title} cannot be computed on most draws of so few rows")
        truth, test = truth[known], test[known]
        chance = test - truth
        return DemandForecast(
            metric=metric.name,
            n=n,
            confidence=confidence,
            test=np.sort(test),
            truth=np.sort(truth),
            lower=np.sort(test - max(float(np.quantile(chance, confidence)), 0.0)),
            upper=np.sort(test - min(float(np.quantile(chance, 1 - confidence)), 0.0)),
        )

    def _draws(
        self, metric: Metric, moved: MovedPredictions, inside: BoolArray, test_rows: int
    ) -> tuple[FloatArray, FloatArray]:
        rng = np.random.default_rng(self.seed)
        units = _Units.of(self.scored)
        n_test = min(test_rows, MOST_ROWS)
        n_units = max(round(units.count * n_test / len(self.scored)), 1)
        truth, test = np.empty(len(self.base_draws)), np.empty(len(self.base_draws))
        for number, drawn in enumerate(self.base_draws):
            world_units = rng.integers(0, units.count, units.count)
            world = units.rows(world_units)
            # The world's rows may be easier or harder than those at hand; the forecast is about the world.
            usual = moved.at(moved.place(drawn))
            easier = self.base.compute(replace(self.scored.take(world), prediction=usual[world])) - drawn
            prediction = moved.at(moved.place(drawn - easier)) if np.isfinite(easier) else usual
            moved_rows = self._decided(prediction)
            truth[number] = _score(metric, moved_rows, world, inside)
            test[number] = _score(metric, moved_rows, units.rows(rng.choice(world_units, n_units)), inside)
        # Chance falls with the root of the rows; drawing more than 20,000 of them would only take longer.
        return truth, truth + (test - truth) * np.sqrt(n_test / test_rows)

    def _decided(self, prediction: FloatArray) -> Scored:
        """The rows at hand as the model would see and decide them."""
        if self.decide is None:
            return replace(self.scored, prediction=prediction)
        decision, earned = self.decide(prediction, self.rows)
        return replace(self.scored, prediction=prediction, decision=decision, earned=earned)


def _score(metric: Metric, scored: Scored, rows: IntArray, inside: BoolArray) -> float:
    chosen = scored.take(rows if inside.all() else rows[inside[rows]])
    return metric.compute(chosen) if chosen.counts else float("nan")


def demands_of(
    scored: Scored, *, base: str, base_draws: FloatArray, rng: np.random.Generator, decide: Decide | None = None
) -> Demands:
    """Prepare to forecast any metric from the forecast of one.

    Parameters
    ----------
    scored
        Out-of-fold predictions of quick learners on all training rows that have some.
    base
        The metric that has a forecast: for classes `roc_auc`, `log_loss` or `accuracy`, for a regression `rmse` or `mae`.
    base_draws : shape (n_draws,)
        Draws of a tuned model's true score by it, without the chance in which test rows are drawn; about 200.
    decide
        The model's rule (`decider`).
    """
    rows = np.arange(len(scored))
    if len(rows) > MOST_ROWS:
        rows = np.sort(rng.choice(len(rows), MOST_ROWS, replace=False))
    chosen = scored.take(rows)
    metric = METRICS[base]
    reason = _unfit(chosen)
    return Demands(
        scored=chosen,
        rows=rows,
        base=metric,
        base_draws=np.asarray(base_draws, dtype=np.float64),
        moved=None if reason else move_predictions(chosen, metric, rng=rng),
        decide=decide,
        seed=int(rng.integers(2**31)),
        reason=reason,
    )


def decider(spec: Spec, train: Dataset, rows: IntArray) -> Decide | None:
    """How a model of this spec decides and what that earns, as `demands_of` takes it; None unless there are two classes.

    A capacity is kept by a limit that these same predictions set, as it is for a model.

    Parameters
    ----------
    rows : shape (n_given_rows,)
        The training rows that the predictions are of.
    """
    if train.task != "binary":
        return None
    part = train.take(rows)
    rule, outcomes, share = decision_rule(spec, train), outcome_worth(spec, train), capacity_share(spec, train)
    columns = part.expression_columns(rule.columns)
    target, weight = part.y, part.weight
    worth = None
    if outcomes is not None:
        worth = outcomes.of_rows(part.expression_columns(outcomes.columns), rows=len(part)).worth

    def decide(probability: FloatArray, chosen: IntArray) -> Acted:
        of_rows = {name: values[chosen] for name, values in columns.items()}
        limited = rule
        if share is not None:
            w = None if weight is None else weight[chosen]
            limited, _ = within_capacity(rule, share, probability, of_rows, weight=w, outcomes=outcomes)
        decision = limited.decide(probability, of_rows).decision
        return Acted(decision, None if worth is None else worth.take(chosen).earned(target[chosen], decision))

    return decide


@dataclass(frozen=True, slots=True)
class _Units:
    """What is drawn: rows, or groups of rows that are drawn together."""

    count: int
    order: IntArray | None = None
    starts: IntArray | None = None

    @classmethod
    def of(cls, scored: Scored) -> _Units:
        if scored.group is None:
            return cls(len(scored))
        numbers = np.unique(scored.group, return_inverse=True)[1]
        order = np.argsort(numbers, kind="stable").astype(np.int64)
        starts = np.r_[0, np.cumsum(np.bincount(numbers))].astype(np.int64)
        return cls(len(starts) - 1, order, starts)

    def rows(self, units: IntArray) -> IntArray:
        """The rows of these units, as often as each unit is named."""
        if self.order is None or self.starts is None:
            return units
        first, sizes = self.starts[units], self.starts[units + 1] - self.starts[units]
        ends = np.cumsum(sizes)
        within = np.arange(int(ends[-1])) - np.repeat(ends - sizes, sizes)
        found: IntArray = self.order[np.repeat(first, sizes) + within]
        return found


def _unfit(scored: Scored) -> str:
    """Why these rows say nothing; empty if they do."""
    if not scored.counts:
        return "no row has a weight"
    if len(scored) < LEAST_ROWS:
        return f"only {len(scored)} rows have out-of-fold predictions; at least {LEAST_ROWS} are needed"
    if not np.isfinite(scored.prediction).all():
        return "the quick learners did not predict every row"
    if np.ptp(scored.target) == 0:
        return "all rows have the same target"
    return ""


def _why_not(metric: Metric, inside: int, n: int) -> str:
    if metric.needs_interval:
        return f"{metric.title} is known only once a model is fitted"
    if inside < LEAST_ROWS:
        return f"only {inside} training rows are in the slice; at least {LEAST_ROWS} are needed to say anything"
    if n < LEAST_ROWS:
        return f"only about {n} test rows will be in it; at least {LEAST_ROWS} are needed to say anything"
    return ""


def _nothing(metric: Metric, n: int, confidence: float, reason: str) -> DemandForecast:
    none = np.zeros(0)
    return DemandForecast(
        metric=metric.name, n=n, confidence=confidence, test=none, truth=none, lower=none, upper=none, reason=reason
    )
