"""What a spec asks that cannot all hold; found before any row is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

from mlwright.spec.places import Problem, SpecInvalid
from mlwright.spec.spec import Spec
from mlwright.spec.values import show_duration

#: Metrics that are best at 1.
_AT_MOST_1 = {
    "roc_auc",
    "pr_auc",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "mcc",
    "r2",
    "interval_coverage",
}
#: Metrics that are never below 0.
_AT_LEAST_0 = (_AT_MOST_1 - {"mcc", "r2"}) | {"log_loss", "brier", "calibration_error", "rmse", "mae", "mape"}
#: Days in a period, on average over years.
DAYS_IN = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.44, "quarter": 91.31, "year": 365.25}
#: Months differ in their days: a capacity and a volume of two periods contradict each other only beyond this.
_MONTHS_DIFFER = 1.05


def raise_if_contradictory(spec: Spec, *, today: date | None = None) -> None:
    """Stop if the spec contradicts itself.

    Parameters
    ----------
    today
        What a deadline is counted from; without it deadlines are not looked at.

    Raises
    ------
    SpecInvalid
        With every contradiction found.
    """
    problems = [
        *_roles(spec),
        *_requirements(spec),
        *_decision(spec),
        *_costs(spec),
        *_constraints(spec),
        *_fairness(spec),
        *_split(spec),
        *_operation(spec),
    ]
    if today is not None and spec.decision.label_price is not None:
        late = labels_after_deadline(spec, today=today)
        problems += [] if late is None else [late]
    if problems:
        raise SpecInvalid(problems)


def _roles(spec: Spec) -> Iterator[Problem]:
    data = spec.data
    for key in ("must_not_use", "known_after_decision"):
        if data.target in getattr(data, key):
            yield Problem(
                f"the target {data.target!r} is also listed in {key}",
                spec.where("data", key),
                "take it out of the list, or name another target: the target is never a feature",
            )
    single = {role: getattr(data, role) for role in ("target", "id", "time", "group", "weight") if getattr(data, role)}
    for column, count in Counter(single.values()).items():
        roles = [role for role, name in single.items() if name == column]
        if count > 1 and set(roles) != {"id", "group"}:
            yield Problem(
                f"the column {column!r} cannot be {' and '.join(roles)} at once",
                spec.where("data", roles[-1]),
                "give each role its own column",
            )
    override = data.columns.get(data.target)
    if override is not None and override.type in {"identifier", "constant", "text", "datetime"}:
        yield Problem(
            f"a target cannot be of type {override.type}",
            spec.where("data", "columns", data.target, "type"),
            "use number, integer, boolean or category",
        )
    if spec.task == "regression" and data.positive_class is not None:
        yield Problem(
            "a regression has no positive class",
            spec.where("data", "positive_class"),
            "remove it, or set `task: binary`",
        )


def _requirements(spec: Spec) -> Iterator[Problem]:
    seen: set[str] = set()
    bounds: dict[tuple[str, str], dict[str, float]] = {}
    for number, requirement in enumerate(spec.requirements):
        where = spec.where("requirements", number, "id")
        if requirement.id in seen:
            yield Problem(f"two requirements are called {requirement.id!r}", where, "give each its own id")
        seen.add(requirement.id)
        both = bounds.setdefault((requirement.metric, requirement.on), {})
        if requirement.min is not None:
            both["min"] = max(requirement.min, both.get("min", requirement.min))
        if requirement.max is not None:
            both["max"] = min(requirement.max, both.get("max", requirement.max))
        if "min" in both and "max" in both and both["min"] > both["max"]:
            yield Problem(
                f"{requirement.metric} on {requirement.on} is asked to be at least {both['min']:g} "
                f"and at most {both['max']:g}",
                where,
                "change one of the two bounds",
            )
        if requirement.metric in _AT_MOST_1 and (requirement.min or 0) > 1:
            yield Problem(
                f"{requirement.metric} is never above 1",
                spec.where("requirements", number, "min"),
                "write a share such as 0.8, not a percentage",
            )
        if requirement.metric in _AT_LEAST_0 and requirement.max is not None and requirement.max < 0:
            yield Problem(
                f"{requirement.metric} is never below 0, and is asked to be at most {requirement.max:g}",
                spec.where("requirements", number, "max"),
                "write a bound above 0",
            )


def _decision(spec: Spec) -> Iterator[Problem]:
    decision = spec.decision
    if spec.task == "regression" and decision.values is not None:
        yield Problem(
            "values per outcome need classes, and the task is a regression",
            spec.where("decision", "values"),
            "use `decision.error_cost`, or set `task: binary`",
        )
    if spec.task in {"binary", "multiclass"} and decision.error_cost is not None:
        yield Problem(
            "`error_cost` is for numbers, and the task has classes",
            spec.where("decision", "error_cost"),
            "use `decision.values`",
        )
    capacity, volume = decision.capacity, decision.volume
    if capacity is not None and capacity.count is not None and capacity.per is not None and volume is not None:
        slack = 1.0 if capacity.per == volume.per else _MONTHS_DIFFER
        if capacity.count / DAYS_IN[capacity.per] > slack * volume.count / DAYS_IN[volume.per]:
            of = "" if capacity.per == volume.per else f" per {volume.per}"
            yield Problem(
                f"the capacity of {capacity.count} per {capacity.per} is above the volume of {volume.count}{of}",
                spec.where("decision", "capacity"),
                "correct one of the two; without a limit, remove the capacity",
            )


def _costs(spec: Spec) -> Iterator[Problem]:
    """Worths of outcomes, all fixed numbers, that no prediction can make a difference to."""
    values = spec.decision.values
    if values is None or spec.task in {"multiclass", "regression"}:
        return
    listed = {name: getattr(values, name) for name in type(values).model_fields}
    if any(expression.columns for expression in listed.values()):
        return
    worth = {name: float(expression.evaluate({}, rows=1)[0]) for name, expression in listed.items()}
    if_positive = worth["true_positive"] - worth["false_negative"]
    if_not = worth["false_positive"] - worth["true_negative"]
    told = ", ".join(f"{name} {number:g}" for name, number in worth.items())
    where = spec.where("decision", "values")
    gain = f"acting is worth {if_positive:+g} more on a row of the positive class and {if_not:+g} on any other"
    if if_positive == 0 == if_not:
        yield Problem(
            f"acting and waiting are worth the same in every row ({told}), so nothing is decided",
            where,
            "say what a false alarm costs (false_positive) and what a hit is worth (true_positive)",
        )
    elif if_positive <= 0 and if_not <= 0:
        yield Problem(
            f"it never pays to act, whatever the prediction: {gain} ({told})",
            where,
            "true_positive must be worth more than false_negative; costs are negative numbers",
        )
    elif if_positive >= 0 and if_not >= 0 and spec.decision.capacity is None:
        yield Problem(
            f"it pays to act on every row, whatever the prediction: {gain} ({told})",
            where,
            "say what a false alarm costs: false_positive below true_negative; or how many rows can be acted on: "
            "decision.capacity",
        )
    elif if_positive < 0 < if_not:
        yield Problem(
            f"wrong decisions are worth more than right ones: {gain} ({told})",
            where,
            "write costs as negative numbers, as in `false_positive: -20`; or name the other class in "
            "data.positive_class",
        )


def _constraints(spec: Spec) -> Iterator[Problem]:
    data = spec.data
    unusable = {data.target, data.id, data.weight, *data.must_not_use, *data.known_after_decision}
    for column in spec.constraints.monotonic:
        if column in unusable:
            yield Problem(
                f"{column!r} is to push the prediction one way, but is not a feature",
                spec.where("constraints", "monotonic", column),
                "remove the constraint, or let the column be a feature",
            )
        elif column in {fairness.attribute for fairness in spec.constraints.fairness}:
            yield Problem(
                f"the prediction is to move with {column!r}, and the groups of {column!r} are to be treated alike",
                spec.where("constraints", "monotonic", column),
                "remove the constraint, or the limit in constraints.fairness; a column that must not count belongs "
                "into data.must_not_use",
            )


def _fairness(spec: Spec) -> Iterator[Problem]:
    listed = spec.constraints.fairness
    adjusting = [number for number, fairness in enumerate(listed) if fairness.adjust != "never"]
    taken = {requirement.id for requirement in spec.requirements}
    for number, fairness in enumerate(listed):
        where = spec.where("constraints", "fairness", number)
        kind, wanted, other = ("ratio", "min", "max") if fairness.is_ratio else ("difference", "max", "min")
        if getattr(fairness, wanted) is None or getattr(fairness, other) is not None:
            yield Problem(
                f"a {kind} needs a `{wanted}`, and no `{other}`",
                where,
                f"write `{wanted}: {'0.8' if fairness.is_ratio else '0.1'}`",
            )
        if f"F{number + 1}" in taken:
            yield Problem(
                f"the reports call this limit F{number + 1}, which is also the id of a requirement",
                where,
                "give the requirement another id",
            )
        if spec.data.target in fairness.columns:
            yield Problem(
                f"the groups of a fairness limit are named by the target {spec.data.target!r}",
                where,
                "name a column that says which group a row is of: equal_opportunity and equalized_odds look at the target "
                "by themselves",
            )
        late = [name for name in fairness.columns if name in spec.data.known_after_decision]
        if number in adjusting and late:
            yield Problem(
                f"limits by group need {late[0]!r} when a row is decided on, and it is known only after the decision",
                where,
                "remove `adjust`, or name a group that is known before the decision",
            )
    if len(adjusting) > 1:
        yield Problem(
            "more than one fairness limit is to be kept by thresholds for each group",
            spec.where("constraints", "fairness", adjusting[1], "adjust"),
            "let one of them say `adjust: group_thresholds`; the others are judged all the same",
        )
    if listed and spec.task in {"multiclass", "regression"}:
        yield Problem(
            f"a fairness limit is about acting or not, and a {spec.task} task does neither",
            spec.where("constraints", "fairness"),
            "remove it, or make it a question with two answers: `task: binary`",
        )


def _split(spec: Spec) -> Iterator[Problem]:
    needed = {"temporal": "time", "grouped": "group"}.get(spec.split.kind)
    if needed and getattr(spec.data, needed) is None:
        yield Problem(
            f"a {spec.split.kind} split needs a {needed} column",
            spec.where("split", "kind"),
            f"name the column in `data.{needed}`",
        )
    if spec.split.gap is not None and spec.split.kind not in {"auto", "temporal"}:
        yield Problem(
            f"a gap in time means nothing to a {spec.split.kind} split",
            spec.where("split", "gap"),
            "set `split.kind: temporal`, or remove the gap",
        )


def _operation(spec: Spec) -> Iterator[Problem]:
    retrain, delay = spec.operation.retrain, spec.operation.label_delay
    if "schedule" in retrain.on and retrain.every is None:
        yield Problem(
            "retraining on a schedule needs to know how often",
            spec.where("operation", "retrain"),
            "add `every: 30d`, or take `schedule` out of `on`",
        )
    if "schedule" in retrain.on and retrain.every is not None and retrain.every < delay:
        yield Problem(
            f"a new version is to be made every {show_duration(retrain.every)}, but the truth about a row is known only "
            f"after {show_duration(delay)}: a version would be replaced before any of its answers could be judged",
            spec.where("operation", "retrain", "every"),
            f"retrain every {show_duration(delay)} or less often, or shorten operation.label_delay",
        )


def labels_after_deadline(spec: Spec, *, today: date) -> Problem | None:
    """What to say where the truth about a row of today is known only after the deadline of the project; else None.

    It is a contradiction if something still needs such labels. Of a deadline that has passed nothing is said: the project
    is in operation, and makes its next versions from the same spec.
    """
    deadline, delay = spec.project.deadline, spec.operation.label_delay
    if deadline is None or today > deadline or today + delay <= deadline:
        return None
    return Problem(
        f"the deadline is {deadline}, in {(deadline - today).days} days, but the truth about a row of today ({today}) is "
        f"known only on {today + delay}: more labelled rows, bought or waited for, come too late",
        spec.where("project", "deadline"),
        f"move the deadline to {today + delay} or later, or do with the labels that are there (remove "
        "decision.label_price)"
        if spec.decision.label_price is not None
        else f"move the deadline to {today + delay} or later, or do with the labels that are there",
    )
