from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlwright.data import ClassValue
from mlwright.models import Predictions


def two(classes: tuple[ClassValue, ...] = ("no", "yes"), rows: int = 3) -> Predictions:
    return Predictions(
        classes=classes, prediction=np.array([0.2, 0.7, 0.5])[:rows], decision=np.array([0, 1, 1])[:rows]
    )


def test_of_two_classes_the_probability_of_the_other_one_is_what_is_left() -> None:
    table = two().to_table()
    assert table.column_names == ["prediction", "probability_no", "probability_yes"]
    assert table.column("prediction").to_pylist() == ["no", "yes", "yes"]
    np.testing.assert_allclose(table.column("probability_no"), [0.8, 0.3, 0.5])
    np.testing.assert_allclose(table.column("probability_yes"), [0.2, 0.7, 0.5])


def test_of_more_classes_each_has_its_probability() -> None:
    prediction = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
    answer = Predictions(classes=(1, 2, 3), prediction=prediction, decision=np.array([2, 0]))
    assert answer.probabilities is prediction
    assert answer.decided() == [3, 1]
    table = answer.to_table()
    assert table.column_names == ["prediction", "probability_1", "probability_2", "probability_3"]
    assert table.column("probability_3").to_pylist() == [0.7, 0.1]


def test_a_value_comes_with_its_interval_where_there_is_one() -> None:
    values = np.array([1.0, 2.0])
    assert Predictions(classes=(), prediction=values).to_table().to_pydict() == {"prediction": [1.0, 2.0]}
    table = Predictions(classes=(), prediction=values, low=values - 1, high=values + 1, coverage=0.9).to_table()
    assert table.to_pydict() == {"prediction": [1.0, 2.0], "interval_low": [0, 1], "interval_high": [2, 3]}


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        (("no", "yes"), pa.string()),
        ((0, 1), pa.int64()),
        ((False, True), pa.bool_()),
        ((1, 2.5), pa.float64()),
    ],
)
def test_the_columns_have_the_same_types_however_few_rows_there_are(
    classes: tuple[ClassValue, ...], kind: pa.DataType
) -> None:
    """So that the answers of all batches fit into one file."""
    schemas = {two(classes, rows).to_table().schema for rows in (0, 1, 3)}
    assert len(schemas) == 1
    assert schemas.pop().field("prediction").type == kind
