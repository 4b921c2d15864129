"""What the model costs: time to answer, size, memory. Measured on this machine, on the model as it is packaged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlwright.core import Evidence, peak_memory_mb
from mlwright.data import Dataset
from mlwright.models import Model, seconds_of_rows, size_in_bytes

_SINGLE = 100
_BATCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Milliseconds to answer one row (from a typed table to the answer), rows a second in batches, size, memory."""

    latency_ms_p50: float
    latency_ms_p95: float
    rows_per_second: float
    size_mb: float
    peak_memory_mb: float
    n: int

    def evidence(self) -> Iterator[Evidence]:
        method = {
            "latency_ms_p50": ("median time to answer one row", "ms"),
            "latency_ms_p95": ("95th percentile of the time to answer one row", "ms"),
            "rows_per_second": ("rows answered in one batch, by time", "rows/s"),
            "size_mb": ("bytes of all files of the package", "MB"),
            "peak_memory_mb": ("largest resident memory of the process so far", "MB"),
        }
        for name, (how, unit) in method.items():
            yield Evidence(
                id=f"efficiency.{name}",
                value=float(getattr(self, name)),
                method=how,
                rows="test rows",
                n=self.n,
                unit=unit,
                kind="measured",
            )


def measure_efficiency(model: Model, test: Dataset, package: Path | None) -> Efficiency:
    """Time single rows and a batch."""
    times = 1000 * seconds_of_rows(model, test, _SINGLE)
    batch = test.take(np.arange(min(len(test), _BATCH)))
    start = time.perf_counter()
    model.predict(batch)
    seconds = time.perf_counter() - start
    return Efficiency(
        latency_ms_p50=float(np.median(times)),
        latency_ms_p95=float(np.quantile(times, 0.95)),
        rows_per_second=len(batch) / max(seconds, 1e-9),
        size_mb=0.0 if package is None else size_in_bytes(package) / 1e6,
        peak_memory_mb=peak_memory_mb(),
        n=_SINGLE,
    )
