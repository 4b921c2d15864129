"""The target: which kind of problem it makes, which classes it has, and whether anything can be learned of it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from mlwright.core import quoted
from mlwright.data.dataset import ClassValue, written_class
from mlwright.data.errors import DataUnfit
from mlwright.data.schema import Column, Schema
from mlwright.data.summaries import ColumnSummary, TableSummary
from mlwright.data.values import written
from mlwright.spec import Spec, Task

#: With so few rows a split and a cross-validation mean nothing.
MIN_ROWS = 20
#: Whole numbers with at most so many values are classes unless the spec says otherwise.
MAX_NUMERIC_CLASSES = 10
MAX_CLASSES = 1000
_POSITIVE = ("true", "yes", "y", "t", "1", "bad", "positive", "churned", "fraud", "default", "failure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was settled about the target."""

    name: str
    task: Task
    column: Column
    classes: tuple[ClassValue, ...] = ()
    why: str = ""


def settle_target(spec: Spec, schema: Schema, summary: TableSummary, where: str) -> Target:
    """Find out the task and the classes.

    Raises
    ------
    DataUnfit
        If the target is never known, constant, infinite, a date, has one class, two spellings of one class, or too many
        classes; or if there are too few rows.
    """
    name = spec.data.target
    column, values = schema[name], summary[name]
    place = f"column {name!r} of {where}"
    known = _known(values, column)
    if known == 0:
        raise DataUnfit(
            "the target has no values", where=place, fix="name the column to predict, or wait for its values"
        )
    if known < MIN_ROWS:
        raise DataUnfit(
            f"only {known} row{'s have' if known > 1 else ' has'} a target; at least {MIN_ROWS} are needed",
            where=place,
            fix="bring more rows with a known target",
        )
    _refuse_odd_values(column, values, place)
    task, why = _task(spec, column, values)
    if task == "regression":
        return _regression(column, values, why, place)
    return _classes(spec, column, values, task, why, place)


def _known(values: ColumnSummary, column: Column) -> int:
    if values.levels is None:
        if values.numbers is None:
            return 0
        pairs = values.numbers.most_common() if column.reading.missing_numbers else []
        return values.numbers.moments.count - sum(c for v, c in pairs if v in column.reading.missing_numbers)
    missing = sum(c for v, c in values.levels.levels() if v.strip().lower() in column.reading.missing)
    return values.known - missing


def _refuse_odd_values(column: Column, values: ColumnSummary, place: str) -> None:
    if values.levels is not None and values.numbers is not None:
        raise DataUnfit(
            "the target is stored as text in some places and as numbers in others",
            where=place,
            fix="store it in one type everywhere",
        )
    if column.type == "datetime":
        raise DataUnfit(
            "the target is a date, which is neither a class nor a number",
            where=place,
            fix="name another target, such as the time between two dates",
        )
    infinite = 0 if values.numbers is None else values.numbers.infinite
    if infinite:
        raise DataUnfit(f"the target is infinite in {infinite} rows", where=place, fix="repair or remove those rows")


def _n_distinct(values: ColumnSummary, column: Column) -> float:
    """Number of distinct known values; exact where the summary is."""
    if values.levels is not None:
        exact = values.levels.complete
    else:
        exact = values.numbers is not None and values.numbers.grid.exact
    return float(len(_levels(values, column))) if exact else values.n_distinct


def _task(spec: Spec, column: Column, values: ColumnSummary) -> tuple[Task, str]:
    n_distinct = _n_distinct(values, column)
    if spec.task != "auto":
        return spec.task, "the spec says so"
    if column.type in {"number", "integer"}:
        if column.type == "integer" and n_distinct <= 2:
            return "binary", "the target has two values"
        if column.type == "integer" and n_distinct <= MAX_NUMERIC_CLASSES:
            return (
                "multiclass",
                f"the target has {n_distinct:.0f} whole numbers; set `task: regression` to predict a number",
            )
        return "regression", f"the target is a number with {n_distinct:,.0f} values"
    known_levels = len(_levels(values, column))
    return (
        ("binary", "the target has two classes")
        if known_levels == 2
        else (
            "multiclass",
            f"the target has {known_levels} classes",
        )
    )


def _regression(column: Column, values: ColumnSummary, why: str, place: str) -> Target:
    if _n_distinct(values, column) <= 1:
        raise DataUnfit("the target is constant; there is nothing to predict", where=place, fix="name another target")
    if not column.is_number:
        raise DataUnfit(
            f"the target is a {column.type}, and a regression needs numbers",
            where=place,
            fix="remove `task: regression`, or name a column of numbers",
        )
    return Target(name=column.name, task="regression", column=column.but(role="target"), why=why)


def _levels(values: ColumnSummary, column: Column) -> dict[str, int]:
    """Each class as text with its rows, after the spellings that the spec unifies."""
    replace = dict(column.reading.replace)
    if values.levels is not None:
        pairs: dict[str, int] = {}
        for value, count in values.levels.levels():
            text = replace.get(value, value).strip()
            if text.lower() not in column.reading.missing:
                pairs[text] = pairs.get(text, 0) + count
        return pairs
    assert values.numbers is not None
    known = [pair for pair in values.numbers.most_common() if pair[0] not in column.reading.missing_numbers]
    numbers = pa.array([value for value, _ in known], pa.float64())
    is_truth = values.kind == "boolean"
    texts = written(numbers.cast(pa.bool_()) if is_truth else numbers, "boolean" if is_truth else "number")
    return dict(zip(texts.to_pylist(), [count for _, count in known], strict=True))


def _classes(spec: Spec, column: Column, values: ColumnSummary, task: Task, why: str, place: str) -> Target:
    levels = _levels(values, column)
    if len(levels) < 2:
        raise DataUnfit(
            "all rows have the same class; there is nothing to predict", where=place, fix="name another target"
        )
    _refuse_two_spellings(levels, column, place)
    if len(levels) > min(MAX_CLASSES, sum(levels.values()) // 2) or values.n_distinct > MAX_CLASSES:
        raise DataUnfit(
            f"the target has about {values.n_distinct:,.0f} classes",
            where=place,
            fix="set `task: regression` if it is a number, or name another target: this one seems to name rows",
        )
    if task == "binary" and len(levels) > 2:
        raise DataUnfit(
            f"the target has {len(levels)} classes, and a binary task has two: {quoted(levels)}",
            where=place,
            fix="set `task: multiclass`, or unify classes with data.columns.<target>.replace",
        )
    ordered = _ordered(levels, spec) if len(levels) == 2 else _sorted(levels)
    classes = tuple(_as_written(text, values) for text in ordered)
    return Target(
        name=column.name,
        task=task if len(levels) > 2 or task != "multiclass" else "binary",
        column=column.but(type="category", role="target", levels=tuple(ordered)),
        classes=classes,
        why=why,
    )


def _sorted(levels: dict[str, int]) -> list[str]:
    try:
        return sorted(levels, key=float)
    except ValueError:
        return sorted(levels)


def _ordered(levels: dict[str, int], spec: Spec) -> list[str]:
    """Two classes with the positive one last: the one that the spec names, the one that says yes, or the rarer one."""
    if spec.data.positive_class is not None:
        wanted = written_class(spec.data.positive_class)
        found = [text for text in levels if text == wanted] or [t for t in levels if t.lower() == wanted.lower()]
        if not found:
            raise DataUnfit(
                f"the positive class {wanted!r} does not occur; there are {quoted(levels)}",
                where=spec.where("data", "positive_class"),
                fix="name one of the two classes",
            )
        positive = found[0]
    else:
        saying_yes = [text for text in levels if text.lower() in _POSITIVE]
        positive = saying_yes[0] if len(saying_yes) == 1 else min(sorted(levels), key=lambda text: levels[text])
    return [next(text for text in levels if text != positive), positive]


def _refuse_two_spellings(levels: dict[str, int], column: Column, place: str) -> None:
    by_meaning: dict[str, list[str]] = {}
    for text in levels:
        by_meaning.setdefault(" ".join(text.casefold().split()), []).append(text)
    twice = [spellings for spellings in by_meaning.values() if len(spellings) > 1]
    if twice:
        kept = max(twice[0], key=lambda text: levels[text])
        other = next(text for text in twice[0] if text != kept)
        raise DataUnfit(
            f"a class of the target stands in several spellings: {quoted(twice[0])}",
            where=place,
            fix=f"unify them in the spec:  data.columns.{column.name}.replace: {{{other!r}: {kept!r}}}",
        )


def _as_written(text: str, values: ColumnSummary) -> ClassValue:
    """The class as the source has it: numbers stay numbers."""
    if values.kind == "boolean":
        return text == "true"
    if values.kind in {"integer", "number"}:
        number = float(text)
        return int(number) if number == int(number) else number
    return text
