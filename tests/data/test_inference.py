"""What each column is, found from the summary of its raw values, and the reason in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.data import Column, TableSummary, infer_schema, read_column, summarise, suspected_cap
from mlwright.spec import ColumnOverride


def summary_of(values: Sequence[Any] | pa.Array, name: str = "x") -> TableSummary:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return summarise([pa.RecordBatch.from_arrays([array], names=[name])])


def found(values: Sequence[Any] | pa.Array, name: str = "x", *, used: bool = False, **override: Any) -> Column:
    """What a column with these raw values is; `used` if the spec gives it a role, the rest as the spec may say."""
    overrides = {name: ColumnOverride(**override)} if override else {}
    return infer_schema(summary_of(values, name), overrides, with_role=[name] if used else [])[name]


def as_text(values: Sequence[Any]) -> list[str]:
    """As a CSV file has it."""
    return ["" if value is None else str(value) for value in values]


def typed(values: Sequence[Any], column: Column) -> list[Any]:
    """The values as the column reads them."""
    return list(read_column(pa.array(values), column).values.to_pylist())


# -------------------------------------------------------------------------------------------------- numbers in text


@pytest.mark.parametrize(
    ("values", "numbers", "remark"),
    [
        (["1.5", "-2", ".5", "3."], [1.5, -2, 0.5, 3], "numbers in text"),
        (["1e3", "2E-1"], [1000, 0.2], "numbers in text"),
        (["+5.5", " 6 "], [5.5, 6], "numbers in text"),
        (["1,5", "2,25"], [1.5, 2.25], "with a decimal comma"),
        (["1,234", "12,345", "7"], [1234, 12345, 7], "',' between thousands"),
        (["1,234.5", "7"], [1234.5, 7], "',' between thousands"),
        (["1.234,5", "7,25"], [1234.5, 7.25], "with a decimal comma, with '.' between thousands"),
        (["1 234,5", "7,25"], [1234.5, 7.25], "with a decimal comma, with ' ' between thousands"),
        (["1'234.5", "7"], [1234.5, 7], "between thousands"),
        (["1\u202f234,5", "2,5"], [1234.5, 2.5], "with a decimal comma"),
        (["1.234", "2.5"], [1.234, 2.5], "numbers in text"),
        (["$5.00", "$1,200.50", "-$3.25"], [5, 1200.5, -3.25], "without $"),
        (["5 €", "1.234,50 €"], [5, 1234.5], "without €"),
        (["USD 5", "CHF 1'000.5"], [5, 1000.5], "without CHF, USD"),
        (["12%", "13.5 %"], [12, 13.5], "without %"),
    ],
)
def test_numbers_in_text_are_found_with_their_signs_and_read(
    values: list[str], numbers: list[float], remark: str
) -> None:
    column = found(values * 10)
    assert column.is_number
    assert remark in column.why
    assert typed(values, column) == pytest.approx(numbers)


@given(values=st.lists(st.floats(-1e9, 1e9).map(lambda v: round(v, 2)), min_size=2, max_size=50, unique=True))
def test_the_same_numbers_are_read_from_every_way_of_writing_them(values: list[float]) -> None:
    values = [*values, 1234567.5, -0.25]
    plain = [f"{v:.2f}" for v in values]
    english = [f"{v:,.2f}" for v in values]
    german = [text.replace(",", "_").replace(".", ",").replace("_", ".") for text in english]
    for written in (plain, english, german, [f"$ {text}" for text in english], [f"{text} €" for text in german]):
        assert typed(written, found(written)) == values


def test_whole_numbers_in_text_are_integers_and_others_are_numbers() -> None:
    assert found(["1", "20", "-3"] * 5).type == "integer"
    assert found(["1", "20", "-3.5"] * 5).type == "number"
    assert found(["1.0", "2.0"] * 5).type == "integer"


def test_one_rare_decimal_among_thousands_of_whole_numbers_makes_a_number() -> None:
    whole = [str(i * 20) for i in range(3000)]
    assert found(whole).type == "integer"
    assert found([*whole, "7.5"]).type == "number"


def test_codes_with_leading_zeros_stay_text() -> None:
    column = found(["01234", "99999", "10115"] * 20)
    assert column.type == "category"
    assert typed(["01234"], column) == ["01234"]


@pytest.mark.parametrize(
    "values",
    [["1.2.3", "1.2.4"], ["10.0.0.1", "10.0.0.2"], ["12:30", "13:45"], ["A1", "A2"], ["2020-W01", "2020-W02"]],
    ids=["versions", "addresses", "clock times", "codes", "weeks"],
)
def test_what_only_looks_like_numbers_or_dates_stays_text(values: list[str]) -> None:
    assert found(values * 20).type == "category"


def test_a_few_unreadable_values_do_not_hide_numbers_and_are_told() -> None:
    column = found([*[str(i % 40) for i in range(300)], "twelve", "n.b."])
    assert column.type == "integer"
    assert "0.7% of the rows cannot be read and become missing" in column.why


def test_many_unreadable_values_make_a_category() -> None:
    assert found([*map(str, range(30)), *["low"] * 10]).type == "category"


# ---------------------------------------------------------------------------------------------------------- missing


@pytest.mark.parametrize("word", ["?", "NA", "", "  ", "n/a", "#N/A", "null", "-", "none", "inf"])
def test_words_that_mean_missing_do_not_hide_numbers(word: str) -> None:
    column = found([*[f"{i}.5" for i in range(30)], word, word])
    assert column.type == "number"
    assert f"missing where it says {word.strip()!r} (2 rows)" in column.why
    assert typed([word, "1.5"], column) == [None, 1.5]


def test_words_that_mean_missing_are_no_levels() -> None:
    column = found(["red", "blue", "?", "NA", " ", "none"] * 10)
    assert column.type == "category"
    assert column.why.startswith("3 levels; missing where it says")
    assert typed(["red", "?", "na", " ", "none"], column) == ["red", None, None, None, "none"]


@pytest.mark.parametrize("values", [[None] * 30, [""] * 30, ["NA", "?", " "] * 10, pa.nulls(30), [float("nan")] * 30])
def test_a_column_without_values_is_constant(values: Any) -> None:
    column = found(values)
    assert column.type == "constant"
    assert "no values" in column.why


def test_na_is_a_code_among_two_letter_codes() -> None:
    codes = ["NA", "US", "DE", "FR", "GB", "IT", "ES", "AT"]
    assert typed(["NA", "na", ""], found(codes * 5)) == ["NA", "na", None]
    assert typed(["NA"], found(["NA", "Paris", "Rome"] * 10)) == [None]


def ages(*, with_value: float, rows: int = 20) -> list[float]:
    rng = np.random.default_rng(0)
    return [*rng.integers(18, 90, 200).astype(float).tolist(), *[with_value] * rows]


@pytest.mark.parametrize("as_raw", [list, as_text], ids=["stored", "text"])
@pytest.mark.parametrize("value", [-999.0, -99.0, -9999.0])
def test_minus_999_apart_from_all_others_means_missing(value: float, as_raw: Any) -> None:
    values = as_raw(ages(with_value=value))
    column = found(values)
    assert column.reading.missing_numbers == (value,)
    assert f"{value:.0f}" in column.why
    assert "missing" in column.why
    assert typed(values[-3:], column) == [None] * 3


@pytest.mark.parametrize("as_raw", [list, as_text], ids=["stored", "text"])
def test_99999_may_be_a_cap_so_it_is_suspected_and_kept(as_raw: Any) -> None:
    values = as_raw(ages(with_value=99999.0))
    assert typed(values[-1:], found(values)) == [99999]
    numbers = summary_of(ages(with_value=99999.0))["x"].numbers
    assert numbers is not None
    assert suspected_cap(numbers) == (99999.0, 20)


@pytest.mark.parametrize(
    "values",
    [
        ages(with_value=-999.0, rows=1),
        [*range(-1200, 200, 3), *[-999] * 20],
        ages(with_value=-7.0),
        [float(v) for v in range(-99, 100)] * 3,
    ],
    ids=["once", "among others", "no nines", "the end of a range"],
)
def test_a_negative_number_that_is_rare_or_one_of_many_is_a_value(values: list[float]) -> None:
    assert found(values).reading.missing_numbers == ()
    numbers = summary_of(values)["x"].numbers
    assert numbers is not None
    assert suspected_cap(numbers) is None


# ------------------------------------------------------------------------------------------------------------ dates


@pytest.mark.parametrize(
    ("texts", "iso"),
    [
        (["2021-03-01", "2021-12-31"], ["2021-03-01T00:00:00", "2021-12-31T00:00:00"]),
        (["2021/3/1"], ["2021-03-01T00:00:00"]),
        (["31.12.2021", "01.02.2021"], ["2021-12-31T00:00:00", "2021-02-01T00:00:00"]),
        (["31.12.21"], ["2021-12-31T00:00:00"]),
        (["3 May 2020", "4 July 2021", "5 Jun 2020"], ["2020-05-03T00:00:00", "2021-07-04T00:00:00"]),
        (["Jan 3, 2020", "March 5, 2021"], ["2020-01-03T00:00:00", "2021-03-05T00:00:00"]),
        (["1-Jan-2020"], ["2020-01-01T00:00:00"]),
        (["2021-03-01 10:05"], ["2021-03-01T10:05:00"]),
        (["2021-03-01 10:05:06.250"], ["2021-03-01T10:05:06.250000"]),
        (["3/14/2021 3:04 PM"], ["2021-03-14T15:04:00"]),
        (["2021-03-01T10:05:06Z"], ["2021-03-01T10:05:06"]),
        (["2021-03-01T10:05:06+02:00"], ["2021-03-01T08:05:06"]),
        (["2021-03-01T10:05:06.5+0200"], ["2021-03-01T08:05:06.500000"]),
    ],
)
def test_dates_in_text_are_found_in_the_usual_formats(texts: list[str], iso: list[str]) -> None:
    column = found([*texts * 20, ""])
    assert column.type == "datetime"
    assert column.why.startswith("dates in the format")
    assert [value.isoformat() for value in typed(texts[: len(iso)], column)] == iso


def test_several_formats_in_one_column_are_all_read() -> None:
    texts = ["2021-03-01", "14.03.2021", "Mar 15, 2021"]
    column = found([*texts * 10, "-"])
    assert [value.day for value in typed(texts, column)] == [1, 14, 15]
    assert "in the formats" in column.why
    assert "missing where it says '-'" in column.why


@pytest.mark.parametrize(
    ("decisive", "month"), [("13/02/2021", 2), ("02/13/2021", 1), ("25/12/2020 10:00", 2), ("25.12.2020", 2)]
)
def test_the_data_decides_whether_the_day_or_the_month_comes_first(decisive: str, month: int) -> None:
    column = found(["01/02/2021", "03/04/2021", decisive] * 5)
    assert typed(["01/02/2021"], column)[0].month == month
    assert "either way round" not in column.why


def test_dates_that_could_be_either_way_round_say_so() -> None:
    column = found(["01/02/2021", "03/04/2021"] * 10)
    assert column.type == "datetime"
    assert "day and month could be either way round" in column.why


def test_dates_that_do_not_exist_become_missing_and_are_told() -> None:
    column = found([*[f"2021-01-{d:02d}" for d in range(1, 31)], "2021-02-30"])
    assert column.type == "datetime"
    assert "cannot be read and become missing" in column.why
    assert typed(["2021-02-30"], column) == [None]


def test_stored_dates_are_dates() -> None:
    assert found([date(2020, 1, 1), date(2020, 1, 2)]).type == "datetime"


# --------------------------------------------------------------------------------------------------------- booleans


@pytest.mark.parametrize(
    ("yes", "no"), [("yes", "no"), ("Yes", "No"), ("TRUE", "FALSE"), ("y", "n"), ("T", "F"), ("on", "off")]
)
def test_two_levels_that_mean_yes_and_no_are_boolean(yes: str, no: str) -> None:
    column = found([yes, no, no, "NA"] * 10)
    assert column.type == "boolean"
    assert "mean yes and no; missing where it says 'NA' (10 rows)" in column.why
    assert typed([yes, no, "NA"], column) == [True, False, None]


def test_stored_truth_values_are_boolean() -> None:
    assert found([True, False, None]).type == "boolean"
    assert found([True, True]).type == "constant"


def test_zeros_and_ones_stay_whole_numbers() -> None:
    assert found([0, 1] * 20).type == found(["0", "1"] * 20).type == "integer"


def test_two_levels_that_do_not_belong_together_are_a_category() -> None:
    assert found(["yes", "false"] * 20).type == "category"


# ------------------------------------------------------------------------------------------------------ identifiers

UNIQUE_NUMBERS = (np.arange(100) ** 2 + 7).tolist()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("customer", [f"C{i:05d}" for i in range(60)]),
        ("row", list(range(100, 200))),
        ("row", [str(i) for i in range(100, 200)]),
        ("row", np.random.default_rng(0).permutation(5000).tolist()),
        ("row", [str(i) for i in np.random.default_rng(0).permutation(5000)]),
        ("account_id", UNIQUE_NUMBERS),
        ("account_id", [str(i) for i in UNIQUE_NUMBERS]),
        ("PersonId", UNIQUE_NUMBERS),
        ("customer", [*[f"C{i:05d}" for i in range(60)], *[""] * 10]),
        ("customer", [*[f"C{i:05d}" for i in range(60)], *[None] * 10]),
    ],
)
def test_columns_that_name_rows_are_identifiers(name: str, values: list[Any]) -> None:
    column = found(values, name)
    assert column.type == "identifier"
    assert "every row has its own" in column.why


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("measure", np.random.default_rng(0).normal(0, 1, 500).tolist()),
        ("measure", as_text(np.random.default_rng(0).normal(0, 1, 500).tolist())),
        ("income", np.random.default_rng(0).permutation(90_000)[:500].tolist()),
        ("income", as_text(np.random.default_rng(0).permutation(90_000)[:500].tolist())),
        ("paid", [f"{i}%" for i in range(100)]),
        ("visits", list(range(30))),
        ("city_id", [i % 20 for i in range(100)]),
        ("comment", [f"the parcel number {i} came late again" for i in range(100)]),
    ],
    ids=["floats", "floats in text", "income", "income in text", "percent", "few rows", "repeated", "sentences"],
)
def test_numbers_and_sentences_that_happen_to_differ_are_no_identifiers(name: str, values: list[Any]) -> None:
    assert found(values, name).type != "identifier"


@pytest.mark.parametrize("values", [list(range(100)), [str(i) for i in range(100)], [f"C{i}" for i in range(100)]])
def test_a_column_that_the_spec_uses_is_never_an_identifier(values: list[Any]) -> None:
    assert found(values).type == "identifier"
    assert found(values, used=True).type != "identifier"


# ----------------------------------------------------------------------------------------- text, categories, constant


def test_sentences_that_differ_are_text_and_repeated_ones_are_levels() -> None:
    sentences = [f"the parcel number {i} came late again" for i in range(100)]
    assert found(sentences).type == "text"
    assert found(sentences[:3] * 40).type == "category"
    assert found(["word " * 40] * 5 + ["other " * 40] * 5).type == "text"


def test_a_category_says_how_many_levels_it_has() -> None:
    assert found(["red", "blue", "green"] * 5).why == "3 levels"
    many = [f"L{i % 5000}" for i in range(20_000)]
    column = found(many)
    assert column.type == "category"
    assert column.why.startswith("about ")
    assert column.why.endswith(" levels")


@pytest.mark.parametrize("value", [5, 2.5, "5", "2,5", "red", True, date(2020, 1, 1)])
def test_one_value_everywhere_is_constant(value: Any) -> None:
    column = found([value] * 30)
    assert (column.type, column.why) == ("constant", "has one value only")


@pytest.mark.parametrize("value", [5, "5", "red", True])
def test_one_value_or_missing_is_information(value: Any) -> None:
    missing = "" if isinstance(value, str) else None
    assert found([value, missing] * 30).type != "constant"


# ------------------------------------------------------------------------------------------------------------- spec


@pytest.mark.parametrize(
    ("values", "wanted", "was", "read"),
    [
        (["01", "02"] * 20, "number", "category", [1.0, 2.0]),
        ([1, 2] * 20, "category", "integer", ["1", "2"]),
        ([1.5, 2.5] * 20, "text", "number", ["1.5", "2.5"]),
        ([0, 1] * 20, "boolean", "integer", [False, True]),
        (["a", "b"] * 20, "identifier", "category", ["a", "b"]),
        ([f"C{i}" for i in range(60)], "category", "identifier", ["C0", "C1"]),
    ],
)
def test_the_type_of_the_spec_wins_and_the_reason_tells_both(
    values: list[Any], wanted: str, was: str, read: list[Any]
) -> None:
    assert found(values).type == was
    column = found(values, type=wanted)
    assert (column.type, column.why) == (wanted, f"the spec says so (mlwright found: {was})")
    assert typed(values[:2], column) == read


def test_a_type_of_the_spec_that_was_found_anyway_keeps_the_reason() -> None:
    assert found([1, 2] * 20, type="integer").why == f"{found([1, 2] * 20).why}, as the spec says"


def test_numbers_in_text_that_the_spec_calls_a_category_stay_as_they_are_written() -> None:
    column = found(["1", "2.50"] * 20, type="category")
    assert (column.type, column.why) == ("category", "2 levels, as the spec says")
    assert typed(["1", "2.50"], column) == ["1", "2.50"]


@pytest.mark.parametrize("as_raw", [list, as_text], ids=["stored", "text"])
def test_what_the_spec_calls_missing_takes_the_place_of_what_was_found(as_raw: Any) -> None:
    values = as_raw(ages(with_value=-999.0))
    column = found(values, missing=[50])
    assert column.reading.missing_numbers == (50.0,)
    assert column.why.endswith("what means missing is as the spec says")
    assert "-999" not in column.why
    assert typed(values[-1:], column) == [-999]
    assert typed(as_raw([50, 51]), column) == [None, 51]


def test_words_that_the_spec_calls_missing_do_not_hide_numbers() -> None:
    values = [*[str(i % 30) for i in range(40)], *["refused"] * 20]
    assert found(values).type == "category"
    column = found(values, missing=["Refused"])
    assert column.type == "integer"
    assert typed(["refused", "5"], column) == [None, 5]


@pytest.mark.parametrize("values", [[9, 1, 2] * 20, ["9", "1", "2"] * 20])
def test_a_number_that_the_spec_calls_missing_is_no_level_of_a_category(values: list[Any]) -> None:
    column = found(values, type="category", missing=[9])
    assert typed(values[:3], column) == [None, "1", "2"]


def test_spellings_that_the_spec_unifies_are_one_value() -> None:
    values = ["Y", "yes", "no", "N "] * 10
    assert found(values).type == "category"
    column = found(values, replace={"Y": "yes", "N ": "no"})
    assert column.type == "boolean"
    assert typed(["Y", "yes", "no", "N "], column) == [True, True, False, False]


def test_formats_of_the_spec_make_a_column_of_dates() -> None:
    values = ["20210301", "20211231"] * 10
    assert found(values).type == "integer"
    column = found(values, formats=["%Y%m%d"])
    assert column.type == "datetime"
    assert column.why == "the spec says so (mlwright found: integer)"
    assert [value.month for value in typed(values[:2], column)] == [3, 12]


def test_a_date_that_the_spec_calls_a_category_keeps_its_text() -> None:
    assert typed(["2021-03-01"], found(["2021-03-01", "2021-03-02"] * 5, type="category")) == ["2021-03-01"]


# ------------------------------------------------------------------------------------ files that store it differently


def disagreeing(first: list[Any], second: list[Any]) -> Column:
    one, other = summary_of(first), summary_of(second)
    one.merge(other)
    return infer_schema(one)["x"]


def test_numbers_that_some_files_store_as_text_are_numbers() -> None:
    column = disagreeing([1, 2, 3], ["4", "5", "?"])
    assert column.type == "integer"
    assert "stored as text in some places and as numbers in others" in column.why
    assert disagreeing([1.5, 2], ["4", "5", "?"]).type == "number"


def test_text_that_only_some_files_have_makes_a_category_of_all() -> None:
    column = disagreeing([1, 2, 3], ["unlimited"])
    assert column.type == "category"
    assert typed([1, 2, 3], column) == ["1", "2", "3"]


def test_dates_that_some_files_store_as_text_are_dates() -> None:
    column = disagreeing([date(2021, 1, 1)], ["2021-01-02", "2021-01-03"])
    assert column.type == "datetime"
    assert typed([date(2021, 1, 1)], column)[0].year == typed(["2021-01-02"], column)[0].year == 2021
