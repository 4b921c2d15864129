"""Expressions over columns, as people write them in a spec: `-0.6 * amount`, `region == "north" and age >= 65`.

An expression is parsed into a tree of the few things named below and walked over arrays; it is never run as code.
"""

from __future__ import annotations

import ast
import operator
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlwright.core import MlwrightError, closest

#: The columns an expression may read: numbers as float (NaN is missing), everything else as objects (None is missing).
Columns: TypeAlias = Mapping[str, NDArray[Any]]

MAX_LENGTH = 2000
MAX_DEPTH = 200

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _missing(values: Any) -> Any:
    array = np.asarray(values)
    return np.isnan(array) if array.dtype.kind == "f" else array == np.array(None)


def _number(values: Any) -> Any:
    """What can be calculated with: a truth value counts as 1 or 0; text is refused."""
    array = np.asarray(values)
    if array.dtype.kind not in "bfiu":
        raise TypeError("text is no number")
    return array.astype(np.float64, copy=False)


def _truth(values: Any) -> Any:
    """Whether it holds: 0, an empty text and a missing value do not."""
    array = np.asarray(values)
    held = array != 0 if array.dtype.kind in "bfiu" else array.astype(object).astype(bool)
    return held & ~_missing(array)


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: function(*map(_number, values))


def _where(condition: Any, then: Any, otherwise: Any) -> Any:
    return np.where(_truth(condition), then, otherwise)


#: name -> (function over arrays, number of arguments)
_FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "abs": (_of_numbers(np.abs), 1),
    "min": (_of_numbers(np.minimum), 2),
    "max": (_of_numbers(np.maximum), 2),
    "log": (_of_numbers(np.log), 1),
    "exp": (_of_numbers(np.exp), 1),
    "sqrt": (_of_numbers(np.sqrt), 1),
    "round": (_of_numbers(np.round), 1),
    "where": (_where, 3),
    "missing": (_missing, 1),
}
_HELP = (
    "write numbers, column names (or col('a name with spaces')), + - * / % **, comparisons, `in`, and, or, not, "
    f"and the functions {', '.join(_FUNCTIONS)}"
)


class ExpressionInvalid(MlwrightError):
    """The text is not an expression of this small language, or does not fit the columns."""

    def __init__(self, text: str, problem: str, *, where: str = "", fix: str = _HELP) -> None:
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        super().__init__(f"{problem} in the expression `{shown}`", where=where or "an expression", fix=fix)
        self.text = text
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression; equal texts are equal expressions.

    Examples
    --------
    >>> cost = Expression.parse("-0.6 * amount")
    >>> cost.columns
    ('amount',)
    >>> cost.evaluate({"amount": np.array([100.0, 50.0])}, rows=2)
    array([-60., -30.])
    """

    text: str
    columns: tuple[str, ...]
    _tree: ast.expr

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str | float) -> Expression:
        """Read an expression.

        Raises
        ------
        ExpressionInvalid
            If it is empty, too long, nested too deeply, or uses anything outside the language.
        """
        if isinstance(text, float) and not np.isfinite(text):
            raise ExpressionInvalid(str(text), "a number that is not finite stands", fix="write a plain number")
        text = str(text).strip()
        if not text:
            raise ExpressionInvalid(text, "there is nothing")
        if len(text) > MAX_LENGTH:
            raise ExpressionInvalid(text, f"there are more than {MAX_LENGTH} characters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Python about Python, such as an odd escape
                tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            place = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
            raise ExpressionInvalid(text, f"something cannot be read{place}") from error
        columns: dict[str, None] = {}
        _check(tree, text, columns, depth=0)
        return cls(text, tuple(columns), tree)

    def evaluate(self, columns: Columns, *, rows: int) -> NDArray[Any]:
        """The value for each row, shape (rows,); a row that divides by zero gets NaN or an infinity.

        Raises
        ------
        ExpressionInvalid
            If a column is absent or its values do not fit the operation.
        """
        for name in self.columns:
            if name not in columns:
                raise ExpressionInvalid(
                    self.text, f"the column {name!r} does not exist", fix=closest(name, map(str, columns))
                )
        try:
            with np.errstate(all="ignore"):
                value = _value(self._tree, columns)
        except (TypeError, ValueError) as error:
            raise ExpressionInvalid(
                self.text,
                "text and numbers are mixed",
                fix="compare text with text in quotes, and calculate with number columns only",
            ) from error
        return np.broadcast_to(np.asarray(value), (rows,))


@lru_cache(maxsize=128)
def attribute_expression(attribute: str) -> Expression:
    """What names the groups of rows: an expression, or a column whose name is none (`personal status`)."""
    try:
        return Expression.parse(attribute)
    except ExpressionInvalid:
        if attribute.isprintable() and not any(sign in attribute for sign in "()<>=\"'"):
            return Expression.parse(f"col({attribute!r})")
        raise


def _check(node: ast.AST, text: str, columns: dict[str, None], *, depth: int) -> None:
    """Accept only what the language has; collect the columns on the way."""
    if depth > MAX_DEPTH:
        raise ExpressionInvalid(text, f"operations are nested more than {MAX_DEPTH} deep")
    children: list[ast.expr] = []
    match node:
        case ast.Constant(value=bool() | str()):
            pass
        case ast.Constant(value=int() | float() as number) if abs(number) <= sys.float_info.max:
            pass
        case ast.Constant(value=int() | float()):
            raise ExpressionInvalid(text, "a number that is too large stands", fix="write a smaller one")
        case ast.Name(id=name):
            columns[name] = None
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            children = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            children = [operand]
        case ast.BoolOp(values=values):
            children = values
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            children = [left]
            for place, (comparison, other) in enumerate(zip(ops, comparators, strict=True), start=1):
                last = place == len(ops)  # `a in (1, 2) < b` would compare the list
                if isinstance(comparison, ast.In | ast.NotIn) and isinstance(other, ast.Tuple | ast.List) and last:
                    children.extend(other.elts)
                elif type(comparison) in _COMPARISONS:
                    children.append(other)
                else:
                    raise ExpressionInvalid(text, "a comparison that is not supported stands")
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]):
            columns[name] = None
        case ast.Call(func=ast.Name(id="col")):
            raise ExpressionInvalid(text, "col() takes one name in quotes,")
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            if len(arguments) != _FUNCTIONS[name][1]:
                raise ExpressionInvalid(text, f"{name}() takes {_FUNCTIONS[name][1]} values, not {len(arguments)},")
            children = arguments
        case ast.Call(func=ast.Name(id=name)) if name not in _FUNCTIONS:
            raise ExpressionInvalid(text, f"the function {name!r} is not known", fix=closest(name, _FUNCTIONS))
        case _:
            raise ExpressionInvalid(text, "something that is not part of the language stands")
    for child in children:
        _check(child, text, columns, depth=depth + 1)


def _value(node: ast.AST, columns: Columns) -> Any:
    match node:
        case ast.Constant(value=bool(value)):
            return value
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) | ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))]):
            return columns[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_number(_value(left, columns)), _number(_value(right, columns)))
        case ast.UnaryOp(op=op, operand=operand):
            value = _value(operand, columns)
            if isinstance(op, ast.Not):
                return np.logical_not(_truth(value))
            return np.negative(_number(value)) if isinstance(op, ast.USub) else _number(value)
        case ast.BoolOp(op=op, values=values):
            combine = np.logical_and if isinstance(op, ast.And) else np.logical_or
            result = _truth(_value(values[0], columns))
            for part in values[1:]:
                result = combine(result, _truth(_value(part, columns)))
            return result
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _compared(left, ops, comparators, columns)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name][0](*(_value(argument, columns) for argument in arguments))
    raise AssertionError(f"{type(node).__name__} passed the check")  # pragma: no cover


def _compared(left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr], columns: Columns) -> Any:
    """`a < b <= c` is `a < b and b <= c`; a missing value compares as false."""
    result: Any = True
    before = _value(left, columns)
    for op, right in zip(ops, comparators, strict=True):
        if isinstance(op, ast.In | ast.NotIn):
            assert isinstance(right, ast.Tuple | ast.List)
            found: Any = np.False_
            for option in right.elts:
                found = np.logical_or(found, _elementwise(operator.eq, before, _value(option, columns)))
            outcome = ~(found | _missing(before)) if isinstance(op, ast.NotIn) else found
        else:
            after = _value(right, columns)
            outcome = _elementwise(_COMPARISONS[type(op)], before, after)
            before = after
        result = np.logical_and(result, outcome)
    return result


def _elementwise(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    left, right = np.asarray(left), np.asarray(right)
    known = ~(_missing(left) | _missing(right))
    if left.dtype.kind != "O" and right.dtype.kind != "O":
        return compare(left, right) & known
    left, right, known = np.broadcast_arrays(left, right, known)
    result = np.zeros(known.shape, dtype=bool)
    result[known] = np.asarray(compare(left[known], right[known]), dtype=bool)
    return result
