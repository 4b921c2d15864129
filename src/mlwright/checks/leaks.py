"""Checks for knowledge that will not be there when it counts: leaking columns, contamination, groups and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc

from mlwright.checks.context import CheckContext
from mlwright.checks.quick import OneColumn, quick_out_of_fold, quick_score
from mlwright.checks.report import CheckResult
from mlwright.core import finite, named_rng
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray

#: One column alone: so good is hardly ever honest; so good is looked at; so much above the second best column is odd.
_CERTAIN = {"classes": 0.97, "numbers": 0.97}
_SUSPECT = {"classes": 0.75, "numbers": 0.9}
_AHEAD = {"classes": 0.1, "numbers": 0.2}
#: What all others must say together: to be as good as columns that say nothing is no sign of anything.
_TELLING = {"classes": 0.55, "numbers": 0.05}
_PURE = 0.98
#: Deviations from the middle beyond which numbers are equally far; larger ones would drown all else in rounding.
_FARTHEST = 1000.0
_TILE = (512, 4096)
#: In few test rows some near copies are there by chance.
_CHANCE = 0.01


def leakage(context: CheckContext) -> Iterator[CheckResult]:
    """Features that know the target.

    A column leaks if it alone predicts nearly perfectly; or if it alone does as well as all others together and far
    better than the second best; or if the mere presence of a value gives the rarer class away.
    """
    kind = "numbers" if context.dataset.task == "regression" else "classes"
    scores = context.one_column
    ranked = sorted(scores, key=lambda name: -scores[name].score)
    found: list[str] = []
    for name in ranked:
        reason = _presence(name, scores[name])
        if reason is None and scores[name].score > _CERTAIN[kind]:
            reason = f"{name} alone predicts the target nearly perfectly"
        if reason is not None:
            found.append(name)
            yield _leak(context, name, reason, scores[name])
    rest = [name for name in ranked if name not in found]
    if len(rest) > 1 and scores[rest[0]].score >= max(_SUSPECT[kind], scores[rest[1]].score + _AHEAD[kind]):
        name = rest[0]
        others = quick_out_of_fold(context.sample, seed=context.seed, leave_out=[name, *found])
        if others.score >= _TELLING[kind] and _as_good(context, name, scores[name], others.score):
            found.append(name)
            yield _leak(
                context,
                name,
                f"{name} alone predicts the target as well as all other features together, "
                "and far better than any other",
                scores[name],
                others.score,
            )
    if not found:
        best = ranked[0] if ranked else None
        yield CheckResult(
            check="leakage",
            status="pass",
            what="no feature gives the target away" + (f"; the strongest alone is {best}" if best else ""),
            evidence={} if best is None else {"strongest": scores[best].score},
            method=_method(context),
            rows="training rows",
            n=len(context.sample),
        )


def _as_good(context: CheckContext, name: str, alone: OneColumn, others: float) -> bool:
    """Whether one column does as well as the others; for a regression both are brought to the share of variance."""
    if context.dataset.task != "regression":
        return alone.score >= others
    only = [column for column in context.sample.features if column != name]
    return quick_out_of_fold(context.sample, seed=context.seed, leave_out=only).score >= others


def _method(context: CheckContext) -> str:
    if context.dataset.task == "regression":
        return "share of the variance of the target's ranks that the column alone explains, out of fold"
    return "ROC AUC of the column alone, out of fold"


def _presence(name: str, score: OneColumn) -> str | None:
    for state, purity in (("present", score.present_purity), ("missing", score.absent_purity)):
        if purity is not None and purity > _PURE:
            return f"{name} is {state} almost only where the target is of one minor class: it is filled in afterwards"
    return None


def _leak(context: CheckContext, name: str, reason: str, score: OneColumn, others: float | None = None) -> CheckResult:
    evidence: dict[str, float | int | str | None] = {"alone": score.score}
    if others is not None:
        evidence["all_others"] = others
    override = context.spec.data.columns.get(name)
    accepted = override is not None and override.known_in_time
    return CheckResult(
        check="leakage",
        status="warn" if accepted else "fail",
        column=name,
        what=reason + ("; the spec says that it is known in time" if accepted else ""),
        advice="make sure that it really is known before the decision"
        if accepted
        else f"if it is known only after the decision, list it: data.known_after_decision: [{name}]; "
        f"if it is honest, say so: data.columns.{name}.known_in_time: true",
        evidence=evidence,
        method=_method(context),
        rows="training rows",
        n=len(context.sample),
    )


def contamination(context: CheckContext) -> Iterator[CheckResult]:
    """Test rows that are near copies of training rows, beyond what rows of this kind are anyway."""
    near = near_copies(context.train, context.test, seed=context.seed)
    if near is None:
        return
    excess = near.share - near.share_inside
    many = excess > 0.01 and near.share > 2 * near.share_inside and near.p_value < _CHANCE
    yield CheckResult(
        check="contamination",
        status="warn" if many else "pass",
        what=f"{near.share:.1%} of the test rows are near copies of a training row "
        f"({near.share_inside:.1%} of the training rows are of another one)",
        advice="remove the copies, or name the column that joins them in data.group; the test flatters otherwise"
        if many
        else "",
        evidence={"share": near.share, "share_inside_training": near.share_inside, "p_value": near.p_value},
        method="distance to the nearest training row over scaled numbers and levels",
        rows="test and training rows, inputs only",
        n=near.n,
        listed=tuple(int(row) for row in context.split.test_rows[near.rows][:50]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NearCopies:
    """Which test rows are near copies of training rows, and how common that is inside the training rows.

    `p_value`: how likely so many would be among the test rows if they were as common there as inside (exact for counts
    of rare events).
    """

    rows: IntArray
    share: float
    share_inside: float
    p_value: float
    n: int


def near_copies(train: Dataset, test: Dataset, *, seed: int, most: int = 4000) -> NearCopies | None:
    """Find test rows that nearly equal a training row.

    A row is a near copy if its nearest training row is closer than a fifth of the usual distance between neighbours.

    Parameters
    ----------
    most
        So many test rows are looked at, and as many training rows for comparison.
    """
    a, b = _points(train, test)
    if a.shape[1] < 2 or len(a) < 50:
        return None
    rng = named_rng(seed, "near copies")
    tests = np.sort(rng.permutation(len(b))[:most])
    inside = np.sort(rng.permutation(len(a))[: min(most, 2000)])
    to_train = _nearest(b[tests], a, None)
    own = _nearest(a[inside], a, inside)
    cut = min(0.1, 0.2 * float(np.median(own)))
    if cut <= 0:
        cut = 1e-9
    near, near_inside = to_train <= cut, own <= cut
    found, of_all = int(near.sum()), int(near.sum() + near_inside.sum())
    return NearCopies(
        rows=tests[near],
        share=float(near.mean()),
        share_inside=float(near_inside.mean()),
        p_value=float(bdtrc(found - 1, of_all, len(tests) / (len(tests) + len(inside)))) if found else 1.0,
        n=len(tests),
    )


def _points(train: Dataset, test: Dataset) -> tuple[FloatArray, FloatArray]:
    """Both sides as points: numbers in robust deviations, levels half a unit apart per differing level."""
    parts_a, parts_b = [], []
    for column in train.schema.features:
        if column.type == "text":
            continue
        if column.type == "category":
            codes, levels = train.levels(column.name)
            common = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(levels)))[:12]
            names = {levels[i] for i in common}
            test_codes, test_levels = test.levels(column.name)
            for name in sorted(names):
                parts_a.append(np.r_[[level == name for level in levels], False].astype(float)[codes] * 0.7)
                parts_b.append(np.r_[[level == name for level in test_levels], False].astype(float)[test_codes] * 0.7)
            continue
        x, z = (np.clip(side.numbers(column.name), -1e100, 1e100) for side in (train, test))  # no square is infinite
        if not np.isfinite(x).any():
            continue
        middle = np.nanmedian(x)
        spread = np.nanstd(np.clip(x, *np.nanquantile(x, [0.01, 0.99]))) or 1.0
        with np.errstate(over="ignore"):
            parts_a.append(np.nan_to_num(np.clip((x - middle) / spread, -_FARTHEST, _FARTHEST)))
            parts_b.append(np.nan_to_num(np.clip((z - middle) / spread, -_FARTHEST, _FARTHEST)))
    if not parts_a:
        return np.zeros((len(train), 0)), np.zeros((len(test), 0))
    return np.column_stack(parts_a).astype(np.float32), np.column_stack(parts_b).astype(np.float32)


def _nearest(points: FloatArray, among: FloatArray, itself: IntArray | None) -> FloatArray:
    """Distance from each point to the nearest other one."""
    # |a - b|² = |a|² + (|b|² - 2 a·b), the bracket as one product of matrices; in tiles that stay in the cache.
    with_length = np.column_stack([-2 * among, (among**2).sum(axis=1)])
    with_one = np.column_stack([points, np.ones(len(points), dtype=points.dtype)])
    nearest = np.full(len(points), np.inf)
    for first in range(0, len(among), _TILE[1]):
        others = with_length[first : first + _TILE[1]].T
        for start in range(0, len(points), _TILE[0]):
            bracket = with_one[start : start + _TILE[0]] @ others
            if itself is not None:
                own = itself[start : start + _TILE[0]] - first
                here = np.flatnonzero((own >= 0) & (own < bracket.shape[1]))
                bracket[here, own[here]] = np.inf
            nearest[start : start + _TILE[0]] = np.minimum(nearest[start : start + _TILE[0]], bracket.min(axis=1))
    return np.asarray(np.sqrt(np.maximum(nearest + (points**2).sum(axis=1), 0.0)))


def _where_copies_go(context: CheckContext) -> str:
    by_rows = context.split.plan.kind in {"random", "stratified"}
    return "; they are kept on one side of the split" if by_rows else "; the split does not keep them together"


def duplicates(context: CheckContext) -> Iterator[CheckResult]:
    """Rows that are equal, and equal rows with different targets."""
    from mlwright.data import hash_rows

    dataset = context.dataset
    inputs = hash_rows(dataset.table, dataset.features)
    whole = hash_rows(dataset.table, [*dataset.features, dataset.target])
    n = len(dataset)
    copies = n - len(np.unique(whole))
    _, which, counts = np.unique(inputs, return_inverse=True, return_counts=True)
    twins = counts[which] > 1
    conflict = _conflict_share(which, whole, counts)
    yield CheckResult(
        check="duplicates",
        status="warn" if copies > 0.01 * n else "pass",
        what=f"{copies:,} rows ({copies / n:.1%}) are copies of another row",
        advice="find out whether they are recorded twice" + _where_copies_go(context) if copies > 0.01 * n else "",
        evidence={"rows": copies, "share": copies / n},
        method="hash of all features and the target",
        n=n,
    )
    if dataset.task != "regression":
        contradicting = float(twins.mean()) * conflict
        yield CheckResult(
            check="conflicting_targets",
            status="warn" if contradicting > 0.02 else "pass",
            what=f"{twins.mean():.1%} of the rows have a twin with equal features; of such pairs {conflict:.1%} disagree",
            advice="no model can be right on both rows of such a pair: bring columns that tell them apart"
            if contradicting > 0.02
            else "",
            evidence={"twin_share": float(twins.mean()), "pair_disagreement": conflict},
            method="pairs of rows with equal features",
            n=n,
        )


def _conflict_share(which: IntArray, whole: np.ndarray, counts: IntArray) -> float:
    """Share of pairs with equal inputs whose targets differ."""
    pairs = float((counts * (counts - 1) / 2).sum())
    if pairs == 0:
        return 0.0
    _, same = np.unique(np.column_stack([which.astype(np.uint64), whole]), axis=0, return_counts=True)
    return 1 - float((same * (same - 1) / 2).sum()) / pairs


def groups(context: CheckContext) -> Iterator[CheckResult]:
    """Groups that are on both sides of a split that was not made by groups."""
    numbers = context.dataset.groups
    if numbers is None or context.split.plan.kind == "grouped":
        return
    on_train = np.unique(numbers[context.split.train_rows])
    shared = float(np.isin(numbers[context.split.test_rows], on_train).mean())
    yield CheckResult(
        check="group_leakage",
        status="warn" if shared > 0.05 else "pass",
        what=f"{shared:.1%} of the test rows belong to a group that is also in the training rows",
        advice="set split.kind: grouped if the model must work for new groups" if shared > 0.05 else "",
        evidence={"share": shared},
        method="groups on both sides",
        rows="test rows",
        n=len(context.split.test_rows),
    )


def time_leakage(context: CheckContext) -> Iterator[CheckResult]:
    """How much a split at random flatters a table whose rows have dates."""
    if context.split.plan.kind == "temporal":
        return
    sample = context.sample
    dated = [column for column in sample.schema.features if column.type == "datetime"]
    if not dated or len(sample) < 500:
        return
    times = sample.numbers(dated[0].name)
    gap, error = _forward_gap(sample, times, seed=context.seed)
    large = gap > 2.35 * error and gap > 0.02
    measure = "R²" if sample.task == "regression" else "ROC AUC"
    yield CheckResult(
        check="time_leakage",
        status="warn" if large else "pass",
        column=dated[0].name,
        what=f"forward in time by {dated[0].name} a quick model scores {gap:.3f} {measure} "
        f"{'less' if gap >= 0 else 'more'} than at random",
        advice=f"if it will be used on later rows, set data.time: {dated[0].name}; the test then goes forward in time"
        if large
        else "",
        evidence={"gap": gap, "standard_error": finite(error)},
        method="quick model trained before and tested after four points in time, against random rows of equal number",
        rows="training rows",
        n=len(sample),
    )


def _forward_gap(sample: Dataset, times: FloatArray, *, seed: int) -> tuple[float, float]:
    """Mean loss of score from training on earlier rows only, and its standard error over four cuts."""
    order = np.argsort(times, kind="stable")
    rng = named_rng(seed, "time leakage")
    gaps = []
    for cut in (0.5, 0.6, 0.7, 0.8):
        start, stop = int(cut * len(order)), int((cut + 0.2) * len(order))
        forward = _trained_on(sample, order[:start], order[start:stop], seed)
        shuffled = rng.permutation(order[:stop])
        at_random = _trained_on(sample, shuffled[:start], shuffled[start:], seed)
        if forward is not None and at_random is not None:
            gaps.append(at_random - forward)
    if len(gaps) < 2:
        return 0.0, float("inf")
    return float(np.mean(gaps)), float(np.std(gaps, ddof=1) / np.sqrt(len(gaps)))


def _trained_on(sample: Dataset, train: IntArray, test: IntArray, seed: int) -> float | None:
    """The score on some rows of a quick model trained on others."""
    rows = np.concatenate([train, test])
    part = sample.take(rows)
    if min(len(np.unique(part.y[: len(train)])), len(np.unique(part.y[len(train) :]))) < 2:
        return None
    folds = np.r_[np.ones(len(train), dtype=np.int64), np.zeros(len(test), dtype=np.int64)]
    prediction = quick_out_of_fold(part, seed=seed, folds=folds).prediction[len(train) :]
    return quick_score(part, part.y[len(train) :], prediction)
