"""What rows without labels are expected to lose, from their scores alone; a histogram of the scores is enough.

It holds as long as a score means what it meant: where the classes of rows with the same score have changed (concept drift)
only labels can tell, and where rows of the same score are now other rows, `reweighting` corrects it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mlwright.core import Interval
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models.score_counts import bins_of
from mlwright.monitoring.score_cells import ScoreCells
from mlwright.statistics import METRICS, Worth

DRAWS = 200
#: Names of metrics that are not in `METRICS`.
VALUE = "value"
_SHARES = {"accuracy", "roc_auc", "precision", "recall", "brier"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A metric that some rows are expected to have, beside that of the labelled reference.

    Attributes
    ----------
    interval
        For what the metric of these very rows will turn out to be: it has the chance in their labels, what the reference
        does not know of its own rates, and what was learnt of errors under a drift of this size.
    reference
        The metric of the labelled reference rows; NaN without any.
    change
        For the mean of `value` minus `reference`, if more rows came from where these did.
    rows
        Of the window.
    """

    metric: str
    value: float
    interval: Interval
    reference: float
    change: Interval
    rows: float

    @property
    def higher_is_better(self) -> bool:
        return higher_is_better(self.metric)

    @property
    def worse(self) -> float:
        """How much worse than the reference, in the metric's unit; negative if better."""
        return self.reference - self.value if self.higher_is_better else self.value - self.reference

    @property
    def worse_between(self) -> Interval:
        """Bounds for `worse`."""
        change = self.change
        if self.higher_is_better:
            return Interval(low=-change.high, high=-change.low, confidence=change.confidence)
        return change


def higher_is_better(metric: str) -> bool:
    """Whether more of a metric is better; `value` is money that is earned."""
    return metric == VALUE or (metric in METRICS and METRICS[metric].higher_is_better)


def expected_metrics(
    counts: FloatArray,
    cells: ScoreCells,
    *,
    like_window: ScoreCells | None = None,
    worth: Mapping[str, float] | None = None,
    shift: Mapping[str, float] | None = None,
    rng: np.random.Generator,
    confidence: float = 0.9,
) -> dict[str, Expected]:
    """The metrics that rows with these scores are expected to have, by name.

    Parameters
    ----------
    counts : shape (n_classes, 256)
        Rows by predicted class and bin of the probability (`score_cells.count_cells`).
    cells
        Labelled rows that the model was not fitted on.
    like_window
        The same rows, weighted to be like those of the window; the rates then come from them.
    worth
        What the four outcomes of a decision are worth (`true_positive` …), where these are the same in all rows.
    shift
        Standard error that the drift adds to estimates from all rows, by the name of the metric (`shift_error`).

    References
    ----------
    Białek, Kuberski, Perrakis and Bifet (2024), Estimating model performance under covariate shift without labels: CBPE,
    and PAPE with `like_window`. The rates are a smooth curve here, where these take an isotonic one.
    """
    n = float(counts.sum())
    hits, misses = cells.drawn(DRAWS, rng)
    rates, drawn = cells.rates(), cells.rates(hits, misses)

    def of(share: FloatArray) -> dict[str, FloatArray]:
        return metrics_of_cells(counts * share, counts * (1 - share), cells, worth=worth)

    expected, expected_drawn = of(rates), of(drawn)
    known = metrics_of_cells(cells.hits, cells.misses, cells, worth=worth)
    known_drawn = metrics_of_cells(hits, misses, cells, worth=worth)
    whole = np.rint(counts).astype(np.int64)
    labels = rng.binomial(whole, np.clip(drawn, 0.0, 1.0)).astype(np.float64)
    with_labels = metrics_of_cells(labels, whole - labels, cells, worth=worth)
    # As many other rows of the same source might have had other scores.
    others = rng.poisson(counts, drawn.shape).astype(np.float64)
    other_rows = metrics_of_cells(others * drawn, others * (1 - drawn), cells, worth=worth)
    drifts = {name: float((shift or {}).get(name, 0.0)) for name in expected}
    moves = {name: (0.0, drift) for name, drift in drifts.items()}
    if like_window is not None:
        like, like_drawn = (
            of(like_window.rates(start=rates)),
            of(like_window.rates(*like_window.drawn(DRAWS, rng), start=drawn)),
        )
        part = float(np.clip(like_window.rows.sum() / max(cells.rows.sum(), 1e-300), 0.0, 1.0))
        moves = {
            name: _moved(float(like[name] - expected[name]), like_drawn[name] - expected_drawn[name], drift, part)
            for name, drift in drifts.items()
        }
    result = {}
    for name, (move, of_drift) in moves.items():
        middle, reference = float(expected[name]) + move, float(known[name])
        change = _spread(other_rows[name] - known_drawn[name], of_drift)
        result[name] = Expected(
            metric=name,
            value=middle,
            interval=_around(middle, _spread(with_labels[name], of_drift), confidence, share=name in _SHARES),
            reference=reference,
            change=_around(middle - reference, change, confidence),
            rows=n,
        )
    return result


def _moved(move: float, drawn: FloatArray, drift: float, part: float) -> tuple[float, float]:
    """How far to follow an estimate from weighted rows, and the standard error of the drift that is left.

    The estimate from all rows is off by about `drift`, or by as much as the two differ beyond chance; that from weighted
    rows is unsure by their number. The mean of the two with the least error is taken. Trials find no error of a drift in
    half of the cases where there is one, so it is taken to be at least as large as the other. (Errors of rows that both
    have in common are no difference: `part` is the share of rows that is left in weighted ones.)
    """
    known = drawn[np.isfinite(drawn)]
    if len(known) < 2 or not np.isfinite(move):
        return 0.0, drift
    unsure = float(known.var()) * (1 - part) / (1 + part)
    off = max(drift**2 + unsure, move**2 - unsure)
    if off + unsure <= 0:
        return move, 0.0
    return move * off / (off + unsure), float(np.sqrt(off * unsure / (off + unsure)))


def metrics_of_cells(
    hits: FloatArray, misses: FloatArray, cells: ScoreCells, *, worth: Mapping[str, float] | None = None
) -> dict[str, FloatArray]:
    """Metrics of rows of which hits and misses are known, or expected, by cell; shape (...) for (..., n_classes, 256)."""
    both = (-2, -1)
    n = hits.sum(axis=both) + misses.sum(axis=both)
    if cells.classes > 2:
        wrong = misses * cells.wrong_log_loss()
        return {
            "accuracy": _ratio(hits.sum(axis=both), n),
            "log_loss": _ratio(wrong.sum(axis=both) - (hits * cells.log_p).sum(axis=both), n),
        }
    of_hits, of_misses = hits.sum(axis=-2), misses.sum(axis=-2)
    p = cells.probability
    positives, negatives = of_hits.sum(axis=-1), of_misses.sum(axis=-1)
    right, found = hits[..., 1, :].sum(axis=-1) + misses[..., 0, :].sum(axis=-1), hits[..., 1, :].sum(axis=-1)
    below = np.cumsum(of_misses, axis=-1) - of_misses / 2
    result = {
        "accuracy": _ratio(right, n),
        "log_loss": _ratio(-(of_hits * cells.log_p + of_misses * cells.log_q).sum(axis=-1), n),
        "brier": _ratio((of_hits * (1 - p) ** 2 + of_misses * p**2).sum(axis=-1), n),
        "roc_auc": _ratio((of_hits * below).sum(axis=-1), positives * negatives),
        "precision": _ratio(found, found + misses[..., 1, :].sum(axis=-1)),
        "recall": _ratio(found, positives),
    }
    if worth is not None:
        result[VALUE] = _ratio(
            worth["true_positive"] * found
            + worth["false_negative"] * hits[..., 0, :].sum(axis=-1)
            + worth["false_positive"] * misses[..., 1, :].sum(axis=-1)
            + worth["true_negative"] * misses[..., 0, :].sum(axis=-1),
            n,
        )
    return result


def expected_value(
    probability: FloatArray,
    decision: IntArray,
    worth: Worth,
    cells: ScoreCells,
    *,
    weight: FloatArray | None = None,
    like_window: ScoreCells | None = None,
    rows: float,
    reference: float = float("nan"),
    reference_error: float = 0.0,
    shift: float = 0.0,
    rng: np.random.Generator,
    confidence: float = 0.9,
) -> Expected:
    """The money that decisions are expected to earn per row, where what outcomes are worth differs by row.

    Parameters
    ----------
    probability, decision : shape (n_rows,)
        Of a sample of the window, with how much each of its rows counts in `weight`.
    rows
        Of the window.
    reference, reference_error
        What labelled reference rows earned on average, and the standard error of that.
    """
    w = np.full(len(probability), 1 / len(probability)) if weight is None else weight / weight.sum()
    bins = bins_of(probability)
    hits, misses = cells.drawn(DRAWS, rng)
    rates, drawn = cells.rates(), cells.rates(hits, misses)
    if_hit = worth.earned(np.ones(len(bins)), decision)
    if_miss = worth.earned(np.zeros(len(bins)), decision)
    rate = rates[0][bins]
    per_row = rate * if_hit + (1 - rate) * if_miss
    by_rates = (drawn[:, 0][:, bins] * (if_hit - if_miss) + if_miss) @ w
    move, of_drift = 0.0, shift
    if like_window is not None:
        like, like_drawn = (
            like_window.rates(start=rates),
            like_window.rates(*like_window.drawn(DRAWS, rng), start=drawn),
        )
        part = float(np.clip(like_window.rows.sum() / max(cells.rows.sum(), 1e-300), 0.0, 1.0))
        between = (like_drawn[:, 0] - drawn[:, 0])[:, bins] * (if_hit - if_miss) @ w
        move, of_drift = _moved(float((like[0] - rates[0])[bins] * (if_hit - if_miss) @ w), between, shift, part)
    value = float(w @ per_row) + move
    drawn_rows = float(np.sqrt((w**2 * (per_row - w @ per_row) ** 2).sum()))
    sampled = drawn_rows if len(w) < rows else 0.0
    labels = float(np.sqrt(max(w @ (rate * (1 - rate) * (if_hit - if_miss) ** 2), 0.0) / max(rows, 1)))
    of_rates = float(by_rates.std())
    change = float(np.linalg.norm([of_rates, of_drift, drawn_rows, reference_error]))
    spread = float(np.linalg.norm([of_rates, of_drift, sampled, labels]))
    return Expected(
        metric=VALUE,
        value=value,
        interval=_around(value, spread, confidence),
        reference=reference,
        change=_around(value - reference, change, confidence),
        rows=rows,
    )


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    found: FloatArray = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return found


def _spread(drawn: FloatArray, of_shift: float) -> float:
    known = drawn[np.isfinite(drawn)]
    return float(np.hypot(known.std(), of_shift)) if len(known) > DRAWS / 2 else float("inf")


def _around(middle: float, spread: float, confidence: float, *, share: bool = False) -> Interval:
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * spread
    if not np.isfinite(middle):
        return Interval(low=float("-inf"), high=float("inf"), confidence=confidence)
    low, high = middle - half, middle + half
    return Interval(low=max(low, 0.0) if share else low, high=min(high, 1.0) if share else high, confidence=confidence)
