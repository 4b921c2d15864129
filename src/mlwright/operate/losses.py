"""What answers cost, from the counts of windows: as labels tell, and as scores let expect where there are none.

A label counts once, however often its window is looked at: what was counted of each window is kept with the evidence, in
the same transaction.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from mlwright.data.dataset import FloatArray, IntArray
from mlwright.data.summaries.packing import pack, unpack
from mlwright.lifecycle import label_horizon
from mlwright.models import Model
from mlwright.models.score_counts import BINS, ScoreCounts
from mlwright.monitoring import Finding, WindowShape
from mlwright.monitoring.drift import Guarantee
from mlwright.monitoring.estimating import estimate_by_scores
from mlwright.monitoring.expected_loss import Expected
from mlwright.monitoring.kept import (
    KeptWindow,
    close_findings,
    detector_of,
    kept_windows,
    micros,
    moment,
    save_detector,
    save_findings,
    start_of_period,
)
from mlwright.monitoring.labelled_loss import LabelledLoss, labelled_loss
from mlwright.monitoring.loss_reference import LossReference
from mlwright.monitoring.loss_regression import expected_error_by_score
from mlwright.monitoring.loss_watch import LossWatch
from mlwright.monitoring.score_cells import ScoreCells
from mlwright.spec import Spec

DETECTOR, KIND = "loss", "loss"
_OUTCOMES: Final = ("true_positive", "false_positive", "false_negative", "true_negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class LossMeasure:
    """In what losses are counted.

    Attributes
    ----------
    metric
        As the estimates call it: `value`, `brier`, `accuracy` or `mae`.
    title, unit
        For people.
    worth
        Of `value`: what each outcome is worth.
    """

    metric: str
    title: str
    unit: str
    worth: Mapping[str, float] | None = None

    @classmethod
    def of(cls, spec: Spec, model: Model) -> LossMeasure:
        """Money where each outcome is worth the same in all rows, else the Brier score, wrong answers, or the mean error."""
        if model.task == "regression":
            return cls(metric="mae", title="mean error", unit=f"of {model.target} a row")
        if model.task == "multiclass":
            return cls(metric="accuracy", title="share of wrong answers", unit="wrong answers a row")
        values = spec.decision.values
        amounts = {} if values is None else {name: getattr(values, name) for name in _OUTCOMES}
        if amounts and not any(one.columns for one in amounts.values()):
            worth = {name: float(one.evaluate({}, rows=1)[0]) for name, one in amounts.items()}
            return cls(metric="value", title="loss per row", unit=f"{spec.decision.currency} a row", worth=worth)
        return cls(metric="brier", title="Brier score", unit="Brier score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """The losses of labelled rows, shape (n_labelled,), with the bin of the score of each."""

    loss: FloatArray
    bins: IntArray


def losses_of(counts: ScoreCounts, measure: LossMeasure) -> Losses:
    """The loss of each labelled row of some counts.

    Of a regression only sums by bin are known: half of the rows of a bin lie a standard deviation above the mean error, half
    below it.
    """
    if measure.metric == "mae":
        rows, _, sizes, squares = np.maximum(counts.labelled, 0.0)
        n = np.rint(rows).astype(np.int64)
        mean = np.divide(sizes, n, out=np.zeros(BINS), where=n > 0)
        spread = np.sqrt(np.maximum(np.divide(squares, n, out=np.zeros(BINS), where=n > 0) - mean**2, 0.0))
        bins = np.repeat(np.arange(BINS), n)
        sign = np.where(np.arange(len(bins)) % 2, 1.0, -1.0)
        return Losses(loss=np.maximum(mean[bins] + sign * spread[bins], 0.0), bins=bins)
    right = np.maximum(counts.hits, 0)
    if measure.metric == "accuracy":
        wrong = np.maximum(counts.labelled.sum(axis=0) - right.sum(axis=0), 0)
        return _repeated([(np.zeros(BINS), right.sum(axis=0)), (np.ones(BINS), wrong)])
    missed = np.maximum(counts.labelled[1] - right[1], 0)
    alarmed = np.maximum(counts.labelled[0] - right[0], 0)
    cells = {"true_positive": right[1], "false_positive": alarmed, "false_negative": missed, "true_negative": right[0]}
    middle = (np.arange(BINS) + 0.5) / BINS
    made = []
    for name, count in cells.items():
        truth = 1.0 if name in {"true_positive", "false_negative"} else 0.0
        if measure.worth is not None:
            amount: FloatArray = np.full(BINS, -float(measure.worth[name]))
        else:
            amount = np.square(middle - truth)
        made.append((amount, count))
    return _repeated(made)


def _repeated(cells: list[tuple[FloatArray, IntArray]]) -> Losses:
    loss = np.concatenate([np.repeat(amount, count) for amount, count in cells])
    bins = np.concatenate([np.repeat(np.arange(BINS), count) for _, count in cells])
    return Losses(loss=loss, bins=bins)


def expected_of(counts: ScoreCounts, model: Model, measure: LossMeasure) -> Expected | None:
    """What rows are expected to lose by their scores; None where the package knows no labelled rows, or there are no rows."""
    said = None if model.history is None else model.history.scores
    if said is None or said.known == 0 or counts.rows == 0:
        return None
    if measure.metric == "mae":
        return expected_error_by_score(counts.scores.sum(axis=0).astype(np.float64), said, metric="mae")
    reference = LossReference(cells=ScoreCells.of_counts(said), worth=measure.worth)
    rng = np.random.default_rng([counts.rows, int(counts.scores.sum(axis=0) @ np.arange(BINS))])
    return estimate_by_scores(counts.scores.astype(np.float64), reference, rng=rng).metrics.get(measure.metric)


# ----------------------------------------------------------------------------------------------------- labels, once each


@dataclass(slots=True)
class _Counted:
    """What of each window was counted: its labelled rows then."""

    labelled: dict[int, NDArray[Any]] = field(default_factory=dict)
    hits: dict[int, NDArray[Any]] = field(default_factory=dict)

    def news(self, start: int, counts: ScoreCounts) -> ScoreCounts:
        """The labelled rows of a window that were not counted yet; labels that were changed count as they first were."""
        new = ScoreCounts.none_yet(counts.n_classes, low=counts.low, high=counts.high)
        before = self.labelled.get(start)
        new.labelled[:] = np.maximum(counts.labelled - (0 if before is None else before), 0)
        if counts.n_classes:
            new.hits[:] = np.maximum(counts.hits - (0 if before is None else self.hits[start]), 0)
        self.labelled[start] = counts.labelled.copy() if before is None else np.maximum(before, counts.labelled)
        self.hits[start] = counts.hits.copy() if before is None else np.maximum(self.hits[start], counts.hits)
        return new

    def forget_before(self, start: int) -> None:
        """Of windows whose labels are not waited for any more."""
        for kept in (self.labelled, self.hits):
            for old in [one for one in kept if one < start]:
                del kept[old]

    def state(self) -> dict[str, Any]:
        return {
            "labelled": {str(start): _packed(array) for start, array in self.labelled.items()},
            "hits": {str(start): _packed(array) for start, array in self.hits.items()},
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> _Counted:
        return cls(
            *({int(start): _unpacked(one) for start, one in state[name].items()} for name in ("labelled", "hits"))
        )


def _packed(array: NDArray[Any]) -> dict[str, Any]:
    shape = list(array.shape)
    if array.dtype.kind == "f":
        return {"shape": shape, "numbers": array.ravel().tolist()}
    return {"shape": shape, "counts": pack(array.ravel())}


def _unpacked(state: Mapping[str, Any]) -> NDArray[Any]:
    flat = np.array(state["numbers"]) if "numbers" in state else unpack(state["counts"])
    return flat.reshape(state["shape"])


@dataclass(slots=True)
class _Kept:
    """The watch, what it has counted, and from which window each of its updates came."""

    watch: LossWatch
    counted: _Counted
    starts: list[int]

    def state(self) -> bytes:
        tree = {
            "format_version": 1,
            "watch": self.watch.state(),
            "counted": self.counted.state(),
            "starts": self.starts,
        }
        return zlib.compress(json.dumps(tree).encode(), 6)

    @classmethod
    def of_state(cls, content: bytes) -> _Kept:
        tree = json.loads(zlib.decompress(content))
        return cls(LossWatch.of_state(tree["watch"]), _Counted.of_state(tree["counted"]), tree["starts"])


def first_watch(model: Model, measure: LossMeasure, spec: Spec) -> LossWatch | None:
    """A watch before the first label; None where the package knows no labelled rows to compare with."""
    said = None if model.history is None else model.history.scores
    if said is None or said.known == 0:
        return None
    known = losses_of(said, measure).loss
    if measure.worth is not None:
        amounts = [-amount for amount in measure.worth.values()]
        low, high = min(amounts), max(amounts)
    elif measure.metric == "mae":
        low, high = 0.0, float(known.mean() + 6 * known.std())
    else:
        low, high = 0.0, 1.0
    if not high > low:
        return None
    guarantee = Guarantee.of(spec.operation)
    return LossWatch.start(
        known,
        metric=measure.title,
        tolerance=spec.operation.retrain.tolerance,
        low=low,
        high=high,
        error=min(guarantee.error, 0.01),
    )


def tolerated(model: Model, measure: LossMeasure, spec: Spec) -> float | None:
    """The mean loss above which the watch would say that it has risen; None where nothing is known to compare with."""
    watch = first_watch(model, measure, spec)
    return None if watch is None else watch.detector.limit


def begun_anew(state: bytes, model: Model, spec: Spec) -> bytes:
    """What is kept of a watch that begins anew: which labels were counted, and nothing of what they told."""
    kept = _Kept.of_state(state)
    first = first_watch(model, LossMeasure.of(spec, model), spec)
    return _Kept(first or kept.watch, kept.counted, []).state()


def judge_loss(
    connection: Connection,
    model: Model,
    shape: WindowShape,
    spec: Spec,
    *,
    until: datetime,
    now: datetime,
) -> list[Finding]:
    """Count the labels that are new since the last look, keep what they tell, and say whether the loss has risen.

    Parameters
    ----------
    connection
        In a transaction that is alone.
    until
        Windows that ended by then are over.
    """
    measure = LossMeasure.of(spec, model)
    held = detector_of(connection, shape, DETECTOR)
    if held is None:
        first = first_watch(model, measure, spec)
        if first is None:
            return []
        kept = _Kept(first, _Counted(), [])
    else:
        kept = _Kept.of_state(held[1])
    horizon = until - label_horizon(spec)
    # A window that is not over may have rows that are kept back once it is.
    over = start_of_period(until, spec.operation.window)
    periods = in_periods(kept_windows(connection, shape, start=horizon, end=over), spec.operation.window)
    for start, counts in periods.items():
        new = kept.counted.news(start, counts)
        lost = losses_of(new, measure)
        if len(lost.loss):
            of_window = labelled_loss(lost.loss, lost.bins, counts.scores.sum(axis=0).astype(np.float64))
            kept.watch = kept.watch.update(lost.loss, of_window.weight)
            kept.starts.append(start)
    kept.counted.forget_before(micros(horizon))
    save_detector(connection, shape, DETECTOR, over, kept.state())
    found = _finding(kept, periods, measure)
    findings = [] if found is None else [found]
    save_findings(connection, shape, findings, now=now)
    close_findings(connection, shape, kinds=[KIND], still=[one.key for one in findings], now=now)
    return findings


def in_periods(windows: list[KeptWindow], length: timedelta) -> dict[int, ScoreCounts]:
    """The scores of windows put together by stretches of so long, by the start in microseconds since 1970."""
    found: dict[int, ScoreCounts] = {}
    for window in windows:
        start = micros(start_of_period(window.start, length))
        counts = window.summary.counts
        if start not in found:
            found[start] = ScoreCounts.none_yet(counts.n_classes, low=counts.low, high=counts.high)
        found[start].merge(counts)
    return found


def _finding(kept: _Kept, periods: Mapping[int, ScoreCounts], measure: LossMeasure) -> Finding | None:
    if not kept.watch.risen:
        return None
    change = kept.watch.detector.change_point()
    since = None
    if change is not None and kept.starts:
        since = kept.starts[min(max(change.began - 1, 0), len(kept.starts) - 1)]
    recent = [counts for start, counts in periods.items() if (since is None or start >= since) and counts.known]
    if not recent:
        return None
    return kept.watch.as_finding(
        loss_of_periods(recent, measure), since=None if since is None else moment(since), unit=measure.unit
    )


def loss_of_periods(periods: list[ScoreCounts], measure: LossMeasure) -> LabelledLoss:
    """The mean loss of all rows of some stretches, from their labelled rows."""
    whole = ScoreCounts.none_yet(periods[0].n_classes, low=periods[0].low, high=periods[0].high)
    for counts in periods:
        whole.merge(counts)
    lost = losses_of(whole, measure)
    return labelled_loss(lost.loss, lost.bins, whole.scores.sum(axis=0).astype(np.float64))
