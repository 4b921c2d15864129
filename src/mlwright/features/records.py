"""The encoder for single records: a function made once from the fitted steps, which fills one row in microseconds."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any

from mlwright.features.encoder import Encoder
from mlwright.features.rowcode import Generated, RowCode
from mlwright.spec import LogicalType


class RecordEncoder:
    """What an `Encoder` does, for one record: the same numbers to the bit.

    Parameters
    ----------
    encoder
        Its steps write the code.
    types
        Of all columns of the model, in the order in which a record's typed values come.

    Attributes
    ----------
    encode
        From the typed values of a record, as `RecordReader` gives them, to a new row: an array of `n_features` 64-bit
        floats. It keeps nothing between calls, so any number of threads may call it.

    Examples
    --------
    >>> from mlwright.features.steps import LevelCodes, Number
    >>> steps = (Number(column="age"), LevelCodes(column="city", levels=("Rome", "Oslo")))
    >>> record_encoder = RecordEncoder(Encoder(view="codes", steps=steps), {"age": "number", "city": "category"})
    >>> record_encoder.encode((44.0, "Oslo"))
    array('d', [44.0, 1.0])
    """

    def __init__(self, encoder: Encoder, types: Mapping[str, LogicalType]) -> None:
        widths = [len(step.names()) for step in encoder.steps]
        self.n_features = sum(widths)
        code = RowCode(types, self.n_features)
        at = 0
        for step, width in zip(encoder.steps, widths, strict=True):
            if isinstance(step, Generated):
                step.generate(code, at)
            else:
                code.through_columns(step.transform, step.columns, at, width)
            at += width
        self.encode: Callable[[tuple[Any, ...]], array[float]] = code.function()
