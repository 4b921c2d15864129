"""Do probabilities still say how often something happens, and do rows still rank as before? From labelled rows.

If they rank well and only the numbers are off, a new map from score to probability is all that is needed. For a regression
the same is asked of the mean error: moving the answers, and new widths of their intervals. A stream that changes faster than
a challenger can be trained is followed in the same way, from one window to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlwright.core import Interval
from mlwright.data.dataset import FloatArray
from mlwright.lifecycle.labelled import LabelledRows
from mlwright.models import Calibration, Model, Offset, ScoreCounts, fit_calibration, fit_offset, fit_spread
from mlwright.models.calibration import CLIP
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
#: From so many rows on a calibration of two classes is fitted freely; fewer move the known one (`_line`), held as if by 20 rows.
_FREE_FROM = 2_000
_HELD, _STEPS, _IDENTITY = 20.0, 25, np.array([1.0, 0.0])


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


def recalibration(
    model: Model, rows: LabelledRows, *, rng: np.random.Generator, monotonic: bool = False
) -> Recalibration | None:
    """Judge the calibration on labelled rows and fit a new one; None with too few rows.

    The rows are the latest ones; they should be of one piece, that is from after what has changed, and not rows that the model
    was trained on.

    Parameters
    ----------
    monotonic
        Whether the answers have to rise or fall with some columns: those of a regression are then all moved by one amount.
    """
    if len(rows) < LEAST_ROWS:
        return None
    raw = _raw(model, rows)
    if model.task == "regression":
        return _of_values(model, rows, raw, in_bands=not monotonic)
    return _of_classes(model, rows, raw, rng)


def calibrated_again(
    known: Calibration, raw: FloatArray, y: FloatArray, *, rng: np.random.Generator
) -> tuple[Calibration, FloatArray]:
    """A new map for the latest rows, and what it gains over the known one in Brier score on rows kept apart, shape (n_rows,).

    Parameters
    ----------
    known
        The map by now; it is given back where no other helps.
    raw : shape (n_rows,) or (n_rows, n_classes)
        What the ensemble said before calibration, of rows that it was not trained on.
    y : shape (n_rows,)
        Class numbers.
    """
    part = rng.permutation(len(y)) % _PARTS
    now = known.apply(raw)
    kept_apart = now.copy()
    for number in range(_PARTS):
        left = part == number
        kept_apart[left] = _fitted(known, raw[~left], y[~left], rng).apply(raw[left])
    found = _fitted(known, raw, y, rng)
    if found is known:
        return known, np.zeros(len(y))
    gain: FloatArray = _loss(Scored(target=y, prediction=now)) - _loss(Scored(target=y, prediction=kept_apart))
    return found, gain


def moved_again(
    known: Offset | None, raw: FloatArray, y: FloatArray, cost: RowCost, *, in_bands: bool
) -> tuple[Offset | None, FloatArray]:
    """A new offset for the latest rows, and what it saves over the known one on rows kept apart, shape (n_rows,).

    Parameters
    ----------
    in_bands
        Whether small and large answers may be moved by different amounts: `fit_offset`.
    """
    part = np.arange(len(y)) % _PARTS
    answered = known.apply(raw) if known else raw
    moved = answered.copy()
    for number in range(_PARTS):
        seen = np.flatnonzero(part != number)
        learned = fit_offset(raw[seen], y[seen], cost.take(seen), in_bands=in_bands)
        moved[part == number] = (learned.apply(raw) if learned else raw)[part == number]
    return fit_offset(raw, y, cost, in_bands=in_bands), cost.of(answered, y) - cost.of(moved, y)


def mean_gain(amounts: FloatArray) -> Interval:
    """The mean gain of a row, with its interval at 95 %: above 0 if a change helps beyond chance."""
    half = 1.96 * float(amounts.std()) / np.sqrt(max(len(amounts), 1))
    middle = float(amounts.mean()) if len(amounts) else 0.0
    return Interval(low=middle - half, high=middle + half, confidence=0.95)


def _of_classes(model: Model, rows: LabelledRows, raw: FloatArray, rng: np.random.Generator) -> Recalibration:
    y, now = rows.y, Scored(target=rows.y, prediction=model.calibration.apply(raw))
    calibration, gain = calibrated_again(model.calibration, raw, y, rng=rng)
    name = "roc_auc" if len(model.classes) == 2 else "accuracy"
    before = _reference_ranking(model, name)
    upper, found = _ranking(name, now)
    return Recalibration(
        rows=len(rows),
        ranking=name,
        before=before,
        now=found,
        ranking_intact=bool(np.isnan(before) or upper >= before - _SAME_RANKING),
        gain=mean_gain(gain),
        model=_with_calibration(model, calibration, rows, raw),
    )


def _of_values(model: Model, rows: LabelledRows, raw: FloatArray, *, in_bands: bool) -> Recalibration:
    y, cost = rows.y, _cost(model, rows)
    answered = model.offset.apply(raw) if model.offset else raw
    offset, gain = moved_again(model.offset, raw, y, cost, in_bands=in_bands)
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
        gain=mean_gain(gain),
        model=replace(model, offset=offset, spread=fit_spread(values, y), facts=_facts(model, rows)),
    )


def _fitted(known: Calibration, raw: FloatArray, y: FloatArray, rng: np.random.Generator) -> Calibration:
    """The map that these rows ask for; the known one where they are too few, or no other helps."""
    if raw.ndim == 2 or len(y) >= _FREE_FROM:
        fitted = fit_calibration(raw, y, weight=None, rng=rng)
        return known if fitted.method == "none" else fitted
    return _line(known, raw, y)


def _line(known: Calibration, raw: FloatArray, y: FloatArray) -> Calibration:
    """The known map with a line through its logit (Platt), held where it is as if by 20 rows: few rows move it only a little.

    A line through the logit of a map is a map of the same kind, so it can be moved again by the next rows.
    """
    from scipy.special import expit, logit

    score = logit(np.clip(known.apply(raw), CLIP, 1 - CLIP))
    design, line = np.column_stack([score, np.ones(len(score))]), np.array([1.0, 0.0])
    for _ in range(_STEPS):
        p = expit(design @ line)
        slope = design.T @ (y - p) - _HELD * (line - _IDENTITY)
        curve = (design * (p * (1 - p))[:, None]).T @ design + _HELD * np.eye(2)
        step = np.linalg.solve(curve, slope)
        line = line + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-6:
            break
    if line[0] <= 0:  # the map must not turn the order round
        return known
    reason = f"moved by {len(y):,} rows"
    if known.method == "none":
        return Calibration(method="platt", values=tuple(line.tolist()), reason=reason)
    values = np.array(known.values) * line[0]
    if known.method == "temperature":
        return Calibration(method="platt", values=(float(values[0]), float(line[1])), reason=reason)
    values[-1] += line[1]
    return Calibration(method=known.method, values=tuple(values.tolist()), reason=reason)


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
class SquaredError:
    """What an error costs where the spec does not say it (a `RowCost`)."""

    def of(self, prediction: FloatArray, target: FloatArray) -> FloatArray:
        cost: FloatArray = np.square(prediction - target)
        return cost

    def take(self, rows: object) -> SquaredError:  # noqa: ARG002 - it is the same for all rows
        return self


def _cost(model: Model, rows: LabelledRows) -> RowCost:
    text = model.facts.get("error_cost")
    return SquaredError() if text is None else cost_of_rows(Expression.parse(str(text)), rows.rows)
