"""Schema breaks: a column is gone, comes under another name, or is written in another way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.data import Column, ColumnOfKind, read_column
from mlwright.data.dataset import column_as_levels, column_as_numbers
from mlwright.data.guesses import guess_datetimes, guess_numbers
from mlwright.monitoring.irregular.irregularity import BoolArray, Irregularity, shown_share
from mlwright.monitoring.irregular.look import LEAST_COUNT, Look, log_tail
from mlwright.monitoring.irregular.repairs import ReadOtherwise, Rename, Repair, SetMissing

#: Of a column that always had values, fewer are left than this: it is gone rather than often missing.
_GONE = 0.999
#: A guess of another way to write is made from so many distinct values.
_SAMPLE = 500
_LIKE = 0.5


def gone_or_renamed(look: Look) -> Iterator[Irregularity]:
    """Columns without any value, though the training rows had them; some are there under another name."""
    everything = [c for c in look.reference.schema if c.name not in look.reference.left_out]
    gone = [column for column in everything if _is_gone(look, column)]
    pairs = sorted(
        (
            (_likeness(column.name, name) + fit, column.name, name)
            for column in gone
            for name in look.batch.others
            if (fit := _fit(look, column, look.batch.others[name])) is not None
        ),
        reverse=True,
    )
    renamed: dict[str, tuple[str, float]] = {}
    for score, column_name, other in pairs:
        if column_name not in renamed and other not in {name for name, _ in renamed.values()}:
            renamed[column_name] = (other, score)
    all_rows = np.ones(look.n, dtype=bool)
    for column in gone:
        if column.name in renamed:
            other, score = renamed[column.name]
            yield look.found(
                "column_renamed",
                (column.name,),
                all_rows,
                f"The column {column.name!r} is gone, and {other!r} has values that look like it.",
                f"Ask the source whether {other!r} is the new name; if so, accept the rule.",
                confidence=min(0.5 + score / 4, 1.0),
                evidence={"comes_as": other, "likeness": score / 2},
                repair=Rename(column=column.name, source=other),
            )
        else:
            absent = column.name in look.batch.absent
            yield look.found(
                "column_gone",
                (column.name,),
                all_rows,
                f"The column {column.name!r} is gone: {'no row names it' if absent else 'no row has a value'}, "
                f"and in training {shown_share(1 - look.reference.missing_share(column.name))} of the rows had one.",
                "Ask the source why it is no longer sent. Until it is back the answers do without it.",
                confidence=1 - np.exp(_log_gone(look, column, look.n)),
                evidence={"missing_share": 1.0, "missing_share_in_training": look.reference.missing_share(column.name)},
                repair=SetMissing(column=column.name),
            )


def _is_gone(look: Look, column: Column) -> bool:
    missing = look.batch.missing(column.name) & ~look.batch.unreadable(column.name)
    if missing.mean() < _GONE:
        return False
    return column.name in look.batch.absent or _log_gone(look, column, int(missing.sum())) < np.log(look.alpha_each)


def _log_gone(look: Look, column: Column, count: int) -> float:
    """The log of the probability that by chance no row has a value."""
    if look.worst_missing(column.name) > _GONE:
        return 0.0
    usual = look.reference.missing_share(column.name)
    return log_tail(count, look.rows_that_count(column.name, look.n), usual)


def _likeness(name: str, other: str) -> float:
    """How alike two names are, from 0 to 1: `totalCharges` is `total_charges`."""
    a, b = (re.sub(r"[\W_]+", "", one).casefold() for one in (name, other))
    if not a or not b:
        return 0.0
    if min(len(a), len(b)) > 2 and (a in b or b in a):
        return 0.95
    return SequenceMatcher(None, a, b).ratio()


def _fit(look: Look, column: Column, values: pa.Array) -> float | None:
    """How well some values are those of a column, from 0 to 1; None if they cannot be."""
    known = len(values) - values.null_count
    if known < 0.5 * len(values):
        return None
    try:
        read = read_column(values, column).values
    except ColumnOfKind:
        return None
    usual = look.reference.missing_share(column.name)
    if read.null_count / len(read) > usual + 0.1:
        return None
    if (numbers := look.reference.numbers(column.name)) is not None and column.type != "boolean":
        found = column_as_numbers(read)
        far = numbers.distance(found[np.isfinite(found)])
    elif (levels := look.reference.levels(column.name)) is not None:
        far = levels.distance(*column_as_levels(read))
    else:
        return 0.5  # an identifier has no summary: its name must do
    limit = look.slack(column.name, len(read), sure=True)
    return None if far > limit else 1 - far


def written_otherwise(look: Look) -> Iterator[Irregularity]:
    """Columns whose values come, but cannot be read: a decimal comma, a currency sign, another form of dates, codes."""
    for column in look.reference.columns("number", "integer", "boolean", "datetime"):
        if column.name in look.explained:
            continue
        rows = look.batch.unreadable(column.name)
        count = int(rows.sum())
        if count < max(LEAST_COUNT, 0.01 * look.n):
            continue
        usual = look.reference.missing_share(column.name)
        chance = log_tail(count, look.rows_that_count(column.name, look.n), usual)
        if chance > np.log(look.alpha_each):
            continue
        repair = _other_reading(look, column, rows)
        yield look.found(
            "type_changed",
            (column.name,),
            rows,
            f"{_a(column)} {column.name!r} cannot be read in {shown_share(count / look.n)} of the rows: it is written "
            "in another way than in training.",
            "Accept the rule if it reads them rightly."
            if repair
            else "Ask the source in which form it now writes them.",
            confidence=1 - np.exp(chance),
            evidence={"unreadable": count, "usual_share": usual},
            repair=repair or SetMissing(column=column.name),
        )


def _a(column: Column) -> str:
    return {"number": "The number", "integer": "The number", "boolean": "Yes or no", "datetime": "The date"}[
        column.type
    ]


def _other_reading(look: Look, column: Column, rows: BoolArray) -> Repair | None:
    """The way in which what could not be read is written, if it then looks like the training rows."""
    found = look.batch.unread[column.name]
    counted = Counter(text for text in found.to_pylist() if text is not None).most_common(_SAMPLE)
    texts, counts = [text.strip() for text, _ in counted], np.array([count for _, count in counted])
    guess = guess_datetimes(texts, counts) if column.type == "datetime" else guess_numbers(texts, counts)
    if column.type == "boolean" or guess is None or guess.share < 0.95:
        return None
    reading = guess.reading
    rule = ReadOtherwise(
        column=column.name,
        decimal=reading.decimal,
        thousands=reading.thousands,
        affixes=reading.affixes,
        formats=reading.formats,
    )
    read = read_column(found, column.but(reading=rule.reading)).values
    values, numbers = column_as_numbers(pc.drop_null(read)), look.reference.numbers(column.name)
    if numbers is None or len(values) < 0.95 * rows.sum():
        return None
    if column.type == "datetime":  # dates go on; they need not be where those of training were
        return rule
    return rule if numbers.distance(values) <= look.slack(column.name, len(values)) + 0.2 else None
