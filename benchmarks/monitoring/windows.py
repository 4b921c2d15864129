"""What a window costs: rows a second, memory over any number of rows, bytes of a state, merging a thousand; beside others.

    python -m benchmarks.monitoring.windows [--quick] [--peer evidently=PYTHON] [--peer whylogs=PYTHON] [--peer nannyml=PYTHON]

20 columns of numbers (1 % missing) and 10 of levels, with a score and a predicted class; the reference has 100,000 rows. One
thread, processor seconds, best of three. A peer compares the same rows with the same reference, once, texts as texts; what it
fits on the reference beforehand does not count. It lives in an environment of its own, since their pins conflict, of which
PYTHON is the interpreter; one that is not given is left out. What each needs: evidently and `pandas<3`; nannyml, statsmodels
and `pandas<3`; whylogs, `numpy<2`, `pandas<3` and setuptools.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ.update({"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import numpy as np
from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[2]
LEVELS = (2, 3, 4, 5, 8, 10, 15, 20, 30, 50)
REFERENCE_ROWS, ROWS, MOST_ROWS = 100_000, 1_000_000, 10_000_000
#: Peers report their use to their makers, which would be timed too.
SILENT = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "WHYLOGS_NO_ANALYTICS": "True"}
#: How many times as fast as each: windows from coded columns.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of windows.

    Attributes
    ----------
    rates
        Rows per processor second; of columns with codes or with texts, without or with the sample that is kept of them.
    state_bytes, state_without_sample
        How large the state of a window is.
    merge_s
        Processor seconds for a thousand merges.
    memory_mb
        What counting adds to a process that holds a few batches, at most.
    """

    rates: Mapping[str, float]
    state_bytes: int
    state_without_sample: int
    merge_s: float
    memory_mb: float


def costs(rows: int, most: int) -> Costs:
    """Measure windows of so many rows, and the memory over so many."""
    from mlwright.monitoring import WindowSummary

    shape = shape_of_reference()
    rates: dict[str, float] = {}
    for raw in (False, True):
        batches = table(rows, 2, raw=raw).combine_chunks().to_batches(max_chunksize=65_536)
        for sample in (False, True):

            def count(sample: bool = sample, batches: Any = batches) -> WindowSummary:
                window = WindowSummary(shape=shape)
                for batch in batches:
                    window.update(batch, sample=sample)
                return window

            rates[("raw" if raw else "coded") + (" with the sample" if sample else "")] = rows / best(count)
    window = count()
    state, kept = window.state(), window.sample_state()

    def merge() -> None:
        whole = WindowSummary(shape=shape)
        for _ in range(1000):
            whole.merge(WindowSummary.of_state(state, shape))

    return Costs(
        rates=rates,
        state_bytes=len(state) + len(kept or b""),
        state_without_sample=len(state),
        merge_s=best(merge),
        memory_mb=memory_mb(most),
    )


def memory_mb(rows: int) -> float:
    """What counting so many rows adds to a process that holds eight batches of them, at most."""
    code = (
        "from benchmarks.monitoring.windows import resident_mb, shape_of_reference, table\n"
        "from mlwright.monitoring import WindowSummary\n"
        "shape = shape_of_reference()\n"
        "batches = [table(65_536, 3 + number, raw=True).combine_chunks().to_batches()[0] for number in range(8)]\n"
        "before = most = resident_mb()\n"
        "window = WindowSummary(shape=shape)\n"
        f"for number in range({rows} // 65_536 + 1):\n"
        "    window.update(batches[number % 8], seed=number)\n"
        "    most = max(most, resident_mb())\n"
        "print(most - before)\n"
    )
    return float(_printed(sys.executable, "-c", code))


def resident_mb() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _printed(*command: str) -> str:
    """By a process that starts in the root of the repository."""
    environment = {**os.environ, **SILENT}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def figures(pythons: Mapping[str, str], *, rows: int = ROWS, most: int = MOST_ROWS) -> Iterator[Figure]:
    """Ours beside the targets, and beside the peers whose interpreters are given."""
    found = costs(rows, most)
    window = f"window from {rows / 1e6:g}M x 30 rows, one core"
    for kind, least in (("coded", 5e6), ("raw", 1e6)):
        rate, sampled = found.rates[kind], found.rates[f"{kind} with the sample"]
        yield Figure(
            goal=f"{window}, {'columns with codes' if kind == 'coded' else 'texts as texts'}",
            target=f">= {least / 1e6:g}M rows/s",
            reached=f"{rate / 1e6:.2f}M rows/s; with the sample {sampled / 1e6:.2f}M",
            good=rate >= least,
            numbers={"rows_per_s": rate, "with_sample": sampled},
        )
    for name, factor in FACTORS.items():
        yield _beside(name, pythons.get(name), found, rows, factor)
    yield Figure(
        goal=f"memory over {most / 1e6:g}M rows",
        target="<= + 50 MB",
        reached=f"+ {found.memory_mb:.1f} MB",
        good=found.memory_mb <= 50,
        numbers={"mb": found.memory_mb},
    )
    yield Figure(
        goal="state of a window",
        target="<= 0.5 MB",
        reached=f"{found.state_bytes / 1e6:.3f} MB; {found.state_without_sample / 1e6:.3f} MB without the sample",
        good=found.state_bytes <= 500_000,
        numbers={"bytes": found.state_bytes, "without_sample": found.state_without_sample},
    )
    yield Figure(
        goal="merge of 1,000 windows",
        target="< 1 s",
        reached=f"{found.merge_s:.2f} s",
        good=found.merge_s < 1,
        numbers={"seconds": found.merge_s},
    )


def _beside(name: str, python: str | None, found: Costs, rows: int, factor: float) -> Figure:
    goal, target = f"... beside {name}", f">= {factor} x as fast"
    if python is None:
        return Figure(goal=goal, target=target, reached="not measured: no interpreter given")
    try:
        line = json.loads(
            _printed(python, "-m", "benchmarks.monitoring.windows", "--measure", name, "--rows", str(rows))
        )
    except (subprocess.CalledProcessError, json.JSONDecodeError) as error:
        said = str(getattr(error, "stderr", error)).strip().splitlines()
        return Figure(goal=goal, target=target, reached=f"does not run: {said[-1] if said else error}"[:200])
    coded, raw = (found.rates[kind] / line["rows_per_s"] for kind in ("coded", "raw"))
    return Figure(
        goal=f"{goal} {line['version']}",
        target=target,
        reached=f"{coded:,.0f} x; with texts {raw:,.0f} x",
        good=coded >= factor,
        beside=f"{line['rows_per_s'] / 1e3:,.1f}k rows/s, + {line['mb']:,.0f} MB",
        numbers={"factor": coded, "with_texts": raw, **line},
    )


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


def measured_peer(name: str, rows: int) -> dict[str, Any]:
    """One comparison of so many rows; what it fits on the reference does not count. Runs in the peer's environment."""
    from importlib.metadata import version

    work = PEERS[name](frame(REFERENCE_ROWS, 1), frame(rows, 2))
    next(work)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begun = time.process_time()
    for _ in work:
        pass
    seconds = time.process_time() - begun
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    return {
        "peer": name,
        "version": version(name),
        "rows": rows,
        "rows_per_s": rows / seconds,
        "cpu_s": seconds,
        "mb": more,
    }


def interpreters(given: Sequence[str]) -> dict[str, str]:
    """By peer, from `NAME=PYTHON`."""
    found = dict(one.partition("=")[::2] for one in given)
    unknown = found.keys() - PEERS.keys()
    if unknown:
        raise SystemExit(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    return {name: str(Path(python).absolute()) for name, python in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help=", ".join(PEERS))
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--measure", choices=sorted(PEERS), help="measure this peer here, and print a line of JSON")
    options = parser.parse_args()
    rows = options.rows // (10 if options.quick else 1)
    if options.measure:
        print(json.dumps(measured_peer(options.measure, rows)))
        return
    for figure in figures(interpreters(options.peer), rows=rows, most=MOST_ROWS // (10 if options.quick else 1)):
        print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
