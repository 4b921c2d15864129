"""Speed and memory of the table summary on one core, beside polars `describe` and ydata-profiling (minimal).

    python benchmarks/summaries.py [--rows 1000000] [--many 10000000] [--peer-python /path/to/venv/bin/python]

Each measurement is a process of its own, limited to one core, that reads a Parquet file (20 numbers, 10 texts, 1 %
missing) and summarises every column. ydata-profiling pins older libraries, so it needs an interpreter of its own; without
one it is left out and said so.

The first table leaves the file out: the batches are in memory, and only the summary is timed, with the compiled kernels
and without them in turn. Beside the clock it shows the time of the processor, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ONE_CORE = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

MEASURE = """
import json, resource, sys, time
path = sys.argv[1]
{imports}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start, cpu = time.perf_counter(), time.process_time()
{work}
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps(dict(wall=wall, cpu=cpu, added_mb=(peak - before) / 1e3)))
"""

OURS = MEASURE.format(
    imports="""
import pyarrow as pa
pa.set_cpu_count(1); pa.set_io_thread_count(1)
from pathlib import Path
from mlwright.data import LocalEngine, TableSummary, open_source
""",
    work="""
summary = LocalEngine().fold(open_source(path, folder=Path.cwd()), TableSummary)
assert summary.rows > 0 and summary["x0"].numbers.grid.quantile(0.5) is not None
""",
)
# The same rows, with the file already read: codes of a dictionary as they come, or texts as they are.
IN_MEMORY = """
import json
{without}
import pyarrow as pa, pyarrow.compute as pc
pa.set_cpu_count(1); pa.set_io_thread_count(1)
from pathlib import Path
from mlwright.data import TableSummary, open_source

def as_text(column):
    return pc.cast(column, pa.string()) if {raw} and pa.types.is_dictionary(column.type) else column

batches = [
    pa.RecordBatch.from_arrays([as_text(column) for column in batch.columns], names=batch.schema.names)
    for batch in open_source(path, folder=Path.cwd()).batches()
]
TableSummary().update(batches[0])  # what is made once in a process is made
"""
FOLD = """
summary = TableSummary()
for batch in batches:
    summary.update(batch)
"""
WITHOUT = "sys.modules['mlwright._kernels._numbers'] = sys.modules['mlwright._kernels._levels'] = None"


def in_memory(*, raw: bool, kernels: bool) -> str:
    """Code that times the summary alone, and also prints how large its state is as JSON."""
    code = MEASURE.format(imports=IN_MEMORY.format(without="" if kernels else WITHOUT, raw=raw), work=FOLD)
    return code.replace("dict(", "dict(state_kb=len(json.dumps(summary.state())) / 1e3, ")


POLARS = MEASURE.format(
    imports="import polars as pl",
    work="""
frame = pl.read_parquet(path)
frame.describe(percentiles=(0.05, 0.25, 0.5, 0.75, 0.95))
frame.select(pl.all().n_unique())
""",
)
YDATA = MEASURE.format(
    imports="import pandas as pd; from ydata_profiling import ProfileReport",
    work="ProfileReport(pd.read_parquet(path), minimal=True, progress_bar=False, pool_size=1).get_description()",
)


def write_table(path: Path, rows: int) -> None:
    """20 numbers of several kinds and 10 texts with 2 to 5,000 levels, in row groups."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, rows, 131_072):
        n = min(131_072, rows - start)
        columns = {f"x{i}": pa.array(rng.normal(size=n) * 10 ** (i % 5), mask=rng.random(n) < 0.01) for i in range(14)}
        columns |= {
            f"i{i}": pa.array(rng.integers(0, top, n)) for i, top in enumerate([2, 10, 100, 1000, 100_000, 10**9])
        }
        for i, count in enumerate([2, 3, 5, 8, 12, 20, 50, 100, 500, 5000]):
            levels = np.array([f"level_{j:05d}" for j in range(count)])
            columns[f"c{i}"] = pa.array(levels[rng.integers(0, count, n)], mask=rng.random(n) < 0.01)
        table = pa.table(columns)
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def once(code: str, path: Path, python: str = sys.executable) -> dict[str, float]:
    """One run in a fresh process on one core."""
    pinned = ["taskset", "-c", "0"] if Path("/usr/bin/taskset").exists() else []
    result = subprocess.run(
        [*pinned, python, "-W", "ignore", "-c", code, str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, **ONE_CORE},
    )
    if result.returncode:
        raise RuntimeError(result.stderr.strip().splitlines()[-1])
    found: dict[str, float] = json.loads(result.stdout.strip().splitlines()[-1])
    return found


def measured(code: str, path: Path, python: str = sys.executable, rounds: int = 3) -> dict[str, float]:
    """The quickest of a few runs."""
    return min((once(code, path, python) for _ in range(rounds)), key=lambda one: one["wall"])


def compare_kernels(path: Path, rows: int, rounds: int) -> None:
    """The summary alone, with the kernels and without, in turn; the median of the ratios of each turn."""
    print(f"{'in memory, the summary alone':40} {'rows/s':>9} {'rows/s cpu':>11} {'added':>8} {'state':>8}")
    for raw in (False, True):
        runs = [[once(in_memory(raw=raw, kernels=kernels), path) for kernels in (True, False)] for _ in range(rounds)]
        for kernels, found in zip((True, False), zip(*runs, strict=True), strict=True):
            name = f"{'raw texts' if raw else 'dictionary codes'}, {'compiled' if kernels else 'numpy'}"
            wall, cpu = (rows / min(one[clock] for one in found) / 1e6 for clock in ("wall", "cpu"))
            added, state = max(one["added_mb"] for one in found), found[0]["state_kb"]
            print(f"{name:40} {wall:8.2f}M {cpu:10.2f}M {added:5.0f} MB {state:5.0f} KB")
        ratio = statistics.median(by_numpy["cpu"] / compiled["cpu"] for compiled, by_numpy in runs)
        print(f"{'':40} compiled is {ratio:.1f} times as fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--many", type=int, default=10_000_000, help="rows of the memory test; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison of the kernels with numpy")
    parser.add_argument("--peer-python", help="an interpreter with ydata-profiling")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        write_table(path, arguments.rows)
        print(f"{arguments.rows:,} rows x 30 columns, {path.stat().st_size / 1e6:.0f} MB of Parquet, one core")
        compare_kernels(path, arguments.rows, arguments.rounds)
        ours = measured(OURS, path)
        shown = {"mlwright": ours, "polars describe + n_unique": measured(POLARS, path)}
        if arguments.peer_python:
            try:
                shown["ydata-profiling (minimal)"] = measured(YDATA, path, arguments.peer_python, rounds=1)
            except RuntimeError as error:
                print(f"ydata-profiling failed: {error}")
        else:
            print("ydata-profiling: left out, no --peer-python")
        for name, one in shown.items():
            speed = arguments.rows / one["wall"]
            print(
                f"{name:28} {one['wall']:7.2f} s  {speed / 1e6:6.3f}M rows/s  {one['added_mb']:7.0f} MB added  "
                f"{one['wall'] / ours['wall']:6.1f} x"
            )
        if arguments.many:
            many = Path(folder) / "many.parquet"
            write_table(many, arguments.many)
            large = measured(OURS, many, rounds=1)
            print(
                f"mlwright, {arguments.many:,} rows: {arguments.many / large['wall'] / 1e6:.3f}M rows/s, "
                f"{large['added_mb']:.0f} MB added ({large['added_mb'] - ours['added_mb']:+.0f} MB against {arguments.rows:,} rows)"
            )


if __name__ == "__main__":
    main()
