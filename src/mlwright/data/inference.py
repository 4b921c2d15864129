"""From the summary of raw values to a schema: the type of each column, how it is read, and why."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from mlwright.data.guesses import MISSING_AMONG_NUMBERS, MISSING_WORDS, Guess, guess_datetimes, guess_numbers
from mlwright.data.schema import Column, Schema, ValueReading
from mlwright.data.summaries import ColumnSummary, LevelSummary, NumberSummary, TableSummary
from mlwright.data.values import FALSE_WORDS, TRUE_WORDS
from mlwright.spec import ColumnOverride, LogicalType

#: A column of text is read as numbers or dates if so many of its rows can be.
ENOUGH = 0.9
#: From so many distinct values per row on, a column names rows.
UNIQUE = 0.98
_ID_NAME = re.compile(r"(?:^|[^a-z])(?:id|uuid|guid|key|nr|no|num|number|index|pid)$|(?:Id|ID|_pk)$")
_SENTINEL = re.compile(r"-?9{2,}")


class _Decision(NamedTuple):
    type: LogicalType
    reading: ValueReading
    why: str


def infer_schema(
    summary: TableSummary,
    overrides: Mapping[str, ColumnOverride] | None = None,
    *,
    with_role: Collection[str] = (),
) -> Schema:
    """Decide what each column is.

    Parameters
    ----------
    summary
        Of the raw values, as the source gave them.
    overrides
        What the spec says about single columns; it wins over what is found.
    with_role
        Columns that the spec uses as target, time or weight: they are never taken for identifiers.
    """
    overrides = overrides or {}
    return Schema(
        tuple(
            infer_column(name, column, overrides.get(name), may_name_rows=name not in with_role)
            for name, column in summary.columns.items()
        )
    )


def infer_column(
    name: str, summary: ColumnSummary, override: ColumnOverride | None = None, *, may_name_rows: bool = True
) -> Column:
    """Decide what one column is, with the reason in words."""
    override = override or ColumnOverride()
    if summary.known == 0:
        decision = _Decision("constant", ValueReading(missing=MISSING_WORDS), "has no values")
    elif summary.levels is not None:
        decision = _of_text(name, summary.levels, override, may_name_rows)
    else:
        assert summary.numbers is not None
        decision = _of_numbers(name, summary, summary.numbers, may_name_rows)
    decision = _overridden(decision, override)
    return Column(name=name, type=decision.type, reading=decision.reading, why=decision.why)


def _overridden(decision: _Decision, override: ColumnOverride) -> _Decision:
    reading, type_, why = decision.reading, decision.type, decision.why
    if override.type is not None and override.type != type_:
        type_, why = override.type, f"the spec says so (mlwright found: {type_})"
    missing, numbers = reading.missing, reading.missing_numbers
    if override.missing is not None:
        missing = ("", *(text.strip().lower() for text in override.missing if isinstance(text, str)))
        numbers = tuple(float(value) for value in override.missing if not isinstance(value, str))
    reading = ValueReading(
        missing=missing,
        missing_numbers=numbers,
        replace=tuple((override.replace or {}).items()),
        decimal=reading.decimal,
        thousands=reading.thousands,
        affixes=reading.affixes,
        formats=override.formats if override.formats is not None else reading.formats,
    )
    return _Decision(type_, reading, why)


# ------------------------------------------------------------------------------------------------------------- text


def _of_text(name: str, levels: LevelSummary, override: ColumnOverride, may_name_rows: bool) -> _Decision:
    pairs = {**dict(levels.frequent.most_common()), **dict(levels.levels())}
    if override.replace:
        pairs = {override.replace.get(value, value): count for value, count in pairs.items()}
    if levels.distinct.values is not None:
        pairs |= dict(zip(levels.distinct.values.tolist(), levels.distinct.counts.tolist(), strict=True))
    missing = _missing_words(list(pairs))
    values = {value.strip(): count for value, count in pairs.items() if value.strip().lower() not in missing}
    words = tuple(sorted(missing))
    if not values:
        return _Decision("constant", ValueReading(missing=words), "has no values but those that mean missing")
    strict = {v: c for v, c in values.items() if v.lower() not in MISSING_AMONG_NUMBERS}
    if strict and override.type not in {"category", "text", "identifier"}:
        texts, counts = list(strict), np.array(list(strict.values()), dtype=np.int64)
        numbers = guess_numbers(texts, counts)
        if (numbers and numbers.share >= ENOUGH) or (numbers and override.type in {"number", "integer"}):
            return _numbers_in_text(name, numbers, levels, texts, pairs, may_name_rows)
        dates = guess_datetimes(texts, counts)
        if (dates and dates.share >= ENOUGH) or (dates and override.type == "datetime"):
            reading = dates.reading
            words = (*words, *MISSING_AMONG_NUMBERS)
            return _Decision(
                "datetime",
                ValueReading(missing=words, formats=reading.formats),
                f"dates {dates.remark}{_lost(dates)}{_seen_missing(pairs, words, levels)}",
            )
    reading = ValueReading(missing=words)
    return _levels(reading, values, levels, _seen_missing(pairs, words, levels), may_name_rows)


def _numbers_in_text(
    name: str, guess: Guess, levels: LevelSummary, texts: list[str], pairs: Mapping[str, int], may_name_rows: bool
) -> _Decision:
    words = (*sorted(MISSING_WORDS), *MISSING_AMONG_NUMBERS)
    reading = ValueReading(
        missing=words, decimal=guess.reading.decimal, thousands=guess.reading.thousands, affixes=guess.reading.affixes
    )
    whole = all(re.fullmatch(r"[+-]?\d+", text.replace(guess.reading.thousands or "\0", "")) for text in texts)
    remark = f" {guess.remark}" if guess.remark else ""
    unique = may_name_rows and levels.distinct.uniqueness() >= UNIQUE
    if whole and unique and levels.count >= 50 and _ID_NAME.search(name):
        return _Decision("identifier", ValueReading(missing=tuple(sorted(MISSING_WORDS))), "every row has its own")
    kind: LogicalType = "integer" if whole else "number"
    return _Decision(kind, reading, f"numbers in text{remark}{_lost(guess)}{_seen_missing(pairs, words, levels)}")


def _levels(
    reading: ValueReading, values: Mapping[str, int], levels: LevelSummary, remark: str, may_name_rows: bool
) -> _Decision:
    n_distinct, count = levels.n_distinct, levels.count
    words_per_value = sum(len(value.split()) for value in values) / len(values)
    length = levels.lengths.mean
    lower = {value.lower() for value in values}
    if len(values) == 1 and levels.complete:
        if not remark:
            return _Decision("constant", reading, "has one value only")
        return _Decision("category", reading, f"one level or missing{remark}")
    if len(lower) == 2 and len(values) == 2 and any(_is_pair(lower, true, false) for true, false in _PAIRS):
        return _Decision("boolean", reading, f"two levels that mean yes and no{remark}")
    unique = may_name_rows and levels.distinct.uniqueness() >= UNIQUE
    if unique and count >= 50 and words_per_value < 1.5 and length <= 64:
        return _Decision("identifier", reading, f"nearly every row has its own value{remark}")
    if (words_per_value >= 3 and n_distinct > 0.5 * count and count >= 50) or length > 80:
        return _Decision("text", reading, f"{words_per_value:.0f} words a value, nearly all different{remark}")
    return _Decision("category", reading, f"{_number(n_distinct, levels.complete)} levels{remark}")


_PAIRS = tuple(zip(TRUE_WORDS[:5], FALSE_WORDS[:5], strict=True))


def _is_pair(lower: set[str], true: str, false: str) -> bool:
    return lower == {true, false}


def _missing_words(values: list[str]) -> set[str]:
    """The words that mean missing here; among two-letter codes `NA` is a code (Namibia, North America)."""
    words = set(MISSING_WORDS)
    codes = [value for value in values if re.fullmatch(r"[A-Z]{2}", value)]
    if len(codes) > 5 and len(codes) > 0.8 * len(values):
        words.discard("na")
    return words


def _lost(guess: Guess) -> str:
    return "" if guess.share >= 1 else f"; {1 - guess.share:.1%} of the rows cannot be read and become missing"


def _seen_missing(pairs: Mapping[str, int], words: tuple[str, ...], levels: LevelSummary) -> str:
    seen = {value: count for value, count in pairs.items() if value.strip().lower() in words}
    if not seen:
        return ""
    ordered = sorted(seen.items(), key=lambda pair: -pair[1])[:4]
    shown = ", ".join(f"{value!r} ({count:,} rows)" if levels.complete else repr(value) for value, count in ordered)
    return f"; missing where it says {shown}"


def _number(value: float, exact: bool) -> str:
    return f"{value:,.0f}" if exact else f"about {value:,.0f}"


# ---------------------------------------------------------------------------------------------------------- numbers


def _of_numbers(name: str, summary: ColumnSummary, numbers: NumberSummary, may_name_rows: bool) -> _Decision:
    nothing = ValueReading(missing=MISSING_WORDS)
    finite = numbers.moments.count
    if finite == 0:
        return _Decision("constant", nothing, "has no finite values")
    if summary.kind == "datetime":
        return _Decision("datetime", nothing, "stored as dates")
    if summary.kind == "boolean":
        kind: LogicalType = "boolean" if numbers.n_distinct > 1 or summary.nulls else "constant"
        return _Decision(kind, nothing, "stored as true and false" if kind == "boolean" else "has one value only")
    sentinels = disguised_missing(numbers)
    reading = ValueReading(missing=MISSING_WORDS, missing_numbers=tuple(value for value, _ in sentinels))
    remark = "".join(f"; {value:g} ({count:,} rows) means missing" for value, count in sentinels)
    if numbers.n_distinct - len(sentinels) <= 1 and not summary.nulls and not sentinels:
        return _Decision("constant", reading, "has one value only")
    whole = numbers.whole == finite
    if may_name_rows and whole and summary.kind == "integer" and _names_rows(name, numbers, finite):
        return _Decision("identifier", reading, f"whole numbers, nearly every row has its own{remark}")
    distinct = _number(numbers.n_distinct, numbers.grid.exact)
    if whole:
        stored = "whole numbers" if summary.kind == "integer" else "numbers without decimals"
        return _Decision("integer", reading, f"{stored}, {distinct} values{remark}")
    return _Decision("number", reading, f"{distinct} values{remark}")


def _names_rows(name: str, numbers: NumberSummary, count: int) -> bool:
    """Whether whole numbers name rows: nearly all different, and called an id or without gaps."""
    if count < 50 or numbers.distinct.uniqueness() < UNIQUE:
        return False
    span = numbers.moments.high - numbers.moments.low + 1
    return bool(_ID_NAME.search(name)) or span <= 1.05 * count


def disguised_missing(numbers: NumberSummary) -> list[tuple[float, int]]:
    """Values such as -999 that stand apart from all others and come often: they mean missing.

    Returns
    -------
    list of (value, rows)
        Negative values made of nines (-99, -999 …) at the low end of the range, apart from the rest by more than the
        rest is wide, or negative where nothing else is. A high value such as 99999 may as well be a cap that means a
        lot, so it is left for a person to judge (`suspected_cap`).
    """
    return [(value, rows) for value, rows in _apart(numbers) if value < 0]


def suspected_cap(numbers: NumberSummary) -> tuple[float, int] | None:
    """A value such as 99999 far above all others: missing, or a cap; only the owner can tell."""
    return next(((value, rows) for value, rows in _apart(numbers) if value > 0), None)


def _apart(numbers: NumberSummary) -> list[tuple[float, int]]:
    """Values made of nines at an end of the range that stand apart from the rest, with their rows."""
    found: list[tuple[float, int]] = []
    low, high, counts = numbers.grid.cells()
    total = int(counts.sum())
    frequent = dict(numbers.most_common()[:2000])
    for end in (0, -1):
        if len(counts) < 3:
            break
        rest_low, rest_high = (low[1], high[-1]) if end == 0 else (low[0], high[-2])
        inside = [v for v in frequent if low[end] <= v <= high[end]]
        if len(inside) != 1 or inside[0] != round(inside[0]) or not _SENTINEL.fullmatch(f"{inside[0]:.0f}"):
            continue
        value, rows = inside[0], frequent[inside[0]]
        if rows < max(3, 0.002 * total):
            continue
        gap = rest_low - value if end == 0 else value - rest_high
        alone_below = end == 0 and value <= -9 and rest_low >= 0
        if gap > 0 and (gap > rest_high - rest_low or alone_below):
            found.append((value, rows))
    return found
