"""When to refit, by rules that others use: never, at fixed distances, or when ADWIN sees the errors change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import lightgbm
import numpy as np
from benchmarks.monitoring.streams import CHUNK, Floats, Stream


@dataclass(slots=True, kw_only=True)
class Refitter:
    """A light LightGBM on the rows up to a moment; counts what it is asked."""

    stream: Stream
    refits: int = -1
    light: int = 0
    rows: int = 0

    def fit(self, until: int, since: int = 0, *, light: bool = False) -> lightgbm.Booster:
        x, y = self.stream.x[since:until], self.stream.y[since:until]
        parameters: dict[str, Any] = {
            "objective": "binary" if self.stream.classes else "regression",
            "num_leaves": 31,
            "verbosity": -1,
            "num_threads": 1,
            "seed": 0,
        }
        self.refits, self.light, self.rows = self.refits + (not light), self.light + light, self.rows + len(y)
        return lightgbm.train(parameters, lightgbm.Dataset(x, y, params={"verbosity": -1}), 100)

    def answer(self, model: lightgbm.Booster, rows: slice) -> Floats:
        return np.asarray(model.predict(self.stream.x[rows], num_threads=1))


#: Answers for all chunks, in their order.
Policy = Callable[[Stream, Refitter], Floats]


def no_change(stream: Stream, refitter: Refitter) -> Floats:
    """The label before is said again; where labels are a chunk late it could not be, but streams are often told with it."""
    refitter.refits = 0
    return stream.y[stream.warm - 1 : -1]


def every(period: int, *, window: int = 0) -> Policy:
    """Refit at every so many chunks, on all rows or those of the last so many chunks; 0 is never."""

    def run(stream: Stream, refitter: Refitter) -> Floats:
        chunks = range(period, len(stream.starts), period) if period else range(0)
        return _refit_at(set(chunks), window, stream, refitter)

    return run


def spread_out(refits: int) -> Policy:
    """So many refits at even distances, on all rows."""

    def run(stream: Stream, refitter: Refitter) -> Floats:
        chunks = np.linspace(0, len(stream.starts), refits + 2)[1:-1]
        return _refit_at({round(one) for one in chunks}, 0, stream, refitter)

    return run


def _refit_at(chunks: set[int], window: int, stream: Stream, refitter: Refitter) -> Floats:
    model, said = refitter.fit(stream.warm), []
    for number, start in enumerate(stream.starts):
        if number in chunks:
            model = refitter.fit(start, max(0, start - window * CHUNK) if window else 0)
        said.append(refitter.answer(model, stream.chunk(start)))
    return np.concatenate(said)


def adwin(stream: Stream, refitter: Refitter) -> Floats:
    """Refit on all rows when ADWIN sees the errors change."""
    detector, model = Adwin(), refitter.fit(stream.warm)
    said: list[Floats] = []
    largest = float(np.ptp(stream.y[: stream.warm]))
    for start in stream.starts:
        rows = stream.chunk(start)
        if said and sum(map(detector.add, _errors(said[-1], stream, start, largest))):
            model = refitter.fit(start)
        said.append(refitter.answer(model, rows))
    return np.concatenate(said)


def _errors(answers: Floats, stream: Stream, start: int, largest: float) -> Floats:
    """Of the chunk before `start`, between 0 and 1."""
    truth = stream.y[start - CHUNK : start]
    if stream.classes:
        wrong: Floats = ((answers > 0.5) != truth).astype(np.float64)
        return wrong
    return np.minimum(np.abs(answers - truth) / largest, 1.0)


@dataclass(slots=True)
class Adwin:
    """Bifet and Gavaldà (2007), Learning from time-changing data with adaptive windowing, restated for means in [0, 1]:
    buckets of growing size, cut where the means of the older and the newer part differ by more than chance."""

    error: float = 0.002
    buckets: list[tuple[int, float]] = field(default_factory=list)
    seen: int = 0

    def add(self, value: float) -> bool:
        self.buckets.append((1, value))
        size = 1
        while len(same := [i for i, (n, _) in enumerate(self.buckets) if n == size]) > 5:
            first, second = same[:2]
            (n, a), (m, b) = self.buckets[first], self.buckets[second]
            self.buckets[first : second + 1] = [(n + m, a + b)]
            size *= 2
        self.seen += 1
        return self.seen % 32 == 0 and self._cut()

    def _cut(self) -> bool:
        cut = False
        while len(self.buckets) > 1:
            sizes, sums = np.array(self.buckets).T
            old, old_sum = np.cumsum(sizes)[:-1], np.cumsum(sums)[:-1]
            new, new_sum = sizes.sum() - old, sums.sum() - old_sum
            mean = sums.sum() / sizes.sum()
            harmonic = 1 / (1 / old + 1 / new)
            log = np.log(2 * np.log(sizes.sum()) / self.error)
            allowed = np.sqrt(2 / harmonic * mean * (1 - mean) * log) + 2 / (3 * harmonic) * log
            if not (np.abs(old_sum / old - new_sum / new) > allowed).any():
                break
            del self.buckets[0]
            cut = True
        return cut


POLICIES: dict[str, Policy] = {
    "no change (labels one row late)": no_change,
    "static": every(0),
    "every 10 chunks": every(10),
    "ADWIN": adwin,
    "every chunk": every(1),
    "every chunk, last 10": every(1, window=10),
}
