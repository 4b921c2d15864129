"""From what members say of one row to an answer, in plain numbers: what `Model.combined` and `Model.answer` do for rows."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import exp, log, log1p
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.features import Typed
from mlwright.models.answers import Answer, names_of_classes
from mlwright.models.calibration import CLIP, Calibration
from mlwright.models.model import Model
from mlwright.models.offset import Offset
from mlwright.models.spread import Spread
from mlwright.spec import Columns

#: A record as each view of the model has it.
EncodedRows: TypeAlias = "list[array[float]]"
Answering: TypeAlias = "Callable[[EncodedRows, Typed], Answer]"


class Ready(NamedTuple):
    """A member made ready: which of the encoded rows it takes, how much it counts, and what it answers with."""

    place: int
    weight: float
    one: Callable[[array[float]], Sequence[float]]
    many: Callable[[FloatArray], FloatArray]


def answering(model: Model, members: Sequence[Ready], version: str) -> Answering:
    """How the encoded rows of one record, and its typed values, become its answer."""
    if model.task == "regression":
        return _regression(model, members, version)
    if len(model.classes) == 2:
        return _binary(model, members, version)
    return _multiclass(model, members, version)


def decision_columns(model: Model, typed: Sequence[Typed]) -> Columns:
    """The columns of records that the decision reads, as `DecisionRule.decide` takes them; mostly none."""
    columns: dict[str, Any] = {}
    for name in model.rule.columns:
        place, kind = model.schema.names.index(name), model.schema[name].type
        values = [record[place] for record in typed]
        if kind == "datetime":
            values = [np.nan if value is None else value / 1e6 for value in values]
        is_number = kind in {"number", "integer", "boolean", "datetime"}
        columns[name] = np.array(values, dtype=np.float64 if is_number else object)
    return columns


def _one_number(members: Sequence[Ready]) -> Callable[[EncodedRows], float]:
    """The weighted mean of members that say one number, summed in the order of `combine`."""
    each = [(member.place, member.weight, member.one) for member in members]

    def combined(rows: EncodedRows) -> float:
        total = 0.0
        for place, weight, one in each:
            total += weight * one(rows[place])[0]
        return total

    return combined


def _regression(model: Model, members: Sequence[Ready], version: str) -> Answering:
    combined, moved, interval = _one_number(members), moved_by(model.offset), interval_of(model.spread)

    def answer(rows: EncodedRows, _: Typed) -> Answer:
        value = moved(combined(rows))
        return Answer(prediction=value, version=version, **interval(value))

    return answer


def _binary(model: Model, members: Sequence[Ready], version: str) -> Answering:
    combined, calibrate, rule = _one_number(members), calibrated_one(model.calibration), model.rule
    (negative, positive), (no, yes) = model.classes, names_of_classes(model.classes)
    alike, limit = not rule.columns and rule.outcomes is None, rule.usual_limit

    def decided_by_row(p: float, values: Typed) -> bool:
        return bool(rule.decide(np.array([p]), decision_columns(model, [values])).decision[0])

    def answer(rows: EncodedRows, values: Typed) -> Answer:
        p = calibrate(combined(rows))
        act = p > limit if alike else decided_by_row(p, values)
        decided = positive if act else negative
        return Answer(prediction=decided, probabilities={no: 1 - p, yes: p}, version=version)

    return answer


def _multiclass(model: Model, members: Sequence[Ready], version: str) -> Answering:
    calibrate, classes, names = calibrated_several(model.calibration), model.classes, names_of_classes(model.classes)
    each = [(member.place, member.weight, member.one) for member in members]

    def answer(rows: EncodedRows, _: Typed) -> Answer:
        total = [0.0] * len(classes)
        for place, weight, one in each:
            total = [so_far + weight * p for so_far, p in zip(total, one(rows[place]), strict=True)]
        shares = calibrate(total)
        decided = classes[shares.index(max(shares))]
        return Answer(prediction=decided, probabilities=dict(zip(names, shares, strict=True)), version=version)

    return answer


def calibrated_one(calibration: Calibration) -> Callable[[float], float]:
    """The map of one probability of the positive class: what `Calibration.apply` gives, to 1e-12."""
    method, values = calibration.method, calibration.values
    if method == "none":
        return float
    if method == "beta":
        a, b, c = values
        return lambda p: _expit(a * log(_clipped(p)) - b * log1p(-_clipped(p)) + c)
    slope, middle = (values[0], 0.0) if method == "temperature" else values
    return lambda p: _expit(slope * _logit(_clipped(p)) + middle)


def calibrated_several(calibration: Calibration) -> Callable[[Sequence[float]], Sequence[float]]:
    """The map of the probabilities of all classes of one row."""
    if calibration.method == "none":
        return list
    temperature, *steps = calibration.values

    def calibrate(probabilities: Sequence[float]) -> list[float]:
        logs = [log(min(max(p, CLIP), 1.0)) * temperature for p in probabilities]
        if steps:
            logs = [value + step for value, step in zip(logs, steps, strict=True)]
        largest = max(logs)
        rest = log(sum([exp(value - largest) for value in logs]))
        return [exp(value - largest - rest) for value in logs]

    return calibrate


def moved_by(offset: Offset | None) -> Callable[[float], float]:
    """What `Offset.apply` does to one predicted value."""
    if offset is None:
        return float
    edges, amounts = offset.edges, offset.amounts
    return lambda value: value + amounts[bisect_left(edges, value)]


def interval_of(spread: Spread | None) -> Callable[[float], dict[str, Any]]:
    """The ends of the interval around one predicted value, as attributes of an answer."""
    if spread is None:
        return lambda _: {}
    edges, below, above = spread.edges, spread.below, spread.above

    def ends(value: float) -> dict[str, Any]:
        number = bisect_left(edges, value)
        return {"interval_low": value + below[number], "interval_high": value + above[number]}

    return ends


def _clipped(p: float) -> float:
    return min(max(p, CLIP), 1 - CLIP)


def _logit(p: float) -> float:
    return log(p / (1 - p))


def _expit(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))
