"""What is demanded of the model: columns it must not use, monotonic columns, requirements, limits, fairness, the budget."""

from __future__ import annotations

from collections.abc import Iterator

from mlwright.checks import CheckReport
from mlwright.data import Split
from mlwright.models import FAMILIES, capacity_share
from mlwright.spec import Spec
from mlwright.statistics import required_metrics
from mlwright.translation.eligibility import eligible, taking_part
from mlwright.translation.line import TranslationLine, counted


def demand_lines(spec: Spec, split: Split, checks: CheckReport | None) -> Iterator[TranslationLine]:
    """The lines about what must hold for the model."""
    yield from _left_out(spec, split, checks)
    yield from _monotonic(spec)
    yield from _interpretability(spec)
    yield from _fairness(spec, split)
    yield from _requirements(spec, split)
    yield from _limits(spec)
    yield from _budget(spec)


def _left_out(spec: Spec, split: Split, checks: CheckReport | None) -> Iterator[TranslationLine]:
    features = set(split.dataset.features)
    found = {result.column: result for result in (() if checks is None else checks.of("proxies"))}
    for key, topic, why in (
        ("must_not_use", "must_not_use", "is left out, and the features that tell it are searched for"),
        ("known_after_decision", "known_after_decision", "is left out: it is known only after the decision"),
    ):
        for name in getattr(spec.data, key):
            result = found.get(name)
            yield TranslationLine(
                topic=topic,
                asked=f"{name} must not be used" if key == "must_not_use" else f"{name} is known after the decision",
                where=spec.where("data", key),
                done=f"{name} {why}" if result is None else result.what,
                name=name,
            )
    for name in spec.data.sensitive:
        used = (
            "it is a feature all the same (data.must_not_use takes it out)"
            if name in features
            else "it is no feature; how well the features tell it is searched for"
        )
        result = None if name in spec.data.must_not_use else found.get(name)
        yield TranslationLine(
            topic="sensitive",
            asked=f"{name} names people's groups",
            where=spec.where("data", "sensitive"),
            done=f"scores are shown for each group; {used}{f': {result.what}' if result is not None else ''}",
            name=name,
        )


def _monotonic(spec: Spec) -> Iterator[TranslationLine]:
    wanted = spec.constraints.monotonic
    if not wanted:
        return
    taking = [family.title for family in taking_part(spec)]
    without = [family.title for family in FAMILIES.values() if not eligible(family, spec)]
    yield TranslationLine(
        topic="monotonic",
        asked=", ".join(f"{name} {direction}" for name, direction in wanted.items()),
        where=spec.where("constraints", "monotonic"),
        done=f"only families that can keep it take part: {', '.join(taking) or 'none'} (not: {', '.join(without)}); after "
        "the fit it is proved on a grid of values for each column, on test rows",
        numbers={"columns": len(wanted)},
    )


def _interpretability(spec: Spec) -> Iterator[TranslationLine]:
    asked = spec.constraints.interpretability
    if asked == "any":
        return
    taking = [family.title for family in taking_part(spec)]
    done = (
        f"only models that a person can follow by hand take part: {', '.join(taking)}"
        if asked == "glass_box"
        else "every answer can name the columns that moved it most (`reasons`), whatever the model"
    )
    yield TranslationLine(
        topic="interpretability",
        asked=asked,
        where=spec.where("constraints", "interpretability"),
        done=done,
    )


def _fairness(spec: Spec, split: Split) -> Iterator[TranslationLine]:
    for number, one in enumerate(spec.constraints.fairness):
        sign = "at least" if one.is_ratio else "at most"
        kept = (
            "it is kept by acting from other probabilities in other groups, and what that costs is shown"
            if one.adjust != "never"
            else "nothing is done to the decisions because of it"
        )
        yield TranslationLine(
            topic="fairness",
            asked=f"{one.metric.replace('_', ' ')} over {one.attribute} {sign} {one.bound:g}",
            where=spec.where("constraints", "fairness", number),
            done=f"all gaps between the groups are measured on {counted(len(split.test_rows))} test rows with intervals, and "
            f"this one is judged at {one.confidence:.0%} confidence, one-sided; {kept}",
            numbers={"bound": one.bound, "confidence": one.confidence},
            name=str(number),
        )


def _requirements(spec: Spec, split: Split) -> Iterator[TranslationLine]:
    test = split.test
    share = capacity_share(spec, split.train) if test.task == "binary" else None
    metrics = required_metrics(spec, test.task, share=None if share is None else share.share)
    for number, (one, metric) in enumerate(zip(spec.requirements, metrics, strict=True)):
        rows, bound = len(test), one.min if one.min is not None else one.max
        condition = one.condition
        if condition is not None:
            held = condition.evaluate(test.expression_columns(condition.columns), rows=len(test))
            rows = int(held.astype(bool).sum())
        at_least = one.min is not None
        end = "lower" if at_least else "upper"
        effect = {
            "must": "not met ends the run with exit code 1",
            "should": "not met is told, and the run goes on",
            "could": "not met is told, and the run goes on",
        }[one.priority]
        yield TranslationLine(
            topic="requirements",
            asked=f"{one.id}: {metric.title} {'at least' if at_least else 'at most'} {bound:g}"
            + ("" if condition is None else f" where {one.on}"),
            where=spec.where("requirements", number),
            done=f"judged on {counted(rows)} test rows: met if the {end} end of a one-sided interval at {one.confidence:.0%} "
            f"is {'above' if at_least else 'below'} the bound; {effect}",
            numbers={"bound": bound, "confidence": one.confidence, "test_rows": rows},
            name=one.id,
        )


def _limits(spec: Spec) -> Iterator[TranslationLine]:
    limits = spec.constraints
    proof = "not met ends the run with exit code 1"
    if limits.latency_ms is not None:
        yield TranslationLine(
            topic="latency",
            asked=f"an answer within {limits.latency_ms:g} ms",
            where=spec.where("constraints", "latency_ms"),
            done="members of the ensemble that count least are left out until it answers in time; on the finished model the "
            f"95th percentile of single answers is measured again, with an interval; {proof}",
            numbers={"limit_ms": limits.latency_ms},
        )
    if limits.size_mb is not None:
        yield TranslationLine(
            topic="size",
            asked=f"a package of at most {limits.size_mb:g} MB",
            where=spec.where("constraints", "size_mb"),
            done=f"members that count least are left out until the files of the package are within it; {proof}",
            numbers={"limit_mb": limits.size_mb},
        )
    if limits.memory_mb is not None:
        yield TranslationLine(
            topic="memory",
            asked=f"a process that answers in at most {limits.memory_mb:g} MB",
            where=spec.where("constraints", "memory_mb"),
            done=f"a process of its own loads the package and answers rows, and its memory is measured; {proof}",
            numbers={"limit_mb": limits.memory_mb},
        )


def _budget(spec: Spec) -> Iterator[TranslationLine]:
    budget = spec.budget
    trials = "" if budget.trials is None else f", at most {budget.trials} trials"
    yield TranslationLine(
        topic="budget",
        asked=f"{budget.seconds:g} s with {budget.workers} workers and {budget.memory_mb:g} MB{trials}",
        where=spec.where("budget"),
        done="the search ends in time for the last fit, and says what it had to leave out",
        numbers={"seconds": budget.seconds, "workers": budget.workers, "memory_mb": budget.memory_mb},
    )
