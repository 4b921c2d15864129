"""Evaluate a model on the test rows; nothing else in mlwright scores them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mlwright.core import Evidence, Interval, Progress, silent, stage
from mlwright.data import Dataset, Split
from mlwright.evaluation.canary import Canary, run_canary
from mlwright.evaluation.capacity import CapacityUse, capacity_use
from mlwright.evaluation.constraints import ConstraintResult, ConstraintsNotMet, judge_limits
from mlwright.evaluation.cost import CostOfErrors, cost_of_errors
from mlwright.evaluation.curves import Curves, ProfitCurve, curves_of, profit_curve
from mlwright.evaluation.efficiency import Efficiency, measure_efficiency
from mlwright.evaluation.fairness import FairnessFound, compare_groups, judge_fairness, with_price
from mlwright.evaluation.importance import Importance, permutation_importances
from mlwright.evaluation.monotonic import MonotonicProof, prove_monotonic
from mlwright.evaluation.requirements import RequirementResult, RequirementsNotMet, judge_requirements
from mlwright.evaluation.scores import BaselineScore, MetricScore, score_all
from mlwright.evaluation.slices import SliceResult, find_weak_slices, sensitive_slices
from mlwright.evaluation.value import DecisionValue, Earned, earned_on_test, value_of_decisions
from mlwright.models import CapacityShare, Model, Predictions, capacity_share, error_cost
from mlwright.search import Alternative
from mlwright.spec import Spec, Task
from mlwright.statistics import CalibrationBin, RowCost, Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything that was found on the test rows."""

    task: Task
    n: int
    scores: tuple[MetricScore, ...]
    requirements: tuple[RequirementResult, ...]
    weak_slices: tuple[SliceResult, ...]
    sensitive_slices: tuple[SliceResult, ...]
    importances: tuple[Importance, ...]
    canaries: tuple[Canary, ...]
    curves: Curves
    efficiency: Efficiency
    value: DecisionValue | None = None
    cost: CostOfErrors | None = None
    capacity: CapacityUse | None = None
    fairness: FairnessFound | None = None
    constraints: tuple[ConstraintResult, ...] = ()
    monotonic: tuple[MonotonicProof, ...] = ()

    def score(self, metric: str) -> MetricScore:
        """The score by one metric."""
        return next(one for one in self.scores if one.metric == metric)

    def raise_if_not_met(self) -> None:
        """Stop if a requirement of priority `must` is not met, or a constraint on the model itself.

        Raises
        ------
        RequirementsNotMet, ConstraintsNotMet
            Exit code 1.
        """
        missed = [r for r in self.requirements if r.priority == "must" and r.outcome == "not met"]
        if missed:
            raise RequirementsNotMet(missed)
        broken = [one for one in self.judged_constraints if one.outcome == "not met"]
        if broken:
            raise ConstraintsNotMet(broken)

    @property
    def judged_constraints(self) -> tuple[ConstraintResult, ...]:
        """Every constraint on the model itself, with how it ended: limits that were measured, and monotonic columns."""
        return (*self.constraints, *(proof.as_constraint() for proof in self.monotonic))

    def evidence(self) -> Iterator[Evidence]:
        """Every number as evidence."""
        for score in self.scores:
            yield from score.evidence("test")
        for requirement in self.requirements:
            yield from requirement.evidence()
        for kind, found in (("weak", self.weak_slices), ("sensitive", self.sensitive_slices)):
            for number, one in enumerate(found):
                yield from one.evidence(number, kind)
        for importance in self.importances:
            yield importance.evidence()
        for canary in self.canaries:
            yield canary.evidence()
        yield from self.efficiency.evidence()
        if self.value is not None:
            yield from self.value.evidence()
        if self.cost is not None:
            yield from self.cost.evidence()
        if self.capacity is not None:
            yield from self.capacity.evidence()
        if self.fairness is not None:
            yield from self.fairness.evidence()
        for result in self.constraints:
            yield from result.evidence()
        for proof in self.monotonic:
            yield from proof.evidence()

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"format_version": 1, **asdict(self)}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Evaluation:
        """The evaluation that had this state."""
        return cls(
            task=state["task"],
            n=state["n"],
            scores=tuple(_score(entry) for entry in state["scores"]),
            requirements=tuple(RequirementResult(**_with_interval(entry)) for entry in state["requirements"]),
            weak_slices=tuple(SliceResult(**_with_interval(entry)) for entry in state["weak_slices"]),
            sensitive_slices=tuple(SliceResult(**_with_interval(entry)) for entry in state["sensitive_slices"]),
            importances=tuple(Importance(**entry) for entry in state["importances"]),
            canaries=tuple(Canary(**_with_interval(entry)) for entry in state["canaries"]),
            curves=_curves(state["curves"]),
            efficiency=Efficiency(**state["efficiency"]),
            value=_value(state.get("value")),
            cost=None if state.get("cost") is None else CostOfErrors.of_state(state["cost"]),
            capacity=None if state.get("capacity") is None else CapacityUse.of_state(state["capacity"]),
            fairness=None if state.get("fairness") is None else FairnessFound.of_state(state["fairness"]),
            constraints=tuple(ConstraintResult(**_with_interval(one)) for one in state.get("constraints", ())),
            monotonic=tuple(MonotonicProof(**one) for one in state.get("monotonic", ())),
        )


def evaluate(
    model: Model,
    split: Split,
    spec: Spec,
    *,
    baselines: Mapping[str, Model],
    package: Path | None = None,
    seed: int,
    progress: Progress = silent,
) -> Evaluation:
    """Score the model on the test rows and judge the requirements.

    Parameters
    ----------
    baselines
        Models to show beside it, by name.
    package
        Where the model is saved, for its size.
    """
    with stage("evaluate", progress) as report:
        test = split.test
        predictions = model.predict(test)
        errors = error_cost(spec, split.train)
        cost = None if errors is None else errors.of_rows(test)
        scored = scored_rows(test, predictions, cost)
        earned, capacity = earned_on_test(predictions, split, spec), capacity_share(spec, split.train)
        report.advance(f"scoring {len(test):,} test rows")
        beside = {name: scored_rows(test, baseline.predict(test), cost) for name, baseline in baselines.items()}
        scores = score_all(test.task, scored, beside, seed=seed)
        report.advance("requirements and slices")
        requirements = judge_requirements(
            spec,
            test,
            scored if earned is None else replace(scored, earned=earned.earned),
            seed=seed,
            share=None if capacity is None else capacity.share,
            labelled=len(split.dataset),
        )
        requirements += judge_fairness(spec, split, scored)
        weak = find_weak_slices(test, scored, seed=seed)
        sensitive = sensitive_slices(test, scored, spec.data.sensitive, seed=seed)
        report.advance("importance of columns")
        importances = permutation_importances(model, test, scored, seed=seed)
        report.advance("canary on shuffled targets")
        canaries = run_canary(split.train, split.plan, seed=seed)
        report.advance("time, size, memory")
        efficiency = measure_efficiency(model, test, package)
        constraints = judge_limits(model, test, spec, package)
        monotonic = prove_monotonic(model, split, spec, seed=seed)
        return Evaluation(
            task=test.task,
            n=len(test),
            scores=tuple(scores),
            requirements=tuple(requirements),
            weak_slices=tuple(weak),
            sensitive_slices=tuple(sensitive),
            importances=tuple(importances),
            canaries=tuple(canaries),
            curves=curves_of(
                test.task,
                scored,
                n_classes=len(test.classes),
                profit=_profit(model, test, scored, earned, capacity, spec.decision.currency),
            ),
            efficiency=efficiency,
            value=value_of_decisions(predictions, scored, split, spec, seed=seed),
            cost=cost_of_errors(scored, beside, split, spec, seed=seed),
            capacity=capacity_use(capacity, scored, seed=seed),
            fairness=with_price(compare_groups(split, spec, scored), model, predictions, split, spec, seed=seed),
            constraints=constraints,
            monotonic=monotonic,
        )


def _profit(
    model: Model, test: Dataset, scored: Scored, earned: Earned | None, capacity: CapacityShare | None, currency: str
) -> ProfitCurve | None:
    if earned is None:
        return None
    margin = model.rule.margin(scored.prediction, test.expression_columns(model.rule.columns)).of_rows
    limit = None if capacity is None or capacity.share == 1 else capacity.share
    return profit_curve(margin, earned.worth, scored, currency=currency, capacity=limit)


def scored_rows(rows: Dataset, predictions: Predictions, cost: RowCost | None = None) -> Scored:
    """Rows with what was predicted for them, as metrics take them.

    Parameters
    ----------
    cost
        What errors cost in these rows, if the spec says it.
    """
    groups = rows.groups
    return Scored(
        target=rows.y,
        prediction=predictions.prediction,
        decision=predictions.decision,
        weight=rows.weight,
        group=groups,
        low=predictions.low,
        high=predictions.high,
        coverage=predictions.coverage or 0.9,
        cost=cost,
    )


def _interval(entry: dict[str, Any] | None) -> Interval | None:
    return None if entry is None else Interval(**entry)


def _with_interval(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "interval": _interval(entry["interval"])}


def _score(entry: dict[str, Any]) -> MetricScore:
    baselines = tuple(
        BaselineScore(**{**one, "gain_interval": _interval(one["gain_interval"])}) for one in entry["baselines"]
    )
    return MetricScore(**{**_with_interval(entry), "baselines": baselines})


def _value(entry: dict[str, Any] | None) -> DecisionValue | None:
    if entry is None:  # without values of outcomes, or by a version that knew none
        return None
    beside = tuple(
        Alternative(**{**one, "gain_interval": _interval(one["gain_interval"])}) for one in entry["alternatives"]
    )
    return DecisionValue(**{**_with_interval(entry), "alternatives": beside})


def _curves(entry: dict[str, Any]) -> Curves:
    pairs = {name: tuple((x, y) for x, y in entry[name]) for name in ("roc", "precision_recall", "lift", "scatter")}
    bins = tuple(CalibrationBin(**{**one, "interval": Interval(**one["interval"])}) for one in entry["calibration"])
    confusion = tuple(tuple(row) for row in entry["confusion"])
    profit = None if entry.get("profit") is None else ProfitCurve.of_state(entry["profit"])
    return Curves(confusion=confusion, calibration=bins, profit=profit, **pairs)
