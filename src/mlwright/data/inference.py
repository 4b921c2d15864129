"""From the summary of raw values to a schema: the type of each column, how it is read, and why."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mlwright.data.dataset import FloatArray, written_class
from mlwright.data.guesses import MISSING_AMONG_NUMBERS, MISSING_WORDS, Guess, guess_datetimes, guess_numbers
from mlwright.data.schema import Column, Schema, ValueReading
from mlwright.data.summaries import ColumnSummary, LevelSummary, NumberSummary, TableSummary
from mlwright.data.values import FALSE_WORDS, TRUE_WORDS, text_to_numbers
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
        if summary.numbers is not None:
            decision = _with_numbers(decision, summary.numbers)
    else:
        assert summary.numbers is not None
        decision = _of_numbers(name, summary, summary.numbers, override, may_name_rows)
    decision = _overridden(decision, override)
    return Column(name=name, type=decision.type, reading=decision.reading, why=decision.why)


def _with_numbers(decision: _Decision, numbers: NumberSummary) -> _Decision:
    """What a column is that some files (or batches) store as text and others as numbers, decided from the text."""
    remark = "; stored as text in some places and as numbers in others"
    type_ = decision.type
    if type_ in {"constant", "boolean"}:
        type_ = "category"
    elif type_ == "integer" and numbers.whole < numbers.moments.count:
        type_ = "number"
    return _Decision(type_, decision.reading, decision.why + remark)


def _overridden(decision: _Decision, override: ColumnOverride) -> _Decision:
    reading, type_, why = decision.reading, decision.type, decision.why
    wanted = override.type or ("datetime" if override.formats else None)
    if wanted is not None:
        why = f"{why}, as the spec says" if wanted == type_ else f"the spec says so (mlwright found: {type_})"
        type_ = wanted
    missing, numbers = reading.missing, reading.missing_numbers
    if override.missing is not None:
        missing, why = _declared_missing(override.missing), f"{why}; what means missing is as the spec says"
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


def _declared_missing(values: Collection[str | float]) -> tuple[str, ...]:
    """The words that a spec declares missing, its numbers among them; nothing at all always means missing."""
    return ("", *(value.strip().lower() if isinstance(value, str) else written_class(value) for value in values))


# ------------------------------------------------------------------------------------------------------------- text


class _Texts(NamedTuple):
    """What is known of a column of text.

    Attributes
    ----------
    pairs
        Values as they will be read, with their rows: all where the levels are complete; else the frequent ones and a
        uniform sample of the others.
    missing
        The words that mean missing; `declared` if the spec says them.
    """

    levels: LevelSummary
    pairs: dict[str, int]
    missing: tuple[str, ...]
    declared: bool

    @property
    def known(self) -> int:
        """Rows with a value."""
        return self.levels.count - sum(self.pairs[value] for value in self.pairs if value.lower() in self.missing)

    @property
    def uniqueness(self) -> float:
        """Distinct values per row with a value."""
        listed = [] if self.levels.distinct.values is None else self.levels.distinct.values.tolist()
        rows = zip(listed, self.levels.distinct.counts.tolist(), strict=True)
        counts = [count for value, count in rows if value.strip().lower() not in self.missing]
        return len(counts) / sum(counts) if counts else 0.0

    def but_missing(self, words: Collection[str]) -> _Texts:
        """The same, with more words that mean missing."""
        return self._replace(missing=(*self.missing, *(word for word in words if word not in self.missing)))


def _of_text(name: str, levels: LevelSummary, override: ColumnOverride, may_name_rows: bool) -> _Decision:
    pairs = _as_read(levels, override.replace or {})
    missing: tuple[str, ...] = tuple(sorted(_missing_words(list(pairs))))
    among_numbers: tuple[str, ...] = MISSING_AMONG_NUMBERS
    if override.missing is not None:
        missing = among_numbers = _declared_missing(override.missing)
    texts = _Texts(levels, pairs, missing, declared=override.missing is not None)
    values = {value: count for value, count in pairs.items() if value.lower() not in missing}
    if not values:
        return _Decision("constant", ValueReading(missing=missing), "has no values but those that mean missing")
    if override.type is None and len(values) == 1 and levels.complete and texts.known == levels.count:
        return _Decision("constant", ValueReading(missing=missing), "has one value only")
    strict = {v: c for v, c in values.items() if v.lower() not in among_numbers}
    if strict and override.type not in {"category", "text", "identifier"}:
        counts = np.array(list(strict.values()), dtype=np.int64)
        numbers = guess_numbers(list(strict), counts)
        if (numbers and numbers.share >= ENOUGH) or (numbers and override.type in {"number", "integer"}):
            return _numbers_in_text(name, numbers, strict, texts.but_missing(among_numbers), may_name_rows)
        dates = guess_datetimes(list(strict), counts)
        if (dates and dates.share >= ENOUGH) or (dates and override.type == "datetime"):
            texts = texts.but_missing(among_numbers)
            return _Decision(
                "datetime",
                ValueReading(missing=texts.missing, formats=dates.reading.formats),
                f"dates {dates.remark}{_lost(dates)}{_seen_missing(texts)}",
            )
    return _levels(values, texts, may_name_rows)


def _as_read(levels: LevelSummary, replace: Mapping[str, str]) -> dict[str, int]:
    counts = dict(levels.frequent.most_common())
    if levels.distinct.values is not None:
        counts |= dict(zip(levels.distinct.values.tolist(), levels.distinct.counts.tolist(), strict=True))
    pairs: dict[str, int] = {}
    for value, count in counts.items():
        text = replace.get(value, value).strip()
        pairs[text] = pairs.get(text, 0) + count
    return pairs


def _numbers_in_text(
    name: str, guess: Guess, rows_of: Mapping[str, int], texts: _Texts, may_name_rows: bool
) -> _Decision:
    read = text_to_numbers(pa.array(rows_of, pa.string()), guess.reading)
    rows = np.array(list(rows_of.values()), dtype=np.int64)
    numbers = NumberSummary()
    numbers.grid.update(np.asarray(read.drop_null()), rows[np.asarray(read.is_valid())])
    sentinels = () if texts.declared else tuple(value for value, _ in disguised_missing(numbers))
    spelled = [text.lower() for text, value in zip(rows_of, read.to_pylist(), strict=True) if value in sentinels]
    texts = texts.but_missing(spelled)
    values, _, _ = numbers.grid.cells()
    whole = len(values) > 0 and _all_whole(values, texts.levels, guess.reading.thousands)
    plain = all(re.fullmatch(r"[+-]?\d+", text) for text in rows_of)
    if may_name_rows and whole and plain and _names_rows(name, texts.known, texts.uniqueness, values[0], values[-1]):
        return _Decision("identifier", ValueReading(missing=texts.missing), "whole numbers, every row has its own")
    reading = ValueReading(
        missing=texts.missing,
        missing_numbers=sentinels,
        decimal=guess.reading.decimal,
        thousands=guess.reading.thousands,
        affixes=guess.reading.affixes,
    )
    remark = f" {guess.remark}" if guess.remark else ""
    kind: LogicalType = "integer" if whole else "number"
    return _Decision(kind, reading, f"numbers in text{remark}{_lost(guess)}{_seen_missing(texts)}")


def _all_whole(values: FloatArray, levels: LevelSummary, thousands: str) -> bool:
    """Whether numbers in text have no decimals: all of them, so where only some are known, all shapes must say so."""
    if levels.complete:
        return bool((np.trunc(values) == values).all())
    shapes = [shape.strip().replace(thousands, "") for shape in levels.shapes.counts if "9" in shape]
    return levels.shapes.exact and all(re.fullmatch(r"[+-]?9+", shape) for shape in shapes)


def _levels(values: Mapping[str, int], texts: _Texts, may_name_rows: bool) -> _Decision:
    levels, reading, remark = texts.levels, ValueReading(missing=texts.missing), _seen_missing(texts)
    n_distinct, count = float(len(values)) if levels.complete else levels.n_distinct, texts.known
    words_per_value = sum(len(value.split()) for value in values) / len(values)
    length = levels.lengths.mean
    lower = {value.lower() for value in values}
    if len(values) == 1 and levels.complete:
        return _Decision("category", reading, f"one level or missing{remark}")
    if len(lower) == 2 and len(values) == 2 and any(_is_pair(lower, true, false) for true, false in _PAIRS):
        return _Decision("boolean", reading, f"two levels that mean yes and no{remark}")
    unique = may_name_rows and texts.uniqueness >= UNIQUE
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


def _seen_missing(texts: _Texts) -> str:
    seen = {value: count for value, count in texts.pairs.items() if value.lower() in texts.missing}
    if not seen:
        return ""
    complete = texts.levels.complete
    ordered = sorted(seen.items(), key=lambda pair: -pair[1])[:4]
    shown = ", ".join(f"{value!r} ({count:,} rows)" if complete else repr(value) for value, count in ordered)
    return f"; missing where it says {shown}"


def _number(value: float, exact: bool) -> str:
    return f"{value:,.0f}" if exact else f"about {value:,.0f}"


# ---------------------------------------------------------------------------------------------------------- numbers


def _of_numbers(
    name: str, summary: ColumnSummary, numbers: NumberSummary, override: ColumnOverride, may_name_rows: bool
) -> _Decision:
    nothing = ValueReading(missing=MISSING_WORDS)
    finite = numbers.moments.count
    if finite == 0:
        return _Decision("constant", nothing, "has no finite values")
    if numbers.n_distinct <= 1 and not summary.nulls:
        return _Decision("constant", nothing, "has one value only")
    if summary.kind == "datetime":
        return _Decision("datetime", nothing, "stored as dates")
    if summary.kind == "boolean":
        return _Decision("boolean", nothing, "stored as true and false")
    sentinels = disguised_missing(numbers) if override.missing is None else []
    reading = ValueReading(missing=MISSING_WORDS, missing_numbers=tuple(value for value, _ in sentinels))
    remark = "".join(f"; {value:g} ({count:,} rows) means missing" for value, count in sentinels)
    whole = numbers.whole == finite
    unique, extremes = numbers.distinct.uniqueness(), (numbers.moments.low, numbers.moments.high)
    if may_name_rows and whole and summary.kind == "integer" and _names_rows(name, finite, unique, *extremes):
        return _Decision("identifier", reading, f"whole numbers, nearly every row has its own{remark}")
    distinct = _number(numbers.n_distinct, numbers.grid.exact)
    if whole:
        stored = "whole numbers" if summary.kind == "integer" else "numbers without decimals"
        return _Decision("integer", reading, f"{stored}, {distinct} values{remark}")
    return _Decision("number", reading, f"{distinct} values{remark}")


def _names_rows(name: str, count: int, uniqueness: float, low: float, high: float) -> bool:
    """Whether whole numbers name rows: nearly all different, and called an id or without gaps."""
    if count < 50 or uniqueness < UNIQUE:
        return False
    return bool(_ID_NAME.search(name)) or high - low + 1 <= 1.05 * count


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
