"""What the fairness limits of a spec cost a fitted model, seen on its out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlwright.core import Evidence
from mlwright.data import Dataset
from mlwright.models import Model, TradeOff, fairness_trade_offs, weights_of
from mlwright.search.ensemble import ensemble_of
from mlwright.search.folds import rows_of
from mlwright.search.trials import Trials
from mlwright.spec import Spec
from mlwright.statistics import METRICS


def model_trade_offs(trials: Trials, model: Model, train: Dataset, spec: Spec) -> list[TradeOff]:
    """The trade-off of each fairness limit; none for a task that is not binary.

    It is read off the calibrated out-of-fold predictions of the model's members, the ones that limits by group are chosen on.
    """
    if model.task != "binary" or not spec.constraints.fairness:
        return []
    scored = rows_of(train, trials.rows)
    ensemble = ensemble_of(trials, weights_of(model.members), scored, METRICS[trials.objective])
    probability = model.calibration.apply(ensemble.predictions[trials.rows])
    return fairness_trade_offs(probability, model.rule, spec, train.take(trials.rows))


def trade_off_evidence(trade_offs: Sequence[TradeOff]) -> Iterator[Evidence]:
    """The value of a row at each limit, and the gap that is left."""
    for found in trade_offs:
        unit = None if found.unit == "accuracy" else found.unit
        what = "share of right decisions" if unit is None else "mean worth of a row"
        rows = "training rows, out of fold"
        base = f"fairness.trade_off.{found.id}"
        yield Evidence(
            id=f"{base}.usual.value",
            value=found.usual.value,
            method=f"{what} with one limit for everybody",
            rows=rows,
            n=found.n,
            unit=unit,
        )
        yield Evidence(
            id=f"{base}.usual.gap",
            value=found.usual.gaps[found.metric],
            method=f"{found.metric} with one limit for everybody",
            rows=rows,
            n=found.n,
        )
        for point in found.points:
            at = f"{point.limit:g}".replace(".", "_")
            yield Evidence(
                id=f"{base}.{at}.value",
                value=point.value,
                method=f"{what} with limits by group that keep {found.metric} at {point.limit:g}",
                rows=rows,
                n=found.n,
                unit=unit,
            )
            yield Evidence(
                id=f"{base}.{at}.gap",
                value=point.gaps[found.metric],
                method=f"{found.metric} with limits by group that keep it at {point.limit:g}",
                rows=rows,
                n=found.n,
            )
