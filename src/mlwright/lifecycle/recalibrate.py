"""Do probabilities still say how often something happens, and do rows still rank as before? From labelled rows.

If they rank well and only the numbers are off, a new map from score to probability is all that is needed. For a regression
the same is asked of the mean error: moving the answers, and new widths of their intervals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlwright.core import Interval
from mlwright.data.dataset import FloatArray
from mlwright.lifecycle.labelled import LabelledRows
from mlwright.models import Calibration, Model, ScoreCounts, fit_calibration, fit_offset, fit_spread
from mlwright.models.error_cost import cost_of_rows
from mlwright.spec import Expression
from mlwright.statistics import METRICS, RowCost, Scored, auc_interval

#: With fewer labelled rows nothing is said.
LEAST_ROWS = 200
#: So much worse ranking is still the same.
_SAME_RANKING = 0.01
#: Errors around their mean may be so many times as wide (as variance) and still be the same.
_SAME_SPREAD = 1.15
_PARTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """What a new calibration would do.

    Attributes
    ----------
    rows
        Labelled rows that it was learnt from.
    ranking
        What says how well rows are ranked: `roc_auc`, `accuracy` with several classes, or `spread` of errors.
    before, now
        That number on the reference and on these rows; the first is NaN where the package does not say it.
    ranking_intact
        Whether it is as good as before, as far as these rows can tell.
    gain
        How much less a row loses with the new calibration, on rows that it was not fitted on: in Brier score, in the cost
        of errors, or in squared error.
    model
        The same model with the new calibration.
    """

    rows: int
    ranking: str
    before: float
    now: float
    ranking_intact: bool
    gain: Interval
    model: Model

    @property
    def off(self) -> bool:
        """Whether the calibration is off: a new one is better beyond chance."""
        return self.gain.low > 0


def recalibration(model: Model, rows: LabelledRows, *, rng: np.random.Generator) -> Recalibration | None:
    """Judge the calibration on labelled rows and fit a new one; None with too few rows.

    The rows are the latest ones; they should be of one piece, that is from after what has changed.
    """
    if len(rows) < LEAST_ROWS:
        return None
    raw = _raw(model, rows)
    return _of_values(model, rows, raw) if model.task == "regression" else _of_classes(model, rows, raw, rng)


def _of_classes(model: Model, rows: LabelledRows, raw: FloatArray, rng: np.random.Generator) -> Recalibration:
    y, part = rows.y, rng.permutation(len(rows)) % _PARTS
    kept_apart = model.calibration.apply(raw).copy()
    now = Scored(target=y, prediction=kept_apart.copy())
    for number in range(_PARTS):
        left = part == number
        fitted = fit_calibration(raw[~left], y[~left], weight=None, rng=rng)
        if fitted.method != "none":
            kept_apart[left] = fitted.apply(raw[left])
    gain = _loss(now) - _loss(Scored(target=y, prediction=kept_apart))
    calibration = fit_calibration(raw, y, weight=None, rng=rng)
    if calibration.method == "none":
        calibration, gain = model.calibration, np.zeros(len(y))
    name = "roc_auc" if len(model.classes) == 2 else "accuracy"
    before = _reference_ranking(model, name)
    upper, found = _ranking(name, now)
    return Recalibration(
        rows=len(rows),
        ranking=name,
        before=before,
        now=found,
        ranking_intact=bool(np.isnan(before) or upper >= before - _SAME_RANKING),
        gain=_mean_interval(gain),
        model=_with_calibration(model, calibration, rows, raw),
    )


def _of_values(model: Model, rows: LabelledRows, raw: FloatArray) -> Recalibration:
    y, cost = rows.y, _cost(model, rows)
    answered = model.offset.apply(raw) if model.offset else raw
    part = np.arange(len(y)) % _PARTS
    moved = answered.copy()
    for number in range(_PARTS):
        seen = np.flatnonzero(part != number)
        learned = fit_offset(raw[seen], y[seen], cost.take(seen), in_bands=False)
        moved[part == number] = (learned.apply(raw) if learned else raw)[part == number]
    gain = cost.of(answered, y) - cost.of(moved, y)
    offset = fit_offset(raw, y, cost, in_bands=False)
    values = offset.apply(raw) if offset else raw
    now, before = float(np.var(y - answered)), _reference_spread(model)
    # Errors are skewed: the interval of their variance by the fourth moment.
    error = np.square(y - answered - (y - answered).mean())
    lower = now - 1.645 * float(error.std()) / np.sqrt(len(y))
    return Recalibration(
        rows=len(rows),
        ranking="spread",
        before=before,
        now=now,
        ranking_intact=bool(np.isnan(before) or lower <= _SAME_SPREAD * before),
        gain=_mean_interval(gain),
        model=replace(model, offset=offset, spread=fit_spread(values, y), facts=_facts(model, rows)),
    )


def _with_calibration(model: Model, calibration: Calibration, rows: LabelledRows, raw: FloatArray) -> Model:
    """The model with another calibration, whose reference of scores is these rows."""
    calibrated = calibration.apply(raw)
    changed = replace(model, calibration=calibration, facts=_facts(model, rows))
    if model.history is None:
        return changed
    answers = changed.answer(raw, changed.decision_columns(rows.rows.table.select(model.schema.names)))
    assert answers.decision is not None
    counts = ScoreCounts.none_yet(len(model.classes))
    score = calibrated if calibrated.ndim == 1 else calibrated.max(axis=1)
    counts.add(answers.decision, score)
    counts.add_truth(rows.y.astype(np.int64), answers.decision, score)
    return replace(changed, history=replace(model.history, scores=counts))


def _facts(model: Model, rows: LabelledRows) -> dict[str, object]:
    return {**model.facts, "calibrated_on": f"{len(rows):,} labelled rows of the prediction log"}


def _raw(model: Model, rows: LabelledRows) -> FloatArray:
    """What the ensemble says before calibration."""
    return model.combined(model.encoded(rows.rows.table.select(model.schema.names)))


def _loss(scored: Scored) -> FloatArray:
    per_row = METRICS["brier"].per_row
    assert per_row is not None
    return per_row(scored)


def _ranking(name: str, scored: Scored) -> tuple[float, float]:
    """The upper bound of how well the rows are ranked, at 95 %, and the estimate."""
    found = METRICS[name].compute(scored)
    if name == "accuracy":
        return found + 1.645 * float(np.sqrt(found * (1 - found) / len(scored))), found
    interval = auc_interval(scored.target == 1, scored.prediction, confidence=0.9)
    return (1.0 if interval is None else interval.high), found


def _reference_ranking(model: Model, name: str) -> float:
    scores = None if model.history is None else model.history.scores
    if scores is None or not scores.known:
        return float("nan")
    if name == "accuracy":
        return float(scores.hits.sum() / scores.known)
    negatives, positives = scores.labelled[0].astype(float), scores.labelled[1].astype(float)
    below = np.cumsum(negatives) - negatives / 2
    pairs = negatives.sum() * positives.sum()
    return float(positives @ below / pairs) if pairs else float("nan")


def _reference_spread(model: Model) -> float:
    scores = None if model.history is None else model.history.scores
    if scores is None or not scores.known:
        return float("nan")
    n, total, _, squares = scores.labelled.sum(axis=1)
    return float(squares / n - (total / n) ** 2)


@dataclass(frozen=True, slots=True)
class _SquaredError:
    """What an error costs where the spec does not say it (a `RowCost`)."""

    def of(self, prediction: FloatArray, target: FloatArray) -> FloatArray:
        cost: FloatArray = np.square(prediction - target)
        return cost

    def take(self, rows: object) -> _SquaredError:  # noqa: ARG002 - it is the same for all rows
        return self


def _cost(model: Model, rows: LabelledRows) -> RowCost:
    text = model.facts.get("error_cost")
    return _SquaredError() if text is None else cost_of_rows(Expression.parse(str(text)), rows.rows)


def _mean_interval(amounts: FloatArray) -> Interval:
    half = 1.96 * float(amounts.std()) / np.sqrt(max(len(amounts), 1))
    middle = float(amounts.mean()) if len(amounts) else 0.0
    return Interval(low=middle - half, high=middle + half, confidence=0.95)
