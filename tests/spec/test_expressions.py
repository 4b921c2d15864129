from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlwright.spec import Expression, ExpressionInvalid
from mlwright.spec.expressions import MAX_DEPTH, MAX_LENGTH

NAN = float("nan")
COLUMNS: dict[str, NDArray[Any]] = {
    "a": np.array([1.0, -2.5, 0.0, 4.0]),
    "b": np.array([3.0, 3.0, 0.0, -0.5]),
    "holed": np.array([1.0, NAN, 3.0, NAN]),
    "city": np.array(["Rome", "Oslo", None, ""], dtype=object),
}


def value_of(text: str | float, columns: Mapping[str, NDArray[Any]] = COLUMNS, rows: int = 4) -> list[Any]:
    result = Expression.parse(text).evaluate(columns, rows=rows)
    assert result.shape == (rows,)
    return list(result.tolist())


def invalid(text: str) -> ExpressionInvalid:
    with pytest.raises(ExpressionInvalid) as raised:
        Expression.parse(text).evaluate(COLUMNS, rows=4)
    return raised.value


# What it computes.


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", [5.0] * 4),
        (-0.5, [-0.5] * 4),
        ("a", [1.0, -2.5, 0.0, 4.0]),
        ("-0.6 * a", [-0.6, 1.5, 0.0, -2.4]),
        ("a ** 2 - 1", [0.0, 5.25, -1.0, 15.0]),
        ("-a ** 2", [-1.0, -6.25, 0.0, -16.0]),
        ("a % 2", [1.0, 1.5, 0.0, 0.0]),
        ("min(a, b) + max(a, b)", [4.0, 0.5, 0.0, 3.5]),
        ("round(abs(a))", [1.0, 2.0, 0.0, 4.0]),
        ("sqrt(4) + log(exp(1))", [3.0] * 4),
        ("a < b", [True, True, False, False]),
        ("0 < a <= 1", [True, False, False, False]),
        ("a != 1 and not b == 3", [False, False, True, True]),
        ("a in (1, 4) or b in [0]", [True, False, True, True]),
        ("a not in (1, 4)", [False, True, True, False]),
        ("a in ()", [False] * 4),
        ("city == 'Rome' or city == \"Oslo\"", [True, True, False, False]),
        ("city in ('Rome', 'Bern')", [True, False, False, False]),
        ("city < 'P'", [False, True, False, True]),
        ("where(a > 0, 10, b)", [10.0, 3.0, 0.0, 10.0]),
        ("missing(city)", [False, False, True, False]),
        ("missing(holed)", [False, True, False, True]),
        ("where(missing(holed), 0, holed)", [1.0, 0.0, 3.0, 0.0]),
        ("(a > 0) + (b > 0) >= 2", [True, False, False, False]),
        ("5 * (a > 0) - (b > 0)", [4.0, -1.0, 0.0, 5.0]),
        ("-(a > 0)", [-1.0, 0.0, 0.0, -1.0]),
        ("exp(a > 5)", [1.0] * 4),
        ("True", [True] * 4),
    ],
)
def test_an_expression_has_the_value_that_one_expects(text: str | float, value: list[Any]) -> None:
    assert value_of(text) == value


@st.composite
def arithmetic(draw: st.DrawFn) -> str:
    """Arithmetic with and without brackets; constants stand as `<2.5>`, for an oracle that wants numpy's own."""
    # A power may be rounded differently from one processor path to the next, and a remainder jumps with the rounding.
    operators = draw(st.sampled_from([["+", "-", "*", "/", "%"], ["+", "-", "*", "/", "**"]]))
    numbers = st.integers(0, 9) | st.floats(0, 100).map(lambda x: round(x, 2))
    leaves = st.sampled_from(["a", "b", "holed"]) | numbers.map(lambda x: f"<{float(x)}>")

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(inner, st.sampled_from(operators), inner)
        return st.one_of(
            pair.map(lambda p: f"{p[0]} {p[1]} {p[2]}"),
            pair.map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
            inner.map(lambda x: f"-{x}"),
            inner.map(lambda x: f"abs({x})"),
            st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
        )

    return draw(st.recursive(leaves, larger, max_leaves=12))


@given(arithmetic())
def test_arithmetic_has_the_value_of_plain_numpy(text: str) -> None:
    names = COLUMNS | {"abs": np.abs, "min": np.minimum, "max": np.maximum, "number": np.float64}
    with np.errstate(all="ignore"):
        expected = np.broadcast_to(eval(text.replace("<", "number(").replace(">", ")"), {}, names), (4,))
    found = Expression.parse(text.replace("<", "").replace(">", "")).evaluate(COLUMNS, rows=4)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def _larger_condition(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"{p[0]} {p[1]} {p[2]}"),
        inner.map(lambda x: f"({x})"),
        inner.map(lambda x: f"not {x}"),
    )


_TERMS = st.sampled_from(["a", "b", "0", "1.0", "-2.5", "a + b", "2 * a", "(a - b)"])
_COMPARISONS = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
_ATOMS = st.one_of(
    st.tuples(_TERMS, _COMPARISONS, _TERMS).map(" ".join),
    st.tuples(_TERMS, _COMPARISONS, _TERMS, _COMPARISONS, _TERMS).map(" ".join),
    st.tuples(_TERMS, st.sampled_from(["in", "not in"]), st.sampled_from(["(1, 4)", "[0.0]", "()", "(b, -2.5)"])).map(
        " ".join
    ),
)


@given(st.recursive(_ATOMS, _larger_condition, max_leaves=6))
def test_a_condition_holds_for_the_rows_for_which_python_says_so(text: str) -> None:
    rows = [{"a": float(a), "b": float(b)} for a, b in zip(COLUMNS["a"], COLUMNS["b"], strict=True)]
    assert value_of(text) == [bool(eval(text, {}, row)) for row in rows]


def test_an_expression_knows_its_columns_in_the_order_in_which_they_stand() -> None:
    expression = Expression.parse("b + col('a b') * a + b")
    assert expression.columns == ("b", "a b", "a")


def test_a_column_whose_name_is_no_word_is_written_with_col() -> None:
    columns = {name: np.array([2.0]) for name in ("net amount", "class", "Größe (cm)", "it's", "a.b", "1", "abs")}
    for name in columns:
        assert value_of(f"col({name!r}) * 2", columns, rows=1) == [4.0]
    assert value_of("abs(abs) + col('abs')", columns, rows=1) == [4.0]


def test_a_column_that_does_not_exist_is_told_with_the_nearest_one() -> None:
    error = invalid("cty + a")
    assert error.problem == "the column 'cty' does not exist"
    assert error.fix == "did you mean 'city'?"


def test_equal_texts_are_equal_expressions() -> None:
    assert Expression.parse(" a + 1 ") == Expression.parse("a + 1")
    assert Expression.parse("a + 1") != Expression.parse("a+1")
    assert Expression.parse("a") != "a"
    assert len({Expression.parse("a + 1"), Expression.parse("a + 1")}) == 1
    assert str(Expression.parse("a + 1")) == "a + 1"


def test_evaluating_leaves_the_columns_alone() -> None:
    before = {name: column.copy() for name, column in COLUMNS.items()}
    value_of("where(missing(holed), -a, abs(holed) ** 2) + (b > 0)")
    for name, column in COLUMNS.items():
        np.testing.assert_array_equal(column, before[name])


# What is missing, and what is not finite.


@pytest.mark.parametrize("comparison", ["==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("other", ["1", "a", "holed"])
def test_a_missing_number_compares_as_false(comparison: str, other: str) -> None:
    found = value_of(f"holed {comparison} {other}")
    assert found[1] is False
    assert found[3] is False
    assert value_of(f"{other} {comparison} holed")[1] is False


@pytest.mark.parametrize("comparison", ["== 'Rome'", "!= 'Rome'", "< 'Z'", "in ('Rome', '')", "not in ('Oslo',)"])
def test_a_missing_text_compares_as_false(comparison: str) -> None:
    assert value_of(f"city {comparison}")[2] is False


def test_a_missing_number_is_neither_in_a_list_nor_not_in_it() -> None:
    assert value_of("holed in (1, 2)") == [True, False, False, False]
    assert value_of("holed not in (1, 2)") == [False, False, True, False]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("holed and True", [True, False, True, False]),
        ("not holed", [False, True, False, True]),
        ("holed or a == 0", [True, False, True, False]),
        ("where(holed, 1, 2)", [1.0, 2.0, 1.0, 2.0]),
        ("city and True", [True, True, False, False]),
        ("not city", [False, False, True, True]),
    ],
)
def test_what_is_missing_does_not_hold(text: str, value: list[Any]) -> None:
    found = Expression.parse(text).evaluate(COLUMNS, rows=4)
    assert found.dtype.kind in "bf"
    assert found.tolist() == value


def test_what_is_computed_from_a_missing_number_is_missing() -> None:
    for text in ("holed + 1", "0 * holed", "abs(holed)", "min(holed, 0)", "sqrt(holed)", "-holed", "round(holed)"):
        assert np.isnan(value_of(text)).tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 / a", [1.0, -0.4, np.inf, 0.25]),
        ("a / 0", [np.inf, -np.inf, NAN, np.inf]),
        ("a % 0", [NAN] * 4),
        ("log(a)", [0.0, NAN, -np.inf, np.log(4.0)]),
        ("sqrt(a)", [1.0, NAN, 0.0, 2.0]),
        ("a ** -1", [1.0, -0.4, np.inf, 0.25]),
        ("a ** 0.5", [1.0, NAN, 0.0, 2.0]),
        ("exp(1000 * a)", [np.inf, 0.0, 1.0, np.inf]),
        ("10 ** 400", [np.inf] * 4),
    ],
)
def test_what_cannot_be_computed_is_not_finite_and_gives_no_warning(text: str, value: list[float]) -> None:
    np.testing.assert_allclose(value_of(text), value)


# What it refuses.

ATTACKS = [
    "__import__('os').system('touch FILE')",
    "open('FILE', 'w')",
    'exec(\'open("FILE", "w")\')',
    "eval('1')",
    "().__class__.__bases__[0].__subclasses__()",
    "a.__class__",
    "a.dump('FILE')",
    "a.tofile('FILE')",
    "city[0]",
    "col.__globals__",
    "abs.__self__",
    "(lambda: open('FILE', 'w'))()",
    "[open('FILE', 'w') for x in (1,)]",
    "{open('FILE', 'w') for x in (1,)}",
    "(x := 5)",
    'f\'{open("FILE", "w")}\'',
    "f'{a}'",
    "'{0.__class__}'.format(a)",
    "b'bytes'",
    "1j",
    "None",
    "...",
    "await a",
    "yield a",
    "*a",
    "a if b else a",
    "a; b",
    "import os",
    "a = 1",
    "lambda: 1",
    "print(a)",
    "abs(*a)",
    "abs(**a)",
    "abs(x=a)",
    "abs(abs)(a)",
    "(abs)(a)(a)",
    "a[0]",
    "a[:]",
    "a // b",
    "a @ b",
    "a << b",
    "a & b",
    "a | b",
    "a ^ b",
    "~a",
    "a is b",
    "a is not b",
    "'x' in city",
    "a in b",
    "a in {1, 2}",
    "a in (1, 2) < b",
    "a in (1, *b)",
    "(a, b)",
    "[a]",
    "{}",
    "{'a': a}",
    "`a`",
    "a\\nb",
    "\\x00",
    "a; __import__('os')",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_outside_the_language_is_accepted_and_nothing_is_run(tmp_path: Path, attack: str) -> None:
    file = tmp_path / "made"
    with pytest.raises(ExpressionInvalid):
        Expression.parse(attack.replace("FILE", str(file)))
    assert not file.exists()


@pytest.mark.parametrize("attack", ["'a' * 3", "'a' 'b' * 1000000000", "city % a", "'%1000000000d' % a", "city + city"])
def test_text_is_not_calculated_with(attack: str) -> None:
    assert invalid(attack).problem == "text and numbers are mixed"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is nothing"),
        ("   ", "there is nothing"),
        ("a +", "something cannot be read"),
        ("a + (b", "something cannot be read at character "),
        ("a b", "something cannot be read at character "),
        ("lenght(a)", "the function 'lenght' is not known"),
        ("max(a)", "max() takes 2 values, not 1,"),
        ("round(a, 2)", "round() takes 1 values, not 2,"),
        ("col(a)", "col() takes one name in quotes,"),
        ("col('a', 'b')", "col() takes one name in quotes,"),
        ("abs(x=a)", "something that is not part of the language stands"),
        ("a is 1", "a comparison that is not supported stands"),
        ("1" + "0" * 400, "a number that is too large stands"),
        ("1e999", "a number that is too large stands"),
        ("nothing + 1", "the column 'nothing' does not exist"),
        ("city + 1", "text and numbers are mixed"),
        ("abs(city)", "text and numbers are mixed"),
        ("city < 5", "text and numbers are mixed"),
        ("a < 'x'", "text and numbers are mixed"),
        ("where(a > 0, 'x', 5)", "text and numbers are mixed"),
        ("-city", "text and numbers are mixed"),
    ],
)
def test_what_is_wrong_is_told_in_plain_words(text: str, problem: str) -> None:
    error = invalid(text)
    assert error.problem.startswith(problem)
    assert error.fix
    assert error.text == text.strip()


@pytest.mark.parametrize("number", [NAN, float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_no_expression(number: float) -> None:
    with pytest.raises(ExpressionInvalid, match="not finite"):
        Expression.parse(number)


def test_a_long_expression_is_cut_in_its_own_error() -> None:
    assert len(invalid("a + " * 100 + "nothing").what) < 150


def test_text_may_be_compared_with_a_number_and_is_never_equal_to_it() -> None:
    assert value_of("city == 5") == [False] * 4
    assert value_of("a == 'x'") == [False] * 4


def test_an_expression_may_be_as_long_and_as_deep_as_is_said_and_no_more() -> None:
    longest = "a" + " " * (MAX_LENGTH - 3) + "+b"
    assert value_of(longest) == [4.0, 0.5, 0.0, 3.5]
    assert "more than 2000 characters" in invalid(longest + "0").problem
    assert value_of("-" * MAX_DEPTH + "a") == [1.0, -2.5, 0.0, 4.0]
    assert "nested more than 200 deep" in invalid("-" * (MAX_DEPTH + 1) + "a").problem


@pytest.mark.parametrize(
    "text",
    [
        "(" * 900 + "a" + ")" * 900,
        "-" * 1900 + "a",
        "not " * 490 + "a",
        "a" + "+a" * 900,
        "a" + "**a" * 600,
        "[" * 1900,
    ],
    ids=["brackets", "minus", "not", "plus", "power", "open"],
)
def test_nesting_without_end_is_refused_plainly(text: str) -> None:
    assert invalid(text).problem


@pytest.mark.parametrize("text", [r"city == '\d'", "1if a else 2", "a in(1,2)or b", "1or a", "0x1for a", "'a'is'a'"])
def test_python_has_no_warnings_to_give_about_an_expression(text: str, recwarn: pytest.WarningsRecorder) -> None:
    with suppress(ExpressionInvalid):
        Expression.parse(text)
    assert len(recwarn) == 0


PIECES = ["a", "b", "city", "holed", "'x'", "''", "1", "0", "2.5", "True", "(", ")", ",", " ", "+", "-", "*", "/", "%",
          "**", "<", "==", "!=", " and ", " or ", "not ", " in ", "(1,)", "abs(", "min(", "where(", "missing(", "col("]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example("where(city,a,'x')==city")
@example("missing('x')==missing(1)")
@example("'x'==city==''")
@example("True==holed")
@example("-True**holed")
def test_any_mixture_of_its_words_gives_a_value_for_each_row_or_a_plain_error(text: str) -> None:
    with suppress(ExpressionInvalid):
        assert len(value_of(text)) == 4


@given(st.text(max_size=30))
def test_any_text_gives_an_expression_or_a_plain_error(text: str) -> None:
    with suppress(ExpressionInvalid):
        assert Expression.parse(text).text == text.strip()
