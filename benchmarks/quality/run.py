"""Scores of mlwright and its peers on the same tables, budgets and cores, one framework and table after another.

    python benchmarks/quality/run.py --plan plan.json --seconds 60 240 --seeds 0 1

`plan.json` maps a framework to the interpreter of its environment, for example
`{"mlwright": ".venv/bin/python", "lightgbm": "peers/base/bin/python", "ag_best": "peers/autogluon/bin/python"}`; the
frameworks are those of the harness (`--harness`, a folder with `run.py` and `table.py`), which watches time and memory of
each run from outside and keeps failures as lines. Runs that are in the results already are not made again. At the end the
table is printed: the score of each, the mean rank, wins, and what it costs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
OURS = "mlwright_adapter:fit"


def tables(data: Path) -> list[str]:
    """Every table of the folder, streams left out."""
    index = json.loads((data / "index.json").read_text())
    return [entry["name"] for entry in index["datasets"] if entry["kind"] == "table"]


def read_runs(path: Path) -> Iterator[tuple[str, str, float, int]]:
    """What has been run: framework, table, budget, seed."""
    if path.exists():
        for line in path.read_text().splitlines():
            run = json.loads(line)
            yield run["framework"], run["dataset"], run["seconds"], run["seed"]


def run_one(arguments: argparse.Namespace, framework: str, python: str, table: str, seconds: float, seed: int) -> None:
    """One framework on one table; the line that the harness writes gets our plain name."""
    written = arguments.out.with_suffix(".last")
    written.unlink(missing_ok=True)
    subprocess.run(
        [
            sys.executable,
            str(arguments.harness / "run.py"),
            "--framework",
            OURS if framework == "mlwright" else framework,
            "--dataset",
            table,
            "--seconds",
            str(seconds),
            "--seed",
            str(seed),
            "--data",
            str(arguments.data),
            "--out",
            str(written),
            "--python",
            python,
        ],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        check=False,
    )
    line = json.loads(written.read_text())
    with arguments.out.open("a") as results:
        results.write(json.dumps({**line, "framework": framework}) + "\n")
    written.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path, required=True, help="framework -> interpreter, as JSON")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--harness", type=Path, default=Path("../shared/bench/quality"))
    parser.add_argument("--out", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--tables", nargs="*", help="default: all")
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--until", help="HH:MM, after which no further run begins")
    arguments = parser.parse_args()
    plan: dict[str, str] = json.loads(arguments.plan.read_text())
    done = set(read_runs(arguments.out))
    for seconds in arguments.seconds:
        for seed in arguments.seeds:
            # Whole rows first: what is there when it is stopped can be compared.
            for table in arguments.tables or tables(arguments.data):
                for framework, python in plan.items():
                    if arguments.until and time.strftime("%H:%M") >= arguments.until:
                        break
                    if (framework, table, seconds, seed) not in done:
                        run_one(arguments, framework, python, table, seconds, seed)
    subprocess.run([sys.executable, str(arguments.harness / "table.py"), str(arguments.out)], check=False)


if __name__ == "__main__":
    main()
