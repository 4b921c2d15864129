"""From typed columns to the matrices that estimators take; fitted on training rows only, kept as data.

In comes a `Dataset`, out go an `Encoder` and a matrix: start at `fit_encoder`. A view is a way to show the same columns:
`codes` for trees (missing values and level numbers as they are), `crossed` for trees that are told the mean target of
many-levelled categories and of crosses, and what groups had that come again, as well, `dense` for linear models and networks.

A single record takes another way to the same numbers: `RecordReader` types it, `RecordEncoder` makes its row.
"""

from mlwright.features.encoder import STEPS, Encoder, Matrix, View, fit_encoder
from mlwright.features.irregularities import (
    FieldMissing,
    FieldUnfamiliar,
    FieldWrong,
    Irregularities,
    Irregularity,
    NotJson,
    RecordInvalid,
)
from mlwright.features.record_reading import RecordReader, Typed
from mlwright.features.records import RecordEncoder
from mlwright.features.rowcode import Generated, RowCode
from mlwright.features.steps import Step

__all__ = [
    "STEPS",
    "Encoder",
    "FieldMissing",
    "FieldUnfamiliar",
    "FieldWrong",
    "Generated",
    "Irregularities",
    "Irregularity",
    "Matrix",
    "NotJson",
    "RecordEncoder",
    "RecordInvalid",
    "RecordReader",
    "RowCode",
    "Step",
    "Typed",
    "View",
    "fit_encoder",
]
