"""Metrics that need more than predictions: a level (`precision at a recall of 60 %`), or what decisions earned.

They can be required and are not in the table of what is always reported. `required_metrics` is the way in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlwright.core import MlwrightError
from mlwright.statistics import classification
from mlwright.statistics.metrics import Metric, MetricUnknown, Task, metric_named
from mlwright.statistics.scored import Scored

if TYPE_CHECKING:
    from mlwright.spec import Requirement, Spec  # brings pydantic

#: `level`: a share that the requirement names; `top`: a share that is the capacity's if it names none; `rows`: how many
#: rows there are to decide on in a period; `nothing`: no level.
Need = Literal["level", "top", "rows", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMetric:
    """A metric that becomes one of `Metric` at a level.

    Attributes
    ----------
    title
        With `{}` where the level stands.
    compute
        Of scored rows and the level.
    """

    name: str
    title: str
    needs: Need
    compute: Callable[[Scored, float], float]

    @property
    def described(self) -> str:
        """The title with what stands for the level."""
        words = {"level": "`at`", "top": "`at` of the rows", "rows": "the rows of `decision.volume`", "nothing": ""}
        return self.title.format(words[self.needs])

    def at(self, level: float) -> Metric:
        """The metric at this level."""
        of_rows = self.compute
        return Metric(
            name=self.name,
            title=self.title.format(f"{100 * level:.4g} %" if level <= 1 else f"{level:,.0f} rows"),
            tasks=("binary",),
            higher_is_better=True,
            compute=lambda scored: of_rows(scored, level) if scored.counts else float("nan"),
        )


def earned(scored: Scored, rows: float) -> float:
    """What so many rows are worth by the decisions on them: the mean of `Scored.earned` times their number."""
    return float("nan") if scored.earned is None else rows * scored.mean(scored.earned)


#: By name; all are about decisions between two classes, and more is better.
DECISION_METRICS: dict[str, DecisionMetric] = {
    metric.name: metric
    for metric in (
        DecisionMetric(
            name="precision_at_recall",
            title="precision at a recall of {}",
            needs="level",
            compute=classification.precision_at_recall,
        ),
        DecisionMetric(
            name="recall_at_precision",
            title="recall at a precision of {}",
            needs="level",
            compute=classification.recall_at_precision,
        ),
        DecisionMetric(
            name="precision_at_top",
            title="precision among the top {}",
            needs="top",
            compute=classification.precision_at_top,
        ),
        DecisionMetric(
            name="recall_at_top", title="recall among the top {}", needs="top", compute=classification.recall_at_top
        ),
        DecisionMetric(name="lift_at_top", title="lift of the top {}", needs="top", compute=classification.lift_at_top),
        DecisionMetric(name="value", title="value per row", needs="nothing", compute=earned),
        DecisionMetric(name="value_per_period", title="value of {}", needs="rows", compute=earned),
    )
}

_OF_MONEY = {"value", "value_per_period"}


class LevelMissing(MlwrightError):
    """A metric is asked for without what it is measured at."""

    def __init__(self, name: str, need: Need, *, where: str) -> None:
        what, fix = {
            "level": ("a level", "add `at`, e.g. `at: 0.6` for a recall or a precision of 60 %"),
            "top": ("a share of the rows", "add `at`, e.g. `at: 0.05` for the top 5 %, or give `decision.capacity`"),
            "rows": (
                "the number of rows in a period",
                "give `decision.volume`, e.g. `volume: {count: 500, per: week}`",
            ),
            "nothing": ("no level", "remove `at`"),
        }[need]
        super().__init__(f"{name} needs {what}", where=where, fix=fix)


class MoneyMissing(MlwrightError):
    """Worth is required, and the spec does not say what outcomes are worth."""

    def __init__(self, name: str, *, where: str) -> None:
        super().__init__(
            f"{name} is required, and nothing says what decisions are worth",
            where=where,
            fix="give `decision.values`: what each outcome is worth per row",
        )


class CostMissing(MlwrightError):
    """A cost is required, and the spec does not say what errors cost."""

    def __init__(self, name: str, *, where: str) -> None:
        super().__init__(
            f"{name} is required, and nothing says what an error costs",
            where=where,
            fix="give `decision.error_cost`, e.g. `0.02 * abs(error)`",
        )


def required_metrics(spec: Spec, task: Task, *, share: float | None = None) -> list[Metric]:
    """The metric of each requirement of a spec, at the level that it asks for.

    Parameters
    ----------
    share
        Of the rows that the capacity allows to act on, in (0, 1]; the level of the `_at_top` metrics that name none.

    Raises
    ------
    MetricUnknown, LevelMissing, MoneyMissing, CostMissing
        With the place in the spec.
    """
    volume, listed = spec.decision.volume, []
    for number, requirement in enumerate(spec.requirements):
        where = spec.where("requirements", number, "metric")
        metric = required_metric(
            requirement, task, share=share, rows_per_period=None if volume is None else volume.count, where=where
        )
        if metric.needs_cost and spec.decision.error_cost is None:
            raise CostMissing(metric.name, where=where)
        if metric.name in _OF_MONEY and spec.decision.values is None:
            raise MoneyMissing(metric.name, where=where)
        listed.append(metric)
    return listed


def required_metric(
    requirement: Requirement,
    task: Task,
    *,
    share: float | None = None,
    rows_per_period: float | None = None,
    where: str = "requirements",
) -> Metric:
    """The metric of a requirement, at the level that it asks for.

    Parameters
    ----------
    share
        Of the rows that the capacity allows to act on, in (0, 1]; the level of the `_at_top` metrics that name none.
    rows_per_period
        From `decision.volume`.

    Raises
    ------
    MetricUnknown
        If there is none of that name, or not for the task.
    LevelMissing
        If it has no level and needs one, or has one that means nothing.
    """
    name, level = requirement.metric, requirement.at
    if name not in DECISION_METRICS:
        metric = metric_named(name, task, where=where)
        if level is not None:
            raise LevelMissing(name, "nothing", where=where)
        return metric
    of_decisions = DECISION_METRICS[name]
    if task != "binary":
        raise MetricUnknown(name, task, where=where)
    need = of_decisions.needs
    if need in {"nothing", "rows"} and level is not None:
        raise LevelMissing(name, "nothing", where=where)
    found = {"level": level, "top": level or share, "rows": rows_per_period, "nothing": 1.0}[need]
    if found is None:
        raise LevelMissing(name, need, where=where)
    return of_decisions.at(found)
