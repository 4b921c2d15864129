"""Proof that a compiled estimator says what the estimator says: nothing compiled answers without it.

Many rows are compared, and rows made to catch what rows seldom show: for each threshold the value itself and its
neighbours among the numbers of both precisions, missing values, infinities, and levels that training never saw.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlwright.data.dataset import FloatArray
from mlwright.models.families import Compiled, FittedEstimator

#: Rows compared beside those made to catch differences; where fewer are given, more are put together from their values.
N_ROWS = 2000
#: Values of a feature around which rows are made; of more, so many are drawn.
MOST_PROBES = 1000
#: Rows that are also asked one by one, and where raw scores are compared, rows whose answers are.
_SOME = 200
#: How far apart answers may be where the compiled form does not say, of the answer or, if that is less, of 1.
_TOLERANCE = 1e-9

_log = logging.getLogger(__name__)


@runtime_checkable
class Probed(Protocol):
    """A compiled form that says where its answers change, and how near to the estimator's they are."""

    tolerance: float

    def probes(self) -> Sequence[FloatArray]:
        """For each feature the values where answers can change."""
        ...


@runtime_checkable
class Raw(Protocol):
    """Something that gives the sums its answers come from; those of both forms are then the same to the bit."""

    def raw(self, values: FloatArray) -> FloatArray:
        """Of rows, shape (n_rows,) or (n_rows, n_classes)."""
        ...


def proven(estimator: FittedEstimator, values: FloatArray) -> Compiled | None:
    """The compiled form of an estimator; None where there is none, or where it says anything else.

    Parameters
    ----------
    values : shape (n_rows, n_features)
        Rows as the estimator sees them, for instance of the training table; of more than 2,000, some are drawn.
    """
    try:
        compiled = estimator.compiled()
    except (ValueError, LookupError) as error:
        # A library's newer file may say things in another way; the library itself still reads it.
        _log.warning("%s cannot be compiled (%s): it answers by itself", type(estimator).__name__, error)
        return None
    if compiled is None:
        return None
    rows = proving_rows(compiled, values)
    wrong = _differences(estimator, compiled, rows)
    if wrong:
        told = type(estimator).__name__, wrong, len(rows)
        _log.warning("the compiled form of %s differs on %d of %d rows: it answers by itself", *told)
        return None
    return compiled


def proving_rows(compiled: Compiled, values: FloatArray) -> FloatArray:
    """The rows on which a compiled form is compared, shape (n_rows, n_features)."""
    rng = np.random.default_rng(0)
    usual = _usual_rows(values, rng)
    if not isinstance(compiled, Probed) or compiled.n_features == 0:
        return usual
    probes = [rng.permutation(_around(one, rng)) for one in compiled.probes()]
    parts = [usual]
    # Half of the columns at a time, so that the others lead rows to where they usually go.
    for half in (0, 1):
        columns = range(half, len(probes), 2)
        made = usual[rng.integers(0, len(usual), max((len(probes[j]) for j in columns), default=0))]
        for j in columns:
            made[:, j] = np.resize(probes[j], len(made))
        parts.append(made)
    return np.ascontiguousarray(np.concatenate(parts))


def _usual_rows(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Rows as they are and, if they are few, rows whose values come from different ones."""
    if len(values) >= N_ROWS:
        return values[np.sort(rng.choice(len(values), N_ROWS, replace=False))]
    more = N_ROWS - len(values), values.shape[1]
    drawn = (
        rng.normal(size=more) if len(values) == 0 else np.take_along_axis(values, rng.integers(0, len(values), more), 0)
    )
    return np.concatenate([values, drawn])


def _around(probes: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The values, their neighbours, and what is no usual value at all."""
    if len(probes) > MOST_PROBES:
        probes = rng.choice(probes, MOST_PROBES, replace=False)
    largest = np.finfo(np.float32).max
    single = np.clip(probes, -largest, largest).astype(np.float32)
    beyond = float(probes.max(initial=0)) + 1
    with np.errstate(over="ignore"):
        near = [
            np.nextafter(one, side)
            for one in (probes, single)
            for side in (one.dtype.type(-np.inf), one.dtype.type(np.inf))
        ]
    odd = [np.nan, np.inf, -np.inf, -1.0, -0.5, 0.0, -0.0, 1e-36, beyond, beyond + 0.5, 1e10, -1e300, 1e300]
    return np.concatenate([probes, *(one.astype(np.float64) for one in near), odd])


def _differences(estimator: FittedEstimator, compiled: Compiled, rows: FloatArray) -> int:
    """On how many rows the two differ."""
    wrong = np.zeros(len(rows), dtype=np.bool_)
    asked = np.arange(len(rows))
    some = np.unique(np.linspace(0, len(rows) - 1, _SOME).astype(np.int64))
    if isinstance(estimator, Raw) and isinstance(compiled, Raw):
        wrong |= _apart(compiled.raw(rows), estimator.raw(rows), 0.0)
        asked = some
    tolerance = compiled.tolerance if isinstance(compiled, Probed) else _TOLERANCE
    # Some rows have numbers of levels that no column has, and that no whole number is.
    with np.errstate(invalid="ignore"):
        answers = estimator.predict(rows[asked])
    wrong[asked] |= _apart(compiled.many(rows[asked]), answers, tolerance)
    one_by_one = np.array([compiled.one(row) for row in rows[some]]).reshape(len(some), *answers.shape[1:])
    wrong[some] |= _apart(one_by_one, answers[np.searchsorted(asked, some)], tolerance)
    return int(wrong.sum())


def _apart(first: FloatArray, second: FloatArray, tolerance: float) -> NDArray[np.bool_]:
    """Which rows are further apart than they may be; all, where the shapes differ."""
    if first.shape != second.shape:
        return np.ones(len(second), dtype=np.bool_)
    same = np.equal(first, second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore", over="ignore"):
        same |= np.abs(first - second) <= tolerance * np.maximum(np.abs(second), 1)
    apart: NDArray[np.bool_] = np.any(~same.reshape(len(same), -1), axis=1)
    return apart
