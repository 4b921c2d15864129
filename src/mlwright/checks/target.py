"""Checks of the target: imbalance, wrong labels, whether the test is large enough, and what has to do with it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from mlwright.checks.context import CheckContext
from mlwright.checks.report import CheckResult
from mlwright.data.dataset import FloatArray
from mlwright.statistics import (
    Association,
    associate,
    benjamini_hochberg,
    confident_disagreement,
    noise_floor,
    required_metrics,
)

_RARE_SHARE = 0.05
_RARE_ROWS = 50
#: Among the surest predictions so many may be wrong before labels are doubted; see noise_floor.
_FLOOR = 0.03
_TELLING = 0.85
_SHOWN = 50


def class_imbalance(context: CheckContext) -> Iterator[CheckResult]:
    """Classes with few rows."""
    if context.dataset.task == "regression":
        return
    counts = np.bincount(context.train.y.astype(np.int64), minlength=len(context.dataset.classes))
    rare = int(counts.argmin())
    share, rows = float(counts[rare] / counts.sum()), int(counts[rare])
    name = context.dataset.classes[rare]
    few, uneven = rows < _RARE_ROWS, share < _RARE_SHARE
    advice = ["judge by PR AUC and by money, not by accuracy"] * uneven + ["collect more rows of it"] * few
    yield CheckResult(
        check="class_imbalance",
        status="warn" if few or uneven else "pass",
        what=f"the rarest class ({name}) has {rows:,} training rows, {share:.1%}",
        advice="; ".join(advice),
        evidence={"share": share, "rows": rows},
        method="rows per class",
        rows="training rows",
        n=context.n_train,
    )


def label_errors(context: CheckContext) -> Iterator[CheckResult]:
    """Rows whose class contradicts what all similar rows say.

    References
    ----------
    Northcutt, Jiang and Chuang (2021), Confident learning: estimating uncertainty in dataset labels, JAIR.
    """
    if context.dataset.task == "regression" or len(context.sample) < 200:
        return
    y = context.sample.y.astype(np.int64)
    probabilities = _both_classes(context.quick.prediction)
    given = probabilities[np.arange(len(y)), y]
    doubtful = np.argsort(given, kind="stable")[:_SHOWN]
    flagged = confident_disagreement(probabilities, y)
    floor = noise_floor(probabilities, y)
    rows = context.split.train_rows[context.sampled[doubtful]]
    # Where classes cannot be told apart well, contradicted labels are as likely the fault of missing features.
    suspicious = floor is not None and floor > _FLOOR and context.quick.score > _TELLING
    what = (
        f"even the surest predictions contradict {floor:.1%} of the given classes"
        if suspicious
        else (f"{_SHOWN} rows are listed whose class looks least likely; nothing says that many are wrong")
    )
    yield CheckResult(
        check="label_errors",
        status="warn" if suspicious else "pass",
        what=what,
        advice="look at the listed rows first; never delete them by machine" if suspicious else "",
        evidence={"floor": floor, "flagged_share": float(flagged.mean())},
        method="out-of-fold predictions: share of contradicted classes among the 2 % surest; confident learning",
        rows="training rows",
        n=len(y),
        listed=tuple(int(row) for row in rows),
    )


def _both_classes(prediction: FloatArray) -> FloatArray:
    return prediction if prediction.ndim == 2 else np.column_stack([1 - prediction, prediction])


def sample_size(context: CheckContext) -> Iterator[CheckResult]:
    """Whether the test is large enough for what is asked."""
    y, n = context.split.dataset.y[context.split.test_rows], len(context.split.test_rows)
    requirements = [r for r in context.spec.requirements if r.on == "overall"]
    # Any share will do here: it is asked whether each of them can be measured, not at what.
    required_metrics(context.spec, context.dataset.task, share=1.0 if context.spec.decision.capacity else None)
    for requirement in requirements:
        half = _half_width(requirement.metric, y, context.dataset.task, z=float(ndtri(requirement.confidence)))
        if half is None:
            continue
        bound = requirement.min if requirement.min is not None else requirement.max
        assert bound is not None
        room = min(abs(1 - bound), abs(bound)) if requirement.metric in _SHARES else None
        wide = half > 0.05 or (room is not None and half > room)
        yield CheckResult(
            check="sample_size",
            status="warn" if wide else "pass",
            what=f"{requirement.id}: with {n:,} test rows {requirement.metric} must lie about {half:.3f} beyond the "
            f"bound to be proved at {requirement.confidence:.0%} confidence",
            advice="expect `undecided` unless the score clears the bound by that much; bring more rows" if wide else "",
            evidence={f"{requirement.id}.half_width": half},
            method="one-sided normal approximation for a score of 0.8",
            rows="test rows",
            n=n,
        )
    if not requirements:
        default = "roc_auc" if context.dataset.task == "binary" else "accuracy"
        half = _half_width(default, y, context.dataset.task, z=float(ndtri(0.95)))
        if half is not None:
            yield CheckResult(
                check="sample_size",
                status="warn" if half > 0.06 else "pass",
                what=f"{n:,} test rows tell {default} to about ±{half:.3f} at 90 % confidence",
                advice="bring more rows if you must tell smaller differences" if half > 0.06 else "",
                evidence={"half_width": half},
                method="normal approximation",
                rows="test rows",
                n=n,
            )


_SHARES = {"accuracy", "precision", "recall", "specificity", "roc_auc", "balanced_accuracy", "f1", "pr_auc"}


def _half_width(metric: str, y: FloatArray, task: str, *, z: float) -> float | None:
    """`z` standard errors of a score of 0.8, before any model is fitted; None for metrics without a formula.

    References
    ----------
    Hanley and McNeil (1982), The meaning and use of the area under a ROC curve, Radiology.
    """
    if metric == "roc_auc" and task == "binary":
        n1, n0 = max(float(y.sum()), 1.0), max(float((1 - y).sum()), 1.0)
        a = 0.8
        q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
        variance = (a * (1 - a) + (n1 - 1) * (q1 - a * a) + (n0 - 1) * (q2 - a * a)) / (n1 * n0)
        return z * float(np.sqrt(variance))
    of = {"accuracy": len(y), "precision": y.sum(), "recall": y.sum(), "specificity": (1 - y).sum()}
    if metric in of and task != "regression":
        return z * float(np.sqrt(0.8 * 0.2 / max(float(of[metric]), 1.0)))
    return None


def association(context: CheckContext) -> Iterator[CheckResult]:
    """Which features have to do with the target, tested one by one with the share of false findings kept at 5 %."""
    sample = context.sample
    number = sample.task == "regression"
    y = sample.y if number else sample.y.astype(np.int64)
    tested: dict[str, Association] = {}
    for column in sample.schema.features:
        if column.type in {"text", "identifier"}:
            continue
        is_number = column.type != "category"
        values = sample.numbers(column.name) if is_number else sample.levels(column.name)[0]
        found = associate(values, y, column_is_number=is_number, target_is_number=number)
        if found is not None:
            tested[column.name] = found
    if not tested:
        return
    adjusted = benjamini_hochberg(np.array([one.p_value for one in tested.values()]))
    related = sum(1 for p in adjusted if p < 0.05)
    for (name, one), p in sorted(zip(tested.items(), adjusted, strict=True), key=lambda item: -item[0][1].effect):
        yield CheckResult(
            check="association",
            status="pass",
            column=name,
            what=f"{name}: {one.effect_name} {one.effect:.2f}" + ("" if p < 0.05 else ", could be chance"),
            evidence={"effect": one.effect, "p_adjusted": float(p)},
            method=f"{one.test} test; Benjamini-Hochberg over {len(tested)} features",
            rows="training rows",
            n=one.n,
        )
    if related == 0:
        yield CheckResult(
            check="association",
            status="warn",
            what="no feature has to do with the target beyond chance",
            advice="bring columns that say something about it; a model from these will not beat the baseline",
            evidence={"related": 0},
            method="tests of each feature; Benjamini-Hochberg",
            rows="training rows",
            n=len(sample),
        )
