"""What a spec asks that cannot all hold; found before any row is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mlwright.spec.places import Problem, SpecInvalid
from mlwright.spec.spec import Spec

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


def raise_if_contradictory(spec: Spec) -> None:
    """Stop if the spec contradicts itself.

    Raises
    ------
    SpecInvalid
        With every contradiction found.
    """
    problems = [*_roles(spec), *_requirements(spec), *_decision(spec), *_constraints(spec), *_split(spec)]
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
    if decision.capacity is not None and decision.capacity.count is not None and decision.volume is not None:
        same_period = decision.capacity.per == decision.volume.per
        if same_period and decision.capacity.count > decision.volume.count:
            yield Problem(
                f"the capacity of {decision.capacity.count} per {decision.capacity.per} is above the volume "
                f"of {decision.volume.count}",
                spec.where("decision", "capacity"),
                "correct one of the two; without a limit, remove the capacity",
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
    for number, fairness in enumerate(spec.constraints.fairness):
        kind, wanted = ("ratio", "min") if fairness.metric.endswith("ratio") else ("difference", "max")
        if getattr(fairness, wanted) is None:
            yield Problem(
                f"a {kind} needs a `{wanted}`",
                spec.where("constraints", "fairness", number),
                f"add `{wanted}: {'0.8' if kind == 'ratio' else '0.1'}`",
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
