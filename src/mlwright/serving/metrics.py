"""What is counted while answering, over all worker processes, in the text that Prometheus reads.

Each process counts in a file of its own in a shared folder, mapped into memory: counting is an addition, a scrape of any
worker adds up all files, and the counts of a process that was killed stay.
"""

from __future__ import annotations

import mmap
import os
import secrets
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple

#: Numbers in one file; what comes beyond is counted together in the last one.
_SLOTS = 8192
_BYTES = 8 * _SLOTS
_SUFFIX = ".counts"

#: Seconds; a request of one record takes some 50 microseconds.
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Family(NamedTuple):
    """The numbers of one name."""

    type: Literal["counter", "gauge", "histogram"]
    help: str


FAMILIES: dict[str, Family] = {
    "http_requests_total": Family("counter", "Requests answered, by route and status."),
    "http_request_duration_seconds": Family("histogram", "From the first byte of a request's head to its answer."),
    "model_infer_request_success": Family("counter", "Requests for answers of the model that had them."),
    "model_infer_request_failure": Family("counter", "Requests for answers of the model that did not."),
    "mlwright_model_info": Family("gauge", "The model that answers in the worker that was asked; always 1."),
    "mlwright_model_loaded_timestamp_seconds": Family("gauge", "When that model was loaded."),
    "mlwright_rows_total": Family("counter", "Records answered."),
    "mlwright_missing_total": Family("counter", "Values that were missing, by column."),
    "mlwright_unseen_levels_total": Family("counter", "Levels that no training row had, by column."),
    "mlwright_out_of_range_total": Family("counter", "Numbers outside the range of the training rows, by column."),
    "mlwright_log_appended_total": Family("counter", "Answers written to the prediction log."),
    "mlwright_log_sampled_out_total": Family("counter", "Answers that the prediction log leaves out by their id."),
    "mlwright_log_dropped_total": Family("counter", "Answers given although the prediction log could not keep them."),
    "mlwright_log_refused_total": Family("counter", "Answers not given since the prediction log could not keep them."),
    "mlwright_log_seal_failures_total": Family("counter", "Times that sealing the prediction log failed."),
    "mlwright_overload_total": Family("counter", "Requests refused with 503 since too many were waiting."),
    "mlwright_reloads_total": Family("counter", "Attempts to load another version, by outcome."),
    "mlwright_worker_restarts_total": Family("counter", "Worker processes that died and were started again."),
    "mlwright_series_dropped_total": Family("counter", "Counted under no name, since there were too many names."),
}


def series(family: str, **labels: str) -> str:
    """One number's name as Prometheus writes it.

    Examples
    --------
    >>> series("http_requests_total", path="/predict", status="200")
    'http_requests_total{path="/predict",status="200"}'
    """
    if not labels:
        return family
    written = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{family}{{{written}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class Metrics:
    """The counts of this process, and those of all that share its folder.

    Parameters
    ----------
    folder
        Where all workers of a service count; None for a process on its own.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = Lock()
        self._places: dict[str, int] = {}
        self._path: Path | None = None
        self._names: int | None = None
        if folder is None:
            self._values = memoryview(bytearray(_BYTES)).cast("d")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
            self._names = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            os.write(self._names, bytes(_BYTES))
            self._values = memoryview(mmap.mmap(self._names, _BYTES)).cast("d")
        self._last = self.slot("mlwright_series_dropped_total")

    def slot(self, name: str) -> int:
        """The place of a number, made at its first use; for `add`."""
        place = self._places.get(name)
        if place is not None:
            return place
        with self._lock:
            if name not in self._places:
                if len(self._places) >= _SLOTS:
                    return self._last
                if self._names is not None:
                    os.write(self._names, name.encode().replace(b"\n", b" ") + b"\n")
                self._places[name] = len(self._places)
            return self._places[name]

    def add(self, slot: int, amount: float = 1.0) -> None:
        """Count so many more."""
        with self._lock:
            self._values[slot] += amount

    def add_request(self, status: int, bucket: int, time: int, seconds: float) -> None:
        """Count a request by its status, the bucket of its duration, and its duration."""
        values = self._values
        with self._lock:
            values[status] += 1.0
            values[bucket] += 1.0
            values[time] += seconds

    def count(self, family: str, amount: float = 1.0, **labels: str) -> None:
        """Count so many more of a family; where it matters, keep the slot and use `add`."""
        self.add(self.slot(series(family, **labels)), amount)

    def requests(self, path: str) -> RequestCounts:
        """What is counted of the requests of one route; made before the first of them."""
        names = [series("http_request_duration_seconds_bucket", path=path, le=f"{bound:g}") for bound in BUCKETS]
        names.append(series("http_request_duration_seconds_bucket", path=path, le="+Inf"))
        places = [self.slot(name) for name in names]
        return RequestCounts(self, path, places, self.slot(series("http_request_duration_seconds_sum", path=path)))

    def set(self, name: str, value: float) -> None:
        """What was counted elsewhere, as it stands now."""
        slot = self.slot(name)
        with self._lock:
            self._values[slot] = value

    def total(self) -> dict[str, float]:
        """Every number, added up over the processes."""
        with self._lock:
            found: defaultdict[str, float] = defaultdict(float, zip(self._places, self._values, strict=False))
        for name, value in self._of_others():
            found[name] += value
        return found

    def _of_others(self) -> Iterator[tuple[str, float]]:
        if self._folder is None:
            return
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path != self._path:
                content = path.read_bytes()
                # A name is whole once its line has an end.
                names = content[_BYTES:].decode().split("\n")[:-1]
                yield from zip(names, memoryview(content[:_BYTES]).cast("d"), strict=False)

    def text(self, gauges: Mapping[str, float]) -> bytes:
        """Everything in Prometheus' text format 0.0.4.

        Parameters
        ----------
        gauges
            What is not counted but so at this moment, by series.
        """
        return _text({**self.total(), **gauges}.items())


class RequestCounts:
    """Counts the requests of one route, by status and by how long they took."""

    def __init__(self, metrics: Metrics, path: str, buckets: list[int], seconds: int) -> None:
        self._metrics, self._path, self._buckets, self._seconds = metrics, path, buckets, seconds
        self._by_status: dict[int, int] = {}

    def add(self, status: int, seconds: float) -> None:
        """One more."""
        slot = self._by_status.get(status)
        if slot is None:
            name = series("http_requests_total", path=self._path, status=str(status))
            slot = self._by_status[status] = self._metrics.slot(name)
        self._metrics.add_request(slot, self._buckets[bisect_left(BUCKETS, seconds)], self._seconds, seconds)


def _text(numbers: Iterable[tuple[str, float]]) -> bytes:
    by_family: defaultdict[str, list[str]] = defaultdict(list)
    up_to: defaultdict[str, float] = defaultdict(float)
    for name, value in numbers:
        lines_of = by_family[_family(name)]
        head, bucket, bound = name.partition(',le="')
        if bucket:  # each is counted in one bucket only; Prometheus wants those below with it
            up_to[head] += value
            lines_of.append(f"{name} {up_to[head]:.17g}")
            if bound == '+Inf"}':
                lines_of.append(f"{head.replace('_bucket', '_count', 1)}}} {up_to[head]:.17g}")
        else:
            lines_of.append(f"{name} {value:.17g}")
    lines: list[str] = []
    for family, about in FAMILIES.items():
        if family in by_family:
            lines += [f"# HELP {family} {about.help}", f"# TYPE {family} {about.type}", *by_family[family]]
    return "\n".join([*lines, ""]).encode()


def _family(name: str) -> str:
    bare = name.partition("{")[0]
    if bare in FAMILIES:
        return bare
    return next((bare.removesuffix(end) for end in ("_bucket", "_sum", "_count") if bare.endswith(end)), bare)
