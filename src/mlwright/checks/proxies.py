"""Whether columns that are left out can be told from those that are used: leaving a column out does not hide it then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from scipy.special import ndtri

from mlwright.checks.context import CheckContext
from mlwright.checks.quick import one_column_scores, quick_out_of_fold
from mlwright.checks.report import CheckResult
from mlwright.core import Interval, named_rng
from mlwright.data import Column, Dataset
from mlwright.data.dataset import FloatArray
from mlwright.statistics import METRICS, Scored, auc_interval, wilson_interval

#: A column is told where the lower end of its score is above this.
_AUC, _R2 = 0.75, 0.3
_CONFIDENCE = 0.9
#: One column is looked at with at most so many rows; many share what eight of them would have, down to the least.
_MOST_ROWS, _ROWS_TOGETHER, _LEAST_ROWS = 5_000, 40_000, 2_000
_MOST_COLUMNS = 12
#: Rarer levels are one together; under so many known values nothing is said.
_MOST_LEVELS, _LEAST_KNOWN = 6, 50
_SHOWN = 3
_OTHER = "(other)"


def proxies(context: CheckContext) -> Iterator[CheckResult]:
    """Columns that must not be used, or that name groups and are no features, and can be told from the features.

    Where the features predict such a column well, a model has it in them all the same. A quick model predicts it out of fold,
    and each feature does so alone.
    """
    wanted = _left_out(context)
    rows = int(np.clip(_ROWS_TOGETHER // max(len(wanted), 1), _LEAST_ROWS, _MOST_ROWS))
    for name in wanted[:_MOST_COLUMNS]:
        yield _looked_for(context, name, rows)
    if len(wanted) > _MOST_COLUMNS:
        yield CheckResult(
            check="proxies",
            status="pass",
            what=f"{len(wanted) - _MOST_COLUMNS} more columns that are left out were not looked for",
            evidence={"not_looked_for": len(wanted) - _MOST_COLUMNS},
            method="count",
            rows="training rows",
        )


def _left_out(context: CheckContext) -> list[str]:
    data, features = context.spec.data, set(context.dataset.features)
    known = set(context.dataset.schema.names) - features - {context.dataset.target}
    return [name for name in dict.fromkeys((*data.must_not_use, *data.sensitive)) if name in known]


def _looked_for(context: CheckContext, name: str, most: int) -> CheckResult:
    asked = _as_target(context, name, most)
    if asked is None:
        return CheckResult(
            check="proxies",
            status="pass",
            column=name,
            what=f"{name} is left out; it has no values that could be looked for (it names rows, is text, or is nearly constant)",
            method="levels of the column",
            rows="training rows",
            n=len(context.train),
        )
    quick = quick_out_of_fold(asked, seed=context.seed)
    alone = one_column_scores(asked, seed=context.seed)
    strongest = sorted(alone, key=lambda feature: -alone[feature].score)[:_SHOWN]
    evidence: dict[str, float | int | str | None]
    if asked.task == "regression":
        interval = _r2_interval(asked.y, quick.prediction)
        score, bound, unit = quick.score, _R2, "R²"
        told = f"they explain {score:.0%} of it ({max(interval.low, 0):.0%} to {max(interval.high, 0):.0%})"
        evidence = {"r2": score, "low": interval.low, "high": interval.high}
    else:
        score, interval, level = _auc_of_best_told(asked, quick.prediction)
        bound, unit = _AUC, "AUC"
        accuracy, base = _accuracy(asked, quick.prediction)
        of = "" if len(asked.classes) == 2 else f" for {level!r}"
        told = (
            f"ROC AUC {score:.2f}{of} ({interval.low:.2f} to {interval.high:.2f}), right in {accuracy.low:.0%} to "
            f"{accuracy.high:.0%} of the rows against {base:.0%} by the most common value"
        )
        evidence = {
            "auc": score,
            "low": interval.low,
            "high": interval.high,
            "accuracy_low": accuracy.low,
            "accuracy_high": accuracy.high,
            "most_common": base,
        }
    # A column that can be told is told by something: the strongest alone are named with their own scores.
    evidence |= {f"alone.{feature}": alone[feature].score for feature in strongest}
    clear = interval.low > bound
    named = ", ".join(f"{feature} ({alone[feature].score:.2f} alone)" for feature in strongest)
    what = (
        f"{name} is left out, but the features tell it: {told}; most of all {named}"
        if clear
        else f"{name} is left out, and the features do not clearly tell it: {told}"
    )
    return CheckResult(
        check="proxies",
        status="warn" if clear else "pass",
        column=name,
        what=what,
        advice=f"leaving {name} out does not hide it: leave out {', '.join(strongest[:2])} as well (data.must_not_use), or "
        f"measure what it does to the groups of {name} (data.sensitive, constraints.fairness)"
        if clear
        else "",
        evidence=evidence,
        method=f"{unit} of a quick model on all features, out of fold, and of each feature alone",
        rows="training rows",
        n=len(asked),
    )


def _as_target(context: CheckContext, name: str, most: int) -> Dataset | None:
    """Training rows with the column in the place of the target; None if it has nothing that could be predicted."""
    train = context.train
    column = train.schema[name]
    known = np.flatnonzero(~np.asarray(train.table.column(name).is_null()))
    if len(known) < _LEAST_KNOWN or column.type in {"text", "identifier", "constant"}:
        return None
    if len(known) > most:
        known = np.sort(named_rng(context.seed, "checks", "proxies", name).choice(known, most, replace=False))
    rows = train.take(known)
    if column.type in {"number", "integer", "datetime"} and len(np.unique(rows.numbers(name))) > _MOST_LEVELS:
        return _with_target(rows, name, pa.array(rows.numbers(name)), column.but(type="number", role="target"))
    texts = _levels(rows, name)
    classes = tuple(dict.fromkeys(sorted(texts)))
    if len(classes) < 2:
        return None
    typed = pa.array(texts, pa.string()).dictionary_encode()
    return _with_target(rows, name, typed, column.but(type="category", role="target", levels=classes), classes)


def _levels(rows: Dataset, name: str) -> list[str]:
    """The value of each row as text, the rarer ones as one level."""
    codes, levels = rows.levels(name)
    counts = np.bincount(codes, minlength=len(levels))
    order = np.argsort(-counts, kind="stable")
    kept = {int(code) for code in order[: _MOST_LEVELS - 1] if counts[code]}
    if int((counts > 0).sum()) <= _MOST_LEVELS:
        kept = set(np.flatnonzero(counts).tolist())
    return [levels[code] if code in kept else _OTHER for code in codes.tolist()]


def _with_target(rows: Dataset, name: str, values: pa.Array, column: Column, classes: tuple[str, ...] = ()) -> Dataset:
    position = rows.table.column_names.index(name)
    changed = [column, rows.schema[rows.target].but(role="unused")]
    weight = rows.schema.with_role("weight")
    if weight is not None:
        changed.append(weight.but(role="unused"))
    return replace(
        rows,
        table=rows.table.set_column(position, name, values),
        schema=rows.schema.replaced(changed),
        task="regression" if not classes else "binary" if len(classes) == 2 else "multiclass",
        classes=classes,
    )


def _auc_of_best_told(asked: Dataset, prediction: FloatArray) -> tuple[float, Interval, str]:
    """The ROC AUC of the level that is told best, one against the rest, with an interval that allows for the choice."""
    y = asked.y
    of_levels = prediction[:, None] if prediction.ndim == 1 else prediction
    numbers = [1] if prediction.ndim == 1 else range(len(asked.classes))
    scores = dict(zip(numbers, of_levels.T, strict=True))
    confidence = 1 - (1 - _CONFIDENCE) / len(scores)
    best: tuple[float, Interval, str] = (0.5, Interval(low=0.0, high=1.0, confidence=_CONFIDENCE), "")
    for k, score in scores.items():
        found = auc_interval(y == k, score, confidence=confidence)
        if found is None:
            continue
        auc = METRICS["roc_auc"].compute(Scored(target=(y == k).astype(np.float64), prediction=score))
        if not best[2] or found.low > best[1].low:
            best = auc, Interval(low=found.low, high=found.high, confidence=_CONFIDENCE), str(asked.classes[k])
    return best


def _accuracy(asked: Dataset, prediction: FloatArray) -> tuple[Interval, float]:
    """How often the likeliest level is right, and how often the most common one is."""
    likeliest = prediction.argmax(axis=1) if prediction.ndim == 2 else (prediction >= 0.5).astype(np.int64)
    right = int((likeliest == asked.y).sum())
    common = np.bincount(asked.y.astype(np.int64)).max() / len(asked)
    return wilson_interval(right, len(asked), confidence=_CONFIDENCE), float(common)


def _r2_interval(y: FloatArray, prediction: FloatArray) -> Interval:
    """An interval of R² by linearisation: it is one less a ratio of two means.

    References
    ----------
    Cochran (1977), Sampling techniques, chapter 6: the variance of a ratio.
    """
    error, spread = (y - prediction) ** 2, (y - y.mean()) ** 2
    ratio = float(error.mean() / spread.mean())
    deviation = float((error - ratio * spread).std(ddof=1) / spread.mean() / np.sqrt(len(y)))
    half = float(ndtri(0.5 + _CONFIDENCE / 2)) * deviation
    return Interval(low=1 - ratio - half, high=1 - ratio + half, confidence=_CONFIDENCE)
