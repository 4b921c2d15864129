"""How a column of text is probably to be read: guesses from a sample of its values, each with the share that it fits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlwright.data.schema import ValueReading
from mlwright.data.values import text_to_datetimes, text_to_numbers

#: Always missing, whatever the column is.
MISSING_WORDS = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "(null)", "#null!", "nil", "?")
#: Missing in a column of numbers or dates, where they cannot be anything else.
MISSING_AMONG_NUMBERS = ("-", "--", ".", "none", "missing", "unknown", "n.a.", "nd", "inf", "-inf", "infinity")

#: As numbers are written by machines; and how codes are that only look like numbers.
_PLAIN = ValueReading()
_CODE = r"^0[0-9]+$"
_AFFIXES = ("$", "€", "£", "¥", "%", "USD", "EUR", "GBP", "CHF", "JPY", "kr", "zł")
_BODY = r"[+-]?(?:\d[\d.,' \u00a0\u202f]*|[.,]\d+)(?:[eE][+-]?\d+)?"
_AFFIX = "|".join(map(re.escape, _AFFIXES))
_NUMBER = re.compile(rf"(?:-?({_AFFIX}))?\s*({_BODY})\s*({_AFFIX})?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:([.,' \u00a0\u202f])\d{3})+(?:([.,])\d+)?")


class Guess(NamedTuple):
    """A way to read the column, and the share of its rows (not its distinct values) that it can read."""

    reading: ValueReading
    share: float
    remark: str = ""


def guess_numbers(values: Sequence[str], counts: NDArray[np.int64]) -> Guess | None:
    """Numbers in text: decimal comma or point, thousands signs, currencies and percent signs.

    None where the values are codes: numbers with zeros in front, which must stay text.
    """
    texts = pa.array(values, pa.string())
    if text_to_numbers(texts, _PLAIN).null_count == 0:  # the usual case, without a look at every sign
        codes = pc.any(pc.match_substring_regex(texts, _CODE)).as_py()
        return None if codes else Guess(_PLAIN, 1.0)
    found = [_NUMBER.fullmatch(value) for value in values]
    hit = np.array([match is not None for match in found], dtype=bool)
    if not hit.any() or float(counts[hit].sum() / counts.sum()) < 0.5:
        return None
    bodies = [match[2].strip() for match in found if match]
    if any(re.match(_CODE, body) for body in bodies):
        return None
    affixes = tuple(sorted({a for match in found if match for a in (match[1], match[3]) if a}))
    decimal, thousands = _signs(bodies)
    reading = ValueReading(decimal=decimal, thousands=thousands, affixes=affixes)
    read = text_to_numbers(texts, reading)
    fits = np.asarray(read.is_valid())
    remark = []
    if decimal == ",":
        remark.append("with a decimal comma")
    if thousands:
        remark.append(f"with {thousands!r} between thousands")
    if affixes:
        remark.append(f"without {', '.join(affixes)}")
    return Guess(reading, float(counts[fits].sum() / counts.sum()), ", ".join(remark))


def _signs(bodies: Sequence[str]) -> tuple[str, str]:
    """The decimal sign and the thousands sign that fit most of the numbers."""
    as_decimal, as_thousands = {",": 0, ".": 0}, dict.fromkeys(",.' \u00a0\u202f", 0)
    only_grouped = {",": 0, ".": 0}
    for body in bodies:
        marks = [c for c in body if c in ",.' \u00a0\u202f"]
        if not marks:
            continue
        grouped = _GROUPED.fullmatch(body)
        if grouped and (grouped[2] or len(marks) > 1 or grouped[1] not in ",."):
            as_thousands[grouped[1]] += 1
            if grouped[2]:
                as_decimal[grouped[2]] += 1
        elif grouped:
            only_grouped[grouped[1]] += 1  # 1,234 and 1.234 may be either
        elif len(marks) == 1 and marks[0] in ",.":
            as_decimal[marks[0]] += 1
    decimal = "," if as_decimal[","] > as_decimal["."] else "."
    thousands = max(as_thousands, key=lambda sign: as_thousands[sign])
    if as_thousands[thousands] == 0 or thousands == decimal:
        # Nothing but 1,234: a comma is then a thousands sign, since 3 decimals everywhere would be a strange chance.
        thousands = "," if only_grouped[","] and not as_decimal[","] and decimal == "." else ""
    return decimal, thousands


_DIGIT = re.compile(r"\d")
_MONTH = r"[A-Za-z]{3,9}\.?"
_TIMES = (
    ("", ""),
    (r" \d{1,2}:\d{2}", " %H:%M"),
    (r" \d{1,2}:\d{2}:\d{2}", " %H:%M:%S"),
    (r" \d{1,2}:\d{2}:\d{2}\.\d+", " %H:%M:%S%.f"),
    (r" \d{1,2}:\d{2} [AaPp][Mm]", " %I:%M %p"),
    (r" \d{1,2}:\d{2}:\d{2} [AaPp][Mm]", " %I:%M:%S %p"),
    (r"T\d{2}:\d{2}", "T%H:%M"),
    (r"T\d{2}:\d{2}:\d{2}", "T%H:%M:%S"),
    (r"T\d{2}:\d{2}:\d{2}\.\d+", "T%H:%M:%S%.f"),
    (r"T\d{2}:\d{2}:\d{2}Z", "T%H:%M:%SZ"),
    (r"T\d{2}:\d{2}:\d{2}\.\d+Z", "T%H:%M:%S%.fZ"),
    (r"T\d{2}:\d{2}:\d{2}[+-]\d{2}:?\d{2}", "T%H:%M:%S%z"),
    (r" \d{2}:\d{2}:\d{2}[+-]\d{2}:?\d{2}", " %H:%M:%S%z"),
    (r"T\d{2}:\d{2}:\d{2}\.\d+[+-]\d{2}:?\d{2}", "T%H:%M:%S%.f%z"),
    (r" \d{2}:\d{2}:\d{2}\.\d+[+-]\d{2}:?\d{2}", " %H:%M:%S%.f%z"),
)
#: (pattern of the day, formats that it may be)
_DAYS = (
    (r"\d{4}-\d{1,2}-\d{1,2}", ("%Y-%m-%d",)),
    (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", ("%Y.%m.%d",)),
    (r"\d{1,2}/\d{1,2}/\d{4}", ("%m/%d/%Y", "%d/%m/%Y")),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y",)),
    (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d{1,2}/\d{1,2}/\d{2}", ("%m/%d/%y", "%d/%m/%y")),
    (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y",)),
    (rf"\d{{1,2}} {_MONTH} \d{{4}}", ("%d %b %Y", "%d %B %Y")),
    (rf"\d{{1,2}}-{_MONTH}-\d{{4}}", ("%d-%b-%Y", "%d-%B-%Y")),
    (rf"{_MONTH} \d{{1,2}}, \d{{4}}", ("%b %d, %Y", "%B %d, %Y")),
)
_PATTERNS = tuple(
    (re.compile(day + time), tuple(form + suffix for form in forms)) for day, forms in _DAYS for time, suffix in _TIMES
)


def guess_datetimes(values: Sequence[str], counts: NDArray[np.int64]) -> Guess | None:
    """Dates in text, in one format or several; where day and month could be either, the sample decides."""
    formats: dict[str, int] = {}
    either: list[tuple[tuple[str, ...], int]] = []
    left = np.array([_DIGIT.search(value) is not None for value in values], dtype=bool)
    for pattern, candidates in _PATTERNS:
        rows = [int(i) for i in np.flatnonzero(left) if pattern.fullmatch(values[int(i)])]
        if not rows:
            continue
        text = pa.array([values[i] for i in rows], pa.string())
        read = [np.asarray(text_to_datetimes(text, (form,)).is_valid()) for form in candidates]
        weight = [int(counts[rows][fits].sum()) for fits in read]
        order = sorted(range(len(candidates)), key=lambda k: -weight[k])
        best = order[0]
        if weight[best] == 0:
            continue
        formats[candidates[best]] = weight[best]
        fits = read[best]
        if len(order) > 1 and {"%B", "%b"} & set(candidates[best].replace("-", " ").replace(",", "").split()):
            second = read[order[1]] & ~fits
            if second.any():
                formats[candidates[order[1]]] = int(counts[rows][second].sum())
                fits = fits | second
        elif len(order) > 1 and weight[order[1]] == weight[best]:
            either.append((candidates, formats.pop(candidates[best])))
        left[np.asarray(rows)[fits]] = False
    if not formats and not either:
        return None
    day_first = sum(n if form.startswith("%d") else -n for form, n in formats.items() if form[1] in "dm")
    for candidates, weighed in either:
        # The rest of the column says which of the two comes first; if it does not, the usual order is taken.
        fitting = [form for form in candidates if form.startswith("%d" if day_first > 0 else "%m")]
        formats[fitting[0] if day_first and fitting else candidates[0]] = weighed
    ordered = tuple(sorted(formats, key=lambda form: -formats[form]))
    remark = f"in the format{'s' if len(ordered) > 1 else ''} {', '.join(ordered)}"
    if either and not day_first:
        remark += "; day and month could be either way round"
    return Guess(ValueReading(formats=ordered), float(counts[~left].sum() / counts.sum()), remark)
