"""What a scorer answers for one record."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mlwright.data import ClassValue, written_class
from mlwright.models.predictions import Predictions


class Reason(msgspec.Struct, frozen=True, gc=False):
    """What a column did to an answer.

    Attributes
    ----------
    effect
        The answer less the one with the column's typical value in its place: of the predicted value, of the probability
        of the positive class, or with several classes of that of the class decided for.
    """

    column: str
    effect: float


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, kw_only=True):
    """What the model answers for one record; the names are those of the columns that `mlwright predict` writes.

    Attributes
    ----------
    prediction
        The class decided for, as the source writes it, or the value.
    probabilities
        Of each class; None for a regression.
    interval_low, interval_high
        Of a regression whose model has intervals.
    version
        Of the model.
    reasons
        Where they were asked for: the columns that moved this answer most, the strongest first.
    """

    prediction: ClassValue
    probabilities: dict[str, float] | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    version: str = ""
    reasons: tuple[Reason, ...] = ()


def names_of_classes(classes: Sequence[ClassValue]) -> tuple[str, ...]:
    """The classes as keys of an answer."""
    return tuple(written_class(value) for value in classes)


def answers_of(predictions: Predictions, version: str) -> list[Answer]:
    """The answers of many rows."""
    if predictions.decision is None:
        values = predictions.prediction.tolist()
        if predictions.low is None or predictions.high is None:
            return [Answer(prediction=value, version=version) for value in values]
        return [
            Answer(prediction=value, interval_low=low, interval_high=high, version=version)
            for value, low, high in zip(values, predictions.low.tolist(), predictions.high.tolist(), strict=True)
        ]
    names = names_of_classes(predictions.classes)
    return [
        Answer(prediction=decided, probabilities=dict(zip(names, shares, strict=True)), version=version)
        for decided, shares in zip(predictions.decided(), predictions.probabilities.tolist(), strict=True)
    ]
