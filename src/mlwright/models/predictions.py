"""What a model answers for rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mlwright.data import ClassValue
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models.decision import BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Answers for rows.

    Attributes
    ----------
    prediction : shape (n_rows,) or (n_rows, n_classes)
        Calibrated probability of the positive class, of each class, or the value.
    decision : shape (n_rows,)
        The class number decided for; None for a regression.
    assumed : shape (n_rows,)
        Where the decision takes a mean of the training rows for a worth that the row does not say (a missing value);
        None if the decision reads no column.
    low, high : shape (n_rows,)
        The interval that holds `coverage` of new values; None for classes.
    """

    classes: tuple[ClassValue, ...]
    prediction: FloatArray
    decision: IntArray | None = None
    assumed: BoolArray | None = None
    low: FloatArray | None = None
    high: FloatArray | None = None
    coverage: float | None = None

    def __len__(self) -> int:
        return len(self.prediction)

    @property
    def probabilities(self) -> FloatArray:
        """The probability of each class, shape (n_rows, n_classes)."""
        if self.prediction.ndim == 2:
            return self.prediction
        return np.column_stack([1 - self.prediction, self.prediction])

    def decided(self) -> list[ClassValue]:
        """The class decided for, as the source writes it."""
        assert self.decision is not None
        return [self.classes[number] for number in self.decision]

    def to_table(self) -> pa.Table:
        """Columns `prediction` and, by task, `probability_<class>` or `interval_low` and `interval_high`."""
        if self.decision is None:
            columns: dict[str, Sequence[object] | FloatArray] = {"prediction": self.prediction}
            if self.low is not None and self.high is not None:
                columns |= {"interval_low": self.low, "interval_high": self.high}
            return pa.table(columns)
        # In the type of all classes, also where few of them or none are decided for.
        columns = {"prediction": pa.array(self.decided(), pa.array(self.classes).type)}
        for number, value in enumerate(self.classes):
            columns[f"probability_{value}"] = self.probabilities[:, number]
        return pa.table(columns)
