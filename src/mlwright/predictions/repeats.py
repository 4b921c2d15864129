"""Answers that were seen before, by id and version, in little memory: 8 bytes per answer of the last two hours."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlwright.data.rows import hash_rows

Hashes = NDArray[np.uint64]


class SeenAnswers:
    """Hashes of answers by hour; two of ten million have the same one with a probability of about 3 in a million."""

    def __init__(self) -> None:
        self._by_hour: dict[int, list[Hashes]] = {}
        self._latest = 0

    def forget_before(self, hour: int) -> None:
        """From here on, only repetitions of later answers are found."""
        self._by_hour = {number: runs for number, runs in self._by_hour.items() if number >= hour}

    def first(self, table: pa.Table, hour: int | None) -> pa.Table:
        """The rows that were not seen before, and now are; `hour` is where they belong, None the last one."""
        if not table.num_rows:
            return table
        hashes = hash_rows(table, ["id", "version"])
        fresh = np.zeros(len(hashes), dtype=bool)
        distinct, position = np.unique(hashes, return_index=True)
        fresh[position] = True
        for run in (run for runs in self._by_hour.values() for run in runs):
            fresh[position[_found(distinct, run)]] = False
        self._latest = self._latest if hour is None else hour
        _merge_in(self._by_hour.setdefault(self._latest, []), distinct)
        return table if fresh.all() else table.filter(pa.array(fresh))


def _found(values: Hashes, run: Hashes) -> NDArray[np.bool_]:
    """Which values are in a sorted run."""
    nearest = np.minimum(np.searchsorted(run, values), len(run) - 1)
    return np.equal(run[nearest], values)


def _merge_in(runs: list[Hashes], new: Hashes) -> None:
    """Keep sorted runs of growing size, so that there are few to look into and each is merged seldom."""
    runs.append(new)
    while len(runs) > 1 and len(runs[-2]) < 2 * len(runs[-1]):
        last = runs.pop()
        runs[-1] = np.sort(np.concatenate([runs[-1], last]), kind="stable")
