"""What a column needs in which view: each function looks at training rows and returns fitted steps."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mlwright.data import Column, column_as_levels, column_as_numbers
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.features.means import LEAST_ROWS, smoothed_means
from mlwright.features.steps import (
    DateParts,
    LevelCodes,
    LevelMeans,
    LevelShares,
    Number,
    OneHot,
    ScaledNumber,
    Step,
    date_parts,
)
from mlwright.features.words import Words, words_of

#: More levels than this are described by how common they are as well (codes) or by their mean target (dense).
MANY_LEVELS = 30
_MAX_CODES = 2000
_MAX_WORDS = 60
_SKEWED = 2.0
#: Numbers are cut off here before they are scaled, so that no square is infinite.
_HUGE = 1e100


def fit_codes(column: Column, values: pa.ChunkedArray) -> list[Step]:
    """Steps for trees: values as they are."""
    match column.type:
        case "category":
            return _codes(column.name, values)
        case "datetime":
            return [
                DateParts(column=column.name, parts=_varying(column_as_numbers(values), for_time=column.role == "time"))
            ]
        case "text":
            return [_words(column.name, values)]
        case _:
            return [Number(column=column.name)]


def fit_dense(
    column: Column, values: pa.ChunkedArray, target: FloatArray, weight: FloatArray | None = None
) -> list[Step]:
    """Steps for linear models and networks: everything scaled, nothing missing.

    Parameters
    ----------
    target : shape (n_rows, n_targets)
        The target in numbers: values, or one column of 0 and 1 for each class but the first.
    weight : shape (n_rows,), optional
        With a mean of 1.
    """
    match column.type:
        case "category":
            return _dense_levels(column.name, values, target, weight)
        case "datetime":
            numbers = column_as_numbers(values)
            parts = _varying(numbers, for_time=column.role == "time")
            known = numbers[np.isfinite(numbers)]
            matrix = date_parts(known, parts) if len(known) else np.zeros((1, len(parts)))
            # The deviation of equal numbers is not always 0 but as small as rounding: the range says whether they vary.
            deviations = np.where(np.ptp(matrix, axis=0) > 0, matrix.std(axis=0), 1.0)
            return [
                DateParts(
                    column=column.name,
                    parts=parts,
                    means=tuple(matrix.mean(axis=0).tolist()),
                    deviations=tuple(deviations.tolist()),
                )
            ]
        case "text":
            return [_words(column.name, values)]
        case _:
            return [_scaled(column.name, column_as_numbers(values))]


def _counted_levels(values: pa.ChunkedArray) -> tuple[IntArray, list[str], IntArray]:
    """Codes, levels and their rows; levels that none of these rows has (but others of the table have) do not count."""
    codes, levels = column_as_levels(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(levels)).astype(np.int64)
    used = np.flatnonzero(counts)
    position = np.full(len(levels) + 1, -1)
    position[used] = np.arange(len(used))
    return position[codes], [levels[i] for i in used], counts[used]


def _codes(name: str, values: pa.ChunkedArray) -> list[Step]:
    _, levels, counts = _counted_levels(values)
    n = len(values)
    # A level of one row in many teaches nothing but that row.
    least = 2 if len(levels) > MANY_LEVELS else 1
    order = sorted((i for i in range(len(levels)) if counts[i] >= least), key=lambda i: (-counts[i], levels[i]))
    steps: list[Step] = [LevelCodes(column=name, levels=tuple(levels[i] for i in order[:_MAX_CODES]))]
    if len(levels) > MANY_LEVELS:
        missing = max(n - int(counts.sum()), 1)
        steps.append(
            LevelShares(
                column=name,
                log_shares={levels[i]: float(np.log(counts[i] / n)) for i in order},
                unseen=float(np.log(1 / n)),
                missing=float(np.log(missing / n)),
            )
        )
    return steps


def _dense_levels(name: str, values: pa.ChunkedArray, target: FloatArray, weight: FloatArray | None) -> list[Step]:
    _, levels, counts = _counted_levels(values)
    least = max(5, 0.002 * len(values)) if len(levels) > 5 else 1
    order = sorted((i for i in range(len(levels)) if counts[i] >= least), key=lambda i: (-counts[i], levels[i]))
    steps: list[Step] = [OneHot(column=name, levels=tuple(levels[i] for i in order[:MANY_LEVELS]))]
    if len(levels) > MANY_LEVELS:
        steps.append(fit_level_means(name, values, target, weight))
    return steps


def fit_level_means(
    name: str, values: pa.ChunkedArray, target: FloatArray, weight: FloatArray | None = None
) -> LevelMeans:
    """The mean target of each level, drawn towards the mean of all as if that had been seen 20 times.

    A level of one row is left out: its mean would be that row's own target.
    """
    codes, levels, _ = _counted_levels(values)
    position = np.where(codes < 0, len(levels), codes)
    means, rows, overall = smoothed_means(position, len(levels) + 1, target, weight)
    spread = means[position].std(axis=0)
    return LevelMeans(
        column=name,
        means={level: means[i].tolist() for i, level in enumerate(levels) if rows[i] >= LEAST_ROWS},
        missing=means[-1].tolist(),
        overall=overall.tolist(),
        scale=np.where(spread > 0, spread, 1.0).tolist(),
    )


def _scaled(name: str, numbers: FloatArray) -> ScaledNumber:
    known = numbers[np.isfinite(numbers)]
    known = np.clip(known, -_HUGE, _HUGE) if len(known) else np.zeros(1)
    low, high = (float(q) for q in np.quantile(known, [0.005, 0.995]))
    if low == high:
        low, high = float(known.min()), float(known.max())
    cut = np.clip(known, low, high)
    deviation = cut.std() if low < high else 0.0
    skewness = float((((cut - cut.mean()) / deviation) ** 3).mean()) if deviation > 0 else 0.0
    logarithm = skewness > _SKEWED
    shaped = np.log1p(cut - low) if logarithm else cut
    return ScaledNumber(
        column=name,
        low=low,
        high=high,
        logarithm=logarithm,
        mean=float(shaped.mean()),
        deviation=(float(shaped.std()) or 1.0) if low < high else 1.0,
        flag_missing=bool(np.isnan(numbers).any()),
    )


def _varying(seconds: FloatArray, *, for_time: bool) -> tuple[str, ...]:
    """The parts of a date that vary; of the time column itself only those that come again (a model cannot go back)."""
    sample = seconds[np.isfinite(seconds)][:100_000]
    every = ("month", "day", "weekday", "hour") if for_time else ("year", "month", "day", "weekday", "hour", "days")
    if len(sample) == 0:
        return every[-1:]
    matrix = date_parts(sample, every)
    varying = tuple(part for part, column in zip(every, matrix.T, strict=True) if column.min() < column.max())
    return varying or every[-1:]


def _words(name: str, values: pa.ChunkedArray) -> Words:
    tokens = words_of(values.slice(0, 100_000))
    once = tokens.list.unique().explode().drop_nulls()
    counted = once.value_counts(name="rows").sort(["rows", once.name], descending=[True, False])
    n = len(tokens)
    kept = [(str(word), int(rows)) for word, rows in counted.iter_rows() if max(5, 0.005 * n) <= rows <= 0.7 * n][
        :_MAX_WORDS
    ]
    return Words(
        column=name,
        words=tuple(word for word, _ in kept),
        weights=tuple(float(np.log((1 + n) / (1 + rows)) + 1) for _, rows in kept),
    )
