"""What a window costs: rows a second, memory over any number of rows, bytes of a state, merging a thousand; beside others.

    python benchmarks/monitoring/windows.py                        all of ours
    python benchmarks/monitoring/windows.py --quick                a tenth of the rows
    python benchmarks/monitoring/windows.py --peer evidently       a peer, in an environment that has it

20 columns of numbers (1 % missing) and 10 of levels, with a score and a predicted class; the reference has 100,000 rows. One
thread, processor seconds, best of three. A peer compares the same rows with the same reference and needs an environment of
its own, since their pins conflict: evidently with `pandas<3`, nannyml with `statsmodels`, whylogs with `numpy<2 pandas<3`.
It prints a line of JSON; give it to ours with --peers FILE to see the factors.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ.update({"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import numpy as np

LEVELS = (2, 3, 4, 5, 8, 10, 15, 20, 30, 50)
REFERENCE_ROWS, ROWS, MOST_ROWS = 100_000, 1_000_000, 10_000_000
TARGETS = {"coded": 5e6, "raw": 1e6, "memory_mb": 50.0, "state_bytes": 500_000, "merge_s": 1.0}
FACTORS = {"evidently": 300, "whylogs": 140, "nannyml": 35}


def drawn(rows: int, seed: int) -> tuple[list[Any], list[Any], Any]:
    """Numbers, codes of levels and scores; normal, lognormal, bounded and whole columns."""
    rng = np.random.default_rng(seed)
    numbers = []
    for column in range(20):
        z = rng.standard_normal(rows)
        if 10 <= column < 15:
            z = np.exp(0.5 * z)
        elif 15 <= column < 18:
            z = 1 / (1 + np.exp(-1.7 * z))
        elif column >= 18:
            z = np.floor(6 * np.abs(z))
        z[rng.random(rows) < 0.01] = np.nan
        numbers.append(z)
    shares = [np.cumsum((1 / np.arange(1, k + 1)) / (1 / np.arange(1, k + 1)).sum()) for k in LEVELS]
    codes = [np.searchsorted(share, rng.random(rows)).clip(max=len(share) - 1).astype(np.int32) for share in shares]
    return numbers, codes, rng.random(rows)


# ---- ours ----


def table(rows: int, seed: int, *, raw: bool) -> Any:
    import pyarrow as pa

    numbers, codes, score = drawn(rows, seed)
    columns = {f"input.n{i:02d}": pa.array(values, from_pandas=True) for i, values in enumerate(numbers)}
    for k, own in enumerate(codes):
        coded = pa.DictionaryArray.from_arrays(pa.array(own), pa.array([f"v{i}" for i in range(LEVELS[k])]))
        columns[f"input.c{k:02d}"] = coded.dictionary_decode() if raw else coded
    said = pa.DictionaryArray.from_arrays(pa.array((score > 0.5).astype(np.int32)), pa.array(["no", "yes"]))
    columns["output.prediction"] = said.dictionary_decode() if raw else said
    columns["output.probability_yes"] = pa.array(score)
    return pa.table(columns)


def shape_of_reference() -> Any:
    from mlwright.data import Column, summarise
    from mlwright.monitoring import WindowShape
    from mlwright.monitoring.shapes import shape_of_column

    reference = table(REFERENCE_ROWS, 1, raw=False)
    summary = summarise(reference.to_batches())
    columns = tuple(
        shape_of_column(Column(name=name[6:], type="category" if name[6] == "c" else "number"), summary[name])
        for name in reference.column_names
        if name.startswith("input.")
    )
    return WindowShape(model="bench", version="1", task="binary", classes=("no", "yes"), columns=columns)


def best(work: Callable[[], object]) -> float:
    """Processor seconds, best of three."""
    seconds = []
    for _ in range(3):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return min(seconds)


def rates(shape: Any, rows: int) -> dict[str, float]:
    from mlwright.monitoring import WindowSummary

    found: dict[str, float] = {}
    for raw in (False, True):
        batches = table(rows, 2, raw=raw).combine_chunks().to_batches(max_chunksize=65_536)
        for sample in (False, True):

            def count(sample: bool = sample, batches: Any = batches) -> WindowSummary:
                window = WindowSummary(shape=shape)
                for batch in batches:
                    window.update(batch, sample=sample)
                return window

            name = ("raw" if raw else "coded") + (" with the sample" if sample else "")
            found[name] = rows / best(count)
    window = count()
    state, kept = window.state(), window.sample_state()
    found["state_bytes"] = len(state) + len(kept or b"")
    found["state without the sample"] = len(state)

    def merge() -> None:
        whole = WindowSummary(shape=shape)
        for _ in range(1000):
            whole.merge(WindowSummary.of_state(state, shape))

    found["merge_s"] = best(merge)
    return found


def memory_mb(rows: int) -> float:
    """What counting so many rows adds to a process that holds a batch of them, at most."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from windows import resident_mb, shape_of_reference, table\n"
        "from mlwright.monitoring import WindowSummary\n"
        "shape, batches = shape_of_reference(), table(65_536, 3, raw=True).combine_chunks().to_batches()\n"
        "before = most = resident_mb()\n"
        "window = WindowSummary(shape=shape)\n"
        f"for number in range({rows} // 65_536 + 1):\n"
        "    window.update(batches[0], seed=number)\n"
        "    most = max(most, resident_mb())\n"
        "print(most - before)\n"
    )
    here = str(Path(__file__).parent)
    return float(subprocess.run([sys.executable, "-c", code, here], capture_output=True, text=True, check=True).stdout)


def resident_mb() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def ours(rows: int, most: int, peers: dict[str, float]) -> bool:
    found = rates(shape_of_reference(), rows)
    found["memory_mb"] = memory_mb(most)
    kept = True
    for name, value in found.items():
        target = TARGETS.get(name)
        met = target is None or (value >= target if name in {"coded", "raw"} else value <= target)
        kept &= met
        goal = "" if target is None else f"   target {'>=' if name in {'coded', 'raw'} else '<='} {target:,.6g}"
        print(f"{name:28} {value:14,.3f}{goal}{'' if met else '   MISSED'}")
    for other, rate in peers.items():
        factor, least = found["coded"] / rate, FACTORS.get(other, 1)
        kept &= factor >= least
        print(f"{other:28} {rate:14,.0f} rows/s: ours is {factor:,.0f} times as fast   target >= {least}")
    return kept


# ---- peers ----


def frame(rows: int, seed: int) -> Any:
    import pandas as pd

    numbers, codes, _ = drawn(rows, seed)
    columns: dict[str, Any] = {f"n{i:02d}": values for i, values in enumerate(numbers)}
    for k, own in enumerate(codes):
        columns[f"c{k:02d}"] = np.array([f"v{i}" for i in range(LEVELS[k])], dtype=object)[own]
    return pd.DataFrame(columns)


def evidently(reference: Any, current: Any) -> Iterator[None]:
    tool, presets = import_module("evidently"), import_module("evidently.presets")
    names = list(reference.columns)
    of = tool.DataDefinition(
        numerical_columns=[n for n in names if n[0] == "n"], categorical_columns=[n for n in names if n[0] == "c"]
    )
    yield
    now, then = (tool.Dataset.from_pandas(rows, of) for rows in (current, reference))
    tool.Report([presets.DataDriftPreset(columns=names)]).run(now, then)


def nannyml(reference: Any, current: Any) -> Iterator[None]:
    nml = import_module("nannyml")
    for rows in (reference, current):
        for name in rows.columns:
            if name[0] == "c":
                rows[name] = rows[name].astype("category")
    fitted = nml.UnivariateDriftCalculator(column_names=list(reference.columns), chunk_size=5000).fit(reference)
    yield
    fitted.calculate(current)


def whylogs(reference: Any, current: Any) -> Iterator[None]:
    tool = import_module("whylogs")
    del reference
    yield
    tool.log(current).view().serialize()


PEERS = {"evidently": evidently, "nannyml": nannyml, "whylogs": whylogs}


def peer(name: str, rows: int) -> None:
    work = PEERS[name](frame(REFERENCE_ROWS, 1), frame(rows, 2))
    next(work)
    begun = time.process_time()
    for _ in work:
        pass
    seconds = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peer": name, "rows": rows, "rows_per_s": rows / seconds, "cpu_s": seconds, "peak_mb": peak}))


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--peer", choices=sorted(PEERS))
    asked.add_argument("--rows", type=int)
    asked.add_argument("--peers", type=Path, help="lines of JSON that --peer printed")
    options = asked.parse_args()
    part = 10 if options.quick else 1
    if options.peer:
        peer(options.peer, options.rows or ROWS // part)
        return 0
    lines = [] if options.peers is None else [json.loads(line) for line in options.peers.read_text().splitlines()]
    known = {line["peer"]: float(line["rows_per_s"]) for line in lines}
    return 0 if ours(options.rows or ROWS // part, MOST_ROWS // part, known) else 1


if __name__ == "__main__":
    sys.exit(main())
