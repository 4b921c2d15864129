from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.serving.http import HttpProblem
from mlwright.serving.protocols.rows import (
    decoded,
    reasons_asked,
    records_of_columns,
    records_of_csv,
    records_of_json_lines,
    records_of_list,
)

COLUMNS = ["age", "city", "note, with a comma"]
cells = st.one_of(st.none(), st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1))


def written(rows: list[list[str | None]], *, names: list[str] | None = None) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([names] if names else [])
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue().encode()


@given(rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=5))
def test_rows_written_as_csv_come_back_with_or_without_a_line_of_names(rows: list[list[str | None]]) -> None:
    expected = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    assert records_of_csv(written(rows), COLUMNS, header=False) == expected
    assert records_of_csv(written(rows, names=COLUMNS), COLUMNS) == expected


def test_a_line_of_names_may_have_the_columns_in_another_order() -> None:
    assert records_of_csv(b"city,age\nRome,44\n", COLUMNS) == [{"city": "Rome", "age": "44"}]


def test_a_byte_order_mark_and_empty_lines_do_not_count() -> None:
    assert records_of_csv(b"\xef\xbb\xbf44,Rome,\r\n\r\n", COLUMNS) == [
        {"age": "44", "city": "Rome", "note, with a comma": None}
    ]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"44,Rome\n", "row 0 of the CSV, counted from 0, has 2 values for 3 columns"),
        (b"\xff\xfe", "UTF-8"),
        (b'44,"Rome', "not CSV"),
    ],
)
def test_csv_that_cannot_be_rows_is_a_bad_request(body: bytes, what: str) -> None:
    with pytest.raises(HttpProblem, match=what) as error:
        records_of_csv(body, COLUMNS)
    assert error.value.status == 400
    assert "Rome" not in error.value.sentence()


def test_rows_may_be_objects_and_lists_in_one_body() -> None:
    rows = [{"age": 1}, [2, "Oslo", None]]
    assert records_of_list(rows, COLUMNS, where="instances") == [
        {"age": 1},
        {"age": 2, "city": "Oslo", "note, with a comma": None},
    ]


@pytest.mark.parametrize("rows", [{"age": 1}, "text", 3, [[1, 2]], [7], [{"age": 1}, None]])
def test_what_is_no_list_of_rows_is_a_bad_request(rows: object) -> None:
    with pytest.raises(HttpProblem) as error:
        records_of_list(rows, COLUMNS, where="instances")
    assert error.value.status == 400


def test_columns_of_values_become_rows_and_a_bare_value_is_a_column_of_one() -> None:
    assert records_of_columns({"a": [1, 2], "b": ["x", None]}, where="inputs") == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": None},
    ]
    assert records_of_columns({"a": 1, "b": "x"}, where="inputs") == [{"a": 1, "b": "x"}]
    with pytest.raises(HttpProblem, match="not of one length"):
        records_of_columns({"a": [1, 2], "b": [1]}, where="inputs")


def test_lines_of_json_are_records_or_values_in_order() -> None:
    body = b'{"age": 1}\n\n[2, "Oslo", null]\n'
    assert records_of_json_lines(body, COLUMNS)[1] == {"age": 2, "city": "Oslo", "note, with a comma": None}


def test_not_a_number_in_a_body_is_a_missing_value() -> None:
    assert decoded(b'{"a": NaN, "b": [Infinity, -Infinity, 1]}') == {"a": None, "b": [None, None, 1]}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"NaN NaN", b"[" * 100_000, b'{"a": NaN,' * 2000, b"1" * 10_000])
def test_no_body_does_worse_than_a_bad_request(body: bytes) -> None:
    with pytest.raises(HttpProblem) as error:
        decoded(body)
    assert error.value.status == 400
    assert len(error.value.sentence()) < 300


@pytest.mark.parametrize("given", [{"reasons": -1}, {"reasons": True}, {"reasons": "3"}, {"other": 1}, [3], "3"])
def test_parameters_that_are_not_known_are_refused(given: object) -> None:
    with pytest.raises(HttpProblem) as error:
        reasons_asked(given, where="params")
    assert error.value.status == 400


def test_parameters_may_ask_for_reasons_or_be_empty() -> None:
    assert reasons_asked({"reasons": 2}, where="params") == 2
    assert reasons_asked(None, where="params") == reasons_asked({}, where="params") == 0
