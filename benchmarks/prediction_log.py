"""What the prediction log costs: an append, sealing, reading, and the size on disk.

python benchmarks/prediction_log.py --rows 500000
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from mlwright.data import Column, Schema
from mlwright.predictions import PredictionLog, read_window
from mlwright.spec import PredictionLogging

LEVELS = ["basic", "family", "premium", "student"]
INPUT = Schema(
    (
        *(Column(name=f"amount_{number}", type="number") for number in range(8)),
        *(Column(name=f"kind_{number}", type="category") for number in range(6)),
    )
)
OUTPUT = Schema((Column(name="prediction", type="category"), Column(name="probability_yes", type="number")))


def made_records(count: int) -> list[tuple[bytes, bytes]]:
    """Records of 14 columns and their answers, as a client and a model would write them."""
    rng = np.random.default_rng(0)
    amounts = np.round(rng.lognormal(3, 1, (count, 8)), 2).tolist()
    kinds = rng.integers(0, len(LEVELS), (count, 6)).tolist()
    probabilities = rng.random(count).tolist()
    return [
        (
            json.dumps(
                {f"amount_{i}": a for i, a in enumerate(amounts[row])}
                | {f"kind_{i}": LEVELS[k] for i, k in enumerate(kinds[row])}
            ).encode(),
            json.dumps(
                {"prediction": "yes" if probabilities[row] > 0.5 else "no", "probability_yes": probabilities[row]}
            ).encode(),
        )
        for row in range(count)
    ]


def append_costs(folder: Path, records: list[tuple[bytes, bytes]], rows: int) -> None:
    """One append at a time, beside a bare `write` of as many bytes, turn about."""
    log = PredictionLog.open(folder, PredictionLogging(rotate_mb=1024), input_schema=INPUT, sealing=False)
    plain = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    size = 84 + len(records[0][0]) + len(records[0][1])
    block, step = bytes(size), 2_000
    cpu: dict[str, list[float]] = {"append": [], "append_many of 100": [], "bare write": []}
    wall: list[float] = []
    for start in range(0, rows, step):
        some = [(f"{start + i:032x}", *records[(start + i) % len(records)]) for i in range(step)]
        begun = time.process_time()
        for name, asked, answered in some:
            log.append(name, 1_772_366_400_000_000_000, "churn-12", asked, answered)
        cpu["append"].append((time.process_time() - begun) / step)
        begun = time.process_time()
        for first in range(0, step, 100):
            log.append_many((n, 1_772_366_400_000_000_000, "churn-12", a, b) for n, a, b in some[first : first + 100])
        cpu["append_many of 100"].append((time.process_time() - begun) / step)
        begun = time.process_time()
        for _ in range(step):
            os.write(plain, block)
        cpu["bare write"].append((time.process_time() - begun) / step)
        for name, asked, answered in some[:200]:
            begun = time.perf_counter()
            log.append(name, 1_772_366_400_000_000_000, "churn-12", asked, answered)
            wall.append(time.perf_counter() - begun)
    os.close(plain)
    log.close(seal=False)
    for name, taken in cpu.items():
        print(f"{name:20} {statistics.median(taken) * 1e6:6.2f} us of CPU a record (median of {len(taken)} blocks)")
    print(
        f"{'append, wall':20} p50 {np.percentile(wall, 50) * 1e6:.2f} us, p90 {np.percentile(wall, 90) * 1e6:.2f} us "
        f"({len(records[0][0])} + {len(records[0][1])} bytes)"
    )


def size_mb(folder: Path, pattern: str) -> float:
    return sum(path.stat().st_size for path in folder.rglob(pattern)) / 1e6


def seal_and_read(folder: Path, records: list[tuple[bytes, bytes]], rows: int) -> None:
    log = PredictionLog.open(folder, input_schema=INPUT, output_schema=OUTPUT, sealing=False)
    start = 1_772_366_400_000_000_000
    for first in range(0, rows, 1000):
        log.append_many(
            (os.urandom(16).hex(), start + (first + i) * 1_000_000, "churn-12", *records[(first + i) % len(records)])
            for i in range(1000)
        )
    raw = size_mb(folder, "*.segment")
    wall, cpu = time.perf_counter(), time.process_time()
    sealed = log.seal()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    log.close()
    print(f"{'seal':20} {sealed.rows / wall:,.0f} rows/s ({cpu / sealed.rows * 1e6:.2f} us of CPU a row)")
    packed = size_mb(folder, "*.parquet")
    print(f"{'size':20} {packed / rows * 1e6:.0f} MB a million rows sealed, {raw / rows * 1e6:.0f} MB before")
    for name, columns in (("read all", None), ("read 3 columns", ["id", "time", "output.probability_yes"])):
        begun = time.perf_counter()
        count = sum(batch.num_rows for batch in read_window(folder, columns=columns))
        print(f"{name:20} {count / (time.perf_counter() - begun):,.0f} rows/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    arguments = parser.parse_args()
    records = made_records(min(arguments.rows, 100_000))
    with tempfile.TemporaryDirectory() as folder:
        append_costs(Path(folder), records, arguments.rows)
    with tempfile.TemporaryDirectory() as folder:
        seal_and_read(Path(folder), records, arguments.rows)


if __name__ == "__main__":
    main()
